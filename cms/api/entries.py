"""``/entries``: lists and single entries.

The endpoints are ``async`` because they read memory. What takes longer goes to a worker thread: bodies that must be rendered first, queries
over very many entries, full text.
"""

from urllib.parse import quote, urlencode

import orjson
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from cms.api.listing import find_all, render_all
from cms.api.pages import Answered, Page, keep_answer, link_of, view_of
from cms.api.responses import json_response, page_response, with_query
from cms.api.search import search_response
from cms.api.state import BASE, Context, context
from cms.api.walking import names_cursor, walk
from cms.catalog import LocaleChain
from cms.departed import Moved
from cms.entry import Entry
from cms.errors import CollectionNotFound, EntryNotFound, Gone
from cms.params import (
    find_collection,
    read_detail_request,
    read_list_request,
    read_place,
    split_place,
    split_query,
)
from cms.present import Presenter, Shape
from cms.refs import BlobId


async def list_entries(request: Request) -> Response:
    """``GET /entries/{collection}``."""
    ctx = context(request)
    name: str = request.path_params["collection"]
    raw: bytes = request.scope["query_string"]
    if names_cursor(raw):
        return await walk(request, ctx, name)
    kept, place = split_place(raw)
    answered: Answered | None = ctx.catalog.answers.get((name, kept))
    if answered is None:
        collection = find_collection(ctx.catalog.model, name)
        pairs = split_query(raw)
        wanted = read_list_request(pairs, ctx.catalog, collection)
        if wanted.text:
            return await ctx.lanes.searches.run(search_response, request, ctx, wanted, pairs, False)
        answered = await find_all(ctx, wanted)
        query = wanted.queries[0]
        limit, offset, page = query.limit, query.offset, wanted.page
        if (limit, offset, page) == read_place(split_query(place), limit):
            keep_answer(ctx.catalog, (name, kept), answered)
    else:
        limit, offset, page = read_place(split_query(place), answered.wanted.queries[0].limit)
    found = answered.entries[offset : offset + limit]
    shape = answered.wanted.shape
    if shape.formats:
        items = await to_thread.run_sync(render_all, ctx.presenter, found, shape)
    else:
        items = render_all(ctx.presenter, found, shape)
    part = Page(limit, offset, page, len(answered.entries))
    keys = answered.keys | ctx.presenter.list_keys
    return page_response(request, ctx, part, kept, items, answered.facets, answered.summary, keys)


async def get_entry(request: Request) -> Response:
    """``GET /entries/{collection}/{slug}``; an alias of an entry, and a name it had, is redirected to it."""
    ctx = context(request)
    slug: str = request.path_params["slug"]
    try:
        collection = find_collection(ctx.catalog.model, request.path_params["collection"])
    except CollectionNotFound:
        moved = await find_moved(request, ctx, ctx.catalog.default_chain)
        if moved is None:
            raise
        return moved
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
        moved = await find_moved(request, ctx, chain)
        if moved is not None:
            return moved
        locale = f" in {' or '.join(part for part in chain if part)}" if "" not in chain else ""
        raise EntryNotFound(f"{collection.name} has no entry {slug!r}{locale}", collection=collection.name, slug=slug)
    path = f"{BASE}/entries/{quote(entry.collection)}/{quote(entry.slug)}"
    links = {
        "self": f"{path}?locale={entry.locale}",
        "collection": f"{BASE}/entries/{quote(entry.collection)}",
        **{f"translation:{other.locale}": f"{path}?locale={other.locale}" for other in ctx.catalog.translations(entry)},
    }
    links = {name: link_of(ctx.catalog, url) for name, url in links.items()}
    body = b'{"data":%b,"meta":%b,"links":%b}' % (
        await _detail(ctx, entry, shape),
        orjson.dumps(view_of(ctx.catalog)),
        orjson.dumps(links),
    )
    return json_response(request, ctx, body, keys=ctx.presenter.keys)


def _without_slash(request: Request) -> str:
    path = f"{BASE}/entries/{quote(request.path_params['collection'])}/{quote(request.path_params['slug'])}".rstrip("/")
    return with_query(request, path)


async def find_moved(request: Request, ctx: Context, chain: LocaleChain, *, root: str = "entries") -> Response | None:
    """The redirection to where the entry is now that once was at this address; ``None`` when none was there.

    Args:
        root: what of the entry was asked for.

    Raises:
        Gone: one was, and it was withdrawn.
    """
    collection: str = request.path_params["collection"]
    slug: str = request.path_params["slug"]
    departures = ctx.departures
    if departures.is_ready(ctx.catalog):
        found = departures.find(ctx.catalog, collection, slug, chain)
    else:
        found = await ctx.lanes.sorting.run(departures.find, ctx.catalog, collection, slug, chain)
    if isinstance(found, Moved):
        path = f"{BASE}/{root}/{quote(found.collection)}/{quote(found.slug)}"
        return RedirectResponse(with_query(request, path), 308)
    if found is not None:
        raise Gone(f"the entry {slug!r} of {collection} was withdrawn", collection=collection, slug=slug)
    return None


async def _detail(ctx: Context, entry: Entry, shape: Shape) -> bytes:
    """*entry* as JSON; a body that must be rendered first is rendered in a worker thread, others wait for nobody.

    It is rendered for this answer even where it is kept, so that the presenter knows what it depends on.
    """
    if shape.formats and not ctx.bodies.holds(BlobId(entry.blob)):
        return await to_thread.run_sync(_render_whole, ctx.presenter, entry, shape)
    return _render_whole(ctx.presenter, entry, shape)


def _render_whole(presenter: Presenter, entry: Entry, shape: Shape) -> bytes:
    return orjson.dumps(presenter.entry(entry, shape))
