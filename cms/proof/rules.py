"""Whether the rules that publications were judged by can be relied on: each change of them, in its turn, must have been approved.

Who could change the rules for an hour could otherwise publish what they like in it, and change them back.

The rules of the beginning are taken as they are. A change that nobody approved casts doubt on what is published after it, until the same
file is changed again with the approvals that the last undoubted rules ask for, or is again what it was under them.
"""

from bisect import bisect_left
from dataclasses import dataclass

from cms.proof.grounds import Standing
from cms.proof.judging import judge_publication, judge_state
from cms.proof.origins import Origins
from cms.proof.replay import Replayer
from cms.refs import CommitId


@dataclass(frozen=True, slots=True)
class _Change:
    """After this place of the line of the published branch, *doubt* is in force; empty when the rules can be relied on."""

    place: int
    doubt: str


class Rules:
    """The rules of one published branch, as far as they changed since the workflow began."""

    def __init__(self, origins: Origins, replayer: Replayer) -> None:
        """Go through the changes.

        Raises:
            RepositoryProblem: an object is missing or damaged.
        """
        #: Changes that somebody made by a bypass, in words.
        self.bypassed: list[str] = []
        self._origins = origins
        self._replayer = replayer
        self._changes: list[_Change] = []
        self._doubts: dict[str, str] = {}
        #: The last commit under whose rules everything was in order.
        self._good = _before_beginning(origins)
        for step, paths in origins.rules.items():
            self._take(step, paths)
            self._changes.append(_Change(origins.order[step], next(iter(self._doubts.values()), "")))
            if not self._doubts:
                self._good = step

    def doubt(self, step: CommitId) -> str:
        """Say why the rules that a step was judged by cannot be relied on; empty when they can."""
        number = bisect_left(self._changes, self._origins.order[step], key=lambda change: change.place)
        return self._changes[number - 1].doubt if number else ""

    def _take(self, step: CommitId, paths: tuple[str, ...]) -> None:
        reasons = self._reasons(step, paths)
        for path in paths:
            if path in reasons and not self._is_as_before(step, path):
                self._doubts.setdefault(path, reasons[path])
            else:
                self._doubts.pop(path, None)

    def _reasons(self, step: CommitId, paths: tuple[str, ...]) -> dict[str, str]:
        """Why the files that a step changed cannot be relied on."""
        if step not in self._origins.publications:
            return {path: f"{path} was changed by {step[:10]} past the workflow" for path in paths}
        replayed = self._replayer.replay(self._origins, step, rules_at=self._good if self._doubts else None)
        publication = judge_publication(replayed)
        found = {}
        for path in paths:
            standing, why = judge_state(replayed, publication, replayed.entries[path])
            if standing is Standing.BYPASSED:
                self.bypassed.append(f"{path} in {step[:10]}: {why}")
            elif standing is Standing.UNAPPROVED:
                found[path] = f"{path} was changed by {step[:10]} without approval: {why}"
        return found

    def _is_as_before(self, step: CommitId, path: str) -> bool:
        """Whether a file is again what it was when the rules could be relied on last."""
        find = self._replayer.store.find_blob
        return self._good is not None and find(step, path) == find(self._good, path)


def _before_beginning(origins: Origins) -> CommitId | None:
    """What was published when the workflow began; None when that is not there."""
    if not origins.beginning:
        return None
    return next(step for step, place in origins.order.items() if place == origins.beginning - 1)
