"""Who made and who last changed each file, and when: derived from the commits that lead to one commit.

The rules:

- ``updated_at`` is the committer's time (when it happened in this repository) of the newest commit that gave the file the
  bytes it has now; that commit's author is the last author. What a merge merely takes over belongs to the commit on the
  merged branch; what a merge changes itself (a resolved conflict) belongs to the merge. What a branch changed and a merge
  threw away does not count, nor does a change of the file mode.
- ``created_at`` is the author's time (when it was written) of the commit the file's life began with. A life goes on when the
  file is moved (``git log -M``), and when it is deleted and comes back byte for byte, as after ``git revert``.
- Times of commits are claims: ``created_at`` is never after ``updated_at``.

The first time all commits are read in one pass of ``git log``; later only those that are new, without a child process when
they are few and every move is exact. A shallow clone's oldest commits seem to have made everything.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import IO, Generic, TypeVar

import msgspec

from cms.errors import RepositoryProblem
from cms.objects import Change, Commit, parse_time
from cms.refs import BlobId, CommitId
from cms.store import Store

SHORT_RANGE = 32
MAX_REMEMBERED = 20_000
_FORMAT_VERSION = 1
_CHUNK_BYTES = 1 << 20
_FOLD_AT = 2_000
_FILE_MODES = frozenset({b"100644", b"100755", b"100664"})
_GIT_LOG = (
    *("log", "-z", "--raw", "--no-abbrev", "--diff-merges=first-parent", "-M50%", "-l400", "--topo-order", "--root"),
    *("--no-show-signature", "--no-ext-diff", "--no-textconv", "--no-color", "--no-notes", "--no-decorate"),
    *("--no-relative", "--no-mailmap", "--encoding=UTF-8", "--format=%H%n%P%n%at%n%ct%n%an%n%ae"),
)

Value = TypeVar("Value")


class FileHistory(msgspec.Struct, frozen=True, kw_only=True):
    """The history of one file. Names are for everybody, e-mail addresses never leave the server."""

    created_at: datetime
    updated_at: datetime
    first_author: str
    first_author_email: str
    last_author: str
    last_author_email: str
    last_commit: CommitId


class _Stamp(msgspec.Struct, frozen=True, gc=False):
    """What is kept of a commit, shared by all files it touched. Times are seconds since the epoch."""

    commit: CommitId
    authored: int
    committed: int
    name: str
    email: str


class _Life(msgspec.Struct, frozen=True, gc=False):
    first: _Stamp
    last: _Stamp


class _Grave(msgspec.Struct, frozen=True, gc=False):
    """A deleted file: what it held, in case it comes back."""

    blob: BlobId
    life: _Life


class _Touch(msgspec.Struct, frozen=True, gc=False):
    """What a commit did to a file; ``source`` is the path it was moved from."""

    path: str
    source: str | None
    old: BlobId | None
    new: BlobId | None


class _Step(msgspec.Struct, frozen=True, gc=False):
    """One commit with what it touched."""

    stamp: _Stamp
    parents: tuple[CommitId, ...]
    touches: list[_Touch]


class _Layers(Generic[Value]):
    """An immutable mapping that can be changed into another one without copying it all: a few changes over a shared base."""

    __slots__ = ("_base", "_over")

    def __init__(self, base: dict[str, Value], over: dict[str, Value | None] | None = None) -> None:
        self._base = base
        self._over = over or {}

    def get(self, key: str) -> Value | None:
        if key in self._over:
            return self._over[key]
        return self._base.get(key)

    def changed(self, changes: Mapping[str, Value | None]) -> "_Layers[Value]":
        """Return a mapping with *changes*; None removes."""
        over = {**self._over, **changes}
        if len(over) <= _FOLD_AT:
            return _Layers(self._base, over)
        return _Layers(_Layers(self._base, over).flat())

    def flat(self) -> dict[str, Value]:
        flat = self._base.copy()
        for key, value in self._over.items():
            flat.pop(key, None)
            if value is not None:
                flat[key] = value
        return flat


class History:
    """The history of every regular file at one commit. Immutable."""

    def __init__(self, commit: CommitId, lives: "_Layers[_Life]", graves: "_Layers[_Grave]") -> None:
        """Use ``History.build`` or ``from_bytes``."""
        self.commit = commit
        self._lives = lives
        self._graves = graves

    @classmethod
    def build(cls, store: Store, commit: CommitId) -> "History":
        """Read all commits that lead to *commit*.

        Raises:
            RepositoryProblem: Git's program is missing or fails, or an object is missing or damaged.
        """
        trace = _Trace(store, commit, {file.path: file.blob for file in store.list_files(commit)})
        trace.run(_git_log(store, commit))
        lives = {line.path: _Life(line.first, line.last) for line in trace.alive if line.first and line.last}
        graves = {
            line.path: _Grave(line.blob, _Life(line.first, line.last))
            for line in reversed(trace.dead[:MAX_REMEMBERED])
            if line.first and line.last
        }
        return cls(commit, _Layers(lives), _Layers(graves))

    def advance(self, store: Store, new_commit: CommitId) -> "History":
        """Return the history at *new_commit*: by what is new there, or built anew when this commit does not lead to it.

        Raises:
            RepositoryProblem: as ``build``.
        """
        if new_commit == self.commit:
            return self
        changes = store.diff(self.commit, new_commit)
        steps = _few_steps(store, self.commit, new_commit, changes)
        if steps is None:
            steps = list(_git_log(store, new_commit, self.commit))
        if not any(self.commit in step.parents for step in steps):
            return History.build(store, new_commit)
        trace = _Trace(store, new_commit, {change.path: change.new for change in changes if change.new is not None})
        trace.run(steps)
        lives = self._continued(trace)
        if lives is None:
            return History.build(store, new_commit)
        gone: dict[str, _Life | None] = {change.path: None for change in changes if change.new is None}
        return History(new_commit, self._lives.changed({**gone, **lives}), self._graves.changed(self._buried(trace)))

    def get(self, path: str) -> FileHistory | None:
        """Return the history of the file at *path*, None when there is no such file."""
        life = self._lives.get(path)
        if life is None:
            return None
        first, last = life.first, life.last
        return FileHistory(
            created_at=_moment(min(first.authored, last.committed)),
            updated_at=_moment(last.committed),
            first_author=first.name,
            first_author_email=first.email,
            last_author=last.name,
            last_author_email=last.email,
            last_commit=last.commit,
        )

    def to_bytes(self) -> bytes:
        """Encode for a cache."""
        stamps: dict[_Stamp, int] = {}

        def number(stamp: _Stamp) -> int:
            return stamps.setdefault(stamp, len(stamps))

        lives = self._lives.flat()
        graves = self._graves.flat()
        return msgspec.msgpack.encode(
            _Encoded(
                version=_FORMAT_VERSION,
                commit=self.commit,
                paths=list(lives),
                firsts=[number(life.first) for life in lives.values()],
                lasts=[number(life.last) for life in lives.values()],
                graves=[
                    (path, grave.blob, number(grave.life.first), number(grave.life.last))
                    for path, grave in graves.items()
                ],
                stamps=list(stamps),
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "History | None":
        """Decode what ``to_bytes`` made; None when it is damaged or of another version."""
        try:
            encoded = msgspec.msgpack.decode(data, type=_Encoded)
            stamps = encoded.stamps
            lives = {
                path: _Life(stamps[first], stamps[last])
                for path, first, last in zip(encoded.paths, encoded.firsts, encoded.lasts, strict=True)
            }
            graves = {
                path: _Grave(blob, _Life(stamps[first], stamps[last])) for path, blob, first, last in encoded.graves
            }
        except (msgspec.DecodeError, IndexError, ValueError):
            return None
        if encoded.version != _FORMAT_VERSION:
            return None
        return cls(encoded.commit, _Layers(lives), _Layers(graves))

    def _continued(self, trace: "_Trace") -> dict[str, _Life] | None:
        """Join what the new commits say of the changed files to what was known; None when that does not suffice."""
        lives = {}
        for line in trace.alive:
            known = self._known(line)
            first = known.first if known else line.first
            if first is None or line.last is None:
                return None
            lives[line.path] = _Life(first, line.last)
        return lives

    def _known(self, line: "_Line") -> _Life | None:
        """Return what was known of a file before the new commits, also when they brought it back byte for byte."""
        if line.name is None:
            grave = self._graves.get(line.born_path)
            return grave.life if grave and grave.blob == line.born_blob else None
        life = self._lives.get(line.name)
        if life is None and line.commit != self.commit and (grave := self._graves.get(line.name)):
            return grave.life  # a branch from before the deletion was merged after it
        return life

    def _buried(self, trace: "_Trace") -> dict[str, _Grave | None]:
        graves: dict[str, _Grave | None] = {}
        for line in reversed(trace.dead):
            known = self._known(line)
            first = known.first if known else line.first
            last = line.last or (known.last if known else None)
            if first and last:
                graves[line.path] = _Grave(line.blob, _Life(first, last))
        return graves


class _Encoded(msgspec.Struct, array_like=True):
    version: int
    commit: CommitId
    paths: list[str]
    firsts: list[int]
    lasts: list[int]
    graves: list[tuple[str, BlobId, int, int]]
    stamps: list[_Stamp]


class _Line:
    """One file on its way back through the commits."""

    __slots__ = ("blob", "born_blob", "born_path", "commit", "first", "last", "name", "path")

    def __init__(self, path: str, blob: BlobId) -> None:
        self.path = path
        self.blob = blob
        self.first: _Stamp | None = None
        self.last: _Stamp | None = None
        # Where it began, when it did so within the commits seen.
        self.born_path = path
        self.born_blob: BlobId | None = None
        # Where it is in the newest commit that was not seen, when it did not.
        self.name: str | None = None
        self.commit: CommitId | None = None


_Group = dict[str, list[_Line]]


class _Trace:
    """Follows files back from one commit to the oldest, each along the parents that have its bytes, as ``git log -- path``.

    All files that are at the same commit form a group, which moves to the parent as one; only what the commit touched is
    looked at, and only what a merge took from another parent leaves the group.
    """

    def __init__(self, store: Store, commit: CommitId, files: Mapping[str, BlobId]) -> None:
        self.alive = [_Line(path, blob) for path, blob in files.items()]
        self.dead: list[_Line] = []
        self._store = store
        self._groups: dict[CommitId, _Group] = {commit: {line.path: [line] for line in self.alive}}
        self._born: _Group = {}
        self._buried: set[str] = set()

    def run(self, steps: Iterable[_Step]) -> None:
        """Take in all *steps*, every commit before its parents."""
        for step in steps:
            group = self._groups.pop(step.stamp.commit, {})
            if len(step.parents) > 1:
                self._follow_merge(step, group)
            else:
                self._follow(step, group)
            if step.parents:
                self._join(step.parents[0], group)
        for commit, group in self._groups.items():
            for name, lines in group.items():
                for line in lines:
                    line.name, line.commit = name, commit

    def _follow(self, step: _Step, group: _Group) -> None:
        going_on: list[tuple[str, list[_Line]]] = []
        deleted = []
        for touch in step.touches:
            if touch.new is None:
                deleted.append(touch)
                continue
            lines = group.pop(touch.path, None)
            if lines is None:
                continue
            for line in lines:
                line.first = step.stamp
                line.last = line.last or step.stamp
            if touch.old is None:
                self._begin(touch, lines)
            else:
                going_on.append((touch.source or touch.path, lines))
        # Only now: within one commit, a may have become b and b have become c.
        for name, lines in going_on:
            group.setdefault(name, []).extend(lines)
        for touch in deleted:
            self._delete(touch, group)

    def _follow_merge(self, step: _Step, group: _Group) -> None:
        """Send each file that is unlike the first parent's to the parent it came from."""
        touches = [touch for touch in step.touches if touch.path in group]
        if not touches:
            return
        paths = [touch.path for touch in touches]
        others = [(parent, self._store.find_blobs(parent, paths)) for parent in step.parents[1:]]
        for index, touch in enumerate(touches):
            lines = group.pop(touch.path)
            parent = next((parent for parent, blobs in others if blobs[index] == touch.new), None)
            if parent is None:  # the merge itself changed it
                for line in lines:
                    line.first = step.stamp
                    line.last = line.last or step.stamp
                if touch.old is not None:
                    parent = step.parents[0]
                else:
                    parent = next((parent for parent, blobs in others if blobs[index] is not None), None)
            if parent is not None:
                self._join(parent, {(touch.source if parent == step.parents[0] else None) or touch.path: lines})
            else:
                self._begin(touch, lines)

    def _begin(self, touch: _Touch, lines: list[_Line]) -> None:
        for line in lines:
            line.born_path, line.born_blob = touch.path, touch.new
        self._born.setdefault(touch.path, []).extend(lines)

    def _delete(self, touch: _Touch, group: _Group) -> None:
        if touch.old is None:
            return
        restored = [line for line in self._born.pop(touch.path, ()) if line.born_blob == touch.old]
        if touch.path not in self._buried:
            self._buried.add(touch.path)
            self.dead.append(_Line(touch.path, touch.old))
            restored.append(self.dead[-1])
        if restored:
            group.setdefault(touch.path, []).extend(restored)

    def _join(self, commit: CommitId, group: _Group) -> None:
        there = self._groups.get(commit)
        if there is None:
            self._groups[commit] = group
            return
        small, large = sorted((there, group), key=len)
        for name, lines in small.items():
            large.setdefault(name, []).extend(lines)
        self._groups[commit] = large


