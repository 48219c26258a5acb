"""Ranges, aggregates, groups and what is listed once: the answers of a plain look at every entry."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cms.aggregate import Summary, read_measure, split_measures
from cms.catalog import EVERY_LOCALE, Catalog
from cms.entry import Entry
from cms.errors import InvalidQuery
from cms.facets import read_facet
from cms.filters import FilterReader
from cms.orders import comparable
from cms.query import Query, Result, find_entries, read_sort, run_query
from tests.library import open_library, write_library
from tests.repo import Repo

EXAMPLES = int(os.environ.get("CMS_EXAMPLES", "40"))
FIELDS = ("title", "price", "pages", "day", "at", "sold", "tags", "author", "author.age", "cover.by", "about.name", "locale",
          "referenced_by.count", "referenced_by.shops.price", "published_at", "updated_at")  # fmt: skip
RANGES = ("price.0.1", "price.10", "price.-7.25..0.1..0.3", "pages.5", "pages.0..10", "day.month", "at.year", "at.day",
          "author.age.25", "referenced_by.count.2")  # fmt: skip
FILTERS: Sequence[dict[str, Any]] = (
    {}, {"sold": ["true"]}, {"price": {"lt": ["50"]}}, {"tags": ["x"]}, {"author.name": ["Kari"]}, {"title": ["nothing"]},
)  # fmt: skip


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Random books."""
    folder = tmp_path_factory.mktemp("library")
    repo = Repo.create(folder / "site.git")
    return open_library(folder / "cache", repo, repo.commit(write_library(11)))


def ask(library: Catalog, tree: dict[str, Any], **wanted: Any) -> Result:
    books = library.model.collections["books"]
    where = FilterReader(library.model, books).read(tree)
    return run_query(library, Query(collection=books, chain=EVERY_LOCALE, where=where, limit=1000, **wanted))


def read(library: Catalog, entry: Entry, name: str) -> list[Any]:
    """The values of one field, or the names of the ranges that they lie in, each once."""
    books = library.model.collections["books"]
    field, bucket = next(((field, name[len(field) + 1 :]) for field in sorted(FIELDS, key=len, reverse=True) if name.startswith(f"{field}.")), (name, ""))  # fmt: skip
    if name in FIELDS:
        field, bucket = name, ""
    values = read_facet(library.model, books, field).path.read(entry, library)
    return list(dict.fromkeys(named(library, value, bucket) if bucket else value for value in values))


def named(library: Catalog, value: Any, bucket: str) -> str:
    """The range that *value* lies in, worked out with decimal numbers."""
    if bucket in ("year", "month", "day"):
        text = value if isinstance(value, str) else datetime.fromtimestamp(value, library.zone).isoformat()
        return text[: {"year": 4, "month": 7, "day": 10}[bucket]]
    exact = Decimal(repr(value))
    if ".." not in bucket:
        width = Decimal(bucket)
        low = exact - exact % width - (width if exact % width < 0 else 0)
        return f"{plain(low)}..{plain(low + width)}"
    edges = [Decimal(edge) for edge in bucket.split("..")]
    below, above = [edge for edge in edges if edge <= exact], [edge for edge in edges if edge > exact]
    return f"{plain(below[-1]) if below else ''}..{plain(above[0]) if above else ''}"


def plain(number: Decimal) -> str:
    return str(int(number)) if number == int(number) else str(float(number))


def shown(library: Catalog, name: str, value: Any) -> Any:
    is_moment = name in ("at", "published_at", "updated_at")
    return datetime.fromtimestamp(value, library.zone).isoformat() if is_moment and value is not None else value


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.sampled_from(FILTERS), st.sampled_from((*FIELDS, *RANGES)))
def test_a_facet_counts_values_and_ranges(library: Catalog, tree: dict[str, Any], name: str) -> None:
    facet = read_facet(library.model, library.model.collections["books"], name)
    result = ask(library, tree, facets=(facet,), facet_limit=1000)
    left = result.entries if facet.path.text not in tree else ask(library, {}).entries
    counted = {item.value: item.count for item in result.facets[name]}
    assert counted == Counter(shown(library, name, value) for entry in left for value in read(library, entry, name))


