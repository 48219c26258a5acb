"""Cursors of a delta: how much of it was told, and up to which position it goes, so that every page of it is of the same delta. Pure."""

from typing import NamedTuple

from cms.delta.position import Position, parse_position
from cms.errors import InvalidQuery

_DIGITS = 9


class Cursor(NamedTuple):
    """Where the next page begins: after so many changes of the delta up to *until*."""

    told: int
    until: Position

    def __str__(self) -> str:
        """As it is sent; nobody outside is meant to read it."""
        return f"{self.told}.{self.until}"


def parse_cursor(text: str) -> Cursor:
    """The cursor that *text* spells.

    Raises:
        InvalidQuery: it is none.
    """
    told, _, until = text.partition(".")
    try:
        if not (told.isascii() and told.isdigit() and len(told) <= _DIGITS):
            raise InvalidQuery("")
        return Cursor(int(told), parse_position(until, "cursor"))
    except InvalidQuery as error:
        raise InvalidQuery(
            "cursor: this is none; follow links.next, or send what the page before gave as meta.cursor",
            parameter="cursor",
        ) from error
