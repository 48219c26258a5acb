"""The tutorial, typed as it stands: by a shell, against a real server, with stock Git."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).parents[1] / "docs" / "tutorial.md"
BLOCKS = re.findall(r"^```sh( refused)?\n(.*?)^```$", TUTORIAL.read_text("utf-8"), re.M | re.S)
ASK = """#!/bin/sh
case "$1" in
*ola@*) echo "a long password for Ola" ;;
*eva@*) echo "a long password for Eva" ;;
esac
"""
UNTIL_UP = (
    "for _ in $(seq 100); do curl --silent --fail http://127.0.0.1:8000/readyz > up.txt && break; sleep 0.1; done\n"
)


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return str(listener.getsockname()[1])


def script() -> str:
    """All blocks as one script; what must be refused is an error when it is not."""
    parts = ["set -e\ntrap 'kill %1' EXIT\n"]
    for number, (refused, block) in enumerate(BLOCKS):
        parts.append(f"echo '== {number}' >&2\n")
        parts.append(
            f"if ( set -e\n{block}); then echo 'this should have been refused' >&2; exit 1; fi\n" if refused else block
        )
        if "cms serve" in block:
            parts.append(UNTIL_UP)
    return "".join(parts).replace("8000", free_port())


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """What the terminal says."""
    folder = tmp_path_factory.mktemp("tutorial")
    ask = folder / "ask"
    ask.write_text(ASK)
    ask.chmod(0o700)
    (folder / "work").mkdir()
    variables = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "GIT_ASKPASS": str(ask),
        "CMS_STATE": str(folder / "state"),
        "GIT_TERMINAL_PROMPT": "0",
    }
    command = ["bash", "-c", script()]
    return subprocess.run(
        command, cwd=folder / "work", env=variables, capture_output=True, text=True, timeout=120, check=False
    )


def test_every_command_of_the_tutorial_does_what_it_says(typed: subprocess.CompletedProcess[str]) -> None:
    assert typed.returncode == 0, typed.stdout + typed.stderr


def test_the_terminal_answers_like_an_editor(typed: subprocess.CompletedProcess[str]) -> None:
    shown = re.findall(r"^remote: (content/.*)$", TUTORIAL.read_text("utf-8"), re.M)
    for line in shown:
        assert line in typed.stderr, typed.stderr
    assert "Eva Dahl" in typed.stderr


def test_what_was_published_is_public_and_proven(typed: subprocess.CompletedProcess[str]) -> None:
    assert '"title":"Summer in the north"' in typed.stdout
    assert "eva" in typed.stdout.partition('"title":"Summer in the north"')[2].casefold()
