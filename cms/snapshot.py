"""Snapshots: every entry of a site at one commit, immutable.

A snapshot is built once and then *advanced*: the next one shares everything with it but the files that a tree diff names. What the
public may see of it at a given moment is the ``catalog``'s business, not decided here: hidden and embargoed entries are in it.

The published branch has a snapshot with its history. What is looked at on the way there (a draft, a merge that is not written yet, a push
that waits for its answer) is read through any ``Reader``, advanced from the published one, and has no history of its own.
"""

import gc
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from cms.cache import DerivedCache, pooled
from cms.coerce import parse_entry
from cms.entry import Entry, Parsed
from cms.errors import InvalidSettings, RepositoryProblem
from cms.finding import Finding
from cms.guide import NO_GUIDE, Guide, read_guide
from cms.history import History
from cms.layers import Layers
from cms.model import ContentModel, read_model, with_branch
from cms.objects import Commit
from cms.overlay import Reader
from cms.paths import PathMatch
from cms.refs import BlobId, CommitId
from cms.schema import Collection
from cms.settings import SCHEMAS_FOLDER, SETTINGS_FILE
from cms.store import Store

BATCH = 2000
BROKEN_OBJECT = "broken-object"
NO_HISTORY = History(CommitId(""), Layers({}), Layers({}), Layers({}))
Progress = Callable[[int, int], None]
Placed = tuple[Collection, PathMatch, BlobId]
#: What is known of the blobs of a collection before they are read.
Known = Callable[[Collection], Mapping[str, Parsed]]


class Derived(Protocol):
    """Something that was worked out from all entries, is kept with them, and can follow them."""

    def advance(self, removed: Sequence[Entry], added: Sequence[Entry]) -> "Derived":
        """The same for the next snapshot; costs in proportion to what differs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Every entry at one commit.

    Attributes:
        files: path to entry, for every content file that can be served, hidden ones too.
        timed: those of them with a ``publish_at`` or an ``expire_at``.
        refused: path to entry, as far as it could be read, for every content file that cannot be served.
        findings: path to what is wrong or odd there; a file with an error is not in ``files``.
        history: who changed what; of what is not published it is that of the published snapshot it was made from.
        guide: what editors say about search.
        changed: paths whose entry differs from the snapshot this one was advanced from; ``None`` when it was built.
        advanced_from: the commit of that snapshot.
        derived: what was worked out from all entries, by a name; whoever needs it first puts it there.
    """

    commit: Commit
    model: ContentModel
    files: Layers[Entry]
    timed: Mapping[str, Entry]
    findings: Layers[tuple[Finding, ...]]
    history: History
    guide: Guide = NO_GUIDE
    changed: frozenset[str] | None = None
    advanced_from: CommitId | None = None
    refused: Layers[Entry] = field(default_factory=lambda: Layers({}))
    derived: dict[str, Derived] = field(default_factory=dict, compare=False, repr=False)

    def find(self, path: str) -> Entry | None:
        """The entry of the file *path*, whether or not it can be served."""
        return self.files.get(path) or self.refused.get(path)


def build_snapshot(
    reader: Reader,
    commit: CommitId,
    model: ContentModel,
    *,
    cache: DerivedCache | None = None,
    neighbour: Snapshot | None = None,
    progress: Progress | None = None,
) -> Snapshot:
    """Read every content file at *commit*; what *cache* or *neighbour* knows by blob id is not read again.

    It has no history, or that of *neighbour*, until it is given one of its own (:func:`read_history`).

    Args:
        neighbour: a snapshot with many of the same files, perhaps by another model.

    Raises:
        RepositoryProblem: the commit or its trees cannot be read. A single broken blob is a finding, not an error.
    """
    with _without_garbage_collection():
        listing = reader.list_files(commit, prefixes=model.prefixes)
        placed: dict[str, Placed] = {}
        for file in listing:
            place = model.place(file.path)
            if place is not None:
                # Interned: the history names the same paths, and each is kept once.
                placed[sys.intern(file.path)] = (*place, file.blob)
        read = _read_all(reader, model, placed, _kept(model, cache, neighbour), cache, progress)
        guide = read_guide(reader, commit, model.settings.search)
        findings: dict[str, tuple[Finding, ...]] = {
            skipped.path: (Finding(message=skipped.reason, path=skipped.path, rule="skipped", severity="warning"),)
            for skipped in listing.skipped
        }
    return Snapshot(
        commit=reader.commit(commit),
        model=model,
        files=Layers(read.files),
        timed={path: entry for path, entry in read.files.items() if _is_timed(entry)},
        findings=Layers(findings | read.findings | _by_path(guide)),
        history=neighbour.history if neighbour is not None else NO_HISTORY,
        guide=guide,
        refused=Layers(read.refused),
    )


