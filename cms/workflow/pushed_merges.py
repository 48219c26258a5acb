"""The published branch in a push: it may move by merges of drafts alone, each exactly what publishing that draft would have made.

So editors can publish with nothing but Git. What the rules ask for is looked at as it stands just before each merge, and the tree must be
our own merge's, to the byte: a merge is where anything at all could be slipped in.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from cms.errors import CMSError, Conflict, InvalidContent, MergeConflict
from cms.objects import Commit
from cms.overlay import Overlay
from cms.people import read_policy
from cms.policy import Policy
from cms.refs import DRAFTS, BlobId, CommitId, find_draft_name
from cms.settings import SETTINGS_FILE
from cms.snapshot import Snapshot, follow_snapshot
from cms.trailers import read_trailers
from cms.workflow.actions import Action
from cms.workflow.company import why_in_company
from cms.workflow.outcome import DraftState
from cms.workflow.publishing import refuse_unpublishable
from cms.workflow.push import Command
from cms.workflow.pushed import Look, Said, check_commits, describe
from cms.workflow.state import why_no_publishing
from cms.workflow.wording import list_paths

STEPS_MOST = 20
PATHS_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """What is published just before a merge."""

    snapshot: Snapshot
    policy: Policy


def judge_published(look: Look, command: Command) -> Said:
    """Judge what a push wants of the published branch."""
    said = Said(command.ref)
    try:
        steps = _find_steps(look, command)
        check_commits(steps, said)
        ground = _Ground(snapshot=look.snapshot, policy=look.policy)
        for step in steps:
            name, state = _judge_step(look, ground, step, said)
            if said.is_refused:
                break
            look.publishing[name] = step.parents[1]
            said.notes += _notes(look, name, state)
            if step is not steps[-1]:
                ground = _next_ground(look, ground, step)
    except CMSError as error:
        said.refuse(error)
    return said


def _find_steps(look: Look, command: Command) -> list[Commit]:
    """The commits by which the published branch would move, oldest first.

    Raises:
        Conflict: it would not move by merges.
    """
    name = look.published_name
    if command.new is None:
        raise Conflict("it is what is published, and cannot be deleted")
    if command.old != look.published:
        raise Conflict(f"somebody else has published meanwhile: git pull origin {name}, and merge the draft again")
    if look.store.resolve(command.new) is None:
        raise Conflict(f"this is no commit; {name} is a branch")
    steps: list[Commit] = []
    commit = look.store.commit(command.new)
    while commit.id != command.old:
        steps.append(commit)
        if len(steps) > STEPS_MOST or not commit.parents:
            raise Conflict(_why_not_merges(look, command, command.new, is_long=len(steps) > STEPS_MOST))
        commit = look.store.commit(commit.parents[0])
    return steps[::-1]


def _why_not_merges(look: Look, command: Command, new: CommitId, *, is_long: bool) -> str:
    name = look.published_name
    if command.old is None or not look.store.is_ancestor(command.old, new):
        return (
            f"what is published is never rewritten: {name} cannot go back or aside. To undo a publication: cms revert"
        )
    if is_long:
        return (
            f"this is not the merge of a draft into {name}; push your commits as a draft, git push origin HEAD:drafts/NAME, or publish "
            f"at most {STEPS_MOST} drafts in one push"
        )
    return (
        f"{name} was merged into the draft, and not the draft into {name}, so what was published would become a side branch: "
        f"git switch {name}, git reset --hard origin/{name}, git merge --no-ff drafts/NAME"
    )


def _judge_step(look: Look, ground: _Ground, step: Commit, said: Said) -> tuple[str, DraftState | None]:
    """Judge one merge; the draft that it publishes, and its state before."""
    if len(step.parents) != 2:
        said.refuse(_why_no_merge(look, step))
        return "", None
    names = _drafts_at(look, step.parents[1])
    if not names:
        said.refuse(
            f"commit {describe(step)} merges {step.parents[1][:7]}, which is the head of no draft here. Either the draft went on "
            "since: git fetch, and look at it again; or it was not pushed yet: "
            f"git push origin {step.parents[1][:7]}:refs/heads/drafts/NAME"
        )
        return "", None
    refused = []
    for draft in names:
        tried = Said(said.ref)
        state = _state(look, ground, draft, step.parents[1])
        _judge_publication(look, ground, draft, state, step, tried)
        if not tried.is_refused:
            return draft, state
        refused.append((draft, state, tried))
    draft, state, tried = refused[0]
    said.wrong |= tried.wrong
    return draft, state


def _why_no_merge(look: Look, step: Commit) -> str:
    """Why a commit that merges nothing, or too much, cannot be published."""
    name = look.published_name
    if len(step.parents) > 2:
        return f"commit {describe(step)} merges several branches at once; merge one draft after the other"
    tip = look.commands[look.flow.ref].new
    drafts = _drafts_at(look, tip) if tip is not None else []
    if drafts:
        return (
            f"this would make drafts/{drafts[0]} itself the published branch; it takes merges, which tell what was published when: "
            f"git switch {name}, git merge --no-ff origin/drafts/{drafts[0]}, git push origin {name}"
        )
    return (
        f"commit {describe(step)} was made on {name}, which takes merges of approved drafts only, neither squashed nor rebased. To propose it: "
        "git push origin HEAD:refs/heads/drafts/NAME, and after the approvals cms publish NAME"
    )


def _drafts_left(look: Look) -> dict[str, CommitId]:
    """The drafts that the push leaves: neither deleted by it nor published."""
    refs = look.flow.store.refs(DRAFTS)
    for command in look.commands.values():
        if command.new is None:
            refs.pop(command.ref, None)
        elif command.ref.startswith(DRAFTS):
            refs[command.ref] = command.new
    return {ref: head for ref, head in refs.items() if find_draft_name(ref) not in look.publishing}


def _drafts_at(look: Look, head: CommitId) -> list[str]:
    """The drafts whose head this is: as they will be after the push, or as they are now where the push deletes them."""
    refs = look.flow.store.refs(DRAFTS)
    for command in look.commands.values():
        if command.ref.startswith(DRAFTS) and command.new is not None:
            refs[command.ref] = command.new
    return [name for ref, at in sorted(refs.items()) if at == head and (name := find_draft_name(ref)) is not None]


def _state(look: Look, ground: _Ground, draft: str, head: CommitId) -> DraftState:
    command = look.commands.get(DRAFTS + draft)
    is_pushed = command is not None and command.new is not None
    return look.flow.state_at(
        draft,
        head,
        look.now,
        store=look.store,
        pushed_by=look.by.person if is_pushed else None,
        snapshot=ground.snapshot,
        policy=ground.policy,
    )


def _judge_publication(look: Look, ground: _Ground, draft: str, state: DraftState, step: Commit, said: Said) -> None:
    """Say everything that keeps *step* from being the publication of *draft*."""
    target = look.flow.target_of(state, look.by)
    if look.may("git.push_published", target, said) and look.may("publish", target, said):
        reason = why_no_publishing(state, ground.policy, look.by.person)
        if reason:
            said.refuse(reason)
    try:
        refuse_unpublishable(state, Action.PUBLISH)
    except (MergeConflict, InvalidContent, Conflict) as error:
        if state.missing:
            said.refuse(f"drafts/{draft} cannot be published yet", state.missing)
        else:
            said.refuse(error)
        return
    in_company = why_in_company(look.store, _drafts_left(look), state)
    if in_company:
        said.refuse(in_company)
    overlay = Overlay(look.store, state.published, state.merge.changes, state.merge.contents)
    if overlay.tree != step.tree:
        said.refuse(_differences(look, draft, state, step, state.merge.changes))
    for untrue in _untrue_trailers(draft, state, look.by.person, step):
        said.refuse(untrue)


def _differences(look: Look, draft: str, state: DraftState, step: Commit, ours: Mapping[str, BlobId | None]) -> str:
    """Where a merge that was made by hand is unlike ours."""
    theirs = {change.path: change.new for change in look.store.diff(state.published, step.id)}
    wrong = sorted(path for path in {*ours, *theirs} if ours.get(path, path) != theirs.get(path, path))
    extra = [path for path in wrong if path not in ours]
    where = list_paths(wrong) if wrong else "the mode of a file, or what is no file"
    return (
        f"commit {describe(step)} is not the merge that publishing {draft} makes: it differs in {where}"
        f"{f'; {list_paths(extra)} is not from the draft at all' if extra else ''}. What was not reviewed cannot be published: put it into the "
        f"draft, or let cms merge: git reset --hard {step.parents[0][:7]}, and cms publish {draft}"
    )


def _untrue_trailers(draft: str, state: DraftState, person: str, step: Commit) -> Iterator[str]:
    """Trailers that readers of the history would believe, and that are not so."""
    approvals = {approver for entry in state.entries for approver in entry.approvals}
    allowed = {
        "draft": {draft},
        "published-by": {person},
        "approved-by": approvals,
        "bypass": set(),
        "acted-by": {person},
    }
    for key, value in read_trailers(step.message):
        values = allowed.get(key.lower())
        if values is not None and value not in values:
            yield f"commit {describe(step)} says {key}: {value}, which is not so; git commit --amend, and take the line out"


def _next_ground(look: Look, ground: _Ground, step: Commit) -> _Ground:
    """What is published after *step*, for the next one."""
    snapshot = follow_snapshot(ground.snapshot, look.store, step.id)
    before, after = (look.store.find_blob(commit, SETTINGS_FILE) for commit in (ground.snapshot.commit.id, step.id))
    if before == after:
        return replace(ground, snapshot=snapshot)
    source = look.store.read_blob(after) if after is not None else None
    return _Ground(snapshot=snapshot, policy=read_policy(source, collections=snapshot.model.names))


def _notes(look: Look, name: str, state: DraftState | None) -> Iterator[str]:
    entries = state.entries if state is not None else ()
    follows = "; readers see it with their next request, and the draft goes away" if look.flow.is_server else ""
    yield f"drafts/{name} is published{follows}:"
    for entry in entries[:PATHS_SHOWN]:
        by = f", approved by {', '.join(entry.approvals)}" if entry.approvals else ""
        yield f"  {entry.path} ({entry.change}{by})"
    if len(entries) > PATHS_SHOWN:
        yield f"  ... and {len(entries) - PATHS_SHOWN:,} more"
