"""Path patterns: which files belong to a collection, and what a path says of its entry."""

from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms.errors import InvalidSchema
from cms.paths import compile_pattern, compile_patterns

LOCALES = ("nb", "nn", "en", "en-GB")


def said(pattern: str, path: str) -> tuple[str, str | None, date | None] | None:
    """(slug, locale, day) that *pattern* finds in *path*."""
    found = compile_pattern(pattern, LOCALES).match(path)
    return None if found is None else (found.slug, found.locale, found.day)


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("{slug}.md", "a.md", ("a", None, None)),
        ("{slug}.md", "p/a.md", None),
        ("posts/{slug}.md", "posts/a.md", ("a", None, None)),
        ("posts/{slug}.md", "posts/a.txt", None),
        ("posts/{slug}.md", "posts/x/a.md", None),
        ("posts/{slug}.md", "other/posts/a.md", None),
        ("posts/{slug}.md", "postsXa.md", None),
        ("posts/{slug}.md", "posts/.md", None),
        ("posts/{slug}.md", "posts/a.md\n", None),
        ("posts/{slug}.md", "posts/aXmd", None),
        ("posts/{slug}.md", "posts/Å b(c).d.md", ("Å b(c).d", None, None)),
        ("posts/{slug}.md", "posts/index.md", ("index", None, None)),
        ("posts/{slug}/index.md", "posts/a/index.md", ("a", None, None)),
        ("posts/*/{slug}.md", "posts/x/a.md", ("a", None, None)),
        ("posts/*/{slug}.md", "posts/x/y/a.md", None),
        ("posts/*-{slug}.md", "posts/12-a.md", ("a", None, None)),
        ("docs/**/{slug}.md", "docs/a.md", ("a", None, None)),
        ("docs/**/{slug}.md", "docs/x/y/a.md", ("x/y/a", None, None)),
        ("docs/**/{slug}.md", "docs/x/y/index.md", ("x/y", None, None)),
        ("docs/**/{slug}.md", "docs/x/_index.md", ("x", None, None)),
        ("docs/**/{slug}.md", "docs/index.md", ("index", None, None)),
        ("docs/**/{slug}.md", "docs/x/index.nn.md", ("x", "nn", None)),
        ("**/{slug}.md", "a.md", ("a", None, None)),
        ("**/{slug}.md", "x/a.md", ("x/a", None, None)),
        ("x/**/y/{slug}.md", "x/y/a.md", ("a", None, None)),
        ("x/**/y/{slug}.md", "x/1/2/y/a.md", ("1/2/a", None, None)),
        ("x/**/y/{slug}.md", "x/1y/a.md", None),
        ("posts/{slug}.md", "posts/a.nn.md", ("a", "nn", None)),
        ("posts/{slug}.md", "posts/a.en-GB.md", ("a", "en-GB", None)),
        ("posts/{slug}.md", "posts/a.de.md", ("a.de", None, None)),
        ("posts/{slug}.md", "posts/nn.md", ("nn", None, None)),
        ("posts/{slug}.md", "posts/.nn.md", (".nn", None, None)),
        ("posts/{slug}.md", "posts/v1.2.nn.md", ("v1.2", "nn", None)),
        ("{locale}/{slug}.md", "nn/a.md", ("a", "nn", None)),
        ("{locale}/{slug}.md", "en-GB/a.md", ("a", "en-GB", None)),
        ("{locale}/{slug}.md", "de/a.md", None),
        ("{locale}/{slug}.md", "nn/a.nb.md", ("a.nb", "nn", None)),
        ("p/{slug}.{locale}.md", "p/a.nn.md", ("a", "nn", None)),
        ("p/{date}-{slug}.md", "p/2024-01-31-a.md", ("a", None, date(2024, 1, 31))),
        ("p/{date}-{slug}.md", "p/2024-1-3-a.md", ("a", None, date(2024, 1, 3))),
        ("p/{date}-{slug}.md", "p/2024-01-31-a.nn.md", ("a", "nn", date(2024, 1, 31))),
        ("p/{date}-{slug}.md", "p/2024-02-31-a.md", ("a", None, None)),
        ("p/{date}-{slug}.md", "p/a.md", None),
        ("p/{year}/{month}/{day}/{slug}.md", "p/2024/2/29/a.md", ("a", None, date(2024, 2, 29))),
        ("p/{year}/{month}/{slug}.md", "p/2024/02/a.md", ("a", None, date(2024, 2, 1))),
        ("p/{year}/{slug}.md", "p/2024/a.md", ("a", None, date(2024, 1, 1))),
        ("p/{year}/{slug}.md", "p/24/a.md", None),
        ("p/{year}/{month}/{slug}.md", "p/2024/13/a.md", ("a", None, None)),
        ("p/{slug}.md", "p/2024-01-31-a.md", ("2024-01-31-a", None, date(2024, 1, 31))),
        ("p/{slug}.md", "p/2024-01-31_a.md", ("2024-01-31_a", None, date(2024, 1, 31))),
        ("p/{slug}.md", "p/2024-01-31 Møte.md", ("2024-01-31 Møte", None, date(2024, 1, 31))),
        ("p/{slug}.md", "p/2024-01-311.md", ("2024-01-311", None, None)),
        ("p/{slug}.md", "p/2024-99-31-a.md", ("2024-99-31-a", None, None)),
        ("p.q/(x)/{slug}+.md", "p.q/(x)/a+.md", ("a", None, None)),
        ("p.q/{slug}.md", "pxq/a.md", None),
        ("p/{slug}.md", "p/.a.md", (".a", None, None)),
    ],
)
def test_what_a_pattern_finds_in_a_path(
    pattern: str, path: str, expected: tuple[str, str | None, date | None] | None
) -> None:
    assert said(pattern, path) == expected


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("posts/x.md", "must hold {slug}"),
        ("{slug}/{slug}.md", "twice"),
        ("{slug}-{titel}.md", "{titel} is not known; there are {slug}, {date}"),
        ("{}/{slug}.md", "{} is not known"),
        ("**/x/**/{slug}.md", "once"),
        ("/p/{slug}.md", "relative to the root"),
        ("p/../{slug}.md", "relative to the root"),
        ("p/{slug.md", "brace without a partner"),
        ("p/slug}.md", "brace without a partner"),
        ("./p/{slug}.md", "fits no file"),
        ("p\\{slug}.md", "fits no file"),
        ("p/{slug}/", "fits no file"),
    ],
)
def test_a_wrong_pattern_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(InvalidSchema) as caught:
        compile_pattern(pattern, LOCALES)
    assert message in str(caught.value)
    assert caught.value.facts["keyword"] == "x-path"


