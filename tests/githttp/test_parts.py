"""The parts of the transport by themselves."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from threading import Thread

import anyio
import pytest

from cms.errors import RepositoryProblem
from cms.githttp import body as bodies
from cms.githttp.child import Child
from cms.githttp.durable import sync_push
from cms.githttp.hook import Question, read_push, write_hook
from cms.githttp.program import find_program, find_protocol, is_holed, parse_version
from cms.permissions import Principal
from cms.refs import CommitId
from tests.githttp.test_http import lines

KARI = Principal(person="kari", name="Kari", email="kari@example.org", via="token")
ZEROS, ID = "0" * 40, "1" * 40
COMMAND = f"{ZEROS} {ID} refs/heads/drafts/x".encode()


async def collect(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


async def cut(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64, 10_000])
@pytest.mark.parametrize("abilities", [b"", b"\0", b"\0 report-status agent=git/2.39.5", b"\0report-status\n"])
def test_every_push_asks_for_all_or_nothing_however_it_arrives(size: int, abilities: bytes) -> None:
    border = lines(b"shallow " + b"a" * 40)
    rest = lines(COMMAND[:-1] + b"y") + b"0000PACK" + bytes(range(256))
    made = anyio.run(collect, bodies.make_atomic(cut(border + lines(COMMAND + abilities) + rest, size)))
    expected = COMMAND + (b"\0" + abilities.strip(b"\0\n") + b" atomic")
    assert made == border + lines(expected) + rest


def test_a_push_that_asks_for_all_or_nothing_goes_on_as_it_is() -> None:
    data = lines(COMMAND + b"\0report-status atomic agent=x") + b"0000PACK"
    assert anyio.run(collect, bodies.make_atomic(cut(data, 7))) == data


def test_what_a_compressed_body_holds_comes_in_small_pieces() -> None:
    import gzip

    async def sizes() -> set[int]:
        packed = cut(gzip.compress(bytes(10_000_000), 9), 1000)
        return {len(piece) async for piece in bodies.inflate(packed)}

    assert max(anyio.run(sizes)) == bodies.INFLATED_BYTES


@pytest.mark.parametrize(
    ("told", "version", "is_bad"),
    [
        (b"git version 2.39.5\n", (2, 39, 5), False),
        (b"git version 2.39.5 (Apple Git-154)\n", (2, 39, 5), False),
        (b"git version 2.45.0.windows.1\n", (2, 45, 0), True),
        (b"git version 2.38.9\n", (2, 38, 9), True),
        (b"git version 2.60\n", (2, 60, 0), False),
        (b"git version 3.0.0-rc1\n", (3, 0, 0), False),
        (b"something else\n", (0,), True),
    ],
)
def test_versions_with_known_holes_are_known(told: bytes, version: tuple[int, ...], *, is_bad: bool) -> None:
    assert parse_version(told) == version
    assert is_holed(version) is is_bad


@pytest.mark.parametrize(
    ("header", "handed_on"),
    [
        (b"version=2", "version=2"),
        (b"a=b:version=1:c", "version=1"),
        (b"version=3", ""),
        (b"version=2\n", ""),
        (b"", ""),
        (b"xversion=2", ""),
    ],
)
def test_of_the_protocol_header_only_a_known_version_is_handed_on(header: bytes, handed_on: str) -> None:
    assert find_protocol(header) == handed_on


def question(*commands: str, quarantine: str = "") -> Question:
    return Question(secret="", commands=list(commands), quarantine=quarantine, options=[])


def test_a_push_of_deletions_alone_has_no_objects(tmp_path: Path) -> None:
    push = read_push(question(f"{ID} {ZEROS} refs/heads/drafts/x"), KARI, tmp_path)
    assert push.commands[0].old == CommitId(ID)
    assert push.commands[0].new is None


@pytest.mark.parametrize(
    "commands",
    [[], [COMMAND.decode()], [COMMAND.decode()[1:]], ["a b c"], [f"{ID} {ZEROS} refs/heads/a"] * 2, [""]],
)
def test_what_git_does_not_hand_to_a_hook_is_not_judged(tmp_path: Path, commands: list[str]) -> None:
    with pytest.raises(ValueError):
        read_push(question(*commands), KARI, tmp_path)


@pytest.mark.parametrize(
    "place", ["elsewhere/tmp_objdir-incoming-x", "objects/pack", "objects/../tmp_objdir-incoming-x"]
)
def test_objects_of_a_push_are_looked_for_only_where_git_keeps_them(tmp_path: Path, place: str) -> None:
    (tmp_path / "objects").mkdir()
    with pytest.raises(ValueError, match="not expected"):
        read_push(question(COMMAND.decode(), quarantine=str(tmp_path / place)), KARI, tmp_path / "objects")


def run_hook(folder: Path, address: Path, python: str = sys.executable) -> subprocess.CompletedProcess[bytes]:
    variables = {"BRANCHPRESS_SOCKET": str(address), "BRANCHPRESS_PUSH": "secret", "PYTHONPATH": "/nowhere"}
    hook = write_hook(folder, python)
    return subprocess.run([hook], env=variables, input=COMMAND + b"\n", capture_output=True, check=False)


def answer_with(folder: Path, told: bytes) -> tuple[subprocess.CompletedProcess[bytes], bytes]:
    """What the hook does when it is answered so, and what it had asked."""
    asked = b""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "s"))
        listener.listen()

        def serve() -> None:
            nonlocal asked
            connection, _ = listener.accept()
            with connection:
                while piece := connection.recv(65536):
                    asked += piece
                connection.sendall(told)

        thread = Thread(target=serve)
        thread.start()
        done = run_hook(folder, folder / "s")
        thread.join()
    return done, asked


@pytest.fixture
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a name that is short enough for a socket."""
    return tmp_path_factory.mktemp("s")


