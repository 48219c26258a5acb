"""Published states: the commits that the published branch was at, each with the moment from which on it was.

Where the push log knows how the branch came to a commit, that is what counts; where it does not (before the log, or when somebody moved the
ref on the machine itself), the line of first parents stands in, with the times that the commits claim. Only what leads to the present commit
is a state: what was rewritten away is gone for good, and so is what the server was about to publish when it was stopped.

The list is made when it is first asked for, and followed from there.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from math import inf
from threading import Lock
from typing import NamedTuple

from cms.ancestry import ReadParents
from cms.pushlog import PushLog
from cms.refs import CommitId
from cms.store import Store


class Reign(NamedTuple):
    """From when until when (seconds since 1970; not including the end) a commit was what was published."""

    since: float
    until: float


class _Arrival(NamedTuple):
    """The log's word that the branch came from one commit to another."""

    old: CommitId | None
    at: float
    place: int


class _Step(NamedTuple):
    """A state on the way back: *at* is None where only the commit says when that was."""

    commit: CommitId
    claimed: float
    at: float | None


class _Line(NamedTuple):
    commits: Sequence[CommitId]
    times: Sequence[float]
    places: Mapping[CommitId, int]
    tip: CommitId | None
    is_logged: bool = False


LOST_MOST = 200
_NONE = _Line((), (), {}, None)


class PublishedStates:
    """The states of one published branch. Safe to use from many threads."""

    def __init__(self, store: Store, ref: str, log: PushLog) -> None:
        """*ref* is the full name of the published branch."""
        self._store = store
        self._ref = ref
        self._log = log
        self._line = _NONE
        self._lock = Lock()

    def find(self, tip: CommitId, commit: CommitId) -> Reign | None:
        """When *commit* was what was published; None when it never was. *tip* is what is published now.

        Raises:
            RepositoryProblem: the repository cannot be read.
        """
        line = self._follow(tip)
        place = line.places.get(commit)
        if place is None:
            return None
        until = line.times[place + 1] if place + 1 < len(line.times) else inf
        return Reign(line.times[place], until)

    def at(self, tip: CommitId, moment: float) -> CommitId | None:
        """What was published at *moment*; None: nothing yet."""
        line = self._follow(tip)
        place = bisect_right(line.times, moment) - 1
        return line.commits[place] if place >= 0 else None

    def before(self, tip: CommitId, commit: CommitId) -> CommitId | None:
        """The state before the state *commit*; None when it was the first."""
        line = self._follow(tip)
        place = line.places.get(commit)
        return line.commits[place - 1] if place else None

    def reached_by(self, tip: CommitId, commit: CommitId) -> CommitId | None:
        """The state that *commit* is, or the last one that it came after; None when it came after none.

        A commit that became public together with later ones was never published itself. Where no log says so, every commit was.
        """
        line = self._follow(tip)
        if not line.is_logged:
            return commit
        with self._store.parent_reader() as read:
            for _ in range(LOST_MOST):
                parents, _time = read(commit) if commit not in line.places else ((), 0)
                if not parents:
                    break
                commit = parents[0]
        return commit if commit in line.places else None

    def between(self, tip: CommitId, old: CommitId, new: CommitId) -> Sequence[CommitId] | None:
        """The states after *old* up to *new*, oldest first; None when one of them is no state, or *new* the earlier one."""
        line = self._follow(tip)
        first, last = line.places.get(old), line.places.get(new)
        return None if first is None or last is None or first > last else line.commits[first + 1 : last + 1]

    def all(self, tip: CommitId) -> Sequence[tuple[CommitId, float]]:
        """Every state with its first moment, oldest first."""
        line = self._follow(tip)
        return list(zip(line.commits, line.times, strict=True))

    # -- making the list -----------------------------------------------------------------------------------------------

    def _follow(self, tip: CommitId) -> _Line:
        line = self._line
        if line.tip == tip:
            return line
        with self._lock:
            if self._line.tip != tip:
                self._line = self._advanced(self._line, tip)
            return self._line

    def _advanced(self, old: _Line, tip: CommitId) -> _Line:
        arrivals = self._arrivals()
        # The last one is looked at again: in a mirror the log may come after the branch.
        settled = old.commits[-2] if len(old.commits) > 1 else None
        with self._store.parent_reader() as read:
            walk = _Walk(self._store, arrivals, read)
            met = walk.run(tip, settled)
        fresh = walk.steps[::-1]
        kept = old.places[settled] + 1 if met and settled is not None else 0
        commits = [*old.commits[:kept], *[step.commit for step in fresh]]
        times = [*old.times[:kept], *_timed(fresh, old.times[kept - 1] if kept else -inf)]
        return _Line(commits, times, {commit: place for place, commit in enumerate(commits)}, tip, bool(arrivals))

    def _arrivals(self) -> Mapping[CommitId, list[_Arrival]]:
        """For each commit how the branch came there, by the log."""
        found: dict[CommitId, list[_Arrival]] = {}
        for place, entry in enumerate(self._log.about(self._ref)):
            for move in entry.moves:
                if move.ref == self._ref and move.new is not None:
                    found.setdefault(move.new, []).append(_Arrival(move.old, entry.at.timestamp(), place))
        return found


