"""The tree policy: which names, modes, sizes and shapes of trees may come into the repository.

Git itself takes almost anything; what a writer pushes is checked out by editors on other systems, read by the server, and shown to people.
Only what is brought is judged: an entry that stands at the same place in a tree that is known already is not looked at, a name that stood
there before is not judged again, nor is a mode that stays. So a repository with a past can always be pushed to.

Everywhere in the repository: links, submodules and ``.gitmodules``, modes that Git does not write, names that are not UTF-8 or hold a
backslash or a character that cannot be seen, names that Git keeps for itself, names too long or too deep, names of which Windows or macOS
could keep only one, folders whose entries are out of order or twice, more files than one push may bring, and files that are too large. Any
of these harms whoever clones the repository or whoever serves it.

Only in the folders of the site (:func:`ground_of`), since the rest may be a program's source with its own needs: executable files,
``.gitattributes`` and ``.mailmap`` (which change what Git says of a file), names that Windows cannot have or that look like an option of a
command, and content files that are larger than a text may be.

Trees are read at most once however often they are named, and nothing is expanded: nine trees that stand for 10^8 files take milliseconds.
"""

import re
import shlex
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from cms.finding import Finding
from cms.model import ContentModel
from cms.objects import MAX_NAME_BYTES, ReadTree, Row, parse_differing, split_tree
from cms.rawobjects import is_git_folder
from cms.refs import BlobId, TreeId
from cms.settings import SCHEMAS_FOLDER, SETTINGS_FILE

#: Names in a path, the file's own among them.
MAX_DEPTH = 16
#: Bytes of a whole path: Windows ends at some 260 characters, but the folder that a clone is in is its owner's.
MAX_PATH_BYTES = 1_000
MAX_FILES = 20_000
#: A text of a megabyte is a book; whatever reads and renders content counts on it.
MAX_CONTENT_BYTES = 1024 * 1024
MAX_FILE_BYTES = 50 * 1024 * 1024
#: So many entries are looked at, and so large a folder, before a push is called too large without counting on.
MAX_LOOKED_AT = 200_000
MAX_TREE_BYTES = 32 * 1024 * 1024
COUNTED = 10**9
CONTENT_FOLDER = "content"
CONTENT_SUFFIXES = (".md", ".markdown", ".mdx", ".yaml", ".yml", ".toml")
MARKDOWN = (".md", ".markdown", ".mdx")
#: With one of these there is no use in looking at the content too.
FATAL = frozenset({"tree-count", "tree-depth", "tree-size", "tree-order"})

_TREE, _FILE, _PROGRAM, _LINK, _SUBMODULE = b"40000", b"100644", b"100755", b"120000", b"160000"
_DEVICE = re.compile(
    r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])[ ]*(?:\..*)?", re.IGNORECASE | re.DOTALL
)
_NOT_ON_WINDOWS = re.compile(r'[<>:"|?*]')
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_SUBMODULES = re.compile(r"\.gitmodules|gitmod~\d+|gi7eba~\d+", re.IGNORECASE)
_ATTRIBUTES = frozenset({".gitattributes", ".mailmap"})
_RENAME = "give it another name"


@dataclass(frozen=True, slots=True)
class Ground:
    """Which part of a repository is the site's.

    Attributes:
        folders: whole folders.
        is_content_anywhere: Markdown outside of them may be content too.
    """

    folders: tuple[str, ...] = ()
    is_content_anywhere: bool = False

    def holds(self, folder: str) -> bool:
        """Whether *folder* (empty: the root) is one of the site's, or inside."""
        return any(folder == known or folder.startswith(f"{known}/") for known in self.folders)

    def is_above(self, folder: str) -> bool:
        """Whether a folder of the site is inside *folder*."""
        return any(not folder or known.startswith(f"{folder}/") for known in self.folders)


