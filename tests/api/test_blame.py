"""``/blame`` and ``/history``: who may ask, what is told of people, and that both are told of the view that is asked for."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.conftest import Serve, open_desk
from tests.api.newsdesk import Newsdesk
from tests.api.tools import MODEL
from tests.repo import Repo

WHY = "Say more\n\nAsked for by leser@example.com.\n\nCo-authored-by: Per Lie <per@example.org>"


@pytest.fixture(scope="module")
def told() -> Iterator[Newsdesk]:
    """A post that Ola began, Per renamed and went on with, and Eva is writing in."""
    with open_desk() as desk:
        path = "/drafts/one/entries/posts/a"
        desk.do("POST", "/drafts", "ola", {"name": "one"})
        desk.do("PATCH", path, "ola", {"fields": {"title": "One", "tags": ["x", "y"]}, "message": WHY})
        desk.say("changes", "one", "rita", message="Mail rita@example.org")
        desk.say("withdraw", "one", "rita")
        publish(desk, "one")
        desk.do("POST", "/drafts", "per", {"name": "two"})
        desk.do("POST", "/drafts/two/renames", "per", {"collection": "posts", "slug": "a", "to": "alpha"})
        desk.do(
            "PATCH",
            "/drafts/two/entries/posts/alpha",
            "per",
            {"fields": {"tags": ["y", "z"]}, "body": "First text.\n\nSecond.\n"},
        )
        publish(desk, "two")
        desk.do("POST", "/drafts", "eva", {"name": "open"})
        desk.do("PATCH", "/drafts/open/entries/posts/alpha", "eva", {"fields": {"title": "Open"}})
        yield desk


def publish(desk: Newsdesk, name: str) -> None:
    desk.say("approve", name, "eva")
    desk.do("POST", f"/drafts/{name}/publication", "pia", {})


def blamed(desk: Newsdesk, query: str = "", slug: str = "alpha") -> dict[str, dict[str, Any]]:
    """What each field and paragraph says, with its commit instead of the commit's id."""
    data = desk.get(f"/blame/posts/{slug}{query}")
    parts = {part.get("field", part.get("text")): part for part in [*data["fields"], *data["body"]]}
    parts |= {f"- {item['value']}": item for part in data["fields"] for item in part.get("items", ())}
    return {name: {**part, "commit": data["commits"].get(part["commit"])} for name, part in parts.items()}


def test_each_part_names_its_writer_its_approval_and_its_publication(told: Newsdesk) -> None:
    parts = blamed(told)
    by = {name: part["by"] for name, part in parts.items()}
    assert by == {
        "title": "Ola Hansen",
        "category": "Kari Nordmann",
        "tags": "Per Lie",
        "- y": "Ola Hansen",
        "- z": "Per Lie",
        "First text.": "Kari Nordmann",
        "Second.": "Per Lie",
    }
    title = parts["title"]["commit"]
    assert (title["by"]["person"], title["standing"]) == ("ola", "approved")
    assert title["approved_by"] == [{"person": "eva", "name": "Eva Dahl"}]
    assert (title["publication"]["by"]["person"], title["publication"]["draft"]) == ("pia", "one")
    assert (parts["category"]["commit"]["standing"], parts["category"]["commit"]["approved_by"]) == ("imported", [])


def test_the_history_has_every_commit_also_those_from_before_a_rename(told: Newsdesk) -> None:
    commits = told.get("/history/posts/alpha")["commits"]
    assert [(each["change"], each["by"]["name"]) for each in commits] == [
        ("changed", "Per Lie"),
        ("renamed", "Per Lie"),
        ("changed", "Ola Hansen"),
        ("created", "Kari Nordmann"),
    ]
    assert (commits[1]["from"], commits[1]["path"]) == ("posts/a.md", "posts/alpha.md")
    assert commits[2]["why"] == "Say more\n\nAsked for by leser."
    verdicts = [(each["verdict"], each["name"], each["message"]) for each in commits[2]["publication"]["verdicts"]]
    assert verdicts == [
        ("changes", "Rita Moe", "Mail rita"),
        ("withdraw", "Rita Moe", "Withdraw"),
        ("approve", "Eva Dahl", "Approve"),
    ]


