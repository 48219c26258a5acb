"""Previews over HTTP: who makes, sees and ends them, and what is told of them."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.api.newsdesk import Newsdesk

PLACE = "/drafts/x/previews"


def test_a_preview_is_made_listed_and_ended(desk: Newsdesk) -> None:
    desk.begin()
    end = (datetime.now(UTC) + timedelta(days=7)).isoformat()
    made = desk.ask("POST", PLACE, "ola", {"expires_at": end})
    data = made.json()["data"]
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    token = data.pop("token")
    assert (data["draft"], data["person"], data["live"], token[5:17]) == ("x", "ola", True, data["id"])
    assert desk.get(PLACE, "per") == [data]
    ended = desk.ask("DELETE", f"{PLACE}/{data['id']}", "per")
    assert (ended.status_code, ended.content) == (204, b"")
    assert [(item["id"], item["live"]) for item in desk.get(PLACE)] == [(data["id"], False)]


def test_a_preview_lasts_a_day_when_nothing_is_said(desk: Newsdesk) -> None:
    desk.begin()
    for body in (None, {}, {"expires_at": None}):
        data = desk.do("POST", PLACE, "ola", body)
        lasts = datetime.fromisoformat(data["expires_at"]) - datetime.fromisoformat(data["created_at"])
        assert lasts == timedelta(days=1)


@pytest.mark.parametrize("end", ["2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "tomorrow", "2030-01-01T00:00:00", 5])
def test_an_end_that_cannot_be_is_refused(still: Newsdesk, end: object) -> None:
    answer = still.ask("POST", PLACE, "ola", {"expires_at": end})
    assert (answer.status_code, answer.json()["parameter"]) == (400, "expires_at")


def test_who_may_not_read_the_draft_is_told_what_a_draft_that_is_not_there_gives(still: Newsdesk) -> None:
    for method, place in (("GET", ""), ("POST", ""), ("DELETE", "/000000000000")):
        for by in ("rune", "gone"):
            real = still.ask(method, f"/drafts/x/previews{place}", by)
            unreal = still.ask(method, f"/drafts/y/previews{place}", by)
            assert real.status_code == unreal.status_code in (403, 404)
            assert real.text.replace("/x/", "/y/").replace("'x'", "'y'").replace('"x"', '"y"') == unreal.text
        assert still.ask(method, f"/drafts/x/previews{place}").status_code == 401


def test_a_token_without_the_scope_makes_no_preview(still: Newsdesk) -> None:
    answer = still.ask("POST", PLACE, secret=still.token("ola", "draft.read"))
    assert (answer.status_code, answer.json()["permission"]) == (403, "draft.share")


def test_a_token_of_a_preview_makes_no_other_and_acts_for_nobody(desk: Newsdesk) -> None:
    desk.begin()
    token = desk.do("POST", PLACE, "ola")["token"]
    for method, place in (("POST", PLACE), ("GET", PLACE), ("GET", "/drafts"), ("DELETE", "/drafts/x"), ("GET", "/me")):
        answer = desk.ask(method, place, secret=token)
        assert (answer.status_code, "says nothing about who you are" in answer.text) == (401, True), place


def test_a_page_of_another_site_makes_no_preview(still: Newsdesk) -> None:
    answer = still.ask("POST", PLACE, "ola", Sec_Fetch_Site="cross-site")
    assert answer.status_code == 403
