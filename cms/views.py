"""Opens views: any state of the content for who may see it, as a catalog like the one that everybody gets.

Everything that an endpoint answers is a function of the catalog, so lists, details, search, facets, assets and history work in every view
without knowing of it. What is decided here is who may open which, and at what moment it is looked at.

- Everybody sees what is published now. Earlier published states are for those whom the site lets see them (``[history]`` in ``cms.toml``,
  or the right ``history.read``); everything else is for those who may read drafts. To all others a commit that was never published is
  like one that does not exist.
- A commit is looked at as it was while it was published, so that an embargo of that time is kept, and what it held back and never showed
  stays unseen.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import inf
from pathlib import Path
from typing import Any, Protocol

from cms.bodies import Bodies
from cms.cache import DerivedCache
from cms.catalog import Catalog
from cms.catalogs import Catalogs
from cms.chronicle import Chronicle
from cms.departed import Departures
from cms.errors import Conflict, Forbidden, Gone, InvalidQuery, InvalidSettings, NotFound, RefNotFound, Unauthorised
from cms.finding import finding_of, printable
from cms.model import ContentModel
from cms.office import Office
from cms.overlay import Reader
from cms.permissions import Principal, allows_everywhere
from cms.published import PublishedStates, Reign
from cms.pushlog import PushLog
from cms.refs import CommitId, branch_ref, is_commit_id, short_name, tag_ref
from cms.searching import Searcher
from cms.snapshot import Snapshot, follow_snapshot
from cms.snapshots import Snapshots, is_withheld
from cms.store import Store
from cms.view import REF_SYNTAX, SHOWN, Label, ViewSpec, is_abbreviated, moment_text, read_moment
from cms.viewsearch import ViewSearch
from cms.workflow.bounded import Bounded
from cms.workflow.combined import Combined, Part, combine, find_parts
from cms.workflow.flow import Draft, Workflow
from cms.workflow.outcome import Status
from cms.workflow.schedule import find_scheduled

COMBINED_KEPT = 8
BODIES_BYTES = 4 * 1024 * 1024
UNREADABLE_MOST = 20
#: For how long what was published is still there for who began to page through it.
PINNED_SECONDS = 60 * 60
OFF = (
    "only what is published now can be read here; whoever runs the site can let everybody read earlier states with "
    "public = true in the table [history] of cms.toml"
)


class Home(Protocol):
    """What is needed of a site."""

    store: Store
    ref: str
    departures: Departures
    chronicle: Chronicle
    index_folder: Path

    @property
    def catalog(self) -> Catalog:
        """What everybody sees now."""

    @property
    def searcher(self) -> Searcher:
        """The full-text index of what is published."""

    @property
    def is_edited(self) -> bool:
        """Whether somebody is named who may change the site."""

    def office(self) -> Office:
        """Where it is edited."""

    def infer_at(self, commit: CommitId) -> ContentModel:
        """A content model for a commit that has none written down."""

    def push_log(self) -> PushLog:
        """The log of who moved which ref."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What somebody may open beside what is published now: earlier published states, and everything."""

    past: bool = False
    drafts: bool = False


