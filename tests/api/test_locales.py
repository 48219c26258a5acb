"""Which locale an entry is shown in, and what is said of the others."""

import pytest

from tests.api.tools import Client


@pytest.mark.parametrize(
    ("query", "locale"),
    [
        ("", "nb"),
        ("?locale=nn", "nn"),
        ("?locale=en", "en"),
        ("?locale=nn&fallback=nb", "nn"),
        ("?fallback=en", "nb"),
    ],
)
def test_an_entry_is_shown_in_the_locale_asked_for(blog: Client, query: str, locale: str) -> None:
    assert blog.data(f"/entries/posts/three{query}")["locale"] == locale


def test_without_a_locale_an_entry_is_shown_in_what_there_is(blog: Client) -> None:
    assert blog.data("/entries/posts/english")["locale"] == "en"


@pytest.mark.parametrize(("query", "status"), [("locale=nb", 404), ("locale=nb&fallback=nn", 404), ("locale=nb&fallback=nn,en", 200)])  # fmt: skip
def test_only_the_locales_named_are_tried_in_their_order(blog: Client, query: str, status: int) -> None:
    assert blog.ask(f"/entries/posts/english?{query}").status_code == status


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "three@nb english@en"),
        ("locale=nn", "three@nn"),
        ("locale=en", "three@en english@en"),
        ("locale=nn&fallback=en", "three@nn english@en"),
        ("locale=*", "three@en three@nb three@nn english@en"),
    ],
)
def test_a_list_has_one_entry_for_each_slug_or_with_a_star_each_locale(blog: Client, query: str, found: str) -> None:
    entries = blog.data(f"/entries/posts?filter[date][lt]=2018&{query}")
    assert [f"{entry['slug']}@{entry['locale']}" for entry in entries] == found.split()


def test_an_entry_lists_its_translations(blog: Client) -> None:
    body = blog.ask("/entries/posts/three?locale=nn").json()
    assert body["data"]["translations"] == [
        {"id": "posts/three@en", "locale": "en", "slug": "three"},
        {"id": "posts/three@nb", "locale": "nb", "slug": "three"},
    ]
    assert blog.data(body["links"]["translation:en"])["title"] == "Three languages"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=fisk", ["three"]),
        ("q=fisk&locale=nn", ["three"]),
        ("q=fishing&locale=en", ["three"]),
        ("q=fishing&locale=nb", []),
        ("q=fisk&collection=people", []),
        ("q=fisk&filter[date]=2016", []),
    ],
)
def test_a_search_finds_what_the_locale_shows(blog: Client, query: str, found: list[str]) -> None:
    assert [entry["slug"] for entry in blog.data(f"/search?{query}")] == found


def test_a_hit_shows_where_its_words_were_found(blog: Client) -> None:
    hit = blog.data("/search?q=fisk")[0]
    assert hit["score"] > 0
    assert any("<mark>fisk</mark>" in item["html"] for item in hit["highlights"])
    assert "highlights" not in blog.data("/search?q=fisk&highlight=false")[0]
    assert "highlights" not in blog.data("/entries/posts?search=fisk")[0]
    assert "highlights" in blog.data("/entries/posts?search=fisk&highlight=true")[0]
    assert blog.meta("/search?q=fisk&facet=category")["query"] == "fisk"


def test_each_field_is_highlighted_once_under_the_name_it_has_in_the_entry(demo: Client) -> None:
    fields = [item["field"] for item in demo.data("/search?q=feil&collection=posts")[0]["highlights"]]
    assert sorted(fields) == sorted(set(fields))
    assert "excerpt" in fields
    assert "summary" not in fields
