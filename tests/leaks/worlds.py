"""Two servers of two repositories that differ in secrets, and one question put to both of them."""

import asyncio
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.types import ASGIApp, Message

from cms.app import build_app
from cms.auth import Accounts, Passwords
from cms.inferred import infer_model
from cms.pushlog import Move
from cms.refs import CommitId
from cms.settings import Environment
from cms.site import Site
from tests.api.newsdesk import open_office
from tests.repo import Repo

MEMORY = Path("/dev/shm")
COMMIT = re.compile(rb"\b[0-9a-f]{40}\b")
NAMED = re.compile(r"commit-(\d{6})")
INDEXING = re.compile(rb'"search":\{[^}]*\}')
#: A stream that says nothing more for so long has said what it knows.
SILENCE_SECONDS = 0.05
Files = Mapping[str, str | bytes | None]
Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Question:
    """One request."""

    method: str
    target: str
    headers: Headers = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """All that comes back."""

    status: int
    headers: Headers
    body: bytes


class Server:
    """One repository being served in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repo = Repo(folder / "site.git")
        self.open()

    def open(self) -> None:
        """Start, with what is kept on disk."""
        environment = Environment(site=self.repo.path, state=str(self.folder / "state"))
        self.site = Site.open(self.repo.path, infer=infer_model, environment=environment)
        if self.site.is_edited:
            open_office(self.site, self.folder / "state")
        self.app: ASGIApp = build_app(self.site)

    def restart(self, *, is_forgetful: bool = False) -> None:
        """Stop and start.

        Args:
            is_forgetful: what was derived from the repository is thrown away first.
        """
        self.site.close()
        if is_forgetful:
            shutil.rmtree(self.site.cache_folder)
        self.open()

    @property
    def accounts(self) -> Accounts:
        return self.site.office().accounts

    def push(self, old: str, new: str, at: datetime) -> None:
        """Publish *new* in one go, and write that to the log."""
        office = self.site.office()
        move = Move("refs/heads/main", CommitId(old), CommitId(new))
        office.log.append(office.flow.writer, act="push", person="eva", via="git", moves=[move], at=at)
        office.flow.writer.move_ref(move.ref, old=move.old, new=move.new)
        self.repo.clock = at

    async def ask(self, question: Question) -> Answer:
        """The answer; of a stream what it says at once."""
        parts = urlsplit(question.target)
        heard = asyncio.Event()
        messages: list[Message] = []
        received = False

        async def receive() -> Message:
            nonlocal received
            if not received:
                received = True
                return {"type": "http.request", "body": question.body, "more_body": False}
            while True:  # hang up once nothing more comes
                heard.clear()
                try:
                    await asyncio.wait_for(heard.wait(), SILENCE_SECONDS)
                except TimeoutError:
                    return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            messages.append(message)
            heard.set()

        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": question.method,
            "scheme": "http",
            "path": unquote(parts.path),
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "root_path": "",
            "headers": [(b"host", b"localhost"), *question.headers],
            "client": ("192.0.2.1", 4711),
            "server": ("localhost", 80),
        }
        await asyncio.sleep(0)  # a request that comes later, and not one of those that had come already
        await self.app(scope, receive, send)
        headers = tuple((bytes(name), bytes(value)) for name, value in messages[0]["headers"])
        body = b"".join(bytes(message.get("body", b"")) for message in messages[1:])
        return Answer(messages[0]["status"], headers, body)


@dataclass
class Pair:
    """Two repositories whose callers must not be able to tell which of them they ask.

    Attributes:
        reader, editor, robot: secrets of somebody who may read what is published, of somebody who may read drafts, and of a bot that may
            read drafts of pages.
        preview: the token for the draft ``shown``.
        commits: what was published, by its id in either; a question can name the third of them ``commit-000003``.
        known: what is called differently in the two though it is the same to callers: ids of commits, tokens.
        told: questions that got different answers, with both.
        asked: how many questions were put.
    """

    one: Server
    other: Server
    reader: str = ""
    editor: str = ""
    robot: str = ""
    preview: str = ""
    known: dict[bytes, bytes] = field(default_factory=dict)
    commits: list[tuple[str, str]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    asked: int = 0

    @property
    def servers(self) -> tuple[Server, Server]:
        return self.one, self.other

    def publish(self, files: Files, **more: Any) -> None:
        """The same change in both."""
        at = _later(self.servers)
        ids = [server.repo.commit(files, at=at, **more) for server in self.servers]
        self.note(*ids)

    def keep(self, secrets: Sequence[Files]) -> None:
        """One secret change in each, at the same time; the commits are told to be the same."""
        at = _later(self.servers)
        ids = [server.repo.commit(files, at=at) for server, files in zip(self.servers, secrets, strict=True)]
        self.note(*ids)

    def note(self, one: str, other: str) -> None:
        """Take two commits for the same: that of the one and that of the other."""
        name = b"commit-%06d" % len(self.commits)
        self.known[one.encode()] = self.known[other.encode()] = name
        self.commits.append((one, other))

    async def compare(self, question: Question, other: Question | None = None) -> Answer:
        """Put *question* to both (*other* to the other, where its secrets are called otherwise) and note what differs."""
        self.asked += 1
        put = (question, other or question)
        answers = [await server.ask(self._named(put[place], place)) for place, server in enumerate(self.servers)]
        if NAMED.search(
            question.target
        ):  # what is pinned is validated by its bytes, in which the id of the commit stands
            answers = [_without(answer, b"etag") for answer in answers]
        if question.target.startswith(("/metrics", "/readyz")):
            answers = [_without_times(answer) for answer in answers]
        one, two = (self._normal(answer) for answer in answers)
        if one != two:
            self.told.append(describe(question, one, two))
        return answers[0]

    def _named(self, question: Question, place: int) -> Question:
        """*question* with the ids that commits have in one of the two."""

        def id_of(match: re.Match[str]) -> str:
            return self.commits[int(match[1]) % len(self.commits)][place] if self.commits else "main"

        return replace(question, target=NAMED.sub(id_of, question.target))

    def _normal(self, answer: Answer) -> Answer:
        def rename(text: bytes) -> bytes:
            return COMMIT.sub(lambda match: self.known.get(match[0], match[0]), text)

        headers = tuple((name, rename(value)) for name, value in answer.headers)
        return Answer(answer.status, headers, rename(answer.body))


def _without_times(answer: Answer) -> Answer:
    """The same without how long something took, and how far a thread is with the index, which is never twice the same."""
    text = INDEXING.sub(b"", answer.body)
    lines = [line for line in text.split(b"\n") if b"_seconds" not in line]
    return _without(Answer(answer.status, answer.headers, b"\n".join(lines)), b"content-length")


def _without(answer: Answer, header: bytes) -> Answer:
    return Answer(answer.status, tuple(pair for pair in answer.headers if pair[0] != header), answer.body)


def describe(question: Question, one: Answer, other: Answer) -> str:
    """A question and in what its two answers differ."""
    lines = [f"{question.method} {question.target} {dict(question.headers) or ''}"]
    if one.status != other.status:
        lines.append(f"  status {one.status} and {other.status}")
    if one.headers != other.headers:
        differing = sorted(set(one.headers) ^ set(other.headers))
        lines.append(f"  headers {differing}" if differing else f"  headers {one.headers}\n   and {other.headers}")
    if one.body != other.body:
        place = next((n for n, (a, b) in enumerate(zip(one.body, other.body, strict=False)) if a != b), 0)
        near = slice(max(0, place - 150), place + 150)
        lines += [f"  body {one.body[near]!r}", f"   and {other.body[near]!r}"]
    return "\n".join(lines)


@contextmanager
def open_pair(
    files: Sequence[Files], *, people: Sequence[str] = ("rune", "eva", "robot"), shown: Files | None = None
) -> Iterator[Pair]:
    """Two servers of the same history, one commit for each of *files*, and with the same secrets.

    Args:
        people: who has an account: a reader, an editor and a bot.
        shown: what a draft changes that both have; the editor made a preview of it.
    """
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        first = Path(name) / "one"
        first.mkdir()
        repo = Repo.create(first / "site.git")
        for changes in files:
            repo.commit(changes)
        now = datetime.now(UTC)
        accounts = Accounts.open(first / "state", passwords=Passwords(memory_kib=8, rounds=1))
        for person in people:
            accounts.add_user(person, now=now)
        sessions = [accounts.create_session(person, now=now)[1] for person in people]
        preview = ""
        if shown is not None:
            head = repo.commit(shown, branch="drafts/shown", parents=[repo.git("rev-parse", "main")])
            preview = accounts.previews.grant("shown", head, people[1], now=now)[1]
        accounts.close()
        Server(first).site.close()
        shutil.copytree(first, Path(name) / "other")
        pair = Pair(Server(first), Server(Path(name) / "other"), preview=preview)
        pair.reader, pair.editor, pair.robot = [*sessions, "", "", ""][:3]
        for server in pair.servers:
            server.repo.clock = repo.clock
        for commit in reversed(repo.git("rev-list", "main").split()):
            pair.commits.append((commit, commit))
        yield pair
        for server in pair.servers:
            server.site.close()


def _later(servers: tuple[Server, Server]) -> datetime:
    return max(server.repo.clock for server in servers) + timedelta(minutes=1)
