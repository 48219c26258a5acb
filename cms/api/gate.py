"""The gate in front of the endpoints: what is the same for every request, as one plain ASGI application.

Brings the catalog up to date, answers what was answered before from stored bytes, and adds what depends on the request's headers: conditional
requests, HEAD, compression, CORS. Stored answers belong to one catalog, and what the next one may answer otherwise is dropped with it.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cms.api.answers import Answers, Headers, Stored, make_stored
from cms.api.explaining import asks_why
from cms.api.lanes import Lanes
from cms.api.metrics import Metrics
from cms.api.pages import next_page
from cms.api.problems import problem_response, respond_to_error
from cms.api.replies import CORS, NOTHING, PIECE_BYTES, Reply, cache_control, head_of, matches, reply_of
from cms.api.state import SEND_WHOLE
from cms.api.viewing import Viewing, wants_view
from cms.auth import holds_password
from cms.catalog import Catalog
from cms.errors import CMSError, InvalidSettings, NotFound
from cms.site import Site

Clock = Callable[[], float]
STREAM = "/api/v1/events"
ALIVE = "/healthz"  # answers also while a large change is being read
#: What is for people by name, and so neither kept nor shared.
UNKEPT = (
    "/api/v1/drafts",
    "/api/v1/history/",
    "/api/v1/blame/",
    "/api/v1/session",
    "/api/v1/me",
    "/api/v1/insight/",
    "/api/v1/tokens",
    STREAM,
    "/git/",
    "/setup/",
)
NO_BREAK = "there is nothing at this address: none ends with a line break"
PREFLIGHT: Headers = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"GET, HEAD, OPTIONS"),
    (b"access-control-allow-headers", b"If-None-Match, Accept, Accept-Language, Content-Type"),
    (b"access-control-max-age", b"86400"),
    (b"allow", b"GET, HEAD, OPTIONS"),
    (b"content-length", b"0"),
]


class Gate:
    """Wraps the router of one site."""

    def __init__(self, app: ASGIApp, site: Site, metrics: Metrics, clock: Clock = time.time) -> None:
        """*clock* tells seconds since 1970."""
        self._app = app
        self._site = site
        self._clock = clock
        self._metrics = metrics
        self._answers = Answers()
        # One at a time, in a thread of its own: neither searches nor a queue of requests that wait for it can hold it up.
        self._refreshing = CapacityLimiter(1)
        self._lanes = Lanes()
        metrics.streams = self._lanes.streams
        self._viewing = Viewing(app, site, self._lanes)
        self._looked: asyncio.AbstractEventLoop | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        if scope["method"] == "GET" and await self._repeat(scope, send, started):
            return
        if wants_view(scope) and not self._site.is_empty:
            await self._look(scope, send, started)
            return
        if (scope["path"].startswith(UNKEPT) and not scope["path"].endswith("\n")) or asks_why(scope):
            await self._pass(scope, receive, send, started)
            return
        site = self._site
        refused, is_shared = await self._admit(scope)
        if refused is not None:
            await refused(scope, receive, send)
            self._metrics.count(scope, scope["method"], refused.status_code, time.perf_counter() - started)
            return
        now = self._clock()
        if scope["path"] != ALIVE and self._is_stale(now):
            await to_thread.run_sync(site.refresh, now, limiter=self._refreshing)
        method: str = scope["method"]
        if method == "GET" or method == "HEAD":
            key = (scope.get("raw_path") or scope["path"].encode(), scope["query_string"])
            catalog = None if site.is_empty else site.catalog
            if catalog is not self._answers.catalog:
                self._answers.follow(catalog)
            stored = self._answers.find(key)
            if stored is None and catalog is not None:
                page = next_page(scope, catalog)
                if page is not None:
                    stored = make_stored(catalog, 200, *page)
                    self._answers.keep_if_asked_again(key, stored)
            stored = stored or await self._ask(scope, receive, key, catalog)
            caching = cache_control(catalog, stored.until, now, is_shared=is_shared)
            await self._answer(scope, send, stored, caching, body_wanted=method == "GET")
            self._metrics.count(scope, method, stored.status, time.perf_counter() - started)
            if stored.searched is not None:
                site.searches.count(*stored.searched)
        elif method == "OPTIONS" and scope["path"].startswith("/api/"):
            await send({"type": "http.response.start", "status": 204, "headers": PREFLIGHT})
            await send({"type": "http.response.body", "body": b""})
            self._metrics.count(scope, method, 204, time.perf_counter() - started)
        else:
            status = await self._refuse(scope, receive, send)
            self._metrics.count(scope, method, status, time.perf_counter() - started)

    async def _admit(self, scope: Scope) -> tuple[Response | None, bool]:
        """(what to answer instead, whether caches that serve many may keep the answer).

        A wrong secret that is sent to a public address is not answered as if none had been sent. What the rules make of who sent it does not
        matter here, so that reading goes on when they cannot be read.
        """
        if scope["path"].endswith("\n"):  # which the pattern of a route, ending with "$", would take for nothing
            missing = problem_response(404, "not-found", "Not found", NO_BREAK, scope["path"])
            missing.raw_headers += [] if scope["path"].startswith(UNKEPT) else CORS
            return missing, False
        header = next((value for name, value in scope["headers"] if name == b"authorization"), None)
        return (await self._refusal(scope, header), False) if header is not None else (None, True)

    async def _refusal(self, scope: Scope, header: bytes) -> Response | None:
        """The answer to a wrong secret; None when it is right."""
        address = scope["client"][0] if scope.get("client") else ""
        text = header.decode("latin-1")

        def authenticate() -> None:
            self._site.office().accounts.authenticate(text, now=datetime.now(UTC), address=address)

        lane = self._lanes.secrets if holds_password(text) else self._lanes.tokens
        try:
            await lane.run(authenticate)
        except (NotFound, InvalidSettings):  # nobody may change this site, or nobody can now, so nobody signs in
            return None
        except CMSError as error:
            return respond_to_error(Request({**scope, "site": self._site}), error)
        return None

    async def _look(self, scope: Scope, send: Send, started: float) -> None:
        """Answer from the view that a request names; nothing of it is kept."""
        now = self._clock()
        if self._site.is_stale(now):
            await to_thread.run_sync(self._site.refresh, now, limiter=self._refreshing)
        found = await self._viewing.answer(scope)
        stored = make_stored(None, found.status, found.headers, found.body)
        await self._answer(
            {**scope, SEND_WHOLE: None}, found.seal(send), stored, found.caching, body_wanted=scope["method"] == "GET"
        )
        self._metrics.count(scope, scope["method"], found.status, time.perf_counter() - started)
        if found.searched is not None:
            self._site.searches.count(*found.searched)

    async def _pass(self, scope: Scope, receive: Receive, send: Send, started: float) -> None:
        """Let an endpoint answer somebody by name: brought up to date before, never stored, open to no other site."""
        now = self._clock()
        if self._site.is_stale(now):
            await to_thread.run_sync(self._site.refresh, now, limiter=self._refreshing)
        status, has_begun, seconds = 500, False, 0.0

        async def watch(message: Message) -> None:
            nonlocal status, has_begun, seconds
            if message["type"] == "http.response.start":
                status, has_begun = message["status"], True
                seconds = time.perf_counter() - started
            await send(message)

        # A stream takes as long as its reader stays, which says nothing of the server.
        is_stream = scope["path"] == STREAM
        inner: dict[str, Any] = {**scope, "site": self._site, "lanes": self._lanes}
        try:
            await self._app(inner, receive, watch)
        except Exception:
            # Starlette answers and logs what went wrong, and then raises it again for a server that would do the same.
            if not (has_begun and status == 500):
                raise
        finally:
            scope["route_name"] = inner.get("route_name", "")
            self._metrics.count(scope, scope["method"], status, seconds if is_stream else time.perf_counter() - started)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Let the router say why a method is not allowed; return the status."""
        status = 500

        async def open_to_all(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], *CORS]}
            await send(message)

        await self._app({**scope, "site": self._site, "lanes": self._lanes}, receive, open_to_all)
        return status

    async def _ask(self, scope: Scope, receive: Receive, key: tuple[bytes, bytes], catalog: Catalog | None) -> Stored:
        """Let the endpoint answer, and keep the answer when it is a success with a validator."""
        status, headers, parts = 500, [], []

        async def collect(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status, headers = message["status"], list(message["headers"])
            else:
                parts.append(message.get("body", b""))

        inner: dict[str, Any] = {**scope, "method": "GET", "site": self._site, "catalog": catalog, "lanes": self._lanes}
        inner["clock"] = self._clock
        try:
            await self._app(inner, receive, collect)
        except Exception:
            # Starlette answers and logs what went wrong, and then raises it again for a server that would do the same.
            if not headers:
                raise
        # What the endpoint matched is wanted by the metrics.
        scope["route_name"] = inner.get("route_name", "")
        body = b"".join(parts)
        stored = make_stored(catalog, status, headers, body, inner.get("searched"))
        self._answers.keep(key, stored)
        return stored

    async def _repeat(self, scope: Scope, send: Send, started: float) -> bool:
        """Answer what everybody was answered before, when nobody asks by name and nothing is new; whether that was so."""
        answers = self._answers
        stored = answers.find((scope.get("raw_path") or b"", scope["query_string"]))
        if stored is None:
            return False
        accepted, condition = b"", b""
        for name, value in scope["headers"]:
            if name == b"authorization":
                return False
            if name == b"accept-encoding":
                accepted = value
            elif name == b"if-none-match":
                condition = value
        now = self._clock()
        if self._is_stale(now) or self._site.is_empty or self._site.catalog is not answers.catalog:
            return False
        reply = reply_of(stored, accepted, cache_control(answers.catalog, stored.until, now, is_shared=True))
        if reply.whole is None:
            return False
        start, body = reply.start, reply.whole
        if condition and reply.unchanged is not None and matches(condition, stored.etag):
            start, body = reply.unchanged, NOTHING
        if not _sent_whole(scope, reply, start, body["body"]):
            await send(start)
            await send(body)
        self._metrics.count(scope, "GET", stored.status, time.perf_counter() - started)
        if stored.searched is not None:
            self._site.searches.count(*stored.searched)
        return True

    def _is_stale(self, now: float) -> bool:
        """Whether there is something new; looked at once for all requests that have come by now.

        Requests that were read from their connections in one turn of the event loop are begun in the next, one after the other: each of them
        had come when the first one looked. What comes later is begun after the call that ends this.
        """
        loop = asyncio.get_running_loop()
        if self._looked is loop:
            return False
        if self._site.is_stale(now):
            return True
        self._looked = loop
        loop.call_soon(self._look_again)
        return False

    def _look_again(self) -> None:
        self._looked = None

    async def _answer(self, scope: Scope, send: Send, stored: Stored, caching: bytes, *, body_wanted: bool) -> None:
        accepted, condition = b"", b""
        for name, value in scope["headers"]:
            if name == b"accept-encoding":
                accepted = value
            elif name == b"if-none-match":
                condition = value
        reply = reply_of(stored, accepted, caching)
        if condition and reply.unchanged is not None and matches(condition, stored.etag):
            await send(reply.unchanged)
            await send(NOTHING)
            return
        if body_wanted and reply.whole is not None and _sent_whole(scope, reply, reply.start, reply.body):
            return
        await send(reply.start)
        body: bytes | memoryview = reply.body if body_wanted else b""
        # Piece by piece, or a slow reader would have all of a large file copied into the server's buffer.
        while len(body) > PIECE_BYTES:
            await send({"type": "http.response.body", "body": bytes(body[:PIECE_BYTES]), "more_body": True})
            body = memoryview(body)[PIECE_BYTES:]
        await send({"type": "http.response.body", "body": bytes(body)})


def _sent_whole(scope: Scope, reply: Reply, start: Message, body: bytes) -> bool:
    """Whether the server took the answer as it lies."""
    send_whole = scope.get(SEND_WHOLE)
    head = head_of(reply, start) if send_whole is not None else None
    return head is not None and send_whole is not None and bool(send_whole(*head, body))
