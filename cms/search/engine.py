"""What every search engine here promises. ``tests/search/test_engine.py`` says in examples what the words mean."""

import heapq
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import msgspec

from cms.search.synonyms import Synonyms
from cms.search.visible import Visible

Match = Literal["all", "any"]
MANY = 20  # times as many as wanted: then it is faster not to sort them


class SearchDocument(msgspec.Struct, frozen=True):
    """One entry as text. ``id`` stands for the content: a document whose id is indexed is not read again.

    ``fields`` is further text to search, with its weight beside that of the body (1.0).
    """

    id: str
    locale: str
    title: str = ""
    summary: str = ""
    body: str = ""
    fields: dict[str, tuple[str, float]] = {}


class Hit(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A document found; scores compare only within one search."""

    id: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """A piece of a document for people: HTML-safe, the words found inside ``<mark>``. ``marked`` says that there are any."""

    field: str
    html: str
    marked: bool


class Names(Protocol):
    """The ids of an index by number."""

    def __getitem__(self, number: int, /) -> str | None: ...


class Hits:
    """Every document found, with its score. Sorted and named only as far as somebody asks."""

    __slots__ = ("_names", "_scores", "ids")

    def __init__(self, scores: Mapping[int, float], names: "Names", ids: frozenset[str]) -> None:
        """*names* are the ids by number; *ids* is what ``Engine.ids`` gave just when this was found."""
        self._scores = scores
        self._names = names
        self.ids = ids

    def __len__(self) -> int:
        return len(self._scores)

    def __iter__(self) -> Iterator[Hit]:
        """All, best first."""
        return iter(self.best(len(self)))

    def names(self) -> list[str]:
        """The ids of all, in no order."""
        names = self._names
        return [name for number in self._scores if (name := names[number]) is not None]

    def only(self, ids: Container[str]) -> "Hits":
        """Those whose id is in *ids*."""
        names = self._names
        return Hits({n: score for n, score in self._scores.items() if names[n] in ids}, names, self.ids)

    def best(self, count: int, factor: Callable[[str], float] | None = None, most: float = 1.0) -> list[Hit]:
        """The best *count*, equal scores by id.

        Args:
            factor: what to multiply the score of a document with, from 1 to *most*.
        """
        if count < 1 or not self._scores:
            return []
        scores: Iterable[tuple[int, float]] = self._scores.items()
        if count < len(self._scores):
            # What is below the least of the best by more than any factor makes up for need not be looked at.
            values = self._scores.values()
            few = count * MANY < len(values)
            best = heapq.nlargest(count, values) if few else sorted(values, reverse=True)
            least = best[count - 1] / most
            scores = [pair for pair in scores if pair[1] >= least]
        names = self._names
        found = [(-score, name) for number, score in scores if (name := names[number]) is not None]
        if factor is not None:
            found = [(score * factor(name), name) for score, name in found]
        found.sort()
        return [Hit(id=name, score=-score) for score, name in found[:count]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One thing that a document was found by, for people who ask why.

    Attributes:
        word: of the query.
        how: ``word``, or what else the word was taken for (``variants``), or ``near``.
        found: the indexed form, or several.
        field: where it stands; empty for what was added up over all fields.
        documents: how many of the visible documents have it there; 0 for several words.
        score: what it adds.
    """

    word: str
    how: str
    found: str
    field: str
    documents: int
    score: float


class Engine(Protocol):
    """Safe to use from several threads; several processes may share one folder."""

    def ids(self) -> frozenset[str]:
        """The ids indexed now. Cheap when nothing changed."""

    @property
    def is_broken(self) -> bool:
        """Whether the index was found damaged: searches fail until ``reset``."""

    def update(
        self, add: Iterable[SearchDocument], remove: Iterable[str], progress: Callable[[int], None] | None = None
    ) -> None:
        """Take documents out, then put documents in; waits for another writer. Committed in batches: an interrupted
        update keeps what was committed, and the same call again continues.

        Args:
            add: read as a stream; an id already indexed (and not in ``remove``), or seen before, is left out.
            remove: ids; unknown ones do no harm.
            progress: called with the number of documents written so far.

        Raises:
            SearchUnavailable: the index is broken, or cannot be written (disk full, read-only folder).
        """

    def search(
        self,
        text: str,
        *,
        locale: str | None,
        visible: Visible,
        among: Visible | None = None,
        deadline_seconds: float = 1.0,
        match: Match = "all",
        synonyms: Synonyms | None = None,
    ) -> Hits:
        """Every document that fits. No text is an error.

        Args:
            locale: the reader's, or ``None``. A document is always read in its own language; those in another language
                than the reader's come a little later.
            visible: what the reader may see. Nothing else plays any part, not even in how much a word counts.
            among: find only these, in the same order and with the same scores; ``None``: all that is visible.
            match: whether a document must contain all the words side by side in the query (``all``), or some of them is
                enough (``any``, for when ``all`` found nothing and the reader is told so). Of a question of three words
                or more, small ones not counted, one may be missing.
            synonyms: words that count as one another; without them, those that come with the program.

        Raises:
            SearchUnavailable: past the deadline (never half an answer), or the index is broken or being built.
        """

    def explain(
        self,
        text: str,
        ids: Collection[str],
        *,
        locale: str | None,
        visible: Visible,
        deadline_seconds: float = 1.0,
        match: Match = "all",
        synonyms: Synonyms | None = None,
    ) -> Mapping[str, Sequence[Reason]]:
        """Why each of *ids* that fits was found by ``search`` asked the same, what added most first.

        Raises:
            SearchUnavailable: as ``search``.
        """

    def correct(
        self,
        text: str,
        *,
        locale: str | None,
        visible: Visible,
        among: Container[str],
        read: Callable[[str], SearchDocument],
        deadline_seconds: float = 1.0,
    ) -> str | None:
        """The query with words that stand in no document in ``among`` changed to similar ones that do.

        ``None`` when there is nothing to change, or nothing similar enough. Words of documents that are not in
        ``among`` play no part, neither as what is known nor as what is proposed.

        Args:
            among: some of what is visible.
            read: gives a document in ``among`` by its id; asked for a few.

        Raises:
            SearchUnavailable: as ``search``.
        """

    def snippets(
        self, text: str, document: SearchDocument, *, length: int = 200, synonyms: Synonyms | None = None
    ) -> list[Snippet]:
        """The title, and the place in the text that fits the query best (else its beginning)."""

    def reset(self) -> None:
        """Begin anew with an empty index beside the old one, for this and every other process.

        After damage it keeps what another process has begun meanwhile; so look at ``ids`` before filling it.
        """

    def close(self) -> None:
        """Let go of files. The engine is not used afterwards."""
