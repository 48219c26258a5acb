"""The verbs, one after the other, on a real repository."""

from datetime import timedelta

import pytest

from cms.edit import REMOVED
from cms.errors import Conflict, DraftNotFound, EntryNotFound, Forbidden, InvalidContent, InvalidQuery, StaleRequest
from cms.pushlog import Move
from cms.refs import CommitId
from cms.workflow.outcome import Status
from cms.workflow.publishing import bypass, publish
from cms.workflow.undoing import restore, revert, roll_back, unpublish
from cms.workflow.verdicts import approve, comment, lift_changes, request_changes, request_review, schedule, withdraw
from cms.workflow.writing import close_draft, delete_entry, rename_entry, start_draft, write_entry
from tests.editing.tools import POSTS, Newsroom, post

WITH_SLUG = f"{POSTS}  slug: {{type: string}}\n  aliases: {{type: array, items: {{type: string}}}}\n"


def begin(room: Newsroom, name: str = "x", by: str = "ola", **fields: object) -> None:
    """A draft with one changed post."""
    start_draft(room.flow, room.who(by), name, now=room.tick())
    write_entry(room.flow, room.who(by), name, post("a"), fields or {"title": "New"}, now=room.tick())


def agree(room: Newsroom, name: str = "x", by: str = "eva") -> None:
    """An approval of a draft."""
    approve(room.flow, room.who(by), name, expected=None, now=room.tick())


def test_a_draft_goes_from_its_first_word_to_its_readers(room: Newsroom) -> None:
    begin(room)
    assert room.state("x").status is Status.DRAFT
    assert request_review(room.flow, room.who("ola"), "x", now=room.tick()).status is Status.IN_REVIEW
    agree(room)
    assert room.state("x").status is Status.APPROVED
    published = publish(room.flow, room.who("pia"), "x", now=room.tick())
    assert (published.paths, published.approved_by) == (("posts/a.md",), ("eva",))
    assert room.read("posts/a.md") == "---\ntitle: New\ncategory: helse # fast\n---\nFirst text.\n"
    assert room.flow.names() == []


def test_the_merge_says_who_published_and_who_approved(room: Newsroom) -> None:
    begin(room)
    head = room.state("x").head
    agree(room)
    publish(room.flow, room.who("pia"), "x", now=room.tick())
    commit = room.site.store.commit(room.main)
    assert commit.parents[0] == room.first
    assert room.site.store.is_ancestor(head, commit.parents[1])
    for line in ("Draft: x", "Published-by: pia", "Approved-by: eva", "Acted-by: pia"):
        assert line in commit.message.splitlines()
    assert (commit.author_name, commit.committer_name) == ("Pia Berg", "Branchpress")


def test_an_author_does_not_approve_their_own_text(room: Newsroom) -> None:
    begin(room, by="eva")
    with pytest.raises(Forbidden):
        agree(room, by="eva")
    agree(room, by="rita")
    assert room.state("x").status is Status.APPROVED


def test_a_writer_neither_approves_nor_publishes(room: Newsroom) -> None:
    begin(room)
    with pytest.raises(Forbidden, match=r"Eva Dahl|Rita Moe"):
        agree(room, by="per")
    with pytest.raises(Forbidden, match="Pia Berg"):
        publish(room.flow, room.who("ola"), "x", now=room.tick())


def test_what_is_not_approved_is_not_published_and_says_who_can_help(room: Newsroom) -> None:
    begin(room)
    with pytest.raises(Conflict, match=r"approval.*Eva Dahl"):
        publish(room.flow, room.who("pia"), "x", now=room.tick())
    assert room.main == room.first


def test_a_change_after_the_approval_lapses_it(room: Newsroom) -> None:
    begin(room)
    agree(room)
    write_entry(room.flow, room.who("ola"), "x", post("a"), {"title": "Other"}, now=room.tick())
    state = room.state("x")
    assert (state.status, state.entries[0].approvals, state.entries[0].lapsed) == (Status.DRAFT, (), ("eva",))
    with pytest.raises(Conflict):
        publish(room.flow, room.who("pia"), "x", now=room.tick())


def test_one_changed_entry_of_several_lapses_its_own_approval_only(room: Newsroom) -> None:
    begin(room)
    write_entry(room.flow, room.who("ola"), "x", post("b"), {"title": "Bee"}, now=room.tick())
    agree(room)
    write_entry(room.flow, room.who("ola"), "x", post("b"), {"title": "Wasp"}, now=room.tick())
    approvals = {entry.path: entry.approvals for entry in room.state("x").entries}
    assert approvals == {"posts/a.md": ("eva",), "posts/b.md": ()}


