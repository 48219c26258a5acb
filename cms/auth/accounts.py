"""The accounts of one site: adding and ending them, and telling from a request's header who sent it.

Every check reads the database, so that what is revoked, disabled or changed in one process holds for the next request in all of them.
A person's row has a *stamp*, random and renewed with the password and when the account is disabled: sessions and remembered passwords
belong to one stamp, and end with it.
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from cms.auth import rows
from cms.auth.database import Database
from cms.auth.header import Claim, claim, read_header, unauthorised
from cms.auth.passwords import Passwords, read_password
from cms.auth.previews import Previews
from cms.auth.records import Account, Identity, PreviewGrant, SessionInfo, TokenInfo
from cms.auth.rows import ACCOUNT, TOKEN_COLUMNS, Kept, account_of, seconds, stored, token_of
from cms.auth.secret import Kind, Secret, make_secret
from cms.auth.throttle import Throttle
from cms.errors import AccountsUnavailable, NotFound, TooMany, Unauthorised

SETUP_LASTS = timedelta(hours=24)

log = structlog.get_logger(__name__)


class Accounts:
    """The accounts of one site. Any number of threads and processes may use them; each process opens them for itself."""

    def __init__(self, database: Database, passwords: Passwords) -> None:
        """Use :meth:`open`."""
        self._database = database
        self._passwords = passwords
        self.previews = Previews(database)

    @classmethod
    def open(cls, folder: Path, *, passwords: Passwords | None = None) -> "Accounts":
        """Open the accounts in the state folder; they are made when there are none.

        Args:
            passwords: how passwords are hashed, if not as OWASP asks for.

        Raises:
            AccountsUnavailable: the file cannot be made or read, is damaged, or of a newer Branchpress.
        """
        return cls(Database(folder), passwords or Passwords())

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    # -- people

    def users(self) -> list[Account]:
        """Everybody who has an account, by id."""
        with self._database.reading() as connection:
            return [account_of(row) for row in connection.execute(f"{ACCOUNT} ORDER BY person")]

    def find_user(self, person: str) -> Account | None:
        """The account of *person*."""
        with self._database.reading() as connection:
            row = connection.execute(f"{ACCOUNT} WHERE person = ?", (person,)).fetchone()
        return account_of(row) if row is not None else None

    def is_active(self, person: str) -> bool:
        """Whether what is done for *person* without asking again may go on: not once the account is disabled. Needs no account."""
        account = self.find_user(person)
        return account is None or not account.is_disabled

    def add_user(self, person: str, *, now: datetime, password: str | None = None) -> None:
        """Make an account. Whether *person* is listed in ``cms.toml`` is for the caller to know.

        Args:
            password: None for those who shall use tokens only.

        Raises:
            InvalidQuery: this cannot be an id, or a password.
            Conflict: there is such an account.
        """
        kept = self._hash(password) if password is not None else None
        with self._database.writing() as connection:
            rows.add_person(connection, person, kept, now)
            connection.execute("DELETE FROM setup")

    def set_password(self, person: str, password: str) -> None:
        """Change a password; ends all sessions. Tokens stay.

        Raises:
            InvalidQuery: this cannot be a password.
            NotFound: there is no such account.
        """
        kept = self._hash(password)
        with self._database.writing() as connection:
            rows.require_person(connection, person)
            connection.execute("UPDATE people SET password = ? WHERE person = ?", (kept, person))
            rows.renew_stamp(connection, person)

    def disable(self, person: str, *, now: datetime) -> None:
        """Accept nothing from *person* any more: ends all sessions and revokes all tokens and previews, for good.

        Raises:
            NotFound: there is no such account.
        """
        with self._database.writing() as connection:
            rows.require_person(connection, person)
            connection.execute("UPDATE people SET is_disabled = 1 WHERE person = ?", (person,))
            connection.execute(
                "UPDATE tokens SET revoked_at = ? WHERE person = ? AND revoked_at IS NULL", (seconds(now), person)
            )
            rows.renew_stamp(connection, person)
            self.previews.end_those_of(connection, person, now)

    def enable(self, person: str) -> None:
        """Accept the password of *person* again. Tokens, sessions and previews from before do not come back.

        Raises:
            NotFound: there is no such account.
        """
        with self._database.writing() as connection:
            rows.require_person(connection, person)
            connection.execute("UPDATE people SET is_disabled = 0 WHERE person = ?", (person,))
            rows.renew_stamp(connection, person)

    def erase(self, person: str) -> None:
        """Delete all that is known of *person*: account, tokens, sessions, previews, and what was counted against them.

        Raises:
            NotFound: there is no such account.
        """
        with self._database.writing() as connection:
            rows.require_person(connection, person)
            connection.execute("DELETE FROM people WHERE person = ?", (person,))
            Throttle(connection).forget(person)
            self.previews.forget(connection, person)
        self._database.shred()

    # -- tokens

    def create_token(
        self, person: str, name: str, *, scopes: Iterable[str] | None, expires_at: datetime, now: datetime
    ) -> tuple[TokenInfo, str]:
        """Make an API token.

        Args:
            name: what it is for.
            scopes: the permissions it is restricted to; None for all that its owner may do. Which there are is not known here.
            expires_at: at most a year from now.

        Returns:
            What is known of it, and its secret, which nobody can be told again.

        Raises:
            InvalidQuery: the name, a scope or the time is not possible.
            NotFound: there is no such account.
            Conflict: the account is disabled, or has too many tokens.
        """
        secret = make_secret(Kind.TOKEN)
        token = TokenInfo(
            id=secret.id,
            person=person,
            name=rows.read_name(name),
            scopes=rows.read_scopes(scopes),
            created_at=stored(seconds(now)),
            expires_at=stored(seconds(rows.read_end(expires_at, now))),
        )
        with self._database.writing() as connection:
            rows.require_person(connection, person, is_enabled=True)
            rows.add_token(connection, token, secret.digest, now)
        return token, secret.text

    def tokens(self, person: str | None = None) -> list[TokenInfo]:
        """The tokens of *person*, or of everybody; those that are over, too, for some months. The newest come first."""
        query = f"SELECT {TOKEN_COLUMNS} FROM tokens WHERE ?1 IS NULL OR person = ?1 ORDER BY created_at DESC, id"  # noqa: S608
        with self._database.reading() as connection:
            return [token_of(row) for row in connection.execute(query, (person,))]

    def revoke_token(self, id: str, *, now: datetime, person: str | None = None) -> TokenInfo:
        """Accept a token no more. Harmless when it is over already.

        Args:
            person: whose it must be, if it must be somebody's.

        Raises:
            NotFound: there is no such token, or it is not theirs.
        """
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE tokens SET revoked_at = ?1 WHERE id = ?2 AND revoked_at IS NULL AND (?3 IS NULL OR person = ?3)",
                (seconds(now), id, person),
            )
            row = connection.execute(
                f"SELECT {TOKEN_COLUMNS} FROM tokens WHERE id = ?1 AND (?2 IS NULL OR person = ?2)",  # noqa: S608
                (id, person),
            ).fetchone()
            if row is None:
                raise NotFound("there is no such token; cms token list shows which there are")
        return token_of(row)

    # -- sessions

    def sign_in(self, person: str, password: str, *, now: datetime, address: str) -> tuple[SessionInfo, str]:
        """Check a password and begin a session.

        Returns:
            What is known of it, and its secret.

        Raises:
            Unauthorised: something is wrong; does not say what.
            TooMany: too many wrong passwords before; not even looked at.
        """
        stamp = self._check(claim(person, password), now, address)
        with self._database.writing() as connection:
            return rows.add_session(connection, person, stamp, now)

    def change_password(self, person: str, old: str, new: str, *, now: datetime, address: str) -> None:
        """Change a password for somebody who knows the old one; ends all sessions. Tokens stay.

        Raises:
            Unauthorised: the old one is wrong.
            TooMany: too many wrong ones before; not even looked at.
            InvalidQuery: the new one cannot be a password.
        """
        read_password(new)
        self._check(claim(person, old), now, address)
        self.set_password(person, new)

    def create_session(self, person: str, *, now: datetime) -> tuple[SessionInfo, str]:
        """Begin a session for somebody who was identified otherwise.

        Raises:
            NotFound: there is no such account.
            Conflict: the account is disabled.
        """
        with self._database.writing() as connection:
            return rows.add_session(connection, person, rows.require_person(connection, person, is_enabled=True), now)

    def sessions(self, person: str, *, now: datetime) -> list[SessionInfo]:
        """The sessions of *person* that are going on; the newest come first."""
        query = (
            "SELECT id, person, created_at, expires_at FROM sessions JOIN people USING (person, stamp)"
            " WHERE person = ? AND expires_at > ? ORDER BY created_at DESC, id"
        )
        with self._database.reading() as connection:
            return [rows.session_of(row) for row in connection.execute(query, (person, seconds(now)))]

    def end_session(self, id: str, *, person: str | None = None) -> bool:
        """End a session; harmless when it is over already.

        Args:
            person: whose it must be, if it must be somebody's.

        Returns:
            Whether there was one.
        """
        with self._database.writing() as connection:
            query = "DELETE FROM sessions WHERE id = ?1 AND (?2 IS NULL OR person = ?2)"
            return connection.execute(query, (id, person)).rowcount > 0

    # -- the first start

    def setup_secret(self, now: datetime) -> str | None:
        """A secret with which the first account can be made, once, within a day; None as soon as anybody has an account.

        A secret that was given before is void: to be called when the server starts, by one process of it.
        """
        secret = make_secret(Kind.LINK)
        with self._database.writing() as connection:
            connection.execute("DELETE FROM setup")
            if connection.execute("SELECT 1 FROM people LIMIT 1").fetchone() is not None:
                return None
            connection.execute("INSERT INTO setup VALUES (?, ?)", (secret.digest, seconds(now + SETUP_LASTS)))
        return secret.text

    def is_setup_open(self, secret: str, *, now: datetime) -> bool:
        """Whether :meth:`use_setup` would accept the secret."""
        with self._database.reading() as connection:
            return rows.is_link_open(connection, secret, now)

    def use_setup(self, secret: str, person: str, password: str, *, now: datetime) -> None:
        """Make the first account. That *person* may have it is for the caller to know.

        Raises:
            NotFound: the secret is wrong, too old, or was used; or there is an account by now.
            InvalidQuery: this cannot be an id, or a password; the secret can still be used.
        """
        if not self.is_setup_open(secret, now=now):
            raise rows.closed_link()
        kept = self._hash(password)
        with self._database.writing() as connection:
            if not rows.is_link_open(connection, secret, now):
                raise rows.closed_link()
            connection.execute("DELETE FROM setup")
            rows.add_person(connection, person, kept, now)

    # -- who is it?

    def preview(self, token: str, now: datetime) -> PreviewGrant:
        """What a preview's token allows. Whether the draft is still there, and its maker may show it, is asked by ``Office.preview``.

        Raises:
            Unauthorised: it is wrong, over or revoked; does not say which.
            AccountsUnavailable: it cannot be known.
        """
        return self.previews.verify(token, now=now)

    def authenticate(self, header: str | None, *, now: datetime, address: str) -> Identity | None:
        """Who sent a request with this ``Authorization`` header.

        Args:
            header: ``Bearer`` with a token or session, or ``Basic`` with a password or token; None when there is none.
            address: where it came from. Passwords are slowed by it, tokens and sessions never are.

        Returns:
            None for a request without a header.

        Raises:
            Unauthorised: something is wrong; does not say what.
            TooMany: too many wrong passwords before; not even looked at.
            AccountsUnavailable: it cannot be known.
        """
        if header is None:
            return None
        # Git asks first with a name alone, which is no attempt worth a line in the log.
        said = read_header(header)
        try:
            if isinstance(said, Claim):
                self._check(said, now, address)
                return Identity(person=said.account, via="password")
            return self._token_of(said, now) if said.kind is Kind.TOKEN else self._session_of(said, now)
        except Unauthorised:
            log.info("auth.refused", address=address)
            raise

    def _token_of(self, secret: Secret, now: datetime) -> Identity:
        with self._database.reading() as connection:
            row = connection.execute(
                f"SELECT {TOKEN_COLUMNS}, digest FROM tokens JOIN people USING (person) WHERE id = ? AND NOT is_disabled",  # noqa: S608
                (secret.id,),
            ).fetchone()
        if row is None or not secret.fits(row[-1]):
            raise unauthorised()
        token = token_of(row[:-1])
        if not token.is_live(now):
            raise unauthorised()
        today = now.astimezone(UTC).date()
        if token.used_on != today:
            with suppress(AccountsUnavailable), self._database.writing() as connection:
                connection.execute("UPDATE tokens SET used_on = ? WHERE id = ?", (today.isoformat(), token.id))
        return Identity(person=token.person, via="token", scopes=token.scopes, token=token.id)

    def _session_of(self, secret: Secret, now: datetime) -> Identity:
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT person, digest, expires_at FROM sessions JOIN people USING (person, stamp)"
                " WHERE id = ? AND NOT is_disabled",
                (secret.id,),
            ).fetchone()
        if row is None or not secret.fits(row[1]) or seconds(now) >= row[2]:
            raise unauthorised()
        return Identity(person=row[0], via="session", token=secret.id)

    def _check(self, said: Claim, now: datetime, address: str) -> bytes:
        """Require that the password is right; returns the stamp of the account."""
        try:
            kept, is_right = self._look_up(said, now, address)
            if is_right:
                return kept.stamp
            with self._passwords.turn(said.account):
                return self._try(said, now, address)
        except TooMany as error:
            log.warning("auth.slowed", address=address, seconds=error.facts.get("retry_after_seconds"))
            raise

    def _try(self, said: Claim, now: datetime, address: str) -> bytes:
        """Within a turn: the same, and count it before it is known how it ends."""
        kept, is_right = self._look_up(said, now, address)
        if is_right:
            return kept.stamp
        with self._database.writing() as connection:
            Throttle(connection).charge(said.account, address, now)
        if not self._passwords.is_right(kept.hash, said.password) or kept.hash is None or kept.is_disabled:
            raise unauthorised()
        renewed = self._passwords.renew(kept.hash, said.password)
        with self._database.writing() as connection:
            Throttle(connection).give_back(said.account, address, now)
            if renewed is not None:
                connection.execute(
                    "UPDATE people SET password = ? WHERE person = ? AND stamp = ?", (renewed, said.account, kept.stamp)
                )
        self._passwords.remember(kept.stamp, said.password, now)
        return kept.stamp

    def _look_up(self, said: Claim, now: datetime, address: str) -> tuple[Kept, bool]:
        """(what is kept of the account, whether the password was right a moment ago).

        Memory is asked by those only who need not wait: it would let them go on guessing.
        """
        with self._database.reading() as connection:
            Throttle(connection).require(said.account, address, now)
            query = "SELECT password, stamp, is_disabled FROM people WHERE person = ?"
            row = connection.execute(query, (said.account,)).fetchone()
        kept = Kept(*row) if row is not None else Kept()
        return kept, not kept.is_disabled and self._passwords.is_remembered(kept.stamp, said.password, now)

    def _hash(self, password: str) -> str:
        return self._passwords.hash(read_password(password))
