"""Requests that name a view: who asks, opening it, and the endpoint's answer from it.

Opening a view may take seconds of computing, and so may the first list or search in it. So all of it is done in a lane of its own, the endpoint
with it, and what finds that lane full is refused at once. Nothing that is answered is kept here.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar, TypeVarTuple

import anyio
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Scope, Send

from cms.api.explaining import asks_why
from cms.api.lanes import Lane, Lanes
from cms.api.problems import on_failure, respond_to_error
from cms.auth import holds_password
from cms.errors import CMSError, InvalidSettings, NotFound
from cms.params import split_query
from cms.permissions import Principal
from cms.searchlog import Result as Searched
from cms.site import Site
from cms.view import ViewSpec, names_view, read_view
from cms.views import View

#: Below these everything is read from a view; elsewhere the parameters of views mean nothing.
VIEWED = tuple(
    f"/api/v1/{name}"
    for name in (
        *("entries/", "search", "suggest", "collections", "assets/", "history/", "blame/", "feeds/", "openapi.json"),
    )
)
VIEWED_ROOTS = ("/api/v1", "/api/v1/", "/sitemap.xml")
#: What is answered below these is the same for ever when the view is.
LASTING = (
    *(f"/api/v1/{name}" for name in ("entries/", "suggest", "collections", "assets/", "feeds/")),
    "/sitemap.xml",
)
PREVIEW = b"bearer cmsp_"
FOREVER = b"max-age=31536000, immutable"
SECRET = b"private, no-store"
NO_REFERRER = (b"referrer-policy", b"no-referrer")
#: What is not said of what is not for everybody.
OPEN = (b"access-control-allow-origin", b"access-control-expose-headers", b"surrogate-key")

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")
Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the endpoint answered.

    Attributes:
        view: None: it could not be opened.
        caching: the ``Cache-Control`` of a success.
        is_shown: pages of other sites may read it: what everybody gets, and what a token in the address opened.
    """

    status: int
    headers: Headers
    body: bytes
    view: View | None = None
    caching: bytes = SECRET
    is_shown: bool = True
    searched: tuple[Searched, str] | None = None

    def seal(self, send: Send) -> Send:
        """*send*, with what has to be said, and must not be said, of an answer that depends on who asks."""

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [pair for pair in message["headers"] if self.is_shown or pair[0] not in OPEN]
                headers = [
                    (name, b"Accept-Encoding, Authorization" if name == b"vary" else value) for name, value in headers
                ]
                message = {**message, "headers": [*headers, NO_REFERRER]}
            await send(message)

        return sealed


def wants_view(scope: Scope) -> bool:
    """Whether a request names a view, in its query or by the token of a preview. Asked at every request.

    Who asks in this process may have opened one already, as ``scope["view"]``.
    """
    if "view" in scope:
        return True
    if not names_view(scope["query_string"]) and _preview_token(scope) is None:
        return False
    path: str = scope["path"]
    if scope["method"] not in ("GET", "HEAD") or path.endswith("\n"):
        return False
    return path.startswith(VIEWED) or path in VIEWED_ROOTS


def _preview_token(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"authorization" and value[: len(PREVIEW)].lower() == PREVIEW:
            return str(value.decode("latin-1")).partition(" ")[2].strip()
    return None


class Inline(Lane):
    """A lane for who is in a thread already."""

    async def run(self, function: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """The result of *function*, called here."""
        return function(*arguments)


class Viewing:
    """Answers requests that name a view."""

    def __init__(self, app: ASGIApp, site: Site, lanes: Lanes) -> None:
        self._app = app
        self._site = site
        self._lanes = lanes

    async def answer(self, scope: Scope) -> Answer:
        """What the endpoint answers from the view; a problem when it cannot be opened, or too much is being asked at once."""
        now = datetime.now(UTC)
        try:
            spec = ViewSpec() if "view" in scope else self._read(scope)
            who = None if spec.preview else await self._who(scope, now)
            # Strangers who look through the past do not keep those waiting who work on what is to come.
            lane = self._lanes.views if who is None and not spec.preview else self._lanes.drafts
            return await lane.run(self._work, scope, spec, who, now)
        except CMSError as error:
            response = respond_to_error(Request({**scope, "site": self._site}), error)
        except Exception as error:
            response = await on_failure(Request(scope), error)
        return Answer(status=response.status_code, headers=response.raw_headers, body=bytes(response.body))

    def _read(self, scope: Scope) -> ViewSpec:
        pairs = split_query(scope["query_string"])
        token = _preview_token(scope)
        if token is None:
            return read_view(pairs)
        return replace(read_view([*pairs, ("preview", token)]), is_in_header=True)

    async def _who(self, scope: Scope, now: datetime) -> Principal | None:
        """Who sent the ``Authorization`` header; None without one, and where nobody can sign in."""
        header = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"), None)
        if header is None:
            return None
        address = scope["client"][0] if scope.get("client") else ""

        def sign_in() -> Principal | None:
            return self._site.office().sign_in(header, now, address)

        try:
            return await (self._lanes.secrets if holds_password(header) else self._lanes.tokens).run(sign_in)
        except (NotFound, InvalidSettings):
            return None

    def _work(self, scope: Scope, spec: ViewSpec, who: Principal | None, now: datetime) -> Answer:
        """Open the view and let the endpoint answer, in this thread."""
        view: View = scope.get("view") or self._site.views.open(spec, who, now)
        lanes = Lanes()
        for name, lane in vars(lanes).items():
            if isinstance(lane, Lane):
                setattr(lanes, name, Inline())
        inner = {**scope, "method": "GET", "site": self._site, "catalog": view.catalog, "view": view, "lanes": lanes}
        status, headers, body = anyio.run(_collect, self._app, inner)
        scope["route_name"] = inner.get("route_name", "")
        has_secret = any(name == b"authorization" for name, _ in scope["headers"])
        is_lasting = "searched" not in inner and scope["path"].startswith(LASTING)
        return Answer(
            status=status,
            headers=headers,
            body=body,
            view=view,
            caching=SECRET
            if asks_why(scope)
            else _caching(
                view,
                now.timestamp(),
                has_secret=has_secret,
                is_lasting=is_lasting,
            ),
            is_shown=(view.is_public and not asks_why(scope)) or (bool(spec.preview) and not spec.is_in_header),
            searched=inner.get("searched") if view.is_present else None,
        )


async def _collect(app: ASGIApp, scope: Scope) -> tuple[int, Headers, bytes]:
    """The whole answer of *app*."""
    status, headers, parts = 500, [], []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def collect(message: Message) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status, headers = message["status"], list(message["headers"])
        else:
            parts.append(message.get("body", b""))

    try:
        await app(scope, receive, collect)
    except Exception:
        # Starlette answers and logs what went wrong, and then raises it again for a server that would do the same.
        if not headers:
            raise
    return status, headers, b"".join(parts)


def _caching(view: View, now: float, *, has_secret: bool, is_lasting: bool) -> bytes:
    """Who may keep a success from *view*, and for how long.

    Args:
        is_lasting: the answer is made of the view and of nothing else: not of the order that the index gives, nor of what the site is now.
    """
    if not view.is_public:
        return SECRET
    whose = b"private" if has_secret else b"public"
    if view.is_pinned and is_lasting:
        return b"%b, %b" % (whose, FOREVER)
    most = float(view.catalog.model.settings.server.max_age_seconds)
    seconds = min(most, view.catalog.valid_until - now) if view.is_present else most
    return b"%b, max-age=%d, must-revalidate" % (whose, max(0, int(seconds)))
