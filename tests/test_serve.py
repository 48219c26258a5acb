"""``cms serve`` as a process: what it prints, what it answers, how it ends."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.repo import Repo
from tests.test_cli import SITE, WRONG

COMMAND = (sys.executable, "-c", "import sys; from cms.cli import main; sys.argv[0] = 'cms'; main()")
PATIENCE_SECONDS = 60


class Server:
    """A running ``cms serve`` on a port of its own."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "serve", "--port", "0", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.printed = ""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed += line
            found = re.search(r"Listening on http://127\.0\.0\.1:(\d+)/api/v1/", line)
            if found:
                self.port = int(found[1])
                return
        raise AssertionError(f"it never listened: {self.printed}{self.errors()}")

    def get(self, path: str) -> tuple[int, Any]:
        """(status, JSON) of a request."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        connection.request("GET", path)
        response = connection.getresponse()
        answer = json.loads(response.read())
        connection.close()
        return response.status, answer

    def stop(self, kind: int = signal.SIGTERM) -> int:
        """Send a signal; the exit code, negative for a signal, as ``Popen`` has it."""
        if self.process.poll() is None:
            self.process.send_signal(kind)
        return self.process.wait(PATIENCE_SECONDS)

    def errors(self) -> str:
        """What it wrote to standard error until its end."""
        assert self.process.stderr is not None
        return self.process.stderr.read()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Starts servers, and ends them after the test."""
    started: list[Server] = []

    def start(path: Path, *options: str) -> Server:
        started.append(Server(str(path), *options))
        return started[-1]

    yield start
    for server in started:
        server.stop(signal.SIGKILL)
        server.process.communicate()


def test_a_site_is_served_and_a_commit_is_seen_by_the_next_request(
    work_tree: Repo, serve: Callable[..., Server]
) -> None:
    work_tree.commit(SITE)
    server = serve(work_tree.path)
    assert server.get("/api/v1/entries/posts")[1]["meta"]["total"] == 2
    work_tree.commit({"content/posts/tre.md": "---\ntitle: Tre\n---\n"})
    assert server.get("/api/v1/entries/posts")[1]["meta"]["total"] == 3
    assert "Testbloggen" in server.printed
    assert "posts 2" in server.printed
    assert "written down in cms.toml and 1 file in schemas/" in server.printed


def test_what_is_wrong_is_printed_and_everything_else_is_served(repo: Repo, serve: Callable[..., Server]) -> None:
    repo.commit({**SITE, **WRONG, "content/posts/y.md": "---\ntitle: [\n---\n"})
    server = serve(repo.path)
    assert "2 errors; to see all: cms check" in server.printed
    assert "content/posts/y.md:" in server.printed
    assert server.get("/api/v1/entries/posts")[1]["meta"]["total"] == 3


def test_a_repository_without_a_model_is_served_and_told_how_to_keep_it(
    repo: Repo, serve: Callable[..., Server]
) -> None:
    repo.commit({"posts/a.md": "---\ntitle: A\n---\n", "posts/b.md": "---\ntitle: B\n---\n"})
    server = serve(repo.path)
    assert "inferred from the files" in server.printed
    assert "cms adopt" in server.printed
    assert server.get("/api/v1/entries/posts")[1]["meta"]["total"] == 2


def test_an_empty_repository_is_served_as_soon_as_something_is_committed(
    repo: Repo, serve: Callable[..., Server]
) -> None:
    server = serve(repo.path)
    assert "nothing to serve yet" in server.printed
    assert server.get("/readyz")[0] == 503
    repo.commit(SITE)
    assert server.get("/api/v1/entries/posts")[1]["meta"]["total"] == 2


def test_uncommitted_changes_are_mentioned(work_tree: Repo, serve: Callable[..., Server]) -> None:
    work_tree.commit({**SITE, ".gitignore": "/search_index/\n"})
    (work_tree.path / "content" / "posts" / "ny.md").write_text("---\ntitle: Ny\n---\n")
    server = serve(work_tree.path)
    assert "1 file changed but not committed" in server.printed


def test_several_workers_answer_from_one_port(repo: Repo, serve: Callable[..., Server]) -> None:
    repo.commit(SITE)
    server = serve(repo.path, "--workers", "2")
    assert server.get("/api/v1/search?q=voss")[1]["meta"]["total"] == 1
    repo.commit({"content/posts/tre.md": "---\ntitle: Tre\n---\n"})
    assert server.get("/api/v1/entries/posts")[1]["meta"]["total"] == 3
    assert server.stop() == 0
    assert "site.advanced" in {json.loads(line)["event"] for line in server.errors().splitlines()}


def test_ctrl_c_ends_quietly(repo: Repo, serve: Callable[..., Server]) -> None:
    repo.commit(SITE)
    server = serve(repo.path)
    server.get("/healthz")
    assert server.stop(signal.SIGINT) == 130
    assert "Traceback" not in server.errors()


def test_requests_are_logged_only_when_asked(repo: Repo, serve: Callable[..., Server]) -> None:
    repo.commit(SITE)
    loud, quiet = serve(repo.path, "--access-log"), serve(repo.path)
    for server in (loud, quiet):
        server.get("/healthz")
        server.stop()
    assert any("GET /healthz" in json.loads(line)["event"] for line in loud.errors().splitlines())
    assert "healthz" not in quiet.errors()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)


def test_a_port_that_is_taken_is_refused_with_another_one(repo: Repo) -> None:
    repo.commit(SITE)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", str(repo.path), "--port", str(port))
    assert done.returncode == 4
    assert f"port {port} is taken" in done.stderr
    assert re.search(r"cms serve --port \d+", done.stderr)


def test_an_address_of_another_machine_is_refused(repo: Repo) -> None:
    done = run("serve", str(repo.path), "--host", "192.0.2.1", "--port", "0")
    assert done.returncode == 2
    assert "cannot listen on 192.0.2.1" in done.stderr


def test_settings_that_are_wrong_are_refused_with_file_and_reason(repo: Repo) -> None:
    repo.commit({**SITE, "cms.toml": "[site]\ntitel = 'X'\n"})
    done = run("serve", str(repo.path), "--port", "0")
    assert done.returncode == 3
    assert done.stderr == "Error: cms.toml: [site] has an unknown key 'titel'; did you mean 'title'?\n"


def test_a_branch_that_is_not_there_is_refused(repo: Repo) -> None:
    repo.commit(SITE)
    done = run("serve", str(repo.path), "--port", "0", "--branch", "nowhere")
    assert done.returncode == 5
    assert "'nowhere'" in done.stderr


def test_a_terminal_without_the_letters_of_the_content_is_no_error(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    repo.commit({**SITE, "content/posts/øl.md": "---\ntitle: [\n---\n"})
    done = run("check", str(repo.path))
    assert done.returncode == 1
    assert done.stdout.startswith("content/posts/\\xf8l.md:")


def test_a_reader_that_stops_reading_ends_a_command_quietly(repo: Repo) -> None:
    repo.commit({**SITE, **{f"content/posts/deep/{number}.md": "" for number in range(2000)}})
    process = subprocess.Popen([*COMMAND, "check", str(repo.path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait(PATIENCE_SECONDS) == 141
    process.stderr.close()


def test_workers_end_when_what_started_them_is_killed(repo: Repo, serve: Callable[..., Server]) -> None:
    repo.commit(SITE)
    server = serve(repo.path, "--workers", "2")
    assert server.get("/healthz")[0] == 200
    server.stop(signal.SIGKILL)
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
        except OSError:
            return
        time.sleep(0.05)
    raise AssertionError("the port is still taken")
