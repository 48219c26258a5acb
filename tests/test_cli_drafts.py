"""The workflow on the command line: on the server's own machine, in clones with and without signatures, and what is said there."""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cms import cli
from cms.pushlog import PushLog
from cms.signatures import verify
from cms.store import Store
from tests.editing.tools import FILES, Newsroom
from tests.keys import SSHKey
from tests.repo import Repo

MEMORY = Path("/dev/shm")
COMMANDS = ("drafts", "draft", "start", "write", "delete", "mv", "preview", "close", "unpublish", "restore", "revert", "rollback", "request", "approve",
            "changes", "comment", "withdraw", "lift", "schedule", "publish", "bypass")  # fmt: skip
Run = Callable[..., Any]


class House:
    """A server's repository with its key, and clones of it; commands are run in one of them."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._patch = patch
        self.keys = {name: SSHKey.make(folder / f"{name}-key") for name in ("eva", "ola")}
        settings = FILES["cms.toml"]
        for name, key in self.keys.items():
            settings = settings.replace(f'["{name}@example.org"]', f'["{name}@example.org"]\nkeys = ["{key.line}"]')
        room = Newsroom(folder, files={**FILES, "cms.toml": settings, ".gitignore": "search_index/\n"})
        assert room.office.key.public_key
        room.site.close()
        self.server = Repo(folder / "site.git")

    def run(self, *words: object, given: str = "") -> Any:
        """Run a command in the server's repository."""
        return self.run_in(self.server.path, *words, given=given)

    def run_in(self, place: Path, *words: object, given: str = "") -> Any:
        """Run a command in *place*."""
        is_server = place == self.server.path
        with self._patch.context() as patch:
            patch.chdir(place)
            if is_server:
                patch.setenv("CMS_STATE", str(self.folder / "state"))
            return CliRunner().invoke(cli.app, [str(word) for word in words], input=given)

    def do(self, *words: object, given: str = "") -> str:
        """What a command prints in the server's repository, which must succeed."""
        result = self.run(*words, given=given)
        assert result.exit_code == 0, result.output
        return str(result.stdout)

    def clone(self, person: str, *, signs: bool = False, branch: str = "main") -> "Clone":
        """A clone of *person*; with *signs* commits are signed."""
        place = self.folder / f"{person}-{branch.replace('/', '-')}"
        self.server.git("clone", "--quiet", "--branch", branch, str(self.server.path), str(place))
        clone = Clone(self, Repo(place))
        clone.git("config", "user.email", f"{person}@example.org")
        if signs:
            clone.git("config", "gpg.format", "ssh")
            clone.git("config", "user.signingkey", str(self.keys[person].path))
        return clone


