"""``/history`` and ``/blame``: how an entry came to be what it is, commit by commit and part by part, and who stands behind it.

Both tell of people, so they are for those who may know who did what. Where a site has no people, nobody can sign in, and they are for everybody
if the site shows its past at all: then they tell of what was published, one state after the other, and of no branch. They are answered from the
view that the request names.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from cms.api.editing import acting, answer
from cms.api.entries import find_moved
from cms.api.pages import link_of, view_of
from cms.api.state import BASE, Context, context
from cms.blame.attribution import blame
from cms.blame.record import Record
from cms.blame.telling import blame_json, history_json, named_versions
from cms.blame.versions import Versions
from cms.entry import Entry
from cms.errors import EntryNotFound, Forbidden, InvalidQuery
from cms.params import LIMIT_DEFAULT, LIMIT_MOST, Parameters, find_collection, read_chain, read_parameters, split_query
from cms.permissions import Principal, Target, allows_everywhere, require
from cms.policy import Policy
from cms.view import VIEW_PARAMETERS

PAGES_MOST = 1_000
CLOSED = (
    "how entries came to be is not shown here: nobody can sign in to this site; whoever runs it can show its past to everybody with "
    "public = true in the table [history] of cms.toml"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """An entry in a view, and where to look up what was before."""

    ctx: Context
    entry: Entry
    record: Record
    parameters: Parameters

    def versions(self) -> Versions:
        """The versions of the entry's file, to the newest that the view has."""
        return self.record.versions(self.ctx.catalog, self.entry)

    def links(self, **more: str) -> dict[str, str]:
        """Links to what there is of the entry, in the same view."""
        place = f"{self.entry.collection}/{self.entry.slug}"
        told = {name: f"{BASE}/{name}/{place}?locale={self.entry.locale}" for name in ("entries", "history", "blame")}
        return {name: link_of(self.ctx.catalog, url) for name, url in (told | more).items()}


async def get_history(request: Request) -> Response:
    """``GET /history/{collection}/{slug}``: the commits that made an entry what it is, the newest first, a page of them."""
    return await _tell(request, _history, ("limit", "page"))


async def get_blame(request: Request) -> Response:
    """``GET /blame/{collection}/{slug}``: for each field, list item and paragraph the commit that it comes from."""
    return await _tell(request, _blame, ())


async def _tell(request: Request, look: Callable[[_Asked], Response], known: tuple[str, ...]) -> Response:
    ctx = context(request)
    record, who = await _admit(request, ctx)
    collection = find_collection(ctx.catalog.model, request.path_params["collection"])
    slug: str = request.path_params["slug"]
    pairs = split_query(request.scope["query_string"])
    parameters = read_parameters(pairs, (*known, "locale", "fallback", *VIEW_PARAMETERS))
    chain = read_chain(parameters, ctx.catalog)
    entry = ctx.catalog.find(collection.name, slug, chain)
    if entry is None:
        moved = await find_moved(request, ctx, chain, root=request.url.path.removeprefix(f"{BASE}/").partition("/")[0])
        if moved is not None:
            return moved
        raise EntryNotFound(f"{collection.name} has no entry {slug!r}", collection=collection.name, slug=slug)
    if who is not None:  # a bot may have leave for some files alone
        target = Target(paths=(entry.path,), collections={entry.path: entry.collection})
        require("history.people", who, record.policy, target)
    asked = _Asked(ctx=ctx, entry=entry, record=record, parameters=parameters)
    return await ctx.lanes.drafts.run(look, asked)


async def _admit(request: Request, ctx: Context) -> tuple[Record, Principal | None]:
    """(where to look things up for who asks, who that is, if it matters).

    Raises:
        Unauthorised, Forbidden: they may not know who did what.
    """
    site, present = ctx.site, ctx.site.catalog
    settings = present.model.settings.history
    record = partial(Record, store=site.store, chronicle=site.chronicle, published=present.snapshot.commit.id)
    if not site.is_edited:
        if not settings.public:
            raise Forbidden(CLOSED)
        return record(prover=site.prover, policy=Policy(), never=settings.never, is_line=True), None
    asked = await acting(request, parameters=None)
    policy = asked.flow.policy()
    require("history.people", asked.who, policy)
    never = () if allows_everywhere("draft.read", asked.who, policy) else settings.never
    return record(prover=site.office().prover, policy=policy, never=never), asked.who


def _history(asked: _Asked) -> Response:
    limit = _number(asked.parameters, "limit", LIMIT_DEFAULT, LIMIT_MOST)
    page = _number(asked.parameters, "page", 1, PAGES_MOST)
    versions, entry = asked.versions(), asked.entry
    committed = [version for version in versions.all if version.stamp is not None]
    part = committed[(page - 1) * limit : page * limit]
    changes = asked.record.changes(versions, [versions.newest, *part])
    data = history_json(
        changes.get(versions.newest),
        entry,
        [changes[version] for version in part],
        asked.record.policy,
        asked.ctx.catalog.zone,
    )
    pages = -(-len(committed) // limit)
    meta = {"total": len(committed), "limit": limit, "page": page, "pages": pages}
    here = asked.links()["history"]
    around = {"self": page, "prev": page - 1, "next": page + 1}
    links = {name: f"{here}&limit={limit}&page={number}" for name, number in around.items() if 0 < number <= pages}
    return _answer(asked, data, meta, asked.links() | links)


def _blame(asked: _Asked) -> Response:
    versions = asked.versions()
    found = blame(asked.ctx.reader, versions)
    changes = asked.record.changes(versions, named_versions(found))
    data = blame_json(found, asked.entry, changes, asked.record.policy, asked.ctx.catalog.zone)
    return _answer(asked, data, {}, asked.links() | {"self": asked.links()["blame"]})


def _answer(asked: _Asked, data: dict[str, Any], meta: dict[str, Any], links: dict[str, str]) -> Response:
    return answer(data, meta={**meta, **view_of(asked.ctx.catalog)}, links=links)


def _number(parameters: Parameters, name: str, default: int, most: int) -> int:
    text = parameters.one(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:9]) <= most:
        raise InvalidQuery(f"{name} must be a whole number from 1 to {most:,}, not {text!r}", parameter=name)
    return int(text)
