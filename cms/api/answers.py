"""Answers as they were first given, kept while nothing that they depend on changes.

What a publication changes is told by keys (``cms/dependencies.py``). Here the same keys decide what is kept as in the caches of others, so what was
answered before a publication that does not concern it is answered from memory after it too, with the commit that is served now.
"""

from collections.abc import MutableMapping
from typing import Any, NamedTuple

from cms.catalog import Catalog
from cms.dependencies import WHOLE, Keys, format_keys, kept_until, parse_keys
from cms.searchlog import Result

Headers = list[tuple[bytes, bytes]]
Address = tuple[bytes, bytes]
STORED_BYTES = 64 * 1024 * 1024
STORED_ITEM_BYTES = 2 * 1024 * 1024
ASKED_MOST = 10_000
KEYS_HEADER = b"surrogate-key"


class Stored(NamedTuple):
    """An answer; ``variants`` are its encodings, ``replies`` what is sent of them, ``searched`` what a search is counted as.

    Attributes:
        keys: what it depends on.
        until: seconds since 1970 at which it may change without a publication.
        mark: of the catalog that it describes.
    """

    status: int
    headers: Headers
    body: bytes
    etag: bytes
    variants: MutableMapping[bytes, tuple[Headers, bytes]]
    searched: tuple[Result, str] | None
    keys: Keys
    until: float
    mark: object | None
    replies: MutableMapping[tuple[bytes, bytes], Any]


def make_stored(
    catalog: Catalog | None, status: int, headers: Headers, body: bytes, searched: tuple[Result, str] | None = None
) -> Stored:
    """An answer with what it depends on: all of the catalog, unless its headers know better."""
    etag = next((value for name, value in headers if name == b"etag"), b"")
    told = next((value for name, value in headers if name == KEYS_HEADER), b"")
    keys = parse_keys(told) if told else WHOLE
    if catalog is None:
        return Stored(status, headers, body, etag, {}, searched, keys, 0.0, None, {})
    if not told and (status == 308 or (status == 200 and etag)):
        headers = [*headers, (KEYS_HEADER, format_keys(keys))]
    until = kept_until(keys, catalog.moments)
    return Stored(status, headers, body, etag, {}, searched, keys, until, catalog.mark, {})


class Answers:
    """The answers of one catalog that were given before, by address; the oldest go when there are too many."""

    def __init__(self) -> None:
        self.catalog: Catalog | None = None
        self._kept: dict[Address, Stored] = {}
        self._size = 0
        self._asked: set[Address] = set()

    def follow(self, catalog: Catalog | None) -> None:
        """Go on with *catalog*, and drop what may be different in it."""
        old, self.catalog = self.catalog, catalog
        news = catalog.news if catalog is not None else None
        if old is None or catalog is None or news is None or news[0] is not old.mark:
            self._kept, self._size = {}, 0
            return
        changed = news[1]
        # Which files a commit changed beside the entries is not known here, so none is kept beyond it.
        is_moment = catalog.snapshot.commit.id == old.snapshot.commit.id
        for address, stored in list(self._kept.items()):
            if not stored.keys.isdisjoint(changed) or not (is_moment or _is_of_entries(stored)):
                self._drop(address)

    def find(self, address: Address) -> Stored | None:
        """What was answered to *address* before, as it is answered now."""
        stored = self._kept.get(address)
        catalog = self.catalog
        if stored is not None and catalog is not None and stored.mark is not catalog.mark:
            stored = self._kept[address] = _renewed(stored, catalog)
        return stored

    def keep_if_asked_again(self, address: Address, stored: Stored) -> None:
        """Keep what is made quickly when it is asked for a second time: most pages of most lists never are."""
        if address in self._asked:
            self.keep(address, stored)
            return
        if len(self._asked) >= ASKED_MOST:
            self._asked.clear()
        self._asked.add(address)

    def keep(self, address: Address, stored: Stored) -> None:
        """Keep a success with a validator, unless something new came while it was made."""
        catalog = self.catalog
        if stored.status != 200 or not stored.etag or len(stored.body) > STORED_ITEM_BYTES:
            return
        if catalog is None or stored.mark is not catalog.mark:
            return
        self._drop(address)
        self._kept[address] = stored
        self._size += _weight(stored)
        while self._size > STORED_BYTES and self._kept:
            self._drop(next(iter(self._kept)))

    def _drop(self, address: Address) -> None:
        stored = self._kept.pop(address, None)
        if stored is not None:
            self._size -= _weight(stored)


def _weight(stored: Stored) -> int:
    """What *stored* may come to take with its encodings."""
    return 2 * len(stored.body) + 2000


def _is_of_entries(stored: Stored) -> bool:
    return not any(key.startswith("a-") for key in stored.keys)


def _renewed(stored: Stored, catalog: Catalog) -> Stored:
    """*stored* as the answer of *catalog*, in which nothing that it depends on is different: it names another commit.

    The id of the commit that was served then cannot stand in it for anything else: no content can hold the id of the commit that it is in.
    """
    commit = catalog.snapshot.commit.id.encode()
    old = next((value for name, value in stored.headers if name == b"content-commit"), commit)
    # In their places: whether an answer was kept shows nowhere, since what is hidden can decide over that.
    renewed = {b"content-commit": commit, b"last-modified": catalog.last_modified.encode()}
    headers = [(name, renewed.get(name, value)) for name, value in stored.headers]
    body = stored.body if old == commit else stored.body.replace(b'"commit":"%b"' % old, b'"commit":"%b"' % commit)
    until = kept_until(stored.keys, catalog.moments)
    return stored._replace(headers=headers, body=body, variants={}, until=until, mark=catalog.mark, replies={})