class Clone:
    """A clone of one person."""

    def __init__(self, house: House, repo: Repo) -> None:
        self.house, self.repo, self.path = house, repo, repo.path

    def git(self, *words: str) -> str:
        return self.repo.git(*words)

    def run(self, *words: object, given: str = "") -> Any:
        return self.house.run_in(self.path, *words, given=given)

    def do(self, *words: object, given: str = "") -> str:
        """What a command prints, which must succeed."""
        result = self.run(*words, given=given)
        assert result.exit_code == 0, result.output
        return str(result.stdout)


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    for name in ("CMS_SITE", "CMS_BRANCH", "CMS_LOG", "CMS_STATE", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as folder:
        yield House(Path(folder), monkeypatch)


def begin(house: House, name: str = "x", *fields: str) -> None:
    """A draft of Ola's with one changed post, on the server."""
    house.do("start", name, "--as", "ola")
    house.do("write", name, "posts/a", "--set", *(fields or ("title=New",)), "--as", "ola")


def approve(house: House, name: str = "x") -> None:
    house.do("approve", name, "--as", "eva")


def test_every_command_explains_itself_with_an_example_and_its_exit_codes(house: House) -> None:
    for command in COMMANDS:
        shown = house.do(command, "--help")
        assert f"$ cms {command}" in shown
        assert "Exit codes: 0 fine" in shown


def test_the_help_puts_commands_where_they_belong(house: House) -> None:
    shown = house.do("--help")
    panels = re.findall(r"─ ([A-Z][^─]+) ─", shown)
    assert panels == ["Options", "Serving and checking", "Reading", "Drafts", "Review and publication", "Proof", "On the server's own machine"]  # fmt: skip
    assert shown.index("─ Drafts") < shown.index("│ unpublish") < shown.index("─ Review") < shown.index("│ approve")


# -- on the server -------------------------------------------------------------------------------------------------


def test_a_draft_goes_from_its_first_word_to_its_readers(house: House) -> None:
    assert "next: cms write x COLLECTION/SLUG --set FIELD=VALUE --as ola" in house.do("start", "x", "--as", "ola")
    written = house.do("write", "x", "posts/c", "--set", "title=C", "--body", "-", "--as", "ola", given="Words.\n")
    assert "added    posts/c.md: not approved" in written
    assert "next: cms request x --as ola" in written
    assert "x  in review" in house.do("request", "x", "-m", "Please read", "--as", "ola")
    assert "next: cms publish x --as eva" in house.do("approve", "x", "--as", "eva")
    assert house.do("publish", "x", "--as", "pia").startswith("Published x: 1 file, main is at ")
    assert house.server.git("show", "main:posts/c.md") == "---\ntitle: C\n---\nWords."
    assert house.run("drafts").stderr == "There are no drafts. To begin one: cms start NAME\n"


def test_the_server_signs_for_whom_it_acts_and_logs_how(house: House) -> None:
    begin(house)
    commit = house.server.git("log", "-1", "--format=%an|%cn|%B", "drafts/x")
    assert commit.startswith("Ola Hansen|Branchpress|Change posts/a")
    assert "Acted-by: ola" in commit
    entries = PushLog(Store.open(house.server.path)).entries()
    assert [(entry.act, entry.person, entry.via, entry.is_valid) for entry in entries] == [("start", "ola", "shell", True), ("write", "ola", "shell", True)]  # fmt: skip


def test_a_draft_is_shown_with_all_that_was_said(house: House) -> None:
    begin(house)
    approve(house)
    house.do("changes", "x", "-m", "Too long\n\nMuch.", "--on", "posts/a.md#title", "--as", "rita")
    house.do("comment", "x", "-m", "Nice", "--on", "posts/a.md:2", "--as", "per")
    shown = house.do("draft", "x", "--as", "ola")
    assert "x  changes requested\n  at " in shown
    assert "  changed  posts/a.md: approved by Eva Dahl\n" in shown
    assert "Eva Dahl approves\n" in shown
    assert "Rita Moe asks for changes on posts/a.md#title: Too long\n" in shown
    assert "Per Lie remarks on posts/a.md:2: Nice\n" in shown
    assert "missing: Rita Moe asked for changes (Too long): Rita Moe can approve or withdraw, or Mia Vik can lift that" in shown  # fmt: skip


@pytest.mark.parametrize(
    ("by", "hint"),
    [
        ("ola", "  next: Eva Dahl or Pia Berg can publish it\n"),
        ("pia", "  next: cms publish x --as pia\n"),
        ("", "  next: Eva Dahl or Pia Berg can publish it\n"),
    ],
)
def test_the_next_step_is_told_to_who_can_take_it(house: House, by: str, hint: str) -> None:
    begin(house)
    approve(house)
    assert house.do("draft", "x", *(("--as", by) if by else ())).endswith(hint)


def test_looking_needs_no_name_and_acting_does(house: House) -> None:
    begin(house)
    assert house.do("draft", "x").startswith("x  draft\n")
    assert house.do("drafts").startswith("x     ")
    result = house.run("approve", "x")
    assert (result.exit_code, "Git knows no e-mail address of yours" in result.stderr) == (5, True)
    assert "or --as PERSON" in result.stderr
    house.server.git("config", "user.email", "eva@example.org")
    assert house.do("approve", "x").startswith("Approved x.\nx  approved")
    assert house.run("draft", "x", "--as", "evva").stderr.startswith("Error: nobody in cms.toml is called 'evva'; did you mean 'eva'?")  # fmt: skip


def test_a_time_is_one_of_the_sites_own_clocks(house: House) -> None:
    begin(house)
    approve(house)
    shown = house.do("schedule", "x", "2030-05-17T07:00", "--as", "pia")
    assert "goes public at 2030-05-17 07:00 (Europe/Oslo), says Pia Berg" in shown
    assert "Publish-At: 2030-05-17T05:00:00Z" in house.server.git("log", "-1", "--format=%B", "drafts/x")
    assert "scheduled at 2030-05-17 07:00, 1 entry, by Ola Hansen" in house.do("drafts")
    assert "x does not go public by itself any more." in house.do("schedule", "x", "never", "--as", "pia")
    assert "06:00 (Europe/Oslo)" in house.do("schedule", "x", "2030-01-01T05:00Z", "--as", "pia")


@pytest.mark.parametrize(
    ("when", "code", "said"),
    [
        ("tomorrow", 2, "'tomorrow' is no time"),
        ("2030-05-17", 2, "is a day without a time"),
        ("2030-03-31T02:30", 2, "say which is meant: 2030-03-31T02:30:00+01:00 or 2030-03-31T02:30:00+02:00"),
        ("2030-10-27T02:30", 2, "the clocks of Europe/Oslo are changed"),
        ("2020-05-17T07:00", 7, "is past; to publish at once use publish"),
    ],
)
def test_a_time_that_is_none_is_refused(house: House, when: str, code: int, said: str) -> None:
    begin(house)
    approve(house)
    result = house.run("schedule", "x", when, "--as", "pia")
    assert (result.exit_code, said in result.stderr) == (code, True), result.stderr


def test_what_is_published_is_undone_by_drafts(house: House) -> None:
    begin(house)
    approve(house)
    commit = re.findall(r"main is at (\w{10})", house.do("publish", "x", "--as", "pia"))[0]
    assert f"Began the draft revert-{commit}." in house.do("revert", commit, "--as", "ola")
    assert "deleted  posts/b.md" in house.do("unpublish", "posts/b", "--as", "per", "--reason", "It is old")
    house.do("approve", "unpublish-b", "--as", "eva")
    house.do("publish", "unpublish-b", "--as", "pia")
    assert "added    posts/b.md" in house.do("restore", "posts/b", "--draft", "again", "--as", "ola")
    assert "Began the draft back." in house.do("rollback", commit, "--draft", "back", "--as", "ola")


def test_a_closed_draft_can_be_taken_up_again(house: House) -> None:
    begin(house)
    head = house.server.git("rev-parse", "drafts/x")
    closed = house.do("close", "x", "--reason", "Next year", "--as", "ola")
    assert closed == f"Closed x. To take it up again: git branch drafts/x {head}\n"
    assert house.run("draft", "x").exit_code == 5
    assert "Note: Next year" in house.server.git("log", "-1", "--format=%B", "refs/cms/log")


def test_past_the_rules_with_a_reason_and_seen_by_all(house: House) -> None:
    begin(house)
    reason = "The water must be boiled until Friday"
    assert "the reason is in the log for everybody to read" in house.do("bypass", "x", "--reason", reason, "--as", "mia")  # fmt: skip
    assert f"Bypass: {reason}" in house.server.git("log", "-1", "--format=%B", "main")


def test_publishing_again_is_harmless(house: House) -> None:
    begin(house)
    approve(house)
    first = house.do("publish", "x", "--as", "pia")
    again = house.do("publish", "x", "--as", "pia")
    assert again.startswith("x was published before, as ")
    assert again.split()[5].rstrip(";") in first


def test_json_is_what_the_api_answers(house: House) -> None:
    begin(house)
    assert json.loads(house.do("drafts", "--json"))[0]["name"] == "x"
    state = json.loads(house.do("draft", "x", "--json", "--as", "rita"))
    assert (state["status"], state["owner"], state["entries"][0]["path"]) == ("draft", "ola", "posts/a.md")
    assert state["actions"] == ["write", "delete", "rename", "approve", "changes", "comment"]
    assert json.loads(house.do("approve", "x", "--json", "--as", "eva"))["status"] == "approved"
    assert json.loads(house.do("publish", "x", "--json", "--as", "pia"))["paths"] == ["posts/a.md"]


REFUSED: list[tuple[tuple[str, ...], int, str]] = [
    (("start", "x", "--as", "per"), 7, "there is a draft 'x' already; choose another name"),
    (("start", "a b", "--as", "ola"), 2, "'a b' cannot be the name of a draft"),
    (("start", "y", "--as", "robott"), 5, "nobody in cms.toml is called 'robott'; did you mean 'robot'?"),
    (("draft", "y"), 5, "there is no draft 'y'"),
    (("draft", "../y"), 5, "there is no draft '../y'"),
    (("write", "y", "posts/a", "--set", "title=T", "--as", "ola"), 5, "there is no draft 'y'"),
    (("write", "x", "posts/a", "--as", "ola"), 2, "nothing to write\n       use --set, --unset or --body"),
    (("write", "x", "posts", "--set", "title=T", "--as", "ola"), 2, "'posts' is no entry"),
    (("write", "x", "post/a", "--set", "title=T", "--as", "ola"), 5, "there is no collection 'post'; did you mean 'posts'?"),
    (("write", "x", "posts/a", "--set", "title", "--as", "ola"), 2, "--set 'title' has no value"),
    (("write", "x", "posts/a", "--body", "nowhere.md", "--as", "ola"), 2, "nowhere.md cannot be read: No such file"),
    (("write", "x", "posts/a", "--set", "title=New", "--as", "ola"), 7, "nothing would change"),
    (("write", "x", "posts/a", "--set", "title=T", "--as", "per"), 7, "ask Eva Dahl or Rita Moe"),
    (("write", "x", "posts/c", "--set", "title=C", "--path", "cms.toml", "--as", "ola"), 7, "would be no entry of posts"),
    (("delete", "x", "posts/z", "--as", "ola"), 5, "there is no posts/z here"),
    (("mv", "x", "posts/a", "b", "--as", "ola"), 7, "posts has an entry 'b' already; choose another slug"),
    (("request", "x", "--as", "per"), 7, "needs that it is your own, and it is Ola Hansen's"),
    (("approve", "x", "--as", "ola"), 7, "approving needs the role reviewer for posts/a.md; ask Eva Dahl or Rita Moe"),
    (("approve", "x", "--as", "eva", "--head", "HEAD"), 2, "--head 'HEAD' is no id of a commit"),
    (("approve", "x", "--as", "eva", "--head", "abcdef1"), 7, "it has changed since you looked; look again"),
    (("approve", "x", "--as", "eva", "--head", "0" * 40), 7, "has changed since you looked"),
    (("changes", "x", "--as", "rita"), 2, "say what should change\n       -m TEXT"),
    (("comment", "x", "--as", "rita"), 2, "a comment needs words\n       -m TEXT"),
    (("comment", "x", "-m", "Hm", "--on", "here", "--as", "rita"), 2, "'here' is no place: write <path>#<field> or <path>:<line>"),
    (("lift", "x", "rita", "--as", "mia"), 2, "say why the request for changes is lifted\n       --reason TEXT"),
    (("lift", "x", "rita", "--reason", "Done", "--as", "mia"), 7, "nobody has asked for changes"),
    (("publish", "x", "--as", "pia"), 7, "needs 1 more approval by @editors: Eva Dahl or Rita Moe can give it"),
    (("publish", "x", "--as", "ola"), 7, "publishing needs the role publisher for posts/a.md; ask Eva Dahl or Pia Berg"),
    (("bypass", "x", "--as", "mia"), 2, "say why this cannot wait; everybody will read it"),
    (("bypass", "x", "--reason", "Because I can", "--as", "pia"), 7, "Mia Vik"),
    (("close", "x", "--as", "per"), 7, "closing this draft needs that it is your own"),
    (("revert", "nothing", "--as", "ola"), 5, "there is no branch, tag or full commit id 'nothing'"),
    (("revert", "abcdef1", "--as", "ola"), 5, "there is no commit 'abcdef1' here"),
    (("restore", "posts/a", "--as", "ola"), 5, "history knows no withdrawn posts/a"),
]  # fmt: skip


def test_every_refusal_says_what_is_wrong_and_what_to_do(house: House) -> None:
    begin(house)
    refs = house.server.git("for-each-ref")
    for words, code, said in REFUSED:
        result = house.run(*words)
        assert (result.exit_code, result.stdout) == (code, ""), (words, result.output)
        assert result.stderr.startswith("Error: "), (words, result.stderr)
        assert said in result.stderr, (words, result.stderr)
    assert house.server.git("for-each-ref") == refs


def test_every_error_in_what_is_written_is_a_line_with_its_place(house: House) -> None:
    begin(house)
    result = house.run("write", "x", "posts/a", "--set", "title=", "--set", "nope=1", "--as", "ola")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        'posts/a.md:2:8: title: "" is shorter than 1 character',
        "posts/a.md:4:7: nope: the schema has no field 'nope' (the fields are title, tags, category, number, related)",
        "Error: 2 errors; nothing was changed",
    ]
    result = house.run("delete", "x", "posts/a", "--as", "ola")
    assert result.stderr.startswith("posts/b.md:3:11: related.0: there is no 'a' in posts")


