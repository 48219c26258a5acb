"""``cms verify``, ``cms log`` and ``cms key`` as a person and a script meet them."""

import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import structlog
from typer.testing import CliRunner

from cms import cli
from cms.proof import EntryProof, Prover
from cms.proof.newsroom import Newsroom as Telling
from cms.proof.telling import entry_json
from cms.pushlog import PushLog
from cms.refs import PUSH_LOG
from cms.serverkey import ServerKey
from cms.signatures import short_fingerprint
from cms.store import Store
from tests.newsroom import MAIN, A, B, Newsroom, post, stop_syncing
from tests.repo import Repo

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def hasty_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_syncing(monkeypatch)


@pytest.fixture(autouse=True)
def untouched_log() -> Iterator[None]:
    """Commands set up the log of the process; other tests want it as it was."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.fixture
def room(tmp_path: Path) -> Newsroom:
    """One post approved by signature, one on the server's word."""
    made = Newsroom(tmp_path, settings='[site]\ntime_zone = "Europe/Oslo"\n')
    made.write("easter", {A: post("New")}, how="server")
    made.say("easter", "approve", by="eva", message="Reads well")
    made.publish("easter")
    made.write("may", {B: post("B")}, how="pushed")
    made.say("may", "approve", by="eva", how="server")
    made.publish("may")
    return made


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, room: Newsroom) -> Run:
    """Runs a command in the repository of the newsroom, without a terminal."""
    monkeypatch.chdir(room.repo.path)
    monkeypatch.setenv("CMS_STATE", str(room.state))
    for name in ("CMS_SITE", "CMS_BRANCH", "CMS_LOG", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return lambda *arguments: CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


def key_of(room: Newsroom, person: str) -> str:
    return short_fingerprint(room.keys[person].public_key)


# -- verify ----------------------------------------------------------------------------------------------------------------


def test_verify_sums_up_first_and_then_tells_of_every_entry(run: Run, room: Newsroom) -> None:
    result = run("verify")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert lines[:4] == [
        f"main at {room.main[:10]}: 4 live files: everything is approved by the rules, or older than they are",
        "  1  approved, by people's own signatures",
        "  1  approved, on the server's word",
        "  2  from before the workflow: never published through a draft",
    ]
    assert lines[4] == "posts/a (en)  approved"
    assert re.fullmatch(
        r"    published by Kari Nordmann, 2026-05-01 10:04, \w{10}, draft easter \(the server's word: it signed for them, and its log agrees\)",
        lines[5],
    )
    assert lines[6].startswith("    written   by Ola Hansen, 2026-05-01 10:02, ")
    assert lines[7].startswith("    approved  by Eva Lie, 2026-05-01 10:03, ")
    assert lines[7].endswith(f"(signed with their own key {key_of(room, 'eva')})")
    assert lines[8] == "posts/b (en)  approved, on the server's word"
    assert lines[10].endswith("(the server's word: it saw them push it)")


def test_verify_says_what_it_rests_on_beside_the_answer(run: Run, room: Newsroom) -> None:
    notes = run("verify").stderr
    assert "whose key is whose is taken from cms.toml in this repository" in notes
    assert f"the server's key {short_fingerprint(room.server.public_key)} vouches for itself" in notes


def test_verify_with_a_file_of_allowed_signers_rests_on_that(run: Run, room: Newsroom, tmp_path: Path) -> None:
    lines = [f'{id}@example.org namespaces="git" {key.public_key}' for id, key in room.keys.items()]
    (tmp_path / "allowed").write_text("\n".join([*lines, run("key", "show").stdout]))
    result = run("verify", "--allowed-signers", tmp_path / "allowed")
    assert (result.exit_code, result.stderr) == (0, "")


def test_what_is_at_fault_stands_first_and_fails(run: Run, room: Newsroom) -> None:
    room.write("june", {"content/posts/z.md": post("Z")})
    room.publish("june", by="eva", bypass="The printer waits")
    straight = room.put_on_main({"content/posts/y.md": post("Y")})
    result = run("verify")
    lines = result.stdout.splitlines()
    assert result.exit_code == 1
    assert "6 live files, of which 2 are not approved as the rules ask" in lines[0]
    assert "  1  published without the approvals, by a bypass" in lines
    at = lines.index(
        "posts/z (en)  published by a bypass: Eva Lie published it without the approvals: The printer waits"
    )
    assert lines[at - 1] == (
        f"posts/y (en)  past the workflow: {straight[:10]} put it on main directly, when publications had begun"
    )


def test_verify_looks_at_the_commit_that_is_named(run: Run, room: Newsroom) -> None:
    room.write("june", {A: post("Newer")}, how="claimed")
    before, _ = room.main, room.publish("june")
    assert run("verify").exit_code == 1
    assert run("verify", before).exit_code == 0
    assert run("verify", "0" * 40).exit_code == 5


def test_a_problem_of_the_whole_is_told_and_fails(run: Run, room: Newsroom) -> None:
    room.repo.git("update-ref", MAIN, room.repo.git("rev-parse", f"{MAIN}~2"))
    result = run("verify")
    assert result.exit_code == 1
    assert "2 live" not in result.stdout.splitlines()[0]
    assert "! 2 publications of which the push log tells are not in this history" in result.stdout


def test_verify_prints_json_for_programs(run: Run, room: Newsroom) -> None:
    report = json.loads(run("verify", "--json").stdout)
    assert report["is_proven"] is True
    assert report["summary"] == {
        "files": 4,
        "approved": 2,
        "imported": 2,
        "unapproved": 0,
        "bypassed": 0,
        "past_the_workflow": 0,
        "approved_by_signatures": 1,
        "approved_on_the_servers_word": 1,
    }
    assert report["server_keys"] == [{"key": short_fingerprint(room.server.public_key), "is_trusted": False}]
    entry = next(item for item in report["entries"] if item["slug"] == "a")
    assert entry["publication"]["at"] == "2026-05-01T10:04:00+02:00"
    assert entry["approvals"][0]["key"] == key_of(room, "eva")


def test_a_file_of_allowed_signers_that_cannot_be_used_is_refused(run: Run, tmp_path: Path) -> None:
    missing = run("verify", "--allowed-signers", tmp_path / "none")
    assert (missing.exit_code, "cannot be read" in missing.stderr) == (3, True)
    (tmp_path / "allowed").write_text("*@example.org cert-authority ssh-ed25519 AAAA\n")
    refused = run("verify", "--allowed-signers", tmp_path / "allowed")
    assert (refused.exit_code, "allowed:1: cert-authority is not supported" in refused.stderr) == (3, True)


def test_a_proof_holds_no_mail_address(room: Newsroom) -> None:
    prover = Prover(room.store, MAIN, room.log)
    proof = prover.entry_proof(room.main, A)
    assert isinstance(proof, EntryProof)
    text = json.dumps(entry_json(proof, ZoneInfo("UTC")))
    assert "Ola Hansen" in text
    assert "@" not in text


# -- log -------------------------------------------------------------------------------------------------------------------


def test_log_tells_who_did_what_newest_first_and_what_it_led_to(run: Run, room: Newsroom) -> None:
    lines = [re.sub(r"\b[0-9a-f]{10}\b", "ID", line) for line in run("log").stdout.splitlines()]
    assert lines == [
        "2026-05-01 10:07  Kari Nordmann published may (api)",
        "    content/posts/b.md",
        "2026-05-01 10:06  Eva Lie approved may (api): Approve",
        "    led to: published 2026-05-01 10:07 by Kari Nordmann, ID",
        "2026-05-01 10:05  Ola Hansen began may (git)",
        "    ID  Write",
        "    led to: published 2026-05-01 10:07 by Kari Nordmann, ID",
        "2026-05-01 10:04  Kari Nordmann published easter (api)",
        "    content/posts/a.md",
        "2026-05-01 10:03  Eva Lie approved easter (git): Reads well",
        "    led to: published 2026-05-01 10:04 by Kari Nordmann, ID",
        "2026-05-01 10:02  Ola Hansen wrote in easter (api)",
        "    ID  Write",
        "    led to: published 2026-05-01 10:04 by Kari Nordmann, ID",
    ]


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["--ref", "easter"], 3),
        (["--ref", "drafts/easter", "--person", "ola"], 1),
        (["--person", "Eva Lie"], 2),
        (["--person", "kari@example.org"], 2),
        (["--person", "somebody-who-left"], 0),
        (["--since", "2026-05-01 10:05"], 3),
        (["--since", "2026-05-02"], 0),
        (["-n", "4"], 4),
        ([], 6),
    ],
)
def test_log_shows_what_was_asked_for(run: Run, options: list[str], count: int) -> None:
    result = run("log", *options, "--json")
    assert result.exit_code == 0
    assert len(json.loads(result.stdout)) == count


