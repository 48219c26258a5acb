"""Accounts: what is accepted, for how long, how often, and what is left of it on the disk."""

import base64
import logging
import multiprocessing
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from cms.auth import Accounts, Identity, Passwords, holds_password
from cms.auth.database import FILE_NAME, FORMAT, Database
from cms.auth.passwords import WAITING_MOST, generate_password, read_password
from cms.auth.secret import Kind, _checksum, find_secret, make_secret
from cms.auth.throttle import ALL_AT_ONCE, FROM_ONE, ROWS_MOST
from cms.errors import AccountsUnavailable, CMSError, Conflict, InvalidQuery, NotFound, TooMany, Unauthorised
from cms.log import configure_log

NOW = datetime(2026, 5, 17, 12, 0, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
PASSWORD, OTHER = "correct horse battery", "staple of another kind"
HOME, AWAY = "192.0.2.1", "198.51.100.7"
FREE = int(FROM_ONE.free)


def quick(rounds: int = 1) -> Passwords:
    """Hashes so weak that tests are quick."""
    return Passwords(memory_kib=8, rounds=rounds)


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the accounts lie."""
    return tmp_path / "state" / "site"


@pytest.fixture
def accounts(folder: Path) -> Iterator[Accounts]:
    """Accounts in which Kari has a password."""
    opened = Accounts.open(folder, passwords=quick())
    opened.add_user("kari", password=PASSWORD, now=NOW)
    yield opened
    opened.close()


def sign_in(
    accounts: Accounts, password: str = PASSWORD, *, now: datetime = NOW, address: str = HOME
) -> Identity | None:
    return accounts.authenticate(basic("kari", password), now=now, address=address)


def token_of(accounts: Accounts, person: str = "kari", *, expires_at: datetime = NOW + DAY) -> str:
    return accounts.create_token(person, "a script", scopes=None, expires_at=expires_at, now=NOW)[1]


def bearer(accounts: Accounts, secret: str, *, now: datetime = NOW) -> Identity | None:
    return accounts.authenticate(f"Bearer {secret}", now=now, address=HOME)


def guess_wrongly(
    accounts: Accounts, times: int, *, name: str = "kari", now: datetime = NOW, address: str = HOME
) -> None:
    for number in range(times):
        with pytest.raises(Unauthorised):
            accounts.authenticate(basic(name, f"a wrong guess {number}"), now=now, address=address)


def stored(folder: Path) -> bytes:
    """Everything on the disk, also what is not in the main file yet."""
    return b"".join(path.read_bytes() for path in folder.iterdir())


# -- passwords -----------------------------------------------------------------------------------------------------


def test_a_right_password_tells_who_it_is(accounts: Accounts) -> None:
    assert sign_in(accounts) == Identity(person="kari", via="password", scopes=None, token="")


def test_without_a_header_nobody_is_told(accounts: Accounts) -> None:
    assert accounts.authenticate(None, now=NOW, address=HOME) is None


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Bearer",
        "Bearer x",
        "Basic ???",
        "Basic a2FyaQ==",
        "Digest kari",
        "basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
        basic("kari", ""),
        basic("", PASSWORD),
        basic("Kari", PASSWORD),
        basic("kari ", PASSWORD),
        basic("kari", PASSWORD.upper()),
        basic("kari", "x" * 2000),
        "Bearer " + "x" * 20_000,
    ],
)
def test_a_header_that_proves_nothing_is_refused_and_not_taken_for_nobody(accounts: Accounts, header: str) -> None:
    with pytest.raises(Unauthorised):
        accounts.authenticate(header, now=NOW, address=HOME)


def test_an_unknown_name_a_wrong_password_and_a_disabled_account_are_refused_in_the_same_words(
    accounts: Accounts,
) -> None:
    accounts.add_user("ola", password=PASSWORD, now=NOW)
    accounts.add_user("bot", now=NOW)
    accounts.disable("ola", now=NOW)
    told = set()
    for name, password in (("kari", OTHER), ("nobody", OTHER), ("ola", PASSWORD), ("bot", PASSWORD)):
        with pytest.raises(Unauthorised) as refused:
            accounts.authenticate(basic(name, password), now=NOW, address=HOME)
        told.add((str(refused.value), str(refused.value.facts)))
    assert len(told) == 1


def test_as_much_is_hashed_for_an_unknown_name_as_for_a_wrong_password(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []
    monkeypatch.setattr(accounts._passwords, "_hasher", Counting(accounts._passwords._hasher, called))
    accounts.add_user("bot", now=NOW)
    for name in ("kari", "nobody", "bot"):
        guess_wrongly(accounts, 1, name=name)
    assert called == ["verify", "hash", "hash"]


class Counting:
    """Notes which of argon2's functions were called; each computes one hash."""

    def __init__(self, hasher: object, called: list[str]) -> None:
        self._hasher, self._called = hasher, called

    def __getattr__(self, name: str) -> object:
        self._called.append(name)
        return getattr(self._hasher, name)


def test_a_password_is_the_same_however_its_letters_were_composed(accounts: Accounts) -> None:
    accounts.set_password("kari", "blåbærsyltetøy på brød")
    assert sign_in(accounts, "bla\u030abærsyltetøy pa\u030a brød") is not None


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("elevenchars", "at least 12 characters"),
        ("a" * 1025, "at most 1,024"),
        ("abababababab", "different"),
        ("correct horse\nbattery", "control"),
        ("correct horse\ud800battery", "control"),
        (make_secret(Kind.TOKEN).text, "token"),
    ],
    ids=["short", "long", "monotonous", "line feed", "half a letter", "token"],
)
def test_a_weak_or_impossible_password_is_refused_without_repeating_it(
    accounts: Accounts, password: str, reason: str
) -> None:
    with pytest.raises(InvalidQuery, match=reason) as refused:
        accounts.set_password("kari", password)
    assert password not in str(refused.value)
    assert sign_in(accounts) is not None


