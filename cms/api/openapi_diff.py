"""``/diff`` in the OpenAPI document."""

from typing import Any

from cms.api.diff import PUBLISHED
from cms.api.openapi_parameters import query_parameter
from cms.api.openapi_parts import COUNT, TEXT, answers, schema_of, thing
from cms.api.state import BASE

Json = dict[str, Any]
FLAG: Json = {"type": "boolean"}
KIND: Json = {"type": ["string", "null"], "description": "The type in words."}
CHANGE: Json = {**TEXT, "enum": ["created", "updated", "renamed", "deleted"]}
ADDRESS: Json = dict.fromkeys(("id", "collection", "slug", "locale", "path"), TEXT)


def diff_schemas() -> dict[str, Json]:
    """The components of the operation."""
    value: Json = {"description": "As it is written in the file; null for none."}
    words = thing(
        {
            "removed": {**COUNT, "description": "How many words."},
            "added": COUNT,
            "is_too_large": {**FLAG, "description": "Not all of it is shown."},
            "passages": _listed(
                thing(
                    {
                        "line": {**COUNT, "description": "Where it begins in the new text."},
                        "segments": _listed(thing({"kind": {"enum": ["same", "removed", "added"]}, "text": TEXT})),
                    }
                )
            ),
        },
        description="What differs between two texts, by word, with a few words around it.",
    )
    located = {
        **thing({"path": TEXT, "url": TEXT, "size_bytes": {"type": ["integer", "null"]}}),
        "type": ["object", "null"],
    }
    image = thing({"field": TEXT, "before": schema_of("DiffFile"), "after": schema_of("DiffFile")})
    changed = thing({"field": TEXT, "before": value, "after": value, "words": schema_of("Words")}, optional=("words",))
    return {
        "Words": words,
        "DiffFile": located,
        "DiffEntry": thing(
            {
                "change": CHANGE,
                **ADDRESS,
                "title": {"type": ["string", "null"]},
                "from": thing(ADDRESS),
                "fields": _listed(changed),
                "body": {"anyOf": [schema_of("Words"), {"type": "null"}]},
                "images": _listed(image),
                "is_too_large": FLAG,
            },
            optional=("from",),
        ),
        "Diff": thing({"data": _data(), "meta": _meta()}),
    }  # fmt: skip


def _data() -> Json:
    lines = {**_listed(TEXT), "description": "A unified diff."}
    sides = {"before": schema_of("DiffFile"), "after": schema_of("DiffFile")}
    file = {"change": CHANGE, "path": TEXT, **sides, "lines": lines, "used_by": _listed(TEXT), "is_too_large": FLAG}
    dangling = {**ADDRESS, "field": TEXT, "value": TEXT, "kind": {"enum": ["reference", "file"]}, "now": TEXT}
    answered = {
        "change": {"enum": [*CHANGE["enum"], "affected"]},
        **ADDRESS,
        "from": thing(ADDRESS),
        "fields": _listed(TEXT),
        "by": _listed(TEXT),
    }
    return thing(
        {
            "entries": _listed(schema_of("DiffEntry")),
            "files": _listed(thing(file)),
            "dangling": {**_listed(thing(dangling, optional=("now",))), "description": "What would lead nowhere; `now`: where it went."},
            "collections": _listed(thing({"change": CHANGE, "collection": TEXT, "fields": _listed(thing({"field": TEXT, "before": KIND, "after": KIND}))})),
            "answers": {**_listed(thing(answered, optional=("from", "fields", "by"))), "description": "What everybody is answered differently."},
        }
    )  # fmt: skip


def _meta() -> Json:
    side = thing({"view": TEXT, "commit": TEXT}, optional=("commit",))
    counts = {"type": "object", "additionalProperties": COUNT, "description": "How much there is, shown or not."}
    return thing({"from": side, "to": side, "counts": counts, "is_too_large": FLAG})


def _listed(items: Json) -> Json:
    return {"type": "array", "items": items}


def diff_paths() -> dict[str, Json]:
    """``/diff``."""
    names = f"`{PUBLISHED}`, `draft:NAME`, a branch, a tag or a full commit id; behind it may stand `@` and a moment."
    ok = {"description": "What differs.", "content": {"application/json": {"schema": schema_of("Diff")}}}
    return {
        f"{BASE}/diff": {
            "get": {
                "operationId": "getViewsDiff",
                "summary": "What differs between two views, by field and word",
                "tags": ["site"],
                "parameters": [
                    query_parameter("from", f"The view to compare with: {names} Without it what is published.", TEXT),
                    query_parameter("to", "The view to look at, named likewise.", TEXT),
                ],
                "responses": answers(ok, 400, 401, 403, 404, 409, 503, cached=False),
            }
        }
    }
