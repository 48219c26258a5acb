"""Overlays: what is laid over a commit in memory reads as if it had been committed."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cms.cache import DerivedCache
from cms.errors import Conflict, InvalidContent, RepositoryProblem
from cms.model import read_model
from cms.objects import find_row
from cms.overlay import Overlay, Reader, blob_id
from cms.refs import BlobId, CommitId
from cms.snapshot import Snapshot, advance_snapshot, build_snapshot, follow_snapshot
from cms.store import Store
from tests.repo import Repo

PATHS = ("a.md", "b.md", "d/a.md", "d/b.md", "d/e/a.md", "d.md", "d-e/a.md", "æ/ø.md")
TEXTS = st.sampled_from(["", "one", "two", "---\ntitle: A\n---\n"])
FILES = st.dictionaries(st.sampled_from(PATHS), TEXTS)
CHANGES = st.dictionaries(st.sampled_from(PATHS), st.none() | TEXTS, max_size=5)
POSTS = "type: object\nx-path: posts/{slug}.md\nproperties:\n  title: {type: string}\n"
SITE = {
    "cms.toml": '[site]\nlocales = ["nb"]\nbranch = "main"\n',
    "schemas/posts.yaml": POSTS,
    "posts/a.md": "---\ntitle: A\n---\n",
}


def lay(reader: Reader, base: str, files: Mapping[str, str | None]) -> Overlay:
    """An overlay with these texts, none of them in the repository."""
    contents = {blob_id(text.encode()): text.encode() for text in files.values() if text is not None}
    changes = {path: None if text is None else blob_id(text.encode()) for path, text in files.items()}
    return Overlay(reader, CommitId(base), changes, contents)


def read(reader: Reader, commit: CommitId) -> dict[str, tuple[bytes, int]]:
    """Every file with its bytes and its mode."""
    return {file.path: (reader.read_blob(file.blob), file.mode) for file in reader.list_files(commit)}


@pytest.fixture
def store(repo: Repo) -> Store:
    return Store.open(repo.path)


def published(store: Store, commit: str, folder: Path) -> Snapshot:
    """The snapshot of a commit, from nothing."""
    model = read_model(store, CommitId(commit))
    assert model is not None
    cache = DerivedCache(folder)
    snapshot = build_snapshot(store, CommitId(commit), model, cache=cache)
    cache.close()
    return snapshot


@settings(max_examples=60, deadline=None)
@given(FILES, CHANGES, CHANGES)
def test_an_overlay_reads_like_the_commit_that_it_would_be(
    files: dict[str, str], changes: dict[str, str | None], more: dict[str, str | None]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        repo = Repo.create(Path(folder) / "site.git")
        base = repo.commit(files)
        store = Store.open(repo.path)
        first = lay(store, base, changes)
        overlay = lay(first, first.head, more)
        commit = CommitId(repo.commit({**changes, **more}))
        assert overlay.tree == store.commit(commit).tree
        assert read(overlay, overlay.head) == read(store, commit)
        assert overlay.diff(CommitId(base), overlay.head) == store.diff(CommitId(base), commit)
        assert overlay.diff(overlay.head, commit) == []
        assert overlay.find_blobs(overlay.head, PATHS) == store.find_blobs(commit, PATHS)
        assert overlay.list_files(overlay.head, ["d"]) == store.list_files(commit, ["d"])


def test_nothing_is_written(repo: Repo, store: Store) -> None:
    overlay = lay(store, repo.commit({"a.md": "one"}), {"b.md": "a text that is nowhere"})
    assert repo.git("cat-file", "--batch-check", stdin=f"{overlay.tree}\n".encode()) == f"{overlay.tree} missing"
    assert "b.md" not in read(store, overlay.base)
    assert store.resolve(overlay.head) is None


def test_other_commits_are_read_through_an_overlay_as_they_are(repo: Repo, store: Store) -> None:
    base = CommitId(repo.commit({"a.md": "one"}))
    overlay = lay(store, base, {"a.md": "two"})
    assert read(overlay, base) == {"a.md": (b"one", 0o100644)}
    assert overlay.commit(base) == store.commit(base)
    assert overlay.diff(base, base) == []
    assert overlay.find_blob(base, "a.md") == blob_id(b"one")


def test_the_commit_of_an_overlay_is_a_child_of_its_base(repo: Repo, store: Store) -> None:
    base = CommitId(repo.commit({"a.md": "one"}))
    overlay = lay(store, base, {"a.md": "two"})
    assert overlay.commit(overlay.head).parents == (base,)
    assert overlay.commit(overlay.head).tree == overlay.tree
    assert lay(store, base, {"a.md": "two"}).head == overlay.head != lay(store, base, {}).head


def test_sizes_and_blobs_come_from_the_overlay_and_from_below(repo: Repo, store: Store) -> None:
    overlay = lay(store, repo.commit({"a.md": "one"}), {"b.md": "three"})
    one, three, none = blob_id(b"one"), blob_id(b"three"), BlobId("1" * 40)
    assert [overlay.blob_size(id) for id in (one, three)] == [3, 5]
    assert dict(overlay.read_blobs([one, three, none])) == {one: b"one", three: b"three", none: None}
    with pytest.raises(RepositoryProblem):
        overlay.read_blob(none)


def test_a_program_stays_one_and_a_new_file_is_none(repo: Repo, store: Store) -> None:
    base = repo.commit({"run": "one"}, modes={"run": 0o100755})
    overlay = lay(store, base, {"run": "two", "other": "three"})
    assert {path: mode for path, (_, mode) in read(overlay, overlay.head).items()} == {
        "run": 0o100755,
        "other": 0o100644,
    }


@pytest.mark.parametrize("path", ["../a.md", "a//b.md", ".git/config", "a\x00b.md", ""])
def test_a_path_that_must_not_be_in_a_tree_is_refused(repo: Repo, store: Store, path: str) -> None:
    with pytest.raises(InvalidContent):
        lay(store, repo.commit({"a.md": "one"}), {path: "two"})


def test_a_file_cannot_go_where_a_folder_is(repo: Repo, store: Store) -> None:
    with pytest.raises(Conflict):
        lay(store, repo.commit({"a/b.md": "one"}), {"a": "two"})


def test_a_snapshot_of_an_overlay_is_that_of_the_commit_it_would_be(repo: Repo, store: Store, tmp_path: Path) -> None:
    old = published(store, repo.commit(SITE), tmp_path)
    changes = {"posts/a.md": None, "posts/b.md": "---\ntitle: B\n---\n", "posts/c.md": "---\ntitle: [\n---\n"}
    overlay = lay(store, old.commit.id, changes)
    laid = follow_snapshot(old, overlay, overlay.head)
    committed = published(store, repo.commit(changes), tmp_path)
    assert dict(laid.files) == dict(committed.files)
    assert dict(laid.refused) == dict(committed.refused) != {}
    assert dict(laid.findings) == dict(committed.findings)


def test_a_snapshot_by_another_schema_is_that_of_the_commit_it_would_be(
    repo: Repo, store: Store, tmp_path: Path
) -> None:
    old = published(store, repo.commit({**SITE, "posts/b.md": "---\ntitle: 1\n---\n"}), tmp_path)
    changes: dict[str, str | None] = {"schemas/posts.yaml": POSTS.replace("string", "integer")}
    overlay = lay(store, old.commit.id, changes)
    laid = follow_snapshot(old, overlay, overlay.head)
    committed = published(store, repo.commit(changes), tmp_path)
    assert (list(laid.files), list(laid.refused)) == (["posts/b.md"], ["posts/a.md"])
    assert dict(laid.findings) == dict(committed.findings)


def test_a_draft_keeps_the_history_of_what_is_published(repo: Repo, store: Store, tmp_path: Path) -> None:
    old = published(store, repo.commit(SITE), tmp_path)
    draft = CommitId(repo.commit({"posts/a.md": "---\ntitle: B\n---\n"}, branch="drafts/b", parents=[old.commit.id]))
    assert advance_snapshot(old, store, draft).history is old.history


def test_a_name_inside_an_id_is_not_taken_for_an_entry() -> None:
    sly, id = b"......100644 b\0.....", b"#" * 20
    raw = b"100644 a\0" + sly + b"40000 b\0" + id
    assert find_row(raw, b"b") == (b"40000", b"b", id)
    assert find_row(raw[:-28], b"b") is None