@pytest.mark.parametrize(
    ("exclusion", "out", "still_in"),
    [
        ("!README.md", ["README.md"], ["x/README.md", "readme.md", "README.mdx"]),
        ("!.*", [".a.md"], ["a.md", "x/.a.md", ".x/a.md"]),
        ("!.*/**", [".x/a.md", ".x/y/a.md"], [".a.md", "x/.y/a.md", "x.y/a.md"]),
        ("!**/.*/**", [".x/a.md", "x/.y/z/a.md"], [".a.md", "x.y/a.md"]),
        ("!**/README.md", ["README.md", "x/y/README.md"], ["x/aREADME.md", "README.md/a"]),
        ("!docs/_*.md", ["docs/_a.md", "docs/_.md"], ["docs/x/_a.md", "docs/a_.md"]),
        ("!docs/**/_*", ["docs/_a.md", "docs/x/y/_a.md"], ["docs/_x/a.md", "_a.md"]),
        ("!themes/**", ["themes/a.md", "themes/x/y.md"], ["themes.md", "x/themes/a.md"]),
        ("!**/node_modules/**", ["node_modules/a.md", "x/node_modules/y/a.md"], ["my_node_modules/a.md"]),
        ("!a+(b).md", ["a+(b).md"], ["aab.md"]),
        ("!**", ["a.md", "x/line\nbreak.md"], []),
    ],
)
def test_an_exclusion_leaves_files_out_that_a_pattern_beside_it_finds(
    exclusion: str, out: list[str], still_in: list[str]
) -> None:
    pattern, other = compile_patterns(["{slug}.md", exclusion, "**/{slug}"], LOCALES)
    assert [path for path in (*out, *still_in) if pattern.excludes(path)] == out
    assert [path for path in (*out, *still_in) if other.match(path) is None] == out


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["!a.md"], "only leaves files out"),
        (["{slug}.md", "!"], "fits no file"),
        (["{slug}.md", "!/a.md"], "fits no file"),
        (["{slug}.md", "!../a.md"], "fits no file"),
        (["{slug}.md", "!a\\b.md"], "fits no file"),
        (["{slug}.md", "!themes/"], "write a whole folder as !themes/**"),
        (["{slug}.md", "!{locale}/a.md"], "no placeholders"),
        (["{slug}.md", "!a**/b.md"], "stands alone"),
        (["{slug}.md", "!**/a/**/a/**/a/**/a/**"], "at most 4 times"),
    ],
)
def test_a_wrong_exclusion_is_refused(texts: list[str], message: str) -> None:
    with pytest.raises(InvalidSchema) as caught:
        compile_patterns(texts, LOCALES)
    assert message in str(caught.value)
    assert caught.value.facts["keyword"] == "x-path"


def test_without_locales_nothing_is_a_locale() -> None:
    found = compile_pattern("posts/{slug}.md", ()).match("posts/a.nn.md")
    assert found is not None
    assert (found.slug, found.locale) == ("a.nn", None)
    assert compile_pattern("{locale}/{slug}.md", ()).match("nn/a.md") is None


PART = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=8)


@given(st.lists(PART, max_size=3), PART, st.sampled_from(["", ".nn", ".en-GB"]))
def test_two_files_have_the_same_slug_and_locale_only_as_bundle_or_variant(
    folders: list[str], name: str, locale: str
) -> None:
    found = said("docs/**/{slug}.md", "/".join(["docs", *folders, f"{name}{locale}.md"]))
    assert found is not None
    path = "/".join(folders)
    stem = f"{path}/{name}" if path else name
    assert found[0] in (stem, path or "index", stem.rpartition(".")[0], f"{stem}{locale}")
    assert found[1] in (None, "nb", "nn", "en", "en-GB")


@given(st.text(max_size=30))
def test_no_pattern_crashes_the_reader(text: str) -> None:
    with suppress(InvalidSchema):
        compile_pattern(text, LOCALES).match("posts/a.md")
    with suppress(InvalidSchema):
        compile_patterns(["{slug}.md", f"!{text}"], LOCALES)[0].match("posts/a.md")
