"""Full text over a catalog: keeps the index in step with the snapshot, and lets the catalog decide what may be found.

The index knows texts by blob id and nothing else. Which of them a reader may find is the catalog's selection, handed to the engine with the
query, so that totals, facets and pages are right and a publication that only moves blobs into view needs no indexing.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import structlog

from cms.bodies import Bodies, render_body
from cms.catalog import EVERY_LOCALE, Catalog, LocaleChain, group_documents
from cms.entry import RESERVED, Entry
from cms.errors import CMSError, SearchUnavailable
from cms.facets import FacetValue
from cms.model import ContentModel
from cms.query import Query, count_facets, find_entries
from cms.refs import BlobId, CommitId
from cms.schema import Collection
from cms.search import Engine, Match, SearchDocument, Snippet, Synonyms, common_synonyms, make_synonyms, open_engine
from cms.similar import Ranked, key_terms, rank_similar
from cms.snapshot import Snapshot
from cms.store import Store
from cms.suggest import facet_paths

INLINE_LIMIT = 200
STALE_SHARE = 0.2
STALE_FLOOR = 200
RETRY_SECONDS = 5
DEADLINE_SECONDS = 1.5
LITTLE = 3

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One page of hits, best first (or sorted), with their scores.

    Attributes:
        text: what was looked for: what was asked, or, where little was found, the same with words corrected.
        match: ``any`` when no entry has all the words, and those with some of them are given instead.
        pinned: paths of those that editors put first.
    """

    entries: Sequence[Entry]
    scores: Sequence[float]
    total: int
    facets: Mapping[str, Sequence[FacetValue]]
    text: str
    match: Match = "all"
    pinned: frozenset[str] = frozenset()


