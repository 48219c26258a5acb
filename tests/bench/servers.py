"""Servers as child processes: the product's and the bare one, started, waited for, asked and ended."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

START_SECONDS = 3600
CMS = (sys.executable, "-c", "from cms.cli import main; main()")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer over HTTP; *commit* is that of the header ``Content-Commit``."""

    status: int
    body: bytes
    etag: str
    commit: str
    seconds: float


class Client:
    """One kept connection to a server on this machine; a context manager."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()

    def get(self, path: str) -> Answer:
        """Ask *path*; the time is from sending to the last byte."""
        started = time.perf_counter()
        self._connection.request("GET", path)
        response = self._connection.getresponse()
        body = response.read()
        return Answer(
            status=response.status,
            body=body,
            etag=response.headers.get("ETag", ""),
            commit=response.headers.get("Content-Commit", ""),
            seconds=time.perf_counter() - started,
        )


@contextmanager
def serve_site(repository: Path, *, wait_for: str = "/readyz") -> Iterator[int]:
    """``cms serve`` on a repository; the port it listens on, once *wait_for* is answered by something else than 503."""
    port = free_port()
    with running(site_command(repository, port), port, wait_for):
        yield port


def site_command(repository: Path, port: int) -> list[str]:
    """What serves a repository."""
    return [*CMS, "serve", str(repository), "--port", str(port)]


@contextmanager
def serve_answers(file: Path) -> Iterator[int]:
    """The bare server on a file of answers; the port it listens on."""
    port = free_port()
    with running([sys.executable, "-m", "tests.bench.floor", str(port), str(file)], port, "/"):
        yield port


@contextmanager
def running(
    command: Sequence[str],
    port: int,
    path: str,
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator["subprocess.Popen[bytes]"]:
    """A server started by *command* in *folder*, once it answers *path*; it and all its children are ended afterwards."""
    process = subprocess.Popen(
        list(command),
        stdout=subprocess.DEVNULL,
        cwd=folder,
        env={**os.environ, "CMS_LOG": "error", **(environment or {})},
        start_new_session=True,
    )
    try:
        _wait(process, port, path)
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def memory_of(pid: int) -> float:
    """Resident megabytes of a process and all its descendants."""
    rows = [line.split() for line in subprocess.check_output(["ps", "-eo", "pid=,ppid=,rss="], text=True).splitlines()]
    family, before = {str(pid)}, 0
    while len(family) != before:
        before = len(family)
        family |= {child for child, parent, _ in rows if parent in family}
    return sum(int(size) for child, _, size in rows if child in family) / 1024


def _wait(process: "subprocess.Popen[bytes]", port: int, path: str) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        with suppress(OSError, http.client.HTTPException), Client(port) as client:
            if client.get(path).status != 503:
                return
        time.sleep(0.05)
    raise TimeoutError(f"{process.args!r} did not answer within {START_SECONDS} s")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
