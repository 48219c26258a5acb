"""Remarks: what a person should know of the texts that an adoption covers, where they are not shown as their generator shows them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from cms.adopt.languages import vote
from cms.adopt.tally import Tally
from cms.coerce import NOT_PUBLIC, SCHEDULED
from cms.markdown import heading

SAMPLE_CHARACTERS = 20_000
FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
HTML_BLOCK = re.compile(
    r"^ {0,3}<(?:p|div|table|h[1-6]|[uod]l|figure|iframe|blockquote|section|article|details|center|video|form)[\s>]",
    re.MULTILINE | re.IGNORECASE,
)
OTHER_MARKUP = re.compile(r"(?:.+\.(?:rst|adoc|asciidoc|textile|org|rmd|qmd)|(?:.*/)?_posts/.+\.html?)", re.IGNORECASE)
HIDDEN_FOLDER = re.compile(r"(?:^|/)(?:\.|node_modules/)")
SPLIT_BY_JEKYLL = ("categories", "tags")


class Glance(NamedTuple):
    """What a look at one body tells: its language, whether it begins with a heading, whether blocks of HTML are in it."""

    language: str | None
    is_headed: bool
    has_html: bool


def look(body: str) -> Glance:
    """Look at one body."""
    sample = body[:SAMPLE_CHARACTERS]
    has_html = "<" in sample and HTML_BLOCK.search(FENCED.sub("", sample)) is not None
    return Glance(vote(body), heading(body) is not None, has_html)


def texts_notes(name: str, glances: Mapping[str, Glance]) -> list[str]:
    """What of the texts of the collection *name* is not shown."""
    notes = []
    html = sum(glance.has_html for glance in glances.values())
    if html:
        notes.append(
            f"{name}: blocks of HTML in {_files(html)} are not shown, nor searched; format=markdown has them as written"
        )
    mdx = sum(path.casefold().endswith(".mdx") for path in glances)
    if mdx:
        notes.append(f"{name}: {_files(mdx)} of MDX: what is Markdown in it is shown, imports and components are not")
    return notes


def fields_notes(name: str, fields: Mapping[str, Tally], generator: str) -> list[str]:
    """Values that another program gives a meaning of their own, or that hide entries."""
    notes = []
    for field in SPLIT_BY_JEKYLL if generator == "jekyll" else ():
        several = sorted(text for text in (fields[field].texts if field in fields else ()) if " " in text.strip())
        if several:
            words = ", ".join(several[0].split())
            notes.append(
                f"{name}: Jekyll takes the {field} '{several[0]}' apart, here they are one value; "
                f"write a list where they are several: [{words}]"
            )
    texts = fields["status"].texts if "status" in fields else {}
    hiding = [text for text in sorted(texts) if text.casefold() in (*NOT_PUBLIC, SCHEDULED)]
    if hiding:
        count = sum(texts[text] for text in hiding)
        notes.append(
            f"{name}: {_files(count)} with the status {' or '.join(hiding)} will not be public; 'draft: false' shows one"
        )
    return notes


def other_markup(paths: Iterable[str]) -> Sequence[str]:
    """Those of *paths* that hold text in another markup than Markdown."""
    return sorted(path for path in paths if OTHER_MARKUP.fullmatch(path) and not HIDDEN_FOLDER.search(path))


def _files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"
