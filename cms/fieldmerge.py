"""Merging the fields of front matter by key: what each of two sides made of the same values. Pure.

Objects are merged key by key, however deep. A list takes what both sides added to it and removed from it; text of several lines
takes the lines of both. Everything else that both changed differently is a clash. Values compare as they are written where that
says more than the value: ``3.10`` is not ``3.1``; quotes alone say nothing.

Not here: the bytes of a file (``filemerge``).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from cms.edit import REMOVED, Spelled
from cms.linemerge import merge_lines

Path = tuple[str | int, ...]
_LONG_LIST = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldClash:
    """A value that both sides changed differently; ``REMOVED`` stands for none."""

    path: Path
    base: Any
    ours: Any
    theirs: Any


@dataclass(frozen=True, slots=True)
class FieldMerge:
    """The merged values, as :func:`cms.edit.spelled` gives them, and where that was not possible (there they are ours)."""

    values: dict[str, Any]
    clashes: list[FieldClash]


def merge_fields(base: Mapping[str, Any], ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> FieldMerge:
    """Merge what two sides made of *base*; all values as :func:`cms.edit.spelled` gives them."""
    clashes: list[FieldClash] = []
    return FieldMerge(_merge_objects(base, ours, theirs, (), clashes), clashes)


def compare_fields(ours: Mapping[str, Any], theirs: Mapping[str, Any], path: Path = ()) -> Iterator[FieldClash]:
    """Find where two sides differ that have nothing in common to tell who changed what."""
    for name in [*ours, *(name for name in theirs if name not in ours)]:
        one, other = ours.get(name, REMOVED), theirs.get(name, REMOVED)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from compare_fields(one, other, (*path, name))
        elif not is_same(one, other):
            yield FieldClash(path=(*path, name), base=REMOVED, ours=one, theirs=other)


def is_same(one: Any, other: Any) -> bool:
    """Say whether two values are the same and written the same but for quotes; ``1`` is neither ``true`` nor ``1.0``."""
    return bool(_label(one) == _label(other))


def _label(value: Any) -> Any:
    """Return what is equal for values that are the same, and can be a key."""
    if isinstance(value, dict):
        return "object", frozenset((name, _label(item)) for name, item in value.items())
    if isinstance(value, list):
        return "list", *map(_label, value)
    if isinstance(value, Spelled):
        return "plain", value.text
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "plain", str(value)
    return type(value).__name__, None if value is REMOVED else value


def _merge(base: Any, ours: Any, theirs: Any, path: Path, clashes: list[FieldClash]) -> Any:
    if is_same(ours, theirs) or is_same(base, theirs):
        return ours
    if is_same(base, ours):
        return theirs
    merged: Any = REMOVED
    if isinstance(ours, dict) and isinstance(theirs, dict) and (base is REMOVED or isinstance(base, dict)):
        before: Any = {} if base is REMOVED else base
        return _merge_objects(before, ours, theirs, path, clashes)
    if isinstance(ours, list) and isinstance(theirs, list) and isinstance(base, list):
        merged = _merge_lists(base, ours, theirs, path, clashes)
    elif all(isinstance(text, str) and "\n" in text for text in (base, ours, theirs)):
        merged = _merge_texts(base, ours, theirs)
    if merged is REMOVED:
        clashes.append(FieldClash(path=path, base=base, ours=ours, theirs=theirs))
        return ours
    return merged


def _merge_objects(
    base: Mapping[str, Any], ours: Mapping[str, Any], theirs: Mapping[str, Any], path: Path, clashes: list[FieldClash]
) -> dict[str, Any]:
    merged = {}
    for name in [*ours, *(name for name in theirs if name not in ours)]:
        before, one, other = (side.get(name, REMOVED) for side in (base, ours, theirs))
        value = _merge(before, one, other, (*path, name), clashes)
        if value is not REMOVED:
            merged[name] = value
    return merged


def _merge_texts(base: str, ours: str, theirs: str) -> Any:
    merged = merge_lines(base.encode(), ours.encode(), theirs.encode())
    return merged.decode() if isinstance(merged, bytes) else REMOVED


class _Run(NamedTuple):
    """What one side made of the items from *low* up to *high* of a list; nothing but new items when the two are the same."""

    low: int
    high: int
    items: list[Any]


def _merge_lists(base: list[Any], ours: list[Any], theirs: list[Any], path: Path, clashes: list[FieldClash]) -> Any:
    """Merge lists whose items are all different; REMOVED when it takes a person.

    Order is kept as far as both kept it. What both added at the same place stands one behind the other, ours first.
    """
    sides = [[_label(item) for item in side] for side in (base, ours, theirs)]
    if any(len(set(side)) != len(side) or len(side) > _LONG_LIST for side in sides):
        return REMOVED
    our_runs, their_runs = _runs(sides[0], sides[1], ours), _runs(sides[0], sides[2], theirs)
    if our_runs is None or their_runs is None:
        return REMOVED
    gone: dict[int, _Run] = {}
    for place, run in _removals(our_runs):
        gone[place] = run
    for place, run in _removals(their_runs):
        other = gone.setdefault(place, run)
        if (other.items or run.items) and (other[:2] != run[:2] or not (other.items and run.items)):
            return REMOVED
    merged: list[Any] = []
    nested: list[FieldClash] = []
    for place in range(len(base) + 1):
        ours_here, theirs_here = our_runs.get(place), their_runs.get(place)
        if ours_here and theirs_here and ours_here.high > place and theirs_here.high > place and ours_here.items:
            settled = _settle(base, ours_here, theirs_here, path, nested)
            if settled is REMOVED:
                return REMOVED
            merged += settled
        else:
            merged += [*(ours_here.items if ours_here else ()), *(theirs_here.items if theirs_here else ())]
        if place < len(base) and place not in gone:
            merged.append(base[place])
    clashes += nested
    return list({_label(item): item for item in merged}.values())


def _runs(before: Sequence[Any], after: Sequence[Any], items: list[Any]) -> dict[int, _Run] | None:
    """Find what one side did to a list, by place; None when it moved an item, since then nothing else can be told."""
    runs = []
    for kind, low, high, first, last in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "replace" and high - low == last - first:
            runs += [_Run(low + step, low + step + 1, [items[first + step]]) for step in range(high - low)]
        elif kind != "equal":
            runs.append(_Run(low, high, items[first:last]))
    removed = {before[place] for run in runs for place in range(run.low, run.high)}
    if removed.intersection(after):
        return None
    return {run.low: run for run in runs}


def _removals(runs: Mapping[int, _Run]) -> Iterator[tuple[int, _Run]]:
    for run in runs.values():
        for place in range(run.low, run.high):
            yield place, run


def _settle(base: list[Any], ours: _Run, theirs: _Run, path: Path, clashes: list[FieldClash]) -> Any:
    """Merge what both sides put in the place of the same items: the same, or objects that are merged by key."""
    if is_same(ours.items, theirs.items):
        return ours.items
    if ours.high - ours.low == len(ours.items) == len(theirs.items) == 1:
        items = base[ours.low], ours.items[0], theirs.items[0]
        if all(isinstance(item, dict) for item in items):
            return [_merge_objects(*items, (*path, ours.low), clashes)]
    return REMOVED
