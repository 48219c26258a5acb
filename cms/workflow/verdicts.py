"""Verbs that say something about a draft and change nothing in it: request, approve, changes, comment, withdraw, lift, schedule.

Each is a commit whose tree equals its parent's, with a trailer, so that it travels with the draft and covers exactly what it saw. What it
counts for is decided by the fold (``state``) each time anew, not here.
"""

import re
from datetime import UTC, datetime, timedelta

from cms.errors import Conflict, InvalidContent, InvalidQuery
from cms.permissions import Principal
from cms.pushlog import Move
from cms.refs import CommitId
from cms.workflow.actions import Action
from cms.workflow.flow import Draft, Workflow
from cms.workflow.outcome import DraftState

MESSAGE_MOST = 20_000
#: By one person about one draft.
REMARKS_MOST = 300
NEVER = "never"
LATEST = timedelta(days=3660)
ANCHOR = re.compile(
    r"(?P<path>[^\x00-\x1f\x7f-\x9f#:]+)(?:#(?P<field>[^\s\x00-\x1f\x7f-\x9f#]{1,200})|:(?P<line>[1-9]\d{0,6}))"
)
SUBJECTS = {
    Action.REQUEST: "Ask for review",
    Action.APPROVE: "Approve",
    Action.CHANGES: "Ask for changes",
    Action.COMMENT: "Comment",
    Action.WITHDRAW: "Withdraw",
    Action.LIFT: "Lift a request for changes",
}


def request_review(
    flow: Workflow, who: Principal, name: str, *, message: str = "", expected: CommitId | None = None, now: datetime
) -> DraftState:
    """Ask others to look at the draft.

    Raises:
        InvalidContent: the draft has errors that would keep it from being published; facts: findings.
    """
    draft = flow.find_for(who, "review.request", Action.REQUEST, name, expected=expected, now=now)
    errors = tuple(finding for finding in draft.state.findings if finding.severity == "error")
    if errors:
        raise InvalidContent(f"the draft has {len(errors)} to correct first, such as {errors[0]}", findings=errors)
    return _say(flow, who, draft, Action.REQUEST, message, now=now)


def approve(
    flow: Workflow, who: Principal, name: str, *, expected: CommitId | None, message: str = "", now: datetime
) -> DraftState:
    """Approve the draft as *who* saw it.

    Args:
        expected: the head that was looked at; approving unseen changes is what it prevents. None takes the present one.

    Raises:
        Forbidden: *who* is no reviewer of anything in it, or wrote all of it.
        StaleRequest: it has changed since.
    """
    draft = flow.find_for(who, "review.approve", Action.APPROVE, name, expected=expected, now=now)
    return _say(flow, who, draft, Action.APPROVE, message, now=now)


def request_changes(
    flow: Workflow,
    who: Principal,
    name: str,
    *,
    message: str,
    anchor: str = "",
    expected: CommitId | None = None,
    now: datetime,
) -> DraftState:
    """Ask for changes; the draft cannot be published until *who* approves or withdraws this, or a maintainer lifts it.

    Raises:
        InvalidQuery: no message: nobody would know what to change.
    """
    draft = flow.find_for(who, "review.changes", Action.CHANGES, name, expected=expected, now=now)
    if not message.strip():
        raise InvalidQuery("say what should change: a request for changes needs a message", parameter="message")
    return _say(flow, who, draft, Action.CHANGES, message, anchor=anchor, now=now)


def comment(
    flow: Workflow,
    who: Principal,
    name: str,
    *,
    message: str,
    anchor: str = "",
    expected: CommitId | None = None,
    now: datetime,
) -> DraftState:
    """Remark on the draft, or on one place in it.

    Args:
        anchor: ``<path>#<field>`` or ``<path>:<line>``.
    """
    draft = flow.find_for(who, "review.comment", Action.COMMENT, name, expected=expected, now=now)
    if not message.strip():
        raise InvalidQuery("a comment needs a message", parameter="message")
    return _say(flow, who, draft, Action.COMMENT, message, anchor=anchor, now=now)


def withdraw(
    flow: Workflow, who: Principal, name: str, *, message: str = "", expected: CommitId | None = None, now: datetime
) -> DraftState:
    """Take back what *who* said last: an approval, a request for changes, or (the draft's owner) the request for review."""
    draft = flow.find_for(who, "review.withdraw", Action.WITHDRAW, name, expected=expected, now=now)
    return _say(flow, who, draft, Action.WITHDRAW, message, now=now)


