"""The hook that Git runs before it accepts a push, and the desk in this process where the hook asks.

The hook knows nothing: it hands over what Git told it and prints what it is told. It finds the desk by a Unix socket in a folder that only
we may enter, and shows a secret that is good for this one push. Whatever goes wrong on the way, the push is refused.
"""

import asyncio
import json
import secrets
import shutil
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from threading import BoundedSemaphore, Lock
from typing import Any

import msgspec
import structlog
from anyio import CancelScope, CapacityLimiter, Event, create_task_group, to_thread

from cms.errors import CMSError, RepositoryProblem
from cms.finding import printable
from cms.githttp.folder import PrivateFolder
from cms.permissions import Principal
from cms.refs import CommitId, is_commit_id
from cms.workflow.push import Answer, Command, Push, Validator

SOCKET, SECRET = "BRANCHPRESS_SOCKET", "BRANCHPRESS_PUSH"
ASKED_BYTES_MOST = 2 * 1024 * 1024
ASKED_SECONDS_MOST = 20
THREADS = 8
ANSWERED_SECONDS_MOST = timedelta(minutes=10).total_seconds()
NO_COMMIT = "0" * 40
QUARANTINE = "tmp_objdir-incoming-"
#: No push takes so long: what one received is left over from one that was killed.
LEFT_OVER_SECONDS = 3600.0
SORRY = "The server could not judge this push, so nothing was changed. Try again; if that does not help, ask whoever runs the server."
HOOK = """\
import json
import os
import socket
import sys


def ask():
    count = os.environ.get("GIT_PUSH_OPTION_COUNT", "0")
    question = {
        "secret": os.environ["%(secret)s"],
        "commands": sys.stdin.buffer.read().decode("utf-8", "backslashreplace").removesuffix("\\n").split("\\n"),
        "quarantine": os.environ.get("GIT_QUARANTINE_PATH", ""),
        "options": [os.environ["GIT_PUSH_OPTION_" + str(number)] for number in range(int(count))],
    }
    with socket.socket(socket.AF_UNIX) as server:
        server.settimeout(%(seconds)d)
        server.connect(os.environ["%(socket)s"])
        server.sendall(json.dumps(question).encode())
        server.shutdown(socket.SHUT_WR)
        told = b""
        while piece := server.recv(65536):
            told += piece
    answer = json.loads(told)
    return answer["accepted"] is True, "".join(line + "\\n" for line in answer["lines"])


try:
    accepted, text = ask()
except Exception:
    accepted, text = False, %(sorry)r + "\\n"
sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
sys.stdout.buffer.flush()
sys.exit(0 if accepted else 1)
"""

log = structlog.get_logger(__name__)


class Question(msgspec.Struct, frozen=True):
    """What the hook hands over."""

    secret: str
    commands: list[str]
    quarantine: str
    options: list[str]


class Waiting:
    """A push on its way through Git, from its first byte until Git's program has ended.

    Attributes:
        variables: what the hook needs in its environment.
        refs: what it wants to move, once that is known.
        is_accepted: the answer was yes and its refs may be moving now: it must not be stopped any more.
        given_up: set when nobody waits for the answer any more.
    """

    def __init__(self, by: Principal, variables: Mapping[str, str]) -> None:
        self.by = by
        self.variables = variables
        self.refs: tuple[str, ...] = ()
        self.is_accepted = False
        self.given_up = Event()
        self._is_given_up = False
        self._answer: Answer | None = None
        self._deciding = Lock()  # never held for long
        self._acting = Lock()  # only in threads: what an answer begins and ends does not overlap

    def give_up(self) -> bool:
        """Let the answer be no from now on; False when it is too late for that. In the event loop."""
        if self._refuse():
            self.given_up.set()
        return self._is_given_up

    def judge(self, validate: Validator, push: Push) -> tuple[str, ...]:
        """Find the answer, and begin what it says; return what the person is told. In a thread."""
        try:
            answer = validate(push)
            with self._acting:
                if self._is_given_up:
                    answer.end()
                    return (SORRY,)
                self._answer = answer
                # From here on nobody may stop it: what begins is ended by Git alone.
                if answer.accepted and self._accept():
                    answer.begin()
                return answer.lines
        except CMSError as error:
            self.is_accepted = False
            return (f"error: {error}",)
        except Exception:
            self.is_accepted = False
            log.exception("push.not_judged", person=push.by.person)
            return (SORRY,)

    def end(self) -> None:
        """Git is done with the push. In a thread."""
        self._refuse()
        with self._acting:
            answer, self._answer = self._answer, None
        if answer is not None:
            answer.end()

    def _refuse(self) -> bool:
        with self._deciding:
            self._is_given_up = not self.is_accepted
            return self._is_given_up

    def _accept(self) -> bool:
        with self._deciding:
            self.is_accepted = not self._is_given_up
            return self.is_accepted


