"""Who may do what with drafts over HTTP: every route for every kind of caller, and how each is refused."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from starlette.routing import Route

from cms.api.metrics import Metrics
from cms.app import GitTransport, routes
from tests.api.newsdesk import PEOPLE, Newsdesk, basic

HUMANS = ("ola", "per", "eva", "rita", "pia", "mia")
EVERYBODY = ("", *PEOPLE)
#: Those who may not know whether there is a draft.
STRANGERS = ("rune", "gone")
OTHERS_WRITE = ("ola", "eva", "rita")
FIELDS = {"fields": {"title": "Other"}}


@dataclass(frozen=True, kw_only=True)
class Act:
    """One request about the draft ``x``, which Ola began; *path* stands below it.

    Attributes:
        after: what has been done with the draft before, in this order.
        by: who may, and others may not; a dictionary gives some of them another body.
        needs: what those who may not are told that it takes.
    """

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    after: tuple[tuple[str, str], ...] = ()
    by: tuple[str, ...] = HUMANS
    bodies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    needs: str = ""

    def __str__(self) -> str:
        kind = (self.body or {}).get("verdict") or ("bypass" if "bypass" in (self.body or {}) else "")
        return " ".join(filter(None, (self.method, self.path or "/", kind)))


def verdict(kind: str, by: tuple[str, ...], needs: str = "", **more: Any) -> Act:
    body = {"verdict": kind, "message": "Because of this", **more}
    return Act(method="POST", path="/verdicts", body=body, by=by, needs=needs)


APPROVED = (("approve", "eva"),)
ACTS = [
    Act(method="GET", path="", by=(*HUMANS, "robot")),
    Act(method="HEAD", path="", by=(*HUMANS, "robot")),
    Act(method="GET", path="/verdicts", by=(*HUMANS, "robot")),
    Act(method="GET", path="/diff", by=(*HUMANS, "robot")),
    Act(method="GET", path="/entries/posts/a", by=(*HUMANS, "robot")),
    Act(method="PUT", path="/entries/posts/a", body=FIELDS, by=OTHERS_WRITE, needs="reviewer"),
    Act(method="PATCH", path="/entries/posts/a", body=FIELDS, by=OTHERS_WRITE, needs="reviewer"),
    Act(method="DELETE", path="/entries/posts/b", by=OTHERS_WRITE, needs="reviewer"),
    Act(method="POST", path="/renames", body={"collection": "posts", "slug": "b", "to": "c"}, by=OTHERS_WRITE, needs="reviewer"),
    verdict("request", ("ola",), needs="your own"),
    verdict("comment", HUMANS),
    verdict("approve", ("eva", "rita"), needs="reviewer"),
    verdict("changes", ("eva", "rita"), needs="reviewer"),
    verdict("withdraw", HUMANS),
    Act(method="POST", path="/verdicts", body={"verdict": "lift", "lifts": "rita", "message": "It was done"}, after=(("changes", "rita"),), by=("mia",), needs="maintainer"),
    Act(method="POST", path="/publication", after=APPROVED, by=("pia", "eva"), needs="publisher"),
    Act(method="POST", path="/publication", body={"bypass": "The water must be boiled"}, by=("mia",), needs="bypass"),
    Act(method="PUT", path="/schedule", body={"publish_at": "2030-05-17T07:00:00+02:00"}, after=APPROVED, by=("pia", "eva"), needs="publisher"),
    Act(method="DELETE", path="/schedule", after=(*APPROVED, ("schedule", "pia")), by=("pia", "eva"), needs="publisher"),
    Act(method="DELETE", path="", by=("ola", "mia"), bodies={"mia": {"reason": "It is old"}}, needs="your own"),
]  # fmt: skip


def prepare(desk: Newsdesk, act: Act, name: str = "x") -> str:
    """The draft, as it must be for the act; returns its head."""
    desk.begin(name)
    for step, person in act.after:
        if step == "schedule":
            desk.do("PUT", f"/drafts/{name}/schedule", person, {"publish_at": "2029-01-01T00:00:00Z"})
        else:
            desk.say(step, name, by=person, message="Too long")
    return str(desk.get(f"/drafts/{name}")["head"])


def ask(desk: Newsdesk, act: Act, by: str, head: str, name: str = "x") -> httpx2.Response:
    body = act.bodies.get(by, act.body)
    has_body = act.method not in ("GET", "HEAD")
    return desk.ask(act.method, f"/drafts/{name}{act.path}", by, {**(body or {}), "head": head} if has_body else None)


@pytest.mark.parametrize("act", ACTS, ids=str)
def test_who_may_not_is_told_whom_to_ask_and_who_may_not_know_is_told_nothing(desk: Newsdesk, act: Act) -> None:
    head = prepare(desk, act)
    for by in [by for by in EVERYBODY if by not in act.by]:
        answer = ask(desk, act, by, head)
        expected = 401 if not by else 404 if by in STRANGERS else 403
        assert answer.status_code == expected, (by, answer.text)
        if expected != 403:
            made_up = ask(desk, act, by, head, "y")
            assert same(made_up) == same(answer), by
        elif by != "robot":
            assert act.needs in answer.text, by
            assert answer.json()["ask"], by
    assert desk.get("/drafts/x")["head"] == head


def same(answer: httpx2.Response) -> tuple[int, str, dict[str, str]]:
    """What an answer tells, whatever the name of the draft was that was asked for."""
    text = answer.text
    for quoted in ('"{}"', "'{}'", "/{}"):
        text = text.replace(quoted.format("y"), quoted.format("x"))
    return answer.status_code, text, {**answer.headers}


@pytest.mark.parametrize("act", [act for act in ACTS if act.method not in ("GET", "HEAD")], ids=str)
def test_who_may_is_answered(desk: Newsdesk, act: Act) -> None:
    for number, by in enumerate(act.by):
        head = prepare(desk, act, f"x{number}")
        answer = ask(desk, act, by, head, f"x{number}")
        assert answer.status_code in (200, 201), (by, answer.text)
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("act", [act for act in ACTS if act.method in ("GET", "HEAD")], ids=str)
def test_everybody_with_a_role_reads_drafts(desk: Newsdesk, act: Act) -> None:
    head = prepare(desk, act)
    answers = [ask(desk, act, by, head) for by in act.by]
    assert [answer.status_code for answer in answers] == [200] * len(act.by)
    if act.path:  # what one may do with a draft differs, what it holds does not
        assert len({answer.text for answer in answers}) == 1


def test_drafts_are_listed_for_those_who_may_read_them(desk: Newsdesk) -> None:
    desk.begin()
    found = {by: desk.ask("GET", "/drafts", by) for by in EVERYBODY}
    assert found[""].status_code == 401
    totals = {by: answer.json()["meta"]["total"] for by, answer in found.items() if by}
    assert totals == {by: 0 if by in STRANGERS else 1 for by in PEOPLE}
    assert desk.do("DELETE", "/drafts/x", "ola", {})["closed"]
    assert found["rune"].text == desk.ask("GET", "/drafts", "ola").text


@pytest.mark.parametrize(
    ("body", "allowed"),
    [
        ({"name": "new"}, {*HUMANS, "robot"}),
        ({"unpublish": {"collection": "posts", "slug": "b"}, "name": "new"}, set(HUMANS) - {"mia"}),
        ({"unpublish": {"collection": "posts", "slug": "b"}, "name": "new", "reason": "It is wrong"}, set(HUMANS)),
        ({"revert": "HEAD", "name": "new"}, set(HUMANS) - {"mia"}),
        ({"revert": "HEAD", "name": "new", "reason": "It is wrong"}, set(HUMANS)),
        ({"rollback": "BEFORE", "name": "new"}, set(HUMANS) - {"mia"}),
        ({"restore": [{"collection": "posts", "slug": "d"}], "name": "new"}, set(HUMANS) - {"mia"}),
    ],
)
def test_who_may_begin_a_draft(desk: Newsdesk, body: dict[str, Any], allowed: set[str]) -> None:
    before = desk.room.repo.commit({"posts/d.md": "---\ntitle: D\n---\n"}, at=desk.room.tick())
    commits = {"BEFORE": before, "HEAD": desk.room.repo.commit({"posts/d.md": None}, at=desk.room.tick())}
    sent = {key: commits.get(value, value) if isinstance(value, str) else value for key, value in body.items()}
    for by in EVERYBODY:
        answer = desk.ask("POST", "/drafts", by, sent)
        expected = 401 if not by else 201 if by in allowed else 403
        assert answer.status_code == expected, (by, answer.text)
        if expected == 201:
            assert answer.headers["Location"] == "/api/v1/drafts/new"
            desk.do("DELETE", "/drafts/new", "mia", {"reason": "It was a try"})


def test_a_bot_works_in_its_own_draft_and_no_further(desk: Newsdesk) -> None:
    head = desk.begin(by="robot")
    assert desk.ask("POST", "/drafts/x/verdicts", "robot", {"verdict": "request"}).status_code == 403
    assert desk.ask("POST", "/drafts/x/publication", "robot", {}).status_code == 403
    refused = desk.ask("POST", "/drafts/x/verdicts", "eva", {"verdict": "approve", "head": head})
    assert "somebody who had no hand in posts/a.md, and you had" in refused.json()["detail"]
    assert desk.say("approve", by="rita")["status"] == "approved"


# -- tokens --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scopes", "method", "path", "body", "status"),
    [
        (("draft.read",), "GET", "/drafts/x", None, 200),
        (("draft.read",), "PATCH", "/drafts/x/entries/posts/a", FIELDS, 403),
        (("git.fetch",), "GET", "/drafts/x", None, 404),
        (("git.fetch",), "GET", "/drafts", None, 200),
        (("git.fetch",), "POST", "/drafts", {"name": "y"}, 403),
        (("draft.write",), "PATCH", "/drafts/x/entries/posts/a", FIELDS, 200),
        (("draft.write",), "GET", "/drafts/x", None, 404),
        (("draft.write",), "DELETE", "/drafts/x", None, 404),
        (("draft.create",), "POST", "/drafts", {"name": "y"}, 201),
        (("review.request",), "POST", "/drafts/x/verdicts", {"verdict": "request"}, 201),
    ],
)
def test_a_token_does_what_it_was_narrowed_to_and_nothing_else(
    desk: Newsdesk, scopes: tuple[str, ...], method: str, path: str, body: Any, status: int
) -> None:
    desk.begin()
    answer = desk.ask(method, path, body=body, secret=desk.token("ola", *scopes))
    assert answer.status_code == status, answer.text
    if status == 403:
        assert f"this one has {scopes[0]}" in answer.json()["detail"]


def test_a_token_that_may_write_and_not_read_is_told_where_the_draft_is_and_no_more(desk: Newsdesk) -> None:
    desk.begin()
    desk.say("comment", by="per", message="Not for everybody")
    path, token = "/drafts/x/entries/posts/a", desk.token("ola", "draft.write")
    answer = desk.ask("PATCH", path, body=FIELDS, secret=token)
    assert answer.json()["data"].keys() == {"name", "status", "head"}
    assert "Not for everybody" not in answer.text


def test_past_the_rules_one_publishes_in_person_and_not_by_token(desk: Newsdesk) -> None:
    desk.begin()
    body = {"bypass": "The water must be boiled"}
    refused = desk.ask("POST", "/drafts/x/publication", body=body, secret=desk.token("mia"))
    assert (refused.status_code, "your password" in refused.json()["detail"]) == (403, True)
    answer = desk.ask("POST", "/drafts/x/publication", body=body, Authorization=basic("mia"))
    assert (answer.status_code, answer.json()["data"]["bypass"]) == (201, "The water must be boiled")


def test_what_is_revoked_is_refused_with_the_next_request(desk: Newsdesk) -> None:
    desk.begin()
    token = desk.token("ola")
    assert desk.ask("GET", "/drafts/x", secret=token).status_code == 200
    desk.do("DELETE", "/drafts/x", "ola", {})
    desk.accounts.revoke_token(token[4:16], now=desk.room.now)
    assert desk.ask("GET", "/drafts", secret=token).status_code == 401
    session = desk.session("per")
    assert desk.ask("GET", "/drafts", secret=session).status_code == 200
    desk.accounts.disable("per", now=desk.room.now)
    assert desk.ask("GET", "/drafts", secret=session).status_code == 401


def test_a_role_that_was_taken_away_is_gone_with_the_next_request(desk: Newsdesk) -> None:
    desk.begin(by="per")
    settings = (desk.room.read("cms.toml") or "").replace('"ola", "per", "eva"', '"ola", "eva"')
    desk.room.repo.commit({"cms.toml": settings}, at=desk.room.tick())
    assert desk.ask("GET", "/drafts/x", "per").status_code == 404
    assert desk.ask("POST", "/drafts", "per", {"name": "y"}).status_code == 403


@pytest.mark.parametrize("header", ["Bearer cms_nonsense", "Bearer", "Basic b2xhOndyb25nIG9uZQ==", "Basic =", "Digest x", "x"])  # fmt: skip
def test_a_wrong_secret_is_refused_everywhere_and_never_taken_for_none(desk: Newsdesk, header: str) -> None:
    for path in (
        "/drafts",
        "/drafts/x",
        "/me",
        "/tokens",
        "/entries/posts",
        "/search?q=x",
        "/",
        "/nothing",
        "/assets/x",
        "/readyz",
    ):
        answer = desk.ask("GET", path, Authorization=header)
        # Who guesses passwords is made to wait.
        assert (answer.status_code, answer.headers["Cache-Control"]) in ((401, "no-store"), (429, "no-store")), path
        assert answer.status_code == 401 or header.startswith("Basic b2xh")


def test_every_route_for_people_by_name_is_refused_without_a_name(desk: Newsdesk) -> None:
    public = (
        "/entries",
        "/search",
        "/suggest",
        "/assets",
        "/collections",
        "/openapi.json",
        "/feeds",
        "/events",
        "/changes",
        "/diff",
        "/",
    )
    asked = 0
    for route in routes(Metrics(desk.room.site), GitTransport()):
        path = getattr(route, "path", "").removeprefix("/api/v1")
        if (
            not isinstance(route, Route)
            or path == route.path
            or path == ""
            or path.startswith(public[:-1])
            or path == "/"
        ):
            continue
        filled = (
            path.replace("{slug:path}", "a")
            .replace("{collection}", "posts")
            .replace("{name}", "x")
            .replace("{id}", "x")
        )
        for method in (route.methods or set()) - {"HEAD"}:
            answer = desk.ask(method, filled, body={"person": "x", "password": "y"} if "session" in path else None)
            assert answer.status_code == 401, (method, path, answer.text)
            asked += 1
    assert asked >= 20