def test_log_tells_every_kind_of_act(run: Run, room: Newsroom) -> None:
    room.write("june", {A: post("Newer")})
    room.write("june", {A: post("Newest")})
    room.say("june", "changes", message="Not yet", trailers=[("Anchor", f"{A}:3")])
    room.say("june", "lift", by="eva", message="Fine now", trailers=[("Lifts", "kari")])
    room.publish("june", by="eva", bypass="The printer waits")
    room.write("july", {A: post("July")})
    room.close("july", by="ola", note="No time")
    room.rotate()
    text = run("log").stdout
    for line in (
        "Eva Lie began to sign with the server's new key (shell)",
        "Eva Lie replaced the server's key (shell)",
        "Ola Hansen closed july (api): No time",
        "led to: closed 2026-05-01 10:14 by Ola Hansen",
        "Eva Lie published past the approvals june (api): The printer waits",
        "Eva Lie lifted a request for changes to june (git): Fine now",
        f"Kari Nordmann asked for changes to june (git): Not yet\n    on {A}:3\n",
        "Ola Hansen pushed 1 commit to june (git)\n",
    ):
        assert line in text, f"{line}\nis not in\n{text}"


def test_log_warns_of_an_entry_that_the_server_did_not_sign(run: Run, room: Newsroom) -> None:
    raw = room.repo.git("cat-file", "commit", PUSH_LOG)
    forged = raw.replace("Acted-by: kari", "Acted-by: eva").replace("by kari", "by eva") + "\n"
    room.repo.git(
        "update-ref", PUSH_LOG, room.repo.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=forged.encode())
    )
    lines = run("log", "-n", "1").stdout.splitlines()
    assert "Eva Lie published may" in lines[0]
    assert lines[-1] == "    ! the entry of the log is not signed with the server's key: nobody vouches for this"