def expected(library: Catalog, function: str, name: str, entries: Sequence[Entry]) -> Any:
    if name == "*":
        return len(entries)
    lists = [
        read_facet(library.model, library.model.collections["books"], name).path.read(one, library) for one in entries
    ]
    values = [value for values in lists for value in values]
    exact = [Fraction(value) for value in values if not isinstance(value, str)]
    results: dict[str, Callable[[], Any]] = {
        "count": lambda: sum(map(bool, lists)),
        "distinct": lambda: len(set(values)),
        "min": lambda: shown(
            library, name, min(values, key=lambda value: (comparable(value), str(value)), default=None)
        ),
        "max": lambda: shown(
            library, name, max(values, key=lambda value: (comparable(value), str(value)), default=None)
        ),
        "sum": lambda: pytest.approx(float(sum(exact))),
        "avg": lambda: pytest.approx(float(sum(exact) / len(exact))) if exact else None,
    }
    return results[function]()


MEASURES = [("count", "*")] + [
    (function, name)
    for function, name in product(("count", "distinct", "min", "max", "sum", "avg"), FIELDS)
    if not (function in ("sum", "avg") and name not in ("price", "pages", "author.age", "referenced_by.count"))
    and not (function in ("min", "max") and name == "sold")
]


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.sampled_from(FILTERS), st.lists(st.sampled_from(MEASURES), min_size=1, max_size=4, unique=True))
def test_aggregates_are_of_everything_that_fits(
    library: Catalog, tree: dict[str, Any], wanted: list[tuple[str, str]]
) -> None:
    books = library.model.collections["books"]
    measures = tuple(read_measure(library.model, books, *one) for one in wanted)
    result = ask(library, tree, summary=Summary(measures=measures))
    told = result.summary["aggregate"]
    for function, name in wanted:
        assert told[function][name] == expected(library, function, name, result.entries)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.sampled_from(FILTERS),
    st.lists(st.sampled_from((*FIELDS, *RANGES)), min_size=1, max_size=3, unique=True),
    st.sampled_from(MEASURES),
)
def test_groups_are_of_every_combination_of_values(
    library: Catalog, tree: dict[str, Any], names: list[str], measure: tuple[str, str]
) -> None:
    books = library.model.collections["books"]
    groups = tuple(read_facet(library.model, books, name, "group_by") for name in names)
    summary = Summary(measures=(read_measure(library.model, books, *measure),), groups=groups, group_limit=1000)
    result = ask(library, tree, summary=summary)
    found: dict[tuple[Any, ...], list[Entry]] = {}
    for entry in result.entries:
        for place in product(*(read(library, entry, name) or [None] for name in names)):
            found.setdefault(place, []).append(entry)
    told = {tuple(group["values"].values()): group for group in result.summary["groups"]}
    assert len(told) == len(result.summary["groups"]) == result.summary["groups_total"] == len(found)
    for place, entries in found.items():
        group = told[tuple(shown(library, name, value) for name, value in zip(names, place, strict=True))]
        assert group["count"] == len(entries)
        assert group["aggregate"][measure[0]][measure[1]] == expected(library, *measure, entries)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.sampled_from(FILTERS), st.sampled_from((*FIELDS, *RANGES)), st.sampled_from(["slug", "-price,title"]))
def test_of_each_value_the_first_is_listed(library: Catalog, tree: dict[str, Any], name: str, sort: str) -> None:
    books = library.model.collections["books"]
    spec = read_sort(library.model, books, sort)
    result = ask(library, tree, sort=spec, distinct=read_facet(library.model, books, name, "distinct"))
    where = FilterReader(library.model, books).read(tree)
    seen: set[Any] = set()
    kept = []
    for entry in find_entries(library, Query(collection=books, chain=EVERY_LOCALE, where=where, sort=spec)):
        first = read(library, entry, name)[:1]
        if not seen.issuperset(first) or not first:
            kept.append(entry)
        seen.update(first)
    assert list(result.entries) == kept
    assert result.total == len(kept)


