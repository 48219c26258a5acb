"""The site: one repository being served. Builds all parts and holds the current catalog.

The current catalog is replaced as a whole, under a lock, when the published ref has moved or when an embargo ends; whoever holds the old
one finishes with it. What goes wrong on the way is kept in :attr:`Site.trouble`, and the last good catalog stays.
"""

import math
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from threading import Lock

import structlog

from cms.bodies import Bodies
from cms.cache import DerivedCache
from cms.catalog import Catalog
from cms.chronicle import Chronicle
from cms.cursor import Cursors
from cms.delta import Deltas
from cms.departed import Departures
from cms.errors import (
    CMSError,
    InvalidContent,
    InvalidSettings,
    NotFound,
    RefNotFound,
    RepositoryProblem,
    SearchUnavailable,
)
from cms.events import Events
from cms.finding import Finding, finding_of
from cms.inferred import lies_outside, next_growth, outgrows
from cms.model import ContentModel, read_model, with_branch
from cms.office import Office
from cms.people import read_policy
from cms.proof import Prover
from cms.pushlog import PushLog
from cms.refs import BRANCHES, BlobId, CommitId, branch_ref, is_commit_id, short_name, tag_ref
from cms.searching import Searcher
from cms.searchlog import SearchLog
from cms.settings import SCHEMAS_FOLDER, SETTINGS_FILE, Environment, state_folder
from cms.snapshot import (
    BROKEN_OBJECT,
    Progress,
    Snapshot,
    advance_history,
    advance_snapshot,
    build_snapshot,
    read_history,
)
from cms.store import Store
from cms.views import Views

PRIVATE_FOLDER = "branchpress"
INDEX_FOLDER = "index"
FINDINGS_LOGGED = 20
FALLBACK_BRANCHES = ("main", "master", "trunk")
RETRY_SECONDS = 10.0
MISSING_ASKED = 20
NO_COMMIT = CommitId("")
UNREADABLE = CommitId("unreadable")

