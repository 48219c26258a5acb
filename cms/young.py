"""Objects that somebody else wrote a moment ago, brought to the disk before a ref of ours comes to depend on them.

Git's program syncs packs, but not single objects, unless it is told to: what a person commits in a shell, or pushes over SSH, may for
half a minute be in memory alone. A ref that we sync and that leads there would after a power cut lead to empty files.

Not here: the writer's own objects, which are on the disk when they are written (``writer``).
"""

import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from cms.errors import RepositoryProblem
from cms.objects import parse_differing
from cms.refs import CommitId, TreeId
from cms.store import Store

#: By then the kernel has written everything by itself; twice what Linux takes.
YOUNG_SECONDS = 90.0
_TREE = b"40000"
_NO_TREE = TreeId("")


def sync_young(store: Store, commit: CommitId, *, own: Collection[str], now: float) -> None:
    """Bring to the disk what leads from *commit* to history that is old enough to be there.

    Args:
        own: objects that are on the disk for certain.
        now: seconds since the epoch.

    Raises:
        OSError: the disk refuses.
        RepositoryProblem: an object is missing or damaged.
    """
    objects = store.common_dir / "objects"
    folders: set[Path] = set()
    seen: set[str] = set()
    waiting = [commit]
    while waiting:
        id = waiting.pop()
        is_own = id in own
        if id in seen or not (is_own or _is_young(objects, id, now)):
            continue
        seen.add(id)
        found = store.commit(id)
        waiting += found.parents
        if is_own:
            continue
        try:
            base = store.commit(found.parents[0]).tree if found.parents else None
        except RepositoryProblem:
            base = None  # beyond the border of a shallow clone
        for object in (*_new_objects(store, base, found.tree), id):
            if object not in own and object not in seen:
                seen.add(object)
                folders.update(_sync_file(objects, object))
        folders.update(_sync_file(objects, id))
    for folder in folders:
        with suppress(FileNotFoundError):  # maintenance packed all that was in it
            sync_folder(folder)


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


def _is_young(objects: Path, id: str, now: float) -> bool:
    """Say whether an object is a file of its own, and young."""
    try:
        return (objects / id[:2] / id[2:]).stat().st_mtime > now - YOUNG_SECONDS
    except FileNotFoundError:
        return False


def _sync_file(objects: Path, id: str) -> list[Path]:
    """Sync the file of an object, if it has one, and return its folder."""
    folder = objects / id[:2]
    try:
        handle = os.open(folder / id[2:], os.O_RDONLY)
    except FileNotFoundError:
        return []
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return [folder]


def _new_objects(store: Store, old: TreeId | None, new: TreeId) -> list[str]:
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
            found += _new_objects(store, below, TreeId(raw_id.hex()))
        else:
            found.append(raw_id.hex())
    return found
