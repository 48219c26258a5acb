"""Git's objects from values: the bytes of a commit, and of the trees that some changed files make of others. Pure.

A tree is made anew for each folder on the way to a changed file and for no other, so that the cost follows the changes.

Not here: the bytes of existing objects (``objects``), and where new ones go (``writer``).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cms.errors import Conflict, InvalidContent
from cms.objects import MAX_DEPTH, MAX_NAME_BYTES, ReadTree, Row, parse_tree
from cms.refs import BlobId, CommitId, TreeId

_TREE, _FILE, _PROGRAM = b"40000", b"100644", b"100755"
_BAD_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\\\ud800-\udfff]")
# What file systems take for ".git" too: Windows its short name, and names with dots or blanks at the end; macOS any of
# the characters that it ignores.
_GIT_FOLDER = re.compile(r"(?:\.git|git~\d+)[ .]*(?::.*)?", re.IGNORECASE)
_IGNORED_CHARACTERS = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f\x7f<>\ud800-\udfff]")
# Git takes these off both ends of a name.
_CRUD = " .,:;\"'\\"
_NEVER_SEEN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ident:
    """Who a commit says made it, and when: *at* is an aware time, whose zone is kept to the minute."""

    name: str
    email: str
    at: datetime


def format_commit(
    *, tree: TreeId, parents: Sequence[CommitId], author: Ident, committer: Ident, message: str
) -> tuple[bytes, bytes]:
    """Return the bytes of an unsigned commit in two parts, between which a signature goes."""
    lines = [f"tree {tree}", *[f"parent {parent}" for parent in parents]]
    lines += [f"author {_format_person(author)}", f"committer {_format_person(committer)}"]
    text = message.replace("\0", "").rstrip("\n")
    return "".join(f"{line}\n" for line in lines).encode(), f"\n{text}\n".encode("utf-8", "replace")


def format_signature(armoured: str) -> bytes:
    """Return the header of a commit that holds a signature."""
    return ("gpgsig " + armoured.strip("\n").replace("\n", "\n ") + "\n").encode()


def _format_person(person: Ident) -> str:
    offset = person.at.utcoffset()
    if offset is None:
        raise ValueError("the time of a commit must know its zone")
    minutes = round(offset / timedelta(minutes=1))
    zone = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"
    email = _NOT_IN_NAMES.sub("", person.email).strip(_CRUD).replace(" ", "")
    name = _NOT_IN_NAMES.sub("", person.name).strip(_CRUD) or email or _NEVER_SEEN
    return f"{name} <{email}> {max(int(person.at.timestamp()), 0)} {zone}"


def require_path(path: str) -> None:
    """Check that *path* may stand in a tree that anybody checks out, on any system.

    Raises:
        InvalidContent: it may not; facts: path, hint.
    """
    parts = path.split("/")
    if len(parts) > MAX_DEPTH:
        raise _bad_path(path, f"its folders are nested deeper than {MAX_DEPTH}")
    for part in parts:
        if not part:
            raise _bad_path(path, "a part of it is empty")
        if _BAD_CHARACTERS.search(part):
            raise _bad_path(path, "it has a control character or a backslash, or is no text")
        if part in {".", ".."}:
            raise _bad_path(path, f"{part!r} is no name")
        if is_git_folder(part):
            raise _bad_path(path, f"{part!r} may be taken for Git's own folder")
        if len(part.encode()) > MAX_NAME_BYTES:
            raise _bad_path(path, f"a name in it is longer than {MAX_NAME_BYTES} bytes")


def is_git_folder(name: str) -> bool:
    """Whether some file system takes *name* for ``.git``."""
    return _GIT_FOLDER.fullmatch(_IGNORED_CHARACTERS.sub("", name)) is not None


def _bad_path(path: str, reason: str) -> InvalidContent:
    shown = path if len(path) <= 200 else f"{path[:200]}..."
    return InvalidContent(f"{shown!r} cannot be the path of a file: {reason}", path=shown, hint="choose another path")


class _Folder(dict[bytes, "_Folder"]):
    """What changes in one folder: the folders below it, and what becomes of names in it."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[bytes, BlobId | None] = {}


def rewrite_tree(
    base: TreeId | None,
    changes: Mapping[str, BlobId | None],
    read_tree: ReadTree,
    write_tree: Callable[[bytes], TreeId],
) -> TreeId:
    """Make the tree that *base* becomes by *changes*: path to its new blob, None removes it (or lets it be missing).

    A file keeps its mode, a new one is no program, and a link or submodule that is written to becomes a file. A folder
    without files vanishes.

    Raises:
        InvalidContent: a path that must not be in a tree.
        Conflict: a file would go where a folder stays, or the other way round.
        RepositoryProblem: a tree of *base* is missing or damaged.
    """
    root = _Folder()
    for path, blob in changes.items():
        require_path(path)
        *folders, name = path.encode().split(b"/")
        folder = root
        for part in folders:
            folder = folder.setdefault(part, _Folder())
        folder.files[name] = blob
    return _rewrite(base, root, b"", read_tree, write_tree) or write_tree(b"")


def _rewrite(
    base: TreeId | None, folder: _Folder, place: bytes, read_tree: ReadTree, write_tree: Callable[[bytes], TreeId]
) -> TreeId | None:
    """Make the tree of one folder, named by *place* (empty or with a slash at its end); None when nothing is left of it."""
    rows = {row[1]: row for row in parse_tree(read_tree(base), base)} if base else {}
    is_ordered = True
    for name in folder.keys() | folder.files.keys():
        old = rows.get(name)
        new = _new_row(old, name, folder, place, read_tree, write_tree)
        if new is None:
            rows.pop(name, None)
        else:
            is_ordered = is_ordered and old is not None and (old[0] == _TREE) == (new[0] == _TREE)
            rows[name] = new
    if not rows:
        return None
    ordered = rows.values() if is_ordered else sorted(rows.values(), key=_sort_key)
    return write_tree(b"".join([b"%s %s\0%s" % row for row in ordered]))


def _new_row(
    row: Row | None,
    name: bytes,
    folder: _Folder,
    place: bytes,
    read_tree: ReadTree,
    write_tree: Callable[[bytes], TreeId],
) -> Row | None:
    """Make the entry *name* of a folder, which was *row*; None when there is none."""
    blob = folder.files.get(name)
    old_tree = TreeId(row[2].hex()) if row is not None and row[0] == _TREE else None
    below = folder.get(name)
    if below is not None:
        written = _rewrite(old_tree, below, place + name + b"/", read_tree, write_tree)
        if written is not None:
            if blob is not None or (row is not None and old_tree is None and name not in folder.files):
                raise _two_kinds(place + name)
            return _TREE, name, bytes.fromhex(written)
        if row is not None and old_tree is None and name not in folder.files:
            return row  # nothing was removed below a name that is a file
    elif old_tree is not None:
        if blob is not None:
            raise _two_kinds(place + name)
        return row
    if blob is None:
        return None
    mode = _PROGRAM if row is not None and row[0] == _PROGRAM else _FILE
    return mode, name, bytes.fromhex(blob)


def _two_kinds(place: bytes) -> Conflict:
    path = place.decode("utf-8", "replace")
    return Conflict(
        f"{path} cannot be a file and a folder at once", path=path, hint="move or delete one of the two first"
    )


def _sort_key(row: Row) -> bytes:
    """Git's order: a folder stands where its name with a slash would."""
    return row[1] + b"/" if row[0] == _TREE else row[1]
