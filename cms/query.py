"""Queries: filter, sort, page and facet over a catalog.

One query runs against one catalog and reads nothing else, so its answer describes one commit and one moment.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cms.aggregate import Summary, keep_first, summarise
from cms.catalog import Catalog, LocaleChain
from cms.dependencies import MODEL, Keys, collection_key, members_key
from cms.entry import Entry
from cms.errors import InvalidQuery
from cms.facets import Facet, FacetValue, KeysOf
from cms.fieldpath import FieldPath, resolve_path
from cms.filters import Condition, Junction, Node, Predicate, compile_filter
from cms.history import FileHistory
from cms.model import ContentModel
from cms.orders import SortSpec
from cms.schema import Collection

INDEXED = frozenset({"string", "integer", "boolean", "date"})
FACETS_LIMIT = 20
BUDGET_SECONDS = 3.0
BUDGET_STEPS = 1000
FAN_OUT = 5
FEW = 16  # of so many entries in a list, one found is worth going through the list

ShowValue = Callable[[Any], FacetValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What to find in one collection.

    Attributes:
        chain: locales in the order of preference.
        sort: empty: the collection's own order.
        facets: each counted over what all conditions but its own leave.
        summary: aggregates of everything that fits.
        distinct: list the first entry with each value of it only.
    """

    collection: Collection
    chain: LocaleChain
    where: Node | None = None
    sort: SortSpec = ()
    limit: int = 20
    offset: int = 0
    facets: tuple[Facet, ...] = ()
    facet_limit: int = 20
    summary: Summary | None = None
    distinct: Facet | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One page of what was found, and the number of all."""

    entries: Sequence[Entry]
    total: int
    facets: Mapping[str, Sequence[FacetValue]] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)


class Budget:
    """A catalog, as the readers of paths see it, that refuses when one query has worked for too long.

    A path may lead through three lists of references, from every entry, in each of many conditions: a short text can mean
    billions of steps.
    """

    def __init__(self, catalog: Catalog, seconds: float = BUDGET_SECONDS) -> None:
        """*seconds* of this thread's own time, so that others cannot use it up."""
        self._catalog = catalog
        self._until = time.thread_time() + seconds
        self._steps = 0

    def find_reference(self, value: object, targets: Sequence[str], locale: str) -> Entry | None:
        """See :meth:`Catalog.find_reference`."""
        self._count(1)
        return self._catalog.find_reference(value, targets, locale)

    def find_referrers(self, entry: Entry, collections: Sequence[str], field: str = "") -> Sequence[Entry]:
        """See :meth:`Catalog.find_referrers`."""
        found = self._catalog.find_referrers(entry, collections, field)
        self._count(1 + len(found))
        return found

    def find_referred(self, entry: Entry) -> Sequence[Entry]:
        """See :meth:`Catalog.find_referred`."""
        found = self._catalog.find_referred(entry)
        self._count(1 + len(found))
        return found

    def find_history(self, path: str) -> FileHistory | None:
        """See :meth:`Catalog.find_history`."""
        return self._catalog.find_history(path)

    def meta(self, name: str, entry: Entry) -> Any:
        """See :meth:`Catalog.meta`."""
        return self._catalog.meta(name, entry)

    def _count(self, steps: int) -> None:
        self._steps += steps
        if self._steps >= BUDGET_STEPS:
            self._steps = 0
            self.check()

    def check(self) -> None:
        """Refuse when the time is used up.

        Raises:
            InvalidQuery: it is.
        """
        if time.thread_time() > self._until:
            raise InvalidQuery(
                "this takes too long to find; use fewer conditions or facets, or follow fewer references"
            )

    def fitting(self, predicate: Predicate, entries: Sequence[Entry]) -> list[Entry]:
        """Those of *entries* for which *predicate* holds."""
        found: list[Entry] = []
        for start in range(0, len(entries), BUDGET_STEPS):
            self.check()
            found += [entry for entry in entries[start : start + BUDGET_STEPS] if predicate(entry, self)]
        return found


def weigh(catalog: Catalog, query: Query) -> int:
    """About how many values are read to answer *query* for the first time."""
    paths = _paths_in(catalog.model, query, query.sort)
    each = sum(FAN_OUT ** (path.text.count(".") + 1) if path.depends else 1 for path in paths)
    return catalog.shelves[query.collection.name].count * max(1, each)


def query_keys(model: ContentModel, query: Query) -> Keys:
    """What the answer to *query* depends on, shown plainly: its collection, those that it reads, and whether what is referred to is there."""
    own = query.collection
    paths = _paths_in(model, query, query.sort or default_sort(model, own))
    read = {own.name}.union(*(path.depends for path in paths))
    labels = {
        name for facet in _facets_in(query) if facet.path.field is not None for name in facet.path.field.references
    }
    named = {name for item in own.walk_fields() for name in item.references}
    return frozenset({MODEL, *map(collection_key, read | labels), *map(members_key, named)})


