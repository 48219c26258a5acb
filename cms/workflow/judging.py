"""Judging what would be published: the merged result, by the one validator, at the cost of what differs."""

from cms.finding import Finding
from cms.judge import judge
from cms.merge import Merge
from cms.overlay import Overlay, Reader
from cms.snapshot import Snapshot


def judge_merge(before: Snapshot, merge: Merge, reader: Reader) -> tuple[Finding, ...]:
    """What is wrong with, or odd about, the published branch as *merge* would make it; nothing is written.

    Raises:
        RepositoryProblem: an object cannot be read.
    """
    overlay = Overlay(reader, before.commit.id, merge.changes, merge.contents)
    return tuple(judge(before, overlay, overlay.head).findings)
