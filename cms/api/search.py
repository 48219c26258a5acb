"""``/search``, and lists with ``search=``: full text, in the threads that are for it because it reads the index."""

import time
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from cms.api.editing import PRIVATE
from cms.api.explaining import asks_why, explanation_json, require_insight
from cms.api.pages import Page
from cms.api.responses import page_response
from cms.api.state import Context, context
from cms.catalog import Fragment
from cms.entry import Entry
from cms.errors import InvalidQuery, SearchUnavailable
from cms.looking import Found
from cms.params import ListRequest, Pairs, read_search_request, split_place, split_query
from cms.present import make_fragment
from cms.searching import Searcher
from cms.searchlog import Result
from cms.searchtexts import SLUG

OWN_NAMES = {"summary": "excerpt"}


async def search(request: Request) -> Response:
    """``GET /search?q=``."""
    ctx = context(request)
    pairs = split_query(request.scope["query_string"])
    wanted = read_search_request(pairs, ctx.catalog)
    if wanted.explain:
        if not asks_why(request.scope):
            raise InvalidQuery("explain must be written as it is, without %", parameter="explain")
        await require_insight(request)
    return await ctx.lanes.searches.run(search_response, request, ctx, wanted, pairs, True)


def search_response(
    request: Request,
    ctx: Context,
    wanted: ListRequest,
    pairs: Pairs,
    highlight: bool,
) -> Response:
    """A page of hits with ``score``, ``pinned`` where editors said so, and, unless switched off, ``highlights``."""
    found = find_hits(request, ctx, wanted)
    marked = wanted.highlight or (highlight and not any(name == "highlight" for name, _ in pairs))
    items = [
        _item(ctx, wanted, found, entry, score, marked=marked)
        for entry, score in zip(found.entries, found.scores, strict=True)
    ]
    query = wanted.queries[0]
    page = Page(query.limit, query.offset, wanted.page, found.total)
    kept, _ = split_place(request.scope["query_string"])
    meta = {"query": wanted.text, **found.summary}
    if found.text != wanted.text:
        meta["corrected"] = found.text
    if found.match == "any":
        meta["match"] = found.match
    if wanted.similar is not None:
        meta["similar"] = wanted.similar.id
    response = page_response(request, ctx, page, kept, items, found.facets, meta)
    if wanted.explain:
        response.headers.update(PRIVATE)
    return response


def _searcher(ctx: Context) -> Searcher:
    view = ctx.view
    if view is None:
        return ctx.site.searcher
    return ctx.site.views.searches.find(ctx.catalog.model, is_public=view.is_public)


def find_hits(request: Request, ctx: Context, wanted: ListRequest) -> Found:
    """Search, and say what the search is to be counted as: here, because its answer may be given many times."""
    started = time.perf_counter()
    try:
        found = _searcher(ctx).search(
            ctx.catalog,
            wanted.queries,
            wanted.text,
            by_relevance=wanted.by_relevance,
            similar=wanted.similar,
            explain=wanted.explain,
            bodies=ctx.bodies,
        )
    except SearchUnavailable:
        request.scope["searched"] = ("unavailable", "")
        raise
    # A filter may be why nothing was found or why it took long, which says nothing about the words; and who asks why tries out.
    is_plain = wanted.similar is None and all(query.where is None for query in wanted.queries) and not wanted.explain
    ctx.site.searches.time(time.perf_counter() - started, wanted.text if is_plain else "")
    if wanted.text and not wanted.queries[0].offset:
        result: Result = "none" if not found.total else "corrected" if found.text != wanted.text else "some"
        request.scope["searched"] = (result, wanted.text if is_plain else "")
    return found


def _item(ctx: Context, wanted: ListRequest, found: Found, entry: Entry, score: float, *, marked: bool) -> Fragment:
    extra: dict[str, Any] = {"score": round(score, 4)}
    if entry.path in found.pinned:
        extra["pinned"] = True
    if marked:
        snippets = _searcher(ctx).snippets(ctx.catalog, entry, found.text, bodies=ctx.bodies) if found.text else []
        # The engine knows the excerpt as the summary, and as a field when its schema gives it a weight.
        shown = {OWN_NAMES.get(snippet.field, snippet.field): snippet.html for snippet in snippets if snippet.marked}
        if "title" in shown:
            shown.pop(SLUG, None)  # it says the same again
        extra["highlights"] = [{"field": field, "html": html} for field, html in shown.items()]
    if entry.path in found.explained:
        extra["explain"] = explanation_json(found.explained[entry.path])
    return make_fragment(orjson.dumps({**ctx.presenter.entry(entry, wanted.shape), **extra}))
