"""What others wrote a moment ago is on the disk before a ref of ours leads there, and nothing else is waited for."""

import os
import time
from pathlib import Path

import pytest

from cms.refs import CommitId
from cms.store import Store
from cms.writer import Ident, Writer
from tests.repo import FIRST_COMMIT_AT, Repo

MAIN, DRAFT = "refs/heads/main", "refs/heads/drafts/easter"
KARI = Ident(name="Kari", email="kari@example.org", at=FIRST_COMMIT_AT)


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Fills with the objects that are synced by Python; libgit2 syncs what it writes by itself."""
    found: set[str] = set()
    real = os.fsync

    def sync(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        if len(path.name) == 38:
            found.add(path.parent.name + path.name)
        real(handle)

    monkeypatch.setattr(os, "fsync", sync)
    return found


def objects_of(repo: Repo, *arguments: str) -> set[str]:
    """The objects that these commits lead to."""
    return set(repo.git("rev-list", "--objects", "--no-object-names", *arguments).split())


def age(repo: Repo, ids: set[str]) -> None:
    """Make objects older than the kernel keeps anything to itself."""
    for id in ids:
        os.utime(repo.path / "objects" / id[:2] / id[2:], (time.time() - 600,) * 2)


def test_a_fresh_commit_of_somebody_else_is_synced_with_all_that_is_new_in_it(repo: Repo, synced: set[str]) -> None:
    old = repo.commit({"posts/a.md": "a\n", "posts/b.md": "b\n"})
    age(repo, objects_of(repo, old))
    repo.commit({"posts/a.md": "A\n", "deep/er/c.md": "c\n"}, branch="drafts/easter", parents=[old])
    new = repo.commit({"posts/b.md": None}, branch="drafts/easter")
    writer = Writer(Store.open(repo.path))
    writer.move_ref(MAIN, old=CommitId(old), new=CommitId(new))
    assert synced == objects_of(repo, new, f"^{old}")


def test_it_is_looked_for_behind_what_the_writer_wrote_itself(repo: Repo, synced: set[str]) -> None:
    old = CommitId(repo.commit({"a.md": "a\n"}))
    age(repo, objects_of(repo, old))
    head = CommitId(repo.commit({"b.md": "b\n"}, branch="drafts/easter", parents=[old]))
    store = Store.open(repo.path)
    writer = Writer(store)
    tree = writer.write_tree(store.commit(head).tree, {"c.md": writer.write_blob(b"c\n")})
    merge = writer.write_commit(tree=tree, parents=[old, head], author=KARI, committer=KARI, message="Publish")
    writer.move_ref(MAIN, old=old, new=merge)
    assert synced == objects_of(repo, head, f"^{old}")


def test_what_is_packed_or_old_is_not_waited_for(repo: Repo, synced: set[str]) -> None:
    old = CommitId(repo.commit({"a.md": "a\n"}))
    repo.git("repack", "-adq")
    aged = CommitId(repo.commit({"b.md": "b\n"}, branch="drafts/easter", parents=[old]))
    age(repo, objects_of(repo, aged, f"^{old}"))
    writer = Writer(Store.open(repo.path))
    writer.move_ref(DRAFT, old=aged, new=old)
    writer.move_ref(MAIN, old=old, new=aged)
    assert not synced


def test_what_is_there_already_is_synced_instead_of_written(repo: Repo, synced: set[str]) -> None:
    blob = repo.git("hash-object", "-w", "--stdin", stdin=b"text\n")
    writer = Writer(Store.open(repo.path))
    for _ in range(2):
        assert writer.write_blob(b"text\n") == blob
    assert synced == {blob}


def test_nothing_is_synced_twice_and_no_history_walked_twice(repo: Repo, synced: set[str]) -> None:
    head = CommitId(repo.commit({"a.md": "a\n"}))
    store = Store.open(repo.path)
    writer = Writer(store)
    for number in range(30):
        tree = store.commit(head).tree
        new = writer.write_commit(tree=tree, parents=[head], author=KARI, committer=KARI, message=f"{number}")
        writer.move_ref(MAIN, old=head, new=new)
        head = new
        assert bool(synced) == (number == 0)
        synced.clear()
    read: list[str] = []
    original = store.commit
    store.commit = lambda id: (read.append(id), original(id))[1]  # type: ignore[func-returns-value,method-assign]
    new = writer.write_commit(tree=tree, parents=[head], author=KARI, committer=KARI, message="Last")
    writer.move_ref(MAIN, old=head, new=new)
    assert read == [new]


def test_an_object_that_a_power_cut_emptied_is_written_anew(repo: Repo) -> None:
    writer = Writer(Store.open(repo.path))
    blob = writer.write_blob(b"text\n")
    file = repo.path / "objects" / blob[:2] / blob[2:]
    file.chmod(0o644)
    file.write_bytes(b"")
    again = Writer(Store.open(repo.path))
    assert again.write_blob(b"text\n") == blob
    assert Store.open(repo.path).read_blob(blob) == b"text\n"


def test_a_shallow_clone_is_synced_up_to_its_border(repo: Repo, tmp_path: Path, synced: set[str]) -> None:
    repo.commit({"a.md": "a\n"})
    head = CommitId(repo.commit({"b.md": "b\n"}))
    clone = Repo(tmp_path / "clone")
    repo.git("clone", "-q", "--bare", "--depth", "1", repo.path.as_uri(), str(clone.path))
    pack = next((clone.path / "objects/pack").glob("*.pack")).rename(tmp_path / "pack")
    clone.git("unpack-objects", "-q", stdin=pack.read_bytes())
    Writer(Store.open(clone.path)).move_ref(DRAFT, old=None, new=head)
    assert synced == objects_of(clone, head)
