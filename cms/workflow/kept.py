"""A store that keeps the trees it read last: one look at a draft compares the same few trees again and again."""

from collections.abc import Iterable, Iterator, Sequence

from cms.objects import Change, Commit, TreeListing
from cms.overlay import Reader
from cms.refs import BlobId, CommitId, TreeId
from cms.store import Store

KEPT_BYTES = 16 * 1024 * 1024


class KeptTrees(Reader):
    """Reads like the store behind it. For one look, in one thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: dict[TreeId, bytes] = {}
        self._bytes = 0

    def read_tree(self, id: TreeId) -> bytes:
        """Read the raw bytes of a tree; those read last are kept, as many as fit."""
        raw = self._kept.pop(id, None)
        if raw is None:
            raw = self._store.read_tree(id)
            self._bytes += len(raw)
        self._kept[id] = raw
        while self._bytes > KEPT_BYTES and len(self._kept) > 2:
            self._bytes -= len(self._kept.pop(next(iter(self._kept))))
        return raw

    def commit(self, id: CommitId) -> Commit:
        """Read a commit."""
        return self._store.commit(id)

    def list_files(self, commit: CommitId, prefixes: Sequence[str] = ()) -> TreeListing:
        """List the regular files of *commit*."""
        return self._store.list_files(commit, prefixes)

    def diff(self, old: CommitId, new: CommitId, prefixes: Sequence[str] = ()) -> list[Change]:
        """List the regular files whose bytes differ between two commits."""
        return self._store.diff(old, new, prefixes)

    def find_blob(self, commit: CommitId, path: str) -> BlobId | None:
        """Find the blob of the regular file *path*."""
        return self._store.find_blob(commit, path)

    def find_blobs(self, commit: CommitId, paths: Iterable[str]) -> list[BlobId | None]:
        """Find the blobs of many files, in the order of *paths*."""
        return self._store.find_blobs(commit, paths)

    def read_blob(self, id: BlobId) -> bytes:
        """Read the bytes of a blob."""
        return self._store.read_blob(id)

    def read_blobs(self, ids: Iterable[BlobId]) -> Iterator[tuple[BlobId, bytes | None]]:
        """Read many blobs; None stands for one that cannot be read."""
        return self._store.read_blobs(ids)

    def blob_size(self, id: BlobId) -> int:
        """Return the size of a blob in bytes."""
        return self._store.blob_size(id)
