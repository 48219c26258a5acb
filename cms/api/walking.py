"""Lists by ``cursor``: pages of one state of the content, whatever is published while they are read.

The first page, ``cursor=*``, is of what everybody sees now, or of the view that the request names. Every further one is of the same, also when
that is not published any more, for :data:`cms.views.PINNED_SECONDS` after the first. What is withdrawn for good (``[history] never`` in ``cms.toml``) is
left out even so. Nobody keeps these answers: a page that was kept could lead nowhere.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import orjson
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from cms.api.listing import find_all, render_all
from cms.api.pages import (
    UNCHANGED,
    Answered,
    commit_of,
    describe_value,
    digest_of,
    keep_answer,
    link_header,
    view_of,
)
from cms.api.responses import JSON, json_response
from cms.api.state import Context, context
from cms.cursor import Cursor, State, digest_query
from cms.entry import Entry
from cms.errors import Gone, InvalidQuery
from cms.params import ALIASES, Pairs, find_collection, read_list_request, split_query

BEGIN = ("*", "")
TOO_LATE = "the pages that this cursor leads to are not kept any more; begin again with cursor=*"


def names_cursor(raw: bytes) -> bool:
    """Whether a raw query string asks for pages by cursor, also when the name is percent-encoded."""
    return (b"cursor" in raw or b"%" in raw) and any(map(_is_cursor, raw.split(b"&")))


def _is_cursor(part: bytes) -> bool:
    return unquote_to_bytes(part.partition(b"=")[0]).partition(b"[")[0] == b"cursor"


async def walk(request: Request, ctx: Context, name: str) -> Response:
    """One page of the collection *name*.

    Raises:
        InvalidQuery: no cursor of this list, or something that cannot be walked through.
        Gone: what it leads to is not kept any more.
    """
    raw: bytes = request.scope["query_string"]
    pairs = [(_named(key), value) for key, value in split_query(raw)]
    text = _read_own(pairs)
    seconds: float = request.scope.get("clock", time.time)()
    first = _first(ctx, name, pairs, seconds)
    cursor = first
    if text not in BEGIN:
        cursor = ctx.site.cursors.read(text)
        ctx = await _open(request, ctx, cursor, first, seconds)
    rest = [(key, value) for key, value in pairs if key != "cursor"]
    answered = await _find(ctx, name, rest)
    whole = await _find_whole(ctx, name, rest, cursor, answered)
    return await _respond(request, ctx, cursor, answered, whole)


def _named(name: str) -> str:
    """*name*, its alias resolved."""
    head, bracket, rest = name.partition("[")
    return f"{ALIASES.get(head, head)}{bracket}{rest}"


def _read_own(pairs: Pairs) -> str:
    texts = [value for key, value in pairs if key == "cursor"]
    if len(texts) != 1:
        raise InvalidQuery("give cursor once, and without brackets", parameter="cursor")
    for other in ("page", "offset"):
        if any(key == other for key, _ in pairs):
            raise InvalidQuery(f"give cursor or {other}, not both", parameter=other)
    return texts[0]


def _first(ctx: Context, name: str, pairs: Pairs, seconds: float) -> Cursor:
    """The beginning of the list in the state that the request sees."""
    catalog, label = ctx.catalog, ctx.catalog.label
    if ctx.view is None:
        moment = seconds if catalog.valid_from <= seconds < catalog.valid_until else catalog.valid_from
        state = State(commit=catalog.snapshot.commit.id, moment=moment)
        return Cursor(digest=digest_query(name, pairs), told=0, state=state, is_proven=True)
    more = (commit_of(catalog), str(catalog.changed_at), label.key if label is not None else "")
    return Cursor(digest=digest_query(name, pairs, *more), told=0)


async def _open(request: Request, ctx: Context, cursor: Cursor, first: Cursor, seconds: float) -> Context:
    """What *cursor* leads into."""
    if (cursor.state is None) != (first.state is None):
        raise InvalidQuery("cursor: this one belongs to another view; begin with cursor=*", parameter="cursor")
    if cursor.digest != first.digest:
        if cursor.state is None:
            raise Gone("what these pages were of has changed, or they were of another list; begin again with cursor=*")
        raise InvalidQuery(
            "cursor: this one belongs to another list; keep every parameter that selects and orders, or begin with cursor=*",
            parameter="cursor",
        )
    state, catalog = cursor.state, ctx.catalog
    if state is None or (
        state.commit == catalog.snapshot.commit.id and catalog.valid_from <= state.moment < catalog.valid_until
    ):
        return ctx  # everybody may see this, whoever made the cursor
    if not cursor.is_proven:
        raise Gone(TOO_LATE)
    now = datetime.fromtimestamp(seconds, UTC)
    view = await ctx.lanes.views.run(ctx.site.views.open_pinned, state.commit, state.moment, now)
    return context(Request({**request.scope, "catalog": view.catalog, "view": view}))


async def _find(ctx: Context, name: str, pairs: Pairs) -> Answered:
    # Begins as no query string does, so that no list without a cursor is answered from it.
    key = (name, b"\0".join([b"", *(f"{key}={value}".encode() for key, value in pairs if key != "limit")]))
    kept: Answered | None = ctx.catalog.answers.get(key)
    wanted = read_list_request(pairs, ctx.catalog, find_collection(ctx.catalog.model, name))
    if wanted.text:
        raise InvalidQuery(
            "a search is ordered by how well entries fit, which may change; ask for it with page or offset",
            parameter="cursor",
        )
    if not wanted.queries[0].limit:
        raise InvalidQuery("limit: a page that a cursor leads to has at least one entry", parameter="limit")
    if kept is None:
        kept = await find_all(ctx, wanted)
        keep_answer(ctx.catalog, key, kept)
    return kept._replace(wanted=wanted)


async def _find_whole(ctx: Context, name: str, pairs: Pairs, cursor: Cursor, answered: Answered) -> Sequence[Entry]:
    """What is walked through, with what is withheld from those who ask for the past: or it would move the rest to other pages."""
    if cursor.state is None or ctx.view is None or not ctx.view.never:
        return answered.entries
    catalog = await ctx.lanes.views.run(ctx.site.views.open_commit, cursor.state.commit, cursor.state.moment)
    return (await _find(replace(ctx, catalog=catalog), name, pairs)).entries


async def _respond(
    request: Request, ctx: Context, cursor: Cursor, answered: Answered, whole: Sequence[Entry]
) -> Response:
    limit, shape = answered.wanted.queries[0].limit, answered.wanted.shape
    files = ctx.catalog.snapshot.files
    entries = [entry for entry in whole[cursor.told : cursor.told + limit] if entry.path in files]
    items = await to_thread.run_sync(render_all, ctx.presenter, entries, shape)
    links, following = _links(request, ctx, cursor, limit, len(whole))
    meta: dict[str, Any] = {"total": len(answered.entries), "limit": limit, **view_of(ctx.catalog)}
    if answered.facets:
        meta["facets"] = {name: [describe_value(item) for item in values] for name, values in answered.facets.items()}
    meta |= answered.summary
    meta |= {"cursor": following} if following is not None else {}
    body = b'{"data":[%b],"meta":%b,"links":%b}' % (
        b",".join([item.body for item in items]),
        orjson.dumps(meta),
        orjson.dumps(links),
    )
    del links["self"]
    if cursor.state is None:
        return json_response(request, ctx, body, link=link_header(links), digest=digest_of(body, ctx.catalog))
    headers = {"Cache-Control": "no-store", "Content-Commit": commit_of(ctx.catalog)}
    response = Response(body, media_type=JSON, headers=headers)
    response.raw_headers.append((b"link", link_header(links)))
    return response


def _links(request: Request, ctx: Context, cursor: Cursor, limit: int, total: int) -> tuple[dict[str, str], str | None]:
    """(the pages around this one, the cursor of the next; all of the same state)."""
    raw: bytes = request.scope["query_string"]
    kept = b"&".join(part for part in raw.split(b"&") if not _is_cursor(part))
    path = (request.scope.get("raw_path") or request.scope["path"].encode()).decode("latin-1")
    spelled = quote(kept.decode("latin-1"), safe=UNCHANGED, encoding="latin-1")
    base = f"{path}?{spelled}&cursor=" if spelled else f"{path}?cursor="

    def write(told: int) -> str:
        place = Cursor(digest=cursor.digest, told=told, state=cursor.state)
        return ctx.site.cursors.write(place)

    links = {"self": base + write(cursor.told), "first": base + write(0)}
    if cursor.told:
        links["prev"] = base + write(max(0, min(cursor.told, total) - limit))
    following = write(cursor.told + limit) if cursor.told + limit < total else None
    if following is not None:
        links["next"] = base + following
    return links, following
