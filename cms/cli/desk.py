"""At whose desk a command of the workflow sits: that of a person in a clone, or of somebody on the server's own machine.

In a clone an act is a commit there, signed with the person's own key when Git has one; it counts on the server once it is pushed. In the
repository of a server, where its key can be read, an act is the server's, for the person who is named.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated

import typer

from cms.auth import Accounts
from cms.cli.exits import MISSING, REFUSED, Refused
from cms.cli.git import read_config, run_git, sign_with_git
from cms.cli.output import print_note
from cms.cli.sites import find_repository, open_site
from cms.errors import InvalidSettings, RefNotFound, StaleRequest
from cms.office import Office
from cms.permissions import Principal
from cms.policy import Policy
from cms.pushlog import PushLog
from cms.refs import BRANCHES, DRAFTS, PUSH_LOG, CommitId, draft_ref, find_draft_name, is_commit_id, short_name
from cms.serverkey import KEY_FILE
from cms.settings import nearest, read_environment, state_folder
from cms.site import Site, published_ref, resolve_name
from cms.snapshot import Snapshot
from cms.store import Store
from cms.workflow.flow import Workflow, no_draft
from cms.workflow.outcome import DraftState
from cms.worktree import checkout_problem, refresh_work_tree
from cms.writer import Writer

NAMES_SHOWN = 10
SHORT_ID = re.compile(r"[0-9a-f]{7,39}")
AsOption = Annotated[
    str,
    typer.Option(
        "--as",
        metavar="PERSON",
        help="Act for this person of cms.toml, on the server's own machine. Default: the person with Git's user.email.",
        show_default=False,
    ),
]
DraftArgument = Annotated[str, typer.Argument(metavar="DRAFT", help="Name of the draft.", show_default=False)]
MessageOption = Annotated[
    str, typer.Option("--message", "-m", metavar="TEXT", help="What to say; becomes the commit's message.")
]
HeadOption = Annotated[
    str,
    typer.Option("--head", metavar="COMMIT", help="Only if the draft is still at this commit.", show_default=False),
]


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Where a command acts: the site, its workflow, and when.

    Attributes:
        folder: where Git is asked who somebody is.
        named: whom ``--as`` named; empty for nobody.
        remote: what a clone pushes to; empty elsewhere.
        accounts: those of the server; None in a clone.
    """

    site: Site
    flow: Workflow
    now: datetime
    folder: Path
    named: str
    is_clone: bool
    remote: str
    accounts: Accounts | None

    @cached_property
    def who(self) -> Principal:
        """Who acts.

        Raises:
            Refused: it cannot be told.
        """
        return find_person(self.flow.policy(), self.folder, self.named, is_server=not self.is_clone)

    @property
    def known(self) -> Principal | None:
        """Who looks, where that can be told.

        Raises:
            Refused: nobody is called what ``--as`` says.
        """
        if self.named:
            return self.who
        try:
            return self.who
        except (Refused, InvalidSettings):
            return None

    @property
    def lacks_log(self) -> bool:
        """Whether this is a clone without the log of the server, so that it is not known who pushed what."""
        return bool(self.remote) and self.site.store.resolve(PUSH_LOG) is None

    def remote_ref(self, ref: str) -> str:
        """Where the clone keeps what *ref* was at the remote."""
        return f"refs/remotes/{self.remote}/{ref.removeprefix(BRANCHES)}"

    def find_theirs(self, ref: str) -> CommitId | None:
        """What *ref* was at the remote when it was last fetched or pushed."""
        return self.site.store.resolve(self.remote_ref(ref)) if self.remote else None


