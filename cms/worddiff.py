"""What differs between two texts, by word, in passages: what changed with a few words around it. Pure.

Words are compared as ``git diff --word-diff`` compares them: each as a line of its own.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cms.linemerge import compare_lines

BYTES_MOST = 512 * 1024
PASSAGES_MOST = 200
SHOWN_MOST = 100_000
#: So many characters of what is the same stand around a change.
CONTEXT = 120
_WORD = re.compile(r"\w+|\s+|[^\w\s]")
#: What is the same between two changes, and too little to be read on its own.
_NOTHING = re.compile(r"[^\w\n]{0,3}")


class Segment(NamedTuple):
    """A piece of text that is ``same``, ``removed`` or ``added``."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """One or several changes close to one another, with what stands around them; *line* of the new text on which it begins, from 1."""

    line: int
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDiff:
    """What differs.

    Attributes:
        removed, added: numbers of words; those of the whole texts where these were too large to compare.
        is_too_large: the texts were not compared, or not all of it is shown.
    """

    passages: tuple[Passage, ...]
    removed: int
    added: int
    is_too_large: bool = False


def compare_words(old: str, new: str) -> TextDiff:
    """What differs between *old* and *new*."""
    if max(len(old), len(new)) > BYTES_MOST:
        return TextDiff(passages=(), removed=_count(old), added=_count(new), is_too_large=True)
    segments = find_segments(old, new)
    passages: list[Passage] = []
    shown = 0
    for passage in _passages(segments):
        shown += sum(len(segment.text) for segment in passage.segments)
        if len(passages) >= PASSAGES_MOST or shown > SHOWN_MOST:
            break
        passages.append(passage)
    else:
        shown = 0
    counts = {kind: sum(_count(item.text) for item in segments if item.kind == kind) for kind in ("removed", "added")}
    return TextDiff(passages=tuple(passages), is_too_large=bool(shown), **counts)


def find_segments(old: str, new: str) -> list[Segment]:
    """Both texts whole, as what they share and what only one of them has; what was removed stands before what was added."""
    return _joined(_compared(_WORD.findall(old), _WORD.findall(new)))


def _count(text: str) -> int:
    return len(re.findall(r"\w+", text))


def _compared(old: Sequence[str], new: Sequence[str]) -> Iterator[Segment]:
    numbers: dict[str, int] = {}
    lines = (b"".join(b"%d\n" % numbers.setdefault(word, len(numbers)) for word in words) for words in (old, new))
    place = 0
    for hunk in compare_lines(*lines):
        yield Segment("same", "".join(new[place : hunk.new.start]))
        yield Segment("removed", "".join(old[hunk.old.start : hunk.old.stop]))
        yield Segment("added", "".join(new[hunk.new.start : hunk.new.stop]))
        place = hunk.new.stop
    yield Segment("same", "".join(new[place:]))


def _joined(segments: Iterator[Segment]) -> list[Segment]:
    """Neighbouring changes as one, also over a blank or a comma: what was removed, then what was added."""
    found: list[Segment] = []
    removed, added, between = "", "", ""
    for kind, text in segments:
        if kind != "same":
            if removed or added:
                removed, added = removed + between, added + between
            elif between:
                found.append(Segment("same", between))
            between = ""
            removed, added = (removed + text, added) if kind == "removed" else (removed, added + text)
        elif (removed or added) and _NOTHING.fullmatch(text):
            between += text
        else:
            found += _pair(removed, added)
            removed, added = "", ""
            if between + text:
                found.append(Segment("same", between + text))
            between = ""
    found += _pair(removed, added)
    return [*found, Segment("same", between)] if between else found


def _pair(removed: str, added: str) -> list[Segment]:
    return [Segment(kind, text) for kind, text in (("removed", removed), ("added", added)) if text]


def _passages(segments: Sequence[Segment]) -> Iterator[Passage]:
    line, begun = 1, 1
    held: list[Segment] = []
    for place, segment in enumerate(segments):
        kind, text = segment
        if kind != "same":
            held.append(segment)
        else:
            is_first, is_last = place == 0, place == len(segments) - 1
            head, tail = "" if is_first else _head(text), "" if is_last else _tail(text)
            if not is_first and not is_last and len(head) + len(tail) >= len(text):
                held.append(segment)
            else:
                if held:
                    yield Passage(line=begun, segments=(*held, *([Segment("same", head)] if head else [])))
                held = [Segment("same", tail)] if tail else []
                begun = line + text.count("\n") - tail.count("\n")
        if kind != "removed":
            line += text.count("\n")
    if any(segment.kind != "same" for segment in held):
        yield Passage(line=begun, segments=tuple(held))


def _head(text: str) -> str:
    """The beginning of what is the same: to the end of its line, or so many characters and the word that they end in."""
    line = text.partition("\n")[0]
    if len(line) <= CONTEXT:
        return line
    blank = line.find(" ", CONTEXT)
    return line if blank < 0 or blank > 2 * CONTEXT else line[:blank] + " …"


def _tail(text: str) -> str:
    """The end of what is the same: from the beginning of its line, or as in :func:`_head`."""
    line = text.rpartition("\n")[2]
    if len(line) <= CONTEXT:
        return line
    blank = line.rfind(" ", 0, len(line) - CONTEXT)
    return line if blank < 0 or blank < len(line) - 2 * CONTEXT else "… " + line[blank + 1 :]