def test_an_approval_of_what_was_seen_earlier_is_refused(room: Newsroom) -> None:
    begin(room)
    seen = room.state("x").head
    write_entry(room.flow, room.who("ola"), "x", post("a"), {"title": "Sly"}, now=room.tick())
    with pytest.raises(StaleRequest):
        approve(room.flow, room.who("eva"), "x", expected=seen, now=room.tick())


def test_a_request_for_changes_holds_the_draft_until_its_author_is_content(room: Newsroom) -> None:
    begin(room)
    agree(room)
    state = request_changes(room.flow, room.who("rita"), "x", message="Shorter, please", now=room.tick())
    assert state.status is Status.CHANGES_REQUESTED
    with pytest.raises(Conflict, match="Rita Moe"):
        publish(room.flow, room.who("pia"), "x", now=room.tick())
    agree(room, by="rita")
    assert room.state("x").status is Status.APPROVED


def test_a_request_for_changes_survives_a_new_version(room: Newsroom) -> None:
    begin(room)
    request_changes(room.flow, room.who("rita"), "x", message="Shorter, please", now=room.tick())
    write_entry(room.flow, room.who("ola"), "x", post("a"), {"title": "Short"}, now=room.tick())
    agree(room)
    assert room.state("x").status is Status.CHANGES_REQUESTED


def test_a_maintainer_lifts_a_request_for_changes_with_a_reason(room: Newsroom) -> None:
    begin(room)
    request_changes(room.flow, room.who("rita"), "x", message="No", now=room.tick())
    agree(room)
    with pytest.raises(Forbidden):
        lift_changes(room.flow, room.who("pia"), "x", "rita", reason="She is away", now=room.tick())
    state = lift_changes(room.flow, room.who("mia"), "x", "rita", reason="She is away", now=room.tick())
    assert state.status is Status.APPROVED


def test_an_approval_can_be_withdrawn(room: Newsroom) -> None:
    begin(room)
    agree(room)
    assert withdraw(room.flow, room.who("eva"), "x", now=room.tick()).status is not Status.APPROVED


def test_a_comment_names_a_place_and_changes_nothing(room: Newsroom) -> None:
    begin(room)
    agree(room)
    state = comment(room.flow, room.who("per"), "x", message="Nice", anchor="posts/a.md#title", now=room.tick())
    assert (state.status, state.remarks[-1].anchor) == (Status.APPROVED, "posts/a.md#title")
    with pytest.raises(Conflict, match="no file"):
        comment(room.flow, room.who("per"), "x", message="Nice", anchor="posts/zzz.md#title", now=room.tick())


def test_a_message_cannot_smuggle_in_a_verdict(room: Newsroom) -> None:
    begin(room)
    with pytest.raises(Conflict, match="Review"):
        comment(room.flow, room.who("eva"), "x", message="Hm\n\nReview: approve", now=room.tick())


def test_an_invalid_entry_is_refused_with_its_place_and_nothing_changes(room: Newsroom) -> None:
    begin(room)
    head = room.state("x").head
    with pytest.raises(InvalidContent, match=r"posts/a\.md:\d+:\d+: number"):
        write_entry(room.flow, room.who("ola"), "x", post("a"), {"number": "many"}, now=room.tick())
    with pytest.raises(InvalidContent, match="related"):
        write_entry(room.flow, room.who("ola"), "x", post("a"), {"related": ["nobody"]}, now=room.tick())
    assert room.state("x").head == head


def test_a_new_entry_finds_its_place(room: Newsroom) -> None:
    start_draft(room.flow, room.who("ola"), "x", now=room.tick())
    write_entry(room.flow, room.who("ola"), "x", post("c", "en"), {"title": "C"}, body="Text.\n", now=room.tick())
    (entry,) = room.state("x").entries
    assert (entry.path, entry.change, entry.locale) == ("posts/c.en.md", "added", "en")


def test_a_field_is_taken_away_and_the_rest_stays(room: Newsroom) -> None:
    begin(room, category=REMOVED)
    assert room.read("posts/a.md", "refs/heads/drafts/x") == "---\ntitle: A\n---\nFirst text.\n"


