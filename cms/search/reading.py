"""The built-in index as searches read it: a generation, what a reader sees of it, and that with readers of its own.

Between two commits nothing changes, so a ``Generation`` is shared by all threads, and so is a ``Sight``: what is counted over
the texts that a reader may see. Only the readers of Whoosh are handed out one by one.
"""

import contextlib
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, compress
from weakref import WeakKeyDictionary

from cms.search import analysis, source, whoosh
from cms.search.variants import WORD
from cms.search.visible import Visible


class Generation:
    """The index between two commits."""

    def __init__(self, contents: whoosh.Contents, name: str, number: int, known: Mapping[str, whoosh.Segment]) -> None:
        self.name = name
        self.number = number
        self.contents = contents
        self._idle: list[list[whoosh.Reader]] = []
        self._closed = False
        self._sights: WeakKeyDictionary[Visible, Sight] = WeakKeyDictionary()
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
    def ids(self) -> frozenset[str]:
        names = frozenset(self.every_id)
        return names - {None} if None in names else names  # type: ignore[return-value]

    @cached_property
    def every_id(self) -> list[str | None]:
        """The id of every document number; ``None`` where it is deleted."""
        found: list[str | None] = [*chain.from_iterable(segment.names for segment in self.segments)]
        for base, deleted in zip(self.bases, self.deleted, strict=True):
            for n in deleted:
                found[base + n] = None
        return found

    def find(self, name: str) -> int | None:
        """The number of a document that is not deleted."""
        for segment, base, deleted in zip(self.segments, self.bases, self.deleted, strict=True):
            number = segment.numbers.get(name)
            if number is not None and number not in deleted:
                return base + number
        return None

    def sight(self, visible: Visible) -> "Sight":
        """What is counted over *visible*; kept as long as both are."""
        sight = self._sights.get(visible)
        if sight is None:
            sight = self._sights[visible] = Sight(self, visible)
        return sight

    @contextlib.contextmanager
    def view(self, visible: Visible) -> Iterator["View"]:
        """A view with readers that no other thread has."""
        sight = self.sight(visible)
        readers = self._idle.pop() if self._idle else self.contents.open()
        try:
            yield View(sight, readers)
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


class Sight:
    """What of a generation one kind of readers may see, and what has been counted of it. Losing a race only costs time."""

    def __init__(self, generation: Generation, visible: Visible) -> None:
        self.segments = generation.segments
        self.bases = generation.bases
        self._deleted = generation.deleted
        self.every_id = generation.every_id
        self.masks = [self._mask(number, visible) for number in range(len(self.segments))]
        self.is_all = [0 not in mask for mask in self.masks]
        self.word_cache = source.WordCache()
        self.weights: dict[str, Sequence[float]] = {}
        self.frequencies: dict[tuple[str, str], int] = {}
        self._averages: dict[str, float] = {}
        self._among: WeakKeyDictionary[Visible, bytes] = WeakKeyDictionary()

    def _mask(self, place: int, visible: Visible) -> bytes:
        mask = visible.mask(self.segments[place])
        deleted = self._deleted[place]
        if not deleted:
            return mask
        without = bytearray(mask)
        for number in deleted:
            without[number] = 0
        return bytes(without)

    @cached_property
    def languages(self) -> dict[analysis.Language, int]:
        """The languages there are, with the number of documents in each."""
        counts: Counter[str] = Counter()
        for segment, mask, is_all in zip(self.segments, self.masks, self.is_all, strict=True):
            counts.update(segment.language_counts if is_all else Counter(compress(segment.languages, mask)))
        return {analysis.language(name): count for name, count in sorted(counts.items()) if count}

    def average_length(self, field: str, readers: Sequence[whoosh.Reader]) -> float:
        average = self._averages.get(field)
        if average is None:
            words = documents = 0
            for segment, reader, mask, is_all in zip(self.segments, readers, self.masks, self.is_all, strict=True):
                lengths = segment.lengths(reader, field)
                more_words, more_documents = segment.total_length(reader, field)
                if not is_all:
                    # What is hidden is counted, which is mostly little, and taken off.
                    hidden = Counter(compress(lengths, mask.translate(_SWAPPED)))
                    more_words -= sum(whoosh.LENGTHS[code] * count for code, count in hidden.items())
                    more_documents -= hidden.total() - hidden[0]
                words += more_words
                documents += more_documents
            average = self._averages[field] = words / max(1, documents)
        return average

    def only(self, scores: source.Scores, among: Visible) -> source.Scores:
        """The scores of those that are in *among*."""
        mask = self._among.get(among)
        if mask is None:
            mask = self._among[among] = b"".join(self._mask(n, among) for n in range(len(self.segments)))
        if len(mask) == mask.count(1):
            return scores
        return {number: score for number, score in scores.items() if mask[number]}


