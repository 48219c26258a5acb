"""Full text over a catalog: keeps the index in step with the snapshot, and lets the catalog decide what may be found.

The index knows texts by blob id and nothing else. Which of them a reader may find is the catalog's selection, handed to the engine with the
query, so that totals, facets and pages are right and a publication that only moves blobs into view needs no indexing.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import structlog

from cms.bodies import Bodies, render_body
from cms.catalog import Catalog, group_documents
from cms.entry import RESERVED, Entry
from cms.errors import CMSError, SearchUnavailable
from cms.model import ContentModel
from cms.query import FacetValue, Query, count_facets, find_entries
from cms.refs import BlobId, CommitId
from cms.schema import Collection
from cms.search import Engine, SearchDocument, Snippet, open_engine
from cms.snapshot import Snapshot
from cms.store import Store

INLINE_LIMIT = 200
STALE_SHARE = 0.2
STALE_FLOOR = 200
RETRY_SECONDS = 5

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One page of hits, best first (or sorted), with their scores."""

    entries: Sequence[Entry]
    scores: Sequence[float]
    total: int
    facets: Mapping[str, Sequence[FacetValue]]


class Searcher:
    """The search index of one site. Safe to share between threads."""

    def __init__(self, folder: Path, store: Store, bodies: Bodies, model: ContentModel) -> None:
        self._store = store
        self._bodies = bodies
        self._model = model
        self._engine: Engine = open_engine(
            folder, fingerprint=search_fingerprint(model), engine=model.settings.search.engine
        )
        self._lock = Lock()
        self._worker: Thread | None = None
        self._complete_at: CommitId | None = None

    def missing(self, snapshot: Snapshot) -> dict[str, Entry]:
        """The texts of *snapshot* that are not indexed, by document id."""
        known = self._engine.ids()
        entries: Iterable[Entry] = snapshot.files.values()
        if snapshot.changed is not None and snapshot.advanced_from == self._complete_at:
            entries = [entry for entry in map(snapshot.files.get, snapshot.changed) if entry is not None]
        wanted = {entry.document_id: entry for entry in entries}
        return {id: entry for id, entry in wanted.items() if id not in known}

    def update(self, snapshot: Snapshot, progress: Callable[[int], None] | None = None) -> int:
        """Index what is missing of *snapshot* and forget what has been gone for long; return how many texts were added.

        Raises:
            SearchUnavailable: the index cannot be written.
        """
        with self._lock:
            if self._engine.is_broken:
                log.warning("search.rebuild", reason="the index is damaged")
                self._engine.reset()
                self._complete_at = None
            missing = self.missing(snapshot)
            stale = self._stale(snapshot)
            if missing or stale:
                self._engine.update(self._documents(missing.values()), stale, progress)
            self._complete_at = snapshot.commit.id
            return len(missing)

    def follow(self, snapshot: Snapshot) -> None:
        """Begin to bring the index up to *snapshot* in a thread of its own; what cannot be written is logged."""
        worker = self._worker
        if worker is None or not worker.is_alive():
            self._worker = Thread(target=self._follow, args=(snapshot,), name="search-index", daemon=True)
            self._worker.start()

    def _follow(self, snapshot: Snapshot) -> None:
        started = time.monotonic()
        try:
            added = self.update(snapshot)
        except CMSError as error:
            log.warning("search.not_indexed", reason=str(error))
        else:
            if added:
                log.info("search.indexed", texts=added, seconds=round(time.monotonic() - started, 1))

    def _stale(self, snapshot: Snapshot) -> frozenset[str]:
        """What is indexed but in no file of *snapshot*, once it is worth the trouble."""
        known = self._engine.ids()
        if len(known) - len(snapshot.files) <= max(STALE_FLOOR, STALE_SHARE * len(known)):
            return frozenset()
        stale = known - {entry.document_id for entry in snapshot.files.values()}
        return stale if len(stale) > max(STALE_FLOOR, STALE_SHARE * len(known)) else frozenset()

    def _documents(self, entries: Iterable[Entry]) -> Iterator[SearchDocument]:
        waiting = list(entries)
        sources = self._store.read_blobs(BlobId(entry.blob) for entry in waiting)
        for entry, (_, source) in zip(waiting, sources, strict=True):
            if source is not None:
                try:
                    self._bodies.prepare(BlobId(entry.blob), source)
                    yield search_document(entry, self._model.collections[entry.collection], render_body(source).text)
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
            self._complete_at = None
            self._engine.reset()

    def close(self) -> None:
        """Let go of the index files."""
        self._engine.close()

    def search(self, catalog: Catalog, queries: Sequence[Query], text: str, *, by_relevance: bool) -> Found:
        """Find *text* in what each of *queries* (one for a collection) selects.

        Args:
            by_relevance: best first; else in the order of the (only) query.

        Raises:
            SearchUnavailable: the index is being built, or cannot be read, or the query took too long.
        """
        self._require_complete(catalog.snapshot)
        selected: list[Mapping[str, list[Entry]]] = []
        ordered: list[Entry] = []
        for query in queries:
            if query.where is None and by_relevance:
                selected.append(catalog.documents(query.collection.name, query.chain))
            else:
                entries = find_entries(catalog, query)
                ordered += entries
                selected.append(group_documents(entries))
        allowed = _merged(selected)
        locale = next((part for part in queries[0].chain if part not in ("", "*")), None) if queries else None
        ranked = [
            (entry, hit.score)
            for hit in self._engine.search(text, locale=locale, allowed=allowed)
            for entry in allowed[hit.id]
        ]
        if not by_relevance:
            scores = {entry.path: score for entry, score in ranked}
            ranked = [(entry, scores[entry.path]) for entry in ordered if entry.path in scores]
        limit, offset = (queries[0].limit, queries[0].offset) if queries else (0, 0)
        page = ranked[offset : offset + limit]
        hits = {
            query.collection.name: frozenset(
                entry.path for entry, _ in self._hits(catalog, query, text, ranked, locale)
            )
            for query in queries
            if query.facets
        }
        return Found(
            entries=[entry for entry, _ in page],
            scores=[score for _, score in page],
            total=len(ranked),
            facets=count_facets(catalog, queries, hits),
        )

    def _hits(
        self, catalog: Catalog, query: Query, text: str, ranked: Sequence[tuple[Entry, float]], locale: str | None
    ) -> Sequence[tuple[Entry, float]]:
        """What *text* finds in the whole collection: a facet's own filter does not narrow its counts."""
        if query.where is None:
            return [pair for pair in ranked if pair[0].collection == query.collection.name]
        everything = catalog.documents(query.collection.name, query.chain)
        found = self._engine.search(text, locale=locale, allowed=everything)
        return [(entry, hit.score) for hit in found for entry in everything[hit.id]]

    def snippets(self, catalog: Catalog, bodies: Bodies, entry: Entry, text: str) -> list[Snippet]:
        """Pieces of *entry* that show why it was found."""
        collection = catalog.shelves[entry.collection].collection
        return self._engine.snippets(text, search_document(entry, collection, bodies.get(BlobId(entry.blob)).text))

    def _require_complete(self, snapshot: Snapshot) -> None:
        """Bring the index up to *snapshot* when that takes a moment; else begin to, and say that it is being built."""
        if self._complete_at == snapshot.commit.id and not self._engine.is_broken:
            return
        if self._engine.is_broken or len(self.missing(snapshot)) > INLINE_LIMIT:
            self.follow(snapshot)
            raise SearchUnavailable(
                "the search index is being built; ask again in a moment", retry_after_seconds=RETRY_SECONDS
            )
        self.update(snapshot)


