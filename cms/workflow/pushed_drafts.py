"""Drafts in a push: what may come to them, and what their state is then.

What the verbs ask is asked here too: the right to write, for every file that a commit changed; the right to say what a verdict says, in one's
own name; content that the rules of the site allow. A verdict that would not count is refused, since a person who gave it counts on it, unless
it was in the repository before, on another draft.
"""

from collections.abc import Iterator
from dataclasses import replace

from cms.errors import CMSError, Conflict
from cms.finding import Finding
from cms.judge import judge, judge_steps
from cms.objects import Commit
from cms.permissions import Target
from cms.policy import Role
from cms.refs import CommitId, find_draft_name
from cms.trailers import find_trailer
from cms.treepolicy import FATAL
from cms.workflow.outcome import DraftState, Remark, Status
from cms.workflow.push import Command
from cms.workflow.pushed import COMMITS_MOST, Look, Said, check_commits, describe, shorten
from cms.workflow.state import why_no_publishing
from cms.workflow.touches import changed_files
from cms.workflow.verdicts import require_measure
from cms.workflow.wording import list_names
from cms.workflow.writing import check_name

#: What the matrix is asked for a verdict.
PERMISSIONS = {
    "request": "review.request",
    "approve": "review.approve",
    "changes": "review.changes",
    "comment": "review.comment",
    "withdraw": "review.withdraw",
    "lift": "review.lift",
    "schedule": "schedule",
    "unschedule": "schedule",
}
_IN_OWN_NAME = "give it in your own name: git commit --amend --allow-empty --reset-author --no-edit"
_SIGNED = "sign it with a key that cms.toml lists for you: git commit --amend --allow-empty --reset-author --no-edit -S"


def judge_draft(look: Look, command: Command) -> Said:
    """Judge what a push wants of one draft."""
    said = Said(command.ref)
    try:
        name = find_draft_name(command.ref) or ""
        check_name(name)
        if look.flow.store.resolve(command.ref) != command.old:
            said.refuse("somebody else has pushed to it meanwhile; fetch, and push again")
        elif command.new is None:
            _judge_deletion(look, name, command, said)
        else:
            _Pushed(look, name, command.old, command.new, said).judge()
    except CMSError as error:
        said.refuse(error)
    return said


def _judge_deletion(look: Look, name: str, command: Command, said: Said) -> None:
    if look.publishing.get(name) == command.old:
        return
    state = look.flow.state(name, look.now)
    refused = Said(said.ref)
    if look.may("draft.delete", look.flow.target_of(state, look.by), refused):
        said.notes.append(f"drafts/{name} is closed. {_former(look, command.old, name)}")
        return
    is_others = look.flow.is_server and state.owner not in (None, look.by.person)
    hint = f' (with a reason: cms close {name} --reason "...")' if is_others else ""
    for reason in refused.wrong:
        said.refuse(reason + hint)


