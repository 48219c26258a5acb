"""``cms diff``: what is printed in a terminal, in a pipe and for scripts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cms import cli
from tests.api.tools import MODEL, person, post
from tests.repo import Repo

Run = Callable[..., Any]
BEFORE: dict[str, str | bytes | None] = {
    **MODEL,
    "posts/a.md": post(
        "An old title", "First line.\n\nThe quick brown fox.", author="kari", image="{url: images/a.png}"
    ),
    "posts/gone.md": post("Gone", "Nothing like the others, at all."),
    "people/kari.md": person("Kari"),
    "images/a.png": b"\x89PNG",
}
AFTER: dict[str, str | bytes | None] = {
    "posts/a.md": post(
        "A new title", "First line.\n\nThe quick red fox.", author="kari", image="{url: images/b.png}", stars="3"
    ),
    "posts/gone.md": None,
    "people/kari.md": None,
    "people/kari-n.md": person("Kari"),
    "images/a.png": None,
    "images/b.png": b"\x89PNG2",
}
TOLD = """\
Renamed: people/kari-n@nb “Kari” (people/kari-n.md)
  from people/kari@nb (people/kari.md)

Changed: posts/a@nb “A new title” (posts/a.md)
  title: [-An old-]{+A new+} title
  image: [-{"url":"images/a.png"}-] {+{"url":"images/b.png"}+}
  stars: {+3+}
  text: 1 word removed, 1 added
    line 3: The quick [-brown-]{+red+} fox.
  file of image.url: [-images/a.png-] {+images/b.png+}

Gone: posts/gone@nb “Gone” (posts/gone.md)
  title: [-Gone-]
  text: 6 words removed, 0 added
    line 1: [-Nothing like the others, at all.-]

Files
  Gone: images/a.png (4 bytes → nothing, shown by posts/a@nb)
  New: images/b.png (nothing → 5 bytes, shown by posts/a@nb)

References that would lead nowhere
  posts/a@nb: author: there is no 'kari' (it is people/kari-n@nb now)

What the public API will answer differently
  /entries/people/kari-n (nb): was /entries/people/kari, which leads there
"""


@pytest.fixture
def run(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``cms diff`` in the repository."""
    monkeypatch.chdir(repo.path)
    return lambda *words, **env: CliRunner().invoke(cli.app, ["diff", *words], env=env)


@pytest.fixture
def states(repo: Repo) -> list[str]:
    """Something published, a draft of more, and a tag."""
    first = repo.commit(BEFORE)
    repo.git("tag", "v1", first)
    return [first, repo.commit(AFTER, branch="drafts/easter", parents=[first])]


def test_a_draft_is_told_by_field_and_word_without_need_of_colours(run: Run, states: list[str]) -> None:
    result = run("draft:easter")
    assert result.exit_code == 0, result.output
    assert result.output.startswith(TOLD), result.output
    assert result.output.endswith(
        "From published to draft:easter: 3 entries differ (1 updated, 1 renamed, 1 deleted), 2 other files, "
        "1 reference would lead nowhere.\n"
    )
    assert "\x1b" not in result.output


def test_colours_are_added_where_they_are_shown_and_no_mark_is_lost(run: Run, states: list[str]) -> None:
    result = run("draft:easter", FORCE_COLOR="1", TERM="xterm")
    assert "\x1b[31m[-brown-]" in result.output
    assert "\x1b[32m{+red+}" in result.output


def test_any_two_commits_are_compared_and_only_counted_when_asked(run: Run, states: list[str]) -> None:
    result = run("--stat", states[1], "v1")
    assert result.output.startswith(f"From {states[1]} to v1: 3 entries differ (1 created, 1 updated, 1 renamed)")


def test_the_same_is_printed_as_the_api_answers_it(run: Run, states: list[str]) -> None:
    found = json.loads(run("v1", states[1], "--json").output)
    assert (found["meta"]["counts"]["entries"], len(found["data"]["dangling"])) == (3, 1)


def test_a_moment_may_stand_behind_a_name_and_a_name_may_have_an_at_sign(repo: Repo, run: Run) -> None:
    first = repo.commit({**MODEL, "posts/a.md": post(), "posts/b.md": post("B", publish_at="2030-01-01")})
    repo.git("branch", "kari@home", first)
    assert "/entries/posts/b (nb): is new" in run("kari@home", f"{first}@2031-01-01").output
    assert run("kari@home", first).output == f"From kari@home to {first}: 0 entries differ.\n"


def test_of_lists_what_came_and_went_is_told(repo: Repo, run: Run) -> None:
    first = repo.commit({**MODEL, "posts/a.md": post(tags="[a, b, c]", related="[x, y]")})
    second = repo.commit({"posts/a.md": post(tags="[b, c, d]", related="[y, x]")})
    output = run(first, second).output
    assert "  tags: [-a-] {+d+} (2 the same)\n" in output
    assert "  related: [-x, y-] {+y, x+}\n" in output


def test_nothing_a_draft_says_is_obeyed_by_a_terminal(repo: Repo, run: Run, states: list[str]) -> None:
    repo.commit({"posts/a.md": post("Evil", "The quick \x1b[2J fox.", category='"\\e]0;x\\a"')}, branch="drafts/easter")
    assert not [sign for sign in run("draft:easter").output if not sign.isprintable() and sign != "\n"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 7, "main is what is published; say what to compare with it"),
        (("draft:nobody",), 5, "there is no draft 'nobody'"),
        (("nothing",), 5, "there is no branch, tag or full commit id 'nothing'"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_what_to_do(
    run: Run, states: list[str], words: tuple[str, ...], code: int, said: str
) -> None:
    result = run(*words)
    assert isinstance(result.exception, Exception | SystemExit)
    assert said in result.output + str(result.exception)


def test_the_branch_that_is_checked_out_is_compared_with_what_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Repo.create(tmp_path / "site", bare=False)
    first = work.commit(
        {**MODEL, "cms.toml": MODEL["cms.toml"].replace("[site]", '[site]\nbranch = "main"'), "posts/a.md": post("A")}
    )
    work.commit({"posts/a.md": post("B")}, branch="easter", parents=[first])
    work.git("checkout", "-q", "-f", "easter")
    monkeypatch.chdir(work.path)
    assert "title: [-A-] {+B+}" in CliRunner().invoke(cli.app, ["diff"]).output
