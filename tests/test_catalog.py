"""The catalog: what is visible, under which key, and what leads where."""

from pathlib import Path

import pytest

from cms.bodies import Bodies
from cms.cache import DerivedCache
from cms.catalog import EVERY_LOCALE, Catalog, LocaleChain
from cms.entry import Entry
from cms.fieldpath import collate
from cms.model import read_model
from cms.present import Presenter
from cms.query import read_sort
from cms.refs import CommitId
from cms.searchtexts import search_document
from cms.snapshot import build_snapshot
from cms.store import Store
from tests.repo import FIRST_COMMIT_AT, Repo

NOW = FIRST_COMMIT_AT.timestamp() + 3600
CMS = '[site]\nlocales = ["nb", "nn", "en"]\ntime_zone = "Europe/Oslo"\n'
POSTS = """type: object
x-path: ["posts/**/{slug}.md", "news/{date}-{slug}.md"]
x-date: day
x-url: /{locale}/{year}/{month}/{day}/{slug}
properties:
  title: {type: string}
  day: {type: string, format: date}
  status: {type: string, x-search: {boost: 2}}
  author: {type: string, x-reference: authors}
  any: {type: string, x-reference: [posts, authors]}
  odd: {type: array}
  when: {anyOf: [{type: string}, {type: array, items: {type: string, format: date-time}}]}
"""
AUTHORS = "type: object\nx-path: authors/{slug}.md\nx-title: name\nx-url: https://x.no/{slug}\nproperties: {name: {type: string}}\n"
MODEL = {"cms.toml": CMS, "schemas/posts.yaml": POSTS, "schemas/authors.yaml": AUTHORS}


class Views:
    """Makes catalogs of a repository that is written inline."""

    def __init__(self, repo: Repo, folder: Path) -> None:
        self.repo = repo
        self.cache = DerivedCache(folder)

    def __call__(self, files: dict[str, str], now: float = NOW) -> Catalog:
        """The catalog of *files*, each given as front matter."""
        texts = {path: f"---\n{text}\n---\nText.\n" for path, text in files.items()}
        commit = CommitId(self.repo.commit({**MODEL, **texts}))
        store = Store.open(self.repo.path)
        model = read_model(store, commit)
        assert model is not None
        assert model.findings == ()
        return Catalog(build_snapshot(store, commit, model, cache=self.cache), now)


@pytest.fixture
def view(repo: Repo, tmp_path: Path) -> Views:
    """Makes catalogs."""
    return Views(repo, tmp_path / "cache")


def ids(entries: list[Entry]) -> list[str]:
    """What entries they are."""
    return [entry.id for entry in entries]


VARIANTS = {
    "posts/a.md": "title: a",
    "posts/a.nn.md": "title: b",
    "posts/a.en.md": "title: c",
    "posts/b.en.md": "title: d",
}


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        (("nb", "nn", "en", ""), ["posts/a@nb", "posts/b@en"]),
        (("nn", ""), ["posts/a@nn", "posts/b@en"]),
        (("nn",), ["posts/a@nn"]),
        (("nn", "en"), ["posts/a@nn", "posts/b@en"]),
        (("de",), []),
        (("",), ["posts/a@en", "posts/b@en"]),
        (EVERY_LOCALE, ["posts/a@en", "posts/a@nb", "posts/a@nn", "posts/b@en"]),
    ],
)
def test_a_chain_of_locales_picks_one_entry_for_each_slug(view: Views, chain: LocaleChain, expected: list[str]) -> None:
    assert sorted(ids(view(VARIANTS).order("posts", chain, ()))) == expected


def test_translations_are_the_other_locales_of_the_same_slug(view: Views) -> None:
    catalog = view(VARIANTS)
    entry = catalog.find("posts", "a", ("nn",))
    assert entry is not None
    assert ids(catalog.translations(entry)) == ["posts/a@en", "posts/a@nb"]


def test_of_two_files_with_one_key_the_first_by_path_is_served(view: Views) -> None:
    catalog = view({"posts/z.md": "slug: a", "posts/b.md": "slug: a"})
    found = catalog.find("posts", "a", ("nb",))
    assert found is not None
    assert found.path == "posts/b.md"
    assert ids(catalog.order("posts", EVERY_LOCALE, ())) == ["posts/a@nb"]
    assert catalog.translations(found) == []


def test_a_slug_in_the_front_matter_keeps_the_folder(view: Views) -> None:
    catalog = view({"posts/x/y.md": "slug: z", "posts/x/w.md": "slug: q/r", "posts/p.md": "slug: n"})
    assert sorted(catalog.shelves["posts"].slugs) == ["n", "q/r", "x/z"]


@pytest.mark.parametrize(
    ("value", "locale", "expected"),
    [
        ("kari", "nb", "authors/kari@nb"),
        ("kari", "en", "authors/kari@en"),
        ("kari", "nn", "authors/kari@nb"),
        ("authors/kari", "nb", "authors/kari@nb"),
        ("a", "nb", "posts/a@nb"),
        ("posts/a", "nb", "posts/posts/a@nb"),
        ("authors/a", "nb", "authors/a@nb"),
        ("2019", "nb", "posts/2019@nb"),
        (2019, "nb", "posts/2019@nb"),
        ("nobody", "nb", None),
        ("hidden", "nb", None),
        ("", "nb", None),
        (None, "nb", None),
        (["a"], "nb", None),
    ],
)
def test_a_reference_is_resolved_among_what_is_visible(
    view: Views, value: object, locale: str, expected: str | None
) -> None:
    files = ("authors/kari.md", "authors/kari.en.md", "posts/a.md", "authors/a.md", "posts/posts/a.md", "posts/2019.md")
    catalog = view({**dict.fromkeys(files, "title: x"), "authors/hidden.md": "draft: true"})
    found = catalog.find_reference(value, ("posts", "authors"), locale)
    assert (found and found.id) == expected


