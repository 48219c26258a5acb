"""A newsroom whose people have clones, and push and fetch over HTTP: real accounts, real rules, stock Git."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cms.workflow.outcome import DraftState
from cms.workflow.pushes import PushJudge
from tests.editing.tools import FILES, Newsroom
from tests.githttp.server import Ran, Server, git, ok
from tests.githttp.server import refs as refs_of

EXPIRES = timedelta(days=30)


class Paper:
    """One site with a server; everybody in it has an account, a token and a clone."""

    def __init__(self, path: Path, *, files: Mapping[str, str] = FILES) -> None:
        self.path = path
        self.room = Newsroom(path, files=files)
        self.office = self.room.office
        self.server = Server(self.office, PushJudge(self.office.flow))
        self.tokens: dict[str, str] = {}

    def close(self) -> None:
        self.server.stop()
        self.room.site.close()

    def address(self, person: str) -> str:
        """The address of the repository with a token of *person* in it."""
        if person not in self.tokens:
            now = datetime.now(UTC)
            self.office.accounts.add_user(person, now=now)
            self.tokens[person] = self.token(person)
        return self.server.address(person, self.tokens[person])

    def token(self, person: str, scopes: list[str] | None = None) -> str:
        """Another token of *person*."""
        now = datetime.now(UTC)
        return self.office.accounts.create_token(person, "git", scopes=scopes, expires_at=now + EXPIRES, now=now)[1]

    def clone(self, person: str) -> "Clone":
        """A new clone of theirs."""
        folder = self.path / "clones" / f"{person}-{len(list(self.path.glob('clones/*')))}"
        folder.parent.mkdir(exist_ok=True)
        ok(self.path, "clone", "-q", self.address(person), str(folder), person=person)
        return Clone(folder, person)

    @property
    def refs(self) -> dict[str, str]:
        """All refs of the server, but for the log."""
        return {ref: id for ref, id in refs_of(self.room.repo).items() if ref != "refs/cms/log"}

    @property
    def acts(self) -> list[tuple[str, str]]:
        """(act, person) of the whole log."""
        return [(entry.act, entry.person) for entry in self.office.log.entries()]

    def state(self, name: str) -> DraftState:
        """The state of a draft now."""
        return self.office.flow.state(name, datetime.now(UTC))


class Clone:
    """A clone in which *person* works."""

    def __init__(self, folder: Path, person: str) -> None:
        self.folder = folder
        self.person = person

    def git(self, *arguments: str) -> Ran:
        """Run Git, whatever comes of it."""
        return git(self.folder, *arguments, person=self.person)

    def ok(self, *arguments: str) -> str:
        """Run Git, which must succeed."""
        return ok(self.folder, *arguments, person=self.person)

    def write(self, path: str, text: str | bytes | None, message: str = "Write") -> str:
        """Commit one file; None deletes it."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            file.unlink()
        else:
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
        self.ok("add", "-A")
        self.ok("commit", "-q", "-m", message)
        return self.ok("rev-parse", "HEAD")

    def say(self, verdict: str, message: str = "Say something", *options: str) -> str:
        """Commit a verdict."""
        self.ok("commit", "-q", "--allow-empty", "-m", message, "--trailer", f"Review: {verdict}", *options)
        return self.ok("rev-parse", "HEAD")

    def take(self, draft: str) -> None:
        """Fetch a draft and stand on it."""
        self.ok("fetch", "-q", "origin")
        self.ok("checkout", "-q", "-B", draft, f"origin/drafts/{draft}")

    def push(self, draft: str = "x", *options: str) -> Ran:
        """Push what is checked out to a draft."""
        return self.git("push", *options, "origin", f"HEAD:refs/heads/drafts/{draft}")
