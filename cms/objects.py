"""Git's commits and trees as values: parsing their raw bytes, listing a tree, comparing two.

Pure: objects come in through a function ``read_tree(id) -> bytes``. Comparing descends only where two subtree ids differ, so
its cost follows what changed (libgit2's own tree diff expands every subtree, 200 times slower on 100,000 files).

Trees come from strangers: whatever is not a regular file with a sane UTF-8 name is set aside with a reason, and the number of
entries is bounded while they are counted, so that ten nested trees that name themselves ten times each end early.
"""

import codecs
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, takewhile
from operator import itemgetter

import msgspec

from cms.errors import RepositoryProblem
from cms.refs import BlobId, CommitId, TreeId

MAX_ENTRIES = 1_000_000
MAX_DEPTH = 64
MAX_NAME_BYTES = 255
_FAR_BYTES = 8192
_STEP_BYTES = 65_536
_NO_TREE = TreeId("")

Row = tuple[bytes, bytes, bytes]
ReadTree = Callable[[TreeId], bytes]

_ENTRY = re.compile(rb"([0-7]{5,6}) ([^\0]{1,4096})\0(.{20})", re.DOTALL)
# As many entries as fit, in one match that makes no values: it finds where the entry begins that holds a given byte.
_ENTRIES = re.compile(rb"(?:[0-7]{5,6} [^\0]{1,4096}\0.{20})*+", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_TREE, _LINK, _SUBMODULE = b"40000", b"120000", b"160000"
_FEW = 3
_FILE_MODES = {b"100644": 0o100644, b"100755": 0o100755, b"100664": 0o100644}
_LAST_SECOND = 253_402_127_999  # 9999-12-29: a time zone may still be added to it
# Codecs that may be named by a commit; Python has others ("unicode_escape", "zip") that do not belong here.
_TEXT_CODEC = re.compile(r"ascii|utf-8|iso8859-\d+|cp\d+|koi8-[a-z]|shift_jis|euc_[a-z]+|gb\w+|big5|mac-roman")


class FileEntry(msgspec.Struct, frozen=True, gc=False):
    """A regular file in a tree. ``mode`` is 0o100644 or 0o100755."""

    path: str
    blob: BlobId
    mode: int


class Change(msgspec.Struct, frozen=True, gc=False):
    """A file whose bytes differ between two trees; ``old`` is None when it is new there, ``new`` when it is gone."""

    path: str
    old: BlobId | None
    new: BlobId | None


class Skipped(msgspec.Struct, frozen=True, gc=False):
    """Something in a tree that is no regular file with a sane name. ``path`` is safe to print."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class TreeListing:
    """The regular files of a tree, ordered by path, and what was left out. Iterates over the files."""

    files: list[FileEntry] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def __iter__(self) -> Iterator[FileEntry]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit. Names and e-mails are what somebody wrote there, not who it was. ``message`` is decoded text, ``size`` in bytes."""

    id: CommitId
    tree: TreeId
    parents: tuple[CommitId, ...]
    author_name: str
    author_email: str
    authored_at: datetime
    committer_name: str
    committer_email: str
    committed_at: datetime
    message: str
    size: int = 0


def parse_commit(id: CommitId, raw: bytes) -> Commit:
    """Parse the raw bytes of the commit *id*; broken dates become the epoch, undecodable text gets U+FFFD.

    Raises:
        RepositoryProblem: the bytes are no commit.
    """
    head, _, message = raw.partition(b"\n\n")
    first, *lines = head.split(b"\n")
    kind, _, tree = first.partition(b" ")
    # Only those right below the tree are parents, for Git too: it lets anything stand further down.
    ancestors = list(takewhile(lambda line: line.startswith(b"parent "), lines))
    headers: dict[bytes, bytes] = {}
    for line in lines[len(ancestors) :]:
        name, _, value = line.partition(b" ")
        if name:  # a line that begins with a space continues a signature
            headers.setdefault(name, value)
    if kind != b"tree" or len(tree) != 40:
        raise RepositoryProblem(f"commit {id} is damaged: it names no tree", commit=id, hint="run `git fsck`")
    encoding = _codec(headers.get(b"encoding", b"utf-8"))
    author_name, author_email, authored_at = _parse_person(headers.get(b"author", b""), encoding)
    committer_name, committer_email, committed_at = _parse_person(headers.get(b"committer", b""), encoding)
    return Commit(
        id=id,
        tree=TreeId(tree.decode("ascii", "replace")),
        parents=tuple(CommitId(line.removeprefix(b"parent ").decode("ascii", "replace")) for line in ancestors),
        author_name=author_name,
        author_email=author_email,
        authored_at=authored_at,
        committer_name=committer_name,
        committer_email=committer_email,
        committed_at=committed_at,
        message=message.decode(encoding, "replace"),
        size=len(raw),
    )


def split_signature(raw: bytes) -> tuple[bytes, str] | None:
    """Split the raw bytes of a commit into what its signature covers and the armoured signature.

    Returns:
        None when there is no signature; also when there is another header of that kind beside it, since Git leaves those out
        of what is covered and anybody could have added it.
    """
    head, separator, message = raw.partition(b"\n\n")
    kept: list[bytes] = []
    signature: list[bytes] = []
    lines = head.split(b"\n")
    inside = False
    for line in lines:
        if line.startswith(b"gpgsig"):
            if signature or not line.startswith(b"gpgsig "):
                return None
            inside = True
            signature.append(line.removeprefix(b"gpgsig "))
        elif inside and line.startswith(b" "):
            signature.append(line[1:])
        else:
            inside = False
            kept.append(line)
    if not signature or not separator:
        return None
    return b"\n".join(kept) + separator + message, b"\n".join(signature).decode("utf-8", "replace") + "\n"


def parse_time(seconds: bytes | str) -> datetime:
    """Read Git's seconds since the epoch as an aware UTC time; out of range or no number becomes the nearest end or the epoch."""
    try:
        return datetime.fromtimestamp(min(max(int(seconds), 0), _LAST_SECOND), UTC)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)


