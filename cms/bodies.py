"""Bodies: Markdown read from Git and rendered when asked for, kept by blob id while there is room."""

from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from html import escape
from threading import Lock

import msgspec

from cms import frontmatter
from cms.cache import DerivedCache
from cms.errors import CMSError, RepositoryProblem
from cms.markdown import Heading, excerpt, plain, render, word_count
from cms.overlay import Reader
from cms.refs import BlobId

KEPT_BYTES = 32 * 1024 * 1024
KEPT_DIGESTS = 100_000
SAVED_TOGETHER = 500


@dataclass(frozen=True, kw_only=True)
class Body:
    """One body in every format that the API offers."""

    markdown: str
    html: str
    toc: tuple[Heading, ...]

    @cached_property
    def text(self) -> str:
        """Plain text, made from the HTML when it is first asked for."""
        return plain(self.html)


class Digest(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What lists tell of a body: its first words, ending in ``[…]`` where they were cut, and the number of all its words."""

    excerpt: str
    words: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Digest).decode


class Bodies:
    """Rendered bodies of one repository; safe to share between threads."""

    def __init__(self, store: Reader, cache: DerivedCache, kept_bytes: int = KEPT_BYTES) -> None:
        self._store = store
        self._cache = cache
        self._room = kept_bytes
        self._kept: OrderedDict[BlobId, Body] = OrderedDict()
        self._size = 0
        self._digests: dict[BlobId, Digest] = {}
        self._unsaved: dict[str, bytes] = {}
        self._lock = Lock()

    def digest(self, blob: BlobId) -> Digest:
        """The digest of the content file with that id: remembered, else from the derived cache, else made from the body.

        Raises:
            RepositoryProblem: the blob cannot be read.
        """
        found = self._digests.get(blob)
        if found is None:
            found = self._load(blob) or self.prepare(blob, self._store.read_blob(blob))
            if len(self._digests) >= KEPT_DIGESTS:
                self._digests.clear()
            self._digests[blob] = found
        return found

    def prepare(self, blob: BlobId, source: bytes) -> Digest:
        """Make the digest of *source* and put it into the derived cache, for whoever shows the entry first.

        Raises:
            RepositoryProblem: the file cannot be read.
        """
        digest = digest_body(source)
        self._unsaved[blob] = _encode(digest)
        if len(self._unsaved) >= SAVED_TOGETHER:
            self.save()
        return digest

    def save(self) -> None:
        """Write to the derived cache what is not there yet."""
        unsaved, self._unsaved = self._unsaved, {}
        if unsaved:
            self._cache.save_digests(unsaved)

    def _load(self, blob: BlobId) -> Digest | None:
        value = self._cache.find_digest(blob)
        try:
            return None if value is None else _decode(value)
        except msgspec.DecodeError:
            return None

    def holds(self, blob: BlobId) -> bool:
        """Whether :meth:`get` has the body at hand."""
        return blob in self._kept

    def get(self, blob: BlobId) -> Body:
        """The body of the content file with that id.

        Raises:
            RepositoryProblem: the blob cannot be read.
        """
        with self._lock:
            found = self._kept.get(blob)
            if found is not None:
                self._kept.move_to_end(blob)
                return found
        body = render_body(self._store.read_blob(blob))
        with self._lock:
            if blob not in self._kept:
                self._kept[blob] = body
                self._size += _weight(body)
            while self._size > self._room and len(self._kept) > 1:
                self._size -= _weight(self._kept.popitem(last=False)[1])
        return body


def _weight(body: Body) -> int:
    return 2 * (len(body.markdown) + 2 * len(body.html)) + 500


def read_body(source: bytes) -> str:
    """The Markdown in a content file.

    Raises:
        RepositoryProblem: the file cannot be read; it could when the entry was made.
    """
    try:
        return frontmatter.read(source).body
    except CMSError as error:
        raise RepositoryProblem(f"the content file can no longer be read: {error}") from error


def digest_body(source: bytes) -> Digest:
    """The digest of a content file; a body too large to render has none."""
    text = read_body(source)
    try:
        return Digest(excerpt=excerpt(text)[0], words=word_count(text))
    except CMSError:
        return Digest(excerpt="", words=len(text.split()))


def render_body(source: bytes) -> Body:
    """The body in a content file. One that is too large or too deep to render is shown as preformatted text, never lost."""
    text = read_body(source).lstrip("\r\n")
    try:
        rendered = render(text)
    except CMSError:
        return Body(markdown=text, html=f"<pre>{escape(text)}</pre>", toc=())
    return Body(markdown=text, html=rendered.html, toc=rendered.toc)
