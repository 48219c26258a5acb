"""What the push log tells of drafts that were published: who brought each commit, to which draft, when.

Unlike the server, which asks about drafts that exist (``workflow.provenance``), a proof asks about those that are gone.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from itertools import accumulate

from cms.proof.origins import Origins
from cms.pushlog import LogEntry, Move, PushLog
from cms.refs import DRAFTS, CommitId
from cms.workflow.provenance import CLOCK_SLACK, Bringing, Life

_Tip = tuple[CommitId, Bringing]


class Trail:
    """The push log as it was at one moment, by draft and by commit."""

    def __init__(self, log: PushLog) -> None:
        """Read what there is."""
        self._log = log
        self._entries = log.entries()
        self._places: dict[CommitId, int] = {}
        self._moves: dict[str, list[tuple[LogEntry, Move]]] = {}
        #: Every commit that a draft was ever moved to, with the first act that did it, also one that nobody attests to.
        self.tips: dict[CommitId, Bringing] = {}
        for place, entry in enumerate(self._entries):
            self._places[entry.id] = place
            for move in entry.moves:
                if move.ref.startswith(DRAFTS):
                    self._moves.setdefault(move.ref, []).append((entry, move))
                    if move.new is not None:
                        self.tips.setdefault(move.new, Bringing(move.ref, entry.person, entry.at, place))

    def vouches_for(self, key: str, entry: LogEntry | None) -> bool:
        """Say whether what *key* signed may be the server's: its log has it, in an entry signed with the same key.

        So a key that was stolen and replaced signs nothing any more. Where there is no log, or only the end of one, nothing speaks
        against it.

        Args:
            entry: the one that tells of it, if there is any.
        """
        if not self._entries or not self._log.is_whole():
            return True
        return entry is not None and self._log.signed_by(entry) == key

    def entry_at(self, place: int) -> LogEntry | None:
        """The entry at a place; None at a place that is none."""
        return self._entries[place] if 0 <= place < len(self._entries) else None

    def find_life(self, ref: str, head: CommitId, held: Collection[CommitId], end: LogEntry | None) -> Life:
        """Find the chain of moves that led *ref* to *head*.

        Args:
            held: the commits that the draft consists of: where somebody moved it past the log, the chain goes on with one of them.
            end: the entry about its publication; what came later was another life.
        """
        last = self._places[end.id] if end is not None else len(self._places)
        known = [
            (entry, move)
            for entry, move in self._moves.get(ref, ())
            if self._places[entry.id] < last and entry.is_valid
        ]
        chain: list[tuple[Bringing, Move]] = []
        wanted: CommitId | None = head
        while wanted is not None and known:
            found = _find_last(known, wanted, held)
            if found is None:
                break
            entry, move = known[found]
            chain.append((Bringing(ref, entry.person, entry.at, self._places[entry.id]), move))
            wanted, known = move.old, known[:found]
        return Life(ref, tuple(reversed(chain)))


def _find_last(known: Sequence[tuple[LogEntry, Move]], wanted: CommitId, held: Collection[CommitId]) -> int | None:
    """Find the last move to *wanted*; where there is none, the last one to a commit in *held* unless the draft was deleted since."""
    for number in range(len(known) - 1, -1, -1):
        if known[number][1].new == wanted:
            return number
    for number in range(len(known) - 1, -1, -1):
        new = known[number][1].new
        if new is None:
            return None
        if new in held:
            return number
    return None


class Tips:
    """The commits that drafts were moved to, in the order of the log, with where they were published."""

    def __init__(self, trail: Trail, origins: Origins) -> None:
        """Sort them."""
        ordered = sorted(trail.tips.items(), key=lambda tip: tip[1].place)
        self._published = [tip for tip in ordered if tip[0] in origins.introduced]
        self._others = [tip for tip in ordered if tip[0] not in origins.introduced]
        self._steps = [origins.introduced[tip] for tip, _ in self._published]
        #: The latest step at which any tip up to this one was published.
        self._latest = list(accumulate(self._steps, max))

    def that_may_hold(self, made_at: datetime, published: int, before: int) -> Iterator[_Tip]:
        """The commits that drafts were first moved to before an entry of the log, and that may lead to a certain commit.

        Args:
            made_at: when that commit was made: what was pushed before does not lead to it.
            published: the place of the step that published it: nor does what was published before that.
            before: the place of the entry.
        """
        since = made_at - CLOCK_SLACK
        for number in range(_count_before(self._published, before) - 1, -1, -1):
            if self._latest[number] <= published or _is_older(self._published[number], since):
                break
            if self._steps[number] > published:
                yield self._published[number]
        for number in range(_count_before(self._others, before) - 1, -1, -1):
            if _is_older(self._others[number], since):
                break
            yield self._others[number]


def _count_before(tips: Sequence[_Tip], place: int) -> int:
    return bisect_left(tips, place, key=lambda tip: tip[1].place)


def _is_older(tip: _Tip, since: datetime) -> bool:
    return tip[1].at is not None and tip[1].at < since
