"""Errors as ``application/problem+json`` (RFC 9457): one table from our errors to HTTP statuses."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
import orjson
import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from cms import errors
from cms.errors import CMSError
from cms.finding import Finding, finding_of
from cms.site import Site

MEDIA_TYPE = "application/problem+json"
STATUS: Mapping[type[CMSError], int] = {
    errors.InvalidQuery: 400,
    errors.NotFound: 404,
    errors.CollectionNotFound: 404,
    errors.EntryNotFound: 404,
    errors.RefNotFound: 404,
    errors.DraftNotFound: 404,
    errors.Gone: 410,
    errors.FullSyncNeeded: 410,
    errors.Unauthorised: 401,
    errors.Forbidden: 403,
    errors.Conflict: 409,
    errors.MergeConflict: 409,
    errors.RefMoved: 409,
    errors.StaleRequest: 412,
    errors.StateNotNamed: 428,
    errors.TooMany: 429,
    errors.InvalidContent: 422,
    errors.InvalidFrontMatter: 422,
    errors.InvalidEntry: 422,
    errors.InvalidSchema: 422,
    errors.InvalidSettings: 503,
    errors.RepositoryProblem: 503,
    errors.AccountsUnavailable: 503,
    errors.SearchUnavailable: 503,
    errors.TooBusy: 503,
}
HTTP_CODES: Mapping[int, tuple[str, str]] = {
    404: ("not-found", "Not found"),
    405: ("method-not-allowed", "This method is not allowed here"),
    414: ("uri-too-long", "The address is too long"),
    500: ("internal-error", "Something went wrong on our side"),
}
RETRY_SECONDS = 5
HIDDEN_FACTS = frozenset({"findings", "retry_after_seconds", "path", "object"})
#: Facts that say where in a file something is wrong; they stand in ``errors``.
PLACES = frozenset({"line", "column", "field", "keyword", "rule"})
DETAIL_LETTERS_MOST = 2000
#: A whole path on this machine.
PLACE = re.compile(r"(?<![\w.…/])/[\w.@+-]+(?:/[\w.@+-]+)+")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

log = structlog.get_logger(__name__)


def problem_response(
    status: int,
    code: str,
    title: str,
    detail: str,
    instance: str,
    *,
    extra: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem as a response; nothing about errors is kept by caches."""
    if len(detail) > DETAIL_LETTERS_MOST:
        detail = f"{detail[:DETAIL_LETTERS_MOST]} …"
    body = {"type": f"/problems/{code}", "title": title, "status": status, "detail": detail, "instance": instance}
    return Response(
        orjson.dumps({**body, "code": code, **(extra or {})}, default=msgspec.to_builtins),
        status,
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **(headers or {})},
    )


def respond_to_error(request: Request, error: CMSError) -> Response:
    """One of our own errors as a problem; its facts become members of the body."""
    status = STATUS[type(error)]
    facts = {name: value for name, value in error.facts.items() if name not in HIDDEN_FACTS}
    if isinstance(error, errors.InvalidQuery):
        item: dict[str, Any] = {
            "detail": str(error),
            **{key: facts[key] for key in ("parameter", "nearest") if key in facts},
        }
        facts = {**facts, "errors": [item]}
    headers = {}
    detail = str(error)
    findings = error.facts.get("findings") or ((finding_of(error),) if status == 422 else ())
    if findings and status in (409, 422):
        facts = {name: value for name, value in facts.items() if name not in PLACES}
        facts["errors"] = [_found(finding) for finding in findings]
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="branchpress"'
    if status == 429:
        headers["Retry-After"] = str(error.facts.get("retry_after_seconds", RETRY_SECONDS))
    if status == 409 and isinstance(request.scope["site"], Site):  # a work tree may be in the way
        detail = _without_folders(request, detail)
    if status == 503:
        detail = _without_places(request, detail)
        facts = {
            name: _without_places(request, value) if isinstance(value, str) else value for name, value in facts.items()
        }
        headers["Retry-After"] = str(error.facts.get("retry_after_seconds", RETRY_SECONDS))
    return problem_response(status, error.code, error.title, detail, request.url.path, extra=facts, headers=headers)


def _found(finding: Finding) -> dict[str, Any]:
    """A finding as one of the errors of a problem."""
    found: dict[str, Any] = msgspec.to_builtins(finding)
    if finding.path.startswith("/"):  # not in the repository, but on this machine
        del found["path"]
    return {"detail": found.pop("message"), **found}


def _without_places(request: Request, text: str) -> str:
    """*text* without any path of this machine, which is nobody's business."""
    return PLACE.sub("…", _without_folders(request, text))


def _without_folders(request: Request, text: str) -> str:
    """*text* without the folders of this site on this machine."""
    site: Site = request.scope["site"]
    for folder in (site.cache_folder, site.store.git_dir, site.store.common_dir, site.store.work_tree):
        if folder is not None:
            text = text.replace(str(folder).rstrip("/"), "…")
    return text


async def on_error(request: Request, error: Exception) -> Response:
    """Exception handler for :class:`CMSError`."""
    if not isinstance(error, CMSError):
        raise error
    return respond_to_error(request, error)


async def on_http_error(request: Request, error: Exception) -> Response:
    """Exception handler for what Starlette itself refuses: no such route, wrong method."""
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 405 and request.method == "OPTIONS" and request.url.path.startswith("/api/"):
        return Response(
            status_code=204, headers={"Cache-Control": "no-store", "Allow": ", ".join(allowed_methods(request))}
        )
    code, title = HTTP_CODES.get(error.status_code, ("http-error", "The request was refused"))
    detail = {
        404: f"there is nothing at {request.url.path}; /api/v1/ lists what there is",
        405: f"{request.method} is not allowed here",
    }.get(error.status_code, error.detail)
    headers = dict(error.headers) if error.headers else {}
    if error.status_code == 405:
        headers["Allow"] = ", ".join(allowed_methods(request))
    return problem_response(error.status_code, code, title, detail, request.url.path, headers=headers)


def allowed_methods(request: Request) -> list[str]:
    """What can be done at the address of *request*; nothing where there is nothing."""
    app: Starlette = request.app
    methods: set[str] = set()
    for route in app.routes:
        if isinstance(route, Route) and route.methods and route.matches(request.scope)[0] is not Match.NONE:
            methods |= route.methods
    if methods and request.url.path.startswith("/api/"):
        methods.add("OPTIONS")
    return [method for method in METHODS if method in methods]


async def on_failure(request: Request, error: Exception) -> Response:
    """The last resort: says nothing of what happened to the client, everything to the log."""
    log.error("request.failed", path=request.url.path, exc_info=error)
    code, title = HTTP_CODES[500]
    return problem_response(500, code, title, "the error has been logged; try again later", request.url.path)
