"""The parts of the OpenAPI document that are the same for every site: problems, envelopes, headers, and the operations beside entries."""

from collections.abc import Mapping
from typing import Any

from cms import errors
from cms.api.problems import HTTP_CODES, MEDIA_TYPE, STATUS
from cms.entry import META_KINDS
from cms.errors import CMSError

Json = dict[str, Any]
TEXT: Json = {"type": "string"}
COUNT: Json = {"type": "integer", "minimum": 0}
LOCALIZED: Json = {"type": "object", "additionalProperties": TEXT, "description": "A text for each locale."}
STATUS_TEXTS = {
    400: "The query is not valid; `errors` names the parameter, and the nearest valid name where there is one.",
    401: "Nobody is signed in, or the secret is wrong, expired or revoked; never says which.",
    403: "You may not; `needs` says what it takes, and `ask` whom to ask.",
    404: "There is no such thing, or it is not public now.",
    409: "It does not fit the present state; `missing` and `errors` say why, `conflicts` gives both values.",
    410: "It was public, and has been withdrawn.",
    412: "It has changed since you looked; `found` says where it is.",
    422: "The content is not valid; `errors` says what is wrong and where.",
    428: "Say which state you looked at: `head`.",
    429: "Too many attempts; wait for `Retry-After` seconds.",
    500: "Something went wrong on our side; it has been logged.",
    503: "There is nothing to serve yet, or the search index is being built; ask again after `Retry-After` seconds.",
}
STATUS_NAMES = {
    400: "InvalidQuery",
    401: "Unauthorised",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Gone",
    412: "StaleRequest",
    422: "InvalidContent",
    428: "StateNotNamed",
    429: "TooMany",
    500: "InternalError",
    503: "Unavailable",
}
STATUS_ERRORS: Mapping[int, tuple[type[CMSError], ...]] = {
    400: (errors.InvalidQuery,),
    401: (errors.Unauthorised,),
    403: (errors.Forbidden,),
    404: (errors.NotFound, *errors.NotFound.__subclasses__()),
    409: (errors.Conflict, *errors.Conflict.__subclasses__()),
    410: (errors.Gone, errors.FullSyncNeeded),
    412: (errors.StaleRequest,),
    422: (errors.InvalidContent, *errors.InvalidContent.__subclasses__()),
    428: (errors.StateNotNamed,),
    429: (errors.TooMany,),
    503: (
        errors.RepositoryProblem,
        errors.SearchUnavailable,
        errors.TooBusy,
        errors.InvalidSettings,
        errors.AccountsUnavailable,
    ),
}
PLACES = ("parameter", "nearest", "path", "field", "rule", "hint", "severity")
CACHED = ("ETag", "Last-Modified", "Cache-Control", "Surrogate-Key", "Content-Commit", "Vary")


def schema_of(name: str) -> Json:
    """A reference to the schema component *name*."""
    return {"$ref": f"#/components/schemas/{name}"}


def thing(
    properties: Mapping[str, Json], *, optional: tuple[str, ...] = (), description: str = "", more: bool = False
) -> Json:
    """An object with *properties*, all there but the *optional* ones, and no others unless *more*."""
    built: Json = {
        "type": "object",
        **({"description": description} if description else {}),
        "properties": dict(properties),
    }
    built["required"] = [name for name in properties if name not in optional]
    return built if more else {**built, "additionalProperties": False}


def enveloped(data: Json, meta: str) -> Json:
    """``data``, ``meta`` and ``links``."""
    return thing({"data": data, "meta": schema_of(meta), "links": schema_of("Links")})


def fixed_schemas() -> dict[str, Json]:
    """The components that do not depend on the site's own schemas."""
    return (
        _problems()
        | _envelope()
        | _inside_entries()
        | {"Site": _site(), "Collection": _collection(), "Field": _field()}
    )


def _problems() -> dict[str, Json]:
    code = {**TEXT, "enum": sorted({error.code for error in STATUS} | {code for code, _ in HTTP_CODES.values()})}
    return {
        "Problem": thing(
            {
                "type": {**TEXT, "format": "uri-reference"},
                "title": TEXT,
                "status": {"type": "integer", "minimum": 400, "maximum": 599},
                "detail": {**TEXT, "description": "What is wrong, for a person."},
                "instance": {**TEXT, "description": "The path that was asked for."},
                "code": {**code, "description": "What is wrong, for a program; never changes."},
                "errors": {"type": "array", "items": schema_of("ProblemItem")},
                "parameter": TEXT,
                "nearest": TEXT,
            },
            optional=("errors", "parameter", "nearest"),
            description="A problem as RFC 9457 has it. Further members are facts of the case.",
            more=True,
        ),
        "ProblemItem": thing(
            {"detail": TEXT, **dict.fromkeys(PLACES, TEXT), "line": COUNT, "column": COUNT},
            optional=(*PLACES, "line", "column"),
            description="One of several things that are wrong: with a parameter, or at a place in a file.",
        ),
    }


