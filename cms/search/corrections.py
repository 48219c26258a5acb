"""Another spelling for words of a query that stand nowhere. Pure.

A word is corrected when no document that the reader may find has it, and only to a word that is read in the text of such a
document: what is not published is neither known nor proposed. The first letter stands, whole letters may be missing, wrong, too many or have
changed places: one, in longer words two.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol

from cms.search import querytext
from cms.search.analysis import PART_PATTERN, Language, normalise
from cms.search.engine import SearchDocument
from cms.search.variants import BODY, FOLD, MIN_PART, TEXT_FIELDS, Vocabulary

_MIN_LETTERS = 4
_TWO_FROM_LETTERS = 8
_MISTAKEN_FROM_LETTERS = 12
_MOST_CORRECTED = 3
_MOST_READ = 20
_MOST_ASKED = 12
_PAUSE = 500
COUNTED = 5  # documents that must have a word, for one document to be thought to have it wrong
Read = Callable[[str], SearchDocument]

_LIKE_FIRST = {"a": "aåæ", "o": "oø", "å": "åa", "ø": "øo", "æ": "æa"}


class Lexicon(Protocol):
    """The words of one language in an index, as a reader may know them."""

    @property
    def language(self) -> Language: ...
    @property
    def vocabulary(self) -> Vocabulary: ...
    def holders(self, term: str, fields: Sequence[str]) -> Sequence[str]:
        """All documents with a term that the reader may find, in an order that depends on nothing else."""

    def written(self, letter: str) -> Iterable[str]:
        """All words as written that begin with a letter, of hidden documents too."""


def correct(text: str, lexicons: Sequence[Lexicon], read: Read, check_time: Callable[[], None]) -> str | None:
    """The query with other words for those that are not found; ``None`` when none was changed."""
    text = normalise(text)
    asked = {
        part
        for words in querytext.positive_words(querytext.parse(text))
        for chunk in words.chunks
        for part in chunk.parts
        if len(part) >= _MIN_LETTERS and part.isalpha()
    }
    changes: dict[str, str] = {}
    for part in sorted(asked):
        check_time()
        if len(changes) == _MOST_CORRECTED or any(part in lexicon.language.stopwords for lexicon in lexicons):
            continue
        found = max((_found(part, lexicon) for lexicon in lexicons), default=0)
        # A writer may have made the same mistake, once; but a short word is hardly ever one.
        if found <= (len(part) >= _MISTAKEN_FROM_LETTERS) and not any(_is_part(part, lexicon) for lexicon in lexicons):
            other = _similar(part, lexicons, read, check_time, least=COUNTED if found else 1)
            if other is not None:
                changes[part] = other
    if not changes:
        return None
    return PART_PATTERN.sub(lambda match: _as_typed(match.group(), changes), text)


def _found(word: str, lexicon: Lexicon) -> int:
    folds = (len(lexicon.holders(form, (FOLD,))) for form in lexicon.language.folds(word))
    return max(len(lexicon.holders(lexicon.language.stem(word), TEXT_FIELDS)), *folds)


def _is_part(word: str, lexicon: Lexicon) -> bool:
    """Whether a word that does not stand alone is the beginning or the end of compounds."""
    stem = lexicon.language.stem(word)
    longer = (
        form
        for form in sorted({*lexicon.vocabulary.beginning(word, BODY), *lexicon.vocabulary.ending(stem, BODY)})
        if len(form) >= len(word) + MIN_PART
    )
    known = (form for form in longer if lexicon.vocabulary.frequency(form, TEXT_FIELDS))
    return any(lexicon.holders(form, TEXT_FIELDS) for form in islice(known, _MOST_ASKED))


def _as_typed(word: str, changes: dict[str, str]) -> str:
    other = changes.get(word.casefold())
    if other is None:
        return word
    return other.capitalize() if word[0].isupper() and not word.isupper() else other


def _similar(
    word: str, lexicons: Sequence[Lexicon], read: Read, check_time: Callable[[], None], *, least: int
) -> str | None:
    candidates = [
        (distance, number, -lexicon.vocabulary.frequency(lexicon.language.stem(other), TEXT_FIELDS), other)
        for number, lexicon in enumerate(lexicons)
        for other, distance in _nearest(word, lexicon, check_time)
    ]
    written: dict[str, frozenset[str]] = {}
    for _, number, _, other in sorted(candidates):
        check_time()
        holders = lexicons[number].holders(lexicons[number].language.stem(other), TEXT_FIELDS)
        # That the index knows the word says nothing: it may be from a text that is hidden.
        if len(holders) >= least and any(other in _words_of(id, read, written) for id in holders[:_MOST_READ]):
            return other
    return None


def _words_of(id: str, read: Read, known: dict[str, frozenset[str]]) -> frozenset[str]:
    words = known.get(id)
    if words is None:
        document = read(id)
        texts = (document.title, document.summary, document.body, *(text for text, _ in document.fields.values()))
        found = {form for text in texts for form in PART_PATTERN.findall(normalise(text).casefold())}
        words = known[id] = frozenset(found)
    return words


def _nearest(word: str, lexicon: Lexicon, check_time: Callable[[], None]) -> Iterator[tuple[str, float]]:
    limit = 2 if len(word) >= _TWO_FROM_LETTERS else 1
    fold = lexicon.language.fold
    plain, letters = fold(word), set(fold(word))
    compared = 0
    for first in _LIKE_FIRST.get(word[0], word[0]):
        for other in lexicon.written(first):
            if abs(len(other) - len(word)) > limit:
                continue
            compared += 1
            if compared % _PAUSE == 0:
                check_time()
            plain_other = fold(other)
            if len(letters.symmetric_difference(plain_other)) <= 2 * limit:
                distance = osa_distance(plain, plain_other, limit)
                if distance <= limit and other != word:
                    yield other, distance + (0.5 if first != word[0] else 0.0)


def osa_distance(one: str, other: str, limit: int) -> int:
    """Letters to leave out, put in, change or swap with the next one (optimal string alignment); ``limit + 1`` for more."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for n, letter in enumerate(one, 1):
        last, before, row = before, row, [n]
        for m, match in enumerate(other, 1):
            cost = min(before[m] + 1, row[m - 1] + 1, before[m - 1] + (letter != match))
            if n > 1 and m > 1 and letter == other[m - 2] and one[n - 2] == match:
                cost = min(cost, last[m - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
    return min(row[-1], limit + 1)
