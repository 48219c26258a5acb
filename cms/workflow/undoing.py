"""Verbs that undo what was published: revert, roll back, unpublish, restore.

Each makes a draft with one commit, so that it is reviewed, published and logged like everything else. Nothing is taken out of history.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from cms.errors import Conflict, EntryNotFound, MergeConflict, RefNotFound
from cms.merge import merge_drafts
from cms.permissions import Principal, Target, require
from cms.pushlog import Move
from cms.refs import BlobId, CommitId, draft_ref
from cms.settings import SCHEMAS_FOLDER, SETTINGS_FILE
from cms.snapshot import Snapshot
from cms.workflow.flow import Workflow
from cms.workflow.outcome import DraftState
from cms.workflow.room import require_room
from cms.workflow.writing import EntryName, check_name, refuse_errors

Changes = Mapping[str, BlobId | None]


def revert(
    flow: Workflow, who: Principal, commit: CommitId, *, name: str = "", reason: str = "", now: datetime
) -> DraftState:
    """Begin a draft that takes back what one publication brought, and leaves what came after it.

    Raises:
        RefNotFound: it is no publication of this site.
        MergeConflict: later publications changed the same; facts: findings.
    """
    require("revert", who, flow.policy(), Target(owner=who.person, reason=reason))  # before anything is written
    published = flow.published()
    found = flow.store.commit(_published_commit(flow, commit))
    if not found.parents:
        raise Conflict("the first commit of a site cannot be reverted")
    merge = merge_drafts(flow.store, ours=published, theirs=found.parents[0], base=commit)
    if merge.clashes:
        raise MergeConflict(
            f"what {commit[:7]} brought was changed again since, so it cannot be taken back by itself: "
            + "; ".join(str(clash.finding()) for clash in merge.clashes[:5]),
            findings=tuple(clash.finding() for clash in merge.clashes),
        )
    for data in merge.contents.values():
        flow.writer.write_blob(data)
    subject = found.message.strip().partition("\n")[0]
    message = f'Revert "{subject}"\n\nThis takes back {commit}.\n\n{reason}'.strip()
    name = name or f"revert-{commit[:10]}"
    return _begin(flow, who, "revert", name, merge.changes, message, reason=reason, now=now)


def roll_back(
    flow: Workflow, who: Principal, commit: CommitId, *, name: str = "", reason: str = "", now: datetime
) -> DraftState:
    """Begin a draft that makes all content what it was at *commit*; settings, people and schemas stay as they are.

    Raises:
        RefNotFound: the published branch was never there.
        Conflict: nothing differs.
    """
    commit = _published_commit(flow, commit)
    changes = {
        change.path: change.new
        for change in flow.store.diff(flow.published(), commit)
        if change.path != SETTINGS_FILE and not change.path.startswith(f"{SCHEMAS_FOLDER}/")
    }
    message = f"Roll back to {commit[:10]}\n\nEverything but settings and schemas is as it was at {commit}.\n\n{reason}".strip()
    return _begin(flow, who, "revert", name or f"rollback-{commit[:10]}", changes, message, reason=reason, now=now)


def unpublish(
    flow: Workflow, who: Principal, entries: Sequence[EntryName], *, name: str = "", reason: str = "", now: datetime
) -> DraftState:
    """Begin a draft that withdraws entries; without a locale in every locale. Once published their addresses answer 410.

    Raises:
        EntryNotFound: one of them is not there.
        InvalidContent: something that stays refers to one of them; facts: findings.
    """
    files = flow.snapshot().files.values()
    changes: dict[str, BlobId | None] = {}
    for entry in entries:
        found = [
            file.path
            for file in files
            if (file.collection, file.slug) == (entry.collection, entry.slug) and entry.locale in ("", file.locale)
        ]
        if not found:
            raise EntryNotFound(f"there is no {entry} to withdraw", collection=entry.collection, slug=entry.slug)
        changes |= dict.fromkeys(found)
    message = f"Unpublish {_listed(entries)}\n\n{reason}".strip()
    return _begin(
        flow, who, "unpublish", name or f"unpublish-{_word(entries)}", changes, message, reason=reason, now=now
    )


def restore(
    flow: Workflow, who: Principal, entries: Sequence[EntryName], *, name: str = "", now: datetime
) -> DraftState:
    """Begin a draft that brings back withdrawn entries as they were last.

    Raises:
        EntryNotFound: history knows none of that name, or it is there.
    """
    snapshot = flow.snapshot()
    changes: dict[str, BlobId | None] = {}
    for entry in entries:
        found = _departed(snapshot, entry)
        if not found:
            raise EntryNotFound(
                f"history knows no withdrawn {entry}; it may be there still, or have had another slug",
                collection=entry.collection,
                slug=entry.slug,
            )
        changes |= found
    message = f"Restore {_listed(entries)}"
    return _begin(flow, who, "restore", name or f"restore-{_word(entries)}", changes, message, now=now)


def _departed(snapshot: Snapshot, entry: EntryName) -> dict[str, BlobId | None]:
    """The files of *entry* that were deleted, with what they held last."""
    found: dict[str, BlobId | None] = {}
    for path, (departure, *_) in snapshot.history.departed.items():
        place = snapshot.model.place(path)
        if departure.to is not None or path in snapshot.files or place is None:
            continue
        collection, match = place
        locale = match.locale or snapshot.model.settings.site.default_locale
        if (collection.name, match.slug) == (entry.collection, entry.slug) and entry.locale in ("", locale):
            found[path] = departure.blob
    return found


def _listed(entries: Sequence[EntryName]) -> str:
    return ", ".join(map(str, entries[:3])) + (f" and {len(entries) - 3} more" if len(entries) > 3 else "")


def _word(entries: Sequence[EntryName]) -> str:
    """A draft's name after an entry: slugs may hold what such names may not."""
    kept = (letter if letter.isascii() and (letter.isalnum() or letter in "-_") else "-" for letter in entries[0].slug)
    return "".join(kept)[:80].strip("-") or "entries"


def _published_commit(flow: Workflow, commit: CommitId) -> CommitId:
    """*commit* when the published branch holds it.

    Raises:
        RefNotFound: it does not, whether or not the repository has such an object.
    """
    if flow.store.resolve(commit) is None or not flow.store.is_ancestor(commit, flow.published()):
        raise RefNotFound(f"the published branch holds no commit {commit!r}; full ids are wanted", ref=commit)
    return commit


def _begin(
    flow: Workflow,
    who: Principal,
    permission: str,
    name: str,
    changes: Changes,
    message: str,
    *,
    reason: str = "",
    now: datetime,
) -> DraftState:
    """A new draft with one commit on top of what is published."""
    model = flow.snapshot().model
    places = {path: model.place(path) for path in changes}
    require(
        permission,
        who,
        flow.policy(),
        Target(
            paths=tuple(changes),
            collections={path: place[0].name for path, place in places.items() if place is not None},
            owner=who.person,
            reason=reason,
        ),
    )
    check_name(name)
    ref = draft_ref(name)
    require_room(flow, who.person, name)
    if not changes:
        raise Conflict("nothing would change: that is what is published")
    published = flow.published()
    tree = flow.writer.write_tree(flow.tree_of(published), dict(changes))
    commit = flow.write_commit(
        who, tree=tree, parents=[published], message=message, trailers=[("Draft", name)], now=now
    )
    refuse_errors(flow.state_at(name, commit, now), changes)
    flow.record(who, "start", [Move(ref, None, commit)], note=message.partition("\n")[0], now=now)
    return flow.state(name, now)
