"""Entries: one content file each, identified by (collection, slug, locale).

What a file's bytes say is a :class:`Parsed`, shared by every path and every snapshot that holds the same blob; what its path adds
makes the :class:`Entry`. Bodies are not held: they are read from Git when asked for.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from cms.finding import Finding

RESERVED = frozenset(
    {
        "id",
        "collection",
        "path",
        "status",
        "created_at",
        "updated_at",
        "first_author",
        "last_author",
        "body",
        "toc",
        "translations",
        "word_count",
        "reading_minutes",
        "comment_count",
        "score",
        "highlights",
    }
)
DEFINING = frozenset({"slug", "url", "permalink", "locale", "published_at", "excerpt"})

#: The fields that the API adds to those of the front matter, and their types.
META_KINDS: Mapping[str, str] = {
    "id": "string",
    "collection": "string",
    "slug": "string",
    "locale": "string",
    "path": "string",
    "url": "string",
    "status": "string",
    "created_at": "date-time",
    "updated_at": "date-time",
    "published_at": "date-time",
    "first_author": "string",
    "last_author": "string",
}


class EntryKey(NamedTuple):
    """What identifies an entry."""

    collection: str
    slug: str
    locale: str


class Parsed(msgspec.Struct, frozen=True, gc=False, kw_only=True, array_like=True):
    """What the bytes of a content file say, read by the schema of its collection.

    Attributes:
        fields: front matter, typed by the schema; a name that the API reserves has an underscore behind.
        title: text of the field that names the entry.
        slug, url, locale: what the front matter says of them, when it does.
        published_at, publish_at, expire_at: seconds since 1970 (UTC).
        hidden: ``draft: true`` or ``published: false``: never public.
        findings: what is wrong; with an error among them the file is not served.
    """

    fields: dict[str, Any]
    title: str | None = None
    slug: str | None = None
    url: str | None = None
    locale: str | None = None
    published_at: float | None = None
    publish_at: float | None = None
    expire_at: float | None = None
    hidden: bool = False
    findings: tuple[Finding, ...] = ()

    @property
    def is_valid(self) -> bool:
        """Whether the file can be served."""
        return not any(finding.severity == "error" for finding in self.findings)


class Entry(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A content file at its place.

    Attributes:
        path: the file, from the root of the repository.
        blob: hex id of its bytes.
        published_at: from the front matter, else from the date in the path; seconds since 1970 (UTC).
    """

    collection: str
    slug: str
    locale: str
    path: str
    blob: str
    parsed: Parsed
    published_at: float | None = None

    @property
    def key(self) -> EntryKey:
        """(collection, slug, locale)."""
        return EntryKey(self.collection, self.slug, self.locale)

    @property
    def id(self) -> str:
        """The key as one text."""
        return f"{self.collection}/{self.slug}@{self.locale}"

    @property
    def document_id(self) -> str:
        """What full-text search knows the entry's text by, of which its slug is a part: the same is indexed once."""
        return f"{self.blob}:{self.collection}:{self.locale}:{self.slug}"

    @property
    def fields(self) -> dict[str, Any]:
        """The front matter, typed by the schema."""
        return self.parsed.fields

    @property
    def moments(self) -> tuple[float, ...]:
        """When the entry appears and when it goes, in seconds since 1970, as far as a moment is named; none of one that nobody ever sees."""
        begins, ends = self.parsed.publish_at, self.parsed.expire_at
        if self.parsed.hidden or (begins is not None and ends is not None and begins >= ends):
            return ()
        return tuple(moment for moment in (begins, ends) if moment is not None)

    def is_public(self, now: float) -> bool:
        """Whether the public may see the entry at *now* (seconds since 1970)."""
        parsed = self.parsed
        return not (
            parsed.hidden
            or (parsed.publish_at is not None and now < parsed.publish_at)
            or (parsed.expire_at is not None and now >= parsed.expire_at)
        )
