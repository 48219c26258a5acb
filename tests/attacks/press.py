"""A whole site behind a real server, and the hands of everybody who works there, some of whom mean ill.

Drafts are pushed with stock Git over HTTP and everything else goes through the API, as outsiders and insiders would do it. What Git's own
commands would not make, such as a commit by somebody else, is written into the attacker's own repository as an object.
"""

import base64
import os
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import pygit2
import uvicorn

from cms.app import build_app
from cms.auth import Accounts, Passwords
from cms.cli.serve import server_config
from cms.office import Office
from cms.refs import BlobId, CommitId, TreeId
from cms.serverkey import ServerKey
from cms.store import Store
from cms.trailers import with_trailers
from cms.workflow.outcome import DraftState
from cms.workflow.schedule import publish_due
from cms.writer import Ident, Signer, Writer
from tests.editing.tools import FILES, Newsroom
from tests.newsroom import PersonKey

MAIN = "refs/heads/main"
DRAFTS = "refs/heads/drafts/"
PATIENCE_SECONDS = 60
LONG_AGO = "2020-01-01T00:00:00Z"
PASSWORD = "correct horse battery of {}"
WITH_KEYS = ("ola", "eva", "rita", "pia")
PEOPLE = ("ola", "per", "eva", "rita", "pia", "mia", "robot", "rune")
RUNE = '\n[people.rune]\nname = "Rune Sand"\nemails = ["rune@example.org"]\n'

Files = Mapping[str, str | bytes | None]


def text(title: str) -> str:
    """A valid post."""
    return f"---\ntitle: {title}\n---\nText of {title}.\n"


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command of Git's gave."""

    code: int
    output: str

    @property
    def remarks(self) -> str:
        """What the server said."""
        lines = [
            line.removeprefix("remote: ").rstrip() for line in self.output.splitlines() if line.startswith("remote: ")
        ]
        return "\n".join(lines)


