"""Drafts over HTTP: what is answered to those who may, and how what does not fit, or is hostile, is refused."""

import re
from typing import Any

import pytest

from tests.api.newsdesk import Newsdesk, basic
from tests.api.tools import Client

ENTRY = "/drafts/x/entries/posts/a"
PROBLEM = {"type", "title", "status", "detail", "instance", "code"}


def problem(answer: Any, status: int, code: str) -> Any:
    """The body of a refusal, which is private to who asked."""
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json"), answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert "access-control-allow-origin" not in answer.headers
    body = answer.json()
    assert body.keys() >= PROBLEM
    assert (body["status"], body["code"]) == (status, code), answer.text
    return body


# -- the whole way -------------------------------------------------------------------------------------------------


def test_a_text_goes_from_its_first_word_to_its_readers(desk: Newsdesk) -> None:
    begun = desk.ask("POST", "/drafts", "ola", {"name": "x"})
    assert (begun.status_code, begun.headers["Location"]) == (201, "/api/v1/drafts/x")
    desk.do("PUT", "/drafts/x/entries/posts/c", "ola", {"fields": {"title": "C"}, "body": "Words.\n"})
    assert desk.say("request", by="ola", message="Please read")["status"] == "in_review"
    assert desk.say("approve", by="eva")["status"] == "approved"
    published = desk.ask("POST", "/drafts/x/publication", "pia", {"message": "Publish C"})
    assert (published.status_code, published.json()["data"]["paths"]) == (201, ["posts/c.md"])
    assert desk.get("/entries/posts/c", "")["title"] == "C"
    assert desk.ask("GET", "/drafts/x", "ola").status_code == 404


def test_publishing_again_is_harmless_and_says_so(desk: Newsdesk) -> None:
    desk.begin()
    desk.say("approve")
    first = desk.do("POST", "/drafts/x/publication", "pia", {})
    again = desk.ask("POST", "/drafts/x/publication", "pia", {})
    assert (again.status_code, again.json()["data"]["is_repeated"]) == (200, True)
    assert again.json()["data"]["commit"] == first["commit"] == desk.room.main


def test_a_draft_tells_everything_that_an_editor_wants_to_know(still: Newsdesk) -> None:
    head = still.get("/drafts/x")["head"]
    answer = still.ask("GET", "/drafts/x", "eva")
    data = answer.json()["data"]
    assert (data["head"], answer.headers["ETag"]) == (head, f'"{head}"')
    assert (data["status"], data["owner"], data["people"]["ola"]) == ("draft", "ola", "Ola Hansen")
    (entry,) = data["entries"]
    assert (entry["path"], entry["change"], entry["needed"], entry["may_approve"]) == ("posts/a.md", "changed", 1, ["eva", "rita"])  # fmt: skip
    assert data["missing"] == ["posts/a.md needs 1 more approval by @editors: Eva Dahl or Rita Moe can give it"]
    assert data["missing"] == [entry["missing"]] == still.get("/drafts")[0]["missing"]
    assert all(still.ask("OPTIONS", link, "eva").status_code == 204 for link in answer.json()["links"].values())


@pytest.mark.parametrize(
    ("by", "actions"),
    [
        ("ola", ["write", "delete", "rename", "request", "comment", "close"]),
        ("per", ["comment"]),
        ("rita", ["write", "delete", "rename", "approve", "changes", "comment"]),
        ("pia", ["comment"]),
        ("mia", ["comment", "bypass", "close"]),
        ("robot", []),
    ],
)
def test_a_draft_tells_what_who_asks_can_do_with_it_now(still: Newsdesk, by: str, actions: list[str]) -> None:
    assert still.get("/drafts/x", by)["actions"] == actions


def test_what_can_be_done_changes_with_the_draft(desk: Newsdesk) -> None:
    desk.begin()
    desk.say("approve", by="rita")
    assert desk.get("/drafts/x", "pia")["actions"] == ["comment", "schedule", "publish"]
    assert "withdraw" in desk.get("/drafts/x", "rita")["actions"]
    desk.do("PUT", "/drafts/x/schedule", "pia", {"publish_at": "2030-01-01T00:00:00Z"})
    assert desk.get("/drafts/x", "pia")["actions"] == ["comment", "withdraw", "schedule", "unschedule", "publish"]


