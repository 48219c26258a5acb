"""What the server is compared with: a bare Starlette route that returns stored bytes with a stored ETag.

``python -m tests.bench.floor PORT FILE`` serves the answers kept in FILE (see `write_answers`) under the same uvicorn
settings as ``cms serve``: no query is read, nothing is checked, no header but the ETag is added.
"""

import base64
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Answer = tuple[bytes, str]


def write_answers(file: Path, answers: Mapping[str, Answer]) -> None:
    """Keep answers, by path and query, for the process that serves them."""
    kept = {path: (base64.b64encode(body).decode(), etag) for path, (body, etag) in answers.items()}
    file.write_text(json.dumps(kept))


def make_app(answers: Mapping[str, Answer]) -> Starlette:
    """An app with one route for entries and one for lists."""

    async def entry(request: Request) -> Response:
        body, etag = answers[request.scope["raw_path"].decode()]
        return Response(body, headers={"ETag": etag}, media_type="application/json")

    async def entries(request: Request) -> Response:
        body, etag = answers[f"{request.scope['path']}?{request.scope['query_string'].decode()}"]
        return Response(body, headers={"ETag": etag}, media_type="application/json")

    return Starlette(
        routes=[
            Route("/api/v1/search", entries),
            Route("/api/v1/entries/{collection}", entries),
            Route("/api/v1/entries/{collection}/{slug:path}", entry),
        ]
    )


def main(port: int, file: Path) -> None:
    """Serve the answers in *file*."""
    answers = {path: (base64.b64decode(body), etag) for path, (body, etag) in json.loads(file.read_text()).items()}
    uvicorn.run(
        make_app(answers),
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="error",
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