class Press:
    """One site. ``ola`` and ``per`` write, ``rita`` reviews, ``pia`` publishes, ``eva`` does all three, ``mia`` is maintainer, ``robot`` is Eva's bot, and
    ``rune`` has no role. One approval by Eva or Rita is asked for.
    """

    def __init__(self, path: Path, *, more: str = "", files: Files | None = None) -> None:
        self.path = path
        self.keys = {person: PersonKey() for person in WITH_KEYS}
        settings = FILES["cms.toml"] + RUNE
        for person, key in self.keys.items():
            mail = f'emails = ["{person}@example.org"]\n'
            settings = settings.replace(mail, f'{mail}keys = ["{key.public_key}"]\n')
        everything = {**FILES, "cms.toml": settings + more, **(files or {})}
        self.room = Newsroom(path, files={name: str(source) for name, source in everything.items()})
        site, state = self.room.site, path / "state"
        self.accounts = Accounts.open(state, passwords=Passwords(memory_kib=8, rounds=1))
        self.office = site._office = Office(
            site.store,
            site.ref,
            state,
            snapshot=site.read_snapshot,
            accounts=self.accounts,
            key=ServerKey.load_or_create(state),
        )
        self._tokens: dict[str, str] = {}
        for person in PEOPLE:
            password = None if person == "robot" else PASSWORD.format(person)
            self.accounts.add_user(person, password=password, now=datetime.now(UTC))
            self._tokens[person] = self.token(person)
        self._hands: dict[str, Hand] = {}
        self._serve()

    def _serve(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = listener.getsockname()[1]
        self._server = uvicorn.Server(server_config(build_app(self.room.site), workers=1, access_log=False))
        self._thread = Thread(target=self._server.run, kwargs={"sockets": [listener]})
        self._thread.start()
        self._listener = listener
        self._client = httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=PATIENCE_SECONDS)

    def close(self) -> None:
        """End the server."""
        self._client.close()
        self._server.should_exit = True
        self._thread.join(PATIENCE_SECONDS)
        self._listener.close()
        self.room.site.close()

    # -- over HTTP -----------------------------------------------------------------------------------------------------

    def token(self, person: str, *scopes: str) -> str:
        """A new token, narrowed to *scopes*."""
        now = datetime.now(UTC)
        until = now + timedelta(days=1)
        return self.accounts.create_token(person, "x", scopes=scopes or None, expires_at=until, now=now)[1]

    def address(self, person: str, secret: str | None = None) -> str:
        """The address of the repository, with somebody's secret in it."""
        return (
            f"http://{person}:{self._tokens[person] if secret is None else secret}@127.0.0.1:{self.port}/git/site.git"
        )

    def ask(
        self,
        method: str,
        path: str,
        by: str = "",
        body: Any = None,
        *,
        secret: str | None = None,
        password: bool = False,
        **headers: str,
    ) -> httpx2.Response:
        """The answer to a request of somebody's: with their token, another *secret*, or their password."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if password:
            pair = base64.b64encode(f"{by}:{PASSWORD.format(by)}".encode()).decode()
            named["Authorization"] = f"Basic {pair}"
        elif by or secret is not None:
            named["Authorization"] = f"Bearer {self._tokens[by] if secret is None else secret}"
        url = path if path.startswith(("/git/", "/api/")) else f"/api/v1{path}"
        sent: dict[str, Any] = {"content": body} if isinstance(body, bytes) else {} if body is None else {"json": body}
        return self._client.request(method, url, headers=named, **sent)

    def say(self, name: str, verdict: str, by: str, **more: str) -> httpx2.Response:
        """A verdict over the API on a draft as it is now."""
        return self.ask("POST", f"/drafts/{name}/verdicts", by, {"verdict": verdict, "head": self.heads[name], **more})

    # -- what there is -------------------------------------------------------------------------------------------------

    @property
    def refs(self) -> dict[str, str]:
        """All refs but the log."""
        return {ref: id for ref, id in self.room.site.store.refs("").items() if ref != "refs/cms/log"}

    @property
    def heads(self) -> dict[str, str]:
        """The drafts, and where they are."""
        return {ref.removeprefix(DRAFTS): id for ref, id in self.refs.items() if ref.startswith(DRAFTS)}

    @property
    def main(self) -> CommitId:
        """What is published."""
        return self.office.flow.published()

    @property
    def log_length(self) -> int:
        """How many acts there were."""
        return len(self.office.log.entries())

    def state(self, name: str) -> DraftState:
        """The state of a draft."""
        return self.office.flow.state(name, datetime.now(UTC))

    def approvals(self, name: str) -> dict[str, tuple[str, ...]]:
        """Whose approvals count, file by file."""
        return {entry.path: entry.approvals for entry in self.state(name).entries}

    def read(self, path: str, commit: str = MAIN) -> str | None:
        """A file as it is published."""
        return self.room.read(path, commit)

    # -- what people do ------------------------------------------------------------------------------------------------

    def hand(self, person: str) -> "Hand":
        """Somebody with a repository of their own, which has everything that the server has."""
        if person not in self._hands:
            self._hands[person] = Hand(self, person)
        return self._hands[person]

    def draft(self, name: str, files: Files | None = None, *, by: str = "ola", approve: str = "rita") -> str:
        """A draft of somebody's, pushed with Git, and approved with Git unless *approve* is empty; its head."""
        hand = self.hand(by)
        hand.must_push(name, hand.commit(files or {f"posts/{name}.md": text(name)}, [self.main]))
        if approve:
            self.approve(name, approve)
        return self.heads[name]

    def write(self, name: str, files: Files, *, by: str = "ola") -> str:
        """More of it."""
        hand = self.hand(by)
        hand.must_push(name, hand.commit(files, [self.heads[name]]))
        return self.heads[name]

    def approve(self, name: str, by: str = "rita", *, signed: bool = False) -> str:
        """An approval with Git."""
        return self.hand(by).verdict(name, "approve", key=self.keys[by] if signed else None)

    def publish(self, name: str, by: str = "pia") -> CommitId:
        """A publication over the API that must succeed."""
        answer = self.ask("POST", f"/drafts/{name}/publication", by)
        assert answer.status_code == 201, answer.text
        return self.main

    # -- what must not happen ------------------------------------------------------------------------------------------

    def refuses(self, name: str, *, by: str = "pia") -> str:
        """Try to publish a draft over the API, with a merge by hand, and on a schedule; none of which may work. What was said."""
        before = self.main
        answer = self.ask("POST", f"/drafts/{name}/publication", by)
        assert answer.status_code in (403, 409, 422), answer.text
        merged = self.hand(by).merge(name)
        assert merged.code != 0, merged.output
        said = self.hand(by).push(f"{self.hand(by).timed(name)}:{DRAFTS}{name}")
        published, _ = publish_due(self.office.flow, now=datetime.now(UTC))
        assert published == [], said.output
        assert self.main == before
        return f"{answer.text}\n{merged.remarks}"


