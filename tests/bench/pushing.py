"""How long a push of many files over HTTP takes, judged, beside a plain push to a bare repository and reading the files."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from cms.coerce import parse_entry
from cms.refs import CommitId
from cms.writer import Ident, Writer
from tests.bench.editing import BEGIN, Bench
from tests.bench.generate import Post
from tests.bench.report import Row, entries, milliseconds
from tests.bench.servers import serve_site

FILES, ROUNDS = 50, 7
_OLA = Ident(name="Ola", email="ola@example.org", at=BEGIN)


def measure_pushes(sizes: Sequence[int]) -> Iterator[Row]:
    """Pushing a draft of 50 changed files."""
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            yield _measure(size, Path(folder))


def _measure(size: int, folder: Path) -> Row:
    bench = Bench.open(size, folder)
    now = datetime.now(UTC)
    accounts = bench.site.office().accounts
    accounts.add_user("ola", now=now)
    _, secret = accounts.create_token("ola", "bench", scopes=None, expires_at=now + timedelta(days=1), now=now)
    work, plain = folder / "work.git", folder / "plain.git"
    for target in (work, plain):
        subprocess.run(["git", "clone", "-q", "--bare", str(folder / "site.git"), str(target)], check=True)
    drafts = [_draft(bench, work, turn) for turn in range(ROUNDS)]
    bench.site.close()
    os.environ["CMS_STATE"] = str(folder / "state")
    ours, theirs = [], []
    with serve_site(folder / "site.git") as port:
        url = f"http://ola:{secret}@127.0.0.1:{port}/git/site.git"
        for turn, (draft, _) in enumerate(drafts):
            ref = f"{draft}:refs/heads/drafts/bench-{turn}"
            theirs.append(_push(work, str(plain), ref))
            ours.append(_push(work, url, ref))
    beside = median(theirs) + median(_read(bench, posts) for _, posts in drafts)
    return Row(
        what=f"pushing {FILES} changed files over HTTP, judged",
        site=entries(size),
        ours=milliseconds(median(ours)),
        other=f"{milliseconds(beside)} for git push to a bare repository and reading the files",
        ratio=median(ours) / beside,
        aim="≤ 2",
    )


def _draft(bench: Bench, work: Path, turn: int) -> tuple[CommitId, list[Post]]:
    """A commit that changes posts far from each other, in the repository of a writer."""
    generator, store = bench.generator, bench.site.store
    size, step = generator.size, max(1, generator.size // FILES)
    posts = [generator.post((number * step + turn) % size, revision=7) for number in range(FILES)]
    published = bench.site.catalog.snapshot.commit
    writer = Writer(type(store).open(work))
    tree = writer.write_tree(published.tree, {post.path: writer.write_blob(post.source) for post in posts})
    commit = writer.write_commit(tree=tree, parents=[published.id], author=_OLA, committer=_OLA, message="Edit")
    return commit, posts


def _push(work: Path, target: str, ref: str) -> float:
    started = time.perf_counter()
    subprocess.run(["git", "-C", str(work), "push", "-q", target, ref], check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def _read(bench: Bench, posts: Sequence[Post]) -> float:
    model = bench.site.catalog.model
    started = time.perf_counter()
    for post in posts:
        parse_entry(post.source, model.collections["posts"], model.zone, frozenset(model.locales))
    return time.perf_counter() - started
