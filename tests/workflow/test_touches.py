"""Which files a commit itself changed, above all a merge; and where a draft left the published branch."""

from collections.abc import Mapping
from itertools import pairwise

import pytest

from cms.refs import CommitId
from cms.store import Store
from cms.workflow.touches import Bases, Trees, changed_files, moved_files, seen_files
from tests.repo import Repo

Files = Mapping[str, str | None]


def changed(repo: Repo, commit: str) -> frozenset[str]:
    store = Store.open(repo.path)
    return changed_files(store, store.commit(CommitId(commit)))


@pytest.fixture
def merging(repo: Repo) -> Repo:
    """Two branches: the draft changed ``ours`` and ``both``, the published branch ``theirs``, ``both`` and ``same``."""
    repo.commit({"ours": "0", "theirs": "0", "both": "0", "same": "0", "kept": "0"})
    base = repo.git("rev-parse", "main")
    repo.commit({"ours": "1", "both": "draft", "same": "1"}, branch="draft", parents=[base])
    repo.commit({"theirs": "1", "both": "main", "same": "1", "fresh": "1"})
    return repo


def merge(repo: Repo, files: Files) -> str:
    """A merge of the published branch into the draft: the draft's tree but for *files*."""
    parents = [repo.git("rev-parse", "draft"), repo.git("rev-parse", "main")]
    return repo.commit(dict(files), branch="draft", parents=parents)


def test_a_commit_changes_what_differs_from_its_parent(merging: Repo) -> None:
    assert changed(merging, merging.git("rev-parse", "draft")) == {"ours", "both", "same"}


def test_a_first_commit_changes_all_it_has(merging: Repo) -> None:
    first = merging.git("rev-parse", "main~1")
    assert changed(merging, first) == {"ours", "theirs", "both", "same", "kept"}


def test_a_merge_that_takes_what_each_side_changed_changes_only_what_both_changed_differently(merging: Repo) -> None:
    assert changed(merging, merge(merging, {"theirs": "1", "fresh": "1", "both": "merged"})) == {"both"}


@pytest.mark.parametrize("choice", ["draft", "main"])
def test_choosing_a_side_is_a_change_by_who_chose(merging: Repo, choice: str) -> None:
    assert changed(merging, merge(merging, {"theirs": "1", "fresh": "1", "both": choice})) == {"both"}


def test_what_a_side_changed_and_the_merge_dropped_is_a_change(merging: Repo) -> None:
    assert changed(merging, merge(merging, {})) == {"theirs", "fresh", "both"}
    other = merge(merging, {"ours": "0", "theirs": "1", "fresh": "1", "both": "merged"})
    assert "ours" in changed(merging, other)


def test_what_neither_side_changed_and_the_merge_did_is_a_change(merging: Repo) -> None:
    files = {"theirs": "1", "fresh": "1", "both": "merged", "kept": "slipped in", "new": "slipped in", "same": "2"}
    assert changed(merging, merge(merging, files)) == {"both", "kept", "new", "same"}


def test_a_merge_of_three_changes_all_that_differs_from_any(merging: Repo) -> None:
    third = merging.commit({"third": "1"}, branch="third", parents=[merging.git("rev-parse", "main")])
    parents = [merging.git("rev-parse", "draft"), merging.git("rev-parse", "main"), third]
    octopus = merging.commit({"theirs": "1", "fresh": "1", "both": "m", "third": "1"}, branch="draft", parents=parents)
    assert changed(merging, octopus) == {"ours", "theirs", "fresh", "both", "third"}


def test_what_was_seen_is_what_differs_from_where_the_draft_left(merging: Repo) -> None:
    store = Store.open(merging.path)
    base, head = (CommitId(merging.git("rev-parse", name)) for name in ("main~1", "draft"))
    assert set(seen_files(store, base, head)) == {"ours", "both", "same"}
    assert len(seen_files(store, None, head)) == 5


def bases(repo: Repo, head: str) -> tuple[Bases, CommitId]:
    store, main = Store.open(repo.path), CommitId(repo.git("rev-parse", "main"))
    commits = store.commits_between(main, CommitId(head), limit=100)
    assert commits is not None
    return Bases(store, main, reversed(commits)), CommitId(head)


def test_a_draft_left_where_it_merged_the_published_branch_last(merging: Repo) -> None:
    first = merging.git("rev-parse", "main~1")
    before = CommitId(merging.git("rev-parse", "draft"))
    found, head = bases(merging, merge(merging, {"theirs": "1"}))
    assert found.find(before) == first
    assert found.find(head) == found.find_only(head) == merging.git("rev-parse", "main")


def test_where_histories_crossed_the_newest_of_the_places_is_the_base_and_none_is_the_only_one(merging: Repo) -> None:
    draft, main = merging.git("rev-parse", "draft"), merging.git("rev-parse", "main")
    merging.commit({"ours": "1"}, parents=[main, draft])
    found, head = bases(merging, merging.commit({"theirs": "1"}, branch="draft", parents=[draft, main]))
    assert found.find_only(head) is None
    assert found.find(head) == main


def test_a_history_of_its_own_left_nowhere(merging: Repo) -> None:
    found, head = bases(merging, merging.commit({"x": "1"}, branch="lone", parents=[]))
    assert (found.find(head), found.find_only(head)) == (None, None)


def test_a_few_large_trees_are_kept_and_many_are_not(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cms.workflow.kept.KEPT_BYTES", 200)
    commits = [CommitId(repo.commit({f"f{number}": "x"})) for number in range(30)]
    trees = Trees(Store.open(repo.path))
    for old, new in pairwise(commits):
        assert len(trees.differences(old, new)) == 1
    assert len(trees.reader._kept) <= 3


def test_a_file_that_went_elsewhere_is_found_by_its_bytes_and_by_its_lines(repo: Repo) -> None:
    lines = [f"line {number} of {{}}\n" for number in range(10)]
    one, two = ("".join(lines).replace("{}", name) for name in ("one", "two"))
    repo.commit({"a": one, "b": two, "c": "c"})
    head = repo.commit({"a": None, "b": None, "x": one, "y": two.replace("line 3", "LINE 3"), "z": "new"})
    store = Store.open(repo.path)
    trees = Trees(store)
    assert moved_files(store.commit(CommitId(head)), trees) == {"x": "a", "y": "b"}
    plain = repo.commit({"c": "d", "n": "new too"})
    merge = repo.commit({"z": None, "q": "new"}, parents=[plain, head])
    assert [moved_files(store.commit(CommitId(id)), trees) for id in (plain, merge)] == [{}, {}]
