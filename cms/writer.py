"""The one place that writes to a repository: objects first, then one ref, and all of it on the disk before a call returns.

Objects are never in anybody's way. What decides is the move of a ref: it happens under Git's own lock (``<ref>.lock``, which
Git's program respects too), and only if the ref still is where the caller saw it. libgit2 syncs the files it writes and the
folder each goes to; what it leaves out, folders it had to make and folders it deletes from, is synced here.

A disk that fails to sync may have lost what it was given before, and a second try would be told that all is well; so after
such a failure a writer refuses to write until the program is started anew.

Not here: the bytes of objects (``rawobjects``), what may be written and when (``workflow``), work trees (``worktree``).
"""

import fcntl
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import pygit2
from pygit2.enums import ObjectType, ReferenceType, RepositoryOpenFlag

from cms.errors import Conflict, RefMoved, RepositoryProblem
from cms.gitprogram import require_git, run_git
from cms.overlay import object_id
from cms.rawobjects import Ident, format_commit, format_signature, rewrite_tree
from cms.refs import BlobId, CommitId, TreeId, is_ref
from cms.store import Store
from cms.young import YoungObjects, sync_folder

__all__ = ["Ident", "Signer", "Writer", "remove_stale_locks"]

LOCK_SECONDS = 2.0
STALE_SECONDS = 10.0
HELD_SECONDS = 60.0
SLOW_SECONDS = 600.0
# The last of them is no lock, but while it is there nobody can write it, and no ref be deleted.
_QUICK_LOCKS = ("HEAD.lock", "packed-refs.lock", "packed-refs.new")
_SLOW_LOCKS = (
    "objects/info/commit-graph.lock",
    "objects/info/commit-graphs/commit-graph-chain.lock",
    "objects/pack/multi-pack-index.lock",
)
_TURN_FILE = "branchpress.cleaning"
_PAUSE_SECONDS = (0.001, 0.02)
_REFLOG_IDENT = ("Branchpress", "branchpress@localhost")
_FOLDER_TRIES = 10
_GONE = ("No such file or directory",)
_BUSY = ("failed to lock file", "failed to create locked file", *_GONE)
_FULL = ("No space left on device", "Disk quota exceeded")


class Signer(Protocol):
    """Signs commits: an SSH or GPG key that the server holds."""

    def sign(self, payload: bytes) -> str:
        """Return the armoured signature of *payload*."""


class _Busy(Exception):
    """Somebody else holds the lock of the ref."""


