"""Where the front matter of a content file begins and ends.

Strict on purpose: what is not exactly front matter but looks like somebody meant it is refused, because otherwise a
``draft: true`` would silently become part of the text. A Markdown file that merely has rules (``---``) or headings
underlined with dashes in it is a file without front matter.
"""

import itertools
import re
from typing import NamedTuple

from cms.errors import InvalidFrontMatter

MAX_BLOCK = 65_536
_NEWLINE = r"(?:\r\n?|\n)"
_OPENER = re.compile(rf"(?P<fence>---|\+\+\+)[ \t]*{_NEWLINE}")
_YAML_CLOSER = re.compile(r"\n---[ \t]*(?:\n|\Z)")
_TOML_CLOSER = re.compile(r"\n\+\+\+[ \t]*(?:\n|\Z)")
_YAML_CLOSER_CR = re.compile(rf"[\r\n](?:---|\.\.\.)[ \t]*(?:{_NEWLINE}|\Z)")
_TOML_CLOSER_CR = re.compile(rf"[\r\n]\+\+\+[ \t]*(?:{_NEWLINE}|\Z)")
_DOTS = re.compile(r"\n\.\.\.[ \t]*(?:\n|\Z)")
_LINES = re.compile(_NEWLINE)

_DASH = "-\u2010-\u2015\u2212\u2043\ufe58\ufe63\uff0d_"
_BLANK = " \t\u00a0\u00ad\u200b\ufeff"
_FENCE_LIKE = re.compile(rf"[{_BLANK}]*[{_DASH}][{_DASH}{_BLANK}]*\Z")
_FENCE_AND_TEXT = re.compile(rf"[{_BLANK}]*---+[{_BLANK}]*(?P<rest>[^{_DASH}{_BLANK}].*)\Z")
_PLUS_LIKE = re.compile(rf"[{_BLANK}]*\+[+{_BLANK}]*\Z")
_KEY = re.compile(
    r"""["']?(?P<key>[^\s:"'<>\[\]{}|`&!%@\#-][^\s:]*(?:[ ][^\s:]+){0,2}?)["']?[ \t]*:(?:[ \t]|\Z)""", re.VERBOSE
)
_TOML_KEY = re.compile(r"\s*[\w.\"'-]+[ \t]*=|\s*\[{1,2}[\w.\"'-]+\]{1,2}\s*\Z")
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_-]*\Z")
_KNOWN = frozenset(
    {"title", "date", "draft", "published", "layout", "author", "slug", "description", "tags", "permalink"}
)
# Front matter that is a program, of Eleventy and others.
_SCRIPTS = frozenset({"js", "javascript", "coffee", "ts"})
_HEAD = 16_384
_FORMATS = {"---": "yaml", "+++": "toml"}


class Cut(NamedTuple):
    """A file cut in two: ``text[start:end]`` is the block, ``text[body:]`` the rest, which begins on line ``body_line``."""

    format: str
    start: int
    end: int
    body: int
    body_line: int


def cut(text: str) -> Cut:
    """Where the front matter of *text* (without BOM) stands; format ``none`` when it has none.

    Raises:
        InvalidFrontMatter: it is open, too large, or looks like front matter without being it.
    """
    opener = _OPENER.match(text)
    if opener is None:
        if text.startswith("{") and (end := _json_end(text)):
            return _json_cut(text, end)
        _refuse_near_miss(text)
        return Cut("none", 0, 0, 0, 1)
    fence = opener["fence"]
    start = opener.end()
    closer = _closer(text, fence, start - 1)
    if closer is None:
        raise _unclosed(text, fence, start)
    end = max(start, closer.start() + 1)
    if end - start > MAX_BLOCK // 4 and len(text[start:end].encode()) > MAX_BLOCK:
        raise _too_large()
    body_line = 2 + count_lines(text, 0, end)
    _refuse_second_block(text, closer.end(), body_line, is_empty=end == start, dots=text[end : end + 3] == "...")
    return Cut(_FORMATS[fence], start, end, closer.end(), body_line)


def count_lines(text: str, start: int, end: int) -> int:
    """Line ends between two places, where LF, CRLF and a lone CR each end a line."""
    lines = text.count("\n", start, end)
    if "\r" in text:
        lines += text.count("\r", start, end) - text.count("\r\n", start, end)
    return lines


def _closer(text: str, fence: str, position: int) -> re.Match[str] | None:
    if "\r" in text:
        return (_YAML_CLOSER_CR if fence == "---" else _TOML_CLOSER_CR).search(text, position)
    if fence == "+++":
        return _TOML_CLOSER.search(text, position)
    closer = _YAML_CLOSER.search(text, position)
    if text.find("\n...", position, closer.start() + 1 if closer else len(text)) >= 0:
        closer = _DOTS.search(text, position, closer.start() + 1 if closer else len(text)) or closer
    return closer


