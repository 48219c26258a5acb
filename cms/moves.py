"""Which files of a change are others that were moved: by the same bytes first, then by how many lines they share. Pure.

Not here: the moves of a whole history, which Git's program finds (``commits``).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from posixpath import basename

from cms.refs import BlobId

#: Half of the larger file must be in the other one, as in Git.
SIMILAR = 0.5
_MANY_FILES = 200
_MAX_BYTES = 1024 * 1024


def find_moves(
    wanted: Iterable[str],
    removed: Mapping[str, BlobId],
    added: Mapping[str, BlobId],
    read_blob: Callable[[BlobId], bytes],
) -> dict[str, str]:
    """Find where removed files went.

    Args:
        wanted: the paths of interest, all in *removed*.
        removed: path to the blob it had.
        added: path to the blob that is there now.

    Returns:
        Old path to new one. No two old ones have the same new one.
    """
    by_blob: dict[BlobId, list[str]] = {}
    for path, blob in added.items():
        by_blob.setdefault(blob, []).append(path)
    moves: dict[str, str] = {}
    taken: set[str] = set()
    for path in sorted(wanted):
        twins = [twin for twin in by_blob.get(removed[path], ()) if twin not in taken]
        if twins:
            moves[path] = min(twins, key=lambda twin: (basename(twin) != basename(path), twin))
            taken.add(moves[path])
    # A file that is elsewhere unchanged was not moved to where a similar one is.
    unchanged = {blob for path, blob in removed.items() if path not in moves}
    candidates = {path: blob for path, blob in added.items() if path not in taken and blob not in unchanged}
    rest = [path for path in sorted(wanted) if path not in moves]
    scores = _scores(rest, removed, candidates, read_blob) if rest and candidates else []
    for _, old, new in sorted(scores, key=lambda score: (-score[0], score[1], score[2])):
        if old not in moves and new not in taken:
            moves[old] = new
            taken.add(new)
    return moves


def _scores(
    paths: list[str],
    removed: Mapping[str, BlobId],
    candidates: Mapping[str, BlobId],
    read_blob: Callable[[BlobId], bytes],
) -> list[tuple[float, str, str]]:
    """Compare each of *paths* with the candidates; when those are many, only with files of the same name."""
    lines: dict[BlobId, Counter[bytes]] = {}

    def lines_of(blob: BlobId) -> Counter[bytes]:
        if blob not in lines:
            source = read_blob(blob)
            lines[blob] = Counter(source.splitlines()) if len(source) <= _MAX_BYTES else Counter()
        return lines[blob]

    found = []
    for old in paths:
        before = lines_of(removed[old])
        for new, blob in candidates.items():
            if len(candidates) * len(paths) > _MANY_FILES and basename(new) != basename(old):
                continue
            score = _similarity(before, lines_of(blob))
            if score >= SIMILAR:
                found.append((score, old, new))
    return found


def _similarity(one: Counter[bytes], other: Counter[bytes]) -> float:
    """The share of bytes in common lines, of the larger file."""
    sizes = [sum((len(line) + 1) * count for line, count in lines.items()) for lines in (one, other, one & other)]
    return sizes[2] / max(*sizes[:2], 1)
