"""Views in the OpenAPI document: the parameters that every reading operation takes, and what its answers say of the view."""

from typing import Any

from cms.api.openapi_parameters import query_parameter
from cms.api.openapi_parts import STATUS_NAMES
from cms.api.viewing import VIEWED, VIEWED_ROOTS

Json = dict[str, Any]
METAS = ("Meta", "CollectionsMeta", "ListMeta", "SuggestMeta")
REFUSALS = (401, 403, 404, 409)
NAMES = ("ref", "at", "draft", "with", "preview")


def view_parameters() -> dict[str, Json]:
    """The parameters, by the name of their component."""
    text: Json = {"type": "string", "minLength": 1}
    names: Json = {"type": "array", "items": text, "minItems": 1, "maxItems": 10}
    meanings = {
        "ref": "The branch, the tag or the full commit id to read from. A commit is looked at as it was while it was published.",
        "at": "A day or a time with its zone: what was public then. For those who may read drafts also what will be.",
        "draft": "A draft, shown as publishing it now would make it; for those who may read drafts.",
        "preview": "The token of a preview, which shows one draft to whoever has it.",
    }
    found = {name: query_parameter(name, meaning, text) for name, meaning in meanings.items()}
    found["with"] = query_parameter(
        "with",
        "Several drafts laid over one another, in this order; for those who may read drafts.",
        names,
        listed=True,
    )
    return {f"view.{name}": found[name] for name in NAMES}


def add_views(paths: dict[str, Json], schemas: dict[str, Json]) -> None:
    """Say of every operation in *paths* that reads from a view, and of the answers in *schemas*, what views are to them."""
    parameters = [{"$ref": f"#/components/parameters/view.{name}"} for name in NAMES]
    refusals = {str(status): {"$ref": f"#/components/responses/{STATUS_NAMES[status]}"} for status in REFUSALS}
    for path, operations in paths.items():
        if path.startswith(VIEWED) or path in VIEWED_ROOTS:
            operation = operations["get"]
            operation["parameters"] = [*operation.get("parameters", ()), *parameters]
            operation["responses"] = {**operation["responses"], **refusals}
    for name in METAS:
        schemas[name] = {**schemas[name], "properties": {**schemas[name]["properties"], **_told()}}


def _told() -> dict[str, Json]:
    draft: Json = {"type": "object", "properties": {"name": {"type": "string"}, "head": {"type": "string"}}}
    return {
        "view": {
            "type": "string",
            "description": "What was read: the published branch, unless another view was asked for.",
        },
        "at": {"type": "string", "format": "date-time", "description": "The moment that another view is looked at."},
        "drafts": {
            "type": "array",
            "items": {**draft, "required": ["name", "head"], "additionalProperties": False},
            "description": "The drafts that are laid over `commit`.",
        },
        "not_ready": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Drafts that are scheduled until then, and still lack something.",
        },
    }
