"""Layers: a mapping that can become another one without being copied whole.

A snapshot of 100,000 files and the next one differ in a handful: the next is a few changes over a base that both share. Every so often the
changes are folded into a base of their own, so that looking up stays two steps.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

Value = TypeVar("Value")
FOLD_AT = 2_000


class Layers(Mapping[str, Value]):
    """An immutable mapping from text. Iterates in the order of the base, then of the changes."""

    __slots__ = ("_base", "_over")

    def __init__(self, base: dict[str, Value], over: dict[str, Value | None] | None = None) -> None:
        """*base* and *over* are taken, not copied; ``None`` in *over* says that the key is not there."""
        self._base = base
        self._over: dict[str, Value | None] = {} if over is None else over

    def __getitem__(self, key: str) -> Value:
        over = self._over
        if over and key in over:
            value = over[key]
            if value is None:
                raise KeyError(key)
            return value
        return self._base[key]

    def __contains__(self, key: object) -> bool:
        if key in self._over:
            return self._over[key] is not None
        return key in self._base

    def __iter__(self) -> Iterator[str]:
        if not self._over:
            return iter(self._base)
        return iter(self.flat())

    def __len__(self) -> int:
        base = self._base
        return len(base) + sum((value is not None) - (key in base) for key, value in self._over.items())

    def gather(self, keys: Iterable[str]) -> list[Value] | None:
        """The values of all *keys*; ``None`` when one is not there."""
        base, over = self._base, self._over
        found: list[Value] = []
        for key in keys:
            value = over[key] if key in over else base.get(key)
            if value is None:
                return None
            found.append(value)
        return found

    def several(self, keys: Iterable[str]) -> list[Value]:
        """The values of *keys*, all of which must be there."""
        over = self._over
        if not over:
            return list(map(self._base.__getitem__, keys))
        base = self._base
        # What is changed is rare, and what is removed is not asked for.
        return [base[key] if key not in over else self[key] for key in keys]

    def weight(self) -> int:
        """How much is held, without counting: at least as many as there are keys."""
        return len(self._base) + len(self._over)

    def changed(self, changes: Mapping[str, Value | None]) -> "Layers[Value]":
        """A mapping with *changes*; ``None`` removes. What is put into this one afterwards is not in the other."""
        over = {**self._over, **changes}
        if len(over) <= FOLD_AT:
            return Layers(self._base, over)
        return Layers(Layers(self._base, over).flat())

    def differing(self, other: "Layers[Value]") -> set[str]:
        """The keys that have another value in *other*, or none; cheap when the two share a base."""
        if self._base is other._base:
            keys = self._over.keys() | other._over.keys()
        else:
            keys = self._base.keys() | self._over.keys() | other._base.keys() | other._over.keys()
        return {key for key in keys if self.get(key) != other.get(key)}

    def flat(self) -> dict[str, Value]:
        """A plain copy."""
        flat = self._base.copy()
        for key, value in self._over.items():
            if value is None:
                flat.pop(key, None)
            else:
                flat[key] = value
        return flat

    def put(self, key: str, value: Value) -> None:
        """Add what was not there: for caches, whose content does not change what they mean."""
        self._over[key] = value
