"""Who asks, what they sent, and an answer that nobody keeps: for the endpoints about accounts.

Who asks is found out anew for each request, from the ``Authorization`` header and nothing else; there are no cookies. A browser may still send
what it was told for ``Basic`` on behalf of another site's page, so what changes something is refused to those.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol, TypeVar, TypeVarTuple
from urllib.parse import urlsplit

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response

from cms.api.lanes import Lanes
from cms.auth import Accounts, Identity, holds_password
from cms.errors import Forbidden, InvalidQuery, Unauthorised
from cms.finding import printable
from cms.params import read_parameters, split_query
from cms.people import Policy
from cms.permissions import Principal
from cms.settings import nearest

BODY_BYTES = 16 * 1024
JSON = "application/json"
OWN_PAGES = ("same-origin", "none")

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")


class Office(Protocol):
    """What is asked of a site here; it opens it with ``office()``."""

    accounts: Accounts

    def policy(self) -> Policy:
        """What ``cms.toml`` says about people now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One request about accounts.

    Attributes:
        identity: None: nobody signed in.
    """

    office: Office
    identity: Identity | None
    now: datetime
    address: str
    lanes: Lanes

    @property
    def known(self) -> Identity:
        """Who asks.

        Raises:
            Unauthorised: nobody signed in.
        """
        if self.identity is None:
            raise Unauthorised(
                "sign in first: send Authorization: Bearer with a token, or Basic with your name and password"
            )
        return self.identity

    def principal(self, policy: Policy) -> Principal:
        """The same, as those who decide want to know it.

        Raises:
            Unauthorised: nobody signed in.
        """
        identity = self.known
        person = policy.people.get(identity.person)
        return Principal(
            person=identity.person,
            name=policy.name(identity.person),
            email=next(iter(person.emails), "") if person is not None else "",
            via=identity.via,
            scopes=identity.scopes,
            token=identity.token,
        )

    async def run(self, function: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """The result of *function*, which reads or writes accounts or hashes a password, in a thread for that.

        Raises:
            TooBusy: too many wait already.
        """
        return await self.lanes.secrets.run(function, *arguments)


def ask_nameless(request: Request) -> Asking:
    """A request in which it does not matter who asks.

    Raises:
        Forbidden: a page of another site made the browser ask.
        NotFound: this site is only read here.
    """
    if request.method not in ("GET", "HEAD"):
        require_same_origin(request)
    return Asking(
        office=request.scope["site"].office(),
        identity=None,
        now=datetime.now(UTC),
        address=request.client.host if request.client is not None else "",
        lanes=request.scope["lanes"],
    )


async def ask(request: Request, *, has_parameters: bool = False) -> Asking:
    """Who asks for what.

    Args:
        has_parameters: the endpoint looks at them; others take none.

    Raises:
        Forbidden: a page of another site made the browser ask.
        Unauthorised: the secret is wrong, expired or revoked.
        TooMany: too many wrong passwords before.
        NotFound: this site is only read here.
        InvalidQuery: a parameter where there is none.
    """
    asked = ask_nameless(request)
    header = request.headers.get("authorization")
    if header is not None:
        lane = asked.lanes.secrets if holds_password(header) else asked.lanes.tokens
        authenticate = partial(asked.office.accounts.authenticate, header, now=asked.now, address=asked.address)
        asked = replace(asked, identity=await lane.run(authenticate))
    if asked.identity is not None and not has_parameters:
        read_parameters(split_query(request.scope["query_string"]), ())
    return asked


def require_same_origin(request: Request) -> None:
    """Refuse what the page of another site made a browser send; what is no browser says nothing, and is let through.

    ``Sec-Fetch-Site`` cannot be forged by a page. Browsers leave it out where there is no TLS; then ``Origin`` must name the host that was asked.

    Raises:
        Forbidden: it came from elsewhere.
    """
    fetched_from = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if fetched_from is not None:
        is_own = fetched_from in OWN_PAGES
    else:
        is_own = origin is None or urlsplit(origin).netloc == request.headers.get("host", "")
    if not is_own:
        raise Forbidden("a page of another site may not do this; open this server's own address and do it there")


async def read_body(request: Request, *kinds: str, most: int = BODY_BYTES) -> bytes:
    """What was sent.

    Args:
        kinds: the media types that it may have.
        most: the most bytes.

    Raises:
        InvalidQuery: it has another one, or is too large.
    """
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent not in kinds:
        raise InvalidQuery(f"the body must be {kinds[0]}" + (f", not {printable(sent[:100])}" if sent else ""))
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise InvalidQuery(f"the body is larger than {most // 1024} KiB")
        parts.append(part)
    return b"".join(parts)


async def read_json(
    request: Request, known: Sequence[str], *, kinds: Sequence[str] = (JSON,), most: int = BODY_BYTES
) -> dict[str, Any]:
    """The JSON object that was sent. What it holds is not repeated in a refusal: it may be a password.

    Raises:
        InvalidQuery: it is none, or has a member twice, or one that is not *known*.
    """
    body = await read_body(request, *kinds, most=most)
    try:
        orjson.loads(
            body
        )  # the stricter reader: UTF-8 alone, no half letters, no NaN, not too deep; the other sees what stands twice
        value = json.loads(body, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise InvalidQuery("the body is not valid JSON, or names something twice") from error
    if not isinstance(value, dict):
        raise InvalidQuery("the body must be a JSON object")
    for name in value:
        if name not in known:
            shown = printable(name[:100])
            raise InvalidQuery(f"{shown!r} is nothing that can be sent here{nearest(name, known)}", parameter=shown)
    return value


def text_of(values: Mapping[str, Any], name: str) -> str:
    """A text that must have been sent.

    Raises:
        InvalidQuery: it is missing, or no text.
    """
    value = values.get(name)
    # JSON can name half of a letter, which is no text.
    if not isinstance(value, str) or not value or any(map(_is_half, value)):
        raise InvalidQuery(f"{name} is missing, or not a text", parameter=name)
    return value


def answer(data: Any, *, status: int = 200) -> Response:
    """A JSON response that nobody keeps."""
    body = orjson.dumps({"data": data}, default=msgspec.to_builtins)
    return Response(body, status, media_type=JSON, headers={"Cache-Control": "no-store"})


def nothing() -> Response:
    """The response when there is nothing more to say."""
    return Response(status_code=204, headers={"Cache-Control": "no-store"})


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name stands there twice")
    return value


def _is_half(letter: str) -> bool:
    return "\ud800" <= letter <= "\udfff"
