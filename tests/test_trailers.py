"""Trailers, held against Git's own reading and writing of thousands of messages."""

import os
import random
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cms.trailers import all_trailers, find_trailer, read_trailers, with_trailers, without_trailers
from tests.repo import Repo

CUT = "# ------------------------ >8 ------------------------"
#: What a message may be made of: everything that Git's rule treats specially, and what looks like it.
LINES = [
    *(
        "Review: approve",
        "review: changes",
        "Acted-by: kari",
        "Key:value",
        "Key :  value\t",
        "K-1:",
        ": none",
        "-: dash",
    ),
    *("Signed-off-by: Kari <k@example.org>", "signed-off-by: kari", "Signed-off-by:x", " Signed-off-by: folded"),
    *(
        "(cherry picked from commit 0123456789)",
        "(cherry picked from elsewhere)",
        "  continued",
        "\tcontinued: too",
        " ",
    ),
    *(
        "",
        "",
        "",
        "",
        "\t",
        "\r",
        "Plain text",
        "Text, with: colon",
        "Two words: no",
        "Ærlig: nei",
        "key_x: no",
        "https://x",
    ),
    *("# comment", "#", "# Comment: yes", "Conflicts:", "Conflicts: ", "\tcontent/a.md", "---", "--- x", "-- "),
    *(CUT, "------------------------ >8 ------------------------"),
    *(
        "Note: a\rb",
        "Note: trailing \r",
        "Ref:  refs/heads/main 0 1  ",
        "Review:",
        "Ølkey: x",
        "Key\u00a0: x",
        "Key: \u2028x",
    ),
]
MESSAGES = st.lists(st.sampled_from(LINES), max_size=12).flatmap(
    lambda lines: st.sampled_from(["\n".join(lines), "\n".join(lines) + "\n", "Title\n\n" + "\n".join(lines) + "\n"])
)
TRAILERS = st.lists(
    st.sampled_from([("Review", "approve"), ("Acted-by", "ola"), ("Note", "æ: ø "), ("Empty", "")]), min_size=1
)


