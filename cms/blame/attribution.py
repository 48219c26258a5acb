"""Following each part of a file back to the version that it appeared in.

As ``git blame`` does with lines: what a version has in common with one before it came from there, and the rest is its own. A merge gives what
it took to the branch that brought it, and keeps what neither had. A version whose front matter cannot be read is looked through.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cms.blame.parts import Part, match, split
from cms.blame.versions import Version, Versions
from cms.overlay import Reader

#: Larger files are not cut into parts, and all that is read of one file together is no more than this.
BYTES_MOST = 512 * 1024
READ_MOST = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A part, and the version that it appeared in; with *is_older* it was there before, in versions that were not looked at."""

    part: Part
    version: Version
    is_older: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """Where the parts of a file come from.

    Attributes:
        versions: all of the file, the newest first.
        origins: in the order of the file; None when it is too large, or cannot be read.
    """

    versions: Versions
    origins: tuple[Origin, ...] | None


def blame(reader: Reader, versions: Versions) -> Blame:
    """Find the origin of each part of the newest of *versions*.

    Args:
        reader: has the bytes of all of them.

    Raises:
        RepositoryProblem: a file is missing or damaged.
    """
    reading = _Reading(reader)
    parts = reading.parts(versions.newest)
    if parts is None:
        return Blame(versions=versions, origins=None)
    origins: list[Origin | None] = [None] * len(parts)
    # By version: place of a part there to the places of the newest that it is the same as.
    sought: dict[Version, dict[int, list[int]]] = {versions.newest: {place: [place] for place in range(len(parts))}}
    for version in versions.all:
        here = sought.pop(version, None)
        if not here:
            continue
        known = reading.parts(version) or []
        is_older = version.is_cut
        for before in _readable(reading, version):
            earlier = reading.parts(before)
            if earlier is None:  # too much was read already
                is_older = True
                continue
            there = sought.setdefault(before, {})
            for place, other in match(known, earlier).items():
                if place in here:
                    there.setdefault(other, []).extend(here.pop(place))
        for place in (place for places in here.values() for place in places):
            origins[place] = Origin(part=parts[place], version=version, is_older=is_older)
        reading.forget(version)
    return Blame(versions=versions, origins=tuple(origin for origin in origins if origin is not None))


def _readable(reading: "_Reading", version: Version) -> Iterator[Version]:
    """The versions before one, and before those among them that cannot be read."""
    waiting, seen = list(reversed(version.earlier)), set[int]()
    while waiting:
        before = waiting.pop()
        if id(before) in seen:
            continue
        seen.add(id(before))
        if reading.parts(before) is not None or reading.is_over:
            yield before
        else:
            waiting.extend(reversed(before.earlier))


class _Reading:
    """The parts of versions, each read once, and not too much of them."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._parts: dict[Version, Sequence[Part] | None] = {}
        self._left = READ_MOST

    @property
    def is_over(self) -> bool:
        return self._left < 0

    def parts(self, version: Version) -> Sequence[Part] | None:
        """None when it is too large or cannot be read."""
        if version not in self._parts:
            size = self._reader.blob_size(version.blob)
            self._left -= size
            is_read = size <= BYTES_MOST and not self.is_over
            self._parts[version] = split(self._reader.read_blob(version.blob)) if is_read else None
        return self._parts[version]

    def forget(self, version: Version) -> None:
        """Let go of what is not needed again."""
        self._parts[version] = None
