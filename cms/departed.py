"""What became of an address that names no entry any more: it was renamed, it was withdrawn, or it never named anything.

Whoever asks knows the public API and nothing else, so only what was public counts: a file that went while it was hidden, under
embargo, expired or broken is like one that never was, and so is one that came and went between two published states. An address is what the file meant while it was there: by the schemas of
that time, with the slug that it gave itself. What stands at an address now, and ``aliases``, come before anything told here.

The addresses are worked out when the first one is asked for, kept on disk, and followed from there.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

import msgspec

from cms.cache import DerivedCache
from cms.catalog import EVERY_LOCALE, Catalog, LocaleChain
from cms.coerce import parse_entry
from cms.entry import Entry, Parsed
from cms.errors import CMSError
from cms.layers import Layers
from cms.model import ContentModel, read_model
from cms.paths import PathMatch
from cms.refs import BlobId, CommitId
from cms.schema import Collection
from cms.settings import SCHEMAS_FOLDER, SETTINGS_FILE
from cms.snapshot import place_entry
from cms.store import Store
from cms.whereabouts import Departed, Departure

FindState = Callable[[CommitId], CommitId | None]


@dataclass(frozen=True, slots=True)
class Moved:
    """The entry is found there now."""

    collection: str
    slug: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """It was public, and is not any more, since *at* (seconds since 1970, as Git has it)."""

    at: float


class _Address(NamedTuple):
    """What a file was called, in one locale, when it went."""

    name: str
    locale: str
    path: str
    at: float
    to: str | None


class _Index(NamedTuple):
    """Every address that was public once, by the name of the entry: ``collection/slug``."""

    model: ContentModel
    departed: Layers[tuple[Departure, ...]]
    names: Layers[tuple[_Address, ...]]
    paths: Layers[tuple[_Address, ...]]


class _Former(NamedTuple):
    """A file that went, as the schemas of its time saw it."""

    path: str
    departure: Departure
    collection: Collection
    match: PathMatch
    model: ContentModel

    @property
    def fingerprint(self) -> str:
        return self.model.parse_fingerprint(self.collection)


class Departures:
    """The former addresses of one site."""

    def __init__(self, store: Store, cache: DerivedCache, find_state: FindState | None = None) -> None:
        """*find_state* gives the published state that a commit is or came after; without it every commit was published."""
        self._store = store
        self._cache = cache
        self._find_state = find_state
        self._lock = Lock()
        self._index: _Index | None = None
        self._first_paths: tuple[_Index, dict[str, str]] | None = None
        # The models that the site has had, each with a commit that had it, the one found last in front.
        self._models: list[tuple[CommitId, ContentModel | None]] = []

    def is_ready(self, catalog: Catalog) -> bool:
        """Whether :meth:`find` will only read memory."""
        index = self._index
        return index is not None and _is_of(index, catalog)

    def find(self, catalog: Catalog, collection: str, slug: str, chain: LocaleChain) -> Moved | Withdrawn | None:
        """What became of an address at which *catalog* has nothing for *chain*; ``None`` when it never was public.

        The first time this takes as long as reading the files that went.

        Raises:
            RepositoryProblem: the repository cannot be read.
        """
        address = _pick(self._index_of(catalog).names.get(f"{collection}/{slug}", ()), chain)
        if address is None:
            return None
        entry = catalog.snapshot.files.get(address.to) if address.to is not None else None
        if entry is not None and catalog.find(entry.collection, entry.slug, (entry.locale,)) is entry:
            found = catalog.find(entry.collection, entry.slug, chain)
            if found is not None:
                return Moved(found.collection, found.slug)
        return Withdrawn(address.at)

    def of_file(self, catalog: Catalog, path: str) -> Departure | None:
        """What became of a file that is no entry, at a path where there is none now; None when the public never saw one there.

        Raises:
            RepositoryProblem: the repository cannot be read.
        """
        known = catalog.snapshot.history.departed.get(path, ())
        return next(filter(None, (self._as_seen(path, departure) for departure in known)), None)

    def _as_seen(self, path: str, departure: Departure) -> Departure | None:
        """*departure* of the file as the public saw it last; None when no published state had it."""
        state = self._find_state(departure.before) if self._find_state is not None else departure.before
        if state == departure.before:
            return departure
        blob = self._store.find_blob(state, path) if state is not None else None
        return msgspec.structs.replace(departure, blob=blob, before=state) if blob is not None else None

    def first_paths(self, catalog: Catalog) -> Mapping[str, str]:
        """For each file that had another path when it was first public, that path.

        Raises:
            RepositoryProblem: the repository cannot be read.
        """
        index = self._index_of(catalog)
        known = self._first_paths
        if known is None or known[0] is not index:
            moved = (address for addresses in index.paths.values() for address in addresses if address.to is not None)
            latest = sorted(moved, key=lambda address: (address.at, address.path), reverse=True)
            known = self._first_paths = index, {address.to: address.path for address in latest if address.to}
        return known[1]

    def _index_of(self, catalog: Catalog) -> _Index:
        index = self._index
        if index is None or not _is_of(index, catalog):
            with self._lock:
                index = self._index
                if index is None or not _is_of(index, catalog):
                    index = self._index = self._advanced(index, catalog)
        return index

    def _advanced(self, index: _Index | None, catalog: Catalog) -> _Index:
        departed = catalog.snapshot.history.departed
        if index is None or index.model.fingerprint != catalog.model.fingerprint:
            changed: Iterable[str] = departed
            names, paths = Layers[tuple[_Address, ...]]({}), Layers[tuple[_Address, ...]]({})
        else:
            changed, names, paths = departed.differing(index.departed), index.names, index.paths
        come: dict[str, tuple[_Address, ...]] = {}
        for address in self._addresses({path: departed[path] for path in changed if path in departed}, catalog):
            come[address.path] = (*come.get(address.path, ()), address)
        updates: dict[str, tuple[_Address, ...]] = {}
        for old in (address for path in changed for address in paths.get(path, ())):
            same = updates.get(old.name, names.get(old.name, ()))
            updates[old.name] = tuple(other for other in same if other.path != old.path)
        for address in (address for addresses in come.values() for address in addresses):
            same = updates.get(address.name, names.get(address.name, ()))
            updates[address.name] = (*same, address)
        return _Index(
            catalog.model,
            departed,
            names.changed({name: addresses or None for name, addresses in updates.items()}),
            paths.changed({path: come.get(path) for path in changed}),
        )

    # -- what a file was called ----------------------------------------------------------------------------------------

    def _addresses(self, departed: Departed, catalog: Catalog) -> Iterator[_Address]:
        former = list(self._place(departed, catalog))
        parsed = self._parse(former, catalog)
        for file in former:
            departure = file.departure
            value = parsed.get((file.fingerprint, departure.blob))
            if value is None or not value.is_valid:
                continue
            entry = place_entry(file.path, departure.blob, value, file.collection, file.match, file.model)
            if entry.is_public(min(departure.at, catalog.valid_from)):
                name = f"{entry.collection}/{entry.slug}"
                yield _Address(name, entry.locale, file.path, float(departure.at), departure.to)

    def _place(self, departed: Departed, catalog: Catalog) -> Iterator[_Former]:
        models: dict[CommitId, ContentModel | None] = {}
        every = ((path, self._as_seen(path, each)) for path, departures in departed.items() for each in departures)
        for path, departure in every:
            if departure is None:
                continue
            if departure.before not in models:
                models[departure.before] = self._model_before(departure.before, catalog)
            model = models[departure.before]
            place = model.place(path) if model is not None else None
            if model is not None and place is not None:
                yield _Former(path, departure, *place, model)

    def _model_before(self, commit: CommitId, catalog: Catalog) -> ContentModel | None:
        """The content model that was in force at *commit*; ``None`` when it cannot be told any more."""
        if catalog.model.is_inferred:
            return catalog.model
        try:
            known = [(catalog.snapshot.commit.id, catalog.model), *self._models]
            for number, (other, model) in enumerate(known):
                if not self._store.diff(commit, other, prefixes=(SETTINGS_FILE, SCHEMAS_FOLDER)):
                    if number:
                        self._models.remove(known[number])
                        self._models.insert(0, known[number])
                    return model
            found = read_model(self._store, commit) or catalog.model
        except CMSError:  # settings that were wrong, or a commit beyond the border of a shallow clone
            return None
        self._models.insert(0, (commit, found))
        return found

    def _parse(self, former: list[_Former], catalog: Catalog) -> dict[tuple[str, BlobId], Parsed]:
        """What the bytes of each file say of its address, by the schema of its collection and its blob."""
        found: dict[tuple[str, BlobId], Parsed] = {}
        missing: dict[str, dict[BlobId, _Former]] = {}
        for file in former:
            same = self._moved_as_it_is(file, catalog)
            if same is not None:
                found[file.fingerprint, file.departure.blob] = same.parsed
            else:
                missing.setdefault(file.fingerprint, {})[file.departure.blob] = file
        for fingerprint, files in missing.items():
            known = self._cache.load_departed(fingerprint)
            fresh: dict[str, Parsed] = dict(
                self._read({blob: file for blob, file in files.items() if blob not in known})
            )
            self._cache.save_departed(fingerprint, fresh)
            for blob in files:
                value = known.get(blob) or fresh.get(blob)
                if value is not None:
                    found[fingerprint, blob] = value
        return found

    def _moved_as_it_is(self, file: _Former, catalog: Catalog) -> Entry | None:
        """The entry that has the very bytes of *file* now, and is read by the same schema."""
        there = catalog.snapshot.files.get(file.departure.to) if file.departure.to is not None else None
        if there is None or there.blob != file.departure.blob:
            return None
        collection = catalog.model.collections[there.collection]
        return there if catalog.model.parse_fingerprint(collection) == file.fingerprint else None

    def _read(self, files: Mapping[BlobId, _Former]) -> Iterator[tuple[BlobId, Parsed]]:
        for blob, source in self._store.read_blobs(files):
            if source is not None:
                file = files[blob]
                parsed = parse_entry(source, file.collection, file.model.zone, frozenset(file.model.locales))
                yield blob, _address_part(parsed)


def _address_part(parsed: Parsed) -> Parsed:
    """What of *parsed* says where the entry was found, and when."""
    return Parsed(
        fields={},
        slug=parsed.slug,
        locale=parsed.locale,
        publish_at=parsed.publish_at,
        expire_at=parsed.expire_at,
        hidden=parsed.hidden,
        findings=tuple(finding for finding in parsed.findings if finding.severity == "error")[:1],
    )


def _is_of(index: _Index, catalog: Catalog) -> bool:
    return index.departed is catalog.snapshot.history.departed and index.model is catalog.model


def _pick(addresses: tuple[_Address, ...], chain: LocaleChain) -> _Address | None:
    """Of the files that had one name the one that *chain* prefers, the latest of several; ``""`` stands for any locale."""
    latest = sorted(addresses, key=lambda address: (-address.at, address.path))
    for locale in chain if chain != EVERY_LOCALE else ("",):
        for address in latest:
            if address.locale == locale or not locale:
                return address
    return None