def _merged(parts: Sequence[Mapping[str, list[Entry]]]) -> Mapping[str, list[Entry]]:
    if len(parts) == 1:
        return parts[0]
    return {id: entries for part in parts for id, entries in part.items()}


def search_fingerprint(model: ContentModel) -> str:
    """Changes whenever the same file would be indexed differently."""
    parts = [
        f"{name}:{collection.title_field}:{collection.has_body}:"
        + ",".join(f"{item.name}={item.boost}" for item in collection.walk_fields() if item.boost)
        for name, collection in sorted(model.collections.items())
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def search_document(entry: Entry, collection: Collection, text: str) -> SearchDocument:
    """What of *entry* is searched: title, excerpt, body and the fields with a boost."""
    fields: dict[str, tuple[str, float]] = {}
    summary = entry.parsed.fields.get("excerpt")
    for item in collection.walk_fields():
        if item.boost and item.name != collection.title_field and not item.references:
            head, _, rest = item.name.partition(".")
            shown = f"{head}_" if head in RESERVED else head
            found = " \n".join(_texts(entry.parsed.fields, [shown, *filter(None, rest.split("."))]))
            if found:
                fields[item.name] = (found, item.boost)
    return SearchDocument(
        id=entry.document_id,
        locale=entry.locale,
        title=entry.parsed.title or "",
        summary=summary if isinstance(summary, str) else "",
        body=text if collection.has_body else "",
        fields=fields,
    )


def _texts(value: Any, parts: Sequence[str]) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _texts(item, parts)
    elif parts:
        if isinstance(value, dict):
            yield from _texts(value.get(parts[0]), parts[1:])
    elif value is not None and not isinstance(value, dict):
        yield str(value)
