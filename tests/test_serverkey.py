"""The server's key: made once and whole, kept from others, replaced without losing what the old one proved."""

import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cms.errors import InvalidSettings, RepositoryProblem
from cms.serverkey import KEY_FILE, NEXT_FILE, PAST_FILE, PUBLIC_FILE, ServerKey, read_past_keys
from cms.signatures import Signed, Signer, verify
from tests.keys import SSHKey, run

AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "var" / "state"


def test_a_key_is_made_once_and_openssh_can_read_it(state: Path) -> None:
    key = ServerKey.load_or_create(state)
    assert ServerKey.load_or_create(state).public_key == key.public_key
    shown = run("ssh-keygen", "-y", "-f", str(state / KEY_FILE))
    assert shown.split()[:2] == key.public_key.split()
    assert (state / PUBLIC_FILE).read_text() == f"{key.public_key} branchpress server key\n"


def test_only_its_owner_can_read_the_key(state: Path) -> None:
    old = os.umask(0)
    try:
        ServerKey.load_or_create(state).prepare_next()
    finally:
        os.umask(old)
    assert [(state / name).stat().st_mode & 0o777 for name in (KEY_FILE, NEXT_FILE, PUBLIC_FILE)] == [
        0o600,
        0o600,
        0o644,
    ]
    assert state.stat().st_mode & 0o777 == 0o700


def test_what_it_signs_is_valid(state: Path) -> None:
    key: Signer = ServerKey.load_or_create(state)
    assert verify(b"payload", key.sign(b"payload")) == Signed(key=key.public_key)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610])
def test_a_key_that_others_can_reach_is_refused_with_the_command_that_helps(state: Path, mode: int) -> None:
    ServerKey.load_or_create(state)
    (state / KEY_FILE).chmod(mode)
    with pytest.raises(InvalidSettings, match=rf"its mode is 0{mode:o}") as refused:
        ServerKey.load_or_create(state)
    assert f"chmod 600 {state / KEY_FILE}" in refused.value.facts["hint"]


@pytest.mark.parametrize(
    "content", [b"", b"rubbish", b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"]
)
def test_a_damaged_key_is_refused_and_never_replaced(state: Path, content: bytes) -> None:
    ServerKey.load_or_create(state)
    (state / KEY_FILE).write_bytes(content)
    with pytest.raises(InvalidSettings, match="cannot be used: it is damaged"):
        ServerKey.load_or_create(state)
    assert (state / KEY_FILE).read_bytes() == content


def test_a_key_of_another_kind_or_with_a_passphrase_is_refused(state: Path, tmp_path: Path) -> None:
    ServerKey.load_or_create(state)
    other = SSHKey.make(tmp_path / "p256", "ecdsa")
    (state / KEY_FILE).write_bytes(other.path.read_bytes())
    with pytest.raises(InvalidSettings, match="not an Ed25519 key"):
        ServerKey.load(state)
    run("ssh-keygen", "-q", "-p", "-N", "secret", "-f", str(other.path))
    (state / KEY_FILE).write_bytes(other.path.read_bytes())
    with pytest.raises(InvalidSettings, match="passphrase"):
        ServerKey.load(state)


def test_many_who_start_at_once_end_up_with_one_key(state: Path) -> None:
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(ServerKey.load_or_create(state).public_key)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_what_a_crash_left_half_written_is_not_taken_for_a_key(state: Path) -> None:
    state.mkdir(parents=True)
    (state / "server_key.new").write_text("half a ke")
    key = ServerKey.load_or_create(state)
    assert verify(b"x", key.sign(b"x")) is not None
    assert not (state / "server_key.new").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RepositoryProblem, match="cannot be kept in"):
        ServerKey.load_or_create(tmp_path / "file" / "state")


def test_there_is_no_key_until_it_is_made(state: Path) -> None:
    assert ServerKey.load(state) is None
    made = ServerKey.load_or_create(state)
    again = ServerKey.load(state)
    assert again is not None
    assert again.public_key == made.public_key


def test_a_rotation_keeps_the_old_public_key_and_reaches_who_holds_the_key_already(state: Path) -> None:
    key, elsewhere = ServerKey.load_or_create(state), ServerKey.load_or_create(state)
    old, new = key.public_key, key.prepare_next()
    assert key.public_key == old
    assert key.adopt_next(new, at=AT)
    assert key.public_key == elsewhere.public_key == new != old
    assert verify(b"x", elsewhere.sign(b"x")) == Signed(key=new)
    assert read_past_keys(state) == key.past_keys == (old,)
    assert (state / PAST_FILE).read_text() == f"{old} until 2026-11-22T09:30:00+00:00\n"
    assert (state / PUBLIC_FILE).read_text().startswith(new)
    assert not (state / NEXT_FILE).exists()


def test_a_rotation_that_was_cut_short_goes_on_with_the_same_key(state: Path) -> None:
    key = ServerKey.load_or_create(state)
    new = key.prepare_next()
    assert key.prepare_next() == new
    assert not key.adopt_next("ssh-ed25519 AAAA", at=AT)
    again = ServerKey.load_or_create(state)
    assert again.adopt_next(new, at=AT)
    assert again.adopt_next(new, at=AT)
    assert len(again.past_keys) == 1


def test_all_past_keys_are_kept(state: Path) -> None:
    key = ServerKey.load_or_create(state)
    used = [key.public_key]
    for _ in range(3):
        key.adopt_next(key.prepare_next(), at=AT)
        used.append(key.public_key)
    assert key.past_keys == tuple(used[:-1])
