"""A version of a file, cut into what can be told apart: fields, the items of lists, the paragraphs of the text. Pure.

A part is the same in two versions when it says the same: a value however it is written, a paragraph but for blanks at the ends of its lines.
Where it stands does not matter, so what was moved within the file keeps its origin. A heading is a paragraph of its own, and so is code between fences.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from cms.errors import CMSError
from cms.frontmatter import read

FIELD, ITEM, PARAGRAPH = "field", "item", "paragraph"
_FENCES = ("```", "~~~")
_HEADING = re.compile(r" {0,3}#{1,6}(?:[ \t]|$)")
_encode = msgspec.json.Encoder(order="sorted").encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Something in a file that has an origin of its own.

    Attributes:
        kind: FIELD, ITEM or PARAGRAPH.
        name: of a field, with dots where it lies inside another; of an item the field that is the list.
        number: the place of an item in its list, or of a paragraph in the text, from 0.
        value: what it holds; of a paragraph its text.
        line: of a paragraph, where it begins in the file, from 1.
    """

    kind: str
    name: str = ""
    number: int = 0
    value: Any = None
    line: int = 0

    @property
    def identity(self) -> tuple[str, str, bytes]:
        """What is the same in another version that has this part."""
        return self.kind, self.name, _encode(self.value)


def split(source: bytes) -> list[Part] | None:
    """Cut a file into its parts, in their order; None when its front matter cannot be read."""
    try:
        document = read(source)
    except CMSError:
        return None
    return [*_fields(document.values, ""), *_paragraphs(document.body, document.body_line)]


def _fields(values: Mapping[str, Any], prefix: str) -> Iterator[Part]:
    for key, value in values.items():
        name = f"{prefix}{key}"
        yield Part(kind=FIELD, name=name, value=value)
        if isinstance(value, dict):
            yield from _fields(value, f"{name}.")
        elif isinstance(value, list):
            for number, item in enumerate(value):
                yield Part(kind=ITEM, name=name, number=number, value=item)


def _paragraphs(body: str, first_line: int) -> Iterator[Part]:
    for number, (place, lines) in enumerate(_blocks(body.splitlines())):
        text = "\n".join(lines).rstrip()
        yield Part(kind=PARAGRAPH, number=number, value=text, line=first_line + place)


def _blocks(lines: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """The lines that belong together, with the place of the first of them."""
    block: list[str] = []
    begun, fence = 0, ""
    for place, line in enumerate(lines):
        text = line.rstrip()
        if fence:
            block.append(text)
            fence = "" if text.lstrip().startswith(fence) else fence
            continue
        is_heading = _HEADING.match(text) is not None
        if block and (not text or is_heading):
            yield begun, block
            block = []
        if is_heading:  # with or without a blank line below it
            yield place, [text]
        elif text:
            begun = begun if block else place
            block.append(text)
            fence = next((each for each in _FENCES if text.lstrip().startswith(each)), "")
    if block:
        yield begun, block


def match(later: Sequence[Part], earlier: Sequence[Part]) -> dict[int, int]:
    """Say which parts of a version the one before it had: place there by place here. Of several that are alike, the first is the first."""
    places: dict[tuple[str, str, bytes], list[int]] = defaultdict(list)
    for place, part in enumerate(earlier):
        places[part.identity].append(place)
    found: dict[int, int] = {}
    alike: dict[tuple[str, str, bytes], list[int]] = defaultdict(list)
    for place, part in enumerate(later):
        alike[part.identity].append(place)
    for identity, here in alike.items():
        found.update(zip(here, places.get(identity, ()), strict=False))
    return found