def lift_changes(
    flow: Workflow,
    who: Principal,
    name: str,
    person: str,
    *,
    reason: str,
    expected: CommitId | None = None,
    now: datetime,
) -> DraftState:
    """Lift the request for changes of another *person*, with a reason; everybody can read who did it and why.

    Raises:
        Conflict: there is no such request.
        InvalidQuery: no reason.
    """
    draft = flow.find_for(who, "review.lift", Action.LIFT, name, expected=expected, reason=reason, now=now)
    if not any(remark.person == person for remark in draft.state.blocking):
        raise Conflict(f"{person} has no open request for changes on {name}", draft=name)
    if not reason.strip():
        raise InvalidQuery("say why the request for changes is lifted", parameter="message")
    return _say(flow, who, draft, Action.LIFT, reason, trailers=[("Lifts", person)], now=now)


def schedule(
    flow: Workflow, who: Principal, name: str, at: datetime | None, *, expected: CommitId | None = None, now: datetime
) -> DraftState:
    """Say when the draft goes public by itself; None: not by itself after all. The rules are looked at again when it is due.

    Raises:
        Conflict: the moment is past, or years away.
    """
    action = Action.SCHEDULE if at is not None else Action.UNSCHEDULE
    draft = flow.find_for(who, "schedule", action, name, expected=expected, now=now)
    if at is not None and at.tzinfo is None:
        raise InvalidQuery("a moment needs a time zone, such as 2026-05-17T07:00+02:00", parameter="publish_at")
    if at is not None and at <= now:
        raise Conflict(f"{at.isoformat()} is past; to publish at once use publish", draft=name)
    if at is not None and at > now + LATEST:
        raise Conflict(f"{at.isoformat()} is more than ten years away", draft=name)
    value = NEVER if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    subject = "Cancel the schedule" if at is None else f"Publish at {value}"
    return _commit(flow, who, draft, subject, [("Publish-At", value)], act="schedule", now=now)


def _say(
    flow: Workflow,
    who: Principal,
    draft: Draft,
    action: Action,
    message: str,
    *,
    anchor: str = "",
    trailers: list[tuple[str, str]] | None = None,
    now: datetime,
) -> DraftState:
    said = [("Review", action.value), *(trailers or [])]
    if anchor:
        said.append(("Anchor", check_anchor(flow, draft, anchor)))
    return _commit(flow, who, draft, with_subject(SUBJECTS[action], message), said, act="verdict", now=now)


def with_subject(subject: str, message: str) -> str:
    """A commit message that begins with what is said, or with *subject* when nothing is.

    Raises:
        InvalidQuery: the message is too long.
    """
    text = message.replace("\r\n", "\n").replace("\x00", "").strip()
    if len(text) > MESSAGE_MOST:
        raise InvalidQuery(
            f"the message has {len(text):,} characters, {MESSAGE_MOST:,} are possible", parameter="message"
        )
    if not text:
        return subject
    first = text.partition("\n")[0]
    return text if len(first) <= 100 else f"{subject}\n\n{text}"


def check_anchor(flow: Workflow, draft: Draft, anchor: str) -> str:
    """*anchor* when it names a place in the draft.

    Raises:
        InvalidQuery: it is none.
        Conflict: it does not.
    """
    found = ANCHOR.fullmatch(anchor.strip())
    if found is None:
        raise InvalidQuery(f"{anchor[:200]!r} is no place: write <path>#<field> or <path>:<line>", parameter="anchor")
    removed = any(entry.path == found["path"] and entry.blob is None for entry in draft.state.entries)
    if not removed and flow.store.find_blob(draft.head, found["path"]) is None:
        raise Conflict(f"there is no file {found['path']!r} in the draft {draft.name}", draft=draft.name)
    return anchor.strip()


def _commit(
    flow: Workflow,
    who: Principal,
    draft: Draft,
    message: str,
    trailers: list[tuple[str, str]],
    *,
    act: str,
    now: datetime,
) -> DraftState:
    """Record what is said as a commit on the head that it is about.

    Raises:
        RefMoved: the draft changed in the meantime; what was said was not about that.
        Conflict: *who* has said too much about it.
    """
    commit = flow.write_commit(
        who,
        tree=flow.tree_of(draft.head),
        parents=[draft.head],
        message=message,
        trailers=[*trailers, ("Draft", draft.name)],
        now=now,
    )
    # Looked at before it is there: what cannot be judged any more could not even be closed.
    require_measure(flow.state_at(draft.name, commit, now), who.person)
    flow.record(who, act, [Move(draft.ref, draft.head, commit)], now=now)
    return flow.state(draft.name, now)


def require_measure(state: DraftState, person: str) -> None:
    """Refuse somebody who says so much about one draft that it could not be looked at any more.

    Args:
        state: as it would be.

    Raises:
        Conflict: says how much is possible.
    """
    if sum(remark.person == person for remark in state.remarks) > REMARKS_MOST:
        raise Conflict(
            f"one person can say {REMARKS_MOST} things about one draft, and you have said that much about {state.name}",
            draft=state.name,
        )