def test_halves_of_letters_are_no_name_and_no_password(accounts: Accounts) -> None:
    for name, password in (("kari\ud800", PASSWORD), ("kari", PASSWORD + "\udfff")):
        with pytest.raises(Unauthorised):
            accounts.sign_in(name, password, now=NOW, address=HOME)
    with pytest.raises(NotFound):
        accounts.disable("kari\ud800", now=NOW)


def test_the_longest_and_the_shortest_password_are_accepted(accounts: Accounts) -> None:
    for password in ("twelve chars", "long enough " * 85 + "abcd"):
        accounts.set_password("kari", password)
        assert sign_in(accounts, password) is not None


def test_generated_passwords_are_good_and_all_different() -> None:
    made = {generate_password() for _ in range(100)}
    assert len(made) == 100
    assert all(read_password(password) == password for password in made)


def test_hashes_are_argon2id_with_the_parameters_that_owasp_names() -> None:
    assert Passwords().hash(PASSWORD).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_a_hash_with_other_parameters_is_renewed_at_the_next_sign_in_and_ends_no_session(folder: Path) -> None:
    old = Accounts.open(folder, passwords=quick())
    old.add_user("kari", password=PASSWORD, now=NOW)
    session = old.create_session("kari", now=NOW)[1]
    new = Accounts.open(folder, passwords=quick(rounds=2))
    assert sign_in(new) is not None
    assert b"t=2" in stored(folder)
    assert bearer(new, session) is not None
    assert sign_in(new) is not None


def test_a_password_that_was_right_is_not_hashed_again_for_two_minutes(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(accounts)
    called: list[str] = []
    monkeypatch.setattr(accounts._passwords, "_hasher", Counting(accounts._passwords._hasher, called))
    sign_in(accounts, now=NOW + MINUTE)
    assert called == []
    sign_in(accounts, now=NOW + 2 * MINUTE)
    assert called[0] == "verify"
    with pytest.raises(Unauthorised):
        sign_in(accounts, OTHER)


def test_what_is_remembered_of_passwords_is_bounded() -> None:
    passwords = quick()
    for number in range(1000):
        passwords.remember(b"stamp", str(number), NOW)
    assert passwords.is_remembered(b"stamp", "999", NOW)
    assert len(passwords._remembered) <= 256


# -- wrong guesses -------------------------------------------------------------------------------------------------


def test_wrong_passwords_are_slowed_more_and_more(accounts: Accounts) -> None:
    guess_wrongly(accounts, FREE)
    now, waits = NOW, []
    for _ in range(12):
        with pytest.raises(TooMany) as refused:
            sign_in(accounts, "one more guess", now=now)
        waits.append(refused.value.facts["retry_after_seconds"])
        now += timedelta(seconds=waits[-1])
        guess_wrongly(accounts, 1, now=now)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]


def test_who_has_to_wait_is_not_asked_even_for_the_right_password(accounts: Accounts) -> None:
    sign_in(accounts)
    guess_wrongly(accounts, FREE)
    with pytest.raises(TooMany, match="1 second"):
        sign_in(accounts)
    assert sign_in(accounts, now=NOW + SECOND) is not None


def test_the_right_password_ends_the_waiting(accounts: Accounts) -> None:
    guess_wrongly(accounts, FREE)
    sign_in(accounts, now=NOW + SECOND)
    guess_wrongly(accounts, FREE, now=NOW + 2 * SECOND)


def test_tokens_and_sessions_are_never_slowed(accounts: Accounts) -> None:
    token, session = token_of(accounts), accounts.create_session("kari", now=NOW)[1]
    guess_wrongly(accounts, FREE)
    with pytest.raises(TooMany):
        sign_in(accounts)
    assert bearer(accounts, token) is not None
    assert bearer(accounts, session) is not None
    assert accounts.authenticate(basic("kari", token), now=NOW, address=HOME) is not None


def test_it_is_known_beforehand_what_takes_a_hash(accounts: Accounts) -> None:
    token = token_of(accounts)
    quick_ones = (
        f"Bearer {token}",
        basic("kari", token),
        "Bearer x",
        "Basic x",
        "",
        basic("kari", make_secret(Kind.LINK).text),
    )
    assert not any(map(holds_password, quick_ones))
    assert holds_password(basic("kari", PASSWORD))
    assert holds_password(basic("nobody", "x"))


