"""Deltas that were asked for, page by page: worked out once, a few of them kept. Safe to share between threads."""

from collections import OrderedDict
from threading import Lock
from typing import NamedTuple

from cms.bodies import Bodies
from cms.catalog import Catalog
from cms.delta.changes import Change, Wanted, find_changes
from cms.delta.timeline import State, Timeline
from cms.errors import FullSyncNeeded
from cms.snapshots import is_withheld
from cms.store import Store

KEPT = 8
KEPT_CHANGES = 500_000
WITHDRAWN = (
    "what has changed since this position is not told, because something was withdrawn for good since. Drop what you hold and begin again "
    "with since=start"
)
_Key = tuple[State | None, State, bool, str]


class Delta(NamedTuple):
    """What changed, and the catalog to which it leads."""

    until: Catalog
    changes: list[Change]


class Deltas:
    """The deltas of one repository."""

    def __init__(self, store: Store, bodies: Bodies) -> None:
        self._store = store
        self._bodies = bodies
        self._kept: OrderedDict[_Key, list[Change]] = OrderedDict()
        self._lock = Lock()

    def find(self, timeline: Timeline, since: State | None, until: State, wanted: Wanted) -> Delta:
        """What changed from one state to another; None: everything there is.

        Raises:
            FullSyncNeeded: it cannot be told.
            RepositoryProblem: the repository cannot be read.
        """
        new = timeline.open_shown(until)
        key = since, until, timeline.rights.drafts, repr(wanted)
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
                return Delta(new, kept)
        old = timeline.open_known(since) if since is not None else None
        found = find_changes(old, new, reader=self._store, bodies=self._bodies, wanted=wanted)
        if not timeline.rights.drafts:
            self._require_told(found, timeline.present)
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > KEPT or (len(self._kept) > 1 and self._size() > KEPT_CHANGES):
                self._kept.popitem(last=False)
        return Delta(new, found)

    def _size(self) -> int:
        return sum(map(len, self._kept.values()))

    def _require_told(self, changes: list[Change], present: Catalog) -> None:
        """Refuse to name what was withdrawn for good, even where that is only to say that it is to be dropped.

        Raises:
            FullSyncNeeded: something of that kind was visible then, and is not now.
        """
        never = present.model.settings.history.never
        for change in changes if never else ():
            before = change.before
            if before is None or change.change not in ("deleted", "renamed") or not is_withheld(before.path, never):
                continue
            entry = present.snapshot.files.get(before.path)
            if entry is None or not entry.is_public(present.valid_from):
                raise FullSyncNeeded(WITHDRAWN, parameter="since")
