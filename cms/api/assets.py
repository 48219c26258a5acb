"""``/assets/{path}``: images and documents as they lie in the repository at the commit that is served."""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from cms.api.pages import commit_of, link_of
from cms.api.state import BASE, Context, context, no_parameters
from cms.assets import kind_of
from cms.dependencies import MODEL, file_key
from cms.errors import Gone, NotFound
from cms.refs import BlobId

SHARED_BYTES_LEAST, SHARED_BYTES_MOST = 2 * 1024 * 1024, 256 * 1024 * 1024


async def get_asset(request: Request) -> Response:
    """``GET /assets/{path}``, in the one thread that is for it. Types that a browser would run are not served."""
    ctx = context(request)
    no_parameters(request)
    path: str = request.path_params["path"]
    return await ctx.lanes.files.run(_answer, ctx, path)


def _answer(ctx: Context, path: str) -> Response:
    kind = kind_of(path)
    if ctx.view is not None and ctx.view.withholds(path):
        kind = ""
    blob = ctx.reader.find_blob(ctx.catalog.snapshot.commit.id, path) if kind else None
    if blob is None:
        departure = ctx.departures.of_file(ctx.catalog, path) if kind else None
        if departure is None:
            raise NotFound(f"there is no asset {path!r}")
        target = departure.to
        if target is None or not kind_of(target):
            raise Gone(f"the asset {path!r} was withdrawn")
        return RedirectResponse(link_of(ctx.catalog, f"{BASE}/assets/{quote(target)}"), 308)
    headers = {
        "ETag": f'"{blob}"',
        "Content-Commit": commit_of(ctx.catalog),
        "Surrogate-Key": f"{MODEL} {file_key(path)}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Content-Disposition": "inline" if kind.startswith("image/") else "attachment",
    }
    return Response(_read(ctx, blob), media_type=kind, headers=headers)


def _read(ctx: Context, blob: BlobId) -> bytes:
    """The bytes of a file. Only one thread comes here, so that a large one is read once for all who wait for it."""
    known, content = ctx.lanes.last_file
    if known == blob:
        return content
    content = ctx.reader.read_blob(blob)
    if SHARED_BYTES_LEAST <= len(content) <= SHARED_BYTES_MOST:
        ctx.lanes.last_file = (blob, content)
    return content
