"""``cms stale``: tells caches what to drop, line by line, as it comes to be stale."""

import time
from collections.abc import Callable, Iterator
from typing import Annotated

import typer

from cms.catalog import Catalog
from cms.cli.exits import Refused
from cms.cli.output import print_bytes
from cms.cli.sites import BranchOption, SiteArgument, open_site
from cms.dependencies import WHOLE, Keys, format_keys
from cms.errors import RepositoryProblem
from cms.invalidation import find_invalid
from cms.site import Site

LOOK_SECONDS = 0.2
#: A cache may still store what was on its way to it when it was told to drop it.
AGAIN_SECONDS = 5.0
#: A line is sent as one header, of which servers take a few thousand letters.
KEYS_A_LINE = 100

Clock = Callable[[], float]
FollowOption = Annotated[bool, typer.Option("--follow", help="Go on telling what becomes stale, until stopped.")]


def stale(site: SiteArgument = None, follow: FollowOption = False, branch: BranchOption = "") -> None:
    """Print the keys (Surrogate-Key) of answers that caches must drop: one line for each publication, and each end of an embargo.

    The first line is that of every answer, since nobody knows what changed before.
    Each line comes a second time after five seconds, for what was on its way.
    """
    if not follow:
        raise Refused("what was stale before nobody remembers", hint="cms stale --follow")
    opened, _ = open_site(site, branch)
    for keys in follow_site(opened, time.time, time.sleep):
        for line in lines_of(keys):
            print_bytes(line)


def lines_of(keys: Keys) -> Iterator[bytes]:
    """*keys* as lines that fit into a header."""
    ordered = sorted(keys)
    for start in range(0, len(ordered), KEYS_A_LINE):
        yield format_keys(frozenset(ordered[start : start + KEYS_A_LINE])) + b"\n"


def follow_site(site: Site, clock: Clock, sleep: Callable[[float], None]) -> Iterator[Keys]:
    """The keys of what becomes stale, each time twice; never ends."""
    again: list[tuple[float, Keys]] = []
    yield WHOLE
    while True:
        now = clock()
        if site.is_stale(now):
            old = None if site.is_empty else site.catalog
            site.refresh(now)
            new = None if site.is_empty else site.catalog
            if new is not old:
                keys = _keys_between(site, old, new)
                again.append((now + AGAIN_SECONDS, keys))
                yield keys
        while again and again[0][0] <= now:
            yield again.pop(0)[1]
        sleep(LOOK_SECONDS)


def _keys_between(site: Site, old: Catalog | None, new: Catalog | None) -> Keys:
    if old is None or new is None:
        return WHOLE
    try:
        changes = site.store.diff(old.snapshot.commit.id, new.snapshot.commit.id)
    except RepositoryProblem:  # forced away, and pruned since
        return WHOLE
    return find_invalid(old, new, [change.path for change in changes])
