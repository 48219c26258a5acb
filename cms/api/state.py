"""What every endpoint needs: the site, and the catalog that this request answers from, taken once."""

from dataclasses import dataclass

from starlette.requests import Request

from cms.api.lanes import Lanes
from cms.catalog import Catalog
from cms.params import read_parameters, split_query
from cms.present import Presenter
from cms.site import Site

BASE = "/api/v1"


@dataclass(frozen=True, slots=True)
class Context:
    """One request's view of the site."""

    site: Site
    catalog: Catalog
    presenter: Presenter
    lanes: Lanes


def context(request: Request) -> Context:
    """The site and one catalog of it; the whole response describes this one.

    Raises:
        RepositoryProblem: there is nothing to serve yet.
    """
    site: Site = request.scope["site"]
    catalog = request.scope.get("catalog") or site.catalog
    return Context(site, catalog, Presenter(catalog, site.bodies, f"{BASE}/assets/"), request.scope["lanes"])


def no_parameters(request: Request) -> None:
    """Refuse every parameter, for what takes none.

    Raises:
        InvalidQuery: names the first one.
    """
    read_parameters(split_query(request.scope["query_string"]), ())
