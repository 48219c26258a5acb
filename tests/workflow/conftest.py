"""Fixtures for the workflow: a world with a draft that somebody wrote."""

import pytest

from tests.workflow.world import A, World


@pytest.fixture
def world() -> World:
    """One draft, ``easter``, that Ola began and in which she changed one post."""
    world = World()
    world.start("easter", "ola")
    world.write("easter", {A: "a1"}, by="ola")
    return world
