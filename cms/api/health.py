"""``/healthz`` and ``/readyz``: is the process alive, and is it serving the newest state of the branch?"""

from collections.abc import Iterable
from typing import Any

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response

from cms.api.insight import findings_for, sees_all
from cms.errors import CMSError
from cms.finding import Finding
from cms.site import Site

FINDINGS_SHOWN = 50
TROUBLE = "the newest commit of the branch cannot be served; the log and cms check say why"


async def healthz(request: Request) -> Response:
    """``GET /healthz``: 200 as long as the process answers."""
    del request
    return _json({"status": "ok"})


def readyz(request: Request) -> Response:
    """``GET /readyz``: 200 when content is served, 503 when there is none; says what is wrong, as far as it may be told."""
    site: Site = request.scope["site"]
    is_all = sees_all(request, site)
    body: dict[str, Any] = {"status": "ready", "ref": site.ref}
    if site.trouble is not None:
        body["status"] = "degraded"
        body["trouble"] = {"message": TROUBLE, "findings": []}
        if is_all:
            body["trouble"] = {"message": site.trouble.message, "findings": _findings(site.trouble.findings)}
    if site.is_empty:
        body["status"] = "empty"
        return _json(body, 503)
    catalog = site.catalog
    findings = findings_for(site, is_all=is_all)
    body |= {
        "commit": catalog.snapshot.commit.id,
        "collections": {name: shelf.count for name, shelf in catalog.shelves.items()},
        "schema": "inferred" if catalog.model.is_inferred else "written",
        "errors": sum(finding.severity == "error" for finding in findings),
        "warnings": sum(finding.severity == "warning" for finding in findings),
        "findings": _findings(findings[:FINDINGS_SHOWN]),
        "search": _search_state(site, is_all=is_all),
    }
    return _json(body)


def _search_state(site: Site, *, is_all: bool) -> dict[str, Any]:
    catalog = site.catalog
    try:
        waiting = site.searcher.missing(catalog.snapshot)
        if waiting:  # nobody may be searching
            site.searcher.follow(catalog.snapshot)
        missing = sum(is_all or entry.is_public(catalog.valid_from) for entry in waiting.values())
    except CMSError as error:
        return {"status": "unavailable", "detail": str(error)}
    return {"status": "building" if missing else "ready", "missing": missing}


def _findings(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    return [{**msgspec.to_builtins(finding), "text": str(finding)} for finding in findings]


def _json(body: dict[str, Any], status: int = 200) -> Response:
    headers = {"Cache-Control": "no-store", **({"Retry-After": "5"} if status == 503 else {})}
    return Response(orjson.dumps(body), status, media_type="application/json", headers=headers)
