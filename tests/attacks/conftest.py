"""Fixtures: one site for all the tests of a module, each of which has drafts of its own, or one for a test alone."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.attacks.press import Press

#: Where syncing costs nothing: what survives a power cut is tried elsewhere.
MEMORY = Path("/dev/shm")


@pytest.fixture
def open_press() -> Iterator[Callable[..., Press]]:
    """Opens sites for one test, with rules and files of its choice."""
    with ExitStack() as stack:
        yield lambda **settings: _open(stack, **settings)


@pytest.fixture(scope="module")
def press() -> Iterator[Press]:
    """The site that all tests of a module share."""
    with ExitStack() as stack:
        yield _open(stack)


@pytest.fixture
def own_press(open_press: Callable[..., Press]) -> Press:
    """A site for one test, whose rules it may change."""
    return open_press()


def _open(stack: ExitStack, **settings: Any) -> Press:
    folder = stack.enter_context(TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
    made = Press(Path(folder), **settings)
    stack.callback(made.close)
    return made
