"""What differs between two trees, entry by entry, whatever kind: files with their modes, links, submodules, odd names.

``objects.compare`` sees regular files with sane names only, which is what a site is made of. A merge must also see the rest, or it
would lose it without a word.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from cms.errors import RepositoryProblem
from cms.objects import MAX_DEPTH, MAX_ENTRIES, ReadTree, Row, parse_differing
from cms.refs import BlobId, TreeId

_TREE, _LINK, _SUBMODULE = b"40000", b"120000", b"160000"
_NO_TREE = TreeId("")


@dataclass(frozen=True, slots=True)
class Entry:
    """What a name in a tree stands for, other than a folder."""

    mode: bytes
    id: BlobId

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return self.mode.startswith(b"100")

    @property
    def kind(self) -> str:
        """What people call it."""
        return {_LINK: "a symbolic link", _SUBMODULE: "a submodule"}.get(self.mode, "a file")


@dataclass(frozen=True, slots=True)
class EntryChange:
    """What stood at a path, and what stands there now; None for nothing, or a folder."""

    old: Entry | None
    new: Entry | None


def diff_entries(old: TreeId | None, new: TreeId | None, read_tree: ReadTree) -> dict[str, EntryChange]:
    """Find all entries but folders that differ between two trees, of which one may not exist, by path.

    Names that are not UTF-8 keep their bytes as lone surrogates.

    Raises:
        RepositoryProblem: a tree is missing or damaged, or there is too much to look at.
    """
    found = {}
    budget = MAX_ENTRIES
    for path, change in _walk(old, new, "", 1, read_tree):
        budget -= 1
        if budget < 0:
            raise RepositoryProblem(f"more than {MAX_ENTRIES:,} files differ", tree=new, hint="look at the branch")
        found[path] = change
    return found


def _walk(
    old: TreeId | None, new: TreeId | None, folder: str, depth: int, read_tree: ReadTree
) -> Iterator[tuple[str, EntryChange]]:
    if old == new:
        return
    raws = [read_tree(tree) if tree else b"" for tree in (old, new)]
    old_rows, new_rows = parse_differing((old or _NO_TREE, raws[0]), (new or _NO_TREE, raws[1]))
    before = {row[1]: row for row in old_rows}
    after = {row[1]: row for row in new_rows}
    for name in before.keys() | after.keys():
        one, other = before.get(name), after.get(name)
        if one == other:
            continue
        path = folder + name.decode("utf-8", "surrogateescape")
        change = EntryChange(_entry(one), _entry(other))
        if change.old != change.new:
            yield path, change
        if depth < MAX_DEPTH:
            yield from _walk(_tree(one), _tree(other), f"{path}/", depth + 1, read_tree)


def _entry(row: Row | None) -> Entry | None:
    return None if row is None or row[0] == _TREE else Entry(row[0], BlobId(row[2].hex()))


def _tree(row: Row | None) -> TreeId | None:
    return TreeId(row[2].hex()) if row is not None and row[0] == _TREE else None
