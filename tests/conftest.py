"""Fixtures for every test: Git sealed off from the machine's own configuration, and a repository to fill."""

import os
from collections.abc import Iterator
from pathlib import Path

import pygit2
import pytest
import structlog

from tests.repo import Repo

#: These mostly wait, for disks and for servers: they begin first, so that nothing else is left waiting for them at the end.
WAITING = ("test_crash", "test_fresh_clone", "test_tutorial", "test_recipes", "test_serve", "test_types")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long."""
    items.sort(key=lambda item: WAITING.index(item.path.stem) if item.path.stem in WAITING else len(WAITING))


@pytest.fixture(scope="session", autouse=True)
def sealed_git(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hide the user's and the system's Git configuration, and every ``GIT_*`` variable, from all tests."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("GIT_")]:
            patch.delenv(name)
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        # libgit2 guessed these folders from the environment when it was loaded.
        for level in ("SYSTEM", "XDG", "GLOBAL", "PROGRAMDATA"):
            pygit2.settings.search_path[pygit2.enums.ConfigLevel[level]] = str(home)
        yield


@pytest.fixture(autouse=True)
def unconfigured_log() -> Iterator[None]:
    """Let no test decide what the next one finds in the log: commands that run in this process set the level."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """An empty bare repository; ``repo.commit({...})`` fills it."""
    return Repo.create(tmp_path / "site.git")


@pytest.fixture
def work_tree(tmp_path: Path) -> Repo:
    """An empty repository with a work tree, which follows every commit on ``main``."""
    return Repo.create(tmp_path / "site", bare=False)
