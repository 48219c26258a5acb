"""One search over a catalog: what the words are taken for, what fits, in which order, and why.

The engine finds texts by their words; filters, facets, order, pages, what editors put first and how new an entry is are
looked at here, and only for what was found.

Not here: that the index holds all texts (``searching``).
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cms.catalog import EVERY_LOCALE, Catalog, LocaleChain
from cms.entry import Entry
from cms.facets import FacetValue
from cms.orders import sort_key
from cms.query import Query, aggregate, count_facets, default_sort, keep_fitting, thin_out
from cms.search import Engine, Hits, Match, Reason, SearchDocument, Synonyms
from cms.searchtexts import documents_of, entries_of, visible_texts
from cms.similar import ENTRIES_LOOKED_AT, Ranked, key_terms, rank_similar
from cms.suggest import facet_paths

LITTLE = 3
DAY_SECONDS = 86_400.0
SORTED_SHARE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One page of hits, best first (or sorted), with their scores.

    Attributes:
        summary: aggregates of everything that was found, where they were asked for.
        text: what was looked for: what was asked, or, where little was found, the same with words corrected.
        match: ``any`` when no entry has all the words, and those with some of them are given instead.
        pinned: paths of those that editors put first.
        explained: by path, why an entry of the page was found; only when that was asked for.
    """

    entries: Sequence[Entry]
    scores: Sequence[float]
    total: int
    facets: Mapping[str, Sequence[FacetValue]]
    summary: Mapping[str, Any]
    text: str
    match: Match = "all"
    pinned: frozenset[str] = frozenset()
    explained: Mapping[str, "Explanation"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why an entry was found: the score is the sum of what the reasons add, times the factors."""

    reasons: Sequence[Reason]
    factors: Mapping[str, float]


class Moved(Exception):
    """The index became another one in the middle of a search, which must begin anew."""


class Look:
    """One search, of one text, or of what that text is taken for."""

    def __init__(
        self,
        engine: Engine,
        catalog: Catalog,
        queries: Sequence[Query],
        text: str,
        *,
        known: frozenset[str],
        synonyms: Synonyms,
        read: Callable[[Entry], SearchDocument],
        pins: bool,
        ends_at: float,
    ) -> None:
        self.text = text
        self.match: Match = "all"
        self._engine = engine
        self._catalog = catalog
        self._queries = queries
        chain = queries[0].chain if queries else ()
        self._chain: LocaleChain = catalog.default_chain if chain == EVERY_LOCALE else chain
        self._locale = next((part for part in chain if part not in ("", "*")), None)
        self._known = known
        self._synonyms = synonyms
        self._read = read
        self._ends_at = ends_at
        selected = tuple((query.collection.name, query.chain) for query in queries)
        self._documents = documents_of(catalog, selected)
        self._visible = visible_texts(catalog)
        self._among = visible_texts(catalog, selected)
        self._asked: dict[tuple[str, Match], Hits] = {}
        self._similar: tuple[Entry, str] | None = None
        self._recency = _Recency(catalog)
        #: The visible entries that editors put first for this text; whether they are selected too is seen when answering.
        self._pins = pins
        self.pinned = list(self._find_pinned()) if pins else []

    def understand(self) -> None:
        """Settle what is looked for: where little is found with all the words, perhaps other words, or some of them.

        That depends on everything a reader may see here, not on a filter: a click on a facet must not change it. Words that editors
        know are meant as they stand.
        """
        if not self.text or self.pinned or len(found := self._ask(self.text, "all")) >= LITTLE:
            return
        asked = self.text
        corrected = self._engine.correct(
            asked,
            locale=self._locale,
            visible=self._visible,
            among=self._among,
            read=lambda id: self._read(self._documents[id][0]),
            deadline_seconds=self._seconds_left(),
        )
        if self._engine.ids() is not self._known:
            raise Moved
        if corrected is not None and len(self._ask(corrected, "all")) > len(found):
            self.text = corrected
            self.pinned = list(self._find_pinned()) if self._pins else []
        elif not found and self._ask(corrected or asked, "any"):
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

    def answer(self, *, by_relevance: bool, explain: bool) -> Found:
        """One page of what fits the filters, and the facets."""
        hits = self._hits()
        pins = [pin for pin in self.pinned if any(pin is entry for entry in self._documents.get(pin.document_id, ()))]
        fitting = self._fitting(hits) if any(query.where is not None for query in self._queries) else hits
        shown = [pin for pin in pins if fitting is hits or self._fits(pin)]
        limit, offset = (self._queries[0].limit, self._queries[0].offset) if self._queries else (0, 0)
        counts_all = any(query.summary is not None or query.distinct is not None for query in self._queries)
        if self._similar is not None:
            ranked: Sequence[Ranked] = self._rank_similar(fitting)
            total = len(ranked)
        elif by_relevance:
            ranked, total = self._with_pins(fitting, shown, len(fitting) + len(shown) if counts_all else offset + limit)
        else:
            ranked, total = self._sorted(fitting), len(fitting)
        summary: Mapping[str, Any] = {}
        if counts_all:
            summary, ranked = self._counted(ranked)
            total = len(ranked)
        page = ranked[offset : offset + limit]
        return Found(
            entries=[entry for entry, _ in page],
            scores=[score for _, score in page],
            total=total,
            facets=self._facets(hits, pins),
            summary=summary,
            text=self.text,
            match=self.match,
            pinned=frozenset(entry.path for entry in self.pinned),
            explained=self._explain([entry for entry, _ in page]) if explain else {},
        )

    def _counted(self, ranked: Sequence[Ranked]) -> tuple[Mapping[str, Any], list[Ranked]]:
        """What the queries ask to be told about all of *ranked*, and those of them that are listed."""
        entries = [entry for entry, _ in ranked]
        listed = {entry.path for entry in thin_out(self._catalog, self._queries, entries)}
        return aggregate(self._catalog, self._queries, entries), [pair for pair in ranked if pair[0].path in listed]

    def _hits(self) -> Hits:
        """All that has the text, and for similar entries their words."""
        if self._similar is None:
            return self._ask(self.text, self.match)
        found = self._ask(self._similar[1], "any")
        return found.only(frozenset(self._ask(self.text, self.match).names())) if self.text else found

    def _ask(self, text: str, match: Match) -> Hits:
        found = self._asked.get((text, match))
        if found is None:
            found = self._asked[text, match] = self._engine.search(
                text,
                locale=self._locale,
                visible=self._visible,
                among=self._among,
                deadline_seconds=self._seconds_left(),
                match=match,
                synonyms=self._synonyms,
            )
            if found.ids is not self._known:
                raise Moved
        return found

    def _entries(self, hits: Hits) -> list[Entry]:
        return [entries[0] for entries in entries_of(self._documents, hits.names())]

    def _of(self, query: Query, entries: Sequence[Entry]) -> Sequence[Entry]:
        name = query.collection.name
        return entries if len(self._queries) == 1 else [entry for entry in entries if entry.collection == name]

    def _fits(self, entry: Entry) -> bool:
        return any(
            keep_fitting(self._catalog, query.where, [entry])
            for query in self._queries
            if query.collection.name == entry.collection
        )

    def _fitting(self, hits: Hits) -> Hits:
        """Those that fit the filter of their collection."""
        entries = self._entries(hits)
        kept = [
            entry.document_id
            for query in self._queries
            for entry in keep_fitting(self._catalog, query.where, self._of(query, entries))
        ]
        return hits.only(frozenset(kept))

    def _best(self, hits: Hits, count: int) -> list[Ranked]:
        documents, recency = self._documents, self._recency
        factor = (lambda name: recency.factor(documents[name][0])) if recency.most > 1 else None
        return [(documents[hit.id][0], hit.score) for hit in hits.best(count, factor, recency.most)]

    def _with_pins(self, hits: Hits, pins: Sequence[Entry], count: int) -> tuple[list[Ranked], int]:
        """The best so many, those first that editors put there; and how many there are."""
        if not pins:
            return self._best(hits, count), len(hits)
        ids = {pin.document_id for pin in pins}
        found = hits.only(frozenset(ids))
        scores = {entry.path: score for entry, score in self._best(found, len(ids))}
        rest = [pair for pair in self._best(hits, count + len(ids)) if pair[0].document_id not in ids]
        ranked = [*((entry, scores.get(entry.path, 0.0)) for entry in pins), *rest]
        return ranked[:count], len(hits) + len(pins) - len(found)

    def _sorted(self, hits: Hits) -> list[Ranked]:
        """In the order of the only query."""
        query = self._queries[0]
        spec = query.sort or default_sort(self._catalog.model, query.collection)
        found = {entry.path: (entry, score) for entry, score in self._best(hits, len(hits))}
        if SORTED_SHARE * len(found) < self._catalog.shelves[query.collection.name].count:
            key, _ = sort_key(self._catalog.model, query.collection, spec)
            return sorted(found.values(), key=lambda pair: key(self._catalog, pair[0]))
        order = self._catalog.order(query.collection.name, query.chain, spec)
        return [found[entry.path] for entry in order if entry.path in found]

    def _rank_similar(self, hits: Hits) -> list[Ranked]:
        assert self._similar is not None
        entry = self._similar[0]
        paths = facet_paths(self._catalog.model, self._catalog.shelves[entry.collection].collection)
        return rank_similar(self._catalog, entry, paths, self._best(hits, ENTRIES_LOOKED_AT))

    def _facets(self, hits: Hits, pins: Sequence[Entry]) -> Mapping[str, Sequence[FacetValue]]:
        """Counted over all that was found: a facet's own filter does not narrow its counts."""
        if not any(query.facets for query in self._queries):
            return count_facets(self._catalog, self._queries, {})
        if self._similar is not None:
            entries = [entry for entry, _ in self._rank_similar(hits)]
        else:
            entries = self._entries(hits)
            if pins:
                entries = list({entry.path: entry for entry in (*entries, *pins)}.values())
        found = {query.collection.name: self._of(query, entries) for query in self._queries}
        return count_facets(self._catalog, self._queries, found)

    def _explain(self, entries: Sequence[Entry]) -> dict[str, Explanation]:
        text, match = (self.text, self.match) if self._similar is None else (self._similar[1], "any")
        reasons = self._engine.explain(
            text,
            [entry.document_id for entry in entries],
            locale=self._locale,
            visible=self._visible,
            deadline_seconds=self._seconds_left(),
            match=match,
            synonyms=self._synonyms,
        )
        return {
            entry.path: Explanation(
                reasons=reasons.get(entry.document_id, ()), factors={"recency": self._recency.factor(entry)}
            )
            for entry in entries
        }


class _Recency:
    """How much more an entry counts for being new: seen from the last change of what is shown, and so the same for everybody."""

    def __init__(self, catalog: Catalog) -> None:
        settings = catalog.model.settings.search
        self._share = settings.recency_percent / 100
        self.most = 1.0 + self._share
        self._half_life = settings.recency_days * DAY_SECONDS
        self._now = catalog.changed_at

    def factor(self, entry: Entry) -> float:
        """From 1 for what is old or has no date."""
        if entry.published_at is None or not self._share:
            return 1.0
        age = max(0.0, self._now - entry.published_at)
        return 1.0 + self._share * float(0.5 ** (age / self._half_life))
