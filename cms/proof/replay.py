"""Replaying publications: the fold that decided then, once more, over what a clone holds.

The rules are those of the published branch as the publication found it, the facts are what commits, signatures and the push log say.
Nothing that a server may have kept elsewhere is used, so anybody with a clone gets the same answer.

Of the facts only those are gathered that bear on approvals; what a publication made of the content is there to be looked at.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush

from cms.errors import InvalidSettings, RefNotFound, RepositoryProblem
from cms.merge import Merge
from cms.model import ContentModel, read_model
from cms.objects import Commit
from cms.people import read_policy
from cms.policy import Policy
from cms.proof.origins import Origins, Publication
from cms.proof.signers import AllowedSigners
from cms.proof.trail import Tips, Trail
from cms.pushlog import LogEntry
from cms.refs import DRAFTS, BlobId, CommitId, draft_ref, find_draft_name
from cms.settings import SCHEMAS_FOLDER, SETTINGS_FILE
from cms.signatures import Kind, Verifier, has_gpg, kind_of
from cms.store import Store
from cms.trailers import find_trailer, read_trailers
from cms.workflow.facts import NOTHING_SEEN, Attestation, Claim, CommitFacts, Facts, FileFacts
from cms.workflow.gather import parse_claim
from cms.workflow.outcome import DraftState, EntryState
from cms.workflow.provenance import Bringing, Life, attribute, describe
from cms.workflow.state import fold
from cms.workflow.touches import Bases, changed_files
from cms.workflow.wording import count_of

_MERGED = re.compile(r"Merge (?:remote-tracking )?branch '(?:[^']*/)?drafts/([^'/]+)'")
_EVERYTHING = 1 << 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A publication, judged again.

    Attributes:
        commit: the merge, and *key* what it is signed with; *is_server*: that is the server's.
        policy: the one of that time, with the keys that the reader trusts; *problem* says why it cannot be read.
        entries: what was published, by path.
    """

    publication: Publication
    commit: Commit
    draft: str
    policy: Policy
    facts: Facts
    state: DraftState
    entries: Mapping[str, EntryState]
    key: str
    is_server: bool
    problem: str = ""


