"""Servers as child processes: the product's and the bare one, started, waited for, asked and ended."""

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
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
    port = _free_port()
    command = [*CMS, "serve", str(repository), "--port", str(port)]
    with _running(command, port, wait_for):
        yield port


@contextmanager
def serve_answers(file: Path) -> Iterator[int]:
    """The bare server on a file of answers; the port it listens on."""
    port = _free_port()
    with _running([sys.executable, "-m", "tests.bench.floor", str(port), str(file)], port, "/"):
        yield port


@contextmanager
def _running(command: list[str], port: int, path: str) -> Iterator[None]:
    environment = {**os.environ, "CMS_LOG": "error"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    try:
        _wait(process, port, path)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _wait(process: "subprocess.Popen[bytes]", port: int, path: str) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        with suppress(OSError), Client(port) as client:
            if client.get(path).status != 503:
                return
        time.sleep(0.05)
    raise TimeoutError(f"{process.args!r} did not answer within {START_SECONDS} s")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
