"""Lanes: a few threads for each kind of slow work, and a short queue before them.

Python runs one thread at a time, so many slow requests at once would keep the event loop, and with it every quick request, waiting. What
finds the queue full is refused at once: it would have been given up before its turn came.
"""

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from anyio import CapacityLimiter, to_thread

from cms.api.streams import STREAMS_MOST, Streams
from cms.errors import TooBusy

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")
THREADS = 2
WAITING_MOST = 50
RETRY_SECONDS = 2


class Lane:
    """Work of one kind, done by few threads."""

    def __init__(self, threads: int = THREADS, waiting_most: int = WAITING_MOST) -> None:
        self._threads = CapacityLimiter(threads)
        self._waiting_most = waiting_most
        self._waiting = 0

    async def run(self, function: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """The result of *function*, called in a thread.

        Raises:
            TooBusy: too many wait already.
        """
        if self._waiting >= self._waiting_most + int(self._threads.total_tokens):
            raise TooBusy(
                "too much of this kind is being asked at once; try again in a moment", retry_after_seconds=RETRY_SECONDS
            )
        self._waiting += 1
        try:
            return await to_thread.run_sync(function, *arguments, limiter=self._threads)
        finally:
            self._waiting -= 1


class Lanes:
    """The lanes of one server process: full text, queries over many entries, sorting words for completions, files, views other than the
    present one, drafts, acts and passwords.

    Sorting and files are done once for many who wait for it, so they take one thread and many may wait. Tokens are looked up beside passwords, so
    that nobody who guesses these holds up programs that have one.

    Attributes:
        last_file: the large file that was read last, with its blob id: many who ask for it at once share its bytes.
    """

    def __init__(self) -> None:
        self.searches = Lane()
        self.queries = Lane()
        self.sorting = Lane(threads=1, waiting_most=500)
        self.files = Lane(threads=1, waiting_most=500)
        self.drafts = Lane(waiting_most=200)
        self.writes = Lane(waiting_most=200)
        self.secrets = Lane(waiting_most=200)
        self.tokens = Lane(waiting_most=500)
        self.views = Lane(threads=1, waiting_most=20)
        self.events = Lane(threads=1, waiting_most=2 * STREAMS_MOST)
        self.streams = Streams()
        self.last_file: tuple[str, bytes] = ("", b"")