def ground_of(model: ContentModel) -> Ground:
    """The folders of a site: ``schemas``, those of its collections, and the whole of a folder ``content`` that one of these is in."""
    folders = {SCHEMAS_FOLDER}
    for collection in model.collections.values():
        for pattern in collection.patterns:
            parts = pattern.prefix.split("/")[:-1]
            end = parts.index(CONTENT_FOLDER) + 1 if CONTENT_FOLDER in parts else len(parts)
            folders.add("/".join(parts[:end]))
    return Ground(tuple(sorted(folders - {""})), is_content_anywhere="" in folders)


def check_tree(
    new: TreeId,
    known: Sequence[TreeId],
    read_tree: ReadTree,
    blob_size: Callable[[BlobId], int],
    *,
    ground: Ground,
    most: int = MAX_FILES,
) -> list[Finding]:
    """What of the tree *new* must not come into the repository, by path.

    Args:
        known: trees that are there already: the published one, that of the draft as it was; what stands in one of them is not judged.
        most: so many files may be brought.

    Raises:
        RepositoryProblem: a tree or a file is missing or damaged.
    """
    walk = _Walk(read_tree, ground)
    below = walk.visit(new, [tree for tree in known if tree != new], "", 1) if new not in known else _Below()
    found = walk.found
    if below.files > most or walk.is_exhausted:
        found = [
            _too_many(below.files, walk.is_exhausted, most),
            *[finding for finding in found if finding.rule == "tree-depth"][:1],
        ]
    else:
        found += _check_sizes(walk.files, blob_size)
    return sorted(found, key=lambda finding: (finding.path, finding.rule))


class _Below(NamedTuple):
    """What is brought below a folder: files (an empty folder counts as one), levels, and bytes of the longest path."""

    files: int = 0
    levels: int = 0
    length: int = 0


class _Brought(NamedTuple):
    """What of a folder is in no known one: entries, each with those of the same name that are known; and the names that are new."""

    rows: dict[Row, list[Row]]
    names: set[bytes]


