"""What was done, act by act, as a newsroom would tell it: who, what, on which draft, when, and what it led to.

Read from the push log, with the words of each act from the commits that it moved to. Where a clone has no log, the merges of the published
branch and the commits they brought have to do: then names are what commits say.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cms.errors import RepositoryProblem
from cms.objects import Commit
from cms.policy import Policy
from cms.pushlog import LogEntry, Move, PushLog
from cms.refs import DRAFTS, CommitId, find_draft_name, short_name
from cms.store import Store
from cms.trailers import all_trailers, find_trailer, read_trailers, without_trailers
from cms.workflow.wording import count_of, list_names, list_paths

COMMITS_MOST = 50
STEPS_MOST = 50
_KEYS = frozenset({"review", "anchor", "lifts", "publish-at", "acted-by", "draft"})
_VERDICTS = {
    "request": "asked for review of",
    "approve": "approved",
    "changes": "asked for changes to",
    "comment": "commented on",
    "withdraw": "took back what they had said of",
    "lift": "lifted a request for changes to",
}
_ACTS = {
    "write": "wrote in",
    "delete": "deleted from",
    "rename": "renamed in",
    "rotate": "replaced the server's key",
    "rotated": "began to sign with the server's new key",
    "setup": "began to sign with a new server's key, without the one before",
}
_PUBLISHING = frozenset({"publish", "bypass"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a draft ended: ``published``, ``closed`` or ``deleted``; *commit* is the merge."""

    what: str
    at: datetime
    name: str
    commit: CommitId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One act.

    Attributes:
        person: id, by the log; without a log what the commit says, and None for nobody in ``cms.toml``.
        did: a verb such as "approved"; *draft* is its object, if there is one.
        via: how they came: ``git``, ``api`` …; empty where nobody knows.
        says: what they said about it.
        details: what there is to know besides, a line each.
        commit: what it is in Git: the verdict, the merge, the head that was pushed; else the entry of the log.
        led_to: what became of the draft; None while it is open.
        is_attested: the server's log says so, signed with its key.
    """

    at: datetime
    person: str | None
    name: str
    did: str
    draft: str | None = None
    via: str = ""
    says: str = ""
    details: tuple[str, ...] = ()
    commit: CommitId
    led_to: Outcome | None = None
    is_attested: bool = True


class Newsroom:
    """Tells what was done in one repository."""

    def __init__(self, store: Store, ref: str, log: PushLog, policy: Policy) -> None:
        """*ref* is the published branch; *policy* says how people are called."""
        self._store = store
        self._ref = ref
        self._log = log
        self._policy = policy
        self._drafts: dict[CommitId, str] = {}

    def deeds(
        self, *, draft: str | None = None, person: str | None = None, since: datetime | None = None
    ) -> Iterator[Deed]:
        """Tell everything, newest first.

        Args:
            draft, person, since: only what was done to this draft, by this person, not before this moment.

        Raises:
            RepositoryProblem: the log or the published branch cannot be read.
        """
        for deed in self._from_log(draft) if self._log.entries() else self._from_merges():
            if since is not None and deed.at < since:
                return
            if draft in (None, deed.draft) and person in (None, deed.person):
                yield deed

    # -- from the log --------------------------------------------------------------------------------------------------

    def _from_log(self, draft: str | None) -> Iterator[Deed]:
        entries = self._log.entries()
        outcomes, published = self._look_ahead(entries)
        for place in range(len(entries) - 1, -1, -1):
            entry = entries[place]
            if draft is None or any(move.ref in (DRAFTS + draft, self._ref) for move in entry.moves):
                for deed in self._tell(entry, published[place]):
                    outcome = outcomes.get((place, deed.draft or ""))
                    yield replace(deed, at=entry.at, led_to=outcome, is_attested=entry.is_valid)

    def _look_ahead(
        self, entries: Sequence[LogEntry]
    ) -> tuple[Mapping[tuple[int, str], Outcome], list[CommitId | None]]:
        """How the draft ended that an act was on, by the act's place and the draft's name; what was published before each act."""
        outcomes: dict[tuple[int, str], Outcome] = {}
        lives: dict[str, list[int]] = {}
        tips: dict[str, CommitId] = {}
        current = next((move.old for entry in entries for move in entry.moves if move.ref == self._ref), None)
        published: list[CommitId | None] = []

        def end(name: str, outcome: Outcome) -> None:
            outcomes.update({(place, name): outcome for place in lives.pop(name, ())})
            tips.pop(name, None)

        for place, entry in enumerate(entries):
            published.append(current)
            who = self._policy.name(entry.person)
            for move in entry.moves:
                name = find_draft_name(move.ref)
                if move.ref == self._ref and move.new is not None:
                    merges = {merge.parents[1]: merge.id for merge in self._merges(move)}
                    for draft in [draft for draft, tip in tips.items() if tip in merges]:
                        end(draft, Outcome(what="published", at=entry.at, name=who, commit=merges[tips[draft]]))
                    current = move.new
                elif name is not None and move.new is not None:
                    lives.setdefault(name, []).append(place)
                    tips[name] = move.new
                    self._drafts[move.new] = name
                elif name is not None:
                    end(name, Outcome(what="closed" if entry.act == "close" else "deleted", at=entry.at, name=who))
        return outcomes, published

    def _tell(self, entry: LogEntry, published: CommitId | None) -> Iterator[Deed]:
        """What one entry says was done, newest first. The time is the entry's."""
        plain = Deed(
            at=entry.at,
            person=entry.person or None,
            name=self._policy.name(entry.person) or "somebody",
            did=_ACTS.get(entry.act, entry.act),
            via=entry.via,
            says=entry.note,
            commit=entry.id,
        )
        if not entry.moves:
            yield plain
        is_published = any(move.ref == self._ref for move in entry.moves)
        for move in entry.moves:
            name = find_draft_name(move.ref)
            if move.ref == self._ref:
                yield from self._tell_publications(plain, entry, move)
            elif name is None:
                yield replace(plain, did=f"moved {short_name(move.ref)}", commit=move.new or entry.id)
            elif move.new is not None:
                yield from self._tell_draft(replace(plain, draft=name), entry.act, move, move.old or published)
            elif entry.act in _PUBLISHING and not is_published:
                yield replace(plain, draft=name, did="cleared away", details=("it had been published before",))
            elif not is_published:
                yield replace(plain, draft=name, did="closed" if entry.act == "close" else "deleted")

    def _tell_publications(self, plain: Deed, entry: LogEntry, move: Move) -> Iterator[Deed]:
        merges = self._merges(move)
        if not merges:
            yield replace(plain, did=f"moved {short_name(move.ref)}", commit=move.new or entry.id)
        for merge in merges:
            yield self._publication(plain, merge, is_bypass=entry.act == "bypass")

    def _publication(self, plain: Deed, merge: Commit, *, is_bypass: bool) -> Deed:
        reason = find_trailer(merge.message, "Bypass") or (plain.says if is_bypass else "")
        approved = [self._policy.name(person) for person in all_trailers(merge.message, "Approved-by")]
        try:
            paths = [change.path for change in self._store.diff(merge.parents[0], merge.id)]
        except RepositoryProblem:
            paths = []
        return replace(
            plain,
            draft=find_trailer(merge.message, "Draft") or self._drafts.get(merge.parents[1]),
            did="published past the approvals" if reason else "published",
            says=reason,
            details=(
                *([list_paths(paths)] if paths else []),
                *([f"approved by {list_names(approved)}"] if approved else []),
            ),
            commit=merge.id,
        )

    def _tell_draft(self, plain: Deed, act: str, move: Move, base: CommitId | None) -> Iterator[Deed]:
        """What moving a draft brought: each verdict by itself, all that was written as one."""
        assert move.new is not None
        plain = replace(plain, commit=move.new)
        try:
            commits = self._store.commits_between(base, move.new, limit=COMMITS_MOST) if base is not None else []
        except RepositoryProblem:
            yield replace(plain, did=self._moved(act, move, 0), details=("its commits are not in this clone",))
            return
        if commits is None:
            yield replace(plain, did=f"pushed more than {COMMITS_MOST} commits to")
            return
        written = [commit for commit in commits if not self._is_verdict(commit)]
        yield from (self._verdict(plain, commit) for commit in commits if self._is_verdict(commit))
        if written or not commits:
            details = tuple(map(self._tell_commit, written))
            yield replace(plain, did=self._moved(act, move, len(written)), details=details)

    def _moved(self, act: str, move: Move, count: int) -> str:
        if act in _ACTS:
            return _ACTS[act]
        if move.old is None:
            return "began"
        return f"pushed {count_of(count, 'commit')} to" if count else "moved"

    def _verdict(self, plain: Deed, commit: Commit) -> Deed:
        moment = find_trailer(commit.message, "Publish-At")
        word = (find_trailer(commit.message, "Review") or "").casefold()
        did = _VERDICTS.get(word, f"said {word!r} of") if word else f"set the time of publication to {moment} of"
        author = self._policy.find_by_email(commit.author_email) if commit.author_email else None
        anchor = find_trailer(commit.message, "Anchor")
        details = [f"on {anchor}"] if anchor else []
        if author is not None and author != plain.person:
            details.append(f"names {self._policy.name(author)} as its author")
        says = " ".join(without_trailers(commit.message, _KEYS).split())
        return replace(plain, did=did, says=says, details=tuple(details), commit=commit.id)

    def _is_verdict(self, commit: Commit) -> bool:
        if len(commit.parents) != 1 or not any(
            key.lower() in ("review", "publish-at") for key, _ in read_trailers(commit.message)
        ):
            return False
        try:
            return self._store.commit(commit.parents[0]).tree == commit.tree
        except RepositoryProblem:
            return False

    def _tell_commit(self, commit: Commit) -> str:
        return f"{commit.id[:10]}  {commit.message.strip().partition(chr(10))[0]}"

    def _merges(self, move: Move) -> list[Commit]:
        """The merges by which the published branch went to where a move left it, newest first."""
        found: list[Commit] = []
        id = move.new
        for _ in range(STEPS_MOST):
            if id is None or id == move.old:
                break
            try:
                commit = self._store.commit(id)
            except RepositoryProblem:
                break
            if len(commit.parents) > 1:
                found.append(commit)
            id = commit.parents[0] if commit.parents else None
        return found

    # -- without a log -------------------------------------------------------------------------------------------------

    def _from_merges(self) -> Iterator[Deed]:
        """What the published branch itself tells: publications, and what their drafts were made of."""
        id = self._store.resolve(self._ref)
        while id is not None:
            merge = self._store.commit(id)
            if len(merge.parents) > 1 and find_trailer(merge.message, "Published-by") is not None:
                yield from self._tell_merge(merge)
            id = merge.parents[0] if merge.parents else None

    def _tell_merge(self, merge: Commit) -> Iterator[Deed]:
        deed = self._publication(
            self._claimed(merge, find_trailer(merge.message, "Published-by")), merge, is_bypass=False
        )
        yield deed
        outcome = Outcome(what="published", at=deed.at, name=deed.name, commit=merge.id)
        for commit in self._store.commits_between(merge.parents[0], merge.parents[1], limit=COMMITS_MOST) or ():
            plain = replace(self._claimed(commit), draft=deed.draft, led_to=outcome)
            if self._is_verdict(commit):
                yield self._verdict(plain, commit)
            else:
                yield replace(plain, did="wrote in", details=(self._tell_commit(commit),))

    def _claimed(self, commit: Commit, person: str | None = None) -> Deed:
        """A deed as the commit tells it."""
        known = person or find_trailer(commit.message, "Acted-by") or self._policy.find_by_email(commit.author_email)
        name = self._policy.name(known) if known else commit.author_name
        return Deed(at=commit.committed_at, person=known, name=name, did="", commit=commit.id, is_attested=False)
