"""What editors say about search, and entries like one another, through the API."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cms.cache import DerivedCache
from cms.check import check_commit
from cms.inferred import infer_model
from tests.api.conftest import Serve
from tests.api.tools import MODEL, Client, person, post
from tests.repo import Repo

BETS = "content/search/bestbets.yaml"
SYNONYMS = "content/search/synonyms.txt"
FAR = "2999-01-01T12:00:00Z"
POSTS = {
    **MODEL,
    "people/kari.md": person("Kari Nordmann"),
    "posts/fish.md": post("Fish and more fish", body="fish " * 20, category="food"),
    "posts/boat.md": post("Boats", body="A fish in a boat.", category="sea"),
    "posts/rules.md": post("Rules", body="What is allowed.", category="law"),
    "posts/rules.nn.md": post("Reglar", body="Kva som er lov.", category="law"),
    "posts/hidden.md": post("Hidden fish", draft="true"),
    "posts/soon.md": post("Soon fish", publish_at=FAR),
}


def hits(client: Client, query: str) -> list[tuple[str, bool]]:
    return [(item["slug"], item.get("pinned", False)) for item in client.data(f"/search?{query}")]


@pytest.fixture
def pinned(serve: Serve, repo: Repo) -> Client:
    repo.commit(
        {**POSTS, BETS: "fish: [posts/rules, posts/hidden, posts/soon, posts/boat, posts/gone]\nwhale: posts/rules\n"}
    )
    return serve()


def test_a_best_bet_comes_first_and_is_counted_once(pinned: Client) -> None:
    assert hits(pinned, "q=Fish") == [("rules", True), ("boat", True), ("fish", False)]
    assert pinned.meta("/search?q=Fish")["total"] == 3
    assert hits(pinned, "q=Fish&limit=1&page=2") == [("boat", True)]
    assert hits(pinned, "q=Fish&limit=2&page=2") == [("fish", False)]


def test_a_best_bet_is_found_although_its_text_has_no_such_word(pinned: Client) -> None:
    assert hits(pinned, "q=whale") == [("rules", True)]
    assert hits(pinned, "q=whales") == hits(pinned, "q=whale+fin") == []


def test_a_corrected_query_has_the_best_bets_of_the_right_one(serve: Serve, repo: Repo) -> None:
    repo.commit(
        {**POSTS, BETS: "whales: posts/rules\nwhalse: posts/fish\n", "posts/w.md": post("Whales", body="Whales swim.")}
    )
    client = serve()
    assert hits(client, "q=whaels") == [("rules", True), ("w", False)]
    assert hits(client, "q=whalse") == [("fish", True)]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("&filter[category]=sea", [("boat", True)]),
        ("&filter[category]=food", [("fish", False)]),
        ("&collection=people", []),
        ("&sort=title", [("boat", False), ("fish", False)]),
        ("&locale=nn", [("rules", True)]),
        ("&locale=en", []),
    ],
)
def test_a_best_bet_must_fit_the_rest_of_the_request(pinned: Client, more: str, expected: list[Any]) -> None:
    more += "&collection=posts" if "sort" in more else ""
    assert hits(pinned, f"q=fish{more}") == expected


def test_facets_count_what_is_pinned(pinned: Client) -> None:
    facets = pinned.meta("/search?q=fish&facet=category&filter[category]=law")["facets"]["category"]
    assert {item["value"]: item["count"] for item in facets} == {"food": 1, "sea": 1, "law": 1}


def test_lists_with_words_pin_too(pinned: Client) -> None:
    assert [item["slug"] for item in pinned.data("/entries/posts?search=whale")] == ["rules"]


def test_a_change_takes_effect_with_the_next_request(pinned: Client, repo: Repo) -> None:
    assert hits(pinned, "q=whale") == [("rules", True)]
    model = pinned.site.catalog.model
    repo.commit({BETS: "whale: posts/boat\n"})
    assert hits(pinned, "q=whale") == [("boat", True)]
    assert pinned.site.catalog.model is model
    repo.commit({BETS: None})
    assert hits(pinned, "q=whale") == []


def test_the_files_may_lie_elsewhere(serve: Serve, repo: Repo) -> None:
    settings = MODEL["cms.toml"] + '[search]\nbestbets = "editors/bets.yaml"\n'
    repo.commit(
        {**POSTS, "cms.toml": settings, "editors/bets.yaml": "whale: posts/rules\n", BETS: "whale: posts/boat\n"}
    )
    assert hits(serve(), "q=whale") == [("rules", True)]


def test_a_wrong_line_is_named_and_stops_nothing(serve: Serve, repo: Repo, tmp_path: Path) -> None:
    repo.commit(POSTS)
    client = serve()
    assert hits(client, "q=whale") == []
    commit = repo.commit(
        {BETS: "whale: posts/rules\nfin: nope\nsaw: posts/gone\nsoon: posts/soon\n", SYNONYMS: "alone\n"}
    )
    assert hits(client, "q=whale") == [("rules", True)]
    assert client.ask("/readyz").json()["errors"] == 2
    store = client.site.store
    found = check_commit(
        store,
        store.resolve(commit) or client.site.catalog.snapshot.commit.id,
        name="main",
        infer=infer_model,
        cache=DerivedCache(tmp_path),
    )
    assert [(item.path, item.line, item.severity) for item in found] == [(BETS, 2, "error"), (BETS, 3, "warning"), (SYNONYMS, 1, "error")]  # fmt: skip
    repo.commit({BETS: "whale: posts/rules\n", SYNONYMS: "a, b\n"})
    assert client.ask("/readyz").json()["errors"] == 0


def test_synonyms_take_effect_with_the_next_request(serve: Serve, repo: Repo) -> None:
    files = {"posts/ai.md": post("Kunstig intelligens i skolen"), "posts/dogs.md": post("Bikkjer", body="Hundar.")}
    repo.commit({**POSTS, **files})
    client = serve()
    assert hits(client, "q=maskinlæring") == hits(client, "q=vovse") == []
    repo.commit({SYNONYMS: "maskinlæring, kunstig intelligens\nvovse, bikkje\n"})
    assert hits(client, "q=maskinlæring") == [("ai", False)]
    assert hits(client, "q=Vovser") == [("dogs", False)]
    assert "<mark>" in client.data("/search?q=vovse")[0]["highlights"][0]["html"]
    repo.commit({SYNONYMS: None})
    assert hits(client, "q=maskinlæring") == []


# -- entries like one another ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    repo = Repo.create(tmp_path_factory.mktemp("similar") / "site.git")
    texts = {
        "whales": ("Whales of the north", "Whales swim. Whales sing. The ocean is cold.", "sea"),
        "whaling": ("On whales and men", "Men hunted whales in the ocean.", "sea"),
        "ocean": ("The ocean", "The ocean is deep and cold.", "sea"),
        "bread": ("Bread", "Flour, water, salt and time.", "food"),
    }
    files = {
        f"posts/{slug}.en.md": post(title, body=body, category=kind) for slug, (title, body, kind) in texts.items()
    }
    files["posts/whales.md"] = post("Hval i nord", body="Hvalene synger. Whales.", category="sea")
    files["posts/secret.en.md"] = post("Secret whales", body="Whales whales ocean.", draft="true")
    repo.commit({**MODEL, **files})
    client = Client(repo.path)
    yield client
    client.site.close()


def test_similar_finds_entries_like_one_without_itself_and_its_translations(library: Client) -> None:
    assert {slug for slug, _ in hits(library, "similar=posts/whales&locale=en")} == {"whaling", "ocean"}
    answer = library.ask("/search?similar=posts/whales&locale=en&facet=category").json()
    assert (answer["meta"]["total"], answer["meta"]["similar"]) == (2, "posts/whales@en")
    assert answer["meta"]["facets"]["category"] == [{"value": "sea", "count": 2}]
    assert answer["data"][0]["highlights"] == []


def test_similar_and_words_together_find_what_is_both(library: Client) -> None:
    assert [slug for slug, _ in hits(library, "similar=posts/whales&locale=en&q=deep")] == ["ocean"]
    assert hits(library, "similar=posts/whales&locale=en&q=flour") == []
    assert hits(library, "similar=posts/whales&locale=en&filter[category]=food") == []


def test_similar_can_be_sorted_and_has_pages(library: Client) -> None:
    query = "similar=posts/whales&locale=en&collection=posts"
    assert [slug for slug, _ in hits(library, f"{query}&sort=title")] == ["whaling", "ocean"]
    assert [slug for slug, _ in hits(library, f"{query}&sort=title&limit=1&page=2")] == ["ocean"]


@pytest.mark.parametrize("name", ["posts/nope", "posts/secret", "posts", "", "postz/whales", "/"])
def test_similar_to_what_is_not_there_or_hidden_is_refused(library: Client, name: str) -> None:
    assert library.problem(f"/search?similar={name}")["parameter"] == "similar"


def test_lists_take_no_similar(library: Client) -> None:
    assert library.problem("/entries/posts?similar=posts/whales")["parameter"] == "similar"
