"""``/drafts/{name}/previews``: who else may see a draft, for how long. What a preview then shows is the reading side's business."""

from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from cms.api.editing import PRIVATE, acting, answer, read_moment, read_values
from cms.auth import PreviewInfo
from cms.dates import format_rfc3339
from cms.workflow.sharing import list_previews, revoke_preview, share_draft


async def make(request: Request) -> Response:
    """``POST /drafts/{name}/previews``: a new one. Its token is in this answer and nowhere else."""
    asked = await acting(request)
    values = await read_values(request, ("expires_at",))
    end = read_moment(values, "expires_at") if values.get("expires_at") is not None else None
    name: str = request.path_params["name"]
    previews = asked.site.office().accounts.previews
    share = partial(share_draft, asked.flow, previews, asked.who, name, expires_at=end, now=asked.now)
    preview, token = await asked.act(share)
    return answer({"token": token, **describe_preview(preview, asked.now, asked.zone)}, status=201)


async def list_all(request: Request) -> Response:
    """``GET /drafts/{name}/previews``: those of this draft, without their tokens; for a month also those that are over."""
    asked = await acting(request)
    name: str = request.path_params["name"]
    previews = asked.site.office().accounts.previews
    found = await asked.read(partial(list_previews, asked.flow, previews, asked.who, name, now=asked.now))
    return answer([describe_preview(preview, asked.now, asked.zone) for preview in found], meta={"total": len(found)})


async def revoke(request: Request) -> Response:
    """``DELETE /drafts/{name}/previews/{id}``: shows nothing from the next request on."""
    asked = await acting(request)
    name, id = request.path_params["name"], request.path_params["id"]
    previews = asked.site.office().accounts.previews
    await asked.act(partial(revoke_preview, asked.flow, previews, asked.who, name, id, now=asked.now))
    return Response(status_code=204, headers=dict(PRIVATE))


def describe_preview(preview: PreviewInfo, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    """A preview as JSON."""
    revoked_at = preview.revoked_at
    return {
        "id": preview.id,
        "draft": preview.draft,
        "person": preview.person,
        "created_at": format_rfc3339(preview.created_at, zone),
        "expires_at": format_rfc3339(preview.expires_at, zone),
        "revoked_at": format_rfc3339(revoked_at, zone) if revoked_at is not None else None,
        "live": preview.is_live(now),
    }