@dataclass(slots=True)
class _Walk:
    read_tree: ReadTree
    ground: Ground
    found: list[Finding] = field(default_factory=list)
    #: Path, blob, and the bytes that it may have, of every file whose content is brought.
    files: list[tuple[str, BlobId, int]] = field(default_factory=list)
    is_exhausted: bool = False
    _looked_at: int = 0
    _memory: dict[tuple[TreeId, str | bool], _Below] = field(default_factory=dict)

    def visit(self, tree: TreeId, known: Sequence[TreeId], folder: str, depth: int) -> _Below:
        """Judge what is brought in the folder at the path *folder*, whose entries are *depth* names deep."""
        key = tree, folder if self.ground.is_above(folder) else self.ground.holds(folder)
        if not known and key in self._memory:
            return self._memory[key]
        raw = self.read_tree(tree)
        if len(raw) > MAX_TREE_BYTES:
            self.is_exhausted = True
            return _Below(1, 1)
        brought = self._brought(tree, raw, known, folder)
        files, levels, length = 0, 0, 0
        self._looked_at += len(brought.rows)
        self.is_exhausted = self.is_exhausted or self._looked_at > MAX_LOOKED_AT
        for row, others in brought.rows.items():
            if self.is_exhausted:
                break
            below = self._visit_row(row, others, row[1] in brought.names, folder, depth)
            files += below.files
            levels = max(levels, below.levels)
            length = max(length, len(row[1]) + 1 + below.length)
        result = _Below(files or int(not raw), levels + 1, length)
        if not known:
            self._memory[key] = result
        return result

    def _visit_row(self, row: Row, others: Sequence[Row], is_new: bool, folder: str, depth: int) -> _Below:
        mode, raw_name, raw_id = row
        name = raw_name.decode("utf-8", "backslashreplace")
        path = f"{folder}/{name}" if folder else name
        is_site = (
            self.ground.holds(folder)
            or path == SETTINGS_FILE
            or (self.ground.is_content_anywhere and name.endswith(MARKDOWN))
        )
        if is_new:
            reason = _wrong_name(raw_name, is_site)
            if reason is not None:
                self._report("tree-name", path, *reason)
        if mode != _TREE:
            self._judge_file(row, others, path, is_site)
            return _Below(1)
        if depth >= MAX_DEPTH:
            self._report_depth(path)
            return _Below(1, 1)
        trees = [TreeId(other[2].hex()) for other in others if other[0] == _TREE]
        below = self.visit(TreeId(raw_id.hex()), trees, path, depth + 1)
        if depth + below.levels > MAX_DEPTH:
            self._report_depth(path)
        if len(path.encode("utf-8", "replace")) + below.length > MAX_PATH_BYTES:
            self._report(
                "tree-name", path, f"paths in it are longer than {MAX_PATH_BYTES:,} bytes", "choose shorter names"
            )
        return below

    def _report_depth(self, path: str) -> None:
        if not any(finding.rule == "tree-depth" for finding in self.found):
            message = f"folders are nested deeper than {MAX_DEPTH} levels"
            self._report("tree-depth", path, message, "move the files up")

    def _report(self, rule: str, path: str, message: str, hint: str) -> None:
        self.found.append(Finding(message=message, path=path, rule=rule, hint=hint))

    def _judge_file(self, row: Row, others: Sequence[Row], path: str, is_site: bool) -> None:
        mode, raw_name, raw_id = row
        name = raw_name.decode("utf-8", "replace")
        if mode == _LINK:
            hint = "commit the file itself in its place"
            self._report("tree-link", path, "it is a symbolic link, which could lead anywhere", hint)
        elif mode == _SUBMODULE:
            message = "it is a submodule, and what is in another repository cannot be judged here"
            self._report("tree-link", path, message, "commit the files themselves")
        elif mode not in {other[0] for other in others} | {_FILE} and (mode != _PROGRAM or is_site):
            self._report("tree-mode", path, *_wrong_mode(mode, path))
        if _SUBMODULES.fullmatch(name):
            message = "it names submodules, and what is in another repository cannot be judged here"
            self._report("tree-link", path, message, f"git rm {shlex.quote(path)}")
        elif is_site and name.casefold() in _ATTRIBUTES:
            message = "it changes what Git says of the content beside it"
            self._report("tree-name", path, message, "put it into the root of the repository if you need it")
        if mode in (_FILE, _PROGRAM) and raw_id not in {other[2] for other in others}:
            is_text = is_site and name.endswith(CONTENT_SUFFIXES)
            self.files.append((path, BlobId(raw_id.hex()), MAX_CONTENT_BYTES if is_text else MAX_FILE_BYTES))

    def _brought(self, tree: TreeId, raw: bytes, known: Sequence[TreeId], folder: str) -> _Brought:
        """Compare a folder with those that are known; only where names are new the whole of it is taken apart."""
        if not known:
            rows = split_tree(raw, tree)
            self._judge_folder(rows, {row[1] for row in rows}, folder)
            return _Brought({row: [] for row in rows}, {row[1] for row in rows})
        fresh: set[Row] | None = None
        others: dict[bytes, list[Row]] = {}
        for id in known:
            old_rows, new_rows = parse_differing((id, self.read_tree(id)), (tree, raw))
            differing = set(new_rows) - set(old_rows)
            fresh = differing if fresh is None else fresh & differing
            for row in old_rows:
                others.setdefault(row[1], []).append(row)
        rows_brought = {row: others.get(row[1], []) for row in sorted(fresh or ())}
        names = {row[1] for row, same in rows_brought.items() if not same}
        if names:
            self._judge_folder(split_tree(raw, tree), names, folder)
        return _Brought(rows_brought, names)

    def _judge_folder(self, rows: Sequence[Row], names: set[bytes], folder: str) -> None:
        """Judge what *names*, which are new, are beside the others."""
        order = [row[1] + b"/" if row[0] == _TREE else row[1] for row in rows]
        all_names = [row[1] for row in rows]
        if order != sorted(order) or len(set(all_names)) != len(rows):
            message = "entries of the folder are twice or not in order, so programs disagree about what is in it"
            self._report("tree-order", folder, message, "make the commit with Git itself; see git fsck")
        folded = _fold(all_names)
        if len(set(folded)) == len(folded):
            return
        alike: dict[str, list[bytes]] = {}
        for name, key in zip(all_names, folded, strict=True):
            alike.setdefault(key, []).append(name)
        for same in alike.values():
            for one, other in pairwise(same):
                new, old = (other, one) if other in names else (one, other)
                if new in names and new != old:
                    path = _join(folder, new)
                    message = f"its name differs from {_text(old)!r} only in case or in how Unicode writes it"
                    self._report("tree-alike", path, message, "rename one of them: Windows and macOS keep only one")


