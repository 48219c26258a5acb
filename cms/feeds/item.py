"""What a feed says, whatever the format: values with absolute addresses and aware times."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosure:
    """A file that belongs to an item.

    Attributes:
        kind: its media type.
        size_bytes: None: it lies elsewhere.
    """

    url: str
    kind: str
    size_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One entry.

    Attributes:
        id: a tag URI (RFC 4151); the same when the entry is renamed, moved or edited.
        url: where the site shows it; None when it has no page of its own.
        html, text: the whole body, where it was asked for.
    """

    id: str
    title: str
    url: str | None
    locale: str
    summary: str
    html: str | None = None
    text: str | None = None
    published_at: datetime
    updated_at: datetime
    authors: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    enclosures: tuple[Enclosure, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One page of a feed.

    Attributes:
        id: the address of its first page.
        home: the site.
        links: ``self``, ``first``, ``prev``, ``next`` and ``last``, as far as there are such pages.
    """

    id: str
    title: str
    description: str
    author: str
    home: str
    locale: str
    updated_at: datetime
    items: Sequence[Item]
    links: Mapping[str, str]
