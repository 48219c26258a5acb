"""Every operator on every kind of field, how conditions are joined, and what is refused."""

import pytest

from tests.api.tools import Client

FOUND = {
    # texts
    "filter[category]=food": "apple bread",
    "filter[category][eq]=food": "apple bread",
    "filter[category][_eq]=food": "apple bread",
    "filter[category][$eq]=food": "apple bread",
    "filters[category][$eq]=food": "apple bread",
    "filter[category]=food&filter[category]=games": "apple bread chess darts",
    "filter[category][eq]=food&filter[category][eq]=games": "apple bread chess darts",
    "filter[category][]=food&filter[category][]=games": "apple bread chess darts",
    "filter[category][0]=food&filter[category][1]=games": "apple bread chess darts",
    "filter[category][in]=food,games": "apple bread chess darts",
    "filter[category][in][]=food&filter[category][in][]=games": "apple bread chess darts",
    "filter[category][ne]=food": "chess darts empty english three",
    "filter[category][nin]=food,games": "empty english three",
    "filter[category][exists]=false": "empty english three",
    "filter[category][exists]=true": "apple bread chess darts",
    "filter[title][contains]=pie": "apple",
    "filter[title][contains]=PIE": "",
    "filter[title][icontains]=PIE": "apple",
    "filter[title][starts]=Bread": "bread",
    "filter[title][ends]=day": "bread",
    "filter[title][lt]=B": "apple",
    "filter[title][between]=B,Chess": "bread chess",
    # numbers
    "filter[stars]=5": "apple",
    "filter[stars][lt]=4": "bread darts",
    "filter[stars][lte]=4": "bread chess darts",
    "filter[stars][gt]=4": "apple",
    "filter[stars][gte]=4": "apple chess",
    "filter[stars][between]=3,4": "bread chess",
    "filter[stars][in]=5,-1": "apple darts",
    "filter[weight][gte]=1.5": "apple darts",
    "filter[weight]=0.5": "bread",
    # true and false
    "filter[featured]=true": "apple",
    "filter[featured]=no": "bread",
    "filter[featured][ne]=true": "bread chess darts empty english three",
    # days
    "filter[date]=2019-01-05": "apple",
    "filter[date]=2019": "apple bread",
    "filter[date][gte]=2019": "apple bread darts",
    "filter[date][gt]=2019": "darts",
    "filter[date][lt]=2019": "chess english three",
    "filter[date][lte]=2019-01": "apple chess english three",
    "filter[date][between]=2018-12,2019-01": "apple chess",
    "filter[date][in]=2016,2020-06": "darts english",
    # moments, in the site's time zone
    "filter[published_at]=2019-02": "bread",
    "filter[published_at][gte]=2019-02-10": "bread darts",
    "filter[published_at][gt]=2019-02-10": "darts",
    "filter[seen]=2019-02-10T09:30:00%2B01:00": "bread",
    "filter[seen][lt]=2019": "chess",
    "filter[seen][lte]=2019-01-05": "apple chess",
    "filter[seen][between]=2019-01-05,2019-02-10": "apple bread",
    # lists
    "filter[tags]=sweet": "apple",
    "filter[tags][contains]=sweet": "apple",
    "filter[tags][contains]=swee": "",
    "filter[tags][icontains]=SWEE": "apple",
    "filter[tags][any]=sweet,salt": "apple bread",
    "filter[tags][all]=sweet,fruit": "apple",
    "filter[tags][all]=sweet,salt": "",
    "filter[tags][none]=sweet,salt": "chess darts empty english three",
    "filter[tags][ne]=sweet": "bread chess darts empty english three",
    # objects
    "filter[image.alt]=An apple": "apple",
    "filter[image][alt][contains]=apple": "apple",
    "filter[image][exists]=true": "apple",
    # relations
    "filter[author]=kari": "apple",
    "filter[author.name]=Kari Nordmann": "apple",
    "filter[author][name][starts]=Ola": "bread chess",
    "filter[author.boss]=kari": "bread chess",
    "filter[author.boss.name][contains]=Kari": "bread chess",
    "filter[related.name]=Ola Nordmann": "apple",
    "filter[related]=bread": "apple",
    # joined
    "filter[category]=food&filter[stars]=3": "bread",
    "filter[or][0][category]=games&filter[or][1][stars]=5": "apple chess darts",
    "filter[or][category]=games&filter[or][stars]=5": "apple chess darts",
    "filter[_or][0][category]=games&filter[$or][0][stars]=4": "chess",
    "filter[and][0][category]=food&filter[and][1][stars]=5": "apple",
    "filter[not][category]=food": "chess darts empty english three",
    "filter[not][category]=food&filter[stars][gt]=0": "chess",
    "filter[or][0][category]=food&filter[or][0][stars]=5&filter[or][1][not][stars][gte]=0": "apple darts empty english three",
    "filter[not][or][0][category]=food&filter[not][or][1][category]=games": "empty english three",
    # fields of the API
    "filter[slug]=apple": "apple",
    "filter[slug][in]=apple,bread": "apple bread",
    "filter[locale]=en": "english",
    "filter[path][starts]=posts/a": "apple",
    "filter[first_author]=Kari Nordmann&filter[slug][lt]=b": "apple",
    "filter[updated_at][gte]=2024-01-01&filter[slug]=apple": "apple",
    "filter[updated_at][gt]=2024-01-01": "",
}
REFUSED = {
    "filter[titel]=x": ("filter[titel]", "title"),
    "filter[title][eqq]=x": ("filter[title][eqq]", "eq"),
    "filter[author.nam]=x": ("filter[author.nam]", "name"),
    "filter[image.altt]=x": ("filter[image.altt]", "alt"),
    "filter[stars]=five": ("filter[stars]", None),
    "filter[stars][gt]=4.5": ("filter[stars][gt]", None),
    "filter[stars][contains]=4": ("filter[stars][contains]", None),
    "filter[weight]=heavy": ("filter[weight]", None),
    "filter[weight]=NaN": ("filter[weight]", None),
    "filter[featured]=maybe": ("filter[featured]", None),
    "filter[featured][gt]=true": ("filter[featured][gt]", None),
    "filter[date]=yesterday": ("filter[date]", None),
    "filter[date]=2019-02-30": ("filter[date]", None),
    "filter[date]=2019-13": ("filter[date]", None),
    "filter[date]=0000": ("filter[date]", None),
    "filter[seen]=9999": ("filter[seen]", None),
    "filter[seen]=noon": ("filter[seen]", None),
    "filter[image]=x": ("filter[image]", None),
    "filter[stars][between]=1": ("filter[stars][between]", None),
    "filter[stars][between]=1,2,3": ("filter[stars][between]", None),
    "filter[title][exists]=perhaps": ("filter[title][exists]", None),
    "filter[title][lt]=a&filter[title][lt]=b": ("filter[title][lt]", None),
    "filter[or]=x": ("filter[or]", None),
    "filter[or][0]=x": ("filter[or]", None),
    "filter[title][eq][x]=y": ("filter[title][eq]", None),
    "filter=x": ("filter", None),
    "filter[author.boss.boss.boss.name]=x": ("filter[author.boss.boss.boss.name]", None),
    "filter[not][not][not][not][not][not][not][not][not][not][slug]=x": (None, None),
    "&".join(f"filter[or][{n}][slug]=x" for n in range(51)): ("filter", None),
    "filter[slug][in]=" + ",".join(map(str, range(201))): ("filter[slug][in]", None),
}


