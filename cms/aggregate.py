"""Aggregates: counts, sums and extremes over everything that a query finds, as a whole or for each value of some fields.

Results depend on the set of entries alone: sums are exact before they are rounded, and of texts that sort alike the same one is always the least.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import fsum
from typing import Any, Protocol

from cms.catalog import Catalog, LocaleChain
from cms.coerce import timestamp_text
from cms.entry import Entry
from cms.errors import InvalidQuery
from cms.facets import Facet, FacetValue
from cms.fieldpath import FieldPath, Lookup, resolve_path
from cms.model import ContentModel
from cms.orders import comparable
from cms.schema import Collection
from cms.settings import find_nearest, nearest

FUNCTIONS = ("count", "distinct", "min", "max", "sum", "avg")
FUNCTION_ALIASES = {"countAll": "count", "countDistinct": "distinct", "count_distinct": "distinct", "average": "avg"}
ENTRIES = "*"
MEASURES_MOST, GROUPED_MOST = 20, 3
GROUP_LIMIT_DEFAULT, GROUP_LIMIT_MOST = 100, 1000
GROUPS_MOST = 20_000
STEPS = 1000
_LARGEST = 2**63

Json = dict[str, Any]


class Bounded(Lookup, Protocol):
    """Reads entries, and refuses when that has taken too long."""

    def check(self) -> None:
        """Refuse when the time is used up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One aggregate asked for; *path* is None for all entries."""

    function: str
    name: str
    path: FieldPath | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a query asks to be told about everything that it finds.

    Attributes:
        groups: values of these make the groups.
    """

    measures: tuple[Measure, ...] = ()
    groups: tuple[Facet, ...] = ()
    group_limit: int = GROUP_LIMIT_DEFAULT


def split_measures(brackets: Sequence[str], name: str, value: str) -> list[tuple[str, str]]:
    """(function, field) of each measure in the parameter *name*, which has *brackets*.

    Raises:
        InvalidQuery: no function is named.
    """
    functions = [part for part in brackets if part and not part.isdigit()]
    if len(functions) != 1:
        raise InvalidQuery(
            f"{name!r}: aggregate needs one function in brackets: aggregate[min]=price; there are {', '.join(FUNCTIONS)}",
            parameter=name,
        )
    fields = [part.strip() for part in value.split(",") if part.strip()]
    return [(functions[0], part) for part in fields or [ENTRIES]]


def read_measure(model: ContentModel, collection: Collection, function: str, name: str) -> Measure:
    """``aggregate[min]=price`` as a measure.

    Raises:
        InvalidQuery: an unknown function or field, or one whose values the function cannot take.
    """
    parameter = f"aggregate[{function}]"
    known = FUNCTION_ALIASES.get(function, function)
    if known not in FUNCTIONS:
        raise InvalidQuery(
            f"the function {function!r} is not known{nearest(function, FUNCTIONS)}; there are {', '.join(FUNCTIONS)}",
            parameter=parameter,
            nearest=find_nearest(function, FUNCTIONS),
        )
    if name == ENTRIES:
        if known != "count":
            raise InvalidQuery(f"{parameter} needs a field: {parameter}=title", parameter=parameter)
        return Measure(function=known, name=name)
    path = resolve_path(model, collection, name, parameter=parameter)
    if path.kind == "object" and known != "count":
        raise InvalidQuery(f"{name!r} is an object; name a field inside it", parameter=parameter)
    if known in ("sum", "avg") and path.kind not in ("integer", "number"):
        raise InvalidQuery(f"{known} needs numbers, and {name!r} is of type {path.kind}", parameter=parameter)
    if known in ("min", "max") and path.kind == "boolean":
        raise InvalidQuery(f"{known} needs an order, and {name!r} is true or false", parameter=parameter)
    return Measure(function=known, name=name, path=path)


