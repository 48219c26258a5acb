"""The repository as objects and refs: the one place, with ``history``, where Git is read.

Reads only, and only committed objects: work tree and index do not matter, so a bare repository will do. Nothing of pygit2
leaves this module; its errors and those of the file system become RepositoryProblem.

A ``pygit2.Repository`` must not be used by two threads at once and keeps packs mapped that ``git gc`` replaced, so there is a
pool: an operation takes one out, and all are closed after POOL_SECONDS.

Not here: what the files mean (``snapshot``), who changed them when (``history``).
"""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pygit2
from pygit2.enums import ObjectType, ReferenceType, RepositoryOpenFlag, SortMode

from cms.errors import RepositoryProblem
from cms.objects import Change, Commit, TreeListing, compare, list_files, parse_commit
from cms.refs import HEAD, BlobId, CommitId, TreeId, is_commit_id, is_ref

POOL_SECONDS = 30.0
RACY_NANOSECONDS = 50_000_000
UNKNOWN_SECONDS = 2.0
_MAX_UNKNOWN = 4096
_MAX_SYMBOLIC = 5
_REGULAR_FILES = (0o100644, 0o100755, 0o100664)
_FSCK = "run `git fsck` in the repository, and restore the object from a backup or another clone"

_Signature = tuple[tuple[int, int, int, int] | None, ...]


class _Git:
    """One open repository with its object database; belongs to one thread at a time."""

    __slots__ = ("_path", "odb", "opened_at", "repository")

    def __init__(self, path: str) -> None:
        self._path = path
        self.reopen()

    def reopen(self) -> None:
        """Open anew, which sees new packs and lets go of replaced ones."""
        try:
            self.repository = pygit2.Repository(self._path, RepositoryOpenFlag.NO_SEARCH)
            self.odb = self.repository.odb
        except (pygit2.GitError, OSError, ValueError) as error:
            raise _opening_problem(Path(self._path), error) from error
        self.opened_at = time.monotonic()