def test_wrong_tokens_are_refused_without_being_counted(accounts: Accounts) -> None:
    for _ in range(3 * FREE):
        with pytest.raises(Unauthorised):
            bearer(accounts, make_secret(Kind.TOKEN).text)
    assert sign_in(accounts) is not None


def test_a_guesser_from_elsewhere_does_not_keep_the_owner_out(accounts: Accounts) -> None:
    sign_in(accounts)
    for number in range(60):
        with suppress(Unauthorised, TooMany):
            sign_in(accounts, "wrong guess", address=f"203.0.113.{number}")
    with pytest.raises(TooMany):
        sign_in(accounts, address=AWAY)
    assert sign_in(accounts) is not None


def test_an_unknown_name_is_slowed_like_a_known_one(accounts: Accounts) -> None:
    guess_wrongly(accounts, FREE, name="nobody")
    with pytest.raises(TooMany) as refused:
        accounts.authenticate(basic("nobody", OTHER), now=NOW, address=HOME)
    assert refused.value.facts == {"retry_after_seconds": 1}


def test_addresses_of_one_network_are_one(accounts: Accounts) -> None:
    for number in range(FREE):
        guess_wrongly(accounts, 1, address=f"2001:db8::{number}%eth0")
    with pytest.raises(TooMany):
        sign_in(accounts, OTHER, address="2001:db8::ffff")
    guess_wrongly(accounts, 1, address="2001:db8:0:1::1")
    guess_wrongly(accounts, FREE, address="::ffff:192.0.2.1")
    with pytest.raises(TooMany):
        sign_in(accounts, OTHER)


def test_many_accounts_cannot_be_tried_in_place_of_one(accounts: Accounts) -> None:
    for number in range(ALL_AT_ONCE):
        guess_wrongly(accounts, 1, name=f"name{number}", address=AWAY)
    with pytest.raises(TooMany):
        accounts.authenticate(basic("another", OTHER), now=NOW, address=AWAY)
    guess_wrongly(accounts, 1, name="another", address=AWAY, now=NOW + SECOND)


def test_failures_are_forgotten_after_a_day_and_when_the_clock_is_set_back(accounts: Accounts) -> None:
    guess_wrongly(accounts, FREE)
    guess_wrongly(accounts, FREE, now=NOW + DAY)
    guess_wrongly(accounts, FREE, now=NOW - DAY)


def test_what_is_counted_has_an_end(accounts: Accounts, folder: Path) -> None:
    with sqlite3.connect(folder / FILE_NAME) as connection:
        rows = [(number.to_bytes(4, "big"), b"", 1, NOW.timestamp(), False) for number in range(ROWS_MOST)]
        connection.executemany("INSERT INTO attempts VALUES (?, ?, ?, ?, ?)", rows)
    guess_wrongly(accounts, 1)
    assert connection.execute("SELECT COUNT(*) FROM attempts").fetchone() == (ROWS_MOST,)
    guess_wrongly(accounts, 1, now=NOW + 2 * DAY)
    assert connection.execute("SELECT COUNT(*) FROM attempts").fetchone()[0] == 3
    connection.close()


def test_guesses_that_come_together_are_counted_before_they_are_looked_at(folder: Path) -> None:
    workers = [Accounts.open(folder, passwords=quick()) for _ in range(4)]
    workers[0].add_user("kari", password=PASSWORD, now=NOW)

    def guess(number: int) -> type[CMSError] | None:
        try:
            sign_in(workers[number % 4], f"wrong guess {number}")
        except CMSError as error:
            return type(error)
        return None

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(guess, range(60)))
    assert answers.count(Unauthorised) == FREE
    assert answers.count(TooMany) == 60 - FREE


def test_right_passwords_that_come_together_are_all_accepted(accounts: Accounts) -> None:
    with ThreadPoolExecutor(WAITING_MOST) as pool:
        found = list(pool.map(lambda _: sign_in(accounts), range(60)))
    assert all(identity is not None for identity in found)


def test_only_so_many_wait_for_a_hash() -> None:
    passwords = Passwords(memory_kib=8, rounds=1, at_once=1)
    with ThreadPoolExecutor(WAITING_MOST) as pool:
        with passwords.turn("kari"):
            waiting = [pool.submit(passwords.hash, PASSWORD) for _ in range(WAITING_MOST - 1)]
            while passwords._waiting < WAITING_MOST:
                time.sleep(0.001)
            with pytest.raises(TooMany, match="at once"):
                passwords.hash(PASSWORD)
        assert all(hash.result().startswith("$argon2id$") for hash in waiting)


def test_who_waits_too_long_for_a_hash_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cms.auth.passwords.WAIT_SECONDS_MOST", 0.01)
    passwords = Passwords(memory_kib=8, rounds=1, at_once=1)
    with passwords.turn("kari"), pytest.raises(TooMany, match="at once"):
        passwords.hash(PASSWORD)
    assert passwords.hash(PASSWORD).startswith("$argon2id$")


# -- tokens --------------------------------------------------------------------------------------------------------


def test_a_token_tells_whose_it_is_and_what_it_is_restricted_to(accounts: Accounts) -> None:
    token, secret = accounts.create_token("kari", " a script ", scopes=["draft.write"], expires_at=NOW + DAY, now=NOW)
    expected = Identity(person="kari", via="token", scopes=frozenset({"draft.write"}), token=token.id)
    assert bearer(accounts, secret) == expected
    assert token.name == "a script"


