"""What a hostile text does to the terminal of somebody who reads it: nothing. Neither in answers to pushes, nor in what commands print, nor in the log."""

import json

import pytest
import structlog
from typer.testing import CliRunner

from cms import cli
from cms.log import configure_log
from tests.attacks.press import DRAFTS, Press, text

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x1b[31mRED\u202e\x9b31m\x85\u2028\rremote: fine\x7f"
FORBIDDEN = frozenset(map(chr, [*range(9), *range(11, 32), *range(127, 160), 0x2028, 0x2029, 0x202E]))


@pytest.fixture(scope="module")
def marked(press: Press) -> Press:
    """A site with hostile words wherever somebody may put some."""
    ola, rita = press.hand("ola"), press.hand("rita")
    raw = ola.raw_of(ola.commit({"posts/marked.md": text("Marked")}, [press.main], HOSTILE))
    names = raw.replace(b"Ola <ola@", b"O\x1b[31m\xc2\x9bla <ola@")
    ola.must_push("marked", ola.raw("commit", names))
    rita.must_push("marked", rita.commit({}, [press.heads["marked"]], HOSTILE, trailers=[("Review", "comment")]))
    rita.verdict("marked", "approve")
    assert press.ask("POST", "/drafts/marked/publication", "pia", {"message": f"Out {HOSTILE}"}).status_code == 201
    press.draft("remarks", approve="")
    verdict = {
        "verdict": "changes",
        "message": HOSTILE,
        "anchor": "posts/remarks.md#ti\u202etle",
        "head": press.heads["remarks"],
    }
    assert press.ask("POST", "/drafts/remarks/verdicts", "rita", verdict).status_code == 201
    return press


def assert_harmless(shown: str) -> None:
    assert not FORBIDDEN.intersection(shown), ascii(shown)


COMMANDS = (
    *(
        ("drafts",),
        ("drafts", "--json"),
        ("draft", "remarks"),
        ("draft", "remarks", "--json"),
        ("log",),
        ("log", "--json"),
        ("verify",),
    ),
    *(
        ("verify", "--json"),
        ("show", "posts/marked"),
        ("show", "posts/marked", "--json"),
        ("list", "posts", "--json"),
        ("publish", "remarks"),
    ),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_what_a_command_prints_moves_nothing_but_text(
    marked: Press, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"CMS_STATE": str(marked.path / "state"), "CMS_PERSON": "pia", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(cli.app, [*command, "--site", str(marked.room.repo.path)])
    structlog.reset_defaults()
    assert done.output
    assert_harmless(done.output)
    if "--json" in command:
        json.loads(done.stdout)


def test_an_answer_to_a_push_moves_nothing_but_text(marked: Press) -> None:
    ola, head = marked.hand("ola"), marked.heads["remarks"]
    blob = bytes.fromhex(ola.raw("blob", b"---\ntitle: [\x1b[2J\n---\n"))
    rows = marked.room.site.store.read_tree(ola.tree_of(head))
    bad = ola.commit_tree(ola.raw("tree", rows + b"100644 x\x1b[2Jy\xc2\x9b.md\0" + blob), [head], HOSTILE)
    broken = ola.commit({"posts/broken.md": "---\ntitle: [\x9b2J\u202e\n---\n"}, [head], HOSTILE)
    forged = ola.commit(
        {}, [head], HOSTILE, trailers=[("Review", HOSTILE.replace("\r", "").replace("\n", "")), ("Draft", "x\x9by")]
    )
    fine = ola.commit({"posts/fine.md": text("Fine")}, [head], HOSTILE)
    for commit in (bad, broken, forged, fine):
        done = ola.push(f"{commit}:{DRAFTS}remarks")
        assert "remote:" in done.output
        assert_harmless(done.output)


@pytest.mark.parametrize("is_json", [True, False])
def test_the_log_of_the_server_holds_one_line_an_event(
    marked: Press, capfd: pytest.CaptureFixture[str], is_json: bool
) -> None:
    try:
        configure_log("debug", is_json=is_json)
        for path in (
            "/drafts/%1b%5b2J%0d%0aforged%c2%9b",
            "/git/%1b%5b2J%0aforged.git/info/refs",
            "/entries/posts/%0aforged%e2%80%a8",
        ):
            marked.ask("GET", path, "eva")
            marked.ask("POST", path, "eva", {"a": "\n"}, X_Forged=b"\x1b[2J".decode())
        marked.hand("ola").push(f"{marked.main}:refs/tags/x")
    finally:
        structlog.reset_defaults()
    shown = capfd.readouterr().err
    assert_harmless(shown)
    assert not any(line.startswith("forged") for line in shown.splitlines())


def test_what_the_server_signs_moves_nothing_but_text_in_anybodys_git_log(marked: Press) -> None:
    shown = marked.room.repo.git("log", "--format=%B", "refs/heads/main", "--first-parent", "-1")
    assert "Out ]0;owned[2J[31mRED" in shown
    said = marked.room.repo.git("log", "--format=%B", "-1", f"{DRAFTS}remarks", "--author=Rita")
    for text_ in (shown, said):
        assert not FORBIDDEN.difference("\u2028\u2029\u202e").intersection(text_), ascii(text_)
