"""Bodies: Markdown read from Git and rendered when asked for, kept by blob id while there is room."""

from collections import OrderedDict
from dataclasses import dataclass
from html import escape
from threading import Lock

from cms import frontmatter, markdown
from cms.errors import CMSError, RepositoryProblem
from cms.refs import BlobId
from cms.store import Store

KEPT_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """One body in every format that the API offers."""

    markdown: str
    html: str
    text: str
    toc: tuple[markdown.Heading, ...]


class Bodies:
    """Rendered bodies of one repository; safe to share between threads."""

    def __init__(self, store: Store, kept_bytes: int = KEPT_BYTES) -> None:
        self._store = store
        self._room = kept_bytes
        self._kept: OrderedDict[BlobId, Body] = OrderedDict()
        self._size = 0
        self._lock = Lock()

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
    return 2 * (len(body.markdown) + len(body.html) + len(body.text)) + 500


def render_body(source: bytes) -> Body:
    """The body in a content file. One that is too large or too deep to render is shown as preformatted text, never lost."""
    try:
        text = frontmatter.read(source).body
    except CMSError as error:
        raise RepositoryProblem(f"the content file can no longer be read: {error}") from error
    text = text.lstrip("\r\n")
    try:
        rendered = markdown.render(text)
    except CMSError:
        return Body(markdown=text, html=f"<pre>{escape(text)}</pre>", text=text, toc=())
    return Body(markdown=text, html=rendered.html, text=markdown.plain(rendered.html), toc=rendered.toc)
