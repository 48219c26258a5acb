"""References read backwards: whatever is asked, the answer is that of a plain look at what every entry refers to."""

import os
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cms.catalog import EVERY_LOCALE, Catalog, pick
from cms.entry import Entry
from cms.errors import InvalidQuery
from cms.facets import read_facet
from cms.fieldpath import resolve_path
from cms.filters import FilterReader
from cms.query import Query, find_entries, read_sort, run_query
from cms.refs import CommitId
from cms.snapshot import follow_snapshot
from cms.store import Store
from tests.library import NOW, open_library, write_book, write_library
from tests.repo import Repo

SEEDS = range(int(os.environ.get("CMS_LIBRARIES", "4")))


@pytest.fixture(scope="module", params=SEEDS)
def library(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Catalog:
    """Random content."""
    folder = tmp_path_factory.mktemp("library")
    repo = Repo.create(folder / "site.git")
    return open_library(folder / "cache", repo, repo.commit(write_library(request.param)))


def raw_references(entry: Entry) -> Iterator[tuple[str, str, Sequence[str]]]:
    """(field, text, collections) of every reference as it stands in the file."""
    fields = entry.parsed.fields
    if entry.collection == "books":
        yield from (("author", text, ("people",)) for text in [fields.get("author")] if text)
        yield from (("about", text, ("people", "books")) for text in fields.get("about") or ())
        yield from (("cover", text, ("people",)) for text in [(fields.get("cover") or {}).get("by")] if text)
    elif entry.collection == "people":
        yield from (("friend", text, ("people",)) for text in [fields.get("friend")] if text)
    else:
        yield from (("sells", text, ("books", "people")) for text in fields.get("sells") or ())


def meant(catalog: Catalog, text: str, targets: Sequence[str]) -> tuple[str, str] | None:
    """What a reference means: the first collection that shows an entry of that slug, or of the slug behind its name."""
    for target in targets:
        slugs = {entry.slug for entry in everything(catalog, target)}
        for slug in (text, text.removeprefix(f"{target}/")):
            if slug in slugs:
                return target, slug
    return None


def everything(catalog: Catalog, collection: str) -> list[Entry]:
    """All visible entries."""
    return [entry for entries in catalog.shelves[collection].slugs.values() for entry in pick(entries, EVERY_LOCALE)]


def referrers(catalog: Catalog, entry: Entry, collection: str, field: str = "") -> list[Entry]:
    """By looking at every entry that a reader in the locale of *entry* sees."""
    chain = (entry.locale, *catalog.default_chain)
    seen = (picked for entries in catalog.shelves[collection].slugs.values() for picked in pick(entries, chain))
    return [
        other
        for other in sorted(seen, key=lambda other: other.slug)
        if any(
            meant(catalog, text, targets) == (entry.collection, entry.slug)
            for name, text, targets in raw_references(other)
            if field in ("", name)
        )
    ]


def values(catalog: Catalog, entry: Entry, text: str) -> list[Any]:
    path = resolve_path(catalog.model, catalog.model.collections[entry.collection], text)
    return list(path.read(entry, catalog))


@pytest.mark.parametrize("target", ["people", "books"])
def test_what_refers_to_an_entry_is_what_a_look_at_all_finds(library: Catalog, target: str) -> None:
    for entry in everything(library, target):
        found = {name: referrers(library, entry, name) for name in ("books", "people", "shops")}
        for name in ("books", "shops", *(("people",) if target == "people" else ())):
            assert values(library, entry, f"referenced_by.{name}") == [other.slug for other in found[name]]
            assert values(library, entry, f"referenced_by.{name}.count") == [len(found[name])]
        together = [f"{name}/{other.slug}" for name in sorted(found) for other in found[name]]
        assert values(library, entry, "referenced_by") == together
        assert values(library, entry, "referenced_by.count") == [len(together)]


def test_one_field_can_be_followed_backwards_and_on(library: Catalog) -> None:
    for entry in everything(library, "people"):
        for field in ("author", "about", "cover"):
            found = referrers(library, entry, "books", field)
            assert values(library, entry, f"referenced_by.books:{field}") == [other.slug for other in found]
        written = referrers(library, entry, "books", "author")
        tags = [tag for other in written for tag in other.parsed.fields.get("tags") or ()]
        assert values(library, entry, "referenced_by.books:author.tags") == tags


def test_what_an_entry_refers_to_is_what_its_references_mean(library: Catalog) -> None:
    for collection in ("books", "people", "shops"):
        for entry in everything(library, collection):
            named = {meant(library, text, targets) for _, text, targets in raw_references(entry)} - {None}
            assert set(values(library, entry, "references")) == {f"{one[0]}/{one[1]}" for one in named if one}


QUESTIONS: Sequence[Mapping[str, Any]] = [
    {"referenced_by": ["books/a"]},
    {"referenced_by": {"exists": ["false"]}},
    {"referenced_by": {"books": ["a"]}},
    {"referenced_by": {"books": {"tags": ["x"]}}},
    {"referenced_by": {"books:author": {"price": {"gte": ["0.2"]}}}},
    {"referenced_by.books.price": {"between": ["0,1"]}},
    {"referenced_by": {"count": {"gte": ["2"]}}},
    {"referenced_by": {"shops": {"count": ["1"]}}},
    {"referenced_by.books.about.referenced_by.count": {"gt": ["3"]}},
    {"referenced_by": {"people:friend": {"name": {"starts": ["K"]}}}},
    {"references": ["people/a"]},
]


@pytest.mark.parametrize("tree", QUESTIONS, ids=str)
def test_a_filter_through_them_finds_what_a_plain_look_finds(library: Catalog, tree: Mapping[str, Any]) -> None:
    people = library.model.collections["people"]
    where = FilterReader(library.model, people).read(tree)
    assert where is not None
    for sort in ("slug", "-referenced_by.count,name", "referenced_by.books.title"):
        spec = read_sort(library.model, people, sort)
        query = Query(collection=people, chain=EVERY_LOCALE, sort=spec)
        every = find_entries(library, query)
        left = find_entries(library, Query(collection=people, chain=EVERY_LOCALE, sort=spec, where=where))
        opposite = FilterReader(library.model, people).read({"not": {"0": tree}})
        others = find_entries(library, Query(collection=people, chain=EVERY_LOCALE, sort=spec, where=opposite))
        assert [entry for entry in every if entry in left] == left
        assert sorted(entry.id for entry in left + others) == sorted(entry.id for entry in every)


def test_a_filter_by_name_is_the_reverse_of_the_reference(library: Catalog) -> None:
    for person in everything(library, "people"):
        tree = {"references": [f"people/{person.slug}"]}
        where = FilterReader(library.model, library.model.collections["books"]).read(tree)
        query = Query(collection=library.model.collections["books"], chain=(person.locale, *library.default_chain))
        found = find_entries(library, Query(collection=query.collection, chain=query.chain, where=where))
        assert sorted(entry.id for entry in found) == sorted(entry.id for entry in referrers(library, person, "books"))


def test_facets_count_what_refers_and_call_it_by_its_title(library: Catalog) -> None:
    people = library.model.collections["people"]
    facets = tuple(
        read_facet(library.model, people, name) for name in ("referenced_by.books", "referenced_by.books.tags")
    )
    query = Query(collection=people, chain=library.default_chain, facets=facets, facet_limit=1000)
    result = run_query(library, query)
    counted = {item.value: (item.count, item.label) for item in result.facets["referenced_by.books"]}
    expected: dict[str, tuple[int, str | None]] = {}
    for person in result.entries:
        for book in referrers(library, person, "books"):
            shown = library.find("books", book.slug, library.default_chain)
            assert shown is not None
            expected[book.slug] = (expected.get(book.slug, (0, None))[0] + 1, shown.parsed.title)
    assert counted == expected


def test_what_is_kept_follows_every_change(tmp_path: Path) -> None:
    repo = Repo.create(tmp_path / "site.git")
    chance = random.Random(5)
    catalog = open_library(tmp_path / "first", repo, repo.commit(write_library(5)))
    people = catalog.model.collections["people"]
    spec = read_sort(catalog.model, people, "-referenced_by.count,referenced_by.shops.title")
    path = resolve_path(catalog.model, people, "referenced_by.books")
    for number in range(8):
        catalog.order("people", EVERY_LOCALE, spec)
        catalog.posting("people", EVERY_LOCALE, spec, path)
        name = chance.choice(["books/a", "books/b.en", "people/a", "people/b", "books/new", "shops/s1"])
        text = write_book(chance) if name.startswith("books/") else f"---\nfriend: {chance.choice('abc')}\n---\n"
        files = {f"{name}.md": None if number % 3 == 2 and f"{name}.md" in catalog.snapshot.files else text}
        commit = repo.commit(files)
        catalog = catalog.advance(follow_snapshot(catalog.snapshot, Store.open(repo.path), CommitId(commit)), NOW)
        fresh = open_library(tmp_path / f"fresh{number}", repo, commit)
        for one in (spec, ()):
            kept = [entry.id for entry in catalog.order("people", EVERY_LOCALE, one)]
            assert kept == [entry.id for entry in fresh.order("people", EVERY_LOCALE, one)]
        postings = [found.posting("people", EVERY_LOCALE, spec, path) for found in (catalog, fresh)]
        shown = [{key: [entry.id for entry in entries] for key, entries in found.items()} for found in postings]
        assert shown[0] == shown[1]


@pytest.mark.parametrize(
    ("collection", "text", "hint"),
    [
        ("people", "referenced_by.boks", "books"),
        ("people", "referenced_by.books:autor", "author"),
        ("people", "referenced_by.books.titel", "title"),
        ("people", "referenced_bye", "referenced_by"),
        ("books", "referenced_by.peple", None),
        ("shops", "referenced_by", None),
        ("people", "references.name", None),
        ("people", "referenced_by.people.referenced_by.people.referenced_by.people.referenced_by.people", None),
    ],
)
def test_a_wrong_path_is_refused_with_what_there_is(
    library: Catalog, collection: str, text: str, hint: str | None
) -> None:
    with pytest.raises(InvalidQuery) as caught:
        resolve_path(library.model, library.model.collections[collection], text)
    assert caught.value.facts.get("nearest") == hint
