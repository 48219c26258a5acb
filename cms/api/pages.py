"""Pages of lists: their links and envelope, and the short way to another page of what was found before.

What a query finds in all is kept with its catalog, so a further page is a slice of it, joined from fragments that are kept too. The gate takes
that way without asking the router.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import orjson
from starlette.types import Scope

from cms.api.state import BASE
from cms.catalog import Catalog, Fragment
from cms.dependencies import WHOLE, Keys, format_keys
from cms.entry import Entry
from cms.facets import FacetValue
from cms.params import ListRequest, split_place

ANSWERS_MOST = 500
ANSWERED_ENTRIES_MOST = 2_000_000
PREFIX = f"{BASE}/entries/".encode()
PLACE = re.compile(rb"page=([1-9]\d{0,6})|(?:offset|skip)=(\d{1,7})")
JSON = b"application/json"
UNCHANGED = "!$&'()*+,/:;=?@[]%|"

Headers = list[tuple[bytes, bytes]]


class Answered(NamedTuple):
    """What a query finds in all, and what that depends on; ``summary`` are the members of ``meta`` that say more of it."""

    wanted: ListRequest
    entries: list[Entry]
    facets: Mapping[str, Sequence[FacetValue]]
    summary: Mapping[str, Any]
    keys: Keys = WHOLE


class Page(NamedTuple):
    """Which part of all that was found an answer holds; ``number`` is None when it was asked for by offset."""

    limit: int
    offset: int
    number: int | None
    total: int


def view_of(catalog: Catalog) -> dict[str, Any]:
    """The members of ``meta`` that say what was read."""
    label = catalog.label
    if label is not None:
        return {"commit": label.commit, "view": label.name, **label.note}
    return {"commit": catalog.snapshot.commit.id, "view": catalog.model.settings.site.branch}


def commit_of(catalog: Catalog) -> str:
    """The commit that answers from *catalog* name: where drafts are laid over one, that one."""
    return catalog.snapshot.commit.id if catalog.label is None else catalog.label.commit


def link_of(catalog: Catalog, url: str) -> str:
    """*url*, leading into the view that *catalog* is."""
    return url if catalog.label is None else catalog.label.link(url)


def digest_of(body: bytes, catalog: Catalog) -> bytes:
    """What changes with *body*, and not with the commit that is named in it.

    No content can hold the id of the commit that it is in, so nothing else is left out.
    """
    return blake2b(body.replace(commit_of(catalog).encode(), b""), digest_size=12).digest()


def catalog_headers(scope: Scope, catalog: Catalog, digest: bytes, keys: Keys = WHOLE) -> Headers:
    """The headers of everything that is read from a catalog.

    The validator is that of the answer itself. It is weak, because two answers that it calls the same may name two commits, unless the
    request named one.

    Args:
        digest: of what is answered (:func:`digest_of`).
        keys: what it depends on; everything, unless it is known better.
    """
    view = scope.get("view")
    strength = b"" if view is not None and view.is_pinned else b"W/"
    return [
        (b"etag", b'%b"%b"' % (strength, digest.hex().encode())),
        (b"content-commit", commit_of(catalog).encode()),
        (b"last-modified", catalog.last_modified.encode()),
        (b"surrogate-key", format_keys(keys)),
    ]


class Body(NamedTuple):
    """A list as JSON, its ``Link`` header, and what its validator is made of."""

    content: bytes
    link: bytes
    digest: bytes


def page_body(
    path: str,
    kept: str,
    catalog: Catalog,
    page: Page,
    items: Sequence[Fragment],
    facets: Mapping[str, Sequence[FacetValue]],
    more_meta: Mapping[str, Any] | None = None,
) -> Body:
    """One page of rendered entries with its ``meta`` and ``links``.

    Args:
        kept: the query string without the parameters that name the page.
    """
    limit, offset, number, total = page
    meta: dict[str, Any] = {"total": total, "limit": limit}
    if number is None:
        meta["offset"] = offset
    else:
        meta["page"] = number
        meta["pages"] = -(-total // limit) if limit else 0
    meta |= view_of(catalog)
    if facets:
        meta["facets"] = {name: [describe_value(item) for item in values] for name, values in facets.items()}
    if more_meta:
        meta |= more_meta
    links = page_links(path, kept, page)
    rest = b'"meta":%b,"links":%b}' % (orjson.dumps(meta), orjson.dumps(links))
    parts = [b'{"data":[']
    for item in items:
        parts += (item.body, b",")
    parts[-1] = b"]," if items else b'{"data":[],'
    parts.append(rest)
    content = b"".join(parts)  # once: it is long
    del links["self"]
    digest = digest_of(rest + b"".join([item.digest for item in items]), catalog)
    return Body(content, link_header(links), digest)


def link_header(links: Mapping[str, str]) -> bytes:
    """RFC 8288."""
    return ", ".join([f'<{url}>; rel="{relation}"' for relation, url in links.items()]).encode("latin-1", "replace")


def describe_value(item: FacetValue) -> dict[str, Any]:
    """One value of a facet, with a label where it has one, and the ends of a range of numbers."""
    label = {} if item.label is None else {"label": item.label}
    ends = {name: end for name, end in (("from", item.low), ("to", item.high)) if end is not None}
    return {"value": item.value, **label, **ends, "count": item.count}


def page_links(path: str, kept: str, page: Page) -> dict[str, str]:
    """``self``, ``first``, ``prev``, ``next`` and ``last``, as far as there are such pages; paths on this server."""
    limit, offset, number, total = page
    kept = _linked(kept)
    base = f"{path}?{kept}" if kept else path
    place = f"{base}{'&' if kept else '?'}{'offset' if number is None else 'page'}="

    def link(start: int) -> str:
        return f"{place}{start if number is None else start // limit + 1}" if start else base

    links = {"self": link(offset) if limit else base}
    if limit:
        last = max(0, (total - 1) // limit * limit)
        links["first"] = base
        if offset > 0:
            links["prev"] = link(max(0, offset - limit) if offset < total else last)
        if offset + limit < total:
            links["next"] = link(offset + limit)
        links["last"] = link(last)
    return links


@lru_cache(maxsize=1024)
def _linked(query: str) -> str:
    """As it was sent, but for what would end a link in the header or is no ASCII."""
    return quote(query, safe=UNCHANGED, encoding="latin-1")


def keep_answer(catalog: Catalog, key: tuple[str, bytes], answered: Answered) -> None:
    """Keep what a query found; when there is no room all that was kept is dropped, because it is cheap to find again."""
    answers = catalog.answers
    held = sum(len(kept.entries) for kept in answers.values())
    if len(answers) >= ANSWERS_MOST or held + len(answered.entries) > ANSWERED_ENTRIES_MOST:
        answers.clear()
    answers[key] = answered


def next_page(scope: Scope, catalog: Catalog) -> tuple[Headers, bytes] | None:
    """Another page of a plain list that was asked for before, or ``None``: then the endpoint must answer."""
    path: bytes = scope.get("raw_path") or b""
    if not path.startswith(PREFIX):
        return None
    kept, place = split_place(scope["query_string"])
    found = PLACE.fullmatch(place) if place else None
    if place and found is None:
        return None
    name = path[len(PREFIX) :].decode("latin-1")
    answered: Answered | None = catalog.answers.get((unquote(name) if "%" in name else name, kept))
    if answered is None or not answered.wanted.shape.is_plain:
        return None
    limit = answered.wanted.queries[0].limit
    number, offset = (1, 0) if found is None else (None, int(found[2])) if found[2] else (int(found[1]), 0)
    page = Page(limit, offset if number is None else (number - 1) * limit, number, len(answered.entries))
    items = catalog.fragments.gather([entry.path for entry in answered.entries[page.offset : page.offset + limit]])
    if items is None:
        return None
    name = path.decode("latin-1")
    body = page_body(name, kept.decode("latin-1"), catalog, page, items, answered.facets, answered.summary)
    headers = catalog_headers(scope, catalog, body.digest, answered.keys)
    headers += [(b"content-type", JSON), (b"link", body.link)] if body.link else [(b"content-type", JSON)]
    return headers, body.content
