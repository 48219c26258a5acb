"""Power cuts: a real ext4 that stops at any moment and forgets what it had not written, as after a pulled plug.

The file system is told to shut down without flushing its journal (``FS_IOC_SHUTDOWN``), unmounted, and mounted again, when it
recovers what was on the disk. Needs root and a loop device.
"""

import fcntl
import gc
import os
import random
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.crash.desk import Place, work
from tests.crash.kills import Run, kill_session, wait_for_session
from tests.crash.ledger import Ledger
from tests.crash.pushes import Pusher, serve

_SHUTDOWN = 0x8004587D
_WITHOUT_JOURNAL = 2
_PATIENCE_SECONDS = 20.0
SIZE_BYTES = 256 * 1024 * 1024
#: As people have it, and as careless as ext4 can be.
OPTIONS = ("data=ordered", "data=writeback,noauto_da_alloc")


class CannotCut(Exception):
    """This machine lets nobody cut the power of a file system."""


def cut_publishing(
    folder: Path, count: int, seed: int, options: str, *, is_careless: bool = False, is_shared: bool = False
) -> Ledger:
    """Cut the power of a desk *count* times, and check all that it said before.

    Args:
        options: of the mount.
        is_careless: the desk brings nothing to the disk, to see that this would be noticed.
        is_shared: somebody with a shell works there too.

    Raises:
        CannotCut: not root, or no loop device.
    """
    moments = random.Random(seed)
    disk = _Disk(folder, options)
    ledger = Ledger(disk.place, is_shared=is_shared)
    for number in range(count):
        with disk.mounted():
            how = {"is_careless": is_careless, "is_maintaining": number % 3 == 2, "is_shared": is_shared}
            job = partial(work, disk.place, name=f"p{number}", **how)
            run = Run.start(job, is_quiet=True)
            time.sleep(moments.uniform(0.1, 1.0))
            disk.cut()
            kill_session(run.pid, "all")
            run.wait()
            kill_session(run.pid, "all")  # what it was just starting
            wait_for_session(run.pid)
        for said in run.read():
            ledger.hear(said)
        with disk.mounted():
            ledger.check(deeply=True)
        if ledger.problems:
            break
    if not ledger.acts["publish"] and count > 2:
        ledger.problems.append("nothing was published in all the time")
    return ledger


def cut_pushes(folder: Path, count: int, seed: int, options: str) -> Ledger:
    """Cut the power of a server *count* times while somebody pushes to it, and check all that Git's client was told.

    Raises:
        CannotCut: not root, or no loop device.
    """
    moments = random.Random(seed)
    disk = _Disk(folder, options)
    ledger = Ledger(disk.place)
    with disk.mounted():
        pusher = Pusher(disk.place, folder / "clone", moments)
    for _ in range(count):
        with disk.mounted():
            run = Run.start(partial(serve, disk.place), is_quiet=True)
            ready = run.read_until("ready")[-1]
            ledger.hear(ready)
            end = threading.Timer(moments.uniform(0.1, 1.5), disk.cut)
            end.start()
            pusher.push_until_refused(ready["port"], ledger)
            end.join()
            kill_session(run.pid, "all")
            run.wait()
            kill_session(run.pid, "all")  # what it was just starting
            wait_for_session(run.pid)
        with disk.mounted():
            ledger.check(deeply=True)
        if ledger.problems:
            break
    return ledger


class _Disk:
    """A disk in a file, with a site on it."""

    def __init__(self, folder: Path, options: str) -> None:
        self._image, self._path, self._options = folder / "disk.img", folder / "disk", options
        self._path.mkdir()
        with self._image.open("wb") as file:
            file.truncate(SIZE_BYTES)
        _run("mkfs.ext4", "-q", "-F", str(self._image))
        self.place = Place(self._path)
        with self.mounted():
            self.place.make()
            os.sync()

    def cut(self) -> None:
        """Let it stop at once."""
        handle = os.open(self._path, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, _SHUTDOWN, struct.pack("I", _WITHOUT_JOURNAL))
        finally:
            os.close(handle)

    @contextmanager
    def mounted(self) -> Iterator[None]:
        """Plug it in, and out again."""
        _run("mount", "-o", f"loop,{self._options}", str(self._image), str(self._path))
        try:
            yield
        finally:
            gc.collect()  # packs stay mapped as long as somebody holds a store, perhaps only himself
            until = time.monotonic() + _PATIENCE_SECONDS
            while subprocess.run(["umount", str(self._path)], capture_output=True, check=False).returncode != 0:
                if time.monotonic() > until:
                    subprocess.run(["umount", "--lazy", str(self._path)], capture_output=True, check=False)
                    raise CannotCut(f"{self._path} stays in use")
                time.sleep(0.05)


def _run(*command: str) -> None:
    try:
        subprocess.run(command, capture_output=True, check=True)
    except FileNotFoundError as error:
        raise CannotCut(f"{command[0]} is not installed") from error
    except subprocess.CalledProcessError as error:
        raise CannotCut(f"{' '.join(command)}: {error.stderr.decode(errors='replace').strip()}") from error
