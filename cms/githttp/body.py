"""The body of a request, piece by piece as it comes: bounded, inflated, and made all-or-nothing.

Nothing here ever holds more than a piece and one line of Git's protocol.
"""

import re
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress

from anyio import move_on_after
from starlette.types import Receive

INFLATED_BYTES = 256 * 1024
COMMANDS_MOST = 1_000
_LENGTH_DIGITS = 4
_FLUSH = b"0000"
_LENGTH = re.compile(rb"[0-9a-fA-F]{4}")
_COMMAND = re.compile(rb"[0-9a-f]{40} [0-9a-f]{40} [^\0-\x20\x7f]{1,1000}")


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


class BadBody(Exception):
    """The body cannot be used; ``str(error)`` says why."""


class BodyTooLarge(BadBody):
    """There is more of it than is taken."""


class Body:
    """The body of one request, as the server hands it over."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._is_read = False

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield it.

        Raises:
            ClientGone: the client went away before its end.
        """
        while not self._is_read:
            message = await self._receive()
            if message["type"] != "http.request":
                raise ClientGone
            self._is_read = not message.get("more_body", False)
            if piece := message.get("body", b""):
                yield piece

    async def wait_for_leaving(self) -> None:
        """Return when the client, whose whole body was read, is gone."""
        while (await self._receive())["type"] == "http.request":
            pass

    async def drop(self, most: int, seconds: float) -> None:
        """Read and drop what is left of it, or no more than *most* bytes of that: a client that is still sending does not listen."""
        with suppress(ClientGone, BadBody), move_on_after(seconds):
            async for _ in bound(self.pieces(), most):
                pass


async def inflate(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield what a gzip body holds, never much at a time however well it was compressed.

    Raises:
        BadBody: it is no gzip, ends too early, or goes on after its end.
    """
    inflater = zlib.decompressobj(wbits=31)
    async for piece in pieces:
        if inflater.eof:
            raise BadBody("the body goes on after the end of its gzip data")
        while piece:
            try:
                yield inflater.decompress(piece, INFLATED_BYTES)
            except zlib.error as error:
                raise BadBody("the body is not what its Content-Encoding says: gzip") from error
            piece = inflater.unconsumed_tail
        if inflater.unused_data:
            raise BadBody("the body goes on after the end of its gzip data")
    if not inflater.eof:
        raise BadBody("the gzip data of the body ends too early")


async def bound(pieces: AsyncIterator[bytes], most: int) -> AsyncIterator[bytes]:
    """Yield *pieces* as long as they have no more than *most* bytes.

    Raises:
        BodyTooLarge: they have.
    """
    size = 0
    async for piece in pieces:
        size += len(piece)
        if size > most:
            raise BodyTooLarge(f"the request is larger than {most:,} bytes")
        yield piece


async def make_atomic(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield a push as if the client had asked for ``--atomic``: either all of its refs move or none does.

    What a client can do and wants stands behind its first command. Lines before that name the borders of a shallow clone.

    Raises:
        BadBody: it does not begin with commands, or with too many. A command is one line: what the hook is told is what Git does.
    """
    held, count = b"", 0
    async for piece in pieces:
        held += piece
        while (line := _first_line(held)) is not None:
            held = held[len(line) :]
            if line == _FLUSH:
                yield line + held
                async for rest in pieces:
                    yield rest
                return
            if line[_LENGTH_DIGITS:].startswith(b"shallow "):
                yield line
                continue
            count += 1
            if count > COMMANDS_MOST:
                raise BadBody(f"more than {COMMANDS_MOST:,} refs in one push; push them in parts")
            yield _checked(line, is_first=count == 1)
    if held or count:
        raise BadBody("the body ends in the middle of its commands")


def _first_line(data: bytes) -> bytes | None:
    """The first line of the protocol in *data*, with its length before it; None when it has not come whole."""
    if len(data) < _LENGTH_DIGITS:
        return None
    if not _LENGTH.match(data):
        raise BadBody("the body is no push: it does not begin with the length of a line")
    length = int(data[:_LENGTH_DIGITS], 16) or _LENGTH_DIGITS
    if length < _LENGTH_DIGITS:
        raise BadBody("the body is no push: a line has no length")
    return data[:length] if len(data) >= length else None


def _checked(line: bytes, *, is_first: bool) -> bytes:
    """A line that holds a command; the first one asks for all or nothing."""
    command, _, abilities = line[_LENGTH_DIGITS:].partition(b"\0")
    if not _COMMAND.fullmatch(command.removesuffix(b"\n")):
        raise BadBody("the body is no push: a command is not as it must be")
    if not is_first or b"atomic" in abilities.split():
        return line
    data = command.removesuffix(b"\n") + b"\0" + abilities.removesuffix(b"\n") + b" atomic"
    return b"%04x" % (len(data) + _LENGTH_DIGITS) + data
