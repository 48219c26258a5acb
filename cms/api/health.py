"""``/healthz`` and ``/readyz``: is the process alive, and is it serving the newest state of the branch?"""

from collections.abc import Iterable
from typing import Any

import msgspec
import orjson
from starlette.requests import Request
from starlette.responses import Response

from cms.catalog import Catalog
from cms.errors import CMSError
from cms.finding import Finding
from cms.site import Site

FINDINGS_SHOWN = 50


async def healthz(request: Request) -> Response:
    """``GET /healthz``: 200 as long as the process answers."""
    del request
    return _json({"status": "ok"})


def readyz(request: Request) -> Response:
    """``GET /readyz``: 200 when content is served, 503 when there is none; says what is wrong."""
    site: Site = request.scope["site"]
    body: dict[str, Any] = {"status": "ready", "ref": site.ref}
    if site.trouble is not None:
        body["status"] = "degraded"
        body["trouble"] = {"message": site.trouble.message, "findings": _findings(site.trouble.findings)}
    if site.is_empty:
        body["status"] = "empty"
        return _json(body, 503)
    catalog = site.catalog
    findings = site.findings()
    body |= {
        "commit": catalog.snapshot.commit.id,
        "collections": {name: shelf.count for name, shelf in catalog.shelves.items()},
        "schema": "inferred" if catalog.model.is_inferred else "written",
        "errors": sum(finding.severity == "error" for finding in findings),
        "warnings": sum(finding.severity == "warning" for finding in findings),
        "findings": _findings(_told(finding, catalog) for finding in findings[:FINDINGS_SHOWN]),
        "search": _search_state(site),
    }
    return _json(body)


def _search_state(site: Site) -> dict[str, Any]:
    try:
        missing = len(site.searcher.missing(site.catalog.snapshot))
        if missing:  # nobody may be searching
            site.searcher.follow(site.catalog.snapshot)
    except CMSError as error:
        return {"status": "unavailable", "detail": str(error)}
    return {"status": "building" if missing else "ready", "missing": missing}


def _told(finding: Finding, catalog: Catalog) -> Finding:
    """What may be told without knowing who asks: of a file that the public cannot see only where something is wrong.

    A file that is refused may be a draft as well; what stands in it is for ``cms check`` and the log.
    """
    if finding.path not in catalog.snapshot.findings:
        return finding
    entry = catalog.snapshot.files.get(finding.path)
    if entry is not None and entry.is_public(catalog.valid_from):
        return finding
    return msgspec.structs.replace(finding, message="something is wrong here; cms check says what", hint="")


def _findings(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    return [{**msgspec.to_builtins(finding), "text": str(finding)} for finding in findings]


def _json(body: dict[str, Any], status: int = 200) -> Response:
    headers = {"Cache-Control": "no-store", **({"Retry-After": "5"} if status == 503 else {})}
    return Response(orjson.dumps(body), status, media_type="application/json", headers=headers)
