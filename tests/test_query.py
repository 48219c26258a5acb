"""Queries: whatever is asked, the indexes answer as a plain look at every entry would."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cms.cache import DerivedCache
from cms.catalog import EVERY_LOCALE, Catalog
from cms.entry import Entry
from cms.errors import InvalidQuery
from cms.facets import read_facet
from cms.filters import FilterReader, compile_filter
from cms.model import read_model
from cms.query import Query, default_sort, find_entries, read_sort, run_query
from cms.refs import CommitId
from cms.schema import Collection
from cms.snapshot import build_snapshot, read_history
from cms.store import Store
from tests.repo import FIRST_COMMIT_AT, Repo

POSTS = """type: object
x-path: posts/{slug}.md
x-title: title
x-sort: -rank,title
properties:
  title: {type: string}
  rank: {type: integer}
  points: {type: number}
  flag: {type: boolean}
  day: {type: string, format: date}
  at: {type: string, format: date-time}
  tags: {type: array, items: {type: string}}
  author: {type: string, x-reference: authors}
  image: {type: object, properties: {alt: {type: string}, width: {type: integer}}}
  open: {}
"""
AUTHORS = (
    "type: object\nx-path: authors/{slug}.md\nx-title: name\nproperties: {name: {type: string}, age: {type: integer}}\n"
)
FILES = {
    "cms.toml": '[site]\nlocales = ["nb", "en"]\ntime_zone = "Europe/Oslo"\n',
    "schemas/posts.yaml": POSTS,
    "schemas/authors.yaml": AUTHORS,
    "authors/x.md": "---\nname: Kari\nage: 40\n---\n",
    "authors/y.md": "---\nname: Ola\n---\n",
    "authors/z.md": "---\nname: Hidden\ndraft: true\n---\n",
}
ROWS = [
    "title: Alfa\nrank: 1\npoints: 1.5\nflag: yes\nday: 2024-01-01\nat: 2024-01-01T10:00\ntags: [a, b]\nauthor: x\nopen: 1",
    "title: Beta\nrank: 2\nflag: no\nday: 2024-01-31\nat: 2024-01-31T23:30:00Z\ntags: [b]\nauthor: y\nopen: x",
    "title: alfa\nrank: 2\npoints: -2\ntags: []\nauthor: z\nopen: [1, x]",
    "title: Åse\nrank: 10\nday: 2023-05-05\nat: 2023-05-05\ntags: [a, c, a]\nauthor: nobody\nopen: true",
    "title: ''\nflag: yes\nimage: {alt: A cat, width: 5}\nopen: {k: v}",
    "rank: 0\npoints: 0\nimage: {width: 0}\ntags: [æ]",
    "title: 'null'\nday: 2024-02-29\nat: 2024-02-29T12:00:00.5+01:00\nopen: 1.0",
]


@pytest.fixture(scope="module")
def blog() -> Iterator[Catalog]:
    """Seven posts and three authors."""
    with tempfile.TemporaryDirectory() as folder:
        repo = Repo.create(Path(folder) / "site.git")
        posts = {f"posts/p{number}.md": f"---\n{row}\n---\n" for number, row in enumerate(ROWS)}
        commit = CommitId(repo.commit({**FILES, **posts, "posts/p0.en.md": "---\ntitle: Alpha\n---\n"}))
        store = Store.open(repo.path)
        model = read_model(store, commit)
        assert model is not None
        cache = DerivedCache(Path(folder) / "cache")
        snapshot = build_snapshot(store, commit, model, cache=cache)
        snapshot = replace(snapshot, history=read_history(store, commit, cache, "refs/heads/main"))
        assert not snapshot.findings
        yield Catalog(snapshot, FIRST_COMMIT_AT.timestamp() + 3600)
        cache.close()


def collection(blog: Catalog) -> Collection:
    """The posts."""
    return blog.model.collections["posts"]


def found(blog: Catalog, tree: Mapping[str, Any], sort: str = "slug", **options: Any) -> list[Entry]:
    """What a filter finds, each locale an entry."""
    where = FilterReader(blog.model, collection(blog)).read(tree)
    spec = read_sort(blog.model, collection(blog), sort)
    return find_entries(blog, Query(collection=collection(blog), chain=EVERY_LOCALE, where=where, sort=spec, **options))


def slugs(entries: list[Entry]) -> str:
    """Their numbers, a star for the English one."""
    return "".join(entry.slug.removeprefix("p") + ("*" if entry.locale == "en" else "") for entry in entries)


def test_a_filter_is_answered_as_by_looking_at_every_entry(blog: Catalog) -> None:
    every = found(blog, {})
    for field, values in INDEXED.items():
        for value in values:
            node = FilterReader(blog.model, collection(blog)).read({field: [value]})
            predicate = compile_filter(node)
            assert predicate is not None
            assert found(blog, {field: [value]}) == [entry for entry in every if predicate(entry, blog)]


INDEXED = {
    "title": ("Alfa", "alfa", "", "null", "none"),
    "rank": ("0", "1", "2", "+2", "99"),
    "flag": ("true", "no"),
    "day": ("2024-01-01", "1. januar 2024"),
    "tags": ("a", "b", "æ", "x"),
    "author": ("x", "z", "nobody"),
    "author.name": ("Kari", "Hidden"),
    "author.age": ("40",),
    "image.alt": ("A cat",),
    "image.width": ("0", "5"),
    "slug": ("p1",),
    "locale": ("en", "nb"),
}
FIELDS = (*INDEXED, "points", "at", "open", "published_at", "updated_at", "url", "last_author", "id", "path", "status")
OPERATORS = (
    "eq",
    "ne",
    "lt",
    "lte",
    "gt",
    "gte",
    "in",
    "nin",
    "between",
    "contains",
    "icontains",
    "starts",
    "ends",
    "any",
    "all",
    "none",
    "exists",
)
VALUES = (
    "a",
    "Alfa",
    "1",
    "0",
    "-2",
    "1.5",
    "true",
    "false",
    "2024",
    "2024-01",
    "2024-01-31",
    "2024-01-31T23:30:00Z",
    "",
    "a,b",
    "1,10",
    "2023,2024",
    "x",
)

CONDITION = st.builds(
    lambda field, operator, value: {field: {operator: [value]}},
    st.sampled_from(FIELDS),
    st.sampled_from(OPERATORS),
    st.sampled_from(VALUES),
)
TREE = st.recursive(
    CONDITION,
    lambda inner: st.builds(
        lambda kind, parts: {kind: {str(number): part for number, part in enumerate(parts)}},
        st.sampled_from(["and", "or", "not"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=5,
)


@settings(max_examples=400, deadline=None)
@given(TREE)
def test_no_filter_fails_and_its_opposite_finds_the_rest(blog: Catalog, tree: dict[str, Any]) -> None:
    try:
        hits = found(blog, tree)
    except InvalidQuery:
        return
    rest = found(blog, {"not": {"0": tree}})
    assert sorted(slugs(hits) + slugs(rest)) == sorted(slugs(found(blog, {})))
    assert found(blog, {"and": {"0": tree, "1": tree}}) == hits
    assert found(blog, {"or": {"0": tree, "1": tree}}) == hits


@settings(max_examples=150, deadline=None)
@given(
    CONDITION,
    st.lists(st.sampled_from([f"{sign}{name}" for name in FIELDS for sign in ("", "-")]), min_size=1, max_size=3),
    st.integers(0, 9),
    st.integers(1, 4),
)
def test_pages_are_pieces_of_the_whole_in_one_order(
    blog: Catalog, tree: dict[str, Any], sort: list[str], offset: int, limit: int
) -> None:
    spec = read_sort(blog.model, collection(blog), ",".join(sort))
    try:
        where = FilterReader(blog.model, collection(blog)).read(tree)
    except InvalidQuery:
        return
    query = Query(collection=collection(blog), chain=EVERY_LOCALE, where=where, sort=spec)
    everything = find_entries(blog, query)
    assert sorted(slugs(everything)) == sorted(slugs(found(blog, tree)))
    page = run_query(
        blog, Query(collection=query.collection, chain=query.chain, where=where, sort=spec, limit=limit, offset=offset)
    )
    assert list(page.entries) == everything[offset : offset + limit]
    assert page.total == len(everything)


@settings(max_examples=100, deadline=None)
@given(
    CONDITION,
    st.sampled_from(["tags", "flag", "rank", "author", "author.name", "locale", "last_author", "image.width", "title"]),
)
def test_a_facet_counts_what_its_own_condition_aside_is_left(blog: Catalog, tree: dict[str, Any], name: str) -> None:
    try:
        where = FilterReader(blog.model, collection(blog)).read(tree)
    except InvalidQuery:
        return
    facet = read_facet(blog.model, collection(blog), name)
    query = Query(collection=collection(blog), chain=EVERY_LOCALE, where=where, facets=(facet,), facet_limit=100)
    counted = {item.value: item.count for item in run_query(blog, query).facets[name]}
    left = found(blog, {}) if name in tree else found(blog, tree)
    naive = Counter(value for entry in left for value in set(facet.path.read(entry, blog)))
    assert counted == dict(naive)


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ({"rank": {"gte": ["2"]}}, "123"),
        ({"rank": {"between": ["1,2"]}}, "012"),
        ({"rank": {"in": ["0,10"]}}, "35"),
        ({"rank": {"nin": ["0,10"]}}, "0*01246"),
        ({"rank": {"ne": ["2"]}}, "0*03456"),
        ({"rank": {"exists": ["false"]}}, "0*46"),
        ({"points": {"lt": ["0"]}}, "2"),
        ({"flag": ["yes"]}, "04"),
        ({"flag": {"ne": ["true"]}}, "0*12356"),
        ({"title": {"icontains": ["ALF"]}}, "02"),
        ({"title": {"starts": ["Al"]}}, "0*0"),
        ({"title": {"ends": ["fa"]}}, "02"),
        ({"title": [""]}, "4"),
        ({"day": {"lte": ["2024-01-01"]}}, "03"),
        ({"day": {"between": ["2024-01-01,2024-01-31"]}}, "01"),
        ({"at": ["2024"]}, "016"),
        ({"at": ["2024-02-01"]}, "1"),
        ({"at": ["2024-01"]}, "0"),
        ({"at": {"gt": ["2024-01-01"]}}, "16"),
        ({"at": {"between": ["2024-01,2024-02"]}}, "016"),
        ({"at": ["2024-02-29T12:00:00.5+01:00"]}, "6"),
        ({"tags": {"all": ["a,b"]}}, "0"),
        ({"tags": {"any": ["b,c"]}}, "013"),
        ({"tags": {"none": ["a"]}}, "0*12456"),
        ({"tags": {"contains": ["a"]}}, "03"),
        ({"tags": {"exists": ["true"]}}, "0135"),
        ({"author": ["x"]}, "0"),
        ({"author": {"exists": ["true"]}}, "01"),
        ({"author.name": {"contains": ["a"]}}, "01"),
        ({"author": {"age": {"gt": ["39"]}}}, "0"),
        ({"image.width": {"lte": ["5"]}}, "45"),
        ({"image": {"exists": ["true"]}}, "45"),
        ({"open": ["1"]}, "02"),
        ({"open": ["true"]}, "3"),
        ({"or": {"0": {"rank": ["1"]}, "1": {"tags": ["c"]}}}, "03"),
        ({"not": {"0": {"rank": ["1"]}, "1": {"flag": ["true"]}}}, "0*123456"),
        ({"rank": ["2"], "title": ["Beta"]}, "1"),
        ({"rank": ["1", "10"]}, "03"),
        ({"locale": ["en"]}, "0*"),
    ],
)
def test_what_a_filter_finds(blog: Catalog, tree: dict[str, Any], expected: str) -> None:
    assert slugs(found(blog, tree)) == expected


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("rank", "501230*46"),
        ("-rank", "312050*46"),
        ("rank,-title", "5012360*4"),
        ("title", "4020*1635"),
        ("day", "30160*245"),
        ("-at", "61030*245"),
        ("author.name", "010*23456"),
        ("tags", "03150*246"),
        ("flag", "1040*2356"),
        ("-flag,slug", "0410*2356"),
    ],
)
def test_orders(blog: Catalog, sort: str, expected: str) -> None:
    assert slugs(found(blog, {}, sort)) == expected


def test_the_default_order_is_that_of_the_schema_or_newest_first_or_by_title(blog: Catalog) -> None:
    assert default_sort(blog.model, collection(blog)) == (("rank", True), ("title", False))
    assert default_sort(blog.model, blog.model.collections["authors"]) == (("name", False),)


@pytest.mark.parametrize(
    "tree",
    [
        {"titel": ["x"]},
        {"title": {"equals": ["x"]}},
        {"rank": ["two"]},
        {"rank": {"between": ["1"]}},
        {"flag": {"gt": ["true"]}},
        {"rank": {"contains": ["1"]}},
        {"image": ["x"]},
        {"at": ["soon"]},
        {"author.nam": ["x"]},
        {"or": ["x"]},
        {"or": {"0": ["x"]}},
        {"title": {"eq": {"x": ["y"]}}},
        {"rank": {"in": [",".join(map(str, range(300)))]}},
        {"or": {str(number): {"rank": ["1"]} for number in range(60)}},
    ],
)
def test_a_wrong_filter_names_its_parameter(blog: Catalog, tree: dict[str, Any]) -> None:
    with pytest.raises(InvalidQuery) as caught:
        found(blog, tree)
    assert caught.value.facts["parameter"].startswith("filter")


def test_a_filter_without_end_is_refused(blog: Catalog) -> None:
    tree: dict[str, Any] = {"rank": ["1"]}
    for _ in range(30):
        tree = {"not": {"0": tree}}
    with pytest.raises(InvalidQuery, match="nested"):
        found(blog, tree)


@pytest.mark.parametrize("sort", ["titel", "image", "-author.nam", "a,b", "title,rank,flag,day,at,slug"])
def test_a_wrong_sort_is_refused(blog: Catalog, sort: str) -> None:
    with pytest.raises(InvalidQuery):
        read_sort(blog.model, collection(blog), sort)


def test_a_field_may_be_named_once_in_a_sort(blog: Catalog) -> None:
    assert read_sort(blog.model, collection(blog), "-rank, rank,,+title") == (("rank", True), ("title", False))


def test_facets_of_dates_come_in_buckets_newest_first(blog: Catalog) -> None:
    facets = tuple(read_facet(blog.model, collection(blog), name) for name in ("at.year", "day.month", "at.day"))
    query = Query(collection=collection(blog), chain=EVERY_LOCALE, facets=facets)
    counts = {
        name: [(item.value, item.count) for item in items] for name, items in run_query(blog, query).facets.items()
    }
    assert counts["at.year"] == [("2024", 3), ("2023", 1)]
    assert counts["day.month"] == [("2024-02", 1), ("2024-01", 2), ("2023-05", 1)]
    assert counts["at.day"][1] == ("2024-02-01", 1)


def test_a_facet_of_references_is_labelled_with_titles(blog: Catalog) -> None:
    facet = read_facet(blog.model, collection(blog), "author")
    items = run_query(blog, Query(collection=collection(blog), chain=EVERY_LOCALE, facets=(facet,))).facets["author"]
    assert [(item.value, item.label, item.count) for item in items] == [("x", "Kari", 1), ("y", "Ola", 1)]
