"""The built-in engine: one folder, several processes, one writer at a time.

A search takes the newest generation there is, reads only what belongs to it, and is never half old and half new. A writer
commits in batches, each durable before it can be seen. A damaged index is noticed when it is opened or touched: searches
then refuse (``SearchUnavailable``) until ``reset``, and never answer wrongly.
"""

import contextlib
import errno
import logging
import threading
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

from cms.errors import SearchUnavailable
from cms.search import analysis, corrections, generations, querytext, ranking, whoosh
from cms.search.engine import Engine, Hit, Match, SearchDocument, Snippet
from cms.search.snippets import make_snippets
from cms.search.synonyms import Synonyms, common_synonyms
from cms.search.variants import WORD

_BATCH_DOCUMENTS = 5_000
_REPORT_EVERY = 50
_ATTEMPTS = 8
_RETRY_SECONDS = 5
_PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EACCES, errno.EPERM})  # says nothing of the files

_Answer = TypeVar("_Answer")

_log = logging.getLogger(__name__)


class Generation:
    """The index between two commits. Shared by all threads; only its readers are handed out one by one."""

    def __init__(self, contents: whoosh.Contents, name: str, number: int, known: Mapping[str, whoosh.Segment]) -> None:
        self.name = name
        self.number = number
        self.contents = contents
        self.word_cache = ranking.WordCache()
        self._idle: list[list[whoosh.Reader]] = []
        self._closed = False
        readers = contents.open()
        self._idle.append(readers)
        try:
            self.segments = [
                known.get(file) or whoosh.Segment(reader, file, contents.folder)
                for file, reader in zip(contents.files, readers, strict=True)
            ]
        except BaseException:
            self.close()
            raise
        self.deleted = contents.deleted()
        self.bases = [sum(segment.count for segment in self.segments[:n]) for n in range(len(self.segments))]

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The document number of every id that is not deleted."""
        return {
            identity: base + n
            for segment, base, deleted in zip(self.segments, self.bases, self.deleted, strict=True)
            for n, identity in enumerate(segment.ids)
            if n not in deleted
        }

    @cached_property
    def ids(self) -> frozenset[str]:
        return frozenset(self.numbers)

    @cached_property
    def every_id(self) -> list[str | None]:
        """The id of every document number; ``None`` where it is deleted."""
        found: list[str | None] = [identity for segment in self.segments for identity in segment.ids]
        for base, deleted in zip(self.bases, self.deleted, strict=True):
            for n in deleted:
                found[base + n] = None
        return found

    @cached_property
    def languages(self) -> dict[analysis.Language, int]:
        """The languages there are, with the number of documents in each."""
        counts: dict[str, int] = {}
        for name in chain.from_iterable(segment.languages for segment in self.segments):
            counts[name] = counts.get(name, 0) + 1
        return {analysis.language(name): counts[name] for name in sorted(counts)}

    @contextlib.contextmanager
    def view(self) -> Iterator["View"]:
        """A view with readers that no other thread has."""
        readers = self._idle.pop() if self._idle else self.contents.open()
        try:
            yield View(self, readers)
        except BaseException:
            whoosh.close(readers)
            raise
        if self._closed:
            whoosh.close(readers)
        else:
            self._idle.append(readers)

    def close(self) -> None:
        self._closed = True
        while self._idle:
            whoosh.close(self._idle.pop())


@dataclass(frozen=True, slots=True)
class _Part:
    segment: whoosh.Segment
    reader: whoosh.Reader
    base: int

    def postings(self, field: str, term: str) -> ranking.Postings | None:
        return self.segment.postings(self.reader, field, term)

    def positions(self, field: str, term: str, documents: set[int]) -> Mapping[int, Sequence[int]]:
        return self.segment.positions(self.reader, field, term, documents)

    def lengths(self, field: str) -> bytes:
        return self.segment.lengths(self.reader, field)

    def frequency(self, field: str, term: str) -> int:
        return self.reader.frequency_of(field, term)

    def vocabulary(self, name: str) -> bytes:
        return self.segment.vocabulary(name)


class View:
    """A generation as one search sees it (``ranking.Source``)."""

    def __init__(self, generation: Generation, readers: Sequence[whoosh.Reader]) -> None:
        self._generation = generation
        self.word_cache = generation.word_cache
        self.parts: list[ranking.Part] = [
            _Part(segment, reader, base)
            for segment, reader, base in zip(generation.segments, readers, generation.bases, strict=True)
        ]

    def languages(self) -> Sequence[analysis.Language]:
        return list(self._generation.languages)

    def document_count(self, language: analysis.Language) -> int:
        return self._generation.languages[language]

    def average_length(self, field: str) -> float:
        count = sum(len(lengths) - lengths.count(0) for lengths in (part.lengths(field) for part in self.parts))
        return self._generation.contents.field_total(field) / max(1, count)

    def every_document(self, language: analysis.Language) -> Iterable[int]:
        names = chain.from_iterable(segment.languages for segment in self._generation.segments)
        return (number for number, name in enumerate(names) if name == language.name)

    def length_of(self, code: int) -> float:
        return whoosh.LENGTHS[code]


@dataclass(frozen=True, slots=True)
class _Lexicon:
    """What a reader may know of the words of one language (``corrections.Lexicon``)."""

    language: analysis.Language
    view: View
    generation: Generation
    allowed: Container[str]

    @property
    def vocabulary(self) -> ranking.KnownWords:
        return ranking.KnownWords(self.view, self.language)

    def written(self, letter: str) -> Iterator[str]:
        name = ranking.vocabulary_name(self.language.name, WORD)
        for part in self.view.parts:
            yield from ranking.words_beginning(part.vocabulary(name), letter)

    def holders(self, term: str, fields: Sequence[str]) -> list[str]:
        ids = self.generation.every_id
        found: dict[str, None] = {}
        for part in self.view.parts:
            for kind in fields:
                postings = part.postings(ranking.field_name(kind, self.language), term)
                for number in postings[0] if postings is not None else ():
                    identity = ids[part.base + number]
                    if identity is not None and identity in self.allowed:
                        found[identity] = None
                        if len(found) == corrections.COUNTED:
                            return list(found)
        return list(found)


def _first(languages: Sequence[analysis.Language], preferred: analysis.Language | None) -> list[analysis.Language]:
    return sorted(languages, key=lambda language: language != preferred)


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


class EmbeddedEngine:
    """``Engine`` over a folder of Whoosh segments. Make it with ``open_engine``."""

    def __init__(self, folder: Path, stamp: str, *, batch_documents: int = _BATCH_DOCUMENTS) -> None:
        self._folder = folder
        self._stamp = stamp
        self._batch = batch_documents
        self._write_lock = generations.WriteLock(folder)
        self._load_lock = threading.RLock()
        self._current: Generation | None = None
        self._verified = generations.Verified(folder)
        self._broken: str | None = None  # the generation that was found damaged

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
        if node is None:
            self._latest()
            return []
        check_time = _clock(deadline_seconds)
        preferred = analysis.language_of(locale) if locale else None
        words = synonyms or common_synonyms()

        def run(view: View, generation: Generation) -> list[Hit]:
            scores = ranking.rank(node, view, preferred=preferred, match=match, synonyms=words, check_time=check_time)
            ids = generation.every_id
            found = [
                (-score, identity)
                for number, score in scores.items()
                if (identity := ids[number]) is not None and identity in allowed
            ]
            found.sort()
            return [Hit(id=identity, score=-score) for score, identity in found]

        return self._read(run)

    def correct(
        self,
        text: str,
        *,
        locale: str | None,
        allowed: Container[str],
        read: Callable[[str], SearchDocument],
        deadline_seconds: float = 1.0,
    ) -> str | None:
        check_time = _clock(deadline_seconds)

        def run(view: View, generation: Generation) -> str | None:
            languages = _first(view.languages(), analysis.language_of(locale) if locale else None)
            lexicons = [_Lexicon(language, view, generation, allowed) for language in languages]
            return corrections.correct(text, lexicons, read, check_time)

        return self._read(run)

    def snippets(
        self, text: str, document: SearchDocument, *, length: int = 200, synonyms: Synonyms | None = None
    ) -> list[Snippet]:
        return make_snippets(text, document, length=length, synonyms=synonyms)

    def update(
        self, add: Iterable[SearchDocument], remove: Iterable[str], progress: Callable[[int], None] | None = None
    ) -> None:
        with self._writing():
            known = self._latest()
            removed = {identity: known.numbers[identity] for identity in remove if identity in known.numbers}
            present = set(known.ids) - removed.keys()
            fresh = _not_in(present, add)
            done = 0
            while True:
                batch = islice(fresh, self._batch)
                first = next(batch, None)
                if first is None and not removed:
                    break
                done = self._write(chain([first] if first else [], batch), removed.values(), done, progress)
                removed = {}
                self._latest()

    def _write(
        self,
        documents: Iterable[SearchDocument],
        removed: Iterable[int],
        done: int,
        progress: Callable[[int], None] | None,
    ) -> int:
        """One session: a commit that is durable when this returns."""
        generation = self._latest()
        writer = whoosh.Writer(generation.contents.storage)
        try:
            for number in removed:
                writer.delete_document(number)
            for document in documents:
                writer.put(document)
                done += 1
                if progress is not None and done % _REPORT_EVERY == 0:
                    progress(done)
            writer.commit(mergetype=whoosh.merge_tiers)
        except BaseException:
            writer.abandon()
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

    def close(self) -> None:
        with self._load_lock:
            if self._current is not None:
                self._current.close()
            self._current = None

    def _begin(self) -> None:
        generations.make_private_folder(self._folder)
        name = generations.begin_generation(self._folder)
        whoosh.create(self._folder / name)
        generations.write_manifest(self._folder, generations.Manifest(generation=name, stamp=self._stamp))
        generations.delete_other_generations(self._folder, keep=name)

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

    def _read(self, action: Callable[["View", Generation], _Answer]) -> _Answer:
        """Do something with the newest generation; again with a newer one when its files went away meanwhile."""
        for attempt in range(_ATTEMPTS):
            generation = self._latest()
            try:
                with generation.view() as view:
                    return action(view, generation)
            except SearchUnavailable:
                raise
            except Exception as error:  # Whoosh and pickle raise anything over damaged bytes
                if attempt + 1 < _ATTEMPTS and self._is_superseded(generation):
                    continue
                self._mark_broken(generation.name, error)
                raise self._unavailable() from error
        raise self._unavailable()

    def _is_superseded(self, generation: Generation) -> bool:
        manifest = generations.read_manifest(self._folder)
        if manifest is None or manifest.generation != generation.name:
            return True
        return whoosh.latest_contents(self._folder / generation.name) != generation.number

    def _mark_broken(self, name: str, error: Exception) -> None:
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

    def _latest(self) -> Generation:
        """The newest generation, read and verified when it is not the one we have."""
        manifest = generations.read_manifest(self._folder)
        if manifest is None or manifest.stamp != self._stamp or manifest.generation == self._broken:
            raise self._unavailable()
        folder = self._folder / manifest.generation
        current = self._current
        if (
            current is not None
            and current.name == manifest.generation
            and whoosh.latest_contents(folder) == current.number
            and self._is_untouched(current)
        ):
            return current
        with self._load_lock:
            return self._load(manifest.generation, folder)

    def _is_untouched(self, generation: Generation) -> bool:
        # A mapped file that became shorter would end the process, so this is asked before every search.
        sums = generation.contents.sums
        return all(self._verified.is_whole(name, expected) for name, expected in sums.items())

    def _load(self, name: str, folder: Path) -> Generation:
        if self._verified.folder != folder:
            self._verified = generations.Verified(folder)
        for attempt in range(_ATTEMPTS):
            number = whoosh.latest_contents(folder)
            current = self._current
            if current is not None and (current.name, current.number) == (name, number) and self._is_untouched(current):
                return current
            known = {segment.file: segment for segment in current.segments} if current and current.name == name else {}
            try:
                loaded = Generation(whoosh.Contents(folder, number, self._verified), name, number, known)
            except Exception as error:  # as in _read
                if attempt + 1 < _ATTEMPTS and whoosh.latest_contents(folder) != number:
                    continue
                manifest = generations.read_manifest(self._folder)
                if manifest is not None and manifest.generation == name:
                    self._mark_broken(name, error)
                raise self._unavailable() from error
            self._current = loaded
            if current is not None:
                current.close()
            return loaded
        raise self._unavailable()


def _not_in(present: set[str], documents: Iterable[SearchDocument]) -> Iterator[SearchDocument]:
    """The documents whose id is not present, each id once."""
    for document in documents:
        if document.id not in present:
            present.add(document.id)
            yield document


def open_engine(folder: Path, *, fingerprint: str, batch_documents: int = _BATCH_DOCUMENTS) -> Engine:
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
