"""The application: one site behind its HTTP surfaces."""

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from multiprocessing import parent_process
from multiprocessing.process import BaseProcess as ParentProcess
from threading import Thread

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from cms.api import about, assets, entries, health, openapi, search, suggest
from cms.api.gate import Gate
from cms.api.metrics import Metrics
from cms.api.problems import on_error, on_failure, on_http_error
from cms.api.state import BASE
from cms.errors import CMSError
from cms.inferred import infer_model
from cms.log import configure_log
from cms.settings import read_environment
from cms.site import Site

log = structlog.get_logger(__name__)


def routes(metrics: Metrics) -> list[Route]:
    """Every route of the public read API, the most used first: they are tried in order."""
    return [
        Route(f"{BASE}/entries/{{collection}}/{{slug:path}}", entries.get_entry),
        Route(f"{BASE}/entries/{{collection}}", entries.list_entries),
        Route(f"{BASE}/search", search.search),
        Route(f"{BASE}/suggest", suggest.suggest),
        Route(f"{BASE}/assets/{{path:path}}", assets.get_asset),
        Route(f"{BASE}/collections", about.list_collections),
        Route(f"{BASE}/collections/{{collection}}", about.get_collection),
        Route(f"{BASE}/openapi.json", openapi.get_openapi),
        Route(f"{BASE}/", about.get_site),
        Route(BASE, about.get_site),
        Route("/", about.lead_to_site),
        Route("/healthz", health.healthz),
        Route("/readyz", health.readyz),
        Route("/metrics", metrics.endpoint),
    ]


def build_app(site: Site) -> ASGIApp:
    """The ASGI application that serves *site*."""
    metrics = Metrics(site)
    app = Starlette(
        routes=routes(metrics),
        lifespan=_lifespan(site),
        exception_handlers={CMSError: on_error, HTTPException: on_http_error, Exception: on_failure},
    )
    # A redirect by Starlette would name the scheme and host that it sees, which are wrong behind a proxy.
    app.router.redirect_slashes = False
    return Gate(app, site, metrics)


def _lifespan(site: Site) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        if not site.is_empty:
            site.report()
            try:
                site.searcher.follow(site.catalog.snapshot)
            except CMSError as error:
                log.warning("search.not_indexed", reason=str(error))
        yield
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
