"""``/drafts``: the editorial workflow over HTTP. Translates requests into verbs; the verbs decide."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from cms.api.drafting import describe_outcome, describe_publication, describe_remark, listed
from cms.api.editing import Acting, acting, answer, expected_head, read_moment, read_values, text_of
from cms.api.state import BASE
from cms.edit import REMOVED
from cms.errors import Conflict, Forbidden, InvalidQuery, NotFound, RepositoryProblem
from cms.finding import printable
from cms.params import OFFSET_MOST, Parameters, read_parameters, split_query
from cms.permissions import allows
from cms.refs import CommitId, is_commit_id
from cms.settings import nearest
from cms.workflow.outcome import DraftState
from cms.workflow.publishing import Publication, bypass, publish
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
from cms.workflow.writing import (
    UNCHANGED,
    EntryName,
    close_draft,
    delete_entry,
    rename_entry,
    start_draft,
    write_entry,
)

UNDOING: Mapping[str, tuple[str, ...]] = {
    "revert": ("reason",),
    "rollback": ("reason",),
    "unpublish": ("reason",),
    "restore": (),
}
#: What each verdict takes beside a message and the head.
VERDICTS: Mapping[str, tuple[str, ...]] = {
    "request": (),
    "approve": (),
    "changes": ("anchor",),
    "comment": ("anchor",),
    "withdraw": (),
    "lift": ("lifts",),
}
SPOKEN: Mapping[str, Callable[..., DraftState]] = {
    "request": request_review,
    "approve": approve,
    "changes": request_changes,
    "comment": comment,
    "withdraw": withdraw,
}
LISTED_MOST = 100
COUNT = re.compile(r"[0-9]{1,9}")
Verb = Callable[[], DraftState]


async def _respond(asked: Acting, verb: Verb, *, status: int = 200, place: str = "", is_act: bool = True) -> Response:
    """Do it, and answer with the draft as it is then; *place* is what was made, below its address."""

    def work() -> Response:
        state = verb()
        url = f"{BASE}/drafts/{quote(state.name)}"
        links = {
            "self": url,
            **{name: f"{url}/{name}" for name in ("verdicts", "publication", "schedule", "renames", "diff")},
        }
        headers = {"ETag": f'"{state.head}"'}
        if status == 201:
            headers["Location"] = f"{url}{place}"
        data = describe_outcome(state, asked.flow, asked.who, asked.zone)
        return answer(data, status=status, headers=headers, links=links)

    return await (asked.act(work) if is_act else asked.read(work))


async def list_drafts(request: Request) -> Response:
    """``GET /drafts``: those that the caller may see, by name. What each of them amounts to is worked out for one page."""
    asked = await acting(request, parameters=None)
    parameters = read_parameters(split_query(request.scope["query_string"]), ("limit", "offset"))
    limit, offset = read_count(parameters, "limit", LISTED_MOST), read_count(parameters, "offset", OFFSET_MOST, 0)
    who, flow = asked.who, asked.flow

    def read() -> Response:
        policy, names = flow.policy(), flow.names()
        if not allows("draft.read", who, policy):
            names = []
        elif who.scopes is not None or policy.is_bot(who.person):  # may depend on what is in them
            names = [name for name in names if _find_readable(asked, name) is not None]
        page = [state for name in names[offset : offset + limit] if (state := _find_readable(asked, name)) is not None]
        meta = {"total": len(names), "limit": limit, "offset": offset}
        links = {"self": _page_link(limit, offset)}
        if offset + limit < len(names) and limit:
            links["next"] = _page_link(limit, offset + limit)
        return answer([listed(state, asked.zone) for state in page], meta=meta, links=links)

    return await asked.read(read)


def _find_readable(asked: Acting, name: str) -> DraftState | None:
    try:
        return _find(asked, name)
    except (NotFound, Forbidden, RepositoryProblem):  # closed meanwhile, not theirs to see, or damaged
        return None


def _page_link(limit: int, offset: int) -> str:
    return f"{BASE}/drafts?limit={limit}" + (f"&offset={offset}" if offset else "")


def read_count(parameters: Parameters, name: str, most: int, default: int | None = None) -> int:
    """A number from 0 to *most*, which it is unless there is a *default*.

    Raises:
        InvalidQuery: it is none.
    """
    text = parameters.one(name)
    if text is None:
        return most if default is None else default
    number = int(text) if COUNT.fullmatch(text) else -1
    if not 0 <= number <= most:
        raise InvalidQuery(f"{name} must be a whole number from 0 to {most:,}", parameter=name)
    return number


async def create_draft(request: Request) -> Response:
    """``POST /drafts``: an empty one, or one that undoes something."""
    asked = await acting(request)
    values = await read_values(request, ("name", *UNDOING, "reason"))
    kinds = [kind for kind in UNDOING if kind in values]
    if len(kinds) > 1:
        raise InvalidQuery(f"a draft undoes one thing: {' or '.join(kinds)}", parameter=kinds[1])
    kind = kinds[0] if kinds else ""
    if "reason" in values and "reason" not in UNDOING.get(kind, ()):
        raise InvalidQuery("reason is for drafts that undo something: revert, rollback, unpublish", parameter="reason")
    name, reason = text_of(values, "name", required=not kind), text_of(values, "reason")
    flow, who, now = asked.flow, asked.who, asked.now
    verb: Verb
    if kind in ("revert", "rollback"):
        undo = revert if kind == "revert" else roll_back
        verb = partial(undo, flow, who, read_commit(values, kind), name=name, reason=reason, now=now)
    elif kind == "unpublish":
        verb = partial(unpublish, flow, who, read_names(values, kind), name=name, reason=reason, now=now)
    elif kind == "restore":
        verb = partial(restore, flow, who, read_names(values, kind), name=name, now=now)
    else:
        verb = partial(start_draft, flow, who, name, now=now)
    return await _respond(asked, verb, status=201)


def read_commit(values: Mapping[str, Any], key: str) -> CommitId:
    """A commit that was named.

    Raises:
        InvalidQuery: not by its full id.
    """
    commit = text_of(values, key, required=True)
    if not is_commit_id(commit):
        raise InvalidQuery(f"{key} must be a full commit id of 40 digits", parameter=key)
    return CommitId(commit)


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
        names.append(_named(item))
    if not names:
        raise InvalidQuery(f"{key} names no entry", parameter=key)
    return names


def _named(values: Mapping[str, Any]) -> EntryName:
    return EntryName(
        collection=text_of(values, "collection", required=True),
        slug=text_of(values, "slug", required=True),
        locale=text_of(values, "locale"),
    )


async def get_draft(request: Request) -> Response:
    """``GET /drafts/{name}``."""
    asked = await acting(request)
    return await _respond(asked, partial(_find, asked, _name(request)), is_act=False)


def _find(asked: Acting, name: str) -> DraftState:
    return asked.flow.find(asked.who, "draft.read", name, expected=None, now=asked.now).state


async def remove_draft(request: Request) -> Response:
    """``DELETE /drafts/{name}``: closes it."""
    asked = await acting(request)
    values = await read_values(request, ("reason", "head"))
    name, reason = _name(request), text_of(values, "reason")
    expected = expected_head(request, values)
    head = await asked.act(
        partial(close_draft, asked.flow, asked.who, name, reason=reason, expected=expected, now=asked.now)
    )
    return answer({"name": name, "closed": True, "head": head})


async def list_verdicts(request: Request) -> Response:
    """``GET /drafts/{name}/verdicts``: everything that was said, oldest first."""
    asked = await acting(request)

    def read() -> Response:
        state, policy = _find(asked, _name(request)), asked.flow.policy()
        remarks = [describe_remark(remark, policy, asked.zone) for remark in state.remarks]
        return answer(remarks, headers={"ETag": f'"{state.head}"'}, meta={"total": len(remarks), "head": state.head})

    return await asked.read(read)


async def add_verdict(request: Request) -> Response:
    """``POST /drafts/{name}/verdicts``."""
    asked = await acting(request)
    values = await read_values(request, ("verdict", "message", "anchor", "head", "lifts"))
    kind = text_of(values, "verdict", required=True)
    if kind not in VERDICTS:
        shown = printable(kind[:100])
        raise InvalidQuery(
            f"there is no verdict {shown!r}{nearest(kind, VERDICTS)}; there are {', '.join(VERDICTS)}",
            parameter="verdict",
        )
    for key in ("anchor", "lifts"):
        if key in values and key not in VERDICTS[kind]:
            raise InvalidQuery(f"{key} means nothing for the verdict {kind!r}", parameter=key)
    flow, who, name, message = asked.flow, asked.who, _name(request), text_of(values, "message")
    told: dict[str, Any] = {"expected": expected_head(request, values, required=kind == "approve"), "now": asked.now}
    if "anchor" in VERDICTS[kind]:
        told["anchor"] = text_of(values, "anchor")
    if kind == "lift":
        verb = partial(lift_changes, flow, who, name, text_of(values, "lifts", required=True), reason=message, **told)
    else:
        verb = partial(SPOKEN[kind], flow, who, name, message=message, **told)
    return await _respond(asked, verb, status=201, place="/verdicts")


async def publish_draft(request: Request) -> Response:
    """``POST /drafts/{name}/publication``; with ``bypass`` past the rules."""
    asked = await acting(request)
    values = await read_values(request, ("head", "message", "bypass"))
    told: dict[str, Any] = {"expected": expected_head(request, values), "now": asked.now}
    verb: Callable[[], Publication]
    if "bypass" in values:
        if "message" in values:
            raise InvalidQuery("with bypass the reason is the message; leave the other out", parameter="message")
        reason = text_of(values, "bypass", required=True)
        verb = partial(bypass, asked.flow, asked.who, _name(request), reason=reason, **told)
    else:
        verb = partial(publish, asked.flow, asked.who, _name(request), message=text_of(values, "message"), **told)
    publication = await asked.act(verb)
    is_new = publication.commit is not None and not publication.is_repeated
    return answer(describe_publication(publication), status=201 if is_new else 200)


async def set_schedule(request: Request) -> Response:
    """``PUT`` and ``DELETE /drafts/{name}/schedule``."""
    asked = await acting(request)
    is_set = request.method == "PUT"
    values = await read_values(request, ("publish_at", "head") if is_set else ("head",))
    at = read_moment(values, "publish_at") if is_set else None
    expected = expected_head(request, values)
    verb = partial(schedule, asked.flow, asked.who, _name(request), at, expected=expected, now=asked.now)
    return await _respond(asked, verb)


async def put_entry(request: Request) -> Response:
    """``PUT`` (all fields) and ``PATCH`` (those that are named; null removes) of an entry of a draft.

    What is there already may be sent again: a client that got no answer the first time cannot know.
    """
    asked = await acting(request, parameters=None)
    values = await read_values(request, ("fields", "body", "path", "message", "head"))
    name, is_whole = _name(request), request.method == "PUT"
    fields, body = values.get("fields", {}), values.get("body")
    if not isinstance(fields, dict):
        raise InvalidQuery("fields must be an object", parameter="fields")
    if body is not None and not isinstance(body, str):
        raise InvalidQuery("body must be a text", parameter="body")
    if not is_whole:
        fields = {key: REMOVED if value is None else value for key, value in fields.items()}
    write = partial(
        write_entry,
        asked.flow,
        asked.who,
        name,
        _entry(request, text_of(values, "path")),
        fields,
        body=body,
        replace=is_whole,
        expected=expected_head(request, values),
        message=text_of(values, "message"),
        now=asked.now,
    )

    def verb() -> DraftState:
        try:
            return write()
        except Conflict as error:
            if error.facts.get("state") != UNCHANGED:
                raise
            return asked.flow.look(asked.who, name, asked.now).state

    return await _respond(asked, verb)


async def remove_entry(request: Request) -> Response:
    """``DELETE /drafts/{name}/entries/{collection}/{slug}``."""
    asked = await acting(request, parameters=None)
    values = await read_values(request, ("message", "head"))
    told = _told(request, values, asked)
    verb = partial(delete_entry, asked.flow, asked.who, _name(request), _entry(request), **told)
    return await _respond(asked, verb)


async def rename(request: Request) -> Response:
    """``POST /drafts/{name}/renames``: another slug, and every reference with it."""
    asked = await acting(request)
    values = await read_values(request, ("collection", "slug", "locale", "to", "message", "head"))
    entry, slug = _named(values), text_of(values, "to", required=True)
    told = _told(request, values, asked)
    verb = partial(rename_entry, asked.flow, asked.who, _name(request), entry, slug, **told)
    return await _respond(asked, verb)


def _told(request: Request, values: Mapping[str, Any], asked: Acting) -> dict[str, Any]:
    return {"expected": expected_head(request, values), "message": text_of(values, "message"), "now": asked.now}


def _name(request: Request) -> str:
    name: str = request.path_params["name"]
    return name


def _entry(request: Request, path: str = "") -> EntryName:
    parameters = read_parameters(split_query(request.scope["query_string"]), ("locale",))
    locale = parameters.one("locale")
    if locale == "":
        raise InvalidQuery("locale is empty; leave it out for the site's default", parameter="locale")
    return EntryName(
        collection=request.path_params["collection"],
        slug=request.path_params["slug"],
        locale=locale or "",
        path=path,
    )
