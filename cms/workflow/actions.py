"""What can be done with a draft, depending on where it is: status × action as a table.

A pair that is in TABLE is possible, and leads to one of the statuses that stand there; a pair that is in REFUSED is not, and the sentence says
why and what to do. Every pair is in exactly one of the two. Some need more than the status (a request to lift needs somebody's request for
changes): CONDITIONS.

Who may do it is another question, which the permission matrix answers (:mod:`cms.permissions`).
"""

from collections.abc import Callable, Mapping
from enum import StrEnum

from cms.errors import Conflict
from cms.workflow.outcome import DraftState, Status


class Action(StrEnum):
    """What somebody wants to do with a draft."""

    WRITE = "write"
    DELETE = "delete"
    RENAME = "rename"
    REQUEST = "request"
    APPROVE = "approve"
    CHANGES = "changes"
    COMMENT = "comment"
    WITHDRAW = "withdraw"
    LIFT = "lift"
    SCHEDULE = "schedule"
    UNSCHEDULE = "unschedule"
    PUBLISH = "publish"
    BYPASS = "bypass"
    CLOSE = "close"


Outcome = frozenset[Status]
_DRAFT, _IN_REVIEW, _CHANGES = Status.DRAFT, Status.IN_REVIEW, Status.CHANGES_REQUESTED
_APPROVED, _SCHEDULED, _PUBLISHED = Status.APPROVED, Status.SCHEDULED, Status.PUBLISHED
_INVALID, _CONFLICTING = Status.INVALID, Status.CONFLICTING

#: After a change of content everything is looked at anew, so it can lead anywhere.
_ANYWHERE: Outcome = frozenset(Status)
#: The draft is gone afterwards.
_GONE: Outcome = frozenset()


def _to(*statuses: Status) -> Outcome:
    return frozenset(statuses)


_WRITING = (Action.WRITE, Action.DELETE, Action.RENAME)
_OPEN = (_DRAFT, _IN_REVIEW, _CHANGES, _APPROVED, _SCHEDULED, _INVALID, _CONFLICTING)
#: Taking a word back, or lifting another's, leaves what the rest amounts to.
_REST = _to(_DRAFT, _IN_REVIEW, _CHANGES, _APPROVED, _SCHEDULED)

