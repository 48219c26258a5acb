"""What a list finds in all: from what is kept with the catalog, or anew, in the lane for that when it takes long."""

from collections.abc import Sequence

from cms.api.pages import Answered
from cms.api.state import Context
from cms.catalog import Catalog, Fragment
from cms.entry import Entry
from cms.params import ListRequest
from cms.present import Presenter, Shape
from cms.query import aggregate, count_facets, find_entries, query_keys, thin_out, weigh

# From so many values on a query takes long enough for other requests to notice.
LARGE = 5_000


async def find_all(ctx: Context, wanted: ListRequest) -> Answered:
    """Everything that *wanted* asks for, whatever its page.

    Raises:
        InvalidQuery: it takes too long.
        TooBusy: too many wait already.
    """
    if weigh(ctx.catalog, wanted.queries[0]) > LARGE:
        return await ctx.lanes.queries.run(_find, ctx.catalog, wanted)
    return _find(ctx.catalog, wanted)


def _find(catalog: Catalog, wanted: ListRequest) -> Answered:
    query = wanted.queries[0]
    found = find_entries(catalog, query)
    return Answered(
        wanted,
        thin_out(catalog, [query], found),
        count_facets(catalog, [query], {}),
        aggregate(catalog, [query], found),
        query_keys(catalog.model, query),
    )


def render_all(presenter: Presenter, entries: Sequence[Entry], shape: Shape) -> list[Fragment]:
    """*entries* in *shape*."""
    return [presenter.render(entry, shape) for entry in entries]
