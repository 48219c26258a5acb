"""``/changes``: what a reader who holds a copy of the site must do to hold what is published now.

Worked out in a thread of its own kind, from two catalogs. What everybody is answered may be kept like everything that is read; what only some
may see is kept by nobody.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response

from cms.api.editing import PRIVATE
from cms.api.pages import digest_of, link_header, view_of
from cms.api.responses import JSON, json_response
from cms.api.state import BASE, Context, context
from cms.auth import holds_password
from cms.catalog import EVERY_LOCALE, Catalog
from cms.delta import Change, Cursor, Position, Timeline, Wanted, parse_cursor, parse_position
from cms.entry import Entry
from cms.errors import Forbidden, FullSyncNeeded, InvalidQuery, NotFound
from cms.params import (
    Pairs,
    Parameters,
    find_collection_parameter,
    read_chain,
    read_limit,
    read_parameters,
    read_shape,
    split_query,
)
from cms.permissions import Principal
from cms.present import Presenter, Shape

PARAMETERS = (
    "since",
    "until",
    "collection",
    "locale",
    "fallback",
    "fields",
    "include",
    "depth",
    "format",
    "limit",
    "cursor",
)
START = "start"
#: A page ends early when it would be larger, or would include more entries than one answer may.
PAGE_BYTES = 4 * 1024 * 1024
LIMIT_DEFAULT, LIMIT_MOST = 100, 1000
HOW = (
    "say which position you know: since=start answers with everything, and the last page of every answer gives the position to ask with "
    "next, as meta.position"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesRequest:
    """What is asked; *since* is None for somebody who holds nothing yet."""

    since: Position | None
    until: Position | None
    cursor: Cursor | None
    wanted: Wanted
    limit: int


async def list_changes(request: Request) -> Response:
    """``GET /changes``."""
    ctx = context(request)
    pairs = split_query(request.scope["query_string"])
    asked = read_changes_request(pairs, ctx.catalog)
    who = await find_caller(request)
    return await ctx.lanes.views.run(_answer, request, ctx, asked, pairs, who)


def read_changes_request(pairs: Pairs, catalog: Catalog) -> ChangesRequest:
    """The parameters of ``GET /changes``.

    Raises:
        InvalidQuery: naming the parameter; ``since`` is required.
    """
    parameters = read_parameters(pairs, PARAMETERS)
    since = parameters.one("since")
    until = parameters.one("until")
    cursor = parameters.one("cursor")
    if not since:
        raise InvalidQuery(f"since is missing: {HOW}", parameter="since")
    if until is not None and cursor is not None:
        raise InvalidQuery("the cursor knows where its delta ends; leave until out", parameter="until")
    return ChangesRequest(
        since=None if since == START else parse_position(since, "since"),
        until=parse_position(until, "until") if until is not None else None,
        cursor=parse_cursor(cursor) if cursor is not None else None,
        wanted=_read_wanted(parameters, catalog),
        limit=read_limit(parameters, LIMIT_DEFAULT, LIMIT_MOST),
    )


def _read_wanted(parameters: Parameters, catalog: Catalog) -> Wanted:
    model = catalog.model
    names = dict.fromkeys(parameters.words("collection"))
    collections = [find_collection_parameter(model, name) for name in names]
    is_chosen = not parameters.single.keys().isdisjoint(("locale", "fallback"))
    return Wanted(
        shape=read_shape(parameters, model, collections or list(model.collections.values()), default_formats=()),
        chain=read_chain(parameters, catalog) if is_chosen else EVERY_LOCALE,
        collections=tuple(names),
    )


async def find_caller(request: Request) -> Principal | None:
    """Who asks; None for somebody who sent no secret, or where nobody can sign in.

    Raises:
        Unauthorised: the secret is wrong, expired or revoked.
    """
    header = request.headers.get("authorization")
    if header is None:
        return None
    site, lanes = request.scope["site"], request.scope["lanes"]
    address = request.client.host if request.client else ""

    def sign_in() -> Principal | None:
        try:
            found: Principal | None = site.office().sign_in(header, datetime.now(UTC), address)
        except NotFound:  # nobody may change this site, so nobody signs in
            return None
        return found

    lane = lanes.secrets if holds_password(header) else lanes.tokens
    who: Principal | None = await lane.run(sign_in)
    return who


def _answer(request: Request, ctx: Context, asked: ChangesRequest, pairs: Pairs, who: Principal | None) -> Response:
    """One page of a delta: as everybody gets it, or where that is nothing as the caller does."""
    views = ctx.site.views
    rights = views.rights(None)
    timeline = Timeline(store=ctx.site.store, views=views, present=ctx.catalog, rights=rights, now=time.time())
    try:
        return _page(request, ctx, asked, pairs, timeline, is_private=False)
    except (Forbidden, FullSyncNeeded):
        mine = views.rights(who)
        if mine == rights:
            raise
    return _page(request, ctx, asked, pairs, replace(timeline, rights=mine), is_private=True)


def _page(
    request: Request, ctx: Context, asked: ChangesRequest, pairs: Pairs, timeline: Timeline, *, is_private: bool
) -> Response:
    since = timeline.find_since(asked.since) if asked.since is not None else None
    until = timeline.find_until(asked.until) if asked.cursor is None else timeline.find_cursor(asked.cursor)
    catalog, changes = ctx.site.deltas.find(timeline, since, until, asked.wanted)
    begin = asked.cursor.told if asked.cursor is not None else 0
    position = timeline.position(catalog)
    commit = catalog.snapshot.commit.id
    presenter = Presenter(catalog, ctx.site.bodies, f"{BASE}/assets/")
    data = _render(changes[begin : begin + asked.limit], presenter, asked.wanted.shape, commit)
    end = begin + len(data)
    view = view_of(ctx.catalog)["view"]
    meta: dict[str, Any] = {"total": len(changes), "limit": asked.limit, "commit": commit, "view": view}
    links = {"self": _link(pairs, asked.cursor)}
    if end < len(changes):
        cursor = Cursor(end, position)
        meta["cursor"] = str(cursor)
        links["next"] = _link(pairs, cursor)
    else:
        meta["position"] = str(position)
    told = b'{"data":[%b],"meta":%b' % (b",".join(data), orjson.dumps(meta))
    body = b'%b,"links":%b}' % (told, orjson.dumps(links))
    link = link_header({name: url for name, url in links.items() if name != "self"})
    if is_private or catalog is not ctx.catalog:
        headers = {**PRIVATE, "Content-Commit": commit}
        return Response(body, media_type=JSON, headers=headers)
    # Links repeat the request, which may name commits.
    return json_response(request, ctx, body, link=link, digest=digest_of(told, catalog))


def _render(changes: Sequence[Change], presenter: Presenter, shape: Shape, commit: str) -> list[bytes]:
    """The first of *changes* as JSON: as many as one answer may hold.

    Raises:
        InvalidQuery: the very first would include too much.
    """
    data: list[bytes] = []
    size = 0
    for change in changes:
        try:
            rendered = orjson.dumps(describe_change(change, presenter, shape, commit))
        except InvalidQuery:
            if not data:
                raise
            break
        size += len(rendered)
        if data and size > PAGE_BYTES:
            break
        data.append(rendered)
    return data


def _link(pairs: Pairs, cursor: Cursor | None) -> str:
    kept = [pair for pair in pairs if pair[0] not in ("cursor", *(("until",) if cursor is not None else ()))]
    if cursor is not None:
        kept.append(("cursor", str(cursor)))
    return f"{BASE}/changes?{urlencode(kept)}"


def describe_change(change: Change, presenter: Presenter, shape: Shape, commit: str) -> dict[str, Any]:
    """A change as JSON, with the entry as it is now where it is another one."""
    told: dict[str, Any] = {"change": change.change, **_address(change.entry), "commit": commit}
    if change.change == "renamed" and change.before is not None:
        told["from"] = _address(change.before)
    if change.change in ("updated", "renamed"):
        told["fields"] = list(change.fields)
    if change.change == "affected":
        told["by"] = list(change.by)
    if change.change in ("created", "updated", "renamed"):
        plain = shape.is_plain
        told["data"] = (
            orjson.Fragment(presenter.fragment(change.entry)) if plain else presenter.entry(change.entry, shape)
        )
    return told


def _address(entry: Entry) -> dict[str, str]:
    names = ("id", "collection", "slug", "locale", "path")
    return {name: getattr(entry, name) for name in names}
