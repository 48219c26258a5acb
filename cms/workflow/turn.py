"""Turns: on one machine only one act at a time decides on what is published and moves it.

Git's compare-and-swap keeps two acts from mixing. A turn is for what that cannot see: a request for changes that arrives between the moment
at which somebody found that there is none and the moment at which the text goes public.
"""

import fcntl
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from cms.errors import RepositoryProblem, TooBusy

FILE = "branchpress.turn"
WAIT_SECONDS = 30.0
_LOOK_SECONDS = 0.02


class Turn:
    """A turn, taken at most once. It may be given back by another thread than the one that took it."""

    def __init__(self, common_dir: Path) -> None:
        self._path = common_dir / FILE
        self._is_taken = False

    @property
    def is_taken(self) -> bool:
        """Whether it is ours."""
        return self._is_taken

    def take(self, seconds: float = WAIT_SECONDS) -> None:
        """Wait for the turn, unless it was taken already.

        Raises:
            TooBusy: others had it for *seconds*.
            RepositoryProblem: the disk or the system refuses.
        """
        if self._is_taken:
            return
        try:
            self._file = self._path.open("ab")
        except OSError as error:
            raise RepositoryProblem(
                f"nothing can be published: {error.strerror}",
                path=str(self._path),
                hint="look at the disk, and try again",
            ) from error
        deadline = time.monotonic() + seconds
        while not self._is_taken:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._is_taken = True
            except BlockingIOError:
                if time.monotonic() > deadline:
                    self._file.close()
                    raise TooBusy("others are publishing; try again in a minute") from None
                time.sleep(_LOOK_SECONDS)

    def give_back(self) -> None:
        """Let others have it."""
        if self._is_taken:
            self._is_taken = False
            self._file.close()

    def __enter__(self) -> Self:
        self.take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.give_back()
