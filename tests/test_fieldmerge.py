"""Merging fields by key: what two people changed apart comes together, and what they changed alike or against each other does not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms.edit import REMOVED, Spelled
from cms.fieldmerge import compare_fields, is_same, merge_fields

SCALARS = st.sampled_from([None, True, 1, 1.5, "a", "b", "one\ntwo\nthree\n", "one\n2\nthree\n", Spelled("3.10", 3.1)])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4)


def merge(base: Any, ours: Any, theirs: Any) -> Any:
    """The merged value of one field, or the names of what clashes in it; ... stands for no field."""
    sides = ({} if value is ... else {"f": value} for value in (base, ours, theirs))
    merged = merge_fields(*sides)
    return [clash.path for clash in merged.clashes] or merged.values.get("f", ...)


@given(FIELDS, FIELDS)
def test_one_side_alone_is_taken(base: dict[str, Any], other: dict[str, Any]) -> None:
    for ours, theirs in ((other, base), (base, other), (other, other)):
        merged = merge_fields(base, ours, theirs)
        assert not merged.clashes
        assert is_same(merged.values, other)


@given(FIELDS, FIELDS, FIELDS)
def test_what_clashes_does_so_from_both_sides(
    base: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any]
) -> None:
    one, other = merge_fields(base, ours, theirs), merge_fields(base, theirs, ours)
    assert {clash.path for clash in one.clashes} == {clash.path for clash in other.clashes}


@given(FIELDS, FIELDS)
def test_different_fields_always_merge(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    theirs = {f"other {name}": value for name, value in theirs.items()}
    base = {**dict.fromkeys(ours, "before"), **dict.fromkeys(theirs, "before")}
    merged = merge_fields(base, {**base, **ours}, {**base, **theirs})
    assert not merged.clashes
    assert is_same(merged.values, {**ours, **theirs})


@given(
    st.lists(st.integers(0, 9), unique=True),
    st.sets(st.integers(0, 9)),
    st.sets(st.integers(0, 9)),
    st.sets(st.integers(10, 19)),
    st.sets(st.integers(20, 29)),
)
def test_lists_take_what_is_added_and_removed(
    base: list[int], gone: set[int], lost: set[int], added: set[int], more: set[int]
) -> None:
    """Additions go to the end, so that no side has anything to replace."""
    ours = [item for item in base if item not in gone or item == base[-1]] + sorted(added)
    theirs = [item for item in base if item not in lost or item == base[-1]] + sorted(more)
    kept = [item for item in base if item in ours and item in theirs]
    assert merge(base, ours, theirs) == [*kept, *sorted(added), *sorted(more)]


LONG = "one\ntwo\nthree\nfour\nfive\n"


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "merged"),
    [
        ("a", "b", "c", [("f",)]),
        ("a", "b", ..., [("f",)]),
        ("a", ..., ..., ...),
        (..., "a", "a", "a"),
        (..., "a", "b", [("f",)]),
        (1, True, 1.0, [("f",)]),
        (True, True, 1, 1),
        (Spelled("3.10", 3.1), 3.1, Spelled("3.10", 3.1), 3.1),
        (Spelled("3.10", 3.1), Spelled("3.10", 3.1), 3.1, 3.1),
        ("3", "3", 3, 3),
        ({"x": 1, "y": 1}, {"x": 2, "y": 1}, {"x": 1, "y": 2}, {"x": 2, "y": 2}),
        ({"x": 1}, {"x": 2}, {"x": 3}, [("f", "x")]),
        ({"x": 1}, {"x": 2}, ..., [("f",)]),
        ({"x": {"y": 1}}, {"x": {"y": 1, "z": 1}}, {"x": {}}, {"x": {"z": 1}}),
        (..., {"x": 1}, {"y": 1}, {"x": 1, "y": 1}),
        (..., {"x": 1}, {"x": 2}, [("f", "x")]),
        (LONG, LONG.replace("one", "1"), LONG.replace("five", "5"), "1\ntwo\nthree\nfour\n5\n"),
        (LONG, LONG.replace("one", "1"), LONG.replace("one", "I"), [("f",)]),
        (["a", "b"], ["a", "b", "c"], ["d", "a", "b"], ["d", "a", "b", "c"]),
        (["a"], ["a", "b"], ["a", "c"], ["a", "b", "c"]),
        (..., ["a"], ["b"], [("f",)]),
        ([], ["a"], ["b"], ["a", "b"]),
        (["a"], ["b", "a"], ["a", "b"], ["b", "a"]),
        (["a", "b"], ["b"], ["a"], []),
        (["a", "b", "c"], ["x", "b", "c"], ["a", "b", "y"], ["x", "b", "y"]),
        (["a", "b", "c"], ["x", "c"], ["a", "b", "y"], ["x", "y"]),
        (["a"], ["b"], ["c"], [("f",)]),
        (["a"], ["b"], [], [("f",)]),
        (["a"], ["b"], ["b"], ["b"]),
        (["a", "b", "c"], ["x", "y", "c"], ["a", "z", "c"], [("f",)]),
        (["a", "b", "c"], ["c", "a", "b"], ["a", "b"], [("f",)]),
        (["a", "b"], ["b", "a"], ["a", "b", "c"], [("f",)]),
        (["a", "a"], ["a"], ["a", "a", "b"], [("f",)]),
        ([{"n": 1, "r": 1}], [{"n": 1, "r": 2}], [{"n": 2, "r": 1}], [{"n": 2, "r": 2}]),
        ([{"n": 1}], [{"n": 2}], [{"n": 3}], [("f", 0, "n")]),
        ([{"n": 1}, "a"], [{"n": 2}, "b"], [{"n": 3}, "c"], [("f",)]),
        ([{"n": 1}, {"n": 2}], [{"n": 1}, {"n": 5}], [{"n": 4}, {"n": 2}], [{"n": 4}, {"n": 5}]),
        ([{"n": 1}], [{"n": 2}], [], [("f",)]),
    ],
)
def test_what_becomes_of_a_field(base: Any, ours: Any, theirs: Any, merged: Any) -> None:
    assert is_same([merge(base, ours, theirs)], [merged])


def test_a_clash_has_all_three_values() -> None:
    (clash,) = merge_fields({"a": {"b": 1}}, {"a": {"b": 2}}, {"a": {}}).clashes
    assert (clash.path, clash.base, clash.ours, clash.theirs) == (("a", "b"), 1, 2, REMOVED)


def test_without_a_base_every_difference_is_named() -> None:
    found = list(compare_fields({"a": 1, "o": {"x": 1, "y": 1}, "b": 1}, {"a": 1, "o": {"x": 2, "y": 1}, "c": 1}))
    assert [(clash.path, clash.ours, clash.theirs) for clash in found] == [
        (("o", "x"), 1, 2),
        (("b",), 1, REMOVED),
        (("c",), REMOVED, 1),
    ]