class Replayer:
    """Replays publications of one repository, and remembers what they have in common."""

    def __init__(
        self,
        store: Store,
        policy: Policy,
        *,
        signers: AllowedSigners | None,
        trail: Trail,
        server_keys: Collection[str],
    ) -> None:
        """Prepare.

        Args:
            policy: as it is now: whose keys are whose.
            signers: whose keys count instead of those in ``cms.toml``.
            trail: the push log.
            server_keys: keys that count as the server's.
        """
        self.store = store
        self.server_keys = frozenset(server_keys)
        self._policy = policy
        self._signers = signers
        self.trail = trail
        self._policies: dict[BlobId | None, Policy | InvalidSettings] = {}
        self._models: dict[tuple[tuple[str, BlobId], ...], ContentModel | None] = {}
        self._verifiers: dict[tuple[str, ...], Verifier] = {}
        self._keys: dict[CommitId, str] = {}
        self._unchecked: set[CommitId] = set()
        self._tips: Tips | None = None

    def close(self) -> None:
        """Remove what was made for checking signatures."""
        for verifier in self._verifiers.values():
            verifier.close()

    def replay(self, origins: Origins, merge: CommitId, *, rules_at: CommitId | None = None) -> Replay:
        """Judge again the publication that *merge* was.

        Args:
            rules_at: the commit whose rules to judge by; None: what was published just before.

        Raises:
            RepositoryProblem: an object is missing or damaged.
        """
        publication = origins.publications[merge]
        commit = self.store.commit(publication.merge)
        draft = self._find_draft(publication, commit)
        found = self.policy_at(rules_at or publication.before)
        policy = Policy() if isinstance(found, InvalidSettings) else found
        facts = _Looking(self, origins, publication, draft, policy).facts(
            self._files(publication, rules_at or publication.before)
        )
        state, key = fold(facts, found, commit.committed_at), self.key(commit, policy)
        return Replay(
            publication=publication,
            commit=commit,
            draft=draft,
            policy=policy,
            facts=facts,
            state=state,
            entries={entry.path: entry for entry in state.entries},
            key=key,
            is_server=self.is_servers(key, policy, publication.entry),
            problem=str(found) if isinstance(found, InvalidSettings) else "",
        )

    def policy_at(self, commit: CommitId) -> Policy | InvalidSettings:
        """The rules as the published branch had them at *commit*, with the keys that count for the reader."""
        blob = self.store.find_blob(commit, SETTINGS_FILE)
        known = self._policies.get(blob)
        if known is None:
            known = self._policies[blob] = self._read_policy(blob)
        return known

    def _read_policy(self, blob: BlobId | None) -> Policy | InvalidSettings:
        try:
            policy = read_policy(self.store.read_blob(blob) if blob is not None else None)
        except InvalidSettings as problem:
            return problem
        if self._signers is not None:
            return self._signers.apply(policy)
        return _with_keys_of(policy, self._policy)

    def model_at(self, commit: CommitId) -> ContentModel | None:
        """The content model of the published branch at *commit*; None where there was none that can be read."""
        sources = self.store.list_files(commit, [SETTINGS_FILE, SCHEMAS_FOLDER])
        key = tuple((file.path, file.blob) for file in sources)
        if key not in self._models:
            try:
                self._models[key] = read_model(self.store, commit)
            except InvalidSettings:
                self._models[key] = None
        return self._models[key]

    def key(self, commit: Commit, policy: Policy) -> str:
        """The key that signed *commit*, as the policy can be asked for it; empty without a valid signature that counts."""
        key = self._keys.get(commit.id)
        if key is None:
            signed = self.store.signature(commit.id)
            found = self._verifier(policy).verify(*signed) if signed is not None else None
            key = self._keys[commit.id] = found.key if found is not None else ""
            if found is None and signed is not None and kind_of(signed[1]) is Kind.GPG:
                self._unchecked.add(commit.id)
        if key and self._signers is not None and self._signers.knows(key):
            return key if self._signers.is_valid(key, commit.committed_at) else ""
        return key

    def notes(self) -> Iterator[str]:
        """What to know about signatures that could not be checked."""
        count = count_of(len(self._unchecked), "commit")
        if self._unchecked and self._signers is not None:
            yield f"{count} signed with GPG: an allowed-signers file has no keys for that, so these signatures count for nothing"
        elif self._unchecked and not has_gpg():
            yield f"{count} signed with GPG, which cannot be checked here: install gpg (Debian, Ubuntu: apt install gpg)"

    def is_servers(self, key: str, policy: Policy, entry: LogEntry | None) -> bool:
        """Whether what *key* signed is the server's; *entry* of the log tells of it, if any does."""
        is_known = key in self.server_keys and policy.find_by_key(key) is None
        return is_known and self.trail.vouches_for(key, entry)

    def tips(self, origins: Origins) -> Tips:
        """All that drafts were ever moved to."""
        if self._tips is None:
            self._tips = Tips(self.trail, origins)
        return self._tips

    def descends(self, tip: CommitId, commit: CommitId) -> bool:
        """Whether *tip* is in this clone, and leads to *commit*."""
        try:
            return self.store.is_ancestor(commit, tip)
        except RepositoryProblem:
            return False

    def _verifier(self, policy: Policy) -> Verifier:
        keys = tuple(policy.gpg_keys)
        if keys not in self._verifiers:
            self._verifiers[keys] = Verifier(keys)
        return self._verifiers[keys]

    def _find_draft(self, publication: Publication, commit: Commit) -> str:
        """The name of the draft: as the merge says, or Git's own message for one, or the log."""
        named = find_trailer(commit.message, "Draft")
        merged = _MERGED.match(commit.message)
        if named is None and merged is not None:
            named = merged[1]
        if named is None:
            brought = self.trail.tips.get(publication.head)
            named = find_draft_name(brought.ref) if brought is not None else None
        return named or ""

    def _files(self, publication: Publication, rules_at: CommitId) -> tuple[FileFacts, ...]:
        model = self.model_at(rules_at)
        files = []
        for path, (before, after) in sorted(publication.files.items()):
            place = model.place(path) if model is not None else None
            default = model.settings.site.default_locale if model is not None else ""
            files.append(
                FileFacts(
                    path=path,
                    published=before,
                    blob=after,
                    collection=place[0].name if place is not None else None,
                    slug=place[1].slug if place is not None else "",
                    locale=(place[1].locale or default) if place is not None else "",
                )
            )
        return tuple(files)