class Store:
    """A Git repository, open for reading. Safe to use from many threads."""

    def __init__(self, git_dir: Path, common_dir: Path, work_tree: Path | None) -> None:
        """Use ``Store.open``."""
        self.git_dir = git_dir
        self.common_dir = common_dir
        self.work_tree = work_tree
        self._path = str(git_dir)
        self._idle: list[_Git] = []
        self._unknown: dict[str, tuple[float, _Signature]] = {}

    @classmethod
    def open(cls, path: Path) -> "Store":
        """Open the repository at *path*: bare, the root of a work tree (also a linked one), or its ``.git``.

        Who owns the folder does not matter, since reading runs no command that a configuration could name.

        Raises:
            RepositoryProblem: no such folder, no repository, or one of a kind that cannot be read; facts: path, hint.
        """
        pygit2.settings.owner_validation = False
        try:
            repository = pygit2.Repository(str(path), RepositoryOpenFlag.NO_SEARCH)
            git_dir, work_tree = Path(repository.path), repository.workdir
            common_dir = _read_common_dir(git_dir)
        except (pygit2.GitError, OSError, ValueError) as error:
            raise _opening_problem(path, error) from error
        return cls(git_dir, common_dir, Path(work_tree) if work_tree else None)

    def head_ref(self) -> str | None:
        """Return the ref that HEAD points to, even if it has no commit yet; None when HEAD is detached."""
        with self._git() as git:
            reference = _find_reference(git, HEAD)
            if reference is None or reference.type != ReferenceType.SYMBOLIC:
                return None
            return str(reference.target)

    def resolve(self, name: str) -> CommitId | None:
        """Find the commit that *name* stands for: a full ref name, ``HEAD``, or a whole commit id; tags are peeled.

        Returns:
            None when there is no such ref or object, when the branch has no commit yet, or when it is no commit.
            Nothing is abbreviated and no other notation of Git is understood.
        """
        if is_commit_id(name):
            return self._find_commit(name)
        if name != HEAD and not is_ref(name):
            return None
        with self._git() as git:
            return _resolve_reference(git, name)

    def refs(self, prefix: str) -> dict[str, CommitId]:
        """Return every ref whose name begins with *prefix* and that leads to a commit, ordered by name."""
        with self._git() as git:
            try:
                raw_names = git.repository.raw_listall_references()
            except (pygit2.GitError, OSError, ValueError) as error:
                raise RepositoryProblem(f"the refs cannot be read: {error}", path=self._path) from error
            names = sorted(name for raw in raw_names if (name := raw.decode("utf-8", "replace")).startswith(prefix))
            found = {name: _resolve_reference(git, name) for name in names}
        return {name: commit for name, commit in found.items() if commit is not None}

    def watch(self, ref: str) -> "RefWatch":
        """Return a watch on *ref* (a full name or ``HEAD``), to be asked for its commit at every request."""
        return RefWatch(self, ref)

    def commit(self, id: CommitId) -> Commit:
        """Read a commit.

        Raises:
            RepositoryProblem: missing, damaged or no commit.
        """
        with self._git() as git:
            return parse_commit(id, _read(git, id, ObjectType.COMMIT))

    def commits_between(self, old: CommitId, new: CommitId, *, limit: int) -> list[Commit] | None:
        """Read the commits of *new* that *old* does not have, none before its children; None when more than *limit*.

        Raises:
            RepositoryProblem: a commit is missing or damaged.
        """
        with self._git() as git:
            try:
                walker = git.repository.walk(new, SortMode.TOPOLOGICAL)
                walker.hide(old)
                ids = [CommitId(str(commit.id)) for commit in islice(walker, limit + 1)]
            except (pygit2.GitError, KeyError, ValueError, OSError) as error:
                raise _object_problem(new, error) from error
            if len(ids) > limit:
                return None
            return [parse_commit(id, _read(git, id, ObjectType.COMMIT)) for id in ids]

    def list_files(self, commit: CommitId, prefixes: Sequence[str] = ()) -> TreeListing:
        """List the regular files of *commit*, ordered by path; only the folders and files in *prefixes* if there are any.

        Raises:
            RepositoryProblem: an object is missing or damaged, or the tree is unreasonably large.
        """
        with self._git() as git:
            root = _root(git, commit)
            return list_files(root, lambda tree: _read(git, tree, ObjectType.TREE), prefixes)

    def diff(self, old: CommitId, new: CommitId, prefixes: Sequence[str] = ()) -> list[Change]:
        """List the regular files whose bytes differ between two commits, ordered by path. Costs what changed, not what exists.

        Raises:
            RepositoryProblem: an object is missing or damaged, or the trees are unreasonably large.
        """
        with self._git() as git:
            before, after = _root(git, old), _root(git, new)
            if before == after:
                return []
            return compare(before, after, lambda tree: _read(git, tree, ObjectType.TREE), prefixes)

    def find_blob(self, commit: CommitId, path: str) -> BlobId | None:
        """Find the blob of the regular file *path* in *commit*; None when there is none.

        Raises:
            RepositoryProblem: the commit or a tree is missing or damaged.
        """
        return self.find_blobs(commit, [path])[0]

    def find_blobs(self, commit: CommitId, paths: Iterable[str]) -> list[BlobId | None]:
        """Find the blobs of many files of *commit*, in the order of *paths*; see ``find_blob``."""
        with self._git() as git:
            root = _root(git, commit)
            try:
                tree = git.repository[root].peel(pygit2.Tree)
            except (KeyError, ValueError, pygit2.GitError) as error:
                raise _object_problem(root, error) from error
            return [_find_in_tree(tree, path) for path in paths]

    def read_blob(self, id: BlobId) -> bytes:
        """Read the bytes of a blob.

        Raises:
            RepositoryProblem: missing, damaged or no blob; fact: object.
        """
        with self._git() as git:
            return _read(git, id, ObjectType.BLOB)

    def read_blobs(self, ids: Iterable[BlobId]) -> Iterator[tuple[BlobId, bytes | None]]:
        """Read many blobs one after another; None stands for one that is missing, damaged or no blob."""
        with self._git() as git:
            for id in ids:
                try:
                    yield id, _read(git, id, ObjectType.BLOB)
                except RepositoryProblem:
                    yield id, None

    def blob_size(self, id: BlobId) -> int:
        """Return the size of a blob in bytes, without reading all of it where Git's format allows.

        Raises:
            RepositoryProblem: missing, damaged or no blob; fact: object.
        """
        with self._git() as git:
            try:
                kind, size = git.odb.read_header(id)
            except (pygit2.GitError, KeyError, ValueError, OSError) as error:
                raise _object_problem(id, error) from error
            _require_kind(id, kind, ObjectType.BLOB)
            return int(size)

    @contextmanager
    def _git(self) -> Iterator[_Git]:
        try:
            git = self._idle.pop()
        except IndexError:
            git = _Git(self._path)
        else:
            if time.monotonic() - git.opened_at > POOL_SECONDS:
                self._idle.clear()
                git = _Git(self._path)
        try:
            yield git
        finally:
            self._idle.append(git)

    def _find_commit(self, id: str) -> CommitId | None:
        """Look for a commit that anybody may ask for; each miss makes libgit2 look through all packs, so misses are kept."""
        signature = self._objects_signature(id)
        unknown = self._unknown.get(id)
        if unknown and unknown[1] == signature and time.monotonic() - unknown[0] < UNKNOWN_SECONDS:
            return None
        with self._git() as git:
            try:
                kind, _ = git.odb.read_header(id)
            except KeyError:
                kind = None
            except (pygit2.GitError, ValueError, OSError) as error:
                raise _object_problem(id, error) from error
        if kind == ObjectType.COMMIT:
            return CommitId(id)
        if not _is_young(signature):
            if len(self._unknown) >= _MAX_UNKNOWN:
                self._unknown.clear()
            self._unknown[id] = time.monotonic(), signature
        return None

    def _objects_signature(self, id: str) -> _Signature:
        """What changes when the object *id* arrives in the repository itself (not in an alternate)."""
        objects = self.common_dir / "objects"
        return _sign(str(objects / "pack")), _sign(str(objects / id[:2]))


