"""Signing in, tokens and the page of the first start, over HTTP."""

import base64
import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from cms.api import session, setup, tokens
from cms.api.lanes import Lanes
from cms.api.problems import on_error
from cms.api.setuptexts import choose_texts
from cms.auth import Accounts, Passwords
from cms.auth.passwords import RULES
from cms.errors import CMSError, NotFound
from cms.people import Policy, read_policy

PASSWORD, OTHER = "correct horse battery", "staple of another kind"
SETTINGS = """\
[people.kari]
name = "Kari & Nordmann"
emails = ["kari@example.org"]
[people.ola]
name = "Ola Nordmann"
emails = ["ola@example.org"]
[people.importer]
name = "Import"
owner = "ola"
[[roles]]
role = "maintainer"
who = ["kari"]
[[roles]]
role = "writer"
who = ["ola"]
paths = ["content/posts/**"]
[[roles]]
role = "bot"
who = ["importer"]
scopes = ["draft.write"]
[bypass]
who = ["kari"]
"""
ROUTES = [
    Route("/api/v1/session", session.sign_in, methods=["POST"]),
    Route("/api/v1/session", session.sign_out, methods=["DELETE"]),
    Route("/api/v1/me", session.get_me),
    Route("/api/v1/tokens", tokens.list_tokens),
    Route("/api/v1/tokens", tokens.create_token, methods=["POST"]),
    Route("/api/v1/tokens/{id}", tokens.revoke_token, methods=["DELETE"]),
    Route("/setup/{secret}", setup.show_setup),
    Route("/setup/{secret}", setup.use_setup, methods=["POST"]),
]


