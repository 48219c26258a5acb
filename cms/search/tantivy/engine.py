"""``Engine`` over tantivy: one folder, several processes, one writer at a time.

It keeps the promises of the built-in engine in the same way: a search takes the newest snapshot, verified by its checksums; a
damaged one is noticed when it is opened or touched, and searches refuse until ``reset``. A search inside tantivy
cannot be interrupted: the deadline is looked at before it, between the words, and after it.
"""

import contextlib
import errno
import logging
import threading
import time
from collections.abc import Callable, Container, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

from cms.errors import SearchUnavailable
from cms.search import analysis, corrections, generations, querytext
from cms.search.engine import Engine, Hit, Match, SearchDocument, Snippet
from cms.search.snippets import make_snippets
from cms.search.synonyms import Synonyms, common_synonyms
from cms.search.tantivy import index
from cms.search.tantivy.query import Lexicon, compile_query

_VERSION = "1"  # part of the index's stamp: raise it whenever the fields of a document change
_BATCH_DOCUMENTS = 5_000
_REPORT_EVERY = 50
_ATTEMPTS = 8
_RETRY_SECONDS = 5
_PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EACCES, errno.EPERM})  # says nothing of the files

_log = logging.getLogger(__name__)


class TantivyEngine:
    """Make it with ``open_engine``."""

    def __init__(self, folder: Path, stamp: str, *, batch_documents: int = _BATCH_DOCUMENTS) -> None:
        self._folder = folder
        self._stamp = stamp
        self._batch = batch_documents
        self._write_lock = generations.WriteLock(folder)
        self._load_lock = threading.RLock()
        self._current: index.Snapshot | None = None
        self._verified = generations.Verified(folder)
        self._broken: str | None = None  # the snapshot that was found damaged

    @property
    def is_broken(self) -> bool:
        manifest = generations.read_manifest(self._folder)
        return manifest is None or manifest.stamp != self._stamp or manifest.generation == self._broken

    def ids(self) -> frozenset[str]:
        try:
            return self._latest().ids
        except SearchUnavailable:
            return frozenset()

    def search(
        self,
        text: str,
        *,
        locale: str | None,
        allowed: Container[str],
        deadline_seconds: float = 1.0,
        match: Match = "all",
        synonyms: Synonyms | None = None,
    ) -> list[Hit]:
        node = querytext.parse(text)
        snapshot = self._latest()
        if node is None:
            return []
        check_time = _clock(deadline_seconds)
        preferred = analysis.language_of(locale) if locale else None
        try:
            query = compile_query(
                node,
                snapshot,
                preferred=preferred,
                match=match,
                synonyms=synonyms or common_synonyms(),
                check_time=check_time,
            )
            numbered = snapshot.search(query) if query is not None else []
        except SearchUnavailable:
            raise
        except BaseException as error:
            self._fail(snapshot.name, error)
        check_time()
        names = snapshot.names
        found = sorted((-score, names[number]) for number, _, score in numbered if names[number] in allowed)
        return [Hit(id=identity, score=-score) for score, identity in found]

    def correct(
        self,
        text: str,
        *,
        locale: str | None,
        allowed: Container[str],
        read: Callable[[str], SearchDocument],
        deadline_seconds: float = 1.0,
    ) -> str | None:
        snapshot = self._latest()
        preferred = analysis.language_of(locale) if locale else None
        languages = sorted(snapshot.languages, key=lambda language: language != preferred)
        lexicons = [Lexicon(snapshot, language, allowed) for language in languages]
        try:
            return corrections.correct(text, lexicons, read, _clock(deadline_seconds))
        except SearchUnavailable:
            raise
        except BaseException as error:
            self._fail(snapshot.name, error)
            raise

    def snippets(
        self, text: str, document: SearchDocument, *, length: int = 200, synonyms: Synonyms | None = None
    ) -> list[Snippet]:
        return make_snippets(text, document, length=length, synonyms=synonyms)

    def update(
        self, add: Iterable[SearchDocument], remove: Iterable[str], progress: Callable[[int], None] | None = None
    ) -> None:
        with self._writing():
            known = self._latest()
            removed = [identity for identity in set(remove) if identity in known.ids]
            fresh = _not_in(set(known.ids).difference(removed), add)
            done = 0
            while True:
                batch = islice(fresh, self._batch)
                first = next(batch, None)
                if first is None and not removed:
                    break
                done = self._write(chain([first] if first else [], batch), removed, done, progress)
                removed = []

    def _write(
        self,
        documents: Iterable[SearchDocument],
        removed: Iterable[str],
        done: int,
        progress: Callable[[int], None] | None,
    ) -> int:
        """One session: a commit that is durable when this returns."""
        session = index.Session(self._folder, self._latest())
        try:
            for identity in removed:
                session.remove(identity)
            for document in documents:
                session.put(document)
                done += 1
                if progress is not None and done % _REPORT_EVERY == 0:
                    progress(done)
            session.commit(self._stamp)
        except BaseException:
            session.abandon()
            raise
        if progress is not None and done % _REPORT_EVERY:
            progress(done)
        self._latest()
        return done

    def reset(self) -> None:
        with self._writing():
            if self._broken is not None:
                with contextlib.suppress(SearchUnavailable):
                    self._latest()
                    self._broken = None
                    return  # another process has begun anew meanwhile
            self._begin()
            self._broken = None
        self._latest()

    def ensure(self) -> None:
        """Make the folder hold a whole index for our stamp, empty if need be. Never raises: a later search will say."""
        try:
            self._latest()
        except SearchUnavailable as problem:
            with contextlib.suppress(OSError):
                if any(self._folder.iterdir()):
                    _log.info("the search index is begun anew: %s", problem)
            with contextlib.suppress(SearchUnavailable), self._writing():
                with contextlib.suppress(SearchUnavailable):
                    self._latest()
                    return
                self._begin()
                self._latest()

    def close(self) -> None:
        with self._load_lock:
            self._current = None

    def _begin(self) -> None:
        generations.make_private_folder(self._folder)
        index.begin(self._folder, self._stamp)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the lock of the folder; what the disk refuses becomes a sentence."""
        try:
            with self._write_lock.held():
                yield
        except OSError as error:
            raise SearchUnavailable(
                f"The search index in {self._folder} cannot be written: {error.strerror or error}. "
                "Make room or give access to the folder; nothing but the index is affected.",
                retry_after_seconds=_RETRY_SECONDS,
            ) from error

    def _fail(self, name: str, error: BaseException) -> None:
        """Refuse to answer from a snapshot that something is wrong with."""
        if not index.is_failure(error):
            raise error
        self._mark_broken(name, error)
        raise self._unavailable() from error

    def _mark_broken(self, name: str, error: BaseException) -> None:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _PASSING):
            _log.warning("the search index %s cannot be read now: %r", name, error)
            return
        _log.warning("the search index %s is damaged: %r", name, error)
        self._broken = name

    def _unavailable(self) -> SearchUnavailable:
        return SearchUnavailable(
            "The search index is missing or damaged and is being built anew. Everything else works.",
            retry_after_seconds=_RETRY_SECONDS,
        )

    def _latest(self) -> index.Snapshot:
        """The newest snapshot, read and verified when it is not the one we have."""
        for _ in range(_ATTEMPTS):
            manifest = generations.read_manifest(self._folder)
            if manifest is None or manifest.stamp != self._stamp or manifest.generation == self._broken:
                raise self._unavailable()
            current = self._current
            if current is not None and current.name == manifest.generation and self._is_untouched(current):
                return current
            with self._load_lock:
                loaded = self._load(manifest.generation)
            if loaded is not None:
                return loaded
        raise self._unavailable()

    def _is_untouched(self, snapshot: index.Snapshot) -> bool:
        # A mapped file that became shorter would end the process, so this is asked before every search.
        return all(self._verified.is_whole(name, expected) for name, expected in snapshot.sums.items())

    def _load(self, name: str) -> index.Snapshot | None:
        """The snapshot of that name; ``None`` when a newer one has taken its place meanwhile."""
        current = self._current
        if current is not None and current.name == name and self._is_untouched(current):
            return current
        try:
            loaded = index.Snapshot(self._folder, name, self._verified, current)
        except BaseException as error:
            manifest = generations.read_manifest(self._folder)
            if index.is_failure(error) and manifest is not None and manifest.generation != name:
                return None
            self._fail(name, error)
            raise
        self._current = loaded
        return loaded


def _clock(seconds: float) -> Callable[[], None]:
    """To be called often: it raises when the time is over."""
    deadline = time.monotonic() + seconds

    def check_time() -> None:
        if time.monotonic() > deadline:
            raise SearchUnavailable(
                f"The search was not done within {seconds:g} s. Try fewer or rarer words.",
                retry_after_seconds=_RETRY_SECONDS,
            )

    return check_time


def _not_in(present: set[str], documents: Iterable[SearchDocument]) -> Iterator[SearchDocument]:
    """The documents whose id is not present, each id once."""
    for document in documents:
        if document.id not in present:
            present.add(document.id)
            yield document


def open_engine(folder: Path, *, fingerprint: str, batch_documents: int = _BATCH_DOCUMENTS) -> Engine:
    """The search index in a folder, ready to use; as ``embedded.open_engine``."""
    stamp = generations.make_stamp(index.version(), _VERSION, analysis.versions(), fingerprint)
    engine = TantivyEngine(folder, stamp, batch_documents=batch_documents)
    engine.ensure()
    return engine
