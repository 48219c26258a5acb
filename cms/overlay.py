"""Reading what is not committed: what a commit would be with some files changed, as if it were in the repository.

:class:`Reader` names what everything that judges or merges content asks of a repository; ``Store`` has it all. An :class:`Overlay` is a
reader too: the trees that the changes make are worked out in memory, with the ids that they would have in Git, and nothing is written.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from cms.errors import RepositoryProblem
from cms.objects import Change, Commit, TreeListing, compare, find_file, list_files
from cms.rawobjects import rewrite_tree
from cms.refs import BlobId, CommitId, TreeId

_TREE_PREFIX = "tree:"


class Reader(Protocol):
    """What is read of a repository to judge, merge or show what a commit holds. See ``Store`` for what each method does."""

    def commit(self, id: CommitId) -> Commit:
        """Read a commit."""

    def list_files(self, commit: CommitId, prefixes: Sequence[str] = ()) -> TreeListing:
        """List the regular files of *commit*."""

    def diff(self, old: CommitId, new: CommitId, prefixes: Sequence[str] = ()) -> list[Change]:
        """List the regular files whose bytes differ between two commits."""

    def find_blob(self, commit: CommitId, path: str) -> BlobId | None:
        """Find the blob of the regular file *path*."""

    def find_blobs(self, commit: CommitId, paths: Iterable[str]) -> list[BlobId | None]:
        """Find the blobs of many files, in the order of *paths*."""

    def read_blob(self, id: BlobId) -> bytes:
        """Read the bytes of a blob."""

    def read_blobs(self, ids: Iterable[BlobId]) -> Iterator[tuple[BlobId, bytes | None]]:
        """Read many blobs; None stands for one that cannot be read."""

    def blob_size(self, id: BlobId) -> int:
        """Return the size of a blob in bytes."""

    def read_tree(self, id: TreeId) -> bytes:
        """Read the raw bytes of a tree."""


class Overlay:
    """What a commit would be with some files changed.

    Attributes:
        base: the commit that the changes are on top of.
        head: stands for the result wherever a commit is asked for; the same for the same content. No id of a commit can look like it.
        tree: the id that the result's tree would have in the repository.
    """

    def __init__(
        self,
        reader: Reader,
        base: CommitId,
        changes: Mapping[str, BlobId | None],
        contents: Mapping[BlobId, bytes] | None = None,
    ) -> None:
        """Lay *changes* over *base*.

        Args:
            changes: path to the blob that will be there; None: no file.
            contents: blobs that are not in the repository.

        Raises:
            InvalidContent: a path that must not be in a tree.
            Conflict: a file would go where a folder stays, or the other way round.
            RepositoryProblem: *base* or one of its trees cannot be read.
        """
        self._reader = reader
        # Those that were made, and those that were read: a large folder is asked for several times by who compares.
        self._trees: dict[TreeId, bytes] = {}
        self._contents = contents or {}
        self._commit = reader.commit(base)
        self.base = base
        self.tree = rewrite_tree(self._commit.tree, changes, self.read_tree, self._keep_tree)
        self.head = CommitId(_TREE_PREFIX + self.tree)

    def _keep_tree(self, raw: bytes) -> TreeId:
        id = TreeId(object_id("tree", raw))
        self._trees[id] = raw
        return id

    def commit(self, id: CommitId) -> Commit:
        """Read a commit; ``head`` is a child of ``base`` by the same person at the same time."""
        if id != self.head:
            return self._reader.commit(id)
        return replace(self._commit, id=id, tree=self.tree, parents=(self.base,), message="")

    def list_files(self, commit: CommitId, prefixes: Sequence[str] = ()) -> TreeListing:
        """List the regular files of *commit*; see ``Store.list_files``."""
        if commit != self.head:
            return self._reader.list_files(commit, prefixes)
        return list_files(self.tree, self.read_tree, prefixes)

    def diff(self, old: CommitId, new: CommitId, prefixes: Sequence[str] = ()) -> list[Change]:
        """List the regular files whose bytes differ between two commits; see ``Store.diff``."""
        if self.head not in (old, new):
            return self._reader.diff(old, new, prefixes)
        before, after = (self.commit(commit).tree for commit in (old, new))
        return [] if before == after else compare(before, after, self.read_tree, prefixes)

    def find_blob(self, commit: CommitId, path: str) -> BlobId | None:
        """Find the blob of the regular file *path* in *commit*."""
        return self.find_blobs(commit, [path])[0]

    def find_blobs(self, commit: CommitId, paths: Iterable[str]) -> list[BlobId | None]:
        """Find the blobs of many files of *commit*, in the order of *paths*."""
        if commit != self.head:
            return self._reader.find_blobs(commit, paths)
        return [find_file(self.tree, path, self.read_tree) for path in paths]

    def read_blob(self, id: BlobId) -> bytes:
        """Read the bytes of a blob."""
        found = self._contents.get(id)
        return self._reader.read_blob(id) if found is None else found

    def read_blobs(self, ids: Iterable[BlobId]) -> Iterator[tuple[BlobId, bytes | None]]:
        """Read many blobs one after another; None stands for one that cannot be read."""
        wanted = list(ids)
        if self._contents.keys().isdisjoint(wanted):
            yield from self._reader.read_blobs(wanted)
            return
        for id in wanted:
            try:
                yield id, self.read_blob(id)
            except RepositoryProblem:
                yield id, None

    def blob_size(self, id: BlobId) -> int:
        """Return the size of a blob in bytes."""
        found = self._contents.get(id)
        return self._reader.blob_size(id) if found is None else len(found)

    def read_tree(self, id: TreeId) -> bytes:
        """Read the raw bytes of a tree."""
        found = self._trees.get(id)
        if found is None:
            found = self._trees[id] = self._reader.read_tree(id)
        return found


def object_id(kind: str, raw: bytes) -> str:
    """The id that Git gives an object of *kind* (``blob``, ``tree``, ``commit``) with these bytes."""
    return hashlib.sha1(b"%s %d\0" % (kind.encode(), len(raw)) + raw, usedforsecurity=False).hexdigest()


def blob_id(data: bytes) -> BlobId:
    """The id that Git gives a file with these bytes."""
    return BlobId(object_id("blob", data))
