"""The derived cache: a second start reads nothing again, and whatever happens to the file costs time only."""

import os
import random
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from cms.cache import FILE_NAME, DerivedCache
from cms.entry import Parsed
from cms.finding import Finding
from cms.history import History
from cms.model import read_model
from cms.refs import BlobId, CommitId
from cms.snapshot import Snapshot, advance_history, advance_snapshot, build_snapshot, read_history
from cms.store import Store
from tests.repo import Repo

REF = "refs/heads/main"
POSTS = "type: object\nx-path: posts/{slug}.md\nproperties:\n  title: {type: string}\n  rank: {type: integer}\n"
FILES = {
    "cms.toml": '[site]\nlocales = ["nb"]\n',
    "schemas/posts.yaml": POSTS,
    **{f"posts/p{number}.md": f"---\ntitle: P{number}\nrank: {number}\n---\nText.\n" for number in range(20)},
    "posts/bad.md": "---\nrank: x\n---\n",
}


class Counting(Store):
    """A store that counts the blobs it is asked for."""

    read = 0

    def read_blobs(self, ids: Iterable[BlobId]) -> Iterator[tuple[BlobId, bytes | None]]:
        wanted = list(ids)
        self.read += len(wanted)
        return super().read_blobs(wanted)


@pytest.fixture
def site(repo: Repo) -> CommitId:
    """A repository with twenty posts and one that is refused."""
    return CommitId(repo.commit(FILES))


def build(repo: Repo, commit: CommitId, folder: Path) -> tuple[Snapshot, int]:
    """The snapshot, and how many files had to be read for it."""
    store = Counting.open(repo.path)
    assert isinstance(store, Counting)
    model = read_model(store, commit)
    assert model is not None
    cache = DerivedCache(folder)
    try:
        snapshot = build_snapshot(store, commit, model, cache=cache)
        return replace(snapshot, history=read_history(store, commit, cache, REF)), store.read
    finally:
        cache.close()


def same(one: Snapshot, other: Snapshot) -> bool:
    """Whether two snapshots say the same."""
    return (
        (dict(one.files), dict(one.findings), one.commit) == (dict(other.files), dict(other.findings), other.commit)
        and one.files != {}
        and all(one.history.get(path) == other.history.get(path) for path in one.files)
    )


def test_a_second_start_reads_no_file_again(repo: Repo, site: CommitId, tmp_path: Path) -> None:
    first, read = build(repo, site, tmp_path / "cache")
    assert read == 21
    second, read = build(repo, site, tmp_path / "cache")
    assert read == 0
    assert same(first, second)


def test_a_start_after_a_commit_reads_what_changed(repo: Repo, site: CommitId, tmp_path: Path) -> None:
    build(repo, site, tmp_path / "cache")
    later = CommitId(repo.commit({"posts/new.md": "---\ntitle: New\n---\n", "posts/p1.md": "---\ntitle: Other\n---\n"}))
    snapshot, read = build(repo, later, tmp_path / "cache")
    assert read == 2
    assert same(snapshot, build(repo, later, tmp_path / "other")[0])


def test_what_was_learned_while_serving_is_there_at_the_next_start(repo: Repo, site: CommitId, tmp_path: Path) -> None:
    old, _ = build(repo, site, tmp_path / "cache")
    later = CommitId(repo.commit({"posts/new.md": "---\ntitle: New\n---\n"}))
    cache = DerivedCache(tmp_path / "cache")
    store = Store.open(repo.path)
    advance_snapshot(old, store, later, cache=cache, history=advance_history(old, store, later, cache, REF))
    kept = cache.load_history(REF)
    cache.close()
    assert kept is not None
    assert kept[0] == later
    assert build(repo, later, tmp_path / "cache")[1] == 0


@pytest.mark.parametrize(
    "change",
    [
        {"schemas/posts.yaml": POSTS + "  more: {type: string}\n"},
        {"cms.toml": '[site]\nlocales = ["nb", "en"]\n'},
        {"cms.toml": '[site]\nlocales = ["nb"]\ntime_zone = "Europe/Oslo"\n'},
    ],
)
def test_another_model_reads_every_file_anew(
    repo: Repo, site: CommitId, tmp_path: Path, change: dict[str, str]
) -> None:
    build(repo, site, tmp_path / "cache")
    later = CommitId(repo.commit(change))
    assert build(repo, later, tmp_path / "cache")[1] == 21


def test_what_other_models_left_is_pruned(tmp_path: Path) -> None:
    cache = DerivedCache(tmp_path)
    for model in ("one", "two"):
        cache.save_parsed(model, {"ab" * 20: Parsed(fields={"a": 1})})
    cache.prune(["two"])
    assert cache.load_parsed("one") == {}
    assert list(cache.load_parsed("two")) == ["ab" * 20]
    cache.close()


def test_everything_of_a_parsed_entry_is_kept(tmp_path: Path) -> None:
    parsed = Parsed(
        fields={"a": [1, 2.5, None, {"b": "æ"}], "c": True},
        title="T",
        slug="s",
        url="/u",
        locale="nn",
        published_at=1.5,
        publish_at=2.0,
        expire_at=-3.0,
        hidden=True,
        findings=(Finding(message="m", line=3, column=4, field="f", rule="r", hint="h", severity="warning"),),
    )
    cache = DerivedCache(tmp_path)
    cache.save_parsed("model", {"ab" * 20: parsed})
    cache.close()
    again = DerivedCache(tmp_path)
    assert again.load_parsed("model") == {"ab" * 20: parsed}
    again.close()


