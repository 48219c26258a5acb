"""Slots: how many transfers run at once, and how many may wait for their turn.

A clone or a push keeps a program busy for seconds. One person can neither take all slots nor push others out of the line.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import Condition, move_on_after

from cms.errors import TooBusy

AT_ONCE, EACH_MOST, WAITING_MOST = 4, 2, 16
WAIT_SECONDS, RETRY_SECONDS = 30.0, 10


class Slots:
    """Slots for transfers of one kind."""

    def __init__(
        self,
        *,
        at_once: int = AT_ONCE,
        each_most: int = EACH_MOST,
        waiting_most: int = WAITING_MOST,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._at_once = at_once
        self._each_most = each_most
        self._waiting_most = waiting_most
        self._wait_seconds = wait_seconds
        self._running: Counter[str] = Counter()
        self._waiting = 0
        self._changed = Condition()

    @asynccontextmanager
    async def take(self, whose: str) -> AsyncIterator[None]:
        """Hold a slot of *whose*, as soon as there is one.

        Raises:
            TooBusy: too many wait already, or it took too long.
        """
        self.refuse_when_full()
        await self._wait_for_one(whose)
        try:
            yield
        finally:
            self._running[whose] -= 1
            self._running += Counter()  # forgets who has none
            with move_on_after(1, shield=True):
                async with self._changed:
                    self._changed.notify_all()

    def refuse_when_full(self) -> None:
        """Refuse who would only wait in vain.

        Raises:
            TooBusy: the line is full.
        """
        if self._waiting >= self._waiting_most:
            raise _busy()

    async def _wait_for_one(self, whose: str) -> None:
        self._waiting += 1
        try:
            with move_on_after(self._wait_seconds):
                async with self._changed:
                    while self._running.total() >= self._at_once or self._running[whose] >= self._each_most:
                        await self._changed.wait()
                    self._running[whose] += 1
                    return
        finally:
            self._waiting -= 1
        raise _busy()


def _busy() -> TooBusy:
    return TooBusy(
        f"too many clones and pushes are under way; try again in {RETRY_SECONDS} seconds",
        retry_after_seconds=RETRY_SECONDS,
    )
