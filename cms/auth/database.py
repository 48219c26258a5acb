"""The file of accounts: made whole or not at all, private, and never thrown away, because it can be computed from nothing else.

Every process has connections of its own, and a few of them, so that threads need not wait for one another. What one commits, all others
see with their next statement. ``synchronous = FULL`` in WAL mode: what was acknowledged survives a power cut.
"""

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from urllib.parse import quote

import structlog

from cms.errors import AccountsUnavailable, CMSError

FILE_NAME = "accounts.sqlite"
FORMAT = 1
APPLICATION_ID = 0x62707261  # "bpra"
TIMEOUT_SECONDS = 5.0
IDLE_MOST = 8
RETRY_SECONDS = 5
TABLES = """
CREATE TABLE about (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE people (
    person TEXT PRIMARY KEY, password TEXT, is_disabled INTEGER NOT NULL DEFAULT 0,
    stamp BLOB NOT NULL, added_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE tokens (
    id TEXT PRIMARY KEY, person TEXT NOT NULL REFERENCES people ON DELETE CASCADE, name TEXT NOT NULL, scopes TEXT,
    digest BLOB NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, used_on TEXT, revoked_at INTEGER
) WITHOUT ROWID;
CREATE INDEX tokens_of ON tokens (person);
CREATE TABLE sessions (
    id TEXT PRIMARY KEY, person TEXT NOT NULL REFERENCES people ON DELETE CASCADE, stamp BLOB NOT NULL,
    digest BLOB NOT NULL, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_of ON sessions (person);
CREATE TABLE setup (digest BLOB PRIMARY KEY, expires_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE attempts (
    key BLOB PRIMARY KEY, account BLOB NOT NULL, failures REAL NOT NULL, at REAL NOT NULL, is_known INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX attempts_at ON attempts (at);
"""
#: What files from before it was thought of lack; a Branchpress of that time does not mind it.
ADDED = """
CREATE TABLE IF NOT EXISTS previews (
    id TEXT PRIMARY KEY, draft TEXT NOT NULL, life TEXT NOT NULL, person TEXT NOT NULL,
    created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, revoked_at INTEGER
) WITHOUT ROWID
"""
HINTS = {
    sqlite3.SQLITE_CORRUPT: "put back a copy of it; without one move it away and add the accounts anew: cms user add",
    sqlite3.SQLITE_NOTADB: "put back a copy of it; without one move it away and add the accounts anew: cms user add",
    sqlite3.SQLITE_BUSY: "another program holds it; try again in a moment",
    sqlite3.SQLITE_FULL: "make room on the disk",
    sqlite3.SQLITE_READONLY: "let the user that runs cms write there",
    sqlite3.SQLITE_PERM: "let the user that runs cms read and write there",
    sqlite3.SQLITE_CANTOPEN: "let the user that runs cms read and write there",
}

log = structlog.get_logger(__name__)


