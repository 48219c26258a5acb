"""Where files went: for a path at which there is no file any more, what it held last, and where that is now.

What counts is the line of first parents, which is what the published branch was at one moment after another: what a draft called
a file before it was merged has never been published. A move is what ``git log -M`` takes for one, between two commits of that
line; where a merge brings a file that its branch moved and rewrote, the branch is asked too.

Not here: who wrote a file (``history``), what an address meant (``departed``).
"""

import sys
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

import msgspec

from cms.commits import Stamp, Step, Touch
from cms.layers import Layers
from cms.objects import Change
from cms.refs import BlobId, CommitId


class Departure(msgspec.Struct, frozen=True, gc=False):
    """A path that no file is at any more.

    Attributes:
        blob: what was there last.
        at: when it went; seconds since 1970, as the commit claims.
        before: the last commit that had it.
        to: the path at which that file is now, perhaps with other content; ``None`` when it was deleted, there or later.
    """

    blob: BlobId
    at: int
    before: CommitId
    to: str | None


class Whereabouts:
    """Goes back along the line of first parents. ``departed`` holds the latest departure from each path."""

    def __init__(self, commit: CommitId, there: Container[str], most: int) -> None:
        """
        Args:
            commit: where to begin.
            there: the paths at which there is a file, at least of those that the commits to come touch.
            most: how many departures are kept, the latest of all.
        """
        self.departed: dict[str, Departure] = {}
        self._expected: CommitId | None = commit
        self._there = there
        self._most = most
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
        is_known = path in self.departed or path in self._there
        if blob is not None and not is_known and len(self.departed) < self._most:
            there = None if to is None else sys.intern(to)  # as the files of a snapshot are
            self.departed[path] = Departure(blob, step.stamp.committed, step.parents[0], there)

    def _ask_branch(self, step: Step) -> None:
        """Learn from a commit of the branch that was just merged where the file is that the merge seems to have deleted."""
        for touch in step.touches:
            if touch.source is None:
                continue
            target = self._branched.setdefault(touch.source, self._branched.get(touch.path, touch.path))
            added = self._lost.get(touch.source)
            if added is not None and target in added and self._fates.get(touch.source, "") is None:
                self._fates[touch.source] = added[target]
                known = self.departed.get(touch.source)
                if known is not None and known.to is None and known.before == self._expected:
                    self.departed[touch.source] = msgspec.structs.replace(known, to=added[target])

    def since(
        self, old: CommitId, known: Mapping[str, Departure], changes: Sequence[Change], newest: Stamp
    ) -> dict[str, Departure | None]:
        """What must be changed of the departures *known* at the commit *old*, which was reached; ``None`` removes.

        Args:
            changes: what differs between *old* and the commit that was begun with.
            newest: that commit.
        """
        gone = {change.path: change.old for change in changes if change.new is None and change.old is not None}
        fates = self._fates
        if self._expected != old:  # what was published became a side branch: only the difference counts
            fates = {path: self.departed[path].to if path in self.departed else None for path in gone}
        updates: dict[str, Departure | None] = {}
        if fates:
            for path, departure in list(known.items()):
                if departure.to is not None and departure.to in fates:
                    updates[path] = msgspec.structs.replace(departure, to=fates[departure.to])
        updates |= dict.fromkeys(change.path for change in changes if change.old is None and change.path in known)
        updates |= {path: Departure(blob, newest.committed, old, None) for path, blob in gone.items()}
        updates |= self.departed
        return updates


def _is_new(touch: Touch) -> bool:
    return touch.old is None and touch.source is None and touch.new is not None


def latest(departed: Layers[Departure], most: int) -> Layers[Departure]:
    """*departed* without the oldest, when there are many more than *most*."""
    if departed.weight() <= most + most // 4:
        return departed
    kept = sorted(departed.flat().items(), key=lambda item: item[1].at)[-most:]
    return Layers(dict(kept))
