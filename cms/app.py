"""The application: one site behind its HTTP surfaces."""

import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from multiprocessing import parent_process
from multiprocessing.process import BaseProcess as ParentProcess
from threading import Thread

import structlog
from anyio import Event, to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from cms.api import (
    about,
    assets,
    changes,
    diff,
    drafts,
    entries,
    events,
    explaining,
    feeds,
    health,
    history,
    openapi,
    previewing,
    previews,
    search,
    session,
    setup,
    suggest,
    tokens,
)
from cms.api.gate import Clock, Gate
from cms.api.metrics import Metrics
from cms.api.problems import on_error, on_failure, on_http_error
from cms.api.state import BASE, CLOSING
from cms.errors import CMSError, NotFound, RepositoryProblem
from cms.githttp.body import Body
from cms.githttp.relay import Relay, refuse
from cms.inferred import infer_model
from cms.log import configure_log
from cms.settings import read_environment
from cms.site import Site
from cms.warming import Warmer
from cms.workflow.pushes import PushJudge

log = structlog.get_logger(__name__)


class GitTransport:
    """``/git/``: opened by the first request, in the event loop that answers it."""

    def __init__(self) -> None:
        self._relay: Relay | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request of Git's."""
        if self._relay is None:
            site: Site = scope["site"]
            try:
                if site.is_empty:
                    raise RepositoryProblem(
                        "this repository is empty, so it is not known who may push to it",
                        hint="begin it on the server: cms init",
                    )
                office = await to_thread.run_sync(site.office)
                self._relay = self._relay or Relay(office, PushJudge(office.flow))
            except CMSError as error:  # it is empty, it is only read here, or there is no Git to talk with
                await refuse(error, Body(receive), send)
                return
        await self._relay(scope, receive, send)

    async def close(self) -> None:
        """Stop judging pushes."""
        if self._relay is not None:
            await self._relay.close()


def routes(metrics: Metrics, git: GitTransport) -> list[BaseRoute]:
    """Every route of the public read API, the most used first: they are tried in order."""
    return [
        Route(f"{BASE}/entries/{{collection}}/{{slug:path}}", entries.get_entry),
        Route(f"{BASE}/entries/{{collection}}", entries.list_entries),
        Route(f"{BASE}/search", search.search),
        Route(f"{BASE}/suggest", suggest.suggest),
        Route(f"{BASE}/assets/{{path:path}}", assets.get_asset),
        Route(f"{BASE}/changes", changes.list_changes),
        Route(f"{BASE}/diff", diff.get_diff),
        Route(f"{BASE}/collections", about.list_collections),
        Route(f"{BASE}/collections/{{collection}}", about.get_collection),
        Route(f"{BASE}/openapi.json", openapi.get_openapi),
        Route(f"{BASE}/feeds/{{collection}}.{{kind}}", feeds.get_feed),
        Route(feeds.SITEMAP_PATH, feeds.get_sitemap),
        Route(f"{BASE}/events", events.get_events, methods=["GET"]),
        *editing_routes(git),
        Route(f"{BASE}/insight/searches", explaining.list_searches),
        Route(f"{BASE}/", about.get_site),
        Route(BASE, about.get_site),
        Route("/", about.lead_to_site),
        Route("/healthz", health.healthz),
        Route("/readyz", health.readyz),
        Route("/metrics", metrics.endpoint),
    ]