def _too_large() -> InvalidFrontMatter:
    return InvalidFrontMatter(
        f"the front matter is larger than {MAX_BLOCK // 1024} KiB",
        line=1,
        column=1,
        rule="too-large",
        hint="move long text to the body, and data to a file of its own",
    )


def _unclosed(text: str, fence: str, start: int) -> InvalidFrontMatter:
    """Say which line looks like the closing fence that was meant, or that there is none."""
    like = _PLUS_LIKE if fence == "+++" else _FENCE_LIKE
    for number, line in enumerate(_LINES.split(text[start : start + MAX_BLOCK]), 2):
        is_text = fence == "---" and _FENCE_AND_TEXT.match(line)
        if (like.match(line) and line.strip() != "-") or is_text:
            return _near_closer(line, fence, number)
    return InvalidFrontMatter(
        f"the front matter that begins with '{fence}' is never closed",
        line=1,
        column=1,
        rule="closing-fence",
        hint=f"add a line with '{fence}' after the last field",
    )


def refuse_early_closer(block: str, line: int) -> None:
    """Raise if a line of *block* before its broken *line* looks like the closing fence that was meant."""
    for number, text in enumerate(block.split("\n")[:line], 1):
        if _FENCE_LIKE.match(text) and (len(text.strip()) > 2 or not text.isascii()):
            raise _near_closer(text, "---", number + 1)


def _near_closer(line: str, fence: str, number: int) -> InvalidFrontMatter:
    return InvalidFrontMatter(
        f"the line '{line.strip()[:40]}' should close the front matter, but only '{fence}' does",
        line=number,
        column=1,
        rule="closing-fence",
        hint=f"replace it by a line with '{fence}' and nothing else",
    )


def _refuse_second_block(text: str, position: int, line: int, *, is_empty: bool, dots: bool) -> None:
    """Refuse fields that stand right behind the closing fence: they were meant as front matter."""
    head = text[position : position + 4].lstrip()
    if not (is_empty or dots or head.startswith("---")):
        return
    lines = _LINES.split(text[position : position + _HEAD])
    skip = 0
    if not (is_empty or dots):
        skip = next((number for number, candidate in enumerate(lines) if candidate.strip()), 0)
        if lines[skip].rstrip() != "---":
            return
        skip += 1
    if skip < len(lines) and _KEY.match(lines[skip]) and _fields(lines, skip).closed:
        raise InvalidFrontMatter(
            "there are two front matter blocks",
            line=line + skip,
            column=1,
            rule="second-block",
            hint="put all fields between the first '---' and the next one",
        )


class _Fields(NamedTuple):
    first: str
    keys: int
    closed: bool
    line: int


def _fields(lines: list[str], position: int) -> _Fields:
    """How many lines from *position* on read like YAML fields, and whether a fence ends them."""
    first, count, begins = "", 0, True
    for number, line in enumerate(lines[position:], position):
        if not line.strip():
            begins = True
            continue
        if count and (_FENCE_LIKE.match(line) and line.strip() != "-"):
            return _Fields(first, count, True, number)
        if key := _KEY.match(line):
            first, count = first or key["key"], count + 1
        elif (begins or not count) and not line.startswith((" ", "\t", "-", "#", "<!--")):
            break
        begins = False
    return _Fields(first, count, False, position)


def _refuse_near_miss(text: str) -> None:
    """Refuse a file without front matter whose beginning shows that some was meant."""
    lines = _LINES.split(text[:_HEAD])
    position = _first_content(lines)
    if position == len(lines):
        return
    line = lines[position]
    if _FENCE_LIKE.match(line) or _FENCE_AND_TEXT.match(line):
        _refuse_opener(lines, position)
    elif _PLUS_LIKE.match(line) and position + 1 < len(lines):
        if any(_TOML_KEY.match(candidate) for candidate in lines[position + 1 : position + 3]):
            raise _opener(lines, position, "+++")
    elif opener := _late_opener(lines, position):
        raise _opener(lines, opener, "---")
    elif position == 0 and (fence := _headless(lines)):
        raise InvalidFrontMatter(
            f"the file begins with fields, but the '{fence}' line before them is missing",
            line=1,
            column=1,
            rule="opening-fence",
            hint=f"add a line with '{fence}' at the very top",
        )


