"""Warming: makes what lists show of the entries before somebody asks for it, while there is little else to do.

An entry that nobody has looked at since the server started takes ten times as long to show as one that is known. What is made here is what a
request would make, and is kept in the same places; nothing depends on its being done.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Event, Thread

from cms.catalog import Catalog
from cms.entry import Entry
from cms.errors import CMSError
from cms.present import Presenter
from cms.site import Site

#: More would take memory that nobody may need.
ENTRIES_MOST = 10_000
SLICE_SECONDS = 0.004
IDLE_SECONDS, BUSY_SECONDS = 0.0005, 0.02
LOOK_SECONDS = 1.0


class Warmer:
    """A thread that makes the plain form of each entry of the current catalog, a little at a time."""

    def __init__(self, site: Site, asset_url: str, answered: Callable[[], int]) -> None:
        """*answered* tells how many requests were answered so far: while that grows, less is done here."""
        self._site = site
        self._asset_url = asset_url
        self._answered = answered
        self._ended = Event()
        self._thread: Thread | None = None

    def start(self) -> None:
        """Begin, also again after an end: an application may be started several times."""
        self._ended.clear()
        self._thread = Thread(target=self._run, name="warming", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, and wait until that is so."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        done: object = None
        while not self._ended.is_set():
            catalog = None if self._site.is_empty else self._site.catalog
            if catalog is not None and catalog.mark is not done:
                with suppress(CMSError):  # a request for the same will say so
                    self.warm(catalog)
                done = catalog.mark
            self._ended.wait(LOOK_SECONDS)

    def warm(self, catalog: Catalog) -> None:
        """Make what is missing of *catalog*, as long as it is the current one.

        Raises:
            RepositoryProblem: a file cannot be read.
        """
        presenter = Presenter(catalog, self._site.bodies, self._asset_url)
        began, before = time.monotonic(), self._answered()
        for entry in _first_entries(catalog):
            if entry.path not in catalog.fragments:
                presenter.piece(entry)
            if time.monotonic() - began < SLICE_SECONDS:
                continue
            after = self._answered()
            if self._ended.wait(IDLE_SECONDS if after == before else BUSY_SECONDS) or catalog is not self._site.catalog:
                return
            began, before = time.monotonic(), after


def _first_entries(catalog: Catalog) -> Iterator[Entry]:
    number = 0
    for shelf in catalog.shelves.values():
        for entries in shelf.slugs.values():
            for entry in entries:
                number += 1
                if number > ENTRIES_MOST:
                    return
                yield entry
