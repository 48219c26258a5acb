"""The chronicle: what every commit of a repository touched, read from Git once and then kept.

It answers for any commit what ``History.build`` would, and for any file which commits made it, without asking Git again. It is loaded by the
first question, from the derived cache where that has it, and grows by what is new. That a commit is in it says nothing about who may see it.

Not here: how it is held (``annals``), what the commits mean for a file (``history``).
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from threading import Lock

from cms.annals import Annals
from cms.cache import DerivedCache
from cms.commits import Step, make_merge_step, read_few_steps, read_steps
from cms.history import MAX_DEPARTED, History
from cms.layers import Layers
from cms.overlay import Reader
from cms.refs import CommitId
from cms.store import Store
from cms.whereabouts import Departure, Whereabouts

_KEPT_AS = "chronicle"
#: From how many new commits on, or from which part of all, it is worth to write everything anew.
_WORTH_KEEPING, _WORTH_PART = 1_000, 10


class Chronicle:
    """The commits of one repository. Safe to use from many threads."""

    def __init__(self, store: Store, cache: DerivedCache) -> None:
        """Nothing is read before somebody asks."""
        self._store = store
        self._cache = cache
        self._lock = Lock()
        self._annals: Annals | None = None
        self._base: History | None = None

    def history_at(self, commit: CommitId, near: History) -> History:
        """The history at any *commit*: equal to ``History.build`` there.

        Args:
            near: that of the published branch. Only the files that were touched since the two parted are looked at anew.

        Raises:
            RepositoryProblem: Git's program is missing or fails, or an object is missing or damaged.
        """
        annals = self._annals_with(commit, near.commit)
        base = near if near.is_exact else self._base_at(annals, near.commit)
        return base if commit == base.commit else self._follow(annals, base, commit)

    def history_of_merge(self, reader: Reader, merge: CommitId, parents: Sequence[CommitId], near: History) -> History:
        """The history that a merge will have when it is made, which is nowhere committed yet.

        What it makes itself is as if who wrote the head of the last of *parents* had made it, then.

        Args:
            reader: has the merge, and everything else.
            parents: what it is made of, what is published first.
            near: the history there.

        Raises:
            RepositoryProblem: as ``history_at``.
        """
        for parent in parents:
            annals = self._annals_with(parent, near.commit)
        base = near if near.is_exact else self._base_at(annals, near.commit)
        step = make_merge_step(reader, merge, parents, annals.step_of(parents[-1]).stamp)
        paths = [touch.path for touch in step.touches]
        steps = annals.steps_about(annals.order(*parents), paths, parents)
        return base.retraced(reader, merge, paths, chain([step], steps), base.departed)

    def steps(self, commit: CommitId, published: CommitId | None = None) -> Iterator[Step]:
        """All commits that lead to *commit*, in the order of ``git log --topo-order``.

        Args:
            published: where the published branch is, to which most of what is asked for leads; None: *commit* is most likely there.

        Raises:
            RepositoryProblem: as ``history_at``.
        """
        known = self._annals
        annals = self._annals_with(commit, published or (commit if known is None else known.main))
        return map(annals.step, annals.order(commit))

    def steps_about(self, commits: Sequence[CommitId], paths: Iterable[str], published: CommitId) -> Iterator[Step]:
        """The commits that lead to *commits*, as ``steps``, with those touches only that concern the files at *paths*, under any name.

        Commits that none of these files can have gone through are left out.

        Raises:
            RepositoryProblem: as ``history_at``.
        """
        for commit in commits:
            annals = self._annals_with(commit, published)
        order = annals.order(*commits)
        return annals.steps_about(order, annals.names(order, paths), commits)

    def line_about(self, commit: CommitId, paths: Iterable[str], published: CommitId) -> Iterator[Step]:
        """*commit* and its first parents, as if each had made what it merged, with those touches only that concern the files at *paths*.

        Raises:
            RepositoryProblem: as ``history_at``.
        """
        return self._annals_with(commit, published).line_about(commit, paths)

    def _base_at(self, annals: "Annals", commit: CommitId) -> History:
        """A history of the published branch that is exact, where the one that followed it is perhaps not."""
        base = self._base
        if base is None:
            base = History.trace(self._store, commit, map(annals.step, annals.order(commit)))
        elif base.commit != commit:
            base = self._follow(annals, base, commit)
        self._base = base
        return base

    def _follow(self, annals: "Annals", base: History, commit: CommitId) -> History:
        order = annals.order(commit)
        paths = annals.parting(base.commit, commit, order)
        if paths is None or 2 * len(paths) > base.count:
            return History.trace(self._store, commit, map(annals.step, order))

        def departed() -> Layers[tuple[Departure, ...]]:
            whereabouts = Whereabouts(commit, MAX_DEPARTED)
            deque(whereabouts.watch(annals.moving_steps(order)), maxlen=0)
            return Layers(whereabouts.departed())

        return base.retraced(self._store, commit, paths, annals.steps_about(order, paths, [commit]), departed)

    def _annals_with(self, commit: CommitId, published: CommitId) -> "Annals":
        annals = self._annals
        if annals is None or commit not in annals or annals.main != published:
            with self._lock:
                annals = self._annals = self._annals or self._load(published)
                for wanted in (published, commit):
                    if wanted not in annals:
                        # Listed before it is entered: what fails halfway must leave no commit without its parents.
                        annals.enter(list(self._read_since(annals.main, wanted)))
                annals.main = published
        return annals

    def _load(self, published: CommitId) -> "Annals":
        """What is kept on disk, with all that leads to *published*; kept again when much was new."""
        border = self._store.border()
        kept = self._cache.load_history(_KEPT_AS)
        annals = Annals.from_bytes(kept[1]) if kept is not None and kept[0] == border else None
        if annals is None or self._store.resolve(annals.main) is None:
            annals = Annals(published)
            fresh = annals.enter(read_steps(self._store, published))
        else:
            fresh = 0 if published in annals else annals.enter(list(self._read_since(annals.main, published)))
        if fresh >= _WORTH_KEEPING or fresh * _WORTH_PART > len(annals):
            annals.main = published
            self._cache.save_history(_KEPT_AS, border, annals.to_bytes())
        return annals

    def _read_since(self, known: CommitId, commit: CommitId) -> Iterable[Step]:
        """The commits of *commit* that *known* does not have."""
        if self._store.resolve(known) is None:
            return read_steps(self._store, commit)
        few = read_few_steps(self._store, known, commit, self._store.diff(known, commit))
        return few if few is not None else read_steps(self._store, commit, known)
