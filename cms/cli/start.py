"""``cms init`` and ``cms index``: what gets a site going."""

import re
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated

import typer

from cms.cli.exits import SEARCH, Refused
from cms.cli.git import has_identity, require_git, run_git
from cms.cli.newsite import write_site
from cms.cli.output import counted, out, print_note, progress
from cms.cli.sites import BranchOption, SiteArgument, open_site, update_search
from cms.settings import LOCALE

FALLBACK_IDENTITY = ("-c", "user.name=cms init", "-c", "user.email=cms@localhost")
# Nobody's hooks, templates or signing keys have a say in the first commit.
SEALED = ("-c", "core.hooksPath=", "-c", "commit.gpgSign=false", "-c", "init.templateDir=", "-c", "core.autocrlf=false")


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="New or empty folder for the site.", show_default=False)
    ],
    locale: Annotated[
        str, typer.Option(metavar="LOCALE", help="Language of the content: nb, nn, en, en-GB ...")
    ] = "en",
    title: Annotated[str, typer.Option(metavar="TITLE", help="Title of the site.", show_default=False)] = "",
    maintainer: Annotated[
        str,
        typer.Option(
            metavar="'NAME <EMAIL>'", help="Who begins it, and may change it over HTTP and Git.", show_default=False
        ),
    ] = "",
) -> None:
    """Make a new site that serves at once: a Git repository with two collections and an example entry in each."""
    if not LOCALE.fullmatch(locale):
        raise Refused(f"--locale {locale!r} is no language tag", hint="write it as nb, nn, en or en-GB")
    require_git()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Refused(
            f"{folder} is not empty, and nothing in it is touched",
            hint="give another folder; to use a repository that you have: cms adopt",
        )
    person = read_maintainer(maintainer)
    files = write_site(locale=locale, title=title, maintainer=person)
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="\n")
    run_git(folder, "init", "--quiet", "--initial-branch=main", options=SEALED)
    if person is not None and not has_identity(folder):
        run_git(folder, "config", "user.name", person[0])
        run_git(folder, "config", "user.email", person[1])
    run_git(folder, "add", "--all", options=SEALED)
    identity = () if has_identity(folder) else FALLBACK_IDENTITY
    run_git(folder, "commit", "--quiet", "--message=Begin the site", options=(*SEALED, *identity))
    console = out()
    console.print(f"Made a site with {counted(len(files), 'file')} in {folder}, and committed it.")
    if identity:
        console.print("Git does not know your name yet: git config --global user.name, and user.email.")
    console.print(f"Next:\n  cms serve {_quoted(folder)}\n  cms check {_quoted(folder)}")


def read_maintainer(text: str) -> tuple[str, str] | None:
    """Name and address of ``Kari Nordmann <kari@example.org>``; None for nothing.

    Raises:
        Refused: it is not written like that.
    """
    if not text:
        return None
    name, address = parseaddr(text)
    if not name or not re.fullmatch(r"[^@\s]+@[^@\s]+", address):
        raise Refused(
            f"--maintainer {text!r} is no name with an address", hint="write 'Kari Nordmann <kari@example.org>'"
        )
    return name, address


def _quoted(folder: Path) -> str:
    text = str(folder)
    return text if text.replace("/", "").replace("-", "").replace("_", "").replace(".", "").isalnum() else f"'{text}'"


def index(
    site: SiteArgument = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Throw the index away and build it anew.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Change nothing; say whether it is whole.")] = False,
    branch: BranchOption = "",
) -> None:
    """Build the search index, or bring it up to date.

    The server does this by itself; here it can be done before, or looked at.
    The index is derived from Git and may be deleted at any time.
    """
    if rebuild and verify:
        raise Refused("--rebuild and --verify exclude each other", hint="use one of them")
    opened, _ = open_site(site, branch)
    if opened.is_empty:
        print_note("There is no commit yet, so there is nothing to index.")
        return
    searcher, snapshot = opened.searcher, opened.catalog.snapshot
    place = opened.index_folder
    if verify:
        missing = len(searcher.missing(snapshot))
        if searcher.is_broken or missing:
            state = "damaged" if searcher.is_broken else f"not complete: {counted(missing, 'text')} missing"
            raise Refused(f"the index in {place} is {state}", hint="run: cms index", code=SEARCH)
        out().print(f"The index in {place} is whole.")
        return
    if rebuild:
        searcher.reset()
    missing = len(searcher.missing(snapshot))
    update_search(opened)
    with progress("Finishing"):
        opened.close()
    out().print(f"Indexed {counted(missing, 'text')}; the index in {place} is whole.")
