"""A connection that never comes to an end of its request is dropped, and nobody else notices."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from threading import Thread
from time import sleep

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from cms.cli.protocol import REQUEST_BYTES_MOST, BoundedProtocol

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Hurried(BoundedProtocol):
    """Does not wait as long as the real one."""

    seconds_most = 0.2


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    del receive
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def serve(protocol: type[BoundedProtocol]) -> Iterator[int]:
    """The port of a server in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application, http=protocol, lifespan="off", log_config=None))
    thread = Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join()
    listener.close()


@pytest.fixture(scope="module")
def patient() -> Iterator[int]:
    yield from serve(BoundedProtocol)


@pytest.fixture(scope="module")
def hurried() -> Iterator[int]:
    yield from serve(Hurried)


def talk(port: int, *pieces: bytes) -> bytes:
    """All that the server says before it closes the connection."""
    told = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        with suppress(ConnectionError):
            for piece in pieces:
                connection.sendall(piece)
                sleep(0.01)
        with suppress(ConnectionError):
            while piece := connection.recv(65536):
                told += piece
    return told


@pytest.mark.parametrize("beginning", [b"GET /", b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"GET / HTTP/1.1\r\nX: 1\r\n"])
def test_a_request_without_end_is_refused_and_its_connection_closed(patient: int, beginning: bytes) -> None:
    endless = [b"a" * REQUEST_BYTES_MOST] * 3
    assert talk(patient, beginning, *endless).startswith(b"HTTP/1.1 431 ")
    assert b" 200 OK" in talk(patient, REQUEST[:-2] + b"Connection: close\r\n\r\n")


@pytest.mark.parametrize("beginning", [b"", b"GET", REQUEST[:-2], b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nab"])
def test_a_request_that_does_not_come_to_its_end_is_given_up(hurried: int, beginning: bytes) -> None:
    assert b" 431 " not in talk(hurried, beginning)


def test_many_requests_in_one_connection_are_many_and_not_one_large(patient: int) -> None:
    large = REQUEST[:-2] + b"X: " + b"a" * 40_000 + b"\r\n\r\n"
    last = REQUEST[:-2] + b"Connection: close\r\n\r\n"
    assert talk(patient, *[large] * 5, REQUEST * 500, last).count(b" 200 OK") == 506
    in_pieces = (REQUEST[:9], REQUEST[9:20], REQUEST[20:] + REQUEST[:5], REQUEST[5:-2], b"Connection: close\r\n\r\n")
    assert talk(patient, *in_pieces).count(b" 200 OK") == 2
