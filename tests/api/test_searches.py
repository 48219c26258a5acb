"""What editors may know of searches: why something was found, and what is searched for in vain."""

from typing import Any

import pytest

from cms import searchlog
from tests.api.newsdesk import Newsdesk

WHY = "/search?q=text&explain=true"


def explained(answer: Any) -> list[tuple[float, float]]:
    """The score of each hit, and what its explanation comes to."""
    found = []
    for hit in answer.json()["data"]:
        told = hit["explain"]
        factor = 1.0
        for each in told["factors"].values():
            factor *= each
        found.append((hit["score"], sum(reason["score"] for reason in told["reasons"]) * factor))
    return found


def test_who_holds_a_role_is_told_why(still: Newsdesk) -> None:
    answer = still.ask("GET", WHY, "ola")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    scores = explained(answer)
    assert scores
    assert [told for _, told in scores] == pytest.approx([score for score, _ in scores], abs=0.01)


def test_nobody_else_is_told_why(still: Newsdesk) -> None:
    assert still.ask("GET", WHY, "ola").status_code == 200
    assert [still.ask("GET", WHY, by).status_code for by in ("", "rune")] == [401, 403]
    assert still.ask("GET", WHY, secret=still.token("ola", "draft.read")).status_code == 403
    assert "explain" not in still.ask("GET", "/search?q=text", "ola").json()["data"][0]


@pytest.mark.parametrize("by", ["", "ola"])
def test_an_explanation_is_never_kept_for_others(still: Newsdesk, by: str) -> None:
    answer = still.ask("GET", "/search?q=text&%65xplain=true", by)
    assert (answer.status_code, answer.json()["parameter"]) == (400, "explain")


def test_a_search_in_a_draft_is_explained_and_kept_by_nobody(desk: Newsdesk) -> None:
    desk.begin()
    for view in ("draft=x", "ref=main"):
        answer = desk.ask("GET", f"{WHY}&{view}", "ola")
        assert (answer.status_code, explained(answer) != []) == (200, True)
        assert answer.headers["cache-control"] in ("private, no-store", "no-store")


def test_searches_are_listed_for_who_holds_a_role(still: Newsdesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searchlog, "APART_SECONDS", 0.0)
    assert [still.ask("GET", "/insight/searches", by).status_code for by in ("", "rune")] == [401, 403]
    for query in ("hval", "hval", "hval", "kari", "text"):
        still.ask("GET", f"/search?q={query}")
    answer = still.ask("GET", "/insight/searches", "ola")
    assert answer.headers["cache-control"] == "no-store"
    found = answer.json()
    assert found["data"]["in_vain"] == [{"query": "hval", "times": 3}]
    assert found["data"]["slow"] == []
    assert found["meta"].keys() == {"since"}


def test_who_asks_why_is_not_counted_among_readers(still: Newsdesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searchlog, "APART_SECONDS", 0.0)
    for _ in range(3):
        assert still.ask("GET", "/search?q=spekkhogger&explain=true", "ola").json()["data"] == []
    assert "spekkhogger" not in still.ask("GET", "/insight/searches", "ola").text
