"""Whatever happens to the files: never a wrong answer, never a crash, always healed."""

import json
import os
import resource
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cms.errors import SearchUnavailable
from cms.search import EmbeddedEngine, Engine, open_engine
from tests.search.tools import document, fill, found


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


DAMAGES: list[Callable[[Path], None]] = [Path.unlink, _truncate, _empty, _flip]
FILES = ["manifest.json", "g-*/*.toc", "g-*/*.sums", "g-*/*.seg", "g-*/*.words"]


def _damage(folder: Path, pattern: str, damage: Callable[[Path], None]) -> None:
    damage(max(folder.glob(pattern)))


def _filled(folder: Path) -> Engine:
    engine = open_engine(folder, fingerprint="test")
    fill(engine, a="laks i elva", b="torsk i havet")
    return engine


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("pattern", FILES)
def test_a_damaged_file_is_noticed_at_the_start_and_the_index_begun_anew(
    folder: Path, pattern: str, damage: Callable[[Path], None]
) -> None:
    _filled(folder).close()
    _damage(folder, pattern, damage)
    engine = open_engine(folder, fingerprint="test")
    assert engine.ids() == frozenset()
    fill(engine, a="laks i elva")
    assert found(engine, "laks") == ["a"]
    assert len(list(folder.glob("g-*"))) == 1


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("pattern", FILES)
def test_a_file_damaged_while_serving_is_noticed_and_reset_heals(
    folder: Path, pattern: str, damage: Callable[[Path], None]
) -> None:
    engine = _filled(folder)
    _damage(folder, pattern, damage)
    try:
        assert found(engine, "laks") == ["a"]  # the table of contents is in memory: still right
    except SearchUnavailable:
        assert engine.is_broken
    engine.reset()
    fill(engine, a="laks i elva", b="torsk i havet")
    assert (found(engine, "torsk"), engine.is_broken) == (["b"], False)


def test_damage_that_the_date_of_change_hides_is_noticed(folder: Path) -> None:
    engine = _filled(folder)
    path = max(folder.glob("g-*/*.seg"))
    facts = path.stat()
    with path.open("r+b") as file:
        file.write(b"\xff" * facts.st_size)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    with pytest.raises(SearchUnavailable, match="being built anew"):
        found(engine, "laks")
    engine.reset()
    assert (engine.is_broken, engine.ids()) == (False, frozenset())


def test_what_goes_wrong_in_the_middle_of_a_query_is_unavailable_not_a_crash(folder: Path) -> None:
    engine = open_engine(folder, fingerprint="test")
    fill(engine, a="laks i elva")
    assert isinstance(engine, EmbeddedEngine)
    assert engine._current is not None
    engine._current.segments[0]._lengths["body_norwegian"] = b""
    with pytest.raises(SearchUnavailable, match="being built anew"):
        found(engine, "laks")
    assert engine.is_broken


def test_every_single_flipped_byte_of_a_table_of_contents_is_noticed(folder: Path) -> None:
    _filled(folder).close()
    backup = folder.with_name("backup")
    shutil.copytree(folder, backup)
    size = max(folder.glob("g-*/*.toc")).stat().st_size
    for at in range(0, size, 29):
        shutil.rmtree(folder)
        shutil.copytree(backup, folder)
        path = max(folder.glob("g-*/*.toc"))
        content = bytearray(path.read_bytes())
        content[at] ^= 1
        path.write_bytes(content)
        assert open_engine(folder, fingerprint="test").ids() == frozenset()


def test_an_index_made_for_something_else_is_left_aside(folder: Path) -> None:
    _filled(folder).close()
    assert open_engine(folder, fingerprint="other").ids() == frozenset()


def test_a_manifest_of_another_version_is_left_aside(folder: Path) -> None:
    _filled(folder).close()
    path = folder / "manifest.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps({**values, "stamp": "older"}))
    assert open_engine(folder, fingerprint="test").ids() == frozenset()


def test_a_manifest_cannot_point_outside_the_folder(folder: Path, tmp_path: Path) -> None:
    _filled(folder).close()
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"g-', '"../search_index/g-'))
    assert open_engine(folder, fingerprint="test").ids() == frozenset()


def test_the_folders_are_private(folder: Path) -> None:
    _filled(folder)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.glob("g-*"))} == {0o700}


def test_a_generation_that_others_may_write_is_not_trusted(folder: Path) -> None:
    _filled(folder).close()
    next(folder.glob("g-*")).chmod(0o777)
    assert open_engine(folder, fingerprint="test").ids() == frozenset()


def test_where_no_folder_can_be_made_search_says_so_and_nothing_else_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    engine = open_engine(tmp_path / "file", fingerprint="test")
    assert engine.ids() == frozenset()
    with pytest.raises(SearchUnavailable, match="being built"):
        engine.search("laks", locale=None, allowed=set())
    with pytest.raises(SearchUnavailable, match="cannot be written"):
        fill(engine, a="laks")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_folder_is_searched_and_refuses_updates_with_a_sentence(folder: Path) -> None:
    _filled(folder).close()
    next(folder.glob("g-*")).chmod(0o500)
    engine = open_engine(folder, fingerprint="test")
    assert found(engine, "laks") == ["a"]
    with pytest.raises(SearchUnavailable, match="cannot be written"):
        fill(engine, c="sei")


_FILL_UNTIL_FULL = """
import resource, sys
from pathlib import Path
from cms.errors import SearchUnavailable
from cms.search import open_engine
from tests.search.tools import document, found
engine = open_engine(Path(sys.argv[1]), fingerprint="test")
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
try:
    engine.update([document(f"d{n}", " ".join(f"ord{n}x{m}" for m in range(200))) for n in range(50)], [])
except SearchUnavailable as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
engine.update([document("c", "sei i fjorden")], [])
print(found(engine, "sei"), found(engine, "laks"), found(engine, "ord1x1"))
"""


def test_a_full_disk_is_a_sentence_and_the_next_update_works(folder: Path) -> None:
    _filled(folder).close()
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _FILL_UNTIL_FULL, str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "cannot be written: File too large" in run.stdout, run
    assert run.stdout.splitlines()[-1] == "['c'] ['a'] []"
    assert "Traceback" not in run.stderr


def test_files_of_the_engine_are_closed_with_it(folder: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    for _ in range(5):
        engine = _filled(folder)
        found(engine, "laks")
        engine.close()
    assert len(list(Path("/proc/self/fd").iterdir())) < limits if Path("/proc/self/fd").is_dir() else True


def test_an_error_in_the_callers_documents_leaves_the_index_usable(engine: Engine) -> None:
    fill(engine, a="laks")
    with pytest.raises(ZeroDivisionError):
        engine.update((document(str(1 // n), "torsk") for n in (1, 0)), [])
    fill(engine, b="torsk")
    assert found(engine, "torsk") == ["b"]
