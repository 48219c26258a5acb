"""What the folder of every engine promises: privacy, a manifest that means something, sentences where the disk refuses."""

import json
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cms.errors import SearchUnavailable
from cms.search import Engine, Visible
from tests.search.tools import Open, document, fill, found


def _filled(open_index: Open, folder: Path) -> Engine:
    engine = open_index(folder)
    fill(engine, a="laks i elva", b="torsk i havet")
    return engine


def test_an_index_made_for_something_else_is_left_aside(folder: Path, open_index: Open) -> None:
    _filled(open_index, folder).close()
    assert open_index(folder, fingerprint="other").ids() == frozenset()


def test_a_manifest_of_another_version_is_left_aside(folder: Path, open_index: Open) -> None:
    _filled(open_index, folder).close()
    path = folder / "manifest.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps({**values, "stamp": "older"}))
    assert open_index(folder).ids() == frozenset()


def test_a_manifest_cannot_point_outside_the_folder(folder: Path, open_index: Open) -> None:
    _filled(open_index, folder).close()
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"g-', '"../search_index/g-'))
    assert open_index(folder).ids() == frozenset()


def test_the_folders_are_private(folder: Path, open_index: Open) -> None:
    _filled(open_index, folder)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.glob("g-*"))} == {0o700}


def test_a_generation_that_others_may_write_is_not_trusted(folder: Path, open_index: Open) -> None:
    _filled(open_index, folder).close()
    next(folder.glob("g-*")).chmod(0o777)
    assert open_index(folder).ids() == frozenset()


def test_where_no_folder_can_be_made_search_says_so_and_nothing_else_fails(tmp_path: Path, open_index: Open) -> None:
    (tmp_path / "file").write_text("not a folder")
    engine = open_index(tmp_path / "file")
    assert engine.ids() == frozenset()
    with pytest.raises(SearchUnavailable, match="being built"):
        engine.search("laks", locale=None, visible=Visible(set()))
    with pytest.raises(SearchUnavailable, match="cannot be written"):
        fill(engine, a="laks")


_FILL_UNTIL_FULL = """
import resource, sys
from pathlib import Path
from cms.errors import SearchUnavailable
from cms.search import open_engine
from tests.search.tools import document, found
engine = open_engine(Path(sys.argv[1]), engine=sys.argv[2], fingerprint="test")
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
try:
    engine.update([document(f"d{n}", " ".join(f"ord{n}x{m}" for m in range(200))) for n in range(50)], [])
except SearchUnavailable as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
engine.update([document("c", "sei i fjorden")], [])
print(found(engine, "sei"), found(engine, "laks"), found(engine, "ord1x1"))
"""


def test_a_full_disk_is_a_sentence_and_the_next_update_works(folder: Path, engine_name: str, open_index: Open) -> None:
    _filled(open_index, folder).close()
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _FILL_UNTIL_FULL, str(folder), engine_name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "cannot be written: File too large" in run.stdout, run
    assert run.stdout.splitlines()[-1] == "['c'] ['a'] []"
    assert "Traceback" not in run.stderr


def test_files_of_the_engine_are_closed_with_it(folder: Path, open_index: Open) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    for _ in range(5):
        engine = _filled(open_index, folder)
        found(engine, "laks")
        engine.close()
    assert len(list(Path("/proc/self/fd").iterdir())) < limits if Path("/proc/self/fd").is_dir() else True


def test_an_error_in_the_callers_documents_leaves_the_index_usable(engine: Engine) -> None:
    fill(engine, a="laks")
    with pytest.raises(ZeroDivisionError):
        engine.update((document(str(1 // n), "torsk") for n in (1, 0)), [])
    fill(engine, b="torsk")
    assert found(engine, "torsk") == ["b"]
