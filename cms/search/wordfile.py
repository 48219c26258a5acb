"""The words of one segment in one file: sorted lists with names, of which each is read when it is asked for.

One file, because each must reach the disk before a commit counts, and is looked at before every search.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

NONE = b"\n"


def write_words(path: Path, lists: Mapping[str, Iterable[bytes]]) -> None:
    """Write the words of each list sorted, with a newline before and after each."""
    places: dict[str, tuple[int, int]] = {}
    pieces: list[bytes] = []
    at = 0
    for name, words in lists.items():
        piece = b"\n" + b"\n".join(sorted(words)) + b"\n"
        places[name] = at, len(piece)
        pieces.append(piece)
        at += len(piece)
    path.write_bytes(b"".join([json.dumps(places).encode(), b"\n", *pieces]))


class WordFile:
    """A file of words. Safe in several threads: losing a race only costs time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: Mapping[str, tuple[int, int]] | None = None
        self._start = 0
        self._lists: dict[str, bytes] = {}

    def names(self) -> Iterable[str]:
        """The lists that there are."""
        return self._find().keys()

    def read(self, name: str) -> bytes:
        """The words of a list; one newline for none."""
        words = self._lists.get(name)
        if words is None:
            place = self._find().get(name)
            words = NONE
            if place is not None:
                with self._path.open("rb") as file:
                    file.seek(self._start + place[0])
                    words = file.read(place[1])
            self._lists[name] = words
        return words

    def _find(self) -> Mapping[str, tuple[int, int]]:
        if self._places is None:
            with self._path.open("rb") as file:
                head = file.readline()
            self._start = len(head)
            self._places = {name: (start, length) for name, (start, length) in json.loads(head).items()}
        return self._places
