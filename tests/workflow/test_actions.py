"""What can be done with a draft in which state: the table, its refusals, and the documentation of both."""

from pathlib import Path

import pytest

from cms.errors import Conflict
from cms.workflow.actions import REFUSED, TABLE, Action, actions_table, allowed_actions, refuse_unless, why_not
from cms.workflow.state import DraftState, Status
from tests.workflow.policies import NEWSROOM, make_policy, rule
from tests.workflow.test_state import ERROR
from tests.workflow.world import SERVER, A, B, World

DOCS = Path(__file__).parents[2] / "docs" / "workflow.md"
PAIRS = [(status, action) for status in Status for action in Action]


def in_status(world: World, status: Status) -> DraftState:
    """The draft ``easter`` brought to a status."""
    match status:
        case Status.IN_REVIEW:
            world.say("easter", "request", by="ola")
        case Status.CHANGES_REQUESTED:
            world.say("easter", "changes", by="per")
        case Status.APPROVED | Status.SCHEDULED:
            world.say("easter", "approve", by="kari")
            if status is Status.SCHEDULED:
                world.say("easter", "", by="kari", publish_at="2026-07-01T00:00:00Z")
        case Status.PUBLISHED:
            world.publish("easter", keep=True)
        case Status.CONFLICTING:
            world.change_main({A: "a2"})
    return look(world, status)


def look(world: World, status: Status) -> DraftState:
    return world.state("easter", NEWSROOM, findings=[ERROR] if status is Status.INVALID else [])


@pytest.mark.parametrize(("status", "action"), PAIRS)
def test_every_pair_is_either_possible_or_refused_with_a_sentence(status: Status, action: Action) -> None:
    pair = (status, action)
    assert (pair in TABLE) != (pair in REFUSED)
    assert pair in TABLE or len(REFUSED[pair]) > 10


@pytest.mark.parametrize(("status", "action"), REFUSED)
def test_what_is_refused_is_refused_with_the_reason_and_the_facts(world: World, status: Status, action: Action) -> None:
    state = in_status(world, status)
    assert state.status is status
    with pytest.raises(Conflict) as refused:
        refuse_unless(state.status, action, state)
    assert str(refused.value).startswith("you cannot ")
    assert REFUSED[status, action] in str(refused.value)
    assert (refused.value.facts["draft"], refused.value.facts["state"]) == ("easter", status.value)


def test_a_refusal_to_publish_tells_everything_that_is_missing(world: World) -> None:
    state = world.state("easter", NEWSROOM)
    with pytest.raises(Conflict) as refused:
        refuse_unless(state.status, Action.PUBLISH, state)
    assert str(refused.value) == "you cannot publish the draft easter: it is not approved yet"
    assert refused.value.facts["missing"] == state.missing


@pytest.mark.parametrize("action", [Action.REQUEST, Action.APPROVE, Action.BYPASS])
def test_a_draft_that_changes_nothing_cannot_be_judged(action: Action) -> None:
    world = World()
    world.start("easter")
    state = world.state("easter", NEWSROOM)
    assert why_not(state.status, action, state) == "it changes nothing yet; write something first"


@pytest.mark.parametrize("action", [Action.LIFT, Action.UNSCHEDULE])
def test_what_is_not_there_cannot_be_taken_away(world: World, action: Action) -> None:
    state = in_status(world, Status.INVALID)
    assert why_not(Status.INVALID, action, state)


def test_what_a_status_allows_is_listed() -> None:
    assert allowed_actions(Status.PUBLISHED) == (Action.PUBLISH, Action.CLOSE)
    assert Action.PUBLISH in allowed_actions(Status.APPROVED)
    assert Action.PUBLISH not in allowed_actions(Status.IN_REVIEW)


SAYINGS = {
    Action.REQUEST: {"verdict": "request"},
    Action.APPROVE: {"verdict": "approve"},
    Action.CHANGES: {"verdict": "changes"},
    Action.COMMENT: {"verdict": "comment"},
    Action.WITHDRAW: {"verdict": "withdraw"},
    Action.LIFT: {"verdict": "lift", "lifts": "per"},
    Action.SCHEDULE: {"verdict": "", "publish_at": "2026-08-01T00:00:00Z"},
    Action.UNSCHEDULE: {"verdict": "", "publish_at": "never"},
}


@pytest.mark.parametrize("by", ["kari", "per"])
@pytest.mark.parametrize(("status", "action"), [pair for pair in TABLE if pair[1] in SAYINGS])
def test_a_verdict_leads_only_where_the_table_says(world: World, status: Status, action: Action, by: str) -> None:
    state = in_status(world, status)
    if why_not(status, action, state):
        return
    world.say("easter", by=by, how=SERVER, **SAYINGS[action])
    after = look(world, status)
    assert after.remarks[-1].verdict in (*SAYINGS, action.value)
    if after.remarks[-1].counts:
        assert after.status in TABLE[status, action]


@pytest.mark.parametrize("status", [status for status in Status if (status, Action.WRITE) in TABLE])
def test_writing_leads_anywhere_but_out_of_the_table(world: World, status: Status) -> None:
    in_status(world, status)
    world.write("easter", {B: "b1"})
    assert look(world, status).status in TABLE[status, Action.WRITE]


@pytest.mark.parametrize("status", [status for status in Status if (status, Action.PUBLISH) in TABLE])
def test_publishing_leads_to_published(world: World, status: Status) -> None:
    in_status(world, status)
    world.publish("easter", keep=True)
    assert {look(world, status).status} == TABLE[status, Action.PUBLISH]


def test_a_rule_for_no_approvals_takes_a_draft_past_every_verdict(world: World) -> None:
    state = world.state("easter", make_policy(rules=[rule(0)]))
    assert why_not(state.status, Action.PUBLISH, state) == ""


def test_the_documentation_shows_the_table_as_it_is() -> None:
    assert actions_table() in DOCS.read_text("utf-8")