class Writer:
    """Writes to the repository of a store. Safe to use from many threads."""

    def __init__(self, store: Store, *, signer: Signer | None = None) -> None:
        """Make a writer; from then on libgit2 syncs what it writes in this process.

        Args:
            signer: signs every commit that is written.
        """
        pygit2.settings.enable_fsync_gitdir(True)
        store.close()  # what was opened before would not sync refs
        self._store = store
        self._signer = signer
        self._failure = ""
        self._young = YoungObjects(store)

    @property
    def signer(self) -> Signer | None:
        """Who signs every commit that is written; the push log asks."""
        return self._signer

    def write_blob(self, data: bytes) -> BlobId:
        """Write the bytes of a file and return their id.

        Raises:
            RepositoryProblem: the disk is full, read-only or failing.
        """
        return BlobId(self._write(ObjectType.BLOB, data))

    def write_tree(self, base: TreeId | None, changes: Mapping[str, BlobId | None]) -> TreeId:
        """Write the tree that *base* (None: the empty one) becomes by *changes*, and return its id.

        Args:
            changes: path to its new blob, None removes the file. Files keep their modes, new ones are no programs.

        Raises:
            InvalidContent: a path that must not be in a tree.
            Conflict: a file would go where a folder stays, or the other way round.
            RepositoryProblem: a blob or tree is missing, or the disk refuses.
        """
        for path, blob in changes.items():
            if blob is not None and self._kind(blob) is None:
                raise RepositoryProblem(f"the blob {blob} for {path} is not in the repository", object=blob, path=path)
        return rewrite_tree(base, changes, self._store.read_tree, lambda raw: TreeId(self._write(ObjectType.TREE, raw)))

    def write_commit(
        self, *, tree: TreeId, parents: Sequence[CommitId], author: Ident, committer: Ident, message: str
    ) -> CommitId:
        """Write a commit, signed if there is a signer, and return its id. No ref is moved.

        Names and e-mails lose what could end a header: line feeds, control characters, ``<`` and ``>``.

        Raises:
            RepositoryProblem: the tree or a parent is missing, or the disk refuses.
        """
        for id, kind in ((tree, ObjectType.TREE), *[(parent, ObjectType.COMMIT) for parent in parents]):
            self._require(id, kind)
        head, tail = format_commit(tree=tree, parents=parents, author=author, committer=committer, message=message)
        signature = format_signature(self._signer.sign(head + tail)) if self._signer is not None else b""
        return CommitId(self._write(ObjectType.COMMIT, head + signature + tail))

    def move_ref(self, ref: str, *, old: CommitId | None, new: CommitId | None, message: str = "") -> None:
        """Move *ref* from *old* to *new*, if it still is at *old*. When this returns, the move survives a power cut.

        Args:
            ref: a full name.
            old: where the caller saw it; None if it must not exist yet.
            new: where it goes; None deletes it.
            message: for the reflog, where one is kept.

        Raises:
            RefMoved: it is elsewhere, or somebody holds its lock for longer than LOCK_SECONDS; nothing was changed.
            Conflict: the name is taken by a folder of refs, or a part of it by a ref.
            RepositoryProblem: *new* is no commit, or the disk refuses.
        """
        if not is_ref(ref):
            raise ValueError(f"{ref!r} is no full name of a ref")
        if new is not None:
            self._require(new, ObjectType.COMMIT)
            with self._guard(ref):
                self._young.sync(new, now=time.time())
                sync_folder(self._store.common_dir / "objects")
        give_up_at = time.monotonic() + LOCK_SECONDS
        may_remove = True
        while True:
            try:
                with self._guard(ref):
                    self._try_move(ref, old, new, message)
                return
            except _Busy as busy:
                if time.monotonic() > give_up_at:
                    if not may_remove or not remove_stale_locks(self._store, seconds=HELD_SECONDS):
                        raise self._held(ref) from busy
                    may_remove = False  # once: a program was killed while we went on
                time.sleep(random.uniform(*_PAUSE_SECONDS))  # noqa: S311 - no secret

    def _try_move(self, ref: str, old: CommitId | None, new: CommitId | None, message: str) -> None:
        repository = pygit2.Repository(str(self._store.git_dir), RepositoryOpenFlag.NO_SEARCH)
        repository.set_ident(*_REFLOG_IDENT)
        if new is None:
            _require_at(repository, ref, old)
            if old is not None:
                self._delete(repository, ref, old)
            return
        place = self._store.common_dir / ref
        was_loose = place.is_file()
        with _transaction(repository) as transaction:
            try:
                transaction.lock_ref(ref)
            except (pygit2.GitError, OSError) as error:
                raise self._lock_problem(repository, ref, error) from error
            _require_at(repository, ref, old)
            if old is None:
                _require_free(repository, ref)
            transaction.set_target(ref, new, message=message or None)
            transaction.commit()
        if not was_loose:
            _sync_folders_to(place, self._store.common_dir / "refs")

    def _delete(self, repository: pygit2.Repository, ref: str, old: CommitId) -> None:
        """Delete a ref with Git's program.

        libgit2 lets go of the packed refs before the ref's own file is gone, and Git's program, packing refs in between, would
        bring the ref back.
        """
        git = require_git(self._store.git_dir, "deleting a branch")
        arguments = [
            "-c",
            "core.fsync=all",
            "-c",
            "core.hooksPath=/dev/null",
            "update-ref",
            "--no-deref",
            "-d",
            ref,
            old,
        ]
        done = run_git(git, self._store.common_dir, arguments)
        if done.code != 0:
            _require_at(repository, ref, old)
            if _says(done.complaint, (".lock': File exists", *_GONE)):
                raise _Busy
            raise OSError(done.complaint)
        _sync_folders_to(self._store.common_dir / ref, self._store.common_dir)

    def _lock_problem(self, repository: pygit2.Repository, ref: str, error: Exception) -> Exception:
        """Say why the lock of *ref* was not to be had."""
        taken = _in_the_way(repository, ref)
        if taken is not None:
            return taken
        return _Busy() if _says(error, _BUSY) else error

    def _held(self, ref: str) -> RefMoved:
        lock = self._store.common_dir / f"{ref}.lock"
        what = f"{lock} exists" if lock.exists() else "its lock is never free"
        return RefMoved(
            f"{ref} is being changed by somebody else: {what}",
            ref=ref,
            hint="try again; a lock that a killed program left behind is removed at the next start, or by hand",
        )

    def _write(self, kind: ObjectType, raw: bytes) -> str:
        id = object_id(kind.name.lower(), raw)
        file = self._store.common_dir / "objects" / id[:2] / id[2:]
        with self._guard("objects"), self._store.lend() as git:
            was_there = file.exists()
            self._put(git.odb, kind, raw)
            try:
                git.odb.read_header(id)
            except (pygit2.GitError, KeyError, ValueError, OSError):
                _remove_empty(file)
                self._put(git.odb, kind, raw)
            else:
                if was_there:  # then it was not written, and whoever did may have left it in memory
                    self._young.sync_object(id)
            self._young.add(id)
        return id

    def _put(self, objects: pygit2.Odb, kind: ObjectType, raw: bytes) -> None:
        for _ in range(_FOLDER_TRIES):
            try:
                objects.write(kind, raw)
                return
            except (pygit2.GitError, OSError) as error:
                # Maintenance took the folder away, which was empty until now; or names of temporary files are taken, since
                # processes that were forked from one another invent the same ones.
                if not _says(error, (*_GONE, "File exists")):
                    raise
        objects.write(kind, raw)

    def _require(self, id: str, kind: ObjectType) -> None:
        if self._kind(id) != kind:
            raise RepositoryProblem(f"there is no {kind.name.lower()} {id} in the repository", object=id)

    def _kind(self, id: str) -> int | None:
        """Find what kind of object *id* is; None when there is no such object."""
        with self._store.lend() as git:
            try:
                return int(git.odb.read_header(id)[0])
            except KeyError:
                return None
            except (pygit2.GitError, ValueError, OSError) as error:
                raise RepositoryProblem(f"object {id} cannot be read: {error}", object=id) from error

    @contextmanager
    def _guard(self, what: str) -> Iterator[None]:
        """Turn what the disk refuses into our words, and remember a failure after which nothing can be trusted."""
        if self._failure:
            raise RepositoryProblem(
                f"writing stopped, since the disk failed before: {self._failure}",
                path=str(self._store.git_dir),
                hint="check the disk and the repository (`git fsck`), then start again",
            )
        try:
            yield
        except (pygit2.GitError, OSError) as error:
            path = str(self._store.git_dir)
            if _says(error, _FULL):
                raise RepositoryProblem(
                    f"{what} cannot be written: the disk is full", path=path, hint="make room"
                ) from error
            if _says(error, ("Input/output error",)):
                self._failure = str(error)
            raise RepositoryProblem(f"{what} cannot be written: {error}", path=path, hint="check the disk") from error


