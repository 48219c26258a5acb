"""Previews of drafts, as OpenAPI."""

from typing import Any

from cms.api.openapi_parts import COUNT, TEXT, schema_of, thing
from cms.api.state import BASE
from cms.auth.previews import LASTS, LASTS_MOST

Json = dict[str, Any]
MOMENT: Json = {"type": "string", "format": "date-time"}


def preview_schemas() -> dict[str, Json]:
    """The components of these operations."""
    preview = {
        "id": {**TEXT, "description": "Names it; worth nothing without the rest of its token."},
        "draft": TEXT,
        "person": {**TEXT, "description": "Who made it. It shows nothing once they may not show the draft themselves."},
        "created_at": MOMENT,
        "expires_at": MOMENT,
        "revoked_at": {"type": ["string", "null"], "format": "date-time"},
        "live": {"type": "boolean"},
    }
    end: Json = {
        "type": ["string", "null"],
        "format": "date-time",
        "description": f"At most {LASTS_MOST.days} days from now; in {LASTS.total_seconds() // 3600:.0f} hours without it.",
    }
    listed = {"type": "array", "items": schema_of("Preview")}
    return {
        "Preview": thing(preview, description="Leave to see one draft. Without its token."),
        "PreviewsAnswer": thing({"data": listed, "meta": thing({"total": COUNT})}),
        "PreviewMade": thing({"data": thing({"token": TEXT, **preview}, description="Its token is told once.")}),
        "NewPreview": thing({"expires_at": end}, optional=("expires_at",)),
    }


def preview_paths(operation: Any, name: Json, id: Json, acting: tuple[int, ...]) -> dict[str, Json]:
    """The paths of these operations, made with *operation* from the parameters for the draft and the preview."""
    place = f"{BASE}/drafts/{{name}}/previews"
    return {
        place: {
            "get": operation("listPreviews", "Who else may see a draft", "PreviewsAnswer", name, errors=acting),
            "post": operation(
                "makePreview", "Show a draft to others", "PreviewMade", name, sends="NewPreview", statuses=(201,), errors=acting
            ),
        },
        f"{place}/{{id}}": {
            "delete": operation("revokePreview", "End a preview", "", name, id, statuses=(204,), errors=acting),
        },
    }  # fmt: skip
