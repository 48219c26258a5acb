"""A small library of random content: books, people and shops that refer to one another in every way a schema allows, in two languages."""

import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cms.cache import DerivedCache
from cms.catalog import Catalog
from cms.model import read_model
from cms.refs import CommitId
from cms.snapshot import build_snapshot, read_history
from cms.store import Store
from tests.repo import FIRST_COMMIT_AT, Repo

NOW = FIRST_COMMIT_AT.timestamp() + 3600
SCHEMAS = {
    "cms.toml": '[site]\nlocales = ["nb", "en"]\ntime_zone = "Europe/Oslo"\n',
    "schemas/books.yaml": """type: object
x-path: books/{slug}.md
x-title: title
properties:
  title: {type: string}
  price: {type: number}
  pages: {type: integer}
  day: {type: string, format: date}
  at: {type: string, format: date-time}
  sold: {type: boolean}
  tags: {type: array, items: {type: string}}
  author: {type: string, x-reference: people}
  about: {type: array, items: {type: string}, x-reference: [people, books]}
  cover: {type: object, properties: {by: {type: string, x-reference: people}}}
""",
    "schemas/people.yaml": """type: object
x-path: people/{slug}.md
x-title: name
x-body: none
properties:
  name: {type: string}
  age: {type: integer}
  friend: {type: string, x-reference: people}
""",
    "schemas/shops.yaml": """type: object
x-path: shops/{slug}.md
x-body: none
properties:
  title: {type: string}
  price: {type: string}
  sells: {type: array, items: {type: string}, x-reference: [books, people]}
""",
}
NAMES = ("a", "b", "c", "d", "e")


def _line(chance: random.Random, name: str, *values: str) -> str:
    return f"{name}: {chance.choice(values)}\n" if chance.random() < 0.7 else ""


def _names(chance: random.Random) -> str:
    spelled = [*NAMES, "people/a", "books/b", "nobody"]
    return "[" + ", ".join(chance.sample(spelled, chance.randint(0, 4))) + "]"


def write_book(chance: random.Random) -> str:
    """A book with some of its fields."""
    lines = [
        _line(chance, "title", "Alfa", "beta", "Åse", "alfa", "''"),
        _line(chance, "price", "0.1", "0.2", "0.3", "-7.25", "100", "1e3"),
        _line(chance, "pages", "0", "-3", "7", "10", "99", "9007199254740991"),
        _line(chance, "day", "2024-01-01", "2024-01-31", "2023-05-05"),
        _line(chance, "at", "2024-01-01T10:00", "2024-01-31T23:30:00Z", "2023-05-05"),
        _line(chance, "sold", "yes", "no"),
        _line(chance, "tags", "[]", "[x]", "[x, y]", "[z, y, x]"),
        _line(chance, "author", *NAMES, "nobody"),
        _line(chance, "about", _names(chance), _names(chance)),
        _line(chance, "cover", *(f"{{by: {name}}}" for name in NAMES)),
        _line(chance, "draft", "true") if chance.random() < 0.2 else "",
    ]
    return f"---\n{''.join(lines)}---\n"


def _person(chance: random.Random) -> str:
    lines = [_line(chance, "name", "Kari", "Ola"), _line(chance, "age", "20", "40"), _line(chance, "friend", *NAMES)]
    return f"---\n{''.join(lines)}{'draft: true' if chance.random() < 0.15 else ''}\n---\n"


def _shop(chance: random.Random) -> str:
    lines = [_line(chance, "title", "Alfa", "Zed"), _line(chance, "price", "low", "high"), f"sells: {_names(chance)}\n"]
    return f"---\n{''.join(lines)}---\n"


def write_library(seed: int) -> Mapping[str, str]:
    """Files: the same for the same *seed*."""
    chance = random.Random(seed)
    files = dict(SCHEMAS)
    for number, name in enumerate((*NAMES, *(f"book{number}" for number in range(18)))):
        files[f"books/{name}.md"] = write_book(chance)
        if number % 3 == 0:
            files[f"books/{name}.en.md"] = write_book(chance)
    for number, name in enumerate(NAMES):
        files[f"people/{name}.md"] = _person(chance)
        if number % 2 == 0:
            files[f"people/{name}.en.md"] = _person(chance)
    return files | {f"shops/s{number}.md": _shop(chance) for number in range(6)}


def open_library(folder: Path, repo: Repo, commit: str) -> Catalog:
    """The catalog of *commit* as it is made from nothing; nothing is kept on disk but in *folder*."""
    store = Store.open(repo.path)
    model = read_model(store, CommitId(commit))
    assert model is not None
    cache = DerivedCache(folder)
    snapshot = build_snapshot(store, CommitId(commit), model, cache=cache)
    snapshot = replace(snapshot, history=read_history(store, CommitId(commit), cache, "refs/heads/main"))
    assert all(found.severity != "error" for findings in snapshot.findings.values() for found in findings), list(
        snapshot.findings.values()
    )[:2]
    cache.close()
    return Catalog(snapshot, NOW)
