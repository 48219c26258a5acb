"""Markdown bodies as HTML, plain text, table of contents and excerpt.

CommonMark with tables, footnotes, strikethrough, task lists and bare links, rendered by comrak. Raw HTML in a body
is dropped, an HTML block together with its text. Whatever comrak makes passes nh3 with a list of allowed tags, and
nothing is changed after that. Template syntax and shortcodes (``{{ … }}``, ``{% … %}``) are text like any other.

Everything here is bounded before the costly part: source and output in size, lists and quotations in depth, tables in
the cells a short row is filled up with. A body beyond a bound raises `InvalidContent`.

Not here: reading files (``frontmatter``), what relative links point at (see *link* of `render`).
"""

import html as entities
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import comrak
import nh3

from cms.errors import InvalidContent

MAX_SOURCE_BYTES: Final = 1024 * 1024
MAX_HTML_CHARACTERS: Final = 4 * 1024 * 1024
MAX_DEPTH: Final = 100
MAX_FILLED_CELLS: Final = 50_000
MAX_AMPERSANDS: Final = 100_000
MAX_BARE_LINKS_A_LINE: Final = 100
MAX_ID_CHARACTERS: Final = 100
MAX_TITLE_CHARACTERS: Final = 300
EXCERPT_WORDS: Final = 55
WORDS_A_MINUTE: Final = 200

# An excerpt of a longer body is first tried on this much of it.
_HEAD_CHARACTERS: Final = 2 * 1024
# Where spaces do not part the words (Thai), an excerpt ends after this many characters for each word.
_CHARACTERS_A_WORD: Final = 20
# How many comments that look like the marker are tried: each costs a rendering, and those in code do not count.
_MARKERS_TRIED: Final = 3
# A noncharacter: shows where the excerpt ends after rendering.
_HERE: Final = "\ufdd0"

_HEADINGS: Final = ("h1", "h2", "h3", "h4", "h5", "h6")
_BLOCKS: Final = ("p", "br", "hr", "blockquote", "ul", "ol", "li", "pre", "section")
_INLINE: Final = ("code", "em", "strong", "del", "a", "img", "sup", "input")
_TABLES: Final = ("table", "thead", "tbody", "tr", "th", "td")
_CLEANER: Final = nh3.Cleaner(
    tags={*_HEADINGS, *_BLOCKS, *_INLINE, *_TABLES},
    attributes={
        **{heading: {"id"} for heading in _HEADINGS},
        "a": {"href", "title", "id", "class", "aria-label"},
        "img": {"src", "alt", "title", "width", "height"},
        "code": {"class"},
        "sup": {"class"},
        "section": {"class"},
        "li": {"id"},
        "ol": {"start"},
        "th": {"align"},
        "td": {"align"},
        "input": {"checked", "disabled"},
    },
    tag_attribute_values={"input": {"type": {"checkbox"}}},
    url_schemes={"http", "https", "mailto", "tel"},
    link_rel="noopener noreferrer",
)

_HEADING = re.compile(r"<h([1-6])>(.*?)</h\1>", re.DOTALL)
_HEADING_WITH_ID = re.compile(r'<h([1-6]) id="([^"]*)">(.*?)</h\1>', re.DOTALL)
_ID = re.compile(r' id="([^"]*)"')
_CODE_CLASS = re.compile(r'<code class="language-([^"]*)">')
_SAFE_LANGUAGE = re.compile(r"[\w#+.-]{1,40}")
_NESTING = re.compile(r"<(/?)(?:blockquote|[uo]l)\b")
_IMAGE = re.compile(r'<img\b(?:[^>"]|"[^"]*")*?\balt="([^"]*)"(?:[^>"]|"[^"]*")*>')
_PREFORMATTED = re.compile(r"(<pre\b.*?</pre>)", re.DOTALL)
_NEVER_TEXT = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|template|noscript|title|svg|math)\b.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE
)
_FOOTNOTE_MARKS = re.compile(r'<sup class="footnote-ref">.*?</sup>|<a\b[^>]*class="footnote-backref".*?</a>', re.DOTALL)
_ATTRIBUTES: Final = r"""(?:[^<>"']|"[^"]*"|'[^']*')*"""
_BLOCK_END = re.compile(
    r"</?(?:p|br|hr|div|h[1-6]|ul|ol|li|blockquote|pre|table|tr|section|article|dl|dt|dd|figure)\b" + _ATTRIBUTES + ">"
)
_CELL_END = re.compile(r"</t[hd]>")
_TAG = re.compile("</?[A-Za-z]" + _ATTRIBUTES + ">")

