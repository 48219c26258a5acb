"""Objects that somebody else wrote a moment ago, brought to the disk before a ref of ours comes to depend on them.

Git's program syncs packs, but not single objects, unless it is told to: what a person commits in a shell, or pushes over SSH, may for
half a minute be in memory alone. A ref that we sync and that leads there would after a power cut lead to empty files.

Not here: the writer's own objects, which are on the disk when they are written (``writer``).
"""

import os
from contextlib import suppress
from pathlib import Path

from cms.errors import RepositoryProblem
from cms.objects import Commit, parse_differing
from cms.refs import CommitId, TreeId
from cms.store import Store

#: By then the kernel has written everything by itself; twice what Linux takes.
YOUNG_SECONDS = 90.0
_MOST_KNOWN = 50_000
_TREE = b"40000"
_NO_TREE = TreeId("")


class YoungObjects:
    """Knows which objects are on the disk for certain, and brings there what leads to a commit. Safe to use from many threads."""

    def __init__(self, store: Store) -> None:
        """Know nothing yet."""
        self._store = store
        self._objects = store.common_dir / "objects"
        # Single objects; and commits with all that they lead to. Emptied when they grow, which costs a few needless syncs.
        self._synced: set[str] = set()
        self._settled: set[str] = set()

    def add(self, id: str) -> None:
        """Take note of an object that was synced by whoever wrote it."""
        _remember(self._synced, {id})

    def sync_object(self, id: str) -> None:
        """Bring one object to the disk, unless it is there for certain.

        Raises:
            OSError: the disk refuses.
        """
        if id not in self._synced:
            for folder in self._sync_file(id):
                sync_folder(folder)
            self.add(id)

    def sync(self, commit: CommitId, *, now: float) -> None:
        """Bring to the disk what leads from *commit* to history that is old enough to be there.

        Args:
            now: seconds since the epoch.

        Raises:
            OSError: the disk refuses.
            RepositoryProblem: an object is missing or damaged.
        """
        folders: set[Path] = set()
        walked: set[str] = set()
        synced: set[str] = set()
        waiting = [commit]
        while waiting:
            id = waiting.pop()
            if id in walked or id in self._settled or not self._is_young(id, now):
                continue
            walked.add(id)
            found = self._store.commit(id)
            waiting += found.parents
            if id in self._synced:
                continue
            for object in (*self._new_objects(found), id):
                if object not in self._synced and object not in synced:
                    synced.add(object)
                    folders.update(self._sync_file(object))
        for folder in folders:
            with suppress(FileNotFoundError):  # maintenance packed all that was in it
                sync_folder(folder)
        _remember(self._synced, synced)
        _remember(self._settled, walked)

    def _is_young(self, id: str, now: float) -> bool:
        """Say whether an object is a file of its own, and young."""
        try:
            return (self._objects / id[:2] / id[2:]).stat().st_mtime > now - YOUNG_SECONDS
        except FileNotFoundError:
            return False

    def _sync_file(self, id: str) -> list[Path]:
        """Sync the file of an object, if it has one, and return its folder."""
        folder = self._objects / id[:2]
        try:
            handle = os.open(folder / id[2:], os.O_RDONLY)
        except FileNotFoundError:
            return []
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        return [folder]

    def _new_objects(self, commit: Commit) -> list[str]:
        """Find the trees and blobs of a commit that its first parent does not have at the same place."""
        try:
            base = self._store.commit(commit.parents[0]).tree if commit.parents else None
        except RepositoryProblem:
            base = None  # beyond the border of a shallow clone
        return _new_in_tree(self._store, base, commit.tree)


def sync_folder(folder: Path) -> None:
    """Bring the names in *folder* to the disk.

    Raises:
        OSError: the disk refuses.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remember(known: set[str], more: set[str]) -> None:
    if len(known) >= _MOST_KNOWN:
        known.clear()
    known |= more


def _new_in_tree(store: Store, old: TreeId | None, new: TreeId) -> list[str]:
    """Find the trees and blobs of *new* that are not at the same place in *old*."""
    if old == new:
        return []
    rows_before, rows_after = parse_differing(
        (old or _NO_TREE, store.read_tree(old) if old else b""), (new, store.read_tree(new))
    )
    before = {row[1]: row for row in rows_before}
    found: list[str] = [new]
    for mode, name, raw_id in rows_after:
        other = before.get(name)
        if other is not None and other[2] == raw_id:
            continue
        if mode == _TREE:
            below = TreeId(other[2].hex()) if other is not None and other[0] == _TREE else None
            found += _new_in_tree(store, below, TreeId(raw_id.hex()))
        else:
            found.append(raw_id.hex())
    return found