@pytest.mark.parametrize("name", ["kari", "ola", "x-token-auth", ""])
def test_a_token_may_stand_where_basic_has_the_password_beside_any_name(accounts: Accounts, name: str) -> None:
    identity = accounts.authenticate(basic(name, token_of(accounts)), now=NOW, address=HOME)
    assert identity is not None
    assert (identity.person, identity.via) == ("kari", "token")


def test_secrets_have_one_shape_with_a_checksum() -> None:
    for kind, prefix in ((Kind.TOKEN, "cms_"), (Kind.SESSION, "cmss_"), (Kind.LINK, "cmsl_")):
        secret = make_secret(kind)
        assert re.fullmatch(prefix + "[0-9a-z]{12}[0-9A-Za-z]{49}", secret.text)
        assert find_secret(secret.text) == secret
        changed = secret.text[:-10] + ("a" if secret.text[-10] != "a" else "b") + secret.text[-9:]
        assert find_secret(changed) is None
        assert secret.text not in repr(secret)


def test_another_secret_with_the_id_of_a_token_is_refused(accounts: Accounts) -> None:
    id = token_of(accounts)[4:16]
    text = f"cms_{id}{make_secret(Kind.TOKEN).text[16:59]}"
    with pytest.raises(Unauthorised):
        bearer(accounts, text + _checksum(text))


def test_a_token_ends_at_its_time(accounts: Accounts) -> None:
    secret = token_of(accounts, expires_at=NOW + DAY)
    assert bearer(accounts, secret, now=NOW + DAY - SECOND) is not None
    with pytest.raises(Unauthorised):
        bearer(accounts, secret, now=NOW + DAY)


def test_a_revoked_token_stays_in_the_list_for_some_months_and_is_refused(accounts: Accounts) -> None:
    secret = token_of(accounts)
    (token,) = accounts.tokens("kari")
    accounts.revoke_token(token.id, now=NOW + HOUR)
    accounts.revoke_token(token.id, now=NOW + 2 * HOUR)
    with pytest.raises(Unauthorised):
        bearer(accounts, secret)
    assert [(token.revoked_at, token.is_live(NOW)) for token in accounts.tokens()] == [(NOW + HOUR, False)]
    accounts.create_token("kari", "later", scopes=None, expires_at=NOW + 101 * DAY, now=NOW + 100 * DAY)
    assert [token.name for token in accounts.tokens()] == ["later"]


def test_nobody_revokes_the_token_of_somebody_else(accounts: Accounts) -> None:
    accounts.add_user("ola", now=NOW)
    secret = token_of(accounts)
    told = []
    for id in (accounts.tokens()[0].id, "000000000000"):
        with pytest.raises(NotFound) as refused:
            accounts.revoke_token(id, person="ola", now=NOW)
        told.append(str(refused.value))
    assert told[0] == told[1]
    assert bearer(accounts, secret) is not None


def test_the_last_day_of_use_is_noted(accounts: Accounts) -> None:
    secret = token_of(accounts, expires_at=NOW + 9 * DAY)
    assert accounts.tokens()[0].used_on is None
    for days in (0, 0, 3):
        bearer(accounts, secret, now=NOW + days * DAY)
    assert accounts.tokens()[0].used_on == (NOW + 3 * DAY).date()


def test_a_token_is_accepted_while_nothing_can_be_written(accounts: Accounts, folder: Path) -> None:
    secret = token_of(accounts)
    accounts._database.close()
    with sqlite3.connect(folder / FILE_NAME) as connection:
        connection.execute("CREATE TRIGGER no BEFORE UPDATE ON tokens BEGIN SELECT RAISE(ABORT, 'full'); END")
    connection.close()
    assert bearer(accounts, secret) is not None
    assert accounts.tokens()[0].used_on is None


@pytest.mark.parametrize(
    ("name", "scopes", "lasts", "parameter"),
    [
        ("", None, DAY, "name"),
        ("two\nlines", None, DAY, "name"),
        ("x" * 101, None, DAY, "name"),
        ("x", [], DAY, "scopes"),
        ("x", ["Draft.write"], DAY, "scopes"),
        ("x", ["draft.write\n"], DAY, "scopes"),
        ("x", None, timedelta(0), "expires_at"),
        ("x", None, 367 * DAY, "expires_at"),
    ],
)
def test_a_token_that_makes_no_sense_is_refused(
    accounts: Accounts, name: str, scopes: list[str] | None, lasts: timedelta, parameter: str
) -> None:
    with pytest.raises(InvalidQuery) as refused:
        accounts.create_token("kari", name, scopes=scopes, expires_at=NOW + lasts, now=NOW)
    assert refused.value.facts["parameter"] == parameter
    assert accounts.tokens() == []


def test_the_number_of_tokens_has_an_end(accounts: Accounts) -> None:
    for _ in range(100):
        token_of(accounts)
    with pytest.raises(Conflict, match="100 tokens"):
        token_of(accounts)
    accounts.revoke_token(accounts.tokens()[0].id, now=NOW)
    token_of(accounts)


# -- sessions ------------------------------------------------------------------------------------------------------


