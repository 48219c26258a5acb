"""``/changes`` in the OpenAPI document."""

from collections.abc import Iterable
from typing import Any

from cms.api.changes import LIMIT_DEFAULT, LIMIT_MOST, START
from cms.api.openapi_parameters import query_parameter
from cms.api.openapi_parts import COUNT, TEXT, answers, enveloped, json_answer, schema_of, thing
from cms.api.state import BASE, Context
from cms.present import FORMATS

Json = dict[str, Any]
CHANGES = ("created", "updated", "renamed", "deleted", "affected")
LISTED: Json = {"type": "array", "items": TEXT}


def change_schemas(names: Iterable[str]) -> dict[str, Json]:
    """The components of the operation; *names* are the components of the collections' entries."""
    shown = [schema_of(f"{name}{kind}") for name in names for kind in ("Entry", "Part")]
    address = dict.fromkeys(("id", "collection", "slug", "locale", "path"), TEXT)
    change = {
        "change": {
            **TEXT,
            "enum": list(CHANGES),
            "description": "`deleted`: drop the entry. `affected`: it is the same, and shows others that are not.",
        },
        **address,
        "commit": {**TEXT, "description": "The state that the change leads to."},
        "from": thing(address, description="The address before, of what was renamed; nothing is there now."),
        "fields": {**LISTED, "description": "What is shown differently; `body` where the text is."},
        "by": {**LISTED, "description": "`id`s of the changed entries that it shows by way of references."},
        "data": {"anyOf": shown, "description": "The entry as it is now."} if shown else {},
    }
    meta = {
        "total": {**COUNT, "description": "Changes on all pages."},
        "limit": COUNT,
        "commit": TEXT,
        "view": TEXT,
        "position": {**TEXT, "description": "On the last page: what to send as `since` next time."},
        "cursor": {**TEXT, "description": "On every other page: what to send for the next one; `links.next` has it."},
    }
    return {
        "EntryChange": thing(change, optional=("from", "fields", "by", "data")),
        "ChangesMeta": thing(meta, optional=("position", "cursor")),
        "Changes": enveloped({"type": "array", "items": schema_of("EntryChange")}, "ChangesMeta"),
    }  # fmt: skip


def change_paths(ctx: Context) -> dict[str, Json]:
    """``/changes``."""
    ok = json_answer("One page of a delta.", schema_of("Changes"), "Link")
    return {
        f"{BASE}/changes": {
            "get": {
                "operationId": "listChanges",
                "summary": "What changed since a position, for whoever keeps a copy",
                "tags": ["site"],
                "parameters": _parameters(ctx),
                "responses": answers(ok, 400, 401, 403, 410, 503),
            }
        }
    }


def _parameters(ctx: Context) -> list[Json]:
    model = ctx.catalog.model
    since = query_parameter(
        "since",
        f"The position that is known: `meta.position` of the last answer, or a full commit id; `{START}` for nothing yet.",
        TEXT,
        example=START,
    )
    names = {"type": "string", "enum": list(model.collections)} if model.collections else TEXT
    return [
        {**since, "required": True},
        query_parameter("until", "The position to go to; earlier than `since` goes back. Without it the present one.", TEXT),
        query_parameter("collection", "Entries of these collections only.", {"type": "array", "items": names}, listed=True),
        query_parameter(
            "locale",
            "One entry for each slug, in this locale or a `fallback`. Without it every locale, each as an entry of its own.",
            {"type": "string", "enum": [*model.locales, "*"]},
        ),
        query_parameter("fallback", "Locales to take where that one is missing, in this order.", {"type": "array", "items": {"type": "string", "enum": [*model.locales]}}, listed=True),
        query_parameter("fields", "What of an entry is held; a change of anything else is not told.", LISTED, listed=True),
        query_parameter("include", "References to hold the entries of.", LISTED, listed=True),
        {"$ref": "#/components/parameters/depth"},
        query_parameter("format", "Formats of the body to hold.", {"type": "array", "items": {"type": "string", "enum": list(FORMATS)}}, listed=True),
        query_parameter(
            "limit",
            "Changes on a page.",
            {"type": "integer", "minimum": 1, "maximum": LIMIT_MOST, "default": LIMIT_DEFAULT},
        ),
        query_parameter("cursor", "Where the next page begins: `meta.cursor` of the one before. Not together with `until`.", TEXT),
    ]  # fmt: skip
