"""Lists: one envelope, pages that join without gap or repetition, order, shape and facets."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.tools import Client

LISTS = (
    *("/entries/posts", "/entries/people", "/entries/posts?limit=0", "/entries/posts?page=50", "/entries/posts?offset=3"),
    *("/entries/posts?search=fisk", "/search?q=fisk", "/search?q=nothingatall", "/entries/posts?facet=tags&limit=2"),
)  # fmt: skip
EVERY_SLUG = ["apple", "bread", "chess", "darts", "empty", "english", "three"]


def pages(client: Client, path: str, relation: str = "next") -> Iterator[list[Any]]:
    """The data of every page, along the links of *relation*."""
    following: str | None = path
    while following is not None:
        answer = client.ask(following).json()
        yield answer["data"]
        following = answer["links"].get(relation)


@pytest.mark.parametrize("path", LISTS)
def test_every_list_has_the_same_envelope(blog: Client, path: str) -> None:
    body = blog.ask(path).json()
    assert body.keys() == {"data", "meta", "links"}
    assert body["meta"].keys() >= {"total", "limit", "commit", "view"}
    assert ("offset" in body["meta"]) is ("offset" in path)
    assert ("page" in body["meta"]) is ("offset" not in path)
    assert body["meta"]["view"] == "main"
    assert "self" in body["links"]
    assert len(body["data"]) <= body["meta"]["limit"]


@pytest.mark.parametrize(
    "query", ["limit=2", "limit=3&page=1", "limit=2&offset=0", "limit=1&sort=-title", "per_page=2"]
)
def test_the_links_lead_through_every_page_without_gap_or_repetition(blog: Client, query: str) -> None:
    path = f"/entries/posts?{query}"
    found = [entry["slug"] for page in pages(blog, path) for entry in page]
    assert found == blog.slugs(
        query.replace("limit=", "x=").partition("&")[2].replace("page=1", "").replace("offset=0", "")
    )
    assert sorted(found) == EVERY_SLUG
    last = blog.ask(path).json()["links"]["last"]
    back = [entry["slug"] for page in reversed(list(pages(blog, last, "prev"))) for entry in page]
    assert back == found


def test_the_link_header_says_what_the_body_says(blog: Client) -> None:
    answer = blog.ask("/entries/posts?limit=2&page=2")
    links = answer.json()["links"]
    assert set(links) == {"self", "first", "prev", "next", "last"}
    assert answer.headers["link"] == ", ".join(f'<{links[name]}>; rel="{name}"' for name in links if name != "self")
    assert blog.ask(links["self"]).json()["data"] == answer.json()["data"]


def test_a_page_behind_the_last_is_empty_and_leads_back_to_it(blog: Client) -> None:
    body = blog.ask("/entries/posts?limit=3&page=50").json()
    assert (body["data"], body["meta"]["total"], body["meta"]["pages"]) == ([], 7, 3)
    assert body["links"]["prev"] == body["links"]["last"]
    assert "next" not in body["links"]


@pytest.mark.parametrize(("name", "alias"), [("limit=2", "per_page=2"), ("limit=2", "pageSize=2"), ("offset=2", "skip=2"), ("sort=-slug", "order=-slug"), ("fields=slug", "select=slug"), ("include=author", "populate=author"), ("format=text", "formats=text"), ("search=fisk", "q=fisk"), ("filter[stars]=5", "filters[stars]=5")])  # fmt: skip
def test_a_well_known_spelling_means_the_documented_one(blog: Client, name: str, alias: str) -> None:
    assert blog.data(f"/entries/posts?{name}") == blog.data(f"/entries/posts?{alias}")


@pytest.mark.parametrize(
    ("sort", "slugs"),
    [
        ("", "darts bread apple chess three english empty"),
        ("title", "apple bread chess darts empty english three"),
        ("-title", "three english empty darts chess bread apple"),
        ("stars", "darts bread chess apple empty english three"),
        ("-stars", "apple chess bread darts empty english three"),
        ("category,-stars", "apple bread chess darts empty english three"),
        ("author.name,-date", "apple bread chess darts three english empty"),
        ("featured,slug", "bread apple chess darts empty english three"),
        ("image.alt", "apple bread chess darts empty english three"),
        ("-slug,slug", "three english empty darts chess bread apple"),
    ],
)
def test_a_list_is_sorted_and_what_has_no_value_comes_last(blog: Client, sort: str, slugs: str) -> None:
    assert blog.slugs(f"sort={sort}") == slugs.split()


def test_letters_sort_as_norwegian_readers_expect(demo: Client) -> None:
    names = [entry["name"] for entry in demo.data("/entries/municipalities?sort=name&fields=name")]
    assert names.index("Ålesund") == len(names) - 1


def test_facets_count_values_and_name_what_they_reference(blog: Client) -> None:
    facets = blog.meta("/entries/posts?facet=category,author,date.year&limit=0")["facets"]
    assert facets["category"] == [{"value": "food", "count": 2}, {"value": "games", "count": 2}]
    assert facets["author"][0] == {"value": "ola", "label": "Ola Nordmann", "count": 2}
    assert [item["value"] for item in facets["date.year"]] == ["2020", "2019", "2018", "2017", "2016"]
    assert facets["date.year"][1]["count"] == 2


def test_a_filter_narrows_every_facet_but_its_own(blog: Client) -> None:
    facets = blog.meta("/entries/posts?filter[category]=food&facet=category,tags")["facets"]
    assert [item["value"] for item in facets["category"]] == ["food", "games"]
    assert {item["value"] for item in facets["tags"]} == {"sweet", "fruit", "salt"}


def test_facets_may_be_cut(blog: Client) -> None:
    assert len(blog.meta("/entries/posts?facet=tags&facet.limit=2")["facets"]["tags"]) == 2


def test_facets_of_months_and_days_count_in_the_sites_time_zone(blog: Client) -> None:
    facets = blog.meta("/entries/posts?facet=seen.month,seen.day")["facets"]
    assert [item["value"] for item in facets["seen.month"]] == ["2019-02", "2019-01", "2018-12"]
    assert facets["seen.day"][2]["value"] == "2018-12-31"


def test_fields_choose_what_is_shown_and_leave_out_what_is_not_there(blog: Client) -> None:
    shown = blog.data("/entries/posts?fields=slug,stars,author.name,image.alt&sort=slug")
    assert shown[0] == {"slug": "apple", "stars": 5, "author": {"name": "Kari Nordmann"}, "image": {"alt": "An apple"}}
    assert shown[3] == {"slug": "darts", "stars": -1}


def test_fields_with_a_minus_leave_out(blog: Client) -> None:
    whole, less = blog.data("/entries/posts/apple"), blog.data("/entries/posts/apple?fields=-body,-tags")
    assert whole.keys() - less.keys() == {"body", "tags"}


def test_a_reference_is_a_key_or_the_whole_entry_or_null(blog: Client) -> None:
    key = {"id": "people/kari@nb", "collection": "people", "slug": "kari"}
    assert blog.data("/entries/posts/apple")["author"] == key
    assert blog.data("/entries/posts/apple?include=author")["author"]["name"] == "Kari Nordmann"
    assert blog.data("/entries/posts/bread?include=author.boss")["author"]["boss"]["name"] == "Kari Nordmann"
    assert blog.data("/entries/posts/bread?depth=1")["author"]["boss"] == key
    assert blog.data("/entries/posts/bread?depth=2")["author"]["boss"]["name"] == "Kari Nordmann"


def test_names_behind_a_reference_need_to_be_known_in_one_of_its_collections(blog: Client) -> None:
    shown = blog.data("/entries/posts/apple?fields=related.name,related.title")["related"]
    assert shown == [{"title": "Bread of the day"}, {"name": "Ola Nordmann"}]


def test_assets_are_paths_on_the_server(blog: Client) -> None:
    url = blog.data("/entries/posts/apple")["image"]["url"]
    assert url == "/api/v1/assets/images/apple.png"
    answer = blog.ask(url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "<p>En <em>liten</em> tekst om fisk.</p>"),
        ("?format=markdown", "En *liten* tekst om fisk."),
        ("?format=text", "En liten tekst om fisk."),
    ],
)
def test_a_body_comes_in_the_format_asked_for(blog: Client, query: str, expected: str) -> None:
    assert expected in blog.data(f"/entries/posts/three{query}")["body"]


def test_several_formats_come_by_name_and_headings_beside_them(blog: Client) -> None:
    shown = blog.data("/entries/posts/three?format=html,text,toc")
    assert shown["body"].keys() == {"html", "text"}
    assert shown["toc"] == [{"level": 1, "id": "overskrift", "text": "Overskrift"}]
    assert "body" not in blog.data("/entries/posts/three?format=toc")


def test_lists_have_no_bodies_unless_asked(blog: Client) -> None:
    assert all("body" not in entry for entry in blog.data("/entries/posts"))
    assert "fisk" in blog.data("/entries/posts?format=text&filter[slug]=three")[0]["body"]
    assert "fisk" in blog.data("/entries/posts?fields=body&filter[slug]=three")[0]["body"]


def test_a_body_gives_an_excerpt_and_its_length(blog: Client) -> None:
    shown = blog.data("/entries/posts/three")
    assert "En liten tekst" in shown["excerpt"]
    assert (shown["word_count"], shown["reading_minutes"]) == (6, 1)
    assert "excerpt" not in blog.data("/entries/people/kari")


def test_a_slug_written_with_a_slash_behind_leads_to_the_entry(blog: Client) -> None:
    answer = blog.ask("/entries/posts/apple/?fields=slug")
    assert (answer.status_code, answer.headers["location"]) == (308, "/api/v1/entries/posts/apple?fields=slug")
    assert blog.ask("/entries/posts/").headers["location"] == "/api/v1/entries/posts"


def test_an_alias_leads_to_the_entry_with_the_same_query(blog: Client) -> None:
    answer = blog.ask("/entries/posts/pie?fields=slug")
    assert (answer.status_code, answer.headers["location"]) == (308, "/api/v1/entries/posts/apple?fields=slug")


def test_the_site_and_its_collections_are_described(blog: Client) -> None:
    site = blog.ask("/").json()
    assert site["data"]["locales"] == ["nb", "nn", "en"]
    assert [item["count"] for item in site["data"]["collections"]] == [2, 9]
    assert blog.meta("/collections")["total"] == 2
    posts = blog.data("/collections/posts")
    assert {item["name"]: item["type"] for item in posts["fields"]}["tags"] == "array"
    assert posts["locales"] == ["en", "nb", "nn"]


def test_links_carry_what_was_sent_in_ascii_and_cannot_break_their_header(blog: Client) -> None:
    answer = blog.ask('/entries/posts?limit=1&filter[title][ne]=a>;rel="next"ø')
    assert answer.headers["link"].count('; rel="') == len(answer.json()["links"]) - 1
    assert blog.ask(answer.json()["links"]["next"]).json()["meta"]["page"] == 2


@pytest.mark.parametrize("spelling", ["p%61ge=2", "page[]=2"])
def test_a_page_in_another_spelling_is_the_same_page(demo: Client, spelling: str) -> None:
    demo.slugs("limit=3&sort=slug", "cases")
    second = demo.slugs("limit=3&sort=slug&page=2", "cases")
    assert demo.slugs(f"limit=3&sort=slug&{spelling}", "cases") == second