def test_a_session_begins_with_a_password_and_ends_after_twelve_hours(accounts: Accounts) -> None:
    session, secret = accounts.sign_in("kari", PASSWORD, now=NOW, address=HOME)
    assert session.expires_at == NOW + 12 * HOUR
    assert bearer(accounts, secret, now=session.expires_at - SECOND) == Identity(
        person="kari", via="session", token=session.id
    )
    with pytest.raises(Unauthorised):
        bearer(accounts, secret, now=session.expires_at)


def test_a_session_is_no_password_and_a_link_is_neither(accounts: Accounts) -> None:
    for secret in (accounts.create_session("kari", now=NOW)[1], make_secret(Kind.LINK).text):
        with pytest.raises(Unauthorised):
            accounts.authenticate(basic("kari", secret), now=NOW, address=HOME)
    with pytest.raises(Unauthorised):
        bearer(accounts, secret)


def test_a_session_that_was_ended_is_refused(accounts: Accounts) -> None:
    session, secret = accounts.create_session("kari", now=NOW)
    accounts.end_session(session.id)
    accounts.end_session(session.id)
    with pytest.raises(Unauthorised):
        bearer(accounts, secret)


def test_a_new_password_ends_all_sessions_and_no_token(accounts: Accounts) -> None:
    sessions = [accounts.create_session("kari", now=NOW)[1] for _ in range(3)]
    token = token_of(accounts)
    sign_in(accounts)
    accounts.set_password("kari", OTHER)
    for header in (*(f"Bearer {secret}" for secret in sessions), basic("kari", PASSWORD)):
        with pytest.raises(Unauthorised):
            accounts.authenticate(header, now=NOW, address=HOME)
    assert sign_in(accounts, OTHER) is not None
    assert bearer(accounts, token) is not None


def test_of_too_many_sessions_the_oldest_ends(accounts: Accounts) -> None:
    secrets = [accounts.create_session("kari", now=NOW + number * SECOND)[1] for number in range(51)]
    with pytest.raises(Unauthorised):
        bearer(accounts, secrets[0])
    assert all(bearer(accounts, secret) for secret in secrets[1:])


# -- disabling, erasing --------------------------------------------------------------------------------------------


def test_from_a_disabled_account_nothing_is_accepted_and_enabling_brings_only_the_password_back(
    accounts: Accounts,
) -> None:
    sign_in(accounts)
    secrets = [token_of(accounts), accounts.create_session("kari", now=NOW)[1]]
    accounts.disable("kari", now=NOW)
    assert not accounts.is_active("kari")
    headers = [basic("kari", PASSWORD), *(f"Bearer {secret}" for secret in secrets)]
    for header in headers:
        with pytest.raises(Unauthorised):
            accounts.authenticate(header, now=NOW, address=HOME)
    accounts.enable("kari")
    for header in headers[1:]:
        with pytest.raises(Unauthorised):
            accounts.authenticate(header, now=NOW, address=HOME)
    assert sign_in(accounts) is not None


def test_a_disabled_account_gets_neither_token_nor_session(accounts: Accounts) -> None:
    accounts.disable("kari", now=NOW)
    with pytest.raises(Conflict, match="disabled"):
        token_of(accounts)
    with pytest.raises(Conflict, match="disabled"):
        accounts.create_session("kari", now=NOW)


