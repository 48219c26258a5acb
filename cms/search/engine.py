"""What every search engine here promises. ``tests/search/test_engine.py`` says in examples what the words mean."""

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

import msgspec

from cms.search.synonyms import Synonyms

Match = Literal["all", "any"]


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
        allowed: Container[str],
        deadline_seconds: float = 1.0,
        match: Match = "all",
        synonyms: Synonyms | None = None,
    ) -> list[Hit]:
        """Every document in ``allowed`` that fits, best first, equal scores by id. No text is an error.

        Args:
            locale: the reader's, or ``None``. A document is always read in its own language; those in another language
                than the reader's come a little later.
            match: whether a document must contain all the words side by side in the query (``all``), or some of them is
                enough (``any``, for when ``all`` found nothing and the reader is told so).
            synonyms: words that count as one another; without them, those that come with the program.

        Raises:
            SearchUnavailable: past the deadline (never half an answer), or the index is broken or being built.
        """

    def correct(
        self,
        text: str,
        *,
        locale: str | None,
        allowed: Container[str],
        read: Callable[[str], SearchDocument],
        deadline_seconds: float = 1.0,
    ) -> str | None:
        """The query with words that stand in no document in ``allowed`` changed to similar ones that do.

        ``None`` when there is nothing to change, or nothing similar enough. Words of documents that are not in
        ``allowed`` play no part, neither as what is known nor as what is proposed.

        Args:
            read: gives a document in ``allowed`` by its id; asked for a few.

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