def advance_snapshot(
    old: Snapshot,
    reader: Reader,
    commit: CommitId,
    *,
    cache: DerivedCache | None = None,
    history: History | None = None,
) -> Snapshot:
    """The snapshot of *commit*, from that of a neighbour with the same content model, at the cost of what differs.

    Args:
        cache: where to keep what is read, when it is to last.
        history: that of *commit* (:func:`advance_history`); without it that of *old*.

    Raises:
        RepositoryProblem: as for :func:`build_snapshot`.
    """
    model = old.model
    changes = {
        change.path: (change, place)
        for change in reader.diff(old.commit.id, commit, prefixes=model.prefixes)
        if (place := model.place(change.path)) is not None
    }
    removed = [entry for path in changes if (entry := old.find(path)) is not None]
    placed = {path: (*place, change.new) for path, (change, place) in changes.items() if change.new is not None}
    read = _read_all(reader, model, placed, lambda collection: _by_blob(removed, collection), cache, None)
    gone = dict.fromkeys(changes)
    findings = read.findings
    guide = read_guide(reader, commit, model.settings.search, old.guide)
    if guide is not old.guide:
        findings |= {path: found for path, found in _by_path(guide).items() if path not in findings}
        gone |= dict.fromkeys([*old.guide.sources, *guide.sources])
    files = old.files.changed({**gone, **read.files})
    history = old.history if history is None else history
    # A file that was changed and changed back has the same bytes, and still another updated_at.
    moved = {path for path in history.differing(old.history) if path in files}
    return Snapshot(
        commit=reader.commit(commit),
        model=model,
        files=files,
        timed=_advance_timed(old.timed, changes, read.files),
        findings=old.findings.changed({**gone, **findings}),
        history=history,
        guide=guide,
        changed=frozenset(gone.keys() | moved),
        advanced_from=old.commit.id,
        refused=old.refused.changed({**gone, **read.refused}),
        derived={name: item.advance(removed, read.entries()) for name, item in old.derived.copy().items()},
    )


def follow_snapshot(old: Snapshot, reader: Reader, commit: CommitId) -> Snapshot:
    """The snapshot of any *commit*, from that of the published branch: what its content model says there counts.

    Nothing is kept but in the result: *commit* may never be published. Costs in proportion to what differs, or, when by its settings or
    schemas files are read in another way, to the site.

    Raises:
        InvalidSettings: ``cms.toml`` is wrong there, or gone with all the schemas.
        RepositoryProblem: as for :func:`build_snapshot`.
    """
    if not reader.diff(old.commit.id, commit, prefixes=(SETTINGS_FILE, SCHEMAS_FOLDER)):
        return advance_snapshot(old, reader, commit)
    model = read_model(reader, commit)
    if model is None:
        raise InvalidSettings(
            f"{SETTINGS_FILE} is gone, and so is every schema, so nothing says what the content is",
            path=SETTINGS_FILE,
            hint=f"bring them back: git checkout {old.commit.id[:10]} -- {SETTINGS_FILE} {SCHEMAS_FOLDER}",
        )
    model = with_branch(model, old.model.settings.site.branch)
    if model.reads_like(old.model):
        return replace(advance_snapshot(old, reader, commit), model=model)
    return build_snapshot(reader, commit, model, neighbour=old)