def test_a_reference_that_changes_its_meaning_is_shown_anew(view: Views) -> None:
    before = view({"posts/p.md": "any: posts/a", "posts/a.md": "title: a"})
    bodies = Bodies(Store.open(view.repo.path), view.cache)
    entry = before.snapshot.files["posts/p.md"]
    assert b'"slug":"a"' in Presenter(before, bodies).fragment(entry)
    assert entry.path in before.referrers["posts", "posts/a"]
    assert entry.path in before.referrers["posts", "a"]


@pytest.mark.parametrize(
    ("path", "text", "url"),
    [
        ("posts/a.md", "day: 2024-01-05", "/nb/2024/01/05/a"),
        ("posts/x/a.nn.md", "day: 2024-01-05", "/nn/2024/01/05/x/a"),
        ("news/2023-12-31-a.md", "title: a", "/nb/2023/12/31/a"),
        ("posts/a.md", "title: a", None),
        ("posts/a.md", "url: /here", "/here"),
        ("posts/a.md", "permalink: https://example.org/x", "https://example.org/x"),
        ("posts/a.md", "permalink: /:year/:title", None),
        ("authors/a.md", "name: x", "https://x.no/a"),
    ],
)
def test_where_an_entry_is_shown(view: Views, path: str, text: str, url: str | None) -> None:
    catalog = view({path: text})
    assert catalog.url_of(catalog.snapshot.files[path]) == url


def test_an_alias_leads_to_a_visible_entry(view: Views) -> None:
    catalog = view(
        {
            "posts/a.md": "aliases: [old, /older/]",
            "posts/b.md": "draft: true\naliases: [gone]",
            "posts/c.md": "aliases: old",
            "posts/d.md": "redirect_from: /2017/d.html",
            "posts/e.md": "redirect_from: [/e/, 17]\naliases: once",
        }
    )
    names = ("old", "/old/", "older", "gone", "a", "2017/d.html", "e", "17", "once")
    assert [catalog.find_alias("posts", name) for name in names] == ["a", "a", "a", None, None, "d", "e", "e", "e"]


def test_moments_bound_how_long_a_catalog_holds(view: Views) -> None:
    soon = "publish_at: 2024-01-01T15:00:00Z\nexpire_at: 2024-01-01T16:00:00Z"
    catalog = view({"posts/a.md": soon, "posts/b.md": "expire_at: 2024-01-01T12:30:00Z"})
    assert catalog.valid_until - NOW == 2 * 3600
    assert catalog.changed_at == NOW - 1800
    assert catalog.shelves["posts"].count == 0
    later = catalog.advance(catalog.snapshot, NOW + 2 * 3600)
    assert (later.valid_until - NOW, later.shelves["posts"].count) == (3 * 3600, 1)
    last = later.advance(later.snapshot, NOW + 10 * 3600)
    assert (last.valid_until, last.shelves["posts"].count) == (float("inf"), 0)


def test_a_hidden_entry_is_nowhere_whatever_its_moments_say(view: Views) -> None:
    catalog = view({"posts/a.md": "draft: true\npublish_at: 2020-01-01", "posts/b.md": "published: false"})
    assert catalog.shelves["posts"].count == 0
    assert set(catalog.snapshot.files) == {"posts/a.md", "posts/b.md"}


def test_missing_values_come_last_in_both_directions(view: Views) -> None:
    catalog = view({"posts/a.md": "title: x", "posts/b.md": "day: 2024-01-01", "posts/c.md": "title: y"})
    for sort, expected in (("title", "acb"), ("-title", "cab"), ("day", "bac"), ("-day", "bac")):
        spec = read_sort(catalog.model, catalog.model.collections["posts"], sort)
        assert "".join(entry.slug for entry in catalog.order("posts", ("nb",), spec)) == expected


def test_odd_values_can_be_sorted_and_never_fail(view: Views) -> None:
    values = ("[1]", "[x]", "[null, 2]", "[[1]]", "[{a: b}]", "[true]", "[]")
    files = {f"posts/p{number}.md": f"odd: {value}" for number, value in enumerate(values)}
    catalog = view({**files, "posts/w.md": "when: soon", "posts/v.md": "when: [2024-01-01]"})
    collection = catalog.model.collections["posts"]
    for sort in ("odd", "-odd", "when", "-when"):
        assert len(catalog.order("posts", ("nb",), read_sort(catalog.model, collection, sort))) == 9


def test_letters_sort_as_norwegian_readers_expect() -> None:
    words = ["Åse", "øl", "Ærlig", "zebra", "Ä", "Ö", "éa", "Eb", "ea", "ab", "Ab"]
    assert sorted(words, key=collate) == ["ab", "Ab", "éa", "ea", "Eb", "zebra", "Ä", "Ærlig", "Ö", "øl", "Åse"]


def test_a_field_with_a_reserved_name_is_searched(view: Views) -> None:
    catalog = view({"posts/a.md": "status: wonderful"})
    entry = catalog.snapshot.files["posts/a.md"]
    document = search_document(entry, catalog.model.collections["posts"], "Text.")
    assert document.fields == {"status": ("wonderful", 2.0), "slug": ("a", 0.5)}
