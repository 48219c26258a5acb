"""Processes killed at random moments, again and again, on one repository."""

import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from tests.crash.desk import Place, work
from tests.crash.ledger import Ledger

FSCK_EVERY = 25
_PATIENCE_SECONDS = 30.0


class Run:
    """A process that works at a desk, and the pipe on which it says what is done."""

    def __init__(self, pid: int, acks: int) -> None:
        """Use ``start``."""
        self.pid = pid
        self.heard: list[str] = []
        self._pipe = os.fdopen(acks, "rb")

    @classmethod
    def start(cls, job: Callable[[int], None], *, is_quiet: bool = False) -> "Run":
        """Fork a process, in a session of its own with all that it starts, that does *job* with the writing end of the pipe.

        What it raises is printed unless it *is_quiet*.
        """
        reading, writing = os.pipe()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            os.setsid()
            os.close(reading)
            code = 0
            try:
                job(writing)
            except BaseException:
                code = 1
                if not is_quiet:
                    traceback.print_exc()
                    sys.stderr.flush()
            finally:
                os._exit(code)
        os.close(writing)
        return cls(pid, reading)

    def kill(self) -> bool:
        """Kill it; False when it had ended by itself."""
        os.kill(self.pid, signal.SIGKILL)
        return self.wait()

    def wait(self) -> bool:
        """Wait for its end; True when it was killed."""
        _, status = os.waitpid(self.pid, 0)
        return os.WIFSIGNALED(status)

    def read(self) -> Iterator[dict[str, Any]]:
        """Everything that is said until the end of the process; a line that is cut off was not said."""
        with self._pipe:
            for line in self._pipe:
                if line.endswith(b"\n"):
                    yield self._parse(line)

    def read_until(self, act: str) -> list[dict[str, Any]]:
        """Everything up to the first *act*, which it waits for."""
        said: list[dict[str, Any]] = []
        while not said or said[-1]["act"] != act:
            line = self._pipe.readline()
            if not line:
                break
            said.append(self._parse(line))
        return said

    def _parse(self, line: bytes) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(line)
        self.heard.append(said["act"])
        return said


def kill_at_random(folder: Path, count: int, seed: int) -> Ledger:
    """Kill a desk *count* times, each time at another moment of its start or its work, and check all that it said."""
    moments = random.Random(seed)
    place = Place(folder)
    place.make()
    ledger = Ledger(place)
    for number in range(count):
        run = Run.start(partial(work, place, name=f"d{number}", is_maintaining=number % 3 == 2))
        # A tenth of the kills meets the start, where leftovers are cleared away; a draft takes less than a tenth of a second.
        time.sleep(moments.uniform(0, 0.06) if moments.random() < 0.1 else moments.uniform(0.05, 0.16))
        if moments.random() < 0.5:
            kill_session(run.pid, "others")  # else what it started goes on alone
        if not run.kill():
            ledger.problems.append(f"the desk ended by itself in round {number}")
        for said in run.read():
            ledger.hear(said)
        ledger.check(deeply=number % FSCK_EVERY == 0 or number == count - 1)
        wait_for_session(run.pid)
        if ledger.problems:
            break
    return ledger


def kill_session(session: int, victim: str, pause: float = 0.0) -> None:
    """Kill everything, our process alone (``server``), or the ``others``, which are Git's, alone.

    ``git`` waits until there is one of Git's, kills that after *pause* seconds, and our process a little later.
    """
    until = time.monotonic() + _PATIENCE_SECONDS
    while victim == "git" and not set(_members(session)) - {session} and time.monotonic() < until:
        time.sleep(0.001)
    time.sleep(pause)
    for pid in list(_members(session)):
        if victim == "all" or (victim == "server") == (pid == session):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    if victim == "git":  # perhaps it was too late, and nobody refuses anything
        kill_session(session, "server", 0.3)


def _members(session: int) -> Iterator[int]:
    """The processes of a session that are alive."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, of, *_ = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(of) == session and state != "Z":
            yield int(path.parent.name)


def wait_for_session(session: int) -> None:
    """Wait until what outlived the server has ended by itself."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while any(_members(session)) and time.monotonic() < until:
        time.sleep(0.005)
    assert not any(_members(session)), "something of the server does not end"