EVERYTHING = Rights(past=True, drafts=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One state of the content, opened for one request.

    Attributes:
        name: for people.
        reader: has the bytes of its files, which may not be in the repository.
        bodies: renders them.
        is_public: anybody gets the same.
        is_pinned: it will be the same for ever.
        is_present: it is what everybody sees now.
        note: what more there is to say of it.
        never: globs of paths that are kept from who asked.
    """

    catalog: Catalog
    name: str
    reader: Reader
    bodies: Bodies
    departures: Departures
    is_public: bool = False
    is_pinned: bool = False
    is_present: bool = False
    note: dict[str, Any] = field(default_factory=dict)
    never: tuple[str, ...] = ()

    def withholds(self, path: str) -> bool:
        """Whether the file *path* is kept from who asked, for those who read files of the commit themselves."""
        return is_withheld(path, self.never)


class Views:
    """The views of one site. Safe to use from many threads; what it keeps is bounded."""

    def __init__(self, home: Home, cache: DerivedCache) -> None:
        """Nothing is read before somebody asks."""
        self._home = home
        self._store = home.store
        self._cache = cache
        self._snapshots = Snapshots(home.store, lambda: home.catalog.snapshot, home.infer_at, home.chronicle.history_at)
        self._catalogs = Catalogs(home.store, cache, self.find_state)
        self._combined: Bounded[tuple[CommitId, tuple[Part, ...]], tuple[Combined, Snapshot]] = Bounded(COMBINED_KEPT)
        self._bodies = Bodies(home.store, cache, BODIES_BYTES)
        self._published: PublishedStates | None = None
        #: The indexes that views are searched with.
        self.searches = ViewSearch(home, self._bodies)

    # -- who may ---------------------------------------------------------------------------------------------------------

    def rights(self, who: Principal | None) -> Rights:
        """What *who* may open; None: nobody is signed in."""
        is_public = self._home.catalog.model.settings.history.public
        if who is None or not self._home.is_edited:
            return Rights(past=is_public)
        try:
            policy = self._home.office().policy()
        except InvalidSettings:  # nobody may do anything until that is repaired
            return Rights(past=is_public)
        drafts = allows_everywhere("draft.read", who, policy)
        return Rights(past=is_public or drafts or allows_everywhere("history.read", who, policy), drafts=drafts)

    @property
    def published(self) -> PublishedStates:
        """The states that the published branch was at."""
        if self._published is None:
            self._published = PublishedStates(self._store, self._home.ref, self._home.push_log())
        return self._published

    def find_state(self, commit: CommitId) -> CommitId | None:
        """The published state that *commit* is, or the last one that it came after."""
        return self.published.reached_by(self._home.catalog.snapshot.commit.id, commit)

    # -- opening -------------------------------------------------------------------------------------------------------

    def open(self, spec: ViewSpec, who: Principal | None, now: datetime) -> View:
        """The view that *spec* names, for *who*.

        Raises:
            InvalidQuery: it cannot be meant.
            Forbidden: the site shows nobody but its own people what was published before.
            RefNotFound, DraftNotFound: there is no such thing, or *who* may not know of it.
            Unauthorised: nobody signed in, and this takes somebody; or the token of a preview shows nothing.
            MergeConflict: drafts that cannot be merged; facts: conflicts, findings.
            Conflict: what is there cannot be read, because its ``cms.toml`` is wrong.
            RepositoryProblem: the repository cannot be read.
        """
        if spec.preview:
            return self._preview(spec, now)
        names = (spec.draft,) if spec.draft else spec.drafts
        if names:
            drafts = find_parts(self._flow(names[0], who), who, names, now)
            return self._drafts(spec, [Part(name=draft.name, head=draft.head) for draft in drafts], now.timestamp())
        return self.open_state(spec, self.rights(who), who, now)

    def open_state(self, spec: ViewSpec, rights: Rights, who: Principal | None, now: datetime) -> View:
        """As :meth:`open`, for ``ref`` and ``at``, with *rights* that are known already."""
        present, seconds = self._home.catalog, now.timestamp()
        moment = read_moment(spec.at, present.zone) if spec.at else None
        if not spec.ref or self._is_published_branch(spec.ref):
            if moment is None:
                return self._present(spec)
            if moment > seconds:
                return self._future(spec, rights, who, moment, now)
            if not rights.past:
                raise Forbidden(OFF)
            return self._past(spec, rights, moment, present)
        if not rights.past:
            if spec.ref == present.snapshot.commit.id and moment is None:
                return self._present(spec)
            raise Forbidden(OFF)
        # Who may know published states alone is told by the list of these, so that not even the time it takes tells of others.
        is_listed = is_commit_id(spec.ref) and not rights.drafts
        commit = CommitId(spec.ref) if is_listed else self._resolve(spec.ref)
        reign = self._reign(commit) if commit is not None else None
        if commit is None or (reign is None and not rights.drafts):
            raise _nothing(spec.ref)
        if moment is None:
            moment = self._own_moment(commit, reign)
        elif not rights.drafts and (reign is None or not reign.since <= moment < reign.until or moment > seconds):
            raise _not_then(spec, reign, seconds)
        # A commit that claims to be made later is looked at now, and otherwise then.
        is_pinned = is_commit_id(spec.ref) and moment <= seconds
        moment = moment if spec.at else min(moment, seconds)
        reign = reign if moment <= seconds else None
        return self._state(spec, rights, commit, reign, moment, is_pinned=is_pinned)

    def open_pinned(self, commit: CommitId, moment: float, now: datetime) -> View:
        """What everybody saw at *moment*, when *commit* was published, for who began to page through it then.

        Who calls knows that it was shown then: the times that commits claim are not held against it.

        Raises:
            Gone: that is too long ago, or history was rewritten since.
            RepositoryProblem: the repository cannot be read.
        """
        present, seconds = self._home.catalog, now.timestamp()
        if commit == present.snapshot.commit.id and present.valid_from <= moment < present.valid_until:
            return self._present(ViewSpec())
        reign = self._reign(commit)
        latest = seconds if present.model.settings.history.public else PINNED_SECONDS + moment
        if reign is None or seconds > latest:
            raise Gone("what these pages were of is not there any more; begin again with the first page")
        return self._state(ViewSpec(ref=commit), Rights(past=True), commit, reign, moment, is_pinned=True)

    def open_published(self, commit: CommitId, moment: float, never: Sequence[str] = ()) -> Catalog:
        """What everybody saw of the published state *commit* at *moment*: to compare with, not to show.

        Raises:
            RefNotFound: it never was published, or not at that moment.
            Conflict, RepositoryProblem: it cannot be read.
        """
        present = self._home.catalog
        if commit == present.snapshot.commit.id and present.valid_from <= moment < present.valid_until:
            return present
        reign = self._reign(commit)
        if reign is None or not reign.since <= moment <= reign.until:
            raise RefNotFound(f"there is no published state {printable(commit[:SHOWN])!r} of that moment", ref=commit)
        return self._catalogs.find(self._snapshots.reduce(self._snapshots.find(commit), never), moment)

    def open_commit(self, commit: CommitId, moment: float) -> Catalog:
        """What *commit* would show at *moment*, for those who may read drafts: to compare with, without a name of its own.

        Raises:
            Conflict, RepositoryProblem: it cannot be read.
        """
        return self._catalogs.find(self._snapshots.find(commit), moment)

    def open_heads(self, parts: Sequence[Part], now: datetime) -> View:
        """What is published with the heads of drafts laid over it, for who has the repository at hand.

        Raises:
            MergeConflict, Conflict, RepositoryProblem: as for :meth:`open`.
        """
        spec = ViewSpec(draft=parts[0].name) if len(parts) == 1 else ViewSpec(drafts=tuple(part.name for part in parts))
        return self._drafts(spec, parts, now.timestamp())

    # -- the published branch, then and now ----------------------------------------------------------------------------

    def _present(self, spec: ViewSpec) -> View:
        present = self._home.catalog
        name = present.model.settings.site.branch
        label = Label(name=name, commit=present.snapshot.commit.id, query=spec.query)
        catalog = self._catalogs.label(present, label) if spec.query else present
        return self._view(catalog, name, is_public=True, is_present=True)

    def _past(self, spec: ViewSpec, rights: Rights, moment: float, present: Catalog) -> View:
        tip = present.snapshot.commit.id
        commit = self.published.at(tip, moment)
        for _ in range(UNREADABLE_MOST):
            if commit is None:
                raise RefNotFound(f"nothing was published yet at {moment_text(moment)}", at=moment_text(moment))
            with suppress(Conflict):  # it could not be served then either, and what came before it was
                return self._state(spec, rights, commit, self._reign(commit), moment, is_pinned=False)
            commit = self.published.before(tip, commit)
        raise Conflict(f"what was published at {moment_text(moment)} cannot be read, because its cms.toml was wrong")

    def _future(self, spec: ViewSpec, rights: Rights, who: Principal | None, moment: float, now: datetime) -> View:
        if not rights.drafts:
            message = "what will be published is for those who may read drafts"
            raise Forbidden(message, permission="draft.read") if who else Unauthorised(f"{message}; sign in first")
        if not self._home.is_edited:
            return self._at_last(spec, [], moment)
        flow = self._home.office().flow
        due = [each for each in find_scheduled(flow, now) if each.at.timestamp() <= moment]
        ready = [each for each in due if flow.state(each.name, now).status is Status.SCHEDULED]
        late = [each.name for each in due if each not in ready]
        return self._at_last(spec, [Part(name=each.name, head=each.head) for each in ready], moment, late)

    def _at_last(self, spec: ViewSpec, parts: Sequence[Part], moment: float, late: Sequence[str] = ()) -> View:
        note: dict[str, Any] = {"at": moment_text(moment)}
        if late:
            note["not_ready"] = list(late)
        name = f"{self._home.catalog.model.settings.site.branch}@{moment_text(moment)}"
        return self._merged(spec, parts, moment, name, note)

    # -- any commit ----------------------------------------------------------------------------------------------------

    def _state(
        self, spec: ViewSpec, rights: Rights, commit: CommitId, reign: Reign | None, moment: float, *, is_pinned: bool
    ) -> View:
        history = self._home.catalog.model.settings.history
        never = () if rights.drafts else history.never
        snapshot = self._snapshots.reduce(self._read(commit, rights), never)
        catalog = self._catalogs.find(snapshot, moment)
        name = spec.ref or f"{snapshot.model.settings.site.branch}@{moment_text(moment)}"
        label = Label(
            name=name,
            commit=commit,
            key=",".join(never),
            query=spec.query,
            note={"at": moment_text(moment)},
            is_pinned=is_pinned,
        )
        # Who may read drafts may look at it at any moment, others as long as it was published.
        was_seen = reign is not None and reign.since <= moment < reign.until
        is_public = was_seen and history.public and never == history.never
        return self._view(
            self._catalogs.label(catalog, label),
            name,
            is_public=is_public,
            is_pinned=is_pinned,
            note=dict(label.note),
            never=never,
        )

    def _read(self, commit: CommitId, rights: Rights) -> Snapshot:
        try:
            return self._snapshots.find(commit)
        except Conflict as error:
            if rights.drafts:
                raise
            raise Conflict(f"the content at {commit[:10]} cannot be read, because its cms.toml is wrong") from error

    def _own_moment(self, commit: CommitId, reign: Reign | None) -> float:
        """The moment at which a commit is looked at when nobody says: when it was made, or else while it was published."""
        moment = self._store.commit(commit).committed_at.timestamp()
        if reign is not None:
            moment = min(max(moment, reign.since), max(reign.since, reign.until - 1))
        return moment

    def _reign(self, commit: CommitId) -> Reign | None:
        return self.published.find(self._home.catalog.snapshot.commit.id, commit)

    def _is_published_branch(self, name: str) -> bool:
        ref = self._home.ref
        # In a clone that is detached, the branch of a remote stands in for the one of that name.
        short = (
            ref.removeprefix("refs/remotes/").partition("/")[2] if ref.startswith("refs/remotes/") else short_name(ref)
        )
        return name in (ref, short, self._home.catalog.model.settings.site.branch)

    def _resolve(self, name: str) -> CommitId | None:
        """The commit that *name* stands for: of a branch before that of a tag."""
        if is_commit_id(name):
            return self._store.resolve(name)
        candidates = [name] if name.startswith("refs/") else [branch_ref(name), tag_ref(name)]
        return next((commit for each in candidates if (commit := self._store.resolve(each)) is not None), None)

    # -- drafts --------------------------------------------------------------------------------------------------------

    def _flow(self, name: str, who: Principal | None) -> Workflow:
        if who is None:
            raise Unauthorised("drafts are for those who are signed in, or who have the token of a preview")
        try:
            return self._home.office().flow
        except NotFound as error:
            raise NotFound(f"there is no draft {printable(name[:SHOWN])!r}: this site is only read here") from error

    def _preview(self, spec: ViewSpec, now: datetime) -> View:
        try:
            office = self._home.office()
        except NotFound as error:
            raise Unauthorised("this preview shows nothing: it is over, or was never made") from error
        grant = office.preview(spec.preview, now)
        if spec.draft not in ("", grant.draft):
            raise Unauthorised("this preview is of another draft")
        draft: Draft = office.flow.look(Principal(person=grant.person, via="session"), grant.draft, now)
        return self._drafts(spec, [Part(name=draft.name, head=draft.head)], now.timestamp())

    def _drafts(self, spec: ViewSpec, parts: Sequence[Part], seconds: float) -> View:
        names = ",".join(part.name for part in parts)
        return self._merged(spec, parts, seconds, f"{'with' if spec.drafts else 'draft'}:{names}", {})

    def _merged(self, spec: ViewSpec, parts: Sequence[Part], moment: float, name: str, note: dict[str, Any]) -> View:
        """What is published with *parts* laid over it."""
        present = self._home.catalog
        combined, snapshot = self._combine(present.snapshot, tuple(parts))
        catalog = self._catalogs.find(snapshot, moment, present)
        if parts:
            note = {**note, "drafts": [{"name": part.name, "head": part.head} for part in parts]}
        label = Label(
            name=name,
            commit=present.snapshot.commit.id,
            key=",".join(part.head for part in parts),
            query=spec.query,
            note=note,
        )
        bodies = Bodies(combined.overlay, self._cache, BODIES_BYTES // 4)
        view = self._view(self._catalogs.label(catalog, label), name, note=note)
        return replace(view, reader=combined.overlay, bodies=bodies)

    def _combine(self, published: Snapshot, parts: tuple[Part, ...]) -> tuple[Combined, Snapshot]:
        def make() -> tuple[Combined, Snapshot]:
            combined = combine(self._store, published.commit.id, parts)
            if not combined.changed:
                return combined, published
            overlay, tips = combined.overlay, [published.commit.id, *(part.head for part in parts)]
            try:
                snapshot = follow_snapshot(published, overlay, overlay.head)
            except InvalidSettings as error:
                findings = error.facts.get("findings") or (finding_of(error),)
                raise Conflict(
                    f"this cannot be shown, because with it cms.toml would be wrong: {error}", findings=findings
                ) from error

            history = self._home.chronicle.history_of_merge(overlay, overlay.head, tips, published.history)
            return combined, replace(snapshot, history=history)

        return self._combined.get((published.commit.id, parts), make)

    def _view(
        self,
        catalog: Catalog,
        name: str,
        *,
        is_public: bool = False,
        is_pinned: bool = False,
        is_present: bool = False,
        note: dict[str, Any] | None = None,
        never: tuple[str, ...] = (),
    ) -> View:
        present = self._home.catalog
        history = catalog.snapshot.history
        departures = self._home.departures
        if history.departed is not present.snapshot.history.departed or catalog.model is not present.model:
            departures = self._catalogs.departures(history)
        return View(
            catalog=catalog,
            name=name,
            reader=self._store,
            bodies=self._bodies,
            departures=departures,
            is_public=is_public,
            is_pinned=is_pinned,
            is_present=is_present,
            note=note or {},
            never=never,
        )


def _nothing(ref: str) -> InvalidQuery | RefNotFound:
    """The same for what does not exist and for what was never published."""
    shown = printable(ref[:SHOWN])
    if is_abbreviated(ref):
        return InvalidQuery(
            f"ref: there is no branch or tag {shown!r}, and ids are not abbreviated; {REF_SYNTAX}", parameter="ref"
        )
    kind = "commit" if is_commit_id(ref) else "branch or tag"
    return RefNotFound(f"there is no {kind} {shown!r} that you could read", ref=shown)


def _not_then(spec: ViewSpec, reign: Reign | None, seconds: float) -> InvalidQuery | RefNotFound:
    if reign is None:
        return _nothing(spec.ref)
    until = "now" if reign.until == inf or reign.until > seconds else moment_text(reign.until)
    return InvalidQuery(
        f"at: {spec.ref[:SHOWN]!r} was published from {moment_text(reign.since)} until {until}; name a moment of that time, or leave at out",
        parameter="at",
    )
