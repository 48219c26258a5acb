"""Keeping a repository fast and small: packs, packed refs, the commit graph, and what crashes and rejected pushes left behind.

Only this does it. Git's own automatic maintenance stays off for what the server starts, and nothing that is younger than two
weeks is ever thrown away: an object may have been written for a ref that is only about to move (``git gc`` with a shorter
expiry, run beside writers, destroys repositories).

It runs beside everything else: readers find their way to new packs, and a writer waits for a lock. Git's program does the work, with
the lowest claim to processor and disk.
"""

import fcntl
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cms.errors import RepositoryProblem, TooBusy
from cms.gitprogram import require_git, run_git
from cms.store import Store
from cms.writer import remove_stale_locks

EXPIRY = "2.weeks.ago"
LEFT_SECONDS = 3_600.0
MANY_LOOSE = 2_000
MANY_PACKS = 20
_TURN_FILE = "branchpress.maintenance"
# A sample: ids are spread evenly over 256 folders.
_SAMPLE = ("17", "59", "a0", "e4")
_SETTINGS = (
    "-c",
    "core.fsync=all",
    "-c",
    "gc.auto=0",
    "-c",
    "maintenance.auto=false",
    "-c",
    "core.hooksPath=/dev/null",
)
_STEPS = (
    ("pack-refs", "--all", "--prune"),
    ("repack", "-d", "-l", "-q", "-A", f"--unpack-unreachable={EXPIRY}", "--write-bitmap-index"),
    ("prune", f"--expire={EXPIRY}"),
    ("commit-graph", "write", "--reachable", "--changed-paths", "--no-progress"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """What maintenance did.

    Attributes:
        packs, loose: how many packs there are now, and about how many objects outside of them.
        left: files and folders that nobody was using any more, and that were removed.
    """

    packs: int
    loose: int
    left: tuple[str, ...]


def needs_maintenance(store: Store) -> bool:
    """Say whether maintenance is worth its while; cheap enough to be asked often."""
    objects = store.common_dir / "objects"
    return _count_packs(objects) > MANY_PACKS or _count_loose(objects) > MANY_LOOSE


def maintain(store: Store) -> Upkeep:
    """Do all of it, which may take minutes.

    Raises:
        TooBusy: it is being done already.
        RepositoryProblem: Git's program is missing, or it fails.
    """
    git = require_git(store.git_dir, "keeping a repository in shape")
    with (store.common_dir / _TURN_FILE).open("w") as turn:
        try:
            fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TooBusy("the repository is being maintained already", retry_after_seconds=60) from None
        left = (*remove_stale_locks(store), *remove_leftovers(store, now=time.time()))
        for step in _STEPS:
            done = run_git(git, store.common_dir, [*_SETTINGS, *step], is_humble=True)
            if done.code != 0:
                raise RepositoryProblem(
                    f"git {step[0]} failed: {done.complaint}", path=str(store.common_dir), hint="run `git fsck`"
                )
        store.close()
    objects = store.common_dir / "objects"
    return Upkeep(packs=_count_packs(objects), loose=_count_loose(objects), left=left)


def remove_leftovers(store: Store, *, now: float) -> Iterator[str]:
    """Remove what killed programs left among the objects and was not touched for LEFT_SECONDS, and yield the paths.

    Args:
        now: seconds since the epoch.
    """
    objects = store.common_dir / "objects"
    for folder in (objects, objects / "pack"):
        for path in sorted(folder.glob("tmp_*")):
            if _last_touched(path) < now - LEFT_SECONDS:
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
                yield str(path)


def _last_touched(path: Path) -> float:
    """When something was last written to a file, or to anything in a folder."""
    try:
        return max(found.lstat().st_mtime for found in (path, *path.rglob("*")))
    except OSError:  # it is just going
        return float("inf")


def _count_packs(objects: Path) -> int:
    return sum(1 for _ in (objects / "pack").glob("*.pack"))


def _count_loose(objects: Path) -> int:
    found = sum(1 for name in _SAMPLE if (objects / name).is_dir() for _ in (objects / name).iterdir())
    return found * 256 // len(_SAMPLE)
