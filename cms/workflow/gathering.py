"""One look at one draft: which commits it consists of, who brought each, what publishing it would change.

A draft consists of what its head has and the published branch has not, and of what a force push in its present life took away: verdicts given
then are still somebody's word, and who wrote then is still an author. What Git has pruned since is as if it had never been.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import heappop, heappush
from typing import NamedTuple, Protocol

from cms.errors import Conflict, RepositoryProblem
from cms.finding import Finding
from cms.merge import Merge, merge_drafts
from cms.model import ContentModel
from cms.objects import Commit
from cms.refs import CommitId, TreeId, draft_ref
from cms.store import Store
from cms.workflow.facts import NOTHING_SEEN, Attestation, Claim, CommitFacts, Facts, FileFacts
from cms.workflow.provenance import PENDING, Bringing, Life, Provenance, attribute, describe
from cms.workflow.touches import Bases, Changes, Trees

COMMITS_MOST = 5_000
#: What the log calls it when the server writes down what somebody says of a draft.
VERDICT_ACTS = ("verdict", "schedule")
Findings = Callable[[Merge], tuple[Finding, ...]]


class Static(NamedTuple):
    """What follows from one commit alone."""

    message: str
    trailers: tuple[tuple[str, str], ...]
    co_authors: tuple[Claim, ...]
    is_empty: bool
    changed: frozenset[str]
    moved: Mapping[str, str]


class Merged(NamedTuple):
    """What follows from the published commit, the base and the draft's tree: what publishing would change."""

    merge: Merge
    files: tuple[FileFacts, ...]


class Sources(Protocol):
    """What a look needs of its ``Gatherer``, which remembers most of it."""

    store: Store
    provenance: Provenance | None

    def static(self, commit: Commit, trees: Trees) -> Static:
        """What follows from *commit* alone."""

    def signer(self, commit: CommitId, published: CommitId) -> str:
        """The key that signed *commit*."""

    def seen(self, base: CommitId | None, commit: CommitId, trees: Trees) -> Changes:
        """What the draft had changed at *commit*."""

    def unpublished(self, published: CommitId, tip: CommitId, limit: int) -> Mapping[CommitId, Commit] | None:
        """What *tip* has that *published* has not; None when that are more than *limit*."""

    def merged(self, key: tuple[CommitId, CommitId, TreeId], make: Callable[[], Merged]) -> Merged:
        """What *make* finds, or found before."""

    def model(self, published: CommitId) -> ContentModel | None:
        """The content model of the published branch."""

    def server_keys(self) -> frozenset[str]:
        """Every key that is or was the server's."""


