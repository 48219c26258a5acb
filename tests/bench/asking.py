"""How fast questions are answered over HTTP, against a bare Starlette route that returns the same bytes."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from statistics import median
from urllib.parse import quote, urlencode

from tests.bench.floor import write_answers
from tests.bench.generate import CATEGORIES, COMMON_WORD, RARE_WORD, Generator, generate
from tests.bench.load import Load, ask_again, ask_once
from tests.bench.report import Row, entries, median_ratio
from tests.bench.servers import Client, serve_answers, serve_site

POSTS = "/api/v1/entries/posts"
SORTS = ("-published_at", "published_at", "-title", "title", "-slug", "slug")
OFFSETS = range(40)
ASKED_ENTRIES = 900
#: In which a server that nobody asks makes what lists show of 10,000 entries.
WARM_SECONDS = 10.0


def list_path(category: str, sort: str, **more: int) -> str:
    """The path of a list of one category."""
    return f"{POSTS}?{urlencode({'filter[category]': category, 'sort': sort, **more})}"


def search_path(text: str, limit: int = 20) -> str:
    """The path of a search."""
    return f"/api/v1/search?{urlencode({'q': text, 'limit': limit})}"


def measure_http(sizes: Sequence[int], rounds: int, seconds: float) -> Iterator[Row]:
    """Requests a second as ratios to the bare route, and what is left of these ratios on the largest site."""
    found: dict[str, dict[int, float]] = {}
    for size in sizes:
        for row in _measure_site(size, rounds, seconds):
            yield row
            found.setdefault(row.what, {})[size] = row.ratio or 0.0
    for what, ratios in found.items():
        small, large = min(ratios), max(ratios)
        if small != large:
            yield Row(
                what=f"{what}: ratio kept",
                site=entries(large),
                ours=f"{ratios[large]:.2f}",
                other=f"{ratios[small]:.2f} with {entries(small)}",
                ratio=ratios[large] / ratios[small],
                aim="" if "search" in what else "≥ 0.9",
            )


def _measure_site(size: int, rounds: int, seconds: float) -> Iterator[Row]:
    repository = generate(size)
    posts = [Generator(size).post(number).slug for number in range(1, size, max(1, size // ASKED_ENTRIES))]
    slugs = [f"{POSTS}/{quote(slug)}" for slug in posts]
    lists = [list_path(c, s, limit=20, offset=o) for o, c, s in product(OFFSETS, CATEGORIES, SORTS)]
    again = (
        ("one entry, asked again", slugs[len(slugs) // 2], "≥ 1.2"),
        (
            "list of 20, filtered and sorted, asked again",
            list_path(CATEGORIES[3], SORTS[0], limit=20, page=2),
            "≥ 1.25",
        ),
        ("search for a rare word, asked again", search_path(RARE_WORD), ""),
        ("search for a common word, asked again", search_path(COMMON_WORD), ""),
    )
    first = (
        ("one entry, first time", slugs, "", 0.0),
        ("list of 20, filtered and sorted, first time, right after the start", lists, "", 0.0),
        ("list of 20, filtered and sorted, first time", lists, "≥ 0.65", WARM_SECONDS),
    )
    with _bare_equivalent(repository, [path for _, path, _ in again] + slugs + lists) as floor:
        with serve_site(repository, wait_for=search_path(RARE_WORD)) as port:
            for what, path, aim in again:
                loads = [(_asked(port, path, seconds), _asked(floor, path, seconds)) for _ in range(rounds)]
                yield _row(what, size, aim, loads)
                slow = [ours for ours, _ in loads]
                yield from _slowest(f"{what}: p99 / p50", size, "≤ 3" if aim else "", slow)
            yield _unchanged(port, floor, again[0][1], size, rounds, seconds)
        for what, paths, aim, pause in first:
            yield _row(what, size, aim, [_first_time(repository, floor, paths, pause) for _ in range(rounds)])


@contextmanager
def _bare_equivalent(repository: Path, paths: Sequence[str]) -> Iterator[int]:
    """The bare server with what the product answers to *paths*."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "answers.json"
        with serve_site(repository, wait_for=search_path(RARE_WORD)) as port, Client(port) as client:
            answers = {path: client.get(path) for path in paths}
        refused = [f"{answer.status} {path}" for path, answer in answers.items() if answer.status != 200]
        if refused:
            raise RuntimeError(f"{len(refused)} paths were refused, among them {refused[0]}")
        write_answers(file, {path: (answer.body, answer.etag) for path, answer in answers.items()})
        with serve_answers(file) as floor:
            yield floor


def _asked(port: int, path: str, seconds: float) -> Load:
    return ask_again(port, path, seconds=seconds)


def _unchanged(port: int, floor: int, path: str, size: int, rounds: int, seconds: float) -> Row:
    """Asked by who has the answer, against the whole answer of the bare server."""
    with Client(port) as client:
        etag = client.get(path).etag
    loads = [(ask_again(port, path, seconds=seconds, etag=etag), _asked(floor, path, seconds)) for _ in range(rounds)]
    return _row("one entry, unchanged (304)", size, "≥ 1.6", loads)


def _slowest(what: str, size: int, aim: str, loads: Sequence[Load]) -> Iterator[Row]:
    """The slowest of 100 against the middle one, where that was looked at."""
    pairs = [(load.p50, load.p99) for load in loads if load.p50 is not None and load.p99 is not None]
    if pairs:
        half, most = median(half for half, _ in pairs), median(most for _, most in pairs)
        shown = [f"{value * 1000:.2g} ms" for value in (most, half)]
        yield Row(what=what, site=entries(size), ours=shown[0], other=shown[1], ratio=most / half, aim=aim)


def _first_time(repository: Path, floor: int, paths: Sequence[str], pause: float) -> tuple[Load, Load]:
    """Ask a server that was started *pause* seconds ago; only the order of each (category, sort) was needed before."""
    with serve_site(repository, wait_for=search_path(RARE_WORD)) as port:
        with Client(port) as client:
            for category, sort in product(CATEGORIES, SORTS):
                client.get(list_path(category, sort, limit=1))
        time.sleep(pause)
        ask_once(floor, paths[:100])
        return ask_once(port, paths), ask_once(floor, paths)


def _row(what: str, size: int, aim: str, loads: Sequence[tuple[Load, Load]]) -> Row:
    errors = sum(ours.errors + other.errors for ours, other in loads)
    if errors:
        raise RuntimeError(f"{what}: {errors} answers were not 200")
    ours, other = [one.rate for one, _ in loads], [two.rate for _, two in loads]
    return Row(
        what=what,
        site=entries(size),
        ours=f"{median(ours):,.0f}/s",
        other=f"{median(other):,.0f}/s",
        ratio=median_ratio(ours, other),
        aim=aim,
    )
