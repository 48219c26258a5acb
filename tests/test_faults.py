"""Faults while a site is served: what moves, breaks, vanishes and comes back between and during requests."""

from collections.abc import Iterator
from threading import Event, Thread

import pytest

from cms.inferred import infer_model
from cms.model import ContentModel
from cms.refs import CommitId
from cms.site import Site
from cms.store import Store
from tests.repo import FIRST_COMMIT_AT, Repo

NOW = FIRST_COMMIT_AT.timestamp() + 86_400


@pytest.fixture
def opened() -> Iterator[list[Site]]:
    """Sites that are closed after the test."""
    sites: list[Site] = []
    yield sites
    for site in sites:
        site.close()


def test_a_new_commit_counts_as_seen_only_when_it_is_served(repo: Repo, opened: list[Site]) -> None:
    reading, go_on = Event(), Event()

    def infer(store: Store, commit: CommitId, name: str) -> ContentModel:
        reading.set()
        go_on.wait(10)
        return infer_model(store, commit, name)

    repo.commit({"posts/a.md": "---\ntitle: A\n---\n"})
    go_on.set()
    opened.append(site := Site.open(repo.path, infer=infer))
    go_on.clear()
    reading.clear()
    repo.commit({"posts/a.md": None, "news/b.md": "---\ntitle: B\n---\n"})
    first = Thread(target=site.refresh, args=(NOW,))
    first.start()
    reading.wait(10)
    assert site.is_stale(NOW)  # so a second request waits as well
    go_on.set()
    first.join()
    assert not site.is_stale(NOW)
    assert list(site.catalog.shelves) == ["news"]