@settings(max_examples=EXAMPLES * 5, deadline=None)
@given(
    st.one_of(st.integers(-(10**6), 10**6), st.floats(-1e9, 1e9), st.integers(-(10**7), 10**7).map(lambda n: n / 1000)),
    st.sampled_from(["0.1", "0.3", "0.001", "1", "7", "100", "-0.3..0.1..0.3", "0..0.7..1.4", "-5..5"]),
)
def test_numbers_lie_in_their_ranges_exactly_as_they_are_written(library: Catalog, value: float, bucket: str) -> None:
    facet = read_facet(library.model, library.model.collections["books"], f"price.{bucket}")
    assert facet.bucket is not None
    key = facet.bucket.place(library.zone)(value)
    assert facet.bucket.range(key).value == named(library, value, bucket)


def test_sums_do_not_depend_on_the_order_and_are_exact_for_whole_numbers(library: Catalog) -> None:
    books = library.model.collections["books"]
    measures = tuple(read_measure(library.model, books, "sum", name) for name in ("price", "pages"))
    told = [
        ask(library, {}, summary=Summary(measures=measures), sort=read_sort(library.model, books, sort)).summary
        for sort in ("slug", "-slug", "price", "pages")
    ]
    assert all(one == told[0] for one in told)
    assert told[0]["aggregate"]["sum"]["pages"] == sum(
        entry.parsed.fields.get("pages") or 0 for entry in ask(library, {}).entries
    )


def test_groups_come_largest_first_and_ranges_one_after_another(library: Catalog) -> None:
    books = library.model.collections["books"]
    groups = tuple(read_facet(library.model, books, name) for name in ("day.month", "sold"))
    told = ask(library, {}, summary=Summary(groups=groups)).summary["groups"]
    months = [group["values"]["day.month"] for group in told]
    assert [month for month in months if month] == sorted(filter(None, months), reverse=True)
    assert None not in months[: months.index(None)]
    by_sold = ask(library, {}, summary=Summary(groups=groups[1:])).summary["groups"]
    counts = [group["count"] for group in by_sold]
    assert counts == sorted(counts, reverse=True)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("titel", "title"),
        ("title.10", None),
        ("pages.0", None),
        ("pages.-5", None),
        ("pages.10..10", None),
        ("pages.10..5", None),
        ("pages.ten", None),
        ("pages." + "..".join(map(str, range(60))), None),
        ("day.yaer", "year"),
        ("cover", None),
        ("author.age.month", None),
    ],
)
def test_a_facet_that_cannot_be_counted_is_refused(library: Catalog, text: str, hint: str | None) -> None:
    with pytest.raises(InvalidQuery) as caught:
        read_facet(library.model, library.model.collections["books"], text, "group_by")
    assert caught.value.facts["parameter"] == "group_by"
    assert caught.value.facts.get("nearest") == hint


@pytest.mark.parametrize(
    ("function", "name", "hint"),
    [("mix", "pages", "min"), ("min", "sold", None), ("sum", "title", None), ("avg", "day", None), ("min", "*", None),
     ("max", "pagse", "pages"), ("max", "cover", None), ("summ", "pages", "sum")],
)  # fmt: skip
def test_a_function_that_does_not_fit_is_refused(library: Catalog, function: str, name: str, hint: str | None) -> None:
    with pytest.raises(InvalidQuery) as caught:
        read_measure(library.model, library.model.collections["books"], function, name)
    assert caught.value.facts["parameter"] == f"aggregate[{function}]"
    assert caught.value.facts.get("nearest") == hint


def test_a_function_must_be_named() -> None:
    assert split_measures(["min"], "aggregate[min]", "a, b") == [("min", "a"), ("min", "b")]
    assert split_measures(["count", ""], "aggregate[count][]", "") == [("count", "*")]
    for brackets in ([], ["min", "max"]):
        with pytest.raises(InvalidQuery):
            split_measures(brackets, "aggregate", "a")
