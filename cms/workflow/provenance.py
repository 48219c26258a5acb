"""Where the commits of a draft came from, by the push log: who brought each, when, and whether it was known from elsewhere before.

A draft's name may have been used before; only its present life counts. An entry is written to the log before its refs move, so one whose move
did not happen is there too: the present life is the chain of moves that leads to where the draft is now.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from threading import Lock

from cms.errors import InvalidSettings, RepositoryProblem
from cms.people import read_policy
from cms.policy import Policy, Role
from cms.pushlog import Move, PushLog
from cms.refs import DRAFTS, BlobId, CommitId, find_draft_name
from cms.settings import SETTINGS_FILE
from cms.store import Store
from cms.workflow.bounded import Bounded

Parents = Mapping[CommitId, tuple[CommitId, ...]]
TIPS_MOST = 2_000
CLOCK_SLACK = timedelta(days=1)
PENDING = 1 << 60


@dataclass(frozen=True, slots=True)
class Bringing:
    """An act that brought commits to *ref*.

    Attributes:
        person: empty when nobody attests to who it was.
        place: the number of its entry in the log; PENDING of one that is not in it yet.
        act, via: what they did, and how they came: ``git`` for a push.
    """

    ref: str
    person: str
    at: datetime | None
    place: int
    act: str = ""
    via: str = ""


@dataclass(frozen=True, slots=True)
class Life:
    """The present life of a draft by the log: its moves, oldest first. Empty when the log knows of none."""

    ref: str
    moves: tuple[tuple[Bringing, Move], ...] = ()

    @property
    def started_by(self) -> str | None:
        """Who began it; None when the log does not go back that far."""
        return self.moves[0][0].person if self.moves and self.moves[0][1].old is None else None

    @property
    def tips(self) -> list[tuple[CommitId, Bringing]]:
        """Where the draft has been, and by which act, oldest first; what was there before an act, and no act brought, is nobody's."""
        tips: list[tuple[CommitId, Bringing]] = []
        for bringing, move in self.moves:
            if move.old is not None:
                tips.append((move.old, Bringing(self.ref, "", None, bringing.place)))
            if move.new is not None:
                tips.append((move.new, bringing))
        return tips

    def holds(self, bringing: Bringing) -> bool:
        """Whether an act, if it was one upon this ref, belongs to this life; also one whose move did not happen."""
        return bringing.ref == self.ref and bool(self.moves) and bringing.place >= self.moves[0][0].place


