"""Nothing can be asked for that the permission matrix does not know: no route, and no command."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from starlette.routing import BaseRoute, Mount, Route

import cms
from cms.api.metrics import Metrics
from cms.app import GitTransport, routes
from cms.cli import app as cli
from cms.githttp.relay import PERMISSIONS as GIT_PERMISSIONS
from cms.permissions import PERMISSIONS
from tests.api.tools import MODEL, Client
from tests.repo import Repo

ROOT = Path(cms.__file__).parent
ASKING = ("require", "allows", "find", "find_for")
PUBLIC = ("published.read", "health.read")
#: Answered to everybody before the workflow came; what joins them must be as public.
READ_ONLY = ("/entries", "/search", "/suggest", "/assets", "/collections", "/openapi.json", "/feeds")


def asked(items: list[BaseRoute], prefix: str = "") -> Iterator[str]:
    """``GET /api/v1/entries/{collection}`` for every route, below mounts too; without a method where it takes any.

    A mount that sorts out by itself what it is asked for is named with a slash at the end: ``/git/``.
    """
    for item in items:
        if isinstance(item, Mount):
            below = list(asked(list(item.routes), prefix + item.path))
            yield from below or [f"{prefix}{item.path}/"]
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
    yield list(asked(routes(Metrics(client.site), GitTransport())))
    client.site.close()


def test_every_route_has_a_row(known: list[str]) -> None:
    rows = {route for row in PERMISSIONS.values() for route in row.routes}
    paths = tuple(route.partition(" ")[2] for route in rows)
    assert len(known) >= 14
    for route in known:
        is_mount = route.startswith("/") and route.endswith("/")
        is_inside = is_mount and any(path.startswith(route) for path in paths)
        assert route in rows or route in paths or is_inside, f"{route} stands in no row of cms/data/permissions.toml"


def test_no_row_names_a_route_that_is_not_there(known: list[str]) -> None:
    anything = tuple(route for route in known if route.startswith("/"))
    for row in PERMISSIONS.values():
        for route in row.routes:
            assert route in known or route.partition(" ")[2].startswith(anything), (
                f"{row.id}: there is no route {route}"
            )


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


def test_no_row_names_a_command_that_is_not_there() -> None:
    found = set(commands(cli))
    for row in PERMISSIONS.values():
        assert set(row.commands) <= found, row.id


def test_both_services_of_git_have_a_row_that_is_not_public() -> None:
    assert set(GIT_PERMISSIONS.values()) == {"git.fetch", "git.push"}
    assert not any(PERMISSIONS[permission].is_public for permission in GIT_PERMISSIONS.values())


def test_every_permission_that_the_program_asks_for_has_a_row() -> None:
    prefixes = {permission.partition(".")[0] for permission in PERMISSIONS if "." in permission}
    asked_for = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in ASKING:
                asked_for |= {item.value for item in node.args if isinstance(item, ast.Constant)}
    dotted = {
        name for name in asked_for if isinstance(name, str) and name.partition(".")[0] in prefixes and "." in name
    }
    assert {"draft.create", "review.approve", "token.own"} <= dotted
    assert dotted <= PERMISSIONS.keys()
