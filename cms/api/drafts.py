"""``/drafts``: the editorial workflow over HTTP. Translates requests into verbs; the verbs decide."""

from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from cms.api.drafting import describe_publication, describe_state, listed
from cms.api.editing import (
    Acting,
    act,
    acting,
    answer,
    expected_head,
    read_moment,
    read_values,
    text_of,
)
from cms.api.state import BASE
from cms.edit import REMOVED
from cms.errors import CMSError, InvalidQuery
from cms.permissions import allows
from cms.refs import CommitId, is_commit_id
from cms.settings import nearest
from cms.workflow.outcome import DraftState
from cms.workflow.publishing import bypass, publish
from cms.workflow.undoing import restore, revert, roll_back, unpublish
from cms.workflow.verdicts import (
    approve,
    comment,
    lift_changes,
    request_changes,
    request_review,
    schedule,
    withdraw,
)
from cms.workflow.writing import EntryName, close_draft, delete_entry, rename_entry, start_draft, write_entry

UNDOING = ("revert", "rollback", "unpublish", "restore")
VERDICTS = ("request", "approve", "changes", "comment", "withdraw", "lift")


def _found(acting: Acting, state: DraftState, *, status: int = 200) -> Response:
    policy = acting.flow.policy()
    url = f"{BASE}/drafts/{quote(state.name)}"
    links = {
        "self": url,
        "verdicts": f"{url}/verdicts",
        "publication": f"{url}/publication",
        "schedule": f"{url}/schedule",
        "diff": f"{url}/diff",
    }
    headers = {"ETag": f'"{state.head}"'}
    if status == 201:
        headers["Location"] = url
    data = describe_state(state, policy, acting.zone)
    return answer(data, status=status, headers=headers, links=links)


async def list_drafts(request: Request) -> Response:
    """``GET /drafts``: those that the caller may see, by name."""
    asked = await acting(request)
    who = asked.person

    def read() -> list[DraftState]:
        flow, policy = asked.flow, asked.flow.policy()
        states = []
        for name in flow.names():
            try:
                state = flow.state(name, asked.now)
            except CMSError:  # closed meanwhile
                continue
            if allows("draft.read", who, policy, flow.target_of(state, who)):
                states.append(state)
        return states

    states = await act(asked, read)
    return answer([listed(state, asked.zone) for state in states], meta={"total": len(states)})


async def create_draft(request: Request) -> Response:
    """``POST /drafts``: an empty one, or one that undoes something."""
    asked = await acting(request)
    values = await read_values(request, ("name", *UNDOING, "reason"))
    who, name = asked.person, text_of(values, "name")
    kinds = [kind for kind in UNDOING if kind in values]
    if len(kinds) > 1:
        raise InvalidQuery(f"a draft undoes one thing: {' or '.join(kinds)}", parameter=kinds[1])
    flow, now = asked.flow, asked.now
    if not kinds:
        name = text_of(values, "name", required=True)
        verb = partial(start_draft, flow, who, name, now=now)
    elif kinds[0] in ("revert", "rollback"):
        commit = text_of(values, kinds[0], required=True)
        if not is_commit_id(commit):
            raise InvalidQuery(f"{kinds[0]} must be a full commit id of 40 digits", parameter=kinds[0])
        undo = revert if kinds[0] == "revert" else roll_back
        verb = partial(undo, flow, who, CommitId(commit), name=name, now=now)
    elif kinds[0] == "unpublish":
        entries = read_names(values, "unpublish")
        verb = partial(unpublish, flow, who, entries, name=name, reason=text_of(values, "reason"), now=now)
    else:
        verb = partial(restore, flow, who, read_names(values, "restore"), name=name, now=now)
    return _found(asked, await act(asked, verb), status=201)


def read_names(values: Mapping[str, Any], key: str) -> list[EntryName]:
    """Entries that were named as objects with ``collection``, ``slug`` and perhaps ``locale``.

    Raises:
        InvalidQuery: they were not.
    """
    items = values[key] if isinstance(values[key], list) else [values[key]]
    names = []
    for item in items:
        if not isinstance(item, dict) or not item.keys() <= {"collection", "slug", "locale"}:
            raise InvalidQuery(f'{key} names entries as {{"collection": …, "slug": …, "locale": …}}', parameter=key)
        names.append(
            EntryName(
                collection=text_of(item, "collection", required=True),
                slug=text_of(item, "slug", required=True),
                locale=text_of(item, "locale"),
            )
        )
    if not names:
        raise InvalidQuery(f"{key} names no entry", parameter=key)
    return names


async def get_draft(request: Request) -> Response:
    """``GET /drafts/{name}``."""
    asked = await acting(request)
    find = partial(asked.flow.find, asked.who, "draft.read", _name(request), expected=None, now=asked.now)
    draft = await act(asked, find)
    return _found(asked, draft.state)


async def remove_draft(request: Request) -> Response:
    """``DELETE /drafts/{name}``: closes it."""
    asked = await acting(request)
    values = await read_values(request, ("reason", "head"))
    verb = partial(
        close_draft,
        asked.flow,
        asked.person,
        _name(request),
        reason=text_of(values, "reason"),
        expected=expected_head(request, values),
        now=asked.now,
    )
    head = await act(asked, verb)
    return answer({"name": _name(request), "closed": True, "head": head})


async def list_verdicts(request: Request) -> Response:
    """``GET /drafts/{name}/verdicts``: everything that was said, oldest first."""
    asked = await acting(request)
    find = partial(asked.flow.find, asked.who, "draft.read", _name(request), expected=None, now=asked.now)
    draft = await act(asked, find)
    described = describe_state(draft.state, asked.flow.policy(), asked.zone)
    return answer(described["remarks"], meta={"total": len(described["remarks"])})


