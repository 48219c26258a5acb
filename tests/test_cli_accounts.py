"""Accounts on the command line: who gets one, what is printed once, and what is said when something is not possible."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cms import cli
from cms.auth import Accounts
from cms.auth.database import FILE_NAME, FORMAT
from cms.cli import accounts as commands
from cms.errors import CMSError
from tests.repo import Repo

PASSWORD = "correct horse battery"
SETTINGS = """\
[people.kari]
name = "Kari Nordmann"
emails = ["kari@example.org"]
[people.ola]
name = "Ola Nordmann"
emails = ["ola@example.org"]
"""
COMMANDS = [
    *(("user", name) for name in ("add", "passwd", "disable", "enable", "erase", "list")),
    *(("token", name) for name in ("create", "list", "revoke")),
]
#: Runs a command at a terminal of its own, types a text whenever it is asked for something, and prints what the terminal shows.
TERMINAL = """
import os, pty, sys
typed, *words = sys.argv[1:]
child, terminal = pty.fork()
if not child:
    os.execv(sys.executable, [sys.executable, "-c", "from cms.cli import main; main()", *words])
shown, answered = b"", 0
while True:
    try:
        shown += os.read(terminal, 1024)
    except OSError:
        break
    if shown.count(b": ") > answered:
        answered += 1
        os.write(terminal, typed.encode() + b"\\n")