def editing_routes(git: GitTransport) -> list[BaseRoute]:
    """What people do by name: drafts, accounts, the first start."""
    draft = f"{BASE}/drafts/{{name}}"
    entry = f"{draft}/entries/{{collection}}/{{slug:path}}"
    return [
        Route(f"{BASE}/drafts", drafts.list_drafts, methods=["GET"]),
        Route(f"{BASE}/drafts", drafts.create_draft, methods=["POST"]),
        Route(draft, drafts.get_draft, methods=["GET"]),
        Route(draft, drafts.remove_draft, methods=["DELETE"]),
        Route(f"{draft}/verdicts", drafts.list_verdicts, methods=["GET"]),
        Route(f"{draft}/verdicts", drafts.add_verdict, methods=["POST"]),
        Route(f"{draft}/publication", drafts.publish_draft, methods=["POST"]),
        Route(f"{draft}/schedule", drafts.set_schedule, methods=["PUT", "DELETE"]),
        Route(f"{draft}/renames", drafts.rename, methods=["POST"]),
        Route(f"{draft}/diff", previews.get_diff, methods=["GET"]),
        Route(f"{draft}/previews", previewing.list_all, methods=["GET"]),
        Route(f"{draft}/previews", previewing.make, methods=["POST"]),
        Route(f"{draft}/previews/{{id}}", previewing.revoke, methods=["DELETE"]),
        Route(entry, previews.get_entry, methods=["GET"]),
        Route(entry, drafts.put_entry, methods=["PUT", "PATCH"]),
        Route(entry, drafts.remove_entry, methods=["DELETE"]),
        Route(f"{BASE}/history/{{collection}}/{{slug:path}}", history.get_history, methods=["GET"]),
        Route(f"{BASE}/session", session.sign_in, methods=["POST"]),
        Route(f"{BASE}/session", session.sign_out, methods=["DELETE"]),
        Route(f"{BASE}/blame/{{collection}}/{{slug:path}}", history.get_blame, methods=["GET"]),
        Route(f"{BASE}/me", session.get_me, methods=["GET"]),
        Route(f"{BASE}/me/password", session.change_password, methods=["POST"]),
        Route(f"{BASE}/me/sessions", session.list_sessions, methods=["GET"]),
        Route(f"{BASE}/me/sessions/{{id}}", session.end_session, methods=["DELETE"]),
        Route(f"{BASE}/tokens", tokens.list_tokens, methods=["GET"]),
        Route(f"{BASE}/tokens", tokens.create_token, methods=["POST"]),
        Route(f"{BASE}/tokens/{{id}}", tokens.revoke_token, methods=["DELETE"]),
        Mount("/git", git),
        Route("/setup/{secret}", setup.show_setup, methods=["GET"]),
        Route("/setup/{secret}", setup.use_setup, methods=["POST"]),
    ]


def build_app(site: Site, clock: Clock = time.time) -> ASGIApp:
    """The ASGI application that serves *site*; *clock* tells it the time, in seconds since 1970."""
    metrics, git = Metrics(site), GitTransport()
    app = Starlette(
        routes=routes(metrics, git),
        lifespan=_lifespan(site, git, Warmer(site, f"{BASE}/assets/", metrics.answered)),
        exception_handlers={CMSError: on_error, HTTPException: on_http_error, Exception: on_failure},
    )
    # A redirect by Starlette would name the scheme and host that it sees, which are wrong behind a proxy.
    app.router.redirect_slashes = False
    return Gate(app, site, metrics, clock)


def _lifespan(
    site: Site, git: GitTransport, warmer: Warmer
) -> Callable[[Starlette], AbstractAsyncContextManager[dict[str, Event]]]:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Event]]:
        del app
        if not site.is_empty:
            site.report()
            try:
                site.searcher.follow(site.catalog.snapshot)
            except CMSError as error:
                log.warning("search.not_indexed", reason=str(error))
            try:
                site.office()
            except NotFound:
                pass  # nobody may change this site
            except CMSError as error:
                log.warning("office.closed", reason=str(error))
        warmer.start()
        yield {CLOSING: Event()}
        await to_thread.run_sync(warmer.stop)
        await git.close()
        site.close()

    return lifespan


class _Opening:
    """Opens the site when the server starts, in the process that will serve it."""

    def __init__(self) -> None:
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None:
            _end_with_parent()
            environment = read_environment()
            configure_log(environment.log_level)
            self._app = build_app(Site.open(environment.site, infer=infer_model, environment=environment))
        await self._app(scope, receive, send)


def _end_with_parent() -> None:
    """Stop when the process that started this one is gone, however it went: nobody else would, and the port stays taken."""
    parent = parent_process()
    if parent is not None:
        Thread(target=_outlive, args=(parent,), name="parent", daemon=True).start()


def _outlive(parent: ParentProcess) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def create_app() -> ASGIApp:
    """Application factory for a server's worker processes: the site is named by the environment."""
    return _Opening()
