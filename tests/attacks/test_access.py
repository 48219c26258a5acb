"""Who may not: narrowed tokens, people who were let go, and those who were never let in, on every transport."""

import socket
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest

from cms.workflow.schedule import publish_due
from tests.attacks.press import DRAFTS, MAIN, PASSWORD, Press, text

CANARY = "kanarifugl"
UPLOAD, RECEIVE = "git-upload-pack", "git-receive-pack"
APPROVE = [("Review", "approve")]


def advertised(press: Press, service: str, secret: str | None, by: str = "") -> int:
    """The status of the first request of a fetch or a push."""
    return press.ask("GET", f"/git/site.git/info/refs?service={service}", by, secret=secret).status_code


# -- SEC-06: tokens that were narrowed ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("person", "scopes"),
    [
        ("ola", ("git.push",)),
        ("ola", ("git.push", "draft.read")),
        ("ola", ("git.push", "draft.write")),
        ("ola", ("git.fetch", "draft.create", "draft.write")),
        ("robot", ("git.push", "publish")),
    ],
)
def test_a_draft_is_begun_with_no_token_that_is_not_for_that(
    press: Press, person: str, scopes: tuple[str, ...]
) -> None:
    secret, hand, before = press.token(person, *scopes), press.hand(person), press.refs
    new = hand.commit({"posts/n.md": text("N")}, [press.main])
    assert hand.push(f"{new}:{DRAFTS}narrowed", secret=secret).code != 0
    if "draft.create" not in scopes:
        assert press.ask("POST", "/drafts", secret=secret, body={"name": "narrowed"}).status_code == 403
    assert press.refs == before


@pytest.mark.parametrize(
    "scopes", [("git.push", "draft.read"), ("git.push", "review.comment"), ("git.push", "publish")]
)
def test_a_verdict_is_given_with_no_token_that_is_not_for_that(press: Press, scopes: tuple[str, ...]) -> None:
    name = f"verdicts-{scopes[1]}"
    press.draft(name, approve="")
    secret, eva = press.token("eva", *scopes), press.hand("eva")
    for trailers in (
        APPROVE,
        [("Review", "changes")],
        [("Publish-At", "2020-01-01T00:00:00Z")],
        [*APPROVE, ("Publish-At", "never")],
    ):
        made = eva.commit({}, [press.heads[name]], "Said", trailers=trailers)
        assert eva.push(f"{made}:{DRAFTS}{name}", secret=secret).code != 0
    for verdict in ("approve", "changes"):
        body = {"verdict": verdict, "message": "x", "head": press.heads[name]}
        assert press.ask("POST", f"/drafts/{name}/verdicts", secret=secret, body=body).status_code in (403, 404)
    when = {"publish_at": "2099-01-01T00:00:00Z"}
    assert press.ask("PUT", f"/drafts/{name}/schedule", secret=secret, body=when).status_code in (403, 404)
    patch = press.ask("PATCH", f"/drafts/{name}/entries/posts/a", secret=secret, body={"fields": {}})
    assert patch.status_code in (403, 404)


@pytest.mark.parametrize(
    "scopes", [("git.push",), ("git.push", "git.push_published"), ("git.push", "publish"), ("git.push", "draft.write")]
)
def test_a_draft_is_published_by_merging_with_no_token_that_is_not_for_that(
    press: Press, scopes: tuple[str, ...]
) -> None:
    if "merged" not in press.heads:
        press.draft("merged")
    pia, before = press.hand("pia"), press.main
    done = pia.push(f"{pia.merged(press.heads['merged'])}:{MAIN}", secret=press.token("pia", *scopes))
    assert (done.code != 0, press.main) == (True, before)


def test_a_narrowed_token_makes_no_wider_one_and_none_bypasses_the_rules(press: Press) -> None:
    press.draft("bypassed", approve="")
    for secret in (press.token("mia"), press.token("mia", "token.own", "publish.bypass", "user.manage", "token.issue")):
        wanted = {"name": "more", "scopes": None}
        assert press.ask("POST", "/tokens", secret=secret, body=wanted).status_code == 403
        reason = {"bypass": "the house is on fire"}
        assert press.ask("POST", "/drafts/bypassed/publication", secret=secret, body=reason).status_code == 403
    assert press.ask("POST", "/drafts/bypassed/publication", "ola", reason, password=True).status_code == 403
    assert press.read("posts/bypassed.md") is None


