"""Edits of a thousand real files: each changes what it should, and not a line beside it."""

import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cms.edit import REMOVED, set_fields
from cms.errors import InvalidFrontMatter
from cms.frontmatter import Document, read
from cms.store import Store
from tests.frontmatters import lines_of, unlike

CORPORA = Path(__file__).parents[2] / "shared" / "corpora"
NAMES = ("rust-blog", "18f-blog", "felleslosninger-docs", "cncf-glossary", "weird-dev")
FILES = 1_000
#: Kinds of edits: which values they are for, and what becomes of them.
Edit = tuple[Callable[[Any], bool], Callable[[Any], Any]]
EDITS: dict[str, Edit] = {
    "text": (lambda old: isinstance(old, str) and "\n" not in old, lambda old: f"{old} – nytt: #1"),
    "a word": (lambda old: isinstance(old, str) and " " in old, lambda old: old.replace(" ", " the ", 1)),
    "a date": (lambda old: isinstance(old, str) and old[:2] in ("19", "20"), lambda _: "2031-12-24"),
    "a yes or no": (lambda old: isinstance(old, bool), lambda old: not old),
    "a number": (lambda old: isinstance(old, int) and not isinstance(old, bool), lambda old: old + 1),
    "one more": (lambda old: isinstance(old, list), lambda old: [*old, "one more: last"]),
    "one less": (lambda old: isinstance(old, list) and len(old) > 1, lambda old: old[1:]),
    "another item": (lambda old: isinstance(old, list) and bool(old), lambda old: [*old[:-1], "no"]),
    "an object": (lambda old: isinstance(old, dict), lambda old: {**old, "more": ["x", 1]}),
    "a value for none": (lambda old: old is None, lambda _: "a: b"),
    "nothing": (lambda old: old is not None, lambda _: None),
    "another kind": (lambda _: True, lambda _: {"list": ["a", {"b": True}], "text": "one\ntwo\n"}),
    "long text": (lambda old: isinstance(old, str), lambda old: f"{old}\n\nMore of it,\nand more.\n"),
    "gone": (lambda _: True, lambda _: REMOVED),
    "new": (lambda _: False, lambda _: ["new", "field"]),
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Content files of the corpora, taken at equal distances."""
    if not CORPORA.exists():
        pytest.skip(f"the corpora are not at {CORPORA}")
    found: list[bytes] = []
    for name in NAMES:
        folder = tmp_path_factory.mktemp("corpora") / f"{name}.git"
        subprocess.run(["git", "clone", "-q", "--bare", str(CORPORA / f"{name}.bundle"), str(folder)], check=True)
        found += _read_all(folder)
    assert len(found) >= FILES
    return [found[number * len(found) // FILES] for number in range(FILES)]


def _read_all(folder: Path) -> Iterator[bytes]:
    store = Store.open(folder)
    head = store.resolve("HEAD")
    assert head is not None
    for file in store.list_files(head):
        if file.path.endswith(".md"):
            source = store.read_blob(file.blob)
            try:
                if read(source).format != "none":
                    yield source
            except InvalidFrontMatter:
                continue


def chosen(document: Document, number: int) -> tuple[str, str, Any]:
    """The edit of a file: its kind, the field and the new value; taken in turn from those that fit."""
    kinds = list(EDITS)
    for step in range(len(kinds)):
        kind = kinds[(number + step) % len(kinds)]
        fits, change = EDITS[kind]
        fitting = [name for name, value in document.values.items() if fits(value)]
        if kind == "nothing" and document.format == "toml":
            continue
        if fitting:
            name = fitting[number % len(fitting)]
            return kind, name, change(document.values[name])
        if kind == "new":
            return kind, "zz_new", change(None)
    raise AssertionError("no edit fits")


def test_a_thousand_real_files_are_edited_within_the_lines_of_one_field(sources: list[bytes]) -> None:
    made: Counter[str] = Counter()
    for number, source in enumerate(sources):
        document = read(source)
        kind, name, value = chosen(document, number)
        result = set_fields(source, {name: value})
        after = {**document.values, name: value}
        assert read(result).values == {key: item for key, item in after.items() if item is not REMOVED}
        assert result[-len(document.body.encode()) - 4 :] == source[-len(document.body.encode()) - 4 :]
        require_within(document, source, result, kind, name)
        made[kind] += 1
    assert sum(made.values()) == FILES
    assert set(made) == set(EDITS)


def require_within(document: Document, source: bytes, result: bytes, kind: str, name: str) -> None:
    """Fail when *result* differs outside of the lines of the field, or in more lines than that kind of edit needs."""
    before, after = (text.decode().splitlines() for text in (source, result))
    first, last, count = unlike(before, after)
    start, end = lines_of(document, name)
    assert start <= first, (kind, name, source)
    assert last <= end, (kind, name, source)
    if kind in ("a date", "a yes or no", "a number", "text"):
        old = document.values[name]
        assert (last - first, count) == (1, 1) or len(str(old)) > 60, (kind, source, result)
    elif kind == "one more" and document.values[name]:
        assert (last - first, count) in ((0, 1), (1, 1)), (kind, source, result)
    elif kind == "new":
        assert last == first, (kind, source, result)


def test_setting_everything_to_what_it_is_changes_nothing(sources: list[bytes]) -> None:
    for source in sources[::5]:
        assert set_fields(source, read(source).values) == source
