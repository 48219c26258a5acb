"""Envelopes: how lists and single things are wrapped, linked and marked for caches."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response

from cms.api.pages import Page, catalog_headers, digest_of, page_body, view_of
from cms.api.state import Context
from cms.catalog import Fragment
from cms.dependencies import WHOLE, Keys
from cms.facets import FacetValue

JSON = "application/json"


def json_response(
    request: Request,
    ctx: Context,
    body: bytes,
    *,
    link: bytes = b"",
    media_type: str = JSON,
    keys: Keys = WHOLE,
    digest: bytes = b"",
) -> Response:
    """*body* with the headers of everything that is read from a catalog.

    Args:
        keys: what it depends on; everything, unless it is known better.
        digest: what its validator is made of, where that is known already.
    """
    response = Response(body, media_type=media_type)
    response.raw_headers += catalog_headers(request.scope, ctx.catalog, digest or digest_of(body, ctx.catalog), keys)
    if link:
        response.raw_headers.append((b"link", link))
    return response


def object_response(
    request: Request,
    ctx: Context,
    data: Any,
    *,
    links: Mapping[str, str],
    more_meta: Mapping[str, Any] | None = None,
    keys: Keys = WHOLE,
) -> Response:
    """``{"data": …, "meta": …, "links": …}`` for one thing, or for all there are of a few."""
    body = {"data": data, "meta": {**(more_meta or {}), **view_of(ctx.catalog)}, "links": links}
    return json_response(request, ctx, orjson.dumps(body, default=msgspec.to_builtins), keys=keys)


def with_query(request: Request, path: str) -> str:
    """*path* with the query string of *request*, for a redirection."""
    query = request.scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


def page_response(
    request: Request,
    ctx: Context,
    page: Page,
    kept: bytes,
    items: Sequence[Fragment],
    facets: Mapping[str, Sequence[FacetValue]],
    more_meta: Mapping[str, Any] | None = None,
    keys: Keys = WHOLE,
) -> Response:
    """One page of rendered entries; *kept* is the query string without the page."""
    raw_path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    path = raw_path.decode("latin-1")
    body = page_body(path, kept.decode("latin-1"), ctx.catalog, page, items, facets, more_meta)
    return json_response(request, ctx, body.content, link=body.link, keys=keys, digest=body.digest)
