"""Writing to a repository: the same trees as Git makes, commits that Git accepts, refs that nobody loses, disks that refuse."""

import errno
import multiprocessing
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cms.writer
from cms.errors import Conflict, InvalidContent, RefMoved, RepositoryProblem
from cms.refs import BlobId, CommitId, TreeId
from cms.store import Store
from cms.workflow.turn import Turn
from cms.writer import Ident, Writer, remove_stale_locks
from tests.repo import FIRST_COMMIT_AT, Repo

MAIN = "refs/heads/main"
DRAFT = "refs/heads/drafts/easter"
KARI = Ident(name="Kari", email="kari@example.org", at=FIRST_COMMIT_AT)
NAMES = ("a", "a.md", "a-b", "A", "å", "z", "sub")
PATHS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join)


def writer_of(repo: Repo) -> Writer:
    return Writer(Store.open(repo.path))


def commit_on(writer: Writer, parent: CommitId | None, text: bytes = b"text\n", path: str = "a.md") -> CommitId:
    """A commit that changes one file."""
    base = Store.commit(writer._store, parent).tree if parent else None
    tree = writer.write_tree(base, {path: writer.write_blob(text)})
    parents = [parent] if parent else []
    return writer.write_commit(tree=tree, parents=parents, author=KARI, committer=KARI, message="Change")


def publish_forever(writer: Writer, published: list[CommitId]) -> None:
    """Commit and move the branch, until something refuses."""
    tip = None
    while True:
        new = commit_on(writer, tip, os.urandom(20_000))
        writer.move_ref(MAIN, old=tip, new=new)
        published.append(new)
        tip = new


def git_tree(repo: Repo, base: str | None, changes: dict[str, str | None]) -> str:
    """What Git's own program makes of the same changes."""
    index = repo.path / "index.test"
    index.unlink(missing_ok=True)
    environment = {**os.environ, "GIT_INDEX_FILE": str(index)}

    def git(*arguments: str, stdin: str = "") -> str:
        command = ["git", f"--git-dir={repo.path}", *arguments]
        done = subprocess.run(command, env=environment, input=stdin, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    if base:
        git("read-tree", base)
    zeros = "0" * 40
    lines = [f"{'100644' if blob else '0'} {blob or zeros}\t{path}\0" for path, blob in changes.items()]
    git("update-index", "-z", "--index-info", stdin="".join(lines))
    return git("write-tree")


def fits(paths: set[str]) -> bool:
    """Whether no path is also the folder of another."""
    return not any(other.startswith(f"{path}/") for path in paths for other in paths)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=st.sets(PATHS, max_size=12).filter(fits), touched=st.dictionaries(PATHS, st.booleans(), max_size=8))
def test_trees_are_those_that_git_makes(repo: Repo, before: set[str], touched: dict[str, bool]) -> None:
    after = before.difference(path for path, stays in touched.items() if not stays)
    after |= {path for path, stays in touched.items() if stays}
    writer = writer_of(repo)
    one, other = writer.write_blob(b"1"), writer.write_blob(b"2")
    base = writer.write_tree(None, dict.fromkeys(before, one))
    assert base == git_tree(repo, None, dict.fromkeys(before, one))
    changes = {path: other if stays else None for path, stays in touched.items()}
    if fits(after):
        assert writer.write_tree(base, changes) == git_tree(repo, base, {**changes})
    else:
        with pytest.raises(Conflict, match="cannot be a file and a folder at once"):
            writer.write_tree(base, changes)


def test_programs_stay_programs_and_links_become_files(repo: Repo) -> None:
    modes = {"run.sh": 0o100755, "link": 0o120000}
    base = repo.commit({"run.sh": "1", "link": "run.sh", "b": "1"}, modes=modes)
    writer = writer_of(repo)
    blob = writer.write_blob(b"2")
    tree = writer.write_tree(TreeId(repo.git("rev-parse", f"{base}^{{tree}}")), dict.fromkeys(("run.sh", "link"), blob))
    assert [line.split()[0] for line in repo.git("ls-tree", tree).split("\n")] == ["100644", "100644", "100755"]


