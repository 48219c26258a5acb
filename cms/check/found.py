"""What was found, before it is a finding for a person: its line is looked up last, and only of what is told."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import msgspec

from cms import frontmatter
from cms.entry import Entry
from cms.errors import CMSError
from cms.finding import Finding
from cms.overlay import Reader
from cms.postings import FieldPlace
from cms.refs import BlobId

RESERVED_RULE = "reserved"
Identity = tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Something found.

    Attributes:
        entry: the entry it is about, when it is about one.
        place: the value in its front matter whose line is still to be looked up; None when the finding has its line, or needs none.
    """

    finding: Finding
    entry: Entry | None = None
    place: FieldPlace | None = None

    @property
    def path(self) -> str:
        """The file."""
        return self.finding.path

    @property
    def identity(self) -> Identity:
        """What makes it the same thing in two snapshots, however it is worded."""
        finding = self.finding
        return finding.path, finding.rule, finding.severity, finding.field, finding.line, finding.column


def found_in(entry: Entry, finding: Finding, place: FieldPlace | None = None) -> Found:
    """*finding* about *entry*, or about the value at *place* of it."""
    field = ".".join(map(str, place)) if place is not None else finding.field
    return Found(finding=msgspec.structs.replace(finding, path=entry.path, field=field), entry=entry, place=place)


def tell(found: Iterable[Found], reader: Reader) -> list[Finding]:
    """The findings of *found* with their lines, ordered by path and line; each file is read once."""
    findings = [item.finding for item in once_per_collection(locate(found, reader))]
    return sorted(
        findings, key=lambda finding: (finding.path, finding.line, finding.column, finding.field, finding.message)
    )


def locate(found: Iterable[Found], reader: Reader) -> Iterator[Found]:
    """*found*, with the lines of their places."""
    by_blob: dict[BlobId, list[Found]] = {}
    for item in found:
        if item.entry is None or item.place is None:
            yield item
        else:
            by_blob.setdefault(BlobId(item.entry.blob), []).append(item)
    for blob, source in reader.read_blobs(by_blob):
        document = None if source is None else _read(source)
        for item in by_blob[blob]:
            line, column = document.mark(item.place or ()) if document is not None else (0, 0)
            yield replace(item, finding=msgspec.structs.replace(item.finding, line=line, column=column))


def _read(source: bytes) -> frontmatter.Document | None:
    try:
        return frontmatter.read(source)
    except CMSError:
        return None


def once_per_collection(found: Iterable[Found]) -> Iterator[Found]:
    """*found*; a reserved name, which is in most files of a collection or in none, only in the first file, with the number of others."""
    shadowed: dict[tuple[str, str], list[Found]] = {}
    for item in found:
        if item.finding.rule == RESERVED_RULE and item.entry is not None:
            shadowed.setdefault((item.entry.collection, item.finding.field), []).append(item)
        else:
            yield item
    for items in shadowed.values():
        first = min(items, key=lambda item: item.path)
        others = len(items) - 1
        more = f", here and in {others:,} other file{'s' if others > 1 else ''}" if others else ""
        yield replace(first, finding=msgspec.structs.replace(first.finding, message=first.finding.message + more))
