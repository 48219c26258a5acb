"""Which documents fit a query, and how well. Pure: an index is whatever gives postings (``Source``).

Every language of the index is searched on its own, with its own stems and stop words, since a document has one language.
Scores are BM25 for each field, added up: title before summary before body, and exact before stemmed before folded before
part of a compound before beginning of a word.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cms.search.analysis import Chunk, Language, has_nordic_letter
from cms.search.engine import Match
from cms.search.querytext import All, Either, Node, Not, Words

Scores = dict[int, float]
Postings = tuple[Sequence[int], Sequence[float]]

# Fields of one language; ``_<language>`` is appended. Exact holds the words of the title unstemmed, fold the plain forms.
TITLE, SUMMARY, BODY, EXTRA, EXACT, FOLD = "title", "summary", "body", "extra", "exact", "fold"
TEXT_FIELDS = (TITLE, SUMMARY, BODY, EXTRA)
_WEIGHTS = {TITLE: 4.0, SUMMARY: 2.5, BODY: 1.0, EXTRA: 1.0, EXACT: 2.0, FOLD: 0.4}
_PART_FACTOR = 0.5
_PREFIX_FACTOR = 0.25
_SPELLING_FACTOR = 0.4
_OTHER_LANGUAGE = 0.9
_SATURATION = 1.2
_LENGTH_SHARE = {TITLE: 0.3, SUMMARY: 0.5, BODY: 0.75, EXTRA: 0.5, EXACT: 0.3, FOLD: 0.5}
MIN_EXPANDED = 4
_MAX_EXPANSIONS = 30
_MAX_LOOKED_AT = 2_000
COMPOUNDING = frozenset({"norwegian", "danish", "swedish", "german", "dutch", "finnish", "hungarian", "estonian"})


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
    def vocabulary(self, language: str) -> bytes: ...  # every word of the language, each between two newlines


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
    node: Node, source: Source, *, preferred: Language | None, match: Match, check_time: Callable[[], None]
) -> Scores:
    """Scores by document number. ``check_time`` is called often and may raise."""
    result: Scores = {}
    for language in source.languages():
        ranker = _Ranker(source=source, language=language, match=match, check_time=check_time)
        scores = ranker.evaluate(node)
        if preferred is not None and preferred != language:
            scores = {number: score * _OTHER_LANGUAGE for number, score in scores.items()}
        if result:
            result.update(scores)
        else:
            result = dict(scores)
    return result


@dataclass(slots=True, kw_only=True)
class _Ranker:
    source: Source
    language: Language
    match: Match
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
        return self._without(scores, excluded)

    def _is_stopword(self, node: Node) -> bool:
        if not isinstance(node, Words) or node.quoted or node.field:
            return False
        return all(part in self.language.stopwords for chunk in node.chunks for part in chunk.parts)

    def _written_apart(self, found: list[tuple[Node, Scores]]) -> list[tuple[Node, Scores]]:
        """Two words side by side may stand for one that is written together (``innsyns krav``): it counts as both."""
        for n in range(len(found) - 1):
            (first, one), (second, other) = found[n], found[n + 1]
            words = [_single_word(first), _single_word(second)]
            if words[0] is None or words[1] is None or len(words[0]) < 3 or len(words[1]) < 3:
                continue
            together = self._look_up(self.language.stem(words[0] + words[1]), TEXT_FIELDS)
            if together:
                half = {number: score / 2 for number, score in together.items()}
                found[n], found[n + 1] = (first, _best(one, half)), (second, _best(other, half))
        return found

    def _words(self, node: Words, *, widely: bool = True) -> Scores:
        fields = (node.field,) if node.field else TEXT_FIELDS
        parts = [part for chunk in node.chunks for part in chunk.parts]
        key = (
            self.language.name,
            self.match,
            str(widely),
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
        scores = self._phrase(parts, fields)
        if len(node.chunks) == 1:
            for form in node.chunks[0].joined:
                scores = _best(scores, self._word(form, fields, widely=False))
        if self.match == "any" and not node.quoted:
            loose = _sum(self._word(part, fields, widely=False) for part in parts)
            scores = _best(scores, {number: score * _PART_FACTOR for number, score in loose.items()})
        return scores

    def _word(self, word: str, fields: Sequence[str], *, widely: bool) -> Scores:
        """One word in all its forms."""
        language = self.language
        stem = language.stem(word)
        exact = _sum([self._look_up(stem, fields), self._look_up(word, (EXACT,)) if TITLE in fields else {}])
        variants = []
        if has_nordic_letter(word):
            plain = {language.stem(language.spell_out(word))}
            if len(word) >= 6:  # a short word may become another one: får is not far
                plain.add(language.fold(stem))
            variants += [(form, fields, _SPELLING_FACTOR) for form in plain if form != stem]
        elif fields is TEXT_FIELDS:
            variants += [(form, (FOLD,), 1.0) for form in language.folds(word)]
        if widely and len(stem) >= MIN_EXPANDED:
            variants += [(form, fields, factor) for form, factor in self._expansions(stem, fields)]
        wider: Scores = {}
        for form, where, factor in variants:
            self.check_time()
            for number, score in self._look_up(form, where, factor=factor, rarity=False).items():
                if score > wider.get(number, 0.0):
                    wider[number] = score
        rarity = self._rarity(len(exact.keys() | wider.keys()))
        return _sum([exact, {number: score * rarity for number, score in wider.items()}]) if wider else exact

    def _look_up(self, term: str, fields: Sequence[str], *, factor: float = 1.0, rarity: bool = True) -> Scores:
        """Documents with one indexed term, in any of some fields."""
        scores: Scores = {}
        for kind in fields:
            name = field_name(kind, self.language)
            weights = self._weights(kind, name)
            for part in self.source.parts:
                postings = part.postings(name, term)
                if postings is not None:
                    _add(scores, postings, part.lengths(name), part.base, weights, _WEIGHTS[kind] * factor)
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

    def _expansions(self, stem: str, fields: Sequence[str]) -> list[tuple[str, float]]:
        """Indexed words that begin with the stem, or (in languages that write compounds together) end with it."""
        counts: dict[str, int] = {}
        for part in self.source.parts:
            self.check_time()
            for word in _containing(part.vocabulary(self.language.name), stem, ends=self.language.name in COMPOUNDING):
                counts[word] = counts.get(word, 0)
        shortest = sorted(counts, key=lambda word: (len(word), word))[: 2 * _MAX_EXPANSIONS]
        for word in shortest:
            names = [field_name(kind, self.language) for kind in fields]
            counts[word] = sum(part.frequency(name, word) for part in self.source.parts for name in names)
        best = sorted(shortest, key=lambda word: (-counts[word], word))[:_MAX_EXPANSIONS]
        return [(word, _PREFIX_FACTOR if word.startswith(stem) else _PART_FACTOR) for word in best]

    def _phrase(self, parts: Sequence[str], fields: Sequence[str]) -> Scores:
        stems = [self.language.stem(part) for part in parts]
        scores: Scores = {}
        for kind in fields:
            name = field_name(kind, self.language)
            weights = self._weights(kind, name)
            for part in self.source.parts:
                self.check_time()
                counts = _phrase_counts(part, name, stems, self.check_time)
                if counts:
                    postings = (list(counts), list(counts.values()))
                    _add(scores, postings, part.lengths(name), part.base, weights, _WEIGHTS[kind])
        rarity = self._rarity(len(scores)) * math.sqrt(len(parts))
        return {number: score * rarity for number, score in scores.items()}


def _single_word(node: Node) -> str | None:
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


def _containing(vocabulary: bytes, stem: str, *, ends: bool) -> list[str]:
    """Words that begin (or also end) with the stem, out of newline-separated ones: a plain scan is fast and needs no tree."""
    needle = stem.encode()
    words = []
    at = vocabulary.find(needle if ends else b"\n" + needle)
    looked_at = 0
    while at >= 0 and looked_at < _MAX_LOOKED_AT:
        looked_at += 1
        start = vocabulary.rfind(b"\n", 0, at + 1) + 1
        end = vocabulary.find(b"\n", at + 1)
        word = vocabulary[start:end].decode()
        if word != stem and (word.startswith(stem) or (word.endswith(stem) and _is_head(word[: -len(stem)]))):
            words.append(word)
        at = vocabulary.find(needle if ends else b"\n" + needle, end)
    return words


def _is_head(letters: str) -> bool:
    """Whether letters may be the first part of a compound: three or more, one of them a vowel."""
    return len(letters) >= 3 and letters.isalpha() and any(letter in "aeiouyæøåäöü" for letter in letters)


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
