"""How long the editorial workflow takes: publishing an entry, the state of a draft, and a push over HTTP beside a plain one."""

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from cms.inferred import infer_model
from cms.permissions import Principal
from cms.pushlog import Move
from cms.refs import CommitId, draft_ref
from cms.settings import Environment
from cms.site import Site
from cms.workflow.flow import Workflow
from cms.workflow.publishing import publish
from cms.workflow.verdicts import approve, comment
from cms.workflow.writing import EntryName, start_draft, write_entry
from cms.writer import Ident, Writer
from tests.bench.generate import Generator, generate
from tests.bench.report import Row, entries, milliseconds

ROUNDS = 15
COMMITS = 50
STATE_CPU_MOST = 0.010
PEOPLE = """
[people.ola]
name = "Ola"
emails = ["ola@example.org"]
[people.eva]
name = "Eva"
emails = ["eva@example.org"]
[[roles]]
role = "writer"
who = ["ola"]
[[roles]]
role = "reviewer"
who = ["eva"]
[[roles]]
role = "publisher"
who = ["eva"]
"""
OLA = Principal(person="ola", name="Ola", email="ola@example.org", via="session")
EVA = Principal(person="eva", name="Eva", email="eva@example.org", via="session")
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Bench:
    """A site of some size that can be edited, and a clock."""

    site: Site
    generator: Generator
    now: datetime = BEGIN

    @classmethod
    def open(cls, size: int, folder: Path) -> "Bench":
        """A generated site with two people."""
        repository = folder / "site.git"
        subprocess.run(["git", "clone", "-q", "--bare", "--shared", str(generate(size)), str(repository)], check=True)
        environment = Environment(site=repository, state=str(folder / "state"))
        site = Site.open(repository, infer=infer_model, environment=environment)
        store, writer = site.store, Writer(site.store)
        old = site.catalog.snapshot.commit
        blob = store.find_blob(old.id, "cms.toml")
        assert blob is not None
        text = store.read_blob(blob).decode() + PEOPLE
        who = Ident(name="Bench", email="bench@example.org", at=BEGIN)
        tree = writer.write_tree(old.tree, {"cms.toml": writer.write_blob(text.encode())})
        commit = writer.write_commit(tree=tree, parents=[old.id], author=who, committer=who, message="People")
        writer.move_ref("refs/heads/main", old=old.id, new=commit)
        site.refresh(time.time())
        return cls(site, Generator(size))

    @property
    def flow(self) -> Workflow:
        """The workflow."""
        return self.site.office().flow

    def tick(self) -> datetime:
        """A minute later."""
        self.now += timedelta(minutes=1)
        return self.now

    def entry(self, turn: int) -> EntryName:
        """One of the posts, another one each time."""
        path = self.generator.post(turn * 37 % self.generator.size).path
        found = self.site.catalog.snapshot.files[path]
        return EntryName(collection=found.collection, slug=found.slug, path=path)

    def prepare(self, turn: int) -> str:
        """An approved draft of one entry."""
        name = f"draft-{turn}"
        start_draft(self.flow, OLA, name, now=self.tick())
        write_entry(self.flow, OLA, name, self.entry(turn), {"title": f"Tittel {turn}"}, now=self.tick())
        approve(self.flow, EVA, name, expected=None, now=self.tick())
        return name


def measure_editing(sizes: Sequence[int]) -> Iterator[Row]:
    """Publishing an entry, and the state of a draft with many commits."""
    smallest = 0.0
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench.open(size, Path(folder))
            seconds = median(_publish(bench, turn) for turn in range(1, ROUNDS))
            smallest = smallest or seconds
            yield Row(
                what="publishing an approved entry until readers get it",
                site=entries(size),
                ours=milliseconds(seconds),
                other=f"{milliseconds(smallest)} with {entries(sizes[0])}",
                ratio=seconds / smallest,
                aim="≤ 3",
            )
            for what, cpu, aim in _states(bench):
                yield Row(
                    what=what,
                    site=entries(size),
                    ours=f"{milliseconds(cpu)} of CPU",
                    other=f"{milliseconds(STATE_CPU_MOST)} aimed at",
                    ratio=cpu / STATE_CPU_MOST,
                    aim=aim,
                )
            bench.site.close()


def _publish(bench: Bench, turn: int) -> float:
    name = bench.prepare(turn)
    started = time.perf_counter()
    publish(bench.flow, EVA, name, now=bench.tick())
    bench.site.refresh(time.time())
    return time.perf_counter() - started


def _states(bench: Bench) -> Iterator[tuple[str, float, str]]:
    """CPU seconds of the state of a draft with many commits: of a process that never saw it, after one more commit, and again."""
    name = "long"
    start_draft(bench.flow, OLA, name, now=bench.tick())
    for turn in range(COMMITS // 2):
        write_entry(bench.flow, OLA, name, bench.entry(turn), {"title": f"Langt {turn}"}, now=bench.tick())
        comment(bench.flow, EVA, name, message="Fint", now=bench.tick())
    flow = bench.flow
    fresh = []
    for _ in range(3):
        other = Workflow(
            flow.store,
            flow.ref,
            snapshot=lambda: bench.site.catalog.snapshot,
            writer=flow.writer,
            log=flow.log,
            is_server=True,
        )
        fresh.append(_cpu(lambda other=other: other.state(name, bench.now)))  # type: ignore[misc]
    yield f"state of a draft with {COMMITS} commits, never asked before", median(fresh), ""
    more = []
    for _ in range(5):
        _add_comment(bench, name)
        more.append(_cpu(lambda: flow.state(name, bench.now)))
    yield f"state of a draft with {COMMITS} commits, after one more", median(more), "≤ 1"
    yield f"state of a draft with {COMMITS} commits, again", _cpu(lambda: flow.state(name, bench.now)), "≤ 1"


def _add_comment(bench: Bench, name: str) -> None:
    """One more commit of which nothing was worked out yet."""
    flow, ref = bench.flow, draft_ref(name)
    head = flow.store.resolve(ref)
    assert head is not None
    trailers = [("Review", "comment"), ("Draft", name)]
    commit: CommitId = flow.write_commit(
        EVA, tree=flow.tree_of(head), parents=[head], message="Hm", trailers=trailers, now=bench.tick()
    )
    flow.record(EVA, "verdict", [Move(ref, head, commit)], now=bench.now)


def _cpu(act: Callable[[], object]) -> float:
    started = time.process_time()
    act()
    return time.process_time() - started
