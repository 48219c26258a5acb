"""Scheduled publication: drafts that carry ``Publish-At`` go public when they are due, once, by whichever process sees it first.

Nothing is kept besides the commits: after downtime the drafts that became due meanwhile are published at the next look, oldest first. The
rules are looked at again when a draft is due; one that does not fulfil them any more stays, and its state says why.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event, Thread

import structlog

from cms.errors import CMSError
from cms.permissions import Principal
from cms.refs import DRAFTS, CommitId
from cms.workflow.flow import Workflow, tidy
from cms.workflow.outcome import DraftState
from cms.workflow.publishing import Publication, publish

LOOK_SECONDS = 1.0
SYSTEM = Principal(person="server", name="Branchpress", email="", via="schedule", scopes=None)
log = structlog.get_logger(__name__)


def may_act(person: str) -> bool:
    """Where there are no accounts everybody may whom the rules name."""
    return bool(person)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A draft that wants to be published at a moment."""

    at: datetime
    name: str
    head: CommitId
    person: str


def find_scheduled(flow: Workflow, now: datetime) -> list[Due]:
    """Every draft with a schedule that counts, the earliest first."""
    found = []
    for name in flow.names():
        try:
            state = flow.state(name, now)
        except CMSError as error:  # one draft that cannot be read must not keep the others waiting
            log.warning("schedule.unreadable", draft=name, reason=str(error))
            continue
        if state.publish_at is not None and state.scheduled_by is not None:
            found.append(Due(at=state.publish_at, name=name, head=state.head, person=state.scheduled_by))
    return sorted(found, key=lambda due: (due.at, due.name))


def publish_due(
    flow: Workflow, *, now: datetime, is_active: Callable[[str], bool] = may_act
) -> tuple[list[Publication], list[str]]:
    """Publish every draft that is due.

    Args:
        is_active: whether a person's account may still act; what those whose may not have scheduled stays.

    Returns:
        What was published, and a sentence for each draft that could not be.
    """
    published, refused = [], []
    for due in find_scheduled(flow, now):
        if due.at > now:
            break
        try:
            if not is_active(due.person):
                refused.append(f"{due.name}: {due.person}, who scheduled it, may not act any more")
                continue
            policy = flow.policy()
            person = policy.people[due.person]
            email = person.emails[0] if person.emails else ""
            who = Principal(person=due.person, name=person.name, email=email, via="schedule", scopes=None)
            published.append(publish(flow, who, due.name, expected=due.head, now=now))
        except CMSError as error:
            refused.append(f"{due.name}: {error}")
    return published, refused


class Scheduler:
    """Looks for what is due once a second in a thread of its own; every server process has one."""

    def __init__(
        self,
        flow: Workflow,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        is_active: Callable[[str], bool] = may_act,
    ) -> None:
        self._flow = flow
        self._clock = clock
        self._is_active = is_active
        self._stop = Event()
        self._thread: Thread | None = None
        self._known: object = None
        self._next: datetime | None = None
        self._told: set[str] = set()

    def start(self) -> None:
        """Begin to look."""
        self._thread = Thread(target=self._run, name="schedule", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; a publication that has begun is finished first."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def look(self) -> None:
        """Publish what is due now, and find out what will be next; cheap when no draft moved and nothing is due."""
        now = self._clock()
        seen = (self._flow.store.refs(DRAFTS), self._flow.published())
        if seen == self._known and (self._next is None or now < self._next):
            return
        tidy(self._flow, SYSTEM)
        published, refused = publish_due(self._flow, now=now, is_active=self._is_active)
        for publication in published:
            log.info("schedule.published", draft=publication.draft, commit=publication.commit)
        for reason in refused:
            if reason not in self._told:
                log.warning("schedule.not_published", reason=reason)
        self._told = set(refused)
        self._known = (self._flow.store.refs(DRAFTS), self._flow.published())
        self._next = next((due.at for due in find_scheduled(self._flow, now) if due.at > now), None)

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            try:
                self.look()
            except CMSError as error:
                if str(error) not in self._told:
                    log.warning("schedule.not_looked", reason=str(error))
                    self._told.add(str(error))
            except Exception:
                log.exception("schedule.not_looked", reason="a fault of ours")


def overdue(state: DraftState, now: datetime) -> bool:
    """Whether the draft should have been published already, and something is in the way."""
    return state.publish_at is not None and state.publish_at <= now