def _few_steps(store: Store, old: CommitId, new: CommitId, changes: list[Change]) -> list[_Step] | None:
    """Read the commits between two in this process; None when there are many, or when Git must judge what was moved."""
    commits = store.commits_between(old, new, limit=SHORT_RANGE)
    if commits is None:
        return None
    steps = []
    for commit in commits:
        if not commit.parents:
            return None
        try:
            parent = commit.parents[0]
            differing = changes if (parent, commit.id) == (old, new) else store.diff(parent, commit.id)
        except RepositoryProblem:
            return None  # beyond the border of a shallow clone
        touches = _moved_touches(differing)
        if touches is None:
            return None
        steps.append(_Step(_stamp(commit), commit.parents, touches))
    return steps


def _moved_touches(changes: list[Change]) -> list[_Touch] | None:
    """Pair files that were moved unchanged; None when one may have been moved and edited at once."""
    added = {change.new: change for change in changes if change.old is None}
    removed = {change.old: change for change in changes if change.new is None}
    if not added or not removed:
        return [_Touch(change.path, None, change.old, change.new) for change in changes]
    count = sum(change.old is None or change.new is None for change in changes)
    if len(added) + len(removed) != count or not (added.keys() <= removed.keys() or removed.keys() <= added.keys()):
        return None
    touches = []
    for change in changes:
        if change.old is None and change.new in removed:
            touches.append(_Touch(change.path, removed[change.new].path, change.new, change.new))
        elif change.new is not None or change.old not in added:
            touches.append(_Touch(change.path, None, change.old, change.new))
    return touches