class Door:
    """An application of these routes alone, for accounts and a policy that a test can change."""

    def __init__(self, folder: Path) -> None:
        self.accounts = Accounts.open(folder, passwords=Passwords(memory_kib=8, rounds=1))
        self.settings: str | None = SETTINGS
        self._lanes = Lanes()
        self._app = Starlette(routes=ROUTES, exception_handlers={CMSError: on_error})
        self._client = TestClient(self._with_site, raise_server_exceptions=True)

    def office(self) -> "Door":
        if self.settings is None:
            raise NotFound("this site is only read here")
        return self

    def policy(self) -> Policy:
        return read_policy((self.settings or "").encode())

    async def _with_site(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, "site": self, "lanes": self._lanes}, receive, send)

    def ask(self, method: str, path: str, secret: str = "", body: Any = None, **headers: str) -> httpx2.Response:
        """The answer; *secret* is a token or session, *body* JSON, ``Sec_Fetch_Site="…"`` a header."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if secret:
            named["Authorization"] = f"Bearer {secret}"
        options = {"json": body} if body is not None else {}
        return self._client.request(method, path, headers=named, **options)

    def send_form(self, link: str, **fields: str) -> httpx2.Response:
        """The answer to a form; names not given are those of a good one."""
        form = {"person": "kari", "password": PASSWORD, "again": PASSWORD, **fields}
        return self._client.post(f"/setup/{link}", data=form, headers={"Sec-Fetch-Site": "same-origin"})


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    """Kari, a maintainer, and Ola, a writer with a bot, have accounts."""
    opened = Door(tmp_path / "state")
    for person, password in (("kari", PASSWORD), ("ola", OTHER), ("importer", None)):
        opened.accounts.add_user(person, password=password, now=datetime.now(UTC))
    yield opened
    opened.accounts.close()


@pytest.fixture
def first(tmp_path: Path) -> Iterator[tuple[Door, str]]:
    """A server at its first start, and the secret of its link."""
    opened = Door(tmp_path / "state")
    yield opened, opened.accounts.setup_secret(datetime.now(UTC)) or ""
    opened.accounts.close()


def sign_in(door: Door, person: str = "kari", password: str = PASSWORD) -> str:
    answer = door.ask("POST", "/api/v1/session", body={"person": person, "password": password})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["data"]["token"])


def make_token(door: Door, person: str, *scopes: str) -> str:
    now = datetime.now(UTC)
    made = door.accounts.create_token(person, "x", scopes=scopes or None, expires_at=now + timedelta(days=1), now=now)
    return made[1]


# -- sessions ------------------------------------------------------------------------------------------------------


def test_a_session_is_begun_used_and_ended(door: Door) -> None:
    answer = door.ask("POST", "/api/v1/session", body={"person": "kari", "password": PASSWORD})
    data = answer.json()["data"]
    assert (answer.status_code, answer.headers["Cache-Control"], data["person"]) == (201, "no-store", "kari")
    lasts = datetime.fromisoformat(data["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=11) < lasts <= timedelta(hours=12)
    assert door.ask("GET", "/api/v1/me", data["token"]).json()["data"]["via"] == "session"
    assert door.ask("DELETE", "/api/v1/session", data["token"]).status_code == 204
    assert door.ask("GET", "/api/v1/me", data["token"]).status_code == 401


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(door: Door) -> None:
    answers = [
        door.ask("POST", "/api/v1/session", body={"person": person, "password": "a wrong password"})
        for person in ("kari", "nobody")
    ]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].json() == answers[1].json()
    assert "a wrong password" not in answers[0].text


def test_guessing_is_slowed_and_says_for_how_long(door: Door) -> None:
    body = {"person": "kari", "password": "a wrong password"}
    answers = [door.ask("POST", "/api/v1/session", body=body) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert int(answers[5].headers["Retry-After"]) >= 1


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("", "application/json"),
        ("[]", "application/json"),
        ("null", "application/json"),
        ("{", "application/json"),
        ("[" * 10_000, "application/json"),
        ('{"person": "kari"}', "application/json"),
        ('{"person": "kari", "password": 5}', "application/json"),
        ('{"person": "kari", "password": "\\ud800"}', "application/json"),
        ('{"person": "kari", "password": "x", "role": "maintainer"}', "application/json"),
        ('{"person": "kari", "password": "x", "\\ud800": 1}', "application/json"),
        ('{"person": "ola", "person": "kari", "password": "x"}', "application/json"),
        ('{"person": "kari", "password": "' + "x" * 20_000 + '"}', "application/json"),
        (f'{{"person": "kari", "password": "{PASSWORD}"}}', "text/plain"),
        (f"person=kari&password={PASSWORD}", "application/x-www-form-urlencoded"),
    ],
)
def test_a_body_that_is_not_what_is_asked_for_is_refused(door: Door, body: str, kind: str) -> None:
    answer = door._client.post("/api/v1/session", content=body, headers={"Content-Type": kind})
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid-query"
    assert PASSWORD not in answer.text


def test_only_a_session_can_be_ended_as_one(door: Door) -> None:
    assert door.ask("DELETE", "/api/v1/session").status_code == 401
    answer = door.ask("DELETE", "/api/v1/session", make_token(door, "kari"))
    assert answer.status_code == 409
    assert "no session" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Sec_Fetch_Site": "same-origin"}, 401),
        ({"Sec_Fetch_Site": "none"}, 401),
        ({"Origin": "http://testserver"}, 401),
        ({"Origin": "https://testserver"}, 401),
        ({"Sec_Fetch_Site": "same-site", "Origin": "http://testserver"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": ""}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "http://testserver.evil.example"}, 403),
    ],
)
def test_the_page_of_another_site_changes_nothing(door: Door, headers: dict[str, str], status: int) -> None:
    for method, path in (("POST", "/api/v1/session"), ("POST", "/api/v1/tokens"), ("DELETE", "/api/v1/tokens/x")):
        answer = door.ask(method, path, body={"person": "kari", "password": "a wrong one"}, **headers)
        assert answer.status_code == status, (method, path)


def test_who_asks_is_told_with_their_roles_as_they_are_now(door: Door) -> None:
    assert door.ask("GET", "/api/v1/me").status_code == 401
    me = door.ask("GET", "/api/v1/me", sign_in(door, "ola", OTHER)).json()["data"]
    assert (me["person"], me["name"], me["listed"]) == ("ola", "Ola Nordmann", True)
    assert me["roles"] == [{"role": "writer", "paths": ["content/posts/**"]}]
    door.settings = SETTINGS.replace("[people.ola]", "[people.per]").replace('"ola"', '"per"')
    me = door.ask("GET", "/api/v1/me", sign_in(door, "ola", OTHER)).json()["data"]
    assert (me["listed"], me["roles"], me["name"]) == (False, [], "ola")


def test_a_role_for_collections_is_told_with_their_names(door: Door) -> None:
    door.settings = SETTINGS.replace('paths = ["content/posts/**"]', 'collections = ["posts", "pages"]')
    me = door.ask("GET", "/api/v1/me", sign_in(door, "ola", OTHER)).json()["data"]
    assert me["roles"] == [{"role": "writer", "collections": ["pages", "posts"]}]


def test_a_token_is_told_what_it_is_restricted_to(door: Door) -> None:
    me = door.ask("GET", "/api/v1/me", make_token(door, "importer", "draft.write")).json()["data"]
    assert (me["via"], me["scopes"], me["owner"]) == ("token", ["draft.write"], "ola")
    assert me["roles"] == [{"role": "bot", "scopes": ["draft.write"]}]


# -- tokens --------------------------------------------------------------------------------------------------------


def test_a_token_is_made_listed_used_and_revoked(door: Door) -> None:
    me = sign_in(door, "ola", OTHER)
    made = door.ask("POST", "/api/v1/tokens", me, {"name": "laptop", "scopes": ["draft.read"]})
    data = made.json()["data"]
    assert (made.status_code, data["person"], data["scopes"], data["live"]) == (201, "ola", ["draft.read"], True)
    listed = door.ask("GET", "/api/v1/tokens", me)
    assert [token["id"] for token in listed.json()["data"]] == [data["id"]]
    assert data["token"] not in listed.text
    assert door.ask("GET", "/api/v1/me", data["token"]).status_code == 200
    assert door.ask("DELETE", f"/api/v1/tokens/{data['id']}", me).status_code == 204
    assert door.ask("GET", "/api/v1/me", data["token"]).status_code == 401


def test_a_token_makes_and_ends_no_tokens(door: Door) -> None:
    token = make_token(door, "kari")
    assert door.ask("POST", "/api/v1/tokens", token, {"name": "another"}).status_code == 403
    assert door.ask("GET", "/api/v1/tokens", token).status_code == 403
    assert door.ask("DELETE", f"/api/v1/tokens/{token[4:16]}", token).status_code == 403
    assert len(door.accounts.tokens()) == 1


def test_the_tokens_of_a_bot_are_those_of_whom_answers_for_it(door: Door) -> None:
    ola, kari = sign_in(door, "ola", OTHER), sign_in(door)
    body = {"name": "import", "person": "importer"}
    made = door.ask("POST", "/api/v1/tokens", ola, body)
    assert (made.status_code, made.json()["data"]["person"]) == (201, "importer")
    assert door.ask("POST", "/api/v1/tokens", kari, body).status_code == 201
    assert len(door.ask("GET", "/api/v1/tokens?person=importer", ola).json()["data"]) == 2


def test_nobody_makes_a_token_of_another_person(door: Door) -> None:
    for secret, person in ((sign_in(door), "ola"), (sign_in(door, "ola", OTHER), "kari")):
        answer = door.ask("POST", "/api/v1/tokens", secret, {"name": "x", "person": person})
        assert answer.status_code in (403, 404)
    assert door.accounts.tokens() == []


def test_a_maintainer_ends_the_tokens_of_others_and_others_do_not_learn_of_them(door: Door) -> None:
    theirs = make_token(door, "kari")[4:16]
    ola = sign_in(door, "ola", OTHER)
    hidden, unknown = (door.ask("DELETE", f"/api/v1/tokens/{id}", ola) for id in (theirs, "000000000000"))
    assert (hidden.status_code, hidden.json()["detail"]) == (404, unknown.json()["detail"])
    assert door.ask("GET", "/api/v1/tokens?person=kari", ola).status_code in (403, 404)
    token = make_token(door, "ola")
    assert door.ask("DELETE", f"/api/v1/tokens/{token[4:16]}", sign_in(door)).status_code == 204
    assert door.ask("GET", "/api/v1/me", token).status_code == 401


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x", "scopes": "draft.write"}, "scopes"),
        ({"name": "x", "scopes": ["draft.wriet"]}, "scopes"),
        ({"name": "x", "scopes": []}, "scopes"),
        ({"name": "x", "expires_at": "tomorrow"}, "expires_at"),
        ({"name": "x", "expires_at": "2027-01-01T00:00:00"}, "expires_at"),
        ({"name": "x", "expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "x", "expires_at": 5}, "expires_at"),
        ({"name": "x", "secret": "mine"}, "secret"),
    ],
)
def test_a_token_that_makes_no_sense_is_refused(door: Door, body: dict[str, Any], parameter: str) -> None:
    answer = door.ask("POST", "/api/v1/tokens", sign_in(door), body)
    assert (answer.status_code, answer.json()["parameter"]) == (400, parameter)


@pytest.mark.parametrize("query", ["who=kari", "person=kari&person=ola", "person=kari&x=1"])
def test_a_list_of_tokens_takes_one_person_and_nothing_else(door: Door, query: str) -> None:
    assert door.ask("GET", f"/api/v1/tokens?{query}", sign_in(door)).status_code == 400


# -- the first start -----------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a reader of the page is told: its language, headings, labels and fields."""

    def __init__(self, answer: httpx2.Response) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str, attribute: str) -> list[str | None]:
        return [attributes.get(attribute) for name, attributes in self.tags if name == tag]


