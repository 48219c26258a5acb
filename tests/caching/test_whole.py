"""Answers that a server writes as they lie: the same as those that it puts together, on the wire too."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
import uvicorn

from cms.cli.protocol import BoundedProtocol
from tests.api.tools import MODEL, Client, post
from tests.repo import Repo

LIST = "/api/v1/entries/posts"
ENTRY = f"{LIST}/a"
PLAIN = re.compile(rb"^date: [^\r]+\r\n", re.M)


class Server:
    """One site behind uvicorn, and what it writes."""

    def __init__(self, port: int) -> None:
        self.port = port

    def say(self, *requests: str) -> bytes:
        """All that is written on one connection until it is closed, but for the time; the last request closes it."""
        told = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall("".join(requests).encode())
            while piece := connection.recv(65536):
                told += piece
        return PLAIN.sub(b"", told)


def request(path: str, *headers: str, method: str = "GET", version: str = "1.1") -> str:
    return "\r\n".join([f"{method} {path} HTTP/{version}", "Host: x", *headers, "", ""])


def closing(path: str, *headers: str, method: str = "GET") -> str:
    return request(path, *headers, "Connection: close", method=method)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    repo = Repo.create(Path(tmp_path_factory.mktemp("site")) / "site.git")
    repo.commit({**MODEL, **{f"posts/{name}.md": post(body="words " * 300) for name in "abc"}})
    client = Client(repo.path)
    listener = socket.create_server(("127.0.0.1", 0))
    running = uvicorn.Server(uvicorn.Config(client.app, http=BoundedProtocol, lifespan="off", log_config=None))
    thread = Thread(target=running.run, kwargs={"sockets": [listener]})
    thread.start()
    yield Server(listener.getsockname()[1])
    running.should_exit = True
    thread.join()
    listener.close()
    client.site.close()


@pytest.mark.parametrize("headers", [(), ("Accept-Encoding: gzip",), ("Accept-Encoding: br",), ("If-None-Match: *",)])
@pytest.mark.parametrize("path", [LIST, ENTRY])
def test_an_answer_is_the_same_when_it_is_given_again(server: Server, path: str, headers: tuple[str, ...]) -> None:
    # What is asked with "Connection: close" is put together by uvicorn itself.
    by_hand = server.say(closing(path, *headers)).replace(b"connection: close\r\n", b"")
    both = server.say(request(path, *headers), closing(path, *headers)).replace(b"connection: close\r\n", b"")
    assert both == 2 * by_hand


def test_requests_that_come_at_once_are_answered_in_their_order(server: Server) -> None:
    paths = [ENTRY, LIST, "/api/v1/entries/posts/nothing", LIST, ENTRY]
    alone = [server.say(closing(path)).replace(b"connection: close\r\n", b"") for path in paths]
    together = server.say(*map(request, paths[:-1]), closing(paths[-1]))
    assert together.replace(b"connection: close\r\n", b"") == b"".join(alone)


def test_older_clients_and_who_wants_no_body_are_answered_as_they_can_take_it(server: Server) -> None:
    server.say(closing(ENTRY))
    head = server.say(closing(ENTRY, method="HEAD"))
    assert head.endswith(b"\r\n\r\n")
    old = server.say(request(ENTRY, version="1.0"))
    assert b"connection: close" in old
    assert b"content-length" in head.lower()