def test_a_token_for_fetching_pushes_nothing_and_one_for_pushing_fetches_nothing(press: Press) -> None:
    fetching, pushing = press.token("eva", "git.fetch"), press.token("eva", "git.push")
    assert (advertised(press, UPLOAD, fetching), advertised(press, RECEIVE, fetching)) == (200, 403)
    assert (advertised(press, UPLOAD, pushing), advertised(press, RECEIVE, pushing)) == (403, 200)
    for secret in (fetching, pushing):
        assert press.ask("GET", "/drafts", secret=secret).json()["data"] == []
        assert press.ask("GET", "/history/posts/a", secret=secret).status_code == 403


# -- SEC-07: those who were let go ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["token", "disabled", "password", "session"])
def test_whoever_is_let_go_is_refused_with_the_next_request_on_every_transport(own_press: Press, how: str) -> None:
    press, now = own_press, datetime.now(UTC)
    press.draft("going", approve="")
    secret = press.token("eva")
    if how in ("password", "session"):
        pair = {"person": "eva", "password": PASSWORD.format("eva")}
        secret = press.ask("POST", "/session", body=pair).json()["data"]["token"]
    made = press.hand("eva").commit({}, [press.heads["going"]], "Fine", trailers=APPROVE)
    assert advertised(press, RECEIVE, secret) == 200
    if how == "token":
        press.accounts.revoke_token(press.accounts.authenticate(f"Bearer {secret}", now=now, address="").token, now=now)  # type: ignore[union-attr]
    elif how == "disabled":
        press.accounts.disable("eva", now=now)
    elif how == "password":
        press.accounts.set_password("eva", "another password of hers")
    else:
        assert press.ask("DELETE", "/session", secret=secret).status_code == 204
    body, kind = b"0000", f"application/x-{RECEIVE}-request"
    assert press.ask("POST", f"/git/site.git/{RECEIVE}", secret=secret, body=body, Content_Type=kind).status_code == 401
    assert (advertised(press, UPLOAD, secret), advertised(press, RECEIVE, secret)) == (401, 401)
    assert press.hand("eva").push(f"{made}:{DRAFTS}going", secret=secret).code != 0
    verdict = {"verdict": "approve", "head": press.heads["going"]}
    assert press.ask("POST", "/drafts/going/verdicts", secret=secret, body=verdict).status_code == 401
    assert [press.ask("GET", path, secret=secret).status_code for path in ("/drafts", "/me", "/entries/posts")] == [
        401
    ] * 3


def test_what_somebody_scheduled_whose_account_is_closed_stays(own_press: Press) -> None:
    press = own_press
    press.draft("closed")
    press.hand("pia").must_push("closed", press.hand("pia").timed("closed"))
    press.accounts.disable("pia", now=datetime.now(UTC))
    published, refused = publish_due(press.office.flow, now=datetime.now(UTC), is_active=press.office.is_active)
    assert (published, press.read("posts/closed.md")) == ([], None)
    assert "may not act any more" in refused[0]


@pytest.mark.parametrize("who", ["rita", "pia"])
def test_a_role_that_was_taken_away_counts_for_nothing_from_then_on(own_press: Press, who: str) -> None:
    press = own_press
    press.draft("roles")
    press.hand("pia").must_push("roles", press.hand("pia").timed("roles", "2099-01-01T00:00:00Z"))
    source = str(press.read("cms.toml"))
    less = (
        source.replace('"eva", "rita"', '"eva"').replace('["pia", "eva"]', '["eva"]')
        if who == "pia"
        else source.replace('"eva", "rita"', '"eva"')
    )
    press.room.repo.commit({"cms.toml": less})
    assert press.hand("pia").merge("roles").code != 0
    assert press.ask("POST", "/drafts/roles/publication", "pia").status_code in (403, 404, 409)
    assert publish_due(press.office.flow, now=datetime(2099, 2, 1, tzinfo=UTC))[0] == []
    assert press.read("posts/roles.md") is None


# -- SEC-04, SEC-05: those who were never let in ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def secret_draft(press: Press) -> str:
    """A draft that outsiders must not know of; its head."""
    return press.draft(CANARY, {f"posts/{CANARY}.md": text(CANARY), "posts/a.md": text(f"A {CANARY}")})


