"""A cache that obeys our headers answers, at every moment of a random history, what the server itself would answer.

Once with answers that are kept for a day and dropped by the keys of each publication, once with answers that are asked for again each time. What is
right is told by a server that was just started. ``CACHING_SEEDS=500`` tries as many histories.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cms.catalog import Catalog
from cms.invalidation import find_invalid
from tests.api.tools import Client
from tests.caching.model import Newsroom, SharedCache, meaning
from tests.repo import Repo

SEEDS = range(int(os.environ.get("CACHING_SEEDS", "1")))
ACTS = 6
PURGED = "shared_max_age_seconds = 86400\n"
PATHS = (
    "/",
    "/collections",
    "/collections/posts",
    "/collections/people",
    "/openapi.json",
    "/entries/posts",
    "/entries/posts?locale=*&sort=slug",
    "/entries/posts?limit=1&page=2",
    "/entries/posts?include=author,related",
    "/entries/posts?depth=3&fields=title,author,related",
    "/entries/posts?fields=slug,author.name,author.boss",
    "/entries/posts?facet=author,category,related&limit=0",
    "/entries/posts?filter[category]=food",
    "/entries/posts?filter[author.name]=Kari&sort=-updated_at",
    "/entries/posts?sort=author.name,related",
    "/entries/posts?distinct=category&aggregate[count]=*,author&group_by=author",
    "/entries/posts?filter[references]=people/kari&group_by=author.name",
    "/entries/people",
    "/entries/people?sort=-referenced_by.posts.count&facet=referenced_by.posts.category",
    "/entries/people?include=referenced_by.author",
    "/entries/people/kari?fields=slug,referenced_by.title",
    "/feeds/posts.json",
    "/entries/people?include=boss",
    "/entries/people?filter[boss.name]=Kari",
    "/entries/people/kari?depth=3",
    "/entries/people/ola",
    *(f"/entries/posts/{slug}" for slug in ("a", "b", "c", "old", "a?locale=nn", "a?include=author,related", "b?depth=2")),
    "/search?q=words&facet=author",
    "/suggest?q=f",
    "/assets/images/x.png",
    "/assets/images/y.png",
    "/feeds/posts.rss?format=html",
    "/feeds/posts.json?locale=*&filter[category]=food",
    "/feeds/people.atom",
    "/feeds/people.rss?filter[boss.name]=Kari",
)  # fmt: skip


class World:
    """A server whose clock the test turns, a cache before it, and a newsroom behind it."""

    def __init__(self, repo: Repo, seed: int, server: str) -> None:
        self.now = time.time()
        self.newsroom = Newsroom(repo, seed, server)
        self.client = Client(repo.path, self.clock)
        self.cache = SharedCache(self.client.ask, self.clock)

    def clock(self) -> float:
        return self.now

    def go_on(self) -> tuple[Catalog, Catalog]:
        """Let time pass and something happen; what the server served before and serves now."""
        site, old = self.client.site, self.client.site.catalog
        self.now += self.newsroom.wait()
        self.newsroom.act(self.now)
        site.refresh(self.now)
        return old, site.catalog

    @contextmanager
    def fresh(self) -> Iterator[Client]:
        """A server that was just started."""
        fresh = Client(self.newsroom.repo.path, self.clock)
        yield fresh
        fresh.site.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_dropped_by_its_keys_is_never_stale(repo: Repo, seed: int) -> None:
    world = World(repo, seed, PURGED)
    for step in range(ACTS):
        old, new = world.go_on()
        changes = world.client.site.store.diff(old.snapshot.commit.id, new.snapshot.commit.id)
        world.cache.purge(find_invalid(old, new, [change.path for change in changes]))
        compare(world, f"seed {seed}, step {step}")
    assert world.cache.hits > ACTS
    world.client.site.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_asked_for_again_is_never_stale(repo: Repo, seed: int) -> None:
    world = World(repo, seed, "")
    for step in range(ACTS):
        world.go_on()
        compare(world, f"seed {seed}, step {step}")
    assert world.cache.validated > ACTS
    world.client.site.close()


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_scheduled_before_it_was_kept_is_never_stale(repo: Repo, seed: int) -> None:
    world = World(repo, seed, PURGED)
    for _ in range(ACTS):
        world.newsroom.act(world.now)
    for seconds in (0, 4, 2, 60, 300):
        world.now += seconds
        compare(world, f"seed {seed}, {seconds} seconds later")
    world.client.site.close()


def compare(world: World, where: str) -> None:
    with world.fresh() as fresh:
        for path in PATHS:
            assert meaning(world.cache.get(path)) == meaning(fresh.ask(path)), f"{where}: {path}"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_catalog_knows_what_is_different_in_it_as_who_compares(repo: Repo, seed: int) -> None:
    world = World(repo, seed, PURGED)
    for _ in range(ACTS * 2):
        old, new = world.go_on()
        if new.news is not None and new.news[0] is old.mark:
            assert new.news[1] == find_invalid(old, new)
    world.client.site.close()
