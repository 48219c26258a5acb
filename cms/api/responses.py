"""Envelopes: how lists and single things are wrapped, linked and marked for caches."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response

from cms import __version__
from cms.api.state import Context, view_meta
from cms.query import FacetValue

JSON = "application/json"


def etag_of(request: Request, ctx: Context) -> str:
    """A strong validator. An answer is a function of the commit, the moment and the request, so these are what is hashed."""
    scope = request.scope
    what = f"{__version__}:{ctx.catalog.snapshot.commit.id}:{ctx.catalog.changed_at}:{ctx.catalog.model.is_inferred}:"
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    return f'"{hashlib.blake2b(what.encode() + path + b"?" + scope["query_string"], digest_size=12).hexdigest()}"'


def json_response(
    request: Request, ctx: Context, body: bytes, *, links: Mapping[str, str] | None = None, media_type: str = JSON
) -> Response:
    """*body* with the headers of everything that is read from a catalog."""
    headers = {
        "ETag": etag_of(request, ctx),
        "Content-Commit": ctx.catalog.snapshot.commit.id,
        "Last-Modified": ctx.catalog.last_modified,
    }
    if links:
        headers["Link"] = ", ".join([f'<{url}>; rel="{relation}"' for relation, url in links.items()])
    return Response(body, media_type=media_type, headers=headers)


def object_response(
    request: Request, ctx: Context, data: Any, *, links: Mapping[str, str], more_meta: Mapping[str, Any] | None = None
) -> Response:
    """``{"data": …, "meta": …, "links": …}`` for one thing, or for all there are of a few."""
    body = {"data": data, "meta": {**(more_meta or {}), **view_meta(ctx)}, "links": links}
    return json_response(request, ctx, orjson.dumps(body, default=msgspec.to_builtins))


class Page(NamedTuple):
    """Which part of all that was found an answer holds; ``number`` is None when it was asked for by offset."""

    limit: int
    offset: int
    number: int | None
    total: int


def page_response(
    request: Request,
    ctx: Context,
    page: Page,
    kept: bytes,
    items: Sequence[bytes],
    facets: Mapping[str, Sequence[FacetValue]],
    more_meta: Mapping[str, Any] | None = None,
) -> Response:
    """One page of rendered entries with its ``meta`` and ``links``; *kept* is the query string without the page."""
    limit, offset, number, total = page
    meta: dict[str, Any] = {"total": total, "limit": limit}
    if number is None:
        meta["offset"] = offset
    else:
        meta["page"] = number
        meta["pages"] = -(-total // limit) if limit else 0
    meta |= view_meta(ctx)
    if facets:
        meta["facets"] = {name: [describe_value(item) for item in values] for name, values in facets.items()}
    if more_meta:
        meta |= more_meta
    links = page_links(request.scope["path"], kept.decode("latin-1"), page)
    body = b'{"data":[%b],"meta":%b,"links":%b}' % (b",".join(items), orjson.dumps(meta), orjson.dumps(links))
    del links["self"]
    return json_response(request, ctx, body, links=links)


def describe_value(item: FacetValue) -> dict[str, Any]:
    """One value of a facet, with a label where it has one."""
    label = {} if item.label is None else {"label": item.label}
    return {"value": item.value, **label, "count": item.count}


def page_links(path: str, kept: str, page: Page) -> dict[str, str]:
    """``self``, ``first``, ``prev``, ``next`` and ``last``, as far as there are such pages; paths on this server."""
    limit, offset, number, total = page
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
