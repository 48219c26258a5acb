"""What all engines share that keep an index in a folder of ours: who writes, when to begin anew, what to say when it fails.

An engine takes the newest state that the manifest names, verifies it, and answers from nothing else. A damaged one is noticed
when it is opened or touched; searches then refuse (``SearchUnavailable``) until ``reset``, and never answer wrongly.
"""

import contextlib
import errno
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from cms.errors import SearchUnavailable
from cms.search import generations
from cms.search.engine import SearchDocument, Snippet
from cms.search.snippets import make_snippets
from cms.search.synonyms import Synonyms

BATCH_DOCUMENTS = 5_000
ATTEMPTS = 8
_REPORT_EVERY = 50
_RETRY_SECONDS = 5
_PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EACCES, errno.EPERM})  # says nothing of the files

_log = logging.getLogger(__name__)


class State(Protocol):
    """The index between two commits."""

    @property
    def ids(self) -> frozenset[str]: ...


class Session(Protocol):
    """What is written between two commits; the lock of the folder is held around it."""

    def remove(self, identity: str) -> None: ...
    def put(self, document: SearchDocument) -> None: ...
    def commit(self) -> None: ...  # durable when this returns
    def abandon(self) -> None: ...  # in any state


S = TypeVar("S", bound=State)


class FolderEngine(ABC, Generic[S]):
    """An ``Engine`` but for what is read and written, which is up to those who inherit."""

    def __init__(self, folder: Path, stamp: str, *, batch_documents: int = BATCH_DOCUMENTS) -> None:
        self._folder = folder
        self._stamp = stamp
        self._batch = batch_documents
        self._write_lock = generations.WriteLock(folder)
        self._load_lock = threading.RLock()
        self._current: S | None = None
        self._verified = generations.Verified(folder)
        self._broken: str | None = None  # the state that was found damaged

    @abstractmethod
    def _latest(self) -> S:
        """The newest state, read and verified when it is not the one we have.

        Raises:
            SearchUnavailable: there is none, or it is damaged.
        """

    @abstractmethod
    def _session(self) -> Session:
        """Begin to write, from the newest state."""

    @abstractmethod
    def _begin_empty(self) -> None:
        """Put an empty state in the place of all there is."""

    @property
    def is_broken(self) -> bool:
        manifest = generations.read_manifest(self._folder)
        return manifest is None or manifest.stamp != self._stamp or manifest.generation == self._broken

    def ids(self) -> frozenset[str]:
        try:
            return self._latest().ids
        except SearchUnavailable:
            return frozenset()

    def snippets(
        self, text: str, document: SearchDocument, *, length: int = 200, synonyms: Synonyms | None = None
    ) -> list[Snippet]:
        return make_snippets(text, document, length=length, synonyms=synonyms)

    def update(
        self, add: Iterable[SearchDocument], remove: Iterable[str], progress: Callable[[int], None] | None = None
    ) -> None:
        with self._writing():
            known = self._latest().ids
            removed = known.intersection(remove)
            fresh = _not_in(set(known - removed), add)
            done = 0
            while True:
                batch = islice(fresh, self._batch)
                first = next(batch, None)
                if first is None and not removed:
                    break
                done = self._write(chain([first] if first else [], batch), removed, done, progress)
                removed = frozenset()
                self._latest()

    def _write(
        self,
        documents: Iterable[SearchDocument],
        removed: Iterable[str],
        done: int,
        progress: Callable[[int], None] | None,
    ) -> int:
        session = self._session()
        try:
            for identity in removed:
                session.remove(identity)
            for document in documents:
                session.put(document)
                done += 1
                if progress is not None and done % _REPORT_EVERY == 0:
                    progress(done)
            session.commit()
        except BaseException:
            session.abandon()
            raise
        if progress is not None and done % _REPORT_EVERY:
            progress(done)
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
            # Nothing there yet is how every index begins; only what was there and is no good deserves a word.
            with contextlib.suppress(OSError):
                if any(self._folder.iterdir()):
                    _log.info("the search index is begun anew: %s", problem)
            with contextlib.suppress(SearchUnavailable), self._writing():
                with contextlib.suppress(SearchUnavailable):
                    self._latest()
                    return
                self._begin()
                self._latest()

    def _begin(self) -> None:
        generations.make_private_folder(self._folder)
        self._begin_empty()

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

    def _mark_broken(self, name: str, error: BaseException) -> None:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _PASSING):
            _log.warning("the search index %s cannot be read now: %r", name, error)
            return
        _log.warning("the search index %s is damaged: %r", name, error)
        self._broken = name

    def _are_untouched(self, sums: generations.Sums) -> bool:
        # A mapped file that became shorter would end the process, so this is asked before every search.
        return all(self._verified.is_whole(name, expected) for name, expected in sums.items())


def unavailable() -> SearchUnavailable:
    return SearchUnavailable(
        "The search index is missing or damaged and is being built anew. Everything else works.",
        retry_after_seconds=_RETRY_SECONDS,
    )


def make_clock(seconds: float) -> Callable[[], None]:
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
