"""Asking the application in this process: what ``cms list`` prints is what the API answers."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from cms.views import View

API = "/api/v1"
REDIRECTS_MOST = 3


def get(application: Any, url: str, *, view: View | None = None) -> tuple[int, bytes]:
    """(status, body) of a GET request to an ASGI *application*, redirects followed, without a network.

    Args:
        view: what to answer from, for who may open any.
    """
    for _ in range(REDIRECTS_MOST):
        status, location, body = asyncio.run(_request(application, url, view))
        if not 300 <= status < 400:
            break
        url = location
    return status, body


async def _request(application: Any, url: str, view: View | None) -> tuple[int, str, bytes]:
    parts = urlsplit(url)
    messages: list[Mapping[str, Any]] = []

    async def receive() -> Mapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Mapping[str, Any]) -> None:
        messages.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": unquote(parts.path),
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": [],
        "client": None,
        "server": ("localhost", 80),
    }
    if view is not None:
        scope["view"] = view
    await application(scope, receive, send)
    headers = dict(messages[0]["headers"])
    body = b"".join(message.get("body", b"") for message in messages[1:])
    return messages[0]["status"], headers.get(b"location", b"").decode(), body