class Provenance:
    """The push log of a repository, as far as it tells where commits came from. Safe to use from many threads."""

    def __init__(self, log: PushLog, published: str) -> None:
        """*published* is the full name of the published branch."""
        self._log = log
        self._published = published
        self._lock = Lock()
        self._places: dict[CommitId, int] = {}
        self._tips: dict[CommitId, Bringing] = {}
        self._published_at: dict[CommitId, int] = {}
        self._last: CommitId | None = None
        self._policies: Bounded[BlobId | None, Policy | None] = Bounded(16)

    def newest(self) -> CommitId | None:
        """The newest entry of the log."""
        entries = self._log.entries()
        return entries[-1].id if entries else None

    def server_keys(self) -> frozenset[str]:
        """Every key that is or was the server's."""
        return self._log.server_keys()

    def signing_keys(self) -> frozenset[str] | None:
        """The key that the server signs with now; None when the log is not whole, and cannot tell which that is.

        What an earlier key signed is the server's when the log has it, which was written with that key at that time. By itself such a
        signature says nothing any more: the key may have been replaced because it was stolen.
        """
        key = self._log.current_key() if self._log.is_whole() else None
        return frozenset((key,)) if key is not None else None

    def first_tips(self) -> Mapping[CommitId, Bringing]:
        """Every commit that a draft was ever moved to, with the first act that did it, also where the move failed or nobody signed."""
        entries = self._log.entries()
        with self._lock:
            count = len(self._places)
            if count > len(entries) or (count and entries[count - 1].id != self._last):
                self._places, self._tips, self._published_at, count = {}, {}, {}, 0
            for place in range(count, len(entries)):
                entry = entries[place]
                self._places[entry.id] = place
                self._last = entry.id
                for move in entry.moves:
                    if move.new is not None and move.ref.startswith(DRAFTS):
                        self._tips.setdefault(move.new, Bringing(move.ref, entry.person, entry.at, place))
                    elif move.new is not None and move.ref == self._published:
                        self._published_at[move.new] = place
            return self._tips

    def find_life(self, store: Store, ref: str, current: CommitId | None) -> Life:
        """Find the chain of moves that led *ref* to where it is.

        Where somebody moved it past the log (on the disk, or in a clone that is ahead), the chain goes on with the newest move to a commit
        that what is there descends from.

        Args:
            current: where the ref is; None when it does not exist.
        """
        self.first_tips()
        known = [(entry, move) for entry in self._log.about(ref) for move in entry.moves if move.ref == ref]
        known.reverse()
        moves = [move for _, move in known]
        chain = []
        wanted, place = current, 0
        while wanted is not None and (found := _find_move(store, moves, place, wanted)) is not None:
            entry, move = known[found]
            chain.append((Bringing(ref, entry.person, entry.at, self._places[entry.id], entry.act, entry.via), move))
            wanted, place = move.old, found + 1
        return Life(ref, tuple(reversed(chain)))

    def find_elsewhere(self, store: Store, commit: CommitId, made_at: datetime, brought: Bringing, life: Life) -> str:
        """Say on which other draft, or in which earlier life of this one, *commit* was before it was brought here; empty for none.

        For what the tips alone do not tell: a verdict that another draft had among its commits when something newer was its head. Only what
        was pushed since the verdict was made is looked at, since nothing older can hold it.
        """
        entries, tips = self._log.entries(), self.first_tips()
        since = made_at - CLOCK_SLACK
        older = (entries[place] for place in range(min(brought.place, len(entries)) - 1, -1, -1))
        moves = ((entry, move) for entry in older if entry.at >= since for move in entry.moves if move.new in tips)
        for entry, move in islice(moves, TIPS_MOST):
            other = Bringing(move.ref, entry.person, entry.at, self._places[entry.id])
            if move.new is not None and not life.holds(other) and _descends(store, move.new, commit):
                return describe(other, life.ref)
        return ""

    def was_published_as(self, head: CommitId, life: Life) -> bool:
        """Whether the published branch was moved to *head* itself during a draft's *life*."""
        self.first_tips()
        place = self._published_at.get(head)
        return place is not None and bool(life.moves) and place > life.moves[0][0].place

    def was_publisher(self, store: Store, bringing: Bringing) -> bool:
        """Whether who brought something was a publisher of anything by the rules of that time; True when that cannot be told."""
        entries = self._log.entries()
        for place in range(min(bringing.place, len(entries)) - 1, -1, -1):
            for move in entries[place].moves:
                if move.ref == self._published and move.new is not None:
                    policy = self._read_policy(store, move.new)
                    return policy is None or policy.holds(bringing.person, Role.PUBLISHER)
        return True

    def _read_policy(self, store: Store, commit: CommitId) -> Policy | None:
        try:
            blob = store.find_blob(commit, SETTINGS_FILE)
            return self._policies.get(blob, lambda: read_policy(store.read_blob(blob) if blob is not None else None))
        except (RepositoryProblem, InvalidSettings):
            return None


def _find_move(store: Store, moves: Sequence[Move], start: int, wanted: CommitId) -> int | None:
    """Find the move that led to *wanted* among *moves*, newest first; every one between did not happen.

    Where none did, the newest one to a commit that *wanted* descends from, unless the draft was deleted since.
    """
    for place in range(start, len(moves)):
        if moves[place].new == wanted:
            return place
    for place in range(start, min(len(moves), start + TIPS_MOST)):
        new = moves[place].new
        if new is None:
            return None
        if _descends(store, wanted, new):
            return place
    return None


def _descends(store: Store, tip: CommitId, commit: CommitId) -> bool:
    try:
        return store.is_ancestor(commit, tip)
    except RepositoryProblem:  # forced away, and pruned since
        return False


def describe(bringing: Bringing, ref: str) -> str:
    """Where an act was, for somebody who looks at the draft *ref*."""
    name = find_draft_name(bringing.ref) or bringing.ref
    return f"an earlier draft called {name!r}" if bringing.ref == ref else f"the draft {name!r}"


def attribute(tips: Iterable[tuple[CommitId, Bringing]], parents: Parents) -> dict[CommitId, Bringing]:
    """Say for each commit in *parents* by which act it came first: *tips* are in the order of the acts, each brings all below it."""
    found: dict[CommitId, Bringing] = {}
    for tip, bringing in tips:
        waiting = [tip]
        while waiting:
            commit = waiting.pop()
            if commit in parents and commit not in found:
                found[commit] = bringing
                waiting += parents[commit]
    return found
