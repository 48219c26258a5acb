"""The history at any commit is what reading all commits anew would tell, whatever was asked before and wherever it comes from."""

import os
import random
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from cms.cache import DerivedCache
from cms.chronicle import Chronicle
from cms.errors import RepositoryProblem
from cms.history import FileHistory, History
from cms.overlay import Overlay
from cms.refs import CommitId
from cms.snapshot import read_history
from cms.store import Store
from cms.whereabouts import Departure
from tests.histories import make_history
from tests.repo import Repo

CORPORA = Path(__file__).parents[2] / "shared" / "corpora"
SEEDS = int(os.environ.get("HISTORY_SEEDS", "4"))
COMMITS = int(os.environ.get("HISTORY_COMMITS", "4"))
#: One of the real sites, all of them when many commits are asked for.
NAMES = ("rust-blog",) if COMMITS < 10 else ("rust-blog", "18f-blog", "cncf-glossary", "felleslosninger-docs")
Told = tuple[dict[str, FileHistory | None], dict[str, tuple[Departure, ...]]]


def told(store: Store, history: History) -> Told:
    """All that can be asked of a history."""
    files = store.list_files(history.commit)
    return {file.path: history.get(file.path) for file in files}, history.departed.flat()


def order_of_git(repo: Path, commit: str) -> list[str]:
    command = ["git", f"--git-dir={repo}", "rev-list", "--topo-order", commit]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def compare(store: Store, chronicle: Chronicle, published: CommitId, commits: Sequence[str]) -> None:
    """Check the history at each of *commits*."""
    near = History.build(store, published)
    for commit in map(CommitId, commits):
        assert told(store, chronicle.history_at(commit, near)) == told(store, History.build(store, commit)), commit


@pytest.fixture
def cache(tmp_path: Path) -> DerivedCache:
    return DerivedCache(tmp_path / "cache")


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_history_at_any_commit_is_what_all_commits_tell(repo: Repo, cache: DerivedCache, seed: int) -> None:
    commits = make_history(repo, seed)
    store = Store.open(repo.path)
    chronicle = Chronicle(store, cache)
    for published in commits[::-4]:
        compare(store, chronicle, CommitId(published), commits)


@pytest.mark.parametrize("seed", range(100, 100 + SEEDS))
def test_a_history_that_was_followed_from_commit_to_commit_knows_when_it_is_exact(repo: Repo, seed: int) -> None:
    commits = [CommitId(commit) for commit in make_history(repo, seed, length=10)]
    store = Store.open(repo.path)
    built = {commit: History.build(store, commit) for commit in commits}
    for new in commits:
        for old in commits:
            advanced = built[old].advance(store, new)
            if advanced.is_exact:
                assert told(store, advanced) == told(store, built[new]), (old, new)


def test_a_draft_from_before_other_publications_leaves_the_history_exact(repo: Repo) -> None:
    base = repo.commit({"a.md": "1", "b.md": "1", "c.md": "1"})
    draft = repo.commit({"a.md": "2"}, branch="side", parents=[base])
    other = repo.commit({"c.md": "2"}, branch="other", parents=[base])
    main = CommitId(repo.commit({"c.md": "2"}, parents=[repo.commit({"b.md": "2"}), other]))
    merge = CommitId(repo.commit({"a.md": "2"}, parents=[main, draft]))
    store = Store.open(repo.path)
    advanced = History.build(store, main).advance(store, merge)
    assert advanced.is_exact
    assert told(store, advanced) == told(store, History.build(store, merge))


