"""Completions while typing: titles, words and facet values of what is visible.

The words of each collection and locale are sorted once; after that a completion is a look into a sorted list. What is published later stands
beside the sorted words until there is enough of it to sort them anew. Whatever is found is looked up in the catalog before it is shown, in the
words of an entry that is visible now, so no word that stands only in unpublished text can be told.
"""

import heapq
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from math import inf
from typing import Any
from unicodedata import normalize

from cms.catalog import EVERY_LOCALE, Catalog, LocaleChain, pick
from cms.entry import RESERVED, Entry
from cms.errors import InvalidQuery
from cms.facets import Facet
from cms.fieldpath import FieldPath, resolve_path
from cms.model import ContentModel
from cms.query import Query, count_facets
from cms.schema import Collection
from cms.search.stopwords import STOPWORDS
from cms.spelling import WORD, forms_of, key_of
from cms.wordlist import LAST, Texts, WordList

NAME = "completions"
TEXT_LIMIT = 100
LATE_LIMIT = 300
CHAINS_LIMIT = 16
FACET_VALUES_LIMIT = 5_000
LOOKED_AT = 4
COUNTED = 2_000
BESIDE = 200
TERM_LEAST = 3
UNTOLD = frozenset().union(*STOPWORDS.values())
TITLE, TERM, FACET = "title", "term", "facet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One completion.

    Attributes:
        kind: ``title`` (of ``entry``), ``term`` (a word), or ``facet`` (a value of a field of ``collection``).
        count: entries that have the word or the value.
    """

    text: str
    kind: str
    count: int = 0
    entry: Entry | None = None
    collection: str = ""
    field: str = ""
    value: str | int = ""


@dataclass(frozen=True, slots=True)
class Part:
    """The entries of one collection in one locale: sorted, those of them that are gone, and those that came since."""

    words: WordList
    reader: "TextReader"
    gone: frozenset[int] = frozenset()
    late: tuple[Entry, ...] = ()
    late_words: WordList | None = None


class TextReader:
    """Reads what of the entries of one collection is completed: the title, and the facet values that are its own words."""

    def __init__(self, model: ContentModel, collection: Collection) -> None:
        self._paths = [
            (path.text.split("."))
            for path in facet_paths(model, collection)
            if path.kind == "string" and path.field is not None and not path.field.references
        ]

    def read(self, entries: Iterable[Entry]) -> Iterator[Texts]:
        """The entries, best first, with their texts."""
        return ((entry, entry.parsed.title or "", self.own(entry)) for entry in sorted(entries, key=_rank))

    def own(self, entry: Entry) -> list[str]:
        """The facet values that *entry* itself spells out."""
        return [text for path in self._paths for text in _texts(entry.parsed.fields, path)]


def _texts(value: Any, path: Sequence[str]) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _texts(item, path)
    elif path:
        if isinstance(value, dict):
            yield from _texts(value.get(path[0]), path[1:])
    elif isinstance(value, str):
        yield value


class FacetWords:
    """The values of the facets of one collection, by the words of what is shown for them."""

    def __init__(self, values: Sequence[Suggestion]) -> None:
        self._values = values
        starts = {
            (form[place:], number)
            for number, value in enumerate(values)
            for form in forms_of(key_of(value.text))
            for place in _word_starts(form)
        }
        self._starts = sorted(starts)

    def find(self, beginning: str, limit: int) -> list[Suggestion]:
        """The values with a word where *beginning* begins, those with the most entries first."""
        low, high = bisect_left(self._starts, (beginning,)), bisect_left(self._starts, (beginning + LAST,))
        found = {number for _, number in self._starts[low:high]}
        return heapq.nsmallest(limit, (self._values[number] for number in found), key=_by_count)


class Completions:
    """What completions are read from, for one catalog; follows it from commit to commit."""

    def __init__(self, parts: Mapping[str, Mapping[str, Part]] | None = None) -> None:
        self._parts: dict[str, Mapping[str, Part]] = dict(parts or {})
        self._facets: dict[tuple[str, LocaleChain], FacetWords] = {}

    def advance(self, removed: Sequence[Entry], added: Sequence[Entry]) -> "Completions":
        """The completions of the next catalog; a collection of which too much changed is left to be sorted anew."""
        parts: dict[str, Mapping[str, Part]] = {}
        # Of what only its history says something new, the words are those that are sorted already.
        same = {id(entry) for entry in removed} & {id(entry) for entry in added}
        for name, known in self._parts.copy().items():
            gone = [entry for entry in removed if entry.collection == name and id(entry) not in same]
            come = [entry for entry in added if entry.collection == name and id(entry) not in same]
            after = _advanced(known, gone, come) if gone or come else known
            if after is not None:
                parts[name] = after
        return Completions(parts)

    def is_ready(self, collections: Iterable[Collection], chain: LocaleChain) -> bool:
        """Whether :meth:`find` has all it needs."""
        return all(item.name in self._parts and (item.name, chain) in self._facets for item in collections)

    def is_sorted(self, collection: str) -> bool:
        """Whether the words of *collection* are sorted."""
        return collection in self._parts

    def prepare(self, catalog: Catalog, collections: Iterable[Collection], chain: LocaleChain) -> None:
        """Sort what is not sorted yet. Takes about a second for each 50,000 entries, so not for an event loop."""
        for collection in collections:
            if collection.name not in self._parts:
                self._parts[collection.name] = _sorted_parts(catalog, collection)
            if (collection.name, chain) not in self._facets:
                while len(self._facets) >= CHAINS_LIMIT * len(catalog.shelves):
                    self._facets.pop(next(iter(self._facets)), None)
                self._facets[collection.name, chain] = _facet_words(catalog, collection, chain)

    def find(
        self, catalog: Catalog, text: str, collections: Sequence[Collection], chain: LocaleChain, limit: int
    ) -> list[Suggestion]:
        """The best completions of *text*: words, then facet values, then titles, each kind with its share of *limit*."""
        typed = key_of(text[:TEXT_LIMIT])
        if not typed or not limit:
            return []
        self.prepare(catalog, collections, chain)
        looks = [
            _Look(catalog, part, chain, locale, typed, limit)
            for collection in collections
            for locale, part in self._parts[collection.name].items()
            if chain == EVERY_LOCALE or locale in chain or "" in chain
        ]
        facets = [item for known in collections for item in self._facets[known.name, chain].find(typed, limit)]
        kinds = [
            _best_terms(looks, text, limit),
            heapq.nsmallest(limit, facets, key=_by_count),
            _best_titles(looks, limit),
        ]
        return _shared_out(kinds, limit)


def completions_of(catalog: Catalog) -> Completions:
    """What is kept with *catalog*."""
    found = catalog.derived.setdefault(NAME, Completions())
    assert isinstance(found, Completions)
    return found


# -- looking up ----------------------------------------------------------------------------------------------------


class _Look:
    """One look for what was typed into the entries of one collection and locale."""

    def __init__(self, catalog: Catalog, part: Part, chain: LocaleChain, locale: str, typed: str, limit: int) -> None:
        self._catalog = catalog
        self._chain = (locale,) if chain == EVERY_LOCALE else chain
        self._part = part
        self._typed = typed
        self._limit = limit
        *self._before, self._last = typed.split()
        # What is first in the chain, or asked for by itself, is shown whenever it is there.
        self._is_first = self._chain[0] == locale
        self._lists = [part.words, *([part.late_words] if part.late_words is not None else [])]
        self._having = [words.having(self._before, self._last) if self._before else () for words in self._lists]

    def titles(self) -> Iterator[tuple[tuple[bool, float, str, str], Entry]]:
        """The entries whose title has what was typed, with how good they are: the smaller, the better."""
        begins = f"\n {self._typed}"
        for words, having in zip(self._lists, self._having, strict=True):
            found = [*words.starting(self._typed), *(having if self._before else words.containing(self._last))]
            taken = 0
            for number in dict.fromkeys(found):
                entry = words.entries[number]
                if self.is_shown(entry):
                    yield (begins not in words.titles[number], *_rank(entry)), entry
                    taken += 1
                    if taken == self._limit:
                        break

    def terms(self) -> Iterator[tuple[str, int, list[Entry]]]:
        """The words that complete the last one typed, with how many entries have them and some that do."""
        for words, having in zip(self._lists, self._having, strict=True):
            if self._before:
                yield from self._terms_beside(words, having)
                continue
            taken = 0
            for word in words.words(self._last):
                if not _is_term(word):
                    continue
                numbers = words.postings(word)
                shown = filter(self.is_shown, map(words.entries.__getitem__, numbers[:COUNTED]))
                entries = list(islice(shown, LOOKED_AT))
                if entries:
                    yield word, self._count(words, numbers), entries
                    taken += 1
                    if taken == self._limit:
                        break

    def _terms_beside(self, words: WordList, numbers: Sequence[int]) -> Iterator[tuple[str, int, list[Entry]]]:
        found: dict[str, list[Entry]] = {}
        for entry in map(words.entries.__getitem__, numbers[:BESIDE]):
            if self.is_shown(entry):
                for word in set(key_of(entry.parsed.title or "").split()):
                    if _is_term(word) and any(form.startswith(self._last) for form in forms_of(word)):
                        found.setdefault(word, []).append(entry)
        yield from ((word, len(entries), entries[:LOOKED_AT]) for word, entries in found.items())

    def texts(self, entry: Entry) -> list[str]:
        """Where the words of *entry* are from."""
        return [entry.parsed.title or "", *self._part.reader.own(entry)]

    def is_shown(self, entry: Entry) -> bool:
        """Whether the catalog shows *entry*, and no other of its slug instead."""
        return self._catalog.find(entry.collection, entry.slug, self._chain) is entry

    def _count(self, words: WordList, numbers: Sequence[int]) -> int:
        """How many of *numbers* are shown: of those in a locale that others stand before, the first two thousand are counted."""
        if not self._is_first:
            return sum(self.is_shown(words.entries[number]) for number in numbers[:COUNTED])
        gone = self._part.gone if words is self._part.words else ()
        return len(numbers) - (len(set(numbers) & gone) if gone else 0)


def _best_titles(looks: Sequence[_Look], limit: int) -> list[Suggestion]:
    found = heapq.nsmallest(limit, (pair for look in looks for pair in look.titles()), key=lambda pair: pair[0])
    return [
        Suggestion(text=entry.parsed.title or "", kind=TITLE, entry=entry, collection=entry.collection)
        for _, entry in found
    ]


def _best_terms(looks: Sequence[_Look], text: str, limit: int) -> list[Suggestion]:
    counts: dict[str, int] = {}
    examples: dict[str, list[tuple[_Look, Entry]]] = {}
    for look in looks:
        for word, count, entries in look.terms():
            counts[word] = counts.get(word, 0) + count
            examples.setdefault(word, []).extend((look, entry) for entry in entries)
    before = " ".join(WORD.findall(normalize("NFC", text[:TEXT_LIMIT]))[:-1])
    return [
        Suggestion(text=f"{before} {_as_written(word, examples[word])}".lstrip(), kind=TERM, count=counts[word])
        for word in heapq.nsmallest(limit, counts, key=lambda word: (-counts[word], word))
    ]


def _as_written(word: str, examples: Iterable[tuple[_Look, Entry]]) -> str:
    """*word* as an entry that is visible writes it; the first word of a text may have its capital from there alone."""
    first = ""
    for look, entry in examples:
        for text in look.texts(entry):
            for place, found in enumerate(WORD.finditer(normalize("NFC", text))):
                if found.end() - found.start() == len(word) and key_of(found.group()) == word:
                    if place:
                        return found.group()
                    first = first or found.group()
    return first or word


def _shared_out(kinds: Sequence[Sequence[Suggestion]], limit: int) -> list[Suggestion]:
    """*limit* completions in the order of *kinds*, each of which has its share; what one does not need the others get."""
    shares = [0] * len(kinds)
    while sum(shares) < limit and any(share < len(kind) for share, kind in zip(shares, kinds, strict=True)):
        for place, kind in enumerate(kinds):
            if shares[place] < len(kind) and sum(shares) < limit:
                shares[place] += 1
    return [item for share, kind in zip(shares, kinds, strict=True) for item in kind[:share]]


def _is_term(word: str) -> bool:
    return len(word) >= TERM_LEAST and word not in UNTOLD and not word.isdigit()


def _by_count(item: Suggestion) -> tuple[int, str, str, str]:
    return -item.count, item.text, item.collection, item.field


def _rank(entry: Entry) -> tuple[float, str, str]:
    """Newest first, then by title, then by key: the same on every server, whatever came first."""
    return (inf if entry.published_at is None else -entry.published_at, entry.parsed.title or "", entry.id)


def _word_starts(form: str) -> list[int]:
    return [0, *(place + 1 for place, letter in enumerate(form) if letter == " ")] if form else []


# -- sorting -------------------------------------------------------------------------------------------------------


def _sorted_parts(catalog: Catalog, collection: Collection) -> dict[str, Part]:
    by_locale: dict[str, list[Entry]] = {}
    for entries in catalog.shelves[collection.name].slugs.values():
        for entry in pick(entries, EVERY_LOCALE):
            by_locale.setdefault(entry.locale, []).append(entry)
    reader = TextReader(catalog.model, collection)
    parts = {locale: Part(WordList(reader.read(entries)), reader) for locale, entries in by_locale.items()}
    for part in parts.values():
        part.words.warm()
    return parts


def _advanced(parts: Mapping[str, Part], removed: Sequence[Entry], added: Sequence[Entry]) -> Mapping[str, Part] | None:
    """*parts* with other entries; ``None`` when too much changed, or a locale came that was not there."""
    changed = dict(parts)
    for locale in {entry.locale for entry in (*removed, *added)}:
        part = parts.get(locale)
        if part is None:
            return None
        out = [entry for entry in removed if entry.locale == locale]
        places = {place for entry in out if (place := part.words.place_of(entry)) is not None}
        late = [entry for entry in part.late if not any(entry is other for other in out)]
        late += [entry for entry in added if entry.locale == locale]
        if len(late) + len(part.gone) + len(places) > LATE_LIMIT:
            return None
        words = WordList(part.reader.read(late)) if late else None
        changed[locale] = replace(part, gone=part.gone | places, late=tuple(late), late_words=words)
    return changed


def _facet_words(catalog: Catalog, collection: Collection, chain: LocaleChain) -> FacetWords:
    """What the facets of *collection* count in the whole selection: the same as lists say."""
    facets = tuple(Facet(name=path.text, path=path) for path in facet_paths(catalog.model, collection))
    query = Query(collection=collection, chain=chain, facets=facets, facet_limit=FACET_VALUES_LIMIT)
    return FacetWords(
        [
            Suggestion(
                text=str(item.value) if item.label is None else item.label,
                kind=FACET,
                count=item.count,
                collection=collection.name,
                field=name,
                value=item.value,
            )
            for name, values in count_facets(catalog, [query], {}).items()
            for item in values
            if item.count
        ]
    )


def facet_paths(model: ContentModel, collection: Collection) -> list[FieldPath]:
    """The facets of *collection* whose values are words or whole numbers."""
    paths = []
    for item in collection.walk_fields():
        if item.facet:
            head, dot, rest = item.name.partition(".")
            name = f"{head}_{dot}{rest}" if head in RESERVED else item.name
            with suppress(InvalidQuery):
                paths.append(resolve_path(model, collection, name, parameter="facet"))
    return [path for path in paths if path.kind in ("string", "integer")]
