"""Pushes to a repository that somebody else's Git host keeps: the same rules, held by a hook, without a server of ours.

There is no push log then, since nobody could sign it whom everybody believes. Whose a verdict is, is told by its signature alone, who began a
draft by its oldest commit, and who had a hand in a text by the names in its commits. So on top of what every push is refused for, a hook
refuses what would forge or lose that: a change that does not name who pushes it, a verdict that does not name its draft, and a rewriting that
takes out of a draft what somebody else has against it.

A clone that asks before it pushes looks at the same: :class:`Before` is the other side, as far as the clone knows it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from cms.finding import Finding
from cms.judge import judge, judge_steps
from cms.objects import Commit
from cms.permissions import Principal, Target
from cms.policy import Policy
from cms.pushlog import Move, PushLog
from cms.refs import BRANCHES, DRAFTS, CommitId, draft_ref, find_draft_name
from cms.signatures import verify
from cms.snapshot import Snapshot
from cms.store import Store
from cms.trailers import all_trailers, find_trailer
from cms.workflow.flow import ReadSnapshot, Workflow
from cms.workflow.gather import parse_claim
from cms.workflow.outcome import DraftState, Status
from cms.workflow.provenance import PENDING, Bringing, Life, Provenance
from cms.workflow.push import Answer, Command, Push
from cms.workflow.pushed import COMMITS_MOST, Look, Said, check_commits, describe, tell
from cms.workflow.pushed_drafts import is_verdict
from cms.workflow.pushes import PushJudge
from cms.workflow.turn import Turn
from cms.writer import Writer

UNKNOWN = "?"
OLDEST_SEARCHED = 5_000
#: What others could lose by a rewriting: what takes an earlier approval back.
_OBJECTIONS = ("changes", "withdraw")
_UNKNOWN_PUSHER = (
    "It is not known here who pushes: the host did not say it in a way that leads to somebody in cms.toml, and the new commits are not all "
    "signed by one person listed there."
)


class Before(Store):
    """A repository as it was before a push, also when the objects of the push are in it, or when it is the repository at the other end."""

    _shown: Mapping[str, CommitId] | None = None
    _fresh: Collection[CommitId] = ()

    @classmethod
    def of(
        cls, store: Store, *, shown: Mapping[str, CommitId] | None = None, fresh: Collection[CommitId] = ()
    ) -> "Before":
        """Look at the repository of *store*.

        Args:
            shown: its branches, by their full names, where they are not those of *store*.
            fresh: commits that it does not have yet.
        """
        before = cls(store.git_dir, store.common_dir, store.work_tree)
        before._shown = shown
        before._fresh = fresh
        return before

    def resolve(self, name: str) -> CommitId | None:
        """As ``Store.resolve``, of what was there before."""
        if self._shown is not None and name.startswith(BRANCHES):
            return self._shown.get(name)
        return None if name in self._fresh else super().resolve(name)

    def refs(self, prefix: str) -> dict[str, CommitId]:
        """As ``Store.refs``, of what was there before."""
        if self._shown is None or not prefix.startswith(BRANCHES):
            return super().refs(prefix)
        return {ref: commit for ref, commit in sorted(self._shown.items()) if ref.startswith(prefix)}


def find_fresh(store: Store, before: Store, published: CommitId, commands: Iterable[Command]) -> frozenset[CommitId]:
    """The commits that neither the published branch nor any draft has *before* a push; *store* has them.

    That a host has an object says nothing: a fork, or a push that was refused, may have brought it.

    Raises:
        RepositoryProblem: a commit is missing or damaged.
    """
    known = tuple(before.refs(DRAFTS).values())
    fresh: set[CommitId] = set()
    for command in commands:
        if command.new is None or store.resolve(command.new) is None:
            continue
        commits = store.commits_between(published, command.new, limit=OLDEST_SEARCHED, beside=known)
        fresh.update([command.new] if commits is None else (commit.id for commit in commits))
    return frozenset(fresh)


class Hosted(Workflow):
    """The drafts of a repository on somebody else's host, or of a server as a clone knows them. Only to be looked at."""

    def __init__(self, store: Store, ref: str, *, snapshot: ReadSnapshot, is_server: bool = False) -> None:
        """Put it together.

        Args:
            store: the repository as it was before what is judged.
            is_server: the other side is a server of ours, and remembers who pushes; else a log that is there is nobody's word.
        """
        super().__init__(
            store,
            ref,
            snapshot=snapshot,
            writer=Writer(store),
            log=PushLog(store),
            is_server=is_server,
        )
        self._gatherer.provenance = _Fetched(self.log, ref) if is_server else None

    @property
    def has_people(self) -> bool:
        """Whether the published branch says who may do what; else only content is judged.

        Raises:
            InvalidSettings: it does, and cannot be read.
        """
        return self.store.resolve(self.ref) is not None and bool(self.policy().people)

    def state_at(
        self,
        name: str,
        head: CommitId,
        now: datetime,
        *,
        store: Store | None = None,
        pushed_by: str | None = None,
        snapshot: Snapshot | None = None,
        policy: Policy | None = None,
        findings: tuple[Finding, ...] | None = None,
    ) -> DraftState:
        """As ``Workflow.state_at``. Who pushes vouches for nothing where nobody remembers it, and who wrote the oldest commit began the draft."""
        state = super().state_at(
            name,
            head,
            now,
            store=store,
            pushed_by=pushed_by if self.is_server else None,
            snapshot=snapshot,
            policy=policy,
            findings=findings,
        )
        if state.owner:
            return state
        return replace(state, owner=_find_owner(store or self.store, state, policy or self.policy()))

    def target_of(self, state: DraftState, who: Principal | None, *, reason: str = "") -> Target:
        """As ``Workflow.target_of``; a draft that holds nothing but what is published is everybody's."""
        is_empty = state.base == state.head or state.status is Status.PUBLISHED
        owner = who.person if is_empty and who is not None else state.owner
        return replace(super().target_of(state, who, reason=reason), owner=owner)


