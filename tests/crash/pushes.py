"""Pushes over HTTP to a real server that dies in the middle: all of it, only Git's part of it, or only ours."""

import os
import random
import socket
import subprocess
import threading
import time
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog
import uvicorn

from cms.app import build_app
from cms.cli.serve import server_config
from cms.refs import draft_ref
from tests.crash.desk import Place, now, open_office, tell
from tests.crash.kills import FSCK_EVERY, Run, kill_session, wait_for_session
from tests.crash.ledger import Ledger
from tests.repo import Repo

_WHO = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in (("NAME", "Kari"), ("EMAIL", "kari@example.org"))}  # fmt: skip


def serve(place: Place, acks: int) -> None:
    """Serve the site."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    since = time.monotonic()
    site = open_office(place)
    listener = socket.create_server(("127.0.0.1", 0))
    tell(acks, act="ready", seconds=round(time.monotonic() - since, 3), port=listener.getsockname()[1])
    uvicorn.Server(server_config(build_app(site), workers=1, access_log=False)).run(sockets=[listener])


class Pusher:
    """A person with a clone, who pushes to drafts and deletes some."""

    def __init__(self, place: Place, clone: Path, moments: random.Random) -> None:
        site = place.open()
        accounts = site.office().accounts
        accounts.add_user("kari", now=now())
        until = now() + timedelta(days=1)
        _, self._secret = accounts.create_token("kari", "laptop", scopes=None, expires_at=until, now=now())
        site.close()
        subprocess.run(["git", "clone", "-q", str(place.repository), str(clone)], check=True, capture_output=True)
        self._repo = Repo(clone)
        self._base = self._repo.git("rev-parse", "HEAD")
        self._moments = moments
        self._count = 0

    def push_until_refused(self, port: int, ledger: Ledger) -> str:
        """Push one thing after the other, tell the ledger what was acknowledged, and return why the last was not."""
        address = f"http://kari:{self._secret}@127.0.0.1:{port}/git/site.git"
        while True:
            act, draft, head = self._next(ledger)
            command = ["git", "push", "-q", address, f"{head}:{draft_ref(draft)}"]
            done = subprocess.run(
                command, cwd=self._repo.path, env={**os.environ, **_WHO}, capture_output=True, text=True, check=False
            )
            if done.returncode != 0:
                if act == "remove":  # nobody said that it is gone, or that it is not
                    ledger.heads.pop(draft)
                return done.stderr
            ledger.hear({"act": act, "draft": draft, "head": head})

    def _next(self, ledger: Ledger) -> tuple[str, str, str]:
        """What to push: a new draft, more of one, a large one, or the end of one."""
        self._count += 1
        kind = self._moments.random()
        known = sorted(ledger.heads)
        if known and kind < 0.2:
            return "remove", self._moments.choice(known), ""
        draft = self._moments.choice(known) if known and kind < 0.6 else f"push-{self._count}"
        parent = ledger.heads.get(draft, self._base)
        count = 150 if kind > 0.95 else self._moments.choice((1, 1, 1, 8))
        files = {f"posts/{number:03}.md": f"---\ntitle: {draft} {self._count}\n---\n" for number in range(count)}
        # Not moving a branch of the clone: its tips are what was acknowledged.
        commit = self._repo.commit(files, branch=f"at-{self._count}", parents=[parent])
        return "push", draft, commit


def kill_pushes(folder: Path, count: int, seed: int) -> Ledger:
    """Kill a server *count* times while somebody pushes to it, and check all that Git's client was told."""
    moments = random.Random(seed)
    place = Place(folder / "server")
    place.folder.mkdir()
    place.make()
    ledger = Ledger(place)
    pusher = Pusher(place, folder / "clone", moments)
    for number in range(count):
        run = Run.start(partial(serve, place))
        ready = run.read_until("ready")[-1]
        ledger.hear(ready)
        victim = moments.choice(("all", "server", "git"))
        killer = threading.Timer(moments.uniform(0, 0.5), kill_session, (run.pid, victim, moments.uniform(0, 0.04)))
        killer.start()
        pusher.push_until_refused(ready["port"], ledger)
        killer.join()
        kill_session(run.pid, "server")
        run.wait()
        wait_for_session(run.pid)
        ledger.check(deeply=number % FSCK_EVERY == 0 or number == count - 1)
        if ledger.problems:
            break
    return ledger
