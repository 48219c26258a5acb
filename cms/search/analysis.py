"""From text to the words that are indexed and looked up: tokens, stems, folded forms.

One chain for documents, queries and snippets, so that they cannot disagree. Words of a document are analysed in the
language of the document: the one its locale names, unless the text is plainly in another one that we know well.

A *chunk* is what a reader sees as one word (``SSO-sesjon``, ``C++``, ``LEVETID_UTLOPT``); it has one or several *parts*
(``sso``, ``sesjon``), each with a position of its own, and perhaps *joined* forms at the position of its first part
(``ssosesjon``, ``c++``), so that writing apart, together or with a hyphen finds the same.

Not here: what a query means (``querytext``), how much a match counts (``ranking``), storage (``whoosh``).
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from threading import Lock
from typing import NamedTuple

import Stemmer

from cms.search import norwegian
from cms.search.stopwords import STOPWORDS

VERSION = "4"  # part of the index's stamp: raise it whenever the words of a text change
UNKNOWN = "none"
MIN_WRITTEN = 4  # shorter words are not corrected, so it does not matter how they are written
MAX_WORD = 64  # a longer run of letters is data, not a word; its beginning is enough to find it

_LANGUAGES = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek", "en": "english",
    "eo": "esperanto", "es": "spanish", "et": "estonian", "eu": "basque", "fa": "persian", "fi": "finnish", "fr": "french",
    "ga": "irish", "hi": "hindi", "hu": "hungarian", "hy": "armenian", "id": "indonesian", "it": "italian", "lt": "lithuanian",
    "nb": "norwegian", "ne": "nepali", "nl": "dutch", "nn": "norwegian", "no": "norwegian", "pl": "polish", "pt": "portuguese",
    "ro": "romanian", "ru": "russian", "sr": "serbian", "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
_NORDIC = frozenset({"norwegian", "danish", "swedish"})
_NORDIC_LETTERS = frozenset("æøåäö")
_NORDIC_FOLDS = str.maketrans({"æ": "a", "å": "a", "ä": "a", "ø": "o", "ö": "o"})
_NORDIC_DIGRAPHS = str.maketrans({"æ": "ae", "å": "aa", "ä": "ae", "ø": "oe", "ö": "oe"})
_NEIGHBOURS = {  # the same sounds on the keyboard of a neighbour
    "norwegian": str.maketrans("äöüé", "æøue"),
    "danish": str.maketrans("äö", "æø"),
    "swedish": str.maketrans("æø", "äö"),
}
_DIGRAPH = re.compile("aa|ae|oe")
_OTHER_FOLDS = str.maketrans(
    {"æ": "ae", "ø": "o", "œ": "oe", "ß": "ss", "ð": "d", "þ": "th", "đ": "d", "ł": "l", "ı": "i"}
)

_LETTER = r"[^\W_]"
_CHUNK = re.compile(rf"{_LETTER}+(?:[-'’._+#&]{{1,2}}{_LETTER}+)*(?:\+\+|#(?!\w))?")
PART_PATTERN = re.compile(rf"{_LETTER}+")
# Written without spaces between words: pairs of characters stand in for words.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af"
_UNSPACED_RUN = re.compile(f"[{_UNSPACED}]+")
_SAMPLE = 2_000
_CACHED_WORDS = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One word as written. ``start`` and ``end`` are offsets in the text; ``parts`` and ``joined`` are case-folded."""

    start: int
    end: int
    parts: tuple[str, ...]
    joined: tuple[str, ...]


class Terms(NamedTuple):
    """What one chunk is indexed as: a stem for each part, stems of its joined forms, plain forms that
    differ from all of these, and the words as written."""

    parts: tuple[str, ...]
    joined: tuple[str, ...]
    folds: tuple[str, ...]
    words: tuple[str, ...]


