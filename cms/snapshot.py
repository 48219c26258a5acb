"""Snapshots: every entry of a site at one commit, immutable.

A snapshot is built once and then *advanced*: the next one shares everything with it but the files that a tree diff names. What the
public may see of it at a given moment is the ``catalog``'s business, not decided here: hidden and embargoed entries are in it.
"""

import gc
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from cms.cache import DerivedCache, pooled
from cms.coerce import parse_entry
from cms.entry import Entry, Parsed
from cms.errors import RepositoryProblem
from cms.finding import Finding
from cms.guide import NO_GUIDE, Guide, read_guide
from cms.history import History
from cms.layers import Layers
from cms.model import ContentModel
from cms.objects import Commit
from cms.paths import PathMatch
from cms.refs import BlobId, CommitId
from cms.schema import Collection
from cms.store import Store

BATCH = 2000
BROKEN_OBJECT = "broken-object"
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Every entry at one commit.

    Attributes:
        files: path to entry, for every content file that can be served, hidden ones too.
        timed: those of them with a ``publish_at`` or an ``expire_at``.
        findings: path to what is wrong or odd there; a file with an error is not in ``files``.
        guide: what editors say about search.
        changed: paths whose entry differs from the snapshot this one was advanced from; ``None`` when it was built.
        advanced_from: the commit of that snapshot.
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


def build_snapshot(
    store: Store,
    commit: CommitId,
    model: ContentModel,
    *,
    cache: DerivedCache,
    ref: str,
    progress: Progress | None = None,
) -> Snapshot:
    """Read every content file at *commit*; what *cache* knows by blob id is not read again.

    Raises:
        RepositoryProblem: the commit or its trees cannot be read. A single broken blob is a finding, not an error.
    """
    with _without_garbage_collection():
        listing = store.list_files(commit, prefixes=model.prefixes)
        placed: dict[str, tuple[Collection, PathMatch, BlobId]] = {}
        for file in listing:
            place = model.place(file.path)
            if place is not None:
                # Interned: the history names the same paths, and each is kept once.
                placed[sys.intern(file.path)] = (*place, file.blob)
        parsed = _parse_all(store, model, placed.values(), cache, progress)
        files: dict[str, Entry] = {}
        findings: dict[str, tuple[Finding, ...]] = {
            skipped.path: (Finding(message=skipped.reason, path=skipped.path, rule="skipped", severity="warning"),)
            for skipped in listing.skipped
        }
        for path, (collection, match, blob) in placed.items():
            _admit(path, blob, parsed[collection.name, blob], collection, match, model, files, findings)
        timed = {path: entry for path, entry in files.items() if _is_timed(entry)}
        guide = read_guide(store, commit, model.settings.search)
        findings |= _by_path(guide)
        history = _history(store, commit, cache, ref)
    return Snapshot(
        commit=store.commit(commit),
        model=model,
        files=Layers(files),
        timed=timed,
        findings=Layers(findings),
        history=history,
        guide=guide,
    )


