"""The load: 16 connections that ask as fast as they are answered, from a process of their own.

``python -m tests.bench.load PORT SECONDS [ETAG] < paths`` asks the paths from standard input in turn, each once if SECONDS is
0, and prints ``{"requests": …, "seconds": …, "errors": …}``. `wrk` takes its place where it is installed and one path
is asked again and again.
"""

import json
import re
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

CONNECTIONS = 16
_UNITS = {"us": 0.000001, "ms": 0.001, "s": 1.0, "m": 60.0}
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_LAST_CHUNK = b"\r\n0\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What was answered in how many seconds; *errors* are answers other than 200.

    Attributes:
        p50, p99: seconds within which half and 99 of 100 were answered; None where it was not looked at.
    """

    requests: int
    seconds: float
    errors: int
    p50: float | None = None
    p99: float | None = None

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def ask_again(port: int, path: str, *, seconds: float, etag: str = "") -> Load:
    """Ask one path again and again, by somebody who has what *etag* stands for."""
    if shutil.which("wrk") is None:
        return _in_a_process(port, [path], seconds, etag)
    url = f"http://127.0.0.1:{port}{path}"
    command = ["wrk", "--latency", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", url]
    command += ["-H", f"If-None-Match: {etag}"] if etag else []
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    requests = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m)", output)
    errors = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    assert requests is not None, output
    return Load(
        requests=int(requests[1]),
        seconds=float(requests[2]) * _UNITS[requests[3]],
        errors=int(errors[1]) if errors else 0,
        p50=_percentile(output, 50),
        p99=_percentile(output, 99),
    )


def _percentile(output: str, share: int) -> float | None:
    found = re.search(rf"\b{share}% +([\d.]+)(us|ms|s|m)\b", output)
    return float(found[1]) * _UNITS[found[2]] if found else None


def ask_once(port: int, paths: Sequence[str]) -> Load:
    """Ask every path one time."""
    return _in_a_process(port, paths, 0)


def _in_a_process(port: int, paths: Sequence[str], seconds: float, etag: str = "") -> Load:
    command = [sys.executable, "-m", "tests.bench.load", str(port), str(seconds), etag]
    output = subprocess.run(command, check=True, capture_output=True, text=True, input="\n".join(paths)).stdout
    return Load(**json.loads(output))


class _Connection:
    """One connection: at most one question is open on it."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        self._missing = 0

    def receive(self) -> bool | None:
        """Read what is there: None if the answer is not complete, else whether it is a 200."""
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionError("the server closed a connection")
        self._received += data
        if not self._missing:
            head = self._received.find(b"\r\n\r\n")
            if head < 0:
                return None
            length = _LENGTH.search(self._received, 0, head)
            if length is None and _CHUNKED.search(self._received, 0, head) and not self._received.endswith(_LAST_CHUNK):
                return None
            self._missing = head + 4 + (int(length[1]) if length else 0)
        if len(self._received) < self._missing:
            return None
        is_good = self._received.startswith((b"HTTP/1.1 200", b"HTTP/1.1 304"))
        self._received, self._missing = b"", 0
        return is_good


def _run(port: int, paths: Sequence[str], seconds: float, etag: str) -> Load:
    condition = f"If-None-Match: {etag}\r\n" if etag else ""
    questions = [f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{condition}\r\n".encode() for path in paths]
    waiting = iter(questions) if seconds == 0 else cycle(questions)
    connections = {}
    poll = select.epoll()
    for _ in range(min(CONNECTIONS, len(questions)) if seconds == 0 else CONNECTIONS):
        connection = _Connection(port)
        connections[connection.socket.fileno()] = connection
        poll.register(connection.socket, select.EPOLLIN)
    started = time.perf_counter()
    end = started + seconds if seconds else float("inf")
    for connection in connections.values():
        connection.socket.sendall(next(waiting))
    answered = errors = 0
    asked = len(connections)
    while answered < asked:
        for number, _ in poll.poll():
            is_good = connections[number].receive()
            if is_good is None:
                continue
            answered += 1
            errors += not is_good
            question = next(waiting, None) if time.perf_counter() < end else None
            if question is not None:
                asked += 1
                connections[number].socket.sendall(question)
    return Load(requests=answered, seconds=time.perf_counter() - started, errors=errors)


if __name__ == "__main__":
    load = _run(int(sys.argv[1]), sys.stdin.read().split("\n"), float(sys.argv[2]), "".join(sys.argv[3:]))
    print(json.dumps({"requests": load.requests, "seconds": load.seconds, "errors": load.errors}))
