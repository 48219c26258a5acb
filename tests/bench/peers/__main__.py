"""Branchpress beside other systems with the same posts: ``python -m tests.bench.peers``.

Every system has the same 10,000 posts and 50 authors, runs alone while it is asked, and is asked the same questions by the same load. A peer
that cannot be installed here is named and left out. Nothing else should run meanwhile.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import quote

from tests.bench.asking import POSTS, list_path, search_path
from tests.bench.generate import COMMON_WORD, RARE_WORD, generate
from tests.bench.load import Load, ask_again, ask_once
from tests.bench.peers import peer
from tests.bench.peers.datasette import Datasette
from tests.bench.peers.directus import Directus
from tests.bench.peers.json_server import JsonServer
from tests.bench.peers.limits import nginx_files, starlette_route
from tests.bench.peers.nuxt import NuxtContent
from tests.bench.peers.peer import ASKED_CATEGORY, PAGE, QUESTIONS, Peer, Post, make_posts
from tests.bench.peers.strapi import Strapi
from tests.bench.peers.wagtail import Wagtail
from tests.bench.servers import Client, free_port, memory_of, running, site_command

PEERS: Mapping[str, type[Peer]] = {
    one.name: one for one in (NuxtContent, JsonServer, Datasette, Directus, Strapi, Wagtail)
}
LIMITS = {"Starlette route": starlette_route, "nginx, files": nginx_files}
#: A system that is asked for the first time may read its whole database.
WARM = 3
FEWEST_BYTES = 200


def main() -> None:
    """Measure; progress goes to standard error, the table to standard output."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.peers", description=__doc__)
    parser.add_argument("peers", nargs="*", metavar="PEER", help=f"{', '.join(PEERS)}; default: all")
    parser.add_argument("--size", type=int, default=10_000, help="posts (default: 10000)")
    parser.add_argument("--seconds", type=float, default=3, help="length of one load (default: 3)")
    parser.add_argument("--rounds", type=int, default=3, help="loads of each question (default: 3)")
    options = parser.parse_args()
    chosen = options.peers or list(PEERS)
    if unknown := set(chosen) - set(PEERS):
        parser.error(f"unknown peer {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    posts = make_posts(options.size)
    slug, words = posts[len(posts) // 2].slug, peer.pick_words(posts)
    port = free_port()
    with running(site_command(generate(options.size), port), port, search_path(RARE_WORD)) as process:
        ours = _our_addresses(slug)
        columns = {"Branchpress": _measure(port, ours, words, process.pid, options)}
        with Client(port) as client:
            same = {question: (path, client.get(path)) for question, path in ours.items() if peer.WORD not in path}
    for label, limit in LIMITS.items():
        try:
            with limit(same) as (port, addresses):
                columns[label] = _measure(port, addresses, words, None, options)
        except RuntimeError as error:
            print(f"-- {label} is left out: {error}", file=sys.stderr)
    for name in chosen:
        try:
            with _started(PEERS[name](), posts, slug) as (label, port, addresses, pid):
                columns[label] = _measure(port, addresses, words, pid, options)
        except Exception as error:  # whatever another system fails with, the others are measured
            print(f"-- {name} is left out: {error}", file=sys.stderr)
            continue
        print(f"-- {name}: done", file=sys.stderr)
    print(_table(columns))


def _our_addresses(slug: str) -> Mapping[str, str]:
    newest = f"{POSTS}?sort=-published_at&limit={PAGE}"
    return {
        peer.ONE: f"{POSTS}/{quote(slug)}",
        peer.NEWEST: newest,
        peer.CATEGORY: list_path(ASKED_CATEGORY, "-published_at", limit=PAGE, page=3),
        peer.DEEP: f"{newest}&page=50",
        peer.RELATIONS: f"{newest}&include=author",
        peer.BODIES: f"{newest}&format=html",
        peer.RARE: search_path(RARE_WORD),
        peer.COMMON: search_path(COMMON_WORD),
        peer.FRESH: search_path(peer.WORD),
    }


@contextmanager
def _started(one: Peer, posts: Sequence[Post], slug: str) -> Iterator[tuple[str, int, Mapping[str, str], int]]:
    """A peer that runs with these posts: its name and version, port, addresses and process."""
    folder = Path(tempfile.gettempdir()) / "branchpress-bench" / "peers" / one.name
    folder.mkdir(parents=True, exist_ok=True)
    version = one.install(folder)
    filled = folder / f".filled-{len(posts)}-{version}"
    if not filled.exists():
        one.fill(folder, posts)
        filled.touch()
    port = free_port()
    command, environment = one.command(folder, port)
    with running(command, port, "/", folder=folder, environment=environment) as process:
        yield f"{one.name} {version}", port, one.addresses(folder, port, slug), process.pid


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What one system did: the loads of each question that it can answer, and its memory in MB afterwards."""

    loads: Mapping[str, Sequence[Load]]
    memory: float | None

    def rate(self, question: str) -> float | None:
        """Requests a second."""
        return median(load.rate for load in self.loads[question]) if question in self.loads else None

    def waits(self, question: str) -> str:
        """The times within which half and 99 of 100 were answered."""
        known = [(load.p50, load.p99) for load in self.loads.get(question, ()) if load.p50 and load.p99]
        if not known:
            return "–"
        half, most = (median(times) for times in zip(*known, strict=True))
        return f"{half * 1000:.2f} / {most * 1000:.2f}"


def _measure(
    port: int, addresses: Mapping[str, str], words: Sequence[str], pid: int | None, options: argparse.Namespace
) -> Column:
    found: dict[str, Sequence[Load]] = {}
    for question, path in addresses.items():
        paths = [path.replace(peer.WORD, quote(word)) for word in words] if peer.WORD in path else [path]
        _require_answers(port, question, paths)
        if len(paths) > 1:
            loads = [ask_once(port, paths[1:])]
        else:
            loads = [ask_again(port, path, seconds=options.seconds) for _ in range(options.rounds)]
        if errors := sum(load.errors for load in loads):
            raise RuntimeError(f"{question}: {errors} answers were not 200")
        found[question] = loads
        print(f"{question}: {median(load.rate for load in loads):,.0f}/s", file=sys.stderr)
    return Column(loads=found, memory=memory_of(pid) if pid is not None else None)


def _require_answers(port: int, question: str, paths: Sequence[str]) -> None:
    """Ask the first of *paths* until the system is warm; refuse an answer that cannot be the one."""
    with Client(port) as client:
        for _ in range(WARM):
            answer = client.get(paths[0])
            if answer.status != 200 or len(answer.body) < FEWEST_BYTES:
                raise RuntimeError(f"{question}: {answer.status} {answer.body[:200]!r}")


def _table(columns: Mapping[str, Column]) -> str:
    """Requests a second, and how many times as many ours are; then the times."""
    ours, *others = columns.values()
    head = [f"| | {' | '.join(columns)} |", "| --- |" + " --- |" * len(columns)]
    rates, waits = [*head], [*head]
    for question in QUESTIONS:
        own = ours.rate(question) or 0.0
        compared = [(rate, own / rate) if (rate := other.rate(question)) else None for other in others]
        cells = ["–" if pair is None else f"{pair[0]:,.0f} ({pair[1]:,.3g} times)" for pair in compared]
        rates.append(f"| {question} | {own:,.0f} | {' | '.join(cells)} |")
        waits.append(f"| {question} | {' | '.join(column.waits(question) for column in columns.values())} |")
    memory = ["–" if column.memory is None else f"{column.memory:,.0f}" for column in columns.values()]
    rates.append(f"| memory, MB | {' | '.join(memory)} |")
    return "\n".join(["Requests a second:", "", *rates, "", "Milliseconds, p50 / p99:", "", *waits])


if __name__ == "__main__":
    main()
