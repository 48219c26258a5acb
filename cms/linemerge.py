"""Merging and comparing text by lines, as ``git merge-file`` does: with libgit2's own xdiff, on a repository that exists only in memory.

Not here: front matter, which is merged by key, and what to do when both changed the same lines (``merge``).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from hashlib import sha256

import pygit2
from pygit2.enums import DiffOption, FileMode, ObjectType

_EXCERPT = 300
_MANY_LINES = 2_000
_MARKER = re.compile(r"^(?:<<<<<<<|>>>>>>>) (.*)\n?", re.MULTILINE)
_LINE_ENDS = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Lines that both sides changed, from *line* of ours on (1-based); each text is cut short for a message."""

    line: int
    base: str
    ours: str
    theirs: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """Lines of a text that were replaced by lines of another one: a range of each (0-based), of which one may be empty."""

    old: range
    new: range


def compare_lines(old: bytes, new: bytes) -> list[Hunk]:
    """Where two texts differ, by line, as ``git diff`` finds it."""
    if old == new:
        return []
    patch = pygit2.Patch.create_from(old, new, flag=DiffOption.FORCE_TEXT, context_lines=0)
    return [
        Hunk(old=_range(hunk.old_start, hunk.old_lines), new=_range(hunk.new_start, hunk.new_lines))
        for hunk in patch.hunks
    ]


def _range(start: int, count: int) -> range:
    """Git counts from one, and names the line before an empty range."""
    first = start - 1 if count else start
    return range(first, first + count)


class _Memory(pygit2.OdbBackend):
    """An object database of a few blobs, in memory."""

    def __init__(self) -> None:
        super().__init__()
        self._blobs: dict[pygit2.Oid, bytes] = {}

    def add(self, data: bytes) -> pygit2.Oid:
        id = pygit2.hash(data)
        self._blobs[id] = data
        return id

    def read_cb(self, id: pygit2.Oid) -> tuple[int, bytes]:
        return ObjectType.BLOB, self._blobs[id]

    def read_header_cb(self, id: pygit2.Oid) -> tuple[int, int]:
        return ObjectType.BLOB, len(self._blobs[id])

    def exists_cb(self, id: pygit2.Oid) -> bool:
        return id in self._blobs


def merge_lines(base: bytes, ours: bytes, theirs: bytes) -> bytes | tuple[Overlap, ...]:
    """Merge three texts without NUL characters.

    A side that changed nothing but all line ends does not clash with one that changed words: the result has their words and
    its line ends.

    Returns:
        The text with the changes of both, or where they overlap.
    """
    if ours == theirs or base == theirs:
        return ours
    if base == ours:
        return theirs
    merged = _merge(base, ours, theirs)
    if isinstance(merged, bytes):
        return merged
    ends = [_line_end(text) for text in (base, ours, theirs)]
    # xdiff takes a text whose lines end with a lone CR for one line.
    if None in ends or set(ends) in ({b"\n"}, {b"\r\n"}):
        return merged
    same = merge_lines(*[_LINE_ENDS.sub(b"\n", text) for text in (base, ours, theirs)])
    wanted = ends[2] if ends[0] == ends[1] else ends[1]
    return same.replace(b"\n", wanted or b"\n") if isinstance(same, bytes) else same


def _line_end(text: bytes) -> bytes | None:
    """Return the line end of a text that has only one, None for a text with several."""
    ends = set(_LINE_ENDS.findall(text))
    return None if len(ends) > 1 else next(iter(ends), b"\n")


def _merge(*texts: bytes) -> bytes | tuple[Overlap, ...]:
    """Merge by xdiff. Texts that are not UTF-8 go through it in a disguise that keeps lines apart as they are."""
    codec = "utf-8"
    try:
        for text in texts:
            text.decode(codec)
    except UnicodeDecodeError:
        codec = "latin-1"
    base, ours, theirs = (text.decode(codec) for text in texts)
    memory = _Memory()
    database = pygit2.Odb()
    database.add_backend(memory, 1)
    repository = pygit2.Repository()
    repository.set_odb(database)
    # The names stand in the marks around overlaps, and must not be in the texts by chance or on purpose.
    tag = sha256(b"\0".join(texts)).hexdigest()[:16]
    base_entry, ours_entry, theirs_entry = (
        pygit2.IndexEntry(f"{name}-{tag}", memory.add(text.encode()), FileMode.BLOB)
        for name, text in (("base", base), ("ours", ours), ("theirs", theirs))
    )
    result = repository.merge_file_from_index(base_entry, ours_entry, theirs_entry)
    if result.automergeable:
        return result.contents.encode(codec)
    if not ours or not theirs:  # all of it, and the marks have no names then
        return (Overlap(line=1, base=_short(base), ours=_short(ours), theirs=_short(theirs)),)
    return tuple(_overlaps(result.contents, tag, base, ours))


def _overlaps(marked: str, tag: str, base: str, ours: str) -> list[Overlap]:
    """Read where texts overlap from the text that has both versions between marks."""
    marks = [mark for mark in _MARKER.finditer(marked) if mark[1].rstrip("\r") in (f"ours-{tag}", f"theirs-{tag}")]
    found = []
    line, seen = 1, 0
    for begin, end in zip(marks[::2], marks[1::2], strict=True):
        line += marked.count("\n", seen, begin.start())
        ours_part, theirs_part = _sides(marked[begin.end() : end.start()], ours)
        before = _counterpart(base, ours, line - 1, ours_part.count("\n"))
        found.append(Overlap(line=line, base=_short(before), ours=_short(ours_part), theirs=_short(theirs_part)))
        line += ours_part.count("\n")
        seen = end.end()
    return found


def _sides(both: str, ours: str) -> tuple[str, str]:
    """Split at the line of ``=``; a text may have such a line of its own, so that the first part must be in *ours*."""
    parts = re.split(r"^=======\r?\n", both, flags=re.MULTILINE)
    for count in range(1, len(parts) - 1):
        first = "=======\n".join(parts[:count])
        if f"{first}=======\n" not in ours:
            return first, "=======\n".join(parts[count:])
    return "=======\n".join(parts[:-1]), parts[-1]


def _counterpart(base: str, ours: str, start: int, count: int) -> str:
    """Return the lines of *base* that stand where *ours* has *count* lines from *start* on; nothing for long texts."""
    before, after = base.splitlines(keepends=True), ours.splitlines(keepends=True)
    if max(len(before), len(after)) > _MANY_LINES:
        return ""
    codes = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    spans: Sequence[tuple[int, int]] = [
        (low, high)
        for kind, low, high, first, last in codes
        if kind != "equal" and first <= start + count and last >= start
    ]
    return "".join(before[min(low for low, _ in spans) : max(high for _, high in spans)]) if spans else ""


def _short(text: str) -> str:
    text = text.strip("\r\n")
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}..."
