"""From what a reader typed to a query of tantivy: the same documents as ``ranking`` finds, in much the same order.

Every language of the index is asked for on its own. Tantivy's BM25 gives each word the rarity of that very word; where we
look for several forms of one word, all of them get the rarity of the word (``_Found``), so that a strange
compound does not come before the word itself.
"""

import math
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from tantivy import Occur, Query

from cms.search import ranking
from cms.search.analysis import Language
from cms.search.engine import Match, Reason
from cms.search.querytext import All, Either, Node, Not, Words
from cms.search.synonyms import Synonyms
from cms.search.tantivy import index
from cms.search.tantivy.index import Snapshot, term_of
from cms.search.variants import (
    COMPOUNDING,
    EXACT,
    EXTRA,
    FOLD,
    PART_FACTOR,
    TEXT_FIELDS,
    TITLE,
    WORD,
    Variant,
    Widening,
)

_MOST_WRITTEN = 50_000
_MOST_LOOKED_AT = 2_000
_SHOULD, _MUST, _MUST_NOT = Occur.Should, Occur.Must, Occur.MustNot


def compile_query(
    node: Node,
    snapshot: Snapshot,
    *,
    preferred: Language | None,
    match: Match,
    synonyms: Synonyms,
    check_time: Callable[[], None],
    told: "Told | None" = None,
) -> Query | None:
    """The query, or ``None`` when nothing fits.

    Args:
        check_time: is called often and may raise.
        told: is told what is looked for.
    """
    found = []
    for language, count in snapshot.languages.items():
        widening = Widening(
            language=language, vocabulary=KnownWords(snapshot, language), synonyms=synonyms, check_time=check_time
        )
        compiler = _Compiler(
            snapshot=snapshot,
            language=language,
            count=count,
            match=match,
            widening=widening,
            check_time=check_time,
            told=told,
        )
        query = compiler.compile(node)
        if query is not None:
            found.append(query if preferred in (None, language) else Query.boost_query(query, ranking.OTHER_LANGUAGE))
    return _any(found)


@dataclass(frozen=True, slots=True)
class KnownWords:
    """The words of one language in an index (``variants.Vocabulary``)."""

    snapshot: Snapshot
    language: Language

    def frequency(self, term: str, fields: Sequence[str]) -> int:
        wanted = term_of(self.language.name, term)
        return sum(self.snapshot.searcher.doc_freq(kind, wanted) for kind in fields)

    def beginning(self, letters: str, kind: str) -> Iterable[str]:
        return dict.fromkeys(
            word for field in (TEXT_FIELDS if kind in TEXT_FIELDS else (kind,)) for word in self._terms(field, letters)
        )

    def ending(self, letters: str, kind: str) -> Iterable[str]:
        if self.language.name not in COMPOUNDING:
            return ()
        field = index.TAILS[kind if kind == FOLD else TITLE]
        return [word[::-1] for word in self._terms(field, letters[::-1])]

    def _terms(self, field: str, letters: str) -> Iterable[str]:
        return self.snapshot.words(field, self.language.name, letters, limit=_MOST_LOOKED_AT)


@dataclass(frozen=True, slots=True)
class Lexicon:
    """What a reader may know of the words of one language (``corrections.Lexicon``)."""

    snapshot: Snapshot
    language: Language
    among: Container[str]

    @property
    def vocabulary(self) -> KnownWords:
        return KnownWords(self.snapshot, self.language)

    def written(self, letter: str) -> Iterable[str]:
        return self.snapshot.words(WORD, self.language.name, letter, limit=_MOST_WRITTEN)

    def holders(self, term: str, fields: Sequence[str]) -> list[str]:
        wanted = term_of(self.language.name, term)
        known = [kind for kind in fields if self.snapshot.searcher.doc_freq(kind, wanted)]
        schema = self.snapshot.schema
        query = _any(Query.term_query(schema, kind, wanted, index_option="basic") for kind in known)
        ids = (self.snapshot.names[number] for number, _, _ in (self.snapshot.search(query) if query else ()))
        return sorted(filter(self.among.__contains__, ids))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """One look into the index, for who is told of it; ``reason`` without the score, and what the score is multiplied with."""

    reason: Reason
    query: Query
    factor: float