def test_a_long_history_comes_in_pages(told: Newsdesk) -> None:
    first = told.ask("GET", "/history/posts/alpha?limit=3", "ola").json()
    assert first["meta"].items() >= {"total": 4, "limit": 3, "page": 1, "pages": 2}.items()
    second = told.ask("GET", first["links"]["next"], "ola").json()
    assert [each["change"] for each in second["data"]["commits"]] == ["created"]
    assert ("next" in second["links"], second["data"]["standing"]) == (False, "approved")
    assert told.get("/history/posts/alpha?limit=3&page=3")["commits"] == []


@pytest.mark.parametrize("query", ["?limit=0", "?limit=1000", "?page=x", "?pages=1", "?locale=*x"])
def test_what_cannot_be_meant_is_refused(told: Newsdesk, query: str) -> None:
    answer = told.ask("GET", f"/history/posts/alpha{query}", "ola")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-query")
    assert told.ask("GET", "/blame/posts/alpha?limit=2", "ola").status_code == 400


def test_no_answer_has_an_address_in_it(told: Newsdesk) -> None:
    for path in ("/blame/posts/alpha", "/history/posts/alpha", "/blame/posts/alpha?draft=open", "/history/posts/b"):
        assert "@" not in told.ask("GET", path, "mia").text.replace("alpha@nb", "")


def test_both_are_for_people_with_a_role_and_kept_by_nobody(told: Newsdesk) -> None:
    for path in ("/blame/posts/alpha", "/history/posts/alpha"):
        statuses = {person: told.ask("GET", path, person).status_code for person in ("", "rune", "ola", "rita", "mia")}
        assert statuses == {"": 401, "rune": 403, "ola": 200, "rita": 200, "mia": 200}
        assert told.ask("GET", path, secret=told.token("robot")).status_code == 403
        answer = told.ask("GET", path, "ola")
        assert answer.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in answer.headers


def test_in_a_draft_what_is_not_published_says_so(told: Newsdesk) -> None:
    parts = blamed(told, "?draft=open")
    assert (parts["title"]["by"], parts["title"]["commit"]["publication"]) == ("Eva Dahl", None)
    assert parts["- z"]["commit"]["publication"]["draft"] == "two"
    newest = told.get("/history/posts/alpha?draft=open")
    assert (newest["standing"], newest["publication"], newest["commits"][0]["standing"]) == (None, None, None)
    assert told.ask("GET", "/blame/posts/alpha?draft=open").status_code == 401
    assert told.ask("GET", "/blame/posts/alpha?draft=open", "rune").status_code in (403, 404)


def test_in_a_draft_an_entry_was_updated_when_the_draft_was(told: Newsdesk) -> None:
    shown, published = (told.get(f"/entries/posts/alpha{query}") for query in ("?draft=open", ""))
    assert (shown["last_author"], published["last_author"]) == ("Eva Dahl", "Per Lie")
    assert shown["created_at"] == published["created_at"]
    assert shown["updated_at"] == told.get("/history/posts/alpha?draft=open")["commits"][0]["at"]


def test_at_an_earlier_commit_both_tell_of_what_was_there(told: Newsdesk) -> None:
    first = told.room.first
    assert {part["by"] for part in blamed(told, f"?ref={first}", "a").values()} == {"Kari Nordmann"}
    assert len(told.get(f"/history/posts/a?ref={first}")["commits"]) == 1
    one = told.get("/history/posts/alpha")["commits"][2]["publication"]["commit"]
    parts = blamed(told, f"?ref={one}", "a")
    assert (parts["title"]["by"], parts["title"]["commit"]["publication"]["commit"]) == ("Ola Hansen", one)
    assert told.ask("GET", f"/blame/posts/alpha?ref={one}", "ola").status_code == 404


