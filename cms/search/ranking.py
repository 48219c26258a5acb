"""Which documents fit a query, and how well. Pure: an index is whatever gives postings (``Source``).

Every language of the index is searched on its own, with its own stems and stop words, since a document has one language.
Scores are BM25 for each field, added up: title before summary before body, and exact before stemmed before folded before
part of a compound before beginning of a word (``variants``).
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import Protocol

from cms.search.analysis import Chunk, Language
from cms.search.engine import Match
from cms.search.querytext import All, Either, Node, Not, Words
from cms.search.synonyms import Synonyms
from cms.search.variants import (
    BODY,
    COMPOUNDING,
    EXACT,
    EXTRA,
    FOLD,
    MAX_LOOKED_AT,
    MIN_PART,
    PART_FACTOR,
    SUMMARY,
    SYNONYM_FACTOR,
    TEXT_FIELDS,
    TITLE,
    Variant,
    Widening,
)

Scores = dict[int, float]
Postings = tuple[Sequence[int], Sequence[float]]

WEIGHTS = {TITLE: 4.0, SUMMARY: 2.5, BODY: 1.0, EXTRA: 1.0, EXACT: 2.0, FOLD: 0.4}
TOGETHER_SHARE = 0.75  # of the score of words written together, for each of them
_MOST_JOINED = 3
_NEAR = 3
_NEAR_FACTOR = 0.4
_MOST_LOOKED_AT_CLOSELY = 500
OTHER_LANGUAGE = 0.9
_SATURATION = 1.2
_LENGTH_SHARE = {TITLE: 0.3, SUMMARY: 0.5, BODY: 0.75, EXTRA: 0.5, EXACT: 0.3, FOLD: 0.5}


def field_name(kind: str, language: Language) -> str:
    return f"{kind}_{language.name}"


class Part(Protocol):
    """One segment of an index. Document numbers are its own, from 0; ``base`` makes them the index's."""

    @property
    def base(self) -> int: ...
    def postings(self, field: str, term: str) -> Postings | None: ...
    def positions(self, field: str, term: str, documents: set[int]) -> Mapping[int, Sequence[int]]: ...
    def lengths(self, field: str) -> bytes: ...  # a code for each document, 0 for none; see length_of
    def frequency(self, field: str, term: str) -> int: ...
    def vocabulary(self, name: str) -> bytes: ...  # see vocabulary_name; every word between two newlines


class Source(Protocol):
    """One generation of an index; it does not change."""

    @property
    def parts(self) -> Sequence[Part]: ...
    @property
    def word_cache(self) -> "WordCache": ...
    def languages(self) -> Sequence[Language]: ...
    def document_count(self, language: Language) -> int: ...
    def average_length(self, field: str) -> float: ...
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


def rank(
    node: Node,
    source: Source,
    *,
    preferred: Language | None,
    match: Match,
    synonyms: Synonyms,
    check_time: Callable[[], None],
) -> Scores:
    """Scores by document number. ``check_time`` is called often and may raise."""
    result: Scores = {}
    for language in source.languages():
        scores = ranker_of(language, source, match=match, synonyms=synonyms, check_time=check_time).evaluate(node)
        if preferred is not None and preferred != language:
            scores = {number: score * OTHER_LANGUAGE for number, score in scores.items()}
        if result:
            result.update(scores)
        else:
            result = dict(scores)
    return result


def ranker_of(
    language: Language, source: Source, *, match: Match, synonyms: Synonyms, check_time: Callable[[], None]
) -> "Ranker":
    known = KnownWords(source, language)
    widening = Widening(language=language, vocabulary=known, synonyms=synonyms, check_time=check_time)
    return Ranker(source=source, language=language, match=match, widening=widening, check_time=check_time)


@dataclass(frozen=True, slots=True)
class KnownWords:
    """The words of one language in an index (``variants.Vocabulary``)."""

    source: Source
    language: Language

    def frequency(self, term: str, fields: Sequence[str]) -> int:
        names = [field_name(kind, self.language) for kind in fields]
        return sum(part.frequency(name, term) for part in self.source.parts for name in names)

    def beginning(self, letters: str, kind: str) -> Iterable[str]:
        name = vocabulary_name(self.language.name, kind)
        for part in self.source.parts:
            yield from islice(words_beginning(part.vocabulary(name), letters), MAX_LOOKED_AT)

    def ending(self, letters: str, kind: str) -> Iterable[str]:
        name = vocabulary_name(self.language.name, kind, backwards=True)
        for part in self.source.parts if self.language.name in COMPOUNDING else ():
            found = islice(words_beginning(part.vocabulary(name), letters[::-1]), MAX_LOOKED_AT)
            yield from (word[::-1] for word in found)


