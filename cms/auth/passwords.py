"""Passwords: what may be one, and hashing them with argon2id, as slowly as OWASP asks for and never too often at once."""

import hashlib
import hmac
import os
import secrets
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from threading import BoundedSemaphore, Lock

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from cms.auth.secret import SHAPE
from cms.errors import InvalidQuery, TooMany

CHARACTERS_LEAST, CHARACTERS_MOST, DIFFERENT_LEAST = 12, 1024, 5
MEMORY_KIB, ROUNDS, LANES = 19456, 2, 1
WAITING_MOST, WAIT_SECONDS_MOST = 16, 5.0
REMEMBERED_FOR = timedelta(minutes=2)
REMEMBERED_MOST = 256
STRIPES = 64
GENERATED_GROUPS, GENERATED_GROUP = 4, 5
# Without those that look like one another, for passwords that are read from one screen and typed into another.
GENERATED_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
#: What is wrong with a password, and how that is said.
RULES: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "short": (
        lambda text: len(text) < CHARACTERS_LEAST,
        f"a password has at least {CHARACTERS_LEAST} characters; a few words in a row are easy to remember",
    ),
    "long": (lambda text: len(text) > CHARACTERS_MOST, f"a password has at most {CHARACTERS_MOST:,} characters"),
    "control": (
        lambda text: any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text),
        "a password holds no line breaks, tabs or other control characters",
    ),
    "plain": (
        lambda text: len(set(text)) < DIFFERENT_LEAST,
        f"a password has at least {DIFFERENT_LEAST} different characters",
    ),
    "token": (
        lambda text: SHAPE.fullmatch(text) is not None,
        "this is a token, and no password; choose another text",
    ),
}


def read_password(text: str) -> str:
    """*text* as it is hashed: in Unicode's composed form, whatever keyboard it was typed on.

    Raises:
        InvalidQuery: it cannot be anybody's password; the text is not in the message. ``rule`` is a key of RULES.
    """
    password = unicodedata.normalize("NFC", text)
    for rule, (is_broken, sentence) in RULES.items():
        if is_broken(password):
            raise InvalidQuery(sentence, parameter="password", rule=rule)
    return password


def generate_password() -> str:
    """A password to be written down: four groups of five, 99 random bits."""
    groups = range(GENERATED_GROUPS)
    return "-".join("".join(secrets.choice(GENERATED_LETTERS) for _ in range(GENERATED_GROUP)) for _ in groups)


class Passwords:
    """Hashes and checks passwords.

    A password that was right is remembered for two minutes, in this process's memory: clients that send it with every request would
    otherwise pay for a hash each time. What is remembered is a keyed hash of the password and the account's stamp, which every
    change of the account renews, so that what is remembered dies with it.

    Args:
        memory_kib, rounds, lanes: argon2id's parameters; hashes made with others are made anew at the next sign-in.
        at_once: how many hashes are computed at the same time in this process; default is a core each.
    """

    def __init__(
        self, *, memory_kib: int = MEMORY_KIB, rounds: int = ROUNDS, lanes: int = LANES, at_once: int | None = None
    ) -> None:
        self._hasher = PasswordHasher(time_cost=rounds, memory_cost=memory_kib, parallelism=lanes, type=Type.ID)
        self._hashing = BoundedSemaphore(at_once or os.cpu_count() or 1)
        self._stripes = tuple(BoundedSemaphore() for _ in range(STRIPES))
        self._lock = Lock()
        self._waiting = 0
        self._key = secrets.token_bytes(32)
        self._remembered: dict[bytes, datetime] = {}

    def hash(self, password: str) -> str:
        """The hash of a *password* that was read with :func:`read_password`.

        Raises:
            TooMany: too many wait for theirs already.
        """
        with self._queue(), self._one_of_few():
            return self._hasher.hash(password)

    @contextmanager
    def turn(self, account: str) -> Iterator[None]:
        """Wait until nobody else in this process tries a password of *account*, and few of any: those who come together are then known at once.

        Raises:
            TooMany: too many wait already.
        """
        with self._queue(), _holding(self._stripes[hash(account) % STRIPES]), self._one_of_few():
            yield

    def is_right(self, kept: str | None, password: str) -> bool:
        """Within a turn: whether *password* has the hash *kept*. Takes as long for None, which is nobody's."""
        if kept is None or len(password) > CHARACTERS_MOST:
            self._hasher.hash(password[:CHARACTERS_MOST])
            return False
        try:
            return self._hasher.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False

    def renew(self, kept: str, password: str) -> str | None:
        """Within a turn: the hash of a right *password* in place of one that was made with other parameters; None when it is up to date."""
        return self._hasher.hash(password) if self._hasher.check_needs_rehash(kept) else None

    @contextmanager
    def _queue(self) -> Iterator[None]:
        """Count those who wait: they hold threads that others want, too."""
        with self._lock:
            if self._waiting >= WAITING_MOST:
                raise _too_many()
            self._waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1

    def _one_of_few(self) -> AbstractContextManager[None]:
        return _holding(self._hashing)

    def remember(self, stamp: bytes, password: str, now: datetime) -> None:
        """Keep in mind that *password* was right for the account with that *stamp*."""
        with self._lock:
            if len(self._remembered) >= REMEMBERED_MOST:
                self._remembered.clear()
            self._remembered[self._mark(stamp, password)] = now

    def is_remembered(self, stamp: bytes, password: str, now: datetime) -> bool:
        """Whether it was right a moment ago."""
        at = self._remembered.get(self._mark(stamp, password))
        return at is not None and at <= now < at + REMEMBERED_FOR

    def _mark(self, stamp: bytes, password: str) -> bytes:
        return hmac.digest(
            self._key, stamp + hashlib.sha256(password.encode(errors="surrogatepass")).digest(), "sha256"
        )


@contextmanager
def _holding(lock: BoundedSemaphore) -> Iterator[None]:
    if not lock.acquire(timeout=WAIT_SECONDS_MOST):
        raise _too_many()
    try:
        yield
    finally:
        lock.release()


def _too_many() -> TooMany:
    return TooMany("too many passwords are being checked at once; try again in a moment", retry_after_seconds=1)
