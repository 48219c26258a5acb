"""Publishing: the one act that changes what readers see.

A publication is a merge commit on the published branch, whose second parent is the head of the draft and whose tree is our merge, and one
compare-and-swap. Approvals, validity and conflicts are looked at for exactly the two commits that are merged; when the published branch
moves in between the swap fails and everything is looked at again.
"""

from dataclasses import dataclass
from datetime import datetime

from cms.errors import Conflict, Forbidden, InvalidContent, MergeConflict, RefMoved, RefNotFound
from cms.permissions import Principal, Target, allows, allows_everywhere, require
from cms.pushlog import Move
from cms.refs import DRAFTS, CommitId, draft_ref
from cms.trailers import all_trailers, find_trailer
from cms.workflow.actions import Action
from cms.workflow.company import why_in_company
from cms.workflow.flow import ATTEMPTS, Draft, Workflow, no_draft
from cms.workflow.outcome import DraftState, Status, describe_clash
from cms.workflow.state import why_no_publishing
from cms.workflow.turn import Turn
from cms.worktree import find_checkout

PUBLISHING = ("publish", "bypass")


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What was published: the merge, and what it brought.

    Attributes:
        commit: the merge; None when everything was public already.
        is_repeated: the draft had been published before, and nothing happened now.
    """

    draft: str
    commit: CommitId | None
    head: CommitId
    paths: tuple[str, ...]
    approved_by: tuple[str, ...]
    bypass: str = ""
    is_repeated: bool = False


def publish(
    flow: Workflow, who: Principal, name: str, *, expected: CommitId | None = None, message: str = "", now: datetime
) -> Publication:
    """Merge an approved draft into the published branch.

    Raises:
        DraftNotFound, Forbidden, StaleRequest: as for every verb.
        MergeConflict: the same was changed on both sides; facts: findings.
        InvalidContent: the merged result would have errors; facts: findings.
        Conflict: approvals are missing, or changes are asked for; facts: missing.
        RefMoved: others published again and again in the meantime.
    """
    return _publish(flow, who, name, "publish", Action.PUBLISH, expected=expected, message=message, reason="", now=now)


def bypass(
    flow: Workflow, who: Principal, name: str, *, reason: str, expected: CommitId | None = None, now: datetime
) -> Publication:
    """Publish without the approvals, in an emergency: by those whom ``cms.toml`` names, with a reason, visible to everybody for ever.

    What is invalid or in conflict is not published this way either.

    Raises:
        Forbidden: *who* is not named, or gave no reason.
    """
    if len(reason.strip()) < 10:
        raise Forbidden("publishing past the rules needs a reason of a sentence; everybody will read it")
    return _publish(
        flow,
        who,
        name,
        "publish.bypass",
        Action.BYPASS,
        expected=expected,
        message="",
        reason=" ".join(reason.split()),
        now=now,
    )


def _publish(
    flow: Workflow,
    who: Principal,
    name: str,
    permission: str,
    action: Action,
    *,
    expected: CommitId | None,
    message: str,
    reason: str,
    now: datetime,
) -> Publication:
    for attempt in range(ATTEMPTS):
        with Turn(flow.store.common_dir):
            done = _done_before(flow, who, permission, name)
            if done is not None:
                return done
            draft = flow.find(who, permission, name, expected=expected, reason=reason, now=now)
            state = draft.state
            if state.status is Status.PUBLISHED:
                return _nothing_left(flow, who, draft, now)
            # The matrix knows who publishes what, and not that a rule leaves protected files to one person alone.
            reason_against = why_no_publishing(state, draft.policy, who.person)
            if action is Action.PUBLISH and reason_against:
                raise Forbidden(reason_against, permission=permission, draft=name)
            refuse_unpublishable(state, action)
            in_company = why_in_company(flow.store, flow.store.refs(DRAFTS), state)
            if in_company:
                raise Conflict(in_company, draft=name)
            try:
                return _merge(flow, who, draft, message=message, reason=reason, now=now)
            except RefMoved:
                if attempt == ATTEMPTS - 1:
                    raise
    raise AssertionError("unreachable")


def refuse_unpublishable(state: DraftState, action: Action) -> None:
    """Refuse what cannot go public as it is, with everything that is in the way.

    Raises:
        MergeConflict, InvalidContent, Conflict: see :func:`publish`.
    """
    if state.clashes:
        findings = tuple(clash.finding() for clash in state.clashes)
        raise MergeConflict(
            f"the draft {state.name} and the published branch changed the same: {'; '.join(map(str, findings[:5]))}",
            draft=state.name,
            findings=findings,
            conflicts=[describe_clash(clash) for clash in state.clashes],
        )
    errors = tuple(finding for finding in state.findings if finding.severity == "error")
    if errors:
        more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
        raise InvalidContent(f"the draft {state.name} would publish errors: {errors[0]}{more}", findings=errors)
    if not state.entries:
        raise Conflict(
            f"the draft {state.name} holds nothing to publish yet", draft=state.name, state=state.status.value
        )
    is_ready = state.status in (Status.APPROVED, Status.SCHEDULED)
    if action is not Action.BYPASS and (not is_ready or state.blocking):
        raise Conflict(
            f"the draft {state.name} cannot be published yet: {'; '.join(state.missing) or state.status.value}",
            draft=state.name,
            state=state.status.value,
            missing=state.missing,
        )


def _merge(flow: Workflow, who: Principal, draft: Draft, *, message: str, reason: str, now: datetime) -> Publication:
    state, merge = draft.state, draft.state.merge
    for blob, data in merge.contents.items():
        written = flow.writer.write_blob(data)
        assert written == blob
    tree = flow.writer.write_tree(flow.tree_of(state.published), dict(merge.changes))
    approved_by = tuple(sorted({person for entry in state.entries for person in entry.approvals}))
    trailers = [
        ("Draft", draft.name),
        ("Published-by", who.person),
        *(("Approved-by", person) for person in approved_by),
        *([("Bypass", reason)] if reason else []),
    ]
    commit = flow.write_commit(
        who,
        tree=tree,
        parents=[state.published, draft.head],
        message=message.strip() or subject_of(draft),
        trailers=trailers,
        now=now,
    )
    moves = [Move(flow.ref, state.published, commit), Move(draft.ref, draft.head, None)]
    flow.record(who, "bypass" if reason else "publish", moves, note=reason, now=now, has_turn=True)
    return Publication(
        draft=draft.name,
        commit=commit,
        head=draft.head,
        paths=tuple(sorted(merge.changes)),
        approved_by=approved_by,
        bypass=reason,
    )


def subject_of(draft: Draft) -> str:
    """The first line of a publication: what a log shows."""
    entries = draft.state.entries
    what = entries[0].slug or entries[0].path if len(entries) == 1 else f"{len(entries)} entries"
    return f"Publish {draft.name}: {what}"


def _done_before(flow: Workflow, who: Principal, permission: str, name: str) -> Publication | None:
    """The publication of a draft that is gone because it was published: asking twice does no harm."""
    try:
        ref = draft_ref(name)
    except RefNotFound:  # no draft can ever have been called that
        return None
    if flow.store.resolve(ref) is not None:
        return None
    last = next(reversed(flow.log.life(ref)), None)
    if last is None or last.act not in PUBLISHING:
        return None
    heads = {move.ref: move for move in last.moves}
    main = heads.get(flow.ref)
    if main is None or main.new is None or not flow.store.is_ancestor(main.new, flow.published()):
        return None
    target = Target(is_ready=True, reason="it was done before")
    if not allows(permission, who, flow.policy(), target) and not allows_everywhere("draft.read", who, flow.policy()):
        raise no_draft(name)
    require(permission, who, flow.policy(), target, missing=no_draft(name))
    old, head = main.old, heads[ref].old
    paths = tuple(change.path for change in flow.store.diff(old, main.new)) if old is not None else ()
    message = flow.store.commit(main.new).message
    return Publication(
        draft=name,
        commit=main.new,
        head=head or main.new,
        paths=paths,
        approved_by=all_trailers(message, "Approved-by"),
        bypass=find_trailer(message, "Bypass") or "",
        is_repeated=True,
    )


def _nothing_left(flow: Workflow, who: Principal, draft: Draft, now: datetime) -> Publication:
    """The draft is public already: a second click, or what a crash left over. Only the ref goes away."""
    is_public = flow.store.is_ancestor(draft.head, draft.state.published)
    if is_public and find_checkout(flow.store, draft.ref) is None:
        moves = [Move(draft.ref, draft.head, None)]
        flow.record(who, "publish", moves, note="was published already", now=now, has_turn=True)
    return Publication(draft=draft.name, commit=None, head=draft.head, paths=(), approved_by=())