_LINE_END = re.compile(r"\r\n?|\n")
# The words of WordPress, Hugo and Zola; of Docusaurus; of many Jekyll sites.
_MARKER = re.compile(r"<!--\s*(?:more|read ?more|truncate|(?:end[ _-]?)?excerpt)\s*-->", re.IGNORECASE)
_TOP_HEADING = re.compile(
    r"(?:[ \t\r]*\n|[ ]{0,3}<!--(?:[^-]|-(?!->))*-->[ \t\r]*\n|(?:import|export)[ ][^\n]*\n)*+"
    r"[ ]{0,3}(?:\#[ \t]+(?P<atx>[^\n]*)"
    r"|(?P<underlined>[^\s\#>`~=<+*|-][^\n]*)\n[ ]{0,3}=+[ \t\r]*(?:\n|\Z))"
)
_ANCHOR = re.compile(r"\{[#:.][^{}]*\}\Z")
_MARKUP: Final = frozenset("*_`[]<>&\\!~|:@")
_MARGIN = re.compile(" {0,3}")
_BLANK_LINE = re.compile(r"\n[ \t\r]*\n")
_DEFINITION = re.compile(r"^ {0,3}\[[^\]\n]+\]:.*$", re.MULTILINE)
_NOT_IN_EXCERPTS = re.compile(
    r'<(h[1-6]|pre|table)\b.*?</\1>|<section class="footnotes".*\Z|<sup class="footnote-ref">.*?</sup>', re.DOTALL
)
_HERE_IN_CODE = re.compile(rf"<code[^>]*>[^<]*{_HERE}")

