"""The derived cache: parsed entries by blob id, and the history, so that a restart need not read everything again.

One SQLite file. Every row carries a checksum; a file that cannot be opened, was made by another version, or holds a wrong row is
thrown away and made anew, because all of it can be computed from Git. Several processes may share it: losing a write costs time only.
"""

import contextlib
import hashlib
import sqlite3
import sys
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from threading import Lock

import msgspec
import structlog

from cms import __version__
from cms.entry import Parsed

FILE_NAME = "entries.sqlite"
TIMEOUT_SECONDS = 5.0
REST_SECONDS = 5.0
READERS = (
    "frontmatter",
    "fences",
    "yamltext",
    "yamlhints",
    "dates",
    "coerce",
    "entry",
    "finding",
    "schema",
    "cache",
    "commits",
    "descent",
    "history",
    "whereabouts",
    "chronicle",
    "annals",
    "markdown",
    "bodies",
)
TABLES = """
CREATE TABLE IF NOT EXISTS about (format TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS parsed (
    model TEXT NOT NULL, blob BLOB NOT NULL, checksum INTEGER NOT NULL, value BLOB NOT NULL, PRIMARY KEY (model, blob)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS departed (
    model TEXT NOT NULL, blob BLOB NOT NULL, checksum INTEGER NOT NULL, value BLOB NOT NULL, PRIMARY KEY (model, blob)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS digests (blob BLOB PRIMARY KEY, checksum INTEGER NOT NULL, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS history (
    ref TEXT PRIMARY KEY, commit_id TEXT NOT NULL, checksum INTEGER NOT NULL, value BLOB NOT NULL
) WITHOUT ROWID;
"""
# The tables of another version may have another shape.
CLEARING = "".join(f"DROP TABLE IF EXISTS {name};" for name in ("about", "parsed", "departed", "digests", "history"))
#: What SQLite reports when the disk or another process is in the way, and the file itself may be sound.
PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_PROTOCOL,
    }
)

log = structlog.get_logger(__name__)


def reader_version() -> str:
    """Changes whenever the code that reads content files does, so that nothing read by other code is taken for right."""
    digest = hashlib.sha256(__version__.encode())
    for name in READERS:
        digest.update(files("cms").joinpath(f"{name}.py").read_bytes())
    for library in ("yaml-rs", "PyYAML", "jsonschema-rs", "msgspec", "tzdata"):
        digest.update(version(library).encode())
    return digest.hexdigest()[:16]


FORMAT = reader_version()
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Parsed).decode