def test_drafts_are_listed_in_pages(desk: Newsdesk) -> None:
    for name in ("a", "b", "c"):
        desk.do("POST", "/drafts", "ola", {"name": name})
    first = desk.ask("GET", "/drafts?limit=2", "robot").json()
    assert [draft["name"] for draft in first["data"]] == ["a", "b"]
    assert first["meta"] == {"total": 3, "limit": 2, "offset": 0}
    rest = desk.ask("GET", first["links"]["next"], "per").json()
    assert ([draft["name"] for draft in rest["data"]], "next" in rest["links"]) == (["c"], False)
    assert desk.ask("GET", "/drafts?limit=0", "per").json()["meta"]["total"] == 3
    for wrong in ("limit=101", "limit=-1", "limit=x", "offset=1e3", "limit=", "limit=1&limit=2", "limit=١"):
        assert desk.ask("GET", f"/drafts?{wrong}", "per").json()["code"] == "invalid-query", wrong


def test_what_was_said_is_told_with_what_it_counts_for(desk: Newsdesk) -> None:
    desk.begin()
    desk.say("approve", by="eva")
    desk.say("changes", by="rita", message="Shorter\n\nMuch shorter.", anchor="posts/a.md#title")
    desk.do("PATCH", ENTRY, "ola", {"fields": {"title": "Short"}})
    answer = desk.ask("GET", "/drafts/x/verdicts", "ola").json()
    assert answer["meta"]["total"] == 2
    approval, request = answer["data"]
    assert (approval["person"], approval["name"], approval["counts"]) == ("eva", "Eva Dahl", False)
    assert approval["why_not"]
    assert (request["verdict"], request["message"], request["anchor"]) == ("changes", "Shorter\n\nMuch shorter.", "posts/a.md#title")  # fmt: skip
    assert desk.get("/drafts/x")["blocking"] == [request["commit"]]


def test_a_draft_is_read_as_its_readers_would_get_it(desk: Newsdesk) -> None:
    desk.begin(title="Tomorrow", related=["b"])
    assert desk.get("/entries/posts/a", "")["title"] == "A"
    shown = desk.get("/drafts/x/entries/posts/a?include=related&fields=title,body,related.title", "per")
    assert shown == {"title": "Tomorrow", "body": "<p>First text.</p>\n", "related": [{"title": "B"}]}
    body = problem(desk.ask("GET", f"{ENTRY}?titel=1", "per"), 400, "invalid-query")
    assert body["parameter"] == "titel"
    problem(desk.ask("GET", "/drafts/x/entries/posts/nothing", "per"), 404, "entry-not-found")
    assert (
        problem(desk.ask("GET", "/drafts/x/entries/post/a", "per"), 404, "collection-not-found")["nearest"] == "posts"
    )


def test_a_difference_is_told_by_field_and_by_line(desk: Newsdesk) -> None:
    desk.begin(title="Other", category=None)
    desk.do("PATCH", ENTRY, "ola", {"body": "First text.\nMore.\n"})
    answer = desk.ask("GET", "/drafts/x/diff", "per").json()
    (change,) = answer["data"]
    assert change["fields"] == [
        {"field": "title", "before": "A", "after": "Other"},
        {"field": "category", "before": "helse", "after": None},
    ]
    assert change["body"] == ["@@ -1 +1,2 @@", " First text.", "+More."]
    assert (change["words"]["removed"], change["words"]["added"], len(change["words"]["passages"])) == (0, 1, 1)
    assert (answer["meta"]["total"], answer["meta"]["head"]) == (1, desk.get("/drafts/x")["head"])


def test_what_is_written_changes_its_own_bytes_and_no_other(desk: Newsdesk) -> None:
    desk.begin(title="Other")
    assert desk.room.read("posts/a.md", "refs/heads/drafts/x") == "---\ntitle: Other\ncategory: helse # fast\n---\nFirst text.\n"  # fmt: skip
    desk.do("PATCH", ENTRY, "ola", {"fields": {"category": None}})
    assert desk.room.read("posts/a.md", "refs/heads/drafts/x") == "---\ntitle: Other\n---\nFirst text.\n"
    desk.do("PUT", ENTRY, "ola", {"fields": {"title": "All", "tags": ["x"]}, "body": "New.\n"})
    assert "tags" in (desk.room.read("posts/a.md", "refs/heads/drafts/x") or "")


