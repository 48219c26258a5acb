"""``/openapi.json``: the API of this very site, as OpenAPI 3.1 made from its schemas and its content.

The document depends on the catalog and on nothing else, so the same content gives the same bytes.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson
from starlette.requests import Request
from starlette.responses import Response

import cms
from cms.api.openapi_changes import change_paths, change_schemas
from cms.api.openapi_counts import count_schemas
from cms.api.openapi_diff import diff_paths, diff_schemas
from cms.api.openapi_editing import TAGS, editing_paths, editing_schemas, security_schemes
from cms.api.openapi_entries import component_names, entry_components
from cms.api.openapi_events import event_paths
from cms.api.openapi_examples import editing_examples, path_examples
from cms.api.openapi_feeds import feed_paths
from cms.api.openapi_parameters import CollectionParameters, query_parameter, search_parameters, shared_parameters
from cms.api.openapi_parts import (
    answers,
    enveloped,
    fixed_headers,
    fixed_responses,
    fixed_schemas,
    headers,
    json_answer,
    operations_paths,
    schema_of,
)
from cms.api.openapi_views import add_views, view_parameters
from cms.api.pages import view_of
from cms.api.responses import json_response
from cms.api.state import BASE, Context, context, no_parameters
from cms.assets import SAFE_TYPES
from cms.params import SUGGESTIONS_DEFAULT, SUGGESTIONS_MOST
from cms.schema import Collection

Json = dict[str, Any]
DESCRIPTION = """The content of this site, in its Git repository: what is published, for everybody; and drafts, for those who sign in.

