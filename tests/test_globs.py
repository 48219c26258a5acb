"""Patterns of paths: what they mean, by a slow reference, and what is refused."""

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms.globs import LONGEST, MOST_PARTS, compile_glob

PIECES = st.text(alphabet="ab*", min_size=1, max_size=4).filter(lambda text: "**" not in text)
PATTERNS = st.lists(st.one_of(PIECES, st.just("**")), min_size=1, max_size=6)
PATHS = st.lists(st.text(alphabet="ab", min_size=1, max_size=4), min_size=1, max_size=7)


def is_match(pattern: Sequence[str], path: Sequence[str]) -> bool:
    """The meaning, said again and slowly: ``**`` is any number of folders, at the end followed by a file."""
    if not pattern:
        return not path
    first, rest = pattern[0], pattern[1:]
    if first == "**":
        if not rest:
            return bool(path)
        return any(is_match(rest, path[start:]) for start in range(len(path) + 1))
    piece = "".join(".*" if letter == "*" else re.escape(letter) for letter in first)
    return bool(path) and re.fullmatch(piece, path[0]) is not None and is_match(rest, path[1:])


@given(PATTERNS, PATHS)
def test_a_pattern_means_what_the_slow_reference_says(pattern: list[str], path: list[str]) -> None:
    assert compile_glob("/".join(pattern)).matches("/".join(path)) == is_match(pattern, path)


@given(PATHS)
def test_a_path_is_a_pattern_for_itself_alone(path: list[str]) -> None:
    glob = compile_glob("/".join(path))
    assert glob.matches("/".join(path))
    assert not glob.matches("/".join([*path, "a"]))
    assert not glob.matches("/".join(["b", *path]))


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("content/**", "content/posts/a.md", True),
        ("content/**", "content/a.md", True),
        ("content/**", "content", False),
        ("content/**", "contents/a.md", False),
        ("**", "cms.toml", True),
        ("**/*.md", "a.md", True),
        ("**/*.md", "x/y/a.md", True),
        ("**/*.md", "x/y/a.md/b", False),
        ("content/*/a.md", "content/posts/a.md", True),
        ("content/*/a.md", "content/x/posts/a.md", False),
        ("content/*.md", "content/.md", True),
        ("a/**/**/b", "a/b", True),
        ("a/**/x/**/b", "a/y/b", False),
        ("a/**/x/**/b", "a/y/x/z/b", True),
        ("*", "a/b", False),
        ("content/posts/*.nb.md", "content/posts/å.nb.md", True),
        ("Content/**", "content/a.md", False),
        ("schemas/**", "schemas/posts.yaml", True),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("*ab*ab*", "abxab", True),
        ("*ab*ab*", "abab", True),
        ("*ab*ab*", "aab", False),
    ],
)
def test_patterns_by_example(pattern: str, path: str, expected: bool) -> None:
    assert compile_glob(pattern).matches(path) is expected


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("", "a pattern is empty"),
        ("  ", "a pattern is empty"),
        ("/content/**", "fits no file"),
        ("content/", "fits no file"),
        ("content//a", "fits no file"),
        ("./content", "fits no file"),
        ("content/../cms.toml", "fits no file"),
        ("content\\posts", "backslash"),
        ("content/\n", "control character"),
        ("content/\x1b[2J", "control character"),
        ("content/**.md", "stands alone between slashes"),
        ("content/a**/b", "stands alone between slashes"),
        ("content/***/b", "stands alone between slashes"),
        ("content/[ab].md", "holds '['"),
        ("content/?.md", "holds '?'"),
        ("!content/**", "holds '!'"),
        ("content/{a,b}.md", "holds '{'"),
        ("a" * (LONGEST + 1), "may have 300 characters"),
        ("a/" * MOST_PARTS + "a", "32 parts"),
    ],
)
def test_what_cannot_be_meant_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        compile_glob(pattern)


def test_the_worst_pattern_takes_no_more_steps_than_a_path_has_letters() -> None:
    pattern = "/".join(["**", "*a*a*a*b"] * (MOST_PARTS // 2))
    glob = compile_glob(pattern)
    # A matcher that goes back and tries again would not live to see the end of this.
    assert not glob.matches("/".join(["a" * 200] * 200))
    assert not compile_glob("*" + "a*" * 140 + "b").matches("a" * 100_000)
