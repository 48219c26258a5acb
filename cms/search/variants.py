"""What else a word of a query may be called in a text: synonyms, plain letters, compounds, longer words. Pure.

Each way to find it has a factor, so that the word itself comes before its synonyms, and those before compounds and words that
merely begin with it. How the forms are looked up, and what the index knows of words (``Vocabulary``), is the engine's.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal, Protocol

from cms.search.analysis import Language, has_nordic_letter
from cms.search.synonyms import Synonyms

# Fields of one language; ``_<language>`` is appended. Exact holds the words of the title unstemmed, fold the plain forms of
# all words that have some, word the words as written that are no stems.
TITLE, SUMMARY, BODY, EXTRA, EXACT, FOLD, WORD = "title", "summary", "body", "extra", "exact", "fold", "word"
TEXT_FIELDS = (TITLE, SUMMARY, BODY, EXTRA)

SYNONYM_FACTOR = 0.75
DERIVED_FACTOR = 0.45
SPELLING_FACTOR = 0.4
PART_FACTOR = 0.5
PREFIX_FACTOR = 0.25
APART_FACTOR = 0.15
_WIDER_FACTOR = 0.6  # of a compound of a synonym, or of a plain form

MIN_EXPANDED = 4
MIN_PART = 3
MAX_EXPANSIONS = 30
MAX_LOOKED_AT = 300
COMPOUNDING = frozenset({"norwegian", "danish", "swedish", "german", "dutch", "finnish", "hungarian", "estonian"})
_FEW = 3
_EXPANDED_SYNONYMS = 3
_TRIED_COMPOUNDS = 60
_MIN_TAKEN_APART = 7
_JOINTS = ("", "s", "e")
_DERIVED = ("ering", "asjon", "sjon", "ning", "ing", "else")
_MIN_ROOT = 5


How = Literal["spelling", "synonym", "beginning", "part", "derived", "together", "apart"]


class Vocabulary(Protocol):
    """The words of one language in an index."""

    def frequency(self, term: str, fields: Sequence[str]) -> int:
        """In how many documents a term is, about; 0 for none."""

    def beginning(self, letters: str, kind: str) -> Iterable[str]:
        """Terms that begin so: of the texts, or plain forms (``FOLD``); there may be some of which the frequency is 0."""

    def ending(self, letters: str, kind: str) -> Iterable[str]:
        """Terms that end so; in languages that write compounds together only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """Terms to look up in some fields: one; several that stand side by side, or (``anywhere``) not.

    Attributes:
        how: what they are to the word, for who asks why: another ``spelling``, a ``synonym``, a word of which the word is
            the ``beginning`` or a ``part``, one that it is ``derived`` from, or the word ``together`` or ``apart``.
    """

    terms: tuple[str, ...]
    fields: Sequence[str]
    factor: float
    how: How
    anywhere: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """What a longer word has of the one looked for; ``rest``: what of it must be a word, too."""

    factor: float
    how: How
    rest: slice | None = None


_BEGINS = _Candidate(factor=PREFIX_FACTOR, how="beginning")
_ENDS = _Candidate(factor=PART_FACTOR, how="part")


