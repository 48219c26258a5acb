"""Every file of an index is damaged in turn below a running site: it never answers wrongly, and soon answers again."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cms.errors import SearchUnavailable
from cms.inferred import infer_model
from cms.query import Query
from cms.search import open_engine
from cms.searchtexts import search_fingerprint
from cms.site import Site
from tests.repo import Repo
from tests.search.tools import shorten

FISH = {"laks": "Laksen går opp elva.", "torsk": "Torsken går i havet.", "sei": "Seien følger torsken i havet."}
EXPECTED = {"laks": ["laks"], "torsk": ["torsk", "sei"], '"i havet"': ["sei", "torsk"], "havet -sei": ["torsk"]}
SCHEMA = "type: object\nx-path: posts/{slug}.md\nproperties:\n  title: {type: string}\n"


def _empty(path: Path) -> None:
    replacement = path.with_suffix(".empty")
    replacement.write_bytes(b"")
    replacement.replace(path)


def _flip(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:  # in place: who has the file mapped must not find it shorter, not even for a moment
        file.seek(size // 3)
        letter = file.read(1)
        file.seek(size // 3)
        file.write(bytes([letter[0] ^ 0x04]) if letter else b"")


@pytest.fixture
def site(tmp_path: Path, engine_name: str) -> Iterator[Site]:
    repo = Repo.create(tmp_path / "site.git")
    posts = {f"posts/{slug}.md": f"---\ntitle: Om {slug}\n---\n\n{text}\n" for slug, text in FISH.items()}
    settings = f'[site]\nlocales = ["nb"]\n[search]\nengine = "{engine_name}"\n'
    repo.commit({"cms.toml": settings, "schemas/posts.yaml": SCHEMA, **posts})
    site = Site.open(repo.path, infer=infer_model)
    yield site
    site.close()


def _found(site: Site, text: str) -> list[str]:
    query = Query(collection=site.catalog.shelves["posts"].collection, chain=site.catalog.default_chain)
    return [entry.slug for entry in site.searcher.search(site.catalog, [query], text, by_relevance=True).entries]


def _answers_again(site: Site) -> bool:
    """Ask until it answers, which it must rightly at once."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            assert {text: sorted(_found(site, text)) for text in EXPECTED} == {
                t: sorted(e) for t, e in EXPECTED.items()
            }
        except SearchUnavailable:
            time.sleep(0.01)
        else:
            return True
    return False


def _kinds(folder: Path) -> list[str]:
    """A pattern for each kind of file there is."""
    found = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}
    return sorted({f"g-*/*{path.suffix}" if path.parent.name else path.name for path in found})


@pytest.mark.parametrize("damage", [Path.unlink, shorten, _empty, _flip], ids=["delete", "shorten", "empty", "flip"])
def test_a_site_never_answers_wrongly_and_heals(site: Site, damage: Callable[[Path], None]) -> None:
    folder = site.cache_folder / "index"
    assert _answers_again(site)
    kinds = _kinds(folder)
    assert len(kinds) >= 6
    for kind in kinds:
        damage(max(path for path in folder.glob(kind) if not path.is_symlink()))
        assert _answers_again(site), kind
        assert site.searcher.missing(site.catalog.snapshot) == {}


def test_an_index_that_another_process_empties_never_answers_with_nothing(site: Site, engine_name: str) -> None:
    assert _answers_again(site)
    other = open_engine(
        site.cache_folder / "index", fingerprint=search_fingerprint(site.catalog.model), engine=engine_name
    )
    for _ in range(3):
        other.reset()
        assert _answers_again(site)
    other.close()


def test_an_index_that_is_emptied_in_the_middle_of_a_search_is_not_believed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _answers_again(site)
    engine = site.searcher._engine
    search = engine.search

    def emptied(*arguments: Any, **named: Any) -> Any:
        monkeypatch.setattr(engine, "search", search)
        engine.reset()
        return search(*arguments, **named)

    monkeypatch.setattr(engine, "search", emptied)
    assert sorted(_found(site, "havet")) == ["sei", "torsk"]
