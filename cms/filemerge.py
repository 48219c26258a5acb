"""Merging one file: its front matter by key, its body by line, and byte for byte as it was where nobody changed it.

Lines decide wherever fields agree: when Git's own merge of the whole file gives just the values that a merge by key gives, the
file is what Git would have made of it, comments and all. When lines clash, or would give other values, the fields decide:
the merged values go into the front matter of all three versions, and what then still differs is how they are written.

Not here: which files there are to merge (``merge``).
"""

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cms import fences, frontmatter, yamltext
from cms.edit import REMOVED, Spelled, set_fields, spelled
from cms.errors import CMSError
from cms.fieldmerge import FieldClash, FieldMerge, compare_fields, is_same, merge_fields
from cms.finding import Finding
from cms.linemerge import Overlap, merge_lines
from cms.yamltext import JSONValue, field_name

MAX_TEXT_BYTES = 8 * 1024 * 1024
_SHOWN = 80
_DATA = (".json", ".toml", ".yaml", ".yml")
_COMMENT = re.compile(r"(?:^|\s)#(.*)$", re.MULTILINE)
_CHOOSE = "merge the published branch into the draft, and choose"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clash:
    """What both sides changed so that a person must choose.

    Attributes:
        field: dotted name of a field; empty for a body or a whole file.
        base: what both began with; JSON values or, of a body, the lines in short. None for what is not there.
        ours: what the published branch has now.
        theirs: what the draft has.
        line: of the published file, 1-based; 0 when unknown.
        message: a sentence for a person.
    """

    path: str
    field: str = ""
    base: JSONValue = None
    ours: JSONValue = None
    theirs: JSONValue = None
    line: int = 0
    message: str

    def finding(self) -> Finding:
        """The clash as something found in the file."""
        return Finding(
            message=self.message, path=self.path, line=self.line, field=self.field, rule="merge-conflict", hint=_CHOOSE
        )


@dataclass(frozen=True, slots=True)
class _Version:
    """One version of an entry: what its front matter says and how, and its body; ``head`` and ``body`` make the file."""

    format: str
    fields: dict[str, Any]
    head: bytes
    body: bytes
    body_line: int


_NOTHING = _Version("none", {}, b"", b"", 1)


def merge_texts(base: bytes | None, ours: bytes, theirs: bytes, *, path: str) -> bytes | tuple[Clash, ...]:
    """Merge the published file with the one of a draft.

    Args:
        base: what both began with; None when both added the file.
        path: only its ending matters, and that it is named in clashes.

    Returns:
        The bytes that have the changes of both; or all that clashes, at least one.
    """
    if ours == theirs or base == theirs:
        return ours
    if base == ours:
        return theirs
    texts = [text for text in (base, ours, theirs) if text is not None]
    if any(b"\0" in text for text in texts):
        return (Clash(path=path, message="both changed this file, which is no text"),)
    if any(len(text) > MAX_TEXT_BYTES for text in texts):
        return (Clash(path=path, message="both changed this file, which is too large to be merged"),)
    if not path.casefold().endswith(_DATA):
        try:
            before = _NOTHING if base is None else _split(base)
            return _EntryMerge(path, base, before, ours, _split(ours), theirs, _split(theirs)).result()
        except _NotAnEntry:
            pass
    return _merge_plain(base, ours, theirs, path)


class _NotAnEntry(Exception):
    """No front matter that can be read."""


def _split(source: bytes) -> _Version:
    try:
        document = frontmatter.read(source)
    except CMSError as error:
        raise _NotAnEntry from error
    text = source.decode()
    mark = text[: len(text) - len(text.lstrip("\ufeff"))]
    cut = fences.cut(text[len(mark) :])
    head = (mark + text[len(mark) : len(mark) + cut.body]).encode()
    return _Version(document.format, spelled(document, ()), head, source[len(head) :], document.body_line)


def _merge_plain(base: bytes | None, ours: bytes, theirs: bytes, path: str) -> bytes | tuple[Clash, ...]:
    merged = merge_lines(base or b"", ours, theirs)
    if not isinstance(merged, bytes):
        return tuple(_text_clash(path, overlap) for overlap in merged)
    if _is_broken(path, merged) and not _is_broken(path, ours) and not _is_broken(path, theirs):
        return (Clash(path=path, message="what both changed makes this file unreadable when it is put together"),)
    return merged


def _is_broken(path: str, source: bytes) -> bool:
    """Say whether a file cannot be read as what its name says it is."""
    ending = path.casefold().rpartition(".")[2]
    try:
        if ending == "json":
            json.loads(source, object_pairs_hook=_members)
        elif ending == "toml":
            tomllib.loads(source.decode())
        elif ending in ("yaml", "yml"):
            yamltext.compose(source.decode().replace("\r\n", "\n"))
        else:
            frontmatter.read(source)
    except (CMSError, ValueError, RecursionError):
        return True
    return False


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key is there twice")
    return members


