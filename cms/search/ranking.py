"""Which documents fit a query, and how well. Pure: an index is whatever gives postings (``Source``).

Every language of the index is searched on its own, with its own stems and stop words, since a document has one language.
Scores are BM25 for each field, added up: title before summary before body, and exact before stemmed before folded before
part of a compound before beginning of a word (``variants``).
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from cms.search.analysis import Chunk, Language
from cms.search.engine import Match, Reason
from cms.search.querytext import All, Either, Node, Not, Words
from cms.search.source import KnownWords, Part, Postings, Scores, Source, field_name
from cms.search.stopwords import QUESTION_WORDS
from cms.search.synonyms import Synonyms
from cms.search.variants import (
    BODY,
    EXACT,
    EXTRA,
    FOLD,
    MIN_PART,
    PART_FACTOR,
    SUMMARY,
    SYNONYM_FACTOR,
    TEXT_FIELDS,
    TITLE,
    Variant,
    Widening,
)

WEIGHTS = {TITLE: 4.0, SUMMARY: 2.5, BODY: 1.0, EXTRA: 1.0, EXACT: 2.0, FOLD: 0.4}
TOGETHER_SHARE = 0.75  # of the score of words written together, for each of them
MIN_LOOSE = 3  # words of a question that must say something, for one of them not to be insisted on
_MOST_JOINED = 3
NEAR = 3
NEAR_FACTOR = 0.4
_MOST_LOOKED_AT_CLOSELY = 500
OTHER_LANGUAGE = 0.9
_SATURATION = 1.2
_LENGTH_SHARE = {TITLE: 0.3, SUMMARY: 0.5, BODY: 0.75, EXTRA: 0.5, EXACT: 0.3, FOLD: 0.5}


def reasons_of(score: float) -> list[Reason]:
    """What a score was added up from, what is of one kind together; what added most comes first."""
    added: dict[tuple[str, str, str, str], Reason] = {}
    for reason in score.reasons if isinstance(score, Told) else ():
        key = reason.word, reason.how, reason.found, reason.field
        known = added.get(key)
        added[key] = reason if known is None else replace(known, score=known.score + reason.score)
    return sorted(added.values(), key=lambda reason: (-reason.score, reason.word, reason.found, reason.field))


def rank(
    node: Node,
    source: Source,
    *,
    preferred: Language | None,
    match: Match,
    synonyms: Synonyms,
    check_time: Callable[[], None],
    told: frozenset[int] = frozenset(),
) -> Scores:
    """Scores by document number.

    Args:
        check_time: is called often and may raise.
        told: documents whose score, where they fit, is to be a ``Told``.
    """
    result: Scores = {}
    for language in source.languages():
        ranker = ranker_of(language, source, match=match, synonyms=synonyms, check_time=check_time, told=told)
        scores = ranker.evaluate(node)
        if preferred is not None and preferred != language:
            scores = {number: score * OTHER_LANGUAGE for number, score in scores.items()}
        if result:
            result.update(scores)
        else:
            result = dict(scores)
    return result


def ranker_of(
    language: Language,
    source: Source,
    *,
    match: Match,
    synonyms: Synonyms,
    check_time: Callable[[], None],
    told: frozenset[int] = frozenset(),
) -> "Ranker":
    known = KnownWords(source, language)
    widening = Widening(language=language, vocabulary=known, synonyms=synonyms, check_time=check_time)
    return Ranker(source=source, language=language, match=match, widening=widening, check_time=check_time, told=told)


class Told(float):
    """A score that knows what it was added up from, whatever is done with it on the way."""

    __slots__ = ("reasons",)
    reasons: tuple[Reason, ...]

    def __new__(cls, score: float, reasons: tuple[Reason, ...]) -> "Told":
        """A score for some reasons."""
        told = super().__new__(cls, score)
        told.reasons = reasons
        return told

    def __add__(self, other: float) -> "Told":
        more = other.reasons if isinstance(other, Told) else ()
        return Told(float(self) + float(other), self.reasons + more)

    __radd__ = __add__

    def __mul__(self, factor: float) -> "Told":
        reasons = tuple(replace(reason, score=reason.score * factor) for reason in self.reasons)
        return Told(float(self) * factor, reasons)

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> "Told":
        return self * (1 / divisor)


@dataclass(slots=True, kw_only=True)
class Ranker:
    """Scores documents of one language."""

    source: Source
    language: Language
    match: Match
    widening: Widening
    check_time: Callable[[], None]
    told: frozenset[int] = frozenset()
    _asked: str = ""  # the word that is looked for just now, and what else it is taken for; for who is told
    _how: str = "word"

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
        telling = [scores for child, scores in found if not self._is_stopword(child)]
        if self.match == "any" and not node.typed:
            scores = self._most(found, 1)
        elif len(telling) >= MIN_LOOSE and is_question(wanted):
            scores = self._most(found, len(telling) - 1)
        else:
            required = [scores for child, scores in found if not self._is_stopword(child)]
            optional = [scores for child, scores in found if self._is_stopword(child)]
            scores = _intersect(required, optional) if required else _intersect(optional, [])
        return self._without(self._with_nearness(wanted, scores), excluded)

    def _most(self, found: Sequence[tuple[Node, Scores]], least: int) -> Scores:
        """Documents with so many of the words; those with more come first, and a rare word is more than a common one."""
        telling = [scores for node, scores in found if not self._is_stopword(node)] or [scores for _, scores in found]
        shares: Scores = {}
        counts: dict[int, int] = {}
        rarities = [self._rarity(len(scores)) for scores in telling]
        for scores, rarity in zip(telling, rarities, strict=True):
            for number in scores:
                shares[number] = shares.get(number, 0.0) + rarity
                counts[number] = counts.get(number, 0) + 1
        total, whole = _sum(scores for _, scores in found), sum(rarities)
        return {n: total[n] * (share / whole) for n, share in shares.items() if counts[n] >= least}

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
            if other_place - place <= NEAR:
                self._asked, self._how = f"{one} {other}", "near"
                for number, score in self._near(self.language.stem(one), self.language.stem(other), scores).items():
                    result[number] += score * NEAR_FACTOR
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
                self._add(scores, postings, part, name, weights, WEIGHTS[kind], f"{one} … {other}")
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
            self._asked = " ".join(filter(None, (single_word(node) for node, _ in found[start:stop])))
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
        if self.told:
            return self._find_words(node, parts, fields, widely=widely)
        return self.source.word_cache.get(key, lambda: self._find_words(node, parts, fields, widely=widely))

    def _find_words(self, node: Words, parts: Sequence[str], fields: Sequence[str], *, widely: bool) -> Scores:
        self._asked, self._how = " ".join(parts), "word" if len(parts) == 1 else "phrase"
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
        self._asked, self._how = word, "word"
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
        self._how = variant.how
        if len(variant.terms) == 1:
            return self._look_up(variant.terms[0], variant.fields, factor=variant.factor, rarity=rarity)
        if not variant.anywhere:
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
                    self._add(scores, postings, part, name, weights, WEIGHTS[kind] * factor, term)
        if rarity and scores:
            rare = self._rarity(len(scores))
            return {number: score * rare for number, score in scores.items()}
        return scores

    def _add(
        self,
        scores: Scores,
        postings: Postings,
        part: Part,
        name: str,
        weights: Sequence[float],
        factor: float,
        found: str,
    ) -> None:
        """Add the BM25 score of one term in one field of one part; the loop that takes the time of a search."""
        factor *= _SATURATION + 1
        get, lengths, base = scores.get, part.lengths(name), part.base
        told = self.told
        for number, frequency in zip(*postings, strict=True):
            score = factor * frequency / (frequency + weights[lengths[number]])
            number += base
            if told and number in told:
                score = self._tell(score, name, found, self.source.frequency(name, found))
            scores[number] = get(number, 0.0) + score

    def _tell(self, score: float, name: str, found: str, documents: int) -> Told:
        field = name.partition("_")[0]
        reason = Reason(word=self._asked, how=self._how, found=found, field=field, documents=documents, score=score)
        return Told(score, (reason,))

    def _weights(self, kind: str, name: str) -> Sequence[float]:
        """For each length code, what BM25 adds to the frequency below the line."""
        weights = self.source.weights.get(name)
        if weights is None:
            average = self.source.average_length(name) or 1.0
            share = _LENGTH_SHARE[kind]
            weights = [_SATURATION * (1 - share + share * self.source.length_of(code) / average) for code in range(256)]
            self.source.weights[name] = weights
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
                    self._add(scores, postings, part, name, weights, WEIGHTS[kind] * factor, " ".join(stems))
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
                Variant(
                    terms=tuple(map(language.stem, other)), fields=TEXT_FIELDS, factor=SYNONYM_FACTOR, how="synonym"
                )
                for other in widening.synonyms.of(run, language)
            ]
            if stop - start <= _MOST_JOINED and min(map(len, run)) >= MIN_PART:
                terms = (language.stem("".join(run)),)
                variants.append(Variant(terms=terms, fields=TEXT_FIELDS, factor=1.0, how="together"))
            if variants:
                yield start, stop, variants


def is_question(nodes: Sequence[Node]) -> bool:
    """Whether somebody asks in a sentence: one of its words may not be in the text that answers it."""
    return single_word(nodes[0]) in QUESTION_WORDS


def single_word(node: Node) -> str | None:
    if isinstance(node, Words) and not node.quoted and not node.field and len(node.chunks) == 1:
        chunk: Chunk = node.chunks[0]
        if len(chunk.parts) == 1 and not chunk.joined:
            return chunk.parts[0]
    return None


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
        near = [at for at in places.get(number, ()) if any(at + gap in after for gap in range(1, NEAR + 1))]
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
