"""``cms check --against``: a branch as what its merge into the published branch would be, for a pipeline of a Git host.

The merge is ours, the one that publishing makes: by field and by line. Nothing is written. Whose approval counts is told by signatures, since
whoever pushed it is not known here.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import typer

from cms import frontmatter
from cms.cli.exits import CONTENT, REFUSED, UNREADABLE, Refused
from cms.cli.findings import Format, github_command, print_findings
from cms.cli.output import counted, err, out, print_json
from cms.cli.pushcheck import snapshot_reader
from cms.cli.sites import find_commit
from cms.errors import Conflict, InvalidFrontMatter
from cms.filemerge import Clash
from cms.finding import Finding, printable
from cms.judge import in_order, judge_steps
from cms.refs import BRANCHES, DRAFTS, CommitId, branch_ref, is_commit_id, short_name
from cms.site import resolve_name
from cms.store import Store
from cms.workflow.hosted import Before, Hosted
from cms.workflow.outcome import DraftState, Status
from cms.workflow.pushed import COMMITS_MOST

READY = (Status.APPROVED, Status.SCHEDULED, Status.PUBLISHED)
_REMOTES = "refs/remotes/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a branch would be, merged.

    Attributes:
        has_people: the site says who may approve; else *state* says nothing of approvals.
        findings: of the merged result and of the commits on the way there, errors first.
    """

    state: DraftState
    has_people: bool
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> int:
        """How many errors there are."""
        return sum(finding.severity == "error" for finding in self.findings)

    @property
    def is_ready(self) -> bool:
        """Whether everything that the rules ask for is there."""
        return self.has_people and self.state.status in READY


def check_against(
    store: Store, ref: str, against: str, *, draft: str = "", format: Format, must_be_ready: bool = False
) -> None:
    """Judge the branch *ref* as a merge into *against*, and print what was found.

    Args:
        ref: what to merge; empty for what is checked out.
        draft: the name of the draft, where no branch tells it.
        must_be_ready: fail also while approvals are missing.

    Raises:
        typer.Exit: there are errors, or approvals are missing and must not be.
        Refused: the history is not whole.
    """
    name, commit = find_commit(store, ref)
    published = resolve_name(store, against)
    judged = judge_merge_of(store, commit, published, draft=draft or find_name(store, name, commit))
    if format is Format.JSON:
        print_json(as_json(judged, name, against))
    else:
        print_findings(judged.findings, format)
        print_state(judged, name, against, format, must_be_ready=must_be_ready)
    if judged.errors:
        raise typer.Exit(CONTENT)
    if must_be_ready and not judged.is_ready:
        raise typer.Exit(REFUSED)


def judge_merge_of(store: Store, commit: CommitId, published: CommitId, *, draft: str) -> Judged:
    """Judge *commit* as the head of *draft*, merged into *published*.

    Raises:
        Refused: a shallow clone, or histories that have nothing in common.
        Conflict: there are more commits than can be looked at.
    """
    if (store.common_dir / "shallow").exists():
        raise Refused(
            "this clone is shallow, so it cannot be told what would be merged",
            hint="fetch the whole history: fetch-depth: 0 for checkout, GIT_DEPTH: 0 for GitLab, git fetch --unshallow",
            code=UNREADABLE,
        )
    if store.merge_base(published, commit) is None:
        raise Refused(f"{commit[:7]} and {published[:7]} have no commit in common", code=UNREADABLE)
    ref = branch_ref("published")
    seen = Before.of(store, shown={ref: published})
    flow = Hosted(seen, ref, snapshot=snapshot_reader(seen, ref))
    state = flow.state_at(draft, commit, datetime.now(UTC))
    commits = store.commits_between(published, commit, limit=COMMITS_MOST)
    if commits is None:
        raise Conflict(f"more than {COMMITS_MOST:,} new commits; bring them in parts")
    steps = judge_steps(flow.snapshot(), store, [one.id for one in commits if one.id != commit])
    found = (*(_locate(store, commit, clash) for clash in state.clashes), *state.findings)
    known = {(finding.path, finding.rule) for finding in found}
    findings = in_order([*found, *(one for one in steps if (one.path, one.rule) not in known)])
    return Judged(state=state, has_people=flow.has_people, findings=findings)


def _locate(store: Store, commit: CommitId, clash: Clash) -> Finding:
    """A clash as a finding; that of a field with its place in the branch, where a pipeline shows it."""
    finding = clash.finding()
    blob = store.find_blob(commit, clash.path) if clash.field and not finding.line else None
    if blob is None:
        return finding
    with suppress(InvalidFrontMatter):
        mark = frontmatter.read(store.read_blob(blob)).mark(tuple(clash.field.split(".")))
        return msgspec.structs.replace(finding, line=mark.line, column=mark.column)
    return finding


def find_name(store: Store, name: str, commit: CommitId) -> str:
    """The name of the draft whose head is *commit*: *name* itself, or that of a branch that is there; else the id."""
    refs = {**store.refs(DRAFTS), **store.refs(_REMOTES)}
    here = [ref for ref, head in refs.items() if head == commit]
    for ref in (f"{name}", *here):
        *_, found = ref.rpartition("drafts/")
        if found != ref and found and "/" not in found:
            return found
    return commit[:10]


def as_json(judged: Judged, name: str, against: str) -> dict[str, object]:
    """Everything, for a program."""
    state = judged.state
    return {
        "ref": name,
        "commit": state.head,
        "against": against,
        "published": state.published,
        "draft": state.name,
        "status": state.status.value if judged.has_people else None,
        "missing": list(state.missing) if judged.has_people else [],
        "entries": [
            {"path": entry.path, "change": entry.change, "needed": entry.needed, "approvals": list(entry.approvals)}
            for entry in state.entries
        ],
        "errors": judged.errors,
        "warnings": len(judged.findings) - judged.errors,
        "findings": [msgspec.to_builtins(finding) for finding in judged.findings],
    }


def print_state(judged: Judged, name: str, against: str, format: Format, *, must_be_ready: bool) -> None:
    """Print what is missing, for GitHub as annotations, and the sum of it on standard error."""
    state, console = judged.state, err()
    warnings = len(judged.findings) - judged.errors
    shown = name[:7] if is_commit_id(name) else short_name(name).removeprefix(_REMOTES)
    summary = (
        f"{counted(judged.errors, 'error')} and {counted(warnings, 'warning')}" if judged.findings else "no errors"
    )
    files = counted(len(state.entries), "file")
    console.print(printable(f"{shown} merged into {against.removeprefix(BRANCHES)} ({files}): {summary}"))
    if not judged.has_people:
        if must_be_ready:
            console.print("cms.toml names no people, so nobody can approve anything")
        return
    console.print(printable(f"drafts/{state.name} is {state.status.words}"))
    for sentence in () if judged.errors else state.missing:  # else they say the errors again
        console.print(printable(f"  - {sentence}"))
        if format is Format.GITHUB:
            severity = "error" if must_be_ready else "warning"
            finding = Finding(message=sentence, rule="approvals", severity=severity)
            out().print(github_command(finding))
    for remark in state.remarks:
        if remark.person is None:
            console.print(printable(f"  does not count: {remark.commit[:7]} by {remark.claimed}: {remark.why_not}"))