def test_an_account_that_was_disabled_while_its_password_was_checked_gets_no_session(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Passwords.remember
    for act in (lambda: accounts.set_password("kari", OTHER), lambda: accounts.disable("kari", now=NOW)):
        accounts.enable("kari")
        accounts.set_password("kari", PASSWORD)
        monkeypatch.setattr(Passwords, "remember", lambda *arguments, act=act: (original(*arguments), act()))
        with suppress(CMSError):
            bearer(accounts, accounts.sign_in("kari", PASSWORD, now=NOW, address=HOME)[1])
            pytest.fail("the session was accepted")


def test_erasing_leaves_nothing_of_a_person(accounts: Accounts, folder: Path) -> None:
    accounts.add_user("ola.erasable", password=OTHER, now=NOW)
    accounts.create_token("ola.erasable", "Olas maskin", scopes=None, expires_at=NOW + DAY, now=NOW)
    accounts.create_session("ola.erasable", now=NOW)
    guess_wrongly(accounts, 1, name="ola.erasable")
    accounts.erase("ola.erasable")
    assert b"ola.erasable" not in stored(folder)
    assert b"Olas maskin" not in stored(folder)
    rows = sqlite3.connect(folder / FILE_NAME)
    assert rows.execute("SELECT COUNT(*) FROM attempts").fetchone() == (1,)
    rows.close()
    assert [user.person for user in accounts.users()] == ["kari"]


def test_a_person_who_comes_back_after_being_erased_has_nothing_from_before(accounts: Accounts) -> None:
    secrets = [token_of(accounts), accounts.create_session("kari", now=NOW)[1]]
    sign_in(accounts)
    accounts.erase("kari")
    accounts.add_user("kari", password=OTHER, now=NOW)
    for header in (basic("kari", PASSWORD), *(f"Bearer {secret}" for secret in secrets)):
        with pytest.raises(Unauthorised):
            accounts.authenticate(header, now=NOW, address=HOME)


def test_accounts_are_listed_without_secrets(accounts: Accounts) -> None:
    accounts.add_user("importer", now=NOW)
    accounts.disable("kari", now=NOW)
    told = [(user.person, user.has_password, user.is_disabled, user.added_at) for user in accounts.users()]
    assert told == [("importer", False, False, NOW), ("kari", True, True, NOW)]


def test_nobody_has_two_accounts_and_everybody_a_possible_id(accounts: Accounts) -> None:
    with pytest.raises(Conflict, match="already"):
        accounts.add_user("kari", now=NOW)
    for id in ("Kari", "", "-kari", "ka ri", "k" * 65, "kåre"):
        with pytest.raises(InvalidQuery, match="id of a person"):
            accounts.add_user(id, now=NOW)


@pytest.mark.parametrize(
    "act",
    [
        lambda accounts: accounts.set_password("nobody", PASSWORD),
        lambda accounts: accounts.disable("nobody", now=NOW),
        lambda accounts: accounts.enable("nobody"),
        lambda accounts: accounts.erase("nobody"),
        lambda accounts: token_of(accounts, "nobody"),
        lambda accounts: accounts.create_session("nobody", now=NOW),
    ],
)
def test_what_concerns_nobody_is_refused_with_what_to_do(accounts: Accounts, act: Callable[[Accounts], object]) -> None:
    with pytest.raises(NotFound, match="'nobody' has no account") as refused:
        act(accounts)
    assert "cms user list" in refused.value.facts["hint"]
    assert accounts.is_active("nobody")


# -- the first start -----------------------------------------------------------------------------------------------


def test_the_first_account_is_made_with_a_link_once(folder: Path) -> None:
    accounts = Accounts.open(folder, passwords=quick())
    link = accounts.setup_secret(NOW)
    assert link is not None
    assert accounts.is_setup_open(link, now=NOW)
    accounts.use_setup(link, "kari", PASSWORD, now=NOW)
    assert sign_in(accounts) is not None
    with pytest.raises(NotFound):
        accounts.use_setup(link, "ola", PASSWORD, now=NOW)
    assert accounts.setup_secret(NOW) is None


def test_of_fifty_uses_of_the_link_at_once_one_succeeds(folder: Path) -> None:
    opened = [Accounts.open(folder, passwords=quick()) for _ in range(5)]
    link = opened[0].setup_secret(NOW) or ""

    def use(number: int) -> bool:
        with suppress(NotFound, TooMany):
            opened[number % 5].use_setup(link, f"person{number}", PASSWORD, now=NOW)
            return True
        return False

    with ThreadPoolExecutor(50) as pool:
        assert sum(pool.map(use, range(50))) == 1
    assert len(opened[0].users()) == 1


def test_a_link_ends_after_a_day_with_the_next_one_and_with_the_first_account(folder: Path) -> None:
    accounts = Accounts.open(folder, passwords=quick())
    first, second = accounts.setup_secret(NOW) or "", accounts.setup_secret(NOW) or ""
    assert not accounts.is_setup_open(first, now=NOW)
    assert accounts.is_setup_open(second, now=NOW + DAY - SECOND)
    assert not accounts.is_setup_open(second, now=NOW + DAY)
    accounts.add_user("kari", now=NOW)
    assert not accounts.is_setup_open(second, now=NOW)
    accounts.erase("kari")
    assert not accounts.is_setup_open(second, now=NOW)


def test_a_link_survives_a_password_that_is_too_short(folder: Path) -> None:
    accounts = Accounts.open(folder, passwords=quick())
    link = accounts.setup_secret(NOW) or ""
    with pytest.raises(InvalidQuery):
        accounts.use_setup(link, "kari", "short", now=NOW)
    with pytest.raises(InvalidQuery):
        accounts.use_setup(link, "Kari Nordmann", PASSWORD, now=NOW)
    accounts.use_setup(link, "kari", PASSWORD, now=NOW)


@pytest.mark.parametrize(
    "link", ["", "x", make_secret(Kind.LINK).text, make_secret(Kind.TOKEN).text], ids=["", "x", "link", "token"]
)
def test_a_link_that_was_never_given_opens_nothing(folder: Path, link: str) -> None:
    accounts = Accounts.open(folder, passwords=quick())
    assert not accounts.is_setup_open(link, now=NOW)
    accounts.setup_secret(NOW)
    with pytest.raises(NotFound):
        accounts.use_setup(link, "kari", PASSWORD, now=NOW)


# -- several processes ---------------------------------------------------------------------------------------------


def answer_as_worker(folder: Path, pipe: Connection) -> None:
    """Another process: says what becomes of each header that it is sent."""
    accounts = Accounts.open(folder, passwords=quick())
    for header in iter(pipe.recv, None):
        try:
            pipe.send(accounts.authenticate(header, now=NOW, address=HOME))
        except CMSError as error:
            pipe.send(type(error))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Accounts, Callable[[str], object]]]:
    """Accounts, and a way to ask another process that has them open as well."""
    folder = tmp_path_factory.mktemp("shared") / "state"
    accounts = Accounts.open(folder, passwords=quick())
    ours, theirs = multiprocessing.Pipe()
    worker = multiprocessing.get_context("spawn").Process(target=answer_as_worker, args=(folder, theirs), daemon=True)
    worker.start()

    def ask(header: str) -> object:
        ours.send(header)
        return ours.recv()

    yield accounts, ask
    ours.send(None)
    worker.join()
    accounts.close()


