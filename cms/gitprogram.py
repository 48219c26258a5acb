"""Git's own program, run sealed: no configuration but the repository's own applies, nothing is fetched, nothing asks back.

For the few things that libgit2 does slowly, while it keeps every other thread waiting, or not at all.

Not here: what ``cms init`` and ``cms serve`` run for a person (``cli/git``), and who may talk to a Git client (``githttp``).
"""

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cms.errors import RepositoryProblem

_DETAIL_BYTES = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a run of Git's program gave. ``complaint`` is the last line of what it wrote to its standard error."""

    code: int
    output: bytes
    complaint: str


def require_git(git_dir: Path, purpose: str) -> str:
    """Return the path of Git's program.

    Args:
        purpose: the beginning of a sentence that goes on "needs Git's own program".

    Raises:
        RepositoryProblem: it is not installed.
    """
    git = find_git()
    if git is None:
        raise RepositoryProblem(
            f"{purpose} needs Git's own program, which is not installed",
            path=str(git_dir),
            hint="install git (Debian, Ubuntu: `apt install git`)",
        )
    return git


def find_git() -> str | None:
    """Return the path of Git's program, None when it is not installed."""
    return shutil.which("git")


def run_git(
    git: str,
    git_dir: Path,
    arguments: Sequence[str],
    *,
    stdin: bytes = b"",
    variables: Mapping[str, str] | None = None,
    work_tree: Path | None = None,
    is_sealed: bool = True,
    is_humble: bool = False,
) -> Done:
    """Run Git's program on the repository *git_dir* until it ends, whatever its exit code.

    Args:
        variables: added to the sealed environment.
        work_tree: the work tree to act on, which is then also the current folder.
        is_sealed: False for what a person's own configuration must have a say in, such as what line ends and filters make of
            the files of a work tree.
        is_humble: everything else that wants the processor goes first.

    Raises:
        RepositoryProblem: the program cannot be started.
    """
    command = [git, "--no-pager", f"--git-dir={git_dir}"]
    if work_tree is not None:
        command.append(f"--work-tree={work_tree}")
    nice = shutil.which("nice") if is_humble else None
    if nice is not None:
        command = [nice, "-n", "19", *command]
    environment = {**sealed_environment(), **(variables or {})} if is_sealed else None
    try:
        done = subprocess.run(
            [*command, *arguments], input=stdin, capture_output=True, env=environment, cwd=work_tree, check=False
        )
    except OSError as error:
        raise RepositoryProblem(f"git cannot be run: {error.strerror}", path=git) from error
    complaint = done.stderr[-_DETAIL_BYTES:].decode("utf-8", "replace").strip().rpartition("\n")[2]
    return Done(code=done.returncode, output=done.stdout, complaint=complaint)


def sealed_environment() -> dict[str, str]:
    """Return variables with which nobody's configuration applies, a foreign repository is read, and nothing is fetched."""
    return {
        "PATH": os.defpath,
        "HOME": os.devnull,
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "GIT_GRAFT_FILE": os.devnull,
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_TERMINAL_PROMPT": "0",
    }
