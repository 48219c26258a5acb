"""``/feeds/{collection}.{kind}`` and ``/sitemap.xml``: lists for programs that know nothing of this API."""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from cms.api.pages import Page, link_header, link_of, page_links
from cms.api.responses import json_response
from cms.api.search import find_hits
from cms.api.state import BASE, Context, context
from cms.dependencies import WHOLE
from cms.entry import Entry
from cms.errors import InvalidQuery, NotFound
from cms.feeds.addresses import Addresses
from cms.feeds.formats import FORMATS, MEDIA_TYPES
from cms.feeds.items import Files, Items, make_feed, read_feed_request
from cms.feeds.sitemap import PAGES_MOST, find_pages, format_index, format_sitemap, split_pages
from cms.params import ListRequest, find_collection, read_parameters, split_place, split_query
from cms.query import find_entries, query_keys
from cms.settings import nearest
from cms.view import VIEW_PARAMETERS

SITEMAP_PATH = "/sitemap.xml"
XML = "application/xml"


async def get_feed(request: Request) -> Response:
    """``GET /feeds/{collection}.{kind}``: in a worker thread, since it renders bodies and looks at files."""
    ctx = context(request)
    kind: str = request.path_params["kind"]
    if kind not in FORMATS:
        raise NotFound(
            f"there is no feed that ends with .{kind[:100]}{nearest(kind, FORMATS)}; there are .rss, .atom and .json"
        )
    collection = find_collection(ctx.catalog.model, request.path_params["collection"])
    wanted = read_feed_request(split_query(request.scope["query_string"]), ctx.catalog, collection)
    lane = ctx.lanes.searches if wanted.text else ctx.lanes.queries
    return await lane.run(_feed, request, ctx, wanted, kind)


def _feed(request: Request, ctx: Context, wanted: ListRequest, kind: str) -> Response:
    query = wanted.queries[0]
    entries, total = _find(request, ctx, wanted)
    kept, _ = split_place(request.scope["query_string"])
    raw_path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    page = Page(query.limit, query.offset, wanted.page, total)
    links = page_links(raw_path.decode("latin-1"), kept.decode("latin-1"), page)
    links.setdefault("first", links["self"])
    files = _files(ctx)
    first_paths = ctx.departures.first_paths(ctx.catalog)
    items = Items(ctx.catalog, ctx.bodies, files, first_paths, wanted.shape.formats)
    feed = make_feed(items, ctx.catalog, query.collection, query.chain, entries, links)
    others = {relation: url for relation, url in links.items() if relation != "self"}
    return json_response(
        request,
        ctx,
        FORMATS[kind](feed),
        link=link_header(others),
        keys=WHOLE if wanted.text else query_keys(ctx.catalog.model, query) | items.keys,
        media_type=f"{MEDIA_TYPES[kind]}; charset=utf-8",
    )


def _find(request: Request, ctx: Context, wanted: ListRequest) -> tuple[list[Entry], int]:
    """The entries of one page, and how many there are in all."""
    query = wanted.queries[0]
    if wanted.text:
        found = find_hits(request, ctx, wanted)
        return list(found.entries), found.total
    entries = find_entries(ctx.catalog, query)
    return entries[query.offset : query.offset + query.limit], len(entries)


def _files(ctx: Context) -> Files:
    reader, commit = ctx.reader, ctx.catalog.snapshot.commit.id

    def size_bytes(path: str) -> int | None:
        blob = reader.find_blob(commit, path)
        return None if blob is None else reader.blob_size(blob)

    def url(path: str) -> str:
        return link_of(ctx.catalog, f"{BASE}/assets/{quote(path)}")

    return Files(size_bytes=size_bytes, url=url)


async def get_sitemap(request: Request) -> Response:
    """``GET /sitemap.xml``: of more pages than one file may hold an index, whose parts are asked for with ``page``."""
    ctx = context(request)
    parameters = read_parameters(split_query(request.scope["query_string"]), ("page", *VIEW_PARAMETERS))
    page = parameters.one("page")
    return await ctx.lanes.queries.run(_sitemap, request, ctx, page)


def _sitemap(request: Request, ctx: Context, page: str | None) -> Response:
    parts = split_pages(find_pages(ctx.catalog), PAGES_MOST)
    if page is not None:
        number = int(page) if page.isascii() and page.isdigit() and len(page) < 7 else 0
        if not 1 <= number <= len(parts):
            raise InvalidQuery(
                f"page: {page[:40]!r} is not one of the sitemap's parts, 1 to {len(parts)}", parameter="page"
            )
        body = format_sitemap(parts[number - 1])
    elif len(parts) == 1:
        body = format_sitemap(parts[0])
    else:
        kept, _ = split_place(request.scope["query_string"])
        home = Addresses(ctx.catalog.model.settings).home
        place = f"{home}{SITEMAP_PATH}?" + (f"{kept.decode('latin-1')}&" if kept else "")
        body = format_index(parts, [f"{place}page={number}" for number in range(1, len(parts) + 1)])
    return json_response(request, ctx, body, media_type=f"{XML}; charset=utf-8")
