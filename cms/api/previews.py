"""What a draft holds, for those who may see it: one entry as readers would get it, and what differs from what is published."""

from dataclasses import asdict
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from cms.api.editing import act, acting, answer
from cms.api.state import BASE
from cms.errors import EntryNotFound
from cms.params import find_collection, read_detail_request, split_query
from cms.present import Presenter
from cms.workflow.differences import find_differences
from cms.workflow.views import draft_snapshot


async def get_entry(request: Request) -> Response:
    """``GET /drafts/{name}/entries/{collection}/{slug}``: as it would be answered if the draft were published now."""
    asked = await acting(request)
    name, slug = request.path_params["name"], request.path_params["slug"]
    find = partial(asked.flow.find, asked.who, "draft.read", name, expected=None, now=asked.now)
    draft = await act(asked, find)

    def read() -> Response:
        catalog = asked.site.catalog.advance(draft_snapshot(asked.flow, draft.head), asked.now.timestamp())
        collection = find_collection(catalog.model, request.path_params["collection"])
        chain, shape = read_detail_request(split_query(request.scope["query_string"]), catalog, collection)
        entry = catalog.find(collection.name, slug, chain)
        if entry is None:
            raise EntryNotFound(
                f"{collection.name} has no visible entry {slug!r} in this draft", collection=collection.name, slug=slug
            )
        body = Presenter(catalog, asked.site.bodies, f"{BASE}/assets/").render(entry, shape)
        content = b'{"data":%b,"meta":{"draft":"%b","head":"%b"}}' % (body, name.encode(), draft.head.encode())
        return Response(content, media_type="application/json", headers={"Cache-Control": "no-store"})

    answered: Response = await act(asked, read)
    return answered


async def get_diff(request: Request) -> Response:
    """``GET /drafts/{name}/diff``: by field, the text by line."""
    asked = await acting(request)
    name = request.path_params["name"]
    find = partial(asked.flow.find, asked.who, "draft.read", name, expected=None, now=asked.now)
    draft = await act(asked, find)
    changes = await act(asked, partial(find_differences, draft.state, asked.flow.store))
    meta = {"draft": name, "head": draft.head, "published": draft.state.published, "total": len(changes)}
    return answer([asdict(change) for change in changes], meta=meta)
