"""Proving: for every live file who wrote and who approved exactly these bytes, and why that is believed.

Works from a clone, without a server. What people signed with their own keys stands by itself; what the server signed for somebody, and
what its log says of who pushed, is the server's word, and is said to be.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Lock

from cms.errors import InvalidSettings, RefNotFound
from cms.people import read_policy
from cms.policy import Policy
from cms.proof.grounds import ChangeProof, EntryProof, PublicationProof, Report, Standing
from cms.proof.judging import judge_file, judge_publication
from cms.proof.origins import Origins, ReadSteps, add_publication, find_moves, find_origins, follow_origins
from cms.proof.replay import Replay, Replayer
from cms.proof.rules import Rules
from cms.proof.signers import AllowedSigners
from cms.proof.trail import Trail
from cms.proof.trust import Trust
from cms.pushlog import PushLog
from cms.refs import BlobId, CommitId, short_name
from cms.settings import SETTINGS_FILE
from cms.store import Store
from cms.trailers import find_trailer

Progress = Callable[[int, int], None]
_STEP = 100


@dataclass(slots=True)
class _Known:
    """What was worked out for one commit, while the log stands still."""

    newest: CommitId | None
    origins: Origins
    policy: Policy
    problem: str
    replayer: Replayer
    claimed_keys: frozenset[str]
    line: Sequence[CommitId]
    replays: dict[CommitId, tuple[Replay, PublicationProof]] = field(default_factory=dict)
    rules: Rules | None = None


class Prover:
    """Proves what is live on one published branch. Keeps what it worked out; safe to use from many threads."""

    def __init__(
        self,
        store: Store,
        ref: str,
        log: PushLog,
        *,
        signers: AllowedSigners | None = None,
        steps: ReadSteps | None = None,
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            ref: the published branch, a full name.
            signers: whose keys count; None: those that ``cms.toml`` lists.
            steps: reads all commits that lead to one, where somebody knows them already.
        """
        self._store = store
        self._steps = steps
        self._ref = ref
        self._log = log
        self._signers = signers
        self._known: _Known | None = None
        self._lock = Lock()

    def prove(self, commit: CommitId | None = None, *, progress: Progress | None = None) -> Report:
        """Prove everything that is live at *commit*; by default at the published branch.

        Args:
            progress: told how many files of how many are done.

        Raises:
            RefNotFound: the branch has no commit.
            RepositoryProblem: Git's program is missing, or an object is missing or damaged.
        """
        with self._lock:
            known = self._learn(commit or self._published())
            paths = sorted(known.origins.files)
            entries: list[EntryProof] = []
            for entry in self._prove(known, paths):
                entries.append(entry)
                if progress is not None and len(entries) % _STEP == 0:
                    progress(len(entries), len(paths))
            return self._report(known, entries, is_tip=commit is None)

    def entry_proof(self, commit: CommitId, path: str) -> EntryProof | None:
        """Prove one live file; None when there is none at *path* in *commit*.

        Raises:
            RepositoryProblem: as ``prove``.
        """
        with self._lock:
            known = self._learn(commit)
            return next(self._prove(known, [path])) if path in known.origins.files else None

    def change_proof(self, commit: CommitId, names: Sequence[str]) -> "ChangeProof | None":
        """Prove what brought a change of one file to the published branch, whether or not anything of it is live.

        Args:
            commit: what changed the file: on a draft, or on the branch itself.
            names: how the file is or was called.

        Returns:
            None when *commit* was not published.

        Raises:
            RepositoryProblem: as ``prove``.
        """
        with self._lock:
            known = self._learn(self._published())
            origins = known.origins
            place = origins.introduced.get(commit)
            if place is None:
                return None
            step = known.line[place]
            path = next((name for name in names if self._store.find_blob(step, name) is not None), names[0])
            blob = self._store.find_blob(step, path)
            proof = EntryProof(
                path=path,
                collection=None,
                slug="",
                locale="",
                blob=blob or BlobId(""),
                standing=Standing.IMPORTED,
                origin=step,
                originated_at=self._store.commit(step).committed_at,
            )
            if origins.beginning is None or place < origins.beginning:
                return ChangeProof(file=proof)
            if len(self._store.commit(step).parents) < 2:
                return ChangeProof(file=self._unpublished(origins, proof))
            if step not in origins.publications:
                add_publication(self._store, origins, step, find_moves(self._log, self._ref))
            replayed, publication = self._replay(known, step)
            remarks = replayed.state.remarks
            state = replayed.entries.get(path)
            if state is None or state.blob != blob or blob is None:
                return ChangeProof(file=replace(proof, publication=publication), remarks=remarks)
            return ChangeProof(file=self._doubted(known, judge_file(proof, replayed, publication)), remarks=remarks)

    def close(self) -> None:
        """Remove what was made for checking signatures."""
        with self._lock:
            if self._known is not None:
                self._known.replayer.close()
            self._known = None

    # -- what everything rests on --------------------------------------------------------------------------------------

    def _published(self) -> CommitId:
        commit = self._store.resolve(self._ref)
        if commit is None:
            raise RefNotFound(f"the published branch {short_name(self._ref)} has no commit", ref=self._ref)
        return commit

    def _learn(self, commit: CommitId) -> _Known:
        known, entries = self._known, self._log.entries()
        newest = entries[-1].id if entries else None
        if known is not None and known.newest == newest and known.origins.commit == commit:
            return known
        moves = find_moves(self._log, self._ref)
        if known is not None and known.newest is not None:
            origins = follow_origins(self._store, known.origins, commit, moves, self._steps)
        else:
            origins = find_origins(self._store, commit, moves, self._steps)
        if known is not None:
            known.replayer.close()
        policy, problem = self._read_policy(commit)
        told = self._signers.find_server_keys(policy) if self._signers is not None else frozenset[str]()
        replayer = Replayer(
            self._store,
            policy,
            signers=self._signers,
            trail=Trail(self._log),
            server_keys=told | self._log.server_keys(),
        )
        claimed = _claimed_server_keys(self._store, origins, replayer) if newest is None else frozenset[str]()
        replayer.server_keys |= claimed
        self._known = _Known(newest, origins, policy, problem, replayer, claimed, list(origins.order))
        return self._known

    def _read_policy(self, commit: CommitId) -> tuple[Policy, str]:
        """Whose keys are whose at *commit*, and why nobody has one."""
        try:
            blob = self._store.find_blob(commit, SETTINGS_FILE)
            policy = read_policy(self._store.read_blob(blob) if blob is not None else None)
        except InvalidSettings as problem:
            return Policy(), f"the people in {SETTINGS_FILE} cannot be read: {problem}"
        return (policy if self._signers is None else self._signers.apply(policy)), ""

    # -- files ---------------------------------------------------------------------------------------------------------

    def _prove(self, known: _Known, paths: Sequence[str]) -> Iterator[EntryProof]:
        origins, model = known.origins, known.replayer.model_at(known.origins.commit)
        default = model.settings.site.default_locale if model is not None else ""
        times: dict[CommitId, datetime] = {}
        for path in paths:
            origin = origins.by_path.get(path, origins.commit)
            place = model.place(path) if model is not None else None
            if origin not in times:
                times[origin] = self._store.commit(origin).committed_at
            proof = EntryProof(
                path=path,
                collection=place[0].name if place is not None else None,
                slug=place[1].slug if place is not None else "",
                locale=(place[1].locale or default) if place is not None else "",
                blob=origins.files[path],
                standing=Standing.IMPORTED,
                origin=origin,
                originated_at=times[origin],
            )
            if origin not in origins.publications:
                yield self._unpublished(origins, proof)
                continue
            yield self._doubted(known, judge_file(proof, *self._replay(known, origin)))

    def _doubted(self, known: _Known, proof: EntryProof) -> EntryProof:
        """*proof*, unless the rules that it was judged by cannot be relied on."""
        doubt = self._rules(known).doubt(proof.origin) if proof.standing is Standing.APPROVED else ""
        if not doubt:
            return proof
        why = f"the rules that it was judged by cannot be relied on: {doubt}"
        return replace(proof, standing=Standing.UNAPPROVED, is_signed=False, why=why)

    def _rules(self, known: _Known) -> Rules:
        if known.rules is None:
            known.rules = Rules(known.origins, known.replayer)
        return known.rules

    def _replay(self, known: _Known, merge: CommitId) -> tuple[Replay, PublicationProof]:
        if merge not in known.replays:
            replayed = known.replayer.replay(known.origins, merge)
            known.replays[merge] = replayed, judge_publication(replayed)
        return known.replays[merge]

    def _unpublished(self, origins: Origins, proof: EntryProof) -> EntryProof:
        """A file that a commit on the branch itself brought: before the first publication, or past the workflow."""
        first, place = origins.beginning, origins.order.get(proof.origin)
        if first is None or place is None or place < first:
            return proof
        why = f"{proof.origin[:10]} put it on {short_name(self._ref)} directly, when publications had begun"
        return replace(proof, standing=Standing.PAST_THE_WORKFLOW, why=why)

    def _report(self, known: _Known, entries: Sequence[EntryProof], *, is_tip: bool) -> Report:
        trust = Trust(self._store, self._ref, self._log, self._signers, known.policy, known.origins)
        server_keys = tuple(trust.server_keys(entries))
        counts = Counter(entry.standing for entry in entries)
        problems = [known.problem] if known.problem else []
        return Report(
            commit=known.origins.commit,
            ref=self._ref,
            entries=tuple(entries),
            keys_from=trust.keys_from,
            server_keys=server_keys,
            log_entries=len(self._log.entries()) or None,
            notes=(
                *trust.notes(server_keys),
                *known.replayer.notes(),
                *(f"the rules were changed by a bypass: {why}" for why in self._rules(known).bypassed),
            ),
            problems=(*problems, *trust.problems(known.claimed_keys, is_tip=is_tip)),
            counts={standing: counts[standing] for standing in Standing},
        )


def _claimed_server_keys(store: Store, origins: Origins, replayer: Replayer) -> frozenset[str]:
    """The keys that sign publications in the server's name, whether or not anything but they themselves vouches for that."""
    found = set()
    for publication in origins.publications.values():
        commit = store.commit(publication.merge)
        policy = replayer.policy_at(publication.before)
        if isinstance(policy, Policy) and find_trailer(commit.message, "Published-by") is not None:
            key = replayer.key(commit, policy)
            if key and policy.find_by_key(key) is None:
                found.add(key)
    return frozenset(found)