def _fold(names: Sequence[bytes]) -> list[str]:
    """*names* as file systems compare that tell neither case nor forms of Unicode apart; all at once, since a folder may be large."""
    text = b"\0".join(names).decode("utf-8", "surrogateescape")
    if text.isascii():
        return text.lower().split("\0")
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).split("\0")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


def _join(folder: str, name: bytes) -> str:
    return f"{folder}/{_text(name)}" if folder else _text(name)


def _wrong_name(raw_name: bytes, is_site: bool) -> tuple[str, str] | None:
    """(what is wrong, what to do) with a name that is new."""
    try:
        name = raw_name.decode()
    except UnicodeDecodeError:
        return "its name is not UTF-8", "set the language of your system to UTF-8 and name it anew"
    if not name.isprintable():
        unseen = next((sign for sign in name if unicodedata.category(sign) in _UNSEEN), None)
        if unseen is not None:
            what = unicodedata.name(unseen, "a control character").lower()
            return f"its name holds a character that cannot be seen: U+{ord(unseen):04X} ({what})", _RENAME
    if name in ("", ".", "..") or "/" in name or is_git_folder(name):
        return "its name is one that Git keeps for itself", _RENAME
    if "\\" in name:
        return "its name holds a backslash, which Windows takes for a folder", _RENAME
    if len(raw_name) > MAX_NAME_BYTES:
        return f"its name is longer than {MAX_NAME_BYTES} bytes", "choose a shorter one"
    return _unusable_name(name) if is_site else None


def _unusable_name(name: str) -> tuple[str, str] | None:
    """What is wrong with the name of a file of the site, which editors on any system work with."""
    if name[-1] in ". ":
        return "its name ends with a dot or a space, which Windows leaves out", _RENAME
    if _DEVICE.fullmatch(name):
        return "its name is one that Windows keeps for a device", _RENAME
    bad = _NOT_ON_WINDOWS.search(name)
    if bad is not None:
        return f"its name holds {bad[0]!r}, which Windows allows in no name", _RENAME
    if name[0] == "-":
        return "its name begins with '-', so commands take it for an option", _RENAME
    return None


def _wrong_mode(mode: bytes, path: str) -> tuple[str, str]:
    hint = f"git update-index --chmod=-x {shlex.quote(path)}"
    if mode == _PROGRAM:
        return "content may not be executable", hint
    return f"its mode {mode.decode()} is one that Git itself does not write", "add it again with git add"


def _check_sizes(files: Sequence[tuple[str, BlobId, int]], blob_size: Callable[[BlobId], int]) -> Iterator[Finding]:
    for path, blob, most in files:
        size = blob_size(blob)
        if size > most:
            message = f"it has {size / 1024 / 1024:,.1f} MiB, and at most {most // 1024 // 1024} MiB are taken"
            hint = "split the text" if most == MAX_CONTENT_BYTES else "keep large files elsewhere and link to them"
            yield Finding(message=message, path=path, rule="tree-size", hint=hint)


def _too_many(files: int, is_more: bool, most: int) -> Finding:
    number = f"more than {min(files, COUNTED):,}" if is_more or files > COUNTED else f"{files:,}"
    return Finding(
        message=f"this brings {number} files, and one push may bring {most:,}",
        rule="tree-count",
        hint="push in several steps, or have a large site put into the repository on the server",
    )
