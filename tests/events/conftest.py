"""A newsroom, what its events tell, and a server that real clients talk to."""

import json
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import pytest
import uvicorn
from starlette.types import ASGIApp

from cms.cli.serve import server_config
from tests.api.newsdesk import Newsdesk

MEMORY = Path("/dev/shm")
PATIENCE_SECONDS = 30
COMMENTS_MOST = 3


@pytest.fixture
def desk() -> Iterator[Newsdesk]:
    """A newsroom with nothing in the making, in memory where that is possible."""
    with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as folder:
        opened = Newsdesk(Path(folder))
        yield opened
        opened.close()


class Told(dict[str, Any]):
    """The data of one event, with its ``kind`` and ``id`` as attributes."""

    def __init__(self, kind: str, id: str, data: dict[str, Any]) -> None:
        super().__init__(data)
        self.kind = kind
        self.id = id


class Listener:
    """A client that reads one stream, as the standard says it is to be read."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.retry = 0
        self.comments = 0

    def next(self) -> Told:
        """The next event."""
        kind, id = "message", ""
        data: list[str] = []
        for line in self._lines:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not line and data:
                return Told(kind, id, json.loads("\n".join(data)))
            self.comments += line.startswith(":")
            assert self.comments < COMMENTS_MOST, "nothing more is told"
            self.retry = int(value) if name == "retry" else self.retry
            kind = value if name == "event" else kind
            id = value if name == "id" else id
            data += [value] if name == "data" else []
        raise EOFError("the stream has ended")

    def until(self, kind: str) -> Told:
        """The next event of that kind."""
        while (found := self.next()).kind != kind:
            pass
        return found


@contextmanager
def listen(port: int, known: str = "", **headers: str) -> Iterator[Listener]:
    """A stream of the server at *port*, after its event ``ready``."""
    sent = {"Last-Event-ID": known} if known else {}
    with (
        httpx2.Client(timeout=PATIENCE_SECONDS) as client,
        client.stream("GET", f"http://127.0.0.1:{port}/api/v1/events", headers=sent | headers) as answer,
    ):
        assert answer.status_code == 200, answer.read()
        listener = Listener(answer.iter_lines())
        assert listener.next().kind == "ready"
        yield listener


class Server:
    """A server of an application in a thread, as ``cms serve`` runs it."""

    def __init__(self, app: ASGIApp) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._server = uvicorn.Server(server_config(app, workers=1, access_log=False))
        self._thread = Thread(target=self._server.run, kwargs={"sockets": [self._socket]})
        self._thread.start()

    def stop(self) -> None:
        """As a signal does it; once."""
        self._server.should_exit = True
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()
        self._socket.close()


Serve = Callable[[ASGIApp], Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts servers, and stops them after the test."""
    started: list[Server] = []

    def start(app: ASGIApp) -> Server:
        started.append(Server(app))
        return started[-1]

    yield start
    for server in started:
        server.stop()
