"""``/diff``: what a release will change, told to whoever may see both sides."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.newsdesk import Newsdesk
from tests.api.tools import MODEL, Client, person, post
from tests.repo import Repo

Serve = Callable[[], Client]
PAST = {**MODEL, "cms.toml": MODEL["cms.toml"] + '[history]\npublic = true\nnever = ["posts/never-*.md"]\n'}
PNG = b"\x89PNG\r\n\x1a\n"


def two_states(repo: Repo, before: dict[str, Any], after: dict[str, Any]) -> str:
    """Publish both; returns the first."""
    first = repo.commit({**PAST, **before})
    repo.commit(after)
    return first


def test_fields_and_words_are_compared(repo: Repo, serve: Serve) -> None:
    first = two_states(
        repo,
        {"posts/a.md": post("A", "Some old words.", stars="1")},
        {"posts/a.md": post("A", "Some new words.", stars="2")},
    )
    (entry,) = serve().data(f"/diff?from={first}")["entries"]
    assert (entry["change"], entry["id"]) == ("updated", "posts/a@nb")
    assert entry["fields"] == [{"field": "stars", "before": 1, "after": 2}]
    (passage,) = entry["body"]["passages"]
    assert [(each["kind"], each["text"]) for each in passage["segments"]] == [
        ("same", "Some "),
        ("removed", "old"),
        ("added", "new"),
        ("same", " words."),
    ]


def test_long_texts_in_fields_are_compared_by_word_too(repo: Repo, serve: Serve) -> None:
    first = two_states(repo, {"posts/a.md": post("An old title")}, {"posts/a.md": post("A new title")})
    (field,) = serve().data(f"/diff?from={first}")["entries"][0]["fields"]
    assert (field["words"]["removed"], field["words"]["added"]) == (2, 2)


def test_pictures_before_and_after_are_told_with_addresses_that_show_them(repo: Repo, serve: Serve) -> None:
    before = {
        "posts/a.md": post(image="{url: images/a.png}"),
        "posts/b.md": post(image="{url: images/b.png}"),
        "images/a.png": PNG,
        "images/b.png": PNG,
        "images/c.png": PNG,
    }
    first = two_states(repo, before, {"posts/a.md": post(image="{url: images/c.png}"), "images/b.png": PNG + b"x"})
    client = serve()
    found = client.data(f"/diff?from={first}")
    (image,) = found["entries"][0]["images"]
    assert (image["field"], image["before"]["path"], image["after"]["path"]) == (
        "image.url",
        "images/a.png",
        "images/c.png",
    )
    (file,) = found["files"]
    assert (file["path"], file["used_by"], file["before"]["size_bytes"], file["after"]["size_bytes"]) == (
        "images/b.png",
        ["posts/b@nb"],
        8,
        9,
    )
    assert client.ask(file["before"]["url"]).content == PNG
    assert client.ask(file["after"]["url"]).content == PNG + b"x"


def test_what_would_lead_nowhere_is_named_with_where_it_went(repo: Repo, serve: Serve) -> None:
    before = {
        "posts/a.md": post(author="kari", image="{url: images/a.png}"),
        "posts/b.md": post("B", author="ola"),
        "people/kari.md": person("Kari"),
        "people/ola.md": person("Ola"),
        "images/a.png": PNG,
    }
    first = two_states(
        repo,
        before,
        {"people/kari.md": None, "people/kari-n.md": person("Kari"), "people/ola.md": None, "images/a.png": None},
    )
    dangling = serve().data(f"/diff?from={first}")["dangling"]
    assert [(item["id"], item["field"], item["value"], item["kind"], item.get("now")) for item in dangling] == [
        ("posts/a@nb", "author", "kari", "reference", "people/kari-n@nb"),
        ("posts/a@nb", "image.url", "images/a.png", "file", None),
        ("posts/b@nb", "author", "ola", "reference", None),
    ]


def test_what_everybody_is_answered_differently_is_a_delta(repo: Repo, serve: Serve) -> None:
    first = two_states(
        repo,
        {"posts/a.md": post(author="kari"), "people/kari.md": person("Kari")},
        {"people/kari.md": person("K"), "posts/b.md": post("B")},
    )
    answers = serve().data(f"/diff?from={first}")["answers"]
    assert [(item["change"], item["id"]) for item in answers] == [
        ("updated", "people/kari@nb"),
        ("affected", "posts/a@nb"),
        ("created", "posts/b@nb"),
    ]


def test_of_very_much_the_numbers_are_told(repo: Repo, serve: Serve) -> None:
    first = two_states(repo, {}, {f"posts/p{number}.md": post(f"P{number}") for number in range(205)})
    answer = serve().ask(f"/diff?from={first}").json()
    assert answer["meta"]["is_too_large"]
    assert answer["meta"]["counts"] == {
        "entries": 205,
        "entries_created": 205,
        "files": 0,
        "dangling": 0,
        "answers": 205,
    }
    assert len(answer["data"]["entries"]) == 200


def test_collections_and_the_types_of_fields_are_compared(repo: Repo, serve: Serve) -> None:
    schema = (
        MODEL["schemas/posts.yaml"]
        .replace("stars: {type: integer}", "stars: {type: array, items: {type: string}}")
        .replace("  weight: {type: number}\n", "")
    )
    first = two_states(
        repo,
        {"posts/a.md": post()},
        {
            "schemas/posts.yaml": schema,
            "schemas/people.yaml": None,
            "schemas/pets.yaml": "x-path: pets/{slug}.md\ntype: object\n",
        },
    )
    found = serve().data(f"/diff?from={first}")["collections"]
    assert [(each["change"], each["collection"]) for each in found] == [
        ("deleted", "people"),
        ("created", "pets"),
        ("updated", "posts"),
    ]
    assert found[2]["fields"] == [
        {"field": "stars", "before": "integer", "after": "list of string"},
        {"field": "weight", "before": "number", "after": None},
    ]


# -- who may see what --------------------------------------------------------------------------------------------------


def test_those_who_may_not_read_drafts_are_told_of_nothing_hidden(repo: Repo, serve: Serve) -> None:
    hidden = {
        "posts/x.md": post("Secret", draft="true"),
        "posts/y.md": post("Secret", publish_at="2999-01-01"),
        "posts/never-z.md": post("Secret"),
        "images/secret.png": PNG,
        "cms.toml": PAST["cms.toml"] + "# Secret\n",
    }
    first = two_states(repo, {"posts/a.md": post("A")}, {**hidden, "posts/b.md": post("B")})
    second = repo.commit({"posts/never-z.md": None})
    client = serve()
    for query in (f"from={first}", f"from={first}&to={second}"):
        answer = client.ask(f"/diff?{query}")
        assert [entry["id"] for entry in answer.json()["data"]["entries"]] == ["posts/b@nb"]
        assert "ecret" not in answer.text


def test_a_draft_is_compared_for_those_who_may_read_it(still: Newsdesk) -> None:
    answers = {by: still.ask("GET", "/diff?to=draft:x", by) for by in ("ola", "rune", "")}
    assert [answer.status_code for answer in answers.values()] == [200, 404, 401]
    found = answers["ola"].json()
    assert [(each["field"], each["after"]) for each in found["data"]["entries"][0]["fields"]] == [("title", "New x")]
    assert found["meta"]["to"] == {"view": "draft:x"}
    assert answers["ola"].headers["cache-control"] == "no-store"


def test_hidden_entries_and_settings_are_compared_for_those_who_may_read_drafts(desk: Newsdesk) -> None:
    repo, head = desk.room.repo, desk.begin()
    settings = desk.room.site.store.read_blob(desk.room.site.store.find_blob(head, "cms.toml") or "")  # type: ignore[arg-type]
    repo.commit(
        {"posts/h.md": "---\ntitle: H\ndraft: true\n---\n", "cms.toml": settings + b"# more\n"}, branch="drafts/x"
    )
    found = desk.get("/diff?to=draft:x", "eva")
    assert [entry["id"] for entry in found["entries"]] == ["posts/a@nb", "posts/h@nb"]
    assert found["files"][0]["path"] == "cms.toml"
    assert "+# more" in found["files"][0]["lines"]


def test_the_past_is_compared_for_nobody_where_it_is_not_open(repo: Repo, serve: Serve) -> None:
    first = repo.commit({**MODEL, "posts/a.md": post()})
    repo.commit({"posts/a.md": post("B")})
    client = serve()
    answers = [client.ask(f"/diff?from={commit}") for commit in (first, "0123456789" * 4)]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "name two views that may differ"),
        ("from=published", "name two views that may differ"),
        ("to=main~1", "to: 'main~1' is more than a name"),
        ("from=draft:../x", "from: '../x' cannot be the name of a draft"),
        (f"to={'x' * 400}", "to: this name is too long"),
        ("ref=main", "the parameter 'ref' is not known"),
    ],
)
def test_names_that_cannot_be_meant_are_told_what_to_do(blog: Client, query: str, said: str) -> None:
    assert said in blog.problem(f"/diff?{query}")["detail"]
