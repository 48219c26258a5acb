"""What a list is asked to count beside its entries: facets, groups, aggregates, and what makes two entries the same.

A request may ask several collections at once. Each is asked for what it has, and at least one must have it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from typing import TypeVar

from cms.aggregate import GROUPED_MOST, MEASURES_MOST, Summary, read_measure
from cms.errors import InvalidQuery, helpful
from cms.facets import read_facet
from cms.model import ContentModel
from cms.query import Query
from cms.schema import Collection

FACETS_MOST = 10
Item = TypeVar("Item")
Read = TypeVar("Read")


def with_counts(
    model: ContentModel,
    queries: Sequence[Query],
    *,
    facets: Sequence[str],
    groups: Sequence[str],
    group_limit: int,
    measures: Sequence[tuple[str, str]],
    distinct: str | None,
) -> list[Query]:
    """*queries* with what is to be counted.

    Args:
        measures: (function, field) of each aggregate.

    Raises:
        InvalidQuery: too many, or something that none of the collections has.
    """
    facets = _at_most(FACETS_MOST, "facet", facets)
    groups = _at_most(GROUPED_MOST, "group_by", groups)
    measures = _at_most(MEASURES_MOST, "aggregate", measures)
    counted = _in_each(queries, facets, lambda known, name: read_facet(model, known, name))
    grouped = _in_each(queries, groups, lambda known, name: read_facet(model, known, name, "group_by"))
    measured = _in_each(queries, measures, lambda known, pair: read_measure(model, known, *pair))
    names = [distinct] if distinct is not None else []
    thinned = _in_each(queries, names, lambda known, name: read_facet(model, known, name, "distinct"))
    found = []
    for query in queries:
        name = query.collection.name
        summary = Summary(measures=measured[name], groups=grouped[name], group_limit=group_limit)
        found.append(
            replace(
                query,
                facets=counted[name],
                summary=summary if measures or groups else None,
                distinct=next(iter(thinned[name]), None),
            )
        )
    return found


def _at_most(most: int, parameter: str, wanted: Sequence[Item]) -> list[Item]:
    """*wanted*, each once.

    Raises:
        InvalidQuery: there are more.
    """
    once = list(dict.fromkeys(wanted))
    if len(once) > most:
        raise InvalidQuery(f"{parameter} takes {most} at most", parameter=parameter)
    return once


def _in_each(
    queries: Sequence[Query], wanted: Sequence[Item], read: Callable[[Collection, Item], Read]
) -> dict[str, tuple[Read, ...]]:
    """For each collection what *read* makes of those of *wanted* that it has.

    Raises:
        InvalidQuery: something that none of them has.
    """
    found: dict[str, list[Read]] = {query.collection.name: [] for query in queries}
    for item in wanted:
        problems: list[InvalidQuery] = []
        for query in queries:
            try:
                found[query.collection.name].append(read(query.collection, item))
            except InvalidQuery as error:
                problems.append(error)
        if problems and len(problems) == len(queries):
            raise reduce(helpful, problems)
    return {name: tuple(items) for name, items in found.items()}
