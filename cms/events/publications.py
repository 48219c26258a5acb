"""Publications: what readers see change, one step after another.

A step is a published state that replaced the one before, or a moment at which something appeared or went by itself. What a step changed is the
difference of two catalogs that everybody could see, so no event tells of anything hidden, nor can it be told from a gap that there was any.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from cms.assets import kind_of
from cms.catalog import Catalog
from cms.dates import format_rfc3339
from cms.delta import Change, Position, State, Timeline, Wanted
from cms.delta.deltas import Deltas
from cms.delta.position import next_change
from cms.dependencies import Keys
from cms.entry import Entry
from cms.errors import FullSyncNeeded
from cms.events.event import PUBLICATION, Event, Mark
from cms.invalidation import find_invalid
from cms.store import Store
from cms.workflow.bounded import Bounded

STEPS_MOST = 100
CHANGES_MOST = 500
COMPARED_KEPT = 200
EVERYTHING = Wanted()
TOO_MANY = f"more than {STEPS_MOST} publications came since; ask /changes what they come to, or drop what you hold and begin again"


class _Step(NamedTuple):
    since: State
    until: State
    at: float

    @property
    def position(self) -> Position:
        """What the state that it led to is called, by every process the same."""
        commit = self.until.commit
        return Position(commit) if commit != self.since.commit else Position(commit, self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    """What a step changed; of very many changes the first."""

    changes: tuple[Change, ...]
    total: int
    keys: Keys


class Publications:
    """The publications of one site. Safe to use from many threads."""

    def __init__(self, store: Store, deltas: Deltas) -> None:
        self._store = store
        self._deltas = deltas
        self._compared: Bounded[tuple[State, State], _Compared] = Bounded(COMPARED_KEPT)
        self._lives: Bounded[State, list[float] | None] = Bounded(COMPARED_KEPT)

    def present(self, timeline: Timeline) -> Position:
        """What the present state is called."""
        reign = timeline.views.published.find(timeline.tip, timeline.tip)
        if reign is not None and reign.since > timeline.now:  # as the clock of whoever made the commit has it
            return Position(timeline.tip)
        return timeline.position(timeline.present)

    def after(self, timeline: Timeline, position: Position) -> list[Event]:
        """Every publication after *position*, oldest first.

        Raises:
            FullSyncNeeded: they cannot be told, or are too many.
            InvalidQuery: the position lies in the future.
            RepositoryProblem: the repository cannot be read.
        """
        known = self._find_known(timeline, position)
        if known.commit == timeline.tip and not self._has_passed(timeline, known.moment):
            return []
        before = timeline.open_known(known)
        told: list[Event] = []
        # One after another: what was worked out of a state is at hand when the next one is reached from it.
        for step in self._steps(timeline, known):
            if len(told) >= STEPS_MOST:
                raise FullSyncNeeded(TOO_MANY)
            told.append(self._event(timeline, before, step))
        return told

    def _find_known(self, timeline: Timeline, position: Position) -> State:
        """The state that somebody was told of as *position*.

        Git counts seconds. What appeared in the second in which something else was published may have been told of first.
        """
        reign = timeline.views.published.find(timeline.tip, position.commit)
        if reign is not None and position.moment is not None and 0 <= position.moment - reign.until < 1:
            return State(position.commit, reign.until)
        return timeline.find_since(position)

    def _has_passed(self, timeline: Timeline, moment: float) -> bool:
        """Whether something appeared or went after *moment*, of what is published now."""
        return next_change(timeline.present.snapshot.timed.values(), moment) <= timeline.now

    def _steps(self, timeline: Timeline, known: State) -> Iterator[_Step]:
        """The way from the state *known* to the present one; what could not be served is passed over."""
        published, tip = timeline.views.published, timeline.tip
        line = published.between(tip, known.commit, tip)
        if line is None:
            raise FullSyncNeeded("history was rewritten since; drop what you hold and begin again")
        if len(line) > STEPS_MOST:
            raise FullSyncNeeded(TOO_MANY)
        since = known
        states: list[State | None] = [timeline.find_since(Position(commit)) for commit in line]
        for state in (*states, None):
            for moment in self._moments(timeline, since, state.moment if state is not None else math.inf) or ():
                step = _Step(since, self._settled(timeline, State(since.commit, moment)), moment)
                yield step
                since = step.until
            if state is not None and self._moments(timeline, state, math.inf) is not None:
                reached = self._settled(timeline, state)
                yield _Step(since, reached, state.moment)
                since = reached

    def _moments(self, timeline: Timeline, state: State, end: float) -> list[float] | None:
        """The moments from *state* until *end* at which something appeared or went; None for what cannot be served."""
        if state.commit == timeline.tip:
            every = self._moments_after(timeline.present, state.moment)
        else:
            known = self._lives.get(state, lambda: self._life(timeline, state))
            if known is None:
                return None
            every = known
        return [moment for moment in every if moment < end and moment <= timeline.now]

    def _life(self, timeline: Timeline, state: State) -> list[float] | None:
        """The moments of a state that was replaced since."""
        reign = timeline.views.published.find(timeline.tip, state.commit)
        try:
            moments = self._moments_after(timeline.open_shown(state), state.moment)
        except FullSyncNeeded:
            return None
        return [moment for moment in moments if reign is None or moment < reign.until]

    def _moments_after(self, catalog: Catalog, moment: float) -> list[float]:
        timed = catalog.snapshot.timed.values()
        found: list[float] = []
        while (moment := next_change(timed, moment)) < math.inf and len(found) <= STEPS_MOST:
            found.append(moment)
        return found

    def _settled(self, timeline: Timeline, state: State) -> State:
        """*state*, as it is called while it is the present one: whose catalog is at hand."""
        is_present = state.commit == timeline.tip and not self._has_passed(timeline, state.moment)
        return timeline.find_until(None) if is_present else state

    def _event(self, timeline: Timeline, before: Catalog, step: _Step) -> Event:
        key = step.since, step.until
        compared = self._compared.get(key, lambda: self._compare(timeline, step))
        told = [change for change in compared.changes if _was_seen(change, before, timeline.present)]
        hidden = len(compared.changes) - len(told)
        data: dict[str, Any] = {
            "commit": step.until.commit,
            "position": str(step.position),
            "at": format_rfc3339(_aware(step.at), timeline.present.zone),
            "cause": "publication" if step.since.commit != step.until.commit else "moment",
            "changes": [describe(change) for change in told],
            "total": compared.total - hidden,
            "surrogate_keys": sorted(compared.keys),
        }
        return Event(kind=PUBLICATION, at=step.at, mark=Mark(step.position), data=data)

    def _compare(self, timeline: Timeline, step: _Step) -> _Compared:
        until, changes = self._deltas.find(timeline, step.since, step.until, EVERYTHING)
        keys = find_invalid(timeline.open_known(step.since), until, self._assets(step.since, step.until))
        first = tuple(changes[:CHANGES_MOST])
        return _Compared(changes=first, total=len(changes), keys=keys)

    def _assets(self, since: State, until: State) -> list[str]:
        """The files that are served by their paths and differ."""
        if since.commit == until.commit:
            return []
        return [change.path for change in self._store.diff(since.commit, until.commit) if kind_of(change.path)]


def _was_seen(change: Change, before: Catalog, present: Catalog) -> bool:
    """Whether what *change* names can be seen now, or could when the caller last looked.

    What came and went in between the caller never held, and the site may not want to name it any more.
    """
    named = [change.entry, *([change.before] if change.before is not None else [])]
    return any(_has(catalog, entry) for entry in named for catalog in (before, present))


def _has(catalog: Catalog, entry: Entry) -> bool:
    return catalog.find(entry.collection, entry.slug, (entry.locale,)) is not None


def describe(change: Change) -> dict[str, Any]:
    """A change as an event tells it: which entry, and what became of it."""
    told: dict[str, Any] = {"change": change.change, **_address(change.entry)}
    if change.change == "renamed" and change.before is not None:
        told["from"] = _address(change.before)
    if change.fields:
        told["fields"] = list(change.fields)
    if change.by:
        told["by"] = list(change.by)
    return told


def _address(entry: Entry) -> dict[str, str]:
    return {name: getattr(entry, name) for name in ("id", "collection", "slug", "locale")}


def _aware(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
