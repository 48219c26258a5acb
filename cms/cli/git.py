"""Git's own program, for the few commands that change a work tree: what ``cms init`` and ``cms serve`` need of it."""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cms.cli.exits import UNREADABLE, Refused

STATUS_SECONDS = 2.0
SIGNING_HINT = "see git config user.signingkey and gpg.format; to act without a signature, unset user.signingkey"


def run_git(folder: Path, *arguments: str, options: Sequence[str] = ()) -> str:
    """Run ``git`` in *folder* and return what it prints.

    Args:
        options: what goes before the command (``-c name=value``).

    Raises:
        Refused: it is not installed, or it fails.
    """
    git = require_git()
    done = subprocess.run(
        [git, "-C", str(folder), *options, *arguments], capture_output=True, stdin=subprocess.DEVNULL, check=False
    )
    if done.returncode != 0:
        reason = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise Refused(f"git {arguments[0]} failed: {reason}", code=UNREADABLE)
    return done.stdout.decode(errors="replace").strip()


def has_identity(folder: Path) -> bool:
    """Whether Git knows under which name to commit in *folder*."""
    try:
        return bool(run_git(folder, "config", "user.name")) and bool(run_git(folder, "config", "user.email"))
    except Refused:
        return False


def read_config(folder: Path, name: str) -> str:
    """What Git's configuration says of *name* in *folder*; empty when nothing."""
    try:
        return run_git(folder, "config", name)
    except Refused:
        return ""


def sign_with_git(folder: Path, payload: bytes) -> str:
    """Sign the bytes of a commit with the key that Git is told to use (``user.signingkey``), by the program it would use.

    Raises:
        Refused: the key cannot be used.
    """
    key = read_config(folder, "user.signingkey")
    if read_config(folder, "gpg.format") == "ssh":
        program = read_config(folder, "gpg.ssh.program") or "ssh-keygen"
        with tempfile.TemporaryDirectory() as private:
            if key.startswith(("ssh-", "ecdsa-", "sk-", "key::")):
                (Path(private) / "key").write_text(key.removeprefix("key::") + "\n")
                key = str(Path(private) / "key")
            file = Path(private) / "payload"
            file.write_bytes(payload)
            command = [program, "-Y", "sign", "-n", "git", "-f", str(Path(key).expanduser()), str(file)]
            _run_signer(command, b"")
            return file.with_suffix(".sig").read_text()
    program = read_config(folder, "gpg.program") or "gpg"
    return _run_signer([program, "--batch", "-bsau", key], payload).decode("ascii", "replace")


def _run_signer(command: Sequence[str], payload: bytes) -> bytes:
    try:
        done = subprocess.run(command, input=payload, capture_output=True, check=False)
    except OSError as error:
        raise Refused(f"the commit cannot be signed: {command[0]}: {error.strerror}", hint=SIGNING_HINT) from error
    if done.returncode != 0:
        reason = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise Refused(f"the commit cannot be signed: {reason}", hint=SIGNING_HINT)
    return done.stdout


def count_uncommitted(work_tree: Path) -> int:
    """How many files of *work_tree* differ from its last commit; 0 when that takes too long to find out."""
    git = shutil.which("git")
    if git is None:
        return 0
    command = [git, "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", str(work_tree), "status", "--porcelain"]
    try:
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=STATUS_SECONDS, check=False
        )
    except (subprocess.TimeoutExpired, OSError):
        return 0
    return done.stdout.count(b"\n")


def require_git() -> str:
    """The path of Git's program.

    Raises:
        Refused: it is not installed.
    """
    git = shutil.which("git")
    if git is None:
        raise Refused(
            "this needs Git's own program, which is not installed",
            hint="install git (Debian, Ubuntu: apt install git)",
            code=UNREADABLE,
        )
    return git