class Desk:
    """Where hooks ask. Belongs to one event loop."""

    def __init__(self, folder: PrivateFolder, objects: Path, validate: Validator) -> None:
        """Use :meth:`open`."""
        self._folder = folder
        self._objects = objects
        self._validate = validate
        self._threads, self._ending = CapacityLimiter(THREADS), CapacityLimiter(THREADS)
        self._judging = BoundedSemaphore(THREADS)
        self._waiting: dict[str, Waiting] = {}
        self._server: asyncio.Server | None = None

    @classmethod
    async def open(cls, folder: PrivateFolder, objects: Path, validate: Validator) -> "Desk":
        """Write the hook into *folder* and begin to listen.

        Args:
            objects: the repository's folder of objects, in which Git keeps what a push brought until it is accepted.
            validate: judges a push, in a thread.

        Raises:
            RepositoryProblem: the folder cannot be used.
        """
        desk = cls(folder, objects, validate)
        clear_left_over(objects)
        try:
            write_hook(folder.path)
            desk._server = await asyncio.start_unix_server(desk._serve, folder.path / "ask", limit=ASKED_BYTES_MOST)
        except OSError as error:
            raise RepositoryProblem(f"pushes cannot be judged: {error}", path=str(folder.path)) from error
        return desk

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    @asynccontextmanager
    async def expect(self, by: Principal) -> AsyncIterator[Waiting]:
        """Expect the hook of one push by *by*; when the block is left, Git must have ended."""
        secret = secrets.token_urlsafe(32)
        waiting = Waiting(by, {SOCKET: str(self._folder.path / "ask"), SECRET: secret})
        self._waiting[secret] = waiting
        try:
            yield waiting
        finally:
            self._waiting.pop(secret, None)
            with CancelScope(shield=True):
                await to_thread.run_sync(waiting.end, limiter=self._ending)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            is_accepted, lines = await self._answer(reader)
            writer.write(json.dumps({"accepted": is_accepted, "lines": lines}).encode())
            await writer.drain()
        except (OSError, ValueError, msgspec.MsgspecError) as error:  # the hook gets no answer, and refuses
            log.warning("push.not_asked", reason=repr(error))
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[bool, list[str]]:
        async with asyncio.timeout(ASKED_SECONDS_MOST):
            raw = await _read_all(reader)
        question = msgspec.json.decode(raw, type=Question)
        waiting = self._waiting.pop(question.secret, None)
        if waiting is None:
            raise ValueError("there is no such push")
        push = read_push(question, waiting.by, self._objects)
        waiting.refs = tuple(command.ref for command in push.commands)
        lines: tuple[str, ...] = (SORRY,)
        async with create_task_group() as group:
            group.start_soon(_stop, waiting.given_up, group.cancel_scope)
            # When nobody waits any more Git shall hear it now; the thread goes on until it finds that out.
            lines = await to_thread.run_sync(self._judge, waiting, push, abandon_on_cancel=True, limiter=self._threads)
            group.cancel_scope.cancel()
        return waiting.is_accepted, [printable(line) for line in lines]

    def _judge(self, waiting: Waiting, push: Push) -> tuple[str, ...]:
        if not self._judging.acquire(blocking=False):
            return ("error: Too many pushes are being judged; try again in a minute.",)
        try:
            return waiting.judge(self._validate, push)
        finally:
            self._judging.release()


async def _stop(when: Event, scope: CancelScope) -> None:
    await when.wait()
    scope.cancel()


async def _read_all(reader: asyncio.StreamReader) -> bytes:
    raw = b""
    while piece := await reader.read(65536):
        raw += piece
        if len(raw) > ASKED_BYTES_MOST:
            raise ValueError("too much is asked")
    return raw


def read_push(question: Question, by: Principal, objects: Path) -> Push:
    """What the hook handed over, as a push.

    Raises:
        ValueError: it is not what Git hands to a hook, or its objects are not where they must be.
    """
    commands = tuple(_read_command(line) for line in question.commands)
    if not commands or len({command.ref for command in commands}) != len(commands):
        raise ValueError("no command, or a ref twice")
    quarantine = Path(question.quarantine) if question.quarantine else None
    if quarantine is None:
        # Nothing could be seen of what it brings.
        if any(command.new is not None for command in commands):
            raise ValueError("a push without its objects")
    elif quarantine.parent.resolve() != objects.resolve() or not quarantine.name.startswith(QUARANTINE):
        raise ValueError(f"the objects of a push are not expected in {quarantine}")
    return Push(by=by, commands=commands, quarantine=quarantine, options=tuple(question.options))


def _read_command(line: str) -> Command:
    old, new, ref = line.split(" ", 2)
    return Command(ref=ref, old=_read_id(old), new=_read_id(new))


def _read_id(text: str) -> CommitId | None:
    if not is_commit_id(text):
        raise ValueError(f"{text!r} is no id")
    return None if text == NO_COMMIT else CommitId(text)


def clear_left_over(objects: Path) -> None:
    """Remove what pushes received that were killed before they could clean up."""
    for folder in objects.glob(f"{QUARANTINE}*"):
        with suppress(OSError):
            if folder.stat().st_mtime < time.time() - LEFT_OVER_SECONDS:
                shutil.rmtree(folder)
                log.info("push.left_over_removed", folder=folder.name)


def write_hook(folder: Path, python: str = sys.executable) -> Path:
    """Write the hook below *folder*, where the settings of ``program`` look for it, and return it."""
    values: dict[str, Any] = {
        "secret": SECRET,
        "socket": SOCKET,
        "seconds": ANSWERED_SECONDS_MOST,
        "sorry": SORRY,
    }
    program = folder / "ask.py"
    program.write_text(HOOK % values, "utf-8")
    hook = folder / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    # Through a shell, since the first line of a script may neither be long nor hold a space.
    hook.write_text(f"#!/bin/sh\nexec {quoted(python)} -IS {quoted(str(program))}\n", "utf-8")
    hook.chmod(0o700)
    return hook


def quoted(text: str) -> str:
    """*text* as one word of a shell."""
    return "'" + text.replace("'", "'\\''") + "'"
