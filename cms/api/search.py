"""``/search``, and lists with ``search=``: full text, in the threads that are for it because it reads the index."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from cms.api.pages import Page
from cms.api.responses import page_response
from cms.api.state import Context, context
from cms.entry import Entry
from cms.params import ListRequest, Pairs, read_search_request, split_place, split_query

OWN_NAMES = {"summary": "excerpt"}


async def search(request: Request) -> Response:
    """``GET /search?q=``."""
    ctx = context(request)
    pairs = split_query(request.scope["query_string"])
    wanted = read_search_request(pairs, ctx.catalog)
    return await ctx.lanes.searches.run(search_response, request, ctx, wanted, pairs, True)


def search_response(
    request: Request,
    ctx: Context,
    wanted: ListRequest,
    pairs: Pairs,
    highlight: bool,
) -> Response:
    """A page of hits with ``score``, ``pinned`` where editors said so, and, unless switched off, ``highlights``."""
    searcher = ctx.site.searcher
    found = searcher.search(
        ctx.catalog, wanted.queries, wanted.text, by_relevance=wanted.by_relevance, similar=wanted.similar
    )
    marked = wanted.highlight or (highlight and not any(name == "highlight" for name, _ in pairs))
    items = [
        _item(ctx, wanted, entry, score, marked=marked, pinned=entry.path in found.pinned)
        for entry, score in zip(found.entries, found.scores, strict=True)
    ]
    query = wanted.queries[0]
    page = Page(query.limit, query.offset, wanted.page, found.total)
    kept, _ = split_place(request.scope["query_string"])
    meta = {"query": wanted.text} | ({} if wanted.similar is None else {"similar": wanted.similar.id})
    return page_response(request, ctx, page, kept, items, found.facets, meta)


def _item(ctx: Context, wanted: ListRequest, entry: Entry, score: float, *, marked: bool, pinned: bool) -> bytes:
    extra: dict[str, Any] = {"score": round(score, 4)}
    if pinned:
        extra["pinned"] = True
    if marked:
        snippets = ctx.site.searcher.snippets(ctx.catalog, entry, wanted.text) if wanted.text else []
        # The engine knows the excerpt as the summary, and as a field when its schema gives it a weight.
        found = {OWN_NAMES.get(snippet.field, snippet.field): snippet.html for snippet in snippets if snippet.marked}
        extra["highlights"] = [{"field": field, "html": html} for field, html in found.items()]
    return orjson.dumps({**ctx.presenter.entry(entry, wanted.shape), **extra})
