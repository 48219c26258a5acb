"""A small memory: what was worked out last, by key, a bounded number of them."""

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Bounded(Generic[Key, Value]):
    """Keeps the results of pure functions; forgets the one that was not used for longest. Safe to use from many threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[Key, Value] = {}
        self._lock = Lock()

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value of *key*, made when it is not known. Two threads may make it at once, and both get the same."""
        with self._lock:
            if key in self._known:
                value = self._known[key] = self._known.pop(key)
                return value
        value = make()
        with self._lock:
            value = self._known.setdefault(key, value)
            while len(self._known) > self._most:
                del self._known[next(iter(self._known))]
        return value

    def peek(self, key: Key) -> Value | None:
        """The value of *key* if it is known."""
        with self._lock:
            return self._known.get(key)

    def __len__(self) -> int:
        return len(self._known)