def normalise(text: str) -> str:
    """Text as everything here expects it: composed (NFC), so that å is one character however it was typed."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def chunks(text: str) -> Iterator[Chunk]:
    """The chunks of normalised text, in order."""
    for match in _CHUNK.finditer(text):
        raw = match.group().casefold()
        if raw.isascii() and raw.isalnum():
            yield Chunk(start=match.start(), end=match.end(), parts=(raw[:MAX_WORD],), joined=())
        else:
            yield from _complex_chunk(match.start(), match.end(), raw)


def spans(text: str) -> Iterator[tuple[int, int, str]]:
    """Where each chunk of normalised text stands, and how it is written; for who looks at the same words again and again."""
    for match in _CHUNK.finditer(text):
        yield match.start(), match.end(), match.group()


def _complex_chunk(start: int, end: int, raw: str) -> Iterator[Chunk]:
    parts = _split(raw)
    joined = []
    if 1 < len(parts) <= 4 and not _UNSPACED_RUN.search(raw):
        joined.append("".join(parts)[:MAX_WORD])
    if raw[-1] in "+#":
        joined.append(raw[-MAX_WORD:])
    yield Chunk(start=start, end=end, parts=parts, joined=tuple(joined))


def _split(raw: str) -> tuple[str, ...]:
    parts: list[str] = []
    for match in PART_PATTERN.finditer(raw):
        word = match.group()
        if not _UNSPACED_RUN.search(word):
            parts.append(word[:MAX_WORD])
            continue
        at = 0
        for run in _UNSPACED_RUN.finditer(word):
            if run.start() > at:
                parts.append(word[at : run.start()])
            characters = run.group()
            parts.extend([characters[n : n + 2] for n in range(len(characters) - 1)] or [characters])
            at = run.end()
        if at < len(word):
            parts.append(word[at:])
    return tuple(parts)


@dataclass(slots=True, eq=False)
class Language:
    """How words of one language are reduced; ``name`` is the Snowball algorithm's, or ``none``. Safe in several threads."""

    name: str
    _stems: dict[str, str] = field(default_factory=dict)
    _terms: dict[str, Terms] = field(default_factory=dict)
    _common: frozenset[str] = frozenset()
    _lock: Lock = field(default_factory=Lock)  # a stemmer must not be used by two threads at once

    @property
    def stopwords(self) -> frozenset[str]:
        return STOPWORDS.get(self.name, frozenset())

    def is_common(self, stem: str) -> bool:
        """Whether a stem is that of a stop word, too."""
        if not self._common:
            self._common = frozenset(map(self.stem, self.stopwords)) or frozenset({""})
        return stem in self._common

    def terms(self, text: str) -> Iterator[Terms]:
        """The terms of each chunk of a text, in order."""
        known = self._terms
        for raw in _CHUNK.findall(normalise(text).casefold()):
            terms = known.get(raw)
            if terms is None:
                terms = self._analyse(raw)
                if len(known) >= _CACHED_WORDS:
                    known.clear()
                known[raw] = terms
            yield terms

    def _analyse(self, raw: str) -> Terms:
        found = list(chunks(raw))
        words = [part for chunk in found for part in chunk.parts]
        folds = {form for word in words for form in self.folds(word)}
        return Terms(
            parts=tuple(self.stem(word) for word in words),
            joined=tuple(self.stem(form) for chunk in found for form in chunk.joined),
            folds=tuple(sorted(folds.difference(self.stem(word) for word in words))),
            words=tuple(word for word in words if len(word) >= MIN_WRITTEN and word.isalpha()),
        )

    def folds(self, word: str) -> frozenset[str]:
        """Plain forms of a word: its stem folded, and the stem of the word folded (a mark can hide an ending)."""
        return frozenset((self.fold(self.stem(word)), self.stem(self.fold(word))))

    def stem(self, word: str) -> str:
        """The stem of a case-folded word; the word itself where the language has no stemmer."""
        stem = self._stems.get(word)
        if stem is None:
            stem = self._reduce(word)
        return stem

    def _reduce(self, word: str) -> str:
        stemmer = _stemmer(self.name)
        spelled = word.translate(_NEIGHBOURS.get(self.name, {}))
        with self._lock:
            if stemmer is None or not word.isalpha():
                stem = spelled
            elif self.name == "norwegian":
                stem = norwegian.stem(spelled, stemmer.stemWord)
            else:
                stem = stemmer.stemWord(spelled)
            if len(self._stems) >= _CACHED_WORDS:
                self._stems.clear()
            self._stems[word] = stem
        return stem

    def fold(self, word: str) -> str:
        """The word in plain letters: Nordic languages also take ``aa``, ``ae``, ``oe`` for å, æ, ø (Bærum, Baerum, Barum)."""
        if self.name in _NORDIC:
            word = word.translate(_NORDIC_FOLDS)
            word = _DIGRAPH.sub(lambda pair: pair.group()[0], word)
        if word.isascii():
            return word
        word = word.translate(_OTHER_FOLDS)
        return "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))

    def spell_out(self, word: str) -> str:
        """The word as typed on a keyboard without Nordic letters: å as aa, ø as oe."""
        return word.translate(_NORDIC_DIGRAPHS) if self.name in _NORDIC else word


def has_nordic_letter(word: str) -> bool:
    return not _NORDIC_LETTERS.isdisjoint(word)


@cache
def _stemmer(name: str) -> Stemmer.Stemmer | None:
    return None if name == UNKNOWN else Stemmer.Stemmer(name, 0)


@cache
def language(name: str) -> Language:
    """The language of that name (as in ``Language.name``)."""
    return Language(name if name in Stemmer.algorithms() else UNKNOWN)


def language_of(locale: str) -> Language:
    """The language of a locale (BCP 47): bokmål and nynorsk are one, a language without a stemmer is ``none``."""
    return language(_LANGUAGES.get(locale.partition("-")[0].lower(), UNKNOWN))


def language_of_text(locale: str, text: str) -> Language:
    """The language to analyse a document in: its locale's, unless its commonest words are plainly another's.

    A site that never declared its languages has one locale for everything; an English stemmer makes little of
    Norwegian. Only languages with a stop list of ours are told apart, and only by a wide margin.
    """
    expected = language_of(locale)
    if not expected.stopwords and expected.name != UNKNOWN:
        return expected
    words = [word.casefold() for word in PART_PATTERN.findall(text[:_SAMPLE])]
    counts = {name: sum(word in known for word in words) for name, known in STOPWORDS.items()}
    best = max(counts, key=lambda name: counts[name])
    if best != expected.name and counts[best] >= 8 and counts[best] >= 3 * counts.get(expected.name, 0):
        return language(best)
    return expected


def versions() -> str:
    """What the words of an index depend on; another value means that the index must be built anew."""
    return f"analysis {VERSION}, PyStemmer {Stemmer.version()}, Unicode {unicodedata.unidata_version}"
