"""What editors learn about search, as OpenAPI: why an entry was found, and what is searched for in vain or slowly."""

from typing import Any

from cms.api.openapi_parts import COUNT, TEXT, thing
from cms.api.state import BASE

Json = dict[str, Any]
NUMBER: Json = {"type": "number"}
HOW = ("word", "phrase", "near", "spelling", "synonym", "beginning", "part", "derived", "together", "apart")


def insight_schemas() -> dict[str, Json]:
    """The components of these operations."""
    query = {"query": {**TEXT, "description": "In small letters."}, "times": COUNT}
    results = dict.fromkeys(("some", "none", "corrected", "unavailable"), COUNT)
    searches = {
        "results": thing(results, description="Searches answered, by what they found."),
        "in_vain": {"type": "array", "items": thing(query)},
        "slow": {"type": "array", "items": thing({**query, "seconds": {**NUMBER, "description": "At most."}})},
    }
    since: Json = {"type": "string", "format": "date-time", "description": "When the process that answers began."}
    return {"SearchesAnswer": thing({"data": thing(searches), "meta": thing({"since": since})})}


def explanation_schema() -> Json:
    """What ``explain=true`` adds to a hit."""
    reason = {
        "word": {**TEXT, "description": "Of the query; or several."},
        "how": {"type": "string", "enum": list(HOW), "description": "What the word was taken for."},
        "found": {**TEXT, "description": "The form in the index."},
        "field": {
            **TEXT,
            "description": "`any`: in plain letters, wherever it stands. `other`: a field with a weight.",
        },
        "documents": {**COUNT, "description": "How many visible entries have it there; 0 for several words."},
        "score": {**NUMBER, "description": "What it adds."},
    }
    factors: Json = {
        "type": "object",
        "additionalProperties": NUMBER,
        "description": "What the sum is multiplied with.",
    }
    return thing(
        {"reasons": {"type": "array", "items": thing(reason)}, "factors": factors},
        description="Why the entry was found. Only with `explain=true`.",
    )


def insight_paths(operation: Any, reading: tuple[int, ...]) -> dict[str, Json]:
    """The paths of these operations, made with *operation*."""
    found = operation("listSearches", "What is searched for in vain, or slowly", "SearchesAnswer", errors=reading)
    return {f"{BASE}/insight/searches": {"get": found}}
