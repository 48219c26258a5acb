"""Following files back from a commit to where their lives began, through moves, merges, and deletions that were taken back.

Not here: what is made of it (``history``), and the versions of one file (``blame.versions``).
"""

from collections.abc import Iterable, Mapping, Sequence

from cms.commits import Stamp, Step, Touch
from cms.overlay import Reader
from cms.refs import BlobId, CommitId


class Line:
    """One file on its way back through the commits."""

    __slots__ = ("blob", "born_blob", "born_path", "commit", "first", "last", "name", "path")

    def __init__(self, path: str, blob: BlobId) -> None:
        self.path = path
        self.blob = blob
        self.first: Stamp | None = None
        self.last: Stamp | None = None
        # Where it began, when it did so within the commits seen.
        self.born_path = path
        self.born_blob: BlobId | None = None
        # Where it is in the newest commit that was not seen, when it did not.
        self.name: str | None = None
        self.commit: CommitId | None = None


_Group = dict[str, list[Line]]


class Descent:
    """Follows files back from one commit to the oldest, each along the parents that have its bytes, as ``git log -- path``.

    All files that are at the same commit form a group, which moves to the parent as one; only what the commit touched is
    looked at, and only what a merge took from another parent leaves the group.
    """

    def __init__(self, reader: Reader, commit: CommitId, files: Mapping[str, BlobId]) -> None:
        self.alive = [Line(path, blob) for path, blob in files.items()]
        self.dead: list[Line] = []
        self._reader = reader
        self._groups: dict[CommitId, _Group] = {commit: {line.path: [line] for line in self.alive}}
        self._born: _Group = {}
        self._buried: set[str] = set()

    def run(self, steps: Iterable[Step]) -> None:
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

    def _follow(self, step: Step, group: _Group) -> None:
        going_on: list[tuple[str, list[Line]]] = []
        deleted: list[tuple[str, BlobId]] = []
        for touch in step.touches:
            if touch.old is not None and touch.new is None:
                deleted.append((touch.path, touch.old))
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
        for path, blob in deleted:
            self._delete(path, blob, group)

    def _follow_merge(self, step: Step, group: _Group) -> None:
        """Send each file that is unlike the first parent's to the parent it came from."""
        for touch in step.touches:
            lines = group.pop(touch.path, None)
            if lines is None:
                continue
            blobs = step.own.get(touch.path)
            if blobs is None or touch.new in blobs:
                self._join(self._giver(step.parents, touch), {touch.path: lines})
                continue
            for line in lines:  # the merge itself changed it
                line.first = step.stamp
                line.last = line.last or step.stamp
            parent = next((parent for parent, blob in zip(step.parents, blobs, strict=True) if blob), None)
            if parent is None and touch.source is not None:
                group.setdefault(touch.source, []).extend(lines)
            elif parent is None:
                self._begin(touch, lines)
            elif parent == step.parents[0]:
                group.setdefault(touch.path, []).extend(lines)
            else:
                self._join(parent, {touch.path: lines})

    def _giver(self, parents: Sequence[CommitId], touch: Touch) -> CommitId:
        """Find the parent, other than the first, that has the file like the merge."""
        others = parents[1:]
        if len(others) > 1:
            return next((id for id in others if self._reader.find_blob(id, touch.path) == touch.new), others[0])
        return others[0]

    def _begin(self, touch: Touch, lines: list[Line]) -> None:
        for line in lines:
            line.born_path, line.born_blob = touch.path, touch.new
        self._born.setdefault(touch.path, []).extend(lines)

    def _delete(self, path: str, blob: BlobId, group: _Group) -> None:
        restored = [line for line in self._born.pop(path, ()) if line.born_blob == blob]
        if path not in self._buried:
            self._buried.add(path)
            self.dead.append(Line(path, blob))
            restored.append(self.dead[-1])
        if restored:
            group.setdefault(path, []).extend(restored)

    def _join(self, commit: CommitId, group: _Group) -> None:
        there = self._groups.get(commit)
        if there is None:
            self._groups[commit] = group
            return
        small, large = sorted((there, group), key=len)
        for name, lines in small.items():
            large.setdefault(name, []).extend(lines)
        self._groups[commit] = large
