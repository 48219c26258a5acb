"""Cursors: where a walk through a list stands, as one text that nobody outside is meant to read.

A walk goes through one list of one state of the content, whatever is published meanwhile. So a cursor names the state (commit and moment), the
list (a digest of the query) and how much of it was told. For a state that is not what everybody sees any more the cursor is also the right to go on
reading it, so it bears a mark (a MAC) that only this site can make: who was not there then cannot come to see it afterwards. A walk through a view
that the request itself names needs no such right; its cursors are the same on every server.
"""

import hmac
import os
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from secrets import token_bytes
from tempfile import NamedTemporaryFile
from threading import Lock

import structlog

from cms.errors import InvalidQuery
from cms.refs import CommitId

KEY_FILE = "cursor.key"
KEY_BYTES = 32
DIGEST_BYTES, MARK_BYTES = 12, 16
#: What decides how an entry looks or what is told beside the entries, and not which come in which order; and the secret of a preview.
FREE = frozenset(
    (
        *("cursor", "limit", "fields", "include", "depth", "format", "highlight", "preview"),
        *("facet", "facet.limit", "aggregate", "group_by", "group.limit"),
    )
)
_STATE = struct.Struct(f">B20sd{DIGEST_BYTES}sI")
_PLACE = struct.Struct(f">B{DIGEST_BYTES}sI")
_PRESENT, _NAMED = 1, 2
_TEXT = re.compile(r"[A-Za-z0-9_-]{20,100}")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a walk goes through: a commit as it was seen at *moment* (seconds since 1970)."""

    commit: CommitId
    moment: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where a walk stands.

    Attributes:
        digest: of what decides which entries come in which order; in a named view also of its state.
        told: how many entries are before the page.
        state: None in a view that the request names.
        is_proven: this site made it.
    """

    digest: bytes
    told: int
    state: State | None = None
    is_proven: bool = False


def digest_query(name: str, pairs: Sequence[tuple[str, str]], *more: str) -> bytes:
    """What tells one list from another.

    Args:
        pairs: names, aliases resolved, and values.
        more: what else decides what is listed.
    """
    parts = sorted(f"{key}={value}" for key, value in pairs if key.partition("[")[0] not in FREE)
    return blake2b("\0".join([name, *more, *parts]).encode(), digest_size=DIGEST_BYTES).digest()


class Cursors:
    """Writes and reads the cursors of one site. Its key lies among the derived data; without it walks begin anew, and nothing else is lost."""

    def __init__(self, folder: Path) -> None:
        """*folder* is made when the key is needed for the first time."""
        self._folder = folder
        self._key = b""
        self._lock = Lock()

    def write(self, cursor: Cursor) -> str:
        """*cursor* as it is sent."""
        state = cursor.state
        if state is None:
            return _encode(_PLACE.pack(_NAMED, cursor.digest, cursor.told))
        packed = _STATE.pack(_PRESENT, bytes.fromhex(state.commit), state.moment, cursor.digest, cursor.told)
        return _encode(packed + self._mark(packed))

    def read(self, text: str) -> Cursor:
        """The cursor that *text* spells, whoever made it: see ``is_proven``.

        Raises:
            InvalidQuery: it is none.
        """
        packed = _decode(text)
        if len(packed) == _PLACE.size and packed[0] == _NAMED:
            _, digest, told = _PLACE.unpack(packed)
            return Cursor(digest=digest, told=told)
        if len(packed) == _STATE.size + MARK_BYTES and packed[0] == _PRESENT:
            body, mark = packed[: _STATE.size], packed[_STATE.size :]
            _, commit, moment, digest, told = _STATE.unpack(body)
            is_proven = hmac.compare_digest(mark, self._mark(body))
            return Cursor(
                digest=digest,
                told=told,
                state=State(commit=CommitId(commit.hex()), moment=moment),
                is_proven=is_proven,
            )
        raise _is_none()

    def _mark(self, packed: bytes) -> bytes:
        if not self._key:
            with self._lock:
                self._key = self._key or _read_key(self._folder)
        return blake2b(packed, key=self._key, digest_size=MARK_BYTES).digest()


def _encode(packed: bytes) -> str:
    return urlsafe_b64encode(packed).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    if _TEXT.fullmatch(text):
        with suppress(ValueError):
            packed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
            if _encode(packed) == text:
                return packed
    raise _is_none()


def _is_none() -> InvalidQuery:
    return InvalidQuery(
        "cursor: this is none; begin with cursor=*, and then follow links.next, or send what the page before gave as meta.cursor",
        parameter="cursor",
    )


def _read_key(folder: Path) -> bytes:
    """The key in *folder*, which all processes of the site share; made when there is none."""
    file = folder / KEY_FILE
    try:
        with suppress(FileNotFoundError):
            key = file.read_bytes()
            if len(key) == KEY_BYTES:
                return key
            file.unlink()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=folder, prefix=f".{KEY_FILE}-") as new:  # nobody else may read it
            new.write(token_bytes(KEY_BYTES))
            new.flush()
            with suppress(FileExistsError):  # another process was faster
                os.link(new.name, file)
        key = file.read_bytes()
        if len(key) == KEY_BYTES:
            return key
    except OSError as error:
        log.warning("cursor.key_not_kept", folder=str(folder), reason=str(error))
    return token_bytes(KEY_BYTES)
