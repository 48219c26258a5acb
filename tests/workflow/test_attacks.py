"""Ways to publish what nobody approved that have worked on other systems, and what must happen here: what counts, and what does not."""

import pytest

from cms.policy import Policy, Role
from cms.workflow.state import DraftState, Status
from tests.workflow.policies import NEWSROOM, make_policy, role, rule
from tests.workflow.world import SERVER, A, B, World

OTHER = "content/posts/other.md"
REVIEWERS = role(Role.REVIEWER, "kari", "per")


def approvals(state: DraftState) -> dict[str, tuple[str, ...]]:
    return {entry.path: entry.approvals for entry in state.entries}


def why_not(state: DraftState) -> str:
    return state.remarks[-1].why_not


# -- what changes after an approval ------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{A: "a2"}, {A: None}, {OTHER: "new"}, {B: None}])
def test_a_commit_pushed_after_the_approval_is_not_approved_at_any_moment(
    world: World, changes: dict[str, str | None]
) -> None:
    world.say("easter", "approve", by="kari")
    world.write("easter", changes)
    state = world.state("easter", NEWSROOM)
    assert state.status is Status.DRAFT
    assert approvals(state)[next(iter(changes))] == ()


def test_an_approval_pushed_just_after_another_change_covers_what_its_own_tree_has(world: World) -> None:
    seen = world.heads["easter"]
    verdict = world.commit([seen], world.nodes[seen].tree, author="kari", trailers=[("Review", "approve")])
    world.write("easter", {A: "a2"})
    world.merge("easter", verdict, by="kari", choose={A: "a2"})
    assert approvals(world.state("easter", NEWSROOM)) == {A: ()}


def test_an_approval_of_a_change_to_one_thing_is_none_of_another_base(world: World) -> None:
    world.say("easter", "approve", by="kari")
    world.change_main({A: "a2"})
    world.merge("easter", world.main, choose={A: "a1+a2"})
    assert approvals(world.state("easter", NEWSROOM)) == {A: ()}


@pytest.mark.parametrize("kept", ["a1", None])
def test_an_approval_is_of_a_change_to_what_was_published_then_and_not_to_what_came_since(
    world: World, kept: str | None
) -> None:
    if kept is None:
        world.write("easter", {A: None})
    world.say("easter", "approve", by="kari")
    assert approvals(world.state("easter", NEWSROOM)) == {A: ("kari",)}
    world.change_main({A: "corrected"})
    world.merge("easter", world.main, choose={A: kept})
    state = world.state("easter", NEWSROOM)
    assert (approvals(state), state.entries[0].lapsed, state.entries[0].is_behind) == ({A: ()}, ("kari",), False)
    world.say("easter", "approve", by="kari")
    assert approvals(world.state("easter", NEWSROOM)) == {A: ("kari",)}


def test_a_moved_base_that_changes_the_result_leaves_no_approval_of_it(world: World) -> None:
    world.say("easter", "approve", by="kari")
    world.change_main({A: "a2"})
    state = world.state("easter", NEWSROOM)
    assert (state.status, approvals(state)) == (Status.CONFLICTING, {A: ()})


def test_somebody_else_who_adds_to_an_approved_draft_gets_no_approval_along(world: World) -> None:
    world.say("easter", "approve", by="kari")
    world.write("easter", {A: "mine"}, by="liv")
    state = world.state("easter", NEWSROOM)
    assert (state.status, approvals(state)) == (Status.DRAFT, {A: ()})
    assert "liv" in state.entries[0].writers


def test_each_change_needs_its_own_approval_not_each_person_one(world: World) -> None:
    world.say("easter", "approve", by="kari")
    world.publish("easter")
    world.start("easter", "ola")
    world.write("easter", {A: "a2"}, by="ola")
    assert world.state("easter", NEWSROOM).status is Status.DRAFT


# -- other drafts, earlier drafts --------------------------------------------------------------------------------------


def test_merging_another_draft_brings_its_texts_and_none_of_its_approvals(world: World) -> None:
    world.start("other", "liv")
    world.write("other", {OTHER: "x"}, by="liv")
    world.say("other", "approve", by="kari", how=SERVER)
    world.merge("easter", world.heads["other"], by="ola")
    state = world.state("easter", NEWSROOM)
    assert approvals(state) == {A: (), OTHER: ()}
    assert why_not(state) == "it is about the draft 'other'"
    assert {"liv", "ola"} <= {*state.entries[1].writers, *state.entries[0].writers}


@pytest.mark.parametrize("how", ["push", "key", SERVER])
def test_the_same_commits_in_a_second_draft_are_approved_in_the_first_only(world: World, how: str) -> None:
    world.say("easter", "approve", by="kari", how=how, pushed_by="kari")
    world.push("second", world.heads["easter"], "liv")
    assert world.state("easter", NEWSROOM).status is Status.APPROVED
    second = world.state("second", NEWSROOM)
    assert (second.status, approvals(second)) == (Status.DRAFT, {A: ()})


