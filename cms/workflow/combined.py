"""Several drafts at once: what would be published if they were, one after another, and nothing written.

The first is merged as publishing would merge it; every further one into what the ones before it made. What clashes is told of all of it,
with the draft that it was in the way of.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cms.errors import Conflict, InvalidContent, MergeConflict
from cms.merge import Merge, merge_onto
from cms.overlay import Overlay
from cms.permissions import Principal
from cms.refs import BlobId, CommitId
from cms.store import Store
from cms.workflow.flow import Draft, Workflow
from cms.workflow.outcome import describe_clash


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A draft that is to be laid over what is published."""

    name: str
    head: CommitId


@dataclass(frozen=True, slots=True, kw_only=True)
class Combined:
    """What drafts make together of a published commit.

    Attributes:
        overlay: reads it; its ``head`` stands for the result.
        changed: paths that differ from what is published.
    """

    overlay: Overlay
    parts: tuple[Part, ...]
    changed: frozenset[str]


def find_parts(flow: Workflow, who: Principal | None, names: Sequence[str], now: datetime) -> list[Draft]:
    """The drafts of these names, for somebody who wants to read them.

    Raises:
        DraftNotFound: there is none of a name, or *who* may not know of it.
        Forbidden, Unauthorised: *who* may not read it.
    """
    return [flow.find(who, "draft.read", name, expected=None, now=now) for name in names]


def combine(store: Store, published: CommitId, parts: Sequence[Part]) -> Combined:
    """Lay *parts* over the commit *published*, in their order.

    Raises:
        MergeConflict: the same was changed twice. Facts: conflicts (each with its ``draft``), findings.
        RepositoryProblem: a commit, tree or blob is missing or damaged.
    """
    changes: dict[str, BlobId | None] = {}
    contents: dict[BlobId, bytes] = {}
    overlay = Overlay(store, published, {})
    merged = [published]
    for part in parts:
        bases = _bases(store, merged, part.head)
        merge = merge_onto(store, ours=overlay.tree, theirs=part.head, bases=bases, reader=overlay)
        if merge.clashes:
            raise _refusal(part, merge, [other.name for other in parts[: len(merged) - 1]])
        changes |= merge.changes
        contents |= merge.contents
        try:
            overlay = Overlay(store, published, changes, contents)
        except (Conflict, InvalidContent) as error:  # a file where a folder is
            raise MergeConflict(
                f"the draft {part.name} cannot be laid over the others: {error}", draft=part.name
            ) from error
        merged.append(part.head)
    return Combined(overlay=overlay, parts=tuple(parts), changed=frozenset(changes))


def _bases(store: Store, merged: Sequence[CommitId], head: CommitId) -> list[CommitId]:
    """The best common ancestors of *head* and of a commit that would have all of *merged* as parents."""
    found = dict.fromkeys(base for one in merged for base in store.merge_bases(one, head))
    if len(found) < 2:
        return list(found)
    best = [base for base in found if not any(other != base and store.is_ancestor(base, other) for other in found)]
    return sorted(best, key=lambda id: (-store.commit(id).committed_at.timestamp(), id))


def _refusal(part: Part, merge: Merge, before: Sequence[str]) -> MergeConflict:
    findings = tuple(clash.finding() for clash in merge.clashes)
    others = f", with {' and '.join(before)} in it," if before else ""
    return MergeConflict(
        f"the draft {part.name} and the published branch{others} changed the same: {'; '.join(map(str, findings[:5]))}",
        draft=part.name,
        findings=findings,
        conflicts=[{**describe_clash(clash), "merging": part.name} for clash in merge.clashes],
    )
