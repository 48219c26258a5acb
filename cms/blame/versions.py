"""The versions of one file: the commits that gave it other bytes, back to where its life began, also under other names.

A version is reached as ``history`` follows a file: along the parent that has its bytes, through moves, and through a deletion when it came
back byte for byte. What a branch changed and a merge threw away is not among them. A version that a merge made of several has several
before it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from cms.chronicle import Chronicle
from cms.commits import Stamp, Step, Touch
from cms.refs import BlobId, CommitId
from cms.store import Store

#: How many are looked at; what is older belongs to nobody in particular.
VERSIONS_MOST = 2_000


@dataclass(slots=True, eq=False)
class Version:
    """A file as one commit left it.

    Attributes:
        stamp: the commit; None: nothing is committed yet.
        earlier: the versions that it was made from, that of the first parent first.
        is_merge: a merge made it of several versions.
        is_cut: there are earlier ones that were not looked at.
    """

    stamp: Stamp | None
    path: str
    blob: BlobId
    earlier: list["Version"] = field(default_factory=list)
    is_merge: bool = False
    is_cut: bool = False

    @property
    def change(self) -> str:
        """What the commit did to the file."""
        if not self.earlier:
            return "changed" if self.is_cut else "created"
        if self.is_merge:
            return "merged"
        before = self.earlier[0]
        if before.path != self.path:
            return "renamed"
        return "restored" if before.blob == self.blob else "changed"


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions of one file, the newest first and each before those that it was made from; the file is what the first one made it."""

    all: Sequence[Version]

    @property
    def newest(self) -> Version:
        """The one that is looked at."""
        return self.all[0]


def find_versions(
    chronicle: Chronicle,
    store: Store,
    tips: Sequence[CommitId],
    path: str,
    blob: BlobId,
    *,
    published: CommitId,
    is_out: Callable[[str], bool] | None = None,
    is_line: bool = False,
) -> Versions:
    """Find the versions of the file *path*, which holds *blob*.

    Args:
        tips: the commit to look at; of what is not committed yet, those that it was merged from, the published one first.
        published: where the published branch is.
        is_out: whether what a file was while it had a path is not looked at.
        is_line: only the commit and its first parents are looked at, each as if it had made what it merged.

    Raises:
        RepositoryProblem: Git's program is missing or fails, or an object is missing or damaged.
    """
    if is_line:
        steps = list(chronicle.line_about(tips[0], [path], published))
    else:
        steps = list(chronicle.steps_about(tips, [path], published))
    walk = _Walk(store, path, steps, is_out)
    blobs = [store.find_blob(tip, path) for tip in tips]
    if blob in blobs:
        walk.begin(tips[blobs.index(blob)], path)
        walk.run(steps)
        return Versions(walk.found)
    merged = Version(None, path, blob, is_merge=True)
    for tip in tips:
        name = walk.name_at(tip, path)
        if name is not None:
            walk.begin(tip, name, merged)
    walk.run(steps)
    return Versions([merged, *walk.found])


class _Walk:
    """Goes back from commit to commit with the versions that wait there for the one before them."""

    def __init__(
        self, store: Store, path: str, steps: Iterable[Step], is_out: Callable[[str], bool] | None = None
    ) -> None:
        """*steps* are those that will be run, with all that concern the file that is called *path* now."""
        self.found: list[Version] = []
        self._is_out = is_out
        self._store = store
        sources = {touch.source: None for step in steps for touch in step.touches if touch.source is not None}
        self._names = [path, *sources]
        self._known: dict[tuple[CommitId, str], Version] = {}
        # Where those wait that need what a commit had at a path: each is a list to add the version to.
        self._waiting: dict[CommitId, dict[str, list[Version | None]]] = {}
        self._born: dict[str, list[Version]] = {}

    def begin(self, commit: CommitId, path: str, later: Version | None = None) -> None:
        """Look for the version at *commit*, from which *later* was made."""
        self._join(commit, {path: [later]})

    def name_at(self, commit: CommitId, path: str) -> str | None:
        """What the file was called at *commit*; None when it was not there."""
        names = [path, *(name for name in self._names if name != path)]
        blobs = self._store.find_blobs(commit, names)
        return next((name for name, blob in zip(names, blobs, strict=True) if blob is not None), None)

    def run(self, steps: Iterable[Step]) -> None:
        """Take in *steps*, every commit before its parents."""
        for step in steps:
            here = self._waiting.pop(step.stamp.commit, {})
            if len(step.parents) > 1:
                self._follow_merge(step, here)
            else:
                self._follow(step, here)
            if step.parents:
                self._join(step.parents[0], here)

    def _follow(self, step: Step, here: dict[str, list[Version | None]]) -> None:
        going_on: list[tuple[str, Version]] = []
        deleted: list[Touch] = []
        for touch in step.touches:
            if touch.new is None:
                deleted.append(touch)
                continue
            waiting = here.pop(touch.path, None)
            if waiting is None:
                continue
            version = self._make(step, touch, waiting)
            if version is None:
                continue
            if touch.old is None:
                self._born.setdefault(touch.path, []).append(version)
            else:
                going_on.append((touch.source or touch.path, version))
        for name, version in going_on:
            here.setdefault(name, []).append(version)
        for touch in deleted:
            restored = [each for each in self._born.pop(touch.path, ()) if each.blob == touch.old]
            if restored:
                here.setdefault(touch.path, []).extend(restored)

    def _follow_merge(self, step: Step, here: dict[str, list[Version | None]]) -> None:
        for touch in step.touches:
            waiting = here.pop(touch.path, None)
            if waiting is None or touch.new is None:
                continue
            blobs = step.own.get(touch.path)
            if blobs is None or touch.new in blobs:
                self._join(self._giver(step.parents, touch), {touch.path: waiting})
                continue
            version = self._make(step, touch, waiting, is_merge=True)
            if version is None:
                continue
            if touch.old is not None:
                here.setdefault(touch.source or touch.path, []).append(version)
            for parent, blob in zip(step.parents[1:], blobs[1:], strict=False):
                name = touch.path if blob is not None else self.name_at(parent, touch.path)
                if name is not None:
                    self._join(parent, {name: [version]})

    def _make(
        self, step: Step, touch: Touch, waiting: Iterable[Version | None], *, is_merge: bool = False
    ) -> Version | None:
        """The version that a commit made, given to those that wait for it; None when it is not looked at."""
        assert touch.new is not None
        key = step.stamp.commit, touch.path
        version = self._known.get(key)
        is_new = version is None
        if version is None:
            if len(self.found) >= VERSIONS_MOST or (self._is_out is not None and self._is_out(touch.path)):
                for later in waiting:
                    if later is not None:
                        later.is_cut = True
                return None
            version = self._known[key] = Version(step.stamp, touch.path, touch.new, is_merge=is_merge)
            self.found.append(version)
        for later in waiting:
            if later is not None and version not in later.earlier:
                later.earlier.append(version)
        return version if is_new else None

    def _giver(self, parents: Sequence[CommitId], touch: Touch) -> CommitId:
        """Find the parent, other than the first, that has the file like the merge."""
        others = parents[1:]
        if len(others) > 1:
            return next((id for id in others if self._store.find_blob(id, touch.path) == touch.new), others[0])
        return others[0]

    def _join(self, commit: CommitId, here: dict[str, list[Version | None]]) -> None:
        there = self._waiting.setdefault(commit, {})
        for name, waiting in here.items():
            there.setdefault(name, []).extend(waiting)