@dataclass(slots=True, kw_only=True)
class Ranker:
    """Scores documents of one language."""

    source: Source
    language: Language
    match: Match
    widening: Widening
    check_time: Callable[[], None]
    _known_weights: dict[str, Sequence[float]] = field(default_factory=dict)

    def evaluate(self, node: Node) -> Scores:
        self.check_time()
        match node:
            case Words():
                return self._words(node)
            case Either(nodes=nodes):
                return _sum(self.evaluate(child) for child in nodes)
            case Not(node=child):
                return self._without(dict.fromkeys(self.source.every_document(self.language), 0.0), [child])
            case All():
                return self._all(node)

    def _without(self, scores: Scores, excluded: Iterable[Node]) -> Scores:
        for node in excluded:
            # What the reader does not want is what the reader wrote, not every word that resembles it.
            unwanted = self._words(node, widely=False) if isinstance(node, Words) else self.evaluate(node)
            scores = {number: score for number, score in scores.items() if number not in unwanted}
        return scores

    def _all(self, node: All) -> Scores:
        excluded = [child.node for child in node.nodes if isinstance(child, Not)]
        wanted = [child for child in node.nodes if not isinstance(child, Not)]
        if not wanted:
            return self._without(dict.fromkeys(self.source.every_document(self.language), 0.0), excluded)
        found = self._written_apart([(child, self.evaluate(child)) for child in wanted])
        if self.match == "any" and not node.typed:
            scores = _most(found, self._is_stopword)
        else:
            required = [scores for child, scores in found if not self._is_stopword(child)]
            optional = [scores for child, scores in found if self._is_stopword(child)]
            scores = _intersect(required, optional) if required else _intersect(optional, [])
        return self._without(self._with_nearness(wanted, scores), excluded)

    def _with_nearness(self, nodes: Sequence[Node], scores: Scores) -> Scores:
        """Words that stand near each other, in the order typed, say more than words far apart."""
        if not 1 < len(scores) <= _MOST_LOOKED_AT_CLOSELY:
            return scores
        words = [
            (place, word)
            for place, node in enumerate(nodes)
            if (word := single_word(node)) is not None and not self._is_stopword(node)
        ]
        result = dict(scores)
        for (place, one), (other_place, other) in pairwise(words):
            if other_place - place <= _NEAR:
                for number, score in self._near(self.language.stem(one), self.language.stem(other), scores).items():
                    result[number] += score * _NEAR_FACTOR
        return result

    def _near(self, one: str, other: str, among: Scores) -> Scores:
        scores: Scores = {}
        for kind in TEXT_FIELDS:
            name = field_name(kind, self.language)
            weights = self._weights(kind, name)
            for part in self.source.parts:
                self.check_time()
                counts = _near_counts(part, name, one, other, among)
                postings = (list(counts), list(counts.values()))
                _add(scores, postings, part.lengths(name), part.base, weights, WEIGHTS[kind])
        rarity = self._rarity(len(scores))
        return {number: score * rarity for number, score in scores.items()}

    def _is_stopword(self, node: Node) -> bool:
        if not isinstance(node, Words) or node.quoted or node.field:
            return False
        return all(part in self.language.stopwords for chunk in node.chunks for part in chunk.parts)

    def _written_apart(self, found: list[tuple[Node, Scores]]) -> list[tuple[Node, Scores]]:
        """Words side by side may stand for one that is written together (``innsyns krav``), or for a synonym.

        What is found so counts for each of them.
        """
        result = list(found)
        for start, stop, variants in words_together([node for node, _ in found], self.widening):
            together: Scores = {}
            for variant in variants:
                together = _best(together, self._look_up_variant(variant, rarity=True))
            share = {number: score * TOGETHER_SHARE for number, score in together.items()}
            for n in range(start, stop) if share else ():
                result[n] = result[n][0], _best(result[n][1], share)
        return result

    def _words(self, node: Words, *, widely: bool = True) -> Scores:
        fields = (node.field,) if node.field else TEXT_FIELDS
        parts = [part for chunk in node.chunks for part in chunk.parts]
        key = (
            self.language.name,
            self.match,
            str(widely),
            self.widening.synonyms.digest,
            *fields,
            "\0".join(parts),
            *(j for c in node.chunks for j in c.joined),
        )
        return self.source.word_cache.get(key, lambda: self._find_words(node, parts, fields, widely=widely))

    def _find_words(self, node: Words, parts: Sequence[str], fields: Sequence[str], *, widely: bool) -> Scores:
        if len(parts) == 1:
            raw = [form for form in node.chunks[0].joined if form[-1] in "+#"]
            if raw:  # C++ is not C
                return self._look_up(raw[0], fields)
            return self._word(parts[0], fields, widely=widely and not node.quoted)
        scores = self._phrase([self.language.stem(part) for part in parts], fields)
        if len(node.chunks) == 1:
            for form in node.chunks[0].joined:
                scores = _best(scores, self._word(form, fields, widely=False))
        if self.match == "any" and not node.quoted:
            loose = _sum(self._word(part, fields, widely=False) for part in parts)
            scores = _best(scores, {number: score * PART_FACTOR for number, score in loose.items()})
        return scores

    def _word(self, word: str, fields: Sequence[str], *, widely: bool) -> Scores:
        """One word in all its forms."""
        stem = self.language.stem(word)
        exact = _sum([self._look_up(stem, fields), self._look_up(word, (EXACT,)) if TITLE in fields else {}])
        wider: Scores = {}
        for variant in self.widening.variants(word, fields, widely=widely):
            self.check_time()
            for number, score in self._look_up_variant(variant).items():
                if score > wider.get(number, 0.0):
                    wider[number] = score
        rarity = self._rarity(len(exact.keys() | wider.keys()))
        return _sum([exact, {number: score * rarity for number, score in wider.items()}]) if wider else exact

    def _look_up_variant(self, variant: Variant, *, rarity: bool = False) -> Scores:
        if variant.how == "word":
            return self._look_up(variant.terms[0], variant.fields, factor=variant.factor, rarity=rarity)
        if variant.how == "phrase":
            return self._phrase(variant.terms, variant.fields, factor=variant.factor, rarity=rarity)
        found = [self._look_up(term, variant.fields, factor=variant.factor, rarity=rarity) for term in variant.terms]
        return _intersect(found, [])

    def _look_up(self, term: str, fields: Sequence[str], *, factor: float = 1.0, rarity: bool = True) -> Scores:
        """Documents with one indexed term, in any of some fields."""
        scores: Scores = {}
        for kind in fields:
            name = field_name(kind, self.language)
            weights = self._weights(kind, name)
            for part in self.source.parts:
                postings = part.postings(name, term)
                if postings is not None:
                    _add(scores, postings, part.lengths(name), part.base, weights, WEIGHTS[kind] * factor)
        if rarity and scores:
            rare = self._rarity(len(scores))
            return {number: score * rare for number, score in scores.items()}
        return scores

    def _weights(self, kind: str, name: str) -> Sequence[float]:
        """For each length code, what BM25 adds to the frequency below the line."""
        weights = self._known_weights.get(name)
        if weights is None:
            average = self.source.average_length(name) or 1.0
            share = _LENGTH_SHARE[kind]
            weights = [_SATURATION * (1 - share + share * self.source.length_of(code) / average) for code in range(256)]
            self._known_weights[name] = weights
        return weights

    def _rarity(self, documents: int) -> float:
        total = max(self.source.document_count(self.language), documents)
        return math.log(1 + (total - documents + 0.5) / (documents + 0.5))

    def _phrase(
        self, stems: Sequence[str], fields: Sequence[str], *, factor: float = 1.0, rarity: bool = True
    ) -> Scores:
        scores: Scores = {}
        for kind in fields:
            name = field_name(kind, self.language)
            weights = self._weights(kind, name)
            for part in self.source.parts:
                self.check_time()
                counts = _phrase_counts(part, name, stems, self.check_time)
                if counts:
                    postings = (list(counts), list(counts.values()))
                    _add(scores, postings, part.lengths(name), part.base, weights, WEIGHTS[kind] * factor)
        rare = self._rarity(len(scores)) * math.sqrt(len(stems)) if rarity else 1.0
        return {number: score * rare for number, score in scores.items()}