def test_the_first_maintainer_chooses_a_password(first: tuple[Door, str]) -> None:
    door, link = first
    page = Page(door.ask("GET", f"/setup/{link}"))
    assert page.all("option", "value") == ["kari"]
    done = door.send_form(link)
    assert (done.status_code, "Kari &amp; Nordmann can sign in as kari" in done.text) == (200, True)
    assert sign_in(door)
    assert door.ask("GET", f"/setup/{link}").status_code == 404
    assert door.send_form(link).status_code == 404


def test_the_form_can_be_used_by_everybody(first: tuple[Door, str]) -> None:
    door, link = first
    for page in (Page(door.ask("GET", f"/setup/{link}")), Page(door.send_form(link, again="x"))):
        assert page.all("html", "lang") == ["en"]
        assert len(page.all("h1", "id")) == len(page.all("title", "id")) == 1
        fields = {*page.all("input", "id"), *page.all("select", "id")}
        assert set(page.all("label", "for")) == fields == {"person", "password", "again"}
        assert page.all("input", "autocomplete") == ["new-password"] * 2
        assert page.all("input", "maxlength") == [None] * 2  # it would cut a password off without a word
        assert set(page.all("input", "aria-describedby")) - {None} <= set(page.all("p", "id"))


def test_the_page_has_no_script_and_is_neither_kept_nor_framed(first: tuple[Door, str]) -> None:
    door, link = first
    for answer in (door.ask("GET", f"/setup/{link}"), door.send_form(link), door.ask("GET", "/setup/x")):
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert (answer.headers["Cache-Control"], answer.headers["Referrer-Policy"]) == ("no-store", "same-origin")
        assert not re.search(r"<script|\son\w+=|javascript:|\ssrc=|\shref=|\sstyle=", answer.text)
        (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.S)
        assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in policy


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"again": "something else"}, "not the same"),
        ({"password": "short", "again": "short"}, "at least 12 characters"),
        ({"password": "a" * 20, "again": "a" * 20}, "5 different"),
        ({"person": "ola"}, "Choose who you are"),
        ({"person": "importer"}, "Choose who you are"),
        ({"person": "<b>"}, "Choose who you are"),
        ({"person": ""}, "Choose who you are"),
    ],
)
def test_a_mistake_in_the_form_is_told_and_can_be_corrected(
    first: tuple[Door, str], fields: dict[str, str], wrong: str
) -> None:
    door, link = first
    answer = door.send_form(link, **fields)
    assert answer.status_code == 422
    assert wrong in answer.text
    assert 'role="alert"' in answer.text
    assert "<title>Error: " in answer.text
    assert fields.get("password", PASSWORD) not in answer.text
    assert door.send_form(link).status_code == 200


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("nb-NO,nb;q=0.9,en;q=0.5", "nb"),
        ("nn", "nb"),
        ("en-GB,en;q=0.9,no;q=0.8", "en"),
        ("de, no;q=0.4, en;q=0.3", "nb"),
        ("sv", "en"),
        ("nb;q=x,en;q=0.1", "en"),
        ("nb;q=0", "en"),
    ],
)
def test_the_page_speaks_norwegian_or_english_as_the_reader_likes(
    first: tuple[Door, str], header: str, language: str
) -> None:
    door, link = first
    answer = door.ask("GET", f"/setup/{link}", Accept_Language=header)
    assert (Page(answer).all("html", "lang"), answer.headers["Content-Language"]) == ([language], language)
    assert ("Velg et passord" in answer.text) == (language == "nb")


