"""A newcomer's first minutes: a clone, ``make serve``, the first addresses of the README, Ctrl-C, and nothing left behind."""

import json
import os
import pwd
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

from tests.test_docs import urls

ROOT = Path(__file__).parents[1]
PATIENCE_SECONDS = 300
STOP_SECONDS = 30
# What this test run was told, and a newcomer's shell would not be.
FOREIGN = re.compile(r"MAKE|MFLAGS|GIT_|COV|PYTEST|PYTHON|VIRTUAL_ENV|XDG_|CMS_|(?:HOST|PORT|VENV|WORKERS)\Z")
UNREACHABLE = re.compile(
    r"Retrying \(|NewConnectionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|Connection (?:refused|broken|aborted)"
    r"|Network is unreachable|name resolution|Name or service not known"
)


def newcomer() -> dict[str, str]:
    """The environment of somebody who has just logged in."""
    plain = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
    return {**plain, "HOME": pwd.getpwuid(os.getuid()).pw_dir, "PYTHON": sys.executable}


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], env=newcomer(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Session:
    """``make serve`` on a free port, in a process group of its own, as a terminal would run it."""

    def __init__(self, folder: Path, log: Path) -> None:
        self._log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                ["make", "serve", "PORT=0"],
                cwd=folder,
                env=newcomer(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def printed(self) -> str:
        """Everything it has printed so far."""
        return self._log.read_text("utf-8", errors="replace")

    def wait(self) -> int:
        """The port, once it is ready to answer; skips the test when its packages cannot be had."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            found = re.search(r"^Listening on http://127\.0\.0\.1:(\d+)/api/v1/", self.printed(), re.M)
            if found and self.is_ready(int(found[1])):
                return int(found[1])
            time.sleep(0.2)
        if "Listening on" not in self.printed() and UNREACHABLE.search(self.printed()):
            pytest.skip(f"the package registry cannot be reached:\n{self.printed()[-2000:]}")
        raise AssertionError(f"make serve did not get ready in {PATIENCE_SECONDS} s:\n{self.printed()}")

    def is_ready(self, port: int) -> bool:
        try:
            return get(port, "/readyz")[0] == 200
        except (OSError, HTTPException):
            return False

    def stop(self) -> None:
        """Ctrl-C, and by force when that does not help."""
        for kind in (signal.SIGINT, signal.SIGKILL):
            if self.process.poll() is None:
                os.killpg(self.process.pid, kind)
                try:
                    self.process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    continue


def get(port: int, path: str) -> tuple[int, Mapping[str, Any]]:
    """(status, JSON) of a request."""
    connection = HTTPConnection("127.0.0.1", port, timeout=STOP_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of what is checked out here, on the branch that a newcomer gets; it may be detached here."""
    if not (ROOT / ".git").exists():
        pytest.skip(f"{ROOT} is not a Git checkout, so there is nothing to clone")
    folder = tmp_path / "branchpress"
    commit = git("-C", str(ROOT), "rev-parse", "HEAD")
    git("clone", "--quiet", "--no-checkout", str(ROOT), str(folder))
    git("-C", str(folder), "checkout", "--quiet", "-B", "main", commit)
    return folder


@pytest.fixture
def session(clone: Path, tmp_path: Path) -> Iterator[Session]:
    running = Session(clone, tmp_path / "make.log")
    yield running
    running.stop()


def test_make_serve_in_a_fresh_clone_answers_the_readme_and_leaves_nothing_behind(
    session: Session, clone: Path
) -> None:
    port = session.wait()
    for url in urls()[:3]:
        status, answer = get(port, url.removeprefix("http://127.0.0.1:8000"))
        assert (status, bool(answer["data"])) == (200, True), url
    session.stop()
    assert "Traceback" not in session.printed()
    assert git("-C", str(clone), "status", "--porcelain") == ""
