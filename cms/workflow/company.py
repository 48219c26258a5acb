"""Drafts that hold commits of other drafts: what a publication would do to those.

Git takes for merged whatever is an ancestor. A draft that merged another one and dropped its changes, or two that began with the same commits of
which one took some back, would on publication pass the other one for published, with its texts nowhere; and its commits would be public.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta

from cms.refs import CommitId, find_draft_name
from cms.store import Store
from cms.workflow.outcome import DraftState

COMMITS_MOST = 5_000
CLOCK_SLACK = timedelta(days=1)
_LATEST = datetime.max.replace(tzinfo=UTC)


def why_in_company(store: Store, drafts: Mapping[str, CommitId], state: DraftState) -> str:
    """Why publishing a draft would take away another one; empty when it would not.

    Args:
        store: sees both.
        drafts: refs and heads of all drafts that there are.

    Raises:
        RepositoryProblem: a commit or tree is missing or damaged.
    """
    search = _Search(store, state)
    for ref, head in drafts.items():
        other = find_draft_name(ref)
        if other is None or other == state.name or not search.may_share(head):
            continue
        path = _find_dropped(store, head, state)
        if path:
            return (
                f"the draft {state.name} holds commits of drafts/{other} and not what they change in {path}, so that {other} would pass for "
                f"published: leave them out (git rebase), or have {other} closed first"
            )
    return ""


class _Search:
    """Tells which drafts have commits in common with one, at the cost of what was committed since that one began."""

    def __init__(self, store: Store, state: DraftState) -> None:
        self._store = store
        commits = store.commits_between(state.published, state.head, limit=COMMITS_MOST)
        self._own: Collection[CommitId] | None = None if commits is None else {commit.id for commit in commits}
        self._since = min((commit.committed_at for commit in commits or ()), default=_LATEST) - CLOCK_SLACK
        self._clean: set[CommitId] = set()

    def may_share(self, head: CommitId) -> bool:
        """Whether a commit of the draft is an ancestor of *head*; True also when that would take too long to find out."""
        if self._own is None:
            return True
        waiting, seen = [head], {head}
        while waiting:
            id = waiting.pop()
            if id in self._own or len(seen) > COMMITS_MOST:
                return True
            commit = self._store.commit(id)
            if commit.committed_at >= self._since:
                fresh = [parent for parent in commit.parents if parent not in seen and parent not in self._clean]
                seen.update(fresh)
                waiting += fresh
        self._clean |= seen
        return False


def _find_dropped(store: Store, other: CommitId, state: DraftState) -> str:
    """A file that commits in both changed, and publishing the draft would not; empty when there is none."""
    shared = store.merge_base(other, state.head)
    if shared is None or store.is_ancestor(shared, state.published):
        return ""
    base = store.merge_base(shared, state.published)
    if base is None:
        return ""
    paths = [change.path for change in store.diff(base, shared) if change.path not in state.merge.changes]
    now, then = store.find_blobs(state.published, paths), store.find_blobs(shared, paths)
    return next((path for path, one, two in zip(paths, now, then, strict=True) if one != two), "")
