"""Fixtures: a repository behind a running server, with a judge that says yes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cms.store import Store
from tests.githttp.paper import Paper
from tests.githttp.server import House, Judge, Server, ok
from tests.repo import Repo


@pytest.fixture
def judge() -> Judge:
    return Judge()


@pytest.fixture
def house(repo: Repo) -> House:
    """The site of ``repo``, in which there is one commit."""
    repo.commit({"content/posts/a.md": "---\ntitle: A\n---\n"})
    return House(Store.open(repo.path))


@pytest.fixture
def server(house: House, judge: Judge) -> Iterator[Server]:
    """Serves the house."""
    running = Server(house, judge)
    yield running
    running.stop()


@pytest.fixture
def clone(server: Server, tmp_path: Path) -> Path:
    """A clone of Kari's."""
    ok(tmp_path, "clone", "-q", server.address(), "clone")
    return tmp_path / "clone"


@pytest.fixture
def paper(tmp_path: Path) -> Iterator[Paper]:
    """A newsroom whose people work with Git."""
    made = Paper(tmp_path)
    yield made
    made.close()