def summarise(
    catalog: Catalog,
    parts: Sequence[tuple[Summary, LocaleChain, Sequence[Entry]]],
    lookup: Bounded,
) -> Json:
    """``aggregate``, ``groups`` and ``groups_total`` over all *parts*, as far as they ask for them.

    Args:
        parts: for each collection what is asked, in which language labels are wanted, and the entries found.

    Raises:
        InvalidQuery: it takes too long, or there are too many groups.
    """
    told: Json = {}
    if any(summary.measures for summary, _, _ in parts):
        total = _Group()
        for summary, _, entries in parts:
            takers = _takers(summary.measures)
            total.expect(takers)
            for entry in _stepwise(entries, lookup):
                total.take(takers, entry, lookup)
        told["aggregate"] = total.told(catalog)
    if any(summary.groups for summary, _, _ in parts):
        told |= _grouped(catalog, parts, lookup)
    return told


def keep_first(catalog: Catalog, facets: Mapping[str, Facet], entries: Sequence[Entry], lookup: Bounded) -> list[Entry]:
    """Of *entries* the first with each value of its collection's facet, and all without a value; of several values the first counts."""
    reading = {name: facet.reading(catalog) for name, facet in facets.items()}
    seen: set[Any] = set()
    kept: list[Entry] = []
    for entry in _stepwise(entries, lookup):
        read = reading.get(entry.collection)
        keys = read(entry, lookup) if read is not None else ()
        if not keys or keys[0] not in seen:
            kept.append(entry)
        seen.update(keys[:1])
    return kept


def _stepwise(entries: Sequence[Entry], lookup: Bounded) -> Iterator[Entry]:
    for start in range(0, len(entries), STEPS):
        lookup.check()
        yield from entries[start : start + STEPS]


@dataclass(slots=True)
class _Group:
    """What has been seen of the entries of one group; *values* by function and field."""

    count: int = 0
    values: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)

    def expect(self, takers: Sequence["_Taker"]) -> None:
        """Tell of these also when nothing comes."""
        for taker in takers:
            self.values.setdefault(taker.key, [])
            self.kinds.setdefault(taker.key[1], taker.kind)

    def take(self, takers: Sequence["_Taker"], entry: Entry, lookup: Lookup) -> None:
        self.count += 1
        for taker in takers:
            taker.take(self.values[taker.key], entry, lookup)

    def told(self, catalog: Catalog) -> Json:
        """The results by function and field."""
        told: Json = {}
        for (function, name), values in self.values.items():
            found = _RESULTS[function](values)
            is_moment = function in ("min", "max") and self.kinds[name] == "date-time" and found is not None
            told.setdefault(function, {})[name] = timestamp_text(found, catalog.zone) if is_moment else found
        return told


@dataclass(frozen=True, slots=True)
class _Taker:
    """Takes of an entry what one measure needs."""

    key: tuple[str, str]
    kind: str
    take: Callable[[list[Any], Entry, Lookup], None]


def _takers(measures: Sequence[Measure]) -> list[_Taker]:
    return [
        _Taker((item.function, item.name), item.path.kind if item.path is not None else "", _taking(item))
        for item in measures
    ]


def _taking(measure: Measure) -> Callable[[list[Any], Entry, Lookup], None]:
    read = measure.path.read if measure.path is not None else _itself
    is_count = measure.function == "count"

    def take(known: list[Any], entry: Entry, lookup: Lookup) -> None:
        values = read(entry, lookup)
        if is_count:
            known += [True] if values else []
        else:
            known += [value for value in values if isinstance(value, str | int | float)]

    return take


def _itself(entry: Entry, lookup: Lookup) -> Sequence[Any]:
    del lookup
    return (entry.path,)


def _least(values: Sequence[Any]) -> Any:
    return min(values, key=_place, default=None)


def _most(values: Sequence[Any]) -> Any:
    return max(values, key=_place, default=None)


def _place(value: Any) -> tuple[Any, ...]:
    return (*comparable(value), str(value))