def words_together(nodes: Sequence[Node], widening: Widening) -> Iterator[tuple[int, int, list[Variant]]]:
    """Runs of single words (from, to) that may be written as one word, or that stand for something else."""
    language = widening.language
    words = [single_word(node) for node in nodes]
    for start in range(len(words)):
        for stop in range(start + 2, min(len(words), start + max(_MOST_JOINED, widening.synonyms.longest)) + 1):
            run = [word for word in words[start:stop] if word is not None]
            if len(run) < stop - start:
                break
            variants = [
                Variant(terms=tuple(map(language.stem, other)), fields=TEXT_FIELDS, factor=SYNONYM_FACTOR, how="phrase")
                if len(other) > 1
                else Variant(terms=(language.stem(other[0]),), fields=TEXT_FIELDS, factor=SYNONYM_FACTOR)
                for other in widening.synonyms.of(run, language)
            ]
            if stop - start <= _MOST_JOINED and min(map(len, run)) >= MIN_PART:
                variants.append(Variant(terms=(language.stem("".join(run)),), fields=TEXT_FIELDS, factor=1.0))
            if variants:
                yield start, stop, variants


def single_word(node: Node) -> str | None:
    if isinstance(node, Words) and not node.quoted and not node.field and len(node.chunks) == 1:
        chunk: Chunk = node.chunks[0]
        if len(chunk.parts) == 1 and not chunk.joined:
            return chunk.parts[0]
    return None


