"""Facts: everything that Git and the push log say of one draft, with no opinion on whose word counts.

Gathered by ``gather``, judged by ``state``. Names and addresses are what somebody wrote into a commit, keys are those of valid signatures,
and ids of people are those that the server attested. Whose address or key it is, and what that person may do, is looked up in the policy of
the moment when the facts are judged, so the same facts give another state when somebody gets or loses a role.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from cms.finding import Finding
from cms.merge import Merge
from cms.refs import BlobId, CommitId

NOTHING_SEEN: Mapping[str, BlobId | None] = MappingProxyType({})


class Claim(NamedTuple):
    """Who somebody says they are: a name and an e-mail address in a commit."""

    name: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation:
    """Who stands behind a commit, other than the commit itself.

    Attributes:
        key: the key that signed it, as a policy can be asked for it; empty when there is no valid signature.
        is_server: that key is, or was, the server's.
        pusher: who brought it to the draft in the draft's present life, by the push log; None when the log does not say.
        at: when that was.
        elsewhere: where the log knows it from before that, in words; empty when it was new.
        could_publish: of a ``Publish-At``: whether who brought it was a publisher then; True where that cannot be told.
    """

    key: str = ""
    is_server: bool = False
    pusher: str | None = None
    at: datetime | None = None
    elsewhere: str = ""
    could_publish: bool = True


NOBODY = Attestation()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitFacts:
    """One commit that the draft holds, or held before a force push in its present life.

    Attributes:
        message: the whole text, but for the trailers of a verdict.
        is_empty: it has one parent, and changes no file: it can be a verdict.
        is_current: the draft holds it now.
        changed: the files that this commit itself changed; of a merge, what is not simply taken from the side that changed it.
        moved: of a commit with one parent, the files that it put elsewhere: where each is now, and where it was.
        seen: of an approval, the files that the draft changed when it was given, with their blobs there (None: deleted).
        outdated: those of *seen* that the published branch has changed since the draft, as it was then, had left it.
        carriers: everybody who by the push log ever brought it to any draft.
    """

    id: CommitId
    parents: tuple[CommitId, ...]
    author: Claim
    committer: Claim
    co_authors: tuple[Claim, ...] = ()
    committed_at: datetime
    message: str
    trailers: tuple[tuple[str, str], ...] = ()
    is_empty: bool
    is_current: bool = True
    changed: frozenset[str] = frozenset()
    moved: Mapping[str, str] = field(default_factory=dict)
    seen: Mapping[str, BlobId | None] = field(default_factory=lambda: NOTHING_SEEN)
    outdated: frozenset[str] = frozenset()
    attestation: Attestation = NOBODY
    carriers: frozenset[str] = frozenset()

    def find_trailer(self, key: str) -> str | None:
        """The value of the last trailer *key* (lower case), None when there is none; see ``trailers`` for why the last."""
        return next((value for name, value in reversed(self.trailers) if name.lower() == key), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """One file that publishing the draft would change.

    Attributes:
        published: its blob on the published branch; None: it is not there.
        blob: its blob as it would be published; None: it would be deleted.
        is_behind: the published branch changed the file as well, and the draft has not merged that yet.
        is_clashing: the two cannot be merged; then *blob* says nothing.
        collection, slug, locale: what the published model makes of its path; a draft's own schemas do not decide under which rule it falls.
    """

    path: str
    published: BlobId | None
    blob: BlobId | None
    is_behind: bool = False
    is_clashing: bool = False
    collection: str | None = None
    slug: str = ""
    locale: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that the state of a draft follows from, but for the policy and the time.

    Attributes:
        base: where the draft left the published branch; None when they have nothing in common.
        commits: oldest first: in the order in which they were brought, none before its parents.
        files: what publishing would change, and what cannot be merged, by path.
        findings: what is wrong with, or odd about, the merged result; nothing when there are clashes.
        is_published: the published branch holds all that the draft ever changed.
        started_by: who began the draft's present life, by the push log.
    """

    name: str
    head: CommitId
    base: CommitId | None
    published: CommitId
    commits: tuple[CommitFacts, ...] = ()
    files: tuple[FileFacts, ...] = ()
    merge: Merge
    findings: tuple[Finding, ...] = ()
    is_published: bool = False
    started_by: str | None = None


def former_paths(commits: Sequence[CommitFacts], paths: Iterable[str]) -> set[str]:
    """*paths*, and where the draft had the files that are there before it moved them."""
    found = set(paths)
    for commit in reversed(commits):
        found.update(old for new, old in commit.moved.items() if new in found)
    return found
