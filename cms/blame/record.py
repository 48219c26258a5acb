"""Who stands behind a version of a file: who wrote it and why, what was said about it, who approved it, and what published it.

What is proven is told with its grounds (``proof``). For everything else, such as what was there before the site had people, the commit has to do.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cms.blame.versions import Version, Versions, find_versions
from cms.catalog import Catalog
from cms.chronicle import Chronicle
from cms.entry import Entry
from cms.errors import RepositoryProblem
from cms.globs import compile_glob
from cms.policy import Policy
from cms.proof.grounds import Act, ChangeProof, EntryProof, Ground, Standing
from cms.proof.prover import Prover
from cms.refs import BlobId, CommitId
from cms.store import Store
from cms.trailers import read_trailers, without_trailers

#: Of a message.
WORDS_MOST = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One version, and what is known of it.

    Attributes:
        at: when it was committed, and *authored_at* when it was written, by the commit.
        writer: who wrote it, and on what grounds that is known.
        why: what they said about it.
        proof: what published it; None when nothing has.
    """

    version: Version
    at: datetime
    authored_at: datetime
    writer: Act
    why: str
    proof: ChangeProof | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What there is to look it up in.

    Attributes:
        policy: how people are called.
        published: where the published branch is.
        never: globs of paths of which nobody is told who asks here.
        is_line: they are told of published states only, and not of what led to each on a branch.
    """

    store: Store
    chronicle: Chronicle
    prover: Prover
    policy: Policy
    published: CommitId
    never: tuple[str, ...] = ()
    is_line: bool = False

    def versions(self, catalog: Catalog, entry: Entry) -> Versions:
        """The versions of the file of an *entry* that *catalog* shows, to the newest there.

        Raises:
            RepositoryProblem: Git's program is missing or fails, or an object is missing or damaged.
        """
        never = [compile_glob(pattern) for pattern in self.never]

        def is_out(path: str) -> bool:
            return any(glob.matches(path) for glob in never)

        return find_versions(
            self.chronicle,
            self.store,
            _tips(catalog),
            entry.path,
            BlobId(entry.blob),
            published=self.published,
            is_out=is_out if never else None,
            is_line=self.is_line,
        )

    def changes(self, versions: Versions, wanted: Iterable[Version]) -> dict[Version, Change]:
        """What is known of those *wanted*; of what is not committed there is nothing to know.

        Raises:
            RepositoryProblem: Git's program is missing or fails, or an object is missing or damaged.
        """
        names = _names(versions)
        return {version: self._change(version, names[version]) for version in wanted if version.stamp is not None}

    def _change(self, version: Version, names: Sequence[str]) -> Change:
        stamp = version.stamp
        assert stamp is not None
        at = datetime.fromtimestamp(stamp.committed, UTC)
        proof = _bare_proof(version, at) if self.is_line else self.prover.change_proof(stamp.commit, names)
        writers = proof.file.writers if proof is not None else ()
        return Change(
            version=version,
            at=at,
            authored_at=datetime.fromtimestamp(stamp.authored, UTC),
            writer=next((act for act in writers if act.commit == stamp.commit), None) or self._claimed(version, at),
            why=self._why(stamp.commit),
            proof=proof,
        )

    def _claimed(self, version: Version, at: datetime) -> Act:
        """Whose it is by the commit alone."""
        stamp = version.stamp
        assert stamp is not None
        known = self.policy.find_by_email(stamp.email) if stamp.email else None
        name = self.policy.name(known) if known else stamp.name
        return Act(commit=stamp.commit, at=at, person=known, name=name, claimed=name, ground=Ground.CLAIMED)

    def _why(self, commit: CommitId) -> str:
        try:
            message = self.store.commit(commit).message
        except RepositoryProblem:  # beyond the border of a shallow clone
            return ""
        return plain_words(message)


def _bare_proof(version: Version, at: datetime) -> ChangeProof:
    """That a published commit was published, and no more: what was said and done on a branch before is not told."""
    assert version.stamp is not None
    file = EntryProof(
        path=version.path,
        collection=None,
        slug="",
        locale="",
        blob=version.blob,
        standing=Standing.IMPORTED,
        origin=version.stamp.commit,
        originated_at=at,
    )
    return ChangeProof(file=file)


def _tips(catalog: Catalog) -> list[CommitId]:
    """The commit that *catalog* is of; where drafts are laid over what is published, which is nowhere committed, that and their heads."""
    commit, label = catalog.snapshot.commit.id, catalog.label
    drafts = label.note.get("drafts", ()) if label is not None else ()
    if label is None or not drafts or commit == label.commit:
        return [commit]
    return [label.commit, *(CommitId(draft["head"]) for draft in drafts)]


def plain_words(message: str) -> str:
    """What somebody wrote, without the trailers, and of very much the beginning."""
    words = without_trailers(message, {key.lower() for key, _ in read_trailers(message)}).strip()
    return words if len(words) <= WORDS_MOST else f"{words[:WORDS_MOST].rstrip()}…"


def _names(versions: Versions) -> dict[Version, list[str]]:
    """How the file was called in each version, and then afterwards, the nearest first."""
    names: dict[Version, list[str]] = {}
    for version in versions.all:
        later = names.setdefault(version, [])
        if version.path in later:
            later.remove(version.path)
        later.insert(0, version.path)
        for before in version.earlier:
            names.setdefault(before, list(later))
    return names
