"""Rows of the file of accounts: reading them as values, and the changes that several acts share. All within a caller's transaction."""

import json
import re
import secrets
import sqlite3
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from cms.auth.records import Account, SessionInfo, TokenInfo
from cms.auth.secret import Kind, find_secret, make_secret
from cms.errors import Conflict, InvalidQuery, NotFound

SESSION_LASTS = timedelta(hours=12)
TOKEN_LASTS_MOST = timedelta(days=366)
#: How long a token that is over stays in lists.
TOKEN_LISTED = timedelta(days=90)
TOKENS_MOST, SESSIONS_MOST, SCOPES_MOST, NAME_MOST = 100, 50, 100, 100
PERSON = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
SCOPE = re.compile(r"[a-z]+(?:[._][a-z]+)*")
ACCOUNT = "SELECT person, password IS NOT NULL, is_disabled, added_at FROM people"
TOKEN_COLUMNS = "id, person, name, scopes, created_at, expires_at, used_on, revoked_at"  # noqa: S105 - no secret


class Kept(NamedTuple):
    """What a password is compared with; the defaults are of nobody."""

    hash: str | None = None
    stamp: bytes = b""
    is_disabled: bool = True


def seconds(at: datetime) -> int:
    """A point in time as it is stored."""
    return int(at.timestamp())


def stored(at: int) -> datetime:
    """A point in time as it was stored."""
    return datetime.fromtimestamp(at, UTC)


def account_of(row: tuple[Any, ...]) -> Account:
    """A row of ``ACCOUNT``."""
    person, has_password, is_disabled, added_at = row
    return Account(
        person=person, has_password=bool(has_password), is_disabled=bool(is_disabled), added_at=stored(added_at)
    )


def token_of(row: tuple[Any, ...]) -> TokenInfo:
    """A row of ``TOKEN_COLUMNS``."""
    id, person, name, scopes, created_at, expires_at, used_on, revoked_at = row
    return TokenInfo(
        id=id,
        person=person,
        name=name,
        scopes=frozenset(json.loads(scopes)) if scopes is not None else None,
        created_at=stored(created_at),
        expires_at=stored(expires_at),
        used_on=date.fromisoformat(used_on) if used_on is not None else None,
        revoked_at=stored(revoked_at) if revoked_at is not None else None,
    )


def session_of(row: tuple[Any, ...]) -> SessionInfo:
    """A row of id, person and the two times."""
    id, person, created_at, expires_at = row
    return SessionInfo(id=id, person=person, created_at=stored(created_at), expires_at=stored(expires_at))


def require_person(connection: sqlite3.Connection, person: str, *, is_enabled: bool = False) -> bytes:
    """The stamp of an account.

    Args:
        is_enabled: whether it must not be disabled.

    Raises:
        NotFound: there is no such account.
        Conflict: it is disabled, and must not be.
    """
    query = "SELECT stamp, is_disabled FROM people WHERE person = ?"
    row = connection.execute(query, (person,)).fetchone() if PERSON.fullmatch(person) else None
    if row is None:
        raise NotFound(
            f"{person!r} has no account", hint="cms user list shows who has one; cms user add makes one", person=person
        )
    if is_enabled and row[1]:
        raise Conflict(f"the account of {person!r} is disabled", hint=f"first: cms user enable {person}", person=person)
    stamp: bytes = row[0]
    return stamp


def add_person(connection: sqlite3.Connection, person: str, hash: str | None, now: datetime) -> None:
    """Make an account.

    Raises:
        InvalidQuery: this cannot be an id.
        Conflict: there is such an account.
    """
    if not PERSON.fullmatch(person):
        raise InvalidQuery(
            f"{person!r} cannot be the id of a person: up to 64 small letters, digits, dots, hyphens and underscores,"
            " the first one a letter or digit",
            parameter="person",
        )
    if connection.execute("SELECT 1 FROM people WHERE person = ?", (person,)).fetchone() is not None:
        raise Conflict(f"{person!r} has an account already", hint=f"for a new password: cms user passwd {person}")
    row = (person, hash, secrets.token_bytes(16), seconds(now))
    connection.execute("INSERT INTO people VALUES (?, ?, 0, ?, ?)", row)


def renew_stamp(connection: sqlite3.Connection, person: str) -> None:
    """End what belongs to the old stamp: sessions, and passwords that any process remembers."""
    connection.execute("UPDATE people SET stamp = ? WHERE person = ?", (secrets.token_bytes(16), person))
    connection.execute("DELETE FROM sessions WHERE person = ?", (person,))


