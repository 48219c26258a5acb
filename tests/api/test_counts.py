"""Aggregates, groups, ranges, what is listed once and references backwards, as lists answer them."""

import pytest

from tests.api.conftest import Serve
from tests.api.tools import MODEL, Client
from tests.repo import Repo


def test_aggregates_are_told_beside_the_entries(blog: Client) -> None:
    meta = blog.meta("/entries/posts?limit=0&aggregate[count]=*,author&aggregate[min]=stars,date&aggregate[avg]=weight")
    assert meta["aggregate"] == {
        "count": {"*": 7, "author": 3},
        "min": {"stars": -1, "date": "2016-01-01"},
        "avg": {"weight": 22 / 3},
    }


def test_aggregates_are_of_what_fits_and_not_of_the_page(blog: Client) -> None:
    for query in ("limit=1", "limit=1&page=2", "offset=3", ""):
        meta = blog.meta(f"/entries/posts?filter[category]=food&aggregate[sum]=stars&{query}")
        assert meta["aggregate"] == {"sum": {"stars": 8}}


def test_of_nothing_there_is_no_least(blog: Client) -> None:
    query = "filter[title]=x&aggregate[count]=*&aggregate[min]=stars&aggregate[sum]=stars&aggregate[avg]=stars"
    told = blog.meta(f"/entries/posts?{query}&group_by=category")
    assert told["aggregate"] == {"count": {"*": 0}, "min": {"stars": None}, "sum": {"stars": 0}, "avg": {"stars": None}}
    assert (told["groups"], told["groups_total"]) == ([], 0)


def test_groups_have_labels_and_those_without_a_value_one_of_their_own(blog: Client) -> None:
    meta = blog.meta("/entries/posts?limit=0&group_by=author&aggregate[max]=stars")
    assert meta["groups"] == [
        {"values": {"author": None}, "count": 4, "aggregate": {"max": {"stars": -1}}},
        {"values": {"author": "ola"}, "labels": {"author": "Ola Nordmann"}, "count": 2, "aggregate": {"max": {"stars": 4}}},
        {"values": {"author": "kari"}, "labels": {"author": "Kari Nordmann"}, "count": 1, "aggregate": {"max": {"stars": 5}}},
    ]  # fmt: skip


def test_groups_of_several_fields_and_of_ranges(blog: Client) -> None:
    meta = blog.meta("/entries/posts?limit=0&groupBy[]=category&groupBy[]=stars.2&group.limit=2")
    assert [(group["values"]["category"], group["values"]["stars.2"]) for group in meta["groups"]] == [
        ("games", "-2..0"),
        ("food", "2..4"),
    ]
    assert meta["groups_total"] == 5
    assert "aggregate" not in {*meta, *meta["groups"][0]}


def test_numbers_are_counted_by_ranges(blog: Client) -> None:
    facets = blog.meta("/entries/posts?limit=0&facet=weight.0.5..10,stars.3")["facets"]
    assert facets["weight.0.5..10"] == [
        {"value": "0.5..10", "label": "0.5–10", "from": 0.5, "to": 10, "count": 2},
        {"value": "10..", "label": "≥ 10", "from": 10, "count": 1},
    ]
    assert [(item["from"], item["to"], item["count"]) for item in facets["stars.3"]] == [(-3, 0, 1), (3, 6, 3)]


def test_the_entries_of_a_range_are_found_by_its_ends_and_its_own_filter_leaves_the_others(blog: Client) -> None:
    query = "facet=stars.3&filter[stars][gte]=3&filter[stars][lt]=6"
    meta = blog.meta(f"/entries/posts?{query}")
    assert meta["total"] == 3
    assert [item["count"] for item in meta["facets"]["stars.3"]] == [1, 3]


def test_moments_are_counted_as_moments(blog: Client) -> None:
    values = [item["value"] for item in blog.meta("/entries/posts?facet=seen&limit=0")["facets"]["seen"]]
    assert sorted(values) == ["2018-12-31T23:30:00+01:00", "2019-01-05T10:00:00+01:00", "2019-02-10T09:30:00+01:00"]


