"""``/history``: how an entry came to be live: who wrote it, who approved exactly these bytes, in which publication, and on what grounds."""

from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from cms.api.editing import acting, answer
from cms.api.entries import find_moved
from cms.api.state import context
from cms.errors import EntryNotFound
from cms.params import find_collection, read_detail_request, split_query
from cms.permissions import require
from cms.proof.grounds import EntryProof
from cms.proof.telling import entry_json


async def get_history(request: Request) -> Response:
    """``GET /history/{collection}/{slug}``: the same as ``cms verify`` tells from a clone."""
    asked = await acting(request, parameters=None)
    require("history.people", asked.who, asked.flow.policy())
    catalog = asked.site.catalog
    collection = find_collection(catalog.model, request.path_params["collection"])
    slug: str = request.path_params["slug"]
    chain, _ = read_detail_request(split_query(request.scope["query_string"]), catalog, collection)
    entry = catalog.find(collection.name, slug, chain)
    if entry is None:
        moved = await find_moved(request, context(request), chain, root="history")
        if moved is not None:
            return moved
        raise EntryNotFound(f"{collection.name} has no entry {slug!r}", collection=collection.name, slug=slug)
    commit = catalog.snapshot.commit.id
    prover = asked.site.office().prover
    proof: EntryProof | None = await asked.read(partial(prover.entry_proof, commit, entry.path))
    if proof is None:
        raise EntryNotFound(f"{collection.name} has no entry {slug!r}", collection=collection.name, slug=slug)
    return answer(entry_json(proof, asked.zone), meta={"commit": commit})
