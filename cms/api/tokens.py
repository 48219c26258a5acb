"""``/tokens``: one's own API tokens, and those of the bots that one answers for. Maintainers see and end everybody's."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from cms.api.asking import answer, ask, nothing, read_json, text_of
from cms.auth import TokenInfo
from cms.errors import InvalidQuery, NotFound
from cms.finding import printable
from cms.matrix import SCOPES
from cms.params import split_query
from cms.people import Policy
from cms.permissions import Principal, Target, allows, require
from cms.settings import nearest

DAYS = 90


async def list_tokens(request: Request) -> Response:
    """``GET /tokens``: one's own; with ``person`` those of somebody else."""
    asked = await ask(request, has_parameters=True)
    policy = asked.office.policy()
    who = asked.principal(policy)
    person = _person(request) or who.person
    require(_permission(who, policy, person, "token.manage"), who, policy, Target(owner=person))
    tokens = await asked.run(asked.office.accounts.tokens, person)
    return answer([_shown(token, asked.now) for token in tokens])


async def create_token(request: Request) -> Response:
    """``POST /tokens``: a new one. Its secret is in this answer and nowhere else."""
    asked = await ask(request)
    policy = asked.office.policy()
    who = asked.principal(policy)
    values = await read_json(request, ("name", "scopes", "expires_at", "person"))
    person = text_of(values, "person") if "person" in values else who.person
    require(_permission(who, policy, person, "token.issue"), who, policy, Target(owner=person))
    create = partial(
        asked.office.accounts.create_token,
        person,
        text_of(values, "name"),
        scopes=_scopes(values.get("scopes")),
        expires_at=_end(values.get("expires_at"), asked.now),
        now=asked.now,
    )
    token, secret = await asked.run(create)
    return answer({"token": secret, **_shown(token, asked.now)}, status=201)


async def revoke_token(request: Request) -> Response:
    """``DELETE /tokens/{id}``: refused from the next request on. Who may not know of it is told that there is none."""
    asked = await ask(request)
    accounts, policy = asked.office.accounts, asked.office.policy()
    who = asked.principal(policy)
    id: str = request.path_params["id"]
    require("token.own", who, policy, Target(owner=who.person))
    found = {token.id: token for token in await asked.run(accounts.tokens)}.get(id)
    if found is None or not _may_end(who, policy, found):
        raise NotFound("there is no such token; /api/v1/tokens lists yours")
    await asked.run(partial(accounts.revoke_token, id, now=asked.now))
    return nothing()


def _permission(who: Principal, policy: Policy, person: str, otherwise: str) -> str:
    """The permission that it takes for tokens of *person*: those of a bot that one answers for are one's own."""
    known = policy.people.get(person)
    is_own = person == who.person or (known is not None and known.owner == who.person)
    return "token.own" if is_own else otherwise


def _may_end(who: Principal, policy: Policy, token: TokenInfo) -> bool:
    permission = _permission(who, policy, token.person, "token.manage")
    return allows(permission, who, policy, Target(owner=token.person))


def _person(request: Request) -> str:
    pairs = split_query(request.scope["query_string"])
    for number, (name, _) in enumerate(pairs):
        if name != "person" or number:
            raise InvalidQuery("only person is known here, once", parameter=printable(name))
    if pairs and not pairs[0][1]:
        raise InvalidQuery("person is empty; leave it out for your own", parameter="person")
    return pairs[0][1] if pairs else ""


def _scopes(value: object) -> list[str] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidQuery(
            "scopes is a list of permissions such as draft.write, or null for no restriction", parameter="scopes"
        )
    for item in value:
        if item not in SCOPES:
            raise InvalidQuery(
                f"there is no permission {printable(item[:100])!r}{nearest(item, SCOPES)}", parameter="scopes"
            )
    return value


def _end(value: object, now: datetime) -> datetime:
    if value is None:
        return now + timedelta(days=DAYS)
    try:
        end = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        end = None
    if end is None or end.tzinfo is None:
        raise InvalidQuery(
            "expires_at is a time with its zone, such as 2027-01-31T12:00:00+01:00", parameter="expires_at"
        )
    return end


def _shown(token: TokenInfo, now: datetime) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(token)
    scopes = sorted(token.scopes) if token.scopes is not None else None
    return {**shown, "scopes": scopes, "live": token.is_live(now)}