def git(repo: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(["git", *arguments], cwd=repo, input=stdin, capture_output=True, check=True).stdout


def random_messages(count: int) -> list[str]:
    chance = random.Random(20240101)
    texts = []
    for _ in range(count):
        lines = chance.choices(LINES, k=chance.randint(0, 14))
        texts.append("Title\n\n" * chance.randint(0, 1) + "\n".join(lines) + "\n" * chance.randint(0, 2))
    return texts


def begun(message: str) -> str:
    """A commit's message begins with its first line that is not blank."""
    return re.sub(r"\A(?:[ \t\r]*\n)+", "", message)


def import_stream(messages: list[str]) -> bytes:
    parts = []
    for message in messages:
        raw = message.encode()
        parts.append(b"commit refs/heads/main\ncommitter K <k@example.org> 1700000000 +0000\ndata %d\n" % len(raw))
        parts.append(raw + b"\n")
    return b"".join(parts)


def test_messages_are_read_as_git_reads_those_of_commits(repo: Repo) -> None:
    messages = random_messages(4_000)
    git(repo.path, "fast-import", "--quiet", stdin=import_stream(messages))
    form = "--format=%(trailers:only,unfold,separator=%x01,key_value_separator=%x02)%x00"
    printed = git(repo.path, "log", "--reverse", form, "main").decode().split("\0\n")
    read = ["\1".join(f"{key}\2{value}" for key, value in read_trailers(message)) for message in messages]
    assert len([one for one in read if one]) > 500
    for message, ours, gits in zip(messages, read, printed, strict=False):
        assert ours == gits, message


@given(message=MESSAGES)
@settings(max_examples=80, deadline=None)
def test_a_message_is_read_as_git_interpret_trailers_reads_it(message: str) -> None:
    told = git(Path(os.sep), "interpret-trailers", "--parse", "--no-divider", stdin=begun(message).encode()).decode()
    assert "".join(f"{key}: {value}\n" for key, value in read_trailers(message)) == told


@given(message=MESSAGES, trailers=TRAILERS)
@settings(max_examples=80, deadline=None)
def test_trailers_are_added_as_git_adds_them(message: str, trailers: list[tuple[str, str]]) -> None:
    if not message.strip() or begun(message).startswith(CUT):
        return
    options = [word for key, value in trailers for word in ("--trailer", f"{key}: {value}")]
    command = ["interpret-trailers", "--no-divider", "--if-exists=add", *options]
    whole = begun(message).removesuffix("\n") + "\n"  # Git makes no paragraph of trailers after a line without an end
    told = git(Path(os.sep), *command, stdin=whole.encode()).decode()
    assert with_trailers(message, trailers) == told


@given(message=MESSAGES, trailers=TRAILERS)
@settings(max_examples=300, deadline=None)
def test_what_was_added_is_read_back_last(message: str, trailers: list[tuple[str, str]]) -> None:
    if not message.strip() or message.lstrip().startswith("#"):
        return
    stripped = tuple((key, value.strip()) for key, value in trailers)
    assert read_trailers(with_trailers(message, trailers))[-len(trailers) :] == stripped


def test_a_value_that_somebody_wrote_into_his_text_does_not_win_over_the_one_added() -> None:
    message = with_trailers("Fine\n\nActed-by: mallory\nReview: approve", [("Acted-by", "kari")])
    assert find_trailer(message, "acted-BY") == "kari"
    assert all_trailers(message, "Acted-by") == ("mallory", "kari")


def test_a_message_of_one_paragraph_has_no_trailers() -> None:
    assert read_trailers("Review: approve") == ()
    assert read_trailers("\n \nReview: approve\nActed-by: kari\n") == ()


def test_a_folded_value_is_one_line() -> None:
    assert read_trailers("Title\n\nNote: one\n   two\n\tthree\n") == (("Note", "one two three"),)


def test_other_lines_are_tolerated_beside_a_line_that_git_wrote() -> None:
    text = "Title\n\nReview: approve\nplain\nplain\n"
    assert read_trailers(text) == ()
    assert find_trailer(text + "Signed-off-by: Kari <kari@example.org>\n", "Review") == "approve"
    assert read_trailers(text + "plain\n" * 5 + "Signed-off-by: Kari <kari@example.org>\n") == ()


def test_what_stands_after_a_nul_does_not_exist() -> None:
    assert read_trailers("Title\n\nReview: comment\0\nReview: approve\n") == (("Review", "comment"),)


def test_reserved_trailers_are_taken_out_of_a_text_and_nothing_else() -> None:
    text = "Title\n\nSigned-off-by: Kari <k@example.org>\nBYPASS: because\n  I say so\nNote: x\n"
    assert without_trailers(text, {"bypass"}) == "Title\n\nSigned-off-by: Kari <k@example.org>\nNote: x\n"
    assert without_trailers("Title\n\nBypass: x\n", {"bypass"}) == "Title\n\n"
    assert without_trailers("Bypass: a title", {"bypass"}) == "Bypass: a title\n"


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\0b"])
def test_a_value_of_several_lines_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="Note must stand on one line"):
        with_trailers("Title", [("Note", value)])


@pytest.mark.parametrize("key", ["", "two words", "Key:", "Nøkkel", "a\n"])
def test_a_key_that_git_would_not_read_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="cannot be the key"):
        with_trailers("Title", [(key, "x")])


@pytest.mark.parametrize("message", [" \n", "", CUT, f"\n{CUT}\nText"])
def test_trailers_without_a_first_line_above_them_are_refused(message: str) -> None:
    with pytest.raises(ValueError, match="first line of text"):
        with_trailers(message, [("Review", "approve")])


def test_a_huge_message_is_read_in_one_pass() -> None:
    message = "Title\n\n" + "Review: approve\n" * 100_000 + " folded\n" * 100_000
    assert len(read_trailers(message)) == 100_000