def _git_log(store: Store, new: CommitId, old: CommitId | None = None) -> Iterator[_Step]:
    """Run ``git log`` over the commits of *new* that *old* does not have, newest first."""
    git = shutil.which("git")
    if git is None:
        raise RepositoryProblem(
            "the history needs Git's own program, which is not installed",
            path=str(store.git_dir),
            hint="install git (Debian, Ubuntu: `apt install git`)",
        )
    command = [git, "--no-pager", "--no-optional-locks", f"--git-dir={store.git_dir}", *_GIT_LOG]
    command += ["--end-of-options", new, *([f"^{old}"] if old else []), "--"]
    with tempfile.TemporaryFile() as errors:
        try:
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=_environment()
            )
        except OSError as error:
            raise RepositoryProblem(f"git cannot be run: {error.strerror}", path=git) from error
        with child:
            try:
                assert child.stdout is not None
                yield from _parse_log(_fields(child.stdout))
            finally:
                if child.poll() is None and child.stdout is not None and not child.stdout.closed:
                    child.stdout.close()
        if child.returncode != 0:
            errors.seek(0)
            detail = errors.read(2_000).decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise RepositoryProblem(f"git log failed: {detail}", path=str(store.git_dir), hint="run `git fsck`")


def _environment() -> dict[str, str]:
    """An environment in which nobody's configuration applies, a foreign repository is read, and nothing is fetched."""
    return {
        "PATH": os.defpath,
        "HOME": os.devnull,
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_TERMINAL_PROMPT": "0",
    }