def _facets_in(query: Query) -> Iterator[Facet]:
    yield from query.facets
    if query.summary is not None:
        yield from query.summary.groups
    if query.distinct is not None:
        yield query.distinct


def _paths_in(model: ContentModel, query: Query, sort: SortSpec) -> list[FieldPath]:
    """Everything that *query* reads of an entry."""
    measures = query.summary.measures if query.summary is not None else ()
    return [
        *_paths_of(query.where),
        *(facet.path for facet in _facets_in(query)),
        *(measure.path for measure in measures if measure.path is not None),
        *(resolve_path(model, query.collection, name) for name, _ in sort),
    ]


def _paths_of(node: Node | None) -> Iterator[FieldPath]:
    if isinstance(node, Condition):
        yield node.path
    elif node is not None:
        for inner in node.nodes:
            yield from _paths_of(inner)


def read_sort(model: ContentModel, collection: Collection, text: str, parameter: str = "sort") -> SortSpec:
    """``-published_at,title`` as a sort specification.

    Raises:
        InvalidQuery: an unknown field, or one that cannot be ordered.
    """
    spec: list[tuple[str, bool]] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name = part.lstrip("+-")
        path = resolve_path(model, collection, name, parameter=parameter)
        if path.kind == "object":
            raise InvalidQuery(
                f"{name!r} is an object and cannot be sorted by; use a field inside it", parameter=parameter
            )
        if all(name != known for known, _ in spec):
            spec.append((name, part.startswith("-")))
    if len(spec) > 5:
        raise InvalidQuery("at most 5 fields can be sorted by", parameter=parameter)
    return tuple(spec)


def default_sort(model: ContentModel, collection: Collection) -> SortSpec:
    """The collection's ``x-sort``; without one newest first, or by title where there are no dates."""
    key = ("sort", collection.name)
    found: SortSpec | None = model.memo.get(key)
    if found is None:
        found = model.memo[key] = _default_sort(model, collection)
    return found


def _default_sort(model: ContentModel, collection: Collection) -> SortSpec:
    if collection.sort:
        return read_sort(model, collection, collection.sort, "x-sort")
    if collection.date_field or any(
        "{date}" in pattern.text or "{year}" in pattern.text for pattern in collection.patterns
    ):
        return (("published_at", True),)
    return ((collection.title_field, False),) if collection.title_field else ()


def run_query(catalog: Catalog, query: Query) -> Result:
    """Find, sort, cut the page and count."""
    entries = find_entries(catalog, query)
    listed = thin_out(catalog, [query], entries)
    return Result(
        entries=listed[query.offset : query.offset + query.limit],
        total=len(listed),
        facets=count_facets(catalog, [query], {}),
        summary=aggregate(catalog, [query], entries),
    )


def thin_out(catalog: Catalog, queries: Sequence[Query], entries: list[Entry]) -> list[Entry]:
    """Of *entries*, which *queries* found, those that are listed: with ``distinct`` the first of each value."""
    facets = {query.collection.name: query.distinct for query in queries if query.distinct is not None}
    return keep_first(catalog, facets, entries, Budget(catalog)) if facets else entries


def aggregate(catalog: Catalog, queries: Sequence[Query], entries: Sequence[Entry]) -> Mapping[str, Any]:
    """What *queries* ask to be told about all *entries*, which they found; see :func:`cms.aggregate.summarise`."""
    if all(query.summary is None for query in queries):
        return {}
    parts = [
        (query.summary, query.chain, [entry for entry in entries if entry.collection == query.collection.name])
        for query in queries
        if query.summary is not None
    ]
    return summarise(catalog, parts, Budget(catalog))


def find_entries(catalog: Catalog, query: Query) -> list[Entry]:
    """Every entry that fits the filter, in the order of the query. The list may be shared: it must not be changed."""
    spec = query.sort or default_sort(catalog.model, query.collection)
    return _find(catalog, query, query.where, spec, Budget(catalog))


def keep_fitting(
    catalog: Catalog, where: Node | None, entries: Sequence[Entry], budget: Budget | None = None
) -> Sequence[Entry]:
    """Those of *entries* that fit *where*, in their order."""
    predicate = compile_filter(where) if where is not None else None
    return entries if predicate is None else (budget or Budget(catalog)).fitting(predicate, entries)


