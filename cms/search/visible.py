"""What a reader may see of an index: the texts that take part in a search at all.

Nothing that an answer says may depend on other texts, not even how rare a word is, or the same words would be answered
differently while something is hidden. So an engine counts only what is visible, and keeps what it counted for as
long as the same is visible.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol
from weakref import WeakKeyDictionary


class Shelved(Protocol):
    """A part of an index, which never changes: the ids of its documents by number, and back."""

    @property
    def names(self) -> Sequence[str]: ...
    @property
    def numbers(self) -> Mapping[str, int]: ...


MANY = 1_000
Masks = WeakKeyDictionary[Shelved, bytes]


class Visible:
    """The ids that a reader may see. Immutable; compared by identity, so that what was counted for it is found again."""

    __slots__ = ("__weakref__", "_base", "_differing", "_masks", "ids")

    def __init__(self, ids: Collection[str]) -> None:
        """*ids* must not change afterwards."""
        self.ids = ids
        self._masks: Masks = WeakKeyDictionary()
        self._base: Masks = WeakKeyDictionary()
        self._differing: frozenset[str] = frozenset()

    def changed(self, ids: Collection[str], differing: frozenset[str]) -> "Visible":
        """Others, of which only *differing* are in one of the two and not in the other: costs as much as these are many."""
        new = Visible(ids)
        if self._masks:
            new._base, new._differing = self._masks, differing
        else:
            new._base, new._differing = self._base, self._differing | differing
        return new

    def __contains__(self, name: object) -> bool:
        return name in self.ids

    def mask(self, part: Shelved) -> bytes:
        """For each document of *part* 1 when it is visible, else 0."""
        known = self._masks.get(part)
        if known is None:
            base = self._base.get(part)
            if base is None:
                # A set is asked faster than what follows a catalog, and pays where it is asked often.
                ids = frozenset(self.ids) if len(part.names) > MANY else self.ids
                known = bytes(map(ids.__contains__, part.names))
            else:
                changed = bytearray(base)
                for name in self._differing:
                    number = part.numbers.get(name)
                    if number is not None:
                        changed[number] = name in self.ids
                known = bytes(changed)
            self._masks[part] = known
        return known
