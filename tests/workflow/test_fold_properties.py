"""The fold against the rules told a second time, over random histories; and what must hold whatever people do."""

from collections.abc import Callable
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cms.policy import Policy, Role
from cms.workflow.rights import Rights
from cms.workflow.state import DraftState, fold
from tests.workflow.histories import Step, go_back, histories, play, policies, rebase, steps_beside, unrelated
from tests.workflow.oracle import Oracle, Verdicts
from tests.workflow.world import NOW, World

many = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def in_short(state: DraftState) -> Verdicts:
    """A state in the terms of the oracle."""
    return Verdicts(
        status=state.status.value,
        approvals={entry.path: entry.approvals for entry in state.entries},
        satisfied=frozenset(entry.path for entry in state.entries if entry.is_satisfied),
        writers={entry.path: entry.writers for entry in state.entries},
        blocking=frozenset(remark.person for remark in state.blocking if remark.person is not None),
        publish_at=state.publish_at.strftime("%Y-%m-%dT%H:%M:%SZ") if state.publish_at else "",
        voices=tuple(remark.person for remark in state.remarks),
    )


@many
@given(histories, policies)
def test_the_state_is_what_the_rules_say(history: list[Step], policy: Policy) -> None:
    world = play(history)
    for name in world.heads:
        assert in_short(world.state(name, policy)) == Oracle(world, name, policy).answer()
        clone = world.without_log()
        assert in_short(clone.state(name, policy)) == Oracle(clone, name, policy).answer()


@many
@given(histories, policies)
def test_nobody_approves_what_they_had_a_hand_in_unless_the_rule_lets_authors(
    history: list[Step], policy: Policy
) -> None:
    world = play(history)
    for name in world.heads:
        for entry in world.state(name, policy).entries:
            if not policy.rule(entry.path, entry.collection).authors_may_approve:
                assert not any(
                    entry.writers & policy.hands(person) for person in (*entry.approvals, *entry.may_approve)
                )


@many
@given(histories, policies)
def test_every_approval_is_of_the_bytes_that_would_be_published_by_somebody_who_may(
    history: list[Step], policy: Policy
) -> None:
    world = play(history)
    for name in world.heads:
        facts, state = world.facts(name), world.state(name, policy)
        approving = [remark for remark in state.remarks if remark.verdict == "approve" and remark.counts]
        seen = {(remark.person, commit.id): commit.seen for remark in approving for commit in facts.commits}
        for entry in state.entries:
            for person in entry.approvals:
                assert policy.holds(person, Role.REVIEWER, path=entry.path, collection=entry.collection)
                trees = [files for (who, id), files in seen.items() if who == person and files]
                assert any(files.get(entry.path, "unseen") == entry.blob for files in trees)


@many
@given(histories, policies, steps_beside)
def test_what_leaves_the_bytes_of_a_file_alone_ends_no_approval_of_it(
    history: list[Step], policy: Policy, step: Step
) -> None:
    world = play(history)
    if "one" not in world.heads:
        return
    before = {entry.path: entry for entry in world.state("one", policy).entries}
    written = {path for commit in world.facts("one").commits for path in commit.changed}
    step(world)
    for entry in world.state("one", policy).entries:
        was = before.get(entry.path)
        if was is not None and was.blob == entry.blob and entry.path in written and not entry.is_clashing:
            assert set(was.approvals) <= set(entry.approvals)
            assert was.needed == entry.needed


@many
@given(histories, policies, unrelated)
def test_the_order_of_verdicts_of_different_people_does_not_matter(
    history: list[Step], policy: Policy, said: tuple[Step, Step]
) -> None:
    results = []
    for order in (said, said[::-1]):
        world = play([*history, *order])
        states = [in_short(world.state(name, policy)) for name in sorted(world.heads)]
        results.append([replace(state, voices=()) for state in states])
    assert results[0] == results[1]


@many
@given(histories, policies)
def test_a_draft_cannot_change_the_rules_it_is_judged_by(history: list[Step], policy: Policy) -> None:
    world = play(history)
    before = {name: world.state(name, policy) for name in world.heads}
    for name in world.heads:
        world.write(name, {"cms.toml": "approvals = 0", "schemas/posts.yaml": "x-path: nowhere"}, by="liv")
        after = {entry.path: entry for entry in world.state(name, policy).entries}
        for entry in before[name].entries:
            same = after[entry.path]
            assert (entry.needed, entry.collection, entry.needs_maintainer) == (
                same.needed,
                same.collection,
                same.needs_maintainer,
            )
        assert after["cms.toml"].needs_maintainer


@many
@given(histories, policies, st.sampled_from(["ola", "per"]), st.sampled_from([rebase, go_back]))
def test_a_force_push_takes_away_no_author_and_no_request_for_changes_of_others(
    history: list[Step], policy: Policy, by: str, force: Callable[[World, str, str], None]
) -> None:
    world = play(history)
    if "one" not in world.heads or not world.unpublished(world.heads["one"]):
        return
    before, known = world.state("one", policy), Rights(world.facts("one"), policy).writers
    force(world, "one", by)
    facts, after = world.facts("one"), world.state("one", policy)
    written = {path for commit in facts.commits for path in commit.changed}
    for path, people in Rights(facts, policy).writers.items():
        assert path not in known or path not in written or known[path] <= people
    for remark in before.blocking:
        is_known = world.brought("one", remark.commit)[1] != ""  # not made past the server
        if remark.person != by and is_known and Rights(facts, policy).is_reviewer(str(remark.person)):
            assert remark.person in {each.person for each in after.blocking}


@many
@given(histories, policies)
def test_what_is_nobodys_word_bears_on_nothing(history: list[Step], policy: Policy) -> None:
    world = play(history)
    for name in world.heads:
        facts = world.facts(name)
        state = fold(facts, policy, NOW)
        nobodys = {remark.commit for remark in state.remarks if remark.person is None}
        rest = tuple(commit for commit in facts.commits if not (commit.is_empty and commit.id in nobodys))
        without = in_short(fold(replace(facts, commits=rest), policy, NOW))
        assert replace(in_short(state), voices=()) == replace(without, voices=())


@many
@given(histories, policies, st.sampled_from(["kari", "ola", "per"]))
def test_taking_a_role_away_brings_nobody_an_approval(history: list[Step], policy: Policy, person: str) -> None:
    world = play(history)
    grants = tuple(replace(grant, who=grant.who - {person}) for grant in policy.grants)
    smaller = replace(policy, grants=grants)
    for name in world.heads:
        before, after = (world.state(name, each) for each in (policy, smaller))
        for entry, same in zip(before.entries, after.entries, strict=True):
            assert set(same.approvals) <= set(entry.approvals) - {person}