class _Pushed:
    """A draft that is begun, or goes on."""

    def __init__(self, look: Look, name: str, old: CommitId | None, new: CommitId, said: Said) -> None:
        self.look = look
        self.name = name
        self.old = old
        self.new = new
        self.said = said

    def judge(self) -> None:
        """Say everything that is wrong at once, as far as it can be found out."""
        look, said = self.look, self.said
        if look.store.resolve(self.new) is None:
            raise Conflict("this is no commit; a draft is a branch")
        if look.store.merge_base(look.published, self.new) is None:
            raise Conflict(
                f"it has no commit in common with {look.published_name}, so nothing can be said of what it changes; begin with "
                f"git switch -c {self.name} origin/{look.published_name}"
            )
        commits = look.new_commits(self.old, self.new, look.published)
        if commits is None:
            raise Conflict(f"more than {COMMITS_MOST:,} new commits in one push; push them in parts")
        check_commits(commits, said)
        if said.is_refused:
            return
        findings = self._judge_content([commit for commit in commits if look.is_new(commit.id)])
        if any(finding.rule in FATAL for finding in said.findings):
            return  # its trees are not such as can be merged, or looked through
        state = look.flow.state_at(
            self.name, self.new, look.now, store=look.store, pushed_by=look.by.person, findings=findings
        )
        owner = look.by.person if self.old is None else state.owner
        self._judge_rights(commits, state, owner)
        self._judge_verdicts(commits, state, owner)
        if not said.is_refused:
            said.advice += state.findings
            said.notes += self._notes(state)

    # -- content -------------------------------------------------------------------------------------------------------

    def _judge_content(self, fresh: list[Commit]) -> tuple[Finding, ...] | None:
        """Judge what the draft holds; returns what was found when publishing it would change nothing of that, else None."""
        look, said = self.look, self.said
        is_ahead = look.store.is_ancestor(look.published, self.new)
        is_other = self.old is None or look.store.commit(self.new).tree != look.store.commit(self.old).tree
        findings = None
        if is_other:
            beside = [self.old] if self.old is not None and not is_ahead else []
            found = judge(look.snapshot, look.store, self.new, beside=beside, find_draft=look.find_draft)
            said.findings += found.findings
            findings = found.findings if is_ahead else None
        steps = judge_steps(look.snapshot, look.store, [commit.id for commit in fresh if commit.id != self.new])
        known = {(finding.path, finding.rule) for finding in said.findings}
        said.findings += [finding for finding in steps if (finding.path, finding.rule) not in known]
        return findings

    # -- rights --------------------------------------------------------------------------------------------------------

    def _judge_rights(self, commits: list[Commit], state: DraftState, owner: str | None) -> None:
        look = self.look
        is_own = owner is not None and owner in look.policy.hands(look.by.person)
        paths = sorted({path for commit in commits for path in changed_files(look.store, commit)})
        target = Target(
            paths=tuple(paths),
            collections=look.collections_of(paths),
            owner=owner,
            writers=state.writers,
            is_ready=True,
        )
        if self.old is None and not look.may("draft.create", target, self.said):
            return
        is_forced = self.old is not None and not look.store.is_ancestor(self.old, self.new)
        if is_forced and look.may("draft.force", replace(target, paths=()), self.said):
            former = _former(look, self.old, f"{self.name}-before")
            self.said.notes.append(f"drafts/{self.name} was rewritten. {former}")
        # What counts for nothing here is no word in a review, but something that is written.
        nobodys = {remark.commit for remark in state.remarks if remark.person is None}
        if paths or is_forced or any(commit.id in nobodys or not is_verdict(look, commit) for commit in commits):
            look.may("draft.write" if is_own else "draft.write_others", target, self.said)

    # -- verdicts ------------------------------------------------------------------------------------------------------

    def _judge_verdicts(self, commits: list[Commit], state: DraftState, owner: str | None) -> None:
        remarks = {remark.commit: remark for remark in state.remarks}
        if any(commit.id in remarks for commit in commits):
            require_measure(state, self.look.by.person)
        target = replace(self.look.flow.target_of(state, self.look.by), owner=owner)
        for commit in commits:
            remark = remarks.get(commit.id)
            if remark is None:
                continue
            if not is_verdict(self.look, commit):
                self.said.notes.append(
                    f"warning: what commit {describe(commit)} says of a review is ignored: {remark.why_not}"
                )
            elif remark.person is None and self.look.is_new(commit.id):
                self.said.refuse(
                    f"commit {describe(commit)} would not count: {remark.why_not} ({_advice(self.look, commit, remark)})"
                )
            elif remark.person is None:
                self.said.notes.append(f"warning: commit {describe(commit)} does not count here: {remark.why_not}")
            elif remark.person == self.look.by.person:
                for permission in _permissions(commit, remark):
                    self.look.may(permission, replace(target, reason=remark.message), self.said)

    # -- what is said of it --------------------------------------------------------------------------------------------

    def _notes(self, state: DraftState) -> Iterator[str]:
        yield f"drafts/{self.name} {_status(state)}."
        yield from (f"  - {sentence}" for sentence in shorten(state.missing))
        if state.status is Status.DRAFT and state.entries:
            yield f"  Ask for a review: {self._request()}, and push again"
        elif state.status is Status.APPROVED:
            yield f"  {self._publishers(state)}"
        if self.look.flow.is_server:
            yield f"  See it: {self.look.flow.address}/api/v1/drafts/{self.name}"

    def _request(self) -> str:
        """The command that asks for a review; where nobody remembers who pushed what, it must be signed and name its draft."""
        if self.look.flow.is_server:
            return 'git commit --allow-empty -m "Ready" --trailer "Review: request"'
        return f'git commit -S --allow-empty -m "Ready" --trailer "Review: request" --trailer "Draft: {self.name}"'

    def _publishers(self, state: DraftState) -> str:
        """Who can publish it, and how."""
        policy, main = self.look.policy, self.look.published_name
        people = [person for person in policy.holders(Role.PUBLISHER) if not why_no_publishing(state, policy, person)]
        if self.look.by.person in people:
            return f"Publish it: cms publish {self.name}; or on {main} git merge --no-ff origin/drafts/{self.name}, and push"
        names = [policy.name(person) for person in people]
        return (
            f"{list_names(names, 'or')} can publish it"
            if names
            else "nobody can publish it; ask a maintainer for a publisher"
        )


def _status(state: DraftState) -> str:
    words = {
        Status.DRAFT: "is not in review yet",
        Status.CHANGES_REQUESTED: "has to be changed first",
        Status.CONFLICTING: "is in conflict with what is published",
        Status.INVALID: "has errors once it is merged",
    }
    text = words.get(state.status, f"is {state.status.words}")
    if state.status is Status.SCHEDULED and state.publish_at is not None:
        text += f" for {state.publish_at.isoformat(sep=' ', timespec='minutes')}"
    return text


def is_verdict(look: Look, commit: Commit) -> bool:
    """Whether *commit* changes nothing and says something."""
    if len(commit.parents) != 1 or look.store.commit(commit.parents[0]).tree != commit.tree:
        return False
    return any(find_trailer(commit.message, key) is not None for key in ("Review", "Publish-At"))


def _permissions(commit: Commit, remark: Remark) -> set[str]:
    """What the matrix is asked for what one commit says; it may set a moment besides."""
    found = {PERMISSIONS[remark.verdict]}
    return found | {"schedule"} if find_trailer(commit.message, "Publish-At") is not None else found


def _former(look: Look, commit: CommitId | None, name: str) -> str:
    """Where what a draft was is found again. Somebody else's host keeps it as long as it likes."""
    where = "What it was is kept on the server" if look.flow.is_server else "To have back what it was"
    return f"{where}: git push origin {commit}:refs/heads/drafts/{name}"


def _advice(look: Look, commit: Commit, remark: Remark) -> str:
    """What to do with a verdict that is nobody's."""
    if remark.verdict not in PERMISSIONS:
        return "correct it: git commit --amend --allow-empty"
    how = _IN_OWN_NAME if look.flow.is_server else _SIGNED
    return f"{how}; or leave it out: git rebase --onto {commit.id[:7]}~ {commit.id[:7]}"
