"""What differs between two texts, by word."""

from hypothesis import given, settings
from hypothesis import strategies as st

from cms.worddiff import BYTES_MOST, CONTEXT, compare_words, find_segments

TEXTS = st.lists(
    st.sampled_from(["a", "b", "word", " ", "\n", "\n\n", ", ", "!", "æ", "日本", "\0", "\r"]), max_size=30
).map("".join)


def shown(old: str, new: str) -> list[str]:
    """The passages as ``git diff --word-diff`` would write them."""
    marks = {"removed": "[-{}-]", "added": "{{+{}+}}", "same": "{}"}
    return [
        "".join(marks[kind].format(text) for kind, text in passage.segments)
        for passage in compare_words(old, new).passages
    ]


@settings(max_examples=100, deadline=None)
@given(TEXTS, TEXTS)
def test_what_is_shared_and_removed_is_the_old_text_and_with_what_is_added_the_new(old: str, new: str) -> None:
    segments = find_segments(old, new)
    assert "".join(text for kind, text in segments if kind != "added") == old
    assert "".join(text for kind, text in segments if kind != "removed") == new
    assert bool(compare_words(old, new).passages) == (old != new)


def test_a_changed_word_is_shown_in_its_line() -> None:
    assert shown("One.\n\nThe quick brown fox.\n\nTwo.", "One.\n\nThe quick red fox.\n\nTwo.") == [
        "The quick [-brown-]{+red+} fox."
    ]


def test_words_that_changed_next_to_each_other_are_one_change() -> None:
    assert shown("It was fun, here.", "It is dull; there.") == ["It [-was fun, here-]{+is dull; there+}."]


def test_changes_far_from_each_other_are_passages_with_their_lines() -> None:
    middle = "\n\nThe same.\n\nAnd this.\n\n"
    found = compare_words(f"a{middle}b", f"x{middle}y").passages
    assert [passage.line for passage in found] == [1, 7]


def test_of_a_long_line_only_the_words_around_are_shown() -> None:
    long = " ".join(["word"] * 200)
    (passage,) = compare_words(f"{long} old {long}", f"{long} new {long}").passages
    texts = [segment.text for segment in passage.segments]
    assert texts[0].startswith("… word")
    assert texts[-1].endswith("word …")
    assert sum(map(len, texts)) < 4 * CONTEXT


def test_what_is_too_large_is_counted_and_not_compared() -> None:
    found = compare_words("a b", "word " * BYTES_MOST)
    assert (found.passages, found.removed, found.added, found.is_too_large) == ((), 2, BYTES_MOST, True)


def test_of_very_many_changes_some_are_shown_and_all_are_counted() -> None:
    old, new = ("\n\n".join(f"{word} {number}\n\nsame" for number in range(500)) for word in ("old", "new"))
    found = compare_words(old, new)
    assert (len(found.passages), found.removed, found.is_too_large) == (200, 500, True)