class _Fetched(Provenance):
    """A server's log as a clone has it, which may be old, or nothing: what is there since was brought by nobody knows whom."""

    def find_life(self, store: Store, ref: str, current: CommitId | None) -> Life:
        """As ``Provenance.find_life``, and up to where the draft is."""
        life = super().find_life(store, ref, current)
        known = life.moves[-1][1].new if life.moves else None
        if current is None or known == current:
            return life
        return Life(ref, (*life.moves, (Bringing(ref, "", None, PENDING - 1), Move(ref, known, current))))


def _find_owner(store: Store, state: DraftState, policy: Policy) -> str | None:
    commits = store.commits_between(state.published, state.head, limit=OLDEST_SEARCHED)
    if not commits:
        return None
    return policy.find_by_email(commits[-1].committer_email) or policy.find_by_email(commits[-1].author_email)


class HostedJudge(PushJudge):
    """Judges one push to a :class:`Hosted` repository."""

    def __init__(self, flow: Hosted, store: Store, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """*store* sees the objects of the push."""
        super().__init__(flow, now=now)
        self._hosted = flow
        self._store = store

    def __call__(self, push: Push) -> Answer:
        """Find the answer to *push*; there is nothing to begin or to end with it.

        Raises:
            CMSError: there is none, so the push must be refused.
        """
        answer = super().__call__(push)
        answer.end()
        if answer.accepted or push.by.person != UNKNOWN or not self._hosted.has_people:
            return answer
        return replace(answer, lines=(*answer.lines, _UNKNOWN_PUSHER))

    def _open(self, push: Push) -> Store:
        del push
        return self._store

    def _judge(self, push: Push, store: Store, turn: Turn) -> Answer:
        if self._hosted.has_people:
            return super()._judge(push, store, turn)
        commands = [one for one in push.commands if one.ref == self._hosted.ref or one.ref.startswith(DRAFTS)]
        said = [self._judge_content(store, command) for command in commands]
        is_refused = any(one.is_refused for one in said)
        return Answer(accepted=not is_refused, lines=tuple(tell(said, is_refused=is_refused)))

    def _judge_content(self, store: Store, command: Command) -> Said:
        """Judge a branch of a site that says nothing of people: what it holds, and no more."""
        flow, said = self._hosted, Said(command.ref)
        if command.new is None:
            if command.ref == flow.ref:
                said.refuse("it is what is published, and cannot be deleted")
        elif store.resolve(command.new) is None:
            said.refuse("this is no commit")
        else:
            self._judge_commits(store, command.old, command.new, said)
        said.advice = said.findings
        return said

    def _judge_commits(self, store: Store, old: CommitId | None, new: CommitId, said: Said) -> None:
        flow = self._hosted
        published = flow.store.resolve(flow.ref)
        before = flow.snapshot() if published is not None else None
        said.findings += judge(before, store, new, beside=[old] if old is not None else []).findings
        if published is None:
            return  # what a site was before it came here stays as it was
        known = (*flow.store.refs(DRAFTS).values(), *([old] if old is not None else []))
        commits = store.commits_between(published, new, limit=COMMITS_MOST, beside=known)
        if commits is None:
            said.refuse(f"more than {COMMITS_MOST:,} new commits in one push; push them in parts")
            return
        check_commits(commits, said)
        steps = judge_steps(before, store, [commit.id for commit in commits if commit.id != new])
        found = {(finding.path, finding.rule) for finding in said.findings}
        said.findings += [finding for finding in steps if (finding.path, finding.rule) not in found]

    def _judge_draft(self, look: Look, command: Command) -> Said:
        said = super()._judge_draft(look, command)
        if not self._hosted.is_server:
            _judge_names(look, command, said)
            _judge_losses(look, command, said)
        return said


def _judge_names(look: Look, command: Command, said: Said) -> None:
    """Refuse what would leave nobody knowing who wrote a change, or about which draft a verdict is."""
    name = find_draft_name(command.ref) or ""
    if command.new is None or look.store.resolve(command.new) is None:
        return
    for commit in look.new_commits(command.old, command.new, look.published) or ():
        if not look.is_new(commit.id):
            continue
        if is_verdict(look, commit):
            if find_trailer(commit.message, "Draft") is None:
                said.refuse(
                    f"commit {describe(commit)} does not say about which draft it is; here it must: git commit --amend --allow-empty "
                    f'--no-edit -S --trailer "Draft: {name}"'
                )
        elif not _is_named(look, commit):
            said.refuse(
                f"commit {describe(commit)} names {commit.committer_name} <{commit.committer_email}>, and {look.policy.name(look.by.person)} "
                "pushes it; who pushes a change must be named in it, or whom it names must have signed it: "
                "git commit --amend --no-edit --reset-author"
            )


def _is_named(look: Look, commit: Commit) -> bool:
    """Whether who pushes *commit* is named in it; or somebody who signed it is, so that it is theirs whoever pushes it."""
    claims = [parse_claim(value).email for value in all_trailers(commit.message, "Co-authored-by")]
    emails = (commit.author_email, commit.committer_email, *claims)
    named = {look.policy.find_by_email(email) for email in emails} - {None}
    if not named.isdisjoint(look.policy.hands(look.by.person)):
        return True
    signer = find_signer(look.store, commit.id, look.policy)
    return signer is not None and not named.isdisjoint(look.policy.hands(signer))


def _judge_losses(look: Look, command: Command, said: Said) -> None:
    """Refuse to take out of a draft what somebody else has against it: their earlier approval would count again."""
    old, new, name = command.old, command.new, find_draft_name(command.ref) or ""
    if old is None or look.flow.store.resolve(draft_ref(name)) != old or look.publishing.get(name) == old:
        return
    if new is not None and (look.store.resolve(new) is None or look.store.is_ancestor(old, new)):
        return
    state = look.flow.state(name, look.now)
    hands = look.policy.hands(look.by.person)
    for remark in state.remarks:
        is_others = remark.person is not None and remark.person not in hands
        if is_others and remark.verdict in _OBJECTIONS and not (new and look.store.is_ancestor(remark.commit, new)):
            said.refuse(
                f"this would take out of the draft what {look.policy.name(remark.person or '')} said in {remark.commit[:7]} "
                f"({remark.verdict}), and here nobody else remembers it; go on from {old[:7]}, and rewrite nothing"
            )


def find_signer(store: Store, commit: CommitId, policy: Policy) -> str | None:
    """Who signed *commit*, of those in ``cms.toml``; None without a valid signature.

    Raises:
        RepositoryProblem: the commit is missing or damaged.
    """
    signature = store.signature(commit)
    signed = verify(*signature, gpg_keys=tuple(policy.gpg_keys)) if signature is not None else None
    return policy.find_by_key(signed.key) if signed is not None else None


def find_pusher(
    store: Store, policy: Policy, fresh: Sequence[CommitId], name: str, people: Mapping[str, str]
) -> Principal:
    """Who pushes: as the host says, else who signed every commit that is new.

    Args:
        name: what the host calls them, or their address; empty when it does not say.
        people: what the host calls somebody -> their id; without any a name is an id or an address of ``cms.toml``.
    """
    if name:
        found = people.get(name) if people else name if name in policy.people else policy.find_by_email(name)
    else:
        signers = {find_signer(store, commit, policy) for commit in fresh[:COMMITS_MOST]}
        is_one = len(signers) == 1 and len(fresh) <= COMMITS_MOST
        found = signers.pop() if is_one else None
    known = policy.people.get(found) if found is not None else None
    if found is None or known is None:
        return Principal(person=UNKNOWN, via="key")
    return Principal(person=found, name=known.name, email=next(iter(known.emails), ""), via="key")
