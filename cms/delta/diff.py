"""What differs between two views of a site, for people: entries by field and word, files, references that lead nowhere, and what the public
API answers differently. Bounded: of very much the numbers are told, and a part is shown.

Who may read drafts sees every file; everybody else what each of the views shows them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from cms.bodies import Bodies
from cms.catalog import Catalog
from cms.delta.affected import Slug, find_referrers
from cms.delta.changes import Change, Source, find_changes
from cms.delta.models import CollectionDiff, compare_models
from cms.delta.renames import find_renames
from cms.entry import Entry
from cms.errors import RepositoryProblem
from cms.overlay import Reader
from cms.postings import ASSETS, asset_path, is_asset, is_reference, postings_of, walk_values
from cms.refs import BlobId
from cms.snapshots import is_withheld
from cms.worddiff import TextDiff, compare_words
from cms.workflow.differences import BYTES_MOST, FieldChange, compare_fields, compare_text, split_file

#: So many entries and files are shown, and so many bytes of them compared.
SHOWN_MOST = 200
COMPARED_BYTES = 4 * 1024 * 1024
#: When more files differ, entries are only counted: what else follows from that is not worked out.
DIFFERING_MOST = 5_000
USERS_SHOWN = 20
SUFFIXES_OF_TEXT = (".toml", ".yaml", ".yml", ".json", ".md", ".txt")


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two views.

    Attributes:
        name: for people.
        catalog: without a name of its own, so that what is rendered is the same for both.
        query: the parameters that ask for the view; empty for what is published.
        sees_all: hidden entries, settings and schemas too.
        never: globs of paths that are kept from who asked.
    """

    name: str
    catalog: Catalog
    reader: Reader
    bodies: Bodies
    query: str = ""
    sees_all: bool = False
    never: tuple[str, ...] = ()

    @cached_property
    def blobs(self) -> Mapping[str, BlobId]:
        """Every regular file by path."""
        listing = self.reader.list_files(self.catalog.snapshot.commit.id)
        return {file.path: file.blob for file in listing if not is_withheld(file.path, self.never)}

    def find(self, path: str) -> Entry | None:
        """The entry of a file that the caller may see."""
        snapshot, now = self.catalog.snapshot, self.catalog.valid_from
        if self.sees_all:
            return snapshot.find(path)
        entry = snapshot.files.get(path)
        return entry if entry is not None and entry.is_public(now) else None

    def read(self, entry: Entry | None) -> bytes | None:
        """The bytes of an entry's file."""
        return self.reader.read_blob(BlobId(entry.blob)) if entry is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageChange:
    """A picture or another file that a field names: its path before and after; None for none. The file itself may be another one."""

    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryDiff:
    """What differs of one entry.

    Attributes:
        change: ``created``, ``updated``, ``renamed`` or ``deleted``.
        entry: as it is after; what was deleted, as it was.
        texts: long texts of fields, by word.
        is_too_large: it was not compared.
    """

    change: str
    entry: Entry
    before: Entry | None = None
    fields: tuple[FieldChange, ...] = ()
    texts: Mapping[str, TextDiff] = field(default_factory=dict)
    body: TextDiff | None = None
    images: tuple[ImageChange, ...] = ()
    is_too_large: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDiff:
    """What differs of a file that is no entry: sizes in bytes, None where it is not there; *lines* as a unified diff; ids of who shows it."""

    path: str
    change: str
    before: int | None
    after: int | None
    lines: tuple[str, ...] = ()
    used_by: tuple[str, ...] = ()
    is_too_large: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dangling:
    """A reference or a file name that leads nowhere after the change; *now* is the id of what it named, under its new address."""

    entry: Entry
    field: str
    value: str
    kind: str
    now: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """Everything that differs.

    Attributes:
        answers: what the public API answers differently.
        collections: what callers of the API can ask for that they could not, or no more.
        counts: how much there is of each, shown or not.
        is_too_large: not all of it is shown, or worked out.
    """

    entries: tuple[EntryDiff, ...]
    files: tuple[FileDiff, ...] = ()
    dangling: tuple[Dangling, ...] = ()
    answers: tuple[Change, ...] = ()
    collections: tuple[CollectionDiff, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    is_too_large: bool = False


def find_diff(old: Side, new: Side) -> Diff:
    """What differs between two views.

    Raises:
        RepositoryProblem: a file cannot be read.
    """
    return _Comparison(old, new).run()


class _Comparison:
    def __init__(self, old: Side, new: Side) -> None:
        self._old, self._new = old, new
        self._room = COMPARED_BYTES

    def run(self) -> Diff:
        paths = self._differing()
        pairs = [(self._old.find(path), self._new.find(path)) for path in sorted(paths)]
        touched = [(before, after) for before, after in pairs if (before or after) and before != after]
        models = self._old.catalog.model, self._new.catalog.model
        # A model that nobody wrote down may have been guessed from what not everybody may see.
        sees_all = self._old.sees_all and self._new.sees_all
        is_told = sees_all or not any(model.is_inferred for model in models)
        collections = compare_models(*models) if is_told else ()
        if len(touched) > DIFFERING_MOST:
            return Diff(entries=(), collections=collections, counts={"entries": len(touched)}, is_too_large=True)
        met = self._paired(touched)
        counts: Counter[str] = Counter(entries=len(met))
        entries = tuple(self._entry(*each) for each in met[:SHOWN_MOST])
        names = self._other_files(paths)
        files = tuple(self._file(path) for path in names[:SHOWN_MOST])
        dangling = tuple(self._dangling(met))
        answers = tuple(self._answers())
        counts.update(f"entries_{change}" for change, _, _ in met)
        counts.update(files=len(names), dangling=len(dangling), answers=len(answers))
        return Diff(
            entries=entries,
            files=files,
            dangling=dangling[:SHOWN_MOST],
            answers=answers[:SHOWN_MOST],
            collections=collections,
            counts=counts,
            is_too_large=max(len(met), len(names), len(dangling), len(answers)) > SHOWN_MOST
            or any(item.is_too_large for item in entries)
            or any(item.is_too_large for item in files),
        )

    def _differing(self) -> set[str]:
        """Paths of the files that differ, and of those that one side shows and the other does not."""
        before, after = self._old.blobs, self._new.blobs
        paths = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
        for side in (self._old, self._new):
            paths |= side.catalog.snapshot.timed.keys()
        if not self._old.catalog.model.reads_like(self._new.catalog.model):
            paths |= before.keys()
        return paths

    # -- entries ---------------------------------------------------------------------------------------------------------

    def _paired(self, touched: list[tuple[Entry | None, Entry | None]]) -> list[tuple[str, Entry | None, Entry | None]]:
        """(change, before, after) in the order of the entries' keys."""
        gone = {before.path: before for before, after in touched if before is not None and after is None}
        come = {after.path: after for before, after in touched if after is not None and before is None}
        found: list[tuple[str, Entry | None, Entry | None]] = []
        for old, new in find_renames(gone.values(), come.values(), self._read_blob):
            del gone[old.path], come[new.path]
            found.append(("renamed", old, new))
        for before, after in touched:
            if before is not None and after is not None:
                found.append(("updated" if before.id == after.id else "renamed", before, after))
        found += [("deleted", entry, None) for entry in gone.values()]
        found += [("created", None, entry) for entry in come.values()]
        return sorted(found, key=lambda each: _either(each[1], each[2]).key)

    def _entry(self, change: str, before: Entry | None, after: Entry | None) -> EntryDiff:
        entry = _either(before, after)
        sources = self._old.read(before), self._new.read(after)
        size = sum(len(source or b"") for source in sources)
        self._room -= size
        if self._room < 0 or size > 2 * BYTES_MOST:
            return EntryDiff(change=change, entry=entry, before=before, is_too_large=True)
        (old_fields, old_text), (new_fields, new_text) = map(split_file, sources)
        fields = compare_fields(old_fields, new_fields)
        texts = {
            item.field: compare_words(item.before, item.after)
            for item in fields
            if isinstance(item.before, str) and isinstance(item.after, str) and " " in item.before.strip()
        }
        return EntryDiff(
            change=change,
            entry=entry,
            before=before,
            fields=fields,
            texts=texts,
            body=compare_words(old_text.strip("\r\n"), new_text.strip("\r\n")) if old_text != new_text else None,
            images=tuple(self._images(before, after)),
        )

    def _images(self, before: Entry | None, after: Entry | None) -> Iterator[ImageChange]:
        """The files that fields name, where the names or the files differ."""
        old, new = self._named(self._old, before), self._named(self._new, after)
        for name in dict.fromkeys([*old, *new]):
            one, other = old.get(name), new.get(name)
            blobs = self._old.blobs.get(one or ""), self._new.blobs.get(other or "")
            if one != other or blobs[0] != blobs[1]:
                yield ImageChange(field=name, before=one, after=other)

    @staticmethod
    def _named(side: Side, entry: Entry | None) -> dict[str, str]:
        """The files that the fields of *entry* name, by the place of the name."""
        if entry is None:
            return {}
        collection = side.catalog.model.collections[entry.collection]
        found = ((place, asset_path(value)) for _, place, value in walk_values(entry, collection, is_asset))
        return {".".join(map(str, place)): path for place, path in found if path is not None}

    def _read_blob(self, blob: BlobId) -> bytes:
        try:
            return self._new.reader.read_blob(blob)
        except RepositoryProblem:
            return self._old.reader.read_blob(blob)

    # -- other files -----------------------------------------------------------------------------------------------------

    def _other_files(self, paths: set[str]) -> list[str]:
        """The files that are no entries, and that the caller may know of: all of them, or those that visible entries show."""
        old, new = self._old, self._new
        names = (
            path
            for path in sorted(paths)
            if old.blobs.get(path) != new.blobs.get(path)
            and all(side.catalog.snapshot.find(path) is None for side in (old, new))
        )
        if old.sees_all and new.sees_all:
            return list(names)
        return [path for path in names if self._users(path)]

    def _users(self, path: str) -> list[str]:
        found = {
            entry.id
            for side in (self._old, self._new)
            for user in postings_of(side.catalog.snapshot, ASSETS).get(("", path))
            if (entry := side.find(user)) is not None
        }
        return sorted(found)

    def _file(self, path: str) -> FileDiff:
        blobs = self._old.blobs.get(path), self._new.blobs.get(path)
        sizes = [
            side.reader.blob_size(blob) if blob is not None else None
            for side, blob in zip((self._old, self._new), blobs, strict=True)
        ]
        change = "created" if blobs[0] is None else "deleted" if blobs[1] is None else "updated"
        size = sum(number or 0 for number in sizes)
        lines: tuple[str, ...] = ()
        is_too_large = False
        if path.endswith(SUFFIXES_OF_TEXT):
            self._room -= size
            is_too_large = self._room < 0 or size > 2 * BYTES_MOST
            if not is_too_large:
                texts = [self._read_blob(blob).decode("utf-8", "replace") if blob else "" for blob in blobs]
                lines, is_too_large = compare_text(texts[0], texts[1])
        return FileDiff(
            path=path,
            change=change,
            before=sizes[0],
            after=sizes[1],
            lines=lines,
            used_by=tuple(self._users(path)[:USERS_SHOWN]),
            is_too_large=is_too_large,
        )

    # -- what follows ----------------------------------------------------------------------------------------------------

    def _dangling(self, met: list[tuple[str, Entry | None, Entry | None]]) -> Iterator[Dangling]:
        """References of visible entries that lead nowhere, though they did before, or were not there."""
        catalog = self._new.catalog
        moved = {
            (before.collection, before.slug): after.id
            for _, before, after in met
            if before is not None and after is not None and before.id != after.id
        }
        changed = {(entry.collection, entry.slug) for _, *both in met for entry in both if entry is not None}
        lost = [path for path in self._old.blobs if path not in self._new.blobs]
        paths = {user for path in lost for user in postings_of(catalog.snapshot, ASSETS).get(("", path))}
        slugs = changed | find_referrers(catalog, changed)
        slugs |= {(entry.collection, entry.slug) for path in paths if (entry := catalog.snapshot.files.get(path))}
        for collection, slug in sorted(slugs):
            shelf = catalog.shelves.get(collection)
            for entry in shelf.slugs.get(slug, ()) if shelf is not None else ():
                yield from self._dangling_of(entry, moved)

    def _dangling_of(self, entry: Entry, moved: Mapping[Slug, str]) -> Iterator[Dangling]:
        old, new = self._old.catalog, self._new.catalog
        before = self._old.find(entry.path)
        is_same = before is not None and before.blob == entry.blob
        collection = new.shelves[entry.collection].collection
        for item, place, value in walk_values(entry, collection, is_reference):
            if new.find_reference(value, item.references, entry.locale) is not None:
                continue
            target = old.find_reference(value, item.references, entry.locale) if is_same else None
            if target is not None or not is_same:
                known = next((moved[name, str(value)] for name in item.references if (name, str(value)) in moved), "")
                yield Dangling(entry=entry, field=_spelled(place), value=str(value), kind="reference", now=known)
        for _, place, value in walk_values(entry, collection, is_asset):
            path = asset_path(value)
            if path and path not in self._new.blobs and (path in self._old.blobs or not is_same):
                yield Dangling(entry=entry, field=_spelled(place), value=str(value), kind="file")

    def _answers(self) -> list[Change]:
        old, new = self._old, self._new
        source = Source(old.reader, old.bodies)
        return find_changes(old.catalog, new.catalog, reader=new.reader, bodies=new.bodies, old_source=source)


def _either(before: Entry | None, after: Entry | None) -> Entry:
    """The one that there is, rather as it is after."""
    entry = after if after is not None else before
    assert entry is not None
    return entry


def _spelled(place: tuple[str | int, ...]) -> str:
    return ".".join(map(str, place))