def test_values_are_json_or_else_text(house: House) -> None:
    house.do("start", "x", "--as", "ola")
    house.do("write", "x", "posts/a", "--set", 'tags=["a", "b"]', "--set", "number=5", "--set", "title=[not json", "--unset", "category", "--as", "ola")  # fmt: skip
    source = house.server.git("show", "drafts/x:posts/a.md")
    assert source == '---\ntitle: "[not json"\ntags:\n  - a\n  - b\nnumber: 5\n---\nFirst text.'


def test_what_was_said_can_be_taken_back(house: House) -> None:
    begin(house)
    approve(house)
    shown = house.do("withdraw", "x", "-m", "Not yet", "--as", "eva")
    assert shown.startswith("Withdrew what you said on x.\nx  draft\n")
    assert "Eva Dahl takes back what they said: Not yet\n" in shown


def test_entries_are_deleted_and_renamed_in_drafts(house: House) -> None:
    begin(house)
    assert "deleted  posts/b.md" in house.do("delete", "x", "posts/b", "--as", "ola")
    assert "added    posts/alpha.md" in house.do("mv", "x", "posts/a", "alpha", "--as", "ola")


def test_a_conflict_is_shown_with_both_values(house: House) -> None:
    begin(house)
    begin(house, "y", "title=Other")
    approve(house, "y")
    house.do("publish", "y", "--as", "pia")
    shown = house.do("draft", "x")
    assert shown.startswith("x  conflicting\n")
    assert re.search(r"^posts/a\.md.*title.*Other.*New|^posts/a\.md.*title.*New.*Other", shown, re.M)
    result = house.run("publish", "x", "--as", "pia")
    assert (result.exit_code, "changed the same" in result.stderr) == (7, True)


