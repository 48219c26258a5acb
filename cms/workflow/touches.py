"""Which files a commit itself changed, and what a draft had changed at some point of it."""

from collections.abc import Iterable, Mapping, Sequence

from cms.moves import find_moves
from cms.objects import Change, Commit, compare
from cms.refs import BlobId, CommitId, TreeId
from cms.store import Store
from cms.workflow.kept import KeptTrees

Changes = Mapping[str, BlobId | None]


class Trees:
    """Compares commits of one repository. *reader* reads like the store, and keeps what it read."""

    def __init__(self, store: Store, commits: Mapping[CommitId, Commit] | None = None) -> None:
        """*commits* are those that are known already."""
        self.reader = KeptTrees(store)
        self._commits = commits if commits is not None else {}

    def tree_of(self, commit: CommitId) -> TreeId:
        """The tree of a commit."""
        known = self._commits.get(commit)
        return (known if known is not None else self.reader.commit(commit)).tree

    def compare(self, old: CommitId, new: CommitId, paths: Sequence[str] = ()) -> list[Change]:
        """The files that differ; only those at and below *paths* if there are any.

        Raises:
            RepositoryProblem: an object is missing or damaged.
        """
        before, after = self.tree_of(old), self.tree_of(new)
        return compare(before, after, self.reader.read_tree, paths) if before != after else []

    def differences(self, old: CommitId, new: CommitId, paths: Sequence[str] = ()) -> Changes:
        """The files that differ, with what they are in *new* (None: gone)."""
        return {change.path: change.new for change in self.compare(old, new, paths)}


def changed_files(store: Store, commit: Commit, trees: Trees | None = None) -> frozenset[str]:
    """The files that somebody wrote with *commit*.

    Of a merge that is every file where the result is not simply the version of the one side that changed it: a conflict that was resolved,
    something added on the way, and also a side's change that was dropped without a trace (``git merge -s ours``).

    Raises:
        RepositoryProblem: an object is missing or damaged.
    """
    trees = trees if trees is not None else Trees(store)
    if not commit.parents:
        return frozenset(file.path for file in store.list_files(commit.id))
    if len(commit.parents) == 1:
        return frozenset(trees.differences(commit.parents[0], commit.id))
    return _written_in_merge(store, commit, trees)


def moved_files(commit: Commit, trees: Trees) -> dict[str, str]:
    """The files that *commit* put elsewhere: where each is now, and where it was. Of a merge that is not looked for.

    Raises:
        RepositoryProblem: an object is missing or damaged.
    """
    if len(commit.parents) != 1:
        return {}
    changes = trees.compare(commit.parents[0], commit.id)
    removed = {change.path: change.old for change in changes if change.old is not None and change.new is None}
    added = {change.path: change.new for change in changes if change.old is None and change.new is not None}
    moves = find_moves(removed, removed, added, trees.reader.read_blob) if removed and added else {}
    return {new: old for old, new in moves.items()}


def _written_in_merge(store: Store, commit: Commit, trees: Trees) -> frozenset[str]:
    first, *others = commit.parents
    base = store.merge_base(first, others[0]) if len(others) == 1 else None
    against = [trees.differences(parent, commit.id) for parent in commit.parents]
    touched: set[str] = set().union(*against)
    if base is None or not touched:
        return frozenset(touched)
    sides = [trees.differences(base, parent) for parent in commit.parents]
    return frozenset(path for path in touched if not _is_taken(path, against, sides))


def _is_taken(path: str, against: list[Changes], sides: list[Changes]) -> bool:
    """Whether of two sides only one changed *path*, and the merge has just that."""
    changed = [number for number, side in enumerate(sides) if path in side]
    return len(changed) == 1 and path not in against[changed[0]]


def seen_files(store: Store, base: CommitId | None, commit: CommitId, trees: Trees | None = None) -> Changes:
    """The files that a draft that left the published branch at *base* had changed at *commit*, with what they were then.

    Raises:
        RepositoryProblem: an object is missing or damaged.
    """
    if base is None:
        return {file.path: file.blob for file in store.list_files(commit)}
    return (trees if trees is not None else Trees(store)).differences(base, commit)


class Bases:
    """Where each commit of a draft left the published branch, worked out from the commits of the draft alone where that is possible."""

    def __init__(self, store: Store, published: CommitId, commits: Iterable[Commit]) -> None:
        """*commits* are all of those that the published branch does not have, none before its parents."""
        self._store = store
        self._published = published
        self._below: dict[CommitId, frozenset[CommitId]] = {}
        self._best: dict[frozenset[CommitId], frozenset[CommitId]] = {}
        for commit in commits:
            below = frozenset[CommitId]().union(*(self._below.get(parent, {parent}) for parent in commit.parents))
            self._below[commit.id] = self._without_ancestors(below) if len(below) > 1 else below

    def find(self, commit: CommitId) -> CommitId | None:
        """The newest commit that *commit* and the published branch have in common; None when there is none."""
        below = self._below.get(commit)
        if below is None:
            return commit
        if len(below) < 2:
            return next(iter(below), None)
        return self._store.merge_base(commit, self._published)

    def find_only(self, commit: CommitId) -> CommitId | None:
        """As ``find`` where there is but one such commit; None where histories crossed, or have nothing in common."""
        below = self._below.get(commit, {commit})
        return next(iter(below)) if len(below) == 1 else None

    def _without_ancestors(self, commits: frozenset[CommitId]) -> frozenset[CommitId]:
        """*commits* without those that another one descends from."""
        known = self._best.get(commits)
        if known is None:
            old = {one for one in commits for other in commits if one != other and self._store.is_ancestor(one, other)}
            known = self._best[commits] = commits - old
        return known
