"""Gathering the facts of drafts from Git and the push log, and remembering them.

What follows from one commit alone (what it changed, who signed it) is worked out once and kept by its id. The facts as a whole are kept by
everything they depend on: the draft's head, the published commit, the newest entry of the log. So asking again costs next to nothing while
nothing moved, and after a push only what is new.

In a clone without a push log only signed verdicts have somebody behind them; everything else works as it does on a server.

What is looked at, and how it makes facts, is in ``gathering``.
"""

from collections.abc import Callable, Collection
from typing import NamedTuple

from cms.errors import InvalidSettings
from cms.finding import Finding
from cms.merge import Merge
from cms.model import ContentModel, read_model
from cms.objects import Commit
from cms.people import read_policy
from cms.pushlog import PushLog
from cms.refs import BlobId, CommitId, TreeId, draft_ref
from cms.settings import SETTINGS_FILE
from cms.signatures import Kind, kind_of, verify
from cms.store import Store
from cms.trailers import read_trailers
from cms.workflow.bounded import Bounded
from cms.workflow.facts import Claim, Facts
from cms.workflow.gathering import Gathering, Sources, Static
from cms.workflow.provenance import Provenance
from cms.workflow.touches import Changes, changed_files, seen_files

FACTS_KEPT, COMMITS_KEPT, FEW_KEPT = 128, 20_000, 8
Judge = Callable[[Merge, Store], tuple[Finding, ...]]
ReadModel = Callable[[CommitId], ContentModel | None]


class _Memory(NamedTuple):
    """What is kept, shared by the gatherers of a repository and of the pushes to it. All of it are pure functions of the key."""

    facts: Bounded[tuple[object, ...], Facts]
    statics: Bounded[CommitId, Static]
    signers: Bounded[tuple[CommitId, tuple[str, ...]], str]
    seen: Bounded[tuple[CommitId | None, CommitId], Changes]
    models: Bounded[CommitId, ContentModel | None]
    gpg_keys: Bounded[BlobId | None, tuple[str, ...]]


class Gatherer(Sources):
    """Gathers facts about the drafts of one repository. Safe to use from many threads."""

    def __init__(
        self,
        store: Store,
        ref: str,
        *,
        log: PushLog | None = None,
        server_keys: Collection[str] = (),
        model: ReadModel | None = None,
    ) -> None:
        """Put it together.

        Args:
            ref: the published branch, a full name.
            log: None in a repository that has none.
            server_keys: keys of the server that are known from elsewhere than the log.
            model: gives the content model of a published commit, if somebody has it already.
        """
        self.store = store
        self.provenance = Provenance(log, ref) if log is not None else None
        self._ref = ref
        self._server_keys = frozenset(server_keys)
        self._read_model = model
        self._memory = _Memory(
            facts=Bounded(FACTS_KEPT),
            statics=Bounded(COMMITS_KEPT),
            signers=Bounded(COMMITS_KEPT),
            seen=Bounded(FACTS_KEPT * 4),
            models=Bounded(FEW_KEPT),
            gpg_keys=Bounded(FEW_KEPT),
        )

    def through(self, store: Store) -> "Gatherer":
        """A gatherer that reads through *store*, such as one that sees a push which waits for its answer; what is known is shared."""
        other = Gatherer(store, self._ref, server_keys=self._server_keys, model=self._read_model)
        other.provenance = self.provenance
        other._memory = self._memory
        return other

    def gather(
        self,
        name: str,
        head: CommitId,
        published: CommitId,
        *,
        judge: Judge | None = None,
        pushed_by: str | None = None,
    ) -> Facts:
        """Gather what there is to know of the draft *name* if it were at *head*.

        Args:
            published: the commit that it would be published into.
            judge: finds what is wrong with the merged result; None: nobody looks. The same for the same merge and published commit.
            pushed_by: who is bringing what the log does not know yet.

        Raises:
            Conflict: the draft has more commits than can be looked at.
            RepositoryProblem: a commit or tree is missing or damaged.
        """
        provenance = self.provenance
        current = self.store.resolve(draft_ref(name)) if provenance is not None else None
        newest = provenance.newest() if provenance is not None else None

        def make() -> Facts:
            gathering = Gathering(self, name, head, published, current=current, pushed_by=pushed_by)
            return gathering.facts((lambda merge: judge(merge, self.store)) if judge is not None else None)

        return self._memory.facts.get((name, head, published, current, newest, pushed_by, judge is not None), make)

    # -- what is kept --------------------------------------------------------------------------------------------------

    def static(self, commit: Commit, parent_tree: TreeId | None) -> Static:
        """What follows from *commit* alone; *parent_tree* is the tree of its first parent where that is known."""
        return self._memory.statics.get(commit.id, lambda: self._static(commit, parent_tree))

    def _static(self, commit: Commit, parent_tree: TreeId | None) -> Static:
        trailers = read_trailers(commit.message)
        is_single = len(commit.parents) == 1
        if is_single and parent_tree is None:
            parent_tree = self.store.commit(commit.parents[0]).tree
        is_empty = is_single and parent_tree == commit.tree
        return Static(
            trailers=trailers,
            co_authors=tuple(parse_claim(value) for key, value in trailers if key.lower() == "co-authored-by"),
            is_empty=is_empty,
            changed=frozenset() if is_empty else changed_files(self.store, commit),
        )

    def signer(self, commit: CommitId, published: CommitId, *, with_gpg: bool) -> str:
        """The key that signed *commit*, as the policy can be asked for it; empty without a valid signature.

        Args:
            with_gpg: OpenPGP signatures too, which take a child process to check.
        """
        signed = self.store.signature(commit)
        if signed is None:
            return ""
        is_gpg = kind_of(signed[1]) is Kind.GPG
        if is_gpg and not with_gpg:
            return ""
        keys = self._gpg_keys(published) if is_gpg else ()
        return self._memory.signers.get((commit, keys), lambda: _verify(*signed, keys))

    def _gpg_keys(self, published: CommitId) -> tuple[str, ...]:
        """Everybody's OpenPGP keys, armoured."""
        blob = self.store.find_blob(published, SETTINGS_FILE)
        return self._memory.gpg_keys.get(blob, lambda: self._read_gpg_keys(blob))

    def _read_gpg_keys(self, blob: BlobId | None) -> tuple[str, ...]:
        try:
            return tuple(read_policy(self.store.read_blob(blob)).gpg_keys) if blob is not None else ()
        except InvalidSettings:
            return ()

    def seen(self, base: CommitId | None, commit: CommitId) -> Changes:
        """What the draft had changed at *commit*."""
        return self._memory.seen.get((base, commit), lambda: seen_files(self.store, base, commit))

    def model(self, published: CommitId) -> ContentModel | None:
        """The content model of the published branch; None when there is none: then no file belongs to a collection."""
        return self._memory.models.get(published, lambda: self._model(published))

    def _model(self, published: CommitId) -> ContentModel | None:
        if self._read_model is not None:
            return self._read_model(published)
        try:
            return read_model(self.store, published)
        except InvalidSettings:
            return None

    def server_keys(self) -> frozenset[str]:
        """Every key that is or was the server's."""
        return self._server_keys | (self.provenance.server_keys() if self.provenance is not None else frozenset())


def parse_claim(text: str) -> Claim:
    """Read ``Name <mail>`` as it stands in a trailer."""
    name, _, rest = text.partition("<")
    return Claim(name.strip(), rest.partition(">")[0].strip())


def _verify(payload: bytes, signature: str, gpg_keys: tuple[str, ...]) -> str:
    signed = verify(payload, signature, gpg_keys=gpg_keys)
    return "" if signed is None else signed.key