@pytest.mark.parametrize(
    ("rule", "shown"),
    [
        ("approvals = 0", "changed  posts/a.md: needs no approval"),
        ("approvals = 2", "changed  posts/a.md: approved by Eva Dahl (1 of 2)"),
    ],
)
def test_a_rule_is_told_by_what_it_asks_for(house: House, rule: str, shown: str) -> None:
    settings = house.server.git("show", "main:cms.toml").replace("approvals = 1", rule)
    house.server.commit({"cms.toml": settings})
    begin(house)
    approve(house)
    assert shown in house.do("draft", "x")


def test_an_approval_of_other_bytes_is_told_as_one(house: House) -> None:
    begin(house)
    approve(house)
    house.do("write", "x", "posts/a", "--set", "title=Newer", "--as", "ola")
    assert "posts/a.md: not approved (before it changed: Eva Dahl)" in house.do("draft", "x")


def test_of_many_entries_the_first_are_shown_and_the_rest_counted(house: House) -> None:
    house.do("start", "x", "--as", "ola")
    head = house.server.git("rev-parse", "drafts/x")
    files = {f"posts/n{number:02}.md": f"---\ntitle: N{number}\n---\n" for number in range(22)}
    house.server.commit(files, branch="drafts/x", parents=[head], author=("Ola Hansen", "ola@example.org"))
    assert "  and 2 more entries\n" in house.do("draft", "x")
    reason = "Nobody else is awake"
    assert "  and 2 more files\n" in house.do("bypass", "x", "--reason", reason, "--as", "mia")


