"""An event, and the mark that says up to which one somebody knows them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cms.delta import Position, parse_position
from cms.errors import InvalidQuery
from cms.refs import CommitId

PUBLICATION, DRAFT, VERDICT = "publication", "draft", "verdict"
#: For who should begin anew: nobody can tell them what they missed.
RESET = "reset"
#: Stands for the end of a log that is empty.
NO_ENTRY = CommitId("0" * 40)
_ACT = re.compile(r"([0-9a-f]{40})(?:\.([0-9]{1,4}))?")


class Mark(NamedTuple):
    """Up to where somebody knows the events.

    Of publications that is a position. Of acts it is an entry of the push log, None for who sees no drafts; and how many of its events where
    that is not all of them.
    """

    position: Position
    entry: CommitId | None = None
    part: int | None = None

    def __str__(self) -> str:
        """As it is sent as the id of an event."""
        act = "" if self.entry is None else f"~{self.entry}"
        return f"{self.position}{act}" + ("" if self.part is None else f".{self.part}")


def parse_mark(text: str) -> Mark:
    """The mark that *text* spells.

    Raises:
        InvalidQuery: it is none.
    """
    written, tilde, act = text.partition("~")
    position = parse_position(written, "last_event_id")
    if not tilde:
        return Mark(position)
    found = _ACT.fullmatch(act)
    if found is None:
        raise InvalidQuery(
            "last_event_id: this is the id of no event; send it as it came, or leave it out", parameter="last_event_id"
        )
    return Mark(position, CommitId(found[1]), int(found[2]) if found[2] else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened.

    Attributes:
        kind: ``publication``, ``draft``, ``verdict`` or ``reset``.
        at: seconds since 1970.
        mark: of a publication only the position counts, of an act only the rest.
        draft, head: the draft that an act is about, and the commit that it was at: who may read that may know of the act.
    """

    kind: str
    at: float
    mark: Mark
    data: Mapping[str, Any] = field(hash=False)
    draft: str = ""
    head: CommitId | None = None
