"""The place in a text that shows why it was found, marked, as safe HTML. Pure.

Works on the stored plain text with the same words as the index, and marks what the search would have found: the same
stem, the plain form of a word, the beginning or the end of a compound.
"""

import html
import itertools
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from cms.search import querytext
from cms.search.analysis import Language, chunks, has_nordic_letter, normalise, spans
from cms.search.engine import SearchDocument, Snippet
from cms.search.postings import language_of_document
from cms.search.synonyms import Synonyms, common_synonyms
from cms.search.variants import COMPOUNDING, MIN_EXPANDED

_MAX_TEXT = 200_000  # characters looked through for a good place
_MAX_KNOWN = 20_000
_MAX_SHAPES = 50_000
# Texts whose words are kept: some 20 bytes a word, since the same strings stand for the same words.
_KNOWN_TEXTS, _KNOWN_TEXT = 3_000, range(100, 20_000)
_EXACT, _WIDER = 2, 1

#: A word as written, its stem, its two plain forms, which are mostly one.
_Simple = tuple[str, str, str, str]


class _Shape(NamedTuple):
    """What a word as written is in one language, whatever is looked for: pairs of stem and word, with joined forms; and of each
    part the stem and the plain forms."""

    stems: tuple[tuple[str, str], ...]
    parts: tuple[tuple[str, frozenset[str]], ...]