class _Walk:
    """The way back from one state through all before it."""

    def __init__(self, store: Store, arrivals: Mapping[CommitId, list[_Arrival]], read: ReadParents) -> None:
        self._store = store
        self._arrivals = arrivals
        self._read = read
        self._before = inf  # only what the log says earlier than this place is about what is looked at now
        self._lost = 0  # how many commits were passed since history was rewritten; none of them is a state
        self.steps: list[_Step] = []

    def run(self, tip: CommitId, settled: CommitId | None) -> bool:
        """Go back as far as to *settled*, whose past is known; False when it is not met, so that the steps are all there are."""
        commit: CommitId | None = tip
        while commit is not None and self._lost <= LOST_MOST:
            if commit == settled and not self._lost:
                return True
            parents, claimed = self._read(commit)
            arrival = self._arrival(commit)
            self._take(_Step(commit, float(claimed), arrival.at if arrival is not None else None))
            if arrival is None:
                commit = parents[0] if parents else None
                continue
            self._before = arrival.place
            if arrival.old is None:
                # The first push may bring what was published elsewhere before; a branch that was made anew has no past.
                commit = parents[0] if parents and arrival.place == 0 else None
            else:
                if not self._lost and arrival.old not in parents and not self._store.is_ancestor(arrival.old, commit):
                    if self._store.merge_base(arrival.old, commit) is None:
                        return False
                    self._lost = 1
                commit = arrival.old
        return False

    def _arrival(self, commit: CommitId) -> _Arrival | None:
        known = self._arrivals.get(commit, ())
        number = bisect_left(known, self._before, key=lambda arrival: arrival.place) - 1
        return known[number] if number >= 0 else None

    def _take(self, step: _Step) -> None:
        if not self._lost:
            self.steps.append(step)
            return
        last = self.steps[-1]
        if step.commit == last.commit:  # the branch was set back to where it had been
            self.steps[-1] = step
            self._lost = 0
        elif self._store.is_ancestor(step.commit, last.commit):
            self.steps.append(step)
            self._lost = 0
        else:
            self._lost += 1


def _timed(steps: Sequence[_Step], after: float) -> list[float]:
    """The first moment of each of *steps*, never before *after* or that of the one before.

    A claim is not believed when it lies after what is known to have come later.
    """
    times: list[float] = []
    latest = inf
    for step in reversed(steps):
        latest = step.at if step.at is not None else min(step.claimed, latest)
        times.append(latest)
    times.reverse()
    for place, moment in enumerate(times):
        after = times[place] = max(moment, after)
    return times
