"""``/session`` and ``/me``: signing in with a password for some hours, who one is, one's password and where one is signed in."""

from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from cms.api.asking import Asking, answer, ask, ask_nameless, nothing, read_json, text_of
from cms.auth import SessionInfo
from cms.errors import Conflict, Forbidden, NotFound, Unauthorised
from cms.people import Grant, Policy
from cms.permissions import Target, require


async def sign_in(request: Request) -> Response:
    """``POST /session``: a session for a name and a password. Its secret is in this answer and nowhere else."""
    asked = ask_nameless(request)
    values = await read_json(request, ("person", "password"))
    person, password = text_of(values, "person"), text_of(values, "password")
    begin = partial(asked.office.accounts.sign_in, person, password, now=asked.now, address=asked.address)
    session, secret = await asked.run(begin)
    return answer({"token": secret, "person": session.person, "expires_at": session.expires_at}, status=201)


async def sign_out(request: Request) -> Response:
    """``DELETE /session``: ends the session that the request was sent with."""
    asked = await ask(request)
    identity = asked.known
    if identity.via != "session":
        raise Conflict(
            f"this request was sent with a {identity.via}, so there is no session to end",
            hint="send the session: Authorization: Bearer cmss_…",
        )
    await asked.run(asked.office.accounts.end_session, identity.token)
    return nothing()


async def get_me(request: Request) -> Response:
    """``GET /me``: who sent this request, how that is known, and which roles they hold now."""
    asked = await ask(request)
    identity = asked.known
    policy = asked.office.policy()
    person = policy.people.get(identity.person)
    data = {
        "person": identity.person,
        "name": policy.name(identity.person),
        "emails": list(person.emails) if person is not None else [],
        "owner": person.owner if person is not None else None,
        "listed": person is not None,
        "via": identity.via,
        "scopes": sorted(identity.scopes) if identity.scopes is not None else None,
        "roles": roles_of(policy, identity.person),
        "may_bypass": identity.person in policy.bypass,
    }
    return answer(data)


async def change_password(request: Request) -> Response:
    """``POST /me/password``: another one, for who knows the present one. Ends all sessions, and begins one in this answer."""
    asked = await _own(request)
    values = await read_json(request, ("current", "password"))
    person, accounts = asked.known.person, asked.office.accounts
    current, password = text_of(values, "current"), text_of(values, "password")

    def change() -> tuple[SessionInfo, str]:
        try:
            accounts.change_password(person, current, password, now=asked.now, address=asked.address)
        except (
            Unauthorised
        ) as error:  # who asks is known, so this is no 401, at which a client would forget its session
            raise Forbidden("the present password is another one; nothing was changed") from error
        return accounts.create_session(person, now=asked.now)

    session, secret = await asked.run(change)
    return answer({"token": secret, "person": session.person, "expires_at": session.expires_at})


async def list_sessions(request: Request) -> Response:
    """``GET /me/sessions``: where one is signed in; never the secrets."""
    asked = await _own(request)
    sessions = await asked.run(partial(asked.office.accounts.sessions, asked.known.person, now=asked.now))
    return answer([_session(session, asked.known.token) for session in sessions])


async def end_session(request: Request) -> Response:
    """``DELETE /me/sessions/{id}``: ends one of one's own."""
    asked = await _own(request)
    end = partial(asked.office.accounts.end_session, request.path_params["id"], person=asked.known.person)
    if not await asked.run(end):
        raise NotFound("there is no such session; /api/v1/me/sessions lists yours")
    return nothing()


async def _own(request: Request) -> Asking:
    asked = await ask(request)
    policy = asked.office.policy()
    who = asked.principal(policy)
    require("account.own", who, policy, Target(owner=who.person))
    return asked


def _session(session: SessionInfo, present: str) -> dict[str, Any]:
    return {
        "id": session.id,
        "created_at": session.created_at,
        "expires_at": session.expires_at,
        "is_this": session.id == present,
    }


def roles_of(policy: Policy, person: str) -> list[dict[str, Any]]:
    """The roles of *person*, in the order of ``cms.toml``, and where they hold."""
    return [_role(grant) for grant in policy.grants if person in grant.who]


def _role(grant: Grant) -> dict[str, Any]:
    role: dict[str, Any] = {"role": grant.role.value}
    if grant.area.paths:
        role["paths"] = [glob.text for glob in grant.area.paths]
    if grant.area.collections:
        role["collections"] = sorted(grant.area.collections)
    if grant.scopes:
        role["scopes"] = sorted(grant.scopes)
    return role