def test_writing_what_is_there_already_is_refused(room: Newsroom) -> None:
    start_draft(room.flow, room.who("ola"), "x", now=room.tick())
    with pytest.raises(Conflict, match="nothing would change"):
        write_entry(room.flow, room.who("ola"), "x", post("a"), {"title": "A"}, now=room.tick())


def test_an_entry_that_others_refer_to_is_not_deleted(room: Newsroom) -> None:
    start_draft(room.flow, room.who("ola"), "x", now=room.tick())
    with pytest.raises(InvalidContent, match=r"posts/b\.md"):
        delete_entry(room.flow, room.who("ola"), "x", post("a"), now=room.tick())
    delete_entry(room.flow, room.who("ola"), "x", post("b"), now=room.tick())
    with pytest.raises(EntryNotFound):
        delete_entry(room.flow, room.who("ola"), "x", post("b"), now=room.tick())


def test_a_rename_takes_the_references_along(room: Newsroom) -> None:
    start_draft(room.flow, room.who("ola"), "x", now=room.tick())
    rename_entry(room.flow, room.who("ola"), "x", post("a"), "alpha", now=room.tick())
    assert room.read("posts/b.md", "refs/heads/drafts/x") == "---\ntitle: B\nrelated: [alpha]\n---\nSecond text.\n"
    agree(room)
    publish(room.flow, room.who("pia"), "x", now=room.tick())
    assert (room.read("posts/a.md"), room.read("posts/alpha.md") is not None) == (None, True)


def test_a_slug_that_is_taken_is_refused(room: Newsroom) -> None:
    start_draft(room.flow, room.who("ola"), "x", now=room.tick())
    with pytest.raises(Conflict, match="already"):
        rename_entry(room.flow, room.who("ola"), "x", post("a"), "b", now=room.tick())


def test_somebody_elses_draft_is_not_written_by_a_writer(room: Newsroom) -> None:
    begin(room)
    with pytest.raises(Forbidden):
        write_entry(room.flow, room.who("per"), "x", post("a"), {"title": "Mine"}, now=room.tick())


def test_a_reviewer_who_writes_in_a_draft_loses_the_right_to_approve_it(room: Newsroom) -> None:
    begin(room)
    write_entry(room.flow, room.who("eva"), "x", post("a"), {"title": "Better"}, now=room.tick())
    with pytest.raises(Forbidden):
        agree(room, by="eva")


def test_a_bot_does_not_lend_its_owner_a_second_pair_of_eyes(room: Newsroom) -> None:
    begin(room, by="robot")
    with pytest.raises(Forbidden):
        agree(room, by="eva")
    agree(room, by="rita")


@pytest.mark.parametrize("name", ["", "a b", "../x", "a/b", "x.lock", "-x", "æ", "a" * 101, "x..y", "HEAD~1"])
def test_names_that_no_draft_can_have_are_refused(room: Newsroom, name: str) -> None:
    with pytest.raises(InvalidQuery, match="name of a draft"):
        start_draft(room.flow, room.who("ola"), name, now=room.tick())


def test_a_name_is_taken_once(room: Newsroom) -> None:
    begin(room)
    with pytest.raises(Conflict, match="already"):
        start_draft(room.flow, room.who("per"), "x", now=room.tick())


def test_publishing_twice_does_no_harm(room: Newsroom) -> None:
    begin(room)
    agree(room)
    once = publish(room.flow, room.who("pia"), "x", now=room.tick())
    again = publish(room.flow, room.who("pia"), "x", now=room.tick())
    assert (again.commit, again.is_repeated, room.main) == (once.commit, True, once.commit)


def test_a_draft_that_never_was_is_not_found(room: Newsroom) -> None:
    with pytest.raises(DraftNotFound):
        publish(room.flow, room.who("pia"), "never", now=room.tick())


def test_a_closed_draft_is_gone_and_can_be_taken_up_again(room: Newsroom) -> None:
    begin(room)
    head = close_draft(room.flow, room.who("ola"), "x", reason="not now", now=room.tick())
    assert room.flow.names() == []
    assert room.site.store.resolve(f"refs/cms/closed/x/{head}") == head
    assert room.office.log.entries()[-1].act == "close"


def test_an_approval_does_not_outlive_its_draft(room: Newsroom) -> None:
    begin(room)
    agree(room)
    head = close_draft(room.flow, room.who("ola"), "x", now=room.tick())
    room.flow.record(room.who("ola"), "push", [Move("refs/heads/drafts/x", None, head)], now=room.tick())
    assert room.state("x").status is not Status.APPROVED


