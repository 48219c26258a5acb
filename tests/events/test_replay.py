"""Over random histories: whoever listens, from whichever process and with whatever pauses, is told the same, and enough to keep a cache right.

``EVENTS_SEEDS=200`` tries as many histories.
"""

import os
from datetime import UTC, datetime
from random import Random

import pytest

from cms.dependencies import WHOLE
from cms.events import parse_mark
from cms.events.event import RESET
from cms.site import Site
from tests.caching.test_never_stale import PURGED, World, compare
from tests.repo import Repo

SEEDS = range(int(os.environ.get("EVENTS_SEEDS", "1")))
ACTS = 5


def go_on(world: World) -> None:
    """Let time pass and something happen, which Git dates with the clock of this world."""
    world.now += world.newsroom.wait()
    world.newsroom.repo.clock = datetime.fromtimestamp(world.now - 60, UTC)
    world.newsroom.act(world.now)
    world.client.site.refresh(world.now)


def begin(repo: Repo, seed: int, *, goes_back: bool = False) -> World:
    """A world whose history may be rewritten, or only goes on."""
    world = World(repo, seed, PURGED)
    world.now = float(int(world.now))
    if not goes_back:
        setattr(world.newsroom, "_rewrite", world.newsroom._write)  # noqa: B010 - as mypy wants it
    return world


class Reader:
    """Somebody who listens now and then."""

    def __init__(self, site: Site, world: World) -> None:
        self._world = world
        self.first = self.mark = str(site.events.begin(None, datetime.fromtimestamp(world.now, UTC)))
        self.ids: list[str] = []

    def listen(self, site: Site) -> set[str]:
        """Hear what happened; the keys of what is not right any more."""
        site.refresh(self._world.now)
        batch = site.events.after(parse_mark(self.mark), None, datetime.fromtimestamp(self._world.now, UTC))
        keys: set[str] = set()
        for mark, event in batch.events:
            self.ids.append(str(mark))
            keys |= WHOLE if event.kind == RESET else set(event.data["surrogate_keys"])
        self.mark = str(batch.mark)
        return keys


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cache_that_drops_what_events_name_is_never_stale(repo: Repo, seed: int) -> None:
    goes_back = bool(seed % 2)
    world, chance = begin(repo, seed, goes_back=goes_back), Random(seed)
    patient, hasty = Reader(world.client.site, world), Reader(world.client.site, world)
    for step in range(ACTS):
        go_on(world)
        patient.listen(world.client.site)
        if chance.random() < 0.6 or step == ACTS - 1:
            with world.fresh() as other:
                world.cache.purge(frozenset(hasty.listen(other.site)))
            compare(world, f"seed {seed}, step {step}")
    if not goes_back:
        late = Reader(world.client.site, world)
        late.mark = patient.first
        late.listen(world.client.site)
        assert hasty.ids == patient.ids == late.ids
        assert len(set(late.ids)) == len(late.ids) > 0
    world.client.site.close()


def test_every_process_tells_the_same(repo: Repo) -> None:
    world = begin(repo, 1)
    reader = Reader(world.client.site, world)
    for _ in range(ACTS):
        go_on(world)
    heard = []
    for _ in range(2):
        with world.fresh() as other:
            other.site.refresh(world.now)
            now = datetime.fromtimestamp(world.now, UTC)
            batch = other.site.events.after(parse_mark(reader.first), None, now)
            heard.append([(str(mark), event.data) for mark, event in batch.events])
    assert heard[0] == heard[1]
    world.client.site.close()
