"""``python -m tests.crash``: kill and cut off, as often as is asked, and say what came of it."""

import argparse
import os
import random
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.crash.calls import CannotTrace, fail_at_each_call, kill_at_each_call
from tests.crash.kills import kill_at_random
from tests.crash.ledger import Ledger
from tests.crash.power import OPTIONS, CannotCut, cut_publishing, cut_pushes
from tests.crash.pushes import kill_pushes

MEMORY = Path("/dev/shm")


def main() -> int:
    """Run what the options ask for; 1 when something was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=300, help="how often a process that publishes is killed")
    parser.add_argument("--pushes", type=int, default=30, help="how often a server that is pushed to is killed")
    parser.add_argument("--power", type=int, default=5, help="how often its power is cut, with each way to mount")
    parser.add_argument("--points", action="store_true", help="also kill and fail at each system call of a publication")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument(
        "--folder", type=Path, help="where to work; in memory by default, power cuts in the temporary folder"
    )
    parser.add_argument("--careless", action="store_true", help="sync nothing, to see that power cuts would be noticed")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    memory = MEMORY if os.access(MEMORY, os.W_OK) else None
    is_fine = True
    if options.kills:
        kill = partial(kill_at_random, count=options.kills, seed=options.seed)
        is_fine &= report(f"SIGKILL, {options.kills} times", kill, options.folder or memory)
    if options.pushes:
        push = partial(kill_pushes, count=options.pushes, seed=options.seed)
        is_fine &= report(f"SIGKILL during pushes, {options.pushes} times", push, options.folder or memory)
    if options.points:
        is_fine &= report("SIGKILL at each system call", kill_at_each_call, options.folder or memory)
        is_fine &= report("an error from each system call", fail_at_each_call, options.folder or memory)
    for mount in OPTIONS[: 1 if options.careless else None] if options.power else ():
        how = {"count": options.power, "seed": options.seed, "options": mount}
        cut = partial(cut_publishing, **how, is_careless=options.careless)
        is_fine &= report(f"power cut ({mount}), {options.power} times", cut, options.folder)
        if options.careless:
            continue
        cut = partial(cut_publishing, **how, is_shared=True)
        is_fine &= report(f"power cut beside a shell ({mount}), {options.power} times", cut, options.folder)
        cut = partial(cut_pushes, **how)
        is_fine &= report(f"power cut during pushes ({mount}), {options.power} times", cut, options.folder)
    return 0 if is_fine else 1


def report(what: str, crash: Callable[[Path], Ledger], base: Path | None) -> bool:
    """Do it in a folder of its own, and print what came of it; False when something was lost."""
    since = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="crash-", dir=base) as name:
        try:
            ledger = crash(Path(name))
        except (CannotCut, CannotTrace) as error:
            print(f"{what}: not possible here ({error})", flush=True)
            return True
    acts = ", ".join(f"{number} {act}" for act, number in ledger.acts.items())
    print(f"{what}: {time.monotonic() - since:.0f} s; acknowledged: {acts}; lost or wrong: {len(ledger.problems)}")
    print(f"  stale locks cleared away: {ledger.locks_left}; slowest start {ledger.slowest_start:.2f} s", flush=True)
    for line in (*(f"{count} x {reason}" for reason, count in ledger.refusals.most_common()), *ledger.problems):
        print(f"  {line}")
    return not ledger.problems


if __name__ == "__main__":
    raise SystemExit(main())
