"""What every endpoint needs: the site, and the catalog that this request answers from, taken once."""

from dataclasses import dataclass

from starlette.requests import Request

from cms.api.lanes import Lanes
from cms.bodies import Bodies
from cms.catalog import Catalog
from cms.departed import Departures
from cms.overlay import Reader
from cms.params import read_parameters, split_query
from cms.present import Presenter
from cms.site import Site
from cms.view import VIEW_PARAMETERS
from cms.views import View

BASE = "/api/v1"
#: In the state of the server: an event that is set when it begins to stop, for answers that would go on.
#: What a server may put into the scope of a request: it takes the status line, all headers but its own, and the body.
SEND_WHOLE = "cms.send_whole"
CLOSING = "closing"


@dataclass(frozen=True, slots=True)
class Context:
    """One request's view of the site."""

    site: Site
    catalog: Catalog
    presenter: Presenter
    lanes: Lanes
    bodies: Bodies
    reader: Reader
    departures: Departures
    view: View | None = None


def context(request: Request) -> Context:
    """The site and one catalog of it; the whole response describes this one.

    Raises:
        RepositoryProblem: there is nothing to serve yet.
    """
    site: Site = request.scope["site"]
    catalog = request.scope.get("catalog") or site.catalog
    view: View | None = request.scope.get("view")
    seen: Site | View = site if view is None else view
    reader = site.store if view is None else view.reader
    presenter = Presenter(catalog, seen.bodies, f"{BASE}/assets/")
    return Context(site, catalog, presenter, request.scope["lanes"], seen.bodies, reader, seen.departures, view)


def no_parameters(request: Request) -> None:
    """Refuse every parameter, for what takes none but those that name the view it is read from.

    Raises:
        InvalidQuery: names the first one.
    """
    known = VIEW_PARAMETERS if "view" in request.scope else ()
    read_parameters(split_query(request.scope["query_string"]), known)
