"""Full text over a catalog: keeps the index in step with the snapshot, and lets the catalog decide what may be found.

The index knows texts by blob id and nothing else. Which of them a reader may find is the catalog's selection, handed to the engine with the
query, so that totals, facets and pages are right and a publication that only moves blobs into view needs no indexing.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from threading import Lock, Thread
from weakref import WeakKeyDictionary

import structlog

from cms.bodies import Bodies, render_body
from cms.catalog import Catalog
from cms.entry import Entry
from cms.errors import CMSError, SearchUnavailable
from cms.looking import Found, Look, Moved
from cms.model import ContentModel
from cms.query import Query
from cms.refs import BlobId
from cms.search import (
    Engine,
    SearchDocument,
    Snippet,
    Synonyms,
    Visible,
    common_synonyms,
    make_synonyms,
    open_engine,
)
from cms.searchtexts import documents_of, search_document, search_fingerprint, visible_texts
from cms.snapshot import Snapshot
from cms.store import Store

INLINE_LIMIT = 200
STALE_SHARE = 0.2
STALE_FLOOR = 200
RETRY_SECONDS = 5
DEADLINE_SECONDS = 1.5
ATTEMPTS = 5

log = structlog.get_logger(__name__)


class Searcher:
    """The search index of one site. Safe to share between threads."""

    def __init__(self, folder: Path, store: Store, bodies: Bodies, model: ContentModel) -> None:
        self._store = store
        self._bodies = bodies
        self.model = model
        self._engine: Engine = open_engine(
            folder, fingerprint=search_fingerprint(model), engine=model.settings.search.engine
        )
        self._fingerprint = search_fingerprint(model)
        self._lock = Lock()
        self._worker: Thread | None = None
        #: The last whole snapshot that was indexed, and what the engine held then; true as long as it holds just that.
        self._whole: tuple[Snapshot, frozenset[str]] | None = None
        self._complete: WeakKeyDictionary[Visible, frozenset[str]] = WeakKeyDictionary()
        self._synonyms: tuple[Sequence[tuple[str, ...]], Synonyms] = ((), common_synonyms())

    def missing(self, snapshot: Snapshot) -> dict[str, Entry]:
        """The texts of *snapshot* that are not indexed, by document id."""
        return self._missing(snapshot, self._engine.ids())

    def _missing(self, snapshot: Snapshot, known: frozenset[str]) -> dict[str, Entry]:
        entries: Iterable[Entry] = snapshot.files.values()
        whole = self._whole
        if whole is not None and whole[1] is known and snapshot.advanced_from == whole[0].commit.id:
            entries = [entry for entry in map(snapshot.files.get, snapshot.changed or ()) if entry is not None]
        # What is hidden stays so until its bytes change: it need not be known to be left out.
        wanted = {entry.document_id: entry for entry in entries if not entry.parsed.hidden}
        return {id: entry for id, entry in wanted.items() if id not in known}

    def update(self, snapshot: Snapshot, progress: Callable[[int], None] | None = None) -> int:
        """Index what is missing of *snapshot*, the state that the site is at, and forget what has been gone for long.

        Returns:
            How many texts were added.

        Raises:
            SearchUnavailable: the index cannot be written.
        """
        with self._lock:
            self._reset_if_broken()
            added = 0
            for _ in range(ATTEMPTS):
                before = self._engine.ids()
                missing = self._missing(snapshot, before)
                stale = self._stale(snapshot, before)
                if missing or stale:
                    self._engine.update(self._documents(missing.values(), snapshot.model), stale, progress)
                    added += len(missing)
                after = self._engine.ids()
                if before - stale <= after:  # else another process began anew meanwhile
                    self._whole = snapshot, after
                    return added
            raise _being_built()

    def _reset_if_broken(self) -> None:
        if self._engine.is_broken:
            log.warning("search.rebuild", reason="the index is damaged")
            self._engine.reset()

    def follow(self, snapshot: Snapshot) -> None:
        """Begin to :meth:`update` the index in a thread of its own; what cannot be written is logged."""
        self._start(partial(self.update, snapshot))

    def _start(self, action: Callable[[], int]) -> None:
        worker = self._worker
        if worker is None or not worker.is_alive():
            self._worker = Thread(target=self._run, args=(action,), name="search-index", daemon=True)
            self._worker.start()

    def _run(self, action: Callable[[], int]) -> None:
        started = time.monotonic()
        try:
            added = action()
        except CMSError as error:
            log.warning("search.not_indexed", reason=str(error))
        else:
            if added:
                log.info("search.indexed", texts=added, seconds=round(time.monotonic() - started, 1))

    def _stale(self, snapshot: Snapshot, known: frozenset[str]) -> frozenset[str]:
        """What is indexed but in no file of *snapshot*, once it is worth the trouble."""
        if len(known) - len(snapshot.files) <= max(STALE_FLOOR, STALE_SHARE * len(known)):
            return frozenset()
        stale = known - {entry.document_id for entry in snapshot.files.values()}
        return stale if len(stale) > max(STALE_FLOOR, STALE_SHARE * len(known)) else frozenset()

    def _add(self, entries: Collection[Entry], model: ContentModel, bodies: Bodies) -> int:
        """Index *entries*, which are of another state than the site is at."""
        with self._lock:
            self._reset_if_broken()
            known = self._engine.ids()
            missing = [entry for entry in entries if entry.document_id not in known]
            self._engine.update(self._rendered(missing, model, bodies), ())
            return len(missing)

    def _rendered(self, entries: Iterable[Entry], model: ContentModel, bodies: Bodies) -> Iterator[SearchDocument]:
        for entry in entries:
            try:
                yield search_document(entry, model.collections[entry.collection], bodies.get(BlobId(entry.blob)).text)
            except CMSError as error:
                log.warning("search.skipped", path=entry.path, reason=str(error))

    def _documents(self, entries: Iterable[Entry], model: ContentModel) -> Iterator[SearchDocument]:
        waiting = list(entries)
        sources = self._store.read_blobs(BlobId(entry.blob) for entry in waiting)
        for entry, (_, source) in zip(waiting, sources, strict=True):
            if source is not None:
                try:
                    self._bodies.prepare(BlobId(entry.blob), source)
                    yield search_document(entry, model.collections[entry.collection], render_body(source).text)
                except CMSError as error:
                    log.warning("search.skipped", path=entry.path, reason=str(error))

    @property
    def is_broken(self) -> bool:
        """Whether the index was found damaged."""
        return self._engine.is_broken

    def reset(self) -> None:
        """Throw the index away and begin an empty one, which :meth:`update` fills.

        Raises:
            SearchUnavailable: the index cannot be written.
        """
        with self._lock:
            self._engine.reset()

    def close(self) -> None:
        """Let go of the index files."""
        self._engine.close()

    def search(
        self,
        catalog: Catalog,
        queries: Sequence[Query],
        text: str,
        *,
        by_relevance: bool,
        similar: Entry | None = None,
        explain: bool = False,
        bodies: Bodies | None = None,
    ) -> Found:
        """Find *text* in what each of *queries* (one for a collection) selects.

        Args:
            by_relevance: best first; else in the order of the (only) query.
            similar: find what is like this entry, out of all or out of what has *text*.
            explain: say of the entries of the page why they were found.
            bodies: renders what *catalog* shows, where that is not what the site is at.

        Raises:
            SearchUnavailable: the index is being built, or cannot be read, or the query took too long.
        """
        self._require_fields(catalog.model)
        ends_at = time.monotonic() + DEADLINE_SECONDS
        for attempt in range(ATTEMPTS):
            # Who searched before has seen to it; and an answer says whether the index is still the one of then.
            known = None if attempt else self._seen_complete(catalog)
            look = Look(
                self._engine,
                catalog,
                queries,
                text,
                known=self._require_complete(catalog, bodies) if known is None else known,
                synonyms=self._find_synonyms(catalog),
                read=partial(self._document, catalog, bodies),
                pins=by_relevance and similar is None,
                ends_at=ends_at,
            )
            try:
                look.understand()
                if similar is not None:
                    look.compare(similar, self._document(catalog, bodies, similar))
                return look.answer(by_relevance=by_relevance, explain=explain)
            except Moved:
                continue
            except SearchUnavailable:
                if self._engine.is_broken:
                    self._heal(catalog, bodies)
                raise
        raise _being_built()

    def fits(self, model: ContentModel) -> bool:
        """Whether what *model* makes of files is searched by the fields that are indexed."""
        return model is self.model or search_fingerprint(model) == self._fingerprint

    def _require_fields(self, model: ContentModel) -> None:
        if not self.fits(model):
            raise SearchUnavailable(
                "the fields that are searched are others here than in the index, so this cannot be searched now",
                retry_after_seconds=RETRY_SECONDS,
            )

    def _document(self, catalog: Catalog, bodies: Bodies | None, entry: Entry) -> SearchDocument:
        body = (bodies or self._bodies).get(BlobId(entry.blob))
        return search_document(entry, catalog.shelves[entry.collection].collection, body.text)

    def _find_synonyms(self, catalog: Catalog) -> Synonyms:
        groups = catalog.snapshot.guide.groups
        if self._synonyms[0] != groups:
            self._synonyms = groups, make_synonyms(groups)
        return self._synonyms[1]

    def snippets(self, catalog: Catalog, entry: Entry, text: str, *, bodies: Bodies | None = None) -> list[Snippet]:
        """Pieces of *entry* that show why it was found."""
        document = self._document(catalog, bodies, entry)
        return self._engine.snippets(text, document, synonyms=self._find_synonyms(catalog))

    def _require_complete(self, catalog: Catalog, bodies: Bodies | None) -> frozenset[str]:
        """What the engine holds when it holds all that *catalog* shows: brought up to it when that takes a moment.

        Raises:
            SearchUnavailable: that takes longer, and has begun.
        """
        held = self._engine.ids()
        if self._seen_complete(catalog) is held:
            return held
        if self._engine.is_broken:
            self._heal(catalog, bodies)
            raise _being_built()
        missing = [entry for id, (entry, *_) in documents_of(catalog).items() if id not in held]
        if len(missing) > INLINE_LIMIT:
            self._start(partial(self._add, missing, catalog.model, bodies or self._bodies))
            raise _being_built()
        if missing:
            self._add(missing, catalog.model, bodies or self._bodies)
        after = self._engine.ids()
        if not held <= after:  # another process began anew meanwhile
            raise _being_built()
        self._complete[visible_texts(catalog)] = after
        return after

    def _seen_complete(self, catalog: Catalog) -> frozenset[str] | None:
        """What the engine held when it was last seen to hold all that *catalog* shows."""
        whole = self._whole
        if whole is not None and whole[0] is catalog.snapshot:
            return whole[1]
        return self._complete.get(visible_texts(catalog))

    def _heal(self, catalog: Catalog, bodies: Bodies | None) -> None:
        entries = [entry for entry, *_ in documents_of(catalog).values()]
        self._start(partial(self._add, entries, catalog.model, bodies or self._bodies))


def _being_built() -> SearchUnavailable:
    return SearchUnavailable(
        "the search index is being built; ask again in a moment", retry_after_seconds=RETRY_SECONDS
    )
