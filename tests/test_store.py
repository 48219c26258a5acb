"""Reading real repositories: of every kind, while they change, and when they are broken."""

import os
import shutil
import threading
from pathlib import Path

import pygit2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cms.errors import RepositoryProblem
from cms.objects import Skipped
from cms.refs import BlobId, CommitId
from cms.store import Store
from tests.repo import Repo

MAIN = "refs/heads/main"
UNKNOWN = CommitId("1" * 40)
LINK, SUBMODULE, EXECUTABLE = 0o120000, 0o160000, 0o100755


def read_all(store: Store, commit: str) -> dict[str, bytes]:
    """Read every file of a commit."""
    return {file.path: store.read_blob(file.blob) for file in store.list_files(CommitId(commit))}


def loose_path(repo: Repo, id: str) -> Path:
    """Where the loose object *id* of a bare repository is kept."""
    return repo.path / "objects" / id[:2] / id[2:]


# Kinds of repositories


def test_a_bare_repository_needs_no_work_tree(repo: Repo) -> None:
    commit = repo.commit({"posts/a.md": "one", "b.md": "two"})
    store = Store.open(repo.path)
    assert (store.git_dir, store.work_tree, store.head_ref()) == (repo.path, None, MAIN)
    assert store.resolve(MAIN) == store.resolve("HEAD") == store.resolve(commit) == commit
    assert read_all(store, commit) == {"b.md": b"two", "posts/a.md": b"one"}


def test_a_work_tree_is_read_from_its_commits_only(work_tree: Repo) -> None:
    commit = work_tree.commit({"a.md": "committed"})
    (work_tree.path / "a.md").write_text("not committed")
    store = Store.open(work_tree.path)
    assert (store.work_tree, store.git_dir) == (work_tree.path, work_tree.path / ".git")
    assert read_all(store, commit) == {"a.md": b"committed"}
    assert Store.open(work_tree.path / ".git").resolve(MAIN) == commit


def test_a_linked_work_tree_has_its_own_head_and_shared_branches(work_tree: Repo, tmp_path: Path) -> None:
    first = work_tree.commit({"a.md": "one"})
    work_tree.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "linked"))
    second = work_tree.commit({"a.md": "two"})
    store = Store.open(tmp_path / "linked")
    assert (store.head_ref(), store.resolve("HEAD"), store.resolve(MAIN)) == ("refs/heads/side", first, second)
    assert store.watch("HEAD").current() == first
    assert store.watch(MAIN).current() == second


def test_objects_borrowed_from_another_repository_are_found(repo: Repo, tmp_path: Path) -> None:
    commit = repo.commit({"a.md": "one"})
    repo.git("clone", "-q", "--bare", "--shared", str(repo.path), str(tmp_path / "clone.git"))
    assert read_all(Store.open(tmp_path / "clone.git"), commit) == {"a.md": b"one"}


def test_a_shallow_clone_is_read(repo: Repo, tmp_path: Path) -> None:
    repo.commit({"a.md": "one"})
    commit = repo.commit({"a.md": "two"})
    repo.git("clone", "-q", "--bare", "--depth=1", f"file://{repo.path}", str(tmp_path / "clone.git"))
    assert read_all(Store.open(tmp_path / "clone.git"), commit) == {"a.md": b"two"}


def test_packed_objects_and_refs_read_like_loose_ones(repo: Repo) -> None:
    commits = [repo.commit({"a.md": str(number)}) for number in range(3)]
    store = Store.open(repo.path)
    loose = [read_all(store, commit) for commit in commits]
    repo.git("gc", "-q", "--prune=now")
    assert [read_all(store, commit) for commit in commits] == loose
    assert store.resolve(MAIN) == commits[-1]


def test_a_repository_of_somebody_else_is_read(repo: Repo) -> None:
    commit = repo.commit({"a.md": "one"})
    if os.geteuid() != 0:
        pytest.skip("only root may give a folder away")
    os.chown(repo.path, 12345, 12345)
    assert Store.open(repo.path).resolve(MAIN) == commit


# What cannot be opened


def test_what_is_no_repository_is_explained(work_tree: Repo, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "site.bundle").write_text("")
    (work_tree.path / "posts").mkdir()
    for path, detail, hint in (
        (tmp_path / "missing", "no such folder", "check the path"),
        (tmp_path / "plain", "it is not a Git repository", "git init"),
        (tmp_path / "site.bundle", "it is a file", "git clone site.bundle"),
        (work_tree.path / "posts", "it is a folder inside a repository", str(work_tree.path)),
    ):
        with pytest.raises(RepositoryProblem, match=detail) as refused:
            Store.open(path)
        assert hint in refused.value.facts["hint"]
        assert refused.value.facts["path"] == str(path)


