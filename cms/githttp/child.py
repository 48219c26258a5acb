"""A child process that is talked to through pipes, and that is gone, with all that it started, when we are done with it.

Reading and writing wait without a thread; starting and ending take one, since both may take a while.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from anyio import CancelScope, CapacityLimiter, to_thread, wait_readable, wait_writable
from anyio.lowlevel import checkpoint

from cms.errors import RepositoryProblem

PIECE_BYTES = 128 * 1024
GRACE_SECONDS = 5.0
COMPLAINT_BYTES = 2_000
_LOOK_SECONDS = 0.01


class Child:
    """One running program, the leader of a process group of its own."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        """Use :meth:`start`."""
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        for pipe in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(pipe.fileno(), False)
        #: The end of what it wrote to its standard error.
        self.complaint = b""

    @classmethod
    async def start(
        cls, command: Sequence[str], environment: Mapping[str, str], folder: Path, *, limiter: CapacityLimiter
    ) -> "Child":
        """Start *command* in *folder*. The caller must await :meth:`end`, come what may.

        Raises:
            RepositoryProblem: it cannot be started.
        """

        def start() -> "subprocess.Popen[bytes]":
            return subprocess.Popen(
                command,
                env=environment,
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )

        try:
            process = await to_thread.run_sync(start, limiter=limiter)
        except OSError as error:
            raise RepositoryProblem(f"git cannot be run: {error.strerror}", path=command[0]) from error
        return cls(process)

    async def write(self, data: bytes) -> None:
        """Hand *data* to the program; what it does not want any more is dropped."""
        rest = memoryview(data)
        while rest and not self._stdin.closed:
            await checkpoint()
            try:
                rest = rest[os.write(self._stdin.fileno(), rest[:PIECE_BYTES]) :]
            except BlockingIOError:
                await wait_writable(self._stdin)
            except OSError:
                self.end_input()

    def end_input(self) -> None:
        """Tell the program that there is nothing more to read."""
        self._stdin.close()

    async def read(self) -> bytes:
        """Return what the program says next; nothing when it has said all."""
        return await _read(self._stdout)

    async def listen(self) -> None:
        """Keep the end of what the program writes to its standard error, until it closes it."""
        while data := await _read(self._stderr):
            self.complaint = (self.complaint + data)[-COMPLAINT_BYTES:]

    async def end(self, *, limiter: CapacityLimiter, seconds: float = GRACE_SECONDS) -> int:
        """Let the program end, and all that it started; return its exit code, negative for a signal.

        It hears that nothing more comes, and has *seconds* to end by itself; then it is asked to, and then made to. Nobody may be reading
        from it or writing to it any more.
        """
        with CancelScope(shield=True):
            await to_thread.run_sync(self._end, seconds, limiter=limiter)
        return self._process.returncode

    def stop(self) -> None:
        """Ask the program, and all that it started, to end at once."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)

    def _end(self, seconds: float) -> None:
        self._stdin.close()
        if not self._has_ended(seconds):
            self.stop()
            self._has_ended(GRACE_SECONDS)
        # The leader is not waited for yet, so that its number cannot belong to somebody else.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._stdout, self._stderr):
            pipe.close()

    def _has_ended(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_SECONDS)
        return True


async def _read(pipe: IO[bytes]) -> bytes:
    while True:
        await checkpoint()
        try:
            return os.read(pipe.fileno(), PIECE_BYTES)
        except BlockingIOError:
            await wait_readable(pipe)
