"""What only the engine over tantivy has: its files, their damage, and two engines that take turns in one folder."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cms.errors import SearchUnavailable
from cms.search import Engine, SearchDocument, open_engine
from tests.search.tools import document, fill, found, shorten

pytest.importorskip("tantivy", reason="tantivy is not installed")


def _empty(path: Path) -> None:
    replacement = path.with_suffix(".empty")
    replacement.write_bytes(b"")
    replacement.replace(path)


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    with path.open("r+b") as file:  # never shorter, not even for a moment: a thread of tantivy's may have it mapped
        file.write(content)


DAMAGES: list[Callable[[Path], None]] = [Path.unlink, shorten, _empty, _flip]
FILES = [
    "manifest.json",
    *(f"g-[0-9a-f]*/{name}" for name in ("meta.json", "meta.json.sums", "state.json")),
    *(f"g-segments/*.{part}" for part in ("idx", "pos", "term", "store", "fast", "fieldnorm", "del")),
]


def _filled(folder: Path) -> Engine:
    engine = open_engine(folder, engine="tantivy", fingerprint="test")
    fill(engine, a="laks i elva", b="torsk i havet", c="sei")
    engine.update([], ["c"])
    return engine


def _damage(folder: Path, pattern: str, damage: Callable[[Path], None]) -> None:
    damage(max(folder.glob(pattern)).resolve())


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("pattern", FILES)
def test_a_damaged_file_is_noticed_at_the_start_and_the_index_begun_anew(
    folder: Path, pattern: str, damage: Callable[[Path], None]
) -> None:
    _filled(folder).close()
    _damage(folder, pattern, damage)
    engine = open_engine(folder, engine="tantivy", fingerprint="test")
    assert engine.ids() == frozenset()
    fill(engine, a="laks i elva")
    assert found(engine, "laks") == ["a"]
    assert len(list(folder.glob("g-*"))) == 2


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("pattern", FILES)
def test_a_file_damaged_while_serving_is_noticed_and_reset_heals(
    folder: Path, pattern: str, damage: Callable[[Path], None]
) -> None:
    engine = _filled(folder)
    _damage(folder, pattern, damage)
    try:
        assert found(engine, "laks") == ["a"]  # the checksums are in memory: still right
    except SearchUnavailable:
        assert engine.is_broken
    engine.reset()
    fill(engine, a="laks i elva", b="torsk i havet")
    assert (found(engine, "torsk"), engine.is_broken) == (["b"], False)


def test_a_link_that_leads_nowhere_is_noticed_at_the_start(folder: Path) -> None:
    _filled(folder).close()
    next(path for path in folder.glob("g-*/*.term") if path.is_symlink()).unlink()
    assert open_engine(folder, engine="tantivy", fingerprint="test").ids() == frozenset()


def test_files_that_no_snapshot_names_are_cleared_away(folder: Path) -> None:
    engine = _filled(folder)
    (folder / "g-segments" / "left.idx").write_bytes(b"by a process that was killed")
    for n in range(30):
        engine.update([document(f"d{n}", f"laks ord{n}")], [f"d{n - 1}"])
    linked = {path.resolve() for path in folder.glob("g-*/*") if path.is_symlink()}
    assert linked == {path.resolve() for path in (folder / "g-segments").iterdir()}
    assert len(list(folder.glob("g-*"))) == 2
    assert sorted(found(engine, "laks")) == ["a", "d29"]


def test_engines_take_turns_in_one_folder(folder: Path) -> None:
    for name in ("whoosh", "tantivy", "whoosh", "tantivy"):
        engine = open_engine(folder, engine=name, fingerprint="test")
        assert engine.ids() == frozenset()
        fill(engine, a="laks")
        assert found(engine, "laks") == ["a"]
        engine.close()


def test_a_phrase_in_fields_of_different_weight_is_found(folder: Path) -> None:
    engine = open_engine(folder, engine="tantivy", fingerprint="test")
    fields = {"tags": ("rød laks", 4.0), "place": ("laks elv", 0.5)}
    engine.update([SearchDocument("one", "nb", fields=fields), SearchDocument("two", "nb", body="rød, og laks")], [])
    assert [found(engine, text) for text in ('"rød laks"', '"laks elv"', '"rød elv"')] == [["one"], ["one"], []]
