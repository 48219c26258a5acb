"""``/metrics`` in the text format of Prometheus: requests by route, method and status, and what is being served."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from cms.api.insight import findings_for, sees_all
from cms.api.streams import Streams
from cms.searchlog import BUCKETS as SEARCH_BUCKETS
from cms.site import Site

KIND = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
KINDS = frozenset(
    {"site", "collections", "entries", "search", "suggest", "openapi.json", "assets", "feeds", "events"}
    | {"drafts", "history", "session", "me", "tokens"}
)
OUTSIDE = ("healthz", "readyz", "metrics", "git", "setup", "sitemap.xml")


class Metrics:
    """Counters of one process. Plain numbers, because they are touched by every request."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.streams = Streams()
        self._requests: dict[tuple[str, str, int], int] = {}
        self._times = [0] * (len(BUCKETS) + 1)
        self._seconds = 0.0

    def count(self, scope: Scope, method: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        key = (route_of(scope["path"]), method, status)
        self._requests[key] = self._requests.get(key, 0) + 1
        self._seconds += seconds
        place = 0
        for limit in BUCKETS:
            if seconds <= limit:
                break
            place += 1
        self._times[place] += 1

    def answered(self) -> int:
        """How many requests were answered so far."""
        return sum(self._times)

    def collect(self, *, is_all: bool) -> Iterator[Metric]:
        """All of it as it is now; of the findings those that may be told, or *is_all*."""
        requests = CounterMetricFamily("cms_requests", "Requests answered.", labels=["route", "method", "status"])
        for (route, method, status), number in self._requests.items():
            requests.add_metric([route, method, str(status)], number)
        yield requests
        yield _histogram("cms_request_seconds", "Time to answer, in this process.", BUCKETS, self._times, self._seconds)
        yield from self._searches()
        yield GaugeMetricFamily("cms_event_streams", "Streams of events that are open.", self.streams.count)
        if not self._site.is_empty:
            entries = GaugeMetricFamily("cms_entries", "Entries that are visible now.", labels=["collection"])
            for name, shelf in self._site.catalog.shelves.items():
                entries.add_metric([name], shelf.count)
            yield entries
            findings = findings_for(self._site, is_all=is_all)
            wrong = GaugeMetricFamily("cms_findings", "What is wrong or odd in the content.", labels=["severity"])
            for severity in ("error", "warning"):
                wrong.add_metric([severity], sum(finding.severity == severity for finding in findings))
            yield wrong
        yield GaugeMetricFamily(
            "cms_degraded", "1 when the newest state of the branch could not be served.", 1 if self._site.trouble else 0
        )

    def _searches(self) -> Iterator[Metric]:
        known = self._site.searches
        results = CounterMetricFamily("cms_searches", "Searches answered, by what they found.", labels=["result"])
        for result, number in known.results.items():
            results.add_metric([result], number)
        yield results
        yield _histogram(
            "cms_search_seconds", "Time to search, without what was known.", SEARCH_BUCKETS, known.times, known.seconds
        )

    def endpoint(self, request: Request) -> Response:
        """``GET /metrics``."""
        scrape = CollectorRegistry()
        scrape.register(_Scrape(self, is_all=sees_all(request, self._site)))
        return Response(generate_latest(scrape), media_type=KIND, headers={"Cache-Control": "no-store"})


class _Scrape:
    """The metrics for one who asks for them."""

    def __init__(self, metrics: Metrics, *, is_all: bool) -> None:
        self._metrics = metrics
        self._is_all = is_all

    def collect(self) -> Iterator[Metric]:
        return self._metrics.collect(is_all=self._is_all)

    def describe(self) -> list[Metric]:
        """Nothing ahead of time: the registry need not call :meth:`collect` twice."""
        return []


def _histogram(name: str, meaning: str, limits: Sequence[float], numbers: Sequence[int], seconds: float) -> Metric:
    family = HistogramMetricFamily(name, meaning)
    names = [*map(str, limits), "+Inf"]
    family.add_metric([], list(zip(names, accumulate(numbers), strict=True)), seconds)
    return family


@lru_cache(maxsize=4096)
def route_of(path: str) -> str:
    """The kind of resource that *path* names, so that slugs do not become labels."""
    parts = path.split("/", 5)
    if len(parts) > 3 and parts[1] == "api":
        kind = parts[3] or "site"
        known = kind in KINDS
        detail = "/{slug}" if kind == "entries" and len(parts) > 5 else ""
        return f"{kind}{detail}" if known else "other"
    return parts[1] if parts[1] in OUTSIDE else "other"
