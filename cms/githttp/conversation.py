"""A conversation between a client and one of Git's programs: both directions at once, watched, and ended with the client.

Both at once, since either side may wait for the other with a full pipe. Nobody may make it stand still for long: a client that neither
sends nor takes anything loses its slot.
"""

from collections.abc import AsyncIterator, Awaitable, Callable

from anyio import CancelScope, Event, create_task_group, current_time, sleep

from cms.githttp.body import BadBody, Body, BodyTooLarge, ClientGone
from cms.githttp.child import Child

STILL_SECONDS_MOST = 120.0
FETCH_SECONDS_MOST, PUSH_SECONDS_MOST = 3600.0, 900.0

Take = Callable[[bytes], Awaitable[None]]


class Refused(Exception):
    """A request that gets an HTTP status and a sentence. ``headers`` are added to the answer."""

    def __init__(self, status: int, sentence: str, *, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = headers


class Conversation:
    """One of them. When something goes wrong it comes to an end, unless *may_stop* says that it is too late for that."""

    def __init__(
        self,
        child: Child,
        body: Body,
        *,
        seconds_most: float,
        may_stop: Callable[[], bool] = lambda: True,
    ) -> None:
        self._child = child
        self._body = body
        self._seconds_most = seconds_most
        self._may_stop = may_stop
        self._failure: Exception | None = None
        self._moved_at = current_time()
        self._heard = Event()

    async def run(self, pieces: AsyncIterator[bytes], take: Take) -> None:
        """Hand *pieces* to the program and what it says to *take*, until it has said all.

        Raises:
            ClientGone: the client went away.
            Refused: its request cannot be used, or it took too long.
        """
        async with create_task_group() as group:
            scope = group.cancel_scope
            group.start_soon(self._feed, pieces, scope)
            group.start_soon(self._watch, scope)
            group.start_soon(self._child.listen)
            while data := await self._child.read():
                self._moved_at = current_time()
                await take(data)
                self._moved_at = current_time()
            # A program that has heard enough ends early; the client listens only when it has said all.
            await self._heard.wait()
            scope.cancel()
        if self._failure is not None:
            raise self._failure

    async def _feed(self, pieces: AsyncIterator[bytes], scope: CancelScope) -> None:
        try:
            async for piece in pieces:
                self._moved_at = current_time()
                await self._child.write(piece)
                self._moved_at = current_time()
            self._child.end_input()
            self._heard.set()
            await self._body.wait_for_leaving()
            raise ClientGone
        except BodyTooLarge as error:
            self._fail(Refused(413, f"{error}"), scope)
        except BadBody as error:
            self._fail(Refused(400, f"{error}"), scope)
        except ClientGone as error:
            self._fail(error, scope)

    async def _watch(self, scope: CancelScope) -> None:
        started_at = current_time()
        while True:
            now = current_time()
            left = min(self._moved_at + STILL_SECONDS_MOST, started_at + self._seconds_most) - now
            if left <= 0:
                return self._fail(Refused(408, "the transfer took too long, or stood still; try again"), scope)
            await sleep(left)

    def _fail(self, failure: Exception, scope: CancelScope) -> None:
        if self._failure is None and self._may_stop():
            self._failure = failure
            scope.cancel()