@pytest.mark.parametrize(
    "path",
    [
        *("", "/a", "a/", "a//b", ".", "a/../b", ".git/config", "a/.GIT", "git~1/x", ".g\u200cit/x", ".git. /x"),
        *("a\\b", "a\nb", "a\x7f", "\ud800", "x" * 256, "/".join("a" * 65)),
    ],
)
def test_a_path_that_could_harm_somebody_is_refused(repo: Repo, path: str) -> None:
    writer = writer_of(repo)
    with pytest.raises(InvalidContent, match="cannot be the path of a file"):
        writer.write_tree(None, {path: writer.write_blob(b"")})


def test_a_blob_that_is_nowhere_gets_into_no_tree(repo: Repo) -> None:
    with pytest.raises(RepositoryProblem, match=r"the blob 1{40} for a\.md is not in the repository"):
        writer_of(repo).write_tree(None, {"a.md": BlobId("1" * 40)})


def test_a_commit_is_what_git_would_have_written(repo: Repo) -> None:
    writer = writer_of(repo)
    kari = Ident(name="Kari", email="k@x.no", at=datetime(2024, 5, 1, 12, tzinfo=timezone(-timedelta(hours=3.5))))
    ola = Ident(name="Ola", email="o@x.no", at=datetime(2024, 5, 2, 12, tzinfo=UTC))
    tree = writer.write_tree(None, {})
    id = writer.write_commit(tree=tree, parents=[], author=kari, committer=ola, message="Æ\n\nb\n\n")
    assert repo.git("fsck", "--strict", id) in ("", f"dangling commit {id}")
    shown = repo.git("show", "-s", "--format=%an <%ae> %aI|%cn <%ce> %cI|%B", id)
    assert shown == "Kari <k@x.no> 2024-05-01T12:00:00-03:30|Ola <o@x.no> 2024-05-02T12:00:00+00:00|Æ\n\nb\n"


@pytest.mark.parametrize(
    ("name", "email", "shown"),
    [
        ("Eve\ncommitter Kari <k@x.no> 1 +0000", "e@x.no", "Evecommitter Kari k@x.no 1 +0000 <e@x.no>"),
        ("Eve <kari@x.no>", "e@x.no>\nparent 1", "Eve kari@x.no <e@x.noparent1>"),
        ("", "e@x.no", "e@x.no <e@x.no>"),
        (" .,\0", "", "unknown <>"),
    ],
)
def test_no_name_can_forge_a_header(repo: Repo, name: str, email: str, shown: str) -> None:
    writer = writer_of(repo)
    eve = Ident(name=name, email=email, at=FIRST_COMMIT_AT)
    id = writer.write_commit(tree=writer.write_tree(None, {}), parents=[], author=eve, committer=KARI, message="m\0")
    assert repo.git("show", "-s", "--format=%an <%ae>|%cn|%P|%B", id) == f"{shown}|Kari||m\n"


def test_a_time_without_a_zone_is_no_time(repo: Repo) -> None:
    writer = writer_of(repo)
    naive = Ident(name="Kari", email="", at=FIRST_COMMIT_AT.replace(tzinfo=None))
    with pytest.raises(ValueError, match="must know its zone"):
        writer.write_commit(tree=writer.write_tree(None, {}), parents=[], author=naive, committer=KARI, message="m")


def test_a_commit_on_what_is_not_there_is_not_written(repo: Repo) -> None:
    writer = writer_of(repo)
    tree, nowhere = writer.write_tree(None, {}), CommitId("1" * 40)
    with pytest.raises(RepositoryProblem, match=r"there is no commit 1{40}"):
        writer.write_commit(tree=tree, parents=[nowhere], author=KARI, committer=KARI, message="m")
    with pytest.raises(RepositoryProblem, match=r"there is no tree 1{40}"):
        writer.write_commit(tree=TreeId("1" * 40), parents=[], author=KARI, committer=KARI, message="m")


class KeyFile:
    """Signs with ``ssh-keygen``, as Git does."""

    def __init__(self, folder: Path) -> None:
        self.key = folder / "key"
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(self.key)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)

    def sign(self, payload: bytes) -> str:
        command = ["ssh-keygen", "-Y", "sign", "-q", "-n", "git", "-f", str(self.key)]
        return subprocess.run(command, input=payload, capture_output=True, check=True).stdout.decode()