_SWAPPED = bytes([1, 0, *range(2, 256)])


@dataclass(frozen=True, slots=True)
class _Part:
    segment: whoosh.Segment
    reader: whoosh.Reader
    base: int
    mask: bytes
    is_all: bool

    def postings(self, field: str, term: str) -> source.Postings | None:
        found = self.segment.postings(self.reader, field, term)
        if found is None or self.is_all:
            return found
        numbers, weights = found
        shown = bytes(map(self.mask.__getitem__, numbers))
        if 0 not in shown:
            return found
        return (list(compress(numbers, shown)), list(compress(weights, shown))) if 1 in shown else None

    def positions(self, field: str, term: str, documents: set[int]) -> Mapping[int, Sequence[int]]:
        return self.segment.positions(self.reader, field, term, documents)

    def lengths(self, field: str) -> bytes:
        return self.segment.lengths(self.reader, field)

    def frequency(self, field: str, term: str) -> int:
        if self.is_all:
            return self.reader.frequency_of(field, term)
        found = self.postings(field, term)
        return len(found[0]) if found is not None else 0

    def vocabulary(self, name: str) -> bytes:
        return self.segment.vocabulary(name)


class View:
    """A sight as one search has it (``source.Source``)."""

    def __init__(self, sight: Sight, readers: Sequence[whoosh.Reader]) -> None:
        self.sight = sight
        self.word_cache = sight.word_cache
        self.weights = sight.weights
        self._readers = readers
        self.parts: list[source.Part] = [
            _Part(*each) for each in zip(sight.segments, readers, sight.bases, sight.masks, sight.is_all, strict=True)
        ]

    def languages(self) -> Sequence[analysis.Language]:
        return list(self.sight.languages)

    def document_count(self, language: analysis.Language) -> int:
        return self.sight.languages[language]

    def average_length(self, field: str) -> float:
        return self.sight.average_length(field, self._readers)

    def frequency(self, field: str, term: str) -> int:
        known = self.sight.frequencies
        found = known.get((field, term))
        if found is None:
            if len(known) >= _FREQUENCIES_MOST:
                known.clear()
            found = known[field, term] = sum(part.frequency(field, term) for part in self.parts)
        return found

    def every_document(self, language: analysis.Language) -> Iterable[int]:
        names = chain.from_iterable(segment.languages for segment in self.sight.segments)
        shown = chain.from_iterable(self.sight.masks)
        return (
            n for n, (name, is_shown) in enumerate(zip(names, shown, strict=True)) if is_shown and name == language.name
        )

    def length_of(self, code: int) -> float:
        return whoosh.LENGTHS[code]


_FREQUENCIES_MOST = 50_000


@dataclass(frozen=True, slots=True)
class Lexicon:
    """What a reader may know of the words of one language (``corrections.Lexicon``)."""

    language: analysis.Language
    view: View
    among: Container[str]

    @property
    def vocabulary(self) -> source.KnownWords:
        return source.KnownWords(self.view, self.language)

    def written(self, letter: str) -> Iterable[str]:
        name = source.vocabulary_name(self.language.name, WORD)
        return {word for part in self.view.parts for word in source.words_beginning(part.vocabulary(name), letter)}

    def holders(self, term: str, fields: Sequence[str]) -> list[str]:
        ids = self.view.sight.every_id
        found = {
            name
            for part in self.view.parts
            for kind in fields
            if (postings := part.postings(source.field_name(kind, self.language), term)) is not None
            for number in postings[0]
            if (name := ids[part.base + number]) is not None and name in self.among
        }
        return sorted(found)
