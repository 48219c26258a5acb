"""How long it takes to judge what a push brings, by the size of the site and of the change, beside what the push itself takes."""

import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from cms.cache import DerivedCache
from cms.coerce import parse_entry
from cms.judge import judge
from cms.model import read_model
from cms.refs import BlobId, CommitId
from cms.snapshot import Snapshot, build_snapshot
from cms.store import Store
from cms.writer import Ident, Writer
from tests.bench.generate import AUTHORS, Generator, Post, generate
from tests.bench.report import Row, entries, milliseconds

ROUNDS = 9
FILES = (1, 50)
_DRAFT = "refs/heads/drafts/bench"
_WHO = Ident(name="Bench", email="bench@example.org", at=datetime(2026, 1, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A site of some size, and what is published of it."""

    store: Store
    before: Snapshot
    generator: Generator

    def posts(self, count: int, turn: int) -> list[Post]:
        """*count* changed posts, far from each other, others in each round."""
        size = self.generator.size
        return [self.generator.post((step * size // count + turn) % size, revision=7) for step in range(count)]

    def draft(self, posts: Sequence[Post]) -> CommitId:
        """A commit that changes these posts."""
        writer = Writer(self.store)
        return self.commit({post.path: writer.write_blob(post.source) for post in posts})

    def commit(self, changes: Mapping[str, BlobId | None]) -> CommitId:
        """A commit with these changes, on no branch."""
        writer, published = Writer(self.store), self.before.commit
        tree = writer.write_tree(published.tree, changes)
        return writer.write_commit(tree=tree, parents=[published.id], author=_WHO, committer=_WHO, message="Edit")

    def judge(self, commit: CommitId) -> float:
        """Seconds to judge a commit."""
        started = time.perf_counter()
        judge(self.before, self.store, commit)
        return time.perf_counter() - started


def measure_judging(sizes: Sequence[int]) -> Iterator[Row]:
    """Judging some changed files, and an entry that is removed while others refer to it."""
    smallest: dict[str, float] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            bench = _open(size, Path(folder))
            for what, seconds, is_bounded in _measure(bench):
                first = smallest.setdefault(what, seconds)
                yield Row(
                    what=what,
                    site=entries(size),
                    ours=milliseconds(seconds),
                    other=f"{milliseconds(first)} with {entries(sizes[0])}",
                    ratio=seconds / first,
                    aim="≤ 3" if is_bounded else "",
                )
            yield _beside_push(bench, Path(folder), size)


def _open(size: int, folder: Path) -> Bench:
    repository = folder / "site.git"
    subprocess.run(["git", "clone", "-q", "--bare", "--shared", str(generate(size)), str(repository)], check=True)
    store = Store.open(repository)
    commit = store.resolve("refs/heads/main")
    model = read_model(store, commit) if commit is not None else None
    assert commit is not None
    assert model is not None
    cache = DerivedCache(folder)
    snapshot = build_snapshot(store, commit, model, cache=cache)
    cache.close()
    return Bench(store=store, before=snapshot, generator=Generator(size))


def _measure(bench: Bench) -> Iterator[tuple[str, float, bool]]:
    first = bench.judge(bench.draft(bench.posts(1, 0)))
    yield "judging the first change after a start", first, False
    for count in FILES:
        drafts = [bench.draft(bench.posts(count, turn)) for turn in range(ROUNDS)]
        name = f"judging {count} changed file{'s' if count > 1 else ''}"
        yield name, median(bench.judge(draft) for draft in drafts), True
    gone = [bench.commit({f"content/authors/forfatter-{number}.md": None}) for number in range(ROUNDS)]
    name = f"judging the removal of an author of one in {AUTHORS} posts"
    yield name, median(bench.judge(commit) for commit in gone), False


def _beside_push(bench: Bench, folder: Path, size: int) -> Row:
    """Judging beside ``git push`` of the same files to a plain repository, and reading them."""
    count = FILES[-1]
    pushes, reads, judged = [], [], []
    for turn in range(ROUNDS):
        posts = bench.posts(count, turn)
        draft = bench.draft(posts)
        judged.append(bench.judge(draft))
        started = time.perf_counter()
        model = bench.before.model
        for post in posts:
            parse_entry(post.source, model.collections["posts"], model.zone, frozenset(model.locales))
        reads.append(time.perf_counter() - started)
        pushes.append(_push(bench, draft, folder / f"plain-{turn}.git", size))
    plain = median(pushes) + median(reads)
    return Row(
        what=f"judging {count} changed files, beside pushing them",
        site=entries(size),
        ours=milliseconds(median(judged)),
        other=f"{milliseconds(plain)} for git push and reading the files",
        ratio=median(judged) / plain,
        aim="≤ 1",
    )


def _push(bench: Bench, draft: CommitId, plain: Path, size: int) -> float:
    """Seconds of a plain push."""
    subprocess.run(["git", "clone", "-q", "--bare", "--shared", str(generate(size)), str(plain)], check=True)
    git = ["git", "-C", str(bench.store.git_dir), "push", "-q", str(plain)]
    started = time.perf_counter()
    subprocess.run([*git, f"{draft}:{_DRAFT}"], check=True)
    return time.perf_counter() - started