def _kept(model: ContentModel, cache: DerivedCache | None, neighbour: Snapshot | None) -> Known:
    """What the cache knows, and what a neighbour's entries hold that were read by the same schema."""

    def known(collection: Collection) -> Mapping[str, Parsed]:
        fingerprint = model.parse_fingerprint(collection)
        found = cache.load_parsed(fingerprint) if cache is not None else {}
        same = neighbour.model.collections.get(collection.name) if neighbour is not None else None
        if neighbour is not None and same is not None and neighbour.model.parse_fingerprint(same) == fingerprint:
            found |= _by_blob(neighbour.files.values(), collection)
        return found

    return known


def _by_blob(entries: Iterable[Entry], collection: Collection) -> dict[str, Parsed]:
    name = collection.name
    return {entry.blob: entry.parsed for entry in entries if entry.collection == name and _is_lasting(entry.parsed)}


def _by_path(guide: Guide) -> dict[str, tuple[Finding, ...]]:
    found: dict[str, tuple[Finding, ...]] = {}
    for finding in guide.findings:
        found[finding.path] = (*found.get(finding.path, ()), finding)
    return found


def _advance_timed(
    old: Mapping[str, Entry], changed: Mapping[str, object], files: Mapping[str, Entry]
) -> Mapping[str, Entry]:
    come = {path: entry for path, entry in files.items() if _is_timed(entry)}
    if not come and old.keys().isdisjoint(changed):
        return old
    return {**{path: entry for path, entry in old.items() if path not in changed}, **come}


def read_history(store: Store, commit: CommitId, cache: DerivedCache, ref: str) -> History:
    """The history at *commit*, extended from the one that is cached for *ref* where that fits, and kept for next time.

    Raises:
        RepositoryProblem: as for ``History.build``.
    """
    with _without_garbage_collection():
        kept = cache.load_history(ref)
        known = History.from_bytes(kept[1]) if kept is not None else None
        if known is not None and known.border != store.border():  # a shallow clone was deepened since
            known = None
        if known is not None and known.commit == commit:
            return known
        history = History.build(store, commit) if known is None else _extended(known, store, commit)
        cache.save_history(ref, commit, history.to_bytes())
        return history


def _extended(known: History, store: Store, commit: CommitId) -> History:
    """*known* extended to *commit*; the commit it was made for may be gone after a force-push and a ``git gc``."""
    try:
        return known.advance(store, commit)
    except RepositoryProblem:
        return History.build(store, commit)


def advance_history(old: Snapshot, store: Store, commit: CommitId, cache: DerivedCache, ref: str) -> History:
    """The history at *commit*, from that of a neighbour; kept for *ref* at once where that costs little.

    Raises:
        RepositoryProblem: as for ``History.build``.
    """
    history = old.history.advance(store, commit)
    if len(old.files) <= BATCH:
        cache.save_history(ref, commit, history.to_bytes())
    return history


def _read_all(
    reader: Reader,
    model: ContentModel,
    placed: Mapping[str, Placed],
    known: Known,
    cache: DerivedCache | None,
    progress: Progress | None,
) -> "_Admitted":
    """The entries of all *placed* files, by path."""
    parsed = _parse_all(reader, model, placed.values(), known, cache, progress)
    read = _Admitted(model)
    for path, (collection, match, blob) in placed.items():
        read.admit(path, blob, parsed[collection.name, blob], collection, match)
    return read


