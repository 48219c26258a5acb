"""Snapshots of commits other than the published one: made from the nearest that is at hand, and kept while there is room.

Whoever asks for a thousand different ones makes each of them once, one after another, and never has more than a few in memory. A snapshot is a
function of its commit: what it was made from shows in nothing.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from threading import Lock

from cms.errors import Conflict, InvalidSettings
from cms.finding import finding_of
from cms.globs import compile_glob
from cms.guide import NO_GUIDE
from cms.history import History
from cms.model import ContentModel, read_model, with_branch
from cms.refs import CommitId
from cms.snapshot import Snapshot, build_snapshot, follow_snapshot
from cms.store import Store

KEPT = 6
Infer = Callable[[CommitId], ContentModel]
FindHistory = Callable[[CommitId, History], History]


class Snapshots:
    """A few snapshots of one repository. Safe to use from many threads."""

    def __init__(self, store: Store, present: Callable[[], Snapshot], infer: Infer, history: FindHistory) -> None:
        """Nothing is read before somebody asks.

        Args:
            present: gives the snapshot of the published branch as it is served now.
            infer: makes a content model for a commit that has none written down.
            history: gives the history at any commit, with that of the published branch to begin with.
        """
        self._store = store
        self._present = present
        self._infer = infer
        self._history = history
        self._kept: OrderedDict[CommitId, Snapshot] = OrderedDict()
        self._reduced: OrderedDict[tuple[CommitId, tuple[str, ...]], tuple[Snapshot, Snapshot]] = OrderedDict()
        # One at a time: a snapshot may take seconds of computing, and a second one at once would not be done sooner.
        self._lock = Lock()

    def find(self, commit: CommitId) -> Snapshot:
        """The snapshot of *commit*.

        Raises:
            Conflict: its content model cannot be read.
            RepositoryProblem: it cannot be read.
        """
        present = self._present()
        if present.commit.id == commit and present.history.is_exact:
            return present
        with self._lock:
            found = self._kept.get(commit)
            if found is None:
                found = self._make(commit, present)
            self._kept[commit] = found
            self._kept.move_to_end(commit)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return found

    def reduce(self, snapshot: Snapshot, never: Sequence[str]) -> Snapshot:
        """*snapshot* without the files that the globs *never* name, as if they had never been."""
        if not never:
            return snapshot
        key = snapshot.commit.id, tuple(never)
        with self._lock:
            known = self._reduced.get(key)
            if known is not None and known[0] is snapshot:
                self._reduced.move_to_end(key)
                return known[1]
            found = _without(snapshot, never)
            self._reduced[key] = snapshot, found
            while len(self._reduced) > KEPT:
                self._reduced.popitem(last=False)
            return found

    def _make(self, commit: CommitId, present: Snapshot) -> Snapshot:
        near = self._nearest(commit, present)
        try:
            if near.model.is_inferred:
                snapshot = self._follow_inferred(near, commit)
            else:
                snapshot = follow_snapshot(near, self._store, commit)
        except InvalidSettings as error:
            if read_is_empty(self._store, commit):
                snapshot = self._build_inferred(near, commit)
            else:
                findings = error.facts.get("findings") or (finding_of(error),)
                raise Conflict(
                    f"the content at {commit[:10]} cannot be read, because its cms.toml is wrong: {error}",
                    findings=findings,
                ) from error
        return replace(snapshot, history=self._history(commit, present.history), changed=None, advanced_from=None)

    def _nearest(self, commit: CommitId, present: Snapshot) -> Snapshot:
        """What probably differs least: of all that are at hand the one that was made at the nearest time."""
        moment = self._store.commit(commit).committed_at
        return min((present, *self._kept.values()), key=lambda near: abs(near.commit.committed_at - moment))

    def _follow_inferred(self, near: Snapshot, commit: CommitId) -> Snapshot:
        """What was guessed from the files of one commit may not fit those of another."""
        model = read_model(self._store, commit)
        if model is None:
            return self._build_inferred(near, commit)
        model = with_branch(model, near.model.settings.site.branch)
        return build_snapshot(self._store, commit, model, neighbour=near)

    def _build_inferred(self, near: Snapshot, commit: CommitId) -> Snapshot:
        model = with_branch(self._infer(commit), near.model.settings.site.branch)
        return build_snapshot(self._store, commit, model, neighbour=near)


def read_is_empty(store: Store, commit: CommitId) -> bool:
    """Whether *commit* has neither settings nor schemas.

    Raises:
        RepositoryProblem: it cannot be read.
    """
    try:
        return read_model(store, commit) is None
    except InvalidSettings:
        return False


def is_withheld(path: str, never: Iterable[str]) -> bool:
    """Whether one of the globs *never* names *path*."""
    return any(compile_glob(pattern).matches(path) for pattern in never)


def _without(snapshot: Snapshot, never: Sequence[str]) -> Snapshot:
    globs = [compile_glob(pattern) for pattern in never]

    def is_out(path: str) -> bool:
        return any(glob.matches(path) for glob in globs)

    gone = {path: None for path in (*snapshot.files, *snapshot.refused, *snapshot.findings) if is_out(path)}
    history = snapshot.history.without(is_out)
    guide = NO_GUIDE if any(map(is_out, snapshot.guide.sources)) else snapshot.guide
    if not gone and history is snapshot.history and guide is snapshot.guide:
        return snapshot
    return replace(
        snapshot,
        files=snapshot.files.changed(gone),
        refused=snapshot.refused.changed(gone),
        findings=snapshot.findings.changed(gone),
        timed={path: entry for path, entry in snapshot.timed.items() if path not in gone},
        history=history,
        guide=guide,
        changed=None,
        advanced_from=None,
        derived={},
    )
