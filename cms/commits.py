"""What each commit in a range touched, newest first: read with ``git log``, or in this process when the range is short.

It runs Git's own program for what libgit2 is slow at: diffs of thousands of commits. No pager, no signature check.

Not here: what it means for a file (``history``).
"""

import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import IO

import msgspec

from cms.errors import RepositoryProblem
from cms.gitprogram import require_git, sealed_environment
from cms.objects import Change, Commit, parse_time
from cms.overlay import Reader
from cms.refs import BlobId, CommitId
from cms.store import Store

SHORT_RANGE = 32
_CHUNK_BYTES = 1 << 20
_FILE_MODES = frozenset({b"100644", b"100755", b"100664"})
_COMMON = (
    *("log", "-z", "--raw", "--no-abbrev", "--topo-order", "--root", "--no-show-signature", "--no-ext-diff"),
    *(
        "--no-textconv",
        "--no-color",
        "--no-notes",
        "--no-decorate",
        "--no-relative",
        "--no-mailmap",
        "--encoding=UTF-8",
    ),
)
_ALL = (*_COMMON, "--diff-merges=first-parent", "-M50%", "-l400", "--format=%H%n%P%n%at%n%ct%n%an%n%ae")
_MERGES = (*_COMMON, "--merges", "--diff-merges=combined", "--no-renames", "--format=%H")


class Stamp(msgspec.Struct, frozen=True, gc=False):
    """What is kept of a commit, shared by all files it touched. Times are seconds since the epoch."""

    commit: CommitId
    authored: int
    committed: int
    name: str
    email: str


class Touch(msgspec.Struct, frozen=True, gc=False):
    """What a commit did to a file; ``source`` is the path it was moved from."""

    path: str
    source: str | None
    old: BlobId | None
    new: BlobId | None


class Step(msgspec.Struct, frozen=True, gc=False):
    """One commit.

    ``touches`` is what differs from its first parent. Of a merge, ``own`` names the files that are unlike those of every
    parent, each with the blobs that the parents have there.
    """

    stamp: Stamp
    parents: tuple[CommitId, ...]
    touches: list[Touch]
    own: dict[str, tuple[BlobId | None, ...]] = {}


def read_steps(store: Store, new: CommitId, old: CommitId | None = None) -> Iterator[Step]:
    """Read the commits of *new*, without those of *old*, none before its children, with Git's program.

    Raises:
        RepositoryProblem: it is missing, or it fails.
    """
    own: dict[bytes, dict[str, tuple[BlobId | None, ...]]] = {}
    merge: dict[str, tuple[BlobId | None, ...]] = {}
    fields = _git_log(store, _MERGES, new, old)
    for field in fields:
        if field.startswith(b":"):
            path, blobs = _parse_combined(field, fields)
            merge[path] = blobs
        else:
            merge = own[field] = {}
    yield from _parse_log(_git_log(store, _ALL, new, old), own)


def read_few_steps(store: Store, old: CommitId, new: CommitId, changes: list[Change]) -> list[Step] | None:
    """Read the same in this process; *changes* are those between *old* and *new*.

    Returns:
        None when the commits are many, or when Git must judge what was moved.
    """
    commits = store.commits_between(old, new, limit=SHORT_RANGE)
    if commits is None:
        return None
    steps = []
    for commit in commits:
        step = _read_step(store, commit, changes if commit.id == new and commit.parents[:1] == (old,) else None)
        if step is None:
            return None
        steps.append(step)
    return steps


def _read_step(store: Store, commit: Commit, changes: list[Change] | None) -> Step | None:
    if not commit.parents:
        return None
    try:
        touches = _moved_touches(store.diff(commit.parents[0], commit.id) if changes is None else changes)
        if touches is None:
            return None
        own = _own_touches(store, commit.parents, touches)
    except RepositoryProblem:
        return None  # beyond the border of a shallow clone
    return Step(_stamp(commit), commit.parents, touches, own)


def make_merge_step(reader: Reader, merge: CommitId, parents: Sequence[CommitId], stamp: Stamp) -> Step:
    """What ``read_steps`` would say of a merge that is not committed yet, but for files that were moved and edited at once.

    Args:
        stamp: of who would make it, when.

    Raises:
        RepositoryProblem: an object is missing or damaged.
    """
    changes = reader.diff(parents[0], merge)
    touches = _moved_touches(changes)
    if touches is None:
        touches = [Touch(change.path, None, change.old, change.new) for change in changes]
    own = _own_touches(reader, parents, touches)
    return Step(msgspec.structs.replace(stamp, commit=merge), tuple(parents), touches, own)


def _own_touches(
    reader: Reader, parents: Sequence[CommitId], touches: Sequence[Touch]
) -> dict[str, tuple[BlobId | None, ...]]:
    """Of what a merge touched, the files that are unlike those of every parent, with the blobs that the parents have there."""
    if len(parents) < 2:
        return {}
    paths = [touch.path for touch in touches]
    others = [reader.find_blobs(parent, paths) for parent in parents[1:]]
    return {
        touch.path: (touch.old if touch.source is None else None, *blobs)
        for touch, *blobs in zip(touches, *others, strict=True)
        if touch.new not in blobs
    }