def _sum(values: Sequence[Any]) -> int | float | None:
    """Exact for whole numbers; None when it is too large to be written."""
    if all(isinstance(value, int) for value in values):
        total = sum(values)
        return total if abs(total) < _LARGEST else float(total)
    try:
        return fsum(values)
    except OverflowError:
        return None


def _average(values: Sequence[Any]) -> float | None:
    if not values:
        return None
    total = sum(values) if all(isinstance(value, int) for value in values) else _sum(values)
    return None if total is None else total / len(values)


_RESULTS: Mapping[str, Callable[[Sequence[Any]], Any]] = {
    "count": len,
    "distinct": lambda values: len(set(values)),
    "min": _least,
    "max": _most,
    "sum": _sum,
    "avg": _average,
}


def _grouped(catalog: Catalog, parts: Sequence[tuple[Summary, LocaleChain, Sequence[Entry]]], lookup: Bounded) -> Json:
    found: dict[tuple[Any, ...], _Group] = {}
    names = list(dict.fromkeys(facet.name for summary, _, _ in parts for facet in summary.groups))
    facets: dict[str, Facet] = {}
    shown: dict[str, list[Callable[[Any], FacetValue]]] = {name: [] for name in names}
    for number, (summary, chain, entries) in enumerate(parts):
        takers = _takers(summary.measures)
        own = {facet.name: facet for facet in summary.groups}
        for name, facet in own.items():
            facets.setdefault(name, facet)
            shown[name].append(facet.showing(catalog, chain))
        reading = [own[name].reading(catalog) if name in own else None for name in names]
        for entry in _stepwise(entries, lookup):
            keys = [(read(entry, lookup) if read is not None else ()) or (None,) for read in reading]
            for step, place in enumerate(product(*keys)):
                if step % STEPS == STEPS - 1:  # an entry may have many values of each
                    lookup.check()
                group = found.get(place)
                if group is None:
                    group = found[place] = _Group()
                    _require_few(found)
                    group.expect(takers)
                elif number:  # perhaps an earlier collection made it, which has not all of these fields
                    group.expect(takers)
                group.take(takers, entry, lookup)
    lookup.check()
    kinds = [facets[name] for name in names]
    places = sorted(found, key=lambda place: _rank(kinds, place, found[place].count))
    limit = next((summary.group_limit for summary, _, _ in parts), GROUP_LIMIT_DEFAULT)
    groups = [_group_told(catalog, names, shown, place, found[place]) for place in places[:limit]]
    return {"groups": groups, "groups_total": len(found)}


def _require_few(found: Mapping[Any, _Group]) -> None:
    if len(found) > GROUPS_MOST:
        raise InvalidQuery(
            f"there are more than {GROUPS_MOST} groups; group by fewer fields, or by ranges of their values",
            parameter="group_by",
        )


def _rank(facets: Sequence[Facet], place: Sequence[Any], count: int) -> Any:
    """Ranges one after another, within them the largest groups first; what has no value comes last."""
    ranges = [
        (1,) if key is None else (0, facet.bucket.rank(key))
        for facet, key in zip(facets, place, strict=True)
        if facet.bucket is not None
    ]
    return ranges, -count, [(key is None, str(key)) for key in place]


def _group_told(
    catalog: Catalog,
    names: Sequence[str],
    shown: Mapping[str, Sequence[Callable[[Any], FacetValue]]],
    place: Sequence[Any],
    group: _Group,
) -> Json:
    values: Json = {}
    labels: Json = {}
    for name, key in zip(names, place, strict=True):
        values[name] = None
        if key is not None:
            options = [show(key) for show in shown[name]]
            best = next((option for option in options if option.label is not None), options[0])
            values[name] = best.value
            if best.label is not None:
                labels[name] = best.label
    told: Json = {"values": values, **({"labels": labels} if labels else {}), "count": group.count}
    return {**told, "aggregate": group.told(catalog)} if group.values else told