@pytest.mark.parametrize("query", FOUND)
def test_a_filter_finds_what_it_says(blog: Client, query: str) -> None:
    assert blog.slugs(f"{query}&sort=slug") == FOUND[query].split()


@pytest.mark.parametrize("query", REFUSED, ids=lambda query: query[:60])
def test_a_filter_that_cannot_be_meant_is_refused_with_its_name(blog: Client, query: str) -> None:
    parameter, nearest = REFUSED[query]
    problem = blog.problem(f"/entries/posts?{query}")
    assert problem["code"] == "invalid-query"
    assert parameter is None or problem["parameter"] == parameter
    assert problem.get("nearest") == nearest
    assert problem["errors"][0]["detail"] == problem["detail"]


def test_a_list_of_dates_can_be_asked_for_one_of_them(serve_dates: Client) -> None:
    assert serve_dates.slugs("filter[days][contains]=2019", "events") == ["a"]
    assert serve_dates.slugs("filter[times][contains]=2019-01-05", "events") == ["a"]


def test_values_behind_references_of_different_types_compare_as_texts(serve_dates: Client) -> None:
    assert serve_dates.slugs("filter[link.size][lt]=7", "events") == ["a", "b"]
    assert serve_dates.slugs("sort=link.size", "events") == ["a", "b", "c"]