# Han, kana: written without spaces, one character counts as one word.
_SPACELESS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_WORD = re.compile(rf"[{_SPACELESS}]|\w[^\s{_SPACELESS}]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """One line of the table of contents: *id* is the fragment that leads to it, *text* is plain."""

    level: int
    id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A body as sanitised HTML, and its headings in order."""

    html: str
    toc: tuple[Heading, ...]


def render(markdown: str, *, link: Callable[[str], str] | None = None) -> Rendered:
    """Render a body.

    Args:
        markdown: the body, without front matter.
        link: called with the target of each link and image, returns the one to write instead. Sanitising comes later,
            so it cannot let a forbidden scheme through.

    Raises:
        InvalidContent: the body is beyond a bound; fact ``rule`` is ``body-too-large`` or ``body-too-deep``.
    """
    html = _with_ids(_to_html(markdown, link=link)).replace('<a href="">', "<a>")
    html = _CLEANER.clean(_CODE_CLASS.sub(_checked_language, html))
    return Rendered(html=html, toc=tuple(_headings(html)))


def plain(html: str) -> str:
    """The text of HTML: no tags, entities resolved, one line for each block, code as it stands.

    Scripts, styles, comments, images and the marks of footnotes have no text. The result is text, not HTML: it may well
    contain ``<``, so whoever puts it into a page must escape it.
    """
    html = _FOOTNOTE_MARKS.sub("", _NEVER_TEXT.sub("", html))
    parts = _PREFORMATTED.split(html)
    parts[::2] = [_flowing_text(part) for part in parts[::2]]
    parts[1::2] = [entities.unescape(_TAG.sub("", part)).strip("\n") for part in parts[1::2]]
    return "\n".join(part for part in parts if part)


def excerpt(markdown: str, *, words: int = EXCERPT_WORDS) -> tuple[str, bool]:
    """The beginning of a body as one line of plain text, and whether the body goes on behind it.

    A ``<!--more-->`` comment (or ``truncate``, ``excerpt``) says where the excerpt ends; without one it ends after *words* words, with " […]" behind
    it if that cut something off. Headings, images, code blocks, tables and footnotes are left out.

    Raises:
        InvalidContent: as `render`.
    """
    for marker in islice(_MARKER.finditer(markdown), _MARKERS_TRIED):
        is_block = _MARGIN.fullmatch(markdown[: marker.start()].rpartition("\n")[2]) is not None
        text = _text_before(markdown, marker.start(), marker.end(), is_block=is_block)
        if text is not None:
            return text, bool(markdown[marker.end() :].strip())
    text = _text_of_head(markdown)
    beginning, is_cut = _first_words(text or "", words)
    if not is_cut:
        beginning, is_cut = _first_words(_excerpt_text(markdown), words)
    return (f"{beginning} […]", True) if is_cut else (beginning, False)


def heading(markdown: str) -> str | None:
    """The text of the top heading that a body begins with, as one line; ``None`` when it begins with something else.

    What is not seen in print may stand above it: comments, and the imports and exports of MDX.
    """
    found = _TOP_HEADING.match(markdown[:_HEAD_CHARACTERS])
    if found is None:
        return None
    text = (found["atx"] or found["underlined"] or "").strip()
    before = text.rstrip("#")
    if before[-1:] in (" ", "\t", ""):
        text = before
    if anchor := _ANCHOR.search(text.rstrip()):
        text = text[: anchor.start()]
    if not _MARKUP.isdisjoint(text):
        text = plain(_IMAGE.sub(r"\1", _to_html(f"# {text}"))).replace("\n", " ")
    return " ".join(text.split())[:MAX_TITLE_CHARACTERS].rstrip() or None


def word_count(text: str) -> int:
    """How many words plain text has; Chinese characters and Japanese kana count one each."""
    return len(_WORD.findall(text))


def reading_minutes(words: int) -> int:
    """Minutes to read that many words, rounded up; 0 only for no words."""
    return -(-words // WORDS_A_MINUTE)


def _to_html(markdown: str, *, link: Callable[[str], str] | None = None) -> str:
    """Render within bounds. The result is not sanitised yet, but every ``<`` in it begins a tag comrak made."""
    _require_bounded_source(markdown)
    extensions = comrak.ExtensionOptions()
    extensions.table = extensions.footnotes = extensions.strikethrough = True
    extensions.tasklist = True
    extensions.autolink = _has_bare_links_in_reason(markdown)
    if link is not None:
        extensions.link_url_rewriter = extensions.image_url_rewriter = link
    html: str = comrak.render_markdown(markdown, extension_options=extensions)
    # Sanitising costs the square of the number of ampersands in a paragraph: 700,000 take 10 s.
    if len(html) > MAX_HTML_CHARACTERS or html.count("&amp;") > MAX_AMPERSANDS:
        raise InvalidContent(
            "The body becomes too much HTML", rule="body-too-large", hint="Split it into several files"
        )
    _require_shallow(html)
    return html


def _require_bounded_source(markdown: str) -> None:
    if len(markdown) * 4 > MAX_SOURCE_BYTES and len(markdown.encode("utf-8", "replace")) > MAX_SOURCE_BYTES:
        raise InvalidContent("The body is larger than 1 MiB", rule="body-too-large", hint="Split it into several files")
    # No table has more columns than half of all bars, or more rows than there are lines.
    if (markdown.count("|") // 2 + 1) * markdown.count("\n") > MAX_FILLED_CELLS:
        _require_filled_tables(markdown)


def _has_bare_links_in_reason(markdown: str) -> bool:
    """Whether bare links may be looked for.

    comrak 0.0.16 calls itself once for each mail address in a line, and ends the process when the stack is full: 200 kB
    of ``a@b.c`` do. A line with very many keeps them as text.
    """
    if markdown.count("@") + markdown.count("://") + markdown.count("www.") <= MAX_BARE_LINKS_A_LINE:
        return True
    lines = _LINE_END.split(markdown)
    return all(line.count("@") + line.count("://") + line.count("www.") <= MAX_BARE_LINKS_A_LINE for line in lines)


def _require_filled_tables(markdown: str) -> None:
    """Refuse tables whose short rows would be filled up with very many empty cells (18 kB can become 90 MB)."""
    filled = columns = 0
    for line in markdown.split("\n"):
        bars = line.count("|")
        if not line.strip("> \t\r"):
            columns = 0
        elif "-" in line and not line.strip("-:|> \t\r*+0123456789.)"):
            columns = max(columns, bars + 1)
        else:
            filled += max(0, columns - 1 - bars)
    if filled > MAX_FILLED_CELLS:
        raise InvalidContent(
            "A table has far more columns in its first row than in the others",
            rule="body-too-large",
            hint="Give each row as many cells as the first one",
        )


def _require_shallow(html: str) -> None:
    # Sanitising costs the square of the depth: 50,000 nested quotations take 10 s.
    depth = 0
    if html.count("<blockquote") + html.count("<ul") + html.count("<ol") <= MAX_DEPTH:
        return
    for tag in _NESTING.finditer(html):
        depth += -1 if tag[1] else 1
        if depth > MAX_DEPTH:
            raise InvalidContent(f"Lists or quotations are nested more than {MAX_DEPTH} deep", rule="body-too-deep")


def _with_ids(html: str) -> str:
    """Give each heading an id as GitHub does: lower case, blanks as hyphens, a number behind the second of a name.

    Not left to comrak, which takes seconds for many equal headings, puts an empty link into each, and may give a
    heading the id of a footnote.
    """
    taken = dict.fromkeys(_ID.findall(html), 0)

    def numbered(match: re.Match[str]) -> str:
        level, inner = match.groups()
        name = _identifier(_heading_text(inner))
        unique = name
        while unique in taken:
            taken[name] += 1
            unique = f"{name}-{taken[name]}"
        taken[unique] = 0
        return f'<h{level} id="{unique}">{inner}</h{level}>'

    return _HEADING.sub(numbered, html)


def _identifier(text: str) -> str:
    """The id for a heading: letters (æøå and all others), marks, digits, ``-`` and ``_`` only."""
    normal = unicodedata.normalize("NFC", text[: 4 * MAX_ID_CHARACTERS]).lower()
    kept = (c for c in normal if c in " -_" or unicodedata.category(c)[0] in "LMN")
    return "".join(kept).strip().replace(" ", "-")[:MAX_ID_CHARACTERS] or "section"


def _headings(html: str) -> Iterator[Heading]:
    for match in _HEADING_WITH_ID.finditer(html):
        if text := _heading_text(match[3]):
            yield Heading(level=int(match[1]), id=entities.unescape(match[2]), text=text)


def _heading_text(inner: str) -> str:
    if "<" not in inner:
        return " ".join(entities.unescape(inner).split())
    return plain(_IMAGE.sub(r"\1", inner)).replace("\n", " ")


def _checked_language(match: re.Match[str]) -> str:
    return match[0] if _SAFE_LANGUAGE.fullmatch(match[1]) else "<code>"


def _flowing_text(html: str) -> str:
    """Text outside of preformatted blocks, where a line end in the source is a blank like any other."""
    html = _BLOCK_END.sub("\n", _CELL_END.sub(" ", html.replace("\n", " ")))
    lines = (" ".join(line.split()) for line in entities.unescape(_TAG.sub("", html)).split("\n"))
    return "\n".join(line for line in lines if line)


def _excerpt_text(markdown: str) -> str:
    # Never sanitised, since nothing of it stays HTML: all tags go, the rest is text.
    html = _NOT_IN_EXCERPTS.sub("", _to_html(markdown))
    return plain(_HERE_IN_CODE.sub("", html)).replace("\n", " ")


def _text_of_head(markdown: str) -> str | None:
    """The excerpt text of the first blocks of a long body; None if it is short or cannot be cut there."""
    if len(markdown) <= _HEAD_CHARACTERS:
        return None
    end = _BLANK_LINE.search(markdown, _HEAD_CHARACTERS, 4 * _HEAD_CHARACTERS)
    return _text_before(markdown, end.start(), end.start(), is_block=True) if end else None


def _text_before(markdown: str, start: int, end: int, *, is_block: bool) -> str | None:
    """The excerpt text before *start*, where the text goes on at *end*; None if that is within code or raw HTML.

    Rendered is no more than the block around it, and the link and footnote definitions of the part left out: without
    them ``[text][name]`` would stay as it is.
    """
    blank = _BLANK_LINE.search(markdown, end)
    rest = blank.start() if blank else len(markdown)
    definitions = "\n\n".join(_DEFINITION.findall(markdown, rest)) if "]:" in markdown else ""
    sign = f"\n\n{_HERE}\n\n" if is_block else _HERE
    text = _excerpt_text(f"{markdown[:start]}{sign}{markdown[end:rest]}\n\n{definitions}")
    before, found, _ = text.partition(_HERE)
    return before.strip() if found else None


def _first_words(text: str, words: int) -> tuple[str, bool]:
    """The first *words* words of *text*, and whether there are more."""
    end = 0
    for number, word in enumerate(_WORD.finditer(text)):
        if number == words or word.end() > words * _CHARACTERS_A_WORD:
            return text[: end or words * _CHARACTERS_A_WORD].rstrip(), True
        end = word.end()
    return text, False
