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

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from cms.commits import Stamp, Step, read_few_steps, read_steps
from cms.descent import Descent, Line
from cms.layers import Layers
from cms.objects import Change
from cms.overlay import Reader
from cms.refs import BlobId, CommitId
from cms.store import Store
from cms.whereabouts import Departure, Whereabouts, latest

MAX_REMEMBERED = 20_000
MAX_DEPARTED = 100_000
#: How far back a file that a branch took from there is compared with what is there now.
STAYED_STEPS = 100
_FORMAT_VERSION = 4


_Gone = Layers[tuple[Departure, ...]]


class FileHistory(msgspec.Struct, frozen=True, kw_only=True):
    """The history of one file. Names are for everybody, e-mail addresses never leave the server."""

    created_at: datetime
    updated_at: datetime
    first_author: str
    first_author_email: str
    last_author: str
    last_author_email: str
    last_commit: CommitId


class _Life(msgspec.Struct, frozen=True, gc=False):
    first: Stamp
    last: Stamp


class _Grave(msgspec.Struct, frozen=True, gc=False):
    """A deleted file: what it held, in case it comes back."""

    blob: BlobId
    life: _Life


class History:
    """The history of every regular file at one commit. Immutable.

    Attributes:
        is_exact: whether it is surely what ``build`` would tell, and not only most likely: see ``advance``.
        border: where the repository ended when it was read (``Store.border``).
    """

    def __init__(
        self,
        commit: CommitId,
        lives: Layers[_Life],
        graves: Layers[_Grave] | None,
        departed: _Gone | Callable[[], _Gone],
        *,
        is_exact: bool = True,
        border: str = "",
    ) -> None:
        """Use ``History.build`` or ``from_bytes``. Without *graves* it cannot be advanced; *departed* may be made when it is wanted."""
        self.commit = commit
        self.is_exact = is_exact
        self.border = border
        self._lives = lives
        self._graves = graves
        self._departed = departed

    @classmethod
    def build(cls, store: Store, commit: CommitId) -> "History":
        """Read all commits that lead to *commit*.

        Raises:
            RepositoryProblem: Git's program is missing or fails, or an object is missing or damaged.
        """
        return cls.trace(store, commit, read_steps(store, commit))

    @classmethod
    def trace(cls, store: Store, commit: CommitId, steps: Iterable[Step]) -> "History":
        """Work out the history at *commit* from *steps*: all that lead to it, in the order of ``git log --topo-order``.

        Raises:
            RepositoryProblem: an object is missing or damaged, or as *steps* do.
        """
        border = store.border()
        trace = Descent(store, commit, {file.path: file.blob for file in store.list_files(commit)})
        whereabouts = Whereabouts(commit, MAX_DEPARTED)
        trace.run(whereabouts.watch(steps))
        lives = {line.path: _Life(line.first, line.last) for line in trace.alive if line.first and line.last}
        graves = {
            line.path: _Grave(line.blob, _Life(line.first, line.last))
            for line in reversed(trace.dead[:MAX_REMEMBERED])
            if line.first and line.last
        }
        return cls(commit, Layers(lives), Layers(graves), Layers(whereabouts.departed()), border=border)

    def advance(self, store: Store, new_commit: CommitId) -> "History":
        """Return the history at *new_commit*: by what is new there, or built anew when this commit does not lead to it.

        A file that a branch took from before this commit is taken for the one that is there now. That is wrong when it was deleted and made
        anew meanwhile; the result says that it ``is_exact`` only where nothing of this kind can be.

        Raises:
            RepositoryProblem: as ``build``.
        """
        if new_commit == self.commit:
            return self
        if self._graves is None or store.resolve(self.commit) is None:  # forced away, and pruned since
            return History.build(store, new_commit)
        changes = store.diff(self.commit, new_commit)
        steps = read_few_steps(store, self.commit, new_commit, changes)
        if steps is None:
            steps = list(read_steps(store, new_commit, self.commit))
        if not any(self.commit in step.parents for step in steps):
            return History.build(store, new_commit)
        steps, is_straight = _in_order(steps, new_commit, self.commit)
        trace = Descent(store, new_commit, _files_to_follow(store, new_commit, changes, steps))
        whereabouts = Whereabouts(new_commit, MAX_DEPARTED)
        trace.run(whereabouts.watch(steps))
        lives = self._continued(trace)
        if lives is None:
            return History.build(store, new_commit)
        gone: dict[str, _Life | None] = {change.path: None for change in changes if change.new is None}
        updates = whereabouts.since(self.commit, self.departed, changes, steps[0].stamp)
        is_sure = is_straight and whereabouts.reached == self.commit and not self._is_guessed(store, trace)
        return History(
            new_commit,
            self._lives.changed({**gone, **lives}),
            self._graves.changed(self._buried(trace)),
            latest(self.departed.changed(updates), MAX_DEPARTED) if updates else self.departed,
            is_exact=self.is_exact and is_sure,
            border=self.border,
        )

    def retraced(
        self,
        reader: Reader,
        commit: CommitId,
        paths: Iterable[str],
        steps: Iterable[Step],
        departed: _Gone | Callable[[], _Gone],
    ) -> "History":
        """Return the history at another *commit*, where all files but those at *paths* have the history that they have here.

        Args:
            steps: all that lead to *commit*, as ``trace`` wants them; they need only tell of these files, under any name they had.
            departed: what went from each path there.

        Raises:
            RepositoryProblem: an object is missing or damaged, or as *steps* do.
        """
        wanted = list(paths)
        blobs = dict(zip(wanted, reader.find_blobs(commit, wanted), strict=True))
        trace = Descent(reader, commit, {path: blob for path, blob in blobs.items() if blob is not None})
        trace.run(steps)
        lives: dict[str, _Life | None] = dict.fromkeys(wanted)
        lives |= {line.path: _Life(line.first, line.last) for line in trace.alive if line.first and line.last}
        return History(commit, self._lives.changed(lives), None, departed, border=self.border)

    @property
    def departed(self) -> _Gone:
        """What went from each path, the latest first, and where it is now; there may be another file at the path."""
        if callable(self._departed):
            self._departed = self._departed()
        return self._departed

    def without(self, is_out: Callable[[str], bool]) -> "History":
        """The same as if the files at some paths had never gone from there, nor anything come to them."""
        updates: dict[str, tuple[Departure, ...] | None] = {}
        for path, departures in self.departed.items():
            kept = tuple(each for each in departures if each.to is None or not is_out(each.to))
            if is_out(path) or len(kept) < len(departures):
                updates[path] = None if is_out(path) or not kept else kept
        if not updates:
            return self
        left = self.departed.changed(updates)
        return History(self.commit, self._lives, self._graves, left, is_exact=self.is_exact, border=self.border)

    @property
    def count(self) -> int:
        """How many files there are."""
        return len(self._lives)

    def differing(self, other: "History") -> set[str]:
        """Return the paths of which *other* says something else: more than what differs between the trees, since a file
        may have been changed and changed back."""
        return self._lives.differing(other._lives)

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

    def buried(self) -> dict[str, BlobId]:
        """Return what was deleted and is not there now: path to what it held last. What was moved is not gone."""
        return {
            path: departures[0].blob
            for path, departures in self.departed.items()
            if departures[0].to is None and path not in self._lives
        }

    def to_bytes(self) -> bytes:
        """Encode for a cache."""
        stamps: dict[Stamp, int] = {}

        def number(stamp: Stamp) -> int:
            return stamps.setdefault(stamp, len(stamps))

        lives = self._lives.flat()
        graves = {} if self._graves is None else self._graves.flat()
        departed = self.departed.flat()
        known = {departure.before: None for departures in departed.values() for departure in departures}
        commits = {commit: index for index, commit in enumerate(known)}
        return msgspec.msgpack.encode(
            _Encoded(
                version=_FORMAT_VERSION,
                commit=self.commit,
                is_exact=self.is_exact,
                border=self.border,
                paths=list(lives),
                firsts=[number(life.first) for life in lives.values()],
                lasts=[number(life.last) for life in lives.values()],
                graves=[
                    (path, grave.blob, number(grave.life.first), number(grave.life.last))
                    for path, grave in graves.items()
                ],
                stamps=list(stamps),
                departed=[
                    (path, [(each.blob, each.at, commits[each.before], each.to) for each in departures])
                    for path, departures in departed.items()
                ],
                commits=list(commits),
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "History | None":
        """Decode what ``to_bytes`` made; None when it is damaged or of another version."""
        try:
            encoded = msgspec.msgpack.decode(data, type=_Encoded)
            stamps = encoded.stamps
            lives = {
                sys.intern(path): _Life(stamps[first], stamps[last])
                for path, first, last in zip(encoded.paths, encoded.firsts, encoded.lasts, strict=True)
            }
            graves = {
                path: _Grave(blob, _Life(stamps[first], stamps[last])) for path, blob, first, last in encoded.graves
            }
            departed = {
                path: tuple(
                    Departure(blob, at, encoded.commits[before], None if to is None else sys.intern(to))
                    for blob, at, before, to in departures
                )
                for path, departures in encoded.departed
            }
        except (msgspec.DecodeError, IndexError, ValueError):
            return None
        if encoded.version != _FORMAT_VERSION:
            return None
        return cls(
            encoded.commit,
            Layers(lives),
            Layers(graves),
            Layers(departed),
            is_exact=encoded.is_exact,
            border=encoded.border,
        )

    def _continued(self, trace: Descent) -> dict[str, _Life] | None:
        """Join what the new commits say of the changed files to what was known; None when that does not suffice."""
        lives = {}
        for line in trace.alive:
            if line.last is None and (line.name, line.commit) == (line.path, self.commit):
                continue  # touched only on a branch whose version was thrown away
            known = self._known(line)
            first = known.first if known else line.first
            if first is None or line.last is None:
                return None
            lives[line.path] = _Life(first, line.last)
        return lives

    def _known(self, line: Line) -> _Life | None:
        """Return what was known of a file before the new commits, also when they brought it back byte for byte."""
        graves: Mapping[str, _Grave] = self._graves or {}
        if line.name is None:
            grave = graves.get(line.born_path)
            return grave.life if grave and grave.blob == line.born_blob else None
        life = self._lives.get(line.name)
        if life is None and line.commit != self.commit and (grave := graves.get(line.name)):
            return grave.life  # a branch from before the deletion was merged after it
        return life

    def _is_guessed(self, store: Store, trace: Descent) -> bool:
        """Whether what came before the new commits is only most likely so for some file that they brought."""
        is_full = len(self._graves or ()) >= MAX_REMEMBERED or len(self.departed) >= MAX_DEPARTED
        elsewhere: dict[CommitId, set[str]] = {}
        for line in (*trace.alive, *trace.dead):
            if line.name is None and is_full:
                return True
            if line.name is not None and line.commit is not None and line.commit != self.commit:
                elsewhere.setdefault(line.commit, set()).add(line.name)
        return bool(elsewhere) and not self._have_stayed(store, elsewhere)

    def _have_stayed(self, store: Store, files: Mapping[CommitId, set[str]]) -> bool:
        """Whether the files that some commits have are the very ones that are here: no published commit since has touched them."""
        left = dict(files)
        names = sorted({name for each in files.values() for name in each})
        blobs, commit = store.find_blobs(self.commit, names), self.commit
        for _ in range(STAYED_STEPS):
            parents = store.commit(commit).parents
            if not parents:
                return False
            commit = parents[0]
            before = store.find_blobs(commit, names)
            touched = {name for name, old, new in zip(names, before, blobs, strict=True) if old != new}
            if any(touched & each for each in left.values()):
                return False
            left.pop(commit, None)
            if not left:
                return True
        return False

    def _buried(self, trace: Descent) -> dict[str, _Grave | None]:
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
    is_exact: bool
    border: str
    paths: list[str]
    firsts: list[int]
    lasts: list[int]
    graves: list[tuple[str, BlobId, int, int]]
    stamps: list[Stamp]
    departed: list[tuple[str, list[tuple[BlobId, int, int, str | None]]]]
    commits: list[CommitId]


def _in_order(steps: Sequence[Step], new: CommitId, old: CommitId) -> tuple[list[Step], bool]:
    """Return *steps* as ``git log --topo-order`` has them among all commits of *new*, and whether it has them all before *old*."""
    known = {step.stamp.commit: step for step in steps}
    children = Counter(parent for step in steps for parent in step.parents)
    found: list[Step] = []
    waiting, at_old = [new], len(steps)
    while waiting:
        commit = waiting.pop()
        if commit == old:
            at_old = len(found)
            continue
        found.append(known[commit])
        for parent in known[commit].parents:
            children[parent] -= 1
            if not children[parent] and (parent in known or parent == old):
                waiting.append(parent)
    return found, at_old == len(steps)


def _files_to_follow(
    store: Store, commit: CommitId, changes: Sequence[Change], steps: Sequence[Step]
) -> dict[str, BlobId]:
    """Return the files that differ, and those that were touched and are as before (a change that was taken back)."""
    files = {change.path: change.new for change in changes}
    touched = {touch.path for step in steps for touch in step.touches} - files.keys()
    files |= dict(zip(touched, store.find_blobs(commit, touched), strict=True))
    return {path: blob for path, blob in files.items() if blob is not None}


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