def test_a_draft_that_is_published_already_has_nothing_left(house: House) -> None:
    begin(house)
    source = house.server.git("show", "drafts/x:posts/a.md") + "\n"
    house.server.commit({"posts/a.md": source})
    assert house.do("draft", "x").startswith("x  published")
    assert house.do("publish", "x", "--as", "pia") == "x holds nothing that is not published already.\n"


def test_a_text_that_is_none_is_not_written(house: House) -> None:
    begin(house)
    file = house.folder / "body.md"
    file.write_bytes(b"\xff\xfe")
    result = house.run("write", "x", "posts/a", "--body", file, "--as", "ola")
    assert (result.exit_code, "is not UTF-8 text" in result.stderr) == (2, True)


# -- in a clone ----------------------------------------------------------------------------------------------------


def test_a_clone_acts_as_its_person_and_is_told_to_push(house: House) -> None:
    clone = house.clone("ola")
    clone.do("start", "x")
    assert clone.do("write", "x", "posts/a", "--set", "title=New").endswith("  next: git push origin drafts/x\n")
    author = clone.git("log", "-1", "--format=%an <%ae>|%cn|%G?", "drafts/x")
    assert author == "Ola Hansen <ola@example.org>|Ola Hansen|N"
    assert "refs/cms/log" not in clone.git("for-each-ref")
    clone.git("push", "--quiet", "origin", "drafts/x")
    assert "next: git push" not in clone.do("draft", "x")
    assert "x  draft" in house.do("draft", "x")


