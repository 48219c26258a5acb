"""The stream of events in the OpenAPI document."""

from typing import Any

from cms.api.events import KIND
from cms.api.openapi_parameters import query_parameter
from cms.api.openapi_parts import COUNT, TEXT, answers, headers, thing
from cms.api.state import BASE
from cms.events.event import DRAFT, PUBLICATION, RESET, VERDICT

Json = dict[str, Any]
DESCRIPTION = """What happens from now on, or from the event that `Last-Event-ID` or `last_event_id` names: `ready`, `publication`, and for those who may read
the draft in question `draft` and `verdict`; `reset` where nobody can tell what was missed. The data of each is a JSON object on one line."""


def event_paths() -> dict[str, Json]:
    """``/events``."""
    event = thing(
        {
            "id": {**TEXT, "description": "What to go on from; opaque."},
            "event": {**TEXT, "enum": ["ready", PUBLICATION, DRAFT, VERDICT, RESET]},
            "data": {**TEXT, "contentMediaType": "application/json"},
            "retry": COUNT,
        },
        optional=("retry",),
        description="One of the events in the stream.",
    )
    stream: Json = {
        "description": "Server-sent events (WHATWG HTML, 9.2), for as long as both sides stay.",
        "content": {KIND: {"schema": event}},
        "headers": headers("Cache-Control"),
    }
    known = query_parameter(
        "last_event_id",
        "The id of the last event that is known, for those who cannot send the header `Last-Event-ID`, which comes first.",
        {"type": "string", "pattern": "^[0-9a-f]{40}$"},
    )
    return {
        f"{BASE}/events": {
            "get": {
                "operationId": "getEvents",
                "summary": "What happens, as it happens",
                "description": DESCRIPTION,
                "tags": ["site"],
                "parameters": [known],
                "responses": answers(stream, 400, 401, 429, 503, cached=False),
            }
        }
    }