def split_tree(raw: bytes, id: TreeId) -> list[Row]:
    """Split a raw tree into (mode, name, 20-byte id), all bytes, just as they stand there.

    Raises:
        RepositoryProblem: the bytes are no tree.
    """
    rows: list[Row] = _ENTRY.findall(raw)
    if sum(map(len, chain.from_iterable(rows))) + 2 * len(rows) != len(raw):
        raise _damaged(id)
    return rows


def parse_tree(raw: bytes, id: TreeId) -> list[Row]:
    """Split a raw tree as :func:`split_tree`; of entries with the same name only the first.

    Raises:
        RepositoryProblem: the bytes are no tree.
    """
    rows = split_tree(raw, id)
    if len(set(map(itemgetter(1), rows))) != len(rows):
        return list({row[1]: row for row in reversed(rows)}.values())[::-1]
    return rows


def find_row(raw: bytes, name: bytes) -> Row | None:
    """Find the entry *name* of a raw tree without splitting all of it."""
    text = b" " + name + b"\0"
    position = raw.find(text)
    while position >= 0:
        # The same bytes may stand in an id: whole entries must lie before, and then nothing but a mode.
        before = _ENTRIES.match(raw, 0, position)
        row = _ENTRY.match(raw, before.end() if before else 0)
        if row is not None and row.start(2) == position + 1:
            return row[1], row[2], row[3]
        position = raw.find(text, position + 1)
    return None


def find_file(root: TreeId, path: str, read_tree: ReadTree) -> BlobId | None:
    """Find the blob of the regular file *path* below *root*; None when there is none.

    Raises:
        RepositoryProblem: a tree is missing.
    """
    tree: TreeId | None = root
    *folders, name = map(_name, path.split("/"))
    for folder in folders:
        tree = _targets(find_row(read_tree(tree), folder))[1] if tree is not None else None
    return _targets(find_row(read_tree(tree), name))[0] if tree is not None else None


def find_files(root: TreeId, paths: Sequence[str], read_tree: ReadTree) -> list[BlobId | None]:
    """Find the blobs of many files as :func:`find_file`; of several each folder is parsed once."""
    if len(paths) <= _FEW:
        return [find_file(root, path, read_tree) for path in paths]
    known: dict[str, dict[bytes, Row]] = {}

    def find(path: str) -> Row | None:
        above, slash, name = path.rpartition("/")
        return None if slash and not above else listed(above).get(_name(name))

    def listed(folder: str) -> dict[bytes, Row]:
        if folder not in known:
            tree = _targets(find(folder))[1] if folder else root
            known[folder] = {row[1]: row for row in parse_tree(read_tree(tree), tree)} if tree is not None else {}
        return known[folder]

    return [_targets(find(path))[0] for path in paths]


