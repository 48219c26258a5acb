"""What a proof says, as values: who did what, on what grounds that is known, and where each live file stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from cms.pushlog import LogEntry
from cms.refs import BlobId, CommitId
from cms.workflow.outcome import Remark


class Ground(StrEnum):
    """Why something is believed to be somebody's."""

    SIGNED = "signed"
    SERVER = "server"
    LOG = "log"
    CLAIMED = "claimed"

    @property
    def words(self) -> str:
        """For people."""
        return {
            "signed": "signed with their own key",
            "server": "the server's word: it signed for them",
            "log": "the server's word: it saw them push it",
            "claimed": "only the commit says so",
        }[self.value]


class Standing(StrEnum):
    """How a live file came to be live."""

    APPROVED = "approved"
    BYPASSED = "bypassed"
    UNAPPROVED = "unapproved"
    PAST_THE_WORKFLOW = "past-the-workflow"
    IMPORTED = "imported"

    @property
    def is_fault(self) -> bool:
        """Whether somebody should look at it."""
        return self not in (Standing.APPROVED, Standing.IMPORTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One commit, and whose it is.

    Attributes:
        person: id in ``cms.toml``; None when nobody vouches for anybody.
        name: how people know them; without a person the name in the commit.
        claimed: the author that the commit names, and *co_authors* the others.
        ground: why it is believed to be theirs, the best one.
        key: the key that signed it, in the form that people compare; empty when none did.
        is_logged: the server's log has it from the same person, too.
        counts: of an approval: it is one that the rules counted; otherwise *why_not* says why it is none.
    """

    commit: CommitId
    at: datetime
    person: str | None
    name: str
    claimed: str
    co_authors: tuple[str, ...] = ()
    ground: Ground
    key: str = ""
    is_logged: bool = False
    counts: bool = True
    why_not: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicationProof:
    """One publication, and what is known of it.

    Attributes:
        commit: the merge, or where the published branch was moved to.
        act: who published, and why that is believed.
        bypass: the reason, when somebody published without the approvals.
        entry: the push log's entry about it, when there is a valid one.
    """

    commit: CommitId
    at: datetime
    draft: str
    act: Act
    bypass: str = ""
    entry: LogEntry | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryProof:
    """One live file: what brought these bytes, who wrote them, who approved them.

    Attributes:
        collection, slug, locale: None and empty for what is no entry.
        origin: the commit of the published branch that brought the bytes.
        publication: None when that was no publication.
        writers: the commits of the draft that changed the file, oldest first.
        approvals: the verdicts on the draft that saw exactly these bytes.
        needed: how many approvals the rule of that time asked for.
        is_signed: enough approvals are signed by people's own keys; otherwise it rests, at least in part, on the server's word.
        why: of what is at fault, why; empty else.
    """

    path: str
    collection: str | None
    slug: str
    locale: str
    blob: BlobId
    standing: Standing
    origin: CommitId
    originated_at: datetime
    publication: PublicationProof | None = None
    writers: tuple[Act, ...] = ()
    approvals: tuple[Act, ...] = ()
    needed: int = 0
    is_signed: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeProof:
    """What brought a change of a file to the published branch.

    Attributes:
        file: as it was when it was published with this change.
        remarks: all that was said about the draft it came with.
    """

    file: EntryProof
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerKeyTrust:
    """A key of the server, and whether somebody else than itself vouches for it."""

    key: str
    is_trusted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that is live at a commit.

    Attributes:
        ref: the published branch.
        keys_from: where people's keys were taken from.
        server_keys: those that anything rests on.
        log_entries: how many there are; None when the clone has no log.
        notes: what to know when reading this: what it rests on, what is missing.
        problems: what is wrong with the whole.
    """

    commit: CommitId
    ref: str
    entries: tuple[EntryProof, ...]
    keys_from: str
    server_keys: tuple[ServerKeyTrust, ...]
    log_entries: int | None
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    counts: Mapping[Standing, int] = field(default_factory=dict)

    @property
    def is_proven(self) -> bool:
        """Whether everything live is approved by the rules or older than they are."""
        return not self.problems and not any(entry.standing.is_fault for entry in self.entries)
