"""A repository on somebody else's Git host, with real hooks that ask ``cms``, and the clones of people who sign what they say."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.editing.tools import FILES
from tests.githttp.server import Ran
from tests.keys import SSHKey
from tests.repo import Repo

CMS = Path(sys.executable).with_name("cms")
PRE_RECEIVE = '--push --pusher "$PUSHER"'
NEW = "---\ntitle: New\n---\nText.\n"
MAIN = "refs/heads/main"
SIGNING = ("ola", "eva", "rita", "pia")
PATIENCE_SECONDS = 120
NOTHING = "0" * 40


def with_keys(keys: Mapping[str, SSHKey], files: Mapping[str, str] = FILES) -> dict[str, str]:
    """The newsroom with everybody's key in ``cms.toml``."""
    settings = files["cms.toml"]
    for person, key in keys.items():
        address = f'emails = ["{person}@example.org"]\n'
        settings = settings.replace(address, f'{address}keys = ["{key.line}"]\n')
    return {**files, "cms.toml": settings}


@dataclass
class Host:
    """One repository, and who has a key. Hooks are there only once they are put there."""

    path: Path
    repo: Repo
    keys: dict[str, SSHKey] = field(default_factory=dict)

    @classmethod
    def create(cls, path: Path, files: Mapping[str, str] | None = None) -> "Host":
        """A host of the newsroom, or of a site of *files*."""
        host = cls(path, Repo.create(path / "host.git"))
        if files is None:
            host.keys = {person: SSHKey.make(path / f"key-{person}") for person in SIGNING}
            files = with_keys(host.keys)
        host.repo.commit(files)
        return host

    def put_hook(self, options: str = PRE_RECEIVE, name: str = "pre-receive") -> None:
        """Let Git ask ``cms check`` from now on."""
        write_hook(self.repo.path / "hooks" / name, f'exec "{CMS}" check {options}')

    def clone(self, person: str, *, signs: bool = True) -> "Clone":
        """A new clone of theirs."""
        folder = self.path / f"{person}-{len(list(self.path.glob(f'{person}-*')))}"
        clone = Clone(folder, person)
        self.path.mkdir(exist_ok=True)
        run(self.path, ("clone", "-q", str(self.repo.path), str(folder)), person)
        if signs and person in self.keys:
            clone.ok("config", "gpg.format", "ssh")
            clone.ok("config", "user.signingKey", str(self.keys[person].path))
            clone.ok("config", "commit.gpgSign", "true")
        return clone

    @property
    def refs(self) -> dict[str, str]:
        """All refs."""
        lines = self.repo.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        return dict(line.split(" ") for line in lines)

    def has(self, commit: str) -> bool:
        """Whether the repository has *commit*."""
        return self.repo.git("cat-file", "--batch-check", stdin=commit.encode()).split()[1] == "commit"


def write_hook(file: Path, command: str) -> None:
    """Write a hook that runs *command*."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{command}\n")
    file.chmod(0o755)


@dataclass
class Clone:
    """A clone in which *person* works."""

    folder: Path
    person: str

    def git(self, *arguments: str, **variables: str) -> Ran:
        """Run Git, whatever comes of it."""
        return run(self.folder, arguments, self.person, **variables)

    def ok(self, *arguments: str) -> str:
        """Run Git, which must succeed."""
        done = self.git(*arguments)
        assert done.code == 0, done.output
        return done.output.strip()

    def write(self, path: str, text: str, message: str = "Write", *options: str) -> str:
        """Commit one file."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        self.ok("add", "-A")
        self.ok("commit", "-q", "-m", message, *options)
        return self.head

    def link(self, path: str) -> str:
        """Commit a symbolic link."""
        (self.folder / path).symlink_to("/etc/passwd")
        self.ok("add", "-A")
        self.ok("commit", "-q", "-m", "Link")
        return self.head

    def say(self, verdict: str, draft: str = "easter", *options: str) -> str:
        """Commit a verdict about a draft."""
        trailers = ("--trailer", f"Review: {verdict}", *(("--trailer", f"Draft: {draft}") if draft else ()))
        self.ok("commit", "-q", "--allow-empty", "-m", f"I say {verdict}", *trailers, *options)
        return self.head

    def take(self, draft: str = "easter") -> None:
        """Fetch a draft and stand on it."""
        self.ok("fetch", "-q", "origin")
        self.ok("checkout", "-q", "-B", draft, f"origin/drafts/{draft}")

    def merge(self, draft: str = "easter", *options: str) -> str:
        """Merge a draft into the published branch, as an editor does."""
        self.ok("fetch", "-q", "origin")
        self.ok("checkout", "-q", "main")
        self.ok("merge", "-q", "--no-ff", "-m", f"Merge {draft}", *options, f"origin/drafts/{draft}")
        return self.head

    def push(self, draft: str = "easter", *options: str) -> Ran:
        """Push what is checked out to a draft."""
        return self.git("push", *options, "origin", f"HEAD:refs/heads/drafts/{draft}")

    @property
    def head(self) -> str:
        """What is checked out."""
        return self.ok("rev-parse", "HEAD")


def run(folder: Path, arguments: Sequence[str], person: str, **variables: str) -> Ran:
    """Run stock Git in *folder* as *person* would; a host reads who pushes from PUSHER."""
    who = {"NAME": person.title(), "EMAIL": f"{person}@example.org"}
    names = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}
    # pip calls it "cms" everywhere; the hooks of a clone find it by its name.
    path = f"{CMS.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**os.environ, "PATH": path, "PUSHER": person, "LC_ALL": "C.UTF-8", **names, **variables},
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return Ran(done.returncode, (done.stdout + done.stderr).decode(errors="replace"))


def propose(host: Host, *said: tuple[str, str], path: str = "posts/easter.md", text: str = NEW) -> str:
    """A draft of Ola's on a host without hooks yet, and what others *said* of it; its head."""
    ola = host.clone("ola", signs=False)
    ola.write(path, text)
    assert ola.push().code == 0
    for person, verdict in said:
        other = host.clone(person)
        other.take()
        other.say(verdict)
        assert other.push().code == 0
    return host.refs["refs/heads/drafts/easter"]