def parse_differing(old: tuple[TreeId, bytes], new: tuple[TreeId, bytes]) -> tuple[list[Row], list[Row]]:
    """Parse of two raw trees the entries from the first that differs to the last, so of a large folder only a few.

    Raises:
        RepositoryProblem: the bytes are no trees.
    """
    (old_id, old_raw), (new_id, new_raw) = old, new
    shorter = min(len(old_raw), len(new_raw))
    same = _common_prefix(old_raw, new_raw, shorter)
    entries = _ENTRIES.match(old_raw, 0, same)
    start = entries.end() if entries else 0
    tail = _common_suffix(old_raw, new_raw, shorter - start)
    if max(len(old_raw), len(new_raw)) - start - tail > _FAR_BYTES:
        return parse_tree(old_raw[start:], old_id), parse_tree(new_raw[start:], new_id)
    old_rows, new_rows = _Reader(old_id, old_raw, start), _Reader(new_id, new_raw, start)
    # At the same distance from the end, inside the common end, and both where an entry begins: the rest is the same.
    while old_rows.left != new_rows.left or old_rows.left > tail:
        (old_rows if old_rows.left >= new_rows.left else new_rows).advance()
    return old_rows.rows, new_rows.rows


class _Reader:
    """Parses a raw tree entry by entry. ``left`` is the number of bytes not yet parsed."""

    def __init__(self, id: TreeId, raw: bytes, start: int) -> None:
        self._id = id
        self._raw = raw
        self.left = len(raw) - start
        self.rows: list[Row] = []

    def advance(self) -> None:
        entry = _ENTRY.match(self._raw, len(self._raw) - self.left)
        if entry is None:
            raise _damaged(self._id)
        self.rows.append((entry[1], entry[2], entry[3]))
        self.left = len(self._raw) - entry.end()


def _common_prefix(one: bytes, other: bytes, longest: int) -> int:
    """Return how many of the first *longest* bytes are the same; slices are compared, since loops over bytes are slow."""
    position, step = 0, _STEP_BYTES
    while step:
        if position + step <= longest and one[position : position + step] == other[position : position + step]:
            position += step
        else:
            step //= 2
    return position


def _common_suffix(one: bytes, other: bytes, longest: int) -> int:
    """Return how many of the last *longest* bytes are the same."""
    length, step = 0, _STEP_BYTES
    while step:
        ends = len(one) - length, len(other) - length
        if length + step <= longest and one[ends[0] - step : ends[0]] == other[ends[1] - step : ends[1]]:
            length += step
        else:
            step //= 2
    return length


def _damaged(tree: TreeId) -> RepositoryProblem:
    return RepositoryProblem(f"tree {tree} is damaged", tree=tree, hint="run `git fsck`")


def list_files(root: TreeId, read_tree: ReadTree, prefixes: Sequence[str] = ()) -> TreeListing:
    """List the regular files below *root*, restricted to the folders and files named by *prefixes* (none: everything).

    Raises:
        RepositoryProblem: a tree is missing or damaged, or there are more than MAX_ENTRIES entries.
    """
    walk = _Walk(read_tree)
    walk.add_files(root, "", 1, _selection(prefixes))
    return walk.listing


def compare(old: TreeId, new: TreeId, read_tree: ReadTree, prefixes: Sequence[str] = ()) -> list[Change]:
    """List the regular files that differ between two trees, ordered by path; a change of the mode alone is none.

    Raises:
        RepositoryProblem: a tree is missing or damaged, or more than MAX_ENTRIES entries had to be looked at.
    """
    walk = _Walk(read_tree)
    walk.add_changes(old, new, "", 1, _selection(prefixes))
    walk.changes.sort(key=lambda change: change.path)
    return walk.changes