def _envelope() -> dict[str, Json]:
    view = {
        "commit": {**TEXT, "description": "The commit that was read."},
        "view": {**TEXT, "description": "Its branch."},
    }
    paging = {
        "total": {**COUNT, "description": "Entries on all pages."},
        "limit": COUNT,
        "page": {"type": "integer", "minimum": 1},
        "pages": COUNT,
        "offset": {**COUNT, "description": "Instead of `page` and `pages` when asked for by `offset`."},
        "cursor": {**TEXT, "description": "That of the next page, when asked for by `cursor`; not there on the last."},
    }
    facets = {"type": "object", "additionalProperties": {"type": "array", "items": schema_of("FacetValue")}}
    counted = {
        "aggregate": schema_of("Aggregates"),
        "groups": {"type": "array", "items": schema_of("Group")},
        "groups_total": {**COUNT, "description": "How many groups there are."},
    }
    searched = {
        "query": {**TEXT, "description": "The words searched for, as they were asked for."},
        "corrected": {**TEXT, "description": "What was searched for instead, because words of `query` stand nowhere."},
        "match": {"enum": ["any"], "description": "No entry has all the words; these have some of them."},
        "similar": {**TEXT, "description": "`id` of the entry that the hits are like."},
    }
    return {
        "Meta": thing(view, description="What was read."),
        "CollectionsMeta": thing({"total": COUNT, **view}),
        "ListMeta": thing(
            {**paging, **view, "facets": facets, **counted, **searched},
            optional=("page", "pages", "offset", "cursor", "facets", *counted, *searched),
        ),
        "SuggestMeta": thing({"query": {**TEXT, "description": "What was typed."}, **view}),
        "Suggestion": _suggestion(),
        "Links": {
            "type": "object",
            "additionalProperties": TEXT,
            "description": "Paths on this server by relation: `self`, `first`, `prev`, `next`, `last` of a list.",
        },
        "FacetValue": thing(
            {
                "value": {"type": ["string", "number", "boolean"]},
                "label": {"type": ["string", "null"], "description": "Title of the entry that the value names."},
                "from": {"type": "number", "description": "Of a range of numbers: the first one in it."},
                "to": {"type": "number", "description": "Of a range of numbers: the first one behind it."},
                "count": COUNT,
            },
            optional=("label", "from", "to"),
        ),
    }


def _suggestion() -> Json:
    entry = {**dict.fromkeys(("id", "slug", "locale"), TEXT), "url": {"type": ["string", "null"]}}
    facet = {"field": TEXT, "value": {"type": ["string", "integer"]}}
    return thing(
        {
            "text": {**TEXT, "description": "What to put into the box."},
            "kind": {
                **TEXT,
                "enum": ["title", "term", "facet"],
                "description": "The title of an entry, a word, or a value of `field` in `collection`.",
            },
            "count": {**COUNT, "description": "Entries that have the word or the value."},
            "collection": TEXT,
            **entry,
            **facet,
        },
        optional=("count", "collection", *entry, *facet),
    )


def _inside_entries() -> dict[str, Json]:
    key = dict.fromkeys(("id", "collection", "slug"), TEXT)
    return {
        "Reference": thing(key, description="An entry that is not included."),
        "Translation": {
            "type": "object",
            "properties": dict.fromkeys(("id", "locale", "slug"), TEXT),
            "additionalProperties": False,
        },
        "Heading": {
            "type": "object",
            "properties": {"level": {"type": "integer", "minimum": 1, "maximum": 6}, "id": TEXT, "text": TEXT},
            "additionalProperties": False,
        },
        "Highlight": thing(
            {"field": TEXT, "html": {**TEXT, "description": "Escaped text; the words are in `<mark>`."}}
        ),
        "AssetUrl": {
            **TEXT,
            "description": "Path of a file on this server, below `/api/v1/assets/`, or the URL of one elsewhere.",
        },
    }


def _site() -> Json:
    return thing(
        {
            **dict.fromkeys(("title", "description", "url"), TEXT),
            "locales": {"type": "array", "items": TEXT},
            **dict.fromkeys(("default_locale", "time_zone", "branch"), TEXT),
            "collections": {"type": "array", "items": thing({"name": TEXT, "count": COUNT, "url": TEXT})},
        }
    )


def _collection() -> Json:
    named = thing({"name": {**TEXT, "enum": list(META_KINDS)}, "type": TEXT})
    return thing(
        {
            **dict.fromkeys(("name", "title", "description"), TEXT),
            "label": LOCALIZED,
            "locales": {"type": "array", "items": TEXT, "description": "Locales that there are entries in."},
            "count": {**COUNT, "description": "Entries that are public now, each locale counted."},
            **{name: {"type": ["string", "null"]} for name in ("title_field", "date_field", "sort")},
            "fields": {"type": "array", "items": schema_of("Field")},
            "meta_fields": {"type": "array", "items": named},
        }
    )