def test_the_same_put_twice_is_one_change_and_no_conflict(desk: Newsdesk) -> None:
    desk.begin()
    heads = [desk.do("PUT", ENTRY, "ola", {"fields": {"title": "Same"}})["head"] for _ in range(2)]
    assert heads[0] == heads[1]


def test_a_rename_takes_references_along_and_a_closed_draft_is_gone(desk: Newsdesk) -> None:
    desk.begin()
    data = desk.do("POST", "/drafts/x/renames", "ola", {"collection": "posts", "slug": "a", "to": "alpha"})
    changes = {entry["path"]: entry["change"] for entry in data["entries"]}
    assert changes == {"posts/a.md": "deleted", "posts/alpha.md": "added", "posts/b.md": "changed"}
    closed = desk.do("DELETE", "/drafts/x", "ola", {"reason": "Next year"})
    assert closed == {"name": "x", "closed": True, "head": data["head"]}
    problem(desk.ask("GET", "/drafts/x", "ola"), 404, "draft-not-found")


def test_a_schedule_is_set_shown_in_the_sites_zone_and_taken_off(desk: Newsdesk) -> None:
    desk.begin()
    desk.say("approve")
    data = desk.do("PUT", "/drafts/x/schedule", "pia", {"publish_at": "2030-05-17T05:00:00Z"})
    assert (data["status"], data["publish_at"], data["scheduled_by"]) == ("scheduled", "2030-05-17T07:00:00+02:00", "pia")  # fmt: skip
    assert desk.get("/drafts")[0]["publish_at"] == "2030-05-17T07:00:00+02:00"
    assert desk.do("DELETE", "/drafts/x/schedule", "pia")["status"] == "approved"
    problem(desk.ask("DELETE", "/drafts/x/schedule", "pia"), 409, "conflict")


def test_an_undone_publication_is_a_draft_like_any_other(desk: Newsdesk) -> None:
    desk.begin()
    desk.say("approve")
    commit = desk.do("POST", "/drafts/x/publication", "pia", {})["commit"]
    answer = desk.ask("POST", "/drafts", "per", {"revert": commit, "reason": "It was wrong"})
    assert answer.headers["Location"] == f"/api/v1/drafts/revert-{commit[:10]}"
    (change,) = desk.get(f"/drafts/revert-{commit[:10]}/diff")
    assert change["fields"] == [{"field": "title", "before": "New x", "after": "A"}]


# -- what the caller looked at ---------------------------------------------------------------------------------------


def test_nothing_unseen_is_approved(desk: Newsdesk) -> None:
    seen = desk.begin()
    path = "/drafts/x/verdicts"
    body = problem(desk.ask("POST", path, "eva", {"verdict": "approve"}), 428, "state-not-named")
    assert body["parameter"] == "head"
    desk.do("PATCH", ENTRY, "ola", {"fields": {"title": "Sly"}})
    body = problem(desk.ask("POST", path, "eva", {"verdict": "approve", "head": seen}), 412, "stale-request")
    assert (body["expected"], body["found"]) == (seen, desk.get("/drafts/x")["head"])
    problem(desk.ask("POST", path, "eva", {"verdict": "approve"}, If_Match=f'"{seen}"'), 412, "stale-request")
    answer = desk.ask("POST", path, "eva", {"verdict": "approve"}, If_Match=f'"{body["found"]}"')
    assert answer.json()["data"]["status"] == "approved"


@pytest.mark.parametrize(
    ("method", "path", "by", "body"),
    [
        ("PATCH", ENTRY, "ola", {"fields": {"title": "Y"}}),
        ("DELETE", "/drafts/x/entries/posts/b", "ola", {}),
        ("POST", "/drafts/x/renames", "ola", {"collection": "posts", "slug": "b", "to": "c"}),
        ("POST", "/drafts/x/verdicts", "ola", {"verdict": "request"}),
        ("POST", "/drafts/x/verdicts", "eva", {"verdict": "comment", "message": "Nice"}),
        ("POST", "/drafts/x/publication", "pia", {}),
        ("POST", "/drafts/x/publication", "mia", {"bypass": "The water must be boiled"}),
        ("PUT", "/drafts/x/schedule", "pia", {"publish_at": "2030-01-01T00:00:00Z"}),
        ("DELETE", "/drafts/x", "ola", {}),
    ],
)
def test_every_act_can_be_bound_to_the_state_that_it_was_decided_on(
    still: Newsdesk, method: str, path: str, by: str, body: Any
) -> None:
    before = still.get("/drafts/x")
    for named in ({"body": {**body, "head": "0" * 40}}, {"body": body, "If_Match": f'W/"{"0" * 40}"'}):
        problem(still.ask(method, path, by, **named), 412, "stale-request")
    assert still.get("/drafts/x") == before
    different = still.ask(method, path, by, {**body, "head": before["head"]}, If_Match=f'"{"0" * 40}"')
    assert problem(different, 400, "invalid-query")["parameter"] == "head"
    problem(still.ask(method, path, by, body, If_Match='"abc"'), 400, "invalid-query")