def overwrite(path: Path, data: bytes) -> None:
    """Put *data* in the place of the file, and no journal beside it."""
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.write_bytes(data)


def altered(statement: str) -> Callable[[Path], None]:
    """A damage that SQL makes."""

    def alter(path: Path) -> None:
        connection = sqlite3.connect(path)
        connection.executescript(statement)
        connection.commit()
        connection.close()

    return alter


DAMAGES: dict[str, Callable[[Path], None]] = {
    "empty": lambda path: overwrite(path, b""),
    "cut in half": lambda path: overwrite(path, path.read_bytes()[: path.stat().st_size // 2]),
    "cut inside the header": lambda path: overwrite(path, path.read_bytes()[:50]),
    "one page too short": lambda path: overwrite(path, path.read_bytes()[:-4096]),
    "no database": lambda path: overwrite(path, b"This is a text.\n" * 500),
    "zeros": lambda path: overwrite(path, bytes(path.stat().st_size)),
    "another version": altered("UPDATE about SET format = 'old'"),
    "no version": altered("DELETE FROM about"),
    "a broken value": altered("UPDATE parsed SET value = x'00'"),
    "a broken value with its checksum": altered("UPDATE parsed SET value = x'ff', checksum = 4278190080"),
    "a value of another type": altered("UPDATE parsed SET value = 5"),
    "a text for a value": altered("UPDATE parsed SET value = 'text'"),
    "a broken history": altered("UPDATE history SET value = x'00'"),
    "a history of another type": altered("UPDATE history SET value = 7"),
    "tables of another shape": altered(
        "DROP TABLE parsed; CREATE TABLE parsed (model TEXT); DROP TABLE history; CREATE TABLE history (x)"
    ),
    "a version table of another shape": altered(
        "DROP TABLE about; CREATE TABLE about (x); INSERT INTO about VALUES (1)"
    ),
    "an older version with tables of another shape": altered(
        "UPDATE about SET format = 'old'; DROP TABLE parsed; CREATE TABLE parsed (model TEXT, blob BLOB)"
    ),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_changes_no_answer_and_is_rebuilt(
    repo: Repo, site: CommitId, tmp_path: Path, damage: str
) -> None:
    folder = tmp_path / "cache"
    expected, _ = build(repo, site, folder)
    DAMAGES[damage](folder / FILE_NAME)
    assert same(build(repo, site, folder)[0], expected)
    build(repo, site, folder)
    snapshot, read = build(repo, site, folder)
    assert same(snapshot, expected)
    assert read == 0


def test_no_flipped_byte_anywhere_changes_an_answer(repo: Repo, site: CommitId, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    expected, _ = build(repo, site, folder)
    sound = (folder / FILE_NAME).read_bytes()
    dice = random.Random(1)
    for _ in range(120):
        place = dice.randrange(len(sound))
        overwrite(
            folder / FILE_NAME, sound[:place] + bytes([sound[place] ^ dice.randrange(1, 256)]) + sound[place + 1 :]
        )
        assert same(build(repo, site, folder)[0], expected)


def test_damage_that_appears_while_serving_is_survived(repo: Repo, site: CommitId, tmp_path: Path) -> None:
    build(repo, site, tmp_path)
    cache = DerivedCache(tmp_path)
    assert cache.load_history(REF) is not None
    overwrite(tmp_path / FILE_NAME, b"broken" * 1000)
    for _ in range(3):
        cache.save_history(REF, site, b"bytes")
        cache.load_parsed("model")
    cache.close()
    assert build(repo, site, tmp_path)[0].files


def test_a_history_of_another_format_is_built_anew(repo: Repo, site: CommitId, tmp_path: Path) -> None:
    expected, _ = build(repo, site, tmp_path)
    cache = DerivedCache(tmp_path)
    cache.save_history(REF, site, b"\x93no history")
    cache.close()
    assert same(build(repo, site, tmp_path)[0], expected)
    assert History.from_bytes(b"") is None


def test_a_folder_in_the_place_of_the_file_is_survived(repo: Repo, site: CommitId, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    assert len(build(repo, site, tmp_path)[0].files) == 20


def test_a_file_in_the_place_of_the_folder_is_survived(repo: Repo, site: CommitId, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    assert len(build(repo, site, tmp_path / "cache")[0].files) == 20


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_survived(repo: Repo, site: CommitId, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        assert len(build(repo, site, tmp_path / "cache")[0].files) == 20
    finally:
        tmp_path.chmod(0o700)


def test_a_cache_that_another_process_is_writing_is_not_thrown_away(
    repo: Repo, site: CommitId, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cms.cache.TIMEOUT_SECONDS", 0.05)
    build(repo, site, tmp_path)
    other = sqlite3.connect(tmp_path / FILE_NAME)
    other.execute("BEGIN EXCLUSIVE")
    later = CommitId(repo.commit({"posts/new.md": "---\ntitle: New\n---\n"}))
    snapshot, read = build(repo, later, tmp_path)
    assert (len(snapshot.files), read) == (21, 1)
    other.rollback()
    other.close()
    assert build(repo, later, tmp_path)[1] == 1
    assert build(repo, later, tmp_path)[1] == 0


def test_many_threads_may_use_one_cache(tmp_path: Path) -> None:
    cache = DerivedCache(tmp_path)

    def work(number: int) -> None:
        for step in range(20):
            cache.save_parsed("model", {f"{number:02x}{step:02x}" * 10: Parsed(fields={"n": number})})
            cache.load_parsed("model")

    threads = [Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(cache.load_parsed("model")) == 80
    cache.close()