class RefWatch:
    """Tells which commit a ref is at, cheaply enough to be asked at the start of every request.

    It compares what ``stat`` says of the ref's file and of ``packed-refs`` with what it said before the last read. As in
    Git's index, a file that was young when it was read is not trusted: it may change again within one tick of its clock.
    """

    def __init__(self, store: Store, ref: str) -> None:
        """Use ``Store.watch``."""
        self.ref = ref
        #: The id that the ref names while there is no such commit: its objects may still be on their way.
        self.dangling: str | None = None
        self._store = store
        # What was seen, and the files that were looked at for it; one attribute, so that threads see all or nothing.
        self._seen: tuple[tuple[str, ...], _Signature | None, CommitId | None] = (), None, None

    def current(self) -> CommitId | None:
        """Return the commit the ref is at now; None when the ref is missing, unborn or leads to no commit.

        Raises:
            RepositoryProblem: the repository itself is gone or cannot be read.
        """
        files, signature, commit = self._seen
        if signature is not None and signature == tuple([_sign(file) for file in files]):
            return commit
        return self._read()

    def _read(self) -> CommitId | None:
        store = self._store
        with store._git() as git:
            names = _follow(git, self.ref)
            packed = str(store.common_dir / "packed-refs")
            files = (*[_loose_file(store, name) for name in names], packed)
            # Signed before reading: what changes in between is noticed the next time.
            signature = tuple([_sign(file) for file in files])
            commit = _resolve_reference(git, names[-1])
            self.dangling = _target(git, names[-1]) if commit is None else None
            settled = _follow(git, self.ref) == names and self.dangling is None and not _is_young(signature)
        if commit is None and not store.common_dir.is_dir():
            store._idle.clear()
            raise RepositoryProblem("the repository is gone", path=str(store.git_dir), hint="restore the folder")
        self._seen = files, signature if settled else None, commit
        return commit


def _sign(file: str) -> tuple[int, int, int, int] | None:
    try:
        status = os.stat(file)  # noqa: PTH116 - twice as fast as Path.stat, and asked at every request
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise RepositoryProblem(f"the repository cannot be read: {error.strerror}", path=file) from error
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size


def _is_young(signature: _Signature) -> bool:
    """Say whether a file changed so recently that it may change again without looking different."""
    limit = time.time_ns() - RACY_NANOSECONDS
    return any(file is not None and max(file[1], file[2]) > limit for file in signature)


def _loose_file(store: Store, name: str) -> str:
    return str((store.common_dir if name.startswith("refs/") else store.git_dir) / name)


def _follow(git: _Git, name: str) -> list[str]:
    """Return *name* and the refs it points to in turn, down to the one that holds an id (which may not exist)."""
    names = [name]
    while len(names) <= _MAX_SYMBOLIC:
        reference = _find_reference(git, names[-1])
        if reference is None or reference.type != ReferenceType.SYMBOLIC:
            break
        names.append(str(reference.target))
    return names