class _Walk:
    """One listing or comparison, with what it may still spend."""

    def __init__(self, read_tree: ReadTree) -> None:
        self._read_tree = read_tree
        self._budget = MAX_ENTRIES
        self.listing = TreeListing()
        self.changes: list[Change] = []

    def add_files(self, tree: TreeId, folder: str, depth: int, selection: "_Selection | None") -> None:
        """Add the files below *tree* to the listing; *folder* is empty or ends with a slash."""
        files = self.listing.files
        for mode, raw_name, raw_id in self._selected(parse_tree(self._read_tree(tree), tree), selection):
            name, reason = _check_name(raw_name)
            if reason is None and mode in _FILE_MODES:
                files.append(FileEntry(folder + name, BlobId(raw_id.hex()), _FILE_MODES[mode]))
            elif reason is None and mode == _TREE and depth < MAX_DEPTH:
                below = selection and selection[raw_name]
                self.add_files(TreeId(raw_id.hex()), f"{folder}{name}/", depth + 1, below)
            else:
                self.listing.skipped.append(Skipped(folder + name, reason or _reason(mode)))

    def add_changes(
        self, old: TreeId | None, new: TreeId | None, folder: str, depth: int, selection: "_Selection | None"
    ) -> None:
        """Add what differs between two trees, of which one may not exist, to the changes."""
        old_raw, new_raw = (self._read_tree(tree) if tree else b"" for tree in (old, new))
        old_rows, new_rows = parse_differing((old or _NO_TREE, old_raw), (new or _NO_TREE, new_raw))
        old_set, new_set = set(self._selected(old_rows, selection)), set(self._selected(new_rows, selection))
        before = {row[1]: row for row in old_set - new_set}
        after = {row[1]: row for row in new_set - old_set}
        for raw_name in before.keys() | after.keys():
            name, reason = _check_name(raw_name)
            if reason is not None:
                continue
            old_blob, old_tree = _targets(before.get(raw_name))
            new_blob, new_tree = _targets(after.get(raw_name))
            if old_blob != new_blob:
                self.changes.append(Change(folder + name, old_blob, new_blob))
            if old_tree != new_tree and depth < MAX_DEPTH:
                below = selection and selection[raw_name]
                self.add_changes(old_tree, new_tree, f"{folder}{name}/", depth + 1, below)

    def _selected(self, rows: list[Row], selection: "_Selection | None") -> list[Row]:
        self._budget -= len(rows)
        if self._budget < 0:
            raise RepositoryProblem(
                f"the tree has more than {MAX_ENTRIES:,} files and folders",
                hint="a folder that repeats itself many times is the usual reason; remove it from the branch",
            )
        if not selection:
            return rows
        # A selected file is matched by name alone, a folder whose inside is selected must be a folder.
        return [row for row in rows if row[1] in selection and (row[0] == _TREE or not selection[row[1]])]


class _Selection(dict[bytes, "_Selection"]):
    """Names wanted in one folder, each with the names wanted below it (empty: all of them)."""


def _selection(prefixes: Sequence[str]) -> _Selection | None:
    root = _Selection()
    for prefix in prefixes:
        parts = [part for part in prefix.split("/") if part and part != "."]
        if not parts:
            return None
        node = root
        for part in parts[:-1]:
            name = part.encode("utf-8", "surrogateescape")
            if name in node and not node[name]:
                break  # the whole folder is wanted already
            node = node.setdefault(name, _Selection())
        else:
            node[parts[-1].encode("utf-8", "surrogateescape")] = _Selection()
    return root or None


def _check_name(raw_name: bytes) -> tuple[str, str | None]:
    """Return the name for people, and why it cannot be used (None when it can)."""
    try:
        name = raw_name.decode()
    except UnicodeDecodeError:
        return raw_name.decode("utf-8", "backslashreplace"), "its name is not UTF-8"
    if name[0] != "." and name.isprintable() and "/" not in name and len(raw_name) <= MAX_NAME_BYTES:
        return name, None
    if name in {".", ".."} or name.lower() == ".git" or "/" in name:
        return name.replace("/", "\\x2f"), "its name is not allowed in a Git tree"
    if _CONTROL.search(name):
        return name.encode("unicode_escape").decode(), "its name contains a control character"
    if len(raw_name) > MAX_NAME_BYTES:
        return name[:60] + "...", f"its name is longer than {MAX_NAME_BYTES} bytes"
    return name, None


def _reason(mode: bytes) -> str:
    if mode == _TREE:
        return f"folders are nested deeper than {MAX_DEPTH}"
    return {_LINK: "it is a symbolic link", _SUBMODULE: "it is a submodule"}.get(mode, "it has an unknown file mode")


def _name(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a letter
        return b"/"  # which is in no name either


def _targets(row: Row | None) -> tuple[BlobId | None, TreeId | None]:
    if row is None:
        return None, None
    mode, _, raw_id = row
    return (
        BlobId(raw_id.hex()) if mode in _FILE_MODES else None,
        TreeId(raw_id.hex()) if mode == _TREE else None,
    )


def _parse_person(line: bytes, encoding: str) -> tuple[str, str, datetime]:
    person, _, stamp = line.rpartition(b">")
    name, _, email = person.partition(b"<")
    seconds = stamp.split()[0] if stamp.split() else b"0"
    return name.decode(encoding, "replace").strip(), email.decode(encoding, "replace").strip(), parse_time(seconds)


def _codec(name: bytes) -> str:
    try:
        codec = codecs.lookup(name.decode("ascii", "replace")).name
    except (LookupError, ValueError):
        return "utf-8"
    return codec if _TEXT_CODEC.fullmatch(codec) else "utf-8"
