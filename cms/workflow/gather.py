"""Gathering the facts of drafts from Git and the push log, and remembering them.

What follows from one commit alone (what it changed, who signed it) is worked out once and kept by its id. The facts as a whole are kept by
everything they depend on: the draft's head, the published commit, the newest entry of the log. So asking again costs next to nothing while
nothing moved, and after a push only what is new.

In a clone without a push log only signed verdicts have somebody behind them; everything else works as it does on a server.

What is looked at, and how it makes facts, is in ``gathering``.
"""

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from cms.errors import InvalidSettings
from cms.finding import Finding
from cms.merge import Merge
from cms.model import ContentModel, read_model
from cms.objects import Commit
from cms.people import read_policy
from cms.policy import Policy
from cms.pushlog import PushLog
from cms.refs import CommitId, TreeId, draft_ref
from cms.settings import SETTINGS_FILE
from cms.signatures import Verifier
from cms.store import Store
from cms.trailers import read_trailers
from cms.workflow.bounded import Bounded
from cms.workflow.facts import Claim, Facts
from cms.workflow.gathering import Gathering, Merged, Sources, Static
from cms.workflow.provenance import Provenance
from cms.workflow.touches import Changes, Trees, changed_files, moved_files, seen_files
from cms.workflow.voices import spoken

FACTS_KEPT, COMMITS_KEPT, FEW_KEPT = 128, 20_000, 8
STEPS_TRIED = 20
Judge = Callable[[Merge, Store], tuple[Finding, ...]]
ReadModel = Callable[[CommitId], ContentModel | None]


class _Memory(NamedTuple):
    """What is kept, shared by the gatherers of a repository and of the pushes to it. All of it are pure functions of the key."""

    facts: Bounded[tuple[object, ...], Facts]
    statics: Bounded[CommitId, Static]
    signers: Bounded[tuple[CommitId, tuple[str, ...]], str]
    verifiers: Bounded[tuple[str, ...], Verifier]
    seen: Bounded[tuple[CommitId | None, TreeId], Changes]
    ranges: Bounded[tuple[CommitId, CommitId], Mapping[CommitId, Commit] | None]
    merged: Bounded[tuple[CommitId, CommitId, TreeId], Merged]
    models: Bounded[CommitId, ContentModel | None]
    policies: Bounded[CommitId, Policy | None]


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
            verifiers=Bounded(FEW_KEPT),
            seen=Bounded(FACTS_KEPT * 4),
            ranges=Bounded(FACTS_KEPT),
            merged=Bounded(FACTS_KEPT),
            models=Bounded(FEW_KEPT),
            policies=Bounded(FEW_KEPT),
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

    def static(self, commit: Commit, trees: Trees) -> Static:
        """What follows from *commit* alone."""
        return self._memory.statics.get(commit.id, lambda: self._static(commit, trees))

    def _static(self, commit: Commit, trees: Trees) -> Static:
        trailers = read_trailers(commit.message)
        is_verdict = any(key.lower() in ("review", "publish-at") for key, _ in trailers)
        is_empty = len(commit.parents) == 1 and trees.tree_of(commit.parents[0]) == commit.tree
        return Static(
            message=spoken(commit.message) if is_verdict else commit.message,
            trailers=trailers,
            co_authors=tuple(parse_claim(value) for key, value in trailers if key.lower() == "co-authored-by"),
            is_empty=is_empty,
            changed=frozenset() if is_empty else changed_files(self.store, commit, trees),
            moved={} if is_empty else moved_files(commit, trees),
        )

    def signer(self, commit: CommitId, published: CommitId) -> str:
        """The key that signed *commit*, as the policy can be asked for it; empty without a valid signature."""
        policy = self._policy(published)
        keys = tuple(policy.gpg_keys) if policy is not None else ()
        return self._memory.signers.get((commit, keys), lambda: self._find_signer(commit, keys))

    def _find_signer(self, commit: CommitId, gpg_keys: tuple[str, ...]) -> str:
        signature = self.store.signature(commit)
        if signature is None:
            return ""
        signed = self._memory.verifiers.get(gpg_keys, lambda: Verifier(gpg_keys)).verify(*signature)
        return "" if signed is None else signed.key

    def _policy(self, published: CommitId) -> Policy | None:
        """Who there is; None where that cannot be read."""
        return self._memory.policies.get(published, lambda: self._read_policy(published))

    def _read_policy(self, published: CommitId) -> Policy | None:
        blob = self.store.find_blob(published, SETTINGS_FILE)
        try:
            return read_policy(self.store.read_blob(blob) if blob is not None else None)
        except InvalidSettings:
            return None

    def seen(self, base: CommitId | None, commit: CommitId, trees: Trees) -> Changes:
        """What the draft had changed at *commit*."""
        key = base, trees.tree_of(commit)
        return self._memory.seen.get(key, lambda: seen_files(self.store, base, commit, trees))

    def unpublished(self, published: CommitId, tip: CommitId, limit: int) -> Mapping[CommitId, Commit] | None:
        """What *tip* has that *published* has not; None when that are more than *limit*."""
        found = self._memory.ranges.get((published, tip), lambda: self._unpublished(published, tip, limit))
        return found if found is not None and len(found) <= limit else None

    def _unpublished(self, published: CommitId, tip: CommitId, limit: int) -> Mapping[CommitId, Commit] | None:
        """Read them; only the newest few where the commits below them are known, as after a push to a draft."""
        fresh: dict[CommitId, Commit] = {}
        below = tip
        for _ in range(STEPS_TRIED):
            known = self._memory.ranges.peek((published, below))
            if known:  # not empty: so nothing that descends from it is published
                return {**fresh, **known}
            if known is not None or not self._memory.ranges:
                break
            commit = fresh[below] = self.store.commit(below)
            if len(commit.parents) != 1:
                break
            below = commit.parents[0]
        commits = self.store.commits_between(published, tip, limit=limit)
        return None if commits is None else {commit.id: commit for commit in commits}

    def merged(self, key: tuple[CommitId, CommitId, TreeId], make: Callable[[], Merged]) -> Merged:
        """What *make* finds that publishing would change: by the published commit, the base and the draft's tree."""
        return self._memory.merged.get(key, make)

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
        """The keys whose signature alone makes something the server's word."""
        if self.provenance is None:
            return self._server_keys
        signing = self.provenance.signing_keys()
        return signing if signing is not None else self._server_keys | self.provenance.server_keys()


def parse_claim(text: str) -> Claim:
    """Read ``Name <mail>`` as it stands in a trailer."""
    name, _, rest = text.partition("<")
    return Claim(name.strip(), rest.partition(">")[0].strip())
