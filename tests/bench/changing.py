"""How long it takes until a commit shows, and what the first searches cost, by the size of the site."""

import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

import pygit2

from tests.bench.asking import SORTS, list_path, search_path
from tests.bench.generate import CATEGORIES, COMMON_WORD, RARE_WORD, Generator, Post, generate
from tests.bench.report import Row, entries, milliseconds
from tests.bench.servers import START_SECONDS, Client, serve_site

EDITS = 15
SEARCHES = 30
_FILE, _TREE = 0o100644, 0o040000


def measure_changes(sizes: Sequence[int]) -> Iterator[Row]:
    """From a commit that changes one file to the first answer that shows it, and the question after that."""
    smallest: dict[str, float] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            repository = Path(folder) / "site.git"
            subprocess.run(["git", "clone", "-q", "--bare", str(generate(size)), str(repository)], check=True)
            with serve_site(repository, wait_for=search_path(RARE_WORD)) as port, Client(port) as client:
                found = _measure_edits(repository, Generator(size), client)
        for what, seconds in found.items():
            smallest.setdefault(what, seconds)
            yield Row(
                what=what,
                site=entries(size),
                ours=milliseconds(seconds),
                other=f"{milliseconds(smallest[what])} with {entries(sizes[0])}",
                ratio=seconds / smallest[what],
                aim="≤ 3",
            )


def measure_searches(sizes: Sequence[int]) -> Iterator[Row]:
    """The first time a search is asked: one question at a time, each with another limit."""
    for size in sizes:
        with serve_site(generate(size), wait_for=search_path(RARE_WORD)) as port, Client(port) as client:
            for name, word in (("rare", RARE_WORD), ("common", COMMON_WORD)):
                times = [client.get(search_path(word, limit)).seconds for limit in range(1, SEARCHES)]
                yield Row(
                    what=f"search for a {name} word, first time", site=entries(size), ours=milliseconds(median(times))
                )


def _measure_edits(repository: Path, generator: Generator, client: Client) -> dict[str, float]:
    known, other = list_path(CATEGORIES[3], SORTS[0], limit=20), list_path(CATEGORIES[4], SORTS[2], limit=20)
    shown, known_again, others = [], [], []
    for number in range(EDITS):
        for path in (known, other):
            client.get(path)
        commit = _commit(repository, generator.post(number * generator.size // EDITS, revision=99 + number))
        started = time.perf_counter()
        while client.get(known).commit != commit:
            if time.perf_counter() - started > START_SECONDS:
                raise TimeoutError("a commit did not show")
        shown.append(time.perf_counter() - started)
        others.append(client.get(other).seconds)
        known_again.append(client.get(known).seconds)
    return {
        "one changed file: commit to first answer": median(shown),
        "one changed file: another list after that": median(others),
        "one changed file: the same list again": median(known_again),
    }


def _commit(repository: Path, post: Post) -> str:
    """Commit one file by writing only the trees on its path."""
    git = pygit2.Repository(str(repository))
    tip = git.references["refs/heads/main"].peel(pygit2.Commit)
    *folders, name = post.path.split("/")
    trees = [tip.tree, *(tip.tree["/".join(folders[:depth])] for depth in range(1, len(folders) + 1))]
    id, mode = git.create_blob(post.source), _FILE
    for tree, child in zip(reversed(trees), reversed([*folders, name]), strict=True):
        builder = git.TreeBuilder(tree.id)
        builder.insert(child, id, mode)
        id, mode = builder.write(), _TREE
    author = pygit2.Signature("Bench", "bench@example.org")
    return str(git.create_commit("refs/heads/main", author, author, "Edit one post", id, [tip.id]))
