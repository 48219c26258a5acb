"""Buckets: ranges that the values of a field are put into before they are counted: years, months and days, or ranges of numbers.

``published_at.month`` counts dates by month, ``price.100`` counts numbers by hundreds, ``price.0..50..500`` by the ranges between these edges and
what lies below and above them. Pure.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from math import floor
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from cms.errors import InvalidQuery
from cms.settings import find_nearest, nearest

#: How much of a day as text names the range that it lies in.
DATE_BUCKETS: Mapping[str, int] = {"year": 4, "month": 7, "day": 10}
EDGES_MOST = 50
_NUMBER = r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?"
_NUMBERS = re.compile(rf"(.+?)\.({_NUMBER}(?:\.\.{_NUMBER})*)", re.DOTALL)
_LARGEST = 2**63
#: Up to such a quotient, and so far from a whole one, floating point cannot be wrong about the range.
_SURE, _DOUBTFUL = 1e6, 1e-9

Number = int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """One bucket.

    Attributes:
        value: what names it: ``2019-06``, ``100..200``, ``..0`` (below 0), ``500..`` (500 and above).
        label: the same for people, where that differs.
        low, high: the first number that lies in it, and the first one behind it; None where it has no end.
    """

    value: str
    label: str | None = None
    low: Number | None = None
    high: Number | None = None


class Bucket(Protocol):
    """A way to put values into ranges."""

    def place(self, zone: ZoneInfo) -> Callable[[Any], Hashable]:
        """Says of each value which range it lies in; the same key for the same range."""

    def range(self, key: Any) -> Range:
        """The range of that key."""

    def rank(self, key: Any) -> Any:
        """Where the range stands among the others."""


@dataclass(frozen=True, slots=True)
class Dates:
    """Years, months or days in the site's time zone, the newest first; *cut* as in :data:`DATE_BUCKETS`."""

    cut: int

    def place(self, zone: ZoneInfo) -> Callable[[Any], Hashable]:
        """See :class:`Bucket`. Days are texts, moments are seconds since 1970."""
        cut = self.cut
        return lambda value: (value if isinstance(value, str) else datetime.fromtimestamp(value, zone).isoformat())[
            :cut
        ]

    def range(self, key: str) -> Range:
        """See :class:`Bucket`."""
        return Range(value=key)

    def rank(self, key: str) -> Sequence[int]:
        """See :class:`Bucket`."""
        return tuple(-ord(character) for character in key)


@dataclass(frozen=True, slots=True)
class Widths:
    """Ranges of numbers that are all as wide, one of them beginning at 0; the lowest first."""

    width: Fraction

    def place(self, zone: ZoneInfo) -> Callable[[Any], Hashable]:
        """See :class:`Bucket`. Computed exactly: 0.3 lies in the range that begins at 0.3."""
        del zone
        width, near = self.width, float(self.width)

        def place(value: Number) -> int:
            if isinstance(value, float):
                quotient = value / near
                if abs(quotient) < _SURE and _DOUBTFUL < quotient % 1 < 1 - _DOUBTFUL:
                    return floor(quotient)
            return floor(_exactly(value) / width)

        return place

    def range(self, key: int) -> Range:
        """See :class:`Bucket`."""
        return _range(key * self.width, (key + 1) * self.width)

    def rank(self, key: int) -> int:
        """See :class:`Bucket`."""
        return key


@dataclass(frozen=True, slots=True)
class Edges:
    """The ranges of numbers between *edges*, which ascend, and what lies below the first and from the last on; the lowest first."""

    edges: tuple[Fraction, ...]

    def place(self, zone: ZoneInfo) -> Callable[[Any], Hashable]:
        """See :class:`Bucket`."""
        del zone
        edges, near = self.edges, [float(edge) for edge in self.edges]

        def place(value: Number) -> int:
            found = bisect_right(near, value)
            return bisect_right(edges, _exactly(value)) if found and near[found - 1] == value else found

        return place

    def range(self, key: int) -> Range:
        """See :class:`Bucket`."""
        edges = self.edges
        return _range(edges[key - 1] if key else None, edges[key] if key < len(edges) else None)

    def rank(self, key: int) -> int:
        """See :class:`Bucket`."""
        return key


def _exactly(value: Number) -> Fraction:
    """*value* as it is written."""
    return Fraction(value) if isinstance(value, int) else Fraction(repr(value))


def _range(low: Fraction | None, high: Fraction | None) -> Range:
    first, last = _number(low), _number(high)
    start, end = ("" if number is None else str(number) for number in (first, last))
    label = f"< {end}" if first is None else f"≥ {start}" if last is None else f"{start}–{end}"
    return Range(value=f"{start}..{end}", label=label, low=first, high=last)


def _number(exact: Fraction | None) -> Number | None:
    """*exact* as JSON has it; None: there is none, or it is too large to be written."""
    if exact is None:
        return None
    if exact.denominator == 1 and abs(exact) < _LARGEST:
        return int(exact)
    try:
        return float(exact)
    except OverflowError:
        return None


def read_bucket(text: str, kind_of: Callable[[str], str], parameter: str) -> tuple[str, Bucket] | None:
    """(the field, the ranges) that *text* names; ``None`` when it names a field and no ranges.

    Args:
        kind_of: the type of the values of a field, ``""`` when there is no such field.

    Raises:
        InvalidQuery: ranges that the field does not have, or that are none.
    """
    matched = _NUMBERS.fullmatch(text)
    if matched is not None:
        name, written = matched[1], matched[2]
        kind = kind_of(name)
        if kind in ("integer", "number"):
            return name, _numbers(text, written, parameter)
        if kind not in ("", "object", "any"):
            raise InvalidQuery(f"{text!r}: ranges need numbers, and {name!r} is of type {kind}", parameter=parameter)
    name, _, last = text.rpartition(".")
    kind = kind_of(name) if name else ""
    if kind in ("date", "date-time"):
        if last not in DATE_BUCKETS:
            raise InvalidQuery(
                f"{text!r}: dates are counted by {', '.join(DATE_BUCKETS)}{nearest(last, DATE_BUCKETS)}",
                parameter=parameter,
                nearest=find_nearest(last, DATE_BUCKETS),
            )
        return name, Dates(DATE_BUCKETS[last])
    if kind in ("integer", "number"):
        raise InvalidQuery(
            f"{text!r}: numbers are counted by ranges of one width, such as {name}.10, or between edges, such as {name}.0..10..100",
            parameter=parameter,
        )
    return None


def _numbers(text: str, written: str, parameter: str) -> Bucket:
    numbers = tuple(Fraction(part) for part in written.split(".."))
    if len(numbers) == 1:
        if numbers[0] <= 0:
            raise InvalidQuery(f"{text!r}: ranges must be wider than nothing", parameter=parameter)
        return Widths(numbers[0])
    if len(numbers) > EDGES_MOST:
        raise InvalidQuery(f"{text[:80]!r}: at most {EDGES_MOST} edges", parameter=parameter)
    if any(low >= high for low, high in pairwise(numbers)):
        raise InvalidQuery(f"{text!r}: the edges of ranges must ascend", parameter=parameter)
    return Edges(numbers)