class _Looking:
    """The commits of one draft, as they were when it was published."""

    def __init__(
        self, replayer: Replayer, origins: Origins, publication: Publication, draft: str, policy: Policy
    ) -> None:
        self._replayer = replayer
        self._origins = origins
        self._publication = publication
        self._draft = draft
        self._policy = policy
        self._commits = {id: replayer.store.commit(id) for id in publication.commits}
        parents = {id: commit.parents for id, commit in self._commits.items()}
        try:
            self._ref = draft_ref(draft)
        except RefNotFound:
            self._ref = DRAFTS
        self._life = self._find_life()
        self._brought = attribute(self._life.tips, parents)
        self._first = attribute(self._known_tips(), parents)
        self._ordered = self._order()
        #: The first and the last blob of each file that a draft without merges changed.
        self._written: dict[str, tuple[BlobId | None, BlobId | None]] | None = {} if self._is_line() else None
        self._bases = Bases(replayer.store, publication.before, self._ordered)

    def facts(self, files: tuple[FileFacts, ...]) -> Facts:
        publication = self._publication
        commits = []
        for commit in self._ordered:
            self._write(commit)
            commits.append(self._commit(commit))
        return Facts(
            name=self._draft,
            head=publication.head,
            base=None,
            published=publication.before,
            commits=tuple(commits),
            files=files,
            merge=Merge(changes={}, contents={}, clashes=(), base=publication.before),
            started_by=self._life.started_by,
        )

    def _find_life(self) -> Life:
        publication = self._publication
        return self._replayer.trail.find_life(self._ref, publication.head, self._commits.keys(), publication.entry)

    def _is_line(self) -> bool:
        """Whether each commit of the draft was made on top of the one before, and the first on something published."""
        line = zip([None, *self._ordered], self._ordered, strict=False)
        return all(len(each.parents) == 1 and (last is None or each.parents[0] == last.id) for last, each in line)

    def _known_tips(self) -> list[tuple[CommitId, Bringing]]:
        tips = self._replayer.trail.tips
        return sorted(((id, tips[id]) for id in self._commits if id in tips), key=lambda tip: tip[1].place)

    def _order(self) -> Sequence[Commit]:
        """Oldest first: as they were brought, else by their own times; none before its parents."""
        children: dict[CommitId, list[CommitId]] = {}
        waits: dict[CommitId, int] = {}
        ready: list[tuple[int, float, CommitId]] = []

        def push(id: CommitId) -> None:
            brought = self._brought.get(id)
            place = brought.place if brought is not None else _EVERYTHING
            heappush(ready, (place, self._commits[id].committed_at.timestamp(), id))

        for id, commit in self._commits.items():
            inner = {parent for parent in commit.parents if parent in self._commits}
            waits[id] = len(inner)
            for parent in inner:
                children.setdefault(parent, []).append(id)
            if not inner:
                push(id)
        ordered = []
        while ready:
            id = heappop(ready)[2]
            ordered.append(self._commits[id])
            for child in children.get(id, ()):
                waits[child] -= 1
                if not waits[child]:
                    push(child)
        return ordered

    def _commit(self, commit: Commit) -> CommitFacts:
        trailers = read_trailers(commit.message)
        is_empty = self._is_empty(commit)
        brought, first = self._brought.get(commit.id), self._first.get(commit.id)
        words = {key.lower(): value for key, value in trailers}
        is_verdict = is_empty and ("review" in words or "publish-at" in words)
        is_approval = is_verdict and words.get("review", "").strip().casefold() == "approve"
        seen: Mapping[str, BlobId | None] = NOTHING_SEEN
        outdated: frozenset[str] = frozenset()
        if is_approval:
            seen, outdated = self._seen(commit)
        return CommitFacts(
            id=commit.id,
            parents=commit.parents,
            author=Claim(commit.author_name, commit.author_email),
            committer=Claim(commit.committer_name, commit.committer_email),
            co_authors=tuple(parse_claim(value) for key, value in trailers if key.lower() == "co-authored-by"),
            committed_at=commit.committed_at,
            message=commit.message,
            trailers=trailers,
            is_empty=is_empty,
            changed=frozenset() if is_empty else self._changed(commit),
            moved=self._moved(commit),
            seen=seen,
            outdated=outdated,
            attestation=self._attest(commit, words, is_verdict=is_verdict),
            carriers=frozenset({act.person for act in (brought, first) if act is not None and act.person}),
        )

    def _is_empty(self, commit: Commit) -> bool:
        if len(commit.parents) != 1 or self._origins.steps[commit.id].touches:
            return False
        parent = self._commits.get(commit.parents[0])
        return (parent or self._replayer.store.commit(commit.parents[0])).tree == commit.tree

    def _changed(self, commit: Commit) -> frozenset[str]:
        if len(commit.parents) > 1:
            return changed_files(self._replayer.store, commit)
        touches = self._origins.steps[commit.id].touches
        return frozenset(path for touch in touches for path in (touch.path, touch.source) if path is not None)

    def _moved(self, commit: Commit) -> dict[str, str]:
        if len(commit.parents) > 1:
            return {}
        touches = self._origins.steps[commit.id].touches
        return {touch.path: touch.source for touch in touches if touch.source is not None}

    def _seen(self, commit: Commit) -> tuple[Mapping[str, BlobId | None], frozenset[str]]:
        """What the draft had changed, when this was said, of the files that were published; and which of these were not what they were then."""
        seen, outdated = {}, set()
        for path, (old, new) in self._changes(commit).items():
            if new != old:
                seen[path] = new
                if self._publication.files[path][0] != old:
                    outdated.add(path)
        return seen, frozenset(outdated)

    def _changes(self, commit: Commit) -> Mapping[str, tuple[BlobId | None, BlobId | None]]:
        """What the files that were published were before the draft, and at a commit of it."""
        paths = list(self._publication.files)
        if self._written is not None:
            return {path: self._written[path] for path in paths if path in self._written}
        base, find = self._bases.find(commit.id), self._replayer.store.find_blobs
        before = find(base, paths) if base is not None else [None] * len(paths)
        return dict(zip(paths, zip(before, find(commit.id, paths), strict=True), strict=True))

    def _write(self, commit: Commit) -> None:
        """Follow what the draft changes, so that no tree need be read to know what somebody saw."""
        if self._written is None:
            return
        for touch in self._origins.steps[commit.id].touches:
            if touch.source is not None:
                first, _ = self._written.get(touch.source, (touch.old, None))
                self._written[touch.source] = first, None
            first, _ = self._written.get(touch.path, (touch.old if touch.source is None else None, None))
            self._written[touch.path] = first, touch.new

    def _attest(self, commit: Commit, words: Mapping[str, str], *, is_verdict: bool) -> Attestation:
        key = self._replayer.key(commit, self._policy)
        brought = self._brought.get(commit.id)
        # Without a person it is not what the entry brought, but what was there before.
        entry = self._replayer.trail.entry_at(brought.place) if brought is not None and brought.person else None
        is_server = self._replayer.is_servers(key, self._policy, entry)
        return Attestation(
            key=key,
            is_server=is_server,
            pusher=(brought.person or None) if brought is not None else None,
            at=brought.at if brought is not None else None,
            elsewhere=self._elsewhere(commit, words, is_signed=bool(key) and not is_server) if is_verdict else "",
        )

    def _elsewhere(self, commit: Commit, words: Mapping[str, str], *, is_signed: bool) -> str:
        """Where a verdict was known from before it came to this draft; empty when it was new."""
        brought, first = self._brought.get(commit.id), self._first.get(commit.id)
        place = brought.place if brought is not None else _EVERYTHING
        if first is not None and not self._life.holds(first) and (place < 0 or first.place < place):
            return describe(first, self._ref)
        if brought is None or not is_signed or "draft" in words:
            return ""
        return self._found_elsewhere(commit, brought)

    def _found_elsewhere(self, commit: Commit, brought: Bringing) -> str:
        """Where a verdict without a name of its draft was among the commits of another draft, when something newer was its head.

        Nothing that was pushed before the verdict was made can hold it, nor anything that was published before this draft.
        """
        published = self._origins.order[self._publication.merge]
        for tip, other in self._replayer.tips(self._origins).that_may_hold(
            commit.committed_at, published, brought.place
        ):
            if not self._life.holds(other) and self._replayer.descends(tip, commit.id):
                return describe(other, self._ref)
        return ""


def _with_keys_of(policy: Policy, now: Policy) -> Policy:
    """*policy* with the keys that people have *now* besides those that they had then, unless they are somebody else's by now."""
    people = {}
    for id, person in policy.people.items():
        present = now.people[id].keys if id in now.people else ()
        past = [key for key in person.keys if now.find_by_key(key) in (None, id)]
        people[id] = replace(person, keys=tuple(dict.fromkeys((*present, *past))))
    return replace(policy, people=people)
