"""Events of drafts: what the push log tells, to those who may read the draft, and only what happened."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cms.events import parse_mark
from cms.permissions import Principal
from cms.pushlog import Move
from cms.refs import CommitId, draft_ref
from tests.api.newsdesk import Newsdesk


def person(name: str, *scopes: str) -> Principal:
    return Principal(person=name, via="session", scopes=frozenset(scopes) or None)


def begin(desk: Newsdesk, by: str = "eva") -> str:
    return str(desk.room.site.events.begin(person(by), datetime.now(UTC)))


def told(desk: Newsdesk, known: str, who: Principal | None = None, seconds: float = 0) -> list[Any]:
    """What happened after the event *known*, for *who*."""
    now = datetime.now(UTC) + timedelta(seconds=seconds)
    site = desk.room.site
    site.refresh(now.timestamp())
    batch = site.events.after(parse_mark(known), who or person("eva"), now)
    return [{**event.data, "id": str(mark), "kind": event.kind} for mark, event in batch.events]


def words(events: list[Any]) -> list[str]:
    return [event.get("action") or event.get("verdict") or event["kind"] for event in events]


def test_the_life_of_a_draft_is_told_in_order(desk: Newsdesk) -> None:
    known = begin(desk)
    desk.begin()
    desk.say("request", by="ola")
    desk.say("approve", by="rita")
    desk.do("POST", "/drafts/x/publication", "pia", {})
    found = told(desk, known)
    assert words(found) == ["started", "changed", "request", "approve", "published", "publication"]
    assert {event["draft"] for event in found[:5]} == {"x"}
    assert [event["person"] for event in found[:5]] == ["ola", "ola", "ola", "rita", "pia"]
    assert found[3]["commit"] == found[4]["head"]


def test_each_event_can_be_gone_on_from(desk: Newsdesk) -> None:
    known = begin(desk)
    desk.begin()
    desk.say("comment", by="rita", message="Fint")
    desk.do("DELETE", "/drafts/x", "ola", {"reason": "nei"})
    every = told(desk, known)
    assert words(every) == ["started", "changed", "comment", "closed"]
    for number, event in enumerate(every, 1):
        assert told(desk, event["id"]) == every[number:]


def test_a_push_with_texts_and_words_is_several_events_of_one_act(desk: Newsdesk) -> None:
    desk.begin()
    known = begin(desk)
    room, ref = desk.room, draft_ref("x")
    head = room.site.store.resolve(ref)
    assert head is not None
    repo = room.repo
    repo.commit({"posts/a.md": "---\ntitle: Pushet\n---\n"}, branch="drafts/x")
    new = repo.commit({}, branch="drafts/x", message="Se på den\n\nReview: request\n")
    log, flow = room.office.log, room.flow
    log.append(
        flow.writer, act="push", person="ola", via="git", moves=[Move(ref, head, CommitId(new))], at=datetime.now(UTC)
    )
    changed, requested = told(desk, known)
    assert words([changed, requested]) == ["changed", "request"]
    assert requested["commit"] == new
    assert told(desk, changed["id"]) == [requested]


def test_what_never_happened_is_not_told_and_holds_nothing_up(desk: Newsdesk) -> None:
    desk.begin()
    known = begin(desk)
    room = desk.room
    head = room.site.store.resolve(draft_ref("x"))
    move = Move(draft_ref("x"), head, CommitId(room.first))
    room.office.log.append(room.flow.writer, act="write", person="ola", via="api", moves=[move], at=datetime.now(UTC))
    batch = room.site.events.after(parse_mark(known), person("eva"), datetime.now(UTC))
    assert (batch.events, batch.is_waiting) == ([], True)
    desk.do("PATCH", "/drafts/x/entries/posts/a", "ola", {"fields": {"title": "Igjen"}})
    assert words(told(desk, known)) == ["changed"]
    assert told(desk, known, seconds=60) == told(desk, known)


@pytest.mark.parametrize("who", ["rune", "gone", ""])
def test_who_may_read_no_draft_is_told_of_publications_alone(desk: Newsdesk, who: str) -> None:
    known = begin(desk)
    desk.begin()
    assert told(desk, known, person(who)) == []
    mark = desk.room.site.events.begin(person(who), datetime.now(UTC))
    assert "~" not in str(mark)


def test_a_token_without_the_scope_hears_of_no_draft(desk: Newsdesk) -> None:
    known = begin(desk)
    desk.begin()
    assert told(desk, known, person("eva", "history.read")) == []
    assert words(told(desk, known, person("eva", "draft.read"))) == ["started", "changed"]


def test_a_bot_hears_of_the_drafts_that_it_may_read_also_after_they_are_published(desk: Newsdesk) -> None:
    settings = desk.room.read("cms.toml")
    assert settings is not None
    bound = settings.replace('scopes = ["draft.read"', 'paths = ["posts/b.md"]\nscopes = ["draft.read"')
    desk.room.repo.commit({"cms.toml": bound})
    known = begin(desk)
    desk.begin("x", slug="a")
    desk.begin("y", slug="b")
    for name in "xy":
        desk.say("approve", name, "rita")
        desk.do("POST", f"/drafts/{name}/publication", "pia", {})
    heard = [event for event in told(desk, known, person("robot")) if event["kind"] != "publication"]
    assert words([event for event in heard if event["draft"] == "y"]) == ["started", "changed", "approve", "published"]
    # That a draft was begun which held nothing yet is told to whoever may read any.
    assert words([event for event in heard if event["draft"] == "x"]) in ([], ["started"])


def test_another_process_tells_the_same(desk: Newsdesk) -> None:
    known = begin(desk)
    desk.begin()
    desk.say("approve", by="rita")
    desk.do("POST", "/drafts/x/publication", "pia", {})
    here = told(desk, known)
    other = desk.room.open()
    there = other.events.after(parse_mark(known), person("eva"), datetime.now(UTC))
    assert [str(mark) for mark, _ in there.events] == [event["id"] for event in here]
    other.close()


def test_who_reads_drafts_only_now_hears_of_them_from_now_on(desk: Newsdesk) -> None:
    known = str(desk.room.site.events.begin(None, datetime.now(UTC)))
    desk.begin()
    site = desk.room.site
    batch = site.events.after(parse_mark(known), person("eva"), datetime.now(UTC))
    assert batch.events == []
    desk.say("comment", by="rita", message="Fint")
    assert words(told(desk, str(batch.mark))) == ["comment"]


def test_an_act_that_the_log_does_not_have_is_told_as_such(desk: Newsdesk) -> None:
    desk.begin()
    position = begin(desk).partition("~")[0]
    (reset,) = told(desk, f"{position}~{'a' * 40}.1")
    assert reset["kind"] == "reset"
    assert reset["id"] == begin(desk)


def test_too_many_acts_are_told_as_such(desk: Newsdesk, monkeypatch: pytest.MonkeyPatch) -> None:
    known = begin(desk)
    desk.begin()
    monkeypatch.setattr("cms.events.acts.ENTRIES_MOST", 1)
    assert words(told(desk, known)) == ["reset"]