@pytest.mark.parametrize("by", ["", "rune"])
def test_nobody_fetches_an_object_whose_id_they_know(press: Press, secret_draft: str, by: str) -> None:
    blob = press.room.repo.git("rev-parse", f"{secret_draft}:posts/{CANARY}.md")
    for id in (secret_draft, blob, press.main):
        want = f"want {id}\n"
        old = f"{len(want) + 4:04x}{want}00000009done\n"
        new = f"0011command=fetch0001{len(want) + 4:04x}{want}0009done\n0000"
        for body, version in ((old, ""), (new, "version=2")):
            kind = f"application/x-{UPLOAD}-request"
            answer = press.ask(
                "POST", f"/git/site.git/{UPLOAD}", by, body.encode(), Content_Type=kind, Git_Protocol=version
            )
            assert answer.status_code == (403 if by else 401)
            assert b"PACK" not in answer.content
    for path in (
        "HEAD",
        f"objects/{blob[:2]}/{blob[2:]}",
        "objects/info/packs",
        "packed-refs",
        "config",
        "info/refs",
        "logs/HEAD",
    ):
        assert press.ask("GET", f"/git/site.git/{path}", by).status_code == 404


@pytest.mark.parametrize("by", ["", "rune"])
def test_no_public_answer_knows_of_a_draft(press: Press, secret_draft: str, by: str) -> None:
    paths = [
        *(
            "/",
            "/collections",
            "/collections/posts",
            "/openapi.json",
            "/entries/posts",
            "/entries/posts/a",
            "/drafts",
            "/readyz",
        ),
        *(
            f"/entries/posts/{CANARY}",
            f"/search?q={CANARY}",
            f"/suggest?q={CANARY[:5]}",
            f"/entries/posts?search={CANARY[:6]}",
        ),
        *(
            f"/entries/posts?{name}={value}"
            for name in ("status", "ref", "branch", "draft", "version", "preview", "commit")
            for value in ("draft", CANARY, secret_draft)
        ),
        *(f"/entries/posts/a?{name}={secret_draft}" for name in ("ref", "commit", "head", "at")),
        *(
            f"/assets/posts/{CANARY}.md",
            f"/assets/..%2fposts%2f{CANARY}.md",
            f"/entries/posts/..%2F..%2Fdrafts%2F{CANARY}",
        ),
    ]
    for path in paths:
        for method in ("GET", "HEAD", "OPTIONS"):
            answer = press.ask(
                method, path, by, If_None_Match="*" if method == "HEAD" else "x", Range="bytes=0-99", X_Preview=CANARY
            )
            said = f"{answer.headers}{answer.text}".replace(path, "").replace(CANARY[:6] + '"', "")
            asked = CANARY in path or CANARY[:5] in path
            assert answer.status_code in (200, 204, 304, 400, 401, 403, 404, 405), path
            assert text(CANARY) not in said
            assert asked or CANARY not in said, (path, said)
            assert secret_draft not in said or secret_draft in path


@pytest.mark.parametrize("by", ["", "rune"])
def test_a_draft_that_is_there_and_one_that_is_not_are_the_same_to_outsiders(
    press: Press, secret_draft: str, by: str
) -> None:
    asks = [
        *(("GET", path, None) for path in ("", "/diff", "/verdicts", "/entries/posts/a", "?x=y")),
        *(("DELETE", path, None) for path in ("", "/schedule", "/entries/posts/a")),
        ("POST", "/verdicts", {"verdict": "approve", "head": secret_draft}),
        ("POST", "/verdicts", {"verdict": "comment", "message": "x"}),
        ("POST", "/publication", {}),
        ("POST", "/publication", {"bypass": "the house is on fire"}),
        ("PUT", "/schedule", {"publish_at": "2099-01-01T00:00:00Z"}),
        ("PATCH", "/entries/posts/a", {"fields": {"title": "x"}}),
        ("POST", "/renames", {"collection": "posts", "slug": "a", "to": "b"}),
    ]
    for method, path, body in asks:
        there, none = (press.ask(method, f"/drafts/{name}{path}", by, body) for name in (CANARY, "no-such-one"))
        assert there.status_code == none.status_code != 200
        assert there.text.replace(CANARY, "NAME") == none.text.replace("no-such-one", "NAME")
        assert {*there.headers} == {*none.headers}


@pytest.mark.parametrize("by", ["", "rune"])
def test_a_draft_that_was_published_and_one_that_never_was_are_the_same_to_outsiders(press: Press, by: str) -> None:
    name = f"gone-{by or 'nobody'}"
    press.draft(name)
    press.publish(name)
    for body in ({}, {"bypass": "the house is on fire"}):
        there, none = (press.ask("POST", f"/drafts/{draft}/publication", by, body) for draft in (name, "no-such-one"))
        assert there.status_code == none.status_code != 200
        assert there.text.replace(name, "NAME") == none.text.replace("no-such-one", "NAME")