class Hand:
    """Somebody at a keyboard."""

    def __init__(self, press: Press, person: str) -> None:
        self.press = press
        self.person = person
        self.folder = press.path / "hands" / f"{person}.git"
        pygit2.init_repository(str(self.folder), bare=True, initial_head="main")
        alternates = self.folder / "objects" / "info" / "alternates"
        alternates.write_text(f"{press.room.repo.path / 'objects'}\n")
        self.store = Store.open(self.folder)

    # -- objects -------------------------------------------------------------------------------------------------------

    def commit(
        self,
        files: Files,
        parents: Sequence[str],
        message: str = "Write",
        *,
        author: str = "",
        committer: str = "",
        key: Signer | None = None,
        trailers: Sequence[tuple[str, str]] = (),
        at: datetime | None = None,
    ) -> CommitId:
        """A commit of the first parent's tree with *files* (None: gone) changed in it, which says of itself whatever it likes."""
        writer = Writer(self.store, signer=key)
        blobs: dict[str, BlobId | None] = {
            path: None
            if source is None
            else writer.write_blob(source if isinstance(source, bytes) else source.encode())
            for path, source in files.items()
        }
        base = self.store.commit(CommitId(parents[0])).tree if parents else None
        return writer.write_commit(
            tree=writer.write_tree(base, blobs) if blobs or base is None else base,
            parents=[CommitId(parent) for parent in parents],
            author=self.ident(author or self.person, at),
            committer=self.ident(committer or self.person, at),
            message=with_trailers(message, trailers) if trailers else message,
        )

    def ident(self, person: str, at: datetime | None = None) -> Ident:
        """Who a commit names: somebody by their id, or a whole address."""
        mail = person if "@" in person else f"{person}@example.org"
        return Ident(name=person.partition("@")[0].title(), email=mail, at=at or datetime.now(UTC))

    def commit_tree(self, tree: str, parents: Sequence[str], message: str = "Write") -> CommitId:
        """A commit of any tree."""
        writer, ident = Writer(self.store), self.ident(self.person)
        ids = [CommitId(parent) for parent in parents]
        return writer.write_commit(tree=TreeId(tree), parents=ids, author=ident, committer=ident, message=message)

    def raw(self, kind: str, data: bytes) -> str:
        """An object of any bytes at all."""
        done = subprocess.run(
            ["git", "hash-object", "-t", kind, "-w", "--stdin", "--literally"],
            cwd=self.folder,
            input=data,
            capture_output=True,
            check=True,
        )
        return done.stdout.decode().strip()

    def raw_of(self, commit: str) -> bytes:
        """The bytes of a commit."""
        done = subprocess.run(["git", "cat-file", "commit", commit], cwd=self.folder, capture_output=True, check=True)
        return done.stdout

    def tree_of(self, commit: str) -> TreeId:
        """The tree of a commit."""
        return self.store.commit(CommitId(commit)).tree

    # -- talking to the server -----------------------------------------------------------------------------------------

    def git(self, *arguments: str, secret: str | None = None, stdin: bytes = b"") -> Ran:
        """Run stock Git; ``SERVER`` stands for the address, with this person's token in it or another secret."""
        address = self.press.address(self.person, secret)
        done = subprocess.run(
            ["git", *(address if argument == "SERVER" else argument for argument in arguments)],
            cwd=self.folder,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8"},
            input=stdin,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        return Ran(done.returncode, (done.stdout + done.stderr).decode(errors="replace"))

    def push(self, *specs: str, secret: str | None = None) -> Ran:
        """Push ``what:where`` and options."""
        return self.git(
            "push",
            *(spec for spec in specs if spec[0] == "-"),
            "SERVER",
            *(spec for spec in specs if spec[0] != "-"),
            secret=secret,
        )

    def must_push(self, name: str, commit: str, *options: str) -> None:
        """Push to a draft, which must succeed."""
        done = self.push(f"{commit}:{DRAFTS}{name}", *options)
        assert done.code == 0, done.output

    def is_refused(self, name: str, commit: str, *options: str) -> str:
        """Push to a draft, which must come to nothing at all; what was said."""
        before, length = self.press.refs, self.press.log_length
        done = self.push(f"{commit}:{DRAFTS}{name}", *options)
        assert done.code != 0, done.output
        assert (self.press.refs, self.press.log_length) == (before, length)
        return done.remarks

    def verdict(self, name: str, review: str, *, key: Signer | None = None, **more: Any) -> CommitId:
        """A verdict that is pushed."""
        made = self.commit({}, [self.press.heads[name]], "Said", trailers=[("Review", review)], key=key, **more)
        self.must_push(name, made)
        return made

    def timed(self, name: str, when: str = LONG_AGO) -> CommitId:
        """A commit that says when a draft goes public."""
        return self.commit({}, [self.press.heads[name]], "Now", trailers=[("Publish-At", when)])

    def merge(self, name: str, extra: Files | None = None) -> Ran:
        """Publish a draft by pushing a merge of it made by hand, with *extra* files in it."""
        return self.push(f"{self.merged(self.press.heads[name], extra)}:{MAIN}")

    def merged(self, head: str, extra: Files | None = None) -> CommitId:
        """The merge that Git makes of what is published and *head*."""
        files = "\n".join([self.press.main, head])
        done = self.git("merge-tree", "--write-tree", *files.split("\n"))
        tree = done.output.splitlines()[0]
        made = self.commit_tree(tree, [self.press.main, head], "Merge")
        return (
            made
            if extra is None
            else self.commit_tree(self.tree_of(self.commit(extra, [made])), [self.press.main, head], "Merge")
        )
