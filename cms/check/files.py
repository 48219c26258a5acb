"""The files of one tree, looked at folder by folder as they are asked for."""

from collections.abc import Mapping

from cms.objects import MAX_DEPTH, parse_tree
from cms.overlay import Reader
from cms.refs import TreeId

_TREE = b"40000"
_FILES = frozenset({b"100644", b"100755", b"100664"})


class Files:
    """Which regular files there are. What was read of a folder is kept."""

    def __init__(self, reader: Reader, root: TreeId) -> None:
        self._reader = reader
        self._root = root
        self._folders: dict[str, Mapping[str, TreeId | None]] = {}

    def __contains__(self, path: object) -> bool:
        text = str(path)
        folder, _, name = text.rpartition("/")
        inside = self._inside(folder) if text.count("/") < MAX_DEPTH else None
        return inside is not None and name in inside and inside[name] is None

    def find_alike(self, path: str) -> str | None:
        """The path of a file that differs from *path* only in upper and lower case."""
        found = [""] if path.count("/") < MAX_DEPTH else []
        *folders, name = path.casefold().split("/")
        for part in folders:
            found = [f"{folder}{known}/" for folder in found for known, tree in self._alike(folder, part) if tree]
        files = [f"{folder}{known}" for folder in found for known, tree in self._alike(folder, name) if not tree]
        return max(files, default=None)

    def _alike(self, folder: str, name: str) -> list[tuple[str, TreeId | None]]:
        inside = self._inside(folder.rstrip("/")) or {}
        return [(known, tree) for known, tree in inside.items() if known.casefold() == name]

    def _inside(self, folder: str) -> Mapping[str, TreeId | None] | None:
        """The names in a folder, each with the tree of the folder that it is; None when there is no such folder."""
        found = self._folders.get(folder)
        if found is None:
            tree: TreeId | None = self._root
            if folder:
                above, _, name = folder.rpartition("/")
                tree = (self._inside(above) or {}).get(name)
            if tree is None:
                return None
            found = {}
            for mode, raw_name, raw_id in parse_tree(self._reader.read_tree(tree), tree):
                if mode in _FILES or mode == _TREE:
                    name = raw_name.decode("utf-8", "surrogateescape")
                    found[name] = TreeId(raw_id.hex()) if mode == _TREE else None
            self._folders[folder] = found
        return found