PLACES = (
    "/git/site.git/../site.git/info/refs?service=git-upload-pack",
    "/git/..%2fsite.git/info/refs?service=git-upload-pack",
    "/git//site.git/info/refs?service=git-upload-pack",
    "/git/site/info/refs?service=git-upload-pack",
    "/git/site.git/info/refs?service=git-upload-archive",
    "/git/site.git/info/refs?service=git-upload-pack&x=1",
    "/git/site.git/info/refs?service=git-upload-pack%00",
    "/git/site-public.git/info/refs?service=git-upload-pack",
    "/git/SITE.git/info/refs?service=git-upload-pack",
    "/git/.git/info/refs?service=git-upload-pack",
    "/git/site.git/git-upload-archive",
    "/api/v1/drafts/../drafts",
    "/api/v1/drafts/%2e%2e/entries",
    "/api/v1/drafts/..%2f..%2fentries%2fposts",
    "/api/v1/drafts/main",
    "/api/v1/drafts/x%00",
    "/api/v1/drafts/x%0d%0aSet-Cookie:a=b",
    "/api/v1/drafts/refs%2fheads%2fmain",
    "/api/v1/drafts/" + "x" * 3_000,
    "/api/v1/drafts/HEAD",
    "/api/v1/drafts/-O/../x",
)


@pytest.mark.parametrize("place", PLACES)
def test_an_address_that_is_bent_leads_nowhere(press: Press, secret_draft: str, place: str) -> None:
    with socket.create_connection(("127.0.0.1", press.port)) as client:
        token = press.token("eva")
        client.sendall(
            f"GET {place} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n".encode()
        )
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.split(b" ")[1] in (b"400", b"404"), answer[:300]
    assert secret_draft.encode() not in answer
    assert b"set-cookie" not in answer.partition(b"\r\n\r\n")[0].lower()


# -- answers to those who are known, and clients that are no clients --------------------------------------------------------

PRIVATE = (
    "/drafts",
    f"/drafts/{CANARY}",
    f"/drafts/{CANARY}/diff",
    f"/drafts/{CANARY}/verdicts",
    f"/drafts/{CANARY}/entries/posts/a",
)


@pytest.mark.parametrize(
    "path", [*PRIVATE, "/drafts/none", "/me", "/history/posts/a", "/git/site.git/info/refs?service=git-upload-pack"]
)
def test_nothing_for_those_who_are_known_is_kept_or_shared(press: Press, secret_draft: str, path: str) -> None:
    for by in ("eva", "rune", ""):
        for method in ("GET", "HEAD"):
            answer = press.ask(method, path, by, Origin="https://evil.example", X_Forwarded_Host="evil.example")
            assert "no-store" in answer.headers["cache-control"], answer.headers
            assert "access-control-allow-origin" not in answer.headers
            assert "set-cookie" not in answer.headers
            assert "evil.example" not in f"{answer.headers}{answer.text}"


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec_Fetch_Site": "cross-site"}, {"Origin": "null"}]
)
def test_a_page_of_another_site_changes_nothing(press: Press, secret_draft: str, headers: dict[str, str]) -> None:
    before = press.refs
    for method, path, body in (
        ("POST", "/drafts", {"name": "forged"}),
        ("POST", f"/drafts/{CANARY}/publication", {}),
        ("DELETE", f"/drafts/{CANARY}", None),
    ):
        assert press.ask(method, path, "eva", body, password=True, **headers).status_code == 403
    assert press.refs == before


def test_clients_that_never_finish_keep_nobody_else_waiting(press: Press, secret_draft: str) -> None:
    halves = (
        "GET /git/site.git/info/refs?service=git-upload-pack HTTP/1.1\r\nHost: x\r\n",
        "POST /git/site.git/git-receive-pack HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nContent-Type: application/x-git-receive-pack-request\r\n\r\n00",
        f"POST /api/v1/drafts/{CANARY}/verdicts HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nContent-Type: application/json\r\n\r\n{{",
        f"PUT /api/v1/drafts/{CANARY}/entries/posts/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{{",
    )
    with ExitStack() as stack:
        for number in range(60):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", press.port)))
            client.sendall(halves[number % len(halves)].encode())
        assert press.ask("GET", "/drafts", "eva").status_code == 200
        assert press.say(CANARY, "comment", "eva", message="Still here").status_code == 201
        assert press.hand("ola").push(f"{press.heads[CANARY]}:{DRAFTS}beside").code == 0
