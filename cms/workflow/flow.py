"""The workflow of one site: what every verb stands on, and the one way by which a ref moves.

An act is: look at the state, refuse or go on, write objects, write an entry to the push log, move the ref by compare-and-swap. Before the
ref moves nothing has happened; what must happen afterwards (a draft that was published goes away) can be done again by :func:`tidy`.

The verbs themselves are in the modules beside this one, each once, each with the acting principal as an argument.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from urllib.parse import urlsplit

import structlog

from cms.errors import (
    CMSError,
    Conflict,
    DraftNotFound,
    Forbidden,
    RefMoved,
    RefNotFound,
    RepositoryProblem,
    StaleRequest,
)
from cms.finding import Finding, printable
from cms.merge import Merge
from cms.model import ContentModel, read_model
from cms.overlay import Overlay
from cms.people import read_policy
from cms.permissions import Principal, Target, require
from cms.policy import Policy
from cms.pushlog import Move, PushLog
from cms.refs import DRAFTS, BlobId, CommitId, TreeId, draft_ref, find_draft_name, short_name
from cms.settings import SETTINGS_FILE
from cms.snapshot import Snapshot
from cms.store import Store
from cms.trailers import read_trailers, with_trailers
from cms.workflow.actions import Action, refuse_unless
from cms.workflow.bounded import Bounded
from cms.workflow.gather import Gatherer, Judge
from cms.workflow.judging import judge_merge
from cms.workflow.outcome import DraftState
from cms.workflow.state import fold
from cms.workflow.turn import Turn
from cms.worktree import checkout_problem, find_checkout, refresh_work_tree
from cms.writer import Ident, Writer

ATTEMPTS = 5
NAME_SHOWN = 100
MODELS_KEPT = 8
JUDGED_KEPT = 64
SERVER_NAME = "Branchpress"
RESERVED_TRAILERS = frozenset(
    {"review", "anchor", "lifts", "publish-at", "acted-by", "draft", "published-by", "approved-by", "bypass"}
)
#: What the server signs and ``git log`` shows in everybody's terminal holds nothing that a terminal would obey.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
ReadSnapshot = Callable[[], Snapshot]
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A draft as a verb found it: everything it decides on was read once."""

    name: str
    ref: str
    head: CommitId
    state: DraftState
    policy: Policy


