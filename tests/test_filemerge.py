"""Merging one file: byte for byte the published one, except for what the draft changed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms import frontmatter
from cms.filemerge import Clash, merge_texts

POST = """---
# What the list shows
title: 'Eggs'   # short
tags: [easter, food]
version: 3.10
seo:
  description: Nice
  image: a.png
draft: false
---
One.

Two.

Three.
"""


def merge(base: str | None, ours: str, theirs: str, path: str = "a.md") -> str | list[str]:
    """The merged text, or the fields that clash."""
    merged = merge_texts(None if base is None else base.encode(), ours.encode(), theirs.encode(), path=path)
    return merged.decode() if isinstance(merged, bytes) else [clash.field for clash in merged]


def edit(text: str, *pairs: str) -> str:
    """Replace the first text of each pair by the second."""
    for old, new in zip(pairs[::2], pairs[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (["'Eggs'", "'Ham'"], ["Two.", "2."]),
        (["'Eggs'", "'Ham'"], ["food]", "food, fun]"]),
        (["easter, food", "easter, food, kids"], ["[easter", "[spring, easter"]),
        (["[easter, food]", "[food]"], ["food]", "food, fun]"]),
        (["description: Nice", "description: Nicer"], ["image: a.png", "image: b.png"]),
        (["draft: false\n", "draft: false\nweight: 1\n"], ["draft: false\n", "draft: true\n"]),
        (["draft: false\n", "draft: false\nweight: 1\n"], ["draft: false\n", ""]),
        (["version: 3.10", "version: 3.11"], ["  # short", "  # to the point"]),
        (["version: 3.10", "version: 4"], ["tags: [easter, food]", "tags:\n  - easter\n  - food"]),
        (["'Eggs'", '"Eggs"'], ["'Eggs'", "'Ham'"]),
        (["'Eggs'", "'Ham'"], ["'Eggs'   # short", "Eggs"]),
        (["'Eggs'   # short", "Eggs"], ["'Eggs'", "'Ham'"]),
        (["---\n# What", "---\nurl: /eggs\n# What"], ["---\n# What", "---\nweight: 1\n# What"]),
        (["One.", "1."], ["Three.", "3."]),
        (["draft: false\n---\nOne.", "draft: true\n---\nOne."], ["---\nOne.", "---\n1."]),
    ],
)
def test_what_two_people_changed_apart_comes_together(ours: list[str], theirs: list[str]) -> None:
    one, other = edit(POST, *ours), edit(POST, *theirs)
    merged, turned = merge(POST, one, other), merge(POST, other, one)
    assert isinstance(merged, str)
    assert isinstance(turned, str)
    for text in (merged, turned):
        document, base = frontmatter.read(text.encode()), frontmatter.read(POST.encode())
        for side in (one, other):
            changed = frontmatter.read(side.encode())
            wanted = {name: value for name, value in changed.values.items() if value != base.values.get(name)}
            simple = {name: value for name, value in wanted.items() if not isinstance(value, list | dict)}
            assert simple.items() <= document.values.items()
        assert text.count("# What the list shows") == 1


@pytest.mark.parametrize(
    ("ours", "theirs", "merged"),
    [
        (["'Eggs'", "'Ham'"], ["tags: [easter, food]", "tags: [easter, food, fun]"], None),
        (["easter, food", "easter, food, kids"], ["easter, food", "easter, food, fun"], ["food]", "food, kids, fun]"]),
        (["  # short", "  # brief"], ["easter, food", "easter, food, fun"], None),
        (["'Eggs'", "Eggs"], ["'Eggs'", "'Ham'"], ["'Eggs'", "Ham"]),
        (["version: 3.10", "version: 3.1"], ["version: 3.10", 'version: "3.10"'], ["version: 3.10", "clash"]),
        (["draft: false\n", "draft: false\nb: 1\n"], ["draft: false\n", "draft: false\nc: 1\n"], ["draft: false\n", "draft: false\nb: 1\nc: 1\n"]),
        (["draft: false\n", "draft: false\nb: 1\n"], ["draft: false\n", "draft: false\nb: 1\nc: 1\n"], ["draft: false\n", "draft: false\nb: 1\nc: 1\n"]),
        (["# What the list shows\n", "# What the list shows\nb: 1\n"], ["draft: false\n", "draft: false\nb: 1\n"], ["# What the list shows\n", "# What the list shows\nb: 1\n"]),
    ],
)  # fmt: skip
def test_the_published_bytes_stay_but_for_what_the_draft_changed(
    ours: list[str], theirs: list[str], merged: list[str] | None
) -> None:
    result = merge(POST, edit(POST, *ours), edit(POST, *theirs))
    if merged and merged[1] == "clash":
        assert result == ["version"]
    else:
        assert result == (edit(POST, *merged) if merged else edit(POST, *ours, *theirs))


@pytest.mark.parametrize(
    ("ours", "theirs", "fields"),
    [
        (["'Eggs'", "'Ham'"], ["'Eggs'", "'Fish'"], ["title"]),
        (["title: 'Eggs'   # short\n", ""], ["'Eggs'", "'Fish'"], ["title"]),
        (["image: a.png", "image: b.png"], ["image: a.png", "image: c.png"], ["seo.image"]),
        (["easter, food", "food, easter"], ["easter, food", "easter, food, fun"], ["tags"]),
        (["Two.", "2."], ["Two.", "II."], [""]),
        (["'Eggs'", "'Ham'", "One.", "1."], ["'Eggs'", "'Fish'", "One.", "I."], ["title", ""]),
        (["  # short", "  # brief"], ["  # short", "  # curt"], [""]),
    ],
)
def test_what_both_changed_is_named(ours: list[str], theirs: list[str], fields: list[str]) -> None:
    assert merge(POST, edit(POST, *ours), edit(POST, *theirs)) == fields
    assert merge(POST, edit(POST, *theirs), edit(POST, *ours)) == fields


def clash(base: str | None, ours: str, theirs: str, path: str = "a.md") -> Clash:
    """The one clash."""
    merged = merge_texts(None if base is None else base.encode(), ours.encode(), theirs.encode(), path=path)
    assert isinstance(merged, tuple)
    (found,) = merged
    return found


def test_a_clash_of_a_field_has_the_values_and_a_sentence() -> None:
    found = clash(POST, edit(POST, "'Eggs'", "'Ham'"), edit(POST, "'Eggs'", "'Fish'"))
    assert (found.base, found.ours, found.theirs) == ("Eggs", "Ham", "Fish")
    sentence = 'both changed it from "Eggs": it is "Ham" in the published branch and "Fish" in the draft'
    assert str(found.finding()) == (f"a.md: title: {sentence} (merge the published branch into the draft, and choose)")


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "words"),
    [
        ("a: 1\n", "", "a: 2\n", "the published branch took it away, and the draft made it 2 (it was 1)"),
        ("a: 1\n", "a: 2\n", "", "the draft takes it away, and the published branch made it 2 (it was 1)"),
        ("", "a: 1\n", "a: 2\n", "both added it: it is 1 in the published branch and 2 in the draft"),
        ("a: x\n", f"a: {'y' * 200}\n", "a: z\n", f'"{"y" * 78}… in the published'),
    ],
)  # fmt: skip
def test_the_sentence_says_who_did_what(base: str, ours: str, theirs: str, words: str) -> None:
    head, tail = "---\nb: 1\n", "c: 1\n---\n"
    assert words in clash(head + base + tail, head + ours + tail, head + theirs + tail).message


def test_a_clash_of_a_body_has_its_line_and_the_words() -> None:
    found = clash(POST, edit(POST, "Two.", "2."), edit(POST, "Two.", "II."))
    assert (found.line, found.base, found.ours, found.theirs) == (13, "Two.", "2.", "II.")
    assert str(found.finding()).startswith('a.md:13: both changed the text at line 13: it is "2." in the published')


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_files_keep_their_line_ends(newline: str) -> None:
    base, ours, theirs = (
        text.replace("\n", newline)
        for text in (
            POST,
            edit(POST, "'Eggs'", "'Ham'", "One.", "1."),
            edit(POST, "food]", "food, fun]", "Three.", "3."),
        )
    )
    merged = edit(POST, "'Eggs'", "'Ham'", "One.", "1.", "food]", "food, fun]", "Three.", "3.")
    assert merge(base, ours, theirs) == merged.replace("\n", newline)


def test_new_line_ends_on_one_side_do_not_clash_with_words_on_the_other() -> None:
    words, ends = edit(POST, "'Eggs'", "'Ham'", "Two.", "2."), POST.replace("\n", "\r\n")
    assert merge(POST, words, ends) == merge(POST, ends, words) == words.replace("\n", "\r\n")


def test_a_byte_order_mark_stays() -> None:
    merged = merge("\ufeff" + POST, "\ufeff" + edit(POST, "'Eggs'", "'Ham'"), "\ufeff" + edit(POST, "food]", "fun]"))
    assert merged == "\ufeff" + edit(POST, "'Eggs'", "'Ham'", "food]", "fun]")


TOML = '+++\ntitle = "Eggs"\ntags = ["a"]\n[seo]\nimage = "a.png"\n+++\nOne.\n'
JSON = '{\n  "title": "Eggs",\n  "tags": ["a"],\n  "seo": {"image": "a.png"}\n}\nOne.\n'


@pytest.mark.parametrize("base", [TOML, JSON])
def test_other_formats_merge_by_key_too(base: str) -> None:
    ours, theirs = edit(base, '"a"]', '"a", "b"]', "Eggs", "Ham"), edit(base, '"a"]', '"a", "c"]', "a.png", "b.png")
    merged = edit(base, '"a"]', '"a", "b", "c"]', "Eggs", "Ham", "a.png", "b.png")
    assert merge(base, ours, theirs) == merged


def test_a_front_matter_that_was_rewritten_in_another_format_takes_the_new_values() -> None:
    base = "---\ntitle: Eggs\ntags: [a]\n---\nOne.\n"
    ours, theirs = edit(base, "Eggs", "Ham"), '+++\ntitle = "Eggs"\ntags = ["a"]\n+++\nOne.\n'
    assert merge(base, ours, theirs) == merge(base, theirs, ours) == edit(theirs, "Eggs", "Ham")


def test_front_matter_that_one_side_added_meets_a_new_body() -> None:
    assert merge("One.\n", "---\ntitle: A\n---\nOne.\n", "1.\n") == "---\ntitle: A\n---\n1.\n"
    assert merge("One.\n", "---\na: 1\n---\nOne.\n", "---\nb: 1\n---\nOne.\n") == "---\na: 1\nb: 1\n---\nOne.\n"


def test_a_body_behind_a_fence_without_a_line_end_begins_on_its_own_line() -> None:
    base = "---\na: 1\nb: 1\n---"
    assert merge(base, edit(base, "a: 1", "a: 2"), edit(base, "b: 1", "b: 2") + "\nOne.\n") == (
        "---\na: 2\nb: 2\n---\nOne.\n"
    )


def test_a_file_that_both_added_clashes_wherever_it_differs() -> None:
    ours = "---\ntitle: A  # short\nseo: {a: 1}\n---\nOne.\n"
    theirs = edit(ours, "title: A  # short", "title: B", "{a: 1}", "{a: 1, b: 2}", "One.", "1.")
    assert merge(None, ours, theirs) == ["title", "seo.b", ""]
    assert (
        merge(None, ours, edit(ours, "A  # short", "'A'")) == merge(None, edit(ours, "A  # short", "'A'"), ours) == ours
    )
    found = clash(None, ours, edit(ours, "{a: 1}", "{a: 1, b: 2}"))
    assert found.message == "both added this file, and only the draft has the field: 2"


def test_lines_that_git_would_merge_into_a_list_with_doubles_are_merged_by_value() -> None:
    base = "---\ntags:\n  - a\n  - b\n  - c\n  - d\n  - e\n---\n"
    ours, theirs = edit(base, "- a\n", "- a\n  - x\n"), edit(base, "- e\n", "- e\n  - x\n")
    assert merge(base, ours, theirs) == ours


def test_the_same_key_added_at_two_places_is_one_key() -> None:
    base = "---\na: 1\nb: 1\nc: 1\nd: 1\ne: 1\n---\n"
    ours, theirs = edit(base, "a: 1\n", "a: 1\nnew: x\n"), edit(base, "e: 1\n", "e: 1\nnew: x\n")
    assert merge(base, ours, theirs) == ours


def test_text_of_several_lines_in_a_field_merges_by_line() -> None:
    base = "---\nlead: |\n  One.\n  Two.\n  Three.\nurl: /a\n---\n"
    ours, theirs = edit(base, "One.", "1.", "/a", "/b"), edit(base, "Three.", "3.")
    assert merge(base, ours, theirs) == edit(base, "One.", "1.", "/a", "/b", "Three.", "3.")


def test_front_matter_that_cannot_be_read_is_merged_by_line() -> None:
    base = "---\na: [1\nb: 1\nc: 1\n---\n"
    assert merge(base, edit(base, "a: [1", "a: [1]"), edit(base, "c: 1", "c: 2")) == ("---\na: [1]\nb: 1\nc: 2\n---\n")


@pytest.mark.parametrize(("path", "line"), [("a.json", '"n": {},\n'), ("A.TOML", "n = {}\n"), ("a.yml", "n: {}\n")])
def test_data_that_lines_would_break_clashes(path: str, line: str) -> None:
    lines = [line.replace("n", name).format(1) for name in "abcdef"]
    ends = ("{\n", '"z": 1\n}\n') if "json" in path else ("", "")
    base, first, last = (
        ends[0] + "".join(text) + ends[1] for text in (lines, [line.format(1), *lines], [*lines, line.format(2)])
    )
    assert "unreadable" in clash(base, first, last, path).message
    assert merge(base, first, edit(base, lines[3], ""), path) == edit(first, lines[3], "")


def test_files_that_are_no_text_clash_unless_one_side_alone_changed() -> None:
    assert "no text" in clash("a", "b\0", "c").message
    assert merge("a\0", "a\0", "b\0") == "b\0"


def test_files_that_are_too_large_clash() -> None:
    assert "too large" in clash("a", "b", "c" * (8 * 1024 * 1024 + 1)).message


LINES = st.lists(
    st.sampled_from(["a: 1", "a: 2", "b: x", "b: 'x'", "b: 3.10", "# note", "t: [p, q]", "t: [q]", "t: [q, r]"]),
    max_size=4,
)
BODIES = st.lists(st.sampled_from(["One.", "Two.", "", "Three."]), max_size=3)
ENTRIES = st.builds(lambda lines, body: "\n".join(["---", *lines, "---", *body, ""]), LINES, BODIES)


def values(text: str) -> Any:
    """The fields of an entry; None when it cannot be read."""
    try:
        return frontmatter.read(text.encode()).values
    except Exception:
        return None


@given(ENTRIES, ENTRIES)
def test_one_side_alone_is_taken_byte_for_byte(base: str, other: str) -> None:
    assert merge(base, other, base) == merge(base, base, other) == merge(base, other, other) == other


@given(ENTRIES, ENTRIES, ENTRIES)
def test_no_value_is_lost_or_made_up(base: str, ours: str, theirs: str) -> None:
    merged = merge(base, ours, theirs)
    assert isinstance(merged, str) == isinstance(merge(base, theirs, ours), str)
    before, one, other = values(base), values(ours), values(theirs)
    if isinstance(merged, str) and None not in (before, one, other):
        result = values(merged)
        for name in {*before, *one, *other, *result}:
            side = other if one.get(name) == before.get(name) else one
            if name != "t":
                assert result.get(name) == side.get(name)
        assert all(note in merged for note in ("# note",) if note in ours and note in theirs)
