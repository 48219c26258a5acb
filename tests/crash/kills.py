"""Processes killed at random moments, again and again, on one repository."""

import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tests.crash.desk import Place, work
from tests.crash.ledger import Ledger

FSCK_EVERY = 25


class Run:
    """A process that works at a desk, and the pipe on which it says what is done."""

    def __init__(self, pid: int, acks: int) -> None:
        """Use ``start``."""
        self.pid = pid
        self.heard: list[str] = []
        self._pipe = os.fdopen(acks, "rb")

    @classmethod
    def start(cls, job: Callable[[int], None], *, is_quiet: bool = False) -> "Run":
        """Fork a process that does *job* with the writing end of the pipe; what it raises is printed unless it *is_quiet*."""
        reading, writing = os.pipe()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
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
        run = Run.start(partial(work, place, name=f"d{number}"))
        # A tenth of the kills meets the start, where leftovers are cleared away; a draft takes less than a tenth of a second.
        time.sleep(moments.uniform(0, 0.06) if moments.random() < 0.1 else moments.uniform(0.05, 0.16))
        if not run.kill():
            ledger.problems.append(f"the desk ended by itself in round {number}")
        for said in run.read():
            ledger.hear(said)
        ledger.check(deeply=number % FSCK_EVERY == 0 or number == count - 1)
        if ledger.problems:
            break
    return ledger