#: Makes a model of what the public may see at a moment (seconds since 1970).
InferModel = Callable[[Store, CommitId, str, float], ContentModel]
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why the newest state of the branch is not what is served."""

    message: str
    findings: tuple[Finding, ...] = ()


class Site:
    """A repository, its published ref, and what is visible of it now."""

    def __init__(self, store: Store, ref: str, cache_folder: Path, infer: InferModel) -> None:
        """Use :meth:`open`."""
        self.store = store
        self.ref = ref
        self.cache_folder = cache_folder
        self.index_folder = cache_folder / INDEX_FOLDER
        self.trouble: Trouble | None = None
        self._infer = infer
        self._cache = DerivedCache(cache_folder)
        self.chronicle = Chronicle(store, self._cache)
        self.bodies = Bodies(store, self._cache)
        self.views = Views(self, self._cache)
        self.departures = Departures(store, self._cache, self.views.find_state)
        # Where nobody edits there is no office, which has one of its own.
        self.prover = Prover(store, ref, PushLog(store), steps=self.chronicle.steps)
        self.deltas = Deltas(store, self.bodies)
        self.events = Events(self)
        self.searches = SearchLog()
        self.cursors = Cursors(cache_folder)
        self._watch = store.watch(ref)
        self._catalog: Catalog | None = None
        self._searcher: Searcher | None = None
        # What the branch was at when it was last acted on, well or badly; and when to try again after a damaged object.
        self._seen: CommitId | None = None
        self._retry_at = math.inf
        self._lock = Lock()
        self._searcher_lock = Lock()
        #: What this process was told from outside.
        self.environment = Environment()
        self._office: Office | None = None
        self._office_lock = Lock()

    @classmethod
    def open(
        cls, path: Path, *, infer: InferModel, environment: Environment | None = None, progress: Progress | None = None
    ) -> "Site":
        """Open the repository at *path* and read it.

        Args:
            infer: makes a content model for a repository that has none written down.
            environment: what the process was told from outside.
            progress: called with (files read, files in all) during the first read.

        Raises:
            RepositoryProblem: no repository that can be read.
            InvalidSettings: ``cms.toml`` is wrong.
        """
        store = Store.open(path)
        ref = published_ref(store, environment.branch if environment else "")
        site = cls(store, ref, cache_folder(store, ref), infer)
        if environment is not None:
            site.environment = environment
        if environment is not None and environment.branch:
            site.index_folder = index_folder(site)
        site.load(time.time(), progress=progress)
        return site

    @property
    def catalog(self) -> Catalog:
        """The current catalog.

        Raises:
            RepositoryProblem: the branch has no commit yet.
        """
        if self._catalog is None:
            raise RepositoryProblem(
                self.trouble.message if self.trouble else f"the branch {short_name(self.ref)} has no commit yet",
                hint="commit something; it is served with the next request",
            )
        return self._catalog

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to serve yet."""
        return self._catalog is None

    def is_stale(self, now: float) -> bool:
        """Whether the ref moved or time passed a moment at which something appears or disappears. Takes microseconds."""
        catalog = self._catalog
        if self._look() != self._seen or now >= self._retry_at:
            return True
        return catalog is not None and now >= min(catalog.valid_until, next_growth(catalog))

    def _look(self) -> CommitId:
        try:
            return self._watch.current() or NO_COMMIT
        except RepositoryProblem:
            return UNREADABLE

    def load(self, now: float, *, progress: Progress | None = None) -> None:
        """Read the current state for the first time; errors are raised."""
        with self._lock:
            commit = self._watch.current()
            if commit is None:
                self._seen = NO_COMMIT
                self.trouble = Trouble(message=f"the branch {short_name(self.ref)} has no commit yet")
                return
            self._catalog = Catalog(self._build(commit, now, progress), now)
            self._seen = commit
            self._retry_at = now + RETRY_SECONDS if self._missing_blobs() else math.inf
            self.trouble = None

    def refresh(self, now: float) -> None:
        """Bring the current catalog up to date. Never raises for what is in the repository: see :attr:`trouble`."""
        with self._lock:
            if not self.is_stale(now):
                return
            commit = self._look()
            if commit != self._seen or now >= self._retry_at:
                retry_at = math.inf
                try:
                    self._follow(commit, now)
                    self.trouble = None
                except CMSError as error:
                    findings = error.facts.get("findings") or (finding_of(error),)
                    self.trouble = Trouble(message=str(error), findings=findings)
                    if isinstance(error, RepositoryProblem):  # an object may be on its way, or be restored
                        retry_at = now + RETRY_SECONDS
                    log.warning("site.not_advanced", ref=self.ref, reason=str(error))
                except Exception as error:
                    self.trouble = Trouble(
                        message=f"commit {commit[:7]} cannot be read because of a fault of ours: {error!r}"
                    )
                    log.exception("site.not_advanced", ref=self.ref, commit=commit)
                if self._missing_blobs():
                    retry_at = now + RETRY_SECONDS
                # Only now: a request that comes meanwhile must wait for the new state, not be answered from the old one.
                self._seen, self._retry_at = commit, retry_at
            catalog = self._catalog
            if catalog is not None and now >= min(catalog.valid_until, next_growth(catalog)):
                self._catalog = catalog.advance(self._snapshot_at(catalog.snapshot, now), now)

    def _follow(self, commit: CommitId, now: float) -> None:
        """Serve *commit*, which the branch is at now."""
        catalog = self._catalog
        if commit == UNREADABLE:
            self._watch.current()
        if commit == NO_COMMIT:
            name = short_name(self.ref)
            if self._watch.dangling is not None:
                raise RepositoryProblem(
                    f"the branch {name} is at {self._watch.dangling[:7]}, and there is no such commit",
                    hint="run `git fsck` in the repository; what was copied there may not be whole",
                )
            raise RefNotFound(
                f"the branch {name} is gone; the last state that was read is served"
                if catalog is not None
                else f"the branch {name} has no commit yet",
                ref=self.ref,
            )
        if catalog is None:
            self._catalog = Catalog(self._build(commit, now), now)
        elif commit != catalog.snapshot.commit.id:
            self._catalog = catalog.advance(self._next_snapshot(catalog.snapshot, commit, now), now)
        elif any(source is not None for _, source in self.store.read_blobs(self._missing_blobs())):
            self._catalog = Catalog(self._build(commit, now), now)
        elif self.trouble is None:
            return
        log.info("site.advanced", ref=self.ref, commit=commit)
        self.report()
        if self._searcher is not None:
            with suppress(SearchUnavailable):  # the next search will say
                self.searcher.follow(self.catalog.snapshot)

    def _missing_blobs(self) -> list[BlobId]:
        """Some of the files whose content was not in the repository when they were read, and may have come since."""
        snapshot = self.catalog.snapshot if self._catalog is not None else None
        if snapshot is None:
            return []
        named = (path for path, findings in snapshot.findings.items() if findings[0].rule == BROKEN_OBJECT)
        paths = list(islice(named, MISSING_ASKED))
        with suppress(RepositoryProblem):  # that is trouble of another kind
            return [blob for blob in self.store.find_blobs(snapshot.commit.id, paths) if blob] if paths else []
        return []

    def report(self) -> None:
        """Log the files that cannot be served, after an advance only the changed ones; of many the first and their number."""
        snapshot = self.catalog.snapshot
        paths = snapshot.findings if snapshot.changed is None else snapshot.changed
        wrong = [
            finding
            for path in sorted(paths)
            for finding in snapshot.findings.get(path, ())
            if finding.severity == "error"
        ]
        for finding in wrong[:FINDINGS_LOGGED]:
            log.warning("content.refused", finding=str(finding))
        if len(wrong) > FINDINGS_LOGGED:
            log.warning("content.refused", more=len(wrong) - FINDINGS_LOGGED, hint="cms check lists them all")

    def _snapshot_at(self, known: Snapshot, now: float) -> Snapshot:
        """The same commit at another moment: what an embargo kept back until then has no part in a model that was inferred before."""
        if known.model.is_inferred:
            try:
                return self._build(known.commit.id, now, old=known.model)
            except CMSError as error:
                log.warning("site.not_advanced", ref=self.ref, reason=str(error))
        return known

    def _next_snapshot(self, old: Snapshot, commit: CommitId, now: float) -> Snapshot:
        """The snapshot of *commit*: advanced when the content model is the same and history went forward."""
        known = old.commit.id
        if self.store.resolve(known) is None:
            return self._build(commit, now, old=old.model)
        same_model = not self.store.diff(known, commit, prefixes=(SETTINGS_FILE, SCHEMAS_FOLDER))
        if same_model and old.model.is_inferred:
            same_model = not lies_outside(self.store, old.model, known, commit, now)
        if not same_model or self.store.commits_between(commit, known, limit=0) is None:
            return self._build(commit, now, old=old.model)
        history = advance_history(old, self.store, commit, self._cache, self.ref)
        snapshot = advance_snapshot(old, self.store, commit, cache=self._cache, history=history)
        if old.model.is_inferred and outgrows(self.store, snapshot, now):
            return self._build(commit, now, old=old.model)  # perhaps the guess was too narrow
        return snapshot

    def _build(
        self, commit: CommitId, now: float, progress: Progress | None = None, *, old: ContentModel | None = None
    ) -> Snapshot:
        model = read_model(self.store, commit)
        if model is None:
            model = self._infer(self.store, commit, short_name(self.ref), now)
        model = with_branch(model, short_name(self.ref))
        known = {finding.path for finding in old.findings} if old is not None else set()
        worse = [finding for finding in model.findings if finding.path not in known]
        if old is not None and worse:
            raise InvalidContent(
                f"the content model at {commit[:7]} is not valid, so the last good state is served: {worse[0]}",
                findings=model.findings,
            )
        snapshot = build_snapshot(self.store, commit, model, cache=self._cache, progress=progress)
        snapshot = replace(snapshot, history=read_history(self.store, commit, self._cache, self.ref))
        self._cache.prune(model.parse_fingerprint(collection) for collection in model.collections.values())
        return snapshot

    def infer_at(self, commit: CommitId) -> ContentModel:
        """A content model for a commit that has none written down, of what was public when it was made."""
        made_at = self.store.commit(commit).committed_at.timestamp()
        return self._infer(self.store, commit, short_name(self.ref), made_at)

    def push_log(self) -> PushLog:
        """The log of who moved which ref, without opening the office, which would begin to publish."""
        return self._office.log if self._office is not None else PushLog(self.store)

    @property
    def searcher(self) -> Searcher:
        """The full-text index.

        Raises:
            SearchUnavailable: its folder cannot be used.
        """
        model = self.catalog.model
        with self._searcher_lock:
            if self._searcher is None or self._searcher.model is not model:
                try:
                    self.cache_folder.mkdir(mode=0o700, exist_ok=True)
                    self._searcher = Searcher(self.index_folder, self.store, self.bodies, model)
                except OSError as error:
                    raise SearchUnavailable(f"the folder of the search index cannot be used: {error}") from error
            return self._searcher

    def office(self) -> Office:
        """Where the site is edited: opened when it is first asked for, with its schedule.

        Raises:
            NotFound: nobody may change this site, so it is only read.
            RepositoryProblem, InvalidSettings: the state folder or the server's key cannot be used.
        """
        with self._office_lock:
            if self._office is None:
                self._require_people()
                folder = state_folder(
                    self.catalog.model.settings,
                    self.environment,
                    git_dir=self.store.common_dir,
                    work_tree=self.store.work_tree,
                )
                self._office = Office.open(
                    self.store,
                    self.ref,
                    folder,
                    snapshot=self.read_snapshot,
                    address=self.environment.url,
                    steps=self.chronicle.steps,
                )
                self._office.scheduler.start()
            return self._office

    @property
    def is_edited(self) -> bool:
        """Whether somebody is named who may change the site, or was meant to be."""
        try:
            self._require_people()
        except NotFound:
            return False
        except InvalidSettings:
            return True
        return True

    def _require_people(self) -> None:
        """Refuse a site that nobody is named for. A policy that cannot be read is somebody's: that is told where it matters."""
        if not self.ref.startswith(BRANCHES):
            raise NotFound("this site is only read here: what is published is no branch of this repository")
        blob = self.store.find_blob(self.catalog.snapshot.commit.id, SETTINGS_FILE)
        if blob is None or not read_policy(self.store.read_blob(blob)).people:
            raise NotFound("this site is only read here: its cms.toml names no people")

    def read_snapshot(self) -> Snapshot:
        """The snapshot of what is published now."""
        self.refresh(time.time())
        return self.catalog.snapshot

    def findings(self) -> list[Finding]:
        """Everything wrong or odd in what is served, errors first."""
        if self._catalog is None:
            return []
        snapshot = self._catalog.snapshot
        found = [*snapshot.model.findings]
        for findings in snapshot.findings.values():
            found += findings
        return sorted(found, key=lambda finding: (finding.severity, finding.path, finding.line))

    def close(self) -> None:
        """Keep what makes the next start fast, and let go of files."""
        if self._office is not None:
            self._office.close()
        self.searches.tell()
        catalog = self._catalog
        if catalog is not None:
            history = catalog.snapshot.history
            self._cache.save_history(self.ref, history.commit, history.to_bytes())
        self.bodies.save()
        self._cache.close()
        self.views.searches.close()
        if self._searcher is not None:
            self._searcher.close()


