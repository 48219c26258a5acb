"""Merging by lines: what Git's own program makes of the same texts, byte for byte, and where it gives up."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cms.linemerge import Overlap, merge_lines

LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "\n", "  d\n", "=======\n", "æ\n"]), max_size=12)
TEXTS = st.tuples(LINES.map("".join), st.sampled_from(["", "a", "e"])).map("".join).map(str.encode)


def git_merge_file(folder: Path, base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
    """What ``git merge-file`` makes of it; None for conflicts."""
    files = {"ours": ours, "base": base, "theirs": theirs}
    for name, text in files.items():
        (folder / name).write_bytes(text)
    done = subprocess.run(["git", "merge-file", "-p", *files], cwd=folder, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS, TEXTS, TEXTS)
def test_texts_merge_as_git_merges_them(tmp_path: Path, base: bytes, ours: bytes, theirs: bytes) -> None:
    merged = merge_lines(base, ours, theirs)
    assert (merged if isinstance(merged, bytes) else None) == git_merge_file(tmp_path, base, ours, theirs)


@given(TEXTS, TEXTS)
def test_one_side_alone_is_taken_as_it_is(base: bytes, other: bytes) -> None:
    assert merge_lines(base, other, base) == other
    assert merge_lines(base, base, other) == other
    assert merge_lines(base, other, other) == other


PLAIN = TEXTS.map(lambda text: text.replace(b"=", b"-"))


@given(PLAIN, PLAIN, PLAIN)
def test_what_overlaps_does_so_from_both_sides(base: bytes, ours: bytes, theirs: bytes) -> None:
    one, other = merge_lines(base, ours, theirs), merge_lines(base, theirs, ours)
    assert isinstance(one, bytes) == isinstance(other, bytes)
    if not isinstance(one, bytes) and not isinstance(other, bytes):
        assert [(part.ours, part.theirs) for part in one] == [(part.theirs, part.ours) for part in other]


def test_overlaps_are_told_with_line_and_words() -> None:
    base = b"one\ntwo\n3\n4\n5\n6\n7\nsix\n"
    ours = base.replace(b"two", b"2").replace(b"six", b"VI").replace(b"one\n", b"zero\none\n")
    theirs = base.replace(b"two", b"II").replace(b"six", b"6")
    assert merge_lines(base, ours, theirs) == (
        Overlap(line=3, base="two", ours="2", theirs="II"),
        Overlap(line=9, base="six", ours="VI", theirs="6"),
    )


def test_a_heading_that_looks_like_a_mark_is_no_mark() -> None:
    base = b"Title\n=======\n"
    assert merge_lines(base, b"Ours\n=======\nx\n", b"Theirs\n=======\ny\n") == (
        Overlap(line=1, base="Title\n=======", ours="Ours\n=======\nx", theirs="Theirs\n=======\ny"),
    )


def test_marks_in_a_text_do_not_mislead() -> None:
    base = b"<<<<<<< ours\na\n=======\nb\n>>>>>>> theirs\n"
    merged = merge_lines(base, base.replace(b"a", b"A"), base.replace(b"b", b"B"))
    assert merged == b"<<<<<<< ours\nA\n=======\nB\n>>>>>>> theirs\n"


@pytest.mark.parametrize(("old", "new"), [(b"\n", b"\r\n"), (b"\r\n", b"\n")])
def test_new_line_ends_do_not_clash_with_new_words(old: bytes, new: bytes) -> None:
    base = b"one\ntwo\nthree\n".replace(b"\n", old)
    words, ends = base.replace(b"two", b"2"), base.replace(old, new)
    merged = b"one\n2\nthree\n".replace(b"\n", new)
    assert merge_lines(base, words, ends) == merge_lines(base, ends, words) == merged


def test_words_that_clash_do_so_with_other_line_ends_too() -> None:
    merged = merge_lines(b"one\ntwo\n", b"one\n2\n", b"one\r\nII\r\n")
    assert isinstance(merged, tuple)
    assert merged[0].ours == "2"


def test_text_in_an_old_encoding_keeps_its_bytes() -> None:
    base = "blåbær\n\ny\n\nsyltetøy\n".encode("latin-1")
    ours, theirs = base.replace(b"y\n\n", b"og\n\n"), base + "rømme\n".encode("latin-1")
    assert merge_lines(base, ours, theirs) == "blåbær\n\nog\n\nsyltetøy\nrømme\n".encode("latin-1")
    assert isinstance(merge_lines(base, base + b"\xff", base + b"\xfe"), tuple)


def test_an_overlap_in_a_long_text_is_told_without_what_was_there() -> None:
    base = b"".join(b"%d\n" % number for number in range(3_000))
    merged = merge_lines(base, base.replace(b"500\n", b"x\n" * 200, 1), base.replace(b"500\n", b"y\n", 1))
    assert isinstance(merged, tuple)
    assert (merged[0].line, merged[0].base, merged[0].theirs) == (501, "", "y")
    assert len(merged[0].ours) == 303
