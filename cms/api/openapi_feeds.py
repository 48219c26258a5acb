"""Feeds and the sitemap in the OpenAPI document."""

from typing import Any

from cms.api.openapi_parameters import deep_object, query_parameter
from cms.api.openapi_parts import CACHED, answers, headers
from cms.api.state import BASE, Context
from cms.feeds.formats import MEDIA_TYPES
from cms.feeds.items import BODIES

Json = dict[str, Any]
SHARED = ("search", "limit", "page", "offset", "locale", "fallback")


def feed_paths(ctx: Context) -> dict[str, Json]:
    """``/feeds/{collection}.{kind}`` and ``/sitemap.xml``; a site that has no pages of its own answers both with 404."""
    feed = {
        "description": "One page of the feed; `Link` names the others, and so does the feed itself (RFC 5005).",
        "content": {
            kind: {"schema": {"type": "object" if kind.endswith("json") else "string"}} for kind in MEDIA_TYPES.values()
        },
        "headers": headers(*CACHED, "Link"),
    }
    sitemap = {
        "description": "A sitemap; of more pages than fit into one an index of its parts.",
        "content": {"application/xml": {"schema": {"type": "string"}}},
        "headers": headers(*CACHED),
    }
    return {
        f"{BASE}/feeds/{{collection}}.{{kind}}": {
            "get": {
                "operationId": "getFeed",
                "summary": "A collection as RSS, Atom or JSON Feed",
                "tags": ["site"],
                "parameters": _feed_parameters(ctx),
                "responses": answers(feed, 400, 404, 503),
            }
        },
        "/sitemap.xml": {
            "get": {
                "operationId": "getSitemap",
                "summary": "Every page of the site, for crawlers",
                "tags": ["site"],
                "parameters": [
                    query_parameter(
                        "page",
                        "Which part of a sitemap that has several.",
                        {"type": "integer", "minimum": 1, "maximum": 1},
                    )
                ],
                "responses": answers(sitemap, 400, 404, 503),
            }
        },
    }


def _feed_parameters(ctx: Context) -> list[Json]:
    names = list(ctx.catalog.model.collections)
    one_of: Json = {"enum": names} if names else {}
    return [
        {
            "name": "collection",
            "in": "path",
            "required": True,
            "description": "The collection.",
            "schema": {"type": "string", **one_of},
        },
        {
            "name": "kind",
            "in": "path",
            "required": True,
            "description": "RSS 2.0, Atom (RFC 4287) or JSON Feed 1.1.",
            "schema": {"type": "string", "enum": list(MEDIA_TYPES)},
        },
        *({"$ref": f"#/components/parameters/{name}"} for name in SHARED),
        query_parameter(
            "sort",
            "Order of the entries, as in the list of the collection; usually the newest first.",
            {"type": "string"},
            example="-published_at",
        ),
        query_parameter(
            "format",
            "The whole body as well, not only the excerpt.",
            {"type": "array", "items": {"type": "string", "enum": list(BODIES)}},
            example=["html"],
            listed=True,
        ),
        deep_object("Conditions, as in the list of the collection.", {}),
    ]