def test_git_verifies_what_a_signer_signed(repo: Repo, tmp_path: Path) -> None:
    signer = KeyFile(tmp_path)
    writer = Writer(Store.open(repo.path), signer=signer)
    id = commit_on(writer, None)
    allowed = tmp_path / "allowed"
    allowed.write_text(f"kari@example.org {signer.key.with_suffix('.pub').read_text()}")
    repo.git("-c", "gpg.format=ssh", "-c", f"gpg.ssh.allowedSignersFile={allowed}", "verify-commit", id)
    signature = Store.open(repo.path).signature(id)
    assert signature is not None
    assert b"gpgsig" not in signature[0]
    assert signature[1].startswith("-----BEGIN SSH SIGNATURE-----\n")


def test_a_ref_is_made_moved_and_deleted(repo: Repo) -> None:
    writer, store = writer_of(repo), Store.open(repo.path)
    one = commit_on(writer, None)
    two = commit_on(writer, one, b"two")
    for old, new in ((None, one), (one, two), (two, None)):
        writer.move_ref(DRAFT, old=old, new=new)
        assert store.resolve(DRAFT) == new
    assert not (repo.path / "refs/heads/drafts").exists()


@pytest.mark.parametrize("packed", [False, True])
def test_a_ref_that_is_elsewhere_is_left_there(repo: Repo, packed: bool) -> None:
    writer, store = writer_of(repo), Store.open(repo.path)
    one = commit_on(writer, None)
    two = commit_on(writer, one, b"two")
    writer.move_ref(DRAFT, old=None, new=one)
    if packed:
        repo.git("pack-refs", "--all")
    for old, new in ((None, two), (two, one), (two, None)):
        with pytest.raises(RefMoved, match=f"{DRAFT} is at {one[:10]}"):
            writer.move_ref(DRAFT, old=old, new=new)
    assert store.resolve(DRAFT) == one
    assert not (repo.path / f"{DRAFT}.lock").exists()


def test_packed_refs_are_moved_and_deleted(repo: Repo) -> None:
    writer, store = writer_of(repo), Store.open(repo.path)
    one = commit_on(writer, None)
    two = commit_on(writer, one, b"two")
    writer.move_ref(MAIN, old=None, new=one)
    writer.move_ref(DRAFT, old=None, new=one)
    repo.git("pack-refs", "--all", "--prune")
    writer.move_ref(DRAFT, old=one, new=two)
    repo.git("pack-refs", "--all", "--prune")
    writer.move_ref(DRAFT, old=two, new=None)
    assert store.refs("refs/") == {MAIN: one}


def test_a_ref_that_is_gone_is_not_moved(repo: Repo) -> None:
    writer = writer_of(repo)
    one = commit_on(writer, None)
    with pytest.raises(RefMoved, match=f"{DRAFT} does not exist, not at {one[:10]}") as refused:
        writer.move_ref(DRAFT, old=one, new=commit_on(writer, one, b"two"))
    assert refused.value.facts == {"ref": DRAFT, "expected": one}


def test_a_ref_does_not_go_to_what_is_no_commit(repo: Repo) -> None:
    writer = writer_of(repo)
    for id in (CommitId("1" * 40), CommitId(writer.write_blob(b"x"))):
        with pytest.raises(RepositoryProblem, match=f"there is no commit {id}"):
            writer.move_ref(DRAFT, old=None, new=id)
    with pytest.raises(ValueError, match="no full name"):
        writer.move_ref("main", old=None, new=commit_on(writer, None))


def test_a_ref_that_only_points_to_another_is_not_moved(repo: Repo) -> None:
    repo.commit({"a": "1"})
    repo.git("symbolic-ref", DRAFT, MAIN)
    writer = writer_of(repo)
    with pytest.raises(Conflict, match="only points to refs/heads/main"):
        writer.move_ref(DRAFT, old=None, new=commit_on(writer, None))


def test_a_ref_file_with_rubbish_is_named(repo: Repo) -> None:
    writer = writer_of(repo)
    id = commit_on(writer, None)
    (repo.path / MAIN).write_text("rubbish")
    with pytest.raises(RepositoryProblem, match="refs/heads/main"):
        writer.move_ref(MAIN, old=None, new=id)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("first", "second"), [(DRAFT, f"{DRAFT}/eggs"), (f"{DRAFT}/eggs", DRAFT)])
