"""Previews: leave to see one draft for whoever has the token, for a while. It is a right without a person: nobody acts with it.

What a preview allows stands in the file of accounts, so that it can be listed and revoked. Its token is the signature of just that, made with
a key that lies in a file of its own beside it: a copy of the accounts alone opens no draft, a row that was changed fits no token, and
deleting the key ends all previews at once.
"""

import hmac
import os
import secrets
import sqlite3
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cms.auth.database import Database
from cms.auth.records import PreviewGrant, PreviewInfo
from cms.auth.rows import seconds, stored
from cms.auth.secret import Kind, find_secret, make_id, sign_secret
from cms.errors import AccountsUnavailable, Conflict, InvalidQuery, NotFound, Unauthorised

KEY_FILE = "preview_key"
KEY_BYTES = 32
LASTS = timedelta(hours=24)
LASTS_MOST = timedelta(days=30)
#: How long a preview that is over stays in lists.
LISTED = timedelta(days=30)
LIVE_MOST = 50
COLUMNS = "id, draft, life, person, created_at, expires_at, revoked_at"


class Previews:
    """The previews of one site. Any number of threads and processes may use them."""

    def __init__(self, database: Database) -> None:
        """Take those in *database*; the key is made with the first one."""
        self._database = database
        self._key_file = database.path.with_name(KEY_FILE)

    def grant(
        self, draft: str, life: str, person: str, *, now: datetime, expires_at: datetime | None = None
    ) -> tuple[PreviewInfo, str]:
        """Make a preview. That *person* may is for the caller to know.

        Args:
            life: tells this draft from others of its name.
            expires_at: at most 30 days from now; a day if not said.

        Returns:
            What is known of it, and its token.

        Raises:
            InvalidQuery: the time is not possible.
            Conflict: the draft has too many.
            AccountsUnavailable: it cannot be kept.
        """
        end = expires_at or now + LASTS
        if not now < end <= now + LASTS_MOST:
            raise InvalidQuery(
                f"a preview ends in the future, and after {LASTS_MOST.days} days at most", parameter="expires_at"
            )
        preview = PreviewInfo(
            id=make_id(),
            draft=draft,
            life=life,
            person=person,
            created_at=stored(seconds(now)),
            expires_at=stored(seconds(end)),
        )
        key = self._make_key()
        with self._database.writing() as connection:
            _add(connection, preview, now)
        return preview, _token(preview, key)

    def verify(self, token: str, *, now: datetime) -> PreviewGrant:
        """What *token* allows.

        Raises:
            Unauthorised: it is wrong, over or revoked; does not say which.
            AccountsUnavailable: it cannot be known.
        """
        secret = find_secret(token)
        if secret is None or secret.kind is not Kind.PREVIEW:
            raise refused()
        with self._database.reading() as connection:
            row = connection.execute(f"SELECT {COLUMNS} FROM previews WHERE id = ?", (secret.id,)).fetchone()  # noqa: S608
        key = self._read_key()
        if row is None or key is None:
            raise refused()
        preview = _preview_of(row)
        if not hmac.compare_digest(_token(preview, key), secret.text) or not preview.is_live(now):
            raise refused()
        return PreviewGrant(draft=preview.draft, id=preview.id, life=preview.life, person=preview.person)

    def of(self, draft: str) -> list[PreviewInfo]:
        """The previews of all drafts of a name, the newest first; those that are over, too, for a month."""
        query = f"SELECT {COLUMNS} FROM previews WHERE draft = ? ORDER BY created_at DESC, id"  # noqa: S608
        with self._database.reading() as connection:
            return [_preview_of(row) for row in connection.execute(query, (draft,))]

    def revoke(self, draft: str, id: str, *, now: datetime) -> PreviewInfo:
        """Accept a preview no more. Harmless when it is over already.

        Raises:
            NotFound: the draft has none of that id.
        """
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE previews SET revoked_at = ? WHERE id = ? AND draft = ? AND revoked_at IS NULL",
                (seconds(now), id, draft),
            )
            row = connection.execute(
                f"SELECT {COLUMNS} FROM previews WHERE id = ? AND draft = ?",  # noqa: S608
                (id, draft),
            ).fetchone()
            if row is None:
                raise NotFound("this draft has no such preview; cms preview DRAFT --list shows which there are")
        return _preview_of(row)

    def end_those_of(self, connection: sqlite3.Connection, person: str, now: datetime) -> None:
        """Revoke all that *person* made, within a transaction."""
        connection.execute(
            "UPDATE previews SET revoked_at = ? WHERE person = ? AND revoked_at IS NULL", (seconds(now), person)
        )

    def forget(self, connection: sqlite3.Connection, person: str) -> None:
        """Delete all that *person* made, within a transaction."""
        connection.execute("DELETE FROM previews WHERE person = ?", (person,))

    def _read_key(self) -> bytes | None:
        """The key; None when there is none, or one that we did not write. Read anew each time: deleting it has to end all previews."""
        try:
            key = self._key_file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unusable(self._key_file, error) from error
        return key if len(key) == KEY_BYTES else None

    def _make_key(self) -> bytes:
        """The key; made whole or not at all when there is none, also when several processes do it at once."""
        known = self._read_key()
        if known is not None:
            return known
        new = self._key_file.with_name(f"{KEY_FILE}.{secrets.token_hex(6)}")
        try:
            with os.fdopen(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as stream:
                stream.write(secrets.token_bytes(KEY_BYTES))
                stream.flush()
                os.fsync(stream.fileno())
            with suppress(FileExistsError):
                os.link(new, self._key_file)
        except OSError as error:
            raise _unusable(self._key_file, error) from error
        finally:
            new.unlink(missing_ok=True)
        made = self._read_key()
        if made is None:
            raise AccountsUnavailable(
                f"the key of previews, {KEY_FILE} in the state folder, is damaged",
                hint="delete the file: all previews end, and new ones can be made",
                path=self._key_file,
            )
        return made


def refused() -> Unauthorised:
    """The one refusal for all that is wrong with a preview: whoever guesses learns nothing from it."""
    return Unauthorised(
        "this preview is wrong, over or revoked, or its draft is no longer there",
        hint="ask whoever sent it for a new one: cms preview DRAFT",
    )


def _token(preview: PreviewInfo, key: bytes) -> str:
    said = (preview.draft, preview.life, preview.person, str(seconds(preview.expires_at)))
    return sign_secret(Kind.PREVIEW, preview.id, key, "\0".join(said).encode()).text


def _add(connection: sqlite3.Connection, preview: PreviewInfo, now: datetime) -> None:
    """Keep a preview; those that have been over for long go."""
    over = seconds(now - LISTED)
    connection.execute("DELETE FROM previews WHERE expires_at < ?1 OR revoked_at < ?1", (over,))
    (live,) = connection.execute(
        "SELECT COUNT(*) FROM previews WHERE draft = ? AND life = ? AND revoked_at IS NULL AND expires_at > ?",
        (preview.draft, preview.life, seconds(now)),
    ).fetchone()
    if live >= LIVE_MOST:
        raise Conflict(
            f"the draft {preview.draft!r} has {LIVE_MOST} previews, and may not have more",
            hint="revoke one that is not used",
        )
    times = (seconds(preview.created_at), seconds(preview.expires_at))
    row = (preview.id, preview.draft, preview.life, preview.person, *times)
    connection.execute("INSERT INTO previews VALUES (?, ?, ?, ?, ?, ?, NULL)", row)


def _preview_of(row: tuple[Any, ...]) -> PreviewInfo:
    """A row of ``COLUMNS``."""
    id, draft, life, person, created_at, expires_at, revoked_at = row
    return PreviewInfo(
        id=id,
        draft=draft,
        life=life,
        person=person,
        created_at=stored(created_at),
        expires_at=stored(expires_at),
        revoked_at=stored(revoked_at) if revoked_at is not None else None,
    )


def _unusable(path: Path, error: OSError) -> AccountsUnavailable:
    return AccountsUnavailable(
        f"the key of previews, {KEY_FILE} in the state folder, cannot be used: {error.strerror or error}",
        hint="let the user that runs cms read and write there",
        path=path,
    )
