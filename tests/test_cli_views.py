"""``cms list``, ``show`` and ``search`` at a commit, a moment and in drafts."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from cms import cli
from cms.store import Store
from tests.repo import Repo
from tests.test_cli import SITE

Run = Callable[..., Any]
OLD = "content/posts/en.md"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Run]:
    """Runs a command in the site, without a terminal."""
    monkeypatch.setenv("CMS_SITE", str(tmp_path / "site.git"))
    monkeypatch.setenv("CMS_STATE", str(tmp_path / "state"))
    handlers, level = logging.root.handlers[:], logging.root.level
    yield lambda *arguments: CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.fixture
def past(tmp_path: Path) -> tuple[Repo, str]:
    """A site whose first post was rewritten, and a draft for each of the two; with the id of what was before."""
    repo = Repo.create(tmp_path / "site.git")
    first = repo.commit(SITE)
    repo.commit({OLD: SITE[OLD].replace("Roboter i skolen", "Kanarifugler").replace("spente", "gule")})
    for name, path in (("x", OLD), ("y", "content/posts/to.md")):
        text = repo.git("show", f"main:{path}") + f"\nUtkast {name}.\n"
        repo.commit({path: text}, branch=f"drafts/{name}", parents=[repo.git("rev-parse", "main")])
    return repo, first


def test_a_list_shows_what_was_there(run: Run, past: tuple[Repo, str]) -> None:
    past[0].git("tag", "v1", past[1])
    for options in (("--ref", "v1"), ("--at", "2024-01-01T12:01:30Z")):
        assert "Roboter i skolen" in run("list", "posts", *options).stdout
    assert "Kanarifugler" in run("list", "posts").stdout


def test_an_entry_and_a_search_are_of_the_view(run: Run, past: tuple[Repo, str]) -> None:
    assert "spente" in run("show", "posts/en", "--ref", past[1]).stdout
    assert "Utkast x." in run("show", "posts/en", "--draft", "x").stdout
    assert run("search", "spente", "--ref", past[1]).stdout.count("posts/en") == 1
    assert run("search", "spente").stdout == ""


def test_several_drafts_are_laid_over_one_another(run: Run, past: tuple[Repo, str]) -> None:
    found = run("list", "posts", "--draft", "x", "--draft", "y", "--json").stdout
    assert '"view":"with:x,y"' in found.replace(" ", "")
    assert "Utkast y." in run("show", "posts/to", "--draft", "x", "--draft", "y").stdout


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--ref", "HEAD~1"), 2, "is more than a name"),
        (("--ref", "f" * 40), 5, "there is no commit"),
        (("--draft", "none"), 5, "there is no draft 'none'"),
        (("--draft", "x", "--ref", "main"), 2, "ref or draft"),
        (("--at", "2999-01-01"), 2, "only the server knows"),
    ],
)
def test_what_there_is_not_is_said(
    run: Run, past: tuple[Repo, str], options: tuple[str, ...], code: int, said: str
) -> None:
    assert past[1]
    refused = run("list", "posts", *options)
    assert said in refused.stderr
    assert refused.exit_code == code


def test_looking_at_the_past_makes_no_keys_and_publishes_nothing(
    run: Run, past: tuple[Repo, str], tmp_path: Path
) -> None:
    people = '[people.eva]\nname = "Eva"\nemails = ["eva@example.org"]\n'
    past[0].commit({"cms.toml": SITE["cms.toml"] + people})
    before = Store.open(past[0].path).refs("refs/")
    assert run("list", "posts", "--ref", past[1]).exit_code == 0
    assert Store.open(past[0].path).refs("refs/") == before
    assert not (tmp_path / "state").exists()