class Database:
    """``accounts.sqlite`` in a folder, which is made when it is missing. Not to be carried over a fork."""

    def __init__(self, folder: Path) -> None:
        """Raises AccountsUnavailable: it cannot be made or read, is damaged, not ours, or of a newer Branchpress."""
        self.path = folder / FILE_NAME
        self._lock = Lock()
        self._idle: list[sqlite3.Connection] = []
        self._is_closed = False
        try:
            _make_private(folder)
            if not self.path.exists():
                _create(self.path)
            _keep_private(self.path, 0o600)
            self._file = self._look()
        except (OSError, sqlite3.Error) as error:
            raise self._unavailable(error) from error
        with self.reading() as connection:
            found: str = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise self._unavailable(sqlite3.DatabaseError(found.splitlines()[-1]))
            is_whole = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'previews'").fetchone() is not None
        if not is_whole:
            with self.writing() as connection:
                connection.execute(ADDED)

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for statements that each see what is committed when they begin.

        Raises:
            AccountsUnavailable: the disk, the file or another process is in the way.
        """
        try:
            connection = self._take()
        except (OSError, sqlite3.Error) as error:
            raise self._unavailable(error) from error
        try:
            yield connection
        except sqlite3.Error as error:
            connection.close()
            raise self._unavailable(error) from error
        except BaseException:
            self._put_back(connection)
            raise
        self._put_back(connection)

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection within a transaction that nobody else can write in: kept as a whole, or undone when something is raised.

        Raises:
            AccountsUnavailable: the disk, the file or another process is in the way; nothing was written.
        """
        with self.reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except CMSError:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def shred(self) -> None:
        """Take out of the file's companion what was just deleted, as far as no reader is in the way; nothing depends on it."""
        with contextlib.suppress(AccountsUnavailable), self.reading() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._is_closed = True
            while self._idle:
                with contextlib.suppress(sqlite3.Error):
                    self._idle.pop().close()

    def _look(self) -> tuple[int, int]:
        status = self.path.stat()
        return status.st_dev, status.st_ino

    def _take(self) -> sqlite3.Connection:
        if self._look() != self._file:  # what is revoked in one would be looked up in the other, or written over it
            raise AccountsUnavailable(
                f"{FILE_NAME} was exchanged for another file while it was in use",
                hint=f"stop cms, delete {FILE_NAME}-wal and {FILE_NAME}-shm beside it, and start cms again",
                path=self.path,
            )
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._connect()

    def _put_back(self, connection: sqlite3.Connection) -> None:
        """Keep *connection* for the next one; a transaction that was broken off is undone by closing it."""
        with self._lock:
            is_wanted = len(self._idle) < IDLE_MOST and not self._is_closed
            if is_wanted and not connection.in_transaction:
                self._idle.append(connection)
                return
        connection.close()

    def _connect(self) -> sqlite3.Connection:
        connection = _connect(self.path)
        try:
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (format,) = connection.execute("PRAGMA user_version").fetchone()
            if application != APPLICATION_ID:
                raise AccountsUnavailable(
                    f"{FILE_NAME} in the state folder is not a file of accounts",
                    hint="move it away, or let [server] state in cms.toml name another folder",
                    path=self.path,
                )
            if format > FORMAT:
                raise AccountsUnavailable(
                    f"{FILE_NAME} was written by a newer Branchpress (its format is {format}, known here is {FORMAT})",
                    hint="update Branchpress, or put back a copy of the file from before its update",
                    path=self.path,
                )
        except BaseException:
            connection.close()
            raise
        return connection

    def _unavailable(self, error: OSError | sqlite3.Error) -> AccountsUnavailable:
        """What went wrong in a sentence. Where is a fact apart: the folders of this machine are nobody's business over HTTP."""
        reason, hint = str(error), ""
        if isinstance(error, FileNotFoundError):
            reason, hint = "it is gone", "put back a copy of it, or start again to begin with an empty one"
        elif isinstance(error, OSError):
            reason, hint = error.strerror or reason, HINTS[sqlite3.SQLITE_PERM]
        else:
            hint = HINTS.get(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF, "")
        log.error("accounts.unusable", path=str(self.path), reason=reason)
        return AccountsUnavailable(
            f"the file of accounts, {FILE_NAME}, cannot be used: {reason}",
            hint=hint or None,
            path=self.path,
            retry_after_seconds=RETRY_SECONDS,
        )


def _connect(path: Path) -> sqlite3.Connection:
    """A connection to a file that must exist."""
    address = f"file:{quote(str(path.absolute()))}?mode=rw"
    connection = sqlite3.connect(
        address, uri=True, timeout=TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        for setting in ("synchronous = FULL", "foreign_keys = ON", "secure_delete = ON", "trusted_schema = OFF"):
            connection.execute(f"PRAGMA {setting}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _create(path: Path) -> None:
    """Make the file under another name and link it to its own: several processes may start at once, and any may be killed."""
    new = path.with_name(f"{path.name}.{secrets.token_hex(6)}")
    try:
        os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        connection = _connect(new)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(f"BEGIN; {TABLES} {ADDED}; COMMIT;")
            connection.execute("INSERT INTO about VALUES ('salt', ?)", (secrets.token_bytes(32),))
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {FORMAT}")
        finally:
            connection.close()
        with contextlib.suppress(FileExistsError):
            os.link(new, path)
    finally:
        for suffix in ("", "-wal", "-shm"):
            new.with_name(new.name + suffix).unlink(missing_ok=True)
    _sync_folder(path.parent)


def _make_private(folder: Path) -> None:
    """Make *folder* and what is above it, and let nobody else look into it."""
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sync_folder(folder.parent)
    _keep_private(folder, 0o700)


def _keep_private(path: Path, mode: int) -> None:
    """Take away what others may do with *path*; it is refused when that cannot be done.

    Raises:
        PermissionError: it belongs to somebody else.
    """
    if path.stat().st_mode & 0o077:
        path.chmod(mode)
        log.warning("accounts.made_private", path=str(path))


def _sync_folder(folder: Path) -> None:
    """See to it that the names in *folder* survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