def _first_content(lines: list[str]) -> int:
    """The first line that is neither blank nor a comment."""
    in_comment = False
    for number, line in enumerate(lines):
        stripped = line.strip(_BLANK)
        in_comment = in_comment or stripped.startswith("<!--")
        if in_comment:
            in_comment = "-->" not in stripped
        elif stripped and not (stripped.startswith("#") and _precedes_fence(lines, number)):
            return number
    return len(lines)


def _precedes_fence(lines: list[str], number: int) -> bool:
    following = next((line for line in lines[number + 1 :] if line.strip()), "")
    return following.rstrip() == "---" or following.startswith("#")


def _refuse_opener(lines: list[str], position: int) -> None:
    fields = _fields(lines, position + 1)
    with_text = _FENCE_AND_TEXT.match(lines[position])
    rest = with_text["rest"].strip() if with_text else ""
    is_closed = any(line.rstrip() == "---" for line in lines[position + 1 :])
    is_key = is_closed and (bool(_KEY.match(rest)) or rest.lower() in _SCRIPTS)
    if is_key or rest.lower() in {"json", "yaml", "yml", "toml"} or fields.keys > 1 or (fields.keys and fields.closed):
        raise _opener(lines, position, "---")


def _opener(lines: list[str], position: int, fence: str) -> InvalidFrontMatter:
    line = lines[position]
    if position and line.rstrip() == fence:
        detail, hint = (
            f"the front matter must begin on the first line, not on line {position + 1}",
            "delete what is above it",
        )
    elif line.strip(_BLANK) == fence:
        detail, hint = (
            f"there is a blank before or behind '{fence}'",
            f"begin the file with a line '{fence}' and nothing else",
        )
    else:
        detail = f"the line '{line.strip()[:40]}' should open the front matter, but only '{fence}' does"
        hint = f"replace it by a line with '{fence}' and nothing else"
    return InvalidFrontMatter(detail, line=position + 1, column=1, rule="opening-fence", hint=hint)


def _late_opener(lines: list[str], position: int) -> int | None:
    """A whole front matter block behind a few lines of text, such as a note that somebody put on top."""
    for number in range(position + 1, min(position + 6, len(lines) - 1)):
        if lines[number - 1].startswith(("```", "~~~")):
            return None
        key = _KEY.match(lines[number + 1])
        if lines[number].rstrip() == "---" and key and _IDENTIFIER.match(key["key"]):
            fields = _fields(lines, number + 1)
            if fields.keys > 1 and fields.closed and lines[fields.line].rstrip() == "---":
                return number
    return None


def _headless(lines: list[str]) -> str | None:
    """The fence that is missing above fields on the first line, or ``None`` if these lines are text."""
    if _TOML_KEY.match(lines[0]):
        return "+++" if any(line.rstrip() == "+++" for line in lines) else None
    if not _KEY.match(lines[0]):
        return None
    fields = _fields(lines, 0)
    if not fields.closed or not lines[fields.line].startswith("--"):
        top = [_KEY.match(line) for line in itertools.takewhile(str.strip, lines)]
        is_block = len(top) > 1 and all(key and _IDENTIFIER.match(key["key"]) for key in top)
        return "---" if is_block and fields.first in _KNOWN else None
    is_field = fields.keys > 1 or _IDENTIFIER.match(fields.first) or fields.first.lower() in _KNOWN
    return "---" if is_field else None


_JSON_OPENER = re.compile(r"\{\s*(?:\"|\}|'?[A-Za-z_]\w*'?\s*:\s)")
_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\Z)|[{}]', re.DOTALL)


def _json_end(text: str) -> int | None:
    """Where the JSON object that opens the file ends; ``None`` when the ``{`` begins something else."""
    if not _JSON_OPENER.match(text):
        return None
    depth = 0
    for token in _JSON_TOKEN.finditer(text, 0, MAX_BLOCK + 1):
        depth += {"{": 1, "}": -1}.get(token.group(), 0)
        if depth == 0:
            return token.end()
    if len(text) > MAX_BLOCK:
        raise _too_large()
    raise InvalidFrontMatter(
        "the JSON front matter that begins with '{' is never closed",
        line=1,
        column=1,
        rule="closing-fence",
        hint="add the missing '}', and check the quotes",
    )


def _json_cut(text: str, end: int) -> Cut:
    line_end = _LINES.search(text, end)
    rest = text[end : line_end.start() if line_end else len(text)]
    line = 1 + count_lines(text, 0, end)
    if rest.strip():
        raise InvalidFrontMatter(
            "there is text behind the '}' that closes the front matter",
            line=line,
            column=end - max(text.rfind("\n", 0, end), text.rfind("\r", 0, end)),
            rule="closing-fence",
            hint="begin the body on a line of its own",
        )
    return Cut("json", 0, end, line_end.end() if line_end else len(text), line + 1)
