"""Publishing: what is merged, what is in conflict, two at once, and when."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from cms.errors import CMSError, Conflict, InvalidContent, MergeConflict
from cms.refs import draft_ref
from cms.workflow.flow import tidy
from cms.workflow.outcome import Status
from cms.workflow.publishing import publish
from cms.workflow.schedule import SYSTEM, Scheduler, publish_due
from cms.workflow.verdicts import approve, schedule
from cms.workflow.writing import start_draft, write_entry
from tests.editing.tools import Newsroom, post


def prepare(room: Newsroom, name: str, slug: str = "a", by: str = "ola", **fields: object) -> None:
    """A draft that is approved."""
    start_draft(room.flow, room.who(by), name, now=room.tick())
    write_entry(room.flow, room.who(by), name, post(slug), fields or {"title": name}, now=room.tick())
    approve(room.flow, room.who("eva"), name, expected=None, now=room.tick())


def bring(room: Newsroom, name: str, by: str = "pia") -> None:
    """A publication."""
    publish(room.flow, room.who(by), name, now=room.tick())


def test_two_drafts_that_change_different_fields_of_an_entry_both_go_public(room: Newsroom) -> None:
    prepare(room, "one", title="One")
    prepare(room, "two", category="skole")
    bring(room, "one")
    approve(room.flow, room.who("eva"), "two", expected=None, now=room.tick())
    with pytest.raises(Conflict):  # the merged text is another one than what was approved
        bring(room, "two")
    assert room.state("two").entries[0].lapsed == ("eva",)


def test_the_same_field_changed_twice_is_a_conflict_with_both_values(room: Newsroom) -> None:
    prepare(room, "one", title="One")
    prepare(room, "two", title="Two")
    bring(room, "one")
    assert room.state("two").status is Status.CONFLICTING
    with pytest.raises(MergeConflict, match=r"posts/a\.md.*title") as refusal:
        bring(room, "two")
    assert ["One" in str(refusal.value), "Two" in str(refusal.value)] == [True, True]


def test_what_another_publication_broke_is_not_published(room: Newsroom) -> None:
    start_draft(room.flow, room.who("ola"), "one", now=room.tick())
    write_entry(room.flow, room.who("ola"), "one", post("c"), {"title": "C", "related": ["b"]}, now=room.tick())
    approve(room.flow, room.who("eva"), "one", expected=None, now=room.tick())
    room.repo.commit({"posts/b.md": None}, at=room.tick())
    assert room.state("one").status is Status.INVALID
    with pytest.raises(InvalidContent, match=r"posts/c\.md:\d+:\d+: related"):
        bring(room, "one")


def test_a_draft_of_many_entries_goes_public_whole_or_not_at_all(room: Newsroom) -> None:
    prepare(room, "one", title="One")
    write_entry(room.flow, room.who("ola"), "one", post("c"), {"title": "C"}, now=room.tick())
    with pytest.raises(Conflict, match=r"posts/c\.md"):
        bring(room, "one")
    assert room.main == room.first
    approve(room.flow, room.who("eva"), "one", expected=None, now=room.tick())
    bring(room, "one")
    assert (room.read("posts/a.md") or "").startswith("---\ntitle: One")
    assert room.read("posts/c.md") is not None


def test_two_publishers_at_once_both_succeed_on_different_entries(room: Newsroom) -> None:
    prepare(room, "one", "a")
    prepare(room, "two", "b")
    other = room.open()
    try:
        flows = {"one": room.flow, "two": other.office().flow}
        with ThreadPoolExecutor() as pool:
            acts = [pool.submit(publish, flow, room.who("pia"), name, now=room.now) for name, flow in flows.items()]
        assert all(act.result().commit for act in acts)
    finally:
        other.close()
    assert ("title: one" in (room.read("posts/a.md") or ""), "title: two" in (room.read("posts/b.md") or "")) == (
        True,
        True,
    )


def test_of_two_publishers_of_the_same_field_one_is_refused(room: Newsroom) -> None:
    prepare(room, "one")
    prepare(room, "two")

    def attempt(name: str) -> str:
        try:
            return publish(room.flow, room.who("pia"), name, now=room.now).commit or ""
        except Conflict as error:
            return error.code

    with ThreadPoolExecutor() as pool:
        answers = sorted(pool.map(attempt, ["one", "two"]), key=len)
    assert len(answers[1]) == 40
    assert answers[0] in ("merge-conflict", "conflict")


def test_the_push_log_holds_every_act_in_its_order(room: Newsroom) -> None:
    prepare(room, "one")
    bring(room, "one")
    acts = [(entry.act, entry.person) for entry in room.office.log.entries()]
    assert acts == [("start", "ola"), ("write", "ola"), ("verdict", "eva"), ("publish", "pia")]
    assert all(entry.is_valid for entry in room.office.log.entries())


def test_a_crash_between_the_merge_and_the_removal_of_the_draft_is_tidied(room: Newsroom) -> None:
    prepare(room, "one")
    head = room.state("one").head
    bring(room, "one")
    room.flow.writer.move_ref(draft_ref("one"), old=None, new=head)
    assert tidy(room.flow, SYSTEM) == ["one"]
    assert room.flow.names() == []


def test_an_empty_draft_is_not_taken_for_a_published_one(room: Newsroom) -> None:
    start_draft(room.flow, room.who("ola"), "new", now=room.tick())
    assert room.state("new").status is Status.DRAFT
    assert tidy(room.flow, SYSTEM) == []
    with pytest.raises(Conflict, match="nothing to publish"):
        bring(room, "new")


def test_a_scheduled_draft_goes_public_when_it_is_due_and_never_before(room: Newsroom) -> None:
    prepare(room, "one")
    due = room.now + timedelta(hours=2)
    schedule(room.flow, room.who("pia"), "one", due, now=room.tick())
    early, _ = publish_due(room.flow, now=due - timedelta(milliseconds=1))
    done, refused = publish_due(room.flow, now=due)
    assert (early, len(done), refused) == ([], 1, [])
    assert "Published-by: pia" in room.site.store.commit(room.main).message


def test_what_became_due_while_nobody_looked_is_published_once_and_in_order(room: Newsroom) -> None:
    prepare(room, "late", "a")
    prepare(room, "early", "b")
    schedule(room.flow, room.who("pia"), "late", room.now + timedelta(hours=2), now=room.tick())
    schedule(room.flow, room.who("pia"), "early", room.now + timedelta(hours=1), now=room.tick())
    other = room.open()
    try:
        now = room.tick(days=3)
        both = [publish_due(flow, now=now)[0] for flow in (room.flow, other.office().flow)]
    finally:
        other.close()
    assert [[publication.draft for publication in done] for done in both] == [["early", "late"], []]


def test_a_schedule_does_not_publish_what_changed_after_the_approval(room: Newsroom) -> None:
    prepare(room, "one")
    due = room.now + timedelta(hours=2)
    schedule(room.flow, room.who("pia"), "one", due, now=room.tick())
    write_entry(room.flow, room.who("ola"), "one", post("a"), {"title": "Sly"}, now=room.tick())
    done, refused = publish_due(room.flow, now=due)
    assert (done, len(refused), room.main) == ([], 1, room.first)


def test_a_schedule_dies_with_the_role_of_who_set_it(room: Newsroom) -> None:
    prepare(room, "one")
    due = room.now + timedelta(hours=2)
    schedule(room.flow, room.who("pia"), "one", due, now=room.tick())
    settings = (room.read("cms.toml") or "").replace('who = ["pia", "eva"]', 'who = ["eva"]')
    commit = room.repo.commit({"cms.toml": settings}, at=room.tick())
    done, _ = publish_due(room.flow, now=due)
    assert (done, room.main) == ([], commit)


def test_a_schedule_of_a_disabled_account_waits(room: Newsroom) -> None:
    prepare(room, "one")
    due = room.now + timedelta(hours=2)
    schedule(room.flow, room.who("pia"), "one", due, now=room.tick())
    done, refused = publish_due(room.flow, now=due, is_active=lambda person: person != "pia")
    assert (done, len(refused)) == ([], 1)


def test_the_scheduler_looks_by_itself(room: Newsroom) -> None:
    prepare(room, "one")
    due = room.now + timedelta(hours=2)
    schedule(room.flow, room.who("pia"), "one", due, now=room.tick())
    clock = [room.now]
    scheduler = Scheduler(room.flow, clock=lambda: clock[0])
    scheduler.look()
    assert room.main == room.first
    clock[0] = due
    scheduler.look()
    assert room.main != room.first


def test_broken_rules_stop_every_act_and_say_where(room: Newsroom) -> None:
    prepare(room, "one")
    settings = (room.read("cms.toml") or "").replace('who = ["@editors"]', 'who = ["@editor"]')
    room.repo.commit({"cms.toml": settings}, at=room.tick())
    with pytest.raises(CMSError, match="editor"):
        bring(room, "one")


def test_a_draft_cannot_lower_its_own_bar(room: Newsroom) -> None:
    start_draft(room.flow, room.who("mia"), "rules", now=room.tick())
    settings = (room.read("cms.toml") or "").replace("approvals = 1", "approvals = 0")
    head = room.state("rules").head
    tree = room.flow.writer.write_tree(
        room.flow.tree_of(head), {"cms.toml": room.flow.writer.write_blob(settings.encode())}
    )
    commit = room.flow.write_commit(
        room.who("mia"), tree=tree, parents=[head], message="Rules", trailers=[], now=room.tick()
    )
    room.flow.writer.move_ref(draft_ref("rules"), old=head, new=commit)
    assert room.state("rules").status is Status.DRAFT
    assert room.state("rules").entries[0].needed == 1
