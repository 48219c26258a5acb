"""Catalogs of views, a few of each kind, kept while there is room: one for each span of time in which the same is visible.

What was rendered is not shared between views, because it holds links into the one that it was rendered for.
"""

import copy

from cms.cache import DerivedCache
from cms.catalog import Catalog, last_moment
from cms.departed import Departures, FindState
from cms.history import History
from cms.snapshot import Snapshot
from cms.store import Store
from cms.view import Label
from cms.workflow.bounded import Bounded

KEPT = 8
DEPARTURES_KEPT = 2
#: From so many changed files on a new catalog is made sooner than another one is followed.
FOLLOWED_MOST = 300


class Catalogs:
    """The catalogs of the views of one site. Safe to use from many threads."""

    def __init__(self, store: Store, cache: DerivedCache, find_state: FindState) -> None:
        """Nothing is made before somebody asks; *find_state* is for ``Departures``."""
        self._store = store
        self._cache = cache
        self._find_state = find_state
        # What an id belongs to is kept with it, so that no other thing can have the same.
        self._made: Bounded[tuple[int, float], tuple[Snapshot, Catalog]] = Bounded(KEPT)
        self._labelled: Bounded[tuple[int, Label], tuple[Catalog, Catalog]] = Bounded(KEPT)
        self._departures: Bounded[int, tuple[History, Departures]] = Bounded(DEPARTURES_KEPT)

    def find(self, snapshot: Snapshot, moment: float, near: Catalog | None = None) -> Catalog:
        """The catalog of *snapshot* at *moment*; the same whichever moment of a span of time is asked for.

        Args:
            near: a catalog of the snapshot that this one was advanced from, or of this one.
        """
        committed = snapshot.commit.committed_at.timestamp()
        since = moment if moment < committed else max(committed, last_moment(snapshot.timed.values(), moment))

        def make() -> tuple[Snapshot, Catalog]:
            if near is not None and _can_follow(near.snapshot, snapshot):
                return snapshot, near.advance(snapshot, since)
            return snapshot, Catalog(snapshot, since)

        return self._made.get((id(snapshot), since), make)[1]

    def label(self, catalog: Catalog, label: Label) -> Catalog:
        """*catalog* under another name."""

        def make() -> tuple[Catalog, Catalog]:
            named = copy.copy(catalog)
            named.forget_rendered()
            named.label = label
            return catalog, named

        return self._labelled.get((id(catalog), label), make)[1]

    def departures(self, history: History) -> Departures:
        """What old addresses meant by *history*."""
        return self._departures.get(
            id(history), lambda: (history, Departures(self._store, self._cache, self._find_state))
        )[1]


def _can_follow(old: Snapshot, new: Snapshot) -> bool:
    if new is old:
        return True
    return new.advanced_from == old.commit.id and new.changed is not None and len(new.changed) <= FOLLOWED_MOST
