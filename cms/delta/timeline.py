"""The timeline: which positions somebody may count from and up to, and which state each of them names.

Whoever counts from a state was shown it once, so any state that was published will do, and the answer tells of it only what to drop. Up to
an earlier state is another matter: it is that state that is told, which the site may keep to itself. What was never published is to those
who may not read drafts what does not exist.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

from cms.catalog import Catalog
from cms.delta.cursor import Cursor
from cms.delta.position import Position, last_change, next_change
from cms.errors import Conflict, Forbidden, FullSyncNeeded, InvalidQuery, RefNotFound
from cms.refs import CommitId
from cms.store import Store
from cms.views import OFF, Rights, Views

#: So long the pages of a delta can be asked for after what it leads to is not what is published any more.
CURSOR_SECONDS = 3600.0
UNKNOWN = (
    "what has changed since this position cannot be told: it was never a published state of this site, or its history was rewritten since. "
    "Drop what you hold and begin again with since=start"
)
EXPIRED = "this cursor is too old, or none of this site; ask again without it, and with the same since"


class State(NamedTuple):
    """A commit at a moment (seconds since 1970)."""

    commit: CommitId
    moment: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The life of a site as it is known at one moment, to one caller.

    Attributes:
        present: what is published now.
        rights: what the caller may open beside that.
        now: seconds since 1970.
    """

    store: Store
    views: Views
    present: Catalog
    rights: Rights
    now: float

    @property
    def tip(self) -> CommitId:
        """The commit that is published now."""
        return self.present.snapshot.commit.id

    def open_known(self, state: State) -> Catalog:
        """What a caller was shown in *state*, to compare with.

        Raises:
            FullSyncNeeded: it cannot be read as a site, so nobody was shown anything of it.
            RepositoryProblem: it cannot be read at all.
        """
        return self.present if self._is_present(state) else self._open(state, never=())

    def open_shown(self, state: State) -> Catalog:
        """What *state* shows the caller.

        Raises:
            FullSyncNeeded, RepositoryProblem: as for :meth:`open_known`.
        """
        if state == self._now_state():
            return self.present
        return self._open(state, never=() if self.rights.drafts else self.present.model.settings.history.never)

    def _open(self, state: State, never: tuple[str, ...]) -> Catalog:
        try:
            if self.rights.drafts:
                return self.views.open_commit(state.commit, state.moment)
            return self.views.open_published(state.commit, state.moment, never)
        except (Conflict, RefNotFound) as error:
            raise FullSyncNeeded(UNKNOWN) from error

    def position(self, catalog: Catalog) -> Position:
        """Where a reader of *catalog* stands."""
        commit = catalog.snapshot.commit.id
        since = self._since(commit)
        if since > self.now:  # a claim of a clock that goes wrong; what was seen when is all that is sure
            return Position(commit, catalog.valid_from)
        return Position(commit, last_change(catalog.snapshot.timed.values(), since, catalog.valid_from))

    def find_since(self, position: Position) -> State:
        """The state that a reader at *position* was shown.

        Raises:
            FullSyncNeeded: it is none that the caller was ever shown, or nobody knows any more.
            InvalidQuery: it lies in the future.
        """
        return self._find(position, "since")

    def find_until(self, position: Position | None) -> State:
        """The state to which a delta goes; None: the present one.

        Raises:
            Forbidden: the caller may not see the past, whether there was any such state or not.
            FullSyncNeeded, InvalidQuery: as for :meth:`find_since`.
        """
        if position is None:
            return self._now_state()
        if position.commit == self.tip:
            state = self._find(position, "until")
            if self._is_present(state):
                return self._now_state()
        if not self.rights.past:
            raise Forbidden(OFF)
        return self._find(position, "until")

    def find_cursor(self, cursor: Cursor) -> State:
        """The state to which a delta goes of which a part was told: the present one, or one that was it a short while ago.

        Raises:
            FullSyncNeeded: it was too long ago, or never.
        """
        try:
            state = self._find(cursor.until, "cursor")
            if self._is_present(state):
                return self._now_state()
            if self.rights.past or self._left_at(state) >= self.now - CURSOR_SECONDS:
                return state
        except (FullSyncNeeded, InvalidQuery) as error:
            raise FullSyncNeeded(EXPIRED, parameter="cursor") from error
        raise FullSyncNeeded(EXPIRED, parameter="cursor")

    def _find(self, position: Position, parameter: str) -> State:
        commit, moment = position
        if moment is not None and moment > self.now:
            raise InvalidQuery(f"{parameter}: this position lies in the future", parameter=parameter)
        reign = self.views.published.find(self.tip, commit)
        if reign is None and not (self.rights.drafts and self.store.resolve(commit) is not None):
            raise FullSyncNeeded(UNKNOWN, parameter=parameter)
        since = self._since(commit)
        if since > self.now:
            return State(commit, self.now if moment is None else moment)
        # At another moment it would show what was never public: an embargo may have ended after what it was on was withdrawn.
        if reign is not None and moment is not None and not since <= moment < reign.until and not self.rights.drafts:
            raise FullSyncNeeded(UNKNOWN, parameter=parameter)
        return State(commit, since if moment is None else moment)

    def _now_state(self) -> State:
        return State(self.tip, self.present.valid_from)

    def _is_present(self, state: State) -> bool:
        """Whether the public sees the same in *state* as it sees now."""
        timed = self.present.snapshot.timed.values()
        return state.commit == self.tip and next_change(timed, state.moment) > self.now

    def _left_at(self, state: State) -> float:
        """When the public began to see something else; minus infinity when that is long ago, or it never saw this."""
        reign = self.views.published.find(self.tip, state.commit)
        if reign is None or reign.until < self.now - CURSOR_SECONDS:
            return -math.inf
        return min(reign.until, next_change(self.open_known(state).snapshot.timed.values(), state.moment))

    def _since(self, commit: CommitId) -> float:
        """When *commit* became what was published; when it was made, if it never was."""
        reign = self.views.published.find(self.tip, commit)
        return reign.since if reign is not None else self.store.commit(commit).committed_at.timestamp()