def test_a_verdict_that_names_its_draft_is_worth_nothing_in_another_also_without_a_log(world: World) -> None:
    world.say("easter", "approve", by="kari", how="key", about="easter")
    world.push("second", world.heads["easter"], "")
    clone = world.without_log()
    assert clone.state("easter", NEWSROOM).status is Status.APPROVED
    assert clone.state("second", NEWSROOM).status is Status.DRAFT


@pytest.mark.parametrize("how", ["push", "key", SERVER])
def test_a_draft_of_the_same_name_has_none_of_the_approvals_of_the_earlier_one(world: World, how: str) -> None:
    world.say("easter", "approve", by="kari", how=how, pushed_by="kari")
    approved = world.heads["easter"]
    world.push("easter", None, "ola")
    world.push("easter", approved, "ola")
    state = world.state("easter", NEWSROOM)
    assert (state.status, approvals(state)) == (Status.DRAFT, {A: ()})


def test_a_draft_of_the_same_name_with_other_content_is_not_approved(world: World) -> None:
    world.say("easter", "approve", by="kari")
    world.push("easter", None, "ola")
    world.start("easter", "ola")
    world.write("easter", {A: "other"}, by="ola")
    assert world.state("easter", NEWSROOM).status is Status.DRAFT


def test_an_approval_given_for_another_target_counts_only_for_what_is_published(world: World) -> None:
    elsewhere = world.commit([world.heads["easter"]], {A: "a1", B: "b9"}, author="liv")
    world.push("unprotected", elsewhere, "liv")
    world.say("unprotected", "approve", by="kari")
    world.push("easter", world.heads["unprotected"], "ola")
    assert approvals(world.state("easter", NEWSROOM)) == {A: (), B: ()}


# -- who wrote it ------------------------------------------------------------------------------------------------------


def test_who_pushed_a_text_cannot_approve_it_whatever_it_says_of_its_author(world: World) -> None:
    world.write("easter", {OTHER: "x"}, by="kari", author="stranger@example.net")
    world.say("easter", "approve", by="kari")
    state = world.state("easter", NEWSROOM)
    assert approvals(state) == {A: ("kari",), OTHER: ()}
    assert state.entries[1].writers == {"kari", "?stranger@example.net"}


@pytest.mark.parametrize("role_in_it", ["author", "committer", "co_authors"])
def test_whom_a_commit_names_cannot_approve_it_whoever_pushed_it(world: World, role_in_it: str) -> None:
    named: dict[str, object] = {role_in_it: ("kari",) if role_in_it == "co_authors" else "kari"}
    world.write("easter", {OTHER: "x"}, by="liv", **named)  # type: ignore[arg-type]
    world.say("easter", "approve", by="kari")
    assert approvals(world.state("easter", NEWSROOM)) == {A: ("kari",), OTHER: ()}


def test_who_signed_a_text_cannot_approve_it(world: World) -> None:
    world.write("easter", {OTHER: "x"}, by="liv", key="kari")
    world.say("easter", "approve", by="kari")
    assert approvals(world.state("easter", NEWSROOM))[OTHER] == ()


def test_who_rebases_a_draft_onto_another_base_is_one_of_its_authors(world: World) -> None:
    world.change_main({B: "b1"})
    rebased = world.commit([world.main], {A: "a1", B: "b1"}, author="ola", committer="kari")
    world.push("easter", rebased, "kari")
    world.say("easter", "approve", by="kari")
    world.say("easter", "approve", by="per")
    assert approvals(world.state("easter", NEWSROOM)) == {A: ("per",)}


def test_a_force_push_hides_no_author(world: World) -> None:
    world.write("easter", {A: "by kari"}, by="kari")
    squashed = world.commit([world.main], {A: "by kari", B: "b0"}, author="ola")
    world.push("easter", squashed, "ola")
    world.say("easter", "approve", by="kari")
    state = world.state("easter", NEWSROOM)
    assert approvals(state) == {A: ()}
    assert why_not(state) == f"Kari Nordmann had a hand in {A}, and the rule does not let authors approve"


def test_a_force_push_takes_no_request_for_changes_away(world: World) -> None:
    written = world.heads["easter"]
    world.say("easter", "changes", by="kari")
    world.push("easter", written, "ola")
    state = world.state("easter", NEWSROOM)
    assert state.status is Status.CHANGES_REQUESTED
    world.say("easter", "approve", by="kari")
    assert world.state("easter", NEWSROOM).status is Status.APPROVED


