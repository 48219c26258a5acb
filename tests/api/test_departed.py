"""Addresses of what was there once: 308 to where it is now, 410 when it was withdrawn, and nothing at all of what never was public."""

from typing import Any

import pytest

from tests.api.conftest import Serve
from tests.api.tools import BASE, MODEL, Client, person, post
from tests.repo import Repo

FAR, PAST = "2999-01-01T12:00:00Z", "2001-01-01T12:00:00Z"
NEVER_PUBLIC = {
    "a draft": {"draft": "true"},
    "unpublished": {"published": "false"},
    "under embargo": {"publish_at": FAR},
    "under embargo until after it went": {"publish_at": "2024-06-01T12:00:00Z"},
    "expired": {"expire_at": PAST},
    "broken": {"stars": "many"},
    "unreadable": {"tags": "["},
}
LONG = "".join(f"Line {number} of a text that is long enough to be recognised.\n" for number in range(20))
CASES = MODEL["schemas/posts.yaml"].replace("x-path: posts/", "x-path: cases/")


def location(client: Client, path: str) -> str:
    """Where an answer that must be a redirection leads to."""
    answer = client.ask(path)
    assert answer.status_code == 308, answer.text
    return answer.headers["location"].removeprefix(BASE)


def told(client: Client, path: str, name: str) -> tuple[int, str, dict[str, str]]:
    """Status, body and headers of an answer, with *name* taken out of them."""
    answer = client.ask(path)
    return answer.status_code, answer.text.replace(name, "…"), dict(answer.headers)


def test_a_removed_entry_is_gone(serve: Serve, repo: Repo) -> None:
    repo.commit({**MODEL, "posts/a.md": post("A"), "posts/b.md": post("B")})
    repo.commit({"posts/a.md": None})
    answer = serve().ask("/entries/posts/a")
    assert answer.status_code == 410
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert (body["code"], body["type"], body["collection"], body["slug"]) == ("gone", "/problems/gone", "posts", "a")
    assert set(body) == {"type", "title", "status", "detail", "instance", "code", "collection", "slug"}


def test_a_renamed_entry_is_elsewhere_and_the_query_comes_along(serve: Serve, repo: Repo) -> None:
    repo.commit({**MODEL, "posts/a.md": post("A", LONG)})
    repo.commit({"posts/a.md": None, "posts/b.md": post("A", LONG)})
    client = serve()
    assert location(client, "/entries/posts/a") == "/entries/posts/b"
    assert location(client, "/entries/posts/a?fields=title&locale=nb") == "/entries/posts/b?fields=title&locale=nb"
    answer = client.ask("/entries/posts/a", "HEAD")
    assert (answer.status_code, answer.text) == (308, "")
    assert answer.headers["cache-control"] == "public, max-age=600, must-revalidate"


def test_a_chain_of_renames_leads_to_its_end_at_once(serve: Serve, repo: Repo) -> None:
    repo.commit({**MODEL, "posts/a.md": post("A", LONG)})
    repo.commit({"posts/a.md": None, "posts/b.md": post("A", LONG)})
    repo.commit({"posts/b.md": None, "posts/c d.md": post("A changed", LONG)})
    client = serve()
    assert location(client, "/entries/posts/a") == location(client, "/entries/posts/b") == "/entries/posts/c%20d"


def test_what_was_renamed_and_then_removed_is_gone(serve: Serve, repo: Repo) -> None:
    repo.commit({**MODEL, "posts/a.md": post("A", LONG), "posts/x.md": post("X")})
    repo.commit({"posts/a.md": None, "posts/b.md": post("A", LONG)})
    repo.commit({"posts/b.md": None})
    client = serve()
    assert [client.ask(f"/entries/posts/{slug}").status_code for slug in "ab"] == [410, 410]


