"""``/events``: what happens, as server-sent events (the WHATWG's HTML standard, 9.2).

A stream begins with ``ready``, whose id is where the reader stands; every event after it has the id to go on from. Who may know of what is
asked anew before anything is sent that is not for everybody, and when nothing happened for a while: a secret that was revoked ends its stream.

A server that does not say when it stops would have to wait for its readers then. There a stream ends when all is told, and readers come again.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial

import anyio
import orjson
import structlog
from anyio import CancelScope
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from cms.api.changes import find_caller
from cms.api.lanes import Lane, Lanes
from cms.api.state import CLOSING
from cms.delta import Position
from cms.errors import CMSError, InvalidQuery, TooBusy, Unauthorised
from cms.events import Mark, parse_mark
from cms.events.event import NO_ENTRY
from cms.params import read_parameters, split_query
from cms.permissions import Principal
from cms.site import Site

KIND = "text/event-stream"
HEARTBEAT_SECONDS = 15.0
SOON_SECONDS = 0.5
SEND_SECONDS = 20.0
RETRY_MILLISECONDS = 3000
HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # or nginx would collect what is sent
    "X-Content-Type-Options": "nosniff",
}
ANYWHERE = {"Access-Control-Allow-Origin": "*"}
#: For what another server that was here before may have called an event.
NOWHERE = Mark(Position(NO_ENTRY))
log = structlog.get_logger(__name__)


async def get_events(request: Request) -> Response:
    """``GET /events``."""
    site: Site = request.scope["site"]
    lanes: Lanes = request.scope["lanes"]
    known = _read_mark(request)
    who = await find_caller(request)
    headers = HEADERS if who is not None else {**HEADERS, **ANYWHERE}
    begun = await lanes.events.run(site.events.begin, who, datetime.now(UTC))
    if request.method == "HEAD":
        return Response(headers=headers, media_type=KIND)
    return _Stream(request, who, known or begun, has_missed=known is not None, headers=headers)


def _read_mark(request: Request) -> Mark | None:
    """The last event that the reader knows: from the header that browsers send by themselves, or from the query.

    Raises:
        InvalidQuery: what is in the query is the id of no event.
    """
    parameters = read_parameters(split_query(request.scope["query_string"]), ("last_event_id",))
    sent = request.headers.get("last-event-id")
    written = parameters.one("last_event_id")
    if sent:
        try:
            return parse_mark(sent)
        except InvalidQuery:
            return NOWHERE
    return parse_mark(written) if written else None


class _Stream(Response):
    """An answer that goes on until one of both sides leaves."""

    def __init__(
        self, request: Request, who: Principal | None, mark: Mark, *, has_missed: bool, headers: Mapping[str, str]
    ) -> None:
        super().__init__(headers=headers, media_type=KIND)
        del self.headers["content-length"]
        self._request = request
        self._who = who
        self._mark = mark
        self._has_missed = has_missed
        self._site: Site = request.scope["site"]
        self._lanes: Lanes = request.scope["lanes"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the reader is gone, may not read any more or does not take them, or the server stops.

        Raises:
            TooMany, TooBusy: there are too many streams.
        """
        client = self._request.client
        whose = self._who.person if self._who is not None else client.host if client is not None else ""
        closing = scope.get("state", {}).get(CLOSING)
        with self._lanes.streams.entered(whose, self._site):
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async with anyio.create_task_group() as group:
                group.start_soon(_end_after, partial(_gone, receive), group.cancel_scope)
                if closing is not None:
                    group.start_soon(_end_after, closing.wait, group.cancel_scope)
                await self._tell(send, is_lasting=closing is not None)
                group.cancel_scope.cancel()
        with anyio.move_on_after(1.0):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _tell(self, send: Send, *, is_lasting: bool) -> None:
        """Send what happens, until there is a reason not to."""
        streams = self._lanes.streams
        try:
            turn, is_due = streams.turn, False
            ready = {"position": str(self._mark.position), "heartbeat_seconds": HEARTBEAT_SECONDS}
            await _send(send, b"retry: %d\n%b" % (RETRY_MILLISECONDS, _format("ready", self._mark, ready)))
            if self._has_missed:  # which may be much, so it takes its turn with all that looks into the past
                is_due = await self._tell_news(send, self._lanes.views)
            while is_lasting:
                seen = await streams.wait(turn, SOON_SECONDS if is_due else HEARTBEAT_SECONDS)
                if seen == turn and not is_due:
                    await _send(send, b":\n\n")
                lane = self._lanes.views if self._has_missed else self._lanes.events
                is_due = await self._tell_news(send, lane)
                turn = seen
        except Unauthorised:
            log.info("events.ended", reason="the secret is not good any more")
        except TimeoutError:
            log.info("events.dropped", reason="the reader does not take what is sent")
        except CMSError as error:
            log.warning("events.ended", reason=str(error))

    async def _tell_news(self, send: Send, lane: Lane) -> bool:
        """Send what is new; whether it is worth looking again soon."""
        await self._ask_again()
        try:
            batch = await lane.run(self._site.events.after, self._mark, self._who, datetime.now(UTC))
        except TooBusy:
            return True
        for mark, event in batch.events:
            await _send(send, _format(event.kind, mark, event.data))
        self._mark, self._has_missed = batch.mark, False
        return batch.is_waiting

    async def _ask_again(self) -> None:
        """Find out anew who it is.

        Raises:
            Unauthorised: the secret was revoked, or is over.
        """
        if self._who is not None:
            self._who = await find_caller(self._request)
            if self._who is None:
                raise Unauthorised("nobody can sign in any more")


def _format(kind: str, mark: Mark, data: object) -> bytes:
    """One event as it is sent; JSON has no line breaks."""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (str(mark).encode(), kind.encode(), orjson.dumps(data))


async def _send(send: Send, content: bytes) -> None:
    """Send *content*; what is written waits for a slow reader, but not for ever.

    Raises:
        TimeoutError: it was not taken.
    """
    with anyio.fail_after(SEND_SECONDS):
        await send({"type": "http.response.body", "body": content, "more_body": True})


async def _gone(receive: Receive) -> None:
    """Wait until the reader is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _end_after(wait: Callable[[], Awaitable[object]], scope: CancelScope) -> None:
    """End what *scope* is of when *wait* has waited."""
    await wait()
    scope.cancel()
