"""Where files went: what a path held before, when that went, and where it is now.

What counts is the line of first parents, which is what the published branch was at one moment after another: what a draft called
a file before it was merged has never been published. A move is what ``git log -M`` takes for one, between two commits of that
line; where a merge brings a file that its branch moved and rewrote, the branch is asked too.

Not here: who wrote a file (``history``), what an address meant (``departed``).
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from cms.commits import Stamp, Step, Touch
from cms.layers import Layers
from cms.objects import Change
from cms.refs import BlobId, CommitId

#: How many departures from one path are remembered.
MAX_FROM_ONE = 4


class Departure(msgspec.Struct, frozen=True, gc=False):
    """A file that went from its path.

    Attributes:
        blob: what it held last.
        at: when it went; seconds since 1970, as the commit claims.
        before: the last commit that had it.
        to: the path at which that file is now, perhaps with other content; ``None`` when it was deleted, there or later.
    """

    blob: BlobId
    at: int
    before: CommitId
    to: str | None


#: What went from each path, the latest first; there may be another file now.
Departed = Mapping[str, tuple[Departure, ...]]


class Whereabouts:
    """Goes back along the line of first parents."""

    def __init__(self, commit: CommitId, most: int) -> None:
        """
        Args:
            commit: where to begin.
            most: from how many paths departures are remembered, the latest of all.
        """
        self._expected: CommitId | None = commit
        self._most = most
        self._departed: dict[str, list[Departure]] = {}
        # Of the files at the commit that was reached: the path at which each is now, where that is another one or none.
        self._fates: dict[str, str | None] = {}
        # Of the files that a merge seems to have deleted: the files that it added, with their fates.
        self._lost: dict[str, dict[str, str | None]] = {}
        # What branches moved: old path to the one in the merge.
        self._branched: dict[str, str] = {}

    def watch(self, steps: Iterable[Step]) -> Iterator[Step]:
        """Pass on *steps*, none before its children, and learn from them."""
        for step in steps:
            if step.stamp.commit == self._expected:
                self._follow(step)
            elif self._lost:
                self._ask_branch(step)
            yield step

    @property
    def reached(self) -> CommitId | None:
        """The first of the first parents that was not seen; ``None`` when all were."""
        return self._expected

    def departed(self) -> dict[str, tuple[Departure, ...]]:
        """What went from each path in the commits seen."""
        return {path: tuple(departures) for path, departures in self._departed.items()}

    def since(
        self, old: CommitId, known: Departed, changes: Sequence[Change], newest: Stamp
    ) -> dict[str, tuple[Departure, ...]]:
        """What must be changed of what was *known* at the commit *old*, to which the commits seen lead.

        Args:
            changes: what differs between *old* and the commit that was begun with.
            newest: that commit.
        """
        gone = {change.path: change.old for change in changes if change.new is None and change.old is not None}
        fates, fresh = self._fates, self.departed()
        if self._expected != old:  # what was published became a side branch: only the difference counts
            fates = {path: fresh[path][0].to if path in fresh else None for path in gone}
        updates = {}
        for path, departures in list(known.items()) if fates else ():
            if any(departure.to in fates for departure in departures if departure.to is not None):
                updates[path] = tuple(_redirected(departure, fates) for departure in departures)
        for path, blob in gone.items():
            fresh.setdefault(path, (Departure(blob, newest.committed, old, None),))
        for path, departures in fresh.items():
            earlier = updates.get(path, known.get(path, ()))
            updates[path] = (*departures, *earlier)[:MAX_FROM_ONE]
        return updates

    def _follow(self, step: Step) -> None:
        self._expected = step.parents[0] if step.parents else None
        if self._expected is None:
            return
        # All that arrived first: within one commit, a may have become b and b have become c.
        arrived = {
            touch.path: self._fates.pop(touch.path, touch.path)
            for touch in step.touches
            if touch.old is None or touch.source is not None
        }
        for touch in step.touches:
            if touch.source is not None:
                self._leave(touch.source, touch.old, step, arrived[touch.path])
            elif touch.new is None:
                self._leave(touch.path, touch.old, step, None)
        self._lost, self._branched = {}, {}
        if len(step.parents) > 1:
            added = {touch.path: arrived[touch.path] for touch in step.touches if _is_new(touch)}
            if added:
                self._lost = {touch.path: added for touch in step.touches if touch.new is None}

    def _leave(self, path: str, blob: BlobId | None, step: Step, to: str | None) -> None:
        self._fates[path] = to
        if blob is None or (path not in self._departed and len(self._departed) >= self._most):
            return
        departures = self._departed.setdefault(path, [])
        if len(departures) < MAX_FROM_ONE:
            there = None if to is None else sys.intern(to)  # as the files of a snapshot are
            departures.append(Departure(blob, step.stamp.committed, step.parents[0], there))

    def _ask_branch(self, step: Step) -> None:
        """Learn from a commit of the branch that was just merged where the file is that the merge seems to have deleted."""
        for touch in step.touches:
            if touch.source is None:
                continue
            target = self._branched.setdefault(touch.source, self._branched.get(touch.path, touch.path))
            added = self._lost.get(touch.source)
            if added is not None and target in added and self._fates.get(touch.source, "") is None:
                self._fates[touch.source] = added[target]
                departures = self._departed.get(touch.source, [])
                if departures and departures[-1].before == self._expected:
                    departures[-1] = msgspec.structs.replace(departures[-1], to=added[target])


def _redirected(departure: Departure, fates: Mapping[str, str | None]) -> Departure:
    if departure.to is None or departure.to not in fates:
        return departure
    return msgspec.structs.replace(departure, to=fates[departure.to])


def _is_new(touch: Touch) -> bool:
    return touch.old is None and touch.source is None and touch.new is not None


def latest(departed: Layers[tuple[Departure, ...]], most: int) -> Layers[tuple[Departure, ...]]:
    """*departed* without the oldest, when there are many more than *most*."""
    if departed.weight() <= most + most // 4:
        return departed
    kept = sorted(departed.flat().items(), key=lambda item: item[1][0].at)[-most:]
    return Layers(dict(kept))
