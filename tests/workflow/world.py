"""A repository in miniature: commits with whole trees, branches and a push log, in plain dictionaries.

It makes the facts of a draft in the slowest and plainest way there is, so that tests of the state need no Git, and so that what ``gather`` finds
in real Git can be compared with something.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from cms.finding import Finding
from cms.merge import Clash, Merge
from cms.policy import Policy
from cms.refs import BlobId, CommitId
from cms.workflow.facts import Attestation, Claim, CommitFacts, Facts, FileFacts
from cms.workflow.state import DraftState, fold

Tree = Mapping[str, str]
START = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
A, B = "content/posts/a.md", "content/posts/b.md"
SERVER = "server"


def email_of(person: str) -> str:
    """The address that a person commits with; a text with an @ stands for itself."""
    return person if "@" in person or not person else f"{person}@example.org"


@dataclass(frozen=True, kw_only=True)
class Node:
    """A commit. *key* is the id of the person whose key signed it, SERVER, or empty."""

    id: str
    parents: tuple[str, ...]
    tree: Tree
    author: str
    committer: str
    co_authors: tuple[str, ...] = ()
    trailers: tuple[tuple[str, str], ...] = ()
    key: str = ""
    at: datetime

    @property
    def all_trailers(self) -> tuple[tuple[str, str], ...]:
        named = [("Co-authored-by", f"{who} <{email_of(who)}>") for who in self.co_authors]
        return (*named, *self.trailers)


@dataclass(frozen=True)
class Entry:
    """An entry of the log; one that did not happen was written, and then the ref could not be moved."""

    person: str
    draft: str
    old: str | None
    new: str | None
    happened: bool


@dataclass
class World:
    """One published branch, drafts, and the log of who moved them."""

    nodes: dict[str, Node] = field(default_factory=dict)
    main: str = ""
    heads: dict[str, str] = field(default_factory=dict)
    log: list[Entry] = field(default_factory=list)
    collections: Mapping[str, str] = field(default_factory=lambda: {"content/posts/": "posts", "content/docs/": "docs"})
    has_log: bool = True
    _below: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.main:
            self.main = self.commit((), {A: "a0", B: "b0"}, author="kari")

    # -- acts ----------------------------------------------------------------------------------------------------------

    def commit(
        self,
        parents: Sequence[str],
        tree: Tree,
        *,
        author: str,
        committer: str = "",
        co_authors: Sequence[str] = (),
        trailers: Iterable[tuple[str, str]] = (),
        key: str = "",
    ) -> str:
        """Make a commit that no branch has yet."""
        number = len(self.nodes)
        id = hashlib.sha1(str(number).encode(), usedforsecurity=False).hexdigest()
        self.nodes[id] = Node(
            id=id,
            parents=tuple(parents),
            tree=dict(tree),
            author=author,
            committer=committer or author,
            co_authors=tuple(co_authors),
            trailers=tuple(trailers),
            key=key,
            at=START + timedelta(minutes=number),
        )
        return id

    def change_main(self, changes: Mapping[str, str | None]) -> str:
        """Publish *changes* past all drafts."""
        self.main = self.commit([self.main], apply(self.nodes[self.main].tree, changes), author="kari")
        return self.main

    def start(self, draft: str, by: str = "ola", *, at: str = "") -> str:
        """Begin a draft where the published branch is, or at a commit."""
        return self.push(draft, at or self.main, by)

    def push(self, draft: str, new: str | None, by: str, *, happens: bool = True) -> str:
        """Move a draft; an empty *by* does it past the log."""
        if by:
            self.log.append(Entry(by, draft, self.heads.get(draft), new, happens))
        if happens and new is None:
            del self.heads[draft]
        elif happens and new is not None:
            self.heads[draft] = new
        return new or ""

    def write(
        self,
        draft: str,
        changes: Mapping[str, str | None],
        *,
        by: str = "ola",
        author: str = "",
        committer: str = "",
        co_authors: Sequence[str] = (),
        key: str = "",
        trailers: Iterable[tuple[str, str]] = (),
        push: bool = True,
    ) -> str:
        """Commit on a draft and push that, all by the same person unless said otherwise."""
        head = self.heads[draft]
        new = self.commit(
            [head],
            apply(self.nodes[head].tree, changes),
            author=author or by,
            committer=committer or author or by,
            co_authors=co_authors,
            trailers=trailers,
            key=key,
        )
        return self.push(draft, new, by) if push else new

    def say(
        self,
        draft: str,
        verdict: str,
        *,
        by: str = "kari",
        how: str = "push",
        author: str = "",
        committer: str = "",
        about: str | None = None,
        publish_at: str = "",
        pushed_by: str = "",
        **trailers: str,
    ) -> str:
        """Give a verdict: by pushing it, through the server, or signed (then pushed by *pushed_by*, if anybody).

        Args:
            about: the trailer ``Draft``; the server always writes it.
        """
        said = [("Review", verdict)] if verdict else []
        said += [("Publish-At", publish_at)] if publish_at else []
        said += [(key.capitalize(), value) for key, value in trailers.items()]
        if how == SERVER:
            about = draft if about is None else about
            said.append(("Acted-by", by))
        if about is not None:
            said.append(("Draft", about))
        head = self.heads[draft]
        new = self.commit(
            [head],
            self.nodes[head].tree,
            author=author or by,
            committer=committer or ("branchpress@localhost" if how == SERVER else author or by),
            trailers=said,
            key=SERVER if how == SERVER else by if how == "key" else "",
        )
        return self.push(draft, new, pushed_by or ("" if how == "key" else by))

    def merge(self, draft: str, other: str, *, by: str = "ola", choose: Mapping[str, str | None] | None = None) -> str:
        """Merge a commit into a draft and push that; *choose* says what stands where, also where there is no conflict."""
        head = self.heads[draft]
        tree, clashes = merge_trees(self.tree_of(self.base(head, other)), self.nodes[head].tree, self.nodes[other].tree)
        taken = {path: self.nodes[head].tree.get(path) for path in clashes}
        new = self.commit([head, other], apply(tree, {**taken, **(choose or {})}), author=by)
        return self.push(draft, new, by)

    def publish(self, draft: str, *, keep: bool = False) -> str:
        """Merge a draft into the published branch, whatever its state, and take it away."""
        head = self.heads[draft]
        base = self.tree_of(self.base(head, self.main))
        tree, clashes = merge_trees(base, self.nodes[self.main].tree, self.nodes[head].tree)
        tree = apply(tree, {path: self.nodes[head].tree.get(path) for path in clashes})
        self.main = self.commit([self.main, head], tree, author="kari")
        if not keep:
            self.push(draft, None, "kari")
        return self.main

    # -- what follows --------------------------------------------------------------------------------------------------

    def ancestors(self, id: str) -> set[str]:
        """A commit and everything below it."""
        if id not in self._below:
            self._below[id] = {id}.union(*(self.ancestors(parent) for parent in self.nodes[id].parents))
        return self._below[id]

    def base(self, one: str, other: str) -> str | None:
        """The newest of the best common ancestors."""
        common = self.ancestors(one) & self.ancestors(other)
        best = [id for id in common if not any(id != above and id in self.ancestors(above) for above in common)]
        return max(best, key=lambda id: self.nodes[id].at, default=None)

    def tree_of(self, id: str | None) -> Tree:
        return {} if id is None else self.nodes[id].tree

    def life(self, draft: str) -> list[tuple[int, Entry]]:
        """The present life of a draft: (number of the entry, entry), only what happened."""
        found: list[tuple[int, Entry]] = []
        for number, entry in enumerate(self.log if self.has_log else ()):
            if entry.draft == draft and entry.happened:
                has_ended = not found or found[-1][1].new is None
                found = [] if entry.old is None or has_ended else found
                found.append((number, entry))
        return [] if found and found[-1][1].new is None else found

    def unpublished(self, id: str) -> set[str]:
        return self.ancestors(id) - self.ancestors(self.main)

    def members(self, draft: str) -> list[Node]:
        """Every commit that the draft holds or held in its present life, in the order in which they count."""
        ids = set(self.unpublished(self.heads[draft]))
        for _, entry in self.life(draft):
            for tip in (entry.old, entry.new):
                ids |= self.unpublished(tip) if tip is not None else set()
        return sorted((self.nodes[id] for id in ids), key=lambda node: (self.brought(draft, node.id)[0], node.at))

    def brought(self, draft: str, id: str) -> tuple[int, str]:
        """(number of the entry, who) by which a commit first came to the draft in its present life; nobody for what came past the log."""
        for number, entry in self.life(draft):
            if entry.new is not None and id in self.ancestors(entry.new):
                was_there = entry.old is not None and id in self.ancestors(entry.old)
                return number, "" if was_there else entry.person
            if entry.old is not None and id in self.ancestors(entry.old):
                return number, ""
        return 1 << 60, ""

    def first_known(self, draft: str, id: str) -> tuple[int, Entry] | None:
        """The first entry of any draft that had a commit of this draft as its head, and this commit below it."""
        members = {node.id for node in self.members(draft)}
        for number, entry in enumerate(self.log if self.has_log else ()):
            if entry.new is not None and entry.new in members and id in self.ancestors(entry.new):
                return number, entry
        return None

    def changed(self, node: Node) -> frozenset[str]:
        """What a commit itself changed."""
        trees = [self.nodes[parent].tree for parent in node.parents]
        if len(trees) == 2:
            tree, clashes = merge_trees(self.tree_of(self.base(*node.parents)), *trees)
            return frozenset(path for path in {*node.tree, *tree} if node.tree.get(path) != tree.get(path)) | clashes
        before = trees[0] if trees else {}
        return frozenset(path for path in {*node.tree, *before} if node.tree.get(path) != before.get(path))

    def elsewhere(self, draft: str, id: str) -> str:
        """Where a commit was known before it came to the draft."""
        first, life, (number, _) = self.first_known(draft, id), self.life(draft), self.brought(draft, id)
        if first is None or first[0] >= number:
            return ""
        is_ours = first[1].draft == draft and bool(life) and first[0] >= life[0][0]
        return "" if is_ours else f"the draft {first[1].draft}"

    # -- facts ---------------------------------------------------------------------------------------------------------

    def facts(self, draft: str, *, findings: Sequence[Finding] = ()) -> Facts:
        """The facts of a draft, in the plainest way."""
        head = self.heads[draft]
        base = self.base(head, self.main)
        main, tree = self.nodes[self.main].tree, self.nodes[head].tree
        merged, clashes = merge_trees(self.tree_of(base), main, tree)
        changes = {path: merged.get(path) for path in sorted({*merged, *main}) if merged.get(path) != main.get(path)}
        changes = {path: blob for path, blob in changes.items() if path not in clashes}
        life = self.life(draft)
        return Facts(
            name=draft,
            head=CommitId(head),
            base=CommitId(base) if base else None,
            published=CommitId(self.main),
            commits=tuple(self._commit(draft, node) for node in self.members(draft)),
            files=tuple(
                self._file(path, changes, clashes, (self.tree_of(base), main, tree))
                for path in sorted({*changes, *clashes})
            ),
            merge=Merge(
                changes={path: blob_of(blob) for path, blob in changes.items()},
                contents={},
                clashes=tuple(make_clash(path) for path in sorted(clashes)),
                base=CommitId(base or ""),
            ),
            findings=tuple(findings),
            is_published=self._is_published(draft, bool(changes or clashes)),
            started_by=life[0][1].person if life and life[0][1].old is None else None,
        )

    def _is_published(self, draft: str, changes_something: bool) -> bool:
        head, commits = self.heads[draft], self.unpublished(self.heads[draft])
        if not commits:
            return any(head in node.parents[1:] for node in map(self.nodes.__getitem__, self.ancestors(self.main)))
        if changes_something:
            return False
        base = self.tree_of(self.base(head, self.main))
        if self.nodes[head].tree != base:
            return True
        own = [self.nodes[id] for id in commits if len(self.nodes[id].parents) == 1]
        return any(self._is_taken_over(path, own) for node in own for path in self.changed(node))

    def _is_taken_over(self, path: str, own: list[Node]) -> bool:
        writing = [node for node in sorted(own, key=lambda node: node.at) if path in self.changed(node)]
        before = self.nodes[writing[0].parents[0]].tree.get(path)
        present = self.nodes[self.main].tree.get(path)
        return present != before and present in [node.tree.get(path) for node in writing]

    def _commit(self, draft: str, node: Node) -> CommitFacts:
        pusher = self.brought(draft, node.id)[1]
        first = self.first_known(draft, node.id)
        changed = self.changed(node)
        is_empty = len(node.parents) == 1 and not changed
        is_verdict = is_empty and any(key in ("Review", "Publish-At") for key, _ in node.trailers)
        seen = self._seen(node) if is_verdict and ("Review", "approve") in node.trailers else {}
        base = self.tree_of(self.base(node.id, self.main))
        return CommitFacts(
            id=CommitId(node.id),
            parents=tuple(map(CommitId, node.parents)),
            author=Claim(node.author, email_of(node.author)),
            committer=Claim(node.committer, email_of(node.committer)),
            co_authors=tuple(Claim(who, email_of(who)) for who in node.co_authors),
            committed_at=node.at,
            message="Say something",
            trailers=node.all_trailers,
            is_empty=is_empty,
            is_current=node.id in self.ancestors(self.heads[draft]),
            changed=changed,
            seen=seen,
            outdated=frozenset(path for path in seen if base.get(path) != self.nodes[self.main].tree.get(path)),
            attestation=Attestation(
                key=f"key of {node.key}" if node.key else "",
                is_server=node.key == SERVER,
                pusher=pusher or None,
                at=node.at if pusher else None,
                elsewhere=self.elsewhere(draft, node.id) if is_verdict else "",
            ),
            carriers=frozenset({pusher, first[1].person if first else ""} - {""}),
        )

    def _seen(self, node: Node) -> dict[str, BlobId | None]:
        base = self.tree_of(self.base(node.id, self.main))
        paths = sorted({*node.tree, *base})
        return {path: blob_of(node.tree.get(path)) for path in paths if node.tree.get(path) != base.get(path)}

    def _file(
        self, path: str, changes: Mapping[str, str | None], clashes: frozenset[str], trees: tuple[Tree, Tree, Tree]
    ) -> FileFacts:
        before, main, tree = trees
        collection = next((name for folder, name in self.collections.items() if path.startswith(folder)), None)
        return FileFacts(
            path=path,
            published=blob_of(main.get(path)),
            blob=blob_of(changes.get(path)),
            is_behind=path in changes and (changes[path] != tree.get(path) or before.get(path) != main.get(path)),
            is_clashing=path in clashes,
            collection=collection,
            slug=path.rpartition("/")[2].removesuffix(".md") if collection else "",
            locale="en" if collection else "",
        )

    def state(self, draft: str, policy: Policy, *, now: datetime = NOW, findings: Sequence[Finding] = ()) -> DraftState:
        """The state of a draft, as the fold sees it."""
        return fold(self.facts(draft, findings=findings), policy, now)

    def without_log(self) -> "World":
        """The same, as a clone sees it that has no log."""
        return replace(self, has_log=False)


def apply(tree: Tree, changes: Mapping[str, str | None]) -> dict[str, str]:
    """*tree* with *changes*; None deletes."""
    return {path: blob for path, blob in {**tree, **changes}.items() if blob is not None}


def merge_trees(base: Tree, ours: Tree, theirs: Tree) -> tuple[dict[str, str], frozenset[str]]:
    """Merge three ways, file by file: (the result, what both changed differently; there it is *ours*)."""
    merged, clashes = {}, set()
    for path in {*base, *ours, *theirs}:
        before, one, other = base.get(path), ours.get(path), theirs.get(path)
        if before != one != other != before:
            clashes.add(path)
        result = other if one == before else one
        if result is not None:
            merged[path] = result
    return merged, frozenset(clashes)


def blob_of(content: str | None) -> BlobId | None:
    return None if content is None else BlobId(hashlib.sha1(content.encode(), usedforsecurity=False).hexdigest())


def make_clash(path: str) -> Clash:
    return Clash(path=path, field="", base=None, ours=None, theirs=None, message="both sides changed it")
