"""The annals: what every commit of a repository touched, in columns, and in which order Git tells of commits.

A commit has a number from when it was first mentioned and a row from when it was entered; what it touched is a range of the columns of
touches. 50,000 commits with 200,000 touches take about 50 MB. Pure: nothing is read here.

Not here: reading and keeping them (``chronicle``), what the commits mean for a file (``history``).
"""

import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from cms.commits import Stamp, Step, Touch
from cms.refs import BlobId, CommitId

_FORMAT_VERSION = 1
_ID_BYTES = 20
_NONE = 0xFFFFFFFF
_NO_BLOB = bytes(_ID_BYTES)
_Own = dict[str, tuple[BlobId | None, ...]]


class Annals:
    """The columns. Only added to, by one thread at a time; read meanwhile by others.

    Attributes:
        main: the commit of the published branch that everything was read for last.
    """

    def __init__(self, main: CommitId) -> None:
        self.main = main
        self._ids: list[CommitId] = []
        self._numbers: dict[CommitId, int] = {}
        self._rows = array("q")  # by number; the other columns are by row
        self._parents_from = array("I", [0])
        self._parents = array("I")
        self._authored = array("q")
        self._committed = array("q")
        self._author = array("I")
        self._people: dict[tuple[str, str], int] = {}
        self._names: list[tuple[str, str]] = []
        self._touches_from = array("I", [0])
        self._paths: list[str] = []
        self._path_numbers: dict[str, int] = {}
        self._path = array("I")
        self._source = array("I")
        self._old = bytearray()
        self._new = bytearray()
        self._own: dict[int, _Own] = {}
        self._order: _Order | None = None

    def __contains__(self, commit: CommitId) -> bool:
        number = self._numbers.get(commit)
        return number is not None and self._rows[number] >= 0

    def __len__(self) -> int:
        return len(self._author)

    def enter(self, steps: Iterable[Step]) -> int:
        """Add *steps*, with which, and with what is there, every commit has its parents. Returns how many were new."""
        before = len(self)
        for step in steps:
            if step.stamp.commit not in self:
                self._enter(step)
        return len(self) - before

    def _enter(self, step: Step) -> None:
        stamp = step.stamp
        number = self._number(stamp.commit)
        for touch in step.touches:
            self._path.append(self._path_number(touch.path))
            self._source.append(_NONE if touch.source is None else self._path_number(touch.source))
            self._old += _NO_BLOB if touch.old is None else bytes.fromhex(touch.old)
            self._new += _NO_BLOB if touch.new is None else bytes.fromhex(touch.new)
        self._touches_from.append(len(self._path))
        self._parents.extend(map(self._number, step.parents))
        self._parents_from.append(len(self._parents))
        self._authored.append(stamp.authored)
        self._committed.append(stamp.committed)
        person = (stamp.name, stamp.email)
        if person not in self._people:
            self._people[person] = len(self._names)
            self._names.append(person)
        if step.own:
            self._own[number] = step.own
        self._author.append(self._people[person])
        self._rows[number] = len(self._author) - 1  # last, and with it the commit is there

    def _number(self, commit: CommitId) -> int:
        number = self._numbers.get(commit)
        if number is None:
            number = len(self._ids)
            self._ids.append(commit)
            self._rows.append(-1)
            self._numbers[commit] = number
        return number

    def _path_number(self, path: str) -> int:
        number = self._path_numbers.get(path)
        if number is None:
            number = self._path_numbers[path] = len(self._paths)
            self._paths.append(sys.intern(path))  # as the files of a snapshot are
        return number

    def order(self, *commits: CommitId) -> "array[int]":
        """The numbers of all commits that lead to *commits*, in the order of ``git log --topo-order``: of the branches of a merge, the
        last first, each down to where it forked; so also of several *commits*."""
        starts = [self._numbers[commit] for commit in commits]
        known = self._main_order()
        if known is not None and len(starts) == 1 and starts[0] in known.ends:
            return known.numbers[len(known.numbers) - known.ends[starts[0]] :]
        return self._sort(starts)

    def _sort(self, starts: Sequence[int]) -> "array[int]":
        children = array("I", bytes(4 * len(self._ids)))
        seen = bytearray(len(self._ids))
        waiting = list(starts)
        for start in starts:
            seen[start] = 1
        while waiting:
            for parent in self._parents_of(waiting.pop()):
                children[parent] += 1
                if not seen[parent]:
                    seen[parent] = 1
                    waiting.append(parent)
        found = array("I")
        waiting = [start for start in dict.fromkeys(starts) if not children[start]]
        while waiting:
            number = waiting.pop()
            found.append(number)
            for parent in self._parents_of(number):
                children[parent] -= 1
                if not children[parent]:
                    waiting.append(parent)
        return found

    def _main_order(self) -> "_Order | None":
        """That of the published branch, with the commits of its line of first parents that everything older leads to."""
        known = self._order
        if (known is None or known.commit != self.main) and self.main in self:
            start = self._numbers[self.main]
            numbers, line = self._sort([start]), set(self._line(start))
            ends: dict[int, int] = {}
            tops, below = 0, bytearray(len(self._ids))
            for count, number in enumerate(reversed(numbers), 1):
                tops += 1
                for parent in self._parents_of(number):
                    if not below[parent]:
                        below[parent] = 1
                        tops -= 1
                if tops == 1 and number in line:
                    ends[number] = count
            known = self._order = _Order(self.main, numbers, ends)
        return known

    def parting(self, one: CommitId, other: CommitId, order: "array[int]") -> set[str] | None:
        """The paths that were touched since two commits parted: every other file went the same way to both.

        They part at a commit that both come from along first parents, and that everything older leads to.

        Args:
            order: that of *other*.

        Returns:
            None when there is no such commit, or when *one* is not where the published branch is.
        """
        known = self._main_order()
        if known is None or known.commit != one:
            return None
        common = _common_end(known.numbers, order)
        length = next((known.ends[number] for number in self._line(self._numbers[other]) if number in known.ends), 0)
        if not 0 < length <= common:
            return None
        paths: set[int] = set()
        for numbers in (known.numbers, order):
            for number in numbers[: len(numbers) - length]:
                places = self._touches_of(number)
                paths.update(self._path[places.start : places.stop])
                paths.update(self._source[places.start : places.stop])
        paths.discard(_NONE)
        return {self._paths[path] for path in paths}

    def _line(self, number: int) -> Iterator[int]:
        """A commit and its first parents."""
        while True:
            yield number
            parents = self._parents_of(number)
            if not parents:
                return
            number = parents[0]

    def names(self, order: Iterable[int], paths: Iterable[str]) -> set[str]:
        """*paths*, and all that these files were ever called in the commits of *order*."""
        names = {self._path_numbers[path] for path in paths if path in self._path_numbers}
        moves = [
            (self._path[place], self._source[place])
            for number in order
            for place in self._touches_of(number)
            if self._source[place] != _NONE
        ]
        count = 0
        while count < len(names):  # a branch may have been moved on before what it was made from was moved
            count = len(names)
            names.update(source for path, source in moves if path in names)
        return {self._paths[name] for name in names}

    def steps_about(self, order: Iterable[int], paths: Iterable[str], tips: Iterable[CommitId]) -> Iterator[Step]:
        """The commits of *order*, with those touches only that concern the files at *paths* in *tips*, under any name they had."""
        wanted = {self._path_numbers[path] for path in paths if path in self._path_numbers}
        reached = bytearray(len(self._ids))  # where some of the files may be
        for tip in tips:
            reached[self._numbers[tip]] = 1
        for number in order:
            touches = []
            for touch in self._touches_of(number):
                if self._path[touch] in wanted:
                    touches.append(self._touch(touch))
                    wanted.add(self._source[touch])
            if touches or reached[number]:
                parents = self._parents_of(number)
                for parent in parents if touches else parents[:1]:
                    reached[parent] = 1
                yield self._step(number, touches)

    def line_about(self, commit: CommitId, paths: Iterable[str]) -> Iterator[Step]:
        """*commit* and its first parents as if there were no others, with those touches only that concern the files at *paths*."""
        line = list(self._line(self._numbers[commit]))
        names = self.names(line, paths)
        for step in self.steps_about(line, names, [commit]):
            yield msgspec.structs.replace(step, parents=step.parents[:1], own={})

    def moving_steps(self, order: Iterable[int]) -> Iterator[Step]:
        """The commits of *order*, with those touches only that made, moved or deleted files."""
        for number in order:
            touches = map(self._touch, self._touches_of(number))
            yield self._step(number, [each for each in touches if each.source or each.old is None or each.new is None])

    def _parents_of(self, number: int) -> "array[int]":
        row = self._rows[number]
        return self._parents[self._parents_from[row] : self._parents_from[row + 1]]

    def _touches_of(self, number: int) -> range:
        row = self._rows[number]
        return range(self._touches_from[row], self._touches_from[row + 1])

    def step_of(self, commit: CommitId) -> Step:
        """What ``read_steps`` said of a commit."""
        return self.step(self._numbers[commit])

    def step(self, number: int) -> Step:
        """The same, by its number."""
        return self._step(number, list(map(self._touch, self._touches_of(number))))

    def _step(self, number: int, touches: list[Touch]) -> Step:
        row = self._rows[number]
        return Step(
            Stamp(self._ids[number], self._authored[row], self._committed[row], *self._names[self._author[row]]),
            tuple(self._ids[parent] for parent in self._parents_of(number)),
            touches,
            self._own.get(number, {}),
        )

    def _touch(self, place: int) -> Touch:
        source = self._source[place]
        return Touch(
            self._paths[self._path[place]],
            None if source == _NONE else self._paths[source],
            _blob(self._old, place),
            _blob(self._new, place),
        )

    def to_bytes(self) -> bytes:
        """Encode for a cache."""
        return msgspec.msgpack.encode(
            _Encoded(
                version=_FORMAT_VERSION,
                main=self.main,
                ids=bytes.fromhex("".join(self._ids)),
                columns=[column.tobytes() for column in self._columns()],
                people=self._names,
                paths=self._paths,
                old=bytes(self._old),
                new=bytes(self._new),
                own=self._own,
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "Annals | None":
        """Decode what ``to_bytes`` made; None when it is damaged or of another version."""
        try:
            encoded = msgspec.msgpack.decode(data, type=_Encoded)
        except msgspec.DecodeError:
            return None
        if encoded.version != _FORMAT_VERSION:
            return None
        annals = cls(encoded.main)
        text = encoded.ids.hex()
        width = 2 * _ID_BYTES
        annals._ids = [CommitId(text[start : start + width]) for start in range(0, len(text), width)]
        annals._numbers = {id: number for number, id in enumerate(annals._ids)}
        for column, values in zip(annals._columns(), encoded.columns, strict=True):
            del column[:]
            column.frombytes(values)
        annals._names = encoded.people
        annals._people = {person: number for number, person in enumerate(annals._names)}
        annals._paths = [sys.intern(path) for path in encoded.paths]
        annals._path_numbers = {path: number for number, path in enumerate(annals._paths)}
        annals._old, annals._new, annals._own = bytearray(encoded.old), bytearray(encoded.new), encoded.own
        return annals

    def _columns(self) -> "tuple[array[int], ...]":
        return (
            *(self._rows, self._parents_from, self._parents, self._authored, self._committed, self._author),
            *(self._touches_from, self._path, self._source),
        )


class _Order(NamedTuple):
    """The order of all commits that lead to one; of those in *ends*, the order is the end of it of that length."""

    commit: CommitId
    numbers: "array[int]"
    ends: dict[int, int]


class _Encoded(msgspec.Struct, array_like=True):
    version: int
    main: CommitId
    ids: bytes
    columns: list[bytes]
    people: list[tuple[str, str]]
    paths: list[str]
    old: bytes
    new: bytes
    own: dict[int, _Own]


def _blob(column: bytearray, place: int) -> BlobId | None:
    raw = column[place * _ID_BYTES : (place + 1) * _ID_BYTES]
    return None if raw == _NO_BLOB else BlobId(raw.hex())


def _common_end(one: "array[int]", other: "array[int]") -> int:
    """How many of the last numbers of both are the same."""
    least, most = 0, min(len(one), len(other))
    while least < most:
        middle = (least + most + 1) // 2
        if one[-middle:] == other[-middle:]:
            least = middle
        else:
            most = middle - 1
    return least