def test_a_rename_and_a_removal_are_known_as_soon_as_they_are_there(serve: Serve, repo: Repo) -> None:
    repo.commit({**MODEL, "posts/a.md": post("A", LONG), "posts/b.md": post("B")})
    client = serve()
    assert client.ask("/entries/posts/c").status_code == 404
    repo.commit({"posts/b.md": None})
    assert client.ask("/entries/posts/b").status_code == 410
    repo.commit({"posts/a.md": None, "posts/c.md": post("A", LONG)})
    assert location(client, "/entries/posts/a") == "/entries/posts/c"
    repo.commit({"posts/b.md": post("B again")})
    assert client.ask("/entries/posts/b").status_code == 200
    repo.commit({"posts/c.md": None})
    assert client.ask("/entries/posts/a").status_code == 410


def test_entries_that_moved_to_another_collection_are_found_there(serve: Serve, repo: Repo) -> None:
    posts = {f"{slug}.md": post(slug, f"{slug}\n{LONG}") for slug in ("one", "two")}
    repo.commit({**MODEL, "schemas/cases.yaml": CASES, **{f"posts/{name}": text for name, text in posts.items()}})
    moved: dict[str, str | None] = {f"cases/{name}": text for name, text in posts.items()}
    repo.commit({**moved, **dict.fromkeys(f"posts/{name}" for name in posts)})
    assert location(serve(), "/entries/posts/two") == "/entries/cases/two"


def test_a_collection_that_was_renamed_with_all_its_entries_is_found_by_its_old_name(serve: Serve, repo: Repo) -> None:
    repo.commit({**MODEL, "posts/a.md": post("A", LONG), "posts/b.md": post("B"), "people/kari.md": person("Kari")})
    repo.commit({"posts/b.md": None})
    repo.commit(
        {"posts/a.md": None, "cases/a.md": post("A", LONG), "schemas/posts.yaml": None, "schemas/cases.yaml": CASES}
    )
    client = serve()
    assert location(client, "/entries/posts/a") == "/entries/cases/a"
    assert client.ask("/entries/posts/b").status_code == 410
    assert client.ask("/entries/posts/c").json()["code"] == "collection-not-found"


def test_a_slug_of_its_own_counts_as_it_was(serve: Serve, repo: Repo) -> None:
    repo.commit(
        {
            **MODEL,
            "posts/1.md": post("A", LONG, slug="first"),
            "posts/2.md": post("B", slug="second"),
            "posts/x.md": post("X"),
        }
    )
    repo.commit({"posts/1.md": None, "posts/3.md": post("A", LONG, slug="third"), "posts/2.md": None})
    client = serve()
    assert location(client, "/entries/posts/first") == "/entries/posts/third"
    assert client.ask("/entries/posts/second").status_code == 410
    assert [client.ask(f"/entries/posts/{slug}").status_code for slug in "123"] == [404, 404, 404]


def test_what_is_there_now_and_an_alias_come_first(serve: Serve, repo: Repo) -> None:
    repo.commit({**MODEL, "posts/a.md": post("A", LONG), "posts/b.md": post("B")})
    repo.commit({"posts/a.md": None, "posts/c.md": post("A", LONG), "posts/b.md": None})
    repo.commit({"posts/a.md": post("Another"), "posts/d.md": post("D", aliases="[b]")})
    client = serve()
    assert client.data("/entries/posts/a")["title"] == "Another"
    assert location(client, "/entries/posts/b") == "/entries/posts/d"


def test_each_locale_is_asked_for_its_own(serve: Serve, repo: Repo) -> None:
    repo.commit({**MODEL, "posts/a.md": post("A"), "posts/a.nn.md": post("A på nynorsk"), "posts/b.en.md": post("B")})
    repo.commit({"posts/a.nn.md": None, "posts/b.en.md": None})
    client = serve()
    asked = (
        "a",
        "a?locale=nb",
        "a?locale=nn",
        "a?locale=en",
        "a?locale=nn&fallback=nb",
        "b",
        "b?locale=en",
        "b?locale=nb",
    )
    assert [client.ask(f"/entries/posts/{name}").status_code for name in asked] == [
        200,
        200,
        410,
        404,
        200,
        410,
        410,
        404,
    ]


