"""Acts: what happened to drafts, as the push log tells it.

An entry of the log says what is about to happen; that it did is seen from where the ref was afterwards. Where nobody can tell yet, what came
later waits too, so that the order of events never changes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from cms.dates import format_rfc3339
from cms.delta import Position
from cms.errors import CMSError, FullSyncNeeded
from cms.events.event import DRAFT, NO_ENTRY, VERDICT, Event, Mark
from cms.objects import Commit
from cms.permissions import Principal, Target, allows
from cms.published import PublishedStates
from cms.pushlog import LogEntry, Move
from cms.refs import CommitId, find_draft_name
from cms.trailers import find_trailer
from cms.workflow.flow import Workflow

ENTRIES_MOST = 1000
PENDING_MOST = 20
COMMITS_MOST = 100
#: So long an act may take from its entry in the log to the move of its ref; then it never happened.
PATIENCE_SECONDS = 15.0
STARTED = "started"
NOWHERE = Position(NO_ENTRY)
UNKNOWN = "the log of this site does not have this event any more; look at the drafts themselves"


class Acts:
    """What happened to the drafts of one site. Safe to use from many threads."""

    def __init__(self, flow: Workflow, published: PublishedStates) -> None:
        self._flow = flow
        self._published = published

    def last(self, now: datetime) -> CommitId:
        """The newest entry of the log that nothing waits for."""
        entries = self._flow.log.entries()
        newest = entries[-PENDING_MOST:]
        settled = NO_ENTRY if len(newest) == len(entries) else newest[0].id
        for fate, entry in _fates(newest, self._flow.store.resolve):
            if _is_pending(fate, entry, now):
                break
            settled = entry.id
        return settled

    def after(self, entry: CommitId, part: int | None, now: datetime, zone: ZoneInfo) -> tuple[list[Event], bool]:
        """(every event after *part* events of *entry*, or all of them, oldest first; whether more are there that cannot be told yet).

        Raises:
            FullSyncNeeded: the log does not have the entry, or too much happened since.
            RepositoryProblem: the repository cannot be read.
        """
        fresh, known = self._entries_after(entry)
        told: list[Event] = []
        for fate, each in _fates(fresh, self._flow.store.resolve):
            if _is_pending(fate, each, now):
                return told, True
            if fate and (each is not known or part is not None):
                told += self._events(each, zone, skipped=part or 0 if each is known else 0)
        return told, False

    def _entries_after(self, entry: CommitId) -> tuple[list[LogEntry], LogEntry | None]:
        """The entries from *entry* on, oldest first, and *entry* itself."""
        fresh: list[LogEntry] = []
        for each in reversed(self._flow.log.entries()):
            fresh.append(each)
            if each.id == entry:
                return fresh[::-1], each
            if len(fresh) > ENTRIES_MOST:
                raise FullSyncNeeded(f"more than {ENTRIES_MOST} acts came since; look at the drafts themselves")
        if entry != NO_ENTRY:
            raise FullSyncNeeded(UNKNOWN)
        return fresh[::-1], None

    def may_read(self, event: Event, who: Principal) -> bool:
        """Whether *who* may read the draft that *event* is about, as it was then."""
        flow = self._flow
        policy = flow.policy()
        if not allows("draft.read", who, policy):
            return False
        if who.scopes is None and not policy.is_bot(who.person):
            return True
        try:
            target = self._target(event)
        except CMSError:  # its commits are gone
            return False
        return target is not None and allows("draft.read", who, policy, target)

    def _target(self, event: Event) -> Target | None:
        """What the draft held that *event* is about, for those whose rights depend on it; None when that cannot be told."""
        flow, head = self._flow, event.head
        # What was published a second before the act: with the act itself the draft may be a part of what is published.
        base = self._published.at(flow.published(), event.at - 1)
        base = flow.store.merge_base(base, head) if base is not None and head is not None else None
        if base is None or head is None:
            return None
        paths = [change.path for change in flow.store.diff(base, head)]
        if not paths and event.data.get("action") != STARTED:
            return None
        model = flow.snapshot().model
        places = {path: place[0].name for path in paths if (place := model.place(path)) is not None}
        return Target(paths=tuple(paths), collections=places)

    # -- what an entry says ----------------------------------------------------------------------------------------------

    def _events(self, entry: LogEntry, zone: ZoneInfo, *, skipped: int) -> list[Event]:
        found = [found for move in entry.moves for found in self._of_move(entry, move, zone)]
        events = []
        for number, (kind, draft, head, data) in enumerate(found, 1):
            if number > skipped:
                mark = Mark(NOWHERE, entry.id, number if number < len(found) else None)
                events.append(Event(kind=kind, at=entry.at.timestamp(), mark=mark, data=data, draft=draft, head=head))
        return events

    def _of_move(
        self, entry: LogEntry, move: Move, zone: ZoneInfo
    ) -> Iterator[tuple[str, str, CommitId | None, Mapping[str, Any]]]:
        """(kind, draft, its head, what is told) of all that the move of a draft's branch means."""
        name = find_draft_name(move.ref)
        if name is None:
            return
        head = move.new or move.old
        told: dict[str, Any] = {"draft": name, "at": format_rfc3339(entry.at, zone), "person": entry.person}
        if move.new is None:
            is_published = entry.act in ("publish", "bypass")
            yield DRAFT, name, head, {**told, "action": "published" if is_published else "closed", "head": head}
            return
        commits = self._commits(entry, move)
        said = [] if commits is None else [commit for commit in commits if _verdict(commit)]
        if move.old is None:
            yield DRAFT, name, head, {**told, "action": STARTED, "head": head}
        elif commits is None or len(said) < len(commits) or not commits:
            action = "scheduled" if entry.act == "schedule" else "changed"
            yield DRAFT, name, head, {**told, "action": action, "head": head}
        for commit in said:
            yield VERDICT, name, head, {**told, "verdict": _verdict(commit), "commit": commit.id, "head": head}

    def _commits(self, entry: LogEntry, move: Move) -> list[Commit] | None:
        """What the move brought to the draft, oldest first; None when that cannot be told, or is too much."""
        flow = self._flow
        old = move.old or self._published.at(flow.published(), entry.at.timestamp())
        if old is None or move.new is None:
            return None
        try:
            commits = flow.store.commits_between(old, move.new, limit=COMMITS_MOST)
        except CMSError:  # rewritten since, and gone
            return None
        return commits[::-1] if commits is not None else None


def _verdict(commit: Commit) -> str:
    return (find_trailer(commit.message, "Review") or "").strip().casefold()


def _fates(
    entries: Iterable[LogEntry], resolve: Callable[[str], CommitId | None]
) -> list[tuple[bool | None, LogEntry]]:
    """(whether it happened, entry), in the order of *entries*; None: nobody can tell yet.

    Of what is not valid nothing is known to have happened. The first move of an entry is the act; the others follow from it.
    """
    later: dict[str, CommitId | None] = {}
    found: list[tuple[bool | None, LogEntry]] = []
    for entry in reversed([*entries]):
        if not entry.moves or not entry.is_valid:
            found.append((False, entry))
            continue
        act = entry.moves[0]
        if act.ref in later:
            fate: bool | None = later[act.ref] == act.new
        else:
            fate = True if resolve(act.ref) == act.new else None
        if fate is not False:
            later.update((move.ref, move.old) for move in entry.moves)
        found.append((fate, entry))
    return found[::-1]


def _is_pending(fate: bool | None, entry: LogEntry, now: datetime) -> bool:
    """Whether it may yet turn out that it happened."""
    return fate is None and (now - entry.at).total_seconds() < PATIENCE_SECONDS
