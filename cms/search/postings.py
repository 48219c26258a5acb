"""A document as postings: for each field the terms, how often, how heavy, and where. Pure.

A field exists once for each language (``body_norwegian``), so that every word is counted among its own kind.
"""

from array import array
from collections.abc import Iterable

from cms.search.analysis import PART_PATTERN, Language, language_of_text, normalise
from cms.search.engine import SearchDocument
from cms.search.source import field_name
from cms.search.variants import BODY, EXACT, EXTRA, FOLD, SUMMARY, TITLE, WORD

Posting = tuple[bytes, int, float, bytes]  # term, frequency, weight, packed positions

MAX_TEXT = 1_000_000  # characters of one text; the rest of a longer one is not searched
_GAP = 100  # positions between two texts of one field, so that no phrase spans them
_FOLD_WEIGHTS = {TITLE: 3.0, SUMMARY: 2.0}


def language_of_document(document: SearchDocument) -> Language:
    """The language that a document is analysed in."""
    return language_of_text(document.locale, f"{document.title}\n{document.summary}\n{document.body}")


def postings_of(document: SearchDocument) -> tuple[Language, dict[str, list[Posting]]]:
    """The language of a document, and the postings of each of its fields."""
    language = language_of_document(document)
    folds: dict[str, float] = {}
    words: dict[str, float] = {}
    result = {}
    for kind, texts in (
        (TITLE, [(document.title, 1.0)]),
        (SUMMARY, [(document.summary, 1.0)]),
        (BODY, [(document.body, 1.0)]),
        (EXTRA, list(document.fields.values())),
    ):
        postings = _placed(texts, language, folds, words, _FOLD_WEIGHTS.get(kind, 1.0))
        if postings:
            result[field_name(kind, language)] = postings
    exact = dict.fromkeys(PART_PATTERN.findall(normalise(document.title).casefold()), 1.0)
    for kind, forms in ((EXACT, exact), (FOLD, folds), (WORD, words)):
        if forms:
            result[field_name(kind, language)] = [(form.encode(), 1, weight, b"") for form, weight in forms.items()]
    return language, result


def _placed(
    texts: Iterable[tuple[str, float]],
    language: Language,
    folds: dict[str, float],
    words: dict[str, float],
    fold_weight: float,
) -> list[Posting]:
    places: dict[str, list[int]] = {}
    weights: dict[str, float] = {}
    position = 0
    for text, weight in texts:
        for terms in language.terms(text[:MAX_TEXT]):
            for form in terms.joined:
                places.setdefault(form, []).append(position)
                weights[form] = weights.get(form, 0.0) + weight
            for stem in terms.parts:
                places.setdefault(stem, []).append(position)
                weights[stem] = weights.get(stem, 0.0) + weight
                position += 1
            for form in terms.folds:
                folds[form] = folds.get(form, 0.0) + weight * fold_weight
            for word in terms.words:
                words[word] = 1.0
        position += _GAP
    return [(stem.encode(), len(found), weights[stem], pack(found)) for stem, found in places.items()]


def pack(positions: Iterable[int]) -> bytes:
    return array("I", positions).tobytes()


def unpack(packed: bytes) -> "array[int]":
    positions = array("I")
    positions.frombytes(packed)
    return positions
