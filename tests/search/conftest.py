"""An empty engine in a fresh folder. An engine that joins the project gets a parameter here, and meets the same tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cms.search import Engine, open_engine


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "search_index"


@pytest.fixture
def engine(folder: Path) -> Iterator[Engine]:
    engine = open_engine(folder, fingerprint="test")
    yield engine
    engine.close()