# -- what does not fit the state ------------------------------------------------------------------------------------


def test_what_cannot_be_published_yet_says_what_is_missing_and_who_can_give_it(desk: Newsdesk) -> None:
    desk.begin()
    body = problem(desk.ask("POST", "/drafts/x/publication", "pia", {}), 409, "conflict")
    assert body["missing"] == ["posts/a.md needs 1 more approval by @editors: Eva Dahl or Rita Moe can give it"]
    assert body["missing"][0] in body["detail"]
    assert (body["draft"], body["state"]) == ("x", "draft")


def test_both_values_of_a_conflict_are_told(desk: Newsdesk) -> None:
    desk.begin("one", title="One")
    desk.begin("x", by="per", title="Two")
    desk.say("approve", "one")
    desk.do("POST", "/drafts/one/publication", "pia", {})
    body = problem(desk.ask("POST", "/drafts/x/publication", "pia", {}), 409, "merge-conflict")
    (conflict,) = body["conflicts"]
    assert (conflict["path"], conflict["field"]) == ("posts/a.md", "title")
    assert (conflict["base"], conflict["published"], conflict["draft"]) == ("A", "One", "Two")
    assert (body["errors"][0]["path"], body["errors"][0]["field"]) == ("posts/a.md", "title")
    assert desk.get("/drafts/x")["conflicts"] == body["conflicts"]


def test_every_error_in_what_is_written_is_told_with_its_place(still: Newsdesk) -> None:
    head = still.get("/drafts/x")["head"]
    fields = {"title": "", "number": "x", "related": ["nobody"]}
    body = problem(still.ask("PATCH", ENTRY, "ola", {"fields": fields}), 422, "invalid-content")
    assert {error["field"] for error in body["errors"]} >= {"title", "number"}
    for error in body["errors"]:
        assert error["path"] == "posts/a.md"
        assert error["line"] >= 2
        assert error["column"] >= 1
        assert error["detail"]
    assert still.get("/drafts/x")["head"] == head


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"title": "a\0b"}, "title"),
        ({"number": 2**64}, "number"),
        ({"title": "x" * 70_000}, "title"),
        ({"y" * 3000: 1}, "y" * 3000),
    ],
)
def test_what_no_file_can_hold_is_an_error_of_its_field(still: Newsdesk, fields: Any, field: str) -> None:
    body = problem(still.ask("PATCH", ENTRY, "ola", {"fields": fields}), 422, "invalid-entry")
    assert body["errors"][0]["field"] == field
    assert len(body["detail"]) <= 2010


def test_errors_elsewhere_are_told_too(still: Newsdesk) -> None:
    body = problem(still.ask("DELETE", ENTRY, "ola"), 422, "invalid-content")
    assert [(error["path"], error["field"]) for error in body["errors"]] == [("posts/b.md", "related.0")]


def test_a_draft_whose_settings_are_broken_says_so_and_nothing_else_breaks(desk: Newsdesk) -> None:
    head = desk.begin()
    desk.room.repo.commit({"cms.toml": "[site\n"}, branch="drafts/x", parents=[head], at=desk.room.tick())
    body = problem(desk.ask("GET", ENTRY, "eva"), 409, "conflict")
    assert body["errors"][0]["path"] == "cms.toml"
    assert desk.get("/drafts/x")["status"] == "invalid"
    problem(desk.ask("PATCH", ENTRY, "ola", {"fields": {"title": "T"}}), 409, "conflict")