class Searcher:
    """The search index of one site. Safe to share between threads."""

    def __init__(self, folder: Path, store: Store, bodies: Bodies, model: ContentModel) -> None:
        self._store = store
        self._bodies = bodies
        self.model = model
        self._engine: Engine = open_engine(
            folder, fingerprint=search_fingerprint(model), engine=model.settings.search.engine
        )
        self._lock = Lock()
        self._worker: Thread | None = None
        self._complete_at: CommitId | None = None
        self._begun = 0  # how often the index was begun anew
        self._synonyms: tuple[Sequence[tuple[str, ...]], Synonyms] = ((), common_synonyms())

    def missing(self, snapshot: Snapshot) -> dict[str, Entry]:
        """The texts of *snapshot* that are not indexed, by document id."""
        known = self._engine.ids()
        entries: Iterable[Entry] = snapshot.files.values()
        if snapshot.changed is not None and snapshot.advanced_from == self._complete_at:
            entries = [entry for entry in map(snapshot.files.get, snapshot.changed) if entry is not None]
        # What is hidden stays so until its bytes change, and must not even show in how much a common word counts.
        wanted = {entry.document_id: entry for entry in entries if not entry.parsed.hidden}
        return {id: entry for id, entry in wanted.items() if id not in known}

    def update(self, snapshot: Snapshot, progress: Callable[[int], None] | None = None) -> int:
        """Index what is missing of *snapshot* and forget what has been gone for long; return how many texts were added.

        Raises:
            SearchUnavailable: the index cannot be written.
        """
        with self._lock:
            if self._engine.is_broken:
                log.warning("search.rebuild", reason="the index is damaged")
                self._begin_anew()
            missing = self.missing(snapshot)
            stale = self._stale(snapshot)
            if missing or stale:
                self._engine.update(self._documents(missing.values(), snapshot.model), stale, progress)
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
            self._begin_anew()

    def _begin_anew(self) -> None:
        # In this order: who searches meanwhile must learn of it, or would take an empty index for a complete one.
        self._complete_at = None
        self._begun += 1
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
    ) -> Found:
        """Find *text* in what each of *queries* (one for a collection) selects.

        Args:
            by_relevance: best first; else in the order of the (only) query.
            similar: find what is like this entry, out of all or out of what has *text*.

        Raises:
            SearchUnavailable: the index is being built, or cannot be read, or the query took too long.
        """
        begun = self._begun
        self._require_complete(catalog.snapshot)
        allowed, ordered = _select(catalog, queries, by_relevance=by_relevance)
        look = self._look(catalog, queries, text, pins=by_relevance and similar is None)
        look.understand(allowed, queries)
        if similar is not None:
            look.compare(similar, self._document(catalog, similar))
        ranked = look.rank(allowed)
        if not by_relevance:
            scores = {entry.path: score for entry, score in ranked}
            ranked = [(entry, scores[entry.path]) for entry in ordered if entry.path in scores]
        limit, offset = (queries[0].limit, queries[0].offset) if queries else (0, 0)
        page = ranked[offset : offset + limit]
        hits = {
            query.collection.name: [entry for entry, _ in _hits(catalog, query, look, ranked)]
            for query in queries
            if query.facets
        }
        if begun != self._begun:
            raise _being_built()
        return Found(
            entries=[entry for entry, _ in page],
            scores=[score for _, score in page],
            total=len(ranked),
            facets=count_facets(catalog, queries, hits),
            text=look.text,
            match=look.match,
            pinned=frozenset(entry.path for entry in look.pinned),
        )

    def _look(self, catalog: Catalog, queries: Sequence[Query], text: str, *, pins: bool) -> "_Look":
        return _Look(
            self._engine,
            catalog,
            text,
            queries[0].chain if queries else (),
            synonyms=self._find_synonyms(catalog),
            read=partial(self._document, catalog),
            pins=pins,
        )

    def _document(self, catalog: Catalog, entry: Entry) -> SearchDocument:
        return search_document(
            entry, catalog.shelves[entry.collection].collection, self._bodies.get(BlobId(entry.blob)).text
        )

    def _find_synonyms(self, catalog: Catalog) -> Synonyms:
        groups = catalog.snapshot.guide.groups
        if self._synonyms[0] != groups:
            self._synonyms = groups, make_synonyms(groups)
        return self._synonyms[1]

    def snippets(self, catalog: Catalog, entry: Entry, text: str) -> list[Snippet]:
        """Pieces of *entry* that show why it was found."""
        return self._engine.snippets(text, self._document(catalog, entry), synonyms=self._find_synonyms(catalog))

    def _require_complete(self, snapshot: Snapshot) -> None:
        """Bring the index up to *snapshot* when that takes a moment; else begin to, and say that it is being built."""
        if self._complete_at == snapshot.commit.id and not self._engine.is_broken:
            return
        if self._engine.is_broken or len(self.missing(snapshot)) > INLINE_LIMIT:
            self.follow(snapshot)
            raise _being_built()
        self.update(snapshot)


def _being_built() -> SearchUnavailable:
    return SearchUnavailable(
        "the search index is being built; ask again in a moment", retry_after_seconds=RETRY_SECONDS
    )


