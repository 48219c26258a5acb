"""Nothing can be asked for that the permission matrix does not know: no route, and no command."""

from collections.abc import Iterator

import pytest
import typer
from starlette.routing import BaseRoute, Mount, Route

from cms.api.metrics import Metrics
from cms.app import routes
from cms.cli import app as cli
from cms.permissions import PERMISSIONS
from tests.api.tools import MODEL, Client
from tests.repo import Repo

PUBLIC = ("published.read", "health.read")
#: Answered to everybody before the workflow came; what joins them must be as public.
READ_ONLY = ("/entries", "/search", "/suggest", "/assets", "/collections", "/openapi.json")


def asked(items: list[BaseRoute], prefix: str = "") -> Iterator[str]:
    """``GET /api/v1/entries/{collection}`` for every route, below mounts too; without a method where it takes any."""
    for item in items:
        if isinstance(item, Mount):
            yield from asked(list(item.routes), prefix + item.path)
            continue
        assert isinstance(item, Route), item
        path = prefix + item.path.replace(":path}", "}")
        methods = (item.methods or {""}) - {"HEAD"}
        yield from (f"{method} {path}".strip() for method in methods)


def commands(group: typer.Typer, name: str = "cms") -> Iterator[str]:
    """``cms user add`` for every command."""
    yield from (f"{name} {command.name}" for command in group.registered_commands)
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from commands(inner.typer_instance, f"{name} {inner.name}")


@pytest.fixture
def known(repo: Repo) -> Iterator[list[str]]:
    repo.commit(MODEL)
    client = Client(repo.path)
    yield list(asked(list(routes(Metrics(client.site)))))
    client.site.close()


def test_every_route_has_a_row(known: list[str]) -> None:
    rows = {route for row in PERMISSIONS.values() for route in row.routes}
    paths = {route.partition(" ")[2] for route in rows}
    assert len(known) >= 14
    for route in known:
        assert route in rows or route in paths, f"{route} stands in no row of cms/data/permissions.toml"


def test_what_is_public_to_read_has_the_row_of_that(known: list[str]) -> None:
    for route in known:
        if route.startswith("GET /api/v1") and route.removeprefix("GET /api/v1").startswith(READ_ONLY):
            holders = [row.id for row in PERMISSIONS.values() if route in row.routes]
            assert holders == ["published.read"], route


def test_what_changes_something_is_never_public_to_all() -> None:
    for row in PERMISSIONS.values():
        if row.id in PUBLIC:
            assert all(route.startswith("GET ") for route in row.routes), row.id


def test_every_command_has_a_row() -> None:
    rows = {command for row in PERMISSIONS.values() for command in row.commands}
    found = list(commands(cli))
    assert {"cms serve", "cms user add"} <= set(found)
    for command in found:
        assert command in rows, f"{command} stands in no row of cms/data/permissions.toml"
