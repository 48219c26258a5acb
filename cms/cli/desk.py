"""At whose desk a command of the workflow sits: that of a person in a clone, or of somebody on the server's own machine.

In a clone an act is a commit there, signed with the person's own key when Git has one; it counts on the server once it is pushed. In the
repository of a server, where its key can be read, an act is the server's, for the person who is named.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cms.cli.exits import MISSING, REFUSED, Refused
from cms.cli.git import read_config, sign_with_git
from cms.cli.sites import open_site
from cms.office import Office
from cms.permissions import Principal
from cms.policy import Policy
from cms.pushlog import PushLog
from cms.refs import BRANCHES, CommitId, draft_ref, is_commit_id
from cms.settings import state_folder
from cms.site import Site
from cms.snapshot import Snapshot
from cms.workflow.flow import Workflow
from cms.writer import Writer

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
    typer.Option("--head", metavar="COMMIT", help="Only when the draft is still at this commit.", show_default=False),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where a command acts: the site, its workflow, who acts, and when."""

    site: Site
    flow: Workflow
    who: Principal
    now: datetime
    is_clone: bool
    remote: str


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
        Refused: it cannot be told who acts, or *person* was named where the server's key is not.
    """
    site, environment = open_site(place)
    folder = site.store.work_tree or site.store.git_dir
    state = state_folder(
        site.catalog.model.settings, environment, git_dir=site.store.common_dir, work_tree=site.store.work_tree
    )
    remote = next(iter(site.store.remotes()), "")
    has_key = (state / "server_key").exists()
    if person and not has_key:
        raise Refused(
            "--as is for the machine of the server, where its key is",
            hint="leave it out: in a clone you act as yourself, and push",
            code=REFUSED,
        )
    is_clone = not has_key or (bool(remote) and not person)
    try:
        if is_clone:
            signer = GitSigner(folder) if read_config(folder, "user.signingkey") else None
            flow = Workflow(
                site.store,
                site.ref,
                snapshot=lambda: _fresh(site),
                writer=Writer(site.store, signer=signer),
                log=PushLog(site.store),
                is_server=False,
            )
        else:
            office = Office.open(site.store, site.ref, state, snapshot=lambda: _fresh(site))
            flow = office.flow
        who = find_person(flow.policy(), folder, person)
        yield Desk(
            site=site, flow=flow, who=who, now=datetime.now(UTC), is_clone=is_clone, remote=remote if is_clone else ""
        )
    finally:
        site.close()


def _fresh(site: Site) -> Snapshot:
    site.refresh(datetime.now(UTC).timestamp())
    return site.catalog.snapshot


def find_person(policy: Policy, folder: Path, person: str) -> Principal:
    """Who acts: *person*, or the one with Git's e-mail address.

    Raises:
        Refused: nobody in ``cms.toml`` is that.
    """
    email = read_config(folder, "user.email")
    known = person or policy.find_by_email(email) or ""
    if known not in policy.people:
        told = f"nobody in cms.toml is called {person!r}" if person else f"nobody in cms.toml has the e-mail {email!r}"
        if not person and not email:
            told = "Git does not know your e-mail address"
        names = ", ".join(sorted(policy.people)[:10]) or "nobody yet"
        raise Refused(
            f"{told}, so it cannot be told who you are",
            hint=f"people in cms.toml: {names}. git config user.email sets yours" + ("" if email else " (it is empty)"),
            code=MISSING,
        )
    found = policy.people[known]
    return Principal(
        person=known,
        name=found.name,
        email=email if not person and email else (found.emails[0] if found.emails else f"{known}@users.invalid"),
        via="shell",
        scopes=None,
    )


def fetch_draft(desk: Desk, name: str) -> None:
    """Make the draft *name* known here when only its remote branch is, so that one need not check it out first."""
    ref = draft_ref(name)
    store = desk.site.store
    if not desk.is_clone or not desk.remote:
        return
    theirs = store.resolve(f"refs/remotes/{desk.remote}/{ref.removeprefix(BRANCHES)}")
    ours = store.resolve(ref)
    if theirs is None or ours == theirs:
        return
    if ours is None or store.is_ancestor(ours, theirs):
        desk.flow.writer.move_ref(ref, old=ours, new=theirs, message=f"as {desk.remote} has it")


def read_head(head: str) -> CommitId | None:
    """The commit of ``--head``.

    Raises:
        Refused: it is not a full id.
    """
    if head and not is_commit_id(head):
        raise Refused(f"--head {head!r} must be a full commit id of 40 digits", hint="git rev-parse drafts/NAME")
    return CommitId(head) if head else None