class _Look:
    """One search, to be made among the entries that a request selects, and again for a facet among others."""

    def __init__(
        self,
        engine: Engine,
        catalog: Catalog,
        text: str,
        chain: LocaleChain,
        *,
        synonyms: Synonyms,
        read: Callable[[Entry], SearchDocument],
        pins: bool,
    ) -> None:
        self.text = text
        self.match: Match = "all"
        self._engine = engine
        self._catalog = catalog
        self._chain = catalog.default_chain if chain == EVERY_LOCALE else chain
        self._locale = next((part for part in chain if part not in ("", "*")), None)
        self._synonyms = synonyms
        self._read = read
        self._ends_at = time.monotonic() + DEADLINE_SECONDS
        self._last: tuple[tuple[str, Match], Mapping[str, list[Entry]], list[Ranked]] | None = None
        self._similar: tuple[Entry, str] | None = None
        #: The visible entries that editors put first for this text; whether they are selected too is seen when ranking.
        self._pins = pins
        self.pinned = list(self._find_pinned()) if pins else []

    def understand(self, selected: Mapping[str, list[Entry]], queries: Sequence[Query]) -> None:
        """Settle what is looked for: where little is found with all the words, perhaps other words, or some of them.

        That depends on everything a reader may see here, not on a filter: a click on a facet must not change it. Words that editors
        know are meant as they stand.
        """
        if not self.text or self.pinned or len(self._ask(self.text, selected, "all")) >= LITTLE:
            return
        asked = self.text
        whole = _merged([self._catalog.documents(query.collection.name, query.chain) for query in queries])
        if len(selected) == len(whole):
            whole = selected  # no filter: it need not be asked again
        found = self._ask(asked, whole, "all")
        if len(found) >= LITTLE:
            return
        corrected = self._engine.correct(
            asked,
            locale=self._locale,
            allowed=whole,
            read=lambda id: self._read(whole[id][0]),
            deadline_seconds=self._seconds_left(),
        )
        if corrected is not None:
            better = self._ask(corrected, whole, "all")
            if len(better) > len(found):
                self.text = corrected
                self.pinned = list(self._find_pinned()) if self._pins else []
                return
        if not found and self._ask(corrected or asked, whole, "any"):
            self.text, self.match = corrected or asked, "any"

    def _seconds_left(self) -> float:
        return self._ends_at - time.monotonic()

    def _find_pinned(self) -> Iterator[Entry]:
        for name in self._catalog.snapshot.guide.pins(self.text, self._locale):
            collection, _, slug = name.partition("/")
            entry = self._catalog.find(collection, slug, self._chain)
            if entry is not None:
                yield entry

    def compare(self, entry: Entry, document: SearchDocument) -> None:
        """Look for what is like *entry*."""
        self._similar = entry, key_terms(document)

    def rank(self, allowed: Mapping[str, list[Entry]]) -> list[Ranked]:
        """What is found among *allowed*, best first."""
        if self._similar is None:
            return self._with_pins(self._ask(self.text, allowed, self.match), allowed)
        if self.text:
            allowed = group_documents(entry for entry, _ in self._ask(self.text, allowed, self.match))
        entry, terms = self._similar
        paths = facet_paths(self._catalog.model, self._catalog.shelves[entry.collection].collection)
        return rank_similar(self._catalog, entry, paths, self._ask(terms, allowed, "any"))

    def _ask(self, text: str, allowed: Mapping[str, list[Entry]], match: Match) -> list[Ranked]:
        if self._last is not None and self._last[0] == (text, match) and self._last[1] is allowed:
            return self._last[2]
        found = self._engine.search(
            text,
            locale=self._locale,
            allowed=allowed,
            deadline_seconds=self._seconds_left(),
            match=match,
            synonyms=self._synonyms,
        )
        ranked = [(entry, hit.score) for hit in found for entry in allowed[hit.id]]
        self._last = (text, match), allowed, ranked
        return ranked

    def _with_pins(self, ranked: list[Ranked], allowed: Mapping[str, list[Entry]]) -> list[Ranked]:
        first = [pin for pin in self.pinned if any(entry is pin for entry in allowed.get(pin.document_id, ()))]
        if not first:
            return ranked
        paths = {entry.path for entry in first}
        scores = {entry.path: score for entry, score in ranked if entry.path in paths}
        return [
            *((entry, scores.get(entry.path, 0.0)) for entry in first),
            *(pair for pair in ranked if pair[0].path not in paths),
        ]


def _select(
    catalog: Catalog, queries: Sequence[Query], *, by_relevance: bool
) -> tuple[Mapping[str, list[Entry]], list[Entry]]:
    """What *queries* select, by the id of the text; and in their order, unless that is not asked for."""
    selected: list[Mapping[str, list[Entry]]] = []
    ordered: list[Entry] = []
    for query in queries:
        if query.where is None and by_relevance:
            selected.append(catalog.documents(query.collection.name, query.chain))
        else:
            entries = find_entries(catalog, query)
            ordered += entries
            selected.append(group_documents(entries))
    return _merged(selected), ordered


def _hits(catalog: Catalog, query: Query, look: _Look, ranked: Sequence[Ranked]) -> Sequence[Ranked]:
    """What is found in the whole collection: a facet's own filter does not narrow its counts."""
    if query.where is None:
        return [pair for pair in ranked if pair[0].collection == query.collection.name]
    return look.rank(catalog.documents(query.collection.name, query.chain))


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
