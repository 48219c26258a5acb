"""The event streams that are open in this process: how many may be, and when it is worth looking whether something happened.

One task looks at the published branch and at the push log, which costs a few calls of ``stat``, as long as a stream is open. Whoever waits is
woken when one of them has moved, and when something appeared or went by its date.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

import anyio
import structlog
from anyio import CapacityLimiter, to_thread

from cms.catalog import Catalog
from cms.errors import CMSError, TooBusy, TooMany
from cms.refs import PUSH_LOG, CommitId
from cms.site import Site

LOOK_SECONDS = 0.5
STREAMS_MOST = 1000
STREAMS_EACH_MOST = 20
RETRY_SECONDS = 30
log = structlog.get_logger(__name__)


class Streams:
    """The open streams of one process."""

    def __init__(self) -> None:
        #: Counts how often something may have happened.
        self.turn = 0
        self._open: Counter[str] = Counter()
        self._changed = anyio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._refreshing = CapacityLimiter(1)

    @property
    def count(self) -> int:
        """How many are open."""
        return self._open.total()

    @contextmanager
    def entered(self, whose: str, site: Site) -> Iterator[None]:
        """One more stream, for as long as this lasts.

        Args:
            whose: the address that it goes to, or the person whom it is for. Behind a proxy all have its address: there the proxy must count.

        Raises:
            TooMany: that one has as many as one may have.
            TooBusy: there are as many as there may be.
        """
        if self._open[whose] >= STREAMS_EACH_MOST and not _is_shared(whose):
            raise TooMany(
                f"{STREAMS_EACH_MOST} streams of events are open for you already; close some, or share one",
                retry_after_seconds=RETRY_SECONDS,
            )
        if self.count >= STREAMS_MOST:
            raise TooBusy(
                "this server has as many streams of events open as it may; try again later, or ask /changes instead",
                retry_after_seconds=RETRY_SECONDS,
            )
        self._open[whose] += 1
        if self._looking is None:
            self._looking = asyncio.create_task(self._look(site))
        try:
            yield
        finally:
            self._open[whose] -= 1
            if not self._open[whose]:
                del self._open[whose]
            if not self._open and self._looking is not None:
                self._looking.cancel()
                self._looking = None

    async def wait(self, seen: int, seconds: float) -> int:
        """Wait until something may have happened since *turn* was *seen*, at most *seconds*; what it is then."""
        if self.turn == seen:
            with anyio.move_on_after(seconds):
                await self._changed.wait()
        return self.turn

    async def _look(self, site: Site) -> None:
        watch = site.store.watch(PUSH_LOG)
        seen: tuple[Catalog | None, CommitId | None] | None = None
        is_blind = False
        while True:
            try:
                now = time.time()
                if site.is_stale(now):
                    await to_thread.run_sync(site.refresh, now, limiter=self._refreshing)
                found = None if site.is_empty else site.catalog, watch.current()
            except CMSError as error:
                if not is_blind:
                    log.warning("events.not_seen", reason=str(error))
                is_blind = True
            else:
                is_blind = False
                # The first look, too: nobody looked at what happened before it.
                if seen is None or found[0] is not seen[0] or found[1] != seen[1]:
                    self.turn += 1
                    self._changed.set()
                    self._changed = anyio.Event()
                seen = found
            await anyio.sleep(LOOK_SECONDS)


def _is_shared(whose: str) -> bool:
    """Whether it is an address of this machine or network, behind which a proxy has any number of readers."""
    try:
        return not ip_address(whose).is_global
    except ValueError:  # a person
        return False
