"""Tells which commit a ref is at, cheaply enough to be asked at the start of every request.

Not here: reading refs (``store``), which hands itself to the watch.
"""

import os
import time
from pathlib import Path
from typing import Protocol

from cms.errors import RepositoryProblem
from cms.refs import CommitId

RACY_NANOSECONDS = 50_000_000

#: What ``stat`` says of some files, None for each that does not exist.
Signature = tuple[tuple[int, int, int, int] | None, ...]


class Refs(Protocol):
    """What a watch needs of a ``Store``."""

    git_dir: Path
    common_dir: Path

    def follow_ref(self, name: str) -> list[str]:
        """Return *name* and the refs it points to in turn."""

    def ref_target(self, name: str) -> str | None:
        """Return the id that the ref names, whether or not there is such an object."""

    def resolve(self, name: str) -> CommitId | None:
        """Return the commit that the ref leads to."""

    def close(self) -> None:
        """Let go of everything that is open."""


class RefWatch:
    """Tells which commit a ref is at, cheaply enough to be asked at the start of every request.

    It compares what ``stat`` says of the ref's file and of ``packed-refs`` with what it said before the last read. As in
    Git's index, a file that was young when it was read is not trusted: it may change again within one tick of its clock.
    """

    def __init__(self, refs: Refs, ref: str) -> None:
        """Use ``Store.watch``."""
        self.ref = ref
        #: The id that the ref names while there is no such commit: its objects may still be on their way.
        self.dangling: str | None = None
        self._refs = refs
        # What was seen, and the files that were looked at for it; one attribute, so that threads see all or nothing.
        self._seen: tuple[tuple[str, ...], Signature | None, CommitId | None] = (), None, None

    def current(self) -> CommitId | None:
        """Return the commit the ref is at now; None when the ref is missing, unborn or leads to no commit.

        Raises:
            RepositoryProblem: the repository itself is gone or cannot be read.
        """
        files, signature, commit = self._seen
        if signature is not None and signature == tuple([sign(file) for file in files]):
            return commit
        return self._read()

    def _read(self) -> CommitId | None:
        refs = self._refs
        names = refs.follow_ref(self.ref)
        packed = str(refs.common_dir / "packed-refs")
        files = (*[_loose_file(refs, name) for name in names], packed)
        # Signed before reading: what changes in between is noticed the next time.
        signature = tuple([sign(file) for file in files])
        commit = refs.resolve(names[-1])
        self.dangling = refs.ref_target(names[-1]) if commit is None else None
        settled = refs.follow_ref(self.ref) == names and self.dangling is None and not is_young(signature)
        if commit is None and not refs.common_dir.is_dir():
            refs.close()
            raise RepositoryProblem("the repository is gone", path=str(refs.git_dir), hint="restore the folder")
        self._seen = files, signature if settled else None, commit
        return commit


def sign(file: str) -> tuple[int, int, int, int] | None:
    """Return what tells one state of *file* from another, None when there is no such file.

    Raises:
        RepositoryProblem: it cannot be looked at.
    """
    try:
        status = os.stat(file)  # noqa: PTH116 - twice as fast as Path.stat, and asked at every request
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise RepositoryProblem(f"the repository cannot be read: {error.strerror}", path=file) from error
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size


def is_young(signature: Signature) -> bool:
    """Say whether a file changed so recently that it may change again without looking different."""
    limit = time.time_ns() - RACY_NANOSECONDS
    return any(file is not None and max(file[1], file[2]) > limit for file in signature)


def _loose_file(refs: Refs, name: str) -> str:
    return str((refs.common_dir if name.startswith("refs/") else refs.git_dir) / name)