def advance_snapshot(old: Snapshot, store: Store, commit: CommitId, *, cache: DerivedCache, ref: str) -> Snapshot:
    """The snapshot of *commit*, from that of a neighbour with the same content model.

    Costs in proportion to what differs between the two commits.

    Raises:
        RepositoryProblem: as for :func:`build_snapshot`.
    """
    model = old.model
    changes = {
        change.path: (change, place)
        for change in store.diff(old.commit.id, commit, prefixes=model.prefixes)
        if (place := model.place(change.path)) is not None
    }
    placed = [(*place, change.new) for change, place in changes.values() if change.new is not None]
    parsed = _parse_all(store, model, placed, None, None)
    for collection in model.collections.values():
        fresh = {blob: value for (name, blob), value in parsed.items() if name == collection.name}
        cache.save_parsed(model.parse_fingerprint(collection), _lasting(fresh))
    files: dict[str, Entry] = {}
    findings: dict[str, tuple[Finding, ...]] = {}
    for path, (change, (collection, match)) in changes.items():
        if change.new is not None:
            _admit(path, change.new, parsed[collection.name, change.new], collection, match, model, files, findings)
    history = old.history.advance(store, commit)
    if len(old.files) <= BATCH:
        cache.save_history(ref, commit, history.to_bytes())
    gone = dict.fromkeys(changes)
    guide = read_guide(store, commit, model.settings.search, old.guide)
    if guide is not old.guide:
        findings |= {path: found for path, found in _by_path(guide).items() if path not in findings}
        gone |= dict.fromkeys([*old.guide.sources, *guide.sources])
    snapshot_files = old.files.changed({**gone, **files})
    # A file that was changed and changed back has the same bytes, and still another updated_at.
    moved = {path for path in history.differing(old.history) if path in snapshot_files}
    return Snapshot(
        commit=store.commit(commit),
        model=model,
        files=snapshot_files,
        timed=_advance_timed(old.timed, changes, files),
        findings=old.findings.changed({**gone, **findings}),
        history=history,
        guide=guide,
        changed=frozenset(gone.keys() | moved),
        advanced_from=old.commit.id,
    )


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


def _history(store: Store, commit: CommitId, cache: DerivedCache, ref: str) -> History:
    """The history at *commit*, extended from the cached one where that fits, and kept for next time."""
    kept = cache.load_history(ref)
    known = History.from_bytes(kept[1]) if kept is not None else None
    if known is not None and known.commit == commit:
        return known
    history = History.build(store, commit) if known is None else _advance_history(known, store, commit)
    cache.save_history(ref, commit, history.to_bytes())
    return history


def _advance_history(known: History, store: Store, commit: CommitId) -> History:
    """*known* extended to *commit*; the commit it was made for may be gone after a force-push and a ``git gc``."""
    try:
        return known.advance(store, commit)
    except RepositoryProblem:
        return History.build(store, commit)


def _parse_all(
    store: Store,
    model: ContentModel,
    placed: Iterable[tuple[Collection, PathMatch, BlobId]],
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
        fingerprint = model.parse_fingerprint(collection)
        known = cache.load_parsed(fingerprint) if cache is not None else {}
        for blob in blobs:
            if blob in known:
                result[name, blob] = known[blob]
        missing = [blob for blob in blobs if blob not in known]
        for start in range(0, len(missing), BATCH):
            fresh = dict(_parse_blobs(store, missing[start : start + BATCH], collection, model))
            result.update({(name, blob): parsed for blob, parsed in fresh.items()})
            if cache is not None:
                cache.save_parsed(fingerprint, _lasting(fresh))
            if progress is not None:
                progress(len(result), total)
    return result


def _parse_blobs(
    store: Store, blobs: Iterable[BlobId], collection: Collection, model: ContentModel
) -> Iterator[tuple[BlobId, Parsed]]:
    zone, locales = model.zone, frozenset(model.locales)
    for blob, source in store.read_blobs(blobs):
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
    """What may be cached: a damaged object may be whole again tomorrow."""
    return {
        blob: value
        for blob, value in parsed.items()
        if not (value.findings and value.findings[0].rule == BROKEN_OBJECT)
    }


def _admit(
    path: str,
    blob: BlobId,
    parsed: Parsed,
    collection: Collection,
    match: PathMatch,
    model: ContentModel,
    files: dict[str, Entry],
    findings: dict[str, tuple[Finding, ...]],
) -> None:
    if parsed.findings:
        findings[path] = tuple(finding.at(path) for finding in parsed.findings)
        if not parsed.is_valid:
            return
    published_at = parsed.published_at
    if published_at is None and match.day is not None:
        day = match.day
        published_at = _midnight(day.year, day.month, day.day, model)
    slug = match.slug
    if parsed.slug is not None:
        folder = slug.rpartition("/")[0]
        slug = parsed.slug if "/" in parsed.slug or not folder else f"{folder}/{parsed.slug}"
    files[path] = Entry(
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
