"""The site and its collections as JSON: ``/``, ``/collections``, ``/collections/{collection}``."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from cms.api.pages import link_of
from cms.api.responses import object_response
from cms.api.state import BASE, Context, context, no_parameters
from cms.dependencies import MODEL, collection_key
from cms.entry import META_KINDS, RESERVED
from cms.params import find_collection
from cms.schema import Collection, Field


async def get_site(request: Request) -> Response:
    """``GET /``: the site and links to everything below."""
    ctx = context(request)
    no_parameters(request)
    site = ctx.catalog.model.settings.site
    data = {
        "title": site.title,
        "description": site.description,
        "url": site.url,
        "locales": list(site.locales),
        "default_locale": site.default_locale,
        "time_zone": site.time_zone,
        "branch": site.branch,
        "collections": [
            {"name": name, "count": shelf.count, "url": link_of(ctx.catalog, f"{BASE}/entries/{quote(name)}")}
            for name, shelf in ctx.catalog.shelves.items()
        ],
    }
    links = {
        "self": f"{BASE}/",
        "collections": f"{BASE}/collections",
        "search": f"{BASE}/search?q={{words}}",
        "suggest": f"{BASE}/suggest?q={{typed}}",
        "openapi": f"{BASE}/openapi.json",
        **{f"entries:{name}": f"{BASE}/entries/{quote(name)}" for name in ctx.catalog.shelves},
    }
    if site.url:  # without it nothing could be linked to
        links |= {f"feed:{name}": f"{BASE}/feeds/{quote(name)}.atom" for name in ctx.catalog.shelves}
        links["sitemap"] = "/sitemap.xml"
    links = _in_view(ctx, links)
    if ctx.view is None:
        links["changes"] = f"{BASE}/changes?since={{position}}"
        links["events"] = f"{BASE}/events"
    return object_response(request, ctx, data, links=links)


async def lead_to_site(request: Request) -> Response:
    """``GET /``: whoever opens the server in a browser is led to the API."""
    del request
    return RedirectResponse(f"{BASE}/", 307)


async def list_collections(request: Request) -> Response:
    """``GET /collections``."""
    ctx = context(request)
    no_parameters(request)
    data = [describe_collection(ctx, collection) for collection in ctx.catalog.model.collections.values()]
    links = _in_view(ctx, {"self": f"{BASE}/collections"})
    return object_response(request, ctx, data, links=links, more_meta={"total": len(data)})


async def get_collection(request: Request) -> Response:
    """``GET /collections/{collection}``."""
    ctx = context(request)
    no_parameters(request)
    collection = find_collection(ctx.catalog.model, request.path_params["collection"])
    links = {
        "self": f"{BASE}/collections/{quote(collection.name)}",
        "entries": f"{BASE}/entries/{quote(collection.name)}",
    }
    keys = frozenset({MODEL, collection_key(collection.name)})
    return object_response(request, ctx, describe_collection(ctx, collection), links=_in_view(ctx, links), keys=keys)


def _in_view(ctx: Context, links: Mapping[str, str]) -> dict[str, str]:
    return {name: link_of(ctx.catalog, url) for name, url in links.items()}


def describe_collection(ctx: Context, collection: Collection) -> dict[str, Any]:
    """What a frontend or an editor needs to know of a collection."""
    shelf = ctx.catalog.shelves[collection.name]
    locales = sorted({entry.locale for entries in shelf.slugs.values() for entry in entries})
    return {
        "name": collection.name,
        "title": collection.title,
        "description": collection.description,
        "label": dict(collection.label),
        "locales": locales,
        "count": shelf.count,
        "title_field": collection.title_field,
        "date_field": collection.date_field,
        "sort": collection.sort or None,
        "fields": [describe_field(name, item) for name, item in collection.fields.items()],
        "meta_fields": [{"name": name, "type": kind} for name, kind in META_KINDS.items()],
    }


def describe_field(name: str, item: Field) -> dict[str, Any]:
    """One field: its name as the API shows it, its type and what else the schema says of it."""
    described: dict[str, Any] = {
        "name": f"{name}_" if name in RESERVED else name,
        "type": "array" if item.many and not item.either else item.kind,
        "label": dict(item.label),
        "required": item.required,
        "facet": item.facet,
    }
    if item.many:
        described["items"] = item.kind
    for key, value in (
        ("format", item.format),
        ("description", item.description),
        ("choices", list(item.choices)),
        ("reference", list(item.references)),
        ("asset", item.asset),
        ("unique", item.unique),
        ("search_boost", item.boost),
        ("fields", [describe_field(key, inner) for key, inner in item.properties.items()]),
    ):
        if value:
            described[key] = value
    return described