def test_a_rebase_that_leaves_the_bytes_alone_leaves_the_approvals_too(world: World) -> None:
    world.say("easter", "approve", by="kari")
    world.change_main({B: "b1"})
    rebased = world.commit([world.main], {A: "a1", B: "b1"}, author="ola")
    world.push("easter", rebased, "ola")
    assert world.state("easter", NEWSROOM).status is Status.APPROVED


def test_who_brought_a_text_to_another_draft_first_cannot_approve_it_here(world: World) -> None:
    world.start("other", "kari")
    world.write("other", {OTHER: "x"}, by="kari", author="stranger@example.net")
    world.push("second", world.heads["other"], "ola")
    world.say("second", "approve", by="kari")
    assert approvals(world.state("second", NEWSROOM)) == {OTHER: ()}


def test_a_merge_that_drops_the_published_change_is_written_by_who_merged(world: World) -> None:
    world.change_main({B: "b1", OTHER: "x"})
    world.merge("easter", world.main, by="kari", choose={B: "b0", OTHER: None})
    world.say("easter", "approve", by="kari")
    state = world.state("easter", NEWSROOM)
    assert approvals(state) == {A: ("kari",), B: (), OTHER: ()}
    assert state.entries[1].writers == {"kari"}


def test_what_a_merge_adds_on_the_way_is_a_change_like_any_other(world: World) -> None:
    world.say("easter", "approve", by="kari")
    world.change_main({B: "b1"})
    world.merge("easter", world.main, by="kari", choose={OTHER: "slipped in"})
    world.say("easter", "approve", by="kari")
    state = world.state("easter", NEWSROOM)
    assert approvals(state) == {A: ("kari",), OTHER: ()}


def test_which_rule_holds_follows_from_what_would_be_published_not_from_what_was_touched(world: World) -> None:
    world.write("easter", {"cms.toml": "mine"})
    world.write("easter", {"cms.toml": None, OTHER: "x"})
    world.write("easter", {"cms.toml": "mine"}, by="ola")
    policy = make_policy(REVIEWERS, role(Role.MAINTAINER, "per"))
    world.say("easter", "approve", by="kari")
    assert approvals(world.state("easter", policy))["cms.toml"] == ("kari",)
    assert world.state("easter", policy).status is Status.DRAFT


# -- a second self -----------------------------------------------------------------------------------------------------

BOTS = make_policy(REVIEWERS, role(Role.REVIEWER, "robot"), rules=[rule(1)], bots=[("robot", "kari")])


def test_who_wrote_through_their_bot_cannot_approve_it(world: World) -> None:
    world.write("easter", {A: "a2"}, by="robot", author="stranger@example.net")
    world.say("easter", "approve", by="kari")
    state = world.state("easter", BOTS)
    assert approvals(state) == {A: ()}
    assert {"kari", "robot"} <= state.entries[0].writers


@pytest.mark.parametrize("how", ["push", SERVER])
def test_a_bot_approves_nothing_also_not_what_its_owner_wrote(world: World, how: str) -> None:
    world.write("easter", {A: "a2"}, by="kari")
    world.say("easter", "approve", by="robot", how=how)
    world.say("easter", "changes", by="robot", how=how)
    state = world.state("easter", BOTS)
    assert (state.status, approvals(state)) == (Status.DRAFT, {A: ()})


# -- forged verdicts ---------------------------------------------------------------------------------------------------


def test_a_verdict_pushed_by_somebody_else_is_nobodys(world: World) -> None:
    world.say("easter", "approve", by="kari", how="push", pushed_by="ola")
    state = world.state("easter", NEWSROOM)
    assert (approvals(state), state.remarks[0].person, state.remarks[0].claimed) == ({A: ()}, None, "kari")
    assert "Ola Hansen pushed it, but it names kari <kari@example.org> as its committer" in why_not(state)


def test_a_reviewer_does_not_speak_for_another_by_pushing(world: World) -> None:
    world.say("easter", "approve", by="kari", author="per")
    world.say("easter", "approve", by="kari", committer="per")
    state = world.state("easter", NEWSROOM)
    assert approvals(state) == {A: ()}
    assert [remark.person for remark in state.remarks] == [None, None]


def test_a_verdict_in_a_commit_that_changes_files_is_ignored(world: World) -> None:
    trailers = [("Review", "approve"), ("Publish-At", "2026-07-01T00:00:00Z")]
    world.write("easter", {A: "a2"}, by="kari", trailers=trailers)
    state = world.state(
        "easter", make_policy(REVIEWERS, role(Role.PUBLISHER, "kari"), rules=[rule(authors_may_approve=True)])
    )
    assert (approvals(state), state.publish_at) == ({A: ()}, None)
    assert why_not(state).startswith("it changes files too")


