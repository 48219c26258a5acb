"""Keys for tests, made by OpenSSH's and GnuPG's own programs, and commits signed with them by Git's own."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.repo import Repo


@dataclass(frozen=True, slots=True)
class SSHKey:
    """A key pair on disk. ``line`` is the public key without a comment."""

    path: Path

    @classmethod
    def make(cls, path: Path, kind: str = "ed25519", *options: str) -> "SSHKey":
        """Let ``ssh-keygen`` make a key without a passphrase; *path* is the file of the private one."""
        run("ssh-keygen", "-q", "-t", kind, *options, "-N", "", "-C", "a comment", "-f", str(path))
        return cls(path)

    @property
    def line(self) -> str:
        """The public key on one line."""
        return " ".join(self.path.with_suffix(".pub").read_text().split()[:2])

    def sign(self, payload: bytes, *, namespace: str = "git", digest: str = "sha512") -> str:
        """Let ``ssh-keygen`` sign *payload*."""
        options = ("-O", f"hashalg={digest}", "-f", str(self.path), "-n", namespace)
        return run("ssh-keygen", "-q", "-Y", "sign", *options, stdin=payload)

    def commit(self, repo: Repo, *arguments: str) -> str:
        """Let ``git commit-tree -S`` make a signed commit; *arguments* begin with the tree."""
        options = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={self.path}")
        return repo.git(*options, "commit-tree", "-S", *arguments)


@dataclass(frozen=True, slots=True)
class GPGKey:
    """A key in a home of its own."""

    home: Path
    fingerprint: str

    @classmethod
    def make(cls, home: Path, mail: str, *options: str, kind: str = "ed25519", until: str = "never") -> "GPGKey":
        """Let ``gpg`` make a key without a passphrase; *home* must be short, since a socket is made in it."""
        home.mkdir(mode=0o700, exist_ok=True)
        command = ("--status-fd", "1", *options, "--passphrase", "", "--quick-gen-key", mail, kind, "sign", until)
        status = gpg(home, *command)
        return cls(home, next(line.split()[3] for line in status.splitlines() if "KEY_CREATED" in line))

    def public(self) -> str:
        """The armoured public key."""
        return gpg(self.home, "--armor", "--export", self.fingerprint)

    def sign(self, payload: bytes, *options: str) -> str:
        """Let ``gpg`` make a detached signature."""
        return gpg(self.home, *options, "--local-user", self.fingerprint, "--armor", "--detach-sign", stdin=payload)

    def revoke(self) -> str:
        """Import the revocation that was made with the key; returns the revoked public key."""
        text = (self.home / "openpgp-revocs.d" / f"{self.fingerprint}.rev").read_text()
        gpg(self.home, "--import", stdin=text[text.index(":-----BEGIN") + 1 :].encode())
        return self.public()

    def close(self) -> None:
        """End the agent that ``gpg`` started."""
        subprocess.run(["gpgconf", "--homedir", str(self.home), "--kill", "all"], check=False, capture_output=True)


def gpg(home: Path, *arguments: str, stdin: bytes = b"") -> str:
    """Run ``gpg`` in *home*."""
    options = ("--homedir", str(home), "--batch", "--no-tty", "--yes", "--pinentry-mode", "loopback")
    return run("gpg", *options, *arguments, stdin=stdin)


def run(*command: str, stdin: bytes = b"") -> str:
    """Run a program that must succeed, and return what it prints."""
    done = subprocess.run(command, input=stdin, capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"})
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout.decode()