TABLE: Mapping[tuple[Status, Action], Outcome] = {
    **{(status, action): _ANYWHERE for status in _OPEN for action in _WRITING},
    **{(status, Action.COMMENT): _to(status) for status in _OPEN},
    **{(status, Action.CLOSE): _GONE for status in Status},
    (_DRAFT, Action.REQUEST): _to(_IN_REVIEW),
    (_CHANGES, Action.REQUEST): _to(_CHANGES),
    (_DRAFT, Action.APPROVE): _to(_DRAFT, _APPROVED, _SCHEDULED),
    (_IN_REVIEW, Action.APPROVE): _to(_IN_REVIEW, _APPROVED, _SCHEDULED),
    (_CHANGES, Action.APPROVE): _REST,
    (_APPROVED, Action.APPROVE): _to(_APPROVED),
    (_SCHEDULED, Action.APPROVE): _to(_SCHEDULED),
    (_DRAFT, Action.CHANGES): _to(_CHANGES),
    (_IN_REVIEW, Action.CHANGES): _to(_CHANGES),
    (_CHANGES, Action.CHANGES): _to(_CHANGES),
    (_APPROVED, Action.CHANGES): _to(_CHANGES),
    (_SCHEDULED, Action.CHANGES): _to(_CHANGES),
    (_INVALID, Action.CHANGES): _to(_INVALID),
    (_CONFLICTING, Action.CHANGES): _to(_CONFLICTING),
    (_DRAFT, Action.WITHDRAW): _to(_DRAFT),
    (_IN_REVIEW, Action.WITHDRAW): _to(_IN_REVIEW, _DRAFT),
    (_CHANGES, Action.WITHDRAW): _REST,
    (_APPROVED, Action.WITHDRAW): _to(_DRAFT, _IN_REVIEW, _APPROVED),
    (_SCHEDULED, Action.WITHDRAW): _to(_DRAFT, _IN_REVIEW, _SCHEDULED),
    (_INVALID, Action.WITHDRAW): _to(_INVALID),
    (_CONFLICTING, Action.WITHDRAW): _to(_CONFLICTING),
    (_CHANGES, Action.LIFT): _REST,
    (_INVALID, Action.LIFT): _to(_INVALID),
    (_CONFLICTING, Action.LIFT): _to(_CONFLICTING),
    (_APPROVED, Action.SCHEDULE): _to(_SCHEDULED),
    (_SCHEDULED, Action.SCHEDULE): _to(_SCHEDULED),
    (_DRAFT, Action.UNSCHEDULE): _to(_DRAFT),
    (_IN_REVIEW, Action.UNSCHEDULE): _to(_IN_REVIEW),
    (_CHANGES, Action.UNSCHEDULE): _to(_CHANGES),
    (_SCHEDULED, Action.UNSCHEDULE): _to(_APPROVED),
    (_INVALID, Action.UNSCHEDULE): _to(_INVALID),
    (_CONFLICTING, Action.UNSCHEDULE): _to(_CONFLICTING),
    (_APPROVED, Action.PUBLISH): _to(_PUBLISHED),
    (_SCHEDULED, Action.PUBLISH): _to(_PUBLISHED),
    (_PUBLISHED, Action.PUBLISH): _to(_PUBLISHED),
    (_DRAFT, Action.BYPASS): _to(_PUBLISHED),
    (_IN_REVIEW, Action.BYPASS): _to(_PUBLISHED),
    (_CHANGES, Action.BYPASS): _to(_PUBLISHED),
}

_IS_PUBLISHED = "it is published; begin another draft"
_ERRORS_FIRST = "it has errors; correct them first"
_MERGE_FIRST = "it cannot be merged; merge the published branch into the draft first, and choose"
_APPROVALS_FIRST = "it is not approved yet"
_CHANGES_FIRST = "changes are asked for; who asked must approve or withdraw, or a maintainer lift it"
_ALREADY_READY = "it has everything it needs; publish it"
_NO_CHANGES_ASKED = "nobody has asked for changes"

REFUSED: Mapping[tuple[Status, Action], str] = {
    **{(_PUBLISHED, action): _IS_PUBLISHED for action in Action if action not in (Action.PUBLISH, Action.CLOSE)},
    (_IN_REVIEW, Action.REQUEST): "it is in review already",
    (_APPROVED, Action.REQUEST): _ALREADY_READY,
    (_SCHEDULED, Action.REQUEST): "it has everything it needs, and goes public when it is due",
    (_INVALID, Action.REQUEST): _ERRORS_FIRST,
    (_CONFLICTING, Action.REQUEST): _MERGE_FIRST,
    (_INVALID, Action.APPROVE): _ERRORS_FIRST,
    (_CONFLICTING, Action.APPROVE): _MERGE_FIRST,
    **{(status, Action.LIFT): _NO_CHANGES_ASKED for status in (_DRAFT, _IN_REVIEW, _APPROVED, _SCHEDULED)},
    (_DRAFT, Action.SCHEDULE): _APPROVALS_FIRST,
    (_IN_REVIEW, Action.SCHEDULE): _APPROVALS_FIRST,
    (_CHANGES, Action.SCHEDULE): _CHANGES_FIRST,
    (_INVALID, Action.SCHEDULE): _ERRORS_FIRST,
    (_CONFLICTING, Action.SCHEDULE): _MERGE_FIRST,
    (_APPROVED, Action.UNSCHEDULE): "it has no schedule",
    (_DRAFT, Action.PUBLISH): _APPROVALS_FIRST,
    (_IN_REVIEW, Action.PUBLISH): _APPROVALS_FIRST,
    (_CHANGES, Action.PUBLISH): _CHANGES_FIRST,
    (_INVALID, Action.PUBLISH): _ERRORS_FIRST,
    (_CONFLICTING, Action.PUBLISH): _MERGE_FIRST,
    (_APPROVED, Action.BYPASS): _ALREADY_READY,
    (_SCHEDULED, Action.BYPASS): _ALREADY_READY,
    (_INVALID, Action.BYPASS): "it has errors, which nobody can publish; correct them first",
    (_CONFLICTING, Action.BYPASS): _MERGE_FIRST,
}


