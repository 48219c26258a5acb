"""Faults while a site is served: what moves, breaks, vanishes and comes back between and during requests."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest
from structlog.testing import capture_logs

from cms.cache import DerivedCache
from cms.errors import CMSError
from cms.inferred import infer_model
from cms.model import ContentModel
from cms.refs import CommitId
from cms.settings import Environment
from cms.site import RETRY_SECONDS, Site
from cms.store import Store
from tests.repo import FIRST_COMMIT_AT, Repo

NOW = FIRST_COMMIT_AT.timestamp() + 86_400
SCHEMA = "type: object\nx-path: posts/{slug}.md\nproperties:\n  title: {type: string}\n"


@pytest.fixture
def opened() -> Iterator[list[Site]]:
    """Sites that are closed after the test."""
    sites: list[Site] = []
    yield sites
    for site in sites:
        site.close()


def open_branch(repo: Repo, opened: list[Site], branch: str = "") -> Site:
    """The site of *repo*, read."""
    opened.append(Site.open(repo.path, infer=infer_model, environment=Environment(branch=branch)))
    return opened[-1]


def test_a_new_commit_counts_as_seen_only_when_it_is_served(repo: Repo, opened: list[Site]) -> None:
    reading, go_on = Event(), Event()

    def infer(store: Store, commit: CommitId, name: str, now: float) -> ContentModel:
        reading.set()
        go_on.wait(10)
        return infer_model(store, commit, name, now)

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


def test_two_branches_of_one_repository_have_an_index_each(repo: Repo, opened: list[Site]) -> None:
    repo.commit({"posts/a.md": "---\ntitle: Fisk\n---\n"})
    repo.commit({"posts/a.md": "---\ntitle: Fugl\n---\n"}, branch="preview")
    names = [open_branch(repo, opened, branch).index_folder.name for branch in ("", "main", "preview")]
    assert names[:2] == ["index", "index"]
    assert names[2].startswith("index-")


def test_what_is_searched_belongs_to_what_is_served(repo: Repo, opened: list[Site]) -> None:
    repo.commit({"schemas/posts.yaml": SCHEMA, "posts/a.md": "---\ntitle: Fisk\n---\n"})
    site = open_branch(repo, opened)
    before, old = site.searcher, site.catalog
    assert site.searcher is before
    repo.commit({"schemas/posts.yaml": None, "schemas/news.yaml": SCHEMA.replace("posts", "news")})
    site.refresh(NOW)
    assert site.searcher is not before
    assert site.searcher.model is site.catalog.model
    site.searcher.update(old.snapshot)  # a request that still reads the old state


def test_a_hidden_text_does_not_count_in_what_is_found(repo: Repo, opened: list[Site]) -> None:
    draft = "---\ntitle: Fisk\ndraft: true\n---\n"
    repo.commit({"schemas/posts.yaml": SCHEMA, "posts/a.md": "---\ntitle: Fisk\n---\n", "posts/b.md": draft})
    site = open_branch(repo, opened)
    assert [entry.slug for entry in site.searcher.missing(site.catalog.snapshot).values()] == ["a"]


def test_a_repository_that_was_moved_away_is_not_begun_again_in_its_place(
    work_tree: Repo, opened: list[Site], tmp_path: Path
) -> None:
    work_tree.commit({"cms.toml": "[site]\n", "schemas/posts.yaml": SCHEMA, "posts/a.md": "---\ntitle: Fisk\n---\n"})
    site = open_branch(work_tree, opened)
    work_tree.path.rename(tmp_path / "elsewhere")
    with pytest.raises(CMSError):
        _ = site.searcher.update(site.catalog.snapshot)
    site.close()
    assert not work_tree.path.exists()


def test_a_disk_that_refuses_is_left_alone_for_a_while(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    cache = DerivedCache(tmp_path / "cache")
    with capture_logs() as logged:
        for _ in range(100):
            assert cache.load_history("refs/heads/main") is None
    assert [line["event"] for line in logged] == ["cache.unusable"]


def test_a_ref_that_comes_before_its_objects_is_followed_when_they_are_there(repo: Repo, opened: list[Site]) -> None:
    repo.commit({"posts/a.md": "---\ntitle: A\n---\n"})
    site = open_branch(repo, opened)
    commit = repo.commit({"posts/b.md": "---\ntitle: B\n---\n"})
    objects = repo.path / "objects" / commit[:2]
    objects.rename(repo.path / "on-its-way")
    site.refresh(NOW)
    assert site.trouble is not None
    assert f"is at {commit[:7]}, and there is no such commit" in site.trouble.message
    (repo.path / "on-its-way").rename(objects)
    assert site.is_stale(NOW)
    site.refresh(NOW)
    assert site.catalog.snapshot.commit.id == commit


def test_a_file_whose_content_comes_later_is_served_from_then_on(repo: Repo, opened: list[Site]) -> None:
    repo.commit({"schemas/posts.yaml": SCHEMA, "posts/a.md": "---\ntitle: A\n---\n"})
    site = open_branch(repo, opened)
    repo.commit({"posts/b.md": "---\ntitle: B\n---\n"})
    blob = repo.git("rev-parse", "main:posts/b.md")
    place = repo.path / "objects" / blob[:2] / blob[2:]
    place.rename(repo.path / "on-its-way")
    site.refresh(NOW)
    assert sorted(site.catalog.shelves["posts"].slugs) == ["a"]
    (repo.path / "on-its-way").rename(place)
    site.refresh(NOW + RETRY_SECONDS)
    assert sorted(site.catalog.shelves["posts"].slugs) == ["a", "b"]
    assert not site.is_stale(NOW + 10 * RETRY_SECONDS)
