"""Positions: where in the life of a site a reader stands: at a commit, and at a moment while that was what was published.

Between two publications entries appear and expire by themselves, so a commit alone does not say what was visible. A position is a full commit
id, which stands for the state as it was when it became what is published; where something appeared or went since, a moment stands behind it:
``<commit>@2026-05-17T07:00:00Z``. It names the last moment at which something public changed, never one that only hidden entries name, so
it tells nothing that could not be seen. Pure.
"""

import math
import re
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from cms.entry import Entry
from cms.errors import InvalidQuery
from cms.refs import CommitId, is_commit_id
from cms.view import moment_text

SHOWN = 100
SYNTAX = "send what an earlier answer gave as meta.position, or a full commit id of 40 digits"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")


class Position(NamedTuple):
    """A commit, and a moment in seconds since 1970; None: when the commit became what is published."""

    commit: CommitId
    moment: float | None = None

    def __str__(self) -> str:
        """As it is sent."""
        return self.commit if self.moment is None else f"{self.commit}@{moment_text(self.moment)}"


def parse_position(text: str, parameter: str) -> Position:
    """The position that *text* spells.

    Raises:
        InvalidQuery: it is none.
    """
    commit, mark, written = text.partition("@")
    shown = repr(text[:SHOWN])
    if not is_commit_id(commit):
        raise InvalidQuery(f"{parameter}: {shown} is no position; {SYNTAX}", parameter=parameter)
    if not mark:
        return Position(CommitId(commit))
    try:
        if _MOMENT.fullmatch(written) is None:
            raise ValueError
        moment = datetime.fromisoformat(written)
        seconds = moment.timestamp()
    except (ValueError, OverflowError) as error:
        raise InvalidQuery(
            f"{parameter}: {shown} is no position: behind @ stands a time such as 2026-05-17T07:00:00Z; {SYNTAX}",
            parameter=parameter,
        ) from error
    return Position(CommitId(commit), seconds)


def last_change(timed: Iterable[Entry], after: float, until: float) -> float | None:
    """The last moment after *after* and up to *until* at which something appeared or went that the public saw; None: there was none."""
    return max((moment for entry in timed for moment in _moments(entry) if after < moment <= until), default=None)


def next_change(timed: Iterable[Entry], after: float) -> float:
    """The first such moment after *after*; infinity when there is none."""
    return min((moment for entry in timed for moment in _moments(entry) if moment > after), default=math.inf)


def _moments(entry: Entry) -> tuple[float, ...]:
    """When the entry appears and goes; no moments of one that is never seen."""
    parsed = entry.parsed
    begins = -math.inf if parsed.publish_at is None else parsed.publish_at
    ends = math.inf if parsed.expire_at is None else parsed.expire_at
    return () if parsed.hidden or begins >= ends else (begins, ends)
