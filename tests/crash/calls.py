"""Every point of a publication, one by one: killed at its n-th call of each kind, or told by that call that it failed.

``strace`` counts the calls and makes up the kills and the errors.
"""

import os
import re
import shutil
import subprocess
import time
from functools import partial
from pathlib import Path

from tests.crash.desk import Place, publish_on_word
from tests.crash.kills import Run
from tests.crash.ledger import Ledger

CALLS = ("openat", "write", "fsync", "link", "unlink", "rename", "mkdir", "close")
ERRORS = {
    "openat": ("EMFILE",),
    "write": ("ENOSPC", "EIO"),
    "fsync": ("EIO",),
    "link": ("ENOSPC",),
    "rename": ("EROFS",),
    "mkdir": ("EDQUOT",),
}
_PATIENCE_SECONDS = 20.0


class CannotTrace(Exception):
    """There is no strace here, or it may not look."""


def kill_at_each_call(folder: Path) -> Ledger:
    """Kill a publication at its first, second, ... call of each kind."""
    ledger = _begin(folder)
    for call in CALLS:
        for number in range(1, _count(ledger, call) + 1):
            ledger.acts["killed"] += _publish_with(ledger, call, f"inject={call}:signal=KILL:when={number}")
    return ledger


def fail_at_each_call(folder: Path) -> Ledger:
    """Let the first, second, ... call of each kind fail."""
    ledger = _begin(folder)
    for call, errors in ERRORS.items():
        for number in range(1, _count(ledger, call) + 1):
            for error in errors:
                _publish_with(ledger, call, f"inject={call}:error={error}:when={number}")
    return ledger


def _count(ledger: Ledger, call: str) -> int:
    """How many calls of this kind a publication makes."""
    output = ledger.place.folder / "calls"
    _publish_with(ledger, call, f"trace={call}", output)
    return sum(f"{call}(" in line for line in output.read_text().splitlines())


def _begin(folder: Path) -> Ledger:
    if shutil.which("strace") is None:
        raise CannotTrace("strace is not installed")
    place = Place(folder)
    place.make()
    return Ledger(place)


def _publish_with(ledger: Ledger, call: str, fault: str, output: Path = Path(os.devnull)) -> bool:
    """Publish once with a fault, and check everything; True when the process was killed by it."""
    _age(ledger.place)
    hear, go = os.pipe()
    name = re.sub(r"[^a-z0-9]", "-", fault.lower())
    run = Run.start(partial(_job, ledger.place, hear, go, name))
    os.close(hear)
    tracer = None
    try:
        said = run.read_until("approve")
        command = ["strace", "-f", "-qq", "-o", str(output), "-e", fault, "-p", str(run.pid)]
        tracer = subprocess.Popen(command, stderr=subprocess.PIPE)
        _await_tracer(run.pid, tracer)
        os.write(go, b"g")
    finally:
        os.close(go)
    was_killed = run.wait()
    for line in [*said, *run.read()]:
        ledger.hear(line)
    tracer.wait()
    if not was_killed and not {"publish", "refused", "failed"} & set(run.heard):
        ledger.problems.append(f"{call} with {fault} ended the process")
    ledger.check(deeply=False)
    return was_killed


def _age(place: Place) -> None:
    """Let what there is be old, so that a publication has nothing to bring to the disk but its own."""
    for path in (place.repository / "objects").glob("??/*"):
        os.utime(path, (time.time() - 600,) * 2)


def _job(place: Place, hear: int, go: int, name: str, acks: int) -> None:
    os.close(go)
    publish_on_word(place, acks, hear, name)


def _await_tracer(pid: int, tracer: "subprocess.Popen[bytes]") -> None:
    """Wait until all threads of *pid* are traced."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < until:
        if tracer.poll() is not None:
            assert tracer.stderr is not None
            raise CannotTrace(tracer.stderr.read().decode(errors="replace").strip())
        threads = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
        if threads and all("TracerPid:\t0\n" not in status for status in threads):
            return
        time.sleep(0.002)
    raise CannotTrace("strace does not begin")
