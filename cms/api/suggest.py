"""``/suggest``: completions while typing, read from memory.

Sorting the words of a large site takes seconds: that happens in a thread of its own, one at a time, while other requests are answered.
"""

from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from cms.api.pages import UNCHANGED
from cms.api.responses import object_response
from cms.api.state import BASE, Context, context
from cms.params import read_suggest_request, split_query
from cms.suggest import FACET, TITLE, Suggestion, completions_of


async def suggest(request: Request) -> Response:
    """``GET /suggest?q=``."""
    ctx = context(request)
    raw: bytes = request.scope["query_string"]
    wanted = read_suggest_request(split_query(raw), ctx.catalog)
    known = completions_of(ctx.catalog)
    if not known.is_ready(wanted.collections, wanted.chain):
        await ctx.lanes.sorting.run(known.prepare, ctx.catalog, wanted.collections, wanted.chain)
    found = known.find(ctx.catalog, wanted.text, wanted.collections, wanted.chain, wanted.limit)
    links = {"self": f"{BASE}/suggest?{quote(raw, safe=UNCHANGED)}"}
    return object_response(
        request, ctx, [_item(ctx, item) for item in found], links=links, more_meta={"query": wanted.text}
    )


def _item(ctx: Context, item: Suggestion) -> dict[str, Any]:
    shown: dict[str, Any] = {"text": item.text, "kind": item.kind}
    if item.kind == TITLE and item.entry is not None:
        entry = item.entry
        shown |= {"id": entry.id, "collection": entry.collection, "slug": entry.slug, "locale": entry.locale}
        return shown | {"url": ctx.catalog.url_of(entry)}
    if item.kind == FACET:
        shown |= {"collection": item.collection, "field": item.field, "value": item.value}
    return shown | {"count": item.count}
