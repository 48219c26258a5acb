"""What every endpoint that acts needs: who asks, what they sent, and a thread to do it in.

Who asks is found out anew for each request, from the ``Authorization`` header and nothing else, so no browser acts for somebody by itself;
what they may do is decided by the verbs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response

from cms.api.asking import read_json, require_same_origin
from cms.api.lanes import Lanes
from cms.auth import holds_password
from cms.errors import InvalidQuery, StateNotNamed, Unauthorised
from cms.office import Office
from cms.params import read_parameters, split_query
from cms.permissions import Principal
from cms.refs import CommitId, is_commit_id
from cms.site import Site
from cms.workflow.flow import Workflow

BODY_BYTES = 4 * 1024 * 1024
KINDS = ("application/json", "application/merge-patch+json")
PRIVATE: Mapping[str, str] = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting:
    """One request of somebody who is known: the workflow, who asks and when."""

    site: Site
    flow: Workflow
    who: Principal
    now: datetime
    lanes: Lanes

    @property
    def zone(self) -> ZoneInfo:
        """The site's time zone."""
        return self.site.catalog.model.zone

    async def read(self, look: Callable[[], Result]) -> Result:
        """What *look* finds, in a thread: it reads Git, and nobody who writes waits for it.

        Raises:
            TooBusy: too many wait already.
        """
        return await self.lanes.drafts.run(look)

    async def act(self, verb: Callable[[], Result]) -> Result:
        """What *verb* makes of it, in a thread: it writes, and waits for the disk.

        Raises:
            TooBusy: too many wait already.
        """
        return await self.lanes.writes.run(verb)


async def acting(request: Request, *, parameters: Sequence[str] | None = ()) -> Acting:
    """Who asks for what.

    Args:
        parameters: those that the address may have; None: the endpoint looks at them itself.

    Raises:
        Unauthorised: nobody signed in, or the secret is wrong, expired or revoked.
        TooMany: too many wrong passwords before.
        Forbidden: a page of another site made the browser ask.
        NotFound: this site is not edited here.
        InvalidQuery: there is no such parameter.
    """
    site: Site = request.scope["site"]
    lanes: Lanes = request.scope["lanes"]
    if request.method not in ("GET", "HEAD"):
        require_same_origin(request)
    header = request.headers.get("authorization")
    now = datetime.now(UTC)
    address = request.client.host if request.client else ""

    def sign_in() -> tuple[Office, Principal | None]:
        office = site.office()
        return office, office.sign_in(header, now, address)

    lane = lanes.secrets if header is not None and holds_password(header) else lanes.tokens
    office, who = await lane.run(sign_in)
    if who is None:
        raise Unauthorised(
            "sign in first: send Authorization: Bearer with a token, or Basic with your name and password"
        )
    if parameters is not None:
        read_parameters(split_query(request.scope["query_string"]), parameters)
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
    value = values.get(name, "")
    if not isinstance(value, str):
        raise InvalidQuery(f"{name} must be a text", parameter=name)
    if required and not value:
        raise InvalidQuery(f"{name} is missing", parameter=name)
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
    body = encode({"data": data, **more})
    return Response(body, status, media_type="application/json", headers={**PRIVATE, **(headers or {})})


def encode(value: Any) -> bytes:
    """*value* as JSON."""
    return orjson.dumps(value, default=msgspec.to_builtins)
