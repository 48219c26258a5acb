"""What is done by name, as OpenAPI: drafts, verdicts and publications, sessions and tokens. In the document of sites that somebody may change.

Kept apart from what is read by everybody: these operations say who may ask (``security``), and are never kept by caches.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from cms.api.drafts import LISTED_MOST, VERDICTS
from cms.api.openapi_history import history_paths, history_schemas
from cms.api.openapi_parts import COUNT, STATUS_NAMES, TEXT, headers, schema_of, thing
from cms.api.openapi_previews import preview_paths, preview_schemas
from cms.api.openapi_searches import insight_paths, insight_schemas
from cms.api.state import BASE
from cms.matrix import SCOPES
from cms.params import OFFSET_MOST
from cms.workflow.actions import Action
from cms.workflow.outcome import Status
from cms.workflow.verdicts import MESSAGE_MOST

Json = dict[str, Any]
OPTIONAL: Json = {"type": ["string", "null"]}
MOMENT: Json = {"type": "string", "format": "date-time"}
OPTIONAL_MOMENT: Json = {"type": ["string", "null"], "format": "date-time"}
YES_OR_NO: Json = {"type": "boolean"}
ANYTHING: Json = {"description": "Any JSON value."}
COMMIT: Json = {"type": "string", "pattern": "^[0-9a-f]{40}$"}
OPTIONAL_COMMIT: Json = {"type": ["string", "null"], "pattern": "^[0-9a-f]{40}$"}
WORD: Json = {"type": "string", "minLength": 1}
HEAD: Json = {
    **COMMIT,
    "description": "The commit of the draft that this was decided on. When it has moved on: 412. Or send `If-Match`.",
}
MESSAGE: Json = {"type": "string", "maxLength": MESSAGE_MOST}
#: Either will do: a token or session, or a name with a password (or with a token as the password).
SIGNED: list[Json] = [{"bearer": []}, {"basic": []}]
READING, ACTING = (400, 401, 404, 409, 429, 503), (400, 401, 403, 404, 409, 412, 429, 503)
TAGS: tuple[Json, ...] = (
    {"name": "drafts", "description": "What is not public yet: changing, reviewing and publishing it."},
    {"name": "account", "description": "Who asks: sessions, tokens, passwords."},
)


def security_schemes() -> dict[str, Json]:
    """How a request says who sends it."""
    return {
        "bearer": {"type": "http", "scheme": "bearer", "description": "A token (`cms_…`) or a session (`cmss_…`)."},
        "basic": {"type": "http", "scheme": "basic", "description": "A person's id and password, or any name and a token."},
    }  # fmt: skip


def listing(item: Json) -> Json:
    """A list of *item*."""
    return {"type": "array", "items": item}


def texts(*names: str) -> dict[str, Json]:
    """Properties that are texts."""
    return dict.fromkeys(names, TEXT)


# -- what is answered ----------------------------------------------------------------------------------------------


def editing_schemas() -> dict[str, Json]:
    """The components of these operations."""
    return (
        _drafts()
        | _inside_drafts()
        | _acts()
        | _accounts()
        | history_schemas()
        | _requests()
        | preview_schemas()
        | insight_schemas()
    )


def _drafts() -> dict[str, Json]:
    brief = {
        "name": TEXT,
        "status": {**TEXT, "enum": [status.value for status in Status]},
        "head": {**COMMIT, "description": "Where it is. Send it back with what you decide on it."},
    }
    listed = {
        **brief,
        "owner": {**OPTIONAL, "description": "Who began it; null when the log does not say."},
        "published": {**COMMIT, "description": "The published commit that it was compared with."},
        "publish_at": {**OPTIONAL_MOMENT, "description": "When it goes public by itself, if nothing is missing then."},
        "missing": {**listing(TEXT), "description": "What it still needs and who can give it, for people."},
    }
    full = {
        **listed,
        "base": {**OPTIONAL_COMMIT, "description": "Where it left the published branch."},
        "scheduled_by": OPTIONAL,
        "writers": listing(TEXT),
        "people": {"type": "object", "additionalProperties": TEXT, "description": "Names by id, of everybody named."},
        "entries": listing(schema_of("DraftEntry")),
        "remarks": listing(schema_of("Remark")),
        "blocking": {**listing(COMMIT), "description": "Of the remarks those that ask for changes and are open."},
        "findings": listing(schema_of("Finding")),
        "conflicts": listing(schema_of("Conflicting")),
        "actions": {
            **listing({**TEXT, "enum": [action.value for action in Action]}),
            "description": "What the caller can do with it now.",
        },
    }
    told = {"anyOf": [schema_of("Draft"), schema_of("DraftBrief")]}
    return {
        "DraftBrief": thing(brief, description="A draft as told to a token that may act on it and not read it."),
        "DraftListed": thing({**listed, "entries": COUNT}),
        "Draft": thing(full),
        "DraftAnswer": thing({"data": told, "links": schema_of("Links")}),
        "DraftsAnswer": thing(
            {
                "data": listing(schema_of("DraftListed")),
                "meta": thing(dict.fromkeys(("total", "limit", "offset"), COUNT)),
                "links": schema_of("Links"),
            }
        ),
        "ClosedAnswer": thing({"data": thing({"name": TEXT, "closed": {"const": True}, "head": COMMIT})}),
    }


def _inside_drafts() -> dict[str, Json]:
    return {
        "DraftEntry": thing(
            {
                "path": TEXT,
                "collection": {**OPTIONAL, "description": "Null for what is no entry: an image, a schema, cms.toml."},
                **texts("slug", "locale"),
                "change": {**TEXT, "enum": ["added", "changed", "deleted"]},
                "blob": {**OPTIONAL_COMMIT, "description": "Git's id of the bytes that would be published."},
                "needed": {**COUNT, "description": "Approvals that the rule asks for."},
                "approvals": {**listing(TEXT), "description": "Whose approval covers exactly these bytes."},
                "lapsed": {**listing(TEXT), "description": "Who approved other bytes of it."},
                "writers": listing(TEXT),
                "may_approve": {**listing(TEXT), "description": "Whose approval would bring it nearer."},
                "missing": TEXT,
            }
        ),
        "Remark": thing(
            {
                "commit": COMMIT,
                "at": OPTIONAL_MOMENT,
                "person": {**OPTIONAL, "description": "Null when nobody vouches for whose it is."},
                "name": TEXT,
                "verdict": TEXT,
                "message": TEXT,
                "anchor": {**OPTIONAL, "description": "`<path>#<field>` or `<path>:<line>`."},
                "counts": YES_OR_NO,
                "why_not": OPTIONAL,
            }
        ),
        "Finding": thing(
            {"message": TEXT, **texts("path", "field", "rule", "hint", "severity"), "line": COUNT, "column": COUNT},
            optional=("path", "field", "rule", "hint", "severity", "line", "column"),
        ),
        "Conflicting": thing(
            {
                "path": TEXT,
                "field": {**TEXT, "description": "Empty for the text, or the whole file."},
                **dict.fromkeys(("base", "published", "draft"), ANYTHING),
                "message": TEXT,
            }
        ),
    }


def _acts() -> dict[str, Json]:
    about = thing({"draft": TEXT, "head": COMMIT})
    publication = thing(
        {
            "draft": TEXT,
            "commit": {**OPTIONAL_COMMIT, "description": "The merge; null when everything was public already."},
            "head": COMMIT,
            "paths": listing(TEXT),
            "approved_by": listing(TEXT),
            "bypass": OPTIONAL,
            "is_repeated": {**YES_OR_NO, "description": "It was published before, and nothing happened now."},
        }
    )
    compared = thing({"draft": TEXT, "head": COMMIT, "published": COMMIT, "total": COUNT})
    return {
        "Change": thing(
            {
                "path": TEXT,
                "change": {**TEXT, "enum": ["added", "changed", "deleted"]},
                "fields": listing(thing({"field": TEXT, "before": ANYTHING, "after": ANYTHING})),
                "body": {**listing(TEXT), "description": "A unified diff."},
                "is_too_large": YES_OR_NO,
                "words": {"anyOf": [schema_of("Words"), {"type": "null"}]},
            }
        ),
        "PublicationAnswer": thing({"data": publication}),
        "RemarksAnswer": thing({"data": listing(schema_of("Remark")), "meta": thing({"total": COUNT, "head": COMMIT})}),
        "DiffAnswer": thing({"data": listing(schema_of("Change")), "meta": compared}),
        "PreviewAnswer": thing({"data": {"type": "object", "description": "The entry, as readers would get it."}, "meta": about}),
    }  # fmt: skip


def _accounts() -> dict[str, Json]:
    session = thing({"token": TEXT, "person": TEXT, "expires_at": MOMENT}, description="Its secret is told once.")
    token = {
        **texts("id", "person", "name"),
        "scopes": {"type": ["array", "null"], "items": TEXT, "description": "Null: not narrowed."},
        "created_at": MOMENT,
        "expires_at": MOMENT,
        "used_on": {"type": ["string", "null"], "format": "date"},
        "revoked_at": OPTIONAL_MOMENT,
        "live": YES_OR_NO,
    }
    role = {"role": TEXT, **dict.fromkeys(("paths", "collections", "scopes"), listing(TEXT))}
    me = {
        **texts("person", "name"),
        "emails": listing(TEXT),
        "owner": OPTIONAL,
        "listed": YES_OR_NO,
        "via": {**TEXT, "enum": ["password", "session", "token"]},
        "scopes": {"type": ["array", "null"], "items": TEXT},
        "roles": listing(thing(role, optional=("paths", "collections", "scopes"))),
        "may_bypass": YES_OR_NO,
    }
    own = thing({"id": TEXT, "created_at": MOMENT, "expires_at": MOMENT, "is_this": YES_OR_NO})
    return {
        "SessionAnswer": thing({"data": session}),
        "SessionsAnswer": thing({"data": listing(own)}),
        "MeAnswer": thing({"data": thing(me)}),
        "TokensAnswer": thing({"data": listing(thing(token))}),
        "TokenAnswer": thing({"data": thing({"token": TEXT, **token}, description="Its secret is told once.")}),
    }


# -- what is sent --------------------------------------------------------------------------------------------------


def _requests() -> dict[str, Json]:
    key = {"collection": WORD, "slug": WORD, "locale": TEXT}
    named = thing(key, optional=("locale",))
    several = {"anyOf": [named, {**listing(named), "minItems": 1}]}
    reason: Json = {**TEXT, "description": "Why; everybody can read it."}
    fields: Json = {"type": "object", "description": "Front matter by name; in `PATCH` null takes a field away."}
    scope = {"type": "string", "enum": sorted(SCOPES)}
    begin = {
        "name": {"type": "string", "pattern": "^[A-Za-z0-9]([A-Za-z0-9_-]{0,99})$"},
        "revert": {**COMMIT, "description": "Take back what this publication brought."},
        "rollback": {**COMMIT, "description": "Make all content what it was then."},
        "unpublish": {**several, "description": "Withdraw these entries."},
        "restore": {**several, "description": "Bring these back as they were last."},
        "reason": reason,
    }
    write = {"fields": fields, "body": TEXT, "path": {**TEXT, "description": "Where a new file goes, if its pattern does not tell."}}  # fmt: skip
    password: Json = {"type": "string", "minLength": 1, "format": "password"}
    return {
        "NewDraft": {**thing(begin, optional=tuple(begin)), "description": "A name, or one of the ways to undo."},
        "EntryChange": _sent({**write, "message": MESSAGE}),
        "EntryRemoval": _sent({"message": MESSAGE}),
        "Rename": _sent({**key, "to": WORD, "message": MESSAGE}, "collection", "slug", "to"),
        "Verdict": _sent(
            {
                "verdict": {"type": "string", "enum": list(VERDICTS)},
                "message": MESSAGE,
                "anchor": {**TEXT, "description": "`<path>#<field>` or `<path>:<line>`; for changes and comments."},
                "lifts": {**TEXT, "description": "Whose request for changes is lifted."},
            },
            "verdict",
        ),
        "PublicationRequest": _sent({"message": MESSAGE, "bypass": {**reason, "minLength": 1}}),
        "ScheduleRequest": _sent({"publish_at": MOMENT}, "publish_at"),
        "ScheduleRemoval": _sent({}),
        "Closing": _sent({"reason": reason}),
        "SignIn": thing({"person": WORD, "password": password}),
        "PasswordChange": thing({"current": password, "password": password}),
        "NewToken": thing(
            {
                "name": {**WORD, "maxLength": 100},
                "scopes": {"type": ["array", "null"], "items": scope, "minItems": 1},
                "expires_at": OPTIONAL_MOMENT,
                "person": {**WORD, "description": "A bot; without it oneself."},
            },
            optional=("scopes", "expires_at", "person"),
        ),
    }


def _sent(properties: Mapping[str, Json], *required: str) -> Json:
    """A request about a draft, which may say what it was decided on."""
    return thing(
        {**properties, "head": HEAD}, optional=tuple({name for name in (*properties, "head") if name not in required})
    )


# -- operations ----------------------------------------------------------------------------------------------------


def parameter(name: str, place: str, meaning: str, schema: Json = WORD) -> Json:
    """A parameter; those in the path are required."""
    found: Json = {"name": name, "in": place, "description": meaning, "schema": schema}
    return {**found, "required": True} if place == "path" else found


NAME = parameter("name", "path", "The draft.")
ENTRY = (
    NAME,
    parameter("collection", "path", "The collection."),
    parameter("slug", "path", "The entry; slashes may be sent as they are."),
)
SHAPE: tuple[Json, ...] = (
    parameter("fields", "query", "What to show, as in lists.", TEXT),
    parameter("include", "query", "References to include, as in lists.", TEXT),
    *({"$ref": f"#/components/parameters/{name}"} for name in ("locale", "fallback", "format", "depth")),
)
PAGE = (
    parameter("limit", "query", "Drafts on a page.", {"type": "integer", "minimum": 0, "maximum": LISTED_MOST, "default": LISTED_MOST}),
    parameter("offset", "query", "Drafts to skip.", {"type": "integer", "minimum": 0, "maximum": OFFSET_MOST, "default": 0}),
)  # fmt: skip
IF_MATCH = parameter("If-Match", "header", "The `ETag` of the draft as it was looked at; instead of `head`.", TEXT)
ID = parameter("id", "path", "Its id.")


def operation(
    name: str,
    summary: str,
    answer: str,
    *parameters: Json,
    sends: str = "",
    statuses: Sequence[int] = (200,),
    errors: Sequence[int] = ACTING,
    security: Sequence[Json] = SIGNED,
    tag: str = "drafts",
) -> Json:
    """One operation.

    Args:
        answer: the component of its successes; empty for none.
        sends: the component of its body.
    """
    found: Json = {"operationId": name, "summary": summary, "tags": [tag], "security": list(security)}
    found["parameters"] = list(parameters)
    if sends:
        body: Json = {"content": {"application/json": {"schema": schema_of(sends)}}}
        found["requestBody"] = {**body, "required": sends in REQUIRED}
    good: Json = {"description": f"{summary}: done.", "headers": headers("Cache-Control")}
    if answer in TAGGED:
        good["headers"]["ETag"] = {"description": "The draft's head; send it back as `If-Match`.", "schema": TEXT}
    if answer:
        good["content"] = {"application/json": {"schema": schema_of(answer)}}
    responses = {str(status): good for status in statuses}
    for status in (*errors, 500):
        responses[str(status)] = {"$ref": f"#/components/responses/{STATUS_NAMES[status]}"}
    return {**found, "responses": responses}


#: Of the bodies those that must be sent.
REQUIRED = frozenset(
    {"NewDraft", "Rename", "Verdict", "ScheduleRequest", "SignIn", "PasswordChange", "NewToken", "EntryChange"}
)
#: Of the answers those that tell where the draft is.
TAGGED = frozenset({"DraftAnswer", "RemarksAnswer", "DiffAnswer", "PreviewAnswer"})
WRITING = (*ACTING, 422)


def editing_paths(bodies: Mapping[str, Json], names: Mapping[str, str], locales: Sequence[str]) -> dict[str, Json]:
    """The paths of these operations.

    Args:
        locales: of the site.
        bodies: examples of bodies, by component.
        names: examples of parameters in paths.
    """
    paths = _draft_paths() | _entry_paths(locales) | _account_paths() | preview_paths(operation, NAME, ID, ACTING)
    paths |= insight_paths(operation, (*READING, 403))
    for item in paths.values():
        for found in item.values():
            for media in found.get("requestBody", {}).get("content", {}).values():
                component = media["schema"]["$ref"].rpartition("/")[2]
                media |= {"example": bodies[component]} if component in bodies else {}
            found |= {"parameters": [_with_example(each, names) for each in found.get("parameters", ())]}
    return paths


def _with_example(found: Json, names: Mapping[str, str]) -> Json:
    is_named = found.get("in") == "path" and found["name"] in names
    return {**found, "example": names[found["name"]]} if is_named else found


def _draft_paths() -> dict[str, Json]:
    draft = f"{BASE}/drafts/{{name}}"
    return {
        f"{BASE}/drafts": {
            "get": operation("listDrafts", "All drafts", "DraftsAnswer", *PAGE, errors=READING),
            "post": operation("createDraft", "Begin a draft", "DraftAnswer", sends="NewDraft", statuses=(201,), errors=WRITING),
        },
        draft: {
            "get": operation("getDraft", "One draft", "DraftAnswer", NAME, errors=READING),
            "delete": operation("closeDraft", "Close a draft", "ClosedAnswer", NAME, IF_MATCH, sends="Closing"),
        },
        f"{draft}/verdicts": {
            "get": operation("listVerdicts", "What was said of a draft", "RemarksAnswer", NAME, errors=READING),
            "post": operation(
                "addVerdict", "Ask for a review, approve, ask for changes, comment, withdraw or lift", "DraftAnswer", NAME, IF_MATCH,
                sends="Verdict", statuses=(201,), errors=(*WRITING, 428),
            ),
        },
        f"{draft}/publication": {
            "post": operation(
                "publishDraft", "Publish a draft", "PublicationAnswer", NAME, IF_MATCH, sends="PublicationRequest", statuses=(200, 201), errors=WRITING,
            ),
        },
        f"{draft}/schedule": {
            "put": operation("scheduleDraft", "Set when a draft goes public", "DraftAnswer", NAME, IF_MATCH, sends="ScheduleRequest"),
            "delete": operation("unscheduleDraft", "Take the schedule off", "DraftAnswer", NAME, IF_MATCH, sends="ScheduleRemoval"),
        },
        f"{draft}/renames": {
            "post": operation("renameEntry", "Give an entry another slug", "DraftAnswer", NAME, IF_MATCH, sends="Rename", errors=WRITING),
        },
        f"{draft}/diff": {"get": operation("getDiff", "What a draft would change", "DiffAnswer", NAME, errors=READING)},
    }  # fmt: skip


def _entry_paths(locales: Sequence[str]) -> dict[str, Json]:
    writing: Json = {"sends": "EntryChange", "errors": WRITING}
    known: Json = {"type": "string", "enum": list(locales)}
    locale = parameter("locale", "query", "The site's default without it.", known)
    place = f"{BASE}/drafts/{{name}}/entries/{{collection}}/{{slug}}"
    return {
        place: {
            "get": operation("previewEntry", "An entry as the draft has it", "PreviewAnswer", *ENTRY, *SHAPE, errors=READING),
            "put": operation("putEntry", "Write all fields of an entry", "DraftAnswer", *ENTRY, locale, IF_MATCH, **writing),
            "patch": operation("patchEntry", "Write some fields of an entry", "DraftAnswer", *ENTRY, locale, IF_MATCH, **writing),
            "delete": operation(
                "removeEntry", "Take an entry out", "DraftAnswer", *ENTRY, locale, IF_MATCH, sends="EntryRemoval", errors=WRITING,
            ),
        },
        **history_paths(operation, (*ENTRY[1:], locale), parameter),
    }  # fmt: skip


def _account_paths() -> dict[str, Json]:
    own: Json = {"tag": "account", "errors": (400, 401, 403, 404, 409, 429, 503)}
    person = parameter("person", "query", "Whose; one's own without it.")
    return {
        f"{BASE}/session": {
            "post": operation("signIn", "Sign in with a password", "SessionAnswer", sends="SignIn", statuses=(201,), security=(), **own),
            "delete": operation("signOut", "End this session", "", statuses=(204,), **own),
        },
        f"{BASE}/me": {"get": operation("getMe", "Who sent this", "MeAnswer", **own)},
        f"{BASE}/me/password": {"post": operation("changePassword", "Choose another password", "SessionAnswer", sends="PasswordChange", **own)},
        f"{BASE}/me/sessions": {"get": operation("listSessions", "Where one is signed in", "SessionsAnswer", **own)},
        f"{BASE}/me/sessions/{{id}}": {"delete": operation("endSession", "End a session", "", ID, statuses=(204,), **own)},
        f"{BASE}/tokens": {
            "get": operation("listTokens", "Tokens, without their secrets", "TokensAnswer", person, **own),
            "post": operation("createToken", "Make a token", "TokenAnswer", sends="NewToken", statuses=(201,), **own),
        },
        f"{BASE}/tokens/{{id}}": {"delete": operation("revokeToken", "Revoke a token", "", ID, statuses=(204,), **own)},
    }  # fmt: skip