def add_session(connection: sqlite3.Connection, person: str, stamp: bytes, now: datetime) -> tuple[SessionInfo, str]:
    """Begin a session that lasts as long as *stamp* is the account's; of too many the oldest ends."""
    secret = make_secret(Kind.SESSION)
    session = SessionInfo(
        id=secret.id, person=person, created_at=stored(seconds(now)), expires_at=stored(seconds(now + SESSION_LASTS))
    )
    connection.execute("DELETE FROM sessions WHERE expires_at <= ?", (seconds(now),))
    newest = "SELECT id FROM sessions WHERE person = ?1 ORDER BY created_at DESC, id LIMIT ?2"
    connection.execute(
        f"DELETE FROM sessions WHERE person = ?1 AND id NOT IN ({newest})",  # noqa: S608
        (person, SESSIONS_MOST - 1),
    )
    row = (session.id, person, stamp, secret.digest, seconds(session.created_at), seconds(session.expires_at))
    connection.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?)", row)
    return session, secret.text


def add_token(connection: sqlite3.Connection, token: TokenInfo, digest: bytes, now: datetime) -> None:
    """Keep a token; those that have been over for long go.

    Raises:
        Conflict: its owner has too many.
    """
    connection.execute("DELETE FROM tokens WHERE expires_at < ?1 OR revoked_at < ?1", (seconds(now - TOKEN_LISTED),))
    (live,) = connection.execute(
        "SELECT COUNT(*) FROM tokens WHERE person = ? AND revoked_at IS NULL AND expires_at > ?",
        (token.person, seconds(now)),
    ).fetchone()
    if live >= TOKENS_MOST:
        raise Conflict(
            f"{token.person!r} has {TOKENS_MOST} tokens, and may not have more", hint="revoke one that is not used"
        )
    scopes = json.dumps(sorted(token.scopes)) if token.scopes is not None else None
    times = (seconds(token.created_at), seconds(token.expires_at))
    row = (token.id, token.person, token.name, scopes, digest, *times)
    connection.execute("INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL)", row)


def read_name(name: str) -> str:
    """The name of a token.

    Raises:
        InvalidQuery: it cannot be one.
    """
    name = name.strip()
    if not name or len(name) > NAME_MOST or not name.isprintable():
        raise InvalidQuery(f"the name of a token has 1 to {NAME_MOST} letters, on one line", parameter="name")
    return name


def read_scopes(scopes: Iterable[str] | None) -> frozenset[str] | None:
    """Names of permissions, as far as their form goes.

    Raises:
        InvalidQuery: one cannot be a permission, or there is none; names it.
    """
    if scopes is None:
        return None
    read = frozenset(scopes)
    for scope in sorted(read):
        if len(scope) > NAME_MOST or not SCOPE.fullmatch(scope):
            raise InvalidQuery(f"{scope[:NAME_MOST]!r} is not a permission such as 'draft.write'", parameter="scopes")
    if not read or len(read) > SCOPES_MOST:
        raise InvalidQuery(
            f"a token is restricted to at least one permission and at most {SCOPES_MOST}, or to none in particular",
            parameter="scopes",
        )
    return read


def read_end(expires_at: datetime, now: datetime) -> datetime:
    """When a token ends.

    Raises:
        InvalidQuery: it is over before it began, or lasts too long.
    """
    if not now < expires_at <= now + TOKEN_LASTS_MOST:
        raise InvalidQuery("a token ends in the future, and after a year at most", parameter="expires_at")
    return expires_at


def is_link_open(connection: sqlite3.Connection, link: str, now: datetime) -> bool:
    """Whether the first account can be made with *link*."""
    secret = find_secret(link)
    if secret is None or secret.kind is not Kind.LINK:
        return False
    row = connection.execute("SELECT digest, expires_at FROM setup").fetchone()
    if row is None or not secret.fits(row[0]) or seconds(now) >= row[1]:
        return False
    return connection.execute("SELECT 1 FROM people LIMIT 1").fetchone() is None


def closed_link() -> NotFound:
    """The refusal of a link that cannot be used."""
    return NotFound(
        "this link is wrong, older than a day, or was used",
        hint="start the server again for a new one, as long as nobody has an account; else: cms user passwd",
    )