def test_of_each_value_the_first_is_listed_and_pages_go_on_from_there(blog: Client) -> None:
    assert blog.slugs("distinct=category&sort=slug") == ["apple", "chess", "empty", "english", "three"]
    assert blog.slugs("distinct=category&sort=-slug&limit=2&page=2") == ["empty", "darts"]
    assert blog.slugs("distinct=published_at.year&sort=-date&filter[date][exists]=true") == ["darts", "bread", "chess", "three", "english"]  # fmt: skip
    meta = blog.meta("/entries/posts?distinct=category&facet=category&aggregate[count]=*")
    assert meta["total"] == 5
    assert meta["aggregate"]["count"]["*"] == 7
    assert [item["count"] for item in meta["facets"]["category"]] == [2, 2]


def test_references_are_followed_backwards(blog: Client) -> None:
    assert blog.slugs("filter[referenced_by.posts.category]=games", "people") == ["ola"]
    assert blog.slugs("filter[referenced_by][posts:related][exists]=true", "people") == ["ola"]
    assert blog.slugs("filter[referenced_by.people]=ola", "people") == ["kari"]
    assert blog.slugs("sort=-referenced_by.posts.count,slug", "people") == ["ola", "kari"]
    assert blog.slugs("filter[referenced_by][count]=0") == ["darts", "apple", "chess", "three", "english", "empty"]
    assert blog.slugs("filter[references]=people/ola&sort=slug") == ["apple", "bread", "chess"]


def test_filters_facets_and_orders_go_through_references(blog: Client) -> None:
    assert blog.slugs("filter[author.boss.name]=Kari Nordmann&sort=slug") == ["bread", "chess"]
    facets = blog.meta("/entries/posts?facet=author.name,author.boss,related.slug&limit=0")["facets"]
    assert facets["author.name"][0] == {"value": "Ola Nordmann", "count": 2}
    assert facets["author.boss"] == [{"value": "kari", "label": "Kari Nordmann", "count": 2}]
    assert blog.slugs("sort=-author.name,slug&limit=3") == ["bread", "chess", "apple"]


@pytest.mark.parametrize(
    ("query", "parameter", "nearest"),
    [
        ("aggregate=stars", "aggregate", None),
        ("aggregate[mean]=stars", "aggregate[mean]", None),
        ("aggregate[mni]=stars", "aggregate[mni]", "min"),
        ("aggregate[sum]=title", "aggregate[sum]", None),
        ("aggregate[min]=strs", "aggregate[min]", "stars"),
        ("aggregat[min]=stars", "aggregat[min]", "aggregate"),
        ("group_by=catgory", "group_by", "category"),
        ("group_by=title,stars,date,weight", "group_by", None),
        ("group.limit=0", "group.limit", None),
        ("distinct=image", "distinct", None),
        ("distinct=a&distinct=b", "distinct", None),
        ("facet=weight.0", "facet", None),
        ("facet=date.yar", "facet", "year"),
        ("filter[referenced_by.post]=x", "filter[referenced_by.post]", "posts"),
        ("groupby=title", "groupby", "group_by"),
    ],
)
def test_what_is_wrong_is_named(blog: Client, query: str, parameter: str, nearest: str | None) -> None:
    problem = blog.problem(f"/entries/posts?{query}")
    assert problem["parameter"] == parameter
    assert problem.get("nearest") == nearest


def test_what_is_hidden_is_not_counted_backwards(blog: Client) -> None:
    assert blog.data("/entries/people?filter[references]=people/nobody") == []
    assert blog.meta("/entries/people?facet=referenced_by.posts.title&limit=0")["total"] == 2


def test_searches_count_sum_and_thin_out_all_that_they_find(blog: Client) -> None:
    found = blog.data("/search?q=words")
    meta = blog.meta("/search?q=words&limit=1&aggregate[count]=*,stars&aggregate[max]=stars&group_by=category")
    assert meta["total"] == len(found) == meta["aggregate"]["count"]["*"]
    assert meta["aggregate"]["max"] == {"stars": max(entry.get("stars", -9) for entry in found)}
    assert sum(group["count"] for group in meta["groups"]) == len(found)
    listed = blog.ask("/search?q=words&distinct=category").json()
    first: dict[str, str] = {}
    for entry in found:
        first.setdefault(entry.get("category") or entry["id"], entry["id"])
    assert [entry["id"] for entry in listed["data"]] == list(first.values())
    assert listed["meta"]["total"] == len(first)


def test_a_search_by_an_order_is_thinned_out_in_that_order(blog: Client) -> None:
    query = "search=words&distinct=category&sort=-slug"
    assert blog.slugs(query) == ["english", "darts", "bread"]
    assert blog.slugs(f"{query}&limit=1&page=2") == ["darts"]


