"""Work trees whose checked-out branch moves: they follow, as ``receive.denyCurrentBranch = updateInstead`` lets them in Git.

Whoever works in a clone of the site has a branch checked out. When that branch moves below the work tree, Git would take the
old files for changes that undo what was just published. So before the move somebody asks ``checkout_problem``, and after it
``refresh_work_tree`` brings the files along; nothing that is not committed is ever overwritten.

Not here: moving the ref (``writer``).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from os.path import lexists
from pathlib import Path

from cms.errors import RepositoryProblem
from cms.gitprogram import Done, require_git, run_git
from cms.refs import CommitId
from cms.store import Store

_SHOWN = 5
_SYMBOLIC = "ref: "


@dataclass(frozen=True, slots=True)
class _Checkout:
    """A work tree, with the folder that has its HEAD and index."""

    git_dir: Path
    work_tree: Path

    def git(self, *arguments: str) -> Done:
        git = require_git(self.git_dir, "bringing a work tree up to date")
        return run_git(git, self.git_dir, arguments, work_tree=self.work_tree, is_sealed=False)

    def read_tree(self, old: CommitId | None, new: CommitId, *options: str) -> Done:
        """Change files and index from *old* to *new*, if nothing uncommitted is in the way."""
        trees = [old, new] if old else [new]
        done = self.git("read-tree", *options, "-m", "-u", *trees)
        if done.code != 0:  # perhaps only because files were touched, and not changed
            self.git("update-index", "-q", "--refresh")
            done = self.git("read-tree", *options, "-m", "-u", *trees)
        return done


def checkout_problem(store: Store, ref: str, new: CommitId) -> str | None:
    """Say why *ref* cannot move to *new* without losing what is not committed in a work tree that has it checked out.

    Returns:
        A sentence for a person; None when no work tree has it checked out, or all can follow.

    Raises:
        RepositoryProblem: a work tree has it checked out, and Git's program is not installed.
    """
    old = store.resolve(ref)
    for checkout in _checkouts(store, ref):
        done = checkout.read_tree(old, new, "-n")
        if done.code != 0:
            return _explain(store, checkout, old, new, done)
    return None


def refresh_work_tree(store: Store, ref: str, old: CommitId | None, new: CommitId) -> str | None:
    """Bring the work trees that have *ref* checked out from *old* to *new*, after the ref moved.

    Returns:
        None when all of them followed; a sentence with what to do when one could not, because somebody was faster. The ref
        has moved all the same.
    """
    problems = []
    for checkout in _checkouts(store, ref):
        try:
            done = checkout.read_tree(old, new)
            problem = _explain(store, checkout, old, new, done) if done.code != 0 else None
        except RepositoryProblem as error:
            problem = str(error)
        if problem is not None:
            problems.append(f"{problem}. Then run `git -C {checkout.work_tree} reset --merge {new[:10]}`")
    return "; ".join(problems) or None


def find_checkout(store: Store, ref: str) -> Path | None:
    """Find a work tree that has *ref* checked out; a branch that is taken away below one leaves it without a commit to stand on."""
    return next((checkout.work_tree for checkout in _checkouts(store, ref)), None)


def _checkouts(store: Store, ref: str) -> Iterator[_Checkout]:
    """Find the work trees whose HEAD points to *ref*: the one beside the repository, and linked ones."""
    folders = {store.git_dir: store.work_tree}
    if store.git_dir != store.common_dir and store.common_dir.name == ".git":
        folders[store.common_dir] = store.common_dir.parent
    linked = store.common_dir / "worktrees"
    for git_dir in sorted(linked.iterdir()) if linked.is_dir() else ():
        place = _read_line(git_dir / "gitdir")
        if place is not None:
            folders.setdefault(git_dir, (git_dir / place).parent)
    for git_dir, work_tree in folders.items():
        head = _read_line(git_dir / "HEAD")
        if work_tree is not None and work_tree.is_dir() and head == f"{_SYMBOLIC}{ref}":
            yield _Checkout(git_dir, work_tree)


def _read_line(path: Path) -> str | None:
    try:
        return path.read_text("utf-8", "surrogateescape").rstrip("\n")
    except OSError:
        return None


def _explain(store: Store, checkout: _Checkout, old: CommitId | None, new: CommitId, done: Done) -> str:
    """Say which files are in the way in our own words, which do not depend on the language that Git speaks to a person."""
    place = checkout.work_tree
    if old is not None:
        dirty = checkout.git("diff-index", "--name-only", "--no-ext-diff", "-z", old, "--")
        touched = set(dirty.output.decode("utf-8", "surrogateescape").split("\0"))
        changes = store.diff(old, new)
        in_the_way = [
            change.path
            for change in changes
            if change.path in touched or (change.old is None and lexists(place / change.path))
        ]
        if in_the_way:
            more = f" and {len(in_the_way) - _SHOWN} more" if len(in_the_way) > _SHOWN else ""
            files = ", ".join(in_the_way[:_SHOWN])
            return (
                f"the work tree {place} has changes that are not committed in {files}{more}; commit or undo them first"
            )
    return f"the work tree {place} cannot follow: {done.complaint}"