def test_what_a_clone_signs_counts_on_the_server_once_it_is_pushed(house: House) -> None:
    writer, editor = house.clone("ola", signs=True), house.clone("eva", signs=True)
    writer.do("start", "x")
    writer.do("write", "x", "posts/a", "--set", "title=New")
    writer.git("push", "--quiet", "origin", "drafts/x")
    editor.git("fetch", "--quiet")
    assert "x  approved" in editor.do("approve", "x", "-m", "Reads well")
    editor.git("push", "--quiet", "origin", "drafts/x")
    assert "Eva Dahl approves: Reads well\n" in house.do("draft", "x")
    payload, signature = Store.open(house.server.path).signature(Store.open(house.server.path).resolve("refs/heads/drafts/x")) or (b"", "")  # type: ignore[arg-type]  # fmt: skip
    signed = verify(payload, signature)
    assert signed is not None
    assert signed.key == house.keys["eva"].line


def test_an_editor_publishes_from_a_clone_and_pushes_the_merge(house: House) -> None:
    writer, editor = house.clone("ola", signs=True), house.clone("eva", signs=True)
    writer.do("start", "x")
    writer.do("write", "x", "posts/a", "--set", "title=New")
    writer.git("push", "--quiet", "origin", "drafts/x")
    editor.git("fetch", "--quiet")
    editor.do("approve", "x")
    early = editor.run("publish", "x")
    assert (early.exit_code, "git push origin drafts/x" in early.stderr) == (7, True)
    editor.git("push", "--quiet", "origin", "drafts/x")
    assert editor.do("publish", "x").endswith("  next: git push origin main\n")
    assert (editor.path / "posts/a.md").read_text().startswith("---\ntitle: New")
    assert editor.git("status", "--porcelain") == ""
    editor.git("push", "--quiet", "origin", "main")
    assert house.server.git("log", "-1", "--format=%s", "main") == "Publish x: a"


def test_a_signature_that_cannot_be_made_stops_the_act(house: House) -> None:
    clone = house.clone("ola", signs=True)
    clone.git("config", "user.signingkey", str(house.folder / "no-such-key"))
    clone.do("start", "x")
    result = clone.run("write", "x", "posts/a", "--set", "title=New")
    assert result.exit_code != 0
    assert "the commit cannot be signed" in result.stderr
    assert clone.git("rev-parse", "drafts/x") == clone.git("rev-parse", "main")


def test_drafts_of_others_are_seen_without_a_branch_of_ones_own(house: House) -> None:
    begin(house)
    clone = house.clone("eva")
    assert clone.do("drafts").startswith("x    ")
    assert "changed  posts/a.md" in clone.do("draft", "x")
    assert "drafts/x" not in clone.git("branch", "--format=%(refname:short)")
    clone.do("comment", "x", "-m", "Nice")
    assert "drafts/x" in clone.git("branch", "--format=%(refname:short)")


