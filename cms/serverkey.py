"""The server's own signing key: what merges, verdicts made for somebody, and the push log are signed with.

It lies in the state folder, never in Git: ``server_key`` in OpenSSH's format, readable by its owner alone, and ``server_key.pub``
beside it. It is made once, whole or not at all. When it is replaced, the old public keys go on to a list, so that what they signed
stays provable; the order in which they followed each other is told by the push log (``pushlog``), each signing for the next.
"""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_ssh_private_key,
)

from cms.errors import InvalidSettings, RepositoryProblem
from cms.signatures import parse_public_key, sshsig

KEY_FILE = "server_key"
PUBLIC_FILE = "server_key.pub"
NEXT_FILE = "server_key.next"
PAST_FILE = "server_keys.past"
_LOCK_FILE = "server_key.lock"
_NEW_FILE = "server_key.new"
_COMMENT = "branchpress server key"
_MAX_BYTES = 16_384
_PRIVATE, _PUBLIC, _FOLDER = 0o600, 0o644, 0o700
_OTHERS = 0o077


class ServerKey:
    """The key in a state folder. Follows the file: after a rotation by another process it signs with the new one."""

    def __init__(self, folder: Path) -> None:
        """Use ``load_or_create`` or ``load``."""
        self.folder = folder
        self._file = folder / KEY_FILE
        self._loaded = _load(self._file)

    @classmethod
    def load_or_create(cls, folder: Path) -> "ServerKey":
        """Open the key in the state *folder*; make both when they are not there.

        Raises:
            InvalidSettings: others can read the key, or it is damaged. Facts: path, hint.
            RepositoryProblem: the folder cannot be written. Facts: path, hint.
        """
        try:
            folder.mkdir(mode=_FOLDER, parents=True, exist_ok=True)
            with _turn(folder):
                if not (folder / KEY_FILE).exists():
                    _write(folder / KEY_FILE, _make_private(), _PRIVATE)
                key = cls(folder)
                _write_public(folder, key.public_key)
        except OSError as error:
            raise _folder_problem(folder, error) from error
        return key

    @classmethod
    def load(cls, folder: Path) -> "ServerKey | None":
        """Open the key in *folder*; None when there is none.

        Raises:
            InvalidSettings: as ``load_or_create``.
        """
        return cls(folder) if (folder / KEY_FILE).exists() else None

    @property
    def public_key(self) -> str:
        """The public key on one line, without a comment."""
        return sshsig.public_line(self._current().public_key())

    @property
    def past_keys(self) -> tuple[str, ...]:
        """The public keys before this one, oldest first."""
        return read_past_keys(self.folder)

    def sign(self, payload: bytes) -> str:
        """Return the armoured signature of a commit's bytes.

        Raises:
            InvalidSettings: as ``load_or_create``.
        """
        return sshsig.sign(self._current(), payload)

    def prepare_next(self) -> str:
        """Make the key that will follow this one, or find the one that a rotation cut short left; returns its public key.

        Raises:
            InvalidSettings, RepositoryProblem: as ``load_or_create``.
        """
        try:
            with _turn(self.folder):
                file = self.folder / NEXT_FILE
                if not file.exists():
                    _write(file, _make_private(), _PRIVATE)
                return sshsig.public_line(_load(file)[1].public_key())
        except OSError as error:
            raise _folder_problem(self.folder, error) from error

    def adopt_next(self, public_key: str, *, at: datetime) -> bool:
        """Put the prepared key in the place of this one, if it is *public_key*; the old public key goes on the list.

        Each step can be repeated, so that a rotation that was cut short can be finished at any time.

        Returns:
            Whether *public_key* is in use now.

        Raises:
            InvalidSettings, RepositoryProblem: as ``load_or_create``.
        """
        try:
            with _turn(self.folder):
                file = self.folder / NEXT_FILE
                if self.public_key != public_key and file.exists():
                    if sshsig.public_line(_load(file)[1].public_key()) != public_key:
                        return False
                    self._remember(at)
                    file.replace(self._file)
                    _sync(self.folder)
                    _write_public(self.folder, public_key)
                return self.public_key == public_key
        except OSError as error:
            raise _folder_problem(self.folder, error) from error

    def _remember(self, at: datetime) -> None:
        if self.public_key in self.past_keys:
            return
        file = self.folder / PAST_FILE
        before = file.read_text("utf-8") if file.exists() else ""
        line = f"{self.public_key} until {at.isoformat(timespec='seconds')}\n"
        _write(file, (before + line).encode(), _PUBLIC)

    def _current(self) -> Ed25519PrivateKey:
        loaded = self._loaded
        if _stamp(self._file) != loaded[0]:
            loaded = self._loaded = _load(self._file)
        return loaded[1]


def read_past_keys(folder: Path) -> tuple[str, ...]:
    """Read the list of public keys that were used in the state *folder* before, oldest first."""
    try:
        lines = (folder / PAST_FILE).read_text("utf-8", "replace").splitlines()
    except OSError:
        return ()
    return tuple(key for line in lines if (key := parse_public_key(line)) is not None)


_Stamp = tuple[int, int, int] | None


def _stamp(file: Path) -> _Stamp:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _load(file: Path) -> tuple[_Stamp, Ed25519PrivateKey]:
    stamp = _stamp(file)
    try:
        with file.open("rb") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            raw = stream.read(_MAX_BYTES)
    except OSError as error:
        raise InvalidSettings(
            f"the server's key {file} cannot be read: {error.strerror}",
            path=str(file),
            hint="let the user that runs cms own the file, or restore it from a backup",
        ) from error
    if mode & _OTHERS:
        raise InvalidSettings(
            f"the server's key {file} can be read by others (its mode is {mode:04o}), who could sign in the server's name",
            path=str(file),
            hint=f"run `chmod 600 {file}`; if somebody else may have read it, replace it with `cms key rotate` afterwards",
        )
    try:
        key = load_ssh_private_key(raw, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _unusable(file, "it is damaged, or protected by a passphrase") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _unusable(file, "it is not an Ed25519 key")
    return stamp, key


def _unusable(file: Path, why: str) -> InvalidSettings:
    return InvalidSettings(
        f"the server's key {file} cannot be used: {why}",
        path=str(file),
        hint="restore the file from a backup; without one move it away, and the server makes a new key",
    )


def _folder_problem(folder: Path, error: OSError) -> RepositoryProblem:
    return RepositoryProblem(
        f"the server's key cannot be kept in {folder}: {error.strerror or error}",
        path=str(error.filename or folder),
        hint="let the user that runs cms write to the folder, or name another one as [server] state in cms.toml",
    )


def _make_private() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())


def _write_public(folder: Path, public_key: str) -> None:
    file, wanted = folder / PUBLIC_FILE, f"{public_key} {_COMMENT}\n".encode()
    with suppress(OSError):
        if file.read_bytes() == wanted:
            return
    _write(file, wanted, _PUBLIC)


def _write(file: Path, data: bytes, mode: int) -> None:
    """Write a file so that at any moment the old or the new one is there, whole, and that it survives a power cut."""
    new = file.parent / _NEW_FILE
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(file)
    _sync(file.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """One process at a time changes the keys in *folder*."""
    handle = os.open(folder / _LOCK_FILE, os.O_RDWR | os.O_CREAT, _PRIVATE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
