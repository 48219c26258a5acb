"""What somebody can do with a draft now: what fits its state, and what the permission matrix allows them. For buttons and hints; verbs ask again."""

from collections.abc import Mapping
from dataclasses import replace

from cms.permissions import Principal, allows
from cms.workflow.actions import Action, why_not
from cms.workflow.flow import Workflow
from cms.workflow.outcome import DraftState

WRITING = (Action.WRITE, Action.DELETE, Action.RENAME)
PERMISSIONS: Mapping[Action, str] = {
    Action.REQUEST: "review.request",
    Action.APPROVE: "review.approve",
    Action.CHANGES: "review.changes",
    Action.COMMENT: "review.comment",
    Action.WITHDRAW: "review.withdraw",
    Action.LIFT: "review.lift",
    Action.SCHEDULE: "schedule",
    Action.UNSCHEDULE: "schedule",
    Action.PUBLISH: "publish",
    Action.BYPASS: "publish.bypass",
    Action.CLOSE: "draft.delete",
}


def possible_actions(flow: Workflow, who: Principal, state: DraftState) -> tuple[Action, ...]:
    """What *who* can do with the draft as it is, with a good reason where one is needed."""
    policy = flow.policy()
    target = flow.target_of(state, who, reason="given")
    has_spoken = any(remark.counts and remark.person == who.person for remark in state.remarks)
    found = []
    for action in Action:
        if why_not(state.status, action, state) or (action is Action.WITHDRAW and not has_spoken):
            continue
        if action in WRITING:
            is_own = state.owner is None or state.owner in policy.hands(who.person)
            permission, about = "draft.write" if is_own else "draft.write_others", replace(target, paths=())
        else:
            permission, about = PERMISSIONS[action], target
        if allows(permission, who, policy, about):
            found.append(action)
    return tuple(found)


def find_able(flow: Workflow, permission: str, state: DraftState) -> tuple[str, ...]:
    """The people, bots left out, who may do what *permission* names with the draft as it is."""
    policy = flow.policy()
    found = []
    for person in sorted(policy.people):
        who = Principal(person=person, via="session")
        if not policy.is_bot(person) and allows(permission, who, policy, flow.target_of(state, who, reason="given")):
            found.append(person)
    return tuple(found)