An unknown parameter, field or operator is answered with 400 and the nearest valid name. Every error is a problem (RFC 9457). The grammar
of filters and all the rest is in docs/api.md."""


async def get_openapi(request: Request) -> Response:
    """``GET /openapi.json``."""
    ctx = context(request)
    no_parameters(request)
    return json_response(request, ctx, orjson.dumps(openapi_document(ctx)))


def openapi_document(ctx: Context) -> Json:
    """The whole document."""
    model = ctx.catalog.model
    site = model.settings.site
    names = component_names(model)
    schemas = fixed_schemas() | count_schemas() | dict(entry_components(model, names))
    parameters = {
        collection.name: CollectionParameters(ctx.catalog, collection, names[collection.name])
        for collection in model.collections.values()
    }
    paths = _site_paths(ctx, [*parameters.values()])
    for collection in model.collections.values():
        name = names[collection.name]
        schemas |= _envelopes(name) | parameters[collection.name].counted.schemas()
        paths |= _collection_paths(ctx, collection, name, parameters[collection.name])
    hits = [item for name in names.values() for item in (schema_of(f"{name}Entry"), schema_of(f"{name}Part"))]
    schemas["SearchResult"] = enveloped({"type": "array", "items": {"anyOf": hits} if hits else {}}, "ListMeta")
    schemas |= change_schemas(names.values()) | diff_schemas()
    paths |= change_paths(ctx) | diff_paths() | feed_paths(ctx) | event_paths()
    add_views(paths, schemas)
    editing = _editing(ctx)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": site.title,
            "summary": site.description or "A content API from a Git repository",
            "description": DESCRIPTION,
            "version": "1",
            "x-generator": f"branchpress {cms.__version__}",
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "site", "description": "The site as a whole."},
            *(
                {"name": collection.name, "description": collection.description or collection.title}
                for collection in model.collections.values()
            ),
            *editing.tags,
            {"name": "operations", "description": "For those who run the server."},
        ],
        "paths": paths | editing.paths | operations_paths(),
        "components": {
            "schemas": schemas | editing.schemas,
            "parameters": shared_parameters(model.locales) | view_parameters(),
            "headers": fixed_headers(),
            "responses": fixed_responses(),
            **editing.more,
        },
    }


class _Editing(NamedTuple):
    """What the document says of editing; nothing for a site that is only read."""

    tags: Sequence[Json]
    paths: dict[str, Json]
    schemas: dict[str, Json]
    more: dict[str, Json]


def _editing(ctx: Context) -> _Editing:
    if not ctx.site.is_edited:
        return _Editing((), {}, {}, {})
    model = ctx.catalog.model
    shown = (entry for name in model.collections for entry in ctx.catalog.order(name, ctx.catalog.default_chain, ()))
    first = next(shown, None)
    title = model.collections[first.collection].title_field if first is not None else None
    paths = editing_paths(editing_examples(first, title), path_examples(first), model.locales)
    return _Editing(TAGS, paths, editing_schemas(), {"securitySchemes": security_schemes()})


def _envelopes(name: str) -> dict[str, Json]:
    shown = {"anyOf": [schema_of(f"{name}Entry"), schema_of(f"{name}Part")]}
    return {
        f"{name}List": enveloped({"type": "array", "items": shown}, "ListMeta"),
        f"{name}Detail": enveloped(shown, "Meta"),
    }


def _collection_paths(
    ctx: Context, collection: Collection, name: str, parameters: CollectionParameters
) -> dict[str, Json]:
    path = f"{BASE}/entries/{collection.name}"
    first = parameters.entries[0] if parameters.entries else None
    listed = detailed = None
    if first is not None:
        shown, meta = orjson.loads(ctx.presenter.fragment(first)), view_of(ctx.catalog)
        total = len(ctx.catalog.order(collection.name, ctx.catalog.default_chain, ()))
        next_page = {"next": f"{path}?limit=1&page=2"} if total > 1 else {}
        links = {
            "self": f"{path}?limit=1",
            "first": f"{path}?limit=1",
            **next_page,
            "last": f"{path}?limit=1" + (f"&page={total}" if total > 1 else ""),
        }
        listed = {
            "data": [shown],
            "meta": {"total": total, "limit": 1, "page": 1, "pages": total, **meta},
            "links": links,
        }
        detailed = {
            "data": {**shown, "body": "<p>…</p>"} if collection.has_body else shown,
            "meta": meta,
            "links": {"self": f"{path}/{first.slug}?locale={first.locale}", "collection": path},
        }
    one = answers(json_answer("The entry.", schema_of(f"{name}Detail"), example=detailed), 400, 404, 410, 503)
    return {
        path: {
            "get": {
                "operationId": f"list{name}",
                "summary": f"List {collection.title}",
                "tags": [collection.name],
                "parameters": parameters.of_list(),
                "responses": answers(
                    json_answer("One page of entries.", schema_of(f"{name}List"), "Link", example=listed), 400, 410, 503
                ),
            }
        },
        f"{path}/{{slug}}": {
            "get": {
                "operationId": f"get{name}",
                "summary": f"One entry of {collection.title}",
                "tags": [collection.name],
                "parameters": parameters.of_entry(),
                "responses": {**one, "308": {"$ref": "#/components/responses/Moved"}},
            }
        },
    }


def _site_paths(ctx: Context, collections: Sequence[CollectionParameters]) -> dict[str, Json]:
    def operation(name: str, summary: str, responses: Json, *parameters: Json) -> Json:
        found: Json = {"operationId": name, "summary": summary, "tags": ["site"], "responses": responses}
        return {"get": {**found, "parameters": list(parameters)} if parameters else found}

    names = list(ctx.catalog.model.collections)
    site = answers(json_answer("The site.", enveloped(schema_of("Site"), "Meta")), 400, 503)
    listing = json_answer(
        "Every collection.", enveloped({"type": "array", "items": schema_of("Collection")}, "CollectionsMeta")
    )
    one = answers(json_answer("The collection.", enveloped(schema_of("Collection"), "Meta")), 400, 404, 503)
    collection: Json = {
        "name": "collection",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "minLength": 1},
    }
    collection |= {"description": f"One of {', '.join(names)}.", "example": names[0]} if names else {}
    asset: Json = {
        "name": "path", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1},
        "description": "The file in the repository; slashes may be sent as they are.",
    }  # fmt: skip
    file = {
        "description": "The file. Images are shown, everything else is offered for saving.",
        "content": {kind: {"schema": {}} for kind in sorted(SAFE_TYPES)},
        "headers": headers("ETag", "Cache-Control", "Surrogate-Key", "Content-Commit", "Vary"),
    }
    moved: Json = {"308": {"$ref": "#/components/responses/Moved"}}
    openapi = answers(json_answer("OpenAPI 3.1.", {"type": "object"}), 400, 503)
    return {
        f"{BASE}/": operation("getSite", "The site and links to everything below", site),
        f"{BASE}/collections": operation(
            "listCollections", "The collections and their fields", answers(listing, 400, 503)
        ),
        f"{BASE}/collections/{{collection}}": operation(
            "getCollection", "One collection and its fields", one, collection
        ),
        f"{BASE}/search": operation(
            "search", "Full text across collections", _found(), *_search_parameters(ctx, collections)
        ),
        f"{BASE}/suggest": operation("suggest", "Completions while typing", _completed(), *_suggest_parameters(ctx)),
        f"{BASE}/assets/{{path}}": operation(
            "getAsset", "An image or another file", {**answers(file, 400, 404, 410, 503), **moved}, asset
        ),
        f"{BASE}/openapi.json": operation("getOpenapi", "This document", openapi),
    }


def _found() -> Json:
    return answers(json_answer("One page of hits, best first.", schema_of("SearchResult"), "Link"), 400, 503)


def _completed() -> Json:
    listed = {"type": "array", "items": schema_of("Suggestion")}
    return answers(json_answer("Words, facet values and titles.", enveloped(listed, "SuggestMeta")), 400, 503)


def _suggest_parameters(ctx: Context) -> list[Json]:
    limit = {"type": "integer", "minimum": 1, "maximum": SUGGESTIONS_MOST, "default": SUGGESTIONS_DEFAULT}
    return [
        {**query_parameter("q", "What has been typed so far.", {"type": "string"}, example="inn"), "required": True},
        query_parameter("limit", "Completions in all; each kind gets its share.", limit),
        _collection_parameter(ctx, "Collections to complete from; without it all."),
        *({"$ref": f"#/components/parameters/{name}"} for name in ("locale", "fallback")),
    ]


def _collection_parameter(ctx: Context, meaning: str) -> Json:
    names = list(ctx.catalog.model.collections)
    words = {"type": "array", "items": {"type": "string", **({"enum": names} if names else {})}}
    return query_parameter("collection", meaning, words, example=names[:1] or None, listed=True)


def _search_parameters(ctx: Context, collections: Sequence[CollectionParameters]) -> list[Json]:
    shared = ("limit", "page", "offset", "locale", "fallback", "format", "depth", "highlight")
    meaning = (
        'The words: all must be there; `"a phrase"`, `OR`, `NOT` or `-word`, and `title:word` work. Alias: `search`. '
        "Required unless `similar` is given."
    )
    similar = "`collection/slug` of an entry: find others like it, out of all or out of what has the words."
    first = next((entry for known in collections for entry in known.entries), None)
    example = None if first is None else f"{first.collection}/{first.slug}"
    return [
        query_parameter("q", meaning, {"type": "string"}),
        query_parameter("similar", similar, {"type": "string"}, example=example),
        _collection_parameter(ctx, "Collections to search in; without it in all."),
        query_parameter("explain", "Say why each entry was found; for those who hold a role.", {"type": "boolean"}),
        *search_parameters(collections),
        *({"$ref": f"#/components/parameters/{name}"} for name in shared),
    ]
