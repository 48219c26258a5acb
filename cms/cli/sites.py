"""Which repository a command is about, and opening it."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from cms.cli.exits import UNREADABLE, Refused
from cms.cli.output import progress
from cms.errors import InvalidSettings, RepositoryProblem
from cms.inferred import infer_model
from cms.refs import HEAD, CommitId, short_name
from cms.settings import Environment, read_environment
from cms.site import Site, published_ref, resolve_name
from cms.store import Store

SiteArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="SITE",
        help="A work tree, a bare repository or a .git folder. Default: the repository around the current folder.",
        show_default=False,
    ),
]
SiteOption = Annotated[
    Path | None,
    typer.Option(
        "--site",
        "-C",
        metavar="SITE",
        help="A work tree, a bare repository or a .git folder. Default: the repository around the current folder.",
        show_default=False,
    ),
]
BranchOption = Annotated[
    str,
    typer.Option(metavar="NAME", help="The published branch, over what cms.toml says.", show_default=False),
]
LocaleOption = Annotated[
    str, typer.Option(metavar="LOCALE", help="Such as nb; * for every locale.", show_default=False)
]


def find_repository(site: Path | None) -> Path:
    """The repository that *site* names, as an absolute path; without a name the one around the current folder.

    Raises:
        Refused: there is none around the current folder.
    """
    if site is not None:
        return site.expanduser().absolute()
    here = read_environment().site.absolute()
    for folder in (here, *here.parents):
        if (folder / ".git").exists() or is_bare(folder):
            return folder
    raise Refused(
        f"{here} is not inside a Git repository",
        hint="name one (cms serve PATH), or make a new site: cms init PATH",
        code=UNREADABLE,
    )


def is_bare(folder: Path) -> bool:
    """Whether *folder* looks like a Git repository without a work tree, or like a ``.git`` folder."""
    return (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir()


def open_site(site: Path | None, branch: str = "") -> tuple[Site, Environment]:
    """Open the repository with a bar while it is read; returns it, and what another process needs to open the same.

    Raises:
        RepositoryProblem: it cannot be read.
        InvalidSettings: ``cms.toml`` is wrong.
        RefNotFound: there is no such branch.
    """
    known = read_environment()
    environment = replace(known, site=find_repository(site), branch=branch or known.branch)
    with progress("Reading the content") as step:
        opened = Site.open(environment.site, infer=infer_model, environment=environment, progress=step)
    return opened, environment


def update_search(site: Site, *, most: int | None = None) -> int:
    """Index what is missing, with a bar.

    Args:
        most: leave it when more texts than this are missing.

    Returns:
        How many texts are still missing.

    Raises:
        SearchUnavailable: the index cannot be written.
    """
    snapshot = site.catalog.snapshot
    missing = len(site.searcher.missing(snapshot))
    if not missing or (most is not None and missing > most):
        return missing
    with progress("Indexing the text") as step:
        site.searcher.update(snapshot, lambda done: step(done, missing))
    return 0


def find_commit(store: Store, ref: str) -> tuple[str, CommitId]:
    """(what to call it, the commit to look at).

    Args:
        ref: what a person asked for; empty for what is checked out in a work tree, and the published branch elsewhere.

    Raises:
        RefNotFound: there is no such branch, tag or commit.
        RepositoryProblem: nothing was committed yet.
    """
    if ref:
        return ref, resolve_name(store, ref)
    name = store.head_ref() or HEAD
    commit = store.resolve(name)
    if store.work_tree is None or commit is None:
        # When cms.toml cannot be read, HEAD has to do; that it cannot be read is for the caller to find out.
        with suppress(InvalidSettings):
            name = published_ref(store, read_environment().branch)
        commit = store.resolve(name)
    if commit is None:
        raise RepositoryProblem(
            f"{short_name(name)} has no commit yet", hint="commit something first; only commits are looked at"
        )
    return name, commit
