"""Comparing raw trees, also wide ones of which only a part is parsed."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cms.errors import RepositoryProblem
from cms.objects import compare, parse_differing, parse_tree
from cms.refs import TreeId

OLD, NEW = TreeId("old"), TreeId("new")
FILES = st.dictionaries(
    st.integers(0, 400).map(lambda number: f"{number:03d}-post.md"), st.integers(0, 1), max_size=400
)


def raw_tree(files: dict[str, int]) -> bytes:
    """Encode a folder of files whose blobs are made from name and number."""
    rows = (
        b"100644 %s\0%s" % (name.encode(), hashlib.sha1(f"{name}{files[name]}".encode()).digest())
        for name in sorted(files)
    )
    return b"".join(rows)


@settings(max_examples=150, deadline=None)
@given(old=FILES, edits=st.dictionaries(st.integers(0, 400), st.sampled_from([2, 3, None]), max_size=5))
def test_partly_parsed_trees_differ_like_wholly_parsed_ones(old: dict[str, int], edits: dict[int, int | None]) -> None:
    changed = {f"{number:03d}-post.md": edit for number, edit in edits.items()}
    new = {name: value for name, value in {**old, **changed}.items() if value is not None}
    trees = {OLD: raw_tree(old), NEW: raw_tree(new)}
    changes = compare(OLD, NEW, trees.__getitem__)
    assert [change.path for change in changes] == sorted(
        name for name in old.keys() | new.keys() if old.get(name) != new.get(name)
    )
    ids = {row[1].decode(): row[2].hex() for row in parse_tree(trees[NEW], NEW)}
    assert all(change.new == ids.get(change.path) for change in changes)


def test_of_a_wide_folder_only_what_differs_is_parsed() -> None:
    files = {f"{number:05d}.md": 0 for number in range(5_000)}
    old_rows, new_rows = parse_differing((OLD, raw_tree(files)), (NEW, raw_tree({**files, "02500.md": 1})))
    assert [row[1] for row in old_rows] == [row[1] for row in new_rows] == [b"02500.md"]


@pytest.mark.parametrize("damage", [b"rubbish", b"100644 a\0short", b"\0" * 40, b"100644 \0" + b"x" * 20])
def test_damaged_trees_are_refused(damage: bytes) -> None:
    with pytest.raises(RepositoryProblem, match="tree new is damaged"):
        parse_tree(damage, NEW)
    with pytest.raises(RepositoryProblem, match="damaged"):
        parse_differing((OLD, raw_tree({"a": 1})), (NEW, damage))


def test_of_entries_with_the_same_name_the_first_counts() -> None:
    raw = raw_tree({"a": 1}) + raw_tree({"a": 2, "b": 1})
    assert [row[1:] for row in parse_tree(raw, NEW)] == [row[1:] for row in parse_tree(raw_tree({"a": 1, "b": 1}), NEW)]
