"""Crashes, as many as there is time for: see ``tests/crash``. More with ``make crash``."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def crash(*options: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m tests.crash`` with these options and nothing else."""
    nothing = ("--kills", "0", "--pushes", "0", "--power", "0")
    command = [sys.executable, "-W", "ignore", "-m", "tests.crash", *nothing, *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "options",
    [("--kills", "300"), ("--pushes", "15"), ("--power", "2")],
    ids=["killed while publishing", "killed during pushes", "cut off from power"],
)
def test_nothing_that_was_acknowledged_is_lost(options: tuple[str, str]) -> None:
    done = crash(*options)
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)  # noqa: T201 - what it comes to is worth a look


def test_a_house_that_does_not_sync_would_be_noticed() -> None:
    done = crash("--power", "3", "--careless")
    if "not possible here" in done.stdout:
        pytest.skip("needs the right to mount")
    assert done.returncode == 1
    assert re.search(r"power cut \(data=ordered\).*lost or wrong: [1-9]", done.stdout)
