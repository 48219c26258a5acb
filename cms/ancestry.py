"""How commits descend from one another: pure walks over the parents that a reader hands out.

Exact whatever the commits say of their dates, which only decide in which order they are looked at: it is Git's own way
(``paint_down_to_common``), in steps small enough to let other threads run. Commits of two lines are coloured from both
tips downwards, newest first; where the colours meet, there is a common ancestor, and what lies below needs no look.

Not here: reading commits (``store``), what a merge makes of two of them (``merge``).
"""

import re
from collections.abc import Callable
from heapq import heappop, heappush

from cms.errors import RepositoryProblem
from cms.refs import CommitId

#: Gives the parents of a commit and the seconds of its committer's date.
ReadParents = Callable[[CommitId], tuple[tuple[CommitId, ...], int]]

_ONE, _OTHER, _COMMON_BELOW = 1, 2, 4
_BOTH = _ONE | _OTHER
_HEAD = re.compile(
    rb"tree [0-9a-f]{40}\n((?:parent [0-9a-f]{40}\n)*)author [^\n]*\ncommitter [^\n]*?(-?[0-9]{0,19})(?: [^ \n]*)?\n"
)


class TooFar(Exception):
    """More commits lie between the two than the walk was allowed to look at."""


def parse_parents(id: CommitId, raw: bytes) -> tuple[tuple[CommitId, ...], int]:
    """Read from the raw bytes of the commit *id* its parents and the seconds of its committer's date (0 if broken).

    Raises:
        RepositoryProblem: the bytes are no commit.
    """
    head = _HEAD.match(raw)
    if head is None:
        raise RepositoryProblem(f"commit {id} is damaged", commit=id, hint="run `git fsck`")
    lines = head[1].decode("ascii").split("\n")[:-1]
    return tuple([CommitId(line[7:]) for line in lines]), int(head[2] or b"0")


def merge_bases(one: CommitId, other: CommitId, read: ReadParents, *, limit: int | None = None) -> list[CommitId]:
    """Find the best common ancestors of two commits: those that no other common ancestor descends from.

    Args:
        limit: how many commits may be looked at; None for any number.

    Returns:
        The newest first, equally old ones by id; usually one, none for unrelated histories, several after criss-cross merges.

    Raises:
        TooFar: *limit* was not enough.
        RepositoryProblem: a commit is missing or damaged.
    """
    walk = _Walk(read, limit)
    found = walk.paint(one, other)
    # Dates that lie can let a base and its own ancestor through; one that another descends from is no best one.
    best = [id for id in found if not any(id != base and walk.paint(id, base) == [id] for base in found)]
    return sorted(best, key=lambda id: (-read(id)[1], id))


def is_ancestor(old: CommitId, new: CommitId, read: ReadParents, *, limit: int | None = None) -> bool:
    """Say whether *new* is *old* or descends from it.

    Raises:
        TooFar: *limit* was not enough.
        RepositoryProblem: a commit is missing or damaged.
    """
    return old == new or _Walk(read, limit).paint(old, new) == [old]


class _Walk:
    """Walks over one history, with what they may still spend together."""

    def __init__(self, read: ReadParents, limit: int | None) -> None:
        self._read = read
        self._left = limit

    def paint(self, one: CommitId, other: CommitId) -> list[CommitId]:
        """Find the common ancestors, of which some may descend from another; only *one* itself if *other* descends from it."""
        if one == other:
            return [one]
        colours = {one: _ONE, other: _OTHER}
        found: dict[CommitId, None] = {}
        heap: list[tuple[int, CommitId]] = []
        unsettled: set[CommitId] = set()  # in the heap, and not known to lie below a common ancestor
        for id in (one, other):
            heappush(heap, (-self._read(id)[1], id))
            unsettled.add(id)
        while unsettled:
            _, id = heappop(heap)
            unsettled.discard(id)
            colour = colours[id]
            if colour == _BOTH:
                if id == one:
                    return [one]
                found[id] = None
                colour |= _COMMON_BELOW
            for parent in self._spend(id):
                before = colours.get(parent, 0)
                after = before | colour
                if after == before:
                    continue
                colours[parent] = after
                heappush(heap, (-self._read(parent)[1], parent))
                if after & _COMMON_BELOW:
                    unsettled.discard(parent)
                else:
                    unsettled.add(parent)
        return [id for id in found if not colours[id] & _COMMON_BELOW]

    def _spend(self, id: CommitId) -> tuple[CommitId, ...]:
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise TooFar
        return self._read(id)[0]
