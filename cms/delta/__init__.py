"""What changed between two catalogs, and where in a site's life a catalog stands.

A delta is a function of two catalogs and of nothing else: what neither of them shows is not in it, and no trace of it either. So it can be
told to whoever may see both.
"""

from cms.delta.changes import Change, Wanted, find_changes
from cms.delta.cursor import Cursor, parse_cursor
from cms.delta.deltas import Delta, Deltas
from cms.delta.position import Position, parse_position
from cms.delta.timeline import State, Timeline

__all__ = [
    "Change",
    "Cursor",
    "Delta",
    "Deltas",
    "Position",
    "State",
    "Timeline",
    "Wanted",
    "find_changes",
    "parse_cursor",
    "parse_position",
]
