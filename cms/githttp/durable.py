"""Bringing the folders of a repository to the disk after a push.

Git brings files to the disk before it names them (``core.fsync``), but not the folders that it renames them into: without this a push that
was acknowledged can be gone after a power cut.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

SLACK_SECONDS = 2.0


def sync_push(common_dir: Path, refs: Iterable[str], *, since: float) -> None:
    """Bring to the disk all folders that a push can have changed.

    Args:
        common_dir: the repository's folder, the one with ``objects`` and ``refs``.
        refs: full names of the refs that moved.
        since: the time (seconds since the epoch) before the push; folders that were not touched since are left alone.

    Raises:
        OSError: the disk refuses. What was pushed may be lost; it must not be called stored.
    """
    objects = common_dir / "objects"
    for folder in _changed_folders(objects, since - SLACK_SECONDS):
        sync_folder(folder)
    folders = {folder for ref in refs for root in (common_dir, common_dir / "logs") for folder in _path_of(root, ref)}
    # The deepest first: a folder must not be found before what it holds.
    for folder in sorted(folders, key=lambda folder: -len(folder.parts)):
        if folder.is_dir():
            sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Bring the names in *folder* to the disk.

    Raises:
        OSError: the disk refuses.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _changed_folders(objects: Path, since: float) -> Iterator[Path]:
    with os.scandir(objects) as found:
        for entry in found:
            if entry.is_dir(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_mtime >= since:
                yield Path(entry.path)
    yield objects


def _path_of(root: Path, ref: str) -> Iterator[Path]:
    """The folders from *root* down to the one that holds *ref*."""
    folder = root
    yield folder
    for part in ref.split("/")[:-1]:
        folder /= part
        yield folder