def test_what_is_revoked_in_one_process_is_refused_by_the_next_request_in_another(
    shared: tuple[Accounts, Callable[[str], object]],
) -> None:
    accounts, ask = shared
    accounts.add_user("kari", password=PASSWORD, now=NOW)
    token, secret = accounts.create_token("kari", "x", scopes=None, expires_at=NOW + DAY, now=NOW)
    session, other = accounts.create_session("kari", now=NOW)
    for header, end in (
        (f"Bearer {secret}", lambda: accounts.revoke_token(token.id, now=NOW)),
        (f"Bearer {other}", lambda: accounts.end_session(session.id)),
        (basic("kari", PASSWORD), lambda: accounts.set_password("kari", OTHER)),
        (basic("kari", OTHER), lambda: accounts.disable("kari", now=NOW)),
    ):
        assert isinstance(ask(header), Identity)
        end()
        assert ask(header) is Unauthorised


def test_guesses_in_one_process_count_in_another(shared: tuple[Accounts, Callable[[str], object]]) -> None:
    accounts, ask = shared
    guess_wrongly(accounts, FREE - 2, name="ola")
    assert [ask(basic("ola", OTHER)) for _ in range(3)] == [Unauthorised, Unauthorised, TooMany]
    with pytest.raises(TooMany):
        accounts.authenticate(basic("ola", OTHER), now=NOW, address=HOME)


# -- the file ------------------------------------------------------------------------------------------------------