@dataclass(slots=True)
class Told:
    """Everything that a search looks for. What it adds to a score is about what tantivy makes of it, never exactly."""

    looks: list[_Told] = field(default_factory=list)

    def reasons(self, snapshot: Snapshot, names: Collection[str]) -> Mapping[str, Sequence[Reason]]:
        """Why each document was found, what added most first."""
        found: dict[str, list[Reason]] = {}
        wanted = [Query.term_query(snapshot.schema, index.ID, name, index_option="basic") for name in names]
        anyone = Query.const_score_query(Query.boolean_query([(_SHOULD, query) for query in wanted]), 0.0)
        for look in self.looks if wanted else ():
            query = Query.boolean_query([(_MUST, anyone), (_MUST, look.query)])
            for number, _, score in snapshot.search(query):
                reason = replace(look.reason, score=score * look.factor)
                found.setdefault(snapshot.names[number], []).append(reason)
        return {name: sorted(reasons, key=lambda reason: -reason.score) for name, reasons in found.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """Documents with a word: a query that scores without rarity, and how many they are, about."""

    query: Query | None = None
    count: int = 0


@dataclass(slots=True, kw_only=True)
class _Compiler:
    snapshot: Snapshot
    language: Language
    count: int
    match: Match
    widening: Widening
    check_time: Callable[[], None]
    told: Told | None = None
    _asked: str = ""  # the word that is looked for just now, and what else it is taken for; for who is told
    _how: str = "word"
    _factor: float = 1.0

    def compile(self, node: Node) -> Query | None:
        self.check_time()
        match node:
            case Words():
                return self._words(node)
            case Either(nodes=nodes):
                return _any(self.compile(child) for child in nodes)
            case Not(node=child):
                return self._without(self._everything(), [child])
            case All():
                return self._all(node)

    def _everything(self) -> Query:
        every = Query.term_query(self.snapshot.schema, index.LANGUAGE, self.language.name)
        return Query.const_score_query(every, 0.0)

    def _without(self, query: Query | None, excluded: Iterable[Node]) -> Query | None:
        if query is None:
            return None
        unwanted = [
            self._words(node, widely=False) if isinstance(node, Words) else self.compile(node) for node in excluded
        ]
        found = [(_MUST_NOT, other) for other in unwanted if other is not None]
        return Query.boolean_query([(_MUST, query), *found]) if found else query

    def _all(self, node: All) -> Query | None:
        excluded = [child.node for child in node.nodes if isinstance(child, Not)]
        wanted = [child for child in node.nodes if not isinstance(child, Not)]
        if not wanted:
            return self._without(self._everything(), excluded)
        found = self._written_apart([(child, self.compile(child)) for child in wanted])
        telling = [query for child, query in found if not self._is_stopword(child)]
        others = [query for child, query in found if self._is_stopword(child)]
        if not telling:
            telling, others = others, []
        if self.match == "any" and not node.typed:
            query = _most(telling)
        elif len(telling) >= ranking.MIN_LOOSE and ranking.is_question(wanted):
            query = _most(telling, len(telling) - 1)
        else:
            query = _every(telling)
        if query is not None:
            query = _every([query], [*(other for other in others if other is not None), *self._near(wanted)])
        return self._without(query, excluded)

    def _near(self, nodes: Sequence[Node]) -> list[Query]:
        """Words that stand near each other, in the order typed, say more than words far apart."""
        words = [
            (place, word)
            for place, node in enumerate(nodes)
            if (word := ranking.single_word(node)) is not None and not self._is_stopword(node)
        ]
        found = []
        for (place, one), (other_place, other) in pairwise(words):
            if other_place - place <= ranking.NEAR:
                self._asked, self._how, self._factor = f"{one} {other}", "near", ranking.NEAR_FACTOR
                near = self._phrase([self.language.stem(one), self.language.stem(other)], TEXT_FIELDS, ranking.NEAR - 1)
                scored = self._scored(near, ranking.NEAR_FACTOR / math.sqrt(2))
                found += [] if scored is None else [scored]
        return found

    def _is_stopword(self, node: Node) -> bool:
        if not isinstance(node, Words) or node.quoted or node.field:
            return False
        return all(part in self.language.stopwords for chunk in node.chunks for part in chunk.parts)

    def _written_apart(self, found: list[tuple[Node, Query | None]]) -> list[tuple[Node, Query | None]]:
        """Words side by side may stand for one that is written together, or for a synonym; it counts for each of them."""
        result = list(found)
        for start, stop, variants in ranking.words_together([node for node, _ in found], self.widening):
            share = ranking.TOGETHER_SHARE
            self._asked = " ".join(filter(None, (ranking.single_word(node) for node, _ in found[start:stop])))
            together = _best(
                [self._scored(self._look_up_variant(variant), variant.factor * share) for variant in variants]
            )
            for n in range(start, stop):
                result[n] = result[n][0], _best([result[n][1], together])
        return result

    def _words(self, node: Words, *, widely: bool = True) -> Query | None:
        fields = (node.field,) if node.field else TEXT_FIELDS
        parts = [part for chunk in node.chunks for part in chunk.parts]
        self._asked, self._how, self._factor = " ".join(parts), "word" if len(parts) == 1 else "phrase", 1.0
        if len(parts) == 1:
            raw = [form for form in node.chunks[0].joined if form[-1] in "+#"]
            if raw:  # C++ is not C
                return self._scored(self._look_up(raw[0], fields))
            return self._word(parts[0], fields, widely=widely and not node.quoted)
        found = [self._scored(self._phrase([self.language.stem(part) for part in parts], fields))]
        if len(node.chunks) == 1:
            found += [self._word(form, fields, widely=False) for form in node.chunks[0].joined]
        if self.match == "any" and not node.quoted:
            loose = _any(self._word(part, fields, widely=False) for part in parts)
            found.append(loose and Query.boost_query(loose, PART_FACTOR))
        return _best(found)

    def _word(self, word: str, fields: Sequence[str], *, widely: bool) -> Query | None:
        """One word in all its forms."""
        self._asked, self._how, self._factor = word, "word", 1.0
        known = self._look_up(self.language.stem(word), fields)
        exact = [self._scored(known), self._scored(self._look_up(word, (EXACT,))) if TITLE in fields else None]
        variants = self.widening.variants(word, fields, widely=widely)
        wider = [(self._look_up_variant(variant), variant.factor) for variant in variants]
        count = max([known.count, *(found.count for found, _ in wider)])
        best = _best([found.query and Query.boost_query(found.query, factor) for found, factor in wider])
        return _any([*exact, self._scored(_Found(query=best, count=count))])

    def _look_up_variant(self, variant: Variant) -> _Found:
        self._how, self._factor = variant.how, variant.factor
        if len(variant.terms) == 1:
            return self._look_up(variant.terms[0], variant.fields)
        if not variant.anywhere:
            return self._phrase(variant.terms, variant.fields)
        found = [self._look_up(term, variant.fields) for term in variant.terms]
        return _Found(query=_every([each.query for each in found]), count=min(each.count for each in found))

    def _look_up(self, term: str, fields: Sequence[str]) -> _Found:
        """Documents with one indexed term, in any of some fields."""
        self.check_time()
        queries, count = [], 0
        for kind in fields:
            weight = ranking.WEIGHTS[kind]
            for name, share in _index_fields(kind):
                query, documents = self._term(name, term, weight * share)
                if query is not None:
                    queries.append(query)
                    count = max(count, documents)
        return _Found(query=_any(queries), count=count)

    def _term(self, field: str, word: str, weight: float) -> tuple[Query | None, int]:
        """A term whose score is BM25 without rarity; and in how many documents it is."""
        term = term_of(self.language.name, word)
        documents = self.snapshot.searcher.doc_freq(field, term)
        if not documents:
            return None, 0
        query = Query.term_query(self.snapshot.schema, field, term, index_option="freq")
        query = Query.boost_query(query, weight / _rarity(documents, self.snapshot.total))
        self._tell(query, word, field, documents)
        return query, documents

    def _tell(self, query: Query, found: str, field: str, documents: int) -> None:
        if self.told is not None:
            kind = EXTRA if field in index.BONUSES else FOLD if field == index.FOLD_TOP else field
            reason = Reason(word=self._asked, how=self._how, found=found, field=kind, documents=documents, score=0.0)
            factor = self._factor * _rarity(max(1, documents), max(documents, self.count))
            self.told.looks.append(_Told(reason=reason, query=query, factor=factor))

    def _scored(self, found: _Found, factor: float = 1.0) -> Query | None:
        if found.query is None:
            return None
        return Query.boost_query(found.query, factor * _rarity(found.count, max(found.count, self.count)))

    def _phrase(self, stems: Sequence[str], fields: Sequence[str], slop: int = 0) -> _Found:
        self.check_time()
        terms = [term_of(self.language.name, stem) for stem in stems]
        words: list[str | tuple[int, str]] = [*terms]
        queries, count = [], 0
        for kind in fields:
            documents = [self.snapshot.searcher.doc_freq(kind, term) for term in terms]
            if all(documents):
                query = Query.phrase_query(self.snapshot.schema, kind, words, slop)
                # Tantivy adds up the rarity of the words; a phrase has its own, and counts for more the longer it is.
                weight = ranking.WEIGHTS[kind] * math.sqrt(len(terms))
                rarity = sum(_rarity(found, self.snapshot.total) for found in documents)
                queries.append(Query.boost_query(query, weight / rarity))
                self._tell(queries[-1], " ".join(stems), kind, 0)
                count = max(count, min(documents))
        return _Found(query=_any(queries), count=count)


def _index_fields(kind: str) -> Sequence[tuple[str, float]]:
    """The fields of the index that stand for one of ours, with their share of its weight."""
    if kind == EXTRA:
        return ((EXTRA, index.EXTRA_BASE), *index.BONUSES.items())
    return ((FOLD, 1.0), (index.FOLD_TOP, 1.0)) if kind == FOLD else ((kind, 1.0),)


def _rarity(documents: int, total: int) -> float:
    return math.log(1 + (total - documents + 0.5) / (documents + 0.5))


def _any(queries: Iterable[Query | None]) -> Query | None:
    found = [query for query in queries if query is not None]
    if len(found) < 2:
        return found[0] if found else None
    return Query.boolean_query([(_SHOULD, query) for query in found])


def _best(queries: Iterable[Query | None]) -> Query | None:
    found = [query for query in queries if query is not None]
    if len(found) < 2:
        return found[0] if found else None
    return Query.disjunction_max_query(found)


def _every(required: Sequence[Query | None], optional: Sequence[Query] = ()) -> Query | None:
    found = [query for query in required if query is not None]
    if len(found) < len(required):
        return None
    if len(found) == 1 and not optional:
        return found[0]
    return Query.boolean_query([*((_MUST, query) for query in found), *((_SHOULD, query) for query in optional)])


def _most(queries: Sequence[Query | None], least: int = 1) -> Query | None:
    """Documents with so many of them; the sum of the scores, times the share of the queries that fit."""
    found = [(_SHOULD, query) for query in queries if query is not None]
    if len(found) < least:
        return None
    if len(found) < 2:
        share = 1 / len(queries)
        return Query.boost_query(found[0][1], share) if found else None
    # A document that fits three of them fits "at least one", "at least two" and "at least three".
    levels = [Query.boolean_query(found, minimum_number_should_match=n) for n in range(1, len(found) + 1)]
    enough = Query.const_score_query(levels[least - 1], 0.0)
    return Query.boost_query(
        Query.boolean_query([(_MUST, enough), *((_SHOULD, level) for level in levels)]), 1 / len(queries)
    )
