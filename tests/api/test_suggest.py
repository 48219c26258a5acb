"""``/suggest``: what completes what was typed, and what is never told."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from cms import suggest
from cms.suggest import completions_of
from tests.api.conftest import Serve
from tests.api.tools import MODEL, Client, person, post
from tests.repo import Repo

FAR = "2999-01-01T12:00:00Z"
FILES = {
    **MODEL,
    "people/kari.md": person("Kari Nordmann"),
    "people/ola.md": person("Åse Løland"),
    "posts/a.md": post("Bærum satser på velferd", date="2020-01-01", author="kari", category="helse", tags="[velferd, Åpne data]"),
    "posts/b.md": post("Velferd i Tromsø", date="2021-01-01", author="kari", category="helse", tags="[velferd]"),
    "posts/c.md": post("Far får får", date="2019-01-01", author="ola", category="helg"),
    "posts/d.md": post("Skole og barnehage", date="2018-01-01"),
    "posts/d.nn.md": post("Skule og barnehage", date="2018-01-01"),
    "posts/e.en.md": post("School only in English", date="2017-01-01"),
}  # fmt: skip


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    repo = Repo.create(tmp_path_factory.mktemp("suggest") / "site.git")
    repo.commit(FILES)
    client = Client(repo.path)
    yield client
    client.site.close()


def found(client: Client, typed: str, kind: str, more: str = "") -> list[str]:
    return [item["text"] for item in client.data(f"/suggest?q={quote(typed)}&limit=50{more}") if item["kind"] == kind]


def everything(client: Client, words: Sequence[str]) -> list[Any]:
    return [
        client.ask(f"/suggest?q={quote(word[:n])}&limit=50").json()["data"] for word in words for n in (1, 3, 6, 30)
    ]


@pytest.mark.parametrize("typed", ["Bær", "bær", "baru", "baer", "BARUM", "bærum satser p", "  bærum "])
def test_a_title_is_found_by_its_beginning_in_every_spelling(client: Client, typed: str) -> None:
    assert found(client, typed, "title") == ["Bærum satser på velferd"]


def test_a_title_that_begins_so_comes_before_one_with_the_word_inside_and_new_before_old(client: Client) -> None:
    assert found(client, "velf", "title") == ["Velferd i Tromsø", "Bærum satser på velferd"]


def test_several_words_may_stand_anywhere_in_the_title(client: Client) -> None:
    assert found(client, "på bærum ve", "title") == ["Bærum satser på velferd"]
    assert found(client, "på tromsø ve", "title") == []


@pytest.mark.parametrize(
    ("typed", "texts"),
    [
        ("få", ["Far får får"]),
        ("fa", ["Far får får"]),
        ("tromso", ["Velferd i Tromsø"]),
        ("Tromsö", ["Velferd i Tromsø"]),
    ],
)
def test_marks_that_were_typed_count_and_missing_ones_do_not_matter(
    client: Client, typed: str, texts: list[str]
) -> None:
    assert found(client, typed, "title") == texts


def test_a_letter_with_a_mark_is_not_taken_for_the_plain_one(client: Client) -> None:
    assert found(client, "fæ", "title") == found(client, "skøle", "title") == []


def test_words_come_with_the_number_of_entries_and_as_they_are_written(client: Client) -> None:
    words = [item for item in client.data("/suggest?q=v") if item["kind"] == "term"]
    assert words == [{"text": "velferd", "kind": "term", "count": 2}]
    assert found(client, "baru", "term") == ["Bærum"]
    assert found(client, "bærum vel", "term") == ["bærum velferd"]


def test_words_that_say_nothing_are_not_offered(client: Client) -> None:
    assert found(client, "på", "term") == found(client, "og", "term") == []


def test_facet_values_come_with_labels_and_counts_that_lists_agree_with(client: Client) -> None:
    facets = [item for item in client.data("/suggest?q=hel") if item["kind"] == "facet"]
    assert [(item["field"], item["value"], item["count"]) for item in facets] == [
        ("category", "helse", 2),
        ("category", "helg", 1),
    ]
    assert client.meta("/entries/posts?filter[category]=helse")["total"] == 2
    assert found(client, "data", "facet") == found(client, "apne", "facet") == ["Åpne data"]


def test_the_value_of_a_reference_is_found_by_the_title_of_what_it_names(demo: Client) -> None:
    facets = [item for item in demo.data("/suggest?q=baerum&collection=cases") if item["kind"] == "facet"]
    assert [(item["text"], item["value"]) for item in facets] == [("Bærum", "baerum")]


def test_a_title_says_which_entry_it_is(client: Client) -> None:
    title = client.data("/suggest?q=tromso")[-1]
    assert (title["kind"], title["id"], title["slug"], title["locale"]) == ("title", "posts/b@nb", "b", "nb")
    assert title["url"] == client.data("/entries/posts/b")["url"]


@pytest.mark.parametrize(
    ("more", "texts"),
    [
        ("", ["Skole og barnehage"]),
        ("&locale=nn", ["Skule og barnehage"]),
        ("&locale=en", []),
        ("&locale=en&fallback=nn", ["Skule og barnehage"]),
        ("&locale=*", ["Skole og barnehage", "Skule og barnehage"]),
    ],
)
def test_the_locale_chooses_as_it_does_in_lists(client: Client, more: str, texts: list[str]) -> None:
    assert sorted(found(client, "barneh", "title", more)) == texts


def test_a_word_of_a_translation_that_is_not_shown_is_not_offered(client: Client) -> None:
    assert found(client, "skule", "term") == []
    assert found(client, "school", "term") == ["School"]
    assert found(client, "skule", "term", "&locale=nn") == ["Skule"]


def test_a_collection_completes_alone(client: Client) -> None:
    assert found(client, "kar", "title") == ["Kari Nordmann"]
    assert found(client, "kar", "title", "&collection=posts") == []
    assert found(client, "ase", "title", "&collection=people,posts") == ["Åse Løland"]


def test_the_limit_is_shared_by_the_kinds(client: Client) -> None:
    for limit in (1, 2, 3, 4):
        kinds = [item["kind"] for item in client.data(f"/suggest?q=v&limit={limit}")]
        assert len(kinds) == limit
    assert set(kinds) == {"term", "facet", "title"}


@pytest.mark.parametrize(
    "typed", ["", "   ", "???", "%00", "zzzz", "a" * 3000, "💥", "\u0301", "zz*", '"', "-", "😀 x"]
)
def test_anything_may_be_typed(client: Client, typed: str) -> None:
    assert client.data(f"/suggest?q={quote(typed)}") == []


@pytest.mark.parametrize(
    ("query", "parameter"),
    [("", "q"), ("q=a&q=b", "q"), ("q=a&limit=0", "limit"), ("q=a&limit=51", "limit"), ("q=a&collection=x", "collection"), ("q=a&locale=xx", "locale"), ("q=a&sort=x", "sort")],
)  # fmt: skip
def test_a_wrong_parameter_is_named(client: Client, query: str, parameter: str) -> None:
    assert client.problem(f"/suggest?{query}")["parameter"] in (parameter, "search")


def test_the_answer_can_be_cached_and_changes_with_the_commit(serve: Serve, repo: Repo) -> None:
    repo.commit(FILES)
    client = serve()
    first = client.ask("/suggest?q=ny")
    assert client.ask("/suggest?q=ny", If_None_Match=first.headers["etag"]).status_code == 304
    repo.commit({"posts/new.md": post("Nytt fra Bærum", date="2022-01-01"), "posts/a.md": None})
    assert found(client, "ny", "title") == ["Nytt fra Bærum"]
    assert found(client, "bærum", "title") == ["Nytt fra Bærum"]
    assert found(client, "satser", "term") == found(client, "apne", "facet") == []
    assert [item["count"] for item in client.data("/suggest?q=velferd") if item["kind"] == "term"] == [1]


def test_an_edit_is_followed_without_sorting_everything_anew(serve: Serve, repo: Repo) -> None:
    repo.commit(FILES)
    client = serve()
    assert found(client, "velf", "term") == ["velferd"]
    repo.commit({"posts/b.md": post("Velstand i Tromsø", date="2021-01-01")})
    client.ask("/")
    assert completions_of(client.site.catalog).is_sorted("posts")
    assert found(client, "vel", "term") == ["velferd", "Velstand"]
    assert found(client, "vel", "title") == ["Velstand i Tromsø", "Bærum satser på velferd"]


def test_many_changes_at_once_are_sorted_anew(serve: Serve, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggest, "LATE_LIMIT", 2)
    repo.commit(FILES)
    client = serve()
    assert found(client, "velf", "term") == ["velferd"]
    repo.commit({f"posts/n{n}.md": post(f"Velstand {n}") for n in range(3)})
    assert found(client, "velst", "term") == ["Velstand"]
    assert len(found(client, "velst", "title")) == 3


def test_a_random_history_gives_what_a_fresh_start_gives(serve: Serve, repo: Repo, tmp_path: Path) -> None:
    repo.commit(FILES)
    client = serve()
    words = ["velferd", "bærum", "tromso", "skule", "åpne data", "kari", "helse", "nytt"]
    for number in range(12):
        everything(client, words[:2])
        slug = "abcd"[number % 4]
        draft = {"draft": "true"} if number % 3 == 1 else {}
        text = post(f"Nytt {words[number % 8]} {number}", tags=f"[{words[number % 5]}]", author="kari", **draft)
        repo.commit({f"posts/{slug}.md": None if number % 5 == 4 else text})
        assert everything(client, words) == everything(Client(repo.path), words)


# -- what is never told ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields", [{"draft": "true"}, {"publish_at": FAR}, {"expire_at": "2001-01-01T00:00:00Z"}])
def test_a_word_that_stands_only_in_unpublished_text_is_never_told(
    serve: Serve, repo: Repo, fields: dict[str, str]
) -> None:
    secret = post(
        "Kanarifugl og velferd",
        body="kanarifugl",
        tags="[kanarifugl]",
        category="kanarifugl",
        author="hidden",
        **fields,
    )
    repo.commit({**FILES, "posts/secret.md": secret, "people/hidden.md": person("Kanarifugl", publish_at=FAR), "posts/open.md": post("Open", author="hidden")})  # fmt: skip
    client = serve()
    for text in ("k", "ka", "kan", "kanarifugl", "kanarifugl og", "velferd kan", "og kan"):
        answer = client.ask(f"/suggest?q={text}&limit=50&locale=*").text.lower().replace(f'"query":"{text}"', "")
        assert "kanari" not in answer.replace(quote(text), "")
    assert [item["count"] for item in client.data("/suggest?q=velferd") if item["kind"] == "term"] == [2]


def test_a_title_that_was_published_is_forgotten_when_it_is_withdrawn(serve: Serve, repo: Repo) -> None:
    repo.commit({**FILES, "posts/secret.md": post("Kanarifugl", author="bird"), "people/bird.md": person("Kanarivenn")})
    client = serve()
    assert found(client, "kanari", "title") == ["Kanarifugl", "Kanarivenn"]
    repo.commit(
        {"posts/secret.md": post("Kanarifugl", draft="true"), "people/bird.md": person("Kanarivenn", publish_at=FAR)}
    )
    assert client.data("/suggest?q=kanari&locale=*") == []


def test_a_title_appears_when_its_embargo_ends(serve: Serve, repo: Repo) -> None:
    begin = datetime.now(UTC) + timedelta(seconds=1.5)
    repo.commit({**FILES, "posts/soon.md": post("Kanarifugl", publish_at=begin.isoformat())})
    client = serve()
    assert client.data("/suggest?q=kanari") == []
    time.sleep(max(0.0, begin.timestamp() - time.time()) + 0.01)
    assert found(client, "kanari", "title") == ["Kanarifugl"]