def test_the_token_of_a_preview_shows_a_draft_and_not_who_wrote_it(told: Newsdesk) -> None:
    token = told.do("POST", "/drafts/open/previews", "eva", {})["token"]
    assert told.ask("GET", f"/entries/posts/alpha?preview={token}").status_code == 200
    assert told.ask("GET", f"/blame/posts/alpha?preview={token}").status_code == 401
    assert told.ask("GET", "/history/posts/alpha", secret=token).status_code == 401


def test_an_old_name_leads_to_the_new_one(told: Newsdesk) -> None:
    moved = told.ask("GET", "/blame/posts/a?locale=nb", "ola")
    assert (moved.status_code, moved.headers["location"]) == (308, "/api/v1/blame/posts/alpha?locale=nb")
    assert told.ask("GET", "/blame/posts/never", "ola").status_code == 404
    assert told.ask("GET", "/blame/nothing/a", "ola").status_code == 404


def settings(public: str, never: str = "[]") -> str:
    return MODEL["cms.toml"] + f"[history]\npublic = {public}\nnever = {never}\n"


def test_a_site_without_people_shows_it_to_everybody_or_to_nobody(repo: Repo, serve: Serve) -> None:
    repo.commit({**MODEL, "cms.toml": settings("false"), "posts/a.md": "---\ntitle: A\n---\nOne.\n"})
    client = serve()
    closed = client.ask("/blame/posts/a")
    assert (closed.status_code, "public = true" in closed.json()["detail"]) == (403, True)
    repo.commit({"cms.toml": settings("true")}, author=("Ola", "ola@example.org"))
    repo.commit({"posts/a.md": "---\ntitle: B\n---\nOne.\n"}, message="Rename it", author=("Ola", "ola@example.org"))
    data = client.data("/blame/posts/a")
    assert [(part["by"], part["field"]) for part in data["fields"]] == [("Ola", "title")]
    commits = client.data("/history/posts/a")["commits"]
    assert [(each["why"], each["standing"]) for each in commits] == [
        ("Rename it", "imported"),
        ("Change content", "imported"),
    ]
    assert "@" not in client.ask("/history/posts/a").text


def test_everybody_is_told_of_published_states_and_of_no_branch(repo: Repo, serve: Serve) -> None:
    text = "---\ntitle: A\n---\nA text that is long enough to be known again under another name.\n"
    base = repo.commit({**MODEL, "cms.toml": settings("true"), "posts/a.md": text})
    work = repo.commit(
        {"posts/a.md": None, "posts/working-title.md": text}, branch="side", parents=[base], message="Hide it"
    )
    side = repo.commit({"posts/working-title.md": None, "posts/b.md": text + "More.\n"}, branch="side", parents=[work])
    said = repo.commit({}, branch="side", parents=[side], message="Not for all\n\nReview: comment")
    merged: dict[str, str | bytes | None] = {"posts/a.md": None, "posts/b.md": text + "More.\n"}
    repo.commit(merged, parents=[base, said], message="Merge it\n\nDraft: side")
    client = serve()
    told = client.ask("/history/posts/b").text + client.ask("/blame/posts/b").text
    assert not any(hidden in told for hidden in ("working", "Hide it", "Not for all", work, side, said))
    commits = client.data("/history/posts/b")["commits"]
    assert (commits[0]["change"], commits[0]["why"], commits[0]["from"]) == ("renamed", "Merge it", "posts/a.md")


def test_what_a_site_never_shows_of_its_past_is_not_told_by_the_history(repo: Repo, serve: Serve) -> None:
    text = "---\ntitle: A\n---\nA text that is long enough to be known again under another name.\n"
    repo.commit({**MODEL, "cms.toml": settings("true", '["posts/secret-*.md"]'), "posts/secret-a.md": text})
    repo.commit({"posts/secret-a.md": None, "posts/a.md": text}, author=("Ola", "ola@example.org"))
    client = serve()
    assert "secret" not in client.ask("/history/posts/a").text + client.ask("/blame/posts/a").text
    assert [(each["change"], each["from"]) for each in client.data("/history/posts/a")["commits"]] == [
        ("changed", None)
    ]
    assert all(part["is_older"] for part in client.data("/blame/posts/a")["fields"])
