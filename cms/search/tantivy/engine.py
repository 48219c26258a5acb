"""``Engine`` over tantivy: one folder, several processes, one writer at a time.

A search inside tantivy cannot be interrupted: the deadline is looked at before it, between the words, and after it. What is not
visible is never found and never named, but tantivy counts it when it weighs words: see ``docs/search.md``.
"""

from collections.abc import Callable, Collection, Container, Mapping, Sequence
from pathlib import Path

from cms.errors import SearchUnavailable
from cms.search import analysis, corrections, generations, querytext
from cms.search.engine import Engine, Hits, Match, Reason, SearchDocument
from cms.search.folder import ATTEMPTS, BATCH_DOCUMENTS, FolderEngine, make_clock, unavailable
from cms.search.synonyms import Synonyms, common_synonyms
from cms.search.tantivy import index
from cms.search.tantivy.query import Lexicon, Told, compile_query
from cms.search.visible import Visible

_VERSION = "1"  # part of the index's stamp: raise it whenever the fields of a document change


class TantivyEngine(FolderEngine[index.Snapshot]):
    """Make it with ``open_engine``."""

    def search(
        self,
        text: str,
        *,
        locale: str | None,
        visible: Visible,
        among: Visible | None = None,
        deadline_seconds: float = 1.0,
        match: Match = "all",
        synonyms: Synonyms | None = None,
    ) -> Hits:
        node = querytext.parse(text)
        snapshot = self._latest()
        if node is None:
            return Hits({}, (), snapshot.ids)
        check_time = make_clock(deadline_seconds)
        preferred = analysis.language_of(locale) if locale else None
        words = synonyms or common_synonyms()
        try:
            query = compile_query(
                node, snapshot, preferred=preferred, match=match, synonyms=words, check_time=check_time
            )
            numbered = snapshot.search(query) if query is not None else []
        except SearchUnavailable:
            raise
        except BaseException as error:
            self._fail(snapshot.name, error)
            raise
        check_time()
        names = snapshot.names
        ids = visible.ids if among is None else among.ids
        scores = {number: score for number, _, score in numbered if names[number] in ids}
        return Hits(scores, names, snapshot.ids)

    def explain(
        self,
        text: str,
        ids: Collection[str],
        *,
        locale: str | None,
        visible: Visible,
        deadline_seconds: float = 1.0,
        match: Match = "all",
        synonyms: Synonyms | None = None,
    ) -> Mapping[str, Sequence[Reason]]:
        node = querytext.parse(text)
        snapshot = self._latest()
        check_time = make_clock(deadline_seconds)
        preferred = analysis.language_of(locale) if locale else None
        words = synonyms or common_synonyms()
        told = Told()
        try:
            if node is not None:
                compile_query(
                    node, snapshot, preferred=preferred, match=match, synonyms=words, check_time=check_time, told=told
                )
            return told.reasons(snapshot, [name for name in ids if name in visible])
        except SearchUnavailable:
            raise
        except BaseException as error:
            self._fail(snapshot.name, error)
            raise

    def correct(
        self,
        text: str,
        *,
        locale: str | None,
        visible: Visible,  # noqa: ARG002 (what is visible beside *among* plays no part)
        among: Container[str],
        read: Callable[[str], SearchDocument],
        deadline_seconds: float = 1.0,
    ) -> str | None:
        snapshot = self._latest()
        preferred = analysis.language_of(locale) if locale else None
        languages = sorted(snapshot.languages, key=lambda language: language != preferred)
        lexicons = [Lexicon(snapshot, language, among) for language in languages]
        try:
            return corrections.correct(text, lexicons, read, make_clock(deadline_seconds))
        except SearchUnavailable:
            raise
        except BaseException as error:
            self._fail(snapshot.name, error)
            raise

    def close(self) -> None:
        with self._load_lock:
            self._current = None

    def _session(self) -> "_Session":
        return _Session(index.Session(self._folder, self._latest()), self._stamp)

    def _begin_empty(self) -> None:
        index.begin(self._folder, self._stamp)

    def _fail(self, name: str, error: BaseException) -> None:
        """Refuse to answer from a snapshot that something is wrong with."""
        if not index.is_failure(error):
            raise error
        self._mark_broken(name, error)
        raise unavailable() from error

    def _latest(self) -> index.Snapshot:
        for _ in range(ATTEMPTS):
            manifest = generations.read_manifest(self._folder)
            if manifest is None or manifest.stamp != self._stamp or manifest.generation == self._broken:
                raise unavailable()
            current = self._current
            if current is not None and current.name == manifest.generation and self._are_untouched(current.sums):
                return current
            with self._load_lock:
                loaded = self._load(manifest.generation)
            if loaded is not None:
                return loaded
        raise unavailable()

    def _load(self, name: str) -> index.Snapshot | None:
        """The snapshot of that name; ``None`` when a newer one has taken its place meanwhile."""
        current = self._current
        if current is not None and current.name == name and self._are_untouched(current.sums):
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


class _Session:
    def __init__(self, session: index.Session, stamp: str) -> None:
        self.remove = session.remove
        self.put = session.put
        self.abandon = session.abandon
        self._session = session
        self._stamp = stamp

    def commit(self) -> None:
        self._session.commit(self._stamp)


def open_engine(folder: Path, *, fingerprint: str, batch_documents: int = BATCH_DOCUMENTS) -> Engine:
    """The search index in a folder, ready to use; as ``embedded.open_engine``."""
    stamp = generations.make_stamp(index.version(), _VERSION, analysis.versions(), fingerprint)
    engine = TantivyEngine(folder, stamp, batch_documents=batch_documents)
    engine.ensure()
    return engine