@given(header=st.text(max_size=300))
def test_any_wish_for_a_language_has_an_answer(header: str) -> None:
    assert choose_texts(header).language in ("nb", "en")


@pytest.mark.parametrize("language", ["nb", "en"])
def test_every_rule_for_passwords_is_explained_in_both_languages(language: str) -> None:
    assert choose_texts(language).weak.keys() == RULES.keys()


def test_without_a_maintainer_the_page_says_which_lines_to_commit(first: tuple[Door, str]) -> None:
    door, link = first
    door.settings = SETTINGS.replace('"maintainer"', '"reviewer"')
    for answer in (door.ask("GET", f"/setup/{link}"), door.send_form(link)):
        assert answer.status_code == 409
        assert "[[roles]]\nrole = &quot;maintainer&quot;\nwho = [&quot;kari&quot;]" in answer.text
        assert "[people.kari]" not in answer.text
    door.settings = None
    lines = lines_of(door.ask("GET", f"/setup/{link}"))
    assert read_policy(lines.encode()).people["kari"].emails == ("kari@example.org",)


def lines_of(answer: httpx2.Response) -> str:
    found = re.search(r"<pre>(.*?)</pre>", answer.text, re.S)
    assert found
    return found[1].replace("&quot;", '"')


def test_a_policy_that_cannot_be_read_is_told_on_the_page(first: tuple[Door, str]) -> None:
    door, link = first
    door.settings = SETTINGS + '[groups]\neditors = ["nobody"]\n'
    answer = door.ask("GET", f"/setup/{link}")
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    assert "nobody" in answer.text


