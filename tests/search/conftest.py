"""An empty engine in a fresh folder, once for each engine: they all meet the same tests."""

import importlib.util
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from cms.search import Engine, open_engine
from tests.search.tools import Open


@pytest.fixture(params=["whoosh", "tantivy"])
def engine_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    return name


@pytest.fixture
def open_index(engine_name: str) -> Open:
    """``open_engine`` of one engine, with the fingerprint ``test``."""
    return partial(open_engine, engine=engine_name, fingerprint="test")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "search_index"


@pytest.fixture
def engine(folder: Path, open_index: Open) -> Iterator[Engine]:
    engine = open_index(folder)
    yield engine
    engine.close()