def _fields(stream: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while chunk := stream.read(_CHUNK_BYTES):
        *fields, rest = (rest + chunk).split(b"\0")
        yield from fields
    if rest:
        yield rest


def _parse_log(fields: Iterable[bytes]) -> Iterator[_Step]:
    """Parse what ``_GIT_LOG`` prints: a block of six lines for a commit, then a line with one or two paths for each file."""
    fields = iter(fields)
    people: dict[str, str] = {}
    step: _Step | None = None
    for field in fields:
        field = field.lstrip(b"\n")
        if field.startswith(b":"):
            touch = _parse_touch(field, fields)
            if step is not None and touch is not None:
                step.touches.append(touch)
        elif field:
            if step is not None:
                yield step
            id, parents, authored, committed, name, email = field.decode("utf-8", "replace").split("\n", 5)
            stamp = _Stamp(
                CommitId(id),
                int(parse_time(authored).timestamp()),
                int(parse_time(committed).timestamp()),
                people.setdefault(name, name),
                people.setdefault(email, email),
            )
            step = _Step(stamp, tuple(CommitId(parent) for parent in parents.split()), [])
    if step is not None:
        yield step


def _parse_touch(field: bytes, fields: Iterator[bytes]) -> _Touch | None:
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
    return _Touch(path, source, old, new)


def _stamp(commit: Commit) -> _Stamp:
    return _Stamp(
        commit.id,
        int(commit.authored_at.timestamp()),
        int(commit.committed_at.timestamp()),
        commit.author_name,
        commit.author_email,
    )


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
