"""What a push is judged with: the repository as it would be, and the rules as they are now; and what is said of it.

Read once for the whole push, so that all its refs are judged by the same rules.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from cms.errors import CMSError
from cms.finding import Finding
from cms.judge import lines
from cms.objects import Commit
from cms.permissions import Principal, Target, require
from cms.policy import Policy
from cms.refs import DRAFTS, CommitId, find_draft_name, short_name
from cms.snapshot import Snapshot
from cms.store import Store
from cms.workflow.flow import Workflow
from cms.workflow.push import Command

FINDINGS_SHOWN, SENTENCES_SHOWN = 50, 20
COMMITS_MOST = 1_000
MESSAGE_BYTES_MOST = 64 * 1024
PARENTS_MOST = 8
DRAFTS_SEARCHED = 50


@dataclass(slots=True)
class Said:
    """What is said of one ref of a push, for its person's terminal.

    Attributes:
        wrong: why it is refused, in sentences, each with what there is to say about it line by line; nothing when it is not refused.
        findings: what is wrong with its content, and odd about it.
        notes: what is worth knowing when it is accepted.
        advice: what is odd about what would be published, or wrong with it, though it is accepted.
    """

    ref: str
    wrong: dict[str, Sequence[str]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    advice: list[Finding] = field(default_factory=list)

    @property
    def is_refused(self) -> bool:
        """Whether the push cannot be accepted because of this ref."""
        return bool(self.wrong) or any(finding.severity == "error" for finding in self.findings)

    def refuse(self, reason: object, details: Sequence[str] = ()) -> None:
        """Add why it is refused; the same is not said twice."""
        self.wrong.setdefault(str(reason), details)


@dataclass(frozen=True, kw_only=True)
class Look:
    """One look at a push.

    Attributes:
        store: sees the objects of the push, and everything in the repository.
        now: when the push is judged.
        commands: by ref.
        publishing: drafts that this push publishes, each with the head that goes public; filled by who judges the published branch.
    """

    flow: Workflow
    store: Store
    by: Principal
    now: datetime
    commands: dict[str, Command]
    publishing: dict[str, CommitId] = field(default_factory=dict)

    @cached_property
    def snapshot(self) -> Snapshot:
        """What is published now."""
        return self.flow.snapshot()

    @cached_property
    def policy(self) -> Policy:
        """Who may do what now."""
        return self.flow.policy()

    @cached_property
    def published(self) -> CommitId:
        """The commit that the published branch is at."""
        return self.snapshot.commit.id

    @property
    def published_name(self) -> str:
        """What people call the published branch."""
        return short_name(self.flow.ref)

    def is_new(self, commit: CommitId) -> bool:
        """Whether the repository does not have *commit* yet."""
        return self.flow.store.resolve(commit) is None

    def new_commits(self, old: CommitId | None, new: CommitId, since: CommitId) -> list[Commit] | None:
        """What *new* has, and neither the published commit *since* nor *old* has; oldest first. None when that is too much."""
        most = COMMITS_MOST
        held: set[CommitId] = set()
        if old is not None:
            before = self.store.commits_between(since, old, limit=5 * COMMITS_MOST)
            if before is None:
                return None
            held = {commit.id for commit in before}
            most += len(held)
        commits = self.store.commits_between(since, new, limit=most)
        return None if commits is None else [commit for commit in reversed(commits) if commit.id not in held]

    def collections_of(self, paths: Iterable[str]) -> dict[str, str]:
        """The collections of those *paths* that belong to one."""
        places = {path: self.snapshot.model.place(path) for path in paths}
        return {path: place[0].name for path, place in places.items() if place is not None}

    def may(self, permission: str, target: Target, said: Said) -> bool:
        """Whether who pushes may do something; when not, that is said."""
        try:
            require(permission, self.by, self.policy, target)
        except CMSError as error:
            said.refuse(error)
            return False
        return True

    def find_draft(self, collection: str, slug: str) -> str | None:
        """The name of a draft that adds an entry."""
        for name, head in self._other_drafts:
            for change in self.store.diff(self.published, head):
                place = self.snapshot.model.place(change.path) if change.old is None else None
                if place is not None and (place[0].name, place[1].slug) == (collection, slug):
                    return name
        return None

    @cached_property
    def _other_drafts(self) -> list[tuple[str, CommitId]]:
        refs = self.flow.store.refs(DRAFTS)
        named = [(find_draft_name(ref), head) for ref, head in refs.items() if ref not in self.commands]
        return [(name, head) for name, head in named if name is not None][:DRAFTS_SEARCHED]


def shorten(sentences: Sequence[str]) -> list[str]:
    """The first SENTENCES_SHOWN of them, and how many more there are."""
    more = len(sentences) - SENTENCES_SHOWN
    return [*sentences[:SENTENCES_SHOWN], *([f"and {more:,} more"] if more > 0 else [])]


def describe(commit: Commit) -> str:
    """A commit in a sentence: its id as Git shortens it, and its first line."""
    subject = commit.message.strip().partition("\n")[0]
    return f"{commit.id[:7]} ({subject[:60]})" if subject else commit.id[:7]


def check_commits(commits: Sequence[Commit], said: Said) -> None:
    """Refuse commits that nobody makes by hand and everything would have to carry."""
    for commit in commits:
        if len(commit.message.encode("utf-8", "replace")) > MESSAGE_BYTES_MOST:
            said.refuse(
                f"the message of commit {commit.id[:7]} is longer than {MESSAGE_BYTES_MOST // 1024} KB; shorten it"
            )
        elif commit.size > 2 * MESSAGE_BYTES_MOST:
            said.refuse(f"commit {describe(commit)} carries {commit.size // 1024:,} KB beside its files; make it anew")
        if len(commit.parents) > PARENTS_MOST:
            said.refuse(
                f"commit {describe(commit)} merges {len(commit.parents)} commits at once, at most {PARENTS_MOST} are taken"
            )


def tell(all_said: Sequence[Said], *, is_refused: bool) -> list[str]:
    """What a person reads of a whole push, ref by ref; of findings at most FINDINGS_SHOWN, and the rest counted."""
    told: list[str] = []
    left = FINDINGS_SHOWN
    for said in all_said:
        name = short_name(said.ref)
        for reason, details in said.wrong.items():
            told.append(f"error: {name}: {reason}{':' if details else ''}")
            told += [f"  - {detail}" for detail in shorten(details)]
        errors = sum(finding.severity == "error" for finding in said.findings)
        if errors and is_refused:
            told.append(f"error: {name}: {errors:,} error{'' if errors == 1 else 's'} to correct first:")
        shown = [finding for finding in (said.findings if is_refused else said.advice) if errors or not is_refused]
        told += [] if is_refused else said.notes
        told += [f"  {line}" for line in lines(shown, left)]
        left = max(0, left - len(shown))
    if is_refused:
        others = [short_name(said.ref) for said in all_said if not said.is_refused]
        more = f" {', '.join(others[:5])} would have been accepted without the rest." if others else ""
        told.append(f"Nothing was changed.{more}")
    return told