class Workflow:
    """The drafts of one repository, and how they change. Safe to use from many threads."""

    def __init__(
        self,
        store: Store,
        ref: str,
        *,
        snapshot: ReadSnapshot,
        writer: Writer,
        log: PushLog,
        is_server: bool,
        server_keys: Collection[str] = (),
        address: str = "",
    ) -> None:
        """Put it together.

        Args:
            ref: the published branch, a full name.
            snapshot: gives the snapshot of the published branch as it is now.
            writer: signs with the server's key, or in a clone with the person's own.
            log: the push log; in a clone it is only read, and may not have been fetched.
            address: where the server is reached, when ``cms.toml`` does not say.
            server_keys: those that the log need not vouch for.
            is_server: acts are attested by the server's signature, and written to the log.
        """
        self.store = store
        self.ref = ref
        self.writer = writer
        self.log = log
        self.is_server = is_server
        self._snapshot = snapshot
        self._gatherer = Gatherer(store, ref, log=log, server_keys=server_keys, model=self._model)
        self._judged: Bounded[tuple[CommitId, frozenset[tuple[str, BlobId | None]]], tuple[Finding, ...]] = Bounded(
            JUDGED_KEPT
        )
        self._address = address.rstrip("/")
        self._models: Bounded[CommitId, ContentModel | None] = Bounded(MODELS_KEPT)
        self._policy: tuple[CommitId, Policy] | None = None

    # -- looking -------------------------------------------------------------------------------------------------------

    def published(self) -> CommitId:
        """The commit that the published branch is at.

        Raises:
            RepositoryProblem: it has none yet.
        """
        commit = self.store.resolve(self.ref)
        if commit is None:
            raise RepositoryProblem(
                f"the published branch {short_name(self.ref)} has no commit yet",
                hint="commit cms.toml and schemas first",
            )
        return commit

    def snapshot(self) -> Snapshot:
        """The snapshot of the published branch as it is now.

        Raises:
            Conflict: what is published now cannot be read, so nothing can be judged against it.
        """
        snapshot = self._snapshot()
        commit = self.published()
        if snapshot.commit.id != commit:
            raise Conflict(
                f"the published branch is at {commit[:7]}, which cannot be served; until that is repaired nothing can be published"
            )
        return snapshot

    def policy(self) -> Policy:
        """People, roles and rules as they stand on the published branch now.

        Raises:
            InvalidSettings: they cannot be read: nobody may do anything until somebody repairs ``cms.toml``.
        """
        commit = self.published()
        known = self._policy
        if known is None or known[0] != commit:
            blob = self.store.find_blob(commit, SETTINGS_FILE)
            model = self._model(commit)
            # A rule for a collection that is not there would silently bind nothing.
            names = model.names if model is not None else ()
            known = commit, read_policy(self.store.read_blob(blob) if blob is not None else None, collections=names)
            self._policy = known
        return known[1]

    def _model(self, commit: CommitId) -> ContentModel | None:
        """The content model of a published commit; mostly it is at hand."""
        snapshot = self._snapshot()
        if snapshot.commit.id == commit:
            return snapshot.model
        return self._models.get(commit, lambda: read_model(self.store, commit))

    def names(self) -> list[str]:
        """The names of all drafts, in order."""
        names = (find_draft_name(ref) for ref in self.store.refs(DRAFTS))
        return [name for name in names if name is not None]

    def state(self, name: str, now: datetime) -> DraftState:
        """The state of a draft as the rules of this moment see it.

        Raises:
            DraftNotFound: there is none of that name.
        """
        try:
            head = self.store.resolve(draft_ref(name))
        except RefNotFound as error:  # no draft can be called that
            raise no_draft(name) from error
        if head is None:
            raise no_draft(name)
        return self.state_at(name, head, now)

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
        """The state that the draft *name* would have with its head at *head*, which may be in a push that waits for its answer.

        Args:
            store: sees the objects of that push.
            pushed_by: who is pushing what the log does not know yet.
            snapshot, policy: of another commit than the one that is published now: of a merge that the push brings too.
            findings: all that is wrong with what would be published, where the caller has found that out already.
        """
        gatherer = self._gatherer if store is None else self._gatherer.through(store)
        if snapshot is not None:
            model = snapshot.model
            self._models.get(snapshot.commit.id, lambda: model)  # only the push has that commit
        snapshot = snapshot or self.snapshot()
        judge: Judge = partial(self._judge, snapshot)
        if findings is not None:
            judge = partial(_known, findings)
        facts = gatherer.gather(name, head, snapshot.commit.id, judge=judge, pushed_by=pushed_by)
        return fold(facts, policy or self.policy(), now)

    def _judge(self, snapshot: Snapshot, merge: Merge, reader: Store) -> tuple[Finding, ...]:
        """What is wrong with what would be published; worked out once, since most commits of a draft only say something."""
        key = snapshot.commit.id, frozenset(merge.changes.items())
        return self._judged.get(key, lambda: judge_merge(snapshot, merge, reader))

    def find(
        self,
        who: Principal | None,
        permission: str,
        name: str,
        *,
        expected: CommitId | None,
        reason: str = "",
        now: datetime,
    ) -> Draft:
        """The draft *name*, for *who* to do what *permission* names; whether it is ready for that is for the verb to say.

        Raises:
            DraftNotFound: there is none, or *who* may not know of it.
            Forbidden: *who* may know of it, and may not do this.
            StaleRequest: the caller decided on another head than the present one.
        """
        draft = self.look(who, name, now)
        target = self.target_of(draft.state, who, reason=reason)
        require(permission, who, draft.policy, target, missing=no_draft(name))
        require_head(draft, expected)
        return draft

    def look(self, who: Principal | None, name: str, now: datetime) -> Draft:
        """The draft *name*, for a verb that asks for its permission itself.

        Who may read no draft at all is told so before anything is worked out: how long an answer takes tells whether there is such a draft.

        Raises:
            DraftNotFound: there is none, or *who* may know of none.
            Unauthorised: nobody is signed in.
        """
        policy = self.policy()
        if who is None or (who.scopes is None and not policy.is_bot(who.person)):
            require("draft.read", who, policy, missing=no_draft(name))
        state = self.state(name, now)
        return Draft(name=name, ref=draft_ref(name), head=state.head, state=state, policy=policy)

    def find_for(
        self,
        who: Principal,
        permission: str,
        action: Action,
        name: str,
        *,
        expected: CommitId | None,
        reason: str = "",
        now: datetime,
    ) -> Draft:
        """As :meth:`find`, and refuses what does not fit the draft's state."""
        draft = self.find(who, permission, name, expected=expected, reason=reason, now=now)
        refuse_unless(draft.state.status, action, draft.state)
        return draft

    def target_of(self, state: DraftState, who: Principal | None, *, reason: str = "") -> Target:
        """What a permission is asked about when it is about a draft; in a clone nobody else's hands are on it."""
        owner = who.person if state.owner is None and who is not None and not self.is_server else state.owner
        return Target(
            paths=tuple(entry.path for entry in state.entries),
            collections={entry.path: entry.collection for entry in state.entries if entry.collection is not None},
            owner=owner,
            writers=state.writers,
            writers_of={entry.path: entry.writers for entry in state.entries},
            is_ready=True,
            reason=reason,
        )

    # -- acting --------------------------------------------------------------------------------------------------------

    def write_commit(
        self,
        who: Principal,
        *,
        tree: TreeId,
        parents: Sequence[CommitId],
        message: str,
        trailers: Sequence[tuple[str, str]],
        now: datetime,
    ) -> CommitId:
        """Write a commit by *who*; the server, when it acts, is the committer, says for whom, and signs.

        Raises:
            Conflict: the message ends with a trailer that means something, which only a verb may write; or leaves no room for any.
        """
        author = Ident(name=who.name, email=who.email, at=now)
        committer = Ident(name=SERVER_NAME, email=self.server_email, at=now) if self.is_server else author
        trailers = [*trailers, *([("Acted-by", who.person)] if self.is_server else [])]
        try:
            text = with_trailers(_CONTROL.sub("", message), trailers)
        except ValueError as error:
            raise Conflict(f"this cannot be the message of a commit: {error}") from error
        # The finished text decides: what follows a paragraph can make trailers of it.
        found = Counter(key.lower() for key, _ in read_trailers(text) if key.lower() in RESERVED_TRAILERS)
        found.subtract(key.lower() for key, _ in trailers)
        for key in +found:
            raise Conflict(
                f"a message may not end with a line {key.capitalize()!r}: that is what verbs write; put words behind it"
            )
        return self.writer.write_commit(tree=tree, parents=parents, author=author, committer=committer, message=text)

    def record(
        self,
        who: Principal,
        act: str,
        moves: Sequence[Move],
        *,
        note: str = "",
        now: datetime,
        has_turn: bool = False,
    ) -> None:
        """Write what is about to happen to the log, then move the refs, each by compare-and-swap.

        The first move is the act; when it fails nothing has happened. The rest is repeatable work (:func:`tidy`), and does not fail the act.
        On the server all this is one turn: what somebody says of a draft comes before a publication of it, which then knows of it, or is
        refused; and the log tells of nothing that somebody faster made impossible.

        Args:
            has_turn: the caller took it, since it decided on more than the first ref.

        Raises:
            RefMoved: somebody was faster.
            Conflict: a work tree that has the branch checked out holds changes that are not committed.
            TooBusy: others had the turn for too long.
        """
        with nullcontext() if has_turn or not self.is_server else Turn(self.store.common_dir):
            self._record(who, act, moves, note, now)

    def _record(self, who: Principal, act: str, moves: Sequence[Move], note: str, now: datetime) -> None:
        first, *rest = moves
        if first.new is not None and (problem := checkout_problem(self.store, first.ref, first.new)):
            raise Conflict(problem)
        if first.new is None and (place := find_checkout(self.store, first.ref)) is not None:
            raise Conflict(f"{short_name(first.ref)} is checked out in {place}; switch to another branch there first")
        if self.is_server:
            require_still(self.store, first)
            self.log.append(self.writer, act=act, person=who.person, via=who.via, moves=moves, note=note, at=now)
        message = f"{act} by {who.person}"
        self.writer.move_ref(first.ref, old=first.old, new=first.new, message=message)
        if first.new is not None and (problem := refresh_work_tree(self.store, first.ref, first.old, first.new)):
            log.warning("worktree.behind", ref=first.ref, reason=problem)
        for move in rest:
            if move.new is None and find_checkout(self.store, move.ref) is not None:
                continue
            try:
                self.writer.move_ref(move.ref, old=move.old, new=move.new, message=message)
            except RefMoved:  # somebody pushed to the draft meanwhile: it stays, with what is new
                continue
            except CMSError as error:  # the act is done all the same, and the next start does the rest
                log.warning("draft.not_tidied", ref=move.ref, reason=str(error))

    @property
    def address(self) -> str:
        """The public address of the server, without a slash at its end; empty when nobody said."""
        return self._snapshot().model.settings.server.url.rstrip("/") or self._address

    @property
    def server_email(self) -> str:
        """The address that the server signs commits with; nobody reads mail there."""
        host = urlsplit(self._snapshot().model.settings.site.url).hostname
        return f"branchpress@{host or 'localhost'}"

    def tree_of(self, commit: CommitId) -> TreeId:
        """The tree of *commit*."""
        return self.store.commit(commit).tree

    def overlay(self, base: CommitId, changes: dict[str, BlobId | None], contents: dict[BlobId, bytes]) -> Overlay:
        """What *base* would be with *changes*, nothing written."""
        return Overlay(self.store, base, changes, contents)