def _find_reference(git: _Git, name: str) -> pygit2.Reference | None:
    try:
        return git.repository.lookup_reference(name)
    except KeyError:
        return None
    except ValueError:  # not a valid name, or a file that holds something else
        return None
    except (pygit2.GitError, OSError) as error:
        raise RepositoryProblem(f"{name} cannot be read: {error}", ref=name) from error


def _resolve_reference(git: _Git, name: str) -> CommitId | None:
    reference = _find_reference(git, _follow(git, name)[-1])
    if reference is None or reference.type == ReferenceType.SYMBOLIC:
        return None
    try:
        return CommitId(str(git.repository[reference.target].peel(pygit2.Commit).id))
    except (KeyError, ValueError, pygit2.GitError):
        return None


def _target(git: _Git, name: str) -> str | None:
    """Return the id that a ref names, whether or not there is such an object."""
    reference = _find_reference(git, name)
    return None if reference is None or reference.type == ReferenceType.SYMBOLIC else str(reference.target)


def _find_in_tree(tree: pygit2.Tree, path: str) -> BlobId | None:
    try:
        entry = tree[path]
    except (KeyError, ValueError, TypeError):
        return None
    except pygit2.GitError as error:
        raise _object_problem(path, error) from error
    return BlobId(str(entry.id)) if entry.filemode in _REGULAR_FILES else None


def _root(git: _Git, commit: CommitId) -> TreeId:
    return parse_commit(commit, _read(git, commit, ObjectType.COMMIT)).tree


def _read(git: _Git, id: str, expected: ObjectType) -> bytes:
    """Read an object; when that fails once more with everything opened anew, since packs may just have been replaced."""
    try:
        kind, raw = git.odb.read(id)
    except (pygit2.GitError, KeyError, ValueError, OSError):
        git.reopen()
        try:
            kind, raw = git.odb.read(id)
        except (pygit2.GitError, KeyError, ValueError, OSError) as error:
            raise _object_problem(id, error) from error
    _require_kind(id, kind, expected)
    return raw


def _require_kind(id: str, kind: int, expected: ObjectType) -> None:
    if kind != expected:
        raise RepositoryProblem(f"object {id} is not a {expected.name.lower()}", object=id, hint=_FSCK)


def _object_problem(id: str, error: Exception) -> RepositoryProblem:
    if isinstance(error, KeyError):
        return RepositoryProblem(
            f"object {id} is missing",
            object=id,
            hint=f"{_FSCK}; a partial clone (--filter) must be made complete with `git fetch --refetch --no-filter`",
        )
    return RepositoryProblem(f"object {id} is damaged: {error}", object=id, hint=_FSCK)


def _read_common_dir(git_dir: Path) -> Path:
    """Return the folder with refs and objects: *git_dir* itself, but for a linked work tree."""
    try:
        return (git_dir / (git_dir / "commondir").read_text().strip()).resolve()
    except FileNotFoundError:
        return git_dir


def _opening_problem(path: Path, error: Exception) -> RepositoryProblem:
    """Explain in our words why the repository at *path* cannot be opened."""
    text = str(error)
    place = str(path)
    if "objectformat" in text or "object format" in text:
        detail, hint = "it uses SHA-256 object ids", "only SHA-1 repositories can be read; convert it"
    elif "refstorage" in text:
        detail, hint = "it keeps its refs as a reftable", "run `git refs migrate --ref-format=files`"
    elif "config file" in text:
        detail, hint = f"its configuration is damaged: {text.removeprefix(f'{place}: ')}", "correct the file by hand"
    elif isinstance(error, PermissionError) or "Permission denied" in text:
        detail, hint = "permission denied", "let the user that runs cms read the folder"
    elif not path.exists():
        detail, hint = "no such folder", "check the path"
    elif "not found" not in text.lower():
        detail, hint = text.removeprefix(f"{place}: "), "run `git fsck` in it"
    elif path.is_file():
        detail, hint = "it is a file, not a folder", f"a bundle must be cloned first: `git clone {path.name}`"
    elif outer := pygit2.discover_repository(place):
        folder = Path(outer)
        root = folder.parent if folder.name == ".git" else folder
        detail, hint = "it is a folder inside a repository", f"use the repository itself: {root}"
    else:
        detail, hint = "it is not a Git repository", "run `git init` and commit, or give another folder"
    return RepositoryProblem(f"cannot open {place}: {detail}", path=place, hint=hint)
