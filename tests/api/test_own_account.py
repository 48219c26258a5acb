"""One's own account over HTTP: another password, and where one is signed in."""

from typing import Any

import pytest

from tests.api.newsdesk import PASSWORD, Newsdesk, basic

NEW = "a password nobody has thought of"


def change(desk: Newsdesk, by: str, current: str = "", password: str = NEW, **more: Any) -> Any:
    return desk.ask(
        "POST", "/me/password", by, {"current": current or PASSWORD.format(by), "password": password}, **more
    )


def test_another_password_ends_all_sessions_and_begins_one(desk: Newsdesk) -> None:
    old, token = desk.session("ola"), desk.token("ola")
    answer = change(desk, "ola")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    assert desk.ask("GET", "/me", secret=old).status_code == 401
    assert desk.ask("GET", "/me", secret=answer.json()["data"]["token"]).json()["data"]["person"] == "ola"
    assert desk.ask("GET", "/me", secret=token).status_code == 200
    assert desk.ask("GET", "/me", Authorization=basic("ola")).status_code == 401
    assert desk.ask("GET", "/me", Authorization=basic("ola", NEW)).status_code == 200


def test_who_does_not_know_the_present_password_changes_nothing(desk: Newsdesk) -> None:
    answer = change(desk, "ola", "another one than that")
    assert (answer.status_code, answer.json()["detail"]) == (403, "the present password is another one; nothing was changed")  # fmt: skip
    assert desk.ask("GET", "/me", "ola").status_code == 200
    assert desk.ask("GET", "/me", Authorization=basic("ola")).status_code == 200
    assert [change(desk, "ola", "a guess of mine").status_code for _ in range(6)][-1] == 429


@pytest.mark.parametrize("password", ["too small", "a" * 20, "x" * 2000, "", "a\0b" * 10])
def test_a_password_that_is_none_is_refused_and_not_repeated(desk: Newsdesk, password: str) -> None:
    answer = change(desk, "ola", password=password)
    assert answer.status_code == 400
    assert not password or password not in answer.text
    assert desk.ask("GET", "/me", Authorization=basic("ola")).status_code == 200


def test_a_token_changes_no_password_and_sees_no_sessions(desk: Newsdesk) -> None:
    token = desk.token("ola")
    for answer in (
        desk.ask("POST", "/me/password", body={"current": PASSWORD.format("ola"), "password": NEW}, secret=token),
        desk.ask("GET", "/me/sessions", secret=token),
        desk.ask("DELETE", "/me/sessions/x", secret=token),
    ):
        assert (answer.status_code, "a token does not do" in answer.json()["detail"]) == (403, True)
    assert desk.ask("GET", "/me", Authorization=basic("ola")).status_code == 200


def test_sessions_are_listed_without_their_secrets_and_ended_one_by_one(desk: Newsdesk) -> None:
    mine, other = desk.session("ola"), desk.do("POST", "/session", "", {"person": "ola", "password": PASSWORD.format("ola")})["token"]  # fmt: skip
    answer = desk.ask("GET", "/me/sessions", secret=mine)
    assert mine[5:] not in answer.text
    (ending,) = [session for session in answer.json()["data"] if not session["is_this"]]
    assert len(answer.json()["data"]) == 2
    for expected in (204, 404):
        assert desk.ask("DELETE", f"/me/sessions/{ending['id']}", secret=mine).status_code == expected
    assert [desk.ask("GET", "/me", secret=secret).status_code for secret in (mine, other)] == [200, 401]


def test_nobody_ends_the_session_of_somebody_else(desk: Newsdesk) -> None:
    (session,) = [session["id"] for session in desk.ask("GET", "/me/sessions", "per").json()["data"]]
    foreign, made_up = (desk.ask("DELETE", f"/me/sessions/{id}", "mia") for id in (session, "nonsense"))
    assert (foreign.status_code, foreign.json()["detail"]) == (404, made_up.json()["detail"])
    assert desk.ask("GET", "/me", "per").status_code == 200


def test_without_a_name_there_is_no_account(desk: Newsdesk) -> None:
    for method, path in (("POST", "/me/password"), ("GET", "/me/sessions"), ("DELETE", "/me/sessions/x")):
        assert desk.ask(method, path, body={}).status_code == 401
    assert change(desk, "ola", Sec_Fetch_Site="cross-site").status_code == 403
    assert change(desk, "gone").status_code == 403
    assert desk.ask("GET", "/me/sessions", "rune").status_code == 200


def test_a_parameter_that_nobody_knows_is_refused_here_too(desk: Newsdesk) -> None:
    for path in ("/me?x=1", "/me/sessions?x=1", "/tokens?x=1", "/tokens?person="):
        assert desk.ask("GET", path, "ola").json()["code"] == "invalid-query", path
