"""Git against ``cms serve`` as a process: several workers, and what happens when it ends in the middle of a push."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cms.auth import Accounts
from tests.editing.tools import FILES
from tests.githttp.paper import Clone
from tests.githttp.server import PATIENCE_SECONDS, git, ok, refs
from tests.githttp.test_http import children, quarantines, wait_until
from tests.repo import Repo
from tests.test_serve import Server

NEW = "---\ntitle: New\n---\nText.\n"
DRAFT = "refs/heads/drafts/x"


@pytest.fixture
def serve(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Server]]:
    """Starts servers of a newsroom, and ends them after the test."""
    monkeypatch.setenv("CMS_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    repo.commit(FILES)
    started: list[Server] = []

    def start(*options: str) -> Server:
        started.append(Server(str(repo.path), *options))
        return started[-1]

    yield start
    for server in started:
        server.stop(signal.SIGKILL)
        server.process.communicate()


def token(tmp_path: Path, person: str) -> str:
    accounts = Accounts.open(tmp_path / "state")
    now = datetime.now(UTC)
    accounts.add_user(person, now=now)
    secret = accounts.create_token(person, "git", scopes=None, expires_at=now + timedelta(days=1), now=now)[1]
    accounts.close()
    return secret


def clone(server: Server, tmp_path: Path, person: str = "ola") -> Clone:
    address = f"http://{person}:{token(tmp_path, person)}@127.0.0.1:{server.port}/git/site.git"
    ok(tmp_path, "clone", "-q", address, person)
    return Clone(tmp_path / person, person)


def test_two_workers_take_the_same_pushes_read_what_was_published_and_refuse_a_token_that_was_revoked(
    serve: Callable[..., Server], tmp_path: Path, repo: Repo
) -> None:
    server = serve("--workers", "2")
    ola, eva = clone(server, tmp_path), clone(server, tmp_path, "eva")
    for number in range(4):
        ola.write(f"posts/new-{number}.md", NEW)
        assert ola.push("x").code == 0
    eva.take("x")
    eva.say("approve")
    assert eva.push("x").remarks[0] == "drafts/x is approved."
    eva.ok("checkout", "-q", "main")
    eva.ok("merge", "-q", "--no-ff", "-m", "Merge x", "x")
    assert eva.git("push", "origin", "main").code == 0
    for _ in range(8):
        assert server.get("/api/v1/entries/posts/new-3")[0] == 200
    assert list(refs(repo)) == ["refs/cms/log", "refs/heads/main"]
    accounts = Accounts.open(tmp_path / "state")
    accounts.revoke_token(accounts.tokens("ola")[0].id, now=datetime.now(UTC))
    accounts.close()
    assert "Authentication failed" in ola.git("fetch").output
    assert "Authentication failed" in ola.push("x").output


def slow_push(folder: Path) -> "subprocess.Popen[bytes]":
    """A push of which the server has the beginning, and whose end takes long."""
    url = subprocess.run(["git", "remote", "get-url", "origin"], cwd=folder, capture_output=True, text=True, check=True)
    command = ["git", "-c", "http.postBuffer=65536", "push", "-q", url.stdout.strip(), f"HEAD:{DRAFT}"]
    return subprocess.Popen(command, cwd=folder, start_new_session=True, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_that_ends_in_the_middle_of_a_push_leaves_all_or_nothing(
    serve: Callable[..., Server], tmp_path: Path, repo: Repo, kind: signal.Signals
) -> None:
    server = serve()
    ola = clone(server, tmp_path)
    new = ola.write("files/big.bin", os.urandom(8_000_000))
    with slow_push(ola.folder) as push:
        wait_until(lambda: bool(quarantines(repo)))
        server.stop(kind)
        code = push.wait(PATIENCE_SECONDS)
    wait_until(lambda: not children(repo))
    assert (refs(repo).get(DRAFT) == new) is (code == 0)
    assert not list((repo.path / "refs").rglob("*.lock"))
    assert repo.git("fsck", "--full", "--strict") == ""
    if kind == signal.SIGKILL:
        again = serve()
        ok(ola.folder, "remote", "set-url", "origin", address_of(ola.folder, again.port))
        assert git(ola.folder, "push", "origin", f"HEAD:{DRAFT}").code == 0
        assert refs(repo)[DRAFT] == new


def address_of(folder: Path, port: int) -> str:
    address = ok(folder, "remote", "get-url", "origin")
    head, _, tail = address.rpartition(":")
    return f"{head}:{port}/{tail.partition('/')[2]}"


def test_a_repository_that_nobody_may_push_to_says_why(
    serve: Callable[..., Server], repo: Repo, work_tree: Repo, tmp_path: Path
) -> None:
    repo.git("update-ref", "-d", "refs/heads/main")
    server = serve()
    work_tree.commit({"a.md": "A"})
    push = ("push", f"http://x:y@127.0.0.1:{server.port}/git/site.git", "main")
    told = "this repository is empty, so it is not known who may push to it; begin it on the server: cms init"
    assert git(work_tree.path, *push).remarks == [told]
    repo.commit({"cms.toml": "[site]\ntitle = 'Read only'\n"})
    assert git(work_tree.path, *push).remarks == ["this site is only read here: its cms.toml names no people"]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_push_is_on_the_disk_before_it_is_acknowledged(
    serve: Callable[..., Server], repo: Repo, tmp_path: Path
) -> None:
    server = serve()
    ola = clone(server, tmp_path)
    ola.write("posts/new.md", NEW)
    trace = tmp_path / "trace"
    watched = "trace=fsync,sendto,write,writev"
    command = ["strace", "-f", "-y", "-qq", "-s", "20", "-e", watched, "-o", str(trace), "-p", str(server.process.pid)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as tracer:
        wait_until(trace.exists)
        time.sleep(0.3)
        assert ola.push("x").code == 0
        tracer.terminate()
    lines = trace.read_text().splitlines()

    def last(*words: str) -> int:
        return max(number for number, line in enumerate(lines) if all(word in line for word in words))

    folders = [f"{repo.path}/{name}>" for name in ("objects", "refs/heads/drafts", "refs/heads")]
    objects, drafts, heads = (last("fsync(", folder) for folder in folders)
    assert objects < drafts < heads < last("HTTP/1.1 200")
