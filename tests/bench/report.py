"""Rows of the report, and the Markdown table they become."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measurement.

    Attributes:
        what: the question, the same for every size.
        site: the size in entries, or the name of a real repository.
        ours, other: what was measured, and what it is compared with, in words.
        ratio: ours to the other; ``None`` where only a figure is of interest.
        aim: what the ratio should be.
    """

    what: str
    site: str
    ours: str
    other: str = ""
    ratio: float | None = None
    aim: str = ""


def table(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| what | site | Branchpress | compared with | ratio | aim |", "| --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        lines.append(f"| {row.what} | {row.site} | {row.ours} | {row.other} | {ratio} | {row.aim} |")
    return "\n".join(lines)


def median_ratio(ours: Sequence[float], other: Sequence[float]) -> float:
    """The median of the ratios of each round, so that a slow moment of the machine counts in both or not at all."""
    return median(one / two for one, two in zip(ours, other, strict=True))


def milliseconds(seconds: float) -> str:
    """Seconds in words, with three digits."""
    return f"{seconds * 1000:,.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def entries(size: int) -> str:
    """A size in words."""
    return f"{size:,} entries"