def remove_stale_locks(store: Store, *, seconds: float | None = None) -> list[str]:
    """Remove the locks that killed programs left behind; to be called at start.

    A lock of a ref is held for milliseconds, so one older than *seconds* (STALE_SECONDS) has no owner; those of the commit graph
    and the like are given longer. Two programs that start at once take turns, so that none removes what somebody locked after
    the other had removed it.

    Returns:
        The files removed.

    Raises:
        RepositoryProblem: one cannot be removed.
    """
    removed = []
    folder = store.common_dir
    quick = STALE_SECONDS if seconds is None else seconds
    try:
        with (folder / _TURN_FILE).open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            now = time.time()
            locks = [(folder / name, quick) for name in _QUICK_LOCKS]
            locks += [(lock, quick) for lock in sorted((folder / "refs").rglob("*.lock"))]
            locks += [(folder / name, max(quick, SLOW_SECONDS)) for name in _SLOW_LOCKS]
            for lock, age in locks:
                if lock.is_file() and lock.stat().st_mtime < now - age:
                    lock.unlink(missing_ok=True)
                    removed.append(str(lock))
    except OSError as error:
        raise RepositoryProblem(f"a stale lock cannot be removed: {error}", path=str(folder)) from error
    return removed


@contextmanager
def _transaction(repository: pygit2.Repository) -> Iterator[Any]:
    """Lend a transaction that is committed by hand; what it still locks at the end is let go at once."""
    transaction = repository.transaction()
    try:
        yield transaction
    finally:
        # pygit2's own way to leave commits again, and after a failure keeps the locks until the garbage is collected.
        transaction.__exit__(RuntimeError, None, None)


def _require_at(repository: pygit2.Repository, ref: str, old: CommitId | None) -> None:
    """Check, under its lock, that *ref* is at *old*."""
    try:
        reference = repository.lookup_reference(ref)
    except KeyError:
        found = None
    except ValueError as error:
        raise RepositoryProblem(f"{ref} holds no id", ref=ref, hint="run `git fsck`") from error
    else:
        if reference.type == ReferenceType.SYMBOLIC:
            raise Conflict(f"{ref} only points to {reference.target}, which must be moved instead", ref=ref)
        found = str(reference.target)
    if found != old:
        where = f"is at {found[:10]}" if found else "does not exist"
        expected = f"not at {old[:10]}" if old else "and was not to exist yet"
        raise RefMoved(f"{ref} {where}, {expected}", ref=ref, expected=old, found=found)


def _require_free(repository: pygit2.Repository, ref: str) -> None:
    taken = _in_the_way(repository, ref)
    if taken is not None:
        raise taken


def _in_the_way(repository: pygit2.Repository, ref: str) -> Conflict | None:
    """Find what makes the new name *ref* impossible: refs are files, so none can be a folder of others. Packed ones too."""
    for raw in repository.raw_listall_references():
        other = raw.decode("utf-8", "replace")
        if other.startswith(f"{ref}/") or ref.startswith(f"{other}/"):
            return Conflict(f"{ref} cannot exist beside {other}", ref=ref, other=other, hint="choose another name")
    return None


def _sync_folders_to(path: Path, top: Path) -> None:
    """Sync the folders from that of *path* up to *top*; those that are gone need none."""
    for folder in path.parents:
        with suppress(FileNotFoundError):
            sync_folder(folder)
        if folder == top:
            return


def _remove_empty(file: Path) -> None:
    """Remove the empty file that a power cut made of an object that was not synced: it would count as written for ever."""
    if file.stat().st_size == 0:
        file.unlink()


def _says(error: Exception | str, texts: Sequence[str]) -> bool:
    return any(text in str(error) for text in texts)
