"""Maintenance: what it tidies, what it must never touch, and that nobody notices it."""

import fcntl
import os
import threading
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cms.cli import app
from cms.errors import RepositoryProblem, TooBusy
from cms.maintenance import MANY_PACKS, Upkeep, maintain, needs_maintenance
from cms.refs import CommitId
from cms.store import Store
from cms.writer import Ident, Writer
from tests.repo import FIRST_COMMIT_AT, Repo

MAIN = "refs/heads/main"
KARI = Ident(name="Kari", email="kari@example.org", at=FIRST_COMMIT_AT)
OLD = time.time() - 30 * 86_400


def add_commit(writer: Writer, store: Store, number: int) -> CommitId:
    """A commit on main with one more file."""
    tip = store.resolve(MAIN)
    assert tip is not None
    tree = writer.write_tree(store.commit(tip).tree, {f"posts/{number}.md": writer.write_blob(b"%d\n" % number)})
    commit = writer.write_commit(tree=tree, parents=[tip], author=KARI, committer=KARI, message="Add")
    writer.move_ref(MAIN, old=tip, new=commit)
    return commit


def test_everything_is_packed_and_still_there(repo: Repo) -> None:
    for number in range(30):
        repo.commit({f"posts/{number}.md": f"{number}\n"})
    repo.commit({"b.md": "b\n"}, branch="drafts/easter")
    store = Store.open(repo.path)
    before = store.refs("refs/"), store.list_files(CommitId(repo.git("rev-parse", "main")))
    assert maintain(store) == Upkeep(packs=1, loose=0, left=())
    assert (store.refs("refs/"), store.list_files(CommitId(repo.git("rev-parse", "main")))) == before
    assert (repo.path / "objects/info/commit-graph").exists()
    assert not (repo.path / MAIN).exists()
    repo.git("fsck", "--full", "--strict")


def test_what_nobody_refers_to_yet_stays_for_two_weeks(repo: Repo) -> None:
    repo.commit({"a.md": "a\n"})
    young, old = (repo.git("hash-object", "-w", "--stdin", stdin=text) for text in (b"young", b"old"))
    os.utime(repo.path / "objects" / old[:2] / old[2:], (OLD, OLD))
    maintain(Store.open(repo.path))
    assert (repo.path / "objects" / young[:2] / young[2:]).exists()
    assert not (repo.path / "objects" / old[:2] / old[2:]).exists()


def test_only_what_was_left_behind_long_ago_is_cleared_away(repo: Repo) -> None:
    repo.commit({"a.md": "a\n"})
    objects = repo.path / "objects"
    gone, stays = objects / "tmp_objdir-incoming-old", objects / "tmp_objdir-incoming-busy"
    for folder in (gone, stays):
        (folder / "pack").mkdir(parents=True)
        (folder / "pack" / "tmp_pack_x").write_bytes(b"x")
    (objects / "tmp_object_git2_x").write_bytes(b"x")
    for path in (
        gone / "pack" / "tmp_pack_x",
        gone / "pack",
        gone,
        stays / "pack",
        stays,
        objects / "tmp_object_git2_x",
    ):
        os.utime(path, (time.time() - 7_200,) * 2)
    assert maintain(Store.open(repo.path)).left == (str(gone), str(objects / "tmp_object_git2_x"))
    assert stays.exists()
    assert not gone.exists()


def test_it_is_needed_only_now_and_then(repo: Repo) -> None:
    repo.commit({"a.md": "a\n"})
    store = Store.open(repo.path)
    assert not needs_maintenance(store)
    for number in range(MANY_PACKS + 1):
        repo.commit({"a.md": f"{number}\n"})
        repo.git("repack", "-q")
    assert needs_maintenance(store)
    maintain(store)
    assert not needs_maintenance(store)
    crowded = repo.path / "objects" / "17"
    crowded.mkdir(exist_ok=True)
    for number in range(40):
        (crowded / f"{number:038}").touch()
    assert needs_maintenance(store)


def test_it_is_done_once_at_a_time(repo: Repo) -> None:
    repo.commit({"a.md": "a\n"})
    with (repo.path / "branchpress.maintenance").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        with pytest.raises(TooBusy, match="maintained already"):
            maintain(Store.open(repo.path))


def test_a_damaged_repository_is_reported(repo: Repo) -> None:
    commit = repo.commit({"a.md": "a\n"})
    (repo.path / "objects" / commit[:2] / commit[2:]).unlink()
    with pytest.raises(RepositoryProblem, match=r"git .* failed: "):
        maintain(Store.open(repo.path))


def test_nothing_is_lost_while_others_read_and_write(repo: Repo) -> None:
    repo.commit({"a.md": "a\n"})
    store = Store.open(repo.path)
    writer, done = Writer(store), threading.Event()
    problems: list[BaseException] = []

    def keep_maintaining() -> None:
        try:
            while not done.is_set():
                maintain(Store.open(repo.path))
        except RepositoryProblem as error:
            problems.append(error)

    thread = threading.Thread(target=keep_maintaining)
    thread.start()
    for number in range(150):
        commit = add_commit(writer, store, number)
        assert len(store.list_files(commit)) == number + 2
    done.set()
    thread.join()
    assert not problems
    assert repo.git("rev-list", "--count", MAIN) == "151"
    repo.git("fsck", "--full", "--strict")


def test_a_work_tree_is_maintained_in_its_own_folder(work_tree: Repo) -> None:
    work_tree.commit({"a.md": "a\n"})
    assert maintain(Store.open(work_tree.path)).packs == 1
    assert Path(work_tree.path / ".git" / "packed-refs").exists()
    assert work_tree.git("status", "--porcelain") == ""


def test_the_command_says_what_it_came_to(repo: Repo) -> None:
    repo.commit({"a.md": "a\n"})
    lock = repo.path / f"{MAIN}.lock"
    lock.touch()
    os.utime(lock, (OLD, OLD))
    done = CliRunner().invoke(app, ["maintain", str(repo.path)])
    assert done.exit_code == 0
    assert " ".join(done.output.split()) == f"Removed {lock}, which somebody had left behind. 1 pack, 0 loose objects."