def test_the_page_of_another_site_cannot_use_the_link(first: tuple[Door, str]) -> None:
    door, link = first
    for headers in ({"Sec_Fetch_Site": "cross-site"}, {"Origin": "https://evil.example"}):
        assert door.ask("POST", f"/setup/{link}", **headers).status_code == 403
    assert door.send_form(link).status_code == 200


@pytest.mark.parametrize("link", ["x", "cmsl_" + "a" * 61, "%00", "..%2f", "é"])
def test_a_link_that_was_never_given_leads_nowhere(first: tuple[Door, str], link: str) -> None:
    door, _ = first
    assert door.ask("GET", f"/setup/{link}").status_code == 404
    assert door.accounts.users() == []


def test_who_was_slower_with_the_link_is_told_that_it_does_not_work(
    first: tuple[Door, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    door, link = first
    door.accounts.add_user("ola", now=datetime.now(UTC))
    monkeypatch.setattr(door.accounts, "is_setup_open", lambda *_, **__: True)  # as it was a moment before
    other = Accounts.open(door.accounts._database.path.parent, passwords=Passwords(memory_kib=8, rounds=1))
    monkeypatch.setattr(door.accounts, "use_setup", other.use_setup)
    answer = door.send_form(link)
    assert (answer.status_code, "does not work" in answer.text) == (404, True)


def test_a_form_with_a_field_twice_is_refused(first: tuple[Door, str]) -> None:
    door, link = first
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = door._client.post(f"/setup/{link}", content="person=kari&person=ola", headers=form)
    assert (answer.status_code, "a field twice" in answer.text) == (400, True)


def test_no_answer_repeats_the_link(first: tuple[Door, str]) -> None:
    door, link = first
    answers = [
        door.ask("GET", f"/setup/{link}"),
        door.send_form(link, again="x"),
        door.send_form(link),
        door.send_form(link),
    ]
    assert not [answer for answer in answers if link in answer.text + str(answer.headers)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=200), kind=st.sampled_from(["application/x-www-form-urlencoded", "multipart/form-data", ""])
)
def test_whatever_is_sent_as_the_form_makes_no_account(first: tuple[Door, str], body: bytes, kind: str) -> None:
    door, link = first
    answer = door._client.post(f"/setup/{link}", content=body, headers={"Content-Type": kind})
    assert answer.status_code in (400, 422)
    assert door.accounts.users() == []
