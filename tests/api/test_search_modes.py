"""What a search says and counts when words are misspelt, or when no entry has all of them."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.api.tools import MODEL, Client, person, post
from tests.repo import Repo

FAR = "2999-01-01T12:00:00Z"
FILES = {
    **MODEL,
    "people/kari.md": person("Kari Nordmann"),
    "posts/a.md": post("Nye barnehager i byen", body="Fire barnehager åpner.", category="oppvekst"),
    "posts/b.md": post("Barnehagene og skolene", body="Om overgangen.", category="oppvekst"),
    "posts/c.md": post("Bruktmarked for barnehager", body="Pulter og stoler.", category="klima"),
    "posts/d.md": post("Regnbed i bakgården", body="Vann og jord.", category="klima"),
    "posts/hidden.md": post("Nattravnens hemmelighet", body="Nattravnen flyr.", publish_at=FAR),
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    repo = Repo.create(tmp_path_factory.mktemp("modes") / "site.git")
    repo.commit(FILES)
    client = Client(repo.path)
    yield client
    client.site.close()


def ask(client: Client, words: str, more: str = "") -> dict[str, Any]:
    answer: dict[str, Any] = client.ask(f"/search?collection=posts&q={quote(words)}{more}").json()
    return answer


def slugs(answer: dict[str, Any]) -> set[str]:
    return {entry["slug"] for entry in answer["data"]}


def test_a_misspelt_word_is_corrected_and_said_to_be(client: Client) -> None:
    answer = ask(client, "barnehgaer")
    assert slugs(answer) == {"a", "b", "c"}
    assert (answer["meta"]["query"], answer["meta"]["corrected"]) == ("barnehgaer", "barnehager")
    assert "match" not in answer["meta"]


def test_what_is_found_as_it_was_typed_is_not_corrected(client: Client) -> None:
    for words in ("regnbed", "bruktmarked", "bakgarden", "vatn", "regn"):
        answer = ask(client, words)
        assert answer["meta"].keys().isdisjoint({"corrected", "match"})
        assert len(answer["data"]) == 1


def test_highlights_show_the_corrected_word(client: Client) -> None:
    shown = ask(client, "regnbad")["data"][0]["highlights"]
    assert {"field": "title", "html": "<mark>Regnbed</mark> i bakgården"} in shown


def test_when_no_entry_has_all_words_those_with_some_are_given(client: Client) -> None:
    answer = ask(client, "regnbed ubåter")
    assert (slugs(answer), answer["meta"]["match"]) == ({"d"}, "any")


def test_words_joined_by_and_are_never_loosened(client: Client) -> None:
    answer = ask(client, "regnbed AND ubåter")
    assert (answer["meta"]["total"], "match" in answer["meta"]) == (0, False)


@pytest.mark.parametrize(
    "words", ["nattravn", "nattrvnen", "nattravnen regnbed", "hemmlighet", "nattravnens", "attravnen"]
)
def test_a_word_that_only_unpublished_text_has_is_never_told(client: Client, words: str) -> None:
    answer = ask(client, words)
    assert "nattravn" not in str(answer["meta"].get("corrected", ""))
    assert "hemmelighet" not in str(answer["meta"].get("corrected", ""))
    assert "hidden" not in slugs(answer)


@pytest.mark.parametrize("words", ["barnehgaer", "barnehager ubåter", "barnehager"])
def test_totals_facets_filters_and_pages_agree_in_every_mode(client: Client, words: str) -> None:
    whole = ask(client, words, "&facet=category")
    counts = {value["value"]: value["count"] for value in whole["meta"]["facets"]["category"]}
    assert (whole["meta"]["total"], counts) == (3, {"oppvekst": 2, "klima": 1})
    for value, count in counts.items():
        part = ask(client, words, f"&filter[category][eq]={value}&facet=category")
        assert (part["meta"]["total"], len(part["data"])) == (count, count)
        assert {each["value"]: each["count"] for each in part["meta"]["facets"]["category"]} == counts
        assert part["meta"].get("corrected") == whole["meta"].get("corrected")
    pages = [slugs(ask(client, words, f"&limit=1&page={n}")) for n in (1, 2, 3)]
    assert set().union(*pages) == slugs(whole)


def test_a_filter_that_leaves_nothing_does_not_change_how_words_are_read(client: Client) -> None:
    answer = ask(client, "regnbed", "&filter[category][eq]=oppvekst")
    assert (answer["meta"]["total"], answer["meta"].keys() & {"corrected", "match"}) == (0, set())


def test_a_list_with_search_says_the_same(client: Client) -> None:
    meta = client.ask("/entries/posts?search=barnehgaer&sort=title").json()["meta"]
    assert (meta["total"], meta["corrected"]) == (3, "barnehager")