def test_reading_goes_on_while_the_rules_are_broken_and_nothing_else_does(desk: Newsdesk) -> None:
    desk.begin()
    settings = (desk.room.read("cms.toml") or "").replace('who = ["@editors"]', 'who = ["@editor"]')
    desk.room.repo.commit({"cms.toml": settings}, at=desk.room.tick())
    token = desk.token("ola")
    assert desk.ask("GET", "/entries/posts", secret=token).status_code == 200
    for method, path, sent in (("GET", "/drafts/x", None), ("POST", "/drafts", {"name": "y"}), ("GET", "/me", None)):
        body = problem(desk.ask(method, path, "ola", sent), 503, "invalid-settings")
        assert "editor" in body["detail"]


def test_what_git_holds_and_json_does_not_like_is_told_all_the_same(desk: Newsdesk) -> None:
    head = desk.begin()
    desk.room.repo.commit({"posts/a.md": "---\ntitle: A\nnumber: 123456789012345678901\n---\n"}, branch="drafts/x", parents=[head], at=desk.room.tick())  # fmt: skip
    blob = desk.room.repo.git("rev-parse", "drafts/x:posts/a.md")
    tree = desk.room.repo.git("mktree", "-z", stdin=b"100644 blob %s\t\xe6.md\0" % blob.encode())
    root = desk.room.repo.git("mktree", stdin=f"040000 tree {tree}\tposts\n".encode())
    commit = desk.room.repo.git("commit-tree", root, "-p", "drafts/x", "-m", "Latin")
    desk.room.repo.git("update-ref", "refs/heads/drafts/x", commit)
    for path in ("/drafts", "/drafts/x", "/drafts/x/diff", "/drafts/x/verdicts"):
        assert desk.ask("GET", path, "eva").json()["data"] is not None


def test_what_is_published_and_cannot_be_served_is_told_and_hides_no_drafts(desk: Newsdesk) -> None:
    desk.begin()
    desk.room.repo.commit({"schemas/posts.yaml": "type: [\n"}, at=desk.room.tick())
    assert desk.ask("GET", "/entries/posts", "ola").status_code == 200
    for path in ("/drafts", "/drafts/x"):
        assert "cannot be served" in problem(desk.ask("GET", path, "eva"), 409, "conflict")["detail"]


