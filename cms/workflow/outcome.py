"""The state of a draft as a value: what ``state.fold`` makes of the facts, and everybody else reads."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from cms.finding import Finding
from cms.merge import Clash, Merge
from cms.refs import BlobId, CommitId


class Status(StrEnum):
    """Where a draft is. Of those that would fit, the first of: published, conflicting, invalid, changes requested, scheduled, approved,
    in review, draft."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    CHANGES_REQUESTED = "changes_requested"
    APPROVED = "approved"
    SCHEDULED = "scheduled"
    PUBLISHED = "published"
    INVALID = "invalid"
    CONFLICTING = "conflicting"

    @property
    def words(self) -> str:
        """For sentences: "changes requested"."""
        return self.value.replace("_", " ")


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryState:
    """One file that publishing the draft would change: an entry, an asset, a schema or the settings.

    Attributes:
        collection, slug, locale: None and empty for what is no entry of the published content model.
        change: ``added``, ``changed`` or ``deleted``.
        blob: as it would be published; None when it would be deleted, or cannot be merged.
        approvals: whose approval counts now, each human once.
        needed: how many approvals the rule asks for.
        lapsed: whose approval saw other bytes of it.
        writers: who had a hand in it: ids with the ids of their bots, and "?mail" for an address that nobody has.
        may_approve: whose approval now would bring it nearer.
        needs_maintainer: one of the approvals, or the publisher when none is needed, must be a maintainer's.
        is_behind: the published branch changed it too, so that no approval counts before that is merged into the draft.
        is_clashing: it cannot be merged.
        is_satisfied: it has everything that the rule asks for.
        missing: what it still needs and who can give it; empty when it needs nothing.
    """

    path: str
    collection: str | None
    slug: str
    locale: str
    change: str
    blob: BlobId | None
    approvals: tuple[str, ...] = ()
    needed: int = 1
    lapsed: tuple[str, ...] = ()
    writers: frozenset[str] = frozenset()
    may_approve: tuple[str, ...] = ()
    needs_maintainer: bool = False
    is_behind: bool = False
    is_clashing: bool = False
    is_satisfied: bool = False
    missing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Something that somebody said about the draft: a commit with a trailer ``Review`` or ``Publish-At``.

    Attributes:
        at: when the server received it, or else the time in the commit.
        person: whose it is; None when nobody vouches for that.
        claimed: the name in the commit.
        verdict: ``request``, ``approve``, ``changes``, ``comment``, ``withdraw``, ``lift``, ``schedule``, ``unschedule``, or what else was written.
        message: what was written, without trailers.
        counts: it bears on the state now.
        why_not: why it does not; empty when it counts.
    """

    commit: CommitId
    at: datetime
    person: str | None
    claimed: str
    verdict: str
    message: str
    anchor: str = ""
    counts: bool = False
    why_not: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftState:
    """Everything about a draft at one moment.

    Attributes:
        base: where the draft left the published branch; None when they have nothing in common.
        owner: who began it, by the push log; None when the log does not say.
        remarks: oldest first.
        blocking: the open requests for changes.
        publish_at: when it goes public by itself, once nothing is missing; *scheduled_by* said so. *is_due*: that moment has come.
        findings: what is wrong with, or odd about, what would be published.
        clashes: what cannot be merged.
        missing: what is missing and who can give it, as sentences without a full stop; nothing when it may be published.
        writers: who had a hand in anything in it.
    """

    name: str
    head: CommitId
    published: CommitId
    base: CommitId | None
    owner: str | None
    status: Status
    entries: tuple[EntryState, ...]
    remarks: tuple[Remark, ...]
    blocking: tuple[Remark, ...]
    publish_at: datetime | None
    scheduled_by: str | None
    findings: tuple[Finding, ...]
    clashes: tuple[Clash, ...]
    missing: tuple[str, ...]
    writers: frozenset[str]
    merge: Merge
    is_due: bool = False


def describe_clash(clash: Clash) -> dict[str, Any]:
    """What both sides changed, with the values of both, for those who must choose."""
    return {
        "path": clash.path,
        "field": clash.field,
        "base": clash.base,
        "published": clash.ours,
        "draft": clash.theirs,
        "message": clash.message,
    }