def test_a_draft_follows_what_was_fetched_and_its_work_tree_with_it(house: House) -> None:
    begin(house)
    clone = house.clone("eva")
    clone.git("switch", "--quiet", "drafts/x")
    house.do("write", "x", "posts/a", "--set", "title=Newer", "--as", "ola")
    clone.git("fetch", "--quiet")
    clone.do("comment", "x", "-m", "Nice")
    assert (clone.path / "posts/a.md").read_text().startswith("---\ntitle: Newer")
    assert clone.git("status", "--porcelain") == ""
    clone.git("push", "--quiet", "origin", "drafts/x")
    (clone.path / "posts/a.md").write_text("not committed\n")
    house.do("write", "x", "posts/a", "--set", "title=Newest", "--as", "ola")
    clone.git("fetch", "--quiet")
    result = clone.run("comment", "x", "-m", "Nice")
    assert (result.exit_code, "changes that are not committed in posts/a.md" in result.stderr) == (7, True)


def test_a_draft_that_went_on_on_both_sides_is_not_guessed_at(house: House) -> None:
    begin(house)
    clone = house.clone("eva")
    clone.do("comment", "x", "-m", "Here")
    house.do("comment", "x", "-m", "There", "--as", "per")
    clone.git("fetch", "--quiet")
    result = clone.run("comment", "x", "-m", "Again")
    assert result.exit_code == 7
    assert "drafts/x has gone on differently here and at origin" in result.stderr
    assert "git pull --rebase origin drafts/x" in result.stderr


def test_a_clone_without_the_log_says_how_to_have_it(house: House) -> None:
    begin(house)
    clone = house.clone("per")
    clone.do("comment", "x", "-m", "Nice")
    assert "[counts once it is pushed]" in clone.do("draft", "x")
    clone.git("push", "--quiet", "origin", "drafts/x")
    result = clone.run("draft", "x")
    assert "[who pushed it is not known here]" in result.stdout
    assert "to have it: git fetch origin refs/cms/log:refs/cms/log" in result.stderr
    clone.git("fetch", "--quiet", "origin", "refs/cms/log:refs/cms/log")
    result = clone.run("draft", "x")
    assert (", by Ola Hansen" in result.stdout, result.stderr) == (True, "")


def test_to_publish_a_clone_goes_to_where_the_branch_is_now(house: House) -> None:
    begin(house, "other", "category=skole")
    editor = house.clone("eva", signs=True)
    editor.do("start", "x")
    editor.do("write", "x", "posts/b", "--set", "title=Bee")
    house.do("approve", "other", "--as", "rita")
    house.do("publish", "other", "--as", "pia")
    editor.git("push", "--quiet", "origin", "drafts/x")
    editor.git("fetch", "--quiet")
    result = editor.run("publish", "x")
    assert (result.exit_code, "Rita Moe can give it" in result.stderr) == (7, True)
    assert editor.git("rev-parse", "main") == house.server.git("rev-parse", "main")
    assert "category: skole" in (editor.path / "posts/a.md").read_text()


def test_with_a_draft_checked_out_the_published_branch_is_still_the_published_one(house: House) -> None:
    settings = house.server.git("show", "main:cms.toml").replace('branch = "main"\n', "")
    house.server.commit({"cms.toml": settings})
    begin(house)
    clone = house.clone("eva", branch="drafts/x")
    assert "changed  posts/a.md" in clone.do("draft", "x")
    result = clone.run("publish", "x")
    assert (result.exit_code, "there is no branch main here to publish to" in result.stderr) == (7, True)
    assert "git branch main origin/main" in result.stderr
    clone.git("remote", "remove", "origin")
    result = clone.run("drafts")
    assert (result.exit_code, "set CMS_BRANCH" in result.stderr) == (2, True)


