"""Power cuts: a real ext4 that stops at any moment and forgets what it had not written, as after a pulled plug.

The file system is told to shut down without flushing its journal (``FS_IOC_SHUTDOWN``), unmounted, and mounted again, when it
recovers what was on the disk. Needs root and a loop device.
"""

import fcntl
import os
import random
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.crash.desk import Place, work
from tests.crash.kills import Run
from tests.crash.ledger import Ledger

_SHUTDOWN = 0x8004587D
_WITHOUT_JOURNAL = 2
SIZE_BYTES = 256 * 1024 * 1024
#: As people have it, and as careless as ext4 can be.
OPTIONS = ("data=ordered", "data=writeback,noauto_da_alloc")


class CannotCut(Exception):
    """This machine lets nobody cut the power of a file system."""


def cut_at_random(folder: Path, count: int, seed: int, options: str, *, is_careless: bool = False) -> Ledger:
    """Cut the power of a desk *count* times, and check all that it said before.

    Args:
        options: of the mount.
        is_careless: the desk brings nothing to the disk, to see that this would be noticed.

    Raises:
        CannotCut: not root, or no loop device.
    """
    moments = random.Random(seed)
    image, disk = folder / "disk.img", folder / "disk"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(SIZE_BYTES)
    _run("mkfs.ext4", "-q", "-F", str(image))
    place = Place(disk)
    with _mounted(image, disk, options):
        place.make()
        os.sync()
    ledger = Ledger(place)
    for number in range(count):
        with _mounted(image, disk, options):
            run = Run.start(partial(work, place, name=f"p{number}", is_careless=is_careless), is_quiet=True)
            time.sleep(moments.uniform(0.1, 1.0))
            _cut(disk)
            run.kill()
        for said in run.read():
            ledger.hear(said)
        with _mounted(image, disk, options):
            ledger.check(deeply=True)
        if ledger.problems:
            break
    return ledger


def _cut(disk: Path) -> None:
    handle = os.open(disk, os.O_RDONLY)
    try:
        fcntl.ioctl(handle, _SHUTDOWN, struct.pack("I", _WITHOUT_JOURNAL))
    finally:
        os.close(handle)


@contextmanager
def _mounted(image: Path, disk: Path, options: str) -> Iterator[None]:
    _run("mount", "-o", f"loop,{options}", str(image), str(disk))
    try:
        yield
    finally:
        _unmount(disk)


def _unmount(disk: Path) -> None:
    for _ in range(50):
        if subprocess.run(["umount", str(disk)], capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.1)
    _run("umount", str(disk))


def _run(*command: str) -> None:
    try:
        subprocess.run(command, capture_output=True, check=True)
    except FileNotFoundError as error:
        raise CannotCut(f"{command[0]} is not installed") from error
    except subprocess.CalledProcessError as error:
        raise CannotCut(f"{' '.join(command)}: {error.stderr.decode(errors='replace').strip()}") from error
