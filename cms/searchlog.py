"""What is searched for in vain, and how long searches take: numbers for those who run the site, and nothing about who asked.

Kept in memory by each process. A query is only ever told after it was asked for several times, and never when it looks like an address or
a number that belongs to a person. There is no way to ask for the list from outside; it goes to the log.
"""

import re
import time
from collections.abc import Callable
from threading import Lock
from typing import Literal

import structlog

from cms.spelling import key_of

Result = Literal["some", "none", "corrected", "unavailable"]
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
QUERIES_MOST = 1_000
LENGTH_MOST = 64
ASKED_LEAST = 3
TOLD_MOST = 20
TELL_AFTER_SECONDS = 3_600.0
PERSONAL = re.compile(r"@|(?:\d[ .-]?){5}")

log = structlog.get_logger(__name__)


class SearchLog:
    """Counts searches. Safe in several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.results: dict[Result, int] = {"some": 0, "none": 0, "corrected": 0, "unavailable": 0}
        self.times = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0
        self._in_vain: dict[str, int] = {}
        self._clock = clock
        self._told_at = clock()
        self._is_news = False
        self._lock = Lock()

    def count(self, result: Result, query: str) -> None:
        """Count one search that was answered, also when the answer was known from before."""
        with self._lock:
            self.results[result] += 1
            if result == "none":
                self._remember(query)
        if self._clock() - self._told_at >= TELL_AFTER_SECONDS:
            self.tell()

    def time(self, seconds: float) -> None:
        """Count how long one search took."""
        with self._lock:
            self.seconds += seconds
            self.times[sum(seconds > limit for limit in BUCKETS)] += 1

    def _remember(self, query: str) -> None:
        key = key_of(query[: 4 * LENGTH_MOST])
        if not key or len(key) > LENGTH_MOST or PERSONAL.search(query):
            return
        number = self._in_vain.pop(key, 0) + 1
        if len(self._in_vain) >= QUERIES_MOST:  # the rarest goes, of these the one that was not asked for the longest
            del self._in_vain[min(self._in_vain, key=self._in_vain.__getitem__)]
        self._in_vain[key] = number
        self._is_news |= number >= ASKED_LEAST

    def in_vain(self) -> dict[str, int]:
        """The queries that most often found nothing, and how often."""
        with self._lock:
            asked = sorted(self._in_vain.items(), key=lambda pair: (-pair[1], pair[0]))
        return {query: number for query, number in asked[:TOLD_MOST] if number >= ASKED_LEAST}

    def tell(self) -> None:
        """Log them, when there is something new to tell."""
        self._told_at = self._clock()
        if self._is_news:
            self._is_news = False
            log.info("search.in_vain", queries=self.in_vain())
