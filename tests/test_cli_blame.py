"""``cms blame`` and ``cms history``: of an entry, of the path of a file, of a draft and of an earlier commit."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from cms import cli
from cms.workflow.publishing import publish
from cms.workflow.verdicts import approve
from cms.workflow.writing import rename_entry, start_draft, write_entry
from tests.editing.tools import Newsroom, post

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newsroom]:
    """Ola renamed a post, which was published, and writes in it."""
    room = Newsroom(tmp_path_factory.mktemp("room"))
    ola = room.who("ola")
    start_draft(room.flow, ola, "x", now=room.tick())
    rename_entry(room.flow, ola, "x", post("a"), "alpha", now=room.tick())
    approve(room.flow, room.who("eva"), "x", expected=None, now=room.tick())
    publish(room.flow, room.who("pia"), "x", now=room.tick())
    start_draft(room.flow, ola, "open", now=room.tick())
    write_entry(
        room.flow, ola, "open", post("alpha"), {"title": "New", "tags": ["x"]}, message="Say it", now=room.tick()
    )
    yield room
    room.site.close()


@pytest.fixture
def run(room: Newsroom) -> Run:
    def run(*words: str) -> Any:
        return CliRunner().invoke(cli.app, [*words, "-C", str(room.path / "site.git")], catch_exceptions=False)

    return run


def test_blame_says_of_each_part_since_when_and_whose_it_is(run: Run) -> None:
    lines = run("blame", "posts/alpha").output.splitlines()
    assert [line.split("  ", 2)[1:] for line in lines[:3]] == [
        ["2026-04-24", "Kari Nordmann  title: A"],
        ["2026-04-24", "Kari Nordmann  category: helse"],
        ["2026-04-24", "Kari Nordmann  line 5: First text."],
    ]
    assert "Kari Nordmann created posts/a.md (only the commit says so)" in lines[4]


def test_history_says_why_who_approved_it_and_what_published_it(run: Run) -> None:
    newest, *rest = run("history", "posts/alpha").output.splitlines()
    assert "Ola Hansen renamed posts/alpha.md from posts/a.md (the server's word: it signed for them)" in newest
    assert "    approved by Eva Dahl" in rest
    assert any(line.startswith("    published 2026-05-04") and line.endswith("draft x") for line in rest)
    assert len(run("history", "posts/alpha.md", "-n", "1").output.splitlines()) < len(rest)


def test_both_look_at_a_draft_and_at_an_earlier_commit(run: Run, room: Newsroom) -> None:
    draft = run("blame", "posts/alpha", "--draft", "open").output
    assert "Ola Hansen     title: New" in draft
    assert "not published" in draft
    assert "Say it" in run("history", "posts/alpha", "--ref", "drafts/open").output
    assert "category: helse" in run("blame", "posts/a", "--ref", room.first).output


def test_json_is_what_the_api_answers(run: Run) -> None:
    blame = json.loads(run("blame", "posts/alpha", "--json").output)
    assert [(part["field"], part["by"]) for part in blame["fields"]] == [
        ("title", "Kari Nordmann"),
        ("category", "Kari Nordmann"),
    ]
    history = json.loads(run("history", "posts/alpha", "--json").output)
    assert (history["standing"], len(history["commits"])) == ("approved", 2)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("posts/never",), "there is no entry 'posts/never'"),
        (("posts/alpha", "--draft", "nothing"), "no branch, tag or full commit id 'drafts/nothing'"),
        (("posts/alpha", "--draft", "open", "--ref", "main"), "name different states"),
    ],
)
def test_what_is_not_there_is_refused_with_a_reason(
    room: Newsroom,
    words: tuple[str, ...],
    problem: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.argv", ["cms", "blame", *words, "-C", str(room.path / "site.git")])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code not in (0, None)
    assert problem in " ".join(capsys.readouterr().err.split())