def test_the_hook_hands_over_what_git_says_and_prints_what_it_is_told(short: Path) -> None:
    done, asked = answer_with(short, json.dumps({"accepted": True, "lines": ["På norsk.", "Ja."]}).encode())
    assert (done.returncode, done.stdout.decode()) == (0, "På norsk.\nJa.\n")
    told = json.loads(asked)
    assert told == {"secret": "secret", "commands": [COMMAND.decode()], "quarantine": "", "options": []}


@pytest.mark.parametrize(
    "told",
    [
        *(b"", b"{", b"null", b"[]", b"true", b'{"accepted": true}', b'{"accepted": true, "lines": [1]}'),
        *(b'{"accepted": 1, "lines": []}', b'{"accepted": "yes", "lines": []}', b'{"lines": []}'),
        b'{"accepted": true, "lines": 5}',
    ],
)
def test_the_hook_refuses_when_it_is_answered_anything_strange(short: Path, told: bytes) -> None:
    assert answer_with(short, told)[0].returncode == 1


def test_the_hook_refuses_when_nobody_is_there(short: Path) -> None:
    done = run_hook(short, short / "nothing")
    assert done.returncode == 1
    assert done.stdout.startswith(b"The server could not judge this push, so nothing was changed.")


def test_the_hook_is_run_by_an_interpreter_with_any_path(short: Path) -> None:
    strange = short / "it's a folder"
    strange.mkdir()
    (strange / "python").symlink_to(sys.executable)
    assert run_hook(short, short / "nothing", str(strange / "python")).returncode == 1


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_what_a_push_changed_is_brought_to_the_disk_from_the_objects_up(tmp_path: Path) -> None:
    for folder in ("objects/aa", "objects/bb", "objects/pack", "refs/heads/drafts", "logs/refs/heads/drafts"):
        (tmp_path / folder).mkdir(parents=True)
    os.utime(tmp_path / "objects/bb", (1, 1))
    code = f"from pathlib import Path; from cms.githttp.durable import sync_push; sync_push(Path({str(tmp_path)!r}), ['refs/heads/drafts/x'], since=100.0)"
    traced = subprocess.run(
        ["strace", "-f", "-y", "-e", "trace=fsync", sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    synced = [line.partition("<")[2].partition(">")[0] for line in traced.stderr.splitlines() if "fsync(" in line]
    names = [Path(name).relative_to(tmp_path).as_posix() for name in synced]
    assert set(names[:3]) == {"objects/aa", "objects/pack", "objects"}
    assert names[2] == "objects"
    assert names.index("refs/heads/drafts") < names.index("refs/heads") < names.index("refs") < names.index(".")


def test_a_disk_that_refuses_is_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="objects"):
        sync_push(tmp_path, [], since=0.0)


def test_a_path_that_is_too_long_for_a_socket_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from cms.githttp import folder

    monkeypatch.setattr(folder, "_ROOMS", (Path("/" + "x" * 100),))
    with pytest.raises(RepositoryProblem, match="too long"):
        folder.PrivateFolder()


@pytest.mark.parametrize(
    ("version", "said"),
    [("2.35.9", "cannot be served over HTTP with Git 2.35.9"), ("2.39.3", ""), ("nonsense", "with Git 0")],
)
def test_a_git_that_is_too_old_is_refused_with_the_one_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, said: str
) -> None:
    program = tmp_path / "git"
    program.write_text(f"#!/bin/sh\necho git version {version}\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    if not said:
        assert find_program(tmp_path) == str(program)
        return
    with pytest.raises(RepositoryProblem, match=said):
        find_program(tmp_path)


async def run_child(folder: Path, *command: str) -> tuple[int, float]:
    """(exit code, seconds until it had ended) of a program that is ended at once."""
    limiter = anyio.CapacityLimiter(2)
    child = await Child.start(command, {"PATH": os.defpath}, folder, limiter=limiter)
    started_at = anyio.current_time()
    return await child.end(limiter=limiter, seconds=0.1), anyio.current_time() - started_at


def test_a_program_that_does_not_want_to_end_is_made_to_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cms.githttp.child.GRACE_SECONDS", 0.1)
    script = f"trap '' TERM; sleep 60 & echo $! > {tmp_path}/pid; wait; wait"
    code, _ = anyio.run(run_child, tmp_path, "sh", "-c", script)
    assert code == -signal.SIGKILL
    stat = Path("/proc", (tmp_path / "pid").read_text().strip(), "stat")
    assert not stat.exists() or stat.read_text().split()[2] == "Z"


def test_a_program_that_hears_that_nothing_more_comes_ends_by_itself(tmp_path: Path) -> None:
    assert anyio.run(run_child, tmp_path, "sh", "-c", "read line; exit 3")[0] == 3


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(RepositoryProblem, match="git cannot be run"):
        anyio.run(run_child, tmp_path, "/nowhere/git")
