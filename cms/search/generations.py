"""The folder of the index: which generation is valid, who may write, and whether a file is what was written.

    search_index/
        manifest.json      names the folder in use and what it was made by and for
        lock               held by the one process that writes
        g-3f9c.../         one index; its files, and for each table of contents a list of checksums

Anything that does not fit is left aside and a new folder is begun; the old one is deleted when nobody hinders it. What is
here is derived from Git, so that losing it costs time only. Folders are private (0700), since reading an index means
unpickling it.

Not here: what the files mean (``whoosh``).
"""

import contextlib
import json
import os
import secrets
import shutil
import stat
import sys
import threading
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

if sys.platform != "win32":
    import fcntl

FORMAT = 2
_MANIFEST = "manifest.json"
_PREFIX = "g-"
_CHUNK = 1 << 20

Sums = Mapping[str, tuple[int, int]]  # file name -> size in bytes, CRC-32


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Which generation is in use (a folder name), and the stamp of what it was made by and for."""

    generation: str
    stamp: str


def make_stamp(*facts: str) -> str:
    """One text for all that an index depends on; an index with another stamp is of no use."""
    return json.dumps([FORMAT, sys.byteorder, *facts])


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest, or ``None`` for a missing or damaged one."""
    try:
        values = json.loads((folder / _MANIFEST).read_bytes())
        generation, stamp, check = values["generation"], values["stamp"], values["check"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if check != zlib.crc32(f"{generation}\n{stamp}".encode()) or Path(generation).name != generation:
        return None
    return Manifest(generation=generation, stamp=stamp)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    check = zlib.crc32(f"{manifest.generation}\n{manifest.stamp}".encode())
    text = json.dumps({"generation": manifest.generation, "stamp": manifest.stamp, "check": check}, indent=2)
    replace_file(folder / _MANIFEST, text.encode())


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that it is whole or absent, also after a power cut."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    if sys.platform != "win32":
        sync_file(folder)


def make_private_folder(folder: Path) -> None:
    # Not all parents: a repository that was moved away must not be in the way of its own return.
    folder.parent.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    with contextlib.suppress(PermissionError):  # not ours to change; what we make inside it still is
        folder.chmod(0o700)


def is_private(folder: Path) -> bool:
    """Whether only we (or the system) can have written there, so that its pickles may be read."""
    facts = folder.lstat()
    if sys.platform == "win32":
        return True
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid in {0, os.geteuid()} and not facts.st_mode & 0o022


def begin_generation(folder: Path) -> str:
    """Make an empty generation folder; its name."""
    name = f"{_PREFIX}{secrets.token_hex(8)}"
    (folder / name).mkdir(mode=0o700)
    return name


def delete_other_generations(folder: Path, keep: str) -> None:
    """Delete what no manifest names. A file that cannot be deleted now is left for the next time."""
    for path in folder.iterdir():
        if path.name.startswith(_PREFIX) and path.name != keep:
            shutil.rmtree(path, ignore_errors=True)


def sum_of(path: Path) -> tuple[int, int]:
    """Size and CRC-32 of a file."""
    size = check = 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(_CHUNK):
            size += len(block)
            check = zlib.crc32(block, check)
    return size, check


def sums_name(contents: str) -> str:
    return f"{contents}.sums"


def write_sums(folder: Path, contents: str, sums: Sums) -> None:
    """Note the checksums of all the files that a table of contents stands for, itself included."""
    body = json.dumps(sums, sort_keys=True)
    replace_file(folder / sums_name(contents), f"{zlib.crc32(body.encode()):08x}\n{body}".encode())


def read_sums(folder: Path, contents: str) -> Sums | None:
    try:
        check, body = (folder / sums_name(contents)).read_text("utf-8").split("\n", 1)
        if int(check, 16) != zlib.crc32(body.encode()):
            return None
        return {str(name): (int(size), int(crc)) for name, (size, crc) in json.loads(body).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return None


@dataclass(slots=True)
class Verified:
    """Files whose checksum was found right, so that each is read through once; looked at again when it was touched."""

    folder: Path
    _known: dict[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)

    def is_whole(self, name: str, expected: tuple[int, int]) -> bool:
        known = self._known.get(name)
        path = known[0] if known is not None else str(self.folder / name)
        try:
            facts = os.stat(path)  # noqa: PTH116 (of every file before every search: making a path takes longer)
            seen = (facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino)
            if known is not None and known[1] == seen:
                return True
            if facts.st_size != expected[0] or sum_of(Path(path)) != expected:
                return False
        except FileNotFoundError:
            return False
        self._known[name] = path, seen
        return True

    def keep_only(self, names: Mapping[str, object]) -> None:
        self._known = {name: seen for name, seen in self._known.items() if name in names}


class WriteLock:
    """One writer at a time, over threads and processes. The system lets go when a process dies."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lock"
        self._threads = threading.RLock()
        self._depth = 0
        self._file: int | None = None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Wait for the lock and hold it. ``OSError`` when the folder cannot be written."""
        with self._threads:
            if self._depth == 0:
                self._open()
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self._close()

    def _open(self) -> None:
        make_private_folder(self._path.parent)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        if sys.platform != "win32":
            fcntl.flock(self._file, fcntl.LOCK_EX)

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
