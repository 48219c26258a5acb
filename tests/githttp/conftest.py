"""Fixtures: a repository behind a running server, with a judge that says yes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cms.store import Store
from tests.githttp.server import House, Judge, Server, ok
from tests.repo import Repo


@pytest.fixture
def judge() -> Judge:
    return Judge()


@pytest.fixture
def server(repo: Repo, judge: Judge) -> Iterator[Server]:
    """Serves ``repo``, in which there is one commit."""
    repo.commit({"content/posts/a.md": "---\ntitle: A\n---\n"})
    running = Server(House(Store.open(repo.path)), judge)
    yield running
    running.stop()


@pytest.fixture
def clone(server: Server, tmp_path: Path) -> Path:
    """A clone of Kari's."""
    ok(tmp_path, "clone", "-q", server.address(), "clone")
    return tmp_path / "clone"