def _moved_touches(changes: list[Change]) -> list[Touch] | None:
    """Pair files that were moved unchanged; None when one may have been moved and edited at once."""
    added = {change.new: change for change in changes if change.old is None}
    removed = {change.old: change for change in changes if change.new is None}
    if not added or not removed:
        return [Touch(change.path, None, change.old, change.new) for change in changes]
    count = sum(change.old is None or change.new is None for change in changes)
    if len(added) + len(removed) != count or not (added.keys() <= removed.keys() or removed.keys() <= added.keys()):
        return None
    touches = []
    for change in changes:
        if change.old is None and change.new in removed:
            touches.append(Touch(change.path, removed[change.new].path, change.new, change.new))
        elif change.new is not None or change.old not in added:
            touches.append(Touch(change.path, None, change.old, change.new))
    return touches


def _git_log(store: Store, arguments: Sequence[str], new: CommitId, old: CommitId | None) -> Iterator[bytes]:
    """Run ``git log`` and yield the fields it prints, without empty ones."""
    git = require_git(store.git_dir, "the history")
    command = [git, "--no-pager", "--no-optional-locks", f"--git-dir={store.git_dir}", *arguments]
    command += ["--end-of-options", new, *([f"^{old}"] if old else []), "--"]
    with tempfile.TemporaryFile() as errors:
        try:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=sealed_environment()
            )
        except OSError as error:
            raise RepositoryProblem(f"git cannot be run: {error.strerror}", path=git) from error
        # Leaving the block closes the pipe, which ends a child that nobody listens to any more, and waits for it.
        with child:
            assert child.stdout is not None
            yield from _fields(child.stdout)
        if child.returncode != 0:
            errors.seek(0)
            detail = errors.read(2_000).decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise RepositoryProblem(f"git log failed: {detail}", path=str(store.git_dir), hint="run `git fsck`")


def _fields(stream: IO[bytes]) -> Iterator[bytes]:
    """Split what ``git log -z --raw`` prints. The line feed that precedes the first file of a commit is taken off."""
    rest = b""
    while chunk := stream.read(_CHUNK_BYTES):
        *fields, rest = (rest + chunk).split(b"\0")
        for field in fields:
            if field := field.lstrip(b"\n"):
                yield field


def _parse_log(fields: Iterator[bytes], own: Mapping[bytes, dict[str, tuple[BlobId | None, ...]]]) -> Iterator[Step]:
    """Parse what ``_ALL`` prints: a block of six lines for a commit, then a line with one or two paths for each file."""
    people: dict[str, str] = {}
    step: Step | None = None
    for field in fields:
        if field.startswith(b":"):
            touch = _parse_touch(field, fields)
            if step is not None and touch is not None:
                step.touches.append(touch)
        else:
            if step is not None:
                yield step
            id, parents, authored, committed, name, email = field.decode("utf-8", "replace").split("\n", 5)
            stamp = Stamp(
                CommitId(id),
                int(parse_time(authored).timestamp()),
                int(parse_time(committed).timestamp()),
                people.setdefault(name, name),
                people.setdefault(email, email),
            )
            step = Step(stamp, tuple(map(CommitId, parents.split())), [], own.get(field[:40], {}))
    if step is not None:
        yield step


def _parse_combined(field: bytes, fields: Iterator[bytes]) -> tuple[str, tuple[BlobId | None, ...]]:
    """Parse one file of the combined raw format into its path and the blobs of the parents."""
    parents = len(field) - len(field.lstrip(b":"))
    words = field[parents:].split(b" ")
    modes, ids = words[:parents], words[parents + 1 : -2]
    blobs = [BlobId(id.decode()) if mode in _FILE_MODES else None for mode, id in zip(modes, ids, strict=True)]
    return next(fields).decode("utf-8", "replace"), tuple(blobs)


def _parse_touch(field: bytes, fields: Iterator[bytes]) -> Touch | None:
    """Parse one file of the raw format; None when no regular file changed its bytes or its path."""
    old_mode, new_mode, old_id, new_id, status = field[1:].split(b" ")
    path = next(fields).decode("utf-8", "replace")
    source = None
    if status.startswith(b"R"):
        source, path = path, next(fields).decode("utf-8", "replace")
    old = BlobId(old_id.decode()) if old_mode in _FILE_MODES else None
    new = BlobId(new_id.decode()) if new_mode in _FILE_MODES else None
    if old == new and source is None:
        return None
    return Touch(path, source, old, new)


def _stamp(commit: Commit) -> Stamp:
    return Stamp(
        commit.id,
        int(commit.authored_at.timestamp()),
        int(commit.committed_at.timestamp()),
        commit.author_name,
        commit.author_email,
    )
