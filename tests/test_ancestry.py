"""How commits descend from one another: on made-up histories against the plain definition, on real ones against Git."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cms.store
from cms.ancestry import TooFar, is_ancestor, merge_bases, parse_parents
from cms.errors import RepositoryProblem
from cms.refs import CommitId
from cms.store import Store
from tests.repo import Repo

Commits = dict[CommitId, tuple[tuple[CommitId, ...], int]]


@st.composite
def histories(draw: st.DrawFn) -> Commits:
    """Some commits, the parents of each among those before it, with dates that may lie."""
    commits: Commits = {}
    for number in range(draw(st.integers(2, 14))):
        known = sorted(commits)
        parents = draw(st.lists(st.sampled_from(known), max_size=3, unique=True)) if known else []
        commits[CommitId(f"{number:02}")] = tuple(parents), draw(st.integers(0, 20))
    return commits


def lineage(commits: Commits, tip: CommitId) -> set[CommitId]:
    """The commit and all that it descends from."""
    return {tip}.union(*[lineage(commits, parent) for parent in commits[tip][0]])


@given(histories(), st.data())
def test_the_best_common_ancestors_are_those_no_other_descends_from(commits: Commits, data: st.DataObject) -> None:
    one, other = (data.draw(st.sampled_from(sorted(commits))) for _ in range(2))
    common = lineage(commits, one) & lineage(commits, other)
    best = {id for id in common if not any(id in lineage(commits, base) for base in common - {id})}
    assert merge_bases(one, other, commits.__getitem__) == sorted(best, key=lambda id: (-commits[id][1], id))
    assert is_ancestor(one, other, commits.__getitem__) == (one in lineage(commits, other))


def test_a_walk_ends_where_it_may_spend_no_more() -> None:
    commits: Commits = {CommitId(str(number)): ((CommitId(str(number - 1)),), number) for number in range(1, 50)}
    commits[CommitId("0")] = (), 0
    assert is_ancestor(CommitId("40"), CommitId("49"), commits.__getitem__, limit=20)
    with pytest.raises(TooFar):
        is_ancestor(CommitId("1"), CommitId("49"), commits.__getitem__, limit=20)


def test_parents_and_date_are_read_from_the_head_alone() -> None:
    head = (
        b"tree " + b"a" * 40 + b"\nparent " + b"b" * 40 + b"\nauthor A <a> 5 +0000\ncommitter B <b> 1700000000 +0100\n"
    )
    assert parse_parents(CommitId("c"), head + b"\nparent " + b"d" * 40 + b"\n") == (("b" * 40,), 1_700_000_000)


def test_a_broken_date_is_read_as_the_epoch_and_a_broken_commit_refused() -> None:
    head = b"tree " + b"a" * 40 + b"\nauthor A <a> 5 +0000\ncommitter B <b>\n\nx"
    assert parse_parents(CommitId("c"), head) == ((), 0)
    with pytest.raises(RepositoryProblem, match="commit c is damaged"):
        parse_parents(CommitId("c"), b"tree of life\n")


def criss_cross(repo: Repo) -> tuple[CommitId, CommitId, list[str]]:
    """Two tips that merged each other's past, and the two commits that both come from."""
    root = repo.commit({"a": "1"})
    left, right = repo.commit({"b": "1"}), repo.commit({"c": "1"}, branch="side", parents=[root])
    one = repo.commit({"d": "1"}, parents=[left, right])
    other = repo.commit({"e": "1"}, branch="side", parents=[right, left])
    return CommitId(one), CommitId(other), [right, left]


@pytest.mark.parametrize("near", [2_000, 1])
def test_a_store_finds_the_same_near_and_far(repo: Repo, near: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cms.store, "NEAR_COMMITS", near)
    one, other, bases = criss_cross(repo)
    store = Store.open(repo.path)
    assert store.merge_bases(one, other) == bases
    assert store.merge_base(one, other) == bases[0]
    assert store.is_ancestor(CommitId(bases[1]), other)
    assert not store.is_ancestor(one, other)


def test_without_gits_program_a_far_walk_goes_on_alone(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cms.store, "NEAR_COMMITS", 1)
    monkeypatch.setenv("PATH", "/nowhere")
    one, other, bases = criss_cross(repo)
    assert Store.open(repo.path).merge_bases(one, other) == bases
    assert not Store.open(repo.path).is_ancestor(one, other)


@pytest.mark.parametrize("near", [2_000, 1])
def test_unrelated_histories_have_no_base(repo: Repo, near: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cms.store, "NEAR_COMMITS", near)
    one = CommitId(repo.commit({"a": "1"}))
    other = CommitId(repo.commit({"a": "2"}, branch="island"))
    assert Store.open(repo.path).merge_base(one, other) is None


def test_a_shallow_clone_ends_where_it_says(repo: Repo, tmp_path: Path) -> None:
    for number in range(5):
        repo.commit({"a": str(number)})
    clone = Repo(tmp_path / "clone")
    repo.git("clone", "--quiet", "--bare", "--depth", "2", repo.path.as_uri(), str(clone.path))
    store = Store.open(clone.path)
    tip, end = clone.git("rev-list", "main").split()
    assert store.is_ancestor(CommitId(end), CommitId(tip))
    assert not store.is_ancestor(CommitId(tip), CommitId(end))


@pytest.mark.parametrize("near", [2_000, 1])
def test_a_push_is_seen_in_quarantine_before_it_is_accepted(
    repo: Repo, tmp_path: Path, near: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cms.store, "NEAR_COMMITS", near)
    old = CommitId(repo.commit({"a.md": "old"}))
    other = Repo(shutil.copytree(repo.path, tmp_path / "pusher.git"))
    new = CommitId(other.commit({"a.md": "new"}))
    store = Store.open_quarantine(repo.path, other.path / "objects")
    assert [change.path for change in store.diff(old, new)] == ["a.md"]
    assert store.is_ancestor(old, new)
    assert Store.open(repo.path).resolve(new) is None
