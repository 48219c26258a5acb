"""Full text in views whose schemas search other fields than the published ones do: with an index of its own.

There is one such index, for the fields that were asked for last, and only those who may read drafts have it made: strangers could make the server
build one after another.
"""

from pathlib import Path
from threading import Lock
from typing import Protocol

from cms.bodies import Bodies
from cms.errors import SearchUnavailable
from cms.model import ContentModel
from cms.searching import Searcher
from cms.store import Store


class Home(Protocol):
    """What is needed of a site."""

    store: Store
    index_folder: Path

    @property
    def searcher(self) -> Searcher:
        """The full-text index of what is published."""


class ViewSearch:
    """Finds the index for a view. Safe to use from many threads."""

    def __init__(self, home: Home, bodies: Bodies) -> None:
        """Nothing is opened before somebody asks."""
        self._home = home
        self._bodies = bodies
        self._other: Searcher | None = None
        self._lock = Lock()

    def find(self, model: ContentModel, *, is_public: bool) -> Searcher:
        """The index that knows the fields of *model*.

        Args:
            is_public: anybody may ask for the view.

        Raises:
            SearchUnavailable: its folder cannot be used.
        """
        usual = self._home.searcher
        if is_public or usual.fits(model):
            return usual
        with self._lock:
            if self._other is None or not self._other.fits(model):
                # The one before is left to who still searches in it.
                folder = self._home.index_folder
                try:
                    self._other = Searcher(
                        folder.with_name(f"{folder.name}-views"), self._home.store, self._bodies, model
                    )
                except OSError as error:
                    raise SearchUnavailable(f"the folder of the search index cannot be used: {error}") from error
            return self._other

    def close(self) -> None:
        """Let go of the index files."""
        if self._other is not None:
            self._other.close()
            self._other = None
