"""Slowing down those who guess passwords, in every worker alike: what is counted stands in the database.

Three counts, each attempt charged *before* its password is looked at, and given back when it was right:

- of an account from one address: five failures are free, then each doubles the wait, from a second to a quarter of an hour;
- of an account from everywhere: fifty are free, then the wait grows to a minute;
- of everything: a hundred at once and five a second, so that a thousand accounts cannot be tried in place of one.

The last two do not concern an address from which the account has signed in within thirty days: whoever guesses from elsewhere cannot
keep the owner out. Tokens and sessions are never slowed: they cannot be guessed. Behind a proxy that hides who asks, all addresses are
one, and the first count is the account's; its owner may then have to wait, or use a token.

An attempt that is refused here is not counted, or those who wait would never be let in. Names and addresses are kept as keyed hashes.
"""

import hmac
import ipaddress
import math
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

from cms.errors import TooMany

ROWS_MOST = 20_000
KNOWN_FOR = timedelta(days=30)
FORGOTTEN_AFTER = timedelta(days=1)
ALL_AT_ONCE, ALL_PER_SECOND = 100, 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How many failures are free, how long the wait may become, and how long after the last one nothing is held against anybody."""

    free: int
    longest_seconds: float
    forgotten_after: timedelta

    def wait(self, failures: float, seconds: float) -> float:
        """How many seconds to wait still, *seconds* after the last of so many failures."""
        # Less than nothing: the clock was set back. Nobody waits for it to come round again.
        if failures < self.free or seconds < 0 or seconds >= self.forgotten_after.total_seconds():
            return 0.0
        return min(self.longest_seconds, math.pow(2, min(failures - self.free, 60))) - seconds


FROM_ONE = Limit(free=5, longest_seconds=900, forgotten_after=FORGOTTEN_AFTER)
FROM_ALL = Limit(free=50, longest_seconds=60, forgotten_after=timedelta(hours=1))


class Throttle:
    """The counts, for one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        # Keeps what is stored from being computed from a list of names and addresses.
        (self._salt,) = connection.execute("SELECT value FROM about WHERE name = 'salt'").fetchone()
        self._everything = self._key("everything")

    def require(self, account: str, address: str, now: datetime) -> None:
        """Refuse, and count nothing, when it is not yet time for another attempt.

        Raises:
            TooMany: says how long to wait.
        """
        wait = self._wait(account, address, now.timestamp())
        if wait > 0:
            seconds = math.ceil(wait)
            raise TooMany(
                f"too many wrong passwords; try again in {_duration(seconds)}, or use a token",
                retry_after_seconds=seconds,
            )

    def charge(self, account: str, address: str, now: datetime) -> None:
        """Count an attempt as one that failed.

        Raises:
            TooMany: it is not yet time for one; says how long to wait.
        """
        self.require(account, address, now)
        at = now.timestamp()
        of = self._of(account)
        self._count(self._pair(account, address), of, at, FROM_ONE)
        self._count(of, of, at, FROM_ALL)
        self._set(self._everything, self._everything, self._level(at) + 1, at)
        self._prune(at)

    def give_back(self, account: str, address: str, now: datetime) -> None:
        """The attempt that was charged last was right: hold nothing against this address, and know it from now on."""
        of = self._of(account)
        self._set(self._pair(account, address), of, 0, now.timestamp(), is_known=True)
        lower = "UPDATE attempts SET failures = MAX(0, failures - 1) WHERE key = ?"
        self._connection.executemany(lower, [(of,), (self._everything,)])

    def forget(self, account: str) -> None:
        """Delete all that is known of *account*."""
        self._connection.execute("DELETE FROM attempts WHERE account = ?", (self._of(account),))

    def _wait(self, account: str, address: str, at: float) -> float:
        failures, last, is_known = self._get(self._pair(account, address))
        wait = FROM_ONE.wait(failures, at - last)
        if is_known and 0 <= at - last < KNOWN_FOR.total_seconds():
            return wait
        failures, last, _ = self._get(self._of(account))
        if self._level(at) >= ALL_AT_ONCE:
            wait = max(wait, 1.0)
        return max(wait, FROM_ALL.wait(failures, at - last))

    def _count(self, key: bytes, account: bytes, at: float, limit: Limit) -> None:
        failures, last, is_known = self._get(key)
        if not 0 <= at - last < limit.forgotten_after.total_seconds():
            failures = 0
        self._set(key, account, failures + 1, at, is_known=is_known)

    def _level(self, at: float) -> float:
        level, last, _ = self._get(self._everything)
        return max(0.0, level - (at - last) * ALL_PER_SECOND) if at >= last else 0.0

    def _prune(self, at: float) -> None:
        """Delete what no longer matters; of too many rows the oldest."""
        self._connection.execute(
            "DELETE FROM attempts WHERE at < ? AND (is_known = 0 OR at < ?)",
            (at - FORGOTTEN_AFTER.total_seconds(), at - KNOWN_FOR.total_seconds()),
        )
        (rows,) = self._connection.execute("SELECT COUNT(*) FROM attempts").fetchone()
        if rows > ROWS_MOST:
            oldest = "SELECT key FROM attempts ORDER BY is_known, at LIMIT ?"
            self._connection.execute(f"DELETE FROM attempts WHERE key IN ({oldest})", (rows - ROWS_MOST,))  # noqa: S608

    def _get(self, key: bytes) -> tuple[float, float, bool]:
        """(failures, when the last one was, whether the address is known)."""
        row = self._connection.execute("SELECT failures, at, is_known FROM attempts WHERE key = ?", (key,)).fetchone()
        return (float(row[0]), float(row[1]), bool(row[2])) if row is not None else (0.0, 0.0, False)

    def _set(self, key: bytes, account: bytes, failures: float, at: float, *, is_known: bool = False) -> None:
        row = (key, account, failures, at, is_known)
        self._connection.execute("INSERT OR REPLACE INTO attempts VALUES (?, ?, ?, ?, ?)", row)

    def _of(self, account: str) -> bytes:
        return self._key("account", account)

    def _pair(self, account: str, address: str) -> bytes:
        return self._key("pair", account, _network(address))

    def _key(self, *words: str) -> bytes:
        raws = [word.encode(errors="replace") for word in words]
        return hmac.digest(self._salt, b"".join(len(raw).to_bytes(4, "big") + raw for raw in raws), "sha256")


def _network(address: str) -> str:
    """What one person can easily send from: one IPv4 address, or the 64 bits before the host's in IPv6."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is None:
            return str(ipaddress.ip_network((parsed, 64), strict=False))
        parsed = parsed.ipv4_mapped
    return str(parsed)


def _duration(seconds: int) -> str:
    minutes = -(-seconds // 60)
    if seconds < 120:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    return f"{minutes} minutes"
