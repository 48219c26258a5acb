"""The events of one site for one reader: publications and, for those who may read drafts, acts, in one order."""

import math
from datetime import datetime
from heapq import merge
from typing import NamedTuple, Protocol

from cms.catalog import Catalog
from cms.delta import Timeline
from cms.delta.deltas import Deltas
from cms.errors import FullSyncNeeded, InvalidQuery, InvalidSettings, NotFound
from cms.events.acts import Acts
from cms.events.event import RESET, Event, Mark
from cms.events.publications import Publications
from cms.office import Office
from cms.permissions import Principal, allows
from cms.store import Store
from cms.views import Rights, Views


class Home(Protocol):
    """What is needed of a site."""

    store: Store
    views: Views
    deltas: Deltas

    @property
    def catalog(self) -> Catalog:
        """What everybody sees now."""

    @property
    def is_edited(self) -> bool:
        """Whether somebody is named who may change the site."""

    def office(self) -> Office:
        """Where it is edited."""


class Batch(NamedTuple):
    """What is new to a reader.

    Attributes:
        events: each with the mark that the reader has reached with it.
        mark: the one reached with all of them, and with those that are not for the reader.
        is_waiting: something is about to happen, so it is worth asking again soon.
    """

    events: list[tuple[Mark, Event]]
    mark: Mark
    is_waiting: bool = False


class Events:
    """What happened to one site. Safe to use from many threads."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._publications = Publications(home.store, home.deltas)
        self._acts: Acts | None = None

    def begin(self, who: Principal | None, now: datetime) -> Mark:
        """The mark of who wants to know what happens from now on.

        Raises:
            RepositoryProblem: there is nothing to serve yet, or the repository cannot be read.
        """
        timeline = self._timeline(now)
        acts = self._acts_for(who)
        return Mark(self._publications.present(timeline), None if acts is None else acts.last(now))

    def after(self, mark: Mark, who: Principal | None, now: datetime) -> Batch:
        """What happened after *mark*, as far as *who* may know of it: every publication, and the acts of drafts that they may read.

        Where that cannot be told, it is one event, ``reset``.

        Raises:
            RepositoryProblem: the repository cannot be read.
        """
        timeline = self._timeline(now)
        acts = self._acts_for(who)
        happened: list[Event] = []
        is_waiting = False
        try:
            published = [] if _is_ahead(mark, timeline) else self._publications.after(timeline, mark.position)
            if acts is not None and mark.entry is not None:
                happened, is_waiting = acts.after(mark.entry, mark.part, now, timeline.present.zone)
        except (FullSyncNeeded, InvalidQuery) as error:
            return self._reset(timeline, self.begin(who, now), now, str(error))
        if acts is None:
            mark = Mark(mark.position)
        elif mark.entry is None:
            mark = Mark(mark.position, acts.last(now))
        told: list[tuple[Mark, Event]] = []
        for event in merge(happened, published, key=lambda event: event.at):
            if event.mark.entry is None:
                mark = mark._replace(position=event.mark.position)
                told.append((mark, event))
            else:
                mark = mark._replace(entry=event.mark.entry, part=event.mark.part)
                if acts is not None and who is not None and acts.may_read(event, who):
                    told.append((mark, event))
        return Batch(told, mark, is_waiting)

    def _timeline(self, now: datetime) -> Timeline:
        """The site as everybody sees it: what somebody may know of its past does not change what is told of publications."""
        home, present = self._home, self._home.catalog
        # Nothing has happened before readers see it: the catalog of a moment that came just now may be in the making.
        seconds = min(now.timestamp(), math.nextafter(present.valid_until, 0.0))
        return Timeline(store=home.store, views=home.views, present=present, rights=Rights(), now=seconds)

    def _acts_for(self, who: Principal | None) -> Acts | None:
        """The acts, where *who* may read drafts at all."""
        if who is None or not self._home.is_edited:
            return None
        try:
            office = self._home.office()
            if not allows("draft.read", who, office.policy()):
                return None
        except (NotFound, InvalidSettings):  # nobody may do anything now
            return None
        if self._acts is None:
            self._acts = Acts(office.flow, self._home.views.published)
        return self._acts

    def _reset(self, timeline: Timeline, mark: Mark, now: datetime, detail: str) -> Batch:
        data = {
            "commit": timeline.tip,
            "position": str(mark.position),
            "detail": detail,
        }
        return Batch([(mark, Event(kind=RESET, at=now.timestamp(), mark=mark, data=data))], mark)


def _is_ahead(mark: Mark, timeline: Timeline) -> bool:
    """Whether another server, whose clock is ahead of ours, has told more than we know of."""
    return mark.position.moment is not None and mark.position.moment > timeline.now
