"""What an index must give to be searched: postings, positions, lengths and words, of what a reader may see.

Not here: how documents are ranked with it (``ranking``), where it is kept (``whoosh``).
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cms.search.analysis import Language
from cms.search.variants import COMPOUNDING, TEXT_FIELDS

Scores = dict[int, float]
Postings = tuple[Sequence[int], Sequence[float]]


def field_name(kind: str, language: Language) -> str:
    return f"{kind}_{language.name}"


def vocabulary_name(language: str, kind: str, *, backwards: bool = False) -> str:
    """What the words of a kind (of texts, plain or as written) are called beside a segment; spelt backwards, for endings."""
    name = language if kind in TEXT_FIELDS else f"{language}-{kind}"
    return f"{name}-backwards" if backwards else name


class Part(Protocol):
    """One segment of an index. Document numbers are its own, from 0; ``base`` makes them the index's.

    Postings and frequencies are those of visible documents; a vocabulary may have words of others.
    """

    @property
    def base(self) -> int: ...
    def postings(self, field: str, term: str) -> Postings | None: ...
    def positions(self, field: str, term: str, documents: set[int]) -> Mapping[int, Sequence[int]]: ...
    def lengths(self, field: str) -> bytes: ...  # a code for each document, 0 for none; see length_of
    def frequency(self, field: str, term: str) -> int: ...
    def vocabulary(self, name: str) -> bytes: ...  # see vocabulary_name; every word between two newlines


class Source(Protocol):
    """What a reader may see of one generation of an index; it does not change."""

    @property
    def parts(self) -> Sequence[Part]: ...
    @property
    def word_cache(self) -> "WordCache": ...
    @property
    def weights(self) -> "dict[str, Sequence[float]]": ...  # kept for who ranks: see Ranker._weights
    def languages(self) -> Sequence[Language]: ...
    def document_count(self, language: Language) -> int: ...
    def average_length(self, field: str) -> float: ...
    def frequency(self, field: str, term: str) -> int: ...
    def every_document(self, language: Language) -> Iterable[int]: ...
    def length_of(self, code: int) -> float: ...


@dataclass(slots=True)
class WordCache:
    """The scores of the words asked for last, bounded by the number of scores held. Losing a race only costs time."""

    limit: int = 400_000
    _held: int = 0
    _scores: OrderedDict[tuple[str, ...], Scores] = field(default_factory=OrderedDict)

    def get(self, key: tuple[str, ...], make: Callable[[], Scores]) -> Scores:
        """The scores for a key; callers never change what they get."""
        scores = self._scores.get(key)
        if scores is None:
            scores = make()
            self._scores[key] = scores
            self._held += len(scores) + 1
            while self._held > self.limit and len(self._scores) > 1:
                try:
                    _, old = self._scores.popitem(last=False)
                except KeyError:
                    break
                self._held -= len(old) + 1
        return scores


@dataclass(frozen=True, slots=True)
class KnownWords:
    """The words of one language in an index (``variants.Vocabulary``)."""

    source: Source
    language: Language

    def frequency(self, term: str, fields: Sequence[str]) -> int:
        return sum(self.source.frequency(field_name(kind, self.language), term) for kind in fields)

    def beginning(self, letters: str, kind: str) -> Iterable[str]:
        return self._beginning(vocabulary_name(self.language.name, kind), letters)

    def ending(self, letters: str, kind: str) -> Iterable[str]:
        if self.language.name not in COMPOUNDING:
            return ()
        name = vocabulary_name(self.language.name, kind, backwards=True)
        return [word[::-1] for word in self._beginning(name, letters[::-1])]

    def _beginning(self, name: str, letters: str) -> Iterable[str]:
        lists = [words_beginning(part.vocabulary(name), letters) for part in self.source.parts]
        return lists[0] if len(lists) == 1 else set().union(*lists)


def words_beginning(vocabulary: bytes, letters: str) -> list[str]:
    """The words that begin so, out of sorted ones with a newline before and after each."""
    first = letters.encode()
    start = _place(vocabulary, first)
    stop = _place(vocabulary, first + b"\xff")  # no letter of UTF-8
    return vocabulary[start + 1 : stop].decode().split("\n") if start < stop else []


def _place(vocabulary: bytes, wanted: bytes) -> int:
    """The newline before the first word that is not before *wanted*."""
    low, high = 0, len(vocabulary) - 1
    while low < high:  # both at newlines; what is before low comes before what is wanted, what is after high does not
        middle = vocabulary.rfind(b"\n", low, (low + high) // 2 + 1)
        end = vocabulary.find(b"\n", middle + 1)
        if vocabulary[middle + 1 : end] < wanted:
            low = end
        else:
            high = middle
    return low