@dataclass(frozen=True, slots=True)
class _EntryMerge:
    """One merge of an entry, with the three versions as they are and split."""

    path: str
    base_source: bytes | None
    base: _Version
    ours_source: bytes
    ours: _Version
    theirs_source: bytes
    theirs: _Version

    def result(self) -> bytes | tuple[Clash, ...]:
        if self.base_source is None:
            merged = FieldMerge(self.ours.fields, list(compare_fields(self.ours.fields, self.theirs.fields)))
        else:
            merged = merge_fields(self.base.fields, self.ours.fields, self.theirs.fields)
        body = self._body()
        if not merged.clashes and self.base_source is not None:
            lines = merge_lines(self.base_source, self.ours_source, self.theirs_source)
            if isinstance(lines, bytes) and self._holds(lines, merged.values, None):
                return lines
        clashes = [*self._field_clashes(merged.clashes), *(() if isinstance(body, bytes) else body)]
        if clashes or not isinstance(body, bytes):
            return tuple(clashes)
        head = self._head(merged.values)
        if head is not None:
            if head and body and not head.endswith((b"\n", b"\r")):
                head += b"\r\n" if b"\r\n" in self.ours_source else b"\n"
            if self._holds(head + body, merged.values, body):
                return head + body
        return (Clash(path=self.path, line=1, message="both changed how the front matter is written"),)

    def _body(self) -> bytes | tuple[Clash, ...]:
        merged = merge_lines(self.base.body, self.ours.body, self.theirs.body)
        if isinstance(merged, bytes):
            return merged
        return tuple(_text_clash(self.path, overlap, self.ours.body_line - 1) for overlap in merged)

    def _field_clashes(self, clashes: list[FieldClash]) -> Iterator[Clash]:
        for clash in clashes:
            base, ours, theirs = (_plain(value) for value in (clash.base, clash.ours, clash.theirs))
            yield Clash(
                path=self.path,
                field=field_name(clash.path),
                base=base,
                ours=ours,
                theirs=theirs,
                message=_explain(clash, base, ours, theirs),
            )

    def _holds(self, source: bytes, values: dict[str, Any], body: bytes | None) -> bool:
        """Say whether a merged file holds just these values, and this body."""
        try:
            version = _split(source)
        except _NotAnEntry:
            return False
        return is_same(version.fields, values) and body in (None, version.body)

    def _head(self, values: dict[str, Any]) -> bytes | None:
        """Return the merged front matter with its fences; None when its writing is what clashes."""
        base, ours, theirs = self.base, self.ours, self.theirs
        if ours.head == theirs.head or base.head == theirs.head:
            return ours.head
        if base.head == ours.head:
            return theirs.head
        try:
            one = _with(ours, values)
            if base.format == ours.format and _changed_values_only(base, theirs):
                return one
            before, other = _with(base, values), _with(theirs, values)
        except CMSError:
            return None
        if len({base.format, ours.format, theirs.format}) > 1:
            if base.format == ours.format or base.format == theirs.format:
                return other if base.format == ours.format else one
            return _with_all_comments(one, other) if ours.format == theirs.format else None
        merged = merge_lines(before, one, other)
        if isinstance(merged, bytes) and self._holds(merged, values, b""):
            return merged
        # Only the writing is left to clash: quotes, order and indentation may get lost, what somebody remarked may not.
        return _with_all_comments(one, other)


def _with(version: _Version, values: Mapping[str, Any]) -> bytes:
    """The front matter of a version with other values."""
    return set_fields(version.head, dict(_changes(version.fields, values, ())))


def _changed_values_only(base: _Version, version: _Version) -> bool:
    """Say whether *base* is all that is left of a version when its values are taken back."""
    try:
        return _with(version, base.fields) == base.head
    except CMSError:
        return False


def _changes(old: Mapping[str, Any], new: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[Any, Any]]:
    """What must be set for *old* to become *new*, as deep inside as possible."""
    for name in old:
        if name not in new:
            yield (*path, name), REMOVED
    for name, value in new.items():
        before = old.get(name)
        if isinstance(value, dict) and isinstance(before, dict) and value and before:
            yield from _changes(before, value, (*path, name))
        elif name not in old or not is_same(before, value):
            yield (*path, name), value


def _with_all_comments(one: bytes, other: bytes) -> bytes | None:
    """Return the front matter that has all the comments of both, the first if it can; None when each has its own."""
    ours, theirs = (Counter(text.strip() for text in _COMMENT.findall(side.decode())) for side in (one, other))
    return one if theirs <= ours else other if ours <= theirs else None


def _plain(value: Any) -> Any:
    """A value as JSON has it; None for none."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if value is REMOVED else value.value if isinstance(value, Spelled) else value


def _text_clash(path: str, overlap: Overlap, above: int = 0) -> Clash:
    line = above + overlap.line
    return Clash(
        path=path,
        base=overlap.base,
        ours=overlap.ours,
        theirs=overlap.theirs,
        line=line,
        message=f"both changed the text at line {line}: it is {_shown(overlap.ours)} in the published branch "
        f"and {_shown(overlap.theirs)} in the draft",
    )


def _explain(clash: FieldClash, base: JSONValue, ours: JSONValue, theirs: JSONValue) -> str:
    if clash.base is REMOVED and REMOVED in (clash.ours, clash.theirs):
        only, value = ("draft", theirs) if clash.ours is REMOVED else ("published branch", ours)
        return f"both added this file, and only the {only} has the field: {_shown(value)}"
    if clash.ours is REMOVED:
        return f"the published branch took it away, and the draft made it {_shown(theirs)} (it was {_shown(base)})"
    if clash.theirs is REMOVED:
        return f"the draft takes it away, and the published branch made it {_shown(ours)} (it was {_shown(base)})"
    began = "both added it" if clash.base is REMOVED else f"both changed it from {_shown(base)}"
    return f"{began}: it is {_shown(ours)} in the published branch and {_shown(theirs)} in the draft"


def _shown(value: JSONValue) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
