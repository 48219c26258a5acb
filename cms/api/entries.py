"""``/entries``: lists and single entries.

The endpoints are ``async`` because they read memory; bodies, where they are not kept, come from Git's object database in well under a
millisecond. A list with full text goes to a worker thread.
"""

from urllib.parse import quote, urlencode

import orjson
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from cms.api.pages import Answered, Page, keep_answer, view_of
from cms.api.responses import json_response, page_response
from cms.api.search import search_response
from cms.api.state import BASE, context
from cms.errors import EntryNotFound
from cms.params import (
    find_collection,
    read_detail_request,
    read_list_request,
    read_place,
    split_place,
    split_query,
)
from cms.query import count_facets, find_entries


async def list_entries(request: Request) -> Response:
    """``GET /entries/{collection}``."""
    ctx = context(request)
    name: str = request.path_params["collection"]
    raw: bytes = request.scope["query_string"]
    kept, place = split_place(raw)
    answered: Answered | None = ctx.catalog.answers.get((name, kept))
    if answered is None:
        collection = find_collection(ctx.catalog.model, name)
        pairs = split_query(raw)
        wanted = read_list_request(pairs, ctx.catalog, collection)
        if wanted.text:
            return await to_thread.run_sync(search_response, request, ctx, wanted, pairs)
        query = wanted.queries[0]
        entries = find_entries(ctx.catalog, query)
        answered = Answered(wanted, entries, count_facets(ctx.catalog, [query], {}))
        keep_answer(ctx.catalog, (name, kept), answered)
    wanted, entries, facets = answered
    limit, offset, page = read_place(split_query(place), wanted.queries[0].limit)
    fragments = ctx.catalog.fragments
    found = entries[offset : offset + limit]
    if wanted.shape.is_plain:
        items = [fragments.get(entry.path) or ctx.presenter.fragment(entry) for entry in found]
    else:
        items = [ctx.presenter.render(entry, wanted.shape) for entry in found]
    return page_response(request, ctx, Page(limit, offset, page, len(entries)), kept, items, facets)


async def get_entry(request: Request) -> Response:
    """``GET /entries/{collection}/{slug}``; an alias of an entry is redirected to it."""
    ctx = context(request)
    collection = find_collection(ctx.catalog.model, request.path_params["collection"])
    slug: str = request.path_params["slug"]
    pairs = split_query(request.scope["query_string"])
    chain, shape = read_detail_request(pairs, ctx.catalog, collection)
    entry = ctx.catalog.find(collection.name, slug, chain)
    if entry is None:
        if slug.endswith("/") or not slug:
            return RedirectResponse(_without_slash(request), 308)
        target = ctx.catalog.find_alias(collection.name, slug)
        if target is not None and ctx.catalog.find(collection.name, target, chain) is not None:
            url = f"{BASE}/entries/{quote(collection.name)}/{quote(target)}"
            return RedirectResponse(f"{url}?{urlencode(pairs)}" if pairs else url, 308)
        locale = f" in {' or '.join(part for part in chain if part)}" if "" not in chain else ""
        raise EntryNotFound(f"{collection.name} has no entry {slug!r}{locale}", collection=collection.name, slug=slug)
    path = f"{BASE}/entries/{quote(entry.collection)}/{quote(entry.slug)}"
    links = {
        "self": f"{path}?locale={entry.locale}",
        "collection": f"{BASE}/entries/{quote(entry.collection)}",
        **{f"translation:{other.locale}": f"{path}?locale={other.locale}" for other in ctx.catalog.translations(entry)},
    }
    body = b'{"data":%b,"meta":%b,"links":%b}' % (
        ctx.presenter.render(entry, shape),
        orjson.dumps(view_of(ctx.catalog)),
        orjson.dumps(links),
    )
    return json_response(request, ctx, body)


def _without_slash(request: Request) -> str:
    path = f"{BASE}/entries/{quote(request.path_params['collection'])}/{quote(request.path_params['slug'])}".rstrip("/")
    query = request.scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path