@dataclass(frozen=True, slots=True, kw_only=True)
class Widening:
    """Finds the variants of the words of one query in one language."""

    language: Language
    vocabulary: Vocabulary
    synonyms: Synonyms
    check_time: Callable[[], None]

    def variants(self, word: str, fields: Sequence[str], *, widely: bool) -> Iterator[Variant]:
        """Other ways to find a case-folded word in some fields; those of *widely* are for words that stand alone."""
        yield from self._spellings(word, fields)
        if not widely:
            return
        stem = self.language.stem(word)
        others = list(self._synonyms(word, fields))
        yield from others
        if word in self.language.stopwords:
            return
        yield from self._expansions(word, stem, fields)
        for other in islice((other for other in others if len(other.terms) == 1), _EXPANDED_SYNONYMS):
            for found in self._expansions(other.terms[0], other.terms[0], fields):
                yield _weaker(found)
        yield from self._derived(stem, fields)
        if fields is TEXT_FIELDS and not has_nordic_letter(word):
            yield from self._plain_expansions(word)
        if max(self.vocabulary.frequency(stem, (kind,)) for kind in fields) < _FEW:
            yield from self._taken_apart(word, fields)

    def _spellings(self, word: str, fields: Sequence[str]) -> Iterator[Variant]:
        language = self.language
        if has_nordic_letter(word):
            plain = {language.stem(language.spell_out(word))}
            if len(word) >= 6:  # a short word may become another one: får is not far
                plain |= language.folds(word)
            for form in sorted(plain - {language.stem(word)}):
                yield Variant(terms=(form,), fields=fields, factor=SPELLING_FACTOR, how="spelling")
        elif fields is TEXT_FIELDS:
            for form in sorted(language.folds(word)):
                yield Variant(terms=(form,), fields=(FOLD,), factor=1.0, how="spelling")

    def _synonyms(self, word: str, fields: Sequence[str]) -> Iterator[Variant]:
        language = self.language
        stem = language.stem(word)
        plain = () if has_nordic_letter(word) else self.synonyms.of_plain(word, language)
        for other in dict.fromkeys((*self.synonyms.of((word,), language), *plain)):
            stems = tuple(map(language.stem, other))
            yield Variant(terms=stems, fields=fields, factor=SYNONYM_FACTOR, how="synonym")
        tried = islice(self.synonyms.compounds(word, language), _TRIED_COMPOUNDS)
        for form in dict.fromkeys(map(language.stem, tried)):
            if form != stem and self.vocabulary.frequency(form, fields):
                yield Variant(terms=(form,), fields=fields, factor=SYNONYM_FACTOR, how="synonym")

    def _expansions(self, word: str, stem: str, fields: Sequence[str]) -> Iterator[Variant]:
        """Indexed words that begin with the word, or (in languages that write compounds together) end with it."""
        self.check_time()
        found: dict[str, _Candidate] = {}
        for start in _starts(word, stem):
            if len(start) >= MIN_EXPANDED:
                found.update(dict.fromkeys(self.vocabulary.beginning(start, BODY), _BEGINS))
            elif self.language.name in COMPOUNDING:
                rest = _Candidate(factor=PREFIX_FACTOR, how="beginning", rest=slice(len(start), None))
                found.update(dict.fromkeys(self.vocabulary.beginning(start, BODY), rest))
        if len(stem) >= MIN_PART:
            head = slice(0, -len(stem))
            ends = _Candidate(factor=PART_FACTOR, how="part", rest=head if len(stem) < MIN_EXPANDED else None)
            for form in self.vocabulary.ending(stem, BODY):
                if ends.rest is not None or _may_be_head(form[head]):
                    found[form] = ends
        found.pop(stem, None)
        for form in self._most_frequent(found, fields):
            yield Variant(terms=(form,), fields=fields, factor=found[form].factor, how=found[form].how)

    def _plain_expansions(self, word: str) -> Iterator[Variant]:
        """As ``_expansions``, for who types without the letters that a text has."""
        for form in sorted({*self.language.folds(word), self.language.fold(word)}):
            if len(form) >= MIN_EXPANDED:
                found = dict.fromkeys(self.vocabulary.beginning(form, FOLD), _BEGINS)
                endings = (other for other in self.vocabulary.ending(form, FOLD) if _may_be_head(other[: -len(form)]))
                found.update(dict.fromkeys(endings, _ENDS))
                found.pop(form, None)
                for other in self._most_frequent(found, (FOLD,)):
                    yield Variant(terms=(other,), fields=(FOLD,), factor=found[other].factor, how=found[other].how)

    def _most_frequent(self, found: "Mapping[str, _Candidate]", fields: Sequence[str]) -> list[str]:
        """Of the shortest forms that stand somewhere those that stand most often."""
        counts: dict[str, int] = {}
        looked_at = 0
        for form in sorted(sorted(found), key=len):
            count = self.vocabulary.frequency(form, fields)
            if not count:
                continue
            looked_at += 1
            rest = found[form].rest
            if rest is None or self._is_word(form[rest]):
                counts[form] = count
            if len(counts) == 2 * MAX_EXPANSIONS or looked_at == MAX_LOOKED_AT:
                break
        return sorted(counts, key=lambda form: (-counts[form], form))[:MAX_EXPANSIONS]

    def _derived(self, stem: str, fields: Sequence[str]) -> Iterator[Variant]:
        """What a noun of doing is made from: ``overvåke`` for ``overvåking``, ``installere`` for ``installasjon``."""
        if self.language.name != "norwegian":
            return
        for ending in _DERIVED:
            root = stem.removesuffix(ending)
            if root != stem and len(root) >= _MIN_ROOT:
                for form in (root, f"{root}ing", f"{root}ning"):
                    if form != stem and self.vocabulary.frequency(form, fields):
                        yield Variant(terms=(form,), fields=fields, factor=DERIVED_FACTOR, how="derived")

    def _taken_apart(self, word: str, fields: Sequence[str]) -> Iterator[Variant]:
        """A compound that is hardly used: its parts, side by side or (where words are compounded freely) anywhere."""
        if len(word) < _MIN_TAKEN_APART:
            return
        self.check_time()
        joints = _JOINTS if self.language.name in COMPOUNDING else ("",)
        found: list[tuple[int, int, tuple[str, str]]] = []
        for at in range(MIN_PART, len(word) - MIN_PART + 1):
            tail = self.language.stem(word[at:])
            for head in (word[: at - len(joint)] for joint in joints if word[:at].endswith(joint)):
                parts = self.language.stem(head), tail
                known = min(self.vocabulary.frequency(part, fields) for part in parts) if len(head) >= MIN_PART else 0
                if known:
                    found.append((min(map(len, parts)), known, parts))
        for _, _, parts in sorted(found, reverse=True)[:1]:
            yield Variant(terms=parts, fields=fields, factor=SYNONYM_FACTOR, how="apart")
            if self.language.name in COMPOUNDING and not any(map(self.language.is_common, parts)):
                yield Variant(terms=parts, fields=fields, factor=APART_FACTOR, how="apart", anywhere=True)

    def _is_word(self, letters: str) -> bool:
        """Whether letters, perhaps without a joint at either end, are a word that stands somewhere alone."""
        forms = {letters, letters.removesuffix("s"), letters.removesuffix("e"), letters.removeprefix("s")}
        known = (self.language.stem(form) for form in forms if len(form) >= MIN_PART)
        return any(self.vocabulary.frequency(stem, TEXT_FIELDS) for stem in known)


def _starts(word: str, stem: str) -> list[str]:
    """What a longer word may begin with: the stem, and the word itself when the stem is short or lacks a letter of it."""
    starts = {stem} if word.startswith(stem) and len(stem) >= MIN_EXPANDED else {stem, word}
    return sorted(start for start in starts if len(start) >= (MIN_PART if len(word) <= MIN_PART else MIN_EXPANDED))


def _weaker(variant: Variant) -> Variant:
    return replace(variant, factor=variant.factor * _WIDER_FACTOR)


def _may_be_head(letters: str) -> bool:
    """Whether letters may be the first part of a compound: three or more, one of them a vowel."""
    return len(letters) >= MIN_PART and letters.isalpha() and any(letter in "aeiouyæøåäöü" for letter in letters)
