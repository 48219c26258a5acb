"""Work trees follow a branch that moves below them, and never lose what is not committed."""

from pathlib import Path

import pytest

from cms.errors import RepositoryProblem
from cms.refs import CommitId
from cms.store import Store
from cms.worktree import checkout_problem, find_checkout, refresh_work_tree
from cms.writer import Writer
from tests.repo import Repo

MAIN = "refs/heads/main"


@pytest.fixture
def commits(work_tree: Repo) -> tuple[CommitId, CommitId]:
    """Where main is and where it shall go: one file changed, one removed, one new."""
    old = work_tree.commit({"a.md": "old\n", "b.md": "b\n", "c.md": "c\n"})
    work_tree.git("branch", "next")
    new = work_tree.commit({"a.md": "new\n", "b.md": None, "posts/d.md": "d\n"}, branch="next")
    work_tree.git("reset", "--hard")
    return CommitId(old), CommitId(new)


def move(repo: Repo, commits: tuple[CommitId, CommitId]) -> str | None:
    """Move main and bring the work tree along."""
    store = Store.open(repo.path)
    Writer(store).move_ref(MAIN, old=commits[0], new=commits[1])
    return refresh_work_tree(store, MAIN, *commits)


def test_a_clean_work_tree_follows(work_tree: Repo, commits: tuple[CommitId, CommitId]) -> None:
    assert checkout_problem(Store.open(work_tree.path), MAIN, commits[1]) is None
    assert move(work_tree, commits) is None
    assert work_tree.git("status", "--porcelain") == ""
    assert (work_tree.path / "a.md").read_text() == "new\n"
    assert not (work_tree.path / "b.md").exists()


def test_changes_elsewhere_stay_as_they_are(work_tree: Repo, commits: tuple[CommitId, CommitId]) -> None:
    (work_tree.path / "c.md").write_text("not committed\n")
    (work_tree.path / "notes.txt").write_text("mine\n")
    assert checkout_problem(Store.open(work_tree.path), MAIN, commits[1]) is None
    assert move(work_tree, commits) is None
    assert work_tree.git("status", "--porcelain") == " M c.md\n?? notes.txt"


def test_a_file_that_was_only_touched_is_no_change(work_tree: Repo, commits: tuple[CommitId, CommitId]) -> None:
    (work_tree.path / "a.md").write_text("other\n")
    (work_tree.path / "a.md").write_text("old\n")
    assert checkout_problem(Store.open(work_tree.path), MAIN, commits[1]) is None


@pytest.mark.parametrize("path", ["a.md", "b.md", "posts/d.md"])
@pytest.mark.parametrize("staged", [False, True])
def test_what_is_not_committed_is_named_and_kept(
    work_tree: Repo, commits: tuple[CommitId, CommitId], path: str, staged: bool
) -> None:
    file = work_tree.path / path
    file.parent.mkdir(exist_ok=True)
    file.write_text("not committed\n")
    if staged:
        work_tree.git("add", path)
    before = work_tree.git("status", "--porcelain", "-uall")
    problem = checkout_problem(Store.open(work_tree.path), MAIN, commits[1])
    uncommitted = f"has changes that are not committed in {path}; commit or undo them first"
    assert problem == f"the work tree {work_tree.path} {uncommitted}"
    assert work_tree.git("status", "--porcelain", "-uall") == before
    assert file.read_text() == "not committed\n"


def test_a_work_tree_that_cannot_follow_after_all_says_what_to_do(
    work_tree: Repo, commits: tuple[CommitId, CommitId]
) -> None:
    (work_tree.path / "a.md").write_text("not committed\n")
    problem = move(work_tree, commits)
    assert problem is not None
    assert problem.endswith(f"Then run `git -C {work_tree.path} reset --merge {commits[1][:10]}`")
    assert (work_tree.path / "a.md").read_text() == "not committed\n"


def test_a_merge_that_is_not_finished_is_in_the_way(work_tree: Repo, commits: tuple[CommitId, CommitId]) -> None:
    blob = work_tree.git("rev-parse", "HEAD:c.md")
    work_tree.git("update-index", "--index-info", stdin=f"100644 {blob} 2\tc.md\n".encode())
    problem = checkout_problem(Store.open(work_tree.path), MAIN, commits[1])
    assert problem is not None
    assert "cannot follow" in problem


def test_a_branch_that_is_not_checked_out_needs_no_work_tree(
    work_tree: Repo, repo: Repo, commits: tuple[CommitId, CommitId]
) -> None:
    (work_tree.path / "a.md").write_text("not committed\n")
    assert checkout_problem(Store.open(work_tree.path), "refs/heads/other", commits[1]) is None
    assert checkout_problem(Store.open(repo.path), MAIN, CommitId(repo.commit({"a": "1"}))) is None


def test_a_linked_work_tree_follows_too(work_tree: Repo, commits: tuple[CommitId, CommitId], tmp_path: Path) -> None:
    linked = Repo(tmp_path / "linked")
    work_tree.git("checkout", "--quiet", "--detach")
    work_tree.git("worktree", "add", "--quiet", str(linked.path), "main")
    (linked.path / "a.md").write_text("not committed\n")
    assert checkout_problem(Store.open(work_tree.path), MAIN, commits[1]) is not None
    linked.git("checkout", "a.md")
    assert move(work_tree, commits) is None
    assert linked.git("status", "--porcelain") == ""


def test_the_main_work_tree_follows_what_is_moved_from_a_linked_one(
    work_tree: Repo, commits: tuple[CommitId, CommitId], tmp_path: Path
) -> None:
    linked = Repo(tmp_path / "linked")
    work_tree.git("worktree", "add", "--quiet", "--detach", str(linked.path), "next")
    assert checkout_problem(Store.open(linked.path), MAIN, commits[1]) is None
    assert move(linked, commits) is None
    assert work_tree.git("status", "--porcelain") == ""


def test_without_gits_program_a_checked_out_branch_does_not_move(
    work_tree: Repo, commits: tuple[CommitId, CommitId], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(RepositoryProblem, match="needs Git's own program"):
        checkout_problem(Store.open(work_tree.path), MAIN, commits[1])
    assert "needs Git's own program" in str(refresh_work_tree(Store.open(work_tree.path), MAIN, *commits))


def test_the_work_tree_that_has_a_branch_checked_out_is_found(
    work_tree: Repo, commits: tuple[CommitId, CommitId], tmp_path: Path
) -> None:
    store = Store.open(work_tree.path)
    assert (find_checkout(store, MAIN), find_checkout(store, "refs/heads/next")) == (work_tree.path, None)
    work_tree.git("worktree", "add", "--quiet", str(tmp_path / "linked"), "next")
    assert find_checkout(store, "refs/heads/next") == tmp_path / "linked"
