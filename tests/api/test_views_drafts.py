"""Views of what is not published: the token of a preview, several drafts together, and the future."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.api.newsdesk import Newsdesk
from tests.editing.tools import FILES

LIST = "/entries/posts?sort=slug&"
PATHS = ("/entries/posts?{}", "/entries/posts/a?{}", "/search?q=new&{}", "/suggest?q=new&{}", "/collections?{}", "/?{}", "/openapi.json?{}")  # fmt: skip


def shared(desk: Newsdesk, name: str = "x", by: str = "ola") -> str:
    return str(desk.do("POST", f"/drafts/{name}/previews", by)["token"])


def titles(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [post["title"] for post in answer.json()["data"]]


def soon(**later: float) -> str:
    return (datetime.now(UTC) + timedelta(**later)).isoformat().replace("+00:00", "Z")


def schedule(desk: Newsdesk, name: str, slug: str, title: str, **later: float) -> None:
    desk.begin(name, slug=slug, title=title)
    desk.say("approve", name)
    desk.do("PUT", f"/drafts/{name}/schedule", "pia", {"publish_at": soon(**later)})


# -- previews ---------------------------------------------------------------------------------------------------------------------


def test_who_has_the_token_reads_the_draft_everywhere(desk: Newsdesk) -> None:
    desk.begin()
    token = shared(desk)
    for path in PATHS:
        for query in (f"preview={token}", f"draft=x&preview={token}"):
            answer = desk.ask("GET", path.format(query))
            assert answer.status_code == 200, path
            assert answer.headers["cache-control"] == "private, no-store"
            assert answer.headers["referrer-policy"] == "no-referrer"
    assert titles(desk.ask("GET", f"{LIST}preview={token}")) == ["New x", "B"]


def test_a_token_in_the_header_needs_no_parameter_and_goes_nowhere_else(desk: Newsdesk) -> None:
    desk.begin()
    token = shared(desk)
    answer = desk.ask("GET", "/entries/posts?sort=slug", secret=token)
    assert titles(answer) == ["New x", "B"]
    assert token not in answer.text + str(answer.headers)
    assert "access-control-allow-origin" not in answer.headers


def test_pages_of_other_sites_may_show_what_a_token_in_the_address_opens(desk: Newsdesk) -> None:
    desk.begin()
    answer = desk.ask("GET", f"/entries/posts/a?preview={shared(desk)}")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "preview=" in answer.json()["links"]["self"]


def test_a_preview_shows_one_draft_and_nothing_else(desk: Newsdesk) -> None:
    desk.begin("x")
    desk.begin("y", slug="b")
    token = shared(desk, "x")
    for query in (
        "draft=y",
        "with=x,y",
        "with=y",
        f"ref={desk.room.main}",
        "at=2020-01-01",
        "at=2099-01-01",
        "ref=drafts/y",
    ):
        for answer in (
            desk.ask("GET", f"/entries/posts?{query}&preview={token}"),
            desk.ask("GET", f"/entries/posts?{query}", secret=token),
        ):
            assert answer.status_code in (400, 401), query
            assert "New y" not in answer.text


def test_a_preview_is_over_when_it_was_ended_or_its_draft_is_gone(desk: Newsdesk) -> None:
    desk.begin()
    one, other = shared(desk), shared(desk)
    desk.do("GET", "/drafts/x/previews", "ola")
    desk.ask("DELETE", f"/drafts/x/previews/{one[5:17]}", "ola")
    assert desk.ask("GET", f"/entries/posts?preview={one}").status_code == 401
    assert desk.ask("GET", f"/entries/posts?preview={other}").status_code == 200
    desk.do("DELETE", "/drafts/x", "ola", {"reason": "no"})
    desk.begin()
    assert desk.ask("GET", f"/entries/posts?preview={other}").status_code == 401


@pytest.mark.parametrize("token", ["cmsp_", "cmsp_x", "x", "cmst_000000000000_x", "%00", "cmsp_" + "0" * 500])
def test_a_token_that_was_never_made_shows_nothing(desk: Newsdesk, token: str) -> None:
    answer = desk.ask("GET", f"/entries/posts?preview={token}")
    assert answer.status_code == 401
    assert token[:30] not in answer.text


# -- several drafts ------------------------------------------------------------------------------------------------------------------


def test_drafts_are_laid_over_one_another(desk: Newsdesk) -> None:
    one = desk.begin("x", title="Mine")
    two = desk.begin("y", slug="b", title="Yours")
    answer = desk.ask("GET", f"{LIST}with=x,y", "eva")
    assert titles(answer) == ["Mine", "Yours"]
    assert answer.json()["meta"]["drafts"] == [{"name": "x", "head": one}, {"name": "y", "head": two}]
    assert answer.json()["meta"]["view"] == "with:x,y"
    assert titles(desk.ask("GET", f"{LIST}with=y,x", "eva")) == ["Mine", "Yours"]


def test_changes_of_one_entry_in_several_drafts_are_merged_by_field(desk: Newsdesk) -> None:
    desk.begin("x", title="New title")
    desk.begin("y", tags=["news"])
    entry = desk.get("/entries/posts/a?with=x,y&format=text")
    assert (entry["title"], entry["tags"], entry["body"].strip()) == ("New title", ["news"], "First text.")


def test_what_drafts_disagree_about_is_told_by_field(desk: Newsdesk) -> None:
    desk.begin("x", title="Mine")
    desk.begin("y", title="Yours")
    refused = desk.ask("GET", "/entries/posts?with=x,y", "eva")
    assert refused.status_code == 409
    clash = refused.json()["conflicts"][0]
    assert (clash["path"], clash["field"], clash["merging"]) == ("posts/a.md", "title", "y")
    assert (clash["published"], clash["draft"], clash["base"]) == ("Mine", "Yours", "A")
    assert refused.json()["errors"][0]["field"] == "title"


def test_a_draft_on_top_of_another_brings_it_and_does_not_clash(desk: Newsdesk) -> None:
    head = desk.begin("x", title="Mine")
    changed = {"posts/a.md": "---\ntitle: Mine, later\ncategory: helse # fast\n---\nFirst text.\n"}
    desk.room.repo.commit(changed, branch="drafts/y", parents=[head])
    assert desk.get("/entries/posts/a?with=x,y")["title"] == "Mine, later"
    assert desk.get("/entries/posts/a?with=y,x")["title"] == "Mine, later"


def test_who_may_not_read_one_of_them_gets_none(desk: Newsdesk) -> None:
    desk.begin("x")
    for by, status in (("rune", 404), ("", 401), ("eva", 404)):
        assert desk.ask("GET", "/entries/posts?with=x,none", by).status_code == status


def test_merged_bytes_that_are_in_no_repository_are_rendered_and_found(desk: Newsdesk) -> None:
    desk.begin("x", title="Kanarifugl")
    desk.do("PATCH", "/drafts/x/entries/posts/a", "ola", {"body": "First text.\n"})
    desk.begin("y", tags=["sjelden"])
    assert "First text" in desk.get("/entries/posts/a?with=x,y&format=html")["body"]
    assert [item["slug"] for item in desk.get("/search?q=kanarifugl&with=x,y")] == ["a"]


# -- the future -----------------------------------------------------------------------------------------------------------------------


def test_the_future_holds_what_is_scheduled_until_then(desk: Newsdesk) -> None:
    schedule(desk, "x", "a", "Tomorrow", days=1)
    schedule(desk, "y", "b", "Next week", days=7)
    assert titles(desk.ask("GET", f"{LIST}at={soon(hours=1)}", "eva")) == ["A", "B"]
    assert titles(desk.ask("GET", f"{LIST}at={soon(days=2)}", "eva")) == ["Tomorrow", "B"]
    answer = desk.ask("GET", f"{LIST}at={soon(days=8)}", "eva")
    assert titles(answer) == ["Tomorrow", "Next week"]
    assert [draft["name"] for draft in answer.json()["meta"]["drafts"]] == ["x", "y"]
    assert answer.headers["cache-control"] == "private, no-store"


def test_what_is_scheduled_and_not_approved_is_named_and_not_shown(desk: Newsdesk) -> None:
    schedule(desk, "x", "a", "Tomorrow", days=1)
    desk.do("PATCH", "/drafts/x/entries/posts/a", "ola", {"fields": {"title": "Not seen by anybody"}})
    answer = desk.ask("GET", f"{LIST}at={soon(days=2)}", "eva")
    assert titles(answer) == ["A", "B"]
    assert answer.json()["meta"]["not_ready"] == ["x"]


def test_scheduled_drafts_that_clash_say_so(desk: Newsdesk) -> None:
    schedule(desk, "x", "a", "One", days=1)
    schedule(desk, "y", "a", "Other", days=2)
    assert titles(desk.ask("GET", f"{LIST}at={soon(hours=36)}", "eva")) == ["One", "B"]
    refused = desk.ask("GET", f"{LIST}at={soon(days=3)}", "eva")
    assert (refused.status_code, refused.json()["conflicts"][0]["merging"]) == (409, "y")


@pytest.mark.parametrize(("by", "status"), [("", 401), ("rune", 403), ("gone", 403)])
def test_the_future_is_for_those_who_may_read_drafts(still: Newsdesk, by: str, status: int) -> None:
    assert still.ask("GET", "/entries/posts?at=2099-01-01", by).status_code == status


def test_an_embargo_that_ends_until_then_is_over(tmp_path: Path) -> None:
    later = soon(days=3)
    more = {"schemas/posts.yaml": FILES["schemas/posts.yaml"].replace("additionalProperties: false", "")}
    more["posts/c.md"] = f"---\ntitle: C\npublish_at: {later}\n---\nSoon.\n"
    desk = Newsdesk(tmp_path, files={**FILES, **more})
    assert titles(desk.ask("GET", f"{LIST}at={soon(days=2)}", "eva")) == ["A", "B"]
    assert titles(desk.ask("GET", f"{LIST}at={soon(days=4)}", "eva")) == ["A", "B", "C"]
    assert titles(desk.ask("GET", f"{LIST}ref={desk.room.main}&at={soon(days=4)}", "eva")) == ["A", "B", "C"]
    for by, status in (("rune", 400), ("", 403)):
        assert desk.ask("GET", f"{LIST}ref={desk.room.main}&at={soon(days=4)}", by).status_code == status
    desk.close()


def test_a_draft_whose_schema_searches_other_fields_is_searched_by_these(desk: Newsdesk) -> None:
    schema = FILES["schemas/posts.yaml"].replace(
        "category: {type: string}", "category: {type: string, x-search: {boost: 3.0}}"
    )
    desk.room.repo.commit({"schemas/posts.yaml": schema}, branch="drafts/x", parents=[desk.room.main])
    assert desk.get("/search?q=helse") == []
    assert [item["slug"] for item in desk.get("/search?q=helse&draft=x")] == ["a"]
    assert [item["slug"] for item in desk.get("/entries/posts?search=helse&draft=x")] == ["a"]
    assert desk.get("/search?q=helse") == []
    assert [item["slug"] for item in desk.get("/search?q=first&draft=x")] == ["a"]
