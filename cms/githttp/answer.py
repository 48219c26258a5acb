"""Answers to Git's client: sent as they come, or held back until they are true."""

from starlette.types import Send

from cms.githttp.program import PUSH_BYTES_MOST

ANSWER_BYTES_MOST = 4 * 1024 * 1024
NOT_CACHED = (
    (b"expires", b"Fri, 01 Jan 1980 00:00:00 GMT"),
    (b"pragma", b"no-cache"),
    (b"cache-control", b"no-store, no-cache, max-age=0, must-revalidate"),
)
TOO_LARGE = b"pack exceeds maximum allowed size"
_PROGRESS = b"\x02"  # the band of what is shown to the person

Headers = tuple[tuple[bytes, bytes], ...]


async def start(send: Send, status: int, kind: str, headers: Headers = ()) -> None:
    """Begin an answer of the type *kind*, which nobody keeps."""
    all_headers = [(b"content-type", kind.encode()), *NOT_CACHED, (b"x-content-type-options", b"nosniff"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": all_headers})


class Streamed:
    """An answer that goes out as it comes."""

    def __init__(self, send: Send, kind: str) -> None:
        self._send = send
        self._kind = kind
        #: What goes before all that is taken.
        self.before = b""
        self.has_begun = False

    async def take(self, data: bytes) -> None:
        """Send *data*."""
        if not self.has_begun:
            self.has_begun = True
            await start(self._send, 200, self._kind)
            data = self.before + data
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self) -> None:
        """Send the end."""
        if not self.has_begun:
            await self.take(b"")
        await self._send({"type": "http.response.body", "body": b""})


class Held:
    """An answer that goes out as a whole."""

    def __init__(self, send: Send, kind: str) -> None:
        self._send = send
        self._kind = kind
        self._data = bytearray()

    @property
    def has_begun(self) -> bool:
        """Whether there is anything to say."""
        return bool(self._data)

    async def take(self, data: bytes) -> None:
        """Keep *data*; what is beyond all measure is dropped, and the client finds the answer cut off."""
        if len(self._data) < ANSWER_BYTES_MOST:
            self._data += data

    async def finish(self) -> None:
        """Send it."""
        data = explain(bytes(self._data), PUSH_BYTES_MOST)
        await start(self._send, 200, self._kind, ((b"content-length", b"%d" % len(data)),))
        await self._send({"type": "http.response.body", "body": data})


def explain(data: bytes, bytes_most: int) -> bytes:
    """Return the answer *data* with a line before it where Git's own words leave open what to do."""
    if TOO_LARGE not in data or data[4:5] != _PROGRESS:
        return data
    line = f"error: A push may have {bytes_most // 1024**2} MB. Push it in parts, and keep large files out of the repository.\n"
    line_data = _PROGRESS + line.encode()
    return b"%04x" % (len(line_data) + 4) + line_data + data