def test_without_a_log_the_merges_tell_and_that_is_said(run: Run, room: Newsroom) -> None:
    room.repo.git("update-ref", "-d", PUSH_LOG)
    result = run("log")
    lines = result.stdout.splitlines()
    assert "2026-05-01 10:03  Eva Lie approved easter: Reads well" in lines
    assert [line.split("  ")[1] for line in lines if line[0] == "2"] == [
        *("Kari Nordmann published may", "Eva Lie approved may: Approve", "Ola Hansen wrote in may"),
        *("Kari Nordmann published easter", "Eva Lie approved easter: Reads well", "Ola Hansen wrote in easter"),
    ]
    assert "git fetch origin refs/cms/log:refs/cms/log" in result.stderr
    assert not any("!" in line for line in lines)


def test_log_says_when_the_commits_of_a_draft_are_not_in_the_clone(room: Newsroom, tmp_path: Path) -> None:
    room.write("june", {A: post("Newer")}, how="signed")
    clone = Repo.create(tmp_path / "clone.git")
    clone.git("fetch", "-q", str(room.repo.path), f"{PUSH_LOG}:{PUSH_LOG}", f"{MAIN}:{MAIN}")
    store = Store.open(clone.path)
    telling = Telling(store, MAIN, PushLog(store), cli.log.find_policy(store, room.main))
    first = next(telling.deeds())
    assert (first.did, first.details) == ("began", ("its commits are not in this clone",))


def test_a_date_that_is_none_is_refused(run: Run) -> None:
    result = run("log", "--since", "soon")
    assert result.exit_code == 2
    assert "--since 'soon' is no date" in result.stderr


# -- key -------------------------------------------------------------------------------------------------------------------


def test_key_show_prints_the_line_that_git_and_verify_take(run: Run, room: Newsroom, tmp_path: Path) -> None:
    result = run("key", "show")
    assert result.stdout == f'branchpress namespaces="git" {room.server.public_key}\n'
    (tmp_path / "allowed").write_text(result.stdout)
    options = ("-c", f"gpg.ssh.allowedSignersFile={tmp_path}/allowed")
    assert room.repo.git(*options, "log", "-1", "--format=%G? %GS", PUSH_LOG) == "G branchpress"


def test_key_rotate_replaces_the_key_and_all_stays_provable(run: Run, room: Newsroom) -> None:
    old = room.server.public_key
    result = run("key", "rotate", "--as", "eva", "--note", "once a year")
    assert result.exit_code == 0
    assert room.server.public_key in result.stdout
    assert json.loads(run("key", "show", "--json").stdout)["past_keys"] == [old]
    assert "Eva Lie replaced the server's key (shell): once a year" in run("log").stdout
    assert run("verify").exit_code == 0


def test_a_lost_key_is_replaced_only_when_that_is_asked_for(run: Run, room: Newsroom) -> None:
    assert "so it is not lost" in run("key", "rotate", "--lost").stderr
    (room.state / "server_key").unlink()
    assert run("key", "rotate").exit_code == 5
    ServerKey.load_or_create(room.state)
    refused = run("key", "rotate")
    assert refused.exit_code == 7
    assert "cms key rotate --lost" in refused.stderr
    assert run("key", "rotate", "--lost").exit_code == 0
    key = ServerKey.load_or_create(room.state).public_key
    assert PushLog(room.store, trusted=[key]).current_key() == key


def test_a_key_that_others_can_read_is_refused_with_the_command(run: Run, room: Newsroom) -> None:
    (room.state / "server_key").chmod(0o644)
    result = run("key", "show")
    assert result.exit_code == 3
    assert f"chmod 600 {room.state}/server_key" in result.stderr.replace("\n", "")


def test_nobody_rotates_as_somebody_who_is_not_there(run: Run) -> None:
    result = run("key", "rotate", "--as", "evaa")
    assert (result.exit_code, "did you mean 'eva'" in result.stderr) == (5, True)