sys.stdout.write(shown.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
Run = Callable[..., Any]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state folder."""
    return tmp_path / "state"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, repo: Repo, state: Path) -> Run:
    """Runs a command about a site of two people; nothing is at the terminal, and *given* on standard input."""
    repo.commit({"cms.toml": SETTINGS})
    monkeypatch.chdir(repo.path)
    monkeypatch.setenv("CMS_STATE", str(state))
    for name in ("CMS_SITE", "CMS_BRANCH", "CMS_LOG", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return lambda *words, given="": CliRunner().invoke(cli.app, [str(word) for word in words], input=given)


def is_accepted(state: Path, secret: str, person: str = "kari") -> bool:
    """Whether a server would accept *secret*, as a password or as a token."""
    accounts = Accounts.open(state)
    now = datetime.now(UTC)
    try:
        if secret.startswith("cms_"):
            return accounts.authenticate(f"Bearer {secret}", now=now, address="") is not None
        return bool(accounts.sign_in(person, secret, now=now, address=""))
    except CMSError:
        return False
    finally:
        accounts.close()


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_with_an_example_and_its_exit_codes(run: Run, command: tuple[str, str]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert f"$ cms {' '.join(command)}" in result.stdout
    assert "Exit codes: 0 fine" in result.stdout


# -- people --------------------------------------------------------------------------------------------------------


def test_a_password_is_read_from_standard_input(run: Run, state: Path) -> None:
    result = run("user", "add", "kari", "--stdin", given=f"{PASSWORD}\n")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "kari has an account now" in result.stderr
    assert is_accepted(state, PASSWORD)


def test_a_generated_password_is_all_that_is_printed(run: Run, state: Path) -> None:
    result = run("user", "add", "kari", "--generate")
    assert re.fullmatch(r"([2-9a-z]{5}-){3}[2-9a-z]{5}\n", result.stdout)
    assert is_accepted(state, result.stdout.strip())


def test_a_password_is_asked_for_twice(run: Run, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = iter([PASSWORD, PASSWORD, PASSWORD, "something else"])
    monkeypatch.setattr(commands, "getpass", lambda *_, **__: next(typed))
    monkeypatch.setattr(commands, "require_terminal", lambda _: None)
    assert run("user", "add", "kari").exit_code == 0
    result = run("user", "passwd", "kari")
    assert result.exit_code == 2
    assert "not the same" in result.stderr
    assert is_accepted(state, PASSWORD)


def test_a_password_that_is_typed_at_a_terminal_is_not_shown(run: Run, repo: Repo, state: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TERMINAL, PASSWORD, "user", "add", "kari"],
        capture_output=True,
        text=True,
        check=False,
        cwd=repo.path,
    )
    shown = done.stdout.replace("\r", "").splitlines()
    assert (done.returncode, shown) == (0, ["Password of kari: ", "Once more: ", "kari has an account now."]), done
    assert is_accepted(state, PASSWORD)


def test_without_a_terminal_it_is_said_how_else(run: Run, state: Path) -> None:
    result = run("user", "add", "kari")
    assert result.exit_code == 2
    assert "no terminal" in result.stderr
    assert "--stdin" in result.stderr
    assert run("user", "list").stdout == ""


def test_a_password_that_is_too_short_makes_no_account_and_is_not_repeated(run: Run) -> None:
    result = run("user", "add", "kari", "--stdin", given="tooshort\n")
    assert result.exit_code == 2
    assert "at least 12 characters" in result.stderr
    assert "tooshort" not in result.output
    assert run("user", "list").stdout == ""


def test_somebody_who_is_not_listed_gets_no_account_but_the_lines_to_add(run: Run) -> None:
    result = run("user", "add", "per", "--generate")
    assert (result.exit_code, result.stdout) == (5, "")
    assert "'per' is not in the cms.toml of the published branch" in result.stderr
    assert "[people.per]" in result.stderr
    assert "did you mean 'kari'" in run("user", "add", "karo", "--generate").stderr


def test_who_is_listed_is_read_from_the_published_branch_alone(run: Run, repo: Repo) -> None:
    more = SETTINGS + '[people.per]\nname = "Per"\nemails = ["per@example.org"]\n'
    repo.commit({"cms.toml": more}, branch="drafts/per", parents=[repo.git("rev-parse", "main")])
    assert run("user", "add", "per", "--generate").exit_code == 5
    repo.commit({"cms.toml": more})
    assert run("user", "add", "per", "--generate").exit_code == 0


def test_ways_to_a_password_exclude_each_other(run: Run) -> None:
    for options in (("--generate", "--stdin"), ("--no-password", "--generate"), ("--no-password", "--stdin")):
        assert run("user", "add", "kari", *options).exit_code == 2


def test_nobody_gets_a_second_account(run: Run) -> None:
    run("user", "add", "kari", "--generate")
    result = run("user", "add", "kari", "--generate")
    assert (result.exit_code, result.stdout) == (7, "")
    assert "cms user passwd kari" in result.stderr


def test_a_new_password_replaces_the_old_one(run: Run, state: Path) -> None:
    old = run("user", "add", "kari", "--generate").stdout.strip()
    new = run("user", "passwd", "kari", "--generate").stdout.strip()
    assert not is_accepted(state, old)
    assert is_accepted(state, new)


def test_somebody_who_is_disabled_cannot_sign_in_until_enabled(run: Run, state: Path) -> None:
    password = run("user", "add", "kari", "--generate").stdout.strip()
    token = run("token", "create", "kari", "laptop").stdout.strip()
    assert run("user", "disable", "kari").exit_code == 0
    assert not is_accepted(state, password)
    assert run("user", "enable", "kari").exit_code == 0
    assert is_accepted(state, password)
    assert not is_accepted(state, token)


def test_erasing_asks_first(run: Run, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("user", "add", "kari", "--generate")
    assert "--yes" in run("user", "erase", "kari").stderr
    monkeypatch.setattr(commands, "require_terminal", lambda _: None)
    assert run("user", "erase", "kari", given="n\n").exit_code == 7
    assert run("user", "list").stdout.startswith("kari")
    assert run("user", "erase", "kari", given="y\n").exit_code == 0
    run("user", "add", "kari", "--generate")
    assert run("user", "erase", "kari", "--yes").exit_code == 0
    assert run("user", "list").stdout == ""


def test_the_list_says_who_may_sign_in_and_who_of_the_people_cannot(run: Run, repo: Repo) -> None:
    run("user", "add", "kari", "--no-password")
    run("user", "add", "ola", "--generate")
    run("user", "disable", "ola")
    repo.commit({"cms.toml": SETTINGS.replace("people.kari", "people.anne")})
    result = run("user", "list")
    lines = [line.split(" since ")[0].split() for line in result.stdout.splitlines()]
    assert lines == [["kari", "tokens", "only"], ["ola", "disabled"]]
    assert "not in cms.toml" in result.stdout.splitlines()[0]
    assert "without an account: anne" in result.stderr


def test_the_list_as_json(run: Run) -> None:
    run("user", "add", "kari", "--generate")
    (user,) = json.loads(run("user", "list", "--json").stdout)
    assert user.pop("added_at").startswith("20")
    assert user == {"person": "kari", "password": True, "disabled": False, "listed": True}


def test_a_mistake_among_the_people_keeps_nobody_from_being_disabled(run: Run, repo: Repo) -> None:
    run("user", "add", "kari", "--generate")
    repo.commit({"cms.toml": SETTINGS + '[groups]\neditors = ["nobody"]\n'})
    assert run("user", "disable", "kari").exit_code == 0
    assert run("user", "add", "ola", "--generate").exit_code == 3
    assert "'nobody'" in run("user", "list").stderr


@pytest.mark.parametrize(
    "words",
    [
        ("user", "passwd", "kare", "--generate"),
        ("user", "disable", "kare"),
        ("user", "enable", "kare"),
        ("user", "erase", "kare", "--yes"),
        ("token", "create", "kare", "x"),
        ("token", "list", "kare"),
        ("token", "revoke", "000000000000"),
    ],
)
def test_what_concerns_nobody_is_refused_and_prints_no_secret(run: Run, words: tuple[str, ...]) -> None:
    run("user", "add", "kari", "--generate")
    result = run(*words)
    assert (result.exit_code, result.stdout) == (5, "")
    assert "Error: " in result.stderr


# -- tokens --------------------------------------------------------------------------------------------------------


def test_a_token_is_printed_once_and_accepted(run: Run, state: Path) -> None:
    run("user", "add", "kari", "--no-password")
    result = run("token", "create", "kari", "laptop", "--days", "30")
    secret = result.stdout.strip()
    assert is_accepted(state, secret)
    assert secret[4:16] in result.stderr
    assert secret not in result.stderr + run("token", "list").output


def test_a_token_can_be_restricted_to_permissions_that_there_are(run: Run, state: Path) -> None:
    run("user", "add", "kari", "--no-password")
    run("token", "create", "kari", "import", "--scope", "draft.write", "--scope", "draft.create")
    (token,) = json.loads(run("token", "list", "kari", "--json").stdout)
    assert token["scopes"] == ["draft.create", "draft.write"]
    result = run("token", "create", "kari", "import", "--scope", "draft.wriet")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "did you mean 'draft.write'" in result.stderr


def test_a_token_is_revoked_by_its_id_or_by_itself(run: Run, state: Path) -> None:
    run("user", "add", "kari", "--no-password")
    for part in (slice(4, 16), slice(None)):
        secret = run("token", "create", "kari", "laptop").stdout.strip()
        result = run("token", "revoke", secret[part])
        assert result.exit_code == 0
        assert secret not in result.output
        assert not is_accepted(state, secret)


def test_the_list_of_tokens_says_whose_until_when_and_whether_they_are_used(run: Run, state: Path) -> None:
    run("user", "add", "kari", "--no-password")
    assert "There are no tokens" in run("token", "list").stderr
    first = run("token", "create", "kari", "laptop").stdout.strip()
    second = run("token", "create", "kari", "phone", "--scope", "draft.read").stdout.strip()
    is_accepted(state, first)
    run("token", "revoke", second)
    lines = {line[:12]: line for line in run("token", "list").stdout.splitlines()}
    assert re.search(r"kari +until 20\S+ +used 20\S+ +laptop \(everything\)", lines[first[4:16]])
    assert re.search(r"kari +revoked 20\S+ +never used +phone \(draft.read\)", lines[second[4:16]])


def test_a_token_of_somebody_who_left_the_site_is_made_with_a_remark(run: Run, repo: Repo) -> None:
    run("user", "add", "kari", "--no-password")
    repo.commit({"cms.toml": SETTINGS.replace("people.kari", "people.anne")})
    assert "not in cms.toml" in run("token", "create", "kari", "laptop").stderr


# -- the file ------------------------------------------------------------------------------------------------------


def test_where_nobody_has_an_account_none_is_looked_for(run: Run, state: Path) -> None:
    for words in (("user", "list"), ("user", "disable", "kari"), ("token", "list")):
        result = run(*words)
        assert result.exit_code == 5
        assert str(state) in result.stderr
    assert not state.exists()


def test_a_damaged_file_is_told_with_its_place_and_what_to_do(run: Run, state: Path) -> None:
    run("user", "add", "kari", "--generate")
    (state / FILE_NAME).write_bytes(b"nonsense" * 1000)
    result = run("user", "list")
    assert result.exit_code == 3
    assert str(state / FILE_NAME) in result.stderr
    assert "copy" in result.stderr


def test_a_file_of_a_newer_version_is_told_with_what_to_do(run: Run, state: Path) -> None:
    run("user", "add", "kari", "--generate")
    accounts = Accounts.open(state)
    with accounts._database.reading() as connection:
        connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    accounts.close()
    assert "update Branchpress" in run("user", "list").stderr


def test_the_state_folder_may_not_lie_in_the_repository(run: Run, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CMS_STATE", str(repo.path / "state"))
    assert run("user", "add", "kari", "--generate").exit_code == 3