def test_an_emergency_is_published_with_a_reason_by_who_is_named(room: Newsroom) -> None:
    begin(room)
    with pytest.raises(Forbidden):
        bypass(room.flow, room.who("pia"), "x", reason="The building is on fire", now=room.tick())
    with pytest.raises(Forbidden, match="reason"):
        bypass(room.flow, room.who("mia"), "x", reason="", now=room.tick())
    with pytest.raises(Forbidden):
        bypass(room.flow, room.who("mia", "token"), "x", reason="The building is on fire", now=room.tick())
    done = bypass(room.flow, room.who("mia"), "x", reason="The building is on fire", now=room.tick())
    assert "Bypass: The building is on fire" in room.site.store.commit(room.main).message
    assert (done.commit, room.office.log.entries()[-1].act) == (room.main, "bypass")


def test_a_publication_is_taken_back_by_a_draft(room: Newsroom) -> None:
    begin(room)
    agree(room)
    once = publish(room.flow, room.who("pia"), "x", now=room.tick())
    assert once.commit is not None
    state = revert(room.flow, room.who("ola"), once.commit, now=room.tick())
    agree(room, state.name)
    publish(room.flow, room.who("pia"), state.name, now=room.tick())
    assert (room.read("posts/a.md") or "").startswith("---\ntitle: A\n")


def test_rolling_back_restores_all_content_but_no_rules(room: Newsroom) -> None:
    begin(room)
    agree(room)
    publish(room.flow, room.who("pia"), "x", now=room.tick())
    state = roll_back(room.flow, room.who("ola"), CommitId(room.first), now=room.tick())
    assert [entry.path for entry in state.entries] == ["posts/a.md"]


def test_an_entry_is_withdrawn_and_brought_back(room: Newsroom) -> None:
    state = unpublish(room.flow, room.who("ola"), [post("b")], now=room.tick())
    agree(room, state.name)
    publish(room.flow, room.who("pia"), state.name, now=room.tick())
    assert room.read("posts/b.md") is None
    state = restore(room.flow, room.who("ola"), [post("b")], now=room.tick())
    agree(room, state.name)
    publish(room.flow, room.who("pia"), state.name, now=room.tick())
    assert room.read("posts/b.md") is not None


def test_a_schedule_needs_a_publisher_and_a_future(room: Newsroom) -> None:
    begin(room)
    agree(room)
    with pytest.raises(Forbidden):
        schedule(room.flow, room.who("ola"), "x", room.now + timedelta(hours=1), now=room.tick())
    with pytest.raises(Conflict, match="past"):
        schedule(room.flow, room.who("pia"), "x", room.now - timedelta(hours=1), now=room.tick())
    state = schedule(room.flow, room.who("pia"), "x", room.now + timedelta(hours=1), now=room.tick())
    assert (state.status, state.scheduled_by) == (Status.SCHEDULED, "pia")
    assert schedule(room.flow, room.who("pia"), "x", None, now=room.tick()).status is Status.APPROVED


def test_an_entry_that_names_its_slug_itself_is_renamed_there_and_moved(room: Newsroom) -> None:
    room.repo.commit({"posts/c.md": "---\ntitle: C\nslug: sea\n---\n", "schemas/posts.yaml": WITH_SLUG}, at=room.tick())
    start_draft(room.flow, room.who("ola"), "x", now=room.tick())
    state = rename_entry(room.flow, room.who("ola"), "x", post("sea"), "ocean", now=room.tick())
    assert [entry.path for entry in state.entries] == ["posts/c.md"]
    text = room.read("posts/c.md", "refs/heads/drafts/x")
    assert text == "---\ntitle: C\nslug: ocean\naliases:\n  - sea\n---\n"


def test_a_field_that_comes_back_as_it_was_shown_keeps_its_spelling(room: Newsroom) -> None:
    room.repo.commit({"posts/c.md": "---\ntitle: 3.10\nnumber: 0x10 # hex\n---\n"}, at=room.tick())
    start_draft(room.flow, room.who("ola"), "x", now=room.tick())
    fields = {"title": "3.10", "number": 16, "category": "helse"}
    write_entry(room.flow, room.who("ola"), "x", post("c"), fields, replace=True, now=room.tick())
    text = room.read("posts/c.md", "refs/heads/drafts/x") or ""
    assert text.startswith("---\ntitle: 3.10\nnumber: 0x10 # hex\ncategory: helse\n")
