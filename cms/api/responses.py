"""Envelopes: how lists and single things are wrapped, linked and marked for caches."""

import hashlib
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from typing import Any
from urllib.parse import urlencode

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response

from cms.api.state import Context, view_meta
from cms.params import ListRequest, Pairs
from cms.query import FacetValue

JSON = "application/json"


def etag_of(body: bytes) -> str:
    """A strong validator: the same bytes, the same tag."""
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def json_response(
    ctx: Context, body: bytes, *, links: Mapping[str, str] | None = None, media_type: str = JSON
) -> Response:
    """*body* with the headers of everything that is read from a catalog."""
    headers = {
        "ETag": etag_of(body),
        "Content-Commit": ctx.catalog.snapshot.commit.id,
        "Last-Modified": formatdate(ctx.catalog.changed_at, usegmt=True),
    }
    if links:
        headers["Link"] = ", ".join(f'<{url}>; rel="{relation}"' for relation, url in links.items())
    return Response(body, media_type=media_type, headers=headers)


def object_response(ctx: Context, data: Any, *, links: Mapping[str, str] | None = None) -> Response:
    """``{"data": …, "meta": …, "links": …}`` for one thing."""
    body = {"data": data, "meta": view_meta(ctx), "links": dict(links or {})}
    return json_response(ctx, orjson.dumps(body, default=msgspec.to_builtins))


def page_response(
    request: Request,
    ctx: Context,
    wanted: ListRequest,
    pairs: Pairs,
    items: Sequence[bytes],
    total: int,
    facets: Mapping[str, Sequence[FacetValue]],
    more_meta: Mapping[str, Any] | None = None,
) -> Response:
    """One page of rendered entries with its ``meta`` and ``links``."""
    query = wanted.queries[0] if wanted.queries else None
    limit, offset = (query.limit, query.offset) if query else (0, 0)
    meta: dict[str, Any] = {"total": total, "limit": limit}
    if wanted.page is None:
        meta["offset"] = offset
    else:
        meta["page"] = wanted.page
        meta["pages"] = -(-total // limit) if limit else 0
    meta |= view_meta(ctx)
    if facets:
        meta["facets"] = {
            name: [
                {"value": item.value, "count": item.count}
                if item.label is None
                else {"value": item.value, "label": item.label, "count": item.count}
                for item in values
            ]
            for name, values in facets.items()
        }
    meta |= more_meta or {}
    links = page_links(request.url.path, pairs, wanted, total, limit, offset)
    body = b'{"data":[%b],"meta":%b,"links":%b}' % (b",".join(items), orjson.dumps(meta), orjson.dumps(links))
    return json_response(ctx, body, links={key: url for key, url in links.items() if key != "self"})


def page_links(path: str, pairs: Pairs, wanted: ListRequest, total: int, limit: int, offset: int) -> dict[str, str]:
    """``self``, ``first``, ``prev``, ``next`` and ``last``, as far as there are such pages; paths on this server."""

    def link(start: int) -> str:
        kept = [(name, value) for name, value in pairs if name not in ("page", "offset", "skip")]
        place = ("offset", start) if wanted.page is None else ("page", start // limit + 1)
        return f"{path}?{urlencode([*kept, *([place] if start else [])])}".rstrip("?")

    own = f"{path}?{urlencode(list(pairs))}".rstrip("?")
    links = {"self": own}
    if not limit:
        return links
    links["first"] = link(0)
    if offset > 0:
        links["prev"] = link(max(0, min(offset, total) - limit))
    if offset + limit < total:
        links["next"] = link(offset + limit)
    links["last"] = link(max(0, (total - 1) // limit * limit))
    return links
