"""Approvals that are not for what would be published: given before, elsewhere, by the wrong person, or for something else."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from cms.workflow import verdicts
from cms.workflow.schedule import publish_due
from tests.attacks.press import DRAFTS, MAIN, Press, text

APPROVE = [("Review", "approve")]


# -- APR-01, APR-10, APR-23: what comes after the approval ---------------------------------------------------------------


@pytest.mark.parametrize("by", ["ola", "eva", "api"])
def test_a_change_after_the_approval_is_not_approved_whoever_makes_it(press: Press, by: str) -> None:
    name = f"after-{by}"
    press.draft(name)
    if by == "api":
        answer = press.ask("PATCH", f"/drafts/{name}/entries/posts/{name}", "ola", {"fields": {"title": "Worse"}})
        assert answer.status_code == 200
    else:
        press.write(name, {f"posts/{name}.md": text("Worse")}, by=by)
    assert "needs 1 more approval" in press.refuses(name)


def test_one_more_file_after_the_approval_keeps_all_of_the_draft_back(press: Press) -> None:
    press.draft("more-files")
    press.write("more-files", {"posts/more.md": text("More")})
    assert press.approvals("more-files") == {"posts/more-files.md": ("rita",), "posts/more.md": ()}
    press.refuses("more-files")


def test_a_published_draft_that_goes_on_needs_an_approval_of_its_own(press: Press) -> None:
    head = press.draft("goes-on")
    press.publish("goes-on")
    ola = press.hand("ola")
    ola.must_push("goes-on", ola.commit({"posts/goes-on.md": text("Worse")}, [head]))
    press.refuses("goes-on")


def test_a_deletion_is_approved_by_nobody_who_approved_the_text(press: Press) -> None:
    press.draft("deletes", {"posts/b.md": text("B2")})
    press.write("deletes", {"posts/b.md": None})
    assert press.approvals("deletes") == {"posts/b.md": ()}
    press.refuses("deletes")


# -- APR-02, APR-03, APR-09: other drafts, and the same one in another life ----------------------------------------------


@pytest.mark.parametrize("how", ["git", "api"])
@pytest.mark.parametrize("signed", [False, True])
def test_a_draft_that_was_closed_and_begun_again_has_no_approvals(press: Press, how: str, signed: bool) -> None:
    name, ola = f"again-{how}-{signed}", press.hand("ola")
    press.draft(name, approve="")
    head = press.approve(name, signed=signed)
    if how == "git":
        assert ola.push(f":{DRAFTS}{name}").code == 0
    else:
        assert press.ask("DELETE", f"/drafts/{name}", "ola").status_code == 200
        assert press.ask("POST", "/drafts", "ola", {"name": name}).status_code == 201
    ola.must_push(name, head, "--force")
    assert press.approvals(name) == {f"posts/{name}.md": ()}
    press.refuses(name)


@pytest.mark.parametrize("signed", [False, True])
def test_an_approval_counts_in_no_second_draft_with_the_same_commits(press: Press, signed: bool) -> None:
    name, ola = f"first-{signed}", press.hand("ola")
    press.draft(name, approve="")
    head = press.approve(name, signed=signed)
    more = ola.commit({"posts/second.md": text("Second")}, [head])
    ola.must_push(f"second-{signed}", more)
    assert set(press.approvals(f"second-{signed}").values()) == {()}
    press.refuses(f"second-{signed}")


def test_an_approval_counts_in_no_draft_that_only_holds_the_same_bytes(press: Press) -> None:
    files = {"posts/same-bytes.md": text("Same")}
    press.draft("same-one", files)
    press.draft("same-other", files, approve="")
    assert press.approvals("same-other") == {"posts/same-bytes.md": ()}
    press.refuses("same-other")


def test_a_signed_approval_that_was_buried_under_more_counts_in_no_second_draft(press: Press) -> None:
    rita, ola = press.hand("rita"), press.hand("ola")
    head = press.draft("buried", approve="")
    said = rita.commit({}, [head], "Fine", trailers=APPROVE, key=press.keys["rita"])
    rita.must_push("buried", rita.commit({}, [said], "And", trailers=[("Review", "comment")]))
    ola.must_push("dug-up", said)
    assert set(press.approvals("dug-up").values()) == {()}
    assert press.ask("POST", "/drafts/dug-up/publication", "pia").status_code == 409


# -- APR-04, APR-05: merges between drafts -------------------------------------------------------------------------------


def test_what_another_draft_brings_along_has_none_of_its_approvals(press: Press) -> None:
    one, other = press.draft("one"), press.draft("other")
    ola = press.hand("ola")
    merged = ola.commit({"posts/other.md": text("other")}, [one, other], "Merge the other")
    ola.must_push("one", merged)
    assert press.approvals("one") == {"posts/one.md": ("rita",), "posts/other.md": ()}
    press.refuses("one")


def test_a_merge_that_changes_something_on_the_way_is_written_by_who_merged(press: Press) -> None:
    head, eva = press.draft("on-the-way", approve=""), press.hand("eva")
    eva.must_push("on-the-way", eva.commit({"posts/a.md": text("Slipped in")}, [head, press.main], "Merge main"))
    eva.verdict("on-the-way", "approve")
    assert press.approvals("on-the-way") == {"posts/a.md": (), "posts/on-the-way.md": ("eva",)}
    press.refuses("on-the-way")


def test_a_fake_second_parent_hides_no_author(press: Press) -> None:
    head, eva = press.draft("fake", approve=""), press.hand("eva")
    eva.must_push("source", eva.commit({"posts/fake.md": text("By Eva")}, [head]))
    raw = eva.raw_of(eva.commit({"posts/fake.md": text("By Eva")}, [head], author="stranger", committer="stranger"))
    source = press.heads["source"].encode()
    eva.must_push("fake", eva.raw("commit", raw.replace(b"\n\n", b"\nparent " + source + b"\n\n", 1)))
    eva.must_push("fake", eva.commit({}, [press.heads["fake"]], "Fine", trailers=[("Review", "comment")]))
    assert press.state("fake").entries[0].writers >= {"eva", "ola"}
    assert press.say("fake", "approve", "eva").status_code == 403
    press.refuses("fake")


@pytest.mark.parametrize("depth", ["head", "below"])
def test_a_draft_takes_no_other_one_along_without_its_texts(press: Press, depth: str) -> None:
    """Git would take the other one for merged, and the public clone would have its commits."""
    name, secret, ola = f"mine-{depth}", f"secret-{depth}", press.hand("ola")
    head = press.draft(secret, by="eva", approve="")
    top = press.write(secret, {f"posts/{secret}.md": text("More")}, by="eva")
    mine = ola.commit({f"posts/{name}.md": text("Mine")}, [press.main])
    ola.must_push(name, ola.commit_tree(ola.tree_of(mine), [mine, top if depth == "head" else head], "Merge"))
    press.approve(name)
    assert press.approvals(name)[f"posts/{name}.md"] == ("rita",)
    assert "would pass for published" in press.refuses(name)
    assert press.ask("DELETE", f"/drafts/{secret}", "eva").status_code == 200
    press.publish(name)


def test_a_draft_that_stands_on_another_one_is_published_with_all_of_it(press: Press) -> None:
    head = press.draft("lower")
    press.hand("ola").must_push("upper", press.hand("ola").commit({"posts/upper.md": text("Upper")}, [head]))
    press.approve("upper")
    press.publish("upper")
    assert [press.read(f"posts/{name}.md") for name in ("lower", "upper")] == [text("lower"), text("Upper")]
    assert press.state("lower").entries == ()


# -- APR-08: the base moves ------------------------------------------------------------------------------------------------


def test_what_is_merged_with_something_newer_was_seen_by_nobody(press: Press) -> None:
    press.draft("base", {"posts/b.md": "---\ntitle: B\nrelated: [a]\n---\nSecond text.\n\n\nAnd a third.\n"})
    press.draft("newer", {"posts/b.md": "---\ntitle: B new\nrelated: [a]\n---\nSecond text.\n"})
    press.publish("newer")
    assert press.approvals("base") == {"posts/b.md": ()}
    press.refuses("base")


@pytest.mark.parametrize("old", [text("B as it was"), None])
def test_an_old_approval_takes_back_nothing_that_was_published_since(press: Press, old: str | None) -> None:
    number = len(press.refs)
    path, name, fix = f"posts/kept-{number}.md", f"old-{number}", f"fix-{number}"
    press.draft(f"made-{number}", {path: text("B at first")})
    press.publish(f"made-{number}")
    press.draft(name, {path: old})
    press.draft(fix, {path: text("B corrected by law")})
    press.publish(fix)
    ola = press.hand("ola")
    ola.must_push(name, ola.commit({path: old}, [press.heads[name], press.main], "Merge main, ours"))
    assert press.approvals(name) == {path: ()}
    press.refuses(name)
    press.approve(name)
    press.publish(name)
    assert press.read(path) == old


# -- APR-11, APR-17: who wrote it -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["pushed", "author", "committer", "co-author", "signed", "api"])
def test_nobody_approves_what_they_had_a_hand_in(press: Press, how: str) -> None:
    name, ola, eva = f"hand-{how}", press.hand("ola"), press.hand("eva")
    files = {f"posts/{name}.md": text("By Eva")}
    if how == "pushed":
        eva.must_push(name, eva.commit(files, [press.main], author="stranger", committer="stranger"))
    elif how == "api":
        press.draft(name, approve="")
        press.ask("PATCH", f"/drafts/{name}/entries/posts/{name}", "eva", {"fields": {"title": "By Eva"}})
    else:
        names = {how: "eva"} if how in ("author", "committer") else {"author": "stranger"} if how == "signed" else {}
        made = ola.commit(
            files,
            [press.main],
            author=names.get("author", ""),
            committer=names.get("committer", ""),
            trailers=[("co-authored-by", "Eva <EVA@example.org>")] if how == "co-author" else (),
            key=press.keys["eva"] if how == "signed" else None,
        )
        ola.must_push(name, made)
    eva.is_refused(name, eva.commit({}, [press.heads[name]], "Fine", trailers=APPROVE))
    assert press.say(name, "approve", "eva").status_code == 403
    press.refuses(name, by="eva")


@pytest.mark.parametrize("how", ["rebased", "cherry-picked", "squashed"])
def test_a_text_keeps_its_author_when_somebody_else_commits_it_anew(press: Press, how: str) -> None:
    name, eva, ola = f"anew-{how}", press.hand("eva"), press.hand("ola")
    path = f"posts/{name}.md"
    press.draft(name, {path: text("Ola's")}, approve="")
    eva.must_push(name, eva.commit({path: text("Eva's")}, [press.heads[name]], author="stranger", committer="stranger"))
    if how == "squashed":
        made = ola.commit({path: text("Eva's")}, [press.main])
    else:
        base = press.main if how == "rebased" else press.room.first
        made = ola.commit({path: text("Eva's")}, [ola.commit({path: text("Ola's")}, [base])], author="stranger")
    ola.must_push(name, made, "--force")
    assert press.say(name, "approve", "eva").status_code == 403
    press.refuses(name)


@pytest.mark.parametrize("how", ["git", "api", "twice"])
def test_a_text_keeps_its_author_under_another_name(press: Press, how: str) -> None:
    old, new, name = f"posts/old-{how}.md", f"posts/new-{how}.md", f"renamed-{how}"
    eva, ola = press.hand("eva"), press.hand("ola")
    press.draft(name, {old: text("Intro")}, approve="")
    eva.must_push(
        name, eva.commit({old: text("All by Eva")}, [press.heads[name]], author="stranger", committer="stranger")
    )
    if how == "api":
        wanted = {"collection": "posts", "slug": f"old-{how}", "to": f"new-{how}"}
        assert press.ask("POST", f"/drafts/{name}/renames", "ola", wanted).status_code in (200, 201)
    else:
        steps = [old, f"posts/between-{how}.md", new] if how == "twice" else [old, new]
        for before, after in pairwise(steps):
            ola.must_push(name, ola.commit({before: None, after: text("All by Eva")}, [press.heads[name]]))
    assert [(entry.path, "eva" in entry.writers) for entry in press.state(name).entries] == [(new, True)]
    assert press.say(name, "approve", "eva").status_code == 403
    press.refuses(name)


def test_a_bot_is_the_hand_of_its_owner(press: Press) -> None:
    robot = press.hand("robot")
    robot.must_push("robots", robot.commit({"posts/robots.md": text("Robot")}, [press.main], committer="stranger"))
    assert press.say("robots", "approve", "eva").status_code == 403
    assert press.say("robots", "approve", "robot").status_code == 403
    press.refuses("robots")


# -- APR-13: schedules ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["ola", "rita", "mia", "robot"])
def test_who_may_not_publish_sets_moves_and_cancels_no_schedule(press: Press, by: str) -> None:
    name = f"timed-{by}"
    press.draft(name)
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert press.ask("PUT", f"/drafts/{name}/schedule", "pia", {"publish_at": later}).status_code == 200
    for when in ("2020-01-01T00:00:00Z", "never"):
        press.hand(by).is_refused(name, press.hand(by).timed(name, when))
    assert press.ask("PUT", f"/drafts/{name}/schedule", by, {"publish_at": later}).status_code == 403
    assert press.ask("DELETE", f"/drafts/{name}/schedule", by).status_code == 403
    assert (press.state(name).scheduled_by, press.read(f"posts/{name}.md")) == ("pia", None)


def test_a_schedule_publishes_nothing_that_came_after_it(press: Press) -> None:
    press.draft("late")
    press.hand("pia").must_push("late", press.hand("pia").timed("late", "2099-01-01T00:00:00Z"))
    press.write("late", {"posts/late.md": text("Worse")})
    published, refused = publish_due(press.office.flow, now=datetime(2099, 2, 1, tzinfo=UTC))
    assert "late" not in [one.draft for one in published]
    assert any(reason.startswith("late:") for reason in refused)
    assert press.read("posts/late.md") is None


# -- APR-19, APR-20: what was looked at, and whose draft it is -----------------------------------------------------------


def test_an_approval_names_what_was_looked_at(press: Press) -> None:
    old = press.draft("looked", approve="")
    press.write("looked", {"posts/looked.md": text("Worse")})
    wanted = {"verdict": "approve", "head": old}
    assert press.ask("POST", "/drafts/looked/verdicts", "rita", wanted).status_code == 412
    assert press.ask("POST", "/drafts/looked/verdicts", "rita", {"verdict": "approve"}).status_code == 428
    for head in (old[:10], "HEAD", f"{old}^", "refs/heads/drafts/looked", "0" * 40, old.upper()):
        answer = press.ask("POST", "/drafts/looked/verdicts", "rita", {"verdict": "approve", "head": head})
        assert answer.status_code in (400, 412)
    rita = press.hand("rita")
    rita.is_refused("looked", rita.commit({}, [old], "Fine", trailers=APPROVE))
    assert press.approvals("looked") == {"posts/looked.md": ()}


@pytest.mark.parametrize("by", ["per", "pia", "mia", "robot"])
def test_nobody_but_a_reviewer_writes_in_somebody_elses_draft(press: Press, by: str) -> None:
    name, hand = f"whose-{by}", press.hand(by)
    head = press.draft(name)
    hand.is_refused(name, hand.commit({f"posts/{name}.md": text("Mine")}, [head]))
    hand.is_refused(name, press.main, "--force")
    hand.is_refused(name, hand.commit({}, [head, press.main], "Merge main"))
    assert hand.push(f":{DRAFTS}{name}").code != 0
    entry = f"/drafts/{name}/entries/posts/{name}"
    assert press.ask("PATCH", entry, by, {"fields": {"title": "Mine"}}).status_code == 403
    assert press.ask("DELETE", entry, by).status_code == 403
    assert press.ask("DELETE", f"/drafts/{name}", by).status_code == 403
    assert press.heads[name] == head


# -- what holds a draft back ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["ola", "pia", "eva"])
def test_a_request_for_changes_is_lifted_by_nobody_else_but_a_maintainer(press: Press, by: str) -> None:
    name, hand = f"held-{by}", press.hand(by)
    press.draft(name)
    press.hand("rita").verdict(name, "changes")
    assert press.say(name, "lift", by, lifts="rita", message="I want to").status_code == 403
    hand.is_refused(
        name, hand.commit({}, [press.heads[name]], "I want", trailers=[("Review", "lift"), ("Lifts", "rita")])
    )
    hand.push(f"{hand.commit({}, [press.heads[name]], 'I want', trailers=[('Review', 'withdraw')])}:{DRAFTS}{name}")
    assert [remark.person for remark in press.state(name).blocking] == ["rita"]
    assert "asked for changes" in press.refuses(name)


def test_a_force_push_takes_away_no_request_for_changes(press: Press) -> None:
    approved = press.draft("forced")
    press.hand("rita").verdict("forced", "changes")
    press.hand("ola").must_push("forced", approved, "--force")
    assert "asked for changes" in press.refuses("forced")
    assert press.refs[MAIN] == press.main


# -- talking a draft to death -----------------------------------------------------------------------------------------------


def test_nobody_says_so_much_about_a_draft_that_it_cannot_be_judged(
    press: Press, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "REMARKS_MOST", 3)
    head, per = press.draft("talked", approve=""), press.hand("per")
    for _ in range(4):
        head = per.commit({}, [head], "Hm", trailers=[("Review", "comment")])
    assert "can say 3 things" in per.is_refused("talked", head)
    for _ in range(3):
        assert press.say("talked", "comment", "per", message="Hm").status_code == 201
    assert press.say("talked", "withdraw", "per").status_code == 409
    assert press.say("talked", "approve", "rita").status_code == 201


def test_what_was_said_elsewhere_is_brought_to_a_draft_by_nobody_who_may_not_write_there(press: Press) -> None:
    head, per = press.draft("quiet", approve=""), press.hand("per")
    said = per.commit({}, [head], "Hm", trailers=[("Review", "comment")])
    per.must_push("loud", said)
    per.is_refused("quiet", said)
    assert press.heads["quiet"] == head
