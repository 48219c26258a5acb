"""``cms check`` as a hook of Git's: a push is judged where it arrives, on any Git host, or before it leaves a clone.

What is judged, and by which rules, is in ``workflow/hosted``; here is how Git asks, and what it is told. Whatever goes wrong, the push is
refused.
"""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import typer

from cms.cache import DerivedCache
from cms.cli.desk import find_person
from cms.cli.exits import REFUSED, UNREADABLE, USAGE, Refused
from cms.cli.output import err, print_note
from cms.cli.sites import find_repository
from cms.errors import InvalidSettings
from cms.finding import printable
from cms.inferred import infer_model
from cms.model import read_model
from cms.permissions import Principal
from cms.refs import BRANCHES, PUSH_LOG, CommitId, is_commit_id, short_name
from cms.settings import read_environment
from cms.site import FALLBACK_BRANCHES, cache_folder, published_ref
from cms.snapshot import Snapshot, build_snapshot
from cms.store import Store
from cms.workflow.hosted import UNKNOWN, Before, Hosted, HostedJudge, find_fresh, find_pusher
from cms.workflow.push import Command, Push

NOTHING = "0" * 40
ASKED_BYTES_MOST = 4 * 1024 * 1024
_OWN_ADDRESS = re.compile(r"/git/([^/]+)\.git/?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a hook is told besides the push.

    Attributes:
        pusher: what the host calls who pushes, or their address; empty when it does not say.
        people: what the host calls somebody -> their id in ``cms.toml``.
        left: beginnings of refs that are the host's own business.
    """

    pusher: str = ""
    people: Mapping[str, str]
    left: Sequence[str] = ()


def read_asked(pusher: str, pairs: Sequence[str], left: Sequence[str]) -> Asked:
    """Read the options.

    Raises:
        Refused: a pair is none.
    """
    people = {}
    for pair in pairs:
        name, sign, person = pair.partition("=")
        if not sign or not name or not person:
            raise Refused(
                f"--map {pair!r} must be what the host calls somebody, '=' and their id in cms.toml", code=USAGE
            )
        people[name] = person
    return Asked(pusher=pusher, people=people, left=tuple(left))


def read_input() -> list[str]:
    """The lines that Git hands to a hook.

    Raises:
        Refused: a person asks, or it is too much.
    """
    if sys.stdin.isatty():
        raise Refused(
            "this is for Git to ask, which names the push on standard input", hint="docs/ci.md shows the hooks"
        )
    raw = sys.stdin.buffer.read(ASKED_BYTES_MOST + 1)
    if len(raw) > ASKED_BYTES_MOST:
        raise Refused("too many refs in one push; push them in parts", code=REFUSED)
    # Not splitlines: a ref may hold what ends a line elsewhere.
    return [line for line in raw.decode("utf-8", "backslashreplace").split("\n") if line]


def check_received(place: Path | None, lines: Sequence[str], asked: Asked) -> None:
    """Judge a push to the repository at *place*: as the hook ``pre-receive``, or ``update`` with one line.

    Args:
        lines: ``<old> <new> <ref>``.

    Raises:
        typer.Exit: it is refused.
        CMSError, Refused: it cannot be judged, and so is refused.
    """
    environment = read_environment()
    store = Store.open(find_repository(place))
    ref = published_ref(store, environment.branch)
    if not ref.startswith(BRANCHES):
        raise Refused(
            "HEAD names no branch of this repository, so nothing says what is published",
            hint="git symbolic-ref HEAD refs/heads/main",
            code=UNREADABLE,
        )
    commands = [command for line in lines if not _is_left(command := _read_received(line), ref, asked)]
    if not commands:
        return
    seen = store
    quarantine = environment.quarantine
    if quarantine is not None and quarantine.resolve() != (store.common_dir / "objects").resolve():
        seen = Store.open_quarantine(store.git_dir, quarantine.absolute())
    published = store.resolve(ref)
    fresh = find_fresh(seen, store, published, commands) if published is not None else frozenset()
    flow = _open_flow(Before.of(store, fresh=fresh), ref)
    by = Principal(person=UNKNOWN, via="key")
    if flow.has_people:
        by = find_pusher(seen, flow.policy(), sorted(fresh), asked.pusher, asked.people)
    _judge(flow, seen, by, commands)


def check_leaving(place: Path | None, remote: str, url: str, lines: Sequence[str], asked: Asked) -> None:
    """Judge a push from the clone at *place* before it leaves, as the hook ``pre-push``, by what the clone knows of the other side.

    Args:
        remote, url: the arguments of the hook.
        lines: ``<local ref> <new> <ref> <old>``.

    Raises:
        typer.Exit: it would be refused.
        CMSError, Refused: it cannot be judged.
    """
    environment = read_environment()
    store = Store.open(find_repository(place))
    commands = [_read_leaving(line) for line in lines]
    commands = [command for command in commands if not _is_left(command, "", asked)]
    shown = _read_remote(store, remote)
    ref = _find_published(store, remote, shown, environment.branch)
    if ref is None or any(one.old is not None and store.resolve(one.old) is None for one in commands):
        print_note(f"cms: what {remote} has was not fetched, so nothing can be said before the push (git fetch)")
        return
    for command in commands:
        if command.ref.startswith(BRANCHES):
            shown.pop(command.ref, None)
            shown |= {command.ref: command.old} if command.old is not None else {}
    seen = Before.of(store, shown=shown)
    published = seen.resolve(ref)
    fresh = find_fresh(seen, seen, published, commands) if published is not None else frozenset()
    flow = _open_flow(Before.of(store, shown=shown, fresh=fresh), ref, url=url)
    by = Principal(person=UNKNOWN, via="key")
    if flow.has_people:
        by = find_person(flow.policy(), store.work_tree or store.git_dir, asked.pusher)
    if flow.is_server and store.resolve(PUSH_LOG) is None:
        commands = [command for command in commands if command.ref != ref]
        print_note(
            f"cms: what is pushed to {short_name(ref)} can be judged here once the log is: git fetch {remote} {PUSH_LOG}:{PUSH_LOG}"
        )
    try:
        _judge(flow, seen, by, commands)
    except typer.Exit:
        print_note("Nothing was sent. To let the other side decide by itself: git push --no-verify")
        raise


def _judge(flow: Hosted, seen: Store, by: Principal, commands: Sequence[Command]) -> None:
    if not commands:
        return
    answer = HostedJudge(flow, seen)(Push(by=by, commands=tuple(commands)))
    for line in answer.lines:
        err().print(printable(line))
    if not answer.accepted:
        raise typer.Exit(REFUSED)


def _open_flow(before: Before, ref: str, *, url: str = "") -> Hosted:
    """The drafts of *before*; *url* is where they are, when that is not here."""
    read = snapshot_reader(before, ref)
    path = urlsplit(url).path if url.startswith(("http://", "https://")) else ""
    named = _OWN_ADDRESS.search(path)
    is_server = named is not None and before.resolve(ref) is not None and named[1] == read().model.settings.server.name
    return Hosted(before, ref, snapshot=read, is_server=is_server)


def snapshot_reader(store: Store, ref: str) -> Callable[[], Snapshot]:
    """What is published at *ref* of *store*, read when it is first asked for."""
    read: list[Snapshot] = []

    def find() -> Snapshot:
        commit = store.resolve(ref)
        assert commit is not None, "whoever has nothing published does not ask"
        if not read:
            model = read_model(store, commit) or infer_model(store, commit, short_name(ref))
            cache = DerivedCache(cache_folder(store, ref))
            read.append(build_snapshot(store, commit, model, cache=cache))
            cache.close()
        return read[0]

    return find


def _is_left(command: Command, ref: str, asked: Asked) -> bool:
    is_ours = command.ref == ref or command.ref.startswith(f"{BRANCHES}drafts/")
    return not is_ours and command.ref.startswith(tuple(asked.left))


def _read_received(line: str) -> Command:
    """Read ``<old> <new> <ref>``.

    Raises:
        Refused: it is something else.
    """
    old, _, rest = line.partition(" ")
    new, _, ref = rest.partition(" ")
    return Command(ref=_require_ref(ref, line), old=_read_id(old, line), new=_read_id(new, line))


def _read_leaving(line: str) -> Command:
    """Read ``<local ref> <new> <ref> <old>``; a local ref may be any expression.

    Raises:
        Refused: it is something else.
    """
    parts = line.rsplit(" ", 3)
    if len(parts) != 4:
        raise _no_push(line)
    _, new, ref, old = parts
    return Command(ref=_require_ref(ref, line), old=_read_id(old, line), new=_read_id(new, line))


def _require_ref(text: str, line: str) -> str:
    if not text.startswith("refs/"):
        raise _no_push(line)
    return text


def _read_id(text: str, line: str) -> CommitId | None:
    if not is_commit_id(text):
        raise _no_push(line)
    return None if text == NOTHING else CommitId(text)


def _no_push(line: str) -> Refused:
    return Refused(f"{line[:200]!r} is not what Git hands to a hook", hint="docs/ci.md shows the hooks", code=USAGE)


def _read_remote(store: Store, remote: str) -> dict[str, CommitId]:
    """The branches of *remote* as they were fetched last, by the names that they have there."""
    prefix = f"refs/remotes/{remote}/"
    found = {name.removeprefix(prefix): commit for name, commit in store.refs(prefix).items()}
    return {BRANCHES + name: commit for name, commit in found.items() if name != "HEAD"}


def _find_published(store: Store, remote: str, shown: Mapping[str, CommitId], wanted: str) -> str | None:
    """The ref that the published branch has on *remote*; None when that is not known here."""
    head = store.follow_ref(f"refs/remotes/{remote}/HEAD")[-1].removeprefix(f"refs/remotes/{remote}/")
    for name in (wanted, head, *FALLBACK_BRANCHES):
        commit = shown.get(BRANCHES + name)
        if commit is None:
            continue
        with suppress(InvalidSettings):
            model = read_model(store, commit)
            named = model.settings.site.branch if model is not None and not wanted else ""
            if BRANCHES + named in shown:
                return BRANCHES + named
        return BRANCHES + name
    return None