class Gathering:
    """One look at one draft."""

    def __init__(
        self,
        sources: Sources,
        name: str,
        head: CommitId,
        published: CommitId,
        *,
        current: CommitId | None,
        pushed_by: str | None,
    ) -> None:
        """Find out which commits there are and who brought them; see ``Gatherer.gather``."""
        self._sources = sources
        self._store = sources.store
        self._name = name
        self._head = head
        self._published = published
        self._ref = draft_ref(name)
        self._commits = self._read(head)
        self._present = frozenset(self._commits)
        self._life = self._find_life(current)
        self._add_former()
        self._trees = Trees(self._store, self._commits)
        # What the server made here: the log, which the server signed, names it, so its own signature need not be looked at.
        self._acts = {move.new: act for act, move in self._life.moves if act.via not in ("", "git")}
        parents = {commit.id: commit.parents for commit in self._commits.values()}
        pending = Bringing(self._ref, pushed_by or "", None, PENDING)
        self._brought = attribute([*self._life.tips, (head, pending)], parents)
        self._first = attribute(self._known_tips(), parents)
        self._ordered = self._order()
        self._bases = Bases(self._store, published, self._ordered)
        self._server_keys = sources.server_keys()
        self._since: dict[tuple[CommitId, TreeId], frozenset[str]] = {}

    def facts(self, judge: Findings | None) -> Facts:
        """Everything, put together."""
        base = self._bases.find(self._head)
        at_head = self._sources.seen(base, self._head, self._trees)
        merge, files = self._merge(base, at_head)
        is_judged = judge is not None and bool(merge.changes) and not merge.clashes
        commits = tuple(self._commit(commit) for commit in self._ordered)
        return Facts(
            name=self._name,
            head=self._head,
            base=base,
            published=self._published,
            commits=commits,
            files=files,
            merge=merge,
            findings=judge(merge) if judge is not None and is_judged else (),
            is_published=self._is_published(merge, at_head, commits),
            started_by=self._life.started_by,
        )

    # -- which commits -------------------------------------------------------------------------------------------------

    def _read(self, tip: CommitId, known: int = 0) -> dict[CommitId, Commit]:
        """What *tip* has that is not published."""
        commits = self._sources.unpublished(self._published, tip, COMMITS_MOST - known)
        if commits is None:
            raise Conflict(
                f"the draft {self._name} has more than {COMMITS_MOST:,} commits that are not published, which is more than can be judged; "
                "begin another draft, and bring what you need in fewer commits",
                draft=self._name,
            )
        return dict(commits)

    def _find_life(self, current: CommitId | None) -> Life:
        if self._sources.provenance is None:
            return Life(self._ref)
        return self._sources.provenance.find_life(self._store, self._ref, current)

    def _add_former(self) -> None:
        """Add what the draft held before a force push."""
        for tip, _ in reversed(self._life.tips):
            if tip not in self._commits:
                try:
                    former = self._read(tip, len(self._commits))
                except RepositoryProblem:  # pruned
                    continue
                self._commits = {**former, **self._commits}

    def _known_tips(self) -> Iterable[tuple[CommitId, Bringing]]:
        """Those commits at which the log ever saw a draft, in the order of the log."""
        if self._sources.provenance is None:
            return []
        tips = self._sources.provenance.first_tips()
        return sorted(((id, tips[id]) for id in self._commits if id in tips), key=lambda tip: tip[1].place)

    def _order(self) -> list[Commit]:
        """Oldest first: in the order in which they were brought, none before its parents; else by what they say of their time."""
        children: dict[CommitId, list[CommitId]] = {}
        waits: dict[CommitId, int] = {}
        ready: list[tuple[int, float, CommitId]] = []

        def push(id: CommitId) -> None:
            heappush(ready, (self._brought_by(id).place, self._commits[id].committed_at.timestamp(), id))

        for id, commit in self._commits.items():
            inner = {parent for parent in commit.parents if parent in self._commits}
            waits[id] = len(inner)
            for parent in inner:
                children.setdefault(parent, []).append(id)
            if not inner:
                push(id)
        ordered = []
        while ready:
            _, _, id = heappop(ready)
            ordered.append(self._commits[id])
            for child in children.get(id, ()):
                waits[child] -= 1
                if not waits[child]:
                    push(child)
        return ordered

    # -- one commit ----------------------------------------------------------------------------------------------------

    def _brought_by(self, id: CommitId) -> Bringing:
        return self._brought[id]

    def _commit(self, commit: Commit) -> CommitFacts:
        static = self._sources.static(commit, self._trees)
        brought, first = self._brought_by(commit.id), self._first.get(commit.id)
        trailers = {key.lower(): value for key, value in static.trailers}
        seen = self._seen(commit, static, trailers)
        return CommitFacts(
            id=commit.id,
            parents=commit.parents,
            author=Claim(commit.author_name, commit.author_email),
            committer=Claim(commit.committer_name, commit.committer_email),
            co_authors=static.co_authors,
            committed_at=commit.committed_at,
            message=static.message,
            trailers=static.trailers,
            is_empty=static.is_empty,
            is_current=commit.id in self._present,
            changed=static.changed,
            moved=static.moved,
            seen=seen,
            outdated=self._outdated(commit, seen),
            attestation=self._attest(commit, static, trailers),
            carriers=frozenset({act.person for act in (brought, first) if act is not None and act.person}),
        )

    def _seen(self, commit: Commit, static: Static, trailers: Mapping[str, str]) -> Changes:
        if not static.is_empty or trailers.get("review", "").strip().casefold() != "approve":
            return NOTHING_SEEN
        return self._sources.seen(self._bases.find(commit.id), commit.id, self._trees)

    def _outdated(self, commit: Commit, seen: Changes) -> frozenset[str]:
        if not seen:
            return frozenset()
        base, paths = self._bases.find(commit.id), list(seen)
        if base is None:
            found = zip(paths, self._store.find_blobs(self._published, paths), strict=True)
            return frozenset(path for path, blob in found if blob is not None)
        key = base, self._trees.tree_of(commit.id)
        if key not in self._since:
            self._since[key] = frozenset(self._trees.differences(base, self._published, paths)).intersection(paths)
        return self._since[key]

    def _attest(self, commit: Commit, static: Static, trailers: Mapping[str, str]) -> Attestation:
        brought = self._brought_by(commit.id)
        is_verdict = static.is_empty and ("review" in trailers or "publish-at" in trailers)
        act = self._acts.get(commit.id)
        key, is_server = "", act is not None and act.act in VERDICT_ACTS and trailers.get("acted-by") == act.person
        if not is_server and (is_verdict or act is None):
            key = self._sources.signer(commit.id, self._published)
            is_server = key in self._server_keys
        provenance = self._sources.provenance
        could_publish = True
        if provenance is not None and "publish-at" in trailers and brought.person:
            could_publish = provenance.was_publisher(self._store, brought)
        return Attestation(
            key=key,
            is_server=is_server,
            pusher=brought.person or None,
            at=brought.at,
            elsewhere=self._elsewhere(commit, is_signed=bool(key) and not is_server, trailers=trailers)
            if is_verdict
            else "",
            could_publish=could_publish,
        )

    def _elsewhere(self, commit: Commit, *, is_signed: bool, trailers: Mapping[str, str]) -> str:
        """Where a verdict was known from before it came here; empty when it was new."""
        brought, first = self._brought_by(commit.id), self._first.get(commit.id)
        if first is not None and not self._life.holds(first) and first.place < brought.place:
            return describe(first, self._ref)
        provenance = self._sources.provenance
        if provenance is None or not is_signed or "draft" in trailers:
            return ""
        return provenance.find_elsewhere(self._store, commit.id, commit.committed_at, brought, self._life)

    # -- what publishing would change ----------------------------------------------------------------------------------

    def _merge(self, base: CommitId | None, at_head: Changes) -> Merged:
        if not self._present:
            return Merged(Merge(changes={}, contents={}, clashes=(), base=self._head), ())
        only = self._bases.find_only(self._head)

        def make() -> Merged:
            merge = merge_drafts(
                self._store, ours=self._published, theirs=self._head, base=only, reader=self._trees.reader
            )
            return Merged(merge, tuple(self._files(merge, base, at_head)))

        if only is None:  # histories crossed: it is not the draft's tree alone that it depends on
            return make()
        return self._sources.merged((self._published, only, self._trees.tree_of(self._head)), make)

    def _files(self, merge: Merge, base: CommitId | None, at_head: Changes) -> Iterator[FileFacts]:
        clashing = {clash.path for clash in merge.clashes}
        paths = sorted(merge.changes.keys() | clashing)
        if not paths:
            return
        model = self._sources.model(self._published)
        published, since = self._published_blobs(paths, base)
        for path in paths:
            blob = None if path in clashing else merge.changes[path]
            place = model.place(path) if model is not None else None
            default = model.settings.site.default_locale if model is not None else ""
            yield FileFacts(
                path=path,
                published=published[path],
                blob=blob,
                is_behind=path not in clashing and (path in since or path not in at_head or at_head[path] != blob),
                is_clashing=path in clashing,
                collection=place[0].name if place is not None else None,
                slug=place[1].slug if place is not None else "",
                locale=(place[1].locale or default) if place is not None else "",
            )

    def _published_blobs(self, paths: list[str], base: CommitId | None) -> tuple[Changes, Changes]:
        """What the published branch has at *paths*, and which of them it changed since *base*.

        By comparing trees, since looking up one file in a large folder costs more.
        """
        if base is None:
            return dict(zip(paths, self._store.find_blobs(self._published, paths), strict=True)), {}
        since = self._trees.differences(base, self._published, paths)
        before = {change.path: change.old for change in self._trees.compare(base, self._head, paths)}
        return {path: since[path] if path in since else before.get(path) for path in paths}, since

    # -- whether it is done --------------------------------------------------------------------------------------------

    def _is_published(self, merge: Merge, at_head: Changes, commits: tuple[CommitFacts, ...]) -> bool:
        """Whether the published branch holds all that the draft ever changed; a draft that was only begun is not published."""
        if not self._present:
            return self._was_merged()
        if merge.changes or merge.clashes:
            return False
        return bool(at_head) or self._was_taken_over(commits)

    def _was_merged(self) -> bool:
        """Whether the published branch was merged with, or moved to, the head of the draft; or whether the draft just begins there."""
        provenance = self._sources.provenance
        if provenance is not None and provenance.was_published_as(self._head, self._life):
            return True
        newer = self._store.commits_between(self._head, self._published, limit=COMMITS_MOST)
        return any(self._head in commit.parents[1:] for commit in newer or ())

    def _was_taken_over(self, commits: tuple[CommitFacts, ...]) -> bool:
        """Whether something that the draft wrote is on the published branch, though the draft has merged that branch since.

        Otherwise the draft has taken back all that it ever wrote.
        """
        before: dict[str, object] = {}
        written: dict[str, set[object]] = {}
        for commit in commits:
            if commit.is_current and len(commit.parents) == 1 and not commit.is_empty:
                for change in self._trees.compare(commit.parents[0], commit.id):
                    before.setdefault(change.path, change.old)
                    written.setdefault(change.path, set()).add(change.new)
        paths = sorted(written)
        present = self._store.find_blobs(self._published, paths) if paths else []
        return any(blob in written[path] and blob != before[path] for path, blob in zip(paths, present, strict=True))
