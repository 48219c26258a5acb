"""Deltas over the histories of real repositories, forward and back, with embargoes laid over what is there."""

import os
import random
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import pytest
from msgspec import structs

from cms.cache import DerivedCache
from cms.catalog import Catalog
from cms.chronicle import Chronicle
from cms.delta import Wanted
from cms.entry import Entry
from cms.history import History
from cms.inferred import infer_model
from cms.layers import Layers
from cms.present import Shape
from cms.refs import CommitId
from cms.snapshot import build_snapshot
from tests.delta.tools import States, canonical
from tests.repo import Repo

CORPORA = Path(__file__).parents[3] / "shared" / "corpora"
#: More repositories and pairs of commits on request: DELTA_PAIRS=50.
PAIRS = int(os.environ.get("DELTA_PAIRS", "2"))
ALL = ("rust-blog", "18f-blog", "felleslosninger-docs", "cncf-glossary", "weird-dev")
WANTED = (
    Wanted(shape=Shape(formats=("markdown",)), chain=("nb", "en", "")),
    *([Wanted()] if "DELTA_PAIRS" in os.environ else []),
)
NAMES = ALL if "DELTA_PAIRS" in os.environ else ("rust-blog",)
#: So many commits apart at most.
STEPS = 100
MOMENT, DAY = 1_700_000_000.0, 86_400.0


class Corpus:
    """A real repository, read by the model that fits its newest commit."""

    def __init__(self, folder: Path, name: str) -> None:
        path = folder / "corpus.git"
        subprocess.run(["git", "clone", "-q", "--bare", str(CORPORA / f"{name}.bundle"), str(path)], check=True)
        self.states = States.open(Repo(path), folder)
        self.store = self.states.store
        line = self.states.repo.git("rev-list", "--first-parent", "HEAD").split()
        self.commits = [CommitId(commit) for commit in line]
        self.model = infer_model(self.store, self.commits[0], "main")
        self.near = build_snapshot(self.store, self.commits[0], self.model)
        self.chronicle = Chronicle(self.store, DerivedCache(folder / "cache"))
        self.history = History.build(self.store, self.commits[0])

    def look(self, commit: CommitId, now: float) -> Catalog:
        """The catalog of a commit at a moment; one file in five appears or goes around that time."""
        snapshot = build_snapshot(self.store, commit, self.model, neighbour=self.near)
        files = snapshot.files.flat()
        timed = {path: held(entry) for path, entry in files.items() if crc32(path.encode()) % 5 == 0}
        history = self.chronicle.history_at(commit, self.history)
        return Catalog(replace(snapshot, history=history, files=Layers({**files, **timed}), timed=timed), now)


def held(entry: Entry) -> Entry:
    """*entry* with dates that hide it, always the same for the same path."""
    number = crc32(entry.path.encode()) // 5
    begins, ends = MOMENT + number % 7 * DAY, MOMENT + (number // 7 % 9 + 2) * DAY
    return structs.replace(entry, parsed=structs.replace(entry.parsed, publish_at=begins, expire_at=ends))


@pytest.fixture(scope="module", params=NAMES)
def corpus(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """One of the repositories."""
    if not (CORPORA / f"{request.param}.bundle").exists():
        pytest.skip(f"the corpora are not at {CORPORA}")
    return Corpus(tmp_path_factory.mktemp(request.param), request.param)


@pytest.mark.parametrize("wanted", WANTED)
def test_whoever_applies_deltas_over_a_real_history_holds_what_a_full_download_gives(
    corpus: Corpus, wanted: Wanted
) -> None:
    dice, states, place = random.Random(len(corpus.commits)), corpus.states, 0
    catalog = corpus.look(corpus.commits[0], MOMENT + 4 * DAY)
    entries = states.download(catalog, wanted)
    kinds: Counter[str] = Counter()
    for _ in range(PAIRS):
        place = min(abs(place + dice.randint(-STEPS, STEPS)), len(corpus.commits) - 1)
        old, catalog = catalog, corpus.look(corpus.commits[place], MOMENT + dice.randrange(12) * DAY)
        changes = states.changes(old, catalog, wanted)
        entries = states.apply(entries, changes, catalog, wanted)
        assert canonical(entries) == canonical(states.download(catalog, wanted))
        kinds.update(change.change for change in changes)
    print(f"{len(corpus.commits)} states: {dict(kinds)}")  # noqa: T201
    assert all(kinds[kind] for kind in ("created", "deleted"))