def test_a_verdict_in_a_merge_is_ignored(world: World) -> None:
    world.change_main({B: "b1"})
    tree = {A: "a1", B: "b1"}
    merge = world.commit([world.heads["easter"], world.main], tree, author="kari", trailers=[("Review", "approve")])
    world.push("easter", merge, "kari")
    state = world.state("easter", NEWSROOM)
    assert (approvals(state), why_not(state)) == (
        {A: ()},
        "a merge is no verdict: that is a commit of its own (git commit --allow-empty)",
    )


def test_what_claims_to_be_by_the_server_and_is_not_signed_by_it_is_nobodys(world: World) -> None:
    head = world.heads["easter"]
    trailers = [("Review", "approve"), ("Acted-by", "kari"), ("Draft", "easter")]
    world.push("easter", world.commit([head], world.nodes[head].tree, author="kari", trailers=trailers), "ola")
    assert approvals(world.state("easter", NEWSROOM)) == {A: ()}


@pytest.mark.parametrize("missing", ["Acted-by", "Draft"])
def test_what_the_server_signed_counts_only_with_whom_and_which_draft_it_is_about(world: World, missing: str) -> None:
    head = world.heads["easter"]
    said = [("Review", "approve"), ("Acted-by", "kari"), ("Draft", "easter")]
    trailers = [item for item in said if item[0] != missing]
    made = world.commit([head], world.nodes[head].tree, author="kari", trailers=trailers, key=SERVER)
    world.push("easter", made, "kari")
    assert approvals(world.state("easter", NEWSROOM)) == {A: ()}


def test_a_signed_verdict_is_whose_key_it_is_whoever_brought_it(world: World) -> None:
    world.say("easter", "approve", by="kari", how="key", pushed_by="ola")
    assert world.state("easter", NEWSROOM).status is Status.APPROVED
    assert world.without_log().state("easter", NEWSROOM).status is Status.APPROVED


def test_a_verdict_signed_with_a_key_of_nobody_is_nobodys(world: World) -> None:
    world.say("easter", "approve", by="mallory@example.org", how="key")
    state = world.without_log().state("easter", NEWSROOM)
    assert why_not(state).startswith("nobody vouches for it: the key that signed it is nobody's in cms.toml")


def test_without_a_log_an_unsigned_verdict_is_nobodys(world: World) -> None:
    world.say("easter", "approve", by="kari")
    state = world.without_log().state("easter", NEWSROOM)
    assert (approvals(state), state.owner) == ({A: ()}, None)
    assert why_not(state) == "nobody vouches for it: it is not signed, and the server did not see who pushed it"


def test_an_approval_that_the_server_recorded_and_then_could_not_make_counts_for_nothing(world: World) -> None:
    head = world.heads["easter"]
    lost = world.commit([head], world.nodes[head].tree, author="kari", trailers=[("Review", "approve")])
    world.push("easter", lost, "kari", happens=False)
    assert world.state("easter", NEWSROOM).remarks == ()


# -- rights of the moment ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "later",
    [
        make_policy(role(Role.REVIEWER, "per")),
        make_policy(role(Role.REVIEWER, "kari", collections=["docs"])),
        make_policy(role(Role.REVIEWER, "per"), people=["ola", "per"]),
    ],
)
def test_who_lost_the_role_after_approving_does_not_count(world: World, later: Policy) -> None:
    world.say("easter", "approve", by="kari", how=SERVER)
    assert world.state("easter", NEWSROOM).status is Status.APPROVED
    assert approvals(world.state("easter", later)) == {A: ()}


def test_who_lost_the_role_after_asking_for_changes_does_not_block(world: World) -> None:
    world.say("easter", "changes", by="kari", how=SERVER)
    assert world.state("easter", make_policy(role(Role.REVIEWER, "per"))).blocking == ()


def test_a_maintainer_who_lost_the_role_has_lifted_nothing(world: World) -> None:
    world.say("easter", "changes", by="per")
    world.say("easter", "lift", by="kari", lifts="per")
    later = make_policy(REVIEWERS)
    assert world.state("easter", later).status is Status.CHANGES_REQUESTED


def test_a_maintainer_or_publisher_has_no_approval_to_give(world: World) -> None:
    policy = make_policy(role(Role.MAINTAINER, "kari"), role(Role.PUBLISHER, "kari"), role(Role.WRITER, "kari"))
    world.say("easter", "approve", by="kari")
    assert approvals(world.state("easter", policy)) == {A: ()}


def test_a_draft_is_judged_by_the_collections_of_the_published_model_not_its_own(world: World) -> None:
    policy = make_policy(REVIEWERS, rules=[rule(2, collections=["posts"]), rule(0, collections=["notes"])])
    world.write("easter", {"schemas/notes.yaml": "x-path: content/posts/{slug}.md"})
    state = world.state("easter", policy)
    assert [(entry.path, entry.collection, entry.needed) for entry in state.entries] == [
        (A, "posts", 2),
        ("schemas/notes.yaml", None, 1),
    ]
