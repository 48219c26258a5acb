"""Previews of drafts: who may make them, and how long they are good for.

A preview is bound to the life of one draft: from when it was begun until it is published or closed. Another draft of the same name is another
draft. It is bound to its maker, too, and shows nothing once they may not show it themselves.
"""

from datetime import datetime

from cms.auth.previews import Previews, refused
from cms.auth.records import PreviewGrant, PreviewInfo
from cms.errors import Forbidden, NotFound, RepositoryProblem, Unauthorised
from cms.permissions import Principal
from cms.refs import CommitId
from cms.workflow.flow import Draft, Workflow

PERMISSION = "draft.share"


def share_draft(
    flow: Workflow, previews: Previews, who: Principal | None, name: str, *, expires_at: datetime | None, now: datetime
) -> tuple[PreviewInfo, str]:
    """Make a preview of the draft *name*; returns its token, too.

    Raises:
        DraftNotFound, Forbidden, Unauthorised: as for whoever may not read it, or not show it.
        InvalidQuery: it may not end then.
        Conflict: the draft has too many.
    """
    draft = _find(flow, who, name, now)
    person = who.person if who is not None else ""
    return previews.grant(name, _life(flow, draft.ref, draft.head), person, now=now, expires_at=expires_at)


def list_previews(
    flow: Workflow, previews: Previews, who: Principal | None, name: str, *, now: datetime
) -> list[PreviewInfo]:
    """The previews of a draft, the newest first.

    Raises:
        DraftNotFound, Forbidden, Unauthorised: as for whoever may not read it, or not show it.
    """
    draft = _find(flow, who, name, now)
    return [preview for preview in previews.of(name) if _is_alive(flow, draft.ref, draft.head, preview.life)]


def revoke_preview(
    flow: Workflow, previews: Previews, who: Principal | None, name: str, id: str, *, now: datetime
) -> PreviewInfo:
    """End a preview, whoever made it: who may show a draft may also stop showing it.

    Raises:
        DraftNotFound, Forbidden, Unauthorised: as for whoever may not read it, or not show it.
        NotFound: the draft has no such preview.
    """
    _find(flow, who, name, now)
    return previews.revoke(name, id, now=now)


def require_shown(flow: Workflow, grant: PreviewGrant, *, now: datetime) -> Draft:
    """The draft that a preview shows, as it is now.

    Raises:
        Unauthorised: that draft is gone, or who made the preview may not show it any more; does not say which.
        Conflict, InvalidSettings, RepositoryProblem: it cannot be told.
    """
    maker = Principal(person=grant.person, via="session")
    try:
        draft = _find(flow, maker, grant.draft, now)
    except (NotFound, Forbidden, Unauthorised) as error:
        raise refused() from error
    if not _is_alive(flow, draft.ref, draft.head, grant.life):
        raise refused()
    return draft


def _find(flow: Workflow, who: Principal | None, name: str, now: datetime) -> Draft:
    return flow.find(who, PERMISSION, name, expected=None, now=now)


def _life(flow: Workflow, ref: str, head: CommitId) -> CommitId:
    """What tells this draft from another one of its name: the entry of the log that began it, where there is one, or else its head."""
    return _beginning(flow, ref) or head


def _is_alive(flow: Workflow, ref: str, head: CommitId, life: str) -> bool:
    beginning = _beginning(flow, ref)
    if beginning is not None:
        return life == beginning
    try:
        return flow.store.is_ancestor(CommitId(life), head)
    except RepositoryProblem:  # it was rewritten, and what it was before is gone
        return False


def _beginning(flow: Workflow, ref: str) -> CommitId | None:
    entries = flow.log.life(ref)
    first = next((move for entry in entries[:1] for move in entry.moves if move.ref == ref), None)
    last = next((move for entry in entries[-1:] for move in entry.moves if move.ref == ref), None)
    if first is None or first.old is not None or last is None or last.new is None:
        return None
    return entries[0].id