def test_a_ref_cannot_be_the_folder_of_another(repo: Repo, first: str, second: str, packed: bool) -> None:
    writer = writer_of(repo)
    id = commit_on(writer, None)
    writer.move_ref(first, old=None, new=id)
    if packed:
        repo.git("pack-refs", "--all", "--prune")
    with pytest.raises(Conflict, match=f"{second} cannot exist beside {first}"):
        writer.move_ref(second, old=None, new=id)
    assert list(Store.open(repo.path).refs("refs/")) == [first]
    assert not list((repo.path / "refs").rglob("*.lock"))


@pytest.mark.parametrize("kept", [True, False])
def test_a_reflog_is_kept_where_the_repository_wants_one(repo: Repo, kept: bool) -> None:
    repo.git("config", "core.logAllRefUpdates", str(kept).lower())
    writer = writer_of(repo)
    id = commit_on(writer, None)
    writer.move_ref(DRAFT, old=None, new=id, message="one\ntwo")
    log = repo.path / "logs" / DRAFT
    assert log.exists() == kept
    if kept:
        assert log.read_text().split(" ")[:3] == ["0" * 40, id, "Branchpress"]
        assert log.read_text().count("\n") == 1
    writer.move_ref(DRAFT, old=id, new=None)
    assert not log.exists()


def test_a_lock_that_is_held_for_a_moment_is_waited_for(repo: Repo) -> None:
    writer = writer_of(repo)
    id = commit_on(writer, None)
    lock = repo.path / f"{MAIN}.lock"
    lock.touch()
    timer = threading.Timer(0.15, lock.unlink)
    timer.start()
    writer.move_ref(MAIN, old=None, new=id)
    timer.join()
    assert Store.open(repo.path).resolve(MAIN) == id


def test_the_lock_of_packed_refs_is_waited_for_by_a_deletion(repo: Repo) -> None:
    writer = writer_of(repo)
    id = commit_on(writer, None)
    writer.move_ref(MAIN, old=None, new=id)
    lock = repo.path / "packed-refs.lock"
    lock.touch()
    timer = threading.Timer(0.15, lock.unlink)
    timer.start()
    writer.move_ref(MAIN, old=id, new=None)
    timer.join()
    assert Store.open(repo.path).refs("refs/") == {}


def test_a_deleted_ref_does_not_come_back_when_refs_are_packed_meanwhile(repo: Repo) -> None:
    writer, done = writer_of(repo), threading.Event()
    id = commit_on(writer, None)

    def keep_packing() -> None:
        while not done.is_set():
            repo.git("pack-refs", "--all", "--prune")

    thread = threading.Thread(target=keep_packing)
    thread.start()
    for number in range(60):
        writer.move_ref(f"{DRAFT}-{number}", old=None, new=id)
        writer.move_ref(f"{DRAFT}-{number}", old=id, new=None)
    done.set()
    thread.join()
    assert Store.open(repo.path).refs("refs/") == {}


def test_a_lock_that_stays_ends_the_wait_and_is_named(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cms.writer, "LOCK_SECONDS", 0.05)
    writer = writer_of(repo)
    id = commit_on(writer, None)
    lock = repo.path / f"{MAIN}.lock"
    lock.touch()
    with pytest.raises(RefMoved, match=f"{lock} exists"):
        writer.move_ref(MAIN, old=None, new=id)
    assert Store.open(repo.path).resolve(MAIN) is None


def test_only_old_locks_are_removed_at_start(repo: Repo) -> None:
    id = repo.commit({"a": "1"})
    old, packed, young = (repo.path / name for name in (f"{MAIN}.lock", "packed-refs.lock", f"{DRAFT}.lock"))
    young.parent.mkdir()
    for lock in (old, packed, young):
        lock.touch()
    for lock in (old, packed):
        os.utime(lock, (time.time() - 60,) * 2)
    assert sorted(remove_stale_locks(Store.open(repo.path))) == sorted([str(old), str(packed)])
    assert young.exists()
    writer_of(repo).move_ref(MAIN, old=CommitId(id), new=None)