def _field() -> Json:
    always = {
        "name": TEXT,
        "type": {**TEXT, "enum": ["string", "integer", "number", "boolean", "object", "array", "any"]},
        "label": LOCALIZED,
        "required": {"type": "boolean"},
        "facet": {"type": "boolean"},
    }
    sometimes = {
        "items": {**TEXT, "description": "Type of each value of a list."},
        "format": TEXT,
        "description": TEXT,
        "choices": {"type": "array", "items": True},
        "reference": {"type": "array", "items": TEXT, "description": "Collections that the value names an entry of."},
        "asset": {"type": "boolean"},
        "unique": {"type": "boolean"},
        "search_boost": {"type": "number"},
        "fields": {"type": "array", "items": schema_of("Field")},
    }
    return thing({**always, **sometimes}, optional=tuple(sometimes))


def fixed_headers() -> dict[str, Json]:
    """The headers of answers."""
    texts = {
        "ETag": "Validator; send it back as `If-None-Match`.",
        "Last-Modified": "When something that is served last changed.",
        "Cache-Control": "Never longer than until something that it depends on appears or disappears by its date.",
        "Surrogate-Key": "What it depends on, for caches that are told of publications.",
        "Content-Commit": "The commit that was read.",
        "Vary": "What else the answer depends on.",
        "Link": "The other pages of a list (RFC 8288).",
        "Location": "Where it is now.",
        "Retry-After": "Seconds to wait.",
    }
    return {name: {"description": text, "schema": TEXT} for name, text in texts.items()}


def headers(*names: str) -> Json:
    """References to the headers *names*."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def fixed_responses() -> dict[str, Json]:
    """What every operation may answer beside its own."""
    found: dict[str, Json] = {
        "NotModified": {"description": "What the client has is still right.", "headers": headers(*CACHED)},
        "Moved": {
            "description": "It had this address earlier; `Location` names the one it has now.",
            "headers": headers("Location", "Cache-Control", "Surrogate-Key"),
        },
    }
    for status, text in STATUS_TEXTS.items():
        codes = [error.code for error in STATUS_ERRORS.get(status, ())] or [HTTP_CODES[status][0]]
        found[STATUS_NAMES[status]] = {
            "description": f"{text} Codes: {', '.join(f'`{code}`' for code in codes)}.",
            "content": {MEDIA_TYPE: {"schema": schema_of("Problem")}},
            "headers": headers("Cache-Control", *(["Retry-After"] if status in (429, 503) else [])),
        }
    return found


def answers(ok: Json, *statuses: int, cached: bool = True) -> dict[str, Json]:
    """The responses of an operation: *ok* as 200, 304 where it is *cached*, and problems."""
    found: dict[str, Json] = {"200": ok}
    if cached:
        found["304"] = {"$ref": "#/components/responses/NotModified"}
    for status in (*statuses, 500):
        found[str(status)] = {"$ref": f"#/components/responses/{STATUS_NAMES[status]}"}
    return found


def json_answer(description: str, schema: Json, *names: str, example: Any = None) -> Json:
    """A 200 with a JSON body and the headers of a cached answer, and those of *names*."""
    media: Json = {"schema": schema} if example is None else {"schema": schema, "example": example}
    return {"description": description, "content": {"application/json": media}, "headers": headers(*CACHED, *names)}


def operations_paths() -> dict[str, Json]:
    """``/healthz``, ``/readyz`` and ``/metrics``: outside of the base path, never cached."""
    place = {"path": TEXT, "line": COUNT, "column": COUNT, "field": TEXT, "rule": TEXT, "hint": TEXT, "severity": TEXT}
    finding = thing({"message": TEXT, "text": TEXT, **place}, optional=tuple(place))
    findings = {"type": "array", "items": finding}
    ready = thing(
        {
            "status": {**TEXT, "enum": ["ready", "degraded", "empty"]},
            "ref": TEXT,
            "trouble": thing({"message": TEXT, "findings": findings}),
            "commit": TEXT,
            "collections": {"type": "object", "additionalProperties": COUNT},
            "schema": {**TEXT, "enum": ["written", "inferred"]},
            "errors": COUNT,
            "warnings": COUNT,
            "findings": findings,
            "search": thing(
                {"status": {**TEXT, "enum": ["ready", "building", "unavailable"]}, "missing": COUNT, "detail": TEXT},
                optional=("missing", "detail"),
            ),
        },
        optional=("trouble", "commit", "collections", "schema", "errors", "warnings", "findings", "search"),
    )

    def operation(name: str, summary: str, responses: Json) -> Json:
        return {"get": {"operationId": name, "summary": summary, "tags": ["operations"], "responses": responses}}

    def uncached(description: str, schema: Json, kind: str = "application/json", *more: str) -> Json:
        return {
            "description": description,
            "content": {kind: {"schema": schema}},
            "headers": headers("Cache-Control", *more),
        }

    healthy = uncached("The process answers.", thing({"status": {"const": "ok"}}))
    waiting = uncached("There is nothing to serve yet.", ready, "application/json", "Retry-After")
    return {
        "/healthz": operation("getHealth", "Whether the process is alive", answers(healthy, cached=False)),
        "/readyz": operation(
            "getReadiness",
            "Whether content is served, and what is wrong with it",
            {**answers(uncached("Content is served.", ready), cached=False), "503": waiting},
        ),
        "/metrics": operation(
            "getMetrics",
            "Numbers for Prometheus",
            answers(uncached("Text format of Prometheus.", TEXT, "text/plain"), cached=False),
        ),
    }