def _changes_something(state: DraftState) -> str:
    return "" if state.entries else "it changes nothing yet; write something first"


def _is_blocked(state: DraftState) -> str:
    return "" if state.blocking else _NO_CHANGES_ASKED


def _has_schedule(state: DraftState) -> str:
    return "" if state.publish_at is not None else "it has no schedule"


#: What an action needs besides the status: gives a sentence when it is not there.
CONDITIONS: Mapping[Action, Callable[[DraftState], str]] = {
    Action.REQUEST: _changes_something,
    Action.APPROVE: _changes_something,
    Action.LIFT: _is_blocked,
    Action.UNSCHEDULE: _has_schedule,
    Action.BYPASS: _changes_something,
}
_DOING: Mapping[Action, str] = {
    Action.WRITE: "write to",
    Action.DELETE: "delete anything in",
    Action.RENAME: "rename anything in",
    Action.REQUEST: "ask for a review of",
    Action.APPROVE: "approve",
    Action.CHANGES: "ask for changes to",
    Action.COMMENT: "comment on",
    Action.WITHDRAW: "take anything back on",
    Action.LIFT: "lift a request for changes on",
    Action.SCHEDULE: "schedule",
    Action.UNSCHEDULE: "take the schedule off",
    Action.PUBLISH: "publish",
    Action.BYPASS: "publish without the approvals",
    Action.CLOSE: "close",
}
#: Refusals of these are told with everything that is missing.
_TELL_MISSING = (Action.SCHEDULE, Action.PUBLISH, Action.REQUEST, Action.APPROVE, Action.BYPASS)


def refuse_unless(status: Status, action: Action, state: DraftState) -> None:
    """Refuse *action* where it does not fit.

    Raises:
        Conflict: says why, and what to do. Facts: draft, state, missing, findings.
    """
    reason = why_not(status, action, state)
    if reason:
        missing = state.missing if action in _TELL_MISSING else ()
        raise Conflict(
            f"you cannot {_DOING[action]} the draft {state.name}: {reason}",
            draft=state.name,
            state=status.value,
            missing=missing or None,
            findings=state.findings or None,
        )


def why_not(status: Status, action: Action, state: DraftState) -> str:
    """Why *action* does not fit, as a part of a sentence; empty when it does."""
    if (status, action) not in TABLE:
        return REFUSED.get((status, action), f"that is not possible while it is {status.words}")
    condition = CONDITIONS.get(action)
    return condition(state) if condition is not None else ""


def allowed_actions(status: Status) -> tuple[Action, ...]:
    """What a draft of this status is open to, as far as the status alone tells."""
    return tuple(action for action in Action if (status, action) in TABLE)


def actions_table() -> str:
    """The table in Markdown, as ``docs/workflow.md`` shows it."""
    lines = [f"| | {' | '.join(status.words for status in Status)} |", "| --- " * (len(Status) + 1) + "|"]
    for action in Action:
        cells = (_cell(status, action) for status in Status)
        lines.append(f"| **{action.value}** | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(status: Status, action: Action) -> str:
    outcome = TABLE.get((status, action))
    if outcome is None:
        return "–"
    if not outcome:
        return "gone"
    return "any" if outcome == _ANYWHERE else ", ".join(each.words for each in Status if each in outcome)
