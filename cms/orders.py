"""Orders: entries sorted by their fields, and kept sorted while entries come and go.

A key is made once for a specification and reads each entry through whoever looks: entries without a value stand last in both directions, and
the slug and the locale decide what is left, so that an order is the same however it came about.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from cms.entry import Entry
from cms.fieldpath import FieldPath, Lookup, collate, resolve_path
from cms.model import ContentModel
from cms.schema import Collection

SortSpec = tuple[tuple[str, bool], ...]
SortKey = Callable[[Lookup, Entry], Any]


class Descending:
    """Turns the order of one value around, inside a sort key."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: "Descending") -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Descending) and bool(self.value == other.value)

    def __hash__(self) -> int:
        return hash(self.value)


class Order:
    """Entries in one order, and the key that made it. Keys get the catalog handed in: holding it would keep every old one alive."""

    __slots__ = ("entries", "key", "paths")

    def __init__(self, entries: list[Entry], key: SortKey, paths: Sequence[FieldPath]) -> None:
        self.entries = entries
        self.key = key
        self.paths = paths

    def advance(self, old: Lookup, new: Lookup, removed: Iterable[Entry], added: Iterable[Entry]) -> "Order":
        """The same order over other entries, from that of the catalog *old* to that of *new*."""
        entries = self.entries.copy()
        for entry in removed:
            take_out(entries, entry, partial(self.key, old))
        for entry in added:
            put_in(entries, entry, partial(self.key, new))
        return Order(entries, self.key, self.paths)


def take_out(entries: list[Entry], entry: Entry, key: Callable[[Entry], Any]) -> None:
    """Remove *entry* from *entries*, which are sorted by *key*."""
    place = bisect_left(entries, key(entry), key=key)
    while place < len(entries) and entries[place] is not entry:
        place += 1
    del entries[place : place + 1]


def put_in(entries: list[Entry], entry: Entry, key: Callable[[Entry], Any]) -> None:
    """Add *entry* to *entries*, which are sorted by *key*."""
    entries.insert(bisect_left(entries, key(entry), key=key), entry)


def sort_key(model: ContentModel, collection: Collection, spec: SortSpec) -> tuple[SortKey, list[FieldPath]]:
    """The key of *spec*: missing values last, and the entry's own key as the last tie-breaker."""
    paths = [resolve_path(model, collection, name, parameter="sort") for name, _ in spec]
    parts = [(_sort_value(path), descending) for path, (_, descending) in zip(paths, spec, strict=True)]
    if len(parts) == 1 and not parts[0][1]:
        only = parts[0][0]
        return lambda lookup, entry: (*_ascending(only(entry, lookup)), entry.slug, entry.locale), paths

    def key(lookup: Lookup, entry: Entry) -> tuple[Any, ...]:
        values: list[Any] = []
        for read, descending in parts:
            value = read(entry, lookup)
            values += _descending(value) if descending else _ascending(value)
        return (*values, entry.slug, entry.locale)

    return key, paths


def _ascending(value: tuple[int, Any] | None) -> tuple[int, Any]:
    return (9, 0) if value is None else value


def _descending(value: tuple[int, Any] | None) -> tuple[int, Any]:
    if value is None:
        return (9, 0)
    return (value[0], -value[1] if value[0] == 0 else Descending(value[1]))


def _sort_value(path: FieldPath) -> Callable[[Entry, Lookup], tuple[int, Any] | None]:
    """(rank of the type, comparable value) of the first value at *path*."""

    def read(entry: Entry, lookup: Lookup) -> tuple[int, Any] | None:
        values = path.read(entry, lookup)
        return comparable(values[0]) if values else None

    return read


def comparable(value: Any) -> tuple[int, Any]:
    """(rank of the type, *value* as it sorts): numbers before texts, texts whatever their case."""
    if isinstance(value, int | float):
        return (0, value)
    return (1, collate(value)) if isinstance(value, str) else (2, repr(value))
