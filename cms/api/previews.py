"""What a draft holds, for those who may see it: one entry as readers would get it, and what differs from what is published."""

from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import Response

from cms.api.diff import describe_words
from cms.api.editing import PRIVATE, acting, answer, encode
from cms.api.state import BASE
from cms.errors import EntryNotFound, InvalidQuery
from cms.finding import printable
from cms.params import find_collection, read_detail_request, split_query
from cms.present import Presenter
from cms.view import VIEW_PARAMETERS, names_view
from cms.workflow.differences import find_differences

SLUG_SHOWN = 200


async def get_entry(request: Request) -> Response:
    """``GET /drafts/{name}/entries/{collection}/{slug}``: as it stands in the draft, also where that clashes with what is published."""
    asked = await acting(request, parameters=None)
    if names_view(request.scope["query_string"]):
        raise InvalidQuery(f"this is a draft as it stands; {', '.join(VIEW_PARAMETERS)} go with {BASE}/entries/")
    name, slug = request.path_params["name"], request.path_params["slug"]

    def read() -> Response:
        draft = asked.flow.find(asked.who, "draft.read", name, expected=None, now=asked.now)
        catalog = asked.site.views.open_commit(draft.head, asked.now.timestamp())
        collection = find_collection(catalog.model, request.path_params["collection"])
        chain, shape = read_detail_request(split_query(request.scope["query_string"]), catalog, collection)
        entry = catalog.find(collection.name, slug, chain)
        if entry is None:
            shown = printable(slug[:SLUG_SHOWN])
            raise EntryNotFound(
                f"{collection.name} has no visible entry {shown!r} in this draft",
                collection=collection.name,
                slug=shown,
            )
        body = Presenter(catalog, asked.site.bodies, f"{BASE}/assets/").render(entry, shape).body
        meta = encode({"draft": name, "head": draft.head})
        headers = {**PRIVATE, "ETag": f'"{draft.head}"'}
        return Response(b'{"data":%b,"meta":%b}' % (body, meta), media_type="application/json", headers=headers)

    return await asked.read(read)


async def get_diff(request: Request) -> Response:
    """``GET /drafts/{name}/diff``: by field, the text by line and by word."""
    asked = await acting(request)
    name = request.path_params["name"]

    def read() -> Response:
        draft = asked.flow.find(asked.who, "draft.read", name, expected=None, now=asked.now)
        changes = find_differences(draft.state, asked.flow.store)
        meta = {"draft": name, "head": draft.head, "published": draft.state.published, "total": len(changes)}
        data = [
            {**asdict(change), "words": describe_words(change.words) if change.words is not None else None}
            for change in changes
        ]
        return answer(data, headers={"ETag": f'"{draft.head}"'}, meta=meta)

    return await asked.read(read)
