"""A newsroom for every test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.editing.tools import Newsroom


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Newsroom]:
    """A site with people, and nothing in the making."""
    newsroom = Newsroom(tmp_path)
    yield newsroom
    newsroom.site.close()
