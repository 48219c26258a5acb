"""Where entries come from, as OpenAPI: their history and their blame."""

from collections.abc import Sequence
from typing import Any

from cms.api.history import PAGES_MOST
from cms.api.openapi_parts import COUNT, TEXT, schema_of, thing
from cms.api.state import BASE
from cms.params import LIMIT_DEFAULT, LIMIT_MOST

Json = dict[str, Any]
OPTIONAL: Json = {"type": ["string", "null"]}
MOMENT: Json = {"type": "string", "format": "date-time"}
YES_OR_NO: Json = {"type": "boolean"}
COMMIT: Json = {"type": "string", "pattern": "^[0-9a-f]{40}$"}
OPTIONAL_COMMIT: Json = {"type": ["string", "null"], "pattern": "^[0-9a-f]{40}$"}
ANYTHING: Json = {"description": "Any JSON value."}
GROUNDS = ("signed", "server", "log", "claimed")
STANDINGS = ("approved", "bypassed", "unapproved", "past-the-workflow", "imported")
CHANGES = ("created", "changed", "renamed", "restored", "merged")


def history_schemas() -> dict[str, Json]:
    """The components of these operations."""
    place = {"path": TEXT, "collection": TEXT, "slug": TEXT, "locale": TEXT, "blob": COMMIT}
    ground: Json = {**TEXT, "enum": list(GROUNDS), "description": "How it is known whose it is."}
    standing: Json = {"type": ["string", "null"], "enum": [*STANDINGS, None], "description": "Null: not published."}
    act = {"type": "object", "description": "A commit, whose it is, and how that is known."}
    proof = {
        **place,
        "standing": standing,
        "why": OPTIONAL,
        "is_signed": YES_OR_NO,
        "origin": {"type": ["object", "null"]},
        "publication": {"type": ["object", "null"], "description": act["description"]},
        "writers": _listing(act),
        "approvals": _listing(act),
        "needed": COUNT,
        "commits": {
            **_listing(schema_of("EntryCommit")),
            "description": "Those that made it what it is, newest first.",
        },
    }
    pages = {"total": COUNT, "limit": COUNT, "page": COUNT, "pages": COUNT}
    return {
        "EntryCommit": _commit(ground, standing),
        "EntryPublication": _publication(),
        "EntryOrigin": _origin(),
        "HistoryAnswer": _answer(thing(proof, optional=("why", "is_signed", "needed")), **pages),
        "BlameAnswer": _answer(_blame(place)),
    }


def _commit(ground: Json, standing: Json) -> Json:
    by = thing({"person": OPTIONAL, "name": TEXT, "ground": ground})
    return thing(
        {
            "commit": COMMIT,
            "at": MOMENT,
            "written_at": {**MOMENT, "description": "As the commit says; `at` is when it was committed."},
            "by": by,
            "change": {**TEXT, "enum": list(CHANGES), "description": "`merged`: a merge made it of several versions."},
            "path": TEXT,
            "from": {**OPTIONAL, "description": "The path before, when it was another one."},
            "why": {**TEXT, "description": "The message, without trailers."},
            "approved_by": _listing(thing({"person": OPTIONAL, "name": TEXT})),
            "standing": standing,
            "publication": {"anyOf": [schema_of("EntryPublication"), {"type": "null"}]},
        },
        description="A commit that changed an entry's file, and what became of it.",
    )


def _publication() -> Json:
    by = thing({"person": OPTIONAL, "name": TEXT})
    verdict = {
        "commit": COMMIT,
        "at": MOMENT,
        "person": OPTIONAL,
        "name": TEXT,
        "verdict": TEXT,
        "message": TEXT,
        "anchor": OPTIONAL,
        "counts": YES_OR_NO,
    }
    return thing(
        {
            "commit": COMMIT,
            "at": MOMENT,
            "draft": OPTIONAL,
            "by": {"anyOf": [by, {"type": "null"}], "description": "Null: it came to the branch without a draft."},
            "bypass": {**OPTIONAL, "description": "The reason, when it was published without the approvals."},
            "verdicts": _listing(thing(verdict)),
        },
        description="What brought a change to the published branch.",
    )


def _origin() -> Json:
    """What every part says; each says more of itself."""
    told = {
        "commit": {**OPTIONAL_COMMIT, "description": "One of `commits`. Null: nothing is committed yet."},
        "since": {"type": ["string", "null"], "format": "date-time"},
        "by": {**OPTIONAL, "description": "Who wrote it."},
        "is_older": {**YES_OR_NO, "description": "It was there before, in versions that were not looked at."},
    }
    return {
        "type": "object",
        "properties": told,
        "required": ["commit", "since", "by"],
        "description": "Where a part comes from.",
    }


def _blame(place: dict[str, Json]) -> Json:
    def part(required: Sequence[str], **properties: Json) -> Json:
        more = {"type": "object", "properties": properties, "required": list(required)}
        return {"allOf": [schema_of("EntryOrigin"), more]}

    item = part(("index", "value"), index=COUNT, value=ANYTHING)
    name: Json = {**TEXT, "description": "As the file has it; with dots inside another field."}
    return thing(
        {
            **place,
            "is_readable": {**YES_OR_NO, "description": "False: too large, or its front matter cannot be read."},
            "fields": _listing(part(("field", "value"), field=name, value=ANYTHING, items=_listing(item))),
            "body": _listing(
                part(("paragraph", "line", "text"), paragraph=COUNT, line={**COUNT, "description": "In the file, from 1."}, text=TEXT)
            ),
            "commits": {"type": "object", "additionalProperties": schema_of("EntryCommit")},
        }
    )  # fmt: skip


def _answer(data: Json, **pages: Json) -> Json:
    meta = {
        "type": "object",
        "properties": {"commit": COMMIT, "view": TEXT, **pages},
        "required": ["commit", "view", *pages],
    }
    links = {"type": "object", "additionalProperties": TEXT}
    return thing({"data": data, "meta": meta, "links": links})


def _listing(item: Json) -> Json:
    return {"type": "array", "items": item}


def history_paths(operation: Any, entry: Sequence[Json], parameter: Any) -> dict[str, Json]:
    """The paths of these operations, made with *operation* and *parameter* from the parameters that name an *entry*."""
    fallback = {"$ref": "#/components/parameters/fallback"}
    limit: Json = {"type": "integer", "minimum": 1, "maximum": LIMIT_MOST, "default": LIMIT_DEFAULT}
    page: Json = {"type": "integer", "minimum": 1, "maximum": PAGES_MOST, "default": 1}
    pages = (parameter("limit", "query", "Commits on a page.", limit), parameter("page", "query", "Which page.", page))
    errors = (400, 401, 403, 404, 409, 410, 429, 503)
    place = "{collection}/{slug}"
    return {
        f"{BASE}/history/{place}": {
            "get": operation(
                "getHistory", "Who wrote, approved and published an entry, commit by commit", "HistoryAnswer", *entry, fallback, *pages, errors=errors
            ),
        },
        f"{BASE}/blame/{place}": {
            "get": operation("getBlame", "Where each part of an entry comes from", "BlameAnswer", *entry, fallback, errors=errors),
        },
    }  # fmt: skip
