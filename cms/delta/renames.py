"""Which entries that went are entries that came under another address: by their file, by its bytes, by the lines they share. Pure."""

from collections.abc import Callable, Iterable

from cms.entry import Entry
from cms.moves import find_moves
from cms.refs import BlobId

#: So many pairs of files are compared line by line; of more than that only those with the same bytes are found.
PAIRS_MOST = 20_000

ReadBlob = Callable[[BlobId], bytes]


def find_renames(gone: Iterable[Entry], come: Iterable[Entry], read_blob: ReadBlob) -> list[tuple[Entry, Entry]]:
    """Pair entries that went with those that they became; nobody is in two pairs.

    Raises:
        RepositoryProblem: a file cannot be read.
    """
    removed = {entry.path: entry for entry in gone}
    added = {entry.path: entry for entry in come}
    pairs = [(removed.pop(path), added.pop(path)) for path in sorted(removed.keys() & added.keys())]
    if len(removed) * len(added) > PAIRS_MOST:
        common = {entry.blob for entry in removed.values()} & {entry.blob for entry in added.values()}
        removed = {path: entry for path, entry in removed.items() if entry.blob in common}
        added = {path: entry for path, entry in added.items() if entry.blob in common}
    before = {path: BlobId(entry.blob) for path, entry in removed.items()}
    after = {path: BlobId(entry.blob) for path, entry in added.items()}
    moves = find_moves(before, before, after, read_blob)
    return pairs + [(removed[old], added[new]) for old, new in moves.items()]