class GitSigner:
    """Signs commits as ``git commit -S`` would, with the key that Git is told to use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.public_key = ""

    def sign(self, payload: bytes) -> str:
        """The armoured signature of *payload*.

        Raises:
            Refused: the key cannot be used.
        """
        return sign_with_git(self._folder, payload)


@contextmanager
def open_desk(place: Path | None, person: str = "") -> Iterator[Desk]:
    """Sit down at the repository at *place*.

    Raises:
        Refused: *person* was named where the server's key is not, or it cannot be told which branch is published.
    """
    site, environment = open_site(place, find_branch(place))
    store = site.store
    folder = store.work_tree or store.git_dir
    settings = site.catalog.model.settings
    state = state_folder(settings, environment, git_dir=store.common_dir, work_tree=store.work_tree)
    remote = next(iter(store.remotes()), "")
    has_key = (state / KEY_FILE).exists()
    if person and not has_key:
        raise Refused(
            "--as is for the machine of the server, where its key is",
            hint="leave it out: in a clone you act as yourself, and push",
            code=REFUSED,
        )
    is_clone = not has_key or (bool(remote) and not person)
    office = None
    try:
        if is_clone:
            flow = _clones_flow(site, folder)
        else:
            office = Office.open(store, site.ref, state, snapshot=lambda: _fresh(site), address=environment.url)
            flow = office.flow
        now = datetime.now(UTC)
        remote = remote if is_clone else ""
        accounts = office.accounts if office is not None else None
        desk = Desk(
            site=site,
            flow=flow,
            now=now,
            folder=folder,
            named=person,
            is_clone=is_clone,
            remote=remote,
            accounts=accounts,
        )
        note_what_is_old(desk)
        yield desk
    finally:
        if office is not None:
            office.close()
        site.close()


def find_branch(place: Path | None) -> str:
    """The short name of the published branch where the repository alone would say otherwise: who writes has a draft checked out.

    Returns:
        Empty when the usual rules will do.

    Raises:
        Refused: nothing tells which it is.
    """
    store = Store.open(find_repository(place))
    environment = read_environment()
    if environment.branch or find_draft_name(published_ref(store, "")) is None:
        return ""
    for remote in store.remotes():
        prefix = f"refs/remotes/{remote}/"
        target = store.follow_ref(f"{prefix}HEAD")[-1]
        if target.startswith(prefix) and store.resolve(target) is not None:
            return target.removeprefix(prefix)
    raise Refused(
        "it cannot be told which branch is published: a draft is checked out, and cms.toml does not say",
        hint='write branch = "main" below [site] in cms.toml, or set CMS_BRANCH',
    )


def _clones_flow(site: Site, folder: Path) -> Workflow:
    """The workflow of a clone: its person is the committer, and signs where Git has a key for that."""
    signer = GitSigner(folder) if read_config(folder, "user.signingkey") else None
    return Workflow(
        site.store,
        site.ref,
        snapshot=lambda: _fresh(site),
        writer=Writer(site.store, signer=signer),
        log=PushLog(site.store),
        is_server=False,
    )


def _fresh(site: Site) -> Snapshot:
    site.refresh(datetime.now(UTC).timestamp())
    return site.catalog.snapshot


def find_person(policy: Policy, folder: Path, person: str, *, is_server: bool = False) -> Principal:
    """Who acts: *person*, or the one with Git's e-mail address.

    Raises:
        Refused: nobody in ``cms.toml`` is that.
    """
    email = "" if person else read_config(folder, "user.email")
    known = person or policy.find_by_email(email) or ""
    if known not in policy.people:
        names = ", ".join(sorted(policy.people)[:NAMES_SHOWN]) or "nobody yet"
        others = f" and {len(policy.people) - NAMES_SHOWN} more" if len(policy.people) > NAMES_SHOWN else ""
        if person:
            told, hint = f"nobody in cms.toml is called {person!r}{nearest(person, policy.people)}", ""
        else:
            told = (
                f"nobody in cms.toml has the e-mail address {email!r}"
                if email
                else "Git knows no e-mail address of yours"
            )
            told += ", so it cannot be told who you are"
            hint = "; git config user.email ADDRESS says who you are" + (", or --as PERSON" if is_server else "")
        raise Refused(told, hint=f"people in cms.toml: {names}{others}{hint}", code=MISSING)
    found = policy.people[known]
    return Principal(
        person=known,
        name=found.name,
        email=email or next(iter(found.emails), f"{known}@users.invalid"),
        via="shell",
    )


def find_drafts(desk: Desk) -> dict[str, CommitId]:
    """Every draft that is known here, by name, with its newest head: also those that are only at the remote."""
    store = desk.site.store
    names = {find_draft_name(ref): None for ref in store.refs(DRAFTS)}
    if desk.remote:
        prefix = desk.remote_ref(DRAFTS)
        names |= {ref.removeprefix(prefix): None for ref in store.refs(prefix)}
    heads = {name: find_head(desk, name) for name in names if name is not None}
    return {name: head for name, head in sorted(heads.items()) if head is not None}


def read_name(name: str) -> str:
    """The ref of a draft that somebody named.

    Raises:
        DraftNotFound: no draft can be called that.
    """
    try:
        return draft_ref(name)
    except RefNotFound as error:
        raise no_draft(name) from error


def find_head(desk: Desk, name: str) -> CommitId | None:
    """The newest head of a draft that is known here; that of this repository when both sides went on."""
    store, ref = desk.site.store, read_name(name)
    ours, theirs = store.resolve(ref), desk.find_theirs(ref)
    if ours is None or theirs is None or ours == theirs:
        return ours or theirs
    return theirs if store.is_ancestor(ours, theirs) else ours


def look_at(desk: Desk, name: str) -> DraftState:
    """The state of a draft, which need not have a branch here yet.

    Raises:
        DraftNotFound: it is not known here.
    """
    head = find_head(desk, name)
    if head is None:
        raise no_draft(name)
    return desk.flow.state_at(name, head, desk.now)


def note_what_is_old(desk: Desk) -> None:
    """Say when this clone compares with less than the remote was last known to have: its state would be untrue."""
    ref, store = desk.flow.ref, desk.site.store
    if not desk.remote or not ref.startswith(BRANCHES):
        return
    name, ours, theirs = short_name(ref), store.resolve(ref), desk.find_theirs(ref)
    if ours is not None and theirs is not None and ours != theirs and store.is_ancestor(ours, theirs):
        print_note(
            f"Note: your {name} is older than {desk.remote}/{name}, and drafts are compared with it. Bring it up to date: "
            f"git switch {name} && git pull"
        )


def require_pushed(desk: Desk, name: str) -> None:
    """Refuse to merge what the remote does not have yet: it would refuse the merge.

    Raises:
        Refused: the draft has commits here that were not pushed.
    """
    ref = read_name(name)
    ours, theirs = desk.site.store.resolve(ref), desk.find_theirs(ref)
    if desk.remote and ours is not None and ours != theirs:
        raise Refused(
            f"{desk.remote} does not have drafts/{name} as it is here, so it could not accept its merge",
            hint=f"git push {desk.remote} drafts/{name}, and then publish",
            code=REFUSED,
        )


def fetch_draft(desk: Desk, name: str) -> None:
    """Give the draft *name* its branch here, as the remote has it, so that one need not check it out to act on it.

    Raises:
        Refused: it went on differently here and there.
    """
    ref = read_name(name)
    theirs = desk.find_theirs(ref)
    if theirs is not None:
        _follow(desk, ref, theirs)


def fetch_published(desk: Desk) -> None:
    """Bring the published branch to where the remote has it: what is merged to anything older could not be pushed.

    Raises:
        Refused: there is no such branch here, or it went on differently here and there.
    """
    if not desk.remote:
        return
    ref = desk.flow.ref
    if not ref.startswith(BRANCHES):
        name = ref.rpartition("/")[2]
        raise Refused(
            f"there is no branch {name} here to publish to, only that of {desk.remote}",
            hint=f"git branch {name} {desk.remote}/{name}",
            code=REFUSED,
        )
    theirs = desk.find_theirs(ref)
    if theirs is not None:
        _follow(desk, ref, theirs)


def _follow(desk: Desk, ref: str, theirs: CommitId) -> None:
    """Move *ref* forward to *theirs*, and the work tree that has it checked out."""
    store = desk.site.store
    ours = store.resolve(ref)
    if ours == theirs or (ours is not None and store.is_ancestor(theirs, ours)):
        return
    if ours is not None and not store.is_ancestor(ours, theirs):
        name = short_name(ref)
        raise Refused(
            f"{name} has gone on differently here and at {desk.remote}",
            hint=f"git switch {name} && git pull --rebase {desk.remote} {name}",
            code=REFUSED,
        )
    problem = checkout_problem(store, ref, theirs)
    if problem is not None:
        raise Refused(problem, code=REFUSED)
    desk.flow.writer.move_ref(ref, old=ours, new=theirs, message=f"as {desk.remote} has it")
    problem = refresh_work_tree(store, ref, ours, theirs)
    if problem is not None:
        raise Refused(problem, code=REFUSED)


def read_head(desk: Desk, name: str, head: str) -> CommitId | None:
    """The commit of ``--head``, which may be written in short, as ``cms draft`` shows it.

    Raises:
        Refused: it is no id.
        StaleRequest: it is short for another commit than the draft is at.
    """
    if not head:
        return None
    if is_commit_id(head):
        return CommitId(head)
    if SHORT_ID.fullmatch(head) is None:
        raise Refused(f"--head {head!r} is no id of a commit", hint=f"cms draft {name} shows where it is")
    found = find_head(desk, name)
    if found is None or not found.startswith(head):
        where = f"at {found[:10]}" if found is not None else "gone"
        raise StaleRequest(f"the draft {name} is {where}, not at {head}: it has changed since you looked; look again")
    return found


def read_commit(desk: Desk, text: str) -> CommitId:
    """A commit that somebody named: by a branch, a tag, or an id in full or in short.

    Raises:
        RefNotFound: there is none.
    """
    if SHORT_ID.fullmatch(text) is not None:
        try:
            text = run_git(desk.folder, "rev-parse", "--verify", "--quiet", f"{text}^{{commit}}")
        except Refused as error:
            raise RefNotFound(f"there is no commit {text!r} here, or several begin like that", ref=text) from error
    return resolve_name(desk.site.store, text)
