"""What every endpoint that acts needs: who asks, what they sent, and a thread to do it in.

Who asks is found out anew for each request, from the ``Authorization`` header and nothing else, so no browser acts for somebody by itself;
what they may do is decided by the verbs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response

from cms.api.asking import read_json, require_same_origin
from cms.api.lanes import Lanes
from cms.auth import holds_password
from cms.errors import InvalidQuery, StateNotNamed, Unauthorised
from cms.permissions import Principal
from cms.refs import CommitId, is_commit_id
from cms.site import Site
from cms.workflow.flow import Workflow

BODY_BYTES = 4 * 1024 * 1024
KINDS = ("application/json", "application/merge-patch+json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """One request that acts: the workflow, who asks (None: nobody signed in) and when."""

    site: Site
    flow: Workflow
    who: Principal | None
    now: datetime
    lanes: Lanes

    @property
    def zone(self) -> ZoneInfo:
        """The site's time zone."""
        return self.site.catalog.model.zone

    @property
    def person(self) -> Principal:
        """Who asks.

        Raises:
            Unauthorised: nobody signed in.
        """
        if self.who is None:
            raise Unauthorised(
                "sign in first: send Authorization: Bearer with a token, or Basic with your name and password"
            )
        return self.who


async def acting(request: Request) -> Acting:
    """Who asks for what.

    Raises:
        Unauthorised: the secret is wrong, expired or revoked.
        Forbidden: a page of another site made the browser ask.
        NotFound: this site is not edited here.
    """
    site: Site = request.scope["site"]
    lanes: Lanes = request.scope["lanes"]
    if request.method not in ("GET", "HEAD"):
        require_same_origin(request)
    now = datetime.now(UTC)
    header = request.headers.get("authorization")
    address = request.client.host if request.client else ""
    office = site.office()
    who = None
    if header is not None:
        lane = lanes.secrets if holds_password(header) else lanes.tokens
        who = await lane.run(office.sign_in, header, now, address)
    return Acting(site=site, flow=office.flow, who=who, now=now, lanes=lanes)


async def read_values(request: Request, known: Sequence[str]) -> dict[str, Any]:
    """The JSON object that was sent; an empty one when nothing was.

    Raises:
        InvalidQuery: it is none, is too large, or has a member that is not *known*.
    """
    if request.headers.get("content-length", "") in ("", "0") and "transfer-encoding" not in request.headers:
        return {}
    return await read_json(request, known, kinds=KINDS, most=BODY_BYTES)


def text_of(values: Mapping[str, Any], name: str, *, required: bool = False) -> str:
    """A text that was sent.

    Raises:
        InvalidQuery: it is missing though *required*, or no text.
    """
    value = values.get(name)
    if value is None or value == "":
        if required:
            raise InvalidQuery(f"{name} is missing", parameter=name)
        return ""
    if not isinstance(value, str):
        raise InvalidQuery(f"{name} must be a text", parameter=name)
    return value


def expected_head(request: Request, values: Mapping[str, Any], *, required: bool = False) -> CommitId | None:
    """The head that the caller looked at: ``head`` in the body, or ``If-Match``.

    Raises:
        StateNotNamed: it is *required* and missing.
        InvalidQuery: it is no full commit id, or the two differ.
    """
    header = request.headers.get("if-match", "").strip().removeprefix("W/").strip('"')
    told = {value for value in (text_of(values, "head"), header) if value and value != "*"}
    if len(told) > 1:
        raise InvalidQuery("head and If-Match name different commits", parameter="head")
    if not told:
        if required:
            raise StateNotNamed(
                'send the "head" of the draft as you looked at it, so that nothing unseen is approved', parameter="head"
            )
        return None
    head = told.pop()
    if not is_commit_id(head):
        raise InvalidQuery("head must be a full commit id of 40 digits", parameter="head")
    return CommitId(head)


def read_moment(values: Mapping[str, Any], name: str) -> datetime:
    """An RFC 3339 time with its zone.

    Raises:
        InvalidQuery: it is none.
    """
    text = text_of(values, name, required=True)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidQuery(f"{name} must be a time such as 2026-05-17T07:00:00+02:00", parameter=name) from error
    if moment.tzinfo is None:
        raise InvalidQuery(f"{name} needs a time zone, such as 2026-05-17T07:00:00+02:00", parameter=name)
    return moment


def answer(data: Any, *, status: int = 200, headers: Mapping[str, str] | None = None, **more: Any) -> Response:
    """A JSON response that nobody keeps."""
    body = orjson.dumps({"data": data, **more}, default=msgspec.to_builtins)
    return Response(
        body, status, media_type="application/json", headers={"Cache-Control": "no-store", **(headers or {})}
    )


async def act(acting: Acting, verb: Callable[..., Any], *arguments: Any) -> Any:
    """Run a verb in a thread: it writes, and waits for the disk."""
    return await acting.lanes.writes.run(verb, *arguments)