def test_a_draft_that_is_checked_out_keeps_its_branch(house: House) -> None:
    writer, editor = house.clone("ola", signs=True), house.clone("eva", signs=True)
    writer.do("start", "x")
    writer.do("write", "x", "posts/a", "--set", "title=New")
    writer.git("push", "--quiet", "origin", "drafts/x")
    writer.git("switch", "--quiet", "drafts/x")
    result = writer.run("close", "x")
    assert (result.exit_code, "switch to another branch there first" in result.stderr) == (7, True)
    editor.git("fetch", "--quiet")
    editor.git("switch", "--quiet", "drafts/x")
    editor.do("approve", "x")
    editor.git("push", "--quiet", "origin", "drafts/x")
    assert "its branch stays: git switch main && git branch -D drafts/x" in editor.do("publish", "x")
    assert editor.git("status", "--porcelain") == ""


def test_a_detached_head_and_a_folder_below_are_no_hindrance(house: House) -> None:
    begin(house)
    clone = house.clone("eva")
    clone.git("switch", "--quiet", "--detach", "origin/drafts/x")
    assert "x  draft" in clone.do("draft", "x")
    clone.do("comment", "x", "-m", "Nice")
    assert clone.git("status", "--porcelain") == ""
    assert house.run_in(clone.path / "posts", "drafts").stdout.startswith("x    ")
    assert house.run_in(house.folder, "draft", "x", "--site", clone.path).exit_code == 0


def test_a_bare_clone_works_too(house: House) -> None:
    begin(house)
    mirror = Clone(house, Repo(house.folder / "mirror.git"))
    house.server.git("clone", "--quiet", "--mirror", str(house.server.path), str(mirror.path))
    mirror.git("config", "user.email", "eva@example.org")
    assert ", by Ola Hansen" in mirror.do("draft", "x")
    assert "Eva Dahl approves [counts once it is pushed]" in mirror.do("approve", "x")


def test_nobody_acts_for_somebody_else_in_a_clone(house: House) -> None:
    clone = house.clone("ola")
    result = clone.run("start", "x", "--as", "eva")
    assert (result.exit_code, "in a clone you act as yourself, and push" in result.stderr) == (7, True)
    clone.git("config", "user.email", "nobody@example.org")
    result = clone.run("start", "x")
    assert (result.exit_code, "nobody in cms.toml has the e-mail address 'nobody@example.org'" in result.stderr) == (5, True)  # fmt: skip
    assert "--as" not in result.stderr


def test_closing_in_a_clone_says_how_to_tell_the_server(house: House) -> None:
    begin(house)
    clone = house.clone("ola")
    assert clone.do("close", "x").endswith("  next: git push origin --delete drafts/x\n")
    subprocess.run(["git", "push", "-q", "origin", "--delete", "drafts/x"], cwd=clone.path, check=True)
    assert house.run("draft", "x").exit_code == 5


# -- showing a draft to others -----------------------------------------------------------------------------------------


def test_a_preview_is_printed_once_listed_and_ended(house: House) -> None:
    begin(house)
    made = house.run("preview", "x", "--days", "7", "--as", "ola")
    token = made.stdout.strip()
    assert re.fullmatch(r"cmsp_[0-9a-z]{12}[0-9A-Za-z]{49}", token)
    assert f"--revoke {token[5:17]}" in made.stderr
    listed = house.do("preview", "x", "--list", "--as", "per")
    assert re.fullmatch(rf"{token[5:17]}  until 20\S+ \S+ +by Ola Hansen\n", listed)
    house.do("preview", "x", "--revoke", token, "--as", "per")
    (entry,) = json.loads(house.do("preview", "x", "--list", "--json", "--as", "per"))
    assert (entry["live"], entry["revoked_at"] is None) == (False, False)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nothing", "--as", "ola"), "there is no draft"),
        (("x", "--revoke", "0" * 12, "--as", "ola"), "no such preview"),
        (("x", "--revoke", "0" * 12, "--list", "--as", "ola"), "exclude each other"),
    ],
)
def test_a_preview_that_cannot_be_is_refused_in_a_sentence(house: House, words: tuple[str, ...], told: str) -> None:
    begin(house)
    refused = house.run("preview", *words)
    assert (refused.exit_code != 0, refused.stdout) == (True, "")
    assert told in refused.stderr


def test_a_clone_says_where_previews_are_made(house: House) -> None:
    begin(house)
    refused = house.clone("ola").run("preview", "x")
    assert refused.exit_code != 0
    assert "POST /api/v1/drafts/NAME/previews" in refused.stderr