def _parse_all(
    reader: Reader,
    model: ContentModel,
    placed: Iterable[Placed],
    known: Known,
    cache: DerivedCache | None,
    progress: Progress | None,
) -> dict[tuple[str, BlobId], Parsed]:
    """Every blob read by the schema of its collection, each (collection, blob) once."""
    wanted: dict[str, dict[BlobId, None]] = {}
    for collection, _, blob in placed:
        wanted.setdefault(collection.name, {})[blob] = None
    total = sum(map(len, wanted.values()))
    result: dict[tuple[str, BlobId], Parsed] = {}
    for name, blobs in wanted.items():
        collection = model.collections[name]
        found = known(collection)
        for blob in blobs:
            if blob in found:
                result[name, blob] = found[blob]
        missing = [blob for blob in blobs if blob not in found]
        for start in range(0, len(missing), BATCH):
            fresh = dict(_parse_blobs(reader, missing[start : start + BATCH], collection, model))
            result.update({(name, blob): parsed for blob, parsed in fresh.items()})
            if cache is not None:
                cache.save_parsed(model.parse_fingerprint(collection), _lasting(fresh))
            if progress is not None:
                progress(len(result), total)
    return result


def _parse_blobs(
    reader: Reader, blobs: Iterable[BlobId], collection: Collection, model: ContentModel
) -> Iterator[tuple[BlobId, Parsed]]:
    zone, locales = model.zone, frozenset(model.locales)
    for blob, source in reader.read_blobs(blobs):
        if source is None:
            problem = Finding(
                message="the file's content is missing from the repository or damaged",
                rule=BROKEN_OBJECT,
                hint=f"restore the Git object {blob}: fetch it again, or see 'git fsck'",
            )
            yield blob, Parsed(fields={}, findings=(problem,))
        else:
            yield blob, pooled(parse_entry(source, collection, zone, locales))


def _lasting(parsed: Mapping[BlobId, Parsed]) -> dict[str, Parsed]:
    return {blob: value for blob, value in parsed.items() if _is_lasting(value)}


def _is_lasting(parsed: Parsed) -> bool:
    """Whether it may be kept: a damaged object may be whole again tomorrow."""
    return not parsed.findings or parsed.findings[0].rule != BROKEN_OBJECT


class _Admitted:
    """Entries made of what was parsed and of where it stands, those that can be served apart from the others."""

    def __init__(self, model: ContentModel) -> None:
        self._model = model
        self.files: dict[str, Entry] = {}
        self.refused: dict[str, Entry] = {}
        self.findings: dict[str, tuple[Finding, ...]] = {}

    def entries(self) -> list[Entry]:
        """All of them."""
        return [*self.files.values(), *self.refused.values()]

    def admit(self, path: str, blob: BlobId, parsed: Parsed, collection: Collection, match: PathMatch) -> None:
        """Take in one file."""
        if parsed.findings:
            self.findings[path] = tuple(finding.at(path) for finding in parsed.findings)
        admitted = self.files if not parsed.findings or parsed.is_valid else self.refused
        admitted[path] = place_entry(path, blob, parsed, collection, match, self._model)


def place_entry(
    path: str, blob: BlobId, parsed: Parsed, collection: Collection, match: PathMatch, model: ContentModel
) -> Entry:
    """The entry that bytes make at their place: what the front matter does not say, the path does."""
    published_at = parsed.published_at
    if published_at is None and match.day is not None:
        day = match.day
        published_at = _midnight(day.year, day.month, day.day, model)
    slug = match.slug
    if parsed.slug is not None:
        folder = slug.rpartition("/")[0]
        slug = parsed.slug if "/" in parsed.slug or not folder else f"{folder}/{parsed.slug}"
    return Entry(
        collection=collection.name,
        slug=slug,
        locale=parsed.locale or match.locale or model.settings.site.default_locale,
        path=path,
        blob=blob,
        parsed=parsed,
        published_at=published_at,
    )


def _midnight(year: int, month: int, day: int, model: ContentModel) -> float:
    return datetime(year, month, day, tzinfo=model.zone).timestamp()


def _is_timed(entry: Entry) -> bool:
    return entry.parsed.publish_at is not None or entry.parsed.expire_at is not None


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """A full collection over 100,000 entries takes 0.4 s and finds nothing: keep it away while they are made, and after."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
