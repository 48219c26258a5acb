"""The built-in engine: one folder, several processes, one writer at a time.

A search takes the newest generation there is, reads only what belongs to it, and is never half old and half new. A writer
commits in batches, each durable before it can be seen.
"""

from collections.abc import Callable, Collection, Container, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from cms.errors import SearchUnavailable
from cms.search import analysis, corrections, generations, querytext, ranking, whoosh
from cms.search.engine import Engine, Hits, Match, Reason, SearchDocument
from cms.search.folder import ATTEMPTS, BATCH_DOCUMENTS, FolderEngine, make_clock, unavailable
from cms.search.reading import Generation, Lexicon, View
from cms.search.synonyms import Synonyms, common_synonyms
from cms.search.visible import Visible

_Answer = TypeVar("_Answer")


class EmbeddedEngine(FolderEngine[Generation]):
    """``Engine`` over a folder of Whoosh segments. Make it with ``open_engine``."""

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
        check_time = make_clock(deadline_seconds)
        preferred = analysis.language_of(locale) if locale else None
        words = synonyms or common_synonyms()

        def run(view: View, generation: Generation) -> Hits:
            if node is None:
                return Hits({}, (), generation.ids)
            scores = ranking.rank(node, view, preferred=preferred, match=match, synonyms=words, check_time=check_time)
            if among is not None:
                scores = view.sight.only(scores, among)
            return Hits(scores, generation.every_id, generation.ids)

        return self._read(run, visible)

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
        check_time = make_clock(deadline_seconds)
        preferred = analysis.language_of(locale) if locale else None
        words = synonyms or common_synonyms()

        def run(view: View, generation: Generation) -> Mapping[str, Sequence[Reason]]:
            if node is None:
                return {}
            numbers = {number: name for name in ids if (number := generation.find(name)) is not None}
            told = frozenset(numbers)
            scores = ranking.rank(
                node, view, preferred=preferred, match=match, synonyms=words, check_time=check_time, told=told
            )
            return {name: ranking.reasons_of(scores[number]) for number, name in numbers.items() if number in scores}

        return self._read(run, visible)

    def correct(
        self,
        text: str,
        *,
        locale: str | None,
        visible: Visible,
        among: Container[str],
        read: Callable[[str], SearchDocument],
        deadline_seconds: float = 1.0,
    ) -> str | None:
        check_time = make_clock(deadline_seconds)
        preferred = analysis.language_of(locale) if locale else None

        def run(view: View, generation: Generation) -> str | None:  # noqa: ARG001 (as the others)
            languages = sorted(view.languages(), key=lambda language: language != preferred)
            lexicons = [Lexicon(language, view, among) for language in languages]
            return corrections.correct(text, lexicons, read, check_time)

        return self._read(run, visible)

    def close(self) -> None:
        with self._load_lock:
            if self._current is not None:
                self._current.close()
            self._current = None

    def _session(self) -> "_Session":
        return _Session(self._latest())

    def _begin_empty(self) -> None:
        name = generations.begin_generation(self._folder)
        whoosh.create(self._folder / name)
        generations.write_manifest(self._folder, generations.Manifest(generation=name, stamp=self._stamp))
        generations.delete_other_generations(self._folder, keep=name)

    def _read(self, action: Callable[[View, Generation], _Answer], visible: Visible) -> _Answer:
        """Do something with the newest generation; again with a newer one when its files went away meanwhile."""
        for attempt in range(ATTEMPTS):
            generation = self._latest()
            try:
                with generation.view(visible) as view:
                    return action(view, generation)
            except SearchUnavailable:
                raise
            except Exception as error:  # Whoosh and pickle raise anything over damaged bytes
                if attempt + 1 < ATTEMPTS and self._is_superseded(generation):
                    continue
                self._mark_broken(generation.name, error)
                raise unavailable() from error
        raise unavailable()

    def _is_superseded(self, generation: Generation) -> bool:
        manifest = generations.read_manifest(self._folder)
        if manifest is None or manifest.generation != generation.name:
            return True
        return whoosh.latest_contents(self._folder / generation.name) != generation.number

    def _latest(self) -> Generation:
        manifest = generations.read_manifest(self._folder)
        if manifest is None or manifest.stamp != self._stamp or manifest.generation == self._broken:
            raise unavailable()
        folder = self._folder / manifest.generation
        current = self._current
        if (
            current is not None
            and current.name == manifest.generation
            and whoosh.latest_contents(folder) == current.number
            and self._are_untouched(current.contents.sums)
        ):
            return current
        with self._load_lock:
            return self._load(manifest.generation, folder)

    def _load(self, name: str, folder: Path) -> Generation:
        if self._verified.folder != folder:
            self._verified = generations.Verified(folder)
        for attempt in range(ATTEMPTS):
            number = whoosh.latest_contents(folder)
            current = self._current
            if (
                current is not None
                and (current.name, current.number) == (name, number)
                and self._are_untouched(current.contents.sums)
            ):
                return current
            known = {segment.file: segment for segment in current.segments} if current and current.name == name else {}
            try:
                loaded = Generation(whoosh.Contents(folder, number, self._verified), name, number, known)
            except Exception as error:  # as in _read
                if attempt + 1 < ATTEMPTS and whoosh.latest_contents(folder) != number:
                    continue
                manifest = generations.read_manifest(self._folder)
                if manifest is not None and manifest.generation == name:
                    self._mark_broken(name, error)
                raise unavailable() from error
            self._current = loaded
            if current is not None:
                current.close()
            return loaded
        raise unavailable()


class _Session:
    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self._writer = whoosh.Writer(generation.contents.storage)

    def remove(self, identity: str) -> None:
        number = self._generation.find(identity)
        if number is not None:
            self._writer.delete_document(number)

    def put(self, document: SearchDocument) -> None:
        self._writer.put(document)

    def commit(self) -> None:
        self._writer.commit(mergetype=whoosh.merge_tiers)

    def abandon(self) -> None:
        self._writer.abandon()


def open_engine(folder: Path, *, fingerprint: str, batch_documents: int = BATCH_DOCUMENTS) -> Engine:
    """The search index in a folder, ready to use.

    Args:
        folder: made if need be; private to this user.
        fingerprint: of all that the documents depend on besides their blobs (schemas, rendering): an index made with
            another one is left aside, as is a damaged one or one made by other versions, and an empty one begun.
        batch_documents: how many documents one commit takes at most.

    Never raises for a bad index or folder; ``ids()`` is empty then, and ``search`` or ``update`` say what is wrong.
    """
    stamp = generations.make_stamp(whoosh.version(), analysis.versions(), fingerprint)
    engine = EmbeddedEngine(folder, stamp, batch_documents=batch_documents)
    engine.ensure()
    return engine
