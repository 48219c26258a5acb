"""Feeds as bytes: RSS 2.0, Atom (RFC 4287) and JSON Feed 1.1, with pages by RFC 5005."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import format_datetime
from html import escape
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

import orjson

from cms.feeds.item import Feed, Item

ATOM = "http://www.w3.org/2005/Atom"
DECLARATION = b'<?xml version="1.0" encoding="utf-8"?>\n'
JSON_FEED = "https://jsonfeed.org/version/1.1"
#: RFC 5005 and RFC 8288 have two words for the same.
RELATIONS = {"prev": "previous"}
_NEVER_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def format_rss(feed: Feed) -> bytes:
    """*feed* as RSS 2.0 with what the profile of the RSS Advisory Board recommends: ``atom:link``, ``dc:creator``, ``content:encoded``."""
    names = {
        "xmlns:atom": ATOM,
        "xmlns:content": "http://purl.org/rss/1.0/modules/content/",
        "xmlns:dc": "http://purl.org/dc/elements/1.1/",
    }
    root = Element("rss", {"version": "2.0", **names})
    channel = SubElement(root, "channel")
    _add(channel, "title", feed.title)
    _add(channel, "link", feed.home)
    _add(channel, "description", feed.description)
    _add(channel, "language", feed.locale)
    _add(channel, "lastBuildDate", format_datetime(feed.updated_at))
    for relation, url in feed.links.items():
        _add(
            channel,
            "atom:link",
            None,
            rel=RELATIONS.get(relation, relation),
            href=url,
            type=MEDIA_TYPES["rss"] if relation == "self" else None,
        )
    for item in feed.items:
        _add_rss_item(channel, item)
    return _xml(root)


def _add_rss_item(channel: Element, item: Item) -> None:
    node = SubElement(channel, "item")
    _add(node, "title", item.title)
    if item.url is not None:
        _add(node, "link", item.url)
    _add(node, "guid", item.id, isPermaLink="false")
    _add(node, "pubDate", format_datetime(item.published_at))
    _add(node, "description", escape(item.summary, quote=False))
    if item.html is not None:
        _add(node, "content:encoded", item.html)
    elif item.text is not None:
        _add(node, "content:encoded", _paragraphs(item.text))
    for author in item.authors:
        _add(node, "dc:creator", author)
    for tag in item.tags:
        _add(node, "category", tag)
    for enclosure in item.enclosures[:1]:  # RSS has room for one
        _add(
            node,
            "enclosure",
            None,
            url=enclosure.url,
            length=str(enclosure.size_bytes or 0),
            type=enclosure.kind,
        )
    _add(node, "dc:language", item.locale)
    _add(node, "atom:updated", _timestamp(item.updated_at))


def format_atom(feed: Feed) -> bytes:
    """*feed* as Atom."""
    root = Element("feed", {"xmlns": ATOM, "xml:lang": feed.locale})
    _add(root, "id", feed.id)
    _add(root, "title", feed.title)
    _add(root, "subtitle", feed.description)
    _add(root, "updated", _timestamp(feed.updated_at))
    _add(SubElement(root, "author"), "name", feed.author)
    _add(root, "link", None, rel="alternate", href=feed.home)
    for relation, url in feed.links.items():
        kind = MEDIA_TYPES["atom"] if relation == "self" else None
        _add(root, "link", None, rel=RELATIONS.get(relation, relation), href=url, type=kind)
    for item in feed.items:
        _add_atom_entry(root, item)
    return _xml(root)


def _add_atom_entry(root: Element, item: Item) -> None:
    node = SubElement(root, "entry", {"xml:lang": item.locale})
    _add(node, "id", item.id)
    _add(node, "title", item.title)
    _add(node, "published", _timestamp(item.published_at))
    _add(node, "updated", _timestamp(item.updated_at))
    for name in item.authors:
        _add(SubElement(node, "author"), "name", name)
    if item.url is not None:
        _add(node, "link", None, rel="alternate", href=item.url)
    for enclosure in item.enclosures:
        length = None if enclosure.size_bytes is None else str(enclosure.size_bytes)
        _add(node, "link", None, rel="enclosure", href=enclosure.url, type=enclosure.kind, length=length)
    for tag in item.tags:
        _add(node, "category", None, term=tag)
    _add(node, "summary", item.summary)
    if item.html is not None:
        _add(node, "content", item.html, type="html")
    elif item.text is not None:
        _add(node, "content", item.text, type="text")
    elif item.url is None:  # an entry without a page must hold something
        _add(node, "content", item.summary, type="text")


def format_json_feed(feed: Feed) -> bytes:
    """*feed* as JSON Feed 1.1."""
    document: dict[str, Any] = {
        "version": JSON_FEED,
        "title": feed.title,
        "home_page_url": feed.home,
        "feed_url": feed.links["self"],
        "description": feed.description,
        "language": feed.locale,
        "authors": [{"name": feed.author}],
    }
    if "next" in feed.links:
        document["next_url"] = feed.links["next"]
    document["items"] = [_json_item(item) for item in feed.items]
    return orjson.dumps(document)


def _json_item(item: Item) -> dict[str, Any]:
    images = [enclosure.url for enclosure in item.enclosures if enclosure.kind.startswith("image/")]
    body = {"content_html": item.html, "content_text": item.text}
    if item.html is None and item.text is None:  # one of them there must be
        body["content_text"] = item.summary
    shown = {
        "id": item.id,
        "url": item.url,
        "title": item.title,
        **body,
        "summary": item.summary,
        "image": images[0] if images else None,
        "date_published": _timestamp(item.published_at),
        "date_modified": _timestamp(item.updated_at),
        "authors": [{"name": name} for name in item.authors],
        "tags": list(item.tags),
        "language": item.locale,
        "attachments": [
            {"url": one.url, "mime_type": one.kind}
            | ({} if one.size_bytes is None else {"size_in_bytes": one.size_bytes})
            for one in item.enclosures
        ],
    }
    return {name: value for name, value in shown.items() if value is not None and value != []}


#: By the name that ends an address.
FORMATS: Mapping[str, Callable[[Feed], bytes]] = {"rss": format_rss, "atom": format_atom, "json": format_json_feed}
MEDIA_TYPES = {"rss": "application/rss+xml", "atom": "application/atom+xml", "json": "application/feed+json"}


def _add(parent: Element, name: str, text: str | None, **attributes: str | None) -> None:
    """An element below *parent*; an attribute that is None is left out."""
    known = {key: clean(value) for key, value in attributes.items() if value is not None}
    SubElement(parent, name, known).text = None if text is None else clean(text)


def clean(text: str) -> str:
    """*text* without the characters that no XML document may hold, not even escaped."""
    return _NEVER_IN_XML.sub("", text)


def _paragraphs(text: str) -> str:
    """Plain *text* as HTML, for a place that has no other."""
    return "".join(f"<p>{escape(line, quote=False)}</p>" for line in text.split("\n") if line)


def _xml(root: Element) -> bytes:
    return DECLARATION + bytes(tostring(root, "utf-8"))


def _timestamp(moment: datetime) -> str:
    """RFC 3339."""
    return moment.isoformat(timespec="seconds").removesuffix("+00:00") + ("" if moment.utcoffset() else "Z")
