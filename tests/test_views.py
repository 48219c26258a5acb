"""Opening views: what is kept of them, that they are the same whatever was opened before, and states that cannot be read."""

import gc
import os
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from cms.catalog import Catalog
from cms.errors import CMSError, Conflict, Gone, RefNotFound
from cms.inferred import infer_model
from cms.present import PLAIN, Presenter
from cms.refs import CommitId
from cms.settings import Environment
from cms.site import Site
from cms.snapshot import Snapshot
from cms.view import ViewSpec
from cms.views import EVERYTHING, Rights, View
from tests.api.tools import MODEL, POSTS, SETTINGS, post
from tests.repo import Repo

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = datetime(2024, 3, 1, tzinfo=UTC)
PUBLIC = f"{SETTINGS}[history]\npublic = true\n"
COMMITS = int(os.environ.get("VIEW_COMMITS", "30"))


def open_at(site: Site, commit: str) -> View:
    return site.views.open(ViewSpec(ref=commit), None, NOW)


def titles(catalog: Catalog) -> dict[str, str]:
    return {slug: entries[0].parsed.title or "" for slug, entries in catalog.shelves["posts"].slugs.items()}


def shown(view: View) -> list[bytes]:
    """Everything that a list of all entries would show, in the order of their last change."""
    presenter = Presenter(view.catalog, view.bodies)
    entries = view.catalog.order("posts", view.catalog.default_chain, (("updated_at", True),))
    return [orjson.dumps(presenter.entry(entry, PLAIN)) for entry in entries]


