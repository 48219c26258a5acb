"""What is searched for in vain, and how long searches take: numbers for those who run the site, and nothing about who asked.

Kept in memory by each process. A query is only ever told after it was asked for at several times with a while between them, so that
somebody who tries once, in many ways or again and again, is not told of; and never when it looks like an address or a number that
belongs to a person.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
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
APART_SECONDS = 600.0
SLOW_SECONDS = 0.25
PERSONAL = re.compile(r"@|(?:\d[ .-]?){5}")

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Asked:
    """How often a query was asked for, when last, and how long it took at most."""

    times: int
    at: float
    seconds: float


class _Queries:
    """The queries that are asked for most often, as far as they may be told of."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: dict[str, _Asked] = {}

    def __len__(self) -> int:
        return len(self._known)

    def add(self, query: str, seconds: float = 0.0) -> bool:
        """Count *query*; whether it may be told of now."""
        key = key_of(query[: 4 * LENGTH_MOST])
        if not key or len(key) > LENGTH_MOST or PERSONAL.search(query):
            return False
        now = self._clock()
        asked = self._known.pop(key, None)
        if asked is None:
            if len(self._known) >= QUERIES_MOST:  # the rarest goes, of these the one that was not asked for the longest
                del self._known[min(self._known, key=lambda known: self._known[known].times)]
            asked = _Asked(1, now, seconds)
        elif now - asked.at >= APART_SECONDS:
            asked = _Asked(asked.times + 1, now, max(asked.seconds, seconds))
        self._known[key] = asked
        return asked.times >= ASKED_LEAST

    def told(self) -> dict[str, _Asked]:
        """What was asked for most often, as far as it was often enough."""
        often = sorted(self._known.items(), key=lambda pair: (-pair[1].times, pair[0]))
        return {query: asked for query, asked in often[:TOLD_MOST] if asked.times >= ASKED_LEAST}


class SearchLog:
    """Counts searches. Safe in several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.results: dict[Result, int] = {"some": 0, "none": 0, "corrected": 0, "unavailable": 0}
        self.times = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0
        self.since = datetime.now(UTC)
        self._in_vain = _Queries(clock)
        self._slow = _Queries(clock)
        self._clock = clock
        self._told_at = clock()
        self._is_news = False
        self._lock = Lock()

    def count(self, result: Result, query: str) -> None:
        """Count one search that was answered, also when the answer was known from before."""
        with self._lock:
            self.results[result] += 1
            if result == "none":
                self._is_news |= self._in_vain.add(query)
        if self._clock() - self._told_at >= TELL_AFTER_SECONDS:
            self.tell()

    def time(self, seconds: float, query: str = "") -> None:
        """Count how long one search took."""
        with self._lock:
            if seconds >= SLOW_SECONDS:
                self._slow.add(query, seconds)
            self.seconds += seconds
            self.times[sum(seconds > limit for limit in BUCKETS)] += 1

    def in_vain(self) -> dict[str, int]:
        """The queries that most often found nothing, and how often."""
        with self._lock:
            return {query: asked.times for query, asked in self._in_vain.told().items()}

    def slow(self) -> dict[str, tuple[int, float]]:
        """The queries that most often took long, how often, and how many seconds at most."""
        with self._lock:
            return {query: (asked.times, asked.seconds) for query, asked in self._slow.told().items()}

    def tell(self) -> None:
        """Log them, when there is something new to tell."""
        self._told_at = self._clock()
        if self._is_news:
            self._is_news = False
            log.info("search.in_vain", queries=self.in_vain())