def test_the_file_is_made_for_its_owner_alone_and_written_through(accounts: Accounts, folder: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert {path.name for path in folder.iterdir()} == {FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm"}
    with accounts._database.reading() as connection:
        told = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    assert told == ["wal", 2]


def test_a_file_that_others_may_read_is_made_private_and_the_log_says_so(accounts: Accounts, folder: Path) -> None:
    accounts.close()
    folder.chmod(0o755)
    (folder / FILE_NAME).chmod(0o644)
    with capture_logs() as logged:
        Accounts.open(folder).close()
    assert [entry["event"] for entry in logged] == ["accounts.made_private"] * 2
    assert (folder.stat().st_mode & 0o777, (folder / FILE_NAME).stat().st_mode & 0o777) == (0o700, 0o600)


def test_many_processes_may_make_the_file_at_once(folder: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda _: Accounts.open(folder, passwords=quick()), range(16)))
    opened[0].add_user("kari", now=NOW)
    assert all(len(accounts.users()) == 1 for accounts in opened)
    for accounts in opened:
        accounts.close()
    assert [path.name for path in folder.iterdir()] == [FILE_NAME]


@pytest.mark.parametrize("damage", [b"", b"not a database at all" * 500, b"SQLite format 3\0" + bytes(4080)])
def test_a_damaged_file_is_named_in_a_sentence_and_left_alone(accounts: Accounts, folder: Path, damage: bytes) -> None:
    accounts.close()
    (folder / FILE_NAME).write_bytes(damage)
    with pytest.raises(AccountsUnavailable, match=r"accounts\.sqlite") as refused:
        Accounts.open(folder)
    assert refused.value.facts["hint"]
    assert str(folder) not in str(refused.value) + refused.value.facts["hint"]
    assert (folder / FILE_NAME).read_bytes() == damage


def test_damage_within_the_file_is_found_when_it_is_opened(accounts: Accounts, folder: Path) -> None:
    for number in range(100):
        accounts.add_user(f"person{number}", now=NOW)
    accounts.close()
    raw = bytearray((folder / FILE_NAME).read_bytes())
    raw[5000:-5000:3] = bytes(len(raw[5000:-5000:3]))
    (folder / FILE_NAME).write_bytes(raw)
    with pytest.raises(AccountsUnavailable, match="cannot be used"):
        Accounts.open(folder)


def test_damage_that_only_a_closer_look_finds_is_refused_as_well(accounts: Accounts, folder: Path) -> None:
    accounts.close()
    raw = bytearray((folder / FILE_NAME).read_bytes())
    raw[36:40] = (5).to_bytes(4, "big")  # says that five pages are free
    (folder / FILE_NAME).write_bytes(raw)
    with pytest.raises(AccountsUnavailable, match=r"cannot be used: .*freelist.*\Z") as refused:
        Accounts.open(folder)
    assert "put back a copy" in refused.value.facts["hint"]


def test_a_place_where_no_folder_can_be_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(AccountsUnavailable, match="cannot be used: Not a directory") as refused:
        Accounts.open(tmp_path / "file" / "state")
    assert "let the user that runs cms" in refused.value.facts["hint"]


def test_a_file_of_a_newer_version_is_refused_with_what_to_do(accounts: Accounts, folder: Path) -> None:
    accounts.close()
    with sqlite3.connect(folder / FILE_NAME) as connection:
        connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    connection.close()
    with pytest.raises(AccountsUnavailable, match=f"newer Branchpress .its format is {FORMAT + 1}") as refused:
        Accounts.open(folder)
    assert "update Branchpress" in refused.value.facts["hint"]


def test_a_file_that_was_exchanged_while_in_use_is_not_trusted_until_the_next_start(
    accounts: Accounts, folder: Path
) -> None:
    with sqlite3.connect(folder / "copy") as copy, sqlite3.connect(folder / FILE_NAME) as present:
        present.backup(copy)
    copy.close()
    present.close()
    secret = token_of(accounts)
    (folder / "copy").replace(folder / FILE_NAME)
    with pytest.raises(AccountsUnavailable, match="exchanged"):
        bearer(accounts, secret)
    accounts.close()
    for suffix in ("-wal", "-shm"):
        (folder / f"{FILE_NAME}{suffix}").unlink()
    again = Accounts.open(folder, passwords=quick())
    assert ([user.person for user in again.users()], again.tokens()) == (["kari"], [])


def test_without_its_file_nothing_is_accepted_until_it_is_back(accounts: Accounts, folder: Path) -> None:
    secret = token_of(accounts)
    (folder / FILE_NAME).rename(folder / "elsewhere")
    with pytest.raises(AccountsUnavailable, match="it is gone"):
        bearer(accounts, secret)
    (folder / "elsewhere").rename(folder / FILE_NAME)
    assert bearer(accounts, secret) is not None


def test_a_file_that_another_program_holds_is_waited_for_and_then_refused(
    accounts: Accounts, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cms.auth.database.TIMEOUT_SECONDS", 0.01)
    database = Database(folder)
    with (
        accounts._database.writing(),
        pytest.raises(AccountsUnavailable, match="locked") as refused,
        database.writing(),
    ):
        pytest.fail("it was not waited for")
    assert refused.value.facts["retry_after_seconds"] > 0


def test_what_a_transaction_began_is_undone_when_it_is_refused(accounts: Accounts) -> None:
    for error in (Conflict("no"), KeyboardInterrupt()):
        with suppress(Conflict, KeyboardInterrupt), accounts._database.writing() as connection:
            connection.execute("DELETE FROM people")
            raise error
        assert sign_in(accounts) is not None


# -- secrets stay secret -------------------------------------------------------------------------------------------


def test_no_secret_is_on_the_disk_in_the_log_or_in_an_error(
    accounts: Accounts, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = [PASSWORD, OTHER, token_of(accounts), accounts.create_session("kari", now=NOW)[1]]
    told: list[str] = []
    with capture_logs() as logged:
        for secret in secrets * 3:
            for header in (basic("kari", secret), f"Bearer {secret}", f"Basic {secret}", f"Bearer {secret}x", secret):
                try:
                    told.append(repr(accounts.authenticate(header, now=NOW, address=HOME)))
                except CMSError as error:
                    told.append(f"{error!r} {error.facts} {error.__cause__}")
    everything = stored(folder) + f"{told} {logged} {caplog.text}".encode()
    assert logged
    for secret in secrets:
        assert secret.encode() not in everything
        assert base64.b64encode(secret.encode())[:-4] not in everything


@pytest.mark.parametrize("is_json", [True, False])
def test_the_log_hides_a_secret_wherever_it_was_put(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, is_json: bool
) -> None:
    secrets = [make_secret(kind) for kind in Kind]
    # A server that ran in this process before may have silenced it.
    monkeypatch.setattr(logging.getLogger("uvicorn.access"), "propagate", True)
    handlers, level = logging.root.handlers[:], logging.root.level
    configure_log("info", is_json=is_json)
    try:
        for secret in secrets:
            structlog.get_logger().warning(secret.text, path=f"/setup/{secret.text}", place=Path(secret.text))
            logging.getLogger("uvicorn.access").info('%s - "%s"', HOME, f"GET /setup/{secret.text}")
            structlog.get_logger().error("failed", exc_info=ValueError(secret.text))
    finally:
        structlog.reset_defaults()
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)
    printed = capsys.readouterr().err
    assert all(
        secret.text[-49:] not in printed and printed.count(f"{secret.kind}{secret.id}…") == 5 for secret in secrets
    )


texts = st.text(max_size=40) | st.sampled_from([PASSWORD, OTHER, "kari", "nobody", make_secret(Kind.TOKEN).text])
pairs = st.builds(lambda name, password: f"{name}:{password}".encode("utf-8", "surrogatepass"), texts, texts)
headers = st.one_of(
    st.text(max_size=200),
    st.builds("{} {}".format, st.sampled_from(["Basic", "Bearer", "bAsIc", "Digest", ""]), texts),
    (pairs | st.binary(max_size=60)).map(lambda raw: "Basic " + base64.b64encode(raw).decode()),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    header=headers | st.none(), address=st.text(max_size=45) | st.ip_addresses().map(str), hours=st.integers(-50, 50)
)
def test_whatever_is_sent_ends_in_an_identity_nobody_or_a_refusal(
    accounts: Accounts, header: str | None, address: str, hours: int
) -> None:
    try:
        found = accounts.authenticate(header, now=NOW + hours * HOUR, address=address)
    except (Unauthorised, TooMany):
        return
    assert found is None if header is None else found == Identity(person="kari", via="password")