def test_a_fault_of_ours_is_told_as_one_and_kept_by_nobody(desk: Newsdesk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr(desk.room.office, "sign_in", fail)
    answer = desk.ask("GET", "/drafts", "ola")
    assert "secret" not in problem(answer, 500, "internal-error")["detail"]


def test_a_site_that_nobody_may_change_is_read_with_and_without_secrets(blog: Client) -> None:
    assert blog.ask("/entries/posts", Authorization="Bearer nonsense").status_code == 200
    for path in ("/drafts", "/drafts/x", "/me", "/tokens"):
        answer = blog.ask(path, Authorization="Bearer nonsense")
        assert (answer.status_code, "only read here" in answer.json()["detail"]) == (404, True)


# -- requests that are wrong ----------------------------------------------------------------------------------------

WRONG: list[tuple[str, str, Any, str]] = [
    ("POST", "/drafts", {}, "name"),
    ("POST", "/drafts", {"name": "a b"}, "name"),
    ("POST", "/drafts", {"name": "../x"}, "name"),
    ("POST", "/drafts", {"name": "x" * 5000}, "name"),
    ("POST", "/drafts", {"name": "x.lock"}, "name"),
    ("POST", "/drafts", {"name": "a\0b"}, "name"),
    ("POST", "/drafts", {"name": 5}, "name"),
    ("POST", "/drafts", {"name": "y", "owner": "eva"}, "owner"),
    ("POST", "/drafts", {"name": "y", "reason": "None"}, "reason"),
    ("POST", "/drafts", {"revert": "HEAD"}, "revert"),
    ("POST", "/drafts", {"revert": "a" * 40, "rollback": "a" * 40}, "rollback"),
    ("POST", "/drafts", {"unpublish": []}, "unpublish"),
    ("POST", "/drafts", {"unpublish": "posts/a"}, "unpublish"),
    ("POST", "/drafts", {"unpublish": {"collection": "posts"}}, "slug"),
    ("POST", "/drafts", {"restore": [{"collection": "posts", "slug": "a", "path": "x"}]}, "restore"),
    ("POST", "/drafts/x/verdicts", {}, "verdict"),
    ("POST", "/drafts/x/verdicts", {"verdict": "aprove"}, "verdict"),
    ("POST", "/drafts/x/verdicts", {"verdict": "comment"}, "message"),
    ("POST", "/drafts/x/verdicts", {"verdict": "comment", "message": " \n"}, "message"),
    ("POST", "/drafts/x/verdicts", {"verdict": "comment", "message": "x" * 20_001}, "message"),
    ("POST", "/drafts/x/verdicts", {"verdict": "comment", "message": "x", "anchor": "nowhere"}, "anchor"),
    ("POST", "/drafts/x/verdicts", {"verdict": "comment", "message": "x", "lifts": "eva"}, "lifts"),
    ("POST", "/drafts/x/verdicts", {"verdict": "request", "anchor": "posts/a.md:1"}, "anchor"),
    ("POST", "/drafts/x/verdicts", {"verdict": "request", "head": "HEAD"}, "head"),
    ("POST", "/drafts/x/renames", {"collection": "posts", "slug": "a"}, "to"),
    ("PATCH", ENTRY, {"fields": []}, "fields"),
    ("PATCH", ENTRY, {"body": 5}, "body"),
    ("PATCH", ENTRY, {"title": "T"}, "title"),
    ("PATCH", f"{ENTRY}?local=nb", {"fields": {"title": "T"}}, "local"),
    ("PATCH", f"{ENTRY}?locale=nb&locale=en", {"fields": {"title": "T"}}, "locale"),
    ("PATCH", f"{ENTRY}?locale=", {"fields": {"title": "T"}}, "locale"),
    ("DELETE", "/drafts/x", {"why": "x"}, "why"),
    ("GET", "/drafts?page=2", None, "page"),
    ("GET", "/drafts/x?status=published", None, "status"),
    ("GET", "/drafts/x/diff?x=1", None, "x"),
    ("GET", "/drafts/x/verdicts?x=1", None, "x"),
]


@pytest.mark.parametrize(("method", "path", "body", "parameter"), WRONG)
def test_what_is_sent_wrongly_is_refused_by_name(
    still: Newsdesk, method: str, path: str, body: Any, parameter: str
) -> None:
    head = still.get("/drafts/x")["head"]
    found = problem(still.ask(method, path, "ola", body), 400, "invalid-query")
    assert found["parameter"] == parameter
    assert found["errors"][0]["parameter"] == parameter
    assert len(found["detail"]) < 400
    assert [draft["head"] for draft in still.get("/drafts")] == [head]


@pytest.mark.parametrize("moment", ["tomorrow", "2030-01-01", "2030-01-01T00:00:00", "", None, 5, "2030-13-01T00:00:00Z"])  # fmt: skip
def test_a_time_is_a_whole_one_with_its_zone(desk: Newsdesk, moment: Any) -> None:
    desk.begin()
    desk.say("approve")
    body = problem(desk.ask("PUT", "/drafts/x/schedule", "pia", {"publish_at": moment}), 400, "invalid-query")
    assert body["parameter"] == "publish_at"


@pytest.mark.parametrize("moment", ["2020-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_a_time_lies_in_the_years_to_come(desk: Newsdesk, moment: str) -> None:
    desk.begin()
    desk.say("approve")
    problem(desk.ask("PUT", "/drafts/x/schedule", "pia", {"publish_at": moment}), 409, "conflict")


@pytest.mark.parametrize(
    "body",
    [b"[]", b"null", b"{", b"\xff{}", b"[" * 50_000, b'{"name": "y", "name": "z"}', b'{"name": "\\ud800"}',
     b'{"name": "y", "x": NaN}', '{"name": "y"}'.encode("utf-16"), b'{"name": "y"}' + b" " * 5_000_000],
    ids=lambda body: repr(body[:20]),
)  # fmt: skip
def test_a_body_that_is_no_good_json_is_refused(still: Newsdesk, body: bytes) -> None:
    problem(still.ask("POST", "/drafts", "ola", body), 400, "invalid-query")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_only_json_changes_anything(still: Newsdesk, kind: str) -> None:
    problem(still.ask("POST", "/drafts", "ola", b'{"name": "y"}', Content_Type=kind), 400, "invalid-query")


@pytest.mark.parametrize("headers", [{"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}])  # fmt: skip
def test_the_page_of_another_site_does_nothing(still: Newsdesk, headers: dict[str, str]) -> None:
    head = still.get("/drafts/x")["head"]
    acts = [("POST", "/drafts", {"name": "y"}), ("PATCH", ENTRY, {"fields": {}}), ("DELETE", "/drafts/x", {}),
            ("POST", "/drafts/x/verdicts", {"verdict": "request"}), ("PUT", "/drafts/x/schedule", {})]  # fmt: skip
    for method, path, body in acts:
        answer = still.ask(method, path, body=body, Authorization=basic("ola"), **headers)
        problem(answer, 403, "forbidden")
    assert [draft["head"] for draft in still.get("/drafts")] == [head]


# -- methods and addresses ------------------------------------------------------------------------------------------

ALLOWED = {
    "/drafts": "GET, HEAD, POST, OPTIONS",
    "/drafts/x": "GET, HEAD, DELETE, OPTIONS",
    "/drafts/x/verdicts": "GET, HEAD, POST, OPTIONS",
    "/drafts/x/publication": "POST, OPTIONS",
    "/drafts/x/schedule": "PUT, DELETE, OPTIONS",
    "/drafts/x/renames": "POST, OPTIONS",
    "/drafts/x/diff": "GET, HEAD, OPTIONS",
    ENTRY: "GET, HEAD, PUT, PATCH, DELETE, OPTIONS",
    "/session": "POST, DELETE, OPTIONS",
    "/me": "GET, HEAD, OPTIONS",
    "/me/password": "POST, OPTIONS",
    "/me/sessions": "GET, HEAD, OPTIONS",
    "/me/sessions/x": "DELETE, OPTIONS",
    "/tokens": "GET, HEAD, POST, OPTIONS",
    "/tokens/x": "DELETE, OPTIONS",
}


def test_methods_that_are_not_allowed_are_answered_with_those_that_are(still: Newsdesk) -> None:
    for path, allowed in ALLOWED.items():
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"):
            if method in allowed.split(", "):
                continue
            answer = still.ask(method, path, "ola")
            assert (answer.status_code, answer.headers["Allow"]) == (405, allowed), (method, path)
            if method != "HEAD":
                problem(answer, 405, "method-not-allowed")


def test_options_tell_the_methods_to_everybody_and_let_no_other_site_in(still: Newsdesk) -> None:
    preflight = {"Origin": "https://other.example", "Access_Control_Request_Method": "PUT"}
    for path, allowed in ALLOWED.items():
        for by in ("", "ola", "rune"):
            answer = still.ask("OPTIONS", path, by, **preflight)
            assert (answer.status_code, answer.headers["Allow"], answer.text) == (204, allowed, ""), path
            assert answer.headers["Cache-Control"] == "no-store"
            assert not [name for name in answer.headers if name.startswith("access-control")]
    assert still.ask("OPTIONS", "/drafts/x/nothing").status_code == 404


def test_a_head_request_has_the_headers_of_a_get(still: Newsdesk) -> None:
    for path in (
        "/drafts",
        "/drafts/x",
        "/drafts/x/verdicts",
        "/drafts/x/diff",
        ENTRY,
        "/me",
        "/tokens",
        "/me/sessions",
    ):
        got, headed = still.ask("GET", path, "ola"), still.ask("HEAD", path, "ola")
        assert (headed.status_code, headed.text) == (200, ""), path
        assert {**headed.headers} == {**got.headers}, path


HOSTILE = ["..%2f..%2fcms.toml", "%2e%2e%2f", "a%00b", "a%0ab", "a%0d%0ab", "x" * 4096, "%ff", "a%5cb", ".git%2fconfig", "a%2fb", "-rf",
           "con", "%C2%85", "%E2%80%AE", "~", "a%20b", "@%7b0%7d", "x%0a", "refs%2fheads%2fmain", "HEAD"]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: name[:20])
def test_a_hostile_name_of_a_draft_is_the_name_of_none(still: Newsdesk, name: str) -> None:
    before = sorted(still.room.repo.git("for-each-ref").splitlines())
    for method, path, body in (
        ("GET", "", None), ("DELETE", "", {}), ("GET", "/diff", None), ("GET", "/verdicts", None),
        ("POST", "/verdicts", {"verdict": "request"}), ("PATCH", "/entries/posts/a", {"fields": {"title": "T"}}),
        ("POST", "/publication", {}),
    ):  # fmt: skip
        answer = still.ask(method, f"/drafts/{name}{path}", "eva", body)
        assert answer.status_code in (404, 405), (method, path, answer.text)
        assert len(answer.text) < 6000
    assert sorted(still.room.repo.git("for-each-ref").splitlines()) == before


@pytest.mark.parametrize("slug", [*HOSTILE, "a/../../cms", "%2e%2e/%2e%2e/cms", "b.md/x"], ids=lambda slug: slug[:20])
def test_a_hostile_slug_writes_nowhere_but_where_entries_lie(desk: Newsdesk, slug: str) -> None:
    desk.begin()
    answer = desk.ask("PUT", f"/drafts/x/entries/posts/{slug}", "ola", {"fields": {"title": "T"}})
    assert answer.status_code in (200, 404, 405, 409, 422), answer.text
    paths = desk.room.repo.git("ls-tree", "-r", "-z", "--name-only", "drafts/x").removesuffix("\0").split("\0")
    written = set(paths) - {"cms.toml", "schemas/posts.yaml", "posts/a.md", "posts/b.md"}
    assert len(written) == (answer.status_code == 200)
    for path in written:
        assert re.fullmatch(r"posts/[^/\\]+\.md", path), path
        assert path.isprintable()


@pytest.mark.parametrize(
    "path",
    ["cms.toml", "schemas/posts.yaml", "posts/b.md", "posts/../cms.toml", "/etc/passwd", "other/c.md", "posts/c.md\0", "posts/d.md",
     "posts/c.en.md", ".git/config", "x" * 5000],
)  # fmt: skip
def test_a_path_names_the_place_of_its_own_entry_or_nothing(still: Newsdesk, path: str) -> None:
    head = still.get("/drafts/x")["head"]
    answer = still.ask("PUT", "/drafts/x/entries/posts/c", "ola", {"fields": {"title": "C"}, "path": path})
    assert answer.status_code in (409, 422), answer.text
    assert still.get("/drafts/x")["head"] == head
    moved = still.ask("PATCH", ENTRY, "ola", {"fields": {"title": "C"}, "path": "posts/elsewhere.md"})
    assert "leave the path out" in problem(moved, 409, "conflict")["detail"]


def test_a_file_that_cannot_be_read_is_not_written_over(desk: Newsdesk) -> None:
    head = desk.begin()
    desk.room.repo.commit(
        {"posts/c.md": "---\ntitle: [\n---\n"}, branch="drafts/x", parents=[head], at=desk.room.tick()
    )
    answer = desk.ask("PUT", "/drafts/x/entries/posts/c", "ola", {"fields": {"title": "C"}})
    assert "correct it with Git" in problem(answer, 409, "conflict")["detail"]


def test_a_message_cannot_say_what_only_verbs_may(still: Newsdesk) -> None:
    for body in (
        {"fields": {"title": "Y"}, "message": "Fine\n\nReview: approve"},
        {"body": "Z", "message": "x\n\nActed-by: eva"},
    ):
        problem(still.ask("PATCH", ENTRY, "ola", body), 409, "conflict")


# -- caches ---------------------------------------------------------------------------------------------------------


def test_a_public_answer_is_the_same_with_a_good_secret_and_no_shared_cache_keeps_that(still: Newsdesk) -> None:
    for path in (
        "/entries/posts",
        "/entries/posts/a",
        "/search?q=text",
        "/suggest?q=f",
        "/",
        "/collections",
        "/openapi.json",
    ):
        plain, known = still.ask("GET", path), still.ask("GET", path, "ola")
        assert (known.status_code, known.content, known.headers["ETag"]) == (200, plain.content, plain.headers["ETag"])
        assert plain.headers["Cache-Control"] == "public, max-age=0, must-revalidate"
        assert known.headers["Cache-Control"] == "private, max-age=0, must-revalidate"
        assert still.ask("GET", path).headers["Cache-Control"].startswith("public")
        unchanged = still.ask("GET", path, "ola", If_None_Match=plain.headers["ETag"])
        assert (unchanged.status_code, unchanged.headers["Cache-Control"][:7]) == (304, "private")


@pytest.mark.parametrize("suffix", [".css", ";x=.css", "%2fx.css", "/x.css", "%23.css", "%3f.css", "%0a"])
def test_no_suffix_turns_what_is_private_into_something_to_keep(still: Newsdesk, suffix: str) -> None:
    for path in ("/drafts", "/drafts/x", ENTRY, "/me"):
        answer = still.ask("GET", path + suffix, "eva")
        assert answer.headers["Cache-Control"] == "no-store", path
        assert "New x" not in answer.text
