"""Judging a commit before it counts: what a push brings, what a merge would publish, what a file on the web would become.

One judgement for all of them: the tree policy, then the rules of the content, against what is published now. Nothing is written, no other
program is called, and the cost follows what differs, so it is the same for objects that wait in a push's quarantine.

Not here: who may do it (``permissions``), and whether it has been approved (``workflow``).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import msgspec

from cms.check import FindDraft, check_changes, check_snapshot
from cms.errors import InvalidSettings
from cms.finding import Finding, finding_of
from cms.model import read_model
from cms.overlay import Reader
from cms.refs import CommitId, TreeId
from cms.settings import SCHEMAS_FOLDER
from cms.snapshot import Snapshot, build_snapshot, follow_snapshot
from cms.treepolicy import CONTENT_FOLDER, FATAL, Ground, check_tree, ground_of

LINES = 50
LINE_LENGTH = 1_000
HEADING = "No errors, but worth a look:"
USUAL_GROUND = Ground((CONTENT_FOLDER, SCHEMAS_FOLDER))


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What was found, errors first.

    Attributes:
        snapshot: of the commit that was judged; None when it was not read, because of an error among the findings.
    """

    findings: tuple[Finding, ...]
    snapshot: Snapshot | None = None

    @property
    def is_sound(self) -> bool:
        """Whether there is no error."""
        return all(finding.severity != "error" for finding in self.findings)


def judge(
    before: Snapshot | None,
    reader: Reader,
    commit: CommitId,
    *,
    beside: Sequence[CommitId] = (),
    find_draft: FindDraft | None = None,
) -> Judgement:
    """Judge *commit* against the published snapshot *before*; None when nothing is published yet.

    Args:
        reader: reads *commit* and everything that is published: a store, one that sees a push's quarantine, or an overlay with its head.
        beside: commits that are in the repository already, such as the draft's head before a push; what their trees hold is no news.
        find_draft: tells in which other draft an entry is that is referred to and not there.

    Raises:
        RepositoryProblem: an object is missing or damaged.
    """
    tree = reader.commit(commit).tree
    if before is not None and tree == before.commit.tree:
        return Judgement(findings=(), snapshot=before)
    known = [reader.commit(id).tree for id in beside]
    found = _check_tree(before, reader, tree, known)
    if any(finding.rule in FATAL for finding in found):
        return Judgement(findings=in_order(found))
    try:
        after = follow_snapshot(before, reader, commit) if before is not None else _first_snapshot(reader, commit)
    except InvalidSettings as error:
        return Judgement(findings=in_order([*found, finding_of(error)]))
    if after is None:
        return Judgement(findings=in_order(found))
    if before is None:
        found += check_snapshot(after, reader)
    else:
        found += check_changes(before, after, reader, find_draft=find_draft)
    if before is None or after.model is not before.model:  # which folders are the site's may be something else now
        found += _check_tree(before, reader, tree, known, ground_of(after.model))
    return Judgement(findings=in_order(found), snapshot=after)


def judge_steps(before: Snapshot | None, reader: Reader, commits: Iterable[CommitId]) -> tuple[Finding, ...]:
    """Judge the trees of the commits that come along with another one, each against its parents' trees: what was brought stays in history.

    Args:
        commits: those that the repository does not have yet, without the one that :func:`judge` is asked about.

    Raises:
        RepositoryProblem: an object is missing or damaged.
    """
    found: dict[tuple[str, str], Finding] = {}
    for id in commits:
        commit = reader.commit(id)
        known = [reader.commit(parent).tree for parent in commit.parents]
        for finding in _check_tree(before, reader, commit.tree, known):
            message = f"in commit {id[:10]}: {finding.message}"
            hint = f"{finding.hint}, in that commit: git rebase -i {id[:10]}^"
            told = msgspec.structs.replace(finding, message=message, hint=hint)
            found.setdefault((finding.path, finding.rule), told)
    return in_order(found.values())


def _check_tree(
    before: Snapshot | None, reader: Reader, tree: TreeId, known: Sequence[TreeId], ground: Ground | None = None
) -> list[Finding]:
    if before is not None:
        known = [*known, before.commit.tree]
        ground = ground or ground_of(before.model)
    read_tree = cache(reader.read_tree)
    return check_tree(tree, known, read_tree, reader.blob_size, ground=ground or USUAL_GROUND)


def _first_snapshot(reader: Reader, commit: CommitId) -> Snapshot | None:
    """The snapshot of *commit* when nothing is published yet; None when nothing says what the content is."""
    model = read_model(reader, commit)
    return build_snapshot(reader, commit, model) if model is not None else None


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """*findings*, errors first, then by path and line; none twice."""
    return tuple(
        sorted(
            dict.fromkeys(findings),
            key=lambda finding: (
                finding.severity != "error",
                finding.path,
                finding.line,
                finding.column,
                finding.field,
                finding.message,
            ),
        )
    )


def lines(findings: Iterable[Finding], most: int = LINES) -> list[str]:
    """*findings* for a terminal, one a line as ``path:line:column: field: what is wrong (what to do)``; the first *most*, the rest counted."""
    ordered = in_order(findings)
    shown, left = ordered[:most], ordered[most:]
    errors = [_line(finding) for finding in shown if finding.severity == "error"]
    others = [_line(finding) for finding in shown[len(errors) :]]
    told = [*errors, *([HEADING] if errors and others else []), *others]
    wrong = sum(finding.severity == "error" for finding in left)
    counts = [
        f"{number:,} {noun}{'' if number == 1 else 's'}"
        for number, noun in ((wrong, "error"), (len(left) - wrong, "warning"))
        if number
    ]
    return [*told, f"... and {' and '.join(counts)} more"] if counts else told


def _line(finding: Finding) -> str:
    text = str(finding)
    return text if len(text) <= LINE_LENGTH else f"{text[: LINE_LENGTH - 3]}..."