@pytest.fixture(scope="module")
def long_lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Many commits: texts that change, come and go, are renamed, and a schema that changes twice."""
    repo, chance = Repo.create(tmp_path_factory.mktemp("long") / "site.git"), random.Random(7)
    commits = [
        repo.commit({**MODEL, "cms.toml": PUBLIC, **{f"posts/p{n}.md": post(f"P{n}") for n in range(30)}}, at=DAY)
    ]
    for number in range(1, COMMITS):
        files: dict[str, str | None] = {f"posts/p{chance.randrange(40)}.md": post(f"Number {number}") for _ in range(3)}
        if number % 13 == 5:
            files["schemas/posts.yaml"] = (
                POSTS if number % 2 else POSTS.replace("stars: {type: integer}", "stars: {type: string}")
            )
        if number % 7 == 3:
            files |= {f"posts/p{number % 30}.md": None, f"posts/renamed-{number}.md": post(f"Renamed {number}")}
        commits.append(repo.commit(files, at=DAY + timedelta(hours=number)))
    return repo.path, commits


def test_a_view_is_the_same_whatever_was_opened_before(long_lived: tuple[Path, list[str]]) -> None:
    path, commits = long_lived
    site = Site.open(path, infer=infer_model)
    order = random.Random(3).sample(commits, len(commits))
    walked = {commit: shown(open_at(site, commit)) for commit in order}
    site.close()
    for commit in order[::10]:
        fresh = Site.open(path, infer=infer_model)
        assert shown(open_at(fresh, commit)) == walked[commit]
        fresh.close()


def test_a_view_is_what_the_site_was_when_that_was_published(
    long_lived: tuple[Path, list[str]], tmp_path: Path
) -> None:
    path, commits = long_lived
    site = Site.open(path, infer=infer_model)
    for number in (3, 18):
        then = Repo.create(tmp_path / f"{number}.git")
        then.git("fetch", "-q", str(path), commits[number])
        then.git("update-ref", "refs/heads/main", commits[number])
        served = Site.open(then.path, infer=infer_model)
        assert shown(open_at(site, commits[number])) == shown(served.views.open(ViewSpec(ref="main"), None, NOW))
        served.close()
    site.close()


def test_only_a_few_are_kept(long_lived: tuple[Path, list[str]]) -> None:
    path, commits = long_lived
    site = Site.open(path, infer=infer_model)
    for commit in commits:
        shown(open_at(site, commit))
    gc.unfreeze()
    gc.collect()
    alive = [thing for thing in gc.get_objects() if isinstance(thing, Snapshot) and thing.commit.id in commits]
    assert len(alive) < 25 < len(commits)
    site.close()


def test_a_state_that_could_not_be_read_is_passed_over(repo: Repo) -> None:
    good = repo.commit({**MODEL, "cms.toml": PUBLIC, "posts/a.md": post("Good")}, at=DAY)
    bad = repo.commit({"cms.toml": "[site]\ntitle = 5\n", "posts/a.md": post("Unseen")}, at=DAY + timedelta(days=1))
    repo.commit({"cms.toml": PUBLIC, "posts/a.md": post("Mended")}, at=DAY + timedelta(days=2))
    site = Site.open(repo.path, infer=infer_model)
    view = site.views.open(ViewSpec(at="2024-03-02T12:00:00Z"), None, NOW)
    assert (view.catalog.snapshot.commit.id, titles(view.catalog)) == (good, {"a": "Good"})
    with pytest.raises(Conflict, match=r"its cms\.toml is wrong$") as refused:
        open_at(site, bad)
    assert not refused.value.facts
    with pytest.raises(Conflict, match=r"site\.title must be a text"):
        site.views.open_state(ViewSpec(ref=bad), EVERYTHING, None, NOW)
    site.close()


def test_commits_from_before_there_were_settings_are_read_by_what_they_hold(repo: Repo) -> None:
    first = repo.commit({"posts/a.md": post("A", stars="5"), "posts/b.md": post("B", stars="4")}, at=DAY)
    repo.commit({"posts/a.md": None, "posts/b.md": post("B")}, at=DAY + timedelta(days=1))
    repo.commit({**MODEL, "cms.toml": PUBLIC}, at=DAY + timedelta(days=2))
    site = Site.open(repo.path, infer=infer_model)
    view = open_at(site, first)
    assert titles(view.catalog) == {"a": "A", "b": "B"}
    assert view.catalog.model.collections["posts"].fields["stars"].kind == "integer"
    site.close()


def test_a_commit_of_the_future_is_not_for_ever(repo: Repo) -> None:
    first = repo.commit({**MODEL, "cms.toml": PUBLIC, "posts/a.md": post("A")}, at=DAY)
    ahead = repo.commit({"posts/a.md": post("B", publish_at="2026-07-01T00:00:00Z")}, at=NOW + timedelta(days=90))
    site = Site.open(repo.path, infer=infer_model)
    view = open_at(site, ahead)
    assert (view.is_pinned, titles(view.catalog)) == (False, {})
    assert open_at(site, first).is_pinned
    later = site.views.open_state(ViewSpec(ref=ahead, at="2026-07-02"), EVERYTHING, None, NOW)
    assert (later.is_pinned, later.is_public, titles(later.catalog)) == (False, False, {"a": "B"})


def test_what_somebody_may_look_at_at_any_moment_is_public_at_none_but_its_own(repo: Repo) -> None:
    held = repo.commit({**MODEL, "cms.toml": PUBLIC, "posts/a.md": post("A", publish_at="2024-03-09")}, at=DAY)
    repo.commit({"posts/a.md": None}, at=DAY + timedelta(days=1))
    site = Site.open(repo.path, infer=infer_model)
    for at, public in (
        ("2024-03-10", False),
        ("2024-03-01T12:00:00Z", True),
        ("2024-02-01", False),
        ("2030-01-01", False),
    ):
        view = site.views.open_state(ViewSpec(ref=held, at=at), EVERYTHING, None, NOW)
        assert view.is_public == public, at
    site.close()
    site.close()


def test_pages_that_were_begun_go_on_for_a_while_and_no_other_state_opens_so(repo: Repo) -> None:
    first = CommitId(repo.commit({**MODEL, "posts/a.md": post("A")}, at=NOW - timedelta(hours=3)))
    moment = (NOW - timedelta(minutes=30)).timestamp()
    side = CommitId(repo.commit({"posts/a.md": post("X")}, branch="side", parents=[first], at=NOW - timedelta(hours=2)))
    repo.commit({"posts/a.md": post("B")}, parents=[first], at=NOW - timedelta(minutes=20))
    site = Site.open(repo.path, infer=infer_model)
    assert titles(site.views.open_pinned(first, moment, NOW).catalog) == {"a": "A"}
    for commit, now in ((first, NOW + timedelta(days=2)), (side, NOW), (CommitId("f" * 40), NOW)):
        with pytest.raises(Gone, match="begin again"):
            site.views.open_pinned(commit, moment, now)
    site.close()


def test_comparing_takes_published_states_at_their_time_only(repo: Repo) -> None:
    first = CommitId(repo.commit({**MODEL, "posts/a.md": post("A")}, at=DAY))
    repo.commit({"posts/a.md": post("B")}, at=DAY + timedelta(days=1))
    site = Site.open(repo.path, infer=infer_model)
    assert titles(site.views.open_published(first, DAY.timestamp())) == {"a": "A"}
    for commit, moment in ((first, DAY + timedelta(days=2)), (first, DAY - timedelta(1)), (CommitId("f" * 40), DAY)):
        with pytest.raises(RefNotFound):
            site.views.open_published(commit, moment.timestamp())
    site.close()


@pytest.mark.parametrize("rights", [Rights(), Rights(past=True), EVERYTHING])
def test_nobody_gets_anything_that_cannot_be_named(repo: Repo, rights: Rights) -> None:
    repo.commit({**MODEL, "cms.toml": PUBLIC, "posts/a.md": post("A")}, at=DAY)
    blob = repo.git("rev-parse", "main:posts/a.md")
    site = Site.open(repo.path, infer=infer_model)
    for ref in (blob, "f" * 40, "nothing", "refs/heads/nothing"):
        with pytest.raises(CMSError):
            site.views.open_state(ViewSpec(ref=ref), rights, None, NOW)
    site.close()


def test_a_detached_clone_knows_its_branch_by_the_name_it_has_elsewhere(repo: Repo, tmp_path: Path) -> None:
    first = repo.commit({**MODEL, "posts/a.md": post("A")}, at=DAY)
    repo.git("clone", "-q", str(repo.path), str(tmp_path / "clone"))
    clone = Repo(tmp_path / "clone")
    clone.git("checkout", "-q", "--detach", first)
    clone.git("branch", "-q", "-D", "main")
    site = Site.open(clone.path, infer=infer_model, environment=Environment(branch="main"))
    view = site.views.open(ViewSpec(ref="main"), None, NOW)
    assert (view.is_present, titles(view.catalog)) == (True, {"a": "A"})
    site.close()