def published_ref(store: Store, branch: str) -> str:
    """The full name of the published ref: *branch*, or what ``cms.toml`` says, or the branch that HEAD names.

    In a clone that is detached (as continuous integration makes them) the remote's branch or HEAD itself stands in.

    Raises:
        RefNotFound: *branch* was asked for and is not there.
    """
    head = store.head_ref()
    wanted = branch
    if not wanted:
        commit = store.resolve("HEAD")
        model = read_model(store, commit) if commit is not None else None
        wanted = model.settings.site.branch if model is not None else ""
    if wanted:
        for ref in (branch_ref(wanted), f"refs/remotes/origin/{wanted}"):
            if store.resolve(ref) is not None:
                return ref
        if branch:
            raise RefNotFound(f"there is no branch {branch!r} in this repository", ref=branch)
    if head is None:
        return "HEAD"
    if store.resolve(head) is None:
        branches = store.refs("refs/heads/")
        for name in FALLBACK_BRANCHES:
            if branch_ref(name) in branches:
                return branch_ref(name)
        if len(branches) == 1:
            return next(iter(branches))
    return head


def resolve_name(store: Store, name: str) -> CommitId:
    """The commit that a person means by *name*: a branch, a tag, a full ref name or a full commit id.

    Raises:
        RefNotFound: there is none.
    """
    candidates = [name] if is_commit_id(name) or name == "HEAD" or name.startswith("refs/") else []
    try:
        candidates = candidates or [branch_ref(name), tag_ref(name), f"refs/remotes/{name}"]
    except ValueError:
        candidates = []
    for candidate in candidates:
        commit = store.resolve(candidate)
        if commit is not None:
            return commit
    raise RefNotFound(f"there is no branch, tag or full commit id {name!r} in this repository", ref=name)


def index_folder(site: Site) -> Path:
    """Where the search index goes: another branch than the usual one has its own, since two schemas cannot share one."""
    with suppress(CMSError):
        if site.ref == published_ref(site.store, ""):
            return site.cache_folder / INDEX_FOLDER
    return site.cache_folder / f"{INDEX_FOLDER}-{sha256(site.ref.encode()).hexdigest()[:8]}"


def cache_folder(store: Store, ref: str) -> Path:
    """Where derived data of the repository goes: as ``cms.toml`` says in a site's work tree, else inside the Git folder.

    A folder that cannot be written is replaced by a temporary one: serving works, only the next start is slow.
    """
    commit = store.resolve(ref)
    model = read_model(store, commit) if commit is not None else None
    if model is not None and store.work_tree is not None and (store.work_tree / SETTINGS_FILE).exists():
        folder = store.work_tree / model.settings.server.cache
    else:
        folder = store.git_dir / PRIVATE_FOLDER
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        fallback = Path(tempfile.mkdtemp(prefix="branchpress-"))
        log.warning("cache.elsewhere", folder=str(folder), reason=str(error), instead=str(fallback))
        return fallback