def _known(findings: tuple[Finding, ...], merge: Merge, reader: Store) -> tuple[Finding, ...]:
    """What is known already of the result of a merge."""
    del merge, reader
    return findings


def no_draft(name: str) -> DraftNotFound:
    """The same answer for a draft that does not exist and for one that the caller may not know of."""
    shown = name[:NAME_SHOWN]
    return DraftNotFound(f"there is no draft {shown!r}", draft=printable(shown))


def require_head(draft: Draft, expected: CommitId | None) -> None:
    """Refuse what was decided about another head of the draft; None decides about any.

    Raises:
        StaleRequest: it has changed since. Facts: expected, found.
    """
    if expected is not None and expected != draft.head:
        raise StaleRequest(
            f"the draft {draft.name} has changed since you looked: it is at {draft.head[:7]}, not at {expected[:7]}; look again",
            expected=expected,
            found=draft.head,
        )


def require_still(store: Store, move: Move) -> None:
    """Refuse to log a move of a ref that is not there any more; the log must not tell of what cannot happen.

    Raises:
        RefMoved: somebody was faster.
    """
    found = store.resolve(move.ref)
    if found != move.old:
        where = f"is at {found[:10]}" if found is not None else "is gone"
        raise RefMoved(
            f"{short_name(move.ref)} {where} now: somebody else was faster; look again",
            ref=move.ref,
            expected=move.old,
            found=found,
        )


def tidy(flow: Workflow, who: Principal) -> list[str]:
    """Finish what a crash left over: drafts that were published and are still there. Returns their names."""
    done = []
    published = flow.published()
    for name in flow.names():
        ref = draft_ref(name)
        head = flow.store.resolve(ref)
        if head is None or not was_published(flow.log, ref, head) or find_checkout(flow.store, ref) is not None:
            continue
        if flow.store.is_ancestor(head, published):
            flow.writer.move_ref(ref, old=head, new=None, message=f"published, tidied by {who.person}")
            done.append(name)
    return done


def was_published(log: PushLog, ref: str, head: CommitId) -> bool:
    """Whether the log's last word on *ref* is that it was published at *head*."""
    last = next(reversed(log.life(ref)), None)
    return (
        last is not None
        and last.act in ("publish", "bypass")
        and any(move.ref == ref and move.old == head and move.new is None for move in last.moves)
    )


def require_server(flow: Workflow, verb: str) -> None:
    """Refuse what only the server may do.

    Raises:
        Forbidden: this is a clone.
    """
    if not flow.is_server:
        raise Forbidden(f"{verb} is done by the server, or in its repository; this is a clone")
