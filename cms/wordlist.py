"""The words of many entries, sorted so that the beginning of one leads to all that begin so, and from there to the entries.

Not here: which of them may be shown (``suggest``).
"""

import heapq
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from cms.entry import Entry
from cms.spelling import forms_of, key_of

LAST = "\U0010ffff"
SHORT = 3  # beginnings of which the best are kept: a tenth of all words may begin so
MEMO_LIMIT = 3_000
KEPT = 100
SCANNED = 2_000
TITLE_LIMIT = 200
Texts = tuple[Entry, str, Sequence[str]]


class WordList:
    """Entries, the best first, by the words of their titles and of further short texts. Immutable."""

    def __init__(self, items: Iterable[Texts]) -> None:
        """Each of *items* is an entry, its title, and further texts; the best entry comes first."""
        self.entries: list[Entry] = []
        #: The title of each entry in every form: a form begins behind a line feed and a space, a word behind a space.
        self.titles: list[str] = []
        self._postings: dict[str, array[int]] = {}
        starts: list[tuple[str, int]] = []
        for number, (entry, title, texts) in enumerate(items):
            key = key_of(title[:TITLE_LIMIT])
            forms = forms_of(key) if key else ()
            starts += [(form, number) for form in forms]
            self.entries.append(entry)
            self.titles.append("".join([f"\n {form} " for form in forms]))
            for word in {*key.split(), *(word for text in texts for word in key_of(text).split())}:
                known = self._postings.get(word)
                if known is None:
                    self._postings[word] = array("I", (number,))
                else:
                    known.append(number)
        starts.sort()
        self._starts = [form for form, _ in starts]
        self._start_numbers = array("I", [number for _, number in starts])
        pairs = sorted((form, word) for word in self._postings for form in forms_of(word))
        self._forms = [form for form, _ in pairs]
        self._words = [word for _, word in pairs]
        self._places: dict[str, int] | None = None
        self._kept_words: dict[str, list[str]] = {}
        self._kept_starts: dict[str, list[int]] = {}
        self._kept_entries: dict[str, list[int]] = {}

    def warm(self) -> None:
        """Look up every single letter once: what the first key that a reader presses asks for."""
        for letter in {form[0] for form in self._forms}:
            self.words(letter), self.starting(letter), self.containing(letter)

    def place_of(self, entry: Entry) -> int | None:
        """The number of *entry* itself, not of another one at its path."""
        if self._places is None:
            self._places = {known.path: number for number, known in enumerate(self.entries)}
        number = self._places.get(entry.path)
        return number if number is not None and self.entries[number] is entry else None

    def postings(self, word: str) -> Sequence[int]:
        """The entries that have *word*, best first."""
        return self._postings.get(word, ())

    def words(self, beginning: str) -> Sequence[str]:
        """The words one form of which begins so, the most frequent first; for short beginnings only so many."""
        kept = self._kept_words.get(beginning)
        if kept is None:
            words = set(self._words[slice(*_range(self._forms, beginning))])
            kept = heapq.nsmallest(KEPT, words, key=lambda word: (-len(self._postings[word]), word))
            if len(beginning) <= SHORT and len(self._kept_words) < MEMO_LIMIT:
                self._kept_words[beginning] = kept
        return kept

    def starting(self, beginning: str) -> Sequence[int]:
        """The entries whose title begins so, best first."""
        kept = self._kept_starts.get(beginning)
        if kept is None:
            numbers = self._start_numbers[slice(*_range(self._starts, beginning))]
            kept = heapq.nsmallest(KEPT, numbers)
            if len(beginning) <= SHORT and len(self._kept_starts) < MEMO_LIMIT:
                self._kept_starts[beginning] = kept
        return kept

    def containing(self, beginning: str) -> Sequence[int]:
        """The entries whose title has a word that begins so, best first."""
        kept = self._kept_entries.get(beginning)
        if kept is None:
            kept = list(islice(self._containing(beginning), KEPT))
            if len(beginning) <= SHORT and len(self._kept_entries) < MEMO_LIMIT:
                self._kept_entries[beginning] = kept
        return kept

    def _containing(self, beginning: str) -> Iterator[int]:
        words = set(self._words[slice(*_range(self._forms, beginning))])
        last, inside = -1, f" {beginning}"
        for number in heapq.merge(*[self._postings[word] for word in words]):
            if number != last and inside in self.titles[number]:
                last = number
                yield number

    def having(self, forms: Sequence[str], beginning: str) -> Sequence[int]:
        """The entries whose title has a word for each of *forms* and one more that begins as *beginning*, best first."""
        last, parts = f" {beginning}", [f" {form} " for form in forms]
        rarest = min((self._with(form) for form in forms), key=lambda lists: sum(map(len, lists)))
        numbers = islice(heapq.merge(*rarest) if len(rarest) > 1 else rarest[0] if rarest else (), SCANNED)
        fitting = [number for number in dict.fromkeys(numbers) if last in self.titles[number]]
        return [number for number in fitting if all(part in self.titles[number] for part in parts)]

    def _with(self, form: str) -> "list[array[int]]":
        """The entries of each word that has *form*."""
        low, high = bisect_left(self._forms, form), bisect_left(self._forms, form + "\0")
        return [self._postings[word] for word in dict.fromkeys(self._words[low:high])]


def _range(sorted_texts: Sequence[str], beginning: str) -> tuple[int, int]:
    return bisect_left(sorted_texts, beginning), bisect_left(sorted_texts, beginning + LAST)