def test_a_field_of_one_collection_counts_in_a_search_of_several(blog: Client) -> None:
    groups = blog.meta("/search?q=nordmann OR words&group_by=stars.10&limit=0")["groups"]
    assert {group["values"]["stars.10"] for group in groups} >= {None, "0..10"}
    assert blog.problem("/search?q=words&group_by=weigt")["nearest"] == "weight"


def test_what_refers_to_an_entry_is_listed_in_it(blog: Client) -> None:
    ola = blog.data("/entries/people/ola?include=referenced_by")
    assert [entry["slug"] for entry in ola["referenced_by"]] == ["apple", "bread", "chess"]
    assert ola["referenced_by"][1]["title"] == "Bread of the day"
    assert "body" not in ola["referenced_by"][1]
    keys = blog.data("/entries/people/ola?fields=slug,referenced_by")["referenced_by"]
    assert keys[0] == {"id": "posts/apple@nb", "collection": "posts", "slug": "apple"}
    titles = blog.data("/entries/people?fields=slug,referenced_by.title,referenced_by.author.name&sort=slug")
    assert titles[0]["referenced_by"] == [
        {},
        {"title": "Apple pie", "author": {"name": "Kari Nordmann"}},
    ]
    assert "referenced_by" not in blog.data("/entries/people/ola?depth=1")


def test_what_refers_is_followed_on_and_wrong_names_are_refused(blog: Client) -> None:
    kari = blog.data("/entries/people/kari?include=referenced_by.related")["referenced_by"]
    assert [entry["id"] for entry in kari] == ["people/ola@nb", "posts/apple@nb"]
    assert kari[1]["related"][0]["title"] == "Bread of the day"
    assert blog.problem("/entries/people?include=referenced_bye")["nearest"] == "referenced_by"
    assert blog.problem("/entries/people?include=referenced_by.relatet")["nearest"] == "related"


def test_what_depends_on_what_refers_says_so_to_caches(blog: Client) -> None:
    for path in (
        "/entries/people/ola?include=referenced_by",
        "/entries/people?fields=referenced_by",
        "/entries/people?sort=-referenced_by.count",
        "/entries/people?filter[referenced_by.posts.stars][gt]=3",
        "/entries/people?aggregate[max]=referenced_by.posts.date",
        "/entries/people?group_by=referenced_by.posts.category",
        "/entries/people?distinct=referenced_by.posts",
    ):
        keys = blog.ask(path).headers["surrogate-key"].split()
        assert {"c-posts", "site"} & set(keys), path
    assert "c-posts" not in blog.ask("/entries/people?sort=name").headers["surrogate-key"].split()


SIZES = """
type: object
x-path: shirts/{slug}.md
properties:
  size:
    x-label: {nb: Størrelse, en: Size}
    oneOf:
      - {const: s, x-label: {nb: Liten, en: Small}}
      - {const: l, title: Large}
      - {const: xl}
  year: {type: integer, x-label: {en: Year}, anyOf: [{const: 1, title: First}, {const: 2, title: Second}]}
"""


def test_values_are_called_as_the_schema_says(serve: Serve, repo: Repo) -> None:
    shirts = {
        f"shirts/{number}.md": f"---\nsize: {size}\nyear: 1\n---\n"
        for number, size in enumerate(["s", "s", "s", "l", "l", "xl"])
    }
    repo.commit({"cms.toml": MODEL["cms.toml"], "schemas/shirts.yaml": SIZES, **shirts})
    client = serve()
    told = client.meta("/entries/shirts?facet=size,year&group_by=size&limit=0")
    assert [item.get("label") for item in told["facets"]["size"]] == ["Liten", "Large", None]
    assert told["facets"]["year"] == [{"value": 1, "label": "First", "count": 6}]
    assert told["groups"][0] == {"values": {"size": "s"}, "labels": {"size": "Liten"}, "count": 3}
    english = client.meta("/entries/shirts?facet=size&limit=0&locale=en&fallback=nb")
    assert english["facets"]["size"][0]["label"] == "Small"
    fields = {field["name"]: field for field in client.data("/collections/shirts")["fields"]}
    assert fields["size"]["label"] == {"nb": "Størrelse", "en": "Size"}
    assert fields["size"]["choices"] == ["s", "l", "xl"]