def _find(catalog: Catalog, query: Query, where: Node | None, spec: SortSpec, budget: Budget) -> list[Entry]:
    name, chain = query.collection.name, query.chain
    indexed: list[tuple[Node, list[Entry]]] = []
    rest: list[Node] = []
    for node in _conjuncts(where):
        fitting = _indexed(catalog, name, chain, spec, node, budget)
        if fitting is None:
            rest.append(node)
        else:
            indexed.append((node, fitting))
    if indexed:
        smallest = min(range(len(indexed)), key=lambda place: len(indexed[place][1]))
        candidates = indexed.pop(smallest)[1]
        rest += [node for node, _ in indexed]
    else:
        candidates = catalog.order(name, chain, spec, budget)
    predicate = compile_filter(Junction("and", tuple(rest))) if rest else None
    if predicate is None:
        return candidates
    return budget.fitting(predicate, candidates)


def _conjuncts(node: Node | None) -> Iterator[Node]:
    if isinstance(node, Junction) and node.kind == "and":
        for inner in node.nodes:
            yield from _conjuncts(inner)
    elif node is not None:
        yield node


def _indexed(
    catalog: Catalog, name: str, chain: LocaleChain, spec: SortSpec, node: Node, budget: Budget
) -> list[Entry] | None:
    """The entries that fit *node*, when it asks for one value of a field with few types of values; else ``None``."""
    if not isinstance(node, Condition) or node.operator not in ("eq", "contains") or node.path.kind not in INDEXED:
        return None
    if node.path.kind == "date":
        return None
    if node.operator == "contains" and not (node.path.field is not None and node.path.field.many):
        return None
    if node.path.meta and node.path.text not in ("locale", "slug"):
        return None
    return catalog.posting(name, chain, spec, node.path, budget).get(node.operand, [])


def count_facets(
    catalog: Catalog, queries: Sequence[Query], hits: Mapping[str, Sequence[Entry]]
) -> dict[str, list[FacetValue]]:
    """The counts of every facet of *queries* (one for each collection), over all entries that fit.

    Args:
        hits: for each collection what full text found in it, filters aside; a collection that is not in it is counted whole.
    """
    counts: dict[str, dict[Any, int]] = {}
    known: dict[str, list[tuple[Facet, ShowValue]]] = {}
    budget = Budget(catalog)
    for query in queries:
        for facet in query.facets:
            total = counts.setdefault(facet.name, {})
            known.setdefault(facet.name, []).append((facet, facet.showing(catalog, query.chain)))
            where = _without_own(query.where, facet)
            found = hits.get(query.collection.name)
            if found is not None:
                found = keep_fitting(catalog, where, found, budget)
            elif where is not None:
                found = _find(catalog, query, where, (), budget)
            is_many = found is None or len(found) * FEW > catalog.shelves[query.collection.name].count
            if is_many and not facet.bucket and facet.path.kind in INDEXED:
                _count_listed(catalog, query, facet, found, total, budget)
                continue
            entries = _find(catalog, query, None, (), budget) if found is None else found
            budget.check()
            _count(entries, facet.reading(catalog), total, budget)
    limit = queries[0].facet_limit if queries else 0
    return {name: list(_counted(values, known[name], limit)) for name, values in counts.items()}


def _count_listed(
    catalog: Catalog, query: Query, facet: Facet, found: Sequence[Entry] | None, total: dict[Any, int], budget: Budget
) -> None:
    """Count by the lists of entries that each value has, those of *found*, or all."""
    wanted = None if found is None else set(map(id, found))
    for value, fitting in catalog.posting(query.collection.name, query.chain, (), facet.path, budget).items():
        count = len(fitting) if wanted is None else sum(map(wanted.__contains__, map(id, fitting)))
        if count or wanted is None:
            total[value] = total.get(value, 0) + count


def _counted(values: Mapping[Any, int], known: Sequence[tuple[Facet, ShowValue]], limit: int) -> Iterator[FacetValue]:
    """The first *limit* of *values* as they are shown, with a label from the first collection that has one."""
    facet = known[0][0]
    for key, count in sorted(values.items(), key=lambda pair: facet.rank(*pair))[:limit]:
        shown = [show(key) for _, show in known]
        yield replace(next((value for value in shown if value.label is not None), shown[0]), count=count)


def _without_own(node: Node | None, facet: Facet) -> Node | None:
    """*node* less the top-level conditions on the facet's own field, so that the other values keep their counts."""
    kept = tuple(
        part for part in _conjuncts(node) if not (isinstance(part, Condition) and part.path.text == facet.path.text)
    )
    return Junction("and", kept) if kept else None


def _count(entries: Sequence[Entry], read: KeysOf, total: dict[Any, int], budget: Budget) -> None:
    for place, entry in enumerate(entries):
        if place % BUDGET_STEPS == 0:
            budget.check()
        for key in read(entry, budget):
            total[key] = total.get(key, 0) + 1
