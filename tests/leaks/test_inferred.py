"""A site without schemas: its model is made of what the public sees, and of nothing else."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from cms.inferred import infer_model
from cms.site import Site
from tests.repo import Repo

MOMENT = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
LATER = {"plans/merger.md": "---\ntitle: Merger\nbudget: 5\npublish_at: 2030-01-01T12:00:00Z\n---\n"}


@pytest.fixture
def site(repo: Repo) -> Iterator[Site]:
    """One public post."""
    repo.commit({"posts/open.md": "---\ntitle: Open\nstars: 5\n---\n"})
    opened = Site.open(repo.path, infer=infer_model)
    yield opened
    opened.close()


def fields(site: Site) -> dict[str, list[str]]:
    return {name: sorted(collection.fields) for name, collection in site.catalog.model.collections.items()}


def refresh(site: Site, seconds: float = 0) -> None:
    site.refresh(MOMENT.timestamp() + seconds)


def test_collections_and_fields_of_hidden_entries_are_not_in_the_model(site: Site, repo: Repo) -> None:
    repo.commit({**LATER, "posts/next.md": "---\ntitle: Next\nstars: many\nbudget: 5\ndraft: true\n---\n"})
    refresh(site, -1)
    assert fields(site) == {"posts": ["stars", "title"]}
    assert [entry.slug for entry in site.catalog.snapshot.files.values()] == ["open"]


def test_an_entry_whose_moment_comes_is_served_without_a_commit(site: Site, repo: Repo) -> None:
    repo.commit({"posts/later.md": "---\ntitle: Later\nstars: many\npublish_at: 2030-01-01T12:00:00Z\n---\n"})
    refresh(site, -1)
    assert site.catalog.find("posts", "later", site.catalog.default_chain) is None
    refresh(site)
    assert site.catalog.find("posts", "later", site.catalog.default_chain) is not None


def test_a_collection_appears_with_its_first_public_entry(site: Site, repo: Repo) -> None:
    repo.commit({"plans/merger.md": "---\ntitle: Merger\ndraft: true\n---\n"})
    refresh(site)
    assert "plans" not in fields(site)
    repo.commit({"plans/merger.md": "---\ntitle: Merger\n---\n"})
    refresh(site)
    assert "plans" in fields(site)