class DerivedCache:
    """Parsed entries and history on disk. Every method works, and does nothing, when the disk does not."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self._broken = False
        self._rest_until = 0.0
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None

    def load_parsed(self, model: str) -> dict[str, Parsed]:
        """What is kept for the collection whose schema has the fingerprint *model*: blob id to parsed entry."""
        return self._load("parsed", model)

    def save_parsed(self, model: str, parsed: Mapping[str, Parsed]) -> None:
        """Add entries; those already there are left alone."""
        self._save("parsed", model, parsed)

    def load_departed(self, model: str) -> dict[str, Parsed]:
        """As :meth:`load_parsed`, of files that are gone: only what their addresses need, and not read at every start."""
        return self._load("departed", model)

    def save_departed(self, model: str, parsed: Mapping[str, Parsed]) -> None:
        """As :meth:`save_parsed`, of files that are gone."""
        self._save("departed", model, parsed)

    def _load(self, table: str, model: str) -> dict[str, Parsed]:
        found: dict[str, Parsed] = {}
        with self._connect() as connection:
            if connection is None:
                return found
            rows = connection.execute(f"SELECT blob, checksum, value FROM {table} WHERE model = ?", (model,))  # noqa: S608
            for blob, checksum, value in rows:
                if zlib.crc32(value) != checksum:
                    raise sqlite3.DatabaseError("a row does not match its checksum")
                found[blob.hex()] = pooled(_decode(value))
        return {} if self._broken else found

    def _save(self, table: str, model: str, parsed: Mapping[str, Parsed]) -> None:
        if not parsed:
            return
        with self._connect() as connection:
            if connection is not None:
                rows = _rows(model, parsed.items())
                connection.executemany(f"INSERT OR IGNORE INTO {table} VALUES (?, ?, ?, ?)", rows)  # noqa: S608

    def prune(self, models: Iterable[str]) -> None:
        """Forget what was parsed by schemas that are no longer in use."""
        keep = sorted(models)
        with self._connect() as connection:
            if connection is not None:
                marks = ",".join("?" * len(keep))
                connection.execute(f"DELETE FROM parsed WHERE model NOT IN ({marks})", keep)  # noqa: S608

    def find_digest(self, blob: str) -> bytes | None:
        """What is kept of the body of the content file with that id."""
        found: bytes | None = None
        with self._connect() as connection:
            if connection is not None:
                row = connection.execute(
                    "SELECT checksum, value FROM digests WHERE blob = ?", (bytes.fromhex(blob),)
                ).fetchone()
                if row is not None:
                    if zlib.crc32(row[1]) != row[0]:
                        raise sqlite3.DatabaseError("a digest does not match its checksum")
                    found = row[1]
        return found

    def save_digests(self, digests: Mapping[str, bytes]) -> None:
        """Keep digests of bodies by blob id."""
        with self._connect() as connection:
            if connection is not None:
                rows = [(bytes.fromhex(blob), zlib.crc32(value), value) for blob, value in digests.items()]
                connection.executemany("INSERT OR REPLACE INTO digests VALUES (?, ?, ?)", rows)

    def load_history(self, ref: str) -> tuple[str, bytes] | None:
        """(commit id, encoded history) kept for *ref*."""
        found: tuple[str, bytes] | None = None
        with self._connect() as connection:
            if connection is not None:
                row = connection.execute(
                    "SELECT commit_id, checksum, value FROM history WHERE ref = ?", (ref,)
                ).fetchone()
                if row is not None:
                    if zlib.crc32(row[2]) != row[1]:
                        raise sqlite3.DatabaseError("the history does not match its checksum")
                    found = (row[0], row[2])
        return found

    def save_history(self, ref: str, commit: str, value: bytes) -> None:
        """Keep the history of *ref* as it was at *commit*."""
        with self._connect() as connection:
            if connection is not None:
                row = (ref, commit, zlib.crc32(value), value)
                connection.execute("INSERT OR REPLACE INTO history VALUES (?, ?, ?, ?)", row)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._hang_up()

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    @contextlib.contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection | None]:
        """The connection for one operation, or ``None``.

        A damaged file is removed, so that the next operation begins anew; what the disk refuses is left for a while.
        """
        with self._lock:
            self._broken = False
            if time.monotonic() < self._rest_until:
                yield None
                return
            given = False
            try:
                if self._connection is None:
                    self._connection = self._open()
                given = True
                yield self._connection
                if self._connection.in_transaction:
                    self._connection.commit()
            except (sqlite3.Error, msgspec.DecodeError, OSError, TypeError, ValueError) as error:
                self._broken = True
                log.warning("cache.unusable", path=str(self.path), reason=str(error))
                self._hang_up()
                if _is_damage(error):
                    self._discard()
                else:  # a full disk stays full for a while, and a list of entries would say so for each
                    self._rest_until = time.monotonic() + REST_SECONDS
                if not given:
                    yield None

    def _open(self) -> sqlite3.Connection:
        # Not its parents: a repository that was moved away must not be in the way of its own return.
        self.path.parent.mkdir(mode=0o700, exist_ok=True)
        connection = sqlite3.connect(self.path, timeout=TIMEOUT_SECONDS, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(TABLES)
            row = connection.execute("SELECT format FROM about").fetchone()
            if row is None:
                connection.execute("INSERT INTO about VALUES (?)", (FORMAT,))
            elif row[0] != FORMAT:
                connection.executescript(CLEARING + TABLES)
                connection.execute("INSERT INTO about VALUES (?)", (FORMAT,))
            connection.commit()
        except sqlite3.Error as error:
            connection.close()
            if not _is_damage(error):
                raise
            log.warning("cache.rebuilt", path=str(self.path), reason=str(error))
            self._discard()
            connection = sqlite3.connect(self.path, timeout=TIMEOUT_SECONDS, check_same_thread=False)
            connection.executescript(TABLES)
            connection.execute("INSERT INTO about VALUES (?)", (FORMAT,))
        return connection

    def _discard(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)


def _is_damage(error: Exception) -> bool:
    """Whether *error* means that the file holds something wrong, so that it must go."""
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF not in PASSING
    return isinstance(error, msgspec.DecodeError | TypeError)


def _rows(model: str, items: Iterable[tuple[str, Parsed]]) -> Iterator[tuple[str, bytes, int, bytes]]:
    for blob, parsed in items:
        value = _encode(parsed)
        yield model, bytes.fromhex(blob), zlib.crc32(value), value


def pooled(parsed: Parsed) -> Parsed:
    """*parsed* with short texts and keys shared with every other entry: taxonomies and authors repeat, and memory counts."""
    fields, title = parsed.fields, parsed.title
    intern = sys.intern
    for key, value in fields.items():
        if type(value) is str:
            if len(value) <= 40:
                fields[key] = intern(value)
            if value == title:
                # Decoding made two of it. Nobody else holds the entry yet.
                msgspec.structs.force_setattr(parsed, "title", fields[key])
        elif type(value) is list:
            fields[key] = [intern(part) if type(part) is str and len(part) <= 40 else part for part in value]
    return parsed