@pytest.mark.parametrize("fields", NEVER_PUBLIC.values(), ids=NEVER_PUBLIC)
def test_what_never_was_public_is_like_any_name(serve: Serve, repo: Repo, fields: dict[str, str]) -> None:
    secret = post("Secret", LONG, **fields)
    repo.commit({**MODEL, "posts/secret.md": secret, "posts/hushed.md": secret, "posts/other.md": post("Other")})
    repo.commit({"posts/secret.md": None, "posts/hushed.md": None, "posts/moved.md": post("Secret", LONG)})
    client = serve()
    for name in ("secret", "hushed"):
        expected = told(client, "/entries/posts/random", "random")
        assert expected[0] == 404
        assert told(client, f"/entries/posts/{name}", name) == expected


def test_a_move_to_what_is_hidden_now_tells_only_that_it_is_gone(serve: Serve, repo: Repo) -> None:
    repo.commit({**MODEL, "posts/a.md": post("A", LONG), "posts/x.md": post("X")})
    repo.commit({"posts/a.md": None, "posts/secret.md": post("A", LONG, draft="true")})
    answer = serve().ask("/entries/posts/a")
    assert answer.status_code == 410
    assert "location" not in answer.headers
    assert "secret" not in answer.text


def test_what_is_hidden_while_it_is_still_there_is_not_found(serve: Serve, repo: Repo) -> None:
    repo.commit({**MODEL, "posts/a.md": post("A"), "posts/b.md": post("B")})
    repo.commit({"posts/a.md": post("A", expire_at=PAST), "posts/b.md": post("B", draft="true")})
    client = serve()
    assert [client.ask(f"/entries/posts/{slug}").status_code for slug in "ab"] == [404, 404]


def test_names_that_only_a_draft_used_tell_nothing(serve: Serve, repo: Repo) -> None:
    base = repo.commit({**MODEL, "posts/x.md": post("X")})
    draft = repo.commit({"posts/working-title.md": post("A", LONG)}, branch="drafts/d", parents=[base])
    draft = repo.commit(
        {"posts/working-title.md": None, "posts/a.md": post("A", LONG)}, branch="drafts/d", parents=[draft]
    )
    repo.commit({"posts/a.md": post("A", LONG)}, parents=[base, draft])
    client = serve()
    assert client.ask("/entries/posts/a").status_code == 200
    assert client.ask("/entries/posts/working-title").status_code == 404


def test_assets_go_and_move_likewise(serve: Serve, repo: Repo) -> None:
    names = ("images/a.png", "images/b.png", "images/c.svg", "images/.d.png", "images/e.png")
    repo.commit({**MODEL, **{name: name.encode() * 99 for name in names}})
    repo.commit({**dict.fromkeys(names), "images/to b.png": names[1].encode() * 99, ".e.png": names[4].encode() * 99})
    client = serve()
    assert [client.ask(f"/assets/{name}").status_code for name in names] == [410, 308, 404, 404, 410]
    assert location(client, "/assets/images/b.png") == "/assets/images/to%20b.png"
    assert client.ask("/assets/images/a.png").json()["code"] == "gone"
    assert told(client, "/assets/images/c.svg", "c.svg") == told(client, "/assets/images/z.svg", "z.svg")


def test_a_restart_answers_the_same(repo: Repo) -> None:
    repo.commit(
        {**MODEL, "posts/a.md": post("A", LONG), "posts/b.md": post("B"), "posts/c.md": post("C", draft="true")}
    )
    repo.commit({"posts/a.md": None, "posts/d.md": post("A", LONG), "posts/b.md": None, "posts/c.md": None})
    answers: list[Any] = []
    for _ in range(2):
        client = Client(repo.path)
        answers.append([told(client, f"/entries/posts/{slug}", slug) for slug in "abc"])
        client.site.close()
    assert answers[0] == answers[1]
    assert [status for status, *_ in answers[0]] == [308, 410, 404]