async def add_verdict(request: Request) -> Response:
    """``POST /drafts/{name}/verdicts``."""
    asked = await acting(request)
    values = await read_values(request, ("verdict", "message", "anchor", "head", "lifts"))
    kind, name, who = text_of(values, "verdict", required=True), _name(request), asked.person
    if kind not in VERDICTS:
        raise InvalidQuery(
            f"there is no verdict {kind!r}{nearest(kind, VERDICTS)}; there are {', '.join(VERDICTS)}",
            parameter="verdict",
        )
    flow, now = asked.flow, asked.now
    message, anchor = text_of(values, "message"), text_of(values, "anchor")
    expected = expected_head(request, values, required=kind == "approve")
    verb: Any
    if kind == "request":
        verb = partial(request_review, flow, who, name, message=message, expected=expected, now=now)
    elif kind == "approve":
        verb = partial(approve, flow, who, name, message=message, expected=expected, now=now)
    elif kind == "changes":
        verb = partial(request_changes, flow, who, name, message=message, anchor=anchor, expected=expected, now=now)
    elif kind == "comment":
        verb = partial(comment, flow, who, name, message=message, anchor=anchor, expected=expected, now=now)
    elif kind == "withdraw":
        verb = partial(withdraw, flow, who, name, message=message, expected=expected, now=now)
    else:
        person = text_of(values, "lifts", required=True)
        verb = partial(lift_changes, flow, who, name, person, reason=message, expected=expected, now=now)
    return _found(asked, await act(asked, verb), status=201)


async def publish_draft(request: Request) -> Response:
    """``POST /drafts/{name}/publication``; with ``bypass`` past the rules."""
    asked = await acting(request)
    values = await read_values(request, ("head", "message", "bypass"))
    expected, name = expected_head(request, values), _name(request)
    if "bypass" in values:
        reason = text_of(values, "bypass", required=True)
        verb = partial(bypass, asked.flow, asked.person, name, reason=reason, expected=expected, now=asked.now)
    else:
        message = text_of(values, "message")
        verb = partial(publish, asked.flow, asked.person, name, expected=expected, message=message, now=asked.now)
    publication = await act(asked, verb)
    return answer(
        describe_publication(publication), status=200 if publication.is_repeated or not publication.commit else 201
    )


async def set_schedule(request: Request) -> Response:
    """``PUT`` and ``DELETE /drafts/{name}/schedule``."""
    asked = await acting(request)
    values = await read_values(request, ("publish_at", "head") if request.method == "PUT" else ("head",))
    at = read_moment(values, "publish_at") if request.method == "PUT" else None
    verb = partial(
        schedule,
        asked.flow,
        asked.person,
        _name(request),
        at,
        expected=expected_head(request, values),
        now=asked.now,
    )
    return _found(asked, await act(asked, verb))


async def put_entry(request: Request) -> Response:
    """``PUT`` (all fields) and ``PATCH`` (RFC 7396: those that are named; null removes) of an entry of a draft."""
    asked = await acting(request)
    values = await read_values(request, ("fields", "body", "path", "message", "head"))
    fields = values.get("fields", {})
    if not isinstance(fields, dict):
        raise InvalidQuery("fields must be an object", parameter="fields")
    is_whole = request.method == "PUT"
    if not is_whole:
        fields = {name: REMOVED if value is None else value for name, value in fields.items()}
    body = values.get("body")
    if body is not None and not isinstance(body, str):
        raise InvalidQuery("body must be a text", parameter="body")
    verb = partial(
        write_entry,
        asked.flow,
        asked.person,
        _name(request),
        _entry(request, text_of(values, "path")),
        fields,
        body=body,
        replace=is_whole,
        expected=expected_head(request, values),
        message=text_of(values, "message"),
        now=asked.now,
    )
    return _found(asked, await act(asked, verb))


async def remove_entry(request: Request) -> Response:
    """``DELETE /drafts/{name}/entries/{collection}/{slug}``."""
    asked = await acting(request)
    values = await read_values(request, ("message", "head"))
    verb = partial(
        delete_entry,
        asked.flow,
        asked.person,
        _name(request),
        _entry(request),
        expected=expected_head(request, values),
        message=text_of(values, "message"),
        now=asked.now,
    )
    return _found(asked, await act(asked, verb))


async def rename(request: Request) -> Response:
    """``POST /drafts/{name}/renames``: another slug, and every reference with it."""
    asked = await acting(request)
    values = await read_values(request, ("collection", "slug", "locale", "to", "message", "head"))
    entry = EntryName(
        collection=text_of(values, "collection", required=True),
        slug=text_of(values, "slug", required=True),
        locale=text_of(values, "locale"),
    )
    verb = partial(
        rename_entry,
        asked.flow,
        asked.person,
        _name(request),
        entry,
        text_of(values, "to", required=True),
        expected=expected_head(request, values),
        message=text_of(values, "message"),
        now=asked.now,
    )
    return _found(asked, await act(asked, verb), status=201)


def _name(request: Request) -> str:
    name: str = request.path_params["name"]
    return name


def _entry(request: Request, path: str = "") -> EntryName:
    for key in request.query_params:
        if key != "locale":
            raise InvalidQuery(f"{key!r} is no parameter here; there is locale", parameter=key)
    return EntryName(
        collection=request.path_params["collection"],
        slug=request.path_params["slug"],
        locale=request.query_params.get("locale", ""),
        path=path,
    )
