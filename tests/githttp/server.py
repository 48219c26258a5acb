"""A running server of one repository, and clones that talk to it with stock Git."""

import os
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Thread

import uvicorn
from starlette.types import Receive, Scope, Send

from cms.cli.protocol import BoundedProtocol
from cms.errors import Unauthorised
from cms.githttp.relay import Home, Relay
from cms.people import Policy, read_policy
from cms.permissions import Principal
from cms.publicclone import PublicClone
from cms.store import Store
from cms.workflow.push import Answer, Push, Validator
from tests.repo import Repo

PEOPLE = b"""\
[people.kari]
name = "Kari Nordmann"
emails = ["kari@example.org"]
[people.ola]
name = "Ola Hansen"
emails = ["ola@example.org"]
[people.guest]
name = "A guest"
emails = ["guest@example.org"]
[[roles]]
role = "writer"
who = ["kari", "ola"]
"""
PATIENCE_SECONDS = 60


@dataclass
class House:
    """A site as the transport sees it, with two accounts whose passwords are the names."""

    store: Store
    name: str = "site"
    title: str = 'The "news" of Å'
    public_clone: PublicClone | None = None
    revoked: set[str] = field(default_factory=set)
    asked: list[str | None] = field(default_factory=list)

    def sign_in(self, header: str | None, now: datetime, address: str) -> Principal | None:
        assert now.tzinfo is not None
        assert address == "127.0.0.1"
        self.asked.append(header)
        if header is None:
            return None
        for person in ("kari", "ola", "guest"):
            if header == basic(person, person) and person not in self.revoked:
                return Principal(person=person, name=person.title(), email=f"{person}@example.org", via="token")
        raise Unauthorised("the name or the secret is wrong")

    def policy(self) -> Policy:
        return read_policy(PEOPLE)


def basic(person: str, secret: str) -> str:
    request = subprocess.run(["base64"], input=f"{person}:{secret}".encode(), capture_output=True, check=True)
    return f"Basic {request.stdout.decode().strip()}"


class Server:
    """uvicorn in a thread, with the protocol that ``cms serve`` uses."""

    def __init__(self, home: Home, validate: Validator) -> None:
        self.relay = Relay(home, validate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        config = uvicorn.Config(
            self._answer,
            interface="asgi3",
            http=BoundedProtocol,
            lifespan="on",
            log_config=None,
            timeout_graceful_shutdown=5,
            ws="none",
        )
        self._server = uvicorn.Server(config)
        self._thread = Thread(target=self._server.run, kwargs={"sockets": [self._listener]})
        self._thread.start()

    def address(self, person: str = "kari", secret: str | None = None, name: str = "site") -> str:
        """The address of the repository, with a name and a password in it."""
        return f"http://{person}:{person if secret is None else secret}@127.0.0.1:{self.port}/git/{name}.git"

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(PATIENCE_SECONDS)
        self._listener.close()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            return await self.relay(scope, receive, send)
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.relay.close()
        return await send({"type": "lifespan.shutdown.complete"})


@dataclass
class Ran:
    """What a command of Git's gave."""

    code: int
    output: str

    @property
    def remarks(self) -> list[str]:
        """What the server said, line by line."""
        lines = [
            line.removeprefix("remote: ").rstrip() for line in self.output.splitlines() if line.startswith("remote:")
        ]
        return [line for line in lines if line not in ("", "remote:")]


def git(folder: Path, *arguments: str, person: str = "kari", stdin: bytes | None = None) -> Ran:
    """Run stock Git in *folder* as *person* would, with nobody to ask."""
    who = {"NAME": person.title(), "EMAIL": f"{person}@example.org"}
    variables = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**os.environ, **variables, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8"},
        input=stdin,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return Ran(done.returncode, (done.stdout + done.stderr).decode(errors="replace"))


def ok(folder: Path, *arguments: str, person: str = "kari") -> str:
    """As :func:`git`, and it must succeed."""
    done = git(folder, *arguments, person=person)
    assert done.code == 0, done.output
    return done.output.strip()


class Judge:
    """Says yes, or what it was told to say, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answer: Callable[[Push], Answer] = lambda _: Answer(accepted=True, lines=("Thank you.",))
        self.asked: list[Push] = []

    def __call__(self, push: Push) -> Answer:
        self.asked.append(push)
        return self.answer(push)


def refs(repo: Repo) -> dict[str, str]:
    """All refs of *repo*."""
    lines = repo.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    return dict(line.split(" ") for line in lines)