def _add(
    scores: Scores, postings: Postings, lengths: bytes, base: int, weights: Sequence[float], factor: float
) -> None:
    """Add the BM25 score of one term in one field of one part; the loop that takes the time of a search."""
    factor *= _SATURATION + 1
    get = scores.get
    for number, frequency in zip(*postings, strict=True):
        score = factor * frequency / (frequency + weights[lengths[number]])
        number += base
        scores[number] = get(number, 0.0) + score


def _sum(results: Iterable[Scores]) -> Scores:
    total: Scores = {}
    for scores in results:
        if not total:
            total = dict(scores)
            continue
        for number, score in scores.items():
            total[number] = total.get(number, 0.0) + score
    return total


def _best(one: Scores, other: Scores) -> Scores:
    best = dict(one)
    for number, score in other.items():
        if score > best.get(number, 0.0):
            best[number] = score
    return best


def _intersect(required: Sequence[Scores], optional: Sequence[Scores]) -> Scores:
    smallest, *others = sorted(required, key=len)
    result: Scores = {}
    for number, score in smallest.items():
        for scores in others:
            more = scores.get(number)
            if more is None:
                break
            score += more
        else:
            result[number] = score + sum(scores.get(number, 0.0) for scores in optional)
    return result


def _most(found: Sequence[tuple[Node, Scores]], is_stopword: Callable[[Node], bool]) -> Scores:
    """Documents with any of the words; those with more of them come first."""
    telling = [scores for node, scores in found if not is_stopword(node)] or [scores for _, scores in found]
    counts: dict[int, int] = {}
    for scores in telling:
        for number in scores:
            counts[number] = counts.get(number, 0) + 1
    total = _sum(scores for _, scores in found)
    return {number: total[number] * count / len(telling) for number, count in counts.items()}


def words_beginning(vocabulary: bytes, letters: str) -> Iterator[str]:
    """The words that begin so, out of sorted ones with a newline before and after each."""
    wanted = letters.encode()
    low, high = 0, len(vocabulary) - 1
    while low < high:  # low and high are at newlines; what is before low comes before what is wanted
        middle = vocabulary.rfind(b"\n", low, (low + high) // 2 + 1)
        end = vocabulary.find(b"\n", middle + 1)
        if vocabulary[middle + 1 : end] < wanted:
            low = end
        else:
            high = middle
    while vocabulary.startswith(wanted, low + 1):
        end = vocabulary.find(b"\n", low + 1)
        if end < 0:
            return
        yield vocabulary[low + 1 : end].decode()
        low = end


def vocabulary_name(language: str, kind: str, *, backwards: bool = False) -> str:
    """What the words of a kind (of texts, plain or as written) are called beside a segment; spelt backwards, for endings."""
    name = language if kind in TEXT_FIELDS else f"{language}-{kind}"
    return f"{name}-backwards" if backwards else name


def _near_counts(part: Part, name: str, one: str, other: str, among: Scores) -> dict[int, float]:
    """How often one word stands shortly before the other, for some documents of one part."""
    first, second = part.postings(name, one), part.postings(name, other)
    if first is None or second is None:
        return {}
    documents = {number for number in set(first[0]).intersection(second[0]) if number + part.base in among}
    if not documents:
        return {}
    places, other_places = part.positions(name, one, documents), part.positions(name, other, documents)
    counts = {}
    for number in sorted(documents):
        after = set(other_places.get(number, ()))
        near = [at for at in places.get(number, ()) if any(at + gap in after for gap in range(1, _NEAR + 1))]
        if near:
            counts[number] = float(len(near))
    return counts


def _phrase_counts(part: Part, name: str, stems: Sequence[str], check_time: Callable[[], None]) -> dict[int, float]:
    """How often the words stand side by side, for each document of one part."""
    found = [part.postings(name, stem) for stem in stems]
    if any(postings is None for postings in found):
        return {}
    documents = set.intersection(*(set(postings[0]) for postings in found if postings is not None))
    starts: dict[int, set[int]] = {}
    for offset, stem in enumerate(stems):
        if not documents:
            return {}
        check_time()
        places = part.positions(name, stem, documents)
        for number in documents:
            here = {position - offset for position in places.get(number, ())}
            starts[number] = here if offset == 0 else starts[number] & here
        documents = {number for number in documents if starts[number]}
    return {number: float(len(starts[number])) for number in sorted(documents)}