@lru_cache(maxsize=_MAX_SHAPES)
def _shapes(language: Language, raw: str) -> tuple[_Shape, ...]:
    return tuple(
        _Shape(
            tuple((language.stem(word), word) for word in (*chunk.parts, *chunk.joined)),
            tuple((language.stem(word), language.folds(word)) for word in chunk.parts),
        )
        for chunk in chunks(raw)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """The words of a query in one language; each belongs to the word of the query at the same place.

    Attributes:
        long: stems that may be a part of longer words; *beginnings* and *ends* tell quickly that a word has none of them.
    """

    language: Language
    stems: dict[str, int]
    folds: dict[str, int]
    stopwords: frozenset[str]
    long: tuple[tuple[str, int], ...]
    beginnings: tuple[str, ...]
    ends: tuple[str, ...]
    known: dict[str, tuple[int, int] | None] = field(default_factory=dict)  # words looked at before, as written

    def look_at(self, raw: str) -> tuple[int, int] | None:
        """Which word of the query a word as written shows, and how well."""
        if raw in self.known:
            return self.known[raw]
        if len(self.known) >= _MAX_KNOWN:
            self.known.clear()
        match = None
        for shape in _shapes(self.language, raw):
            match = self._find(shape)
            if match is not None:
                break
        self.known[raw] = match
        return match

    def _find(self, shape: _Shape) -> tuple[int, int] | None:
        for stem, word in shape.stems:
            if stem in self.stems:
                return self.stems[stem], _WIDER if word in self.stopwords else _EXACT
        for stem, forms in shape.parts:
            if not self.folds.keys().isdisjoint(forms):
                return next(self.folds[form] for form in forms if form in self.folds), _WIDER
            if stem.startswith(self.beginnings) or stem.endswith(self.ends):
                for wanted, place in self.long:
                    if len(stem) > len(wanted) and self._is_part(stem, wanted):
                        return place, _WIDER
        return None

    def _is_part(self, stem: str, wanted: str) -> bool:
        return stem.startswith(wanted) or (
            self.language.name in COMPOUNDING and len(stem) >= len(wanted) + 3 and stem.endswith(wanted)
        )


class _Found(NamedTuple):
    start: int
    end: int
    word: int
    value: int


def make_snippets(
    text: str, document: SearchDocument, *, length: int, synonyms: Synonyms | None = None
) -> list[Snippet]:
    """The whole title; the best place of the body; and of the summary and other fields, where words were found there."""
    wanted = _wanted(text, _language(document), synonyms or common_synonyms())
    snippets = [_snippet("title", document.title, wanted, max(length, len(document.title)))]
    body = _snippet("body", document.body, wanted, length)
    others = [_snippet("summary", document.summary, wanted, length)]
    others += [_snippet(name, value, wanted, length) for name, (value, _) in document.fields.items()]
    return [*snippets, body, *(other for other in others if other.marked)]


_languages: dict[tuple[str, str], Language] = {}


def _language(document: SearchDocument) -> Language:
    key = document.id, document.locale
    language = _languages.get(key)
    if language is None:
        if len(_languages) >= _MAX_KNOWN:
            _languages.clear()
        language = _languages[key] = language_of_document(document)
    return language


@lru_cache(maxsize=32)  # the hits of one page are shown one after the other
def _wanted(text: str, language: Language, synonyms: Synonyms) -> _Wanted:
    stems: dict[str, int] = {}
    folds: dict[str, int] = {}
    words = [
        word
        for node in querytext.positive_words(querytext.parse(text))
        for chunk in node.chunks
        for word in (*chunk.parts, *chunk.joined)
    ]
    words += [one + other for one, other in itertools.pairwise(words) if len(one) > 2 and len(other) > 2]
    for place, word in enumerate(words):
        stems.setdefault(language.stem(word), place)
        if has_nordic_letter(word):
            stems.setdefault(language.stem(language.spell_out(word)), place)
        else:
            for form in language.folds(word):
                folds.setdefault(form, place)
    telling = [word for word in words if word not in language.stopwords]
    for place, word in enumerate(words):
        if word in telling:
            for other in (*itertools.chain(*synonyms.of((word,), language)), *synonyms.compounds(word, language)):
                stems.setdefault(language.stem(other), place)
    long = tuple((stem, place) for stem, place in stems.items() if len(stem) >= MIN_EXPANDED)
    parts = tuple(stem for stem, _ in long)
    return _Wanted(
        language=language,
        stems=stems,
        folds=folds,
        stopwords=language.stopwords if telling else frozenset(),
        long=long,
        beginnings=parts,
        ends=parts if language.name in COMPOUNDING else (),
    )


def _snippet(name: str, text: str, wanted: _Wanted, length: int) -> Snippet:
    text = normalise(text[:_MAX_TEXT])
    found = _find(text, wanted)
    start = _best_start(found, length)
    start, end = _fit(text, start, length)
    pieces = []
    at = start
    marked = False
    for match in found:
        if match.start >= at and match.end <= end:
            pieces += [
                html.escape(text[at : match.start]),
                "<mark>",
                html.escape(text[match.start : match.end]),
                "</mark>",
            ]
            at = match.end
            marked = True
    pieces.append(html.escape(text[at:end]))
    shown = " ".join("".join(pieces).split())
    return Snippet(
        field=name, html=f"{'… ' if start > 0 else ''}{shown}{' …' if end < len(text.rstrip()) else ''}", marked=marked
    )


class _Words(NamedTuple):
    """The words of a text as written, in order, and where each begins.

    Attributes:
        simple: each different word that is one part, with its stem and its plain forms.
        others: the other ones.
    """

    raws: tuple[str, ...]
    starts: Sequence[int]
    simple: tuple[_Simple, ...]
    others: tuple[str, ...]


@lru_cache(maxsize=_MAX_SHAPES)
def _simple(language: Language, raw: str) -> _Simple | None:
    shapes = _shapes(language, raw)
    if len(shapes) != 1 or len(shapes[0].stems) != 1:
        return None
    ((stem, forms),) = shapes[0].parts
    return sys.intern(raw), stem, min(forms), max(forms)


def _words(language: Language, text: str) -> _Words:
    found = [(start, sys.intern(raw)) for start, _, raw in spans(text)]
    distinct = dict.fromkeys(raw for _, raw in found)
    simple = {raw: shape for raw in distinct if (shape := _simple(language, raw)) is not None}
    return _Words(
        tuple(raw for _, raw in found),
        array("I", [start for start, _ in found]),
        tuple(simple.values()),
        tuple(raw for raw in distinct if raw not in simple),
    )


_known_words = lru_cache(maxsize=_KNOWN_TEXTS)(_words)


def _find(text: str, wanted: _Wanted) -> list[_Found]:
    if not wanted.stems:
        return []
    words = (_known_words if len(text) in _KNOWN_TEXT else _words)(wanted.language, text)
    # Of a page of hits a thousand words are looked at, nearly all in vain: this is what it takes.
    stems, folds, beginnings, ends = wanted.stems, wanted.folds, wanted.beginnings, wanted.ends
    near = [
        raw
        for raw, stem, one, other in words.simple
        if stem in stems or one in folds or other in folds or stem.startswith(beginnings) or stem.endswith(ends)
    ]
    shown = {raw: match for raw in (*near, *words.others) if (match := wanted.look_at(raw))}
    if not shown:
        return []
    return [
        _Found(start=start, end=start + len(raw), word=shown[raw][0], value=shown[raw][1])
        for raw, start in zip(words.raws, words.starts, strict=True)
        if raw in shown
    ]


def _best_start(found: Sequence[_Found], length: int) -> int:
    """Where a window should begin to show the most words of the query, the earliest of equals; with some text before."""
    best, best_value = 0, 0
    for n, first in enumerate(found):
        seen: dict[int, int] = {}
        more = 0
        for other in found[n : n + 30]:
            if other.end > first.start + length * 3 // 4:
                break
            seen[other.word] = max(seen.get(other.word, 0), other.value)
            more += 1
        value = 10 * sum(seen.values()) + min(more, 9)
        if value > best_value:
            best, best_value = first.start, value
    return max(0, best - length // 4)


def _fit(text: str, start: int, length: int) -> tuple[int, int]:
    """Move both ends of a window to between words."""
    if start <= length // 4:
        start = 0
    if start:
        space = text.find(" ", start, start + 30)
        start = space + 1 if space >= 0 else start
    end = min(len(text), start + length)
    if end < len(text):
        space = text.rfind(" ", max(start + 1, end - 30), end + 1)
        end = space if space > start else end
    return start, end
