"""The editorial desk that crashes: one process that takes drafts through to publication, and says after each act that it is done.

It goes on where the last process was interrupted, as people would: a draft that is there is finished, whatever state it is in.
"""

import json
import os
import subprocess
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pygit2
import structlog

import cms.writer
from cms.errors import CMSError, TooBusy
from cms.inferred import infer_model
from cms.maintenance import maintain
from cms.permissions import Principal
from cms.refs import draft_ref
from cms.settings import Environment
from cms.site import Site
from cms.store import Store
from cms.workflow.flow import Workflow
from cms.workflow.outcome import Status
from cms.workflow.publishing import publish
from cms.workflow.verdicts import approve, request_review
from cms.workflow.writing import EntryName, start_draft, write_entry
from tests.repo import Repo

CMS_TOML = """
[people.kari]
name = "Kari"
emails = ["kari@example.org"]
[people.ola]
name = "Ola"
emails = ["ola@example.org"]
[[roles]]
role = "writer"
who = ["kari"]
[[roles]]
role = "reviewer"
who = ["ola"]
[[roles]]
role = "publisher"
who = ["ola"]
"""
SCHEMA = "type: object\nx-path: posts/{slug}.md\nproperties:\n  title: {type: string}\n  weight: {type: integer}\n"
KARI = Principal(person="kari", name="Kari", email="kari@example.org", via="api")
OLA = Principal(person="ola", name="Ola", email="ola@example.org", via="api")

