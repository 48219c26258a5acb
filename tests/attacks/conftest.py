"""Fixtures: one site for all the tests of a module, each of which has drafts of its own, or one for a test alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.press import Press


@pytest.fixture(scope="module")
def press(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Press]:
    """The site that all tests of a module share."""
    made = Press(tmp_path_factory.mktemp("press"))
    yield made
    made.close()


@pytest.fixture
def own_press(tmp_path: Path) -> Iterator[Press]:
    """A site for one test, whose rules it may change."""
    made = Press(tmp_path)
    yield made
    made.close()
