"""The repository as objects and refs: the one place, with ``history``, where Git is read.

Reads only, and only committed objects: work tree and index do not matter, so a bare repository will do. Nothing of pygit2
leaves this module; its errors and those of the file system become RepositoryProblem.

A ``pygit2.Repository`` must not be used by two threads at once and keeps packs mapped that ``git gc`` replaced, so there is a
pool: an operation takes one out, and all are closed after POOL_SECONDS.

Not here: what the files mean (``snapshot``), who changed them when (``history``).
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from itertools import islice
from pathlib import Path

import pygit2
from pygit2.enums import ObjectType, ReferenceType, RepositoryOpenFlag, SortMode

from cms.ancestry import ReadParents, TooFar, is_ancestor, merge_bases, parse_parents
from cms.errors import RepositoryProblem
from cms.gitprogram import find_git, run_git
from cms.objects import Change, Commit, TreeListing, compare, find_files, list_files, parse_commit, split_signature
from cms.opening import opening_problem
from cms.refs import HEAD, BlobId, CommitId, TreeId, is_commit_id, is_ref
from cms.refwatch import RefWatch, Signature, is_young, sign

POOL_SECONDS = 30.0
UNKNOWN_SECONDS = 2.0
NEAR_COMMITS = 2_000
_MAX_UNKNOWN = 4096
_MAX_PARENTS = 20_000
_MAX_SYMBOLIC = 5
_FSCK = "run `git fsck` in the repository, and restore the object from a backup or another clone"


class _Git:
    """One open repository with its object database; belongs to one thread at a time."""

    __slots__ = ("_path", "_quarantine", "odb", "opened_at", "repository")

    def __init__(self, path: str, quarantine: str | None = None) -> None:
        self._path = path
        self._quarantine = quarantine
        self.reopen()

    def reopen(self) -> None:
        """Open anew, which sees new packs and lets go of replaced ones."""
        try:
            self.repository = pygit2.Repository(self._path, RepositoryOpenFlag.NO_SEARCH)
            self.odb = self.repository.odb
            if self._quarantine is not None:
                self.odb.add_disk_alternate(self._quarantine)
        except (pygit2.GitError, OSError, ValueError) as error:
            raise opening_problem(Path(self._path), error, pygit2.discover_repository) from error
        self.opened_at = time.monotonic()


class Store:
    """A Git repository, open for reading. Safe to use from many threads."""

    def __init__(
        self, git_dir: Path, common_dir: Path, work_tree: Path | None, *, quarantine: Path | None = None
    ) -> None:
        """Use ``Store.open`` or ``Store.open_quarantine``."""
        self.git_dir = git_dir
        self.common_dir = common_dir
        self.work_tree = work_tree
        self._path = str(git_dir)
        self._quarantine = None if quarantine is None else str(quarantine)
        self._idle: list[_Git] = []
        self._unknown: dict[str, tuple[float, Signature]] = {}
        self._parents: dict[CommitId, tuple[tuple[CommitId, ...], int]] = {}

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
            raise opening_problem(path, error, pygit2.discover_repository) from error
        return cls(git_dir, common_dir, Path(work_tree) if work_tree else None)

    @classmethod
    def open_quarantine(cls, path: Path, quarantine: Path) -> "Store":
        """Open the repository at *path* so that it also has the objects of a push that is not accepted yet.

        Args:
            quarantine: the folder of objects that Git names in ``GIT_QUARANTINE_PATH``. What is looked up in the store must
                not be kept beyond the push: the objects may go.

        Raises:
            RepositoryProblem: as ``open``.
        """
        store = cls.open(path)
        return cls(store.git_dir, store.common_dir, store.work_tree, quarantine=quarantine)

    def close(self) -> None:
        """Let go of all open packs. The store may still be used, and opens them again."""
        self._idle.clear()

    def head_ref(self) -> str | None:
        """Return the ref that HEAD points to, even if it has no commit yet; None when HEAD is detached."""
        with self.lend() as git:
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
        with self.lend() as git:
            return _resolve_reference(git, name)

    def refs(self, prefix: str) -> dict[str, CommitId]:
        """Return every ref whose name begins with *prefix* and that leads to a commit, ordered by name."""
        with self.lend() as git:
            try:
                raw_names = git.repository.raw_listall_references()
            except (pygit2.GitError, OSError, ValueError) as error:
                raise RepositoryProblem(f"the refs cannot be read: {error}", path=self._path) from error
            names = sorted(name for raw in raw_names if (name := raw.decode("utf-8", "replace")).startswith(prefix))
            found = {name: _resolve_reference(git, name) for name in names}
        return {name: commit for name, commit in found.items() if commit is not None}

    def remotes(self) -> list[str]:
        """Return the names of the remotes, ``origin`` before others."""
        with self.lend() as git:
            names = [str(name) for name in git.repository.remotes.names()]
        return sorted(names, key=lambda name: (name != "origin", name))

    def watch(self, ref: str) -> RefWatch:
        """Return a watch on *ref* (a full name or ``HEAD``), to be asked for its commit at every request."""
        return RefWatch(self, ref)

    def follow_ref(self, name: str) -> list[str]:
        """Return *name* and the refs it points to in turn, down to the one that holds an id, which may not exist."""
        with self.lend() as git:
            return _follow(git, name)

    def ref_target(self, name: str) -> str | None:
        """Return the id that a ref names, whether or not there is such an object; None when it is missing or symbolic."""
        with self.lend() as git:
            return _target(git, name)

    def commit(self, id: CommitId) -> Commit:
        """Read a commit.

        Raises:
            RepositoryProblem: missing, damaged or no commit.
        """
        with self.lend() as git:
            return parse_commit(id, _read(git, id, ObjectType.COMMIT))

    def commits_between(
        self, old: CommitId, new: CommitId, *, limit: int, beside: Iterable[CommitId] = ()
    ) -> list[Commit] | None:
        """Read the commits of *new* that neither *old* nor any of *beside* has, none before its children; None when more than *limit*.

        Raises:
            RepositoryProblem: a commit is missing or damaged.
        """
        with self.lend() as git:
            try:
                walker = git.repository.walk(new, SortMode.TOPOLOGICAL)
                for known in (old, *beside):
                    walker.hide(known)
                ids = [CommitId(str(commit.id)) for commit in islice(walker, limit + 1)]
            except (pygit2.GitError, KeyError, ValueError, OSError) as error:
                raise _object_problem(new, error) from error
            if len(ids) > limit:
                return None
            return [parse_commit(id, _read(git, id, ObjectType.COMMIT)) for id in ids]

    def signature(self, commit: CommitId) -> tuple[bytes, str] | None:
        """Return what the signature of *commit* covers, and the armoured signature; None when it has none.

        None also for a commit with two signatures, or with headers that Git would leave out of what is covered.

        Raises:
            RepositoryProblem: missing, damaged or no commit.
        """
        with self.lend() as git:
            return split_signature(_read(git, commit, ObjectType.COMMIT))

    def is_ancestor(self, old: CommitId, new: CommitId) -> bool:
        """Say whether *new* is *old* or descends from it.

        Raises:
            RepositoryProblem: a commit is missing or damaged.
        """
        with self.parent_reader() as read:
            try:
                return is_ancestor(old, new, read, limit=NEAR_COMMITS)
            except TooFar:
                found = self._merge_bases_by_git(old, new)
                return is_ancestor(old, new, read) if found is None else found == [old]

    def merge_base(self, one: CommitId, other: CommitId) -> CommitId | None:
        """Return the newest of ``merge_bases``, None when the histories have nothing in common."""
        return next(iter(self.merge_bases(one, other)), None)

    def merge_bases(self, one: CommitId, other: CommitId) -> list[CommitId]:
        """Return the best common ancestors of two commits, the newest first; several after criss-cross merges.

        Raises:
            RepositoryProblem: a commit is missing or damaged.
        """
        with self.parent_reader() as read:
            try:
                return merge_bases(one, other, read, limit=NEAR_COMMITS)
            except TooFar:
                found = self._merge_bases_by_git(one, other)
                if found is None:
                    return merge_bases(one, other, read)
                return sorted(found, key=lambda id: (-read(id)[1], id))

    def border(self) -> str:
        """Return what changes when a shallow clone is deepened, whose oldest commits seem to have made everything; empty for a whole one."""
        ends = sorted(_read_shallow(self.common_dir))
        return sha256("".join(ends).encode()).hexdigest() if ends else ""

    def list_files(self, commit: CommitId, prefixes: Sequence[str] = ()) -> TreeListing:
        """List the regular files of *commit*, ordered by path; only the folders and files in *prefixes* if there are any.

        Raises:
            RepositoryProblem: an object is missing or damaged, or the tree is unreasonably large.
        """
        with self.lend() as git:
            root = _root(git, commit)
            return list_files(root, lambda tree: _read(git, tree, ObjectType.TREE), prefixes)

    def diff(self, old: CommitId, new: CommitId, prefixes: Sequence[str] = ()) -> list[Change]:
        """List the regular files whose bytes differ between two commits, ordered by path. Costs what changed, not what exists.

        Raises:
            RepositoryProblem: an object is missing or damaged, or the trees are unreasonably large.
        """
        with self.lend() as git:
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
        with self.lend() as git:
            root = _root(git, commit)
            return find_files(root, list(paths), lambda tree: _read(git, tree, ObjectType.TREE))

    def read_tree(self, id: TreeId) -> bytes:
        """Read the raw bytes of a tree.

        Raises:
            RepositoryProblem: missing, damaged or no tree.
        """
        with self.lend() as git:
            return _read(git, id, ObjectType.TREE)

    def read_blob(self, id: BlobId) -> bytes:
        """Read the bytes of a blob.

        Raises:
            RepositoryProblem: missing, damaged or no blob; fact: object.
        """
        with self.lend() as git:
            return _read(git, id, ObjectType.BLOB)

    def read_blobs(self, ids: Iterable[BlobId]) -> Iterator[tuple[BlobId, bytes | None]]:
        """Read many blobs one after another; None stands for one that is missing, damaged or no blob."""
        with self.lend() as git:
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
        with self.lend() as git:
            try:
                kind, size = git.odb.read_header(id)
            except (pygit2.GitError, KeyError, ValueError, OSError) as error:
                raise _object_problem(id, error) from error
            _require_kind(id, kind, ObjectType.BLOB)
            return int(size)

    @contextmanager
    def lend(self) -> Iterator[_Git]:
        """Lend an open repository to the caller, who is ``writer`` or this module, for one operation in one thread."""
        try:
            git = self._idle.pop()
        except IndexError:
            git = _Git(self._path, self._quarantine)
        else:
            if time.monotonic() - git.opened_at > POOL_SECONDS:
                self._idle.clear()
                git = _Git(self._path, self._quarantine)
        try:
            yield git
        finally:
            self._idle.append(git)

    @contextmanager
    def parent_reader(self) -> Iterator[ReadParents]:
        """Lend what reads the parents and the time of commits, for one walk in one thread; a shallow clone's last ones have no parents."""
        known, shallow = self._parents, _read_shallow(self.common_dir)
        with self.lend() as git:

            def read(id: CommitId) -> tuple[tuple[CommitId, ...], int]:
                found = known.get(id)
                if found is None:
                    if len(known) >= _MAX_PARENTS:
                        known.clear()
                    found = known[id] = parse_parents(id, _read(git, id, ObjectType.COMMIT))
                return ((), found[1]) if id in shallow else found

            yield read

    def _merge_bases_by_git(self, one: CommitId, other: CommitId) -> list[CommitId] | None:
        """Ask Git's program, which is faster far from the tips and keeps no thread waiting; None when there is none."""
        git = find_git()
        if git is None:
            return None
        variables = {"GIT_ALTERNATE_OBJECT_DIRECTORIES": self._quarantine} if self._quarantine else {}
        done = run_git(git, self.git_dir, ["merge-base", "--all", one, other], variables=variables)
        if done.code not in (0, 1):
            raise RepositoryProblem(f"git merge-base failed: {done.complaint}", path=self._path, hint=_FSCK)
        return [CommitId(line) for line in done.output.decode("ascii").split()]

    def _find_commit(self, id: str) -> CommitId | None:
        """Look for a commit that anybody may ask for; each miss makes libgit2 look through all packs, so misses are kept."""
        signature = self._objects_signature(id)
        unknown = self._unknown.get(id)
        if unknown and unknown[1] == signature and time.monotonic() - unknown[0] < UNKNOWN_SECONDS:
            return None
        with self.lend() as git:
            try:
                kind, _ = git.odb.read_header(id)
            except KeyError:
                kind = None
            except (pygit2.GitError, ValueError, OSError) as error:
                raise _object_problem(id, error) from error
        if kind == ObjectType.COMMIT:
            return CommitId(id)
        if not is_young(signature):
            if len(self._unknown) >= _MAX_UNKNOWN:
                self._unknown.clear()
            self._unknown[id] = time.monotonic(), signature
        return None

    def _objects_signature(self, id: str) -> Signature:
        """What changes when the object *id* arrives in the repository itself (not in an alternate)."""
        objects = self.common_dir / "objects"
        return sign(str(objects / "pack")), sign(str(objects / id[:2]))


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
    except OSError as error:
        raise RepositoryProblem(f"{name} cannot be read: {error}", ref=name) from error


def _target(git: _Git, name: str) -> str | None:
    """Return the id that a ref names, whether or not there is such an object."""
    reference = _find_reference(git, name)
    return None if reference is None or reference.type == ReferenceType.SYMBOLIC else str(reference.target)


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


def _read_shallow(common_dir: Path) -> frozenset[str]:
    """Return the commits at which a shallow clone ends: their parents are not there."""
    try:
        return frozenset((common_dir / "shallow").read_text("ascii", "replace").split())
    except FileNotFoundError:
        return frozenset()