LOCAL = {"NAME": "Kari", "EMAIL": "kari@example.org"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a desk works: the repository and the state folder."""

    folder: Path

    @property
    def repository(self) -> Path:
        """The bare repository."""
        return self.folder / "site.git"

    def make(self) -> None:
        """Begin the site."""
        repo = Repo.create(self.repository)
        posts = {f"posts/{number:03}.md": f"---\ntitle: Post {number}\nweight: 0\n---\nText.\n" for number in range(40)}
        repo.commit({"cms.toml": CMS_TOML, "schemas/posts.yaml": SCHEMA, **posts})

    def open(self) -> Site:
        """Open the site for editing."""
        return Site.open(self.repository, infer=infer_model, environment=Environment(state=str(self.folder / "state")))


def work(
    place: Place,
    acks: int,
    name: str,
    *,
    is_careless: bool = False,
    is_maintaining: bool = False,
    is_shared: bool = False,
) -> None:
    """Publish one draft after the other, until killed. Every act that returned is told as a line to *acks*.

    Args:
        is_careless: nothing is brought to the disk, which must be noticed when the power is cut.
        is_maintaining: the repository is maintained all the time.
        is_shared: every second draft is written by somebody with a shell.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    since = time.monotonic()
    site = open_office(place)
    flow = site.office().flow
    if is_careless:
        pygit2.settings.enable_fsync_gitdir(False)
        os.fsync = lambda handle: None  # type: ignore[assignment]
    tell(acks, act="ready", seconds=round(time.monotonic() - since, 3))
    if is_maintaining:
        threading.Thread(target=keep_maintaining, args=(place, acks), daemon=True).start()
    for draft in flow.names():
        finish(site, flow, draft, acks)
    for number in range(10_000):
        draft = f"{name}-{number}"
        tell(acks, act="start", draft=draft, head=start_draft(flow, KARI, draft, now=now()).head)
        finish(site, flow, draft, acks, is_local=is_shared and number % 2 == 0)


def open_office(place: Place) -> Site:
    """Open the site for editing; nobody else works here at the start, so a lock that is there has no owner, however young."""
    site = place.open()
    seconds = cms.writer.STALE_SECONDS, cms.writer.SLOW_SECONDS
    cms.writer.STALE_SECONDS = cms.writer.SLOW_SECONDS = 0.0
    try:
        site.office()
    finally:
        cms.writer.STALE_SECONDS, cms.writer.SLOW_SECONDS = seconds
    return site


def keep_maintaining(place: Place, acks: int) -> None:
    """Maintain the repository again and again; one that outlived another crash may be at it."""
    store = Store.open(place.repository)
    while True:
        try:
            maintain(store)
        except TooBusy:
            time.sleep(0.01)
        except CMSError as error:
            tell(acks, act="unmaintained", reason=str(error))
            return


def publish_on_word(place: Place, acks: int, go: int, name: str) -> None:
    """Take one draft to the point where it can be published, wait for a word, and publish it."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    site = open_office(place)
    flow = site.office().flow
    for draft in flow.names():
        finish(site, flow, draft, acks)
    head = start_draft(flow, KARI, name, now=now()).head
    head = write_entry(flow, KARI, name, EntryName(collection="posts", slug=name), {"title": name}, now=now()).head
    head = request_review(flow, KARI, name, now=now()).head
    head = approve(flow, OLA, name, expected=head, now=now()).head
    tell(acks, act="approve", draft=name, head=head)
    os.read(go, 1)
    try:
        done = publish(flow, OLA, name, now=now())
    except CMSError as error:
        tell(acks, act="refused", draft=name, head=head, reason=f"{type(error).__name__}: {error}")
    except OSError as error:
        tell(acks, act="failed", draft=name, head=head, reason=f"{type(error).__name__}: {error}")
    else:
        tell(acks, act="publish", draft=name, head=done.head, commit=done.commit)


def finish(site: Site, flow: Workflow, draft: str, acks: int, *, is_local: bool = False) -> None:
    """Take a draft to publication from wherever it is."""
    state = flow.state(draft, now())
    if not state.entries and is_local:
        tell(acks, act="shell", draft=draft)
        write_locally(site.store.git_dir, draft, state.head)
        state = flow.state(draft, now())
    elif not state.entries:
        entry = EntryName(collection="posts", slug=f"{sum(map(ord, draft)) % 40:03}")
        state = write_entry(flow, KARI, draft, entry, {"title": draft}, body=f"By {draft}.\n", now=now())
        tell(acks, act="write", draft=draft, head=state.head)
    if state.status is Status.DRAFT:
        state = request_review(flow, KARI, draft, now=now())
        tell(acks, act="request", draft=draft, head=state.head)
    if state.status is Status.IN_REVIEW:
        state = approve(flow, OLA, draft, expected=state.head, now=now())
        tell(acks, act="approve", draft=draft, head=state.head)
    done = publish(flow, OLA, draft, now=now())
    tell(acks, act="publish", draft=draft, head=done.head, commit=done.commit)
    again = publish(flow, OLA, draft, now=now())
    assert (again.is_repeated, again.commit) == (True, done.commit), again
    site.refresh(time.time())
    assert site.catalog.snapshot.commit.id == done.commit


def write_locally(git_dir: Path, draft: str, head: str) -> None:
    """Change a post as somebody with a shell does: with plain Git, which brings nothing of this to the disk."""
    path = f"posts/{sum(map(ord, draft)) % 40:03}.md"
    index = git_dir / f"index.{draft}"
    who = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in LOCAL.items()}

    def git(*arguments: str, stdin: str = "") -> str:
        environment = {**os.environ, **who, "GIT_INDEX_FILE": str(index)}
        command = ["git", f"--git-dir={git_dir}", *arguments]
        done = subprocess.run(command, env=environment, input=stdin, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    blob = git("hash-object", "-w", "--stdin", stdin=f"---\ntitle: {draft}\n---\nBy {draft}, in a shell.\n")
    git("read-tree", head)
    git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
    commit = git("commit-tree", "-p", head, "-m", "Write", git("write-tree"))
    git("update-ref", draft_ref(draft), commit, head)
    index.unlink()


def now() -> datetime:
    """The real time."""
    return datetime.now(UTC)


def tell(acks: int, **said: object) -> None:
    """Write a line that a pipe takes whole; by a call of its own, so that errors made up for ``write`` do not meet it."""
    os.writev(acks, [json.dumps(said).encode() + b"\n"])
