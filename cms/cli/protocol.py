"""uvicorn's HTTP protocol with the two limits that it lacks: how large a request may be, and how long it may take to arrive; and with a short
way for answers that are sent as they lie.

Without them one connection that sends a header without end takes all memory, and a few hundred that send theirs a byte a minute take every
connection. Both limits are for the whole of a request, but for what Git sends: of that only the header is limited here, and the body where
it is used (``githttp``).
"""

from asyncio import TimerHandle
from functools import partial
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from cms.api.state import CLOSING, SEND_WHOLE

REQUEST_BYTES_MOST = 64 * 1024
REQUEST_SECONDS_MOST = 20.0
RELAYED = b"/git/"
# Whole texts are written here, and a limit of their own is where they are read.
WRITTEN, WRITTEN_BYTES_MOST = b"/api/v1/drafts/", 5 * 1024 * 1024
TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 25\r\nconnection: close\r\n\r\n"
    b"The request is too large."
)


def send_whole(cycle: RequestResponseCycle, status_line: bytes, headers: bytes, body: bytes) -> bool:
    """Answer with bytes that were put together before, instead of header by header; whether that could be done.

    Args:
        headers: what follows those that the server adds itself, with the empty line.
    """
    if cycle.response_started or not cycle.keep_alive or cycle.access_log or cycle.flow.write_paused:
        return False
    if not cycle.disconnected:
        cycle.response_started = cycle.response_complete = True
        own = [b"%b: %b\r\n" % pair for pair in cycle.default_headers]
        cycle.transport.writelines((b"".join((status_line, *own, headers)), body))
        cycle.message_event.set()
        cycle.on_response()
    return True


class BoundedProtocol(HttpToolsProtocol):
    """One connection. What arrives in one piece costs nothing extra."""

    bytes_most = REQUEST_BYTES_MOST
    seconds_most = REQUEST_SECONDS_MOST

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._received = 0  # bytes of a request that is not whole yet
        self._is_whole = False
        self._has_begun = False
        self._most = self.bytes_most
        self._is_relayed = False  # and its header is whole
        self._deadline: TimerHandle | None = self.loop.call_later(self.seconds_most, self._give_up)

    def shutdown(self) -> None:
        """Tell what would go on answering for ever that the server stops."""
        closing = self.app_state.get(CLOSING)
        if closing is not None:
            closing.set()
        super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the clock."""
        self._stop_clock()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._has_begun, self._is_relayed = True, False
        self._most = self.bytes_most
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The header of a request is whole."""
        self._is_relayed = self.url.startswith(RELAYED)
        if self.url.startswith(WRITTEN):
            self._most = max(self._most, WRITTEN_BYTES_MOST)
        super().on_headers_complete()
        if self.cycle is not None:
            cast(dict[str, Any], self.scope)[SEND_WHOLE] = partial(send_whole, self.cycle)

    def on_message_complete(self) -> None:
        """A request is whole."""
        self._is_whole, self._has_begun = True, False
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Take *data*, unless it makes the request too large."""
        if self._received + len(data) > self._most and self._received:
            return self._refuse()
        self._is_whole = False
        super().data_received(data)
        if self._is_whole or self._is_relayed:
            self._received = 0
            self._stop_clock()
        if self._has_begun and not self._is_relayed:
            self._received += 0 if self._is_whole else len(data)
            if self._deadline is None:
                self._deadline = self.loop.call_later(self.seconds_most, self._give_up)
        return None

    def _refuse(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(TOO_LARGE)
        self.transport.close()

    def _give_up(self) -> None:
        self._deadline = None
        self.transport.close()

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