def test_where_what_followed_is_not_exact_the_chronicle_is(repo: Repo, cache: DerivedCache) -> None:
    base = repo.commit({"a.md": "1", "b.md": "x"}, author=("Kari", "kari@example.org"))
    repo.commit({"a.md": None})
    again = CommitId(repo.commit({"a.md": "2"}, author=("Ola", "ola@example.org")))
    edit = repo.commit({"a.md": "3"}, branch="side", parents=[base], author=("Per", "per@example.org"))
    merge = CommitId(repo.commit({"a.md": "3"}, parents=[again, edit]))
    later = CommitId(repo.commit({"b.md": "y"}))
    store, chronicle = Store.open(repo.path), Chronicle(Store.open(repo.path), cache)
    advanced = History.build(store, again).advance(store, merge)
    assert not advanced.is_exact
    assert told(store, chronicle.history_at(merge, advanced)) == told(store, History.build(store, merge))
    near = advanced.advance(store, later)
    assert told(store, chronicle.history_at(later, near)) == told(store, History.build(store, later))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_merge_that_is_not_made_yet_has_the_history_that_it_will_have(
    repo: Repo, cache: DerivedCache, seed: int
) -> None:
    make_history(repo, seed, length=24)
    store, chronicle = Store.open(repo.path), Chronicle(Store.open(repo.path), cache)
    for line in repo.git("rev-list", "--all", "--merges", "--parents").splitlines():
        merge, *parents = map(CommitId, line.split())
        changes = {change.path: change.new for change in store.diff(parents[0], merge)}
        overlay, built = Overlay(store, parents[0], changes), History.build(store, merge)
        made = chronicle.history_of_merge(overlay, overlay.head, parents, History.build(store, parents[0]))
        for path in [file.path for file in store.list_files(merge)]:
            will_be, is_now = built.get(path), made.get(path)
            assert will_be is not None
            assert is_now is not None
            if will_be.last_commit == merge:  # its own, and Git may think that it moved it from elsewhere
                assert is_now.last_commit == overlay.head
            else:
                assert is_now == will_be


@pytest.mark.parametrize("name", NAMES)
def test_the_past_of_a_real_site_is_what_all_commits_tell(tmp_path: Path, cache: DerivedCache, name: str) -> None:
    bundle = CORPORA / f"{name}.bundle"
    if not bundle.exists():
        pytest.skip(f"the corpora are not at {CORPORA}")
    folder = tmp_path / f"{name}.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(bundle), str(folder)], check=True)
    store = Store.open(folder)
    published = store.resolve("HEAD")
    assert published is not None
    every = order_of_git(folder, published)
    chronicle = Chronicle(store, cache)
    assert [step.stamp.commit for step in chronicle.steps(published, published)] == every
    compare(store, chronicle, published, random.Random(name).sample(every, COMMITS))


def test_it_is_kept_on_disk_and_read_from_there(
    repo: Repo, cache: DerivedCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = make_history(repo, 5)
    store, tip = Store.open(repo.path), CommitId(commits[-1])
    steps = list(Chronicle(store, cache).steps(tip, tip))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(Chronicle(store, cache).steps(tip, tip)) == steps
    with pytest.raises(RepositoryProblem, match="not installed"):
        list(Chronicle(store, DerivedCache(tmp_path / "other")).steps(tip, tip))


def test_what_was_kept_grows_by_what_is_new(repo: Repo, cache: DerivedCache) -> None:
    commits = [CommitId(commit) for commit in make_history(repo, 7, length=30)]
    store = Store.open(repo.path)
    list(Chronicle(store, cache).steps(commits[10], commits[10]))
    later = Chronicle(store, cache)
    for commit in commits[11:]:
        assert [step.stamp.commit for step in later.steps(commit, commits[20])] == order_of_git(repo.path, commit)


def test_a_chronicle_that_is_damaged_or_of_commits_that_are_gone_is_made_anew(repo: Repo, cache: DerivedCache) -> None:
    tip = CommitId(make_history(repo, 3)[-1])
    store = Store.open(repo.path)
    steps = list(Chronicle(store, cache).steps(tip, tip))
    for wrong in (b"", b"\x93\x01", b"nonsense"):
        cache.save_history("chronicle", "", wrong)
        assert list(Chronicle(store, cache).steps(tip, tip)) == steps


def test_a_shallow_clone_that_is_deepened_is_read_anew(repo: Repo, tmp_path: Path, cache: DerivedCache) -> None:
    for number in range(5):
        tip = CommitId(repo.commit({"a.md": str(number)}))
    clone = tmp_path / "clone.git"
    origin = repo.path.as_uri()
    subprocess.run(["git", "clone", "-q", "--bare", "--depth=2", origin, str(clone)], check=True)
    store = Store.open(clone)
    compare(store, Chronicle(store, cache), tip, order_of_git(clone, tip))
    before = read_history(store, tip, cache, "refs/heads/main")
    subprocess.run(["git", f"--git-dir={clone}", "fetch", "-q", "--unshallow", origin, "main"], check=True)
    after = read_history(store, tip, cache, "refs/heads/main")
    assert told(store, after) == told(store, History.build(store, tip)) != told(store, before)
    assert len(list(Chronicle(store, cache).steps(tip, tip))) == 5
