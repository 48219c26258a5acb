"""The state of a draft: what it is called, what is missing, and who can give it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cms.errors import InvalidSettings
from cms.finding import Finding
from cms.policy import Policy, Role
from cms.refs import BlobId
from cms.workflow.actions import TABLE, Action
from cms.workflow.state import DraftState, EntryState, Status, fold, why_no_publishing
from tests.workflow.policies import NEWSROOM, make_policy, role, rule
from tests.workflow.world import NOW, SERVER, A, B, World

ERROR = Finding(message="title is missing", path=A, line=1)
REVIEWERS = role(Role.REVIEWER, "kari", "per")


def entry(state: DraftState, path: str = A) -> EntryState:
    return next(entry for entry in state.entries if entry.path == path)


def why_not(state: DraftState, number: int = -1) -> str:
    return state.remarks[number].why_not


# -- statuses ----------------------------------------------------------------------------------------------------------


def test_a_draft_that_was_only_begun_is_a_draft_with_nothing_to_publish() -> None:
    world = World()
    world.start("easter")
    state = world.state("easter", NEWSROOM)
    assert (state.status, state.owner, state.entries) == (Status.DRAFT, "ola", ())
    assert state.missing == ("there is nothing to publish yet: the draft changes nothing",)


def test_what_was_written_and_not_shown_to_anybody_is_a_draft(world: World) -> None:
    assert world.state("easter", NEWSROOM).status is Status.DRAFT


def test_asking_for_a_review_puts_it_in_review(world: World) -> None:
    world.say("easter", "request", by="ola")
    assert world.state("easter", NEWSROOM).status is Status.IN_REVIEW


def test_the_request_is_taken_back_by_who_made_it(world: World) -> None:
    world.say("easter", "request", by="ola")
    world.say("easter", "withdraw", by="ola")
    state = world.state("easter", NEWSROOM)
    assert (state.status, state.remarks[0].why_not) == (Status.DRAFT, "Ola Hansen withdrew it")


def test_a_request_stays_when_more_is_written(world: World) -> None:
    world.say("easter", "request", by="ola")
    world.write("easter", {B: "b1"})
    assert world.state("easter", NEWSROOM).status is Status.IN_REVIEW


def test_an_approval_of_everything_makes_it_approved(world: World) -> None:
    world.say("easter", "approve", by="kari")
    state = world.state("easter", NEWSROOM)
    assert (state.status, state.missing, entry(state).approvals) == (Status.APPROVED, (), ("kari",))
    assert entry(state).is_satisfied
    assert entry(state).may_approve == ()


def test_changes_asked_for_go_before_an_approval(world: World) -> None:
    world.say("easter", "approve", by="kari")
    world.say("easter", "changes", by="per")
    state = world.state("easter", NEWSROOM)
    assert state.status is Status.CHANGES_REQUESTED
    assert [remark.person for remark in state.blocking] == ["per"]


def test_an_error_in_the_result_makes_it_invalid_whatever_was_approved(world: World) -> None:
    world.say("easter", "approve", by="kari")
    state = world.state("easter", NEWSROOM, findings=[ERROR, ERROR])
    assert state.status is Status.INVALID
    assert state.missing == ("2 errors to correct: content/posts/a.md:1: title is missing, and 1 more",)


def test_a_warning_does_not_make_it_invalid(world: World) -> None:
    world.say("easter", "approve", by="kari")
    warning = Finding(message="odd", path=A, severity="warning")
    state = world.state("easter", NEWSROOM, findings=[warning])
    assert (state.status, state.findings) == (Status.APPROVED, (warning,))


def test_the_same_file_changed_on_both_sides_makes_it_conflicting(world: World) -> None:
    world.change_main({A: "a2"})
    state = world.state("easter", NEWSROOM, findings=[ERROR])
    assert state.status is Status.CONFLICTING
    assert (entry(state).is_clashing, entry(state).blob, entry(state).change) == (True, None, "changed")
    assert "merge the published branch into the draft" in state.missing[0]


def test_nobody_approves_a_deletion_that_cannot_be_merged(world: World) -> None:
    world.write("easter", {A: None})
    world.say("easter", "approve", by="kari")
    world.change_main({A: "a2"})
    state = world.state("easter", NEWSROOM)
    assert (state.status, entry(state).blob, entry(state).approvals) == (Status.CONFLICTING, None, ())


def test_a_draft_that_was_merged_is_published(world: World) -> None:
    world.publish("easter", keep=True)
    state = world.state("easter", NEWSROOM)
    assert (state.status, state.missing, state.entries) == (Status.PUBLISHED, (), ())


def test_a_draft_whose_changes_are_all_public_already_is_published(world: World) -> None:
    world.change_main({A: "a1"})
    assert world.state("easter", NEWSROOM).status is Status.PUBLISHED


def test_a_draft_whose_changes_are_public_is_published_also_after_it_merged_what_is(world: World) -> None:
    world.change_main({A: "a1"})
    world.merge("easter", world.main)
    assert world.state("easter", NEWSROOM).status is Status.PUBLISHED


def test_a_draft_that_took_back_all_it_wrote_is_not_published(world: World) -> None:
    world.write("easter", {A: "a0"})
    state = world.state("easter", NEWSROOM)
    assert (state.status, state.entries) == (Status.DRAFT, ())


def test_a_published_draft_has_no_schedule(world: World) -> None:
    world.say("easter", "", by="kari", publish_at="2026-07-01T00:00:00Z")
    world.publish("easter", keep=True)
    assert world.state("easter", NEWSROOM).publish_at is None


def test_an_addition_a_change_and_a_deletion_are_told_apart(world: World) -> None:
    world.write("easter", {"content/posts/new.md": "n", B: None})
    state = world.state("easter", NEWSROOM)
    assert [(each.path, each.change, each.blob is None) for each in state.entries] == [
        (A, "changed", False),
        (B, "deleted", True),
        ("content/posts/new.md", "added", False),
    ]
    assert (state.entries[0].collection, state.entries[0].slug, state.entries[0].locale) == ("posts", "a", "en")


# -- what is missing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "sentence"),
    [
        (
            make_policy(REVIEWERS, rules=[rule(by=["kari", "per"])], groups={"editors": frozenset({"kari", "per"})}),
            f"{A} needs 1 more approval by @editors: Kari Nordmann or Per Berg can give it",
        ),
        (
            make_policy(REVIEWERS, rules=[rule(by=["per"])]),
            f"{A} needs 1 more approval by Per Berg: Per Berg can give it",
        ),
        (
            make_policy(role(Role.REVIEWER, "ola"), role(Role.MAINTAINER, "kari")),
            f"{A} needs 1 more approval: nobody can: the only reviewer, Ola Hansen, wrote it; "
            "ask a maintainer (Kari Nordmann) to add one",
        ),
        (
            make_policy(),
            f"{A} needs 1 more approval: nobody can: there is no reviewer for it; ask a maintainer to add one",
        ),
        (
            make_policy(role(Role.REVIEWER, "ola", "kari"), rules=[rule(by=["ola"])]),
            f"{A} needs 1 more approval by Ola Hansen: nobody can: the only reviewer that the rule names, Ola Hansen, wrote it; "
            "ask a maintainer to add one",
        ),
        (
            make_policy(role(Role.REVIEWER, "per"), rules=[rule(2)]),
            f"{A} needs 2 more approvals: only Per Berg can give one; ask a maintainer to add a reviewer",
        ),
        (
            make_policy(REVIEWERS, rules=[rule(2)]),
            f"{A} needs 2 more approvals: Kari Nordmann and Per Berg can give them",
        ),
    ],
)
def test_what_is_missing_names_who_can_give_it(world: World, policy: Policy, sentence: str) -> None:
    state = world.state("easter", policy)
    assert state.missing == (sentence,)
    assert entry(state).missing == sentence


def test_of_many_who_can_a_few_are_named_and_the_rest_counted(world: World) -> None:
    people = ["ola", *(f"r{number}" for number in range(8))]
    policy = make_policy(role(Role.REVIEWER, *people), people=people)
    (sentence,) = world.state("easter", policy).missing
    assert sentence == f"{A} needs 1 more approval: r0, r1, r2, r3 or 4 others can give it"


def test_nobody_else_can_when_the_other_reviewers_have_approved(world: World) -> None:
    policy = make_policy(role(Role.REVIEWER, "kari"), rules=[rule(2)])
    world.say("easter", "approve", by="kari")
    (sentence,) = world.state("easter", policy).missing
    assert sentence == (
        f"{A} needs 1 more approval: nobody else can: there are no other reviewers; ask a maintainer to add one"
    )


def test_many_files_make_one_sentence(world: World) -> None:
    world.write("easter", {f"content/posts/{number:03}.md": "x" for number in range(499)})
    state = world.state("easter", NEWSROOM)
    assert len(state.entries) == 500
    assert state.missing == (
        "content/posts/000.md, content/posts/001.md and 498 more need 1 more approval: Kari Nordmann or Per Berg can give it",
    )


def test_many_different_lacks_are_told_in_a_bounded_number_of_sentences(world: World) -> None:
    for number in range(40):
        world.write("easter", {f"content/{number}/x.md": "x"})
    grants = [role(Role.REVIEWER, "kari", paths=[f"content/{number}/*"]) for number in range(0, 40, 2)]
    rules = [rule(number + 1, paths=[f"content/{number}/*"]) for number in range(40)]
    state = world.state("easter", make_policy(*grants, rules=rules))
    assert len(state.missing) == 21
    assert state.missing[-1] == "21 other files need approvals too"


def test_a_file_that_changed_on_both_sides_needs_a_merge_before_it_can_be_approved(world: World) -> None:
    facts = world.facts("easter")
    merged = replace(facts.files[0], blob=BlobId("f" * 40), is_behind=True)
    state = fold(replace(facts, files=(merged,)), NEWSROOM, NOW)
    assert state.missing == (
        f"{A} needs 1 more approval, but changed on the published branch too: "
        "merge that into the draft first, so that the result can be seen",
    )
    assert entry(state).may_approve == ()


def test_rules_that_cannot_be_read_block_everything_and_say_why(world: World) -> None:
    world.say("easter", "approve", by="kari")
    facts = world.facts("easter")
    broken = InvalidSettings("cms.toml has an unknown table [peple]", path="cms.toml")
    state = fold(facts, broken, NOW)
    assert (state.status, entry(state).approvals) == (Status.DRAFT, ())
    assert state.missing == (
        "nobody can approve or publish anything until cms.toml is corrected on the published branch: "
        "cms.toml has an unknown table [peple]",
    )


def test_a_rule_that_cannot_be_evaluated_blocks_its_file_even_if_it_would_need_nothing(world: World) -> None:
    class Broken(Policy):
        def rule(self, path: str, collection: str | None) -> None:  # type: ignore[override]
            raise InvalidSettings("that pattern cannot be used")

    policy = Broken(people=NEWSROOM.people, grants=NEWSROOM.grants)
    world.say("easter", "approve", by="kari")
    state = world.state("easter", policy)
    assert why_no_publishing(state, policy, "kari")
    assert state.status is Status.DRAFT
    assert state.missing == (f"the rule for {A} cannot be evaluated: that pattern cannot be used",)


# -- rules -------------------------------------------------------------------------------------------------------------


def test_the_last_rule_that_fits_a_path_is_the_one(world: World) -> None:
    world.write("easter", {"content/docs/c.md": "c1"})
    rules = [rule(2), rule(0, collections=["docs"]), rule(1, paths=["content/posts/**"])]
    state = world.state("easter", make_policy(REVIEWERS, rules=rules))
    assert [(each.path, each.needed) for each in state.entries] == [("content/docs/c.md", 0), (A, 1)]


def test_a_rule_for_no_approvals_makes_a_draft_approved_at_once(world: World) -> None:
    assert world.state("easter", make_policy(rules=[rule(0)])).status is Status.APPROVED


def test_only_approvals_of_those_whom_the_rule_names_count(world: World) -> None:
    policy = make_policy(REVIEWERS, rules=[rule(by=["per"])])
    world.say("easter", "approve", by="kari")
    state = world.state("easter", policy)
    assert entry(state).approvals == ()
    assert why_not(state) == f"the rule for {A} asks for approvals by Per Berg"


def test_being_named_by_a_rule_does_not_make_a_reviewer(world: World) -> None:
    world.say("easter", "approve", by="liv")
    state = world.state("easter", make_policy(REVIEWERS, rules=[rule(by=["liv"])]))
    assert (entry(state).approvals, why_not(state)) == ((), f"Liv Moe is no reviewer of {A}")


def test_a_reviewer_of_some_files_approves_those_only(world: World) -> None:
    world.write("easter", {"content/docs/c.md": "c1"})
    policy = make_policy(
        role(Role.REVIEWER, "kari", collections=["posts"]), role(Role.REVIEWER, "per", collections=["docs"])
    )
    world.say("easter", "approve", by="kari")
    state = world.state("easter", policy)
    assert [each.approvals for each in state.entries] == [(), ("kari",)]
    world.say("easter", "approve", by="per")
    assert world.state("easter", policy).status is Status.APPROVED


def test_two_approvals_must_be_of_two_people(world: World) -> None:
    policy = make_policy(REVIEWERS, rules=[rule(2)])
    world.say("easter", "approve", by="kari")
    world.say("easter", "approve", by="kari")
    assert entry(world.state("easter", policy)).approvals == ("kari",)
    world.say("easter", "approve", by="per")
    assert world.state("easter", policy).status is Status.APPROVED


@pytest.mark.parametrize("allowed", [True, False])
def test_authors_may_approve_exactly_where_the_rule_says_so(world: World, allowed: bool) -> None:
    policy = make_policy(role(Role.REVIEWER, "ola"), rules=[rule(authors_may_approve=allowed)])
    world.say("easter", "approve", by="ola")
    assert (world.state("easter", policy).status is Status.APPROVED) == allowed


@pytest.mark.parametrize("path", ["cms.toml", "schemas/posts.yaml"])
def test_settings_and_schemas_need_a_maintainer_among_the_approvals(world: World, path: str) -> None:
    world.write("easter", {path: "x"})
    policy = make_policy(REVIEWERS, role(Role.MAINTAINER, "per"))
    world.say("easter", "approve", by="kari")
    state = world.state("easter", policy)
    assert entry(state, path).missing == f"{path} needs 1 more approval by a maintainer: Per Berg can give it"
    assert entry(state, path).may_approve == ("per",)
    world.say("easter", "approve", by="per")
    assert world.state("easter", policy).status is Status.APPROVED


def test_a_maintainer_who_is_no_reviewer_cannot_approve_settings(world: World) -> None:
    world.write("easter", {"cms.toml": "x"})
    world.say("easter", "approve", by="kari")
    world.say("easter", "approve", by="liv")
    state = world.state("easter", make_policy(REVIEWERS, role(Role.MAINTAINER, "liv")))
    assert entry(state, "cms.toml").missing == (
        "cms.toml needs 1 more approval by a maintainer: nobody can: no maintainer may review it; ask a maintainer (Liv Moe) to add one"
    )


def test_settings_that_need_two_approvals_need_one_of_them_by_a_maintainer(world: World) -> None:
    world.write("easter", {"cms.toml": "x"})
    policy = make_policy(REVIEWERS, role(Role.MAINTAINER, "kari"), rules=[rule(2)])
    sentence = "cms.toml needs 2 more approvals, one of them by a maintainer: Kari Nordmann and Per Berg can give them"
    assert entry(world.state("easter", policy), "cms.toml").missing == sentence
    without = make_policy(REVIEWERS, rules=[rule(2)])
    assert "no maintainer may review it" in entry(world.state("easter", without), "cms.toml").missing


def test_settings_that_need_no_approval_are_for_a_maintainer_to_publish(world: World) -> None:
    world.write("easter", {"cms.toml": "x"})
    publishers = role(Role.PUBLISHER, "kari", "per")
    policy = make_policy(publishers, role(Role.MAINTAINER, "kari"), rules=[rule(0)])
    state = world.state("easter", policy)
    assert state.status is Status.APPROVED
    assert why_no_publishing(state, policy, "kari") == ""
    assert why_no_publishing(state, policy, "per") == (
        "only a maintainer can publish cms.toml without an approval, and Per Berg is none"
    )
    assert why_no_publishing(state, policy, "liv") == "Liv Moe is no publisher"


def test_a_bot_publishes_with_that_scope_and_sets_no_times(world: World) -> None:
    grant = replace(role(Role.BOT, "robot", collections=["posts"]), scopes=frozenset({"publish"}))
    policy = make_policy(grant, bots=[("robot", "kari")])
    world.say("easter", "", by="robot", how=SERVER, publish_at="2026-07-01T09:00:00Z")
    state = world.state("easter", policy)
    assert why_no_publishing(state, policy, "robot") == ""
    assert (state.publish_at, why_not(state)) == (None, "robot is a bot, and bots set no times")


def test_who_publishes_must_be_a_publisher_of_everything(world: World) -> None:
    world.write("easter", {"content/docs/c.md": "c1"})
    policy = make_policy(role(Role.PUBLISHER, "per", collections=["posts"]), rules=[rule(0)])
    state = world.state("easter", policy)
    assert why_no_publishing(state, policy, "per") == "Per Berg is no publisher of content/docs/c.md"


# -- verdicts ----------------------------------------------------------------------------------------------------------


def test_an_approval_lapses_for_what_changes_and_for_nothing_else(world: World) -> None:
    world.write("easter", {B: "b1"})
    world.say("easter", "approve", by="kari")
    world.write("easter", {B: "b2"})
    state = world.state("easter", NEWSROOM)
    assert [(each.path, each.approvals, each.lapsed) for each in state.entries] == [
        (A, ("kari",), ()),
        (B, (), ("kari",)),
    ]
    assert state.remarks[-1].counts


def test_an_approval_comes_back_with_the_bytes_it_saw(world: World) -> None:
    world.say("easter", "approve", by="kari")
    world.write("easter", {A: "a2"})
    assert why_not(world.state("easter", NEWSROOM)) == "what it approved is not what would be published now"
    world.write("easter", {A: "a1"})
    assert world.state("easter", NEWSROOM).status is Status.APPROVED


def test_an_approval_stays_when_the_published_branch_is_merged_and_brings_nothing_to_the_file(world: World) -> None:
    world.say("easter", "approve", by="kari")
    world.change_main({B: "b1"})
    assert world.state("easter", NEWSROOM).status is Status.APPROVED
    world.merge("easter", world.main)
    assert world.state("easter", NEWSROOM).status is Status.APPROVED


def test_an_approval_does_not_cover_what_the_draft_did_not_change_when_it_was_given(world: World) -> None:
    world.say("easter", "approve", by="kari")  # its tree has b0, as the published branch had
    world.change_main({B: "b1"})
    world.merge("easter", world.main)
    world.write("easter", {B: "b0"})
    assert entry(world.state("easter", NEWSROOM), B).approvals == ()


def test_an_approval_does_not_cover_the_deletion_of_what_it_never_saw(world: World) -> None:
    world.say("easter", "approve", by="kari")
    world.change_main({"content/posts/later.md": "x"})
    world.merge("easter", world.main)
    world.write("easter", {"content/posts/later.md": None})
    assert entry(world.state("easter", NEWSROOM), "content/posts/later.md").approvals == ()


def test_a_deletion_is_approved_like_anything_else(world: World) -> None:
    world.write("easter", {A: None})
    world.say("easter", "approve", by="kari")
    assert world.state("easter", NEWSROOM).status is Status.APPROVED


def test_an_approval_with_an_anchor_is_for_that_file_alone(world: World) -> None:
    world.write("easter", {B: "b1"})
    world.say("easter", "approve", by="kari", anchor=f"{B}#title")
    assert [each.approvals for each in world.state("easter", NEWSROOM).entries] == [(), ("kari",)]
    world.say("easter", "approve", by="per", anchor=f"{A}:12")
    assert [each.approvals for each in world.state("easter", NEWSROOM).entries] == [("per",), ("kari",)]


@pytest.mark.parametrize(
    ("verdict", "reason"), [("withdraw", "withdrew it"), ("changes", "asked for changes after it")]
)
def test_a_later_word_of_the_same_person_ends_an_approval(world: World, verdict: str, reason: str) -> None:
    world.say("easter", "approve", by="kari")
    world.say("easter", verdict, by="kari")
    state = world.state("easter", NEWSROOM)
    assert entry(state).approvals == ()
    assert state.remarks[0].why_not == f"Kari Nordmann {reason}"


def test_a_word_of_somebody_else_ends_no_approval(world: World) -> None:
    world.say("easter", "approve", by="kari")
    world.say("easter", "withdraw", by="per")
    state = world.state("easter", NEWSROOM)
    assert state.status is Status.APPROVED
    assert why_not(state) == "there was nothing to take back"


def test_a_request_for_changes_survives_every_push(world: World) -> None:
    world.say("easter", "changes", by="kari")
    world.write("easter", {A: "a2"})
    world.say("easter", "approve", by="per")
    assert world.state("easter", NEWSROOM).status is Status.CHANGES_REQUESTED


@pytest.mark.parametrize("verdict", ["approve", "withdraw"])
def test_a_request_for_changes_ends_with_a_later_word_of_who_made_it(world: World, verdict: str) -> None:
    world.say("easter", "changes", by="kari")
    world.say("easter", verdict, by="kari")
    assert world.state("easter", NEWSROOM).status is not Status.CHANGES_REQUESTED


def test_a_maintainer_lifts_a_request_for_changes_until_it_is_made_again(world: World) -> None:
    world.say("easter", "changes", by="per")
    world.say("easter", "lift", by="kari", lifts="per")
    state = world.state("easter", NEWSROOM)
    assert (state.status, state.remarks[0].why_not) == (Status.DRAFT, "Kari Nordmann lifted it")
    world.say("easter", "changes", by="per")
    assert world.state("easter", NEWSROOM).status is Status.CHANGES_REQUESTED


@pytest.mark.parametrize(
    ("by", "lifts", "reason"),
    [
        ("per", "kari", "Per Berg is no maintainer of anything in the draft"),
        ("kari", "liv", "Liv Moe has no open request for changes"),
        ("kari", "nobody", "nobody has no open request for changes"),
        ("kari", "", "it does not say whose request for changes is lifted (Lifts: <person>)"),
    ],
)
def test_a_request_for_changes_is_not_lifted_by_others_or_by_mistake(
    world: World, by: str, lifts: str, reason: str
) -> None:
    world.say("easter", "changes", by="kari")
    world.say("easter", "lift", by=by, lifts=lifts)
    state = world.state("easter", NEWSROOM)
    assert (state.status, why_not(state)) == (Status.CHANGES_REQUESTED, reason)


def test_lifting_takes_a_maintainer_of_something_in_the_draft(world: World) -> None:
    world.say("easter", "changes", by="kari")
    world.say("easter", "lift", by="per", lifts="kari@example.org")
    here = make_policy(role(Role.REVIEWER, "kari"), role(Role.MAINTAINER, "per", collections=["posts"]))
    elsewhere = make_policy(role(Role.REVIEWER, "kari"), role(Role.MAINTAINER, "per", collections=["docs"]))
    assert world.state("easter", here).status is Status.DRAFT
    assert world.state("easter", elsewhere).status is Status.CHANGES_REQUESTED


def test_who_is_no_reviewer_of_anything_in_it_cannot_block_it(world: World) -> None:
    world.say("easter", "changes", by="liv")
    state = world.state("easter", NEWSROOM)
    assert (state.status, why_not(state)) == (Status.DRAFT, "Liv Moe is no reviewer of anything in the draft")


def test_what_was_asked_for_is_quoted_with_who_can_end_it(world: World) -> None:
    world.say("easter", "changes", by="per")
    assert world.state("easter", NEWSROOM).missing[0] == (
        "Per Berg asked for changes (Say something): Per Berg can approve or withdraw, or Kari Nordmann can lift that"
    )


def test_a_comment_changes_nothing_and_is_kept(world: World) -> None:
    before = world.state("easter", NEWSROOM)
    world.say("easter", "comment", by="liv", anchor=f"{A}:3")
    state = world.state("easter", NEWSROOM)
    assert (state.status, state.missing) == (before.status, before.missing)
    remark = state.remarks[-1]
    assert (remark.person, remark.message, remark.anchor, remark.counts) == ("liv", "Say something", f"{A}:3", True)


@pytest.mark.parametrize("word", ["lgtm", "", "approved"])
def test_a_word_that_is_no_verdict_counts_for_nothing_and_the_words_are_named(world: World, word: str) -> None:
    head = world.commit([world.heads["easter"]], {A: "a1", B: "b0"}, author="kari", trailers=[("Review", word)])
    world.push("easter", head, "kari")
    state = world.state("easter", NEWSROOM)
    assert (entry(state).approvals, state.remarks[-1].counts) == ((), False)
    assert "there are request, approve, changes, comment, withdraw, lift" in why_not(state)


def test_a_verdict_is_read_whatever_its_case(world: World) -> None:
    head = world.commit([world.heads["easter"]], {A: "a1", B: "b0"}, author="kari", trailers=[("rEVIEW", " Approve ")])
    world.push("easter", head, "kari")
    assert "approve" in [remark.verdict for remark in world.state("easter", NEWSROOM).remarks]


# -- schedules ---------------------------------------------------------------------------------------------------------


def test_an_approved_draft_with_a_moment_is_scheduled(world: World) -> None:
    world.say("easter", "approve", by="kari")
    world.say("easter", "", by="kari", publish_at="2026-07-01T09:00:00+02:00")
    state = world.state("easter", NEWSROOM)
    assert (state.status, state.scheduled_by) == (Status.SCHEDULED, "kari")
    assert state.publish_at == datetime(2026, 7, 1, 7, 0, tzinfo=UTC)
    assert not state.is_due
    assert world.state("easter", NEWSROOM, now=datetime(2026, 7, 1, 7, 0, tzinfo=UTC)).is_due


def test_a_moment_alone_approves_nothing(world: World) -> None:
    world.say("easter", "request", by="ola")
    world.say("easter", "", by="kari", publish_at="2026-07-01T09:00:00Z")
    state = world.state("easter", NEWSROOM)
    assert state.status is Status.IN_REVIEW
    assert state.publish_at is not None


@pytest.mark.parametrize(
    ("moment", "reason"),
    [
        ("never", ""),
        ("tomorrow", "is no moment"),
        ("2026-13-01T00:00:00Z", "is no moment"),
        ("2026-07-01T09:00", "is no moment"),
    ],
)
def test_what_is_no_moment_takes_an_earlier_one_away(world: World, moment: str, reason: str) -> None:
    world.say("easter", "", by="kari", publish_at="2026-07-01T09:00:00Z")
    world.say("easter", "", by="kari", publish_at=moment)
    state = world.state("easter", NEWSROOM)
    assert state.publish_at is None
    assert reason in why_not(state)
    assert state.remarks[0].why_not == "Kari Nordmann said something else later"


def test_a_moment_by_somebody_who_may_not_publish_all_of_it_is_none(world: World) -> None:
    world.say("easter", "", by="per", publish_at="2026-07-01T09:00:00Z")
    state = world.state("easter", NEWSROOM)
    assert (state.publish_at, why_not(state)) == (None, "Per Berg is no publisher")


def test_a_moment_that_an_editor_took_away_does_not_come_back_when_the_editor_leaves(world: World) -> None:
    both = make_policy(REVIEWERS, role(Role.PUBLISHER, "kari", "per"))
    world.say("easter", "", by="per", publish_at="2026-07-01T09:00:00Z")
    world.say("easter", "", by="kari", publish_at="never")
    assert world.state("easter", both).publish_at is None
    demoted = make_policy(REVIEWERS, role(Role.PUBLISHER, "per"))
    assert world.state("easter", demoted).publish_at is None


def test_a_signed_moment_that_no_server_let_in_counts_only_when_its_giver_may_publish(world: World) -> None:
    world.say("easter", "", by="kari", how="key", publish_at="2026-07-01T09:00:00Z")
    world.say("easter", "", by="liv", how="key", publish_at="never")
    assert world.state("easter", NEWSROOM).publish_at is not None


def test_one_commit_can_approve_and_set_the_moment(world: World) -> None:
    world.say("easter", "approve", by="kari", publish_at="2026-07-01T09:00:00Z")
    state = world.state("easter", NEWSROOM)
    assert (state.status, state.remarks[-1].verdict) == (Status.SCHEDULED, "approve")


def test_the_same_facts_always_give_the_same_state(world: World) -> None:
    world.say("easter", "approve", by="kari", how=SERVER)
    facts = world.facts("easter")
    first = fold(facts, NEWSROOM, NOW)
    again = fold(facts, NEWSROOM, NOW + timedelta(days=1))
    assert first == again
    assert (first.status, Action.PUBLISH) in TABLE