def test_a_lock_whose_owner_died_long_ago_does_not_block_for_ever(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cms.writer, "LOCK_SECONDS", 0.05)
    writer = writer_of(repo)
    id = commit_on(writer, None)
    lock = repo.path / f"{MAIN}.lock"
    lock.touch()
    os.utime(lock, (time.time() - 120,) * 2)
    with Turn(repo.path):  # as when publishing
        writer.move_ref(MAIN, old=None, new=id)
    assert Store.open(repo.path).resolve(MAIN) == id


def test_what_a_killed_maintenance_left_is_removed_too(repo: Repo) -> None:
    repo.commit({"a": "1"})
    refs, graph = repo.path / "packed-refs.new", repo.path / "objects/info/commit-graph.lock"
    for file in (refs, graph):
        file.touch()
        os.utime(file, (time.time() - 120,) * 2)
    assert remove_stale_locks(Store.open(repo.path)) == [str(refs)]
    os.utime(graph, (time.time() - 3_600,) * 2)
    assert remove_stale_locks(Store.open(repo.path)) == [str(graph)]


def cycle(path: Path, count: int, name: str) -> None:
    """Add a commit to the branch, again and again, whatever others do."""
    store = Store.open(path)
    writer = Writer(store)
    for number in range(count):
        while True:
            tip = store.resolve(MAIN)
            try:
                writer.move_ref(MAIN, old=tip, new=commit_on(writer, tip, f"{number}".encode(), f"{name}/{number}"))
                break
            except RefMoved:
                continue


def test_four_processes_that_write_at_once_lose_nothing(repo: Repo) -> None:
    context = multiprocessing.get_context("forkserver")
    others = [context.Process(target=cycle, args=(repo.path, 50, str(number))) for number in range(4)]
    for other in others:
        other.start()
    while any(other.is_alive() for other in others):
        repo.git("pack-refs", "--all", "--prune")
        time.sleep(0.02)
    assert [other.exitcode for other in others] == [0] * 4
    assert len(repo.git("ls-tree", "-r", MAIN).split("\n")) == 200
    assert repo.git("rev-list", "--count", MAIN) == "200"


def test_only_one_of_many_threads_makes_a_ref(repo: Repo) -> None:
    writer = writer_of(repo)
    ids = [commit_on(writer, None, str(number).encode()) for number in range(8)]
    made: list[CommitId] = []

    def make(id: CommitId) -> None:
        try:
            writer.move_ref(DRAFT, old=None, new=id)
            made.append(id)
        except RefMoved:
            pass

    threads = [threading.Thread(target=make, args=(id,)) for id in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [Store.open(repo.path).resolve(DRAFT)] == made


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_refuses_and_changes_nothing(small_disk: Path) -> None:
    repo = Repo.create(small_disk / "site.git")
    writer, store = writer_of(repo), Store.open(repo.path)
    published: list[CommitId] = []
    with pytest.raises(RepositoryProblem, match="the disk is full") as refused:
        publish_forever(writer, published)
    assert refused.value.facts["hint"] == "make room"
    assert store.resolve(MAIN) == published[-1]
    repo.git("fsck", "--full", "--strict")
    assert not list(repo.path.rglob("*.lock")) + list(repo.path.rglob("tmp_*"))


def test_a_full_disk_moves_no_ref_and_writing_goes_on_when_there_is_room(small_disk: Path) -> None:
    repo = Repo.create(small_disk / "site.git")
    writer, store = writer_of(repo), Store.open(repo.path)
    writer.move_ref(MAIN, old=None, new=(tip := commit_on(writer, None)))
    new = commit_on(writer, tip, b"two")
    filler = small_disk / "filler"
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=512"], capture_output=True, check=False)
    with pytest.raises(RepositoryProblem, match="the disk is full"):
        writer.move_ref(MAIN, old=tip, new=new)
    assert store.resolve(MAIN) == tip
    filler.unlink()
    writer.move_ref(MAIN, old=tip, new=new)
    assert store.resolve(MAIN) == new


def test_after_a_failed_sync_nothing_more_is_written(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = writer_of(repo)
    id = commit_on(writer, None)

    def fail(handle: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(RepositoryProblem, match="Input/output error"):
            writer.move_ref(MAIN, old=None, new=id)
    with pytest.raises(RepositoryProblem, match="writing stopped, since the disk failed before"):
        writer.move_ref(MAIN, old=None, new=id)
    assert Store.open(repo.path).resolve(MAIN) is None