@pytest.mark.parametrize(
    ("setting", "detail"),
    [
        ("[core]\n\trepositoryformatversion = 1\n[extensions]\n\tobjectformat = sha256\n", "SHA-256"),
        ("[core]\n\trepositoryformatversion = 1\n[extensions]\n\trefstorage = reftable\n", "reftable"),
        ("[core]\n\trepositoryformatversion = 9\n", "unsupported repository version 9"),
        ("[core", "configuration is damaged"),
    ],
)
def test_a_kind_of_repository_that_cannot_be_read_is_named(repo: Repo, setting: str, detail: str) -> None:
    (repo.path / "config").write_text(setting)
    with pytest.raises(RepositoryProblem, match=detail):
        Store.open(repo.path)


def test_a_folder_that_may_not_be_read_says_so(repo: Repo, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        tmp_path.parent.chmod(0o700)
        os.seteuid(12345)
    else:
        repo.path.chmod(0)
    try:
        with pytest.raises(RepositoryProblem, match="permission denied") as refused:
            Store.open(repo.path)
    finally:
        os.seteuid(os.getuid())
        repo.path.chmod(0o755)
    assert "let the user" in refused.value.facts["hint"]


# Names


def test_an_empty_repository_has_an_unborn_branch(repo: Repo) -> None:
    store = Store.open(repo.path)
    assert (store.head_ref(), store.resolve("HEAD"), store.resolve(MAIN), store.refs("")) == (MAIN, None, None, {})


def test_a_detached_head_has_no_ref(work_tree: Repo) -> None:
    commit = work_tree.commit({"a.md": "one"})
    work_tree.git("checkout", "-q", "--detach")
    store = Store.open(work_tree.path)
    assert (store.head_ref(), store.resolve("HEAD"), store.watch("HEAD").current()) == (None, commit, commit)


def test_tags_are_peeled_and_refs_to_other_objects_are_not_commits(repo: Repo) -> None:
    commit = repo.commit({"a.md": "one"})
    repo.git("tag", "-a", "-m", "First", "v1")
    repo.git("tag", "-a", "-m", "Tag of a tag", "v1-signed", "v1")
    repo.git("update-ref", "refs/tags/blob", repo.git("rev-parse", "main:a.md"))
    store = Store.open(repo.path)
    assert store.refs("refs/tags/") == {"refs/tags/v1": commit, "refs/tags/v1-signed": commit}
    assert store.resolve("refs/tags/blob") is None
    assert store.resolve(repo.git("rev-parse", "v1")) is None


def test_only_full_names_and_whole_ids_resolve(repo: Repo) -> None:
    commit = repo.commit({"a.md": "one"})
    store = Store.open(repo.path)
    names = ["main", commit[:10], "HEAD~0", f"{MAIN}^0", "refs/heads/../heads/main", "refs/heads/main\0", "", UNKNOWN]
    assert [store.resolve(name) for name in names] == [None] * len(names)


def test_an_unknown_id_is_found_as_soon_as_it_arrives(repo: Repo, tmp_path: Path) -> None:
    repo.commit({"a.md": "one"})
    other = Repo.create(tmp_path / "other.git")
    commit = other.commit({"b.md": "two"})
    store = Store.open(repo.path)
    assert store.resolve(commit) is None
    assert store.resolve(commit) is None
    other.git("push", "-q", str(repo.path), "main:other")
    assert store.resolve(commit) == commit


def test_a_commit_tells_who_when_and_from_what(repo: Repo) -> None:
    first = repo.commit({"a.md": "one"})
    second = repo.commit({"a.md": "two"}, author=("Åse Bø", "ase@example.org"), message="Skriv «to»\n\nMer.")
    commit = Store.open(repo.path).commit(CommitId(second))
    assert (commit.parents, commit.author_name, commit.author_email) == ((first,), "Åse Bø", "ase@example.org")
    assert (commit.message, commit.authored_at, commit.committed_at) == ("Skriv «to»\n\nMer.", repo.clock, repo.clock)


# Files


def test_only_regular_files_with_sane_names_are_listed_and_the_rest_has_reasons(repo: Repo) -> None:
    modes = {"link.md": LINK, "run.sh": EXECUTABLE}
    commit = repo.commit({"a.md": "one", "link.md": "a.md", "run.sh": "", "new\nline.md": "x"}, modes=modes)
    blob = repo.git("rev-parse", "main:a.md")
    raw = repo.git("ls-tree", "main").encode()
    raw += b"\n100644 blob " + blob.encode() + b"\tbl\xe5.md\n160000 commit " + commit.encode() + b"\tmodule\n"
    commit = repo.git("commit-tree", "-m", "Odd", repo.git("-c", "core.bare=true", "mktree", "--missing", stdin=raw))
    listing = Store.open(repo.path).list_files(CommitId(commit))
    assert [(file.path, oct(file.mode)) for file in listing] == [("a.md", "0o100644"), ("run.sh", "0o100755")]
    assert listing.skipped == [
        Skipped("bl\\xe5.md", "its name is not UTF-8"),
        Skipped("link.md", "it is a symbolic link"),
        Skipped("module", "it is a submodule"),
        Skipped("new\\nline.md", "its name contains a control character"),
    ]


def test_a_listing_can_be_restricted_to_folders_and_files(repo: Repo) -> None:
    paths = ["cms.toml", "content/a/b.md", "content/c.md", "content-old/d.md", "schemas/e.yaml", "src/f.py"]
    commit = CommitId(repo.commit(dict.fromkeys(paths, "x")))
    store = Store.open(repo.path)

    def listed(*prefixes: str) -> list[str]:
        return [file.path for file in store.list_files(commit, prefixes)]

    assert listed() == listed("") == listed("/") == sorted(paths, key=os.fsencode)
    assert listed("cms.toml", "content/") == ["cms.toml", "content/a/b.md", "content/c.md"]
    assert listed("content/a", "content") == listed("content", "content/a") == ["content/a/b.md", "content/c.md"]
    assert listed("content/a/b.md", "cms.toml/x", "missing") == ["content/a/b.md"]


def test_one_file_is_found_by_its_path(repo: Repo) -> None:
    commit = CommitId(repo.commit({"a/b.md": "one", "link": "a"}, modes={"link": LINK}))
    store = Store.open(repo.path)
    assert store.find_blob(commit, "a/b.md") == repo.git("rev-parse", "main:a/b.md")
    wrong = ["", "/", "a", "a/", "a/b.md/", "a/b.md/c", "/a/b.md", "a//b.md", "./a/b.md", "link", "x", "\0", "\ud800"]
    assert [store.find_blob(commit, path) for path in wrong] == [None] * len(wrong)
    assert store.find_blobs(commit, [*wrong, "a/b.md"]) == [*[None] * len(wrong), store.find_blob(commit, "a/b.md")]


def test_blobs_are_read_in_bulk_and_a_missing_one_is_none(repo: Repo) -> None:
    commit = repo.commit({"a.md": "one", "b.md": "three"})
    store = Store.open(repo.path)
    a, b = (file.blob for file in store.list_files(CommitId(commit)))
    unknown, tree = BlobId(UNKNOWN), BlobId(repo.git("rev-parse", "main^{tree}"))
    assert list(store.read_blobs([a, unknown, tree, b])) == [(a, b"one"), (unknown, None), (tree, None), (b, b"three")]
    assert (store.blob_size(a), store.blob_size(b)) == (3, 5)


def test_an_unreasonable_tree_is_refused_before_it_fills_memory(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cms.objects.MAX_ENTRIES", 1_000)
    tree = repo.git(
        "mktree", stdin=b"100644 blob %s\ta.md\n" % repo.git("hash-object", "-w", "--stdin", stdin=b"x").encode()
    )
    for _ in range(6):
        tree = repo.git("mktree", stdin=b"".join(b"040000 tree %s\t%d\n" % (tree.encode(), n) for n in range(10)))
    bomb = CommitId(repo.git("commit-tree", "-m", "Bomb", tree))
    harmless = CommitId(repo.commit({"a.md": "x"}))
    store = Store.open(repo.path)
    with pytest.raises(RepositoryProblem, match="more than 1,000 files"):
        store.list_files(bomb)
    with pytest.raises(RepositoryProblem, match="more than 1,000 files"):
        store.diff(harmless, bomb)


def test_folders_nested_too_deep_are_left_out(repo: Repo) -> None:
    commit = repo.commit({"/".join(["d"] * 64) + "/deep.md": "x", "/".join(["d"] * 63) + "/ok.md": "x"})
    listing = Store.open(repo.path).list_files(CommitId(commit))
    assert [len(file.path.split("/")) for file in listing] == [64]
    assert [skipped.reason for skipped in listing.skipped] == ["folders are nested deeper than 64"]


# Damage


def test_a_missing_and_a_damaged_object_are_named(repo: Repo) -> None:
    repo.commit({"a.md": "one", "b.md": "two"})
    a, b = BlobId(repo.git("rev-parse", "main:a.md")), BlobId(repo.git("rev-parse", "main:b.md"))
    loose_path(repo, a).unlink()
    loose_path(repo, b).chmod(0o644)
    loose_path(repo, b).write_bytes(b"rubbish")
    store = Store.open(repo.path)
    for id, what in ((a, "missing"), (b, "damaged")):
        with pytest.raises(RepositoryProblem, match=f"object {id} is {what}") as refused:
            store.read_blob(id)
        assert refused.value.facts["object"] == id
    assert list(store.read_blobs([a, b])) == [(a, None), (b, None)]


def test_a_missing_folder_object_is_a_problem_and_others_are_still_read(repo: Repo) -> None:
    commit = CommitId(repo.commit({"a.md": "one", "posts/b.md": "two"}))
    loose_path(repo, repo.git("rev-parse", "main:posts")).unlink()
    store = Store.open(repo.path)
    with pytest.raises(RepositoryProblem, match="is missing"):
        store.list_files(commit)
    assert [file.path for file in store.list_files(commit, ["a.md"])] == ["a.md"]


def test_an_object_of_another_kind_is_not_taken_for_a_commit_or_a_blob(repo: Repo) -> None:
    commit = repo.commit({"a.md": "one"})
    store = Store.open(repo.path)
    with pytest.raises(RepositoryProblem, match="is not a commit"):
        store.commit(CommitId(repo.git("rev-parse", "main:a.md")))
    with pytest.raises(RepositoryProblem, match="is not a blob"):
        store.read_blob(BlobId(commit))
    with pytest.raises(RepositoryProblem, match="is not a blob"):
        store.blob_size(BlobId(commit))


def test_a_bare_minimum_of_a_commit_is_read_and_less_is_damage(repo: Repo) -> None:
    tree = repo.git("mktree", stdin=b"")
    text = b"tree %s\nauthor\ncommitter X <x> 99999999999999999\nencoding zip\n\n\xff" % tree.encode()
    odd, broken = (
        CommitId(repo.git("hash-object", "-t", "commit", "--literally", "-w", "--stdin", stdin=raw))
        for raw in (text, b"hello")
    )
    store = Store.open(repo.path)
    commit = store.commit(odd)
    assert (commit.author_name, commit.authored_at.year, commit.committed_at.year, commit.message) == (
        "",
        1970,
        9999,
        "�",
    )
    with pytest.raises(RepositoryProblem, match="it names no tree"):
        store.commit(broken)


def test_every_way_to_an_object_names_what_is_missing(repo: Repo) -> None:
    commit = CommitId(repo.commit({"a.md": "one"}))
    store, unknown = Store.open(repo.path), CommitId(UNKNOWN)
    loose_path(repo, repo.git("rev-parse", "main^{tree}")).unlink()
    for read in (
        lambda: store.blob_size(BlobId(UNKNOWN)),
        lambda: store.commits_between(commit, unknown, limit=9),
        lambda: store.find_blob(commit, "a.md"),
        lambda: store.commit(unknown),
    ):
        with pytest.raises(RepositoryProblem, match="is missing"):
            read()


def test_a_damaged_commit_is_no_unknown_one(repo: Repo) -> None:
    commit = repo.commit({"a.md": "one"})
    loose_path(repo, commit).chmod(0o644)
    loose_path(repo, commit).write_bytes(b"rubbish")
    with pytest.raises(RepositoryProblem, match="is damaged"):
        Store.open(repo.path).resolve(commit)


def test_a_ref_that_cannot_be_looked_at_is_a_problem(repo: Repo) -> None:
    repo.commit({"a.md": "one"})
    watch = Store.open(repo.path).watch(MAIN)
    watch.current()
    (repo.path / MAIN).unlink()
    (repo.path / MAIN).symlink_to("main")
    with pytest.raises(RepositoryProblem, match="cannot be read"):
        watch.current()


def test_a_ref_file_with_rubbish_leads_nowhere_or_is_a_problem(repo: Repo) -> None:
    repo.commit({"a.md": "one"})
    (repo.path / MAIN).write_text("rubbish")
    store = Store.open(repo.path)
    with pytest.raises(RepositoryProblem, match="refs/heads/main cannot be read"):
        store.resolve(MAIN)


# While the repository changes


def test_repositories_are_opened_anew_after_a_while(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = repo.commit({"a.md": "one"})
    store = Store.open(repo.path)
    store.resolve(MAIN)
    monkeypatch.setattr("cms.store.POOL_SECONDS", -1.0)
    assert read_all(store, commit) == {"a.md": b"one"}


def test_ids_that_were_not_found_are_not_looked_for_again_and_again(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(repo.path)
    monkeypatch.setattr("cms.store._MAX_UNKNOWN", 2)
    os.utime(repo.path / "objects/pack", (1_700_000_000, 1_700_000_000))
    threading.Event().wait(0.06)  # until the folder is too old to change unnoticed
    for digit in "12312":
        assert store.resolve(digit * 40) is None
        assert store.resolve(digit * 40) is None
    commit = repo.commit({"a.md": "one"})
    assert store.resolve(commit) == commit


def test_reading_goes_on_while_git_collects_garbage(repo: Repo) -> None:
    commits = [repo.commit({f"{name}.md": f"{turn} {name}" for name in range(20)}) for turn in range(10)]
    store, done, failures = Store.open(repo.path), threading.Event(), []

    def read() -> None:
        try:
            while not done.is_set():
                assert all(len(read_all(store, commit)) == 20 for commit in commits)
        except BaseException as error:
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for _ in range(3):
        repo.git("repack", "-q", "-a", "-d", "-f")
        repo.git("gc", "-q", "--prune=now")
    done.set()
    for reader in readers:
        reader.join()
    assert failures == []


def test_a_watch_follows_commits_force_pushes_deletions_and_packed_refs(repo: Repo) -> None:
    watch = Store.open(repo.path).watch(MAIN)
    seen = [watch.current()]
    first, second = repo.commit({"a.md": "one"}), repo.commit({"a.md": "two"})
    seen += [watch.current()]
    repo.git("update-ref", MAIN, first)
    seen += [watch.current()]
    repo.git("pack-refs", "--all")
    seen += [watch.current(), watch.current()]
    repo.git("update-ref", "-d", MAIN)
    seen += [watch.current()]
    third = repo.commit({"b.md": "three"})
    assert [*seen, watch.current()] == [None, second, first, first, first, None, third]


def test_a_watch_sees_every_one_of_many_quick_moves(repo: Repo) -> None:
    commits = [repo.commit({"a.md": str(number)}) for number in range(2)]
    watch = Store.open(repo.path).watch(MAIN)
    references = pygit2.Repository(str(repo.path)).references
    for turn in range(200):
        references[MAIN].set_target(commits[turn % 2])
        assert watch.current() == commits[turn % 2]


def test_a_settled_watch_still_notices_a_move(repo: Repo) -> None:
    first = repo.commit({"a.md": "one"})
    watch = Store.open(repo.path).watch("HEAD")
    for name in ("HEAD", MAIN):
        os.utime(repo.path / name, (1_700_000_000, 1_700_000_000))
    threading.Event().wait(0.06)  # until its files are too old to change unnoticed
    assert [watch.current(), watch.current()] == [first, first]
    second = repo.commit({"a.md": "two"})
    assert watch.current() == second
    repo.commit({"b.md": "x"}, branch="other", parents=[first])
    repo.git("symbolic-ref", "HEAD", "refs/heads/other")
    assert watch.current() == repo.git("rev-parse", "other")


def test_a_watch_of_a_symbolic_branch_follows_its_target(repo: Repo) -> None:
    repo.commit({"a.md": "one"})
    repo.git("symbolic-ref", "refs/heads/live", MAIN)
    watch = Store.open(repo.path).watch("refs/heads/live")
    watch.current()
    assert repo.commit({"a.md": "two"}) == watch.current()


def test_symbolic_refs_in_a_circle_lead_nowhere(repo: Repo) -> None:
    repo.commit({"a.md": "one"})
    repo.git("symbolic-ref", "refs/heads/x", "refs/heads/y")
    repo.git("symbolic-ref", "refs/heads/y", "refs/heads/x")
    store = Store.open(repo.path)
    assert (store.resolve("refs/heads/x"), store.watch("refs/heads/x").current()) == (None, None)


def test_a_repository_that_vanishes_is_a_problem_until_it_is_back(repo: Repo) -> None:
    commit = repo.commit({"a.md": "one"})
    watch = Store.open(repo.path).watch(MAIN)
    assert watch.current() == commit
    shutil.move(repo.path, away := repo.path.with_name("away"))
    for _ in range(2):
        with pytest.raises(RepositoryProblem):
            watch.current()
    shutil.move(away, repo.path)
    assert watch.current() == commit


# Differences


def test_a_difference_names_files_and_their_blobs(repo: Repo) -> None:
    old = CommitId(repo.commit({"a.md": "1", "b.md": "2", "c/d.md": "3", "same/x.md": "s", "run": "r"}))
    new = CommitId(repo.commit({"a.md": "one", "b.md": None, "e/f.md": "4", "run": "r"}, modes={"run": EXECUTABLE}))
    changes = Store.open(repo.path).diff(old, new)
    blob = {file.path: file.blob for commit in (old, new) for file in Store.open(repo.path).list_files(commit)}
    assert [(change.path, change.old is None, change.new) for change in changes] == [
        ("a.md", False, blob["a.md"]),
        ("b.md", False, None),
        ("e/f.md", True, blob["e/f.md"]),
    ]
    assert Store.open(repo.path).diff(new, new) == []


def test_a_file_that_becomes_a_folder_or_a_link_is_gone(repo: Repo) -> None:
    first = CommitId(repo.commit({"a": "1", "b": "2", "c/d": "3"}))
    second = CommitId(repo.commit({"a": None, "c/d": None}))
    third = CommitId(repo.commit({"a/x": "1", "b": "2", "c": "3"}, parents=[second], modes={"b": LINK}))
    store = Store.open(repo.path)

    def differing(old: CommitId, new: CommitId, *prefixes: str) -> list[tuple[str, bool, bool]]:
        return [
            (change.path, change.old is not None, change.new is not None) for change in store.diff(old, new, prefixes)
        ]

    forward = [("a", True, False), ("a/x", False, True), ("b", True, False), ("c", False, True), ("c/d", True, False)]
    assert differing(first, third) == forward
    assert differing(third, first) == [(path, new, old) for path, old, new in forward]
    assert differing(first, third, "a/x", "c") == [("a/x", False, True), ("c", False, True), ("c/d", True, False)]


NAMES = st.sampled_from(["a", "b", "a.md", "a-", "æ", "z" * 40])
TREES = st.dictionaries(st.lists(NAMES, min_size=1, max_size=3).map("/".join), st.sampled_from("xyz"), max_size=14)


def without_conflicts(files: dict[str, str]) -> dict[str, str | None]:
    """Drop files whose path is a folder of another one."""
    return {path: text for path, text in files.items() if not any(other.startswith(path + "/") for other in files)}


@settings(max_examples=60, deadline=None)
@given(old=TREES, new=TREES)
def test_a_difference_agrees_with_git(
    tmp_path_factory: pytest.TempPathFactory, old: dict[str, str], new: dict[str, str]
) -> None:
    repo = Repo.create(tmp_path_factory.mktemp("pair") / "site.git")
    before = CommitId(repo.commit(without_conflicts(old), branch="old"))
    after = CommitId(repo.commit(without_conflicts(new), branch="new"))
    fields = repo.git("diff-tree", "-r", "-z", "--no-renames", before, after).split("\0")[:-1]
    expected = {}
    for line, path in zip(fields[::2], fields[1::2], strict=True):
        old_id, new_id = (None if set(id) == {"0"} else id for id in line.split()[2:4])
        expected[path.encode("utf-8", "surrogateescape").decode()] = (old_id, new_id)
    changes = Store.open(repo.path).diff(before, after)
    assert {change.path: (change.old, change.new) for change in changes} == expected
    assert [change.path for change in changes] == sorted(expected)


def test_remotes_are_named_origin_first(repo: Repo) -> None:
    store = Store.open(repo.path)
    assert store.remotes() == []
    for name in ("mirror", "origin", "backup"):
        repo.git("remote", "add", name, "https://example.org/site.git")
    store.close()
    assert store.remotes() == ["origin", "backup", "mirror"]
