"""Whatever happens to the files of the built-in engine: never a wrong answer, never a crash, always healed."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cms.errors import SearchUnavailable
from cms.search import Engine, open_engine
from cms.search.embedded import EmbeddedEngine
from tests.search.tools import fill, found


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


DAMAGES: list[Callable[[Path], None]] = [Path.unlink, _truncate, _empty, _flip]


def _filled(folder: Path) -> Engine:
    engine = open_engine(folder, fingerprint="test")
    fill(engine, a="laks i elva", b="torsk i havet")
    return engine


def _every_file(folder: Path) -> list[Path]:
    """Every file of an index but the lock, which holds nothing."""
    found = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.name != "lock")
    kinds = {"".join(path.suffixes[-1:]) for path in found}
    assert kinds >= {".json", ".toc", ".sums", ".seg", ".words"}
    return found


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damaged_file_is_noticed_at_the_start_and_the_index_begun_anew(
    folder: Path, damage: Callable[[Path], None]
) -> None:
    _filled(folder).close()
    backup = shutil.copytree(folder, folder.with_name("backup"))
    for path in _every_file(backup):
        shutil.rmtree(folder)
        shutil.copytree(backup, folder)
        damage(folder / path)
        engine = open_engine(folder, fingerprint="test")
        assert engine.ids() == frozenset(), path
        fill(engine, a="laks i elva")
        assert found(engine, "laks") == ["a"]
        assert len(list(folder.glob("g-*"))) == 1


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_file_damaged_while_serving_is_noticed_and_reset_heals(
    folder: Path, damage: Callable[[Path], None]
) -> None:
    _filled(folder).close()
    backup = shutil.copytree(folder, folder.with_name("backup"))
    for path in _every_file(backup):
        shutil.rmtree(folder)
        shutil.copytree(backup, folder)
        engine = open_engine(folder, fingerprint="test")
        assert found(engine, "laks") == ["a"]
        damage(folder / path)
        try:
            assert found(engine, "laks") == ["a"]  # what is damaged is in memory: still right
        except SearchUnavailable:
            assert engine.is_broken, path
        engine.reset()
        fill(engine, a="laks i elva", b="torsk i havet")
        assert (found(engine, "torsk"), engine.is_broken) == (["b"], False), path


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


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_folder_is_searched_and_refuses_updates_with_a_sentence(folder: Path) -> None:
    _filled(folder).close()
    next(folder.glob("g-*")).chmod(0o500)
    engine = open_engine(folder, fingerprint="test")
    assert found(engine, "laks") == ["a"]
    with pytest.raises(SearchUnavailable, match="cannot be written"):
        fill(engine, c="sei")
