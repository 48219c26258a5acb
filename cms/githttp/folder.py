"""A folder of our own that nobody else may enter, for as long as this process lives.

One that a killed process left behind is cleared away by the next: a lock that dies with its owner tells which ones are alive.
"""

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from cms.errors import RepositoryProblem

PREFIX = "branchpress-git-"
LOCK = "lock"
SOCKET_PATH_BYTES_MOST = 100  # what the address of a Unix socket may have, everywhere
_ROOMS = (Path(tempfile.gettempdir()), Path("/tmp"))  # noqa: S108 - the folder made there is private


class PrivateFolder:
    """A folder with mode 0700."""

    def __init__(self) -> None:
        """Make it, and clear away what dead processes left.

        Raises:
            RepositoryProblem: there is no room for it.
        """
        room = next(
            (room for room in _ROOMS if len(os.fsencode(room)) + len(PREFIX) + 20 < SOCKET_PATH_BYTES_MOST), None
        )
        if room is None:
            raise RepositoryProblem("the path of the folder for temporary files is too long", path=str(_ROOMS[0]))
        _clear(room)
        try:
            made = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=room))
            self._lock = os.open(made / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            # Only now may others see it: they clear away what nobody has locked.
            self.path = made.rename(made.with_name(made.name.removeprefix(".")))
        except OSError as error:
            raise RepositoryProblem(f"no folder can be made for temporary files: {error}", path=str(room)) from error

    def close(self) -> None:
        """Remove it."""
        shutil.rmtree(self.path, ignore_errors=True)
        with suppress(OSError):
            os.close(self._lock)


def _clear(room: Path) -> None:
    for folder in room.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)
