"""The command line: ``cms``. Translates words into calls of the same functions as the API, and their errors into exit codes.

Commands live in one module for each group; this one puts them together and is the last to see an error.
"""

import errno
import io
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cms import __version__
from cms.cli import accounts, drafts, verdicts
from cms.cli.adoption import adopt
from cms.cli.blame import show_blame, show_history
from cms.cli.check import check
from cms.cli.content import list_entries, search, show
from cms.cli.diff import diff
from cms.cli.exits import FINE, MEANINGS, UNEXPECTED, UNREAD, Refused
from cms.cli.key import rotate_key, show_key
from cms.cli.log import show_log
from cms.cli.output import err, print_bytes, print_error, print_refusal, silence_output
from cms.cli.preview import preview
from cms.cli.proof import verify
from cms.cli.serve import serve
from cms.cli.stale import stale
from cms.cli.start import index, init
from cms.cli.types import types
from cms.cli.upkeep import maintain_repository
from cms.errors import CMSError
from cms.log import configure_log
from cms.settings import read_environment

__all__ = ["app", "main"]

SYSTEM_HINTS = {
    errno.ENOSPC: "the disk is full: make room and try again; nothing in Git was changed",
    errno.EACCES: "let the user that runs cms read and write there",
    errno.EROFS: "the disk is read-only: use another folder",
}


class Commands(TyperGroup):
    """All commands. What they refuse leaves as one message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (CMSError, Refused) as error:
            raise typer.Exit(print_refusal(error)) from error
        except BrokenPipeError as error:
            silence_output()
            raise typer.Exit(UNREAD) from error
        except OSError as error:
            place = f": {error.filename}" if error.filename else ""
            print_error(f"{error.strerror or error}{place}", SYSTEM_HINTS.get(error.errno or 0, ""))
            raise typer.Exit(UNEXPECTED) from error


def explain(*examples: str) -> str:
    """The end of a help text: lines to copy, then what the exit codes mean."""
    codes = "; ".join(f"{code} {meaning}" for code, meaning in MEANINGS.items())
    lines = ["Examples:", *(f"  $ {line}" for line in examples), "", f"Exit codes: {codes}."]
    return "\n".join(lines).replace("[", "\\[")


app = typer.Typer(
    name="cms",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=explain("cms init my-site", "cms serve my-site", "cms check my-site"),
)


def print_version(wanted: bool) -> None:
    """Print the version and end."""
    if wanted:
        print_bytes(f"branchpress {__version__}\n".encode())
        raise typer.Exit(FINE)


@app.callback()
def start_up(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Branchpress: a Git repository of Markdown files as a headless CMS."""
    del version
    configure_log(command_log_level(), is_json=False)


def command_log_level() -> str:
    """How much the log says under a command that ends by itself: what goes well is not worth a line."""
    level = read_environment().log_level
    return "warning" if level == "info" else level


def register(
    name: str, command: Callable[..., None], *examples: str, panel: str = "", group: typer.Typer | None = None
) -> None:
    """Add a command, at the top in one of the panels of the help, or in a group."""
    place = app if group is None else group
    place.command(name, epilog=explain(*examples), rich_help_panel=panel or None)(command)


def register_group(name: str, sentence: str) -> typer.Typer:
    """Add a word that commands stand behind, such as ``user`` in ``cms user add``."""
    group = typer.Typer(no_args_is_help=True, help=sentence, rich_markup_mode="rich")
    app.add_typer(group, name=name, rich_help_panel=MACHINE)
    return group


SERVING = "Serving and checking"
register(
    "serve", serve, "cms serve", "cms serve ../blog --port 9000", "cms serve /srv/site.git --host 0.0.0.0 --workers 4",
    panel=SERVING,
)  # fmt: skip
register("check", check, "cms check", "cms check --ref drafts/easter", "cms check --format github", panel=SERVING)
register("init", init, "cms init my-site", "cms init bloggen --locale nb --title 'Bloggen vår'", panel=SERVING)
register(
    "adopt",
    adopt,
    "cms adopt",
    "cms adopt ../jekyll-blog --dry-run",
    "cms adopt blog.git --output model",
    panel=SERVING,
)
register("index", index, "cms index", "cms index --rebuild", "cms index --verify", panel=SERVING)

READING = "Reading"
register(
    "list",
    list_entries,
    "cms list posts",
    "cms list posts --filter category=helse --sort -date --limit 5",
    "cms list posts -q 'filter[date][gte]=2019-01-01&facet=category' --json",
    panel=READING,
)
register(
    "show",
    show,
    "cms show posts/laer-av-feil",
    "cms show posts/laer-av-feil --format markdown",
    "cms show authors/kari --json",
    panel=READING,
)
register(
    "search",
    search,
    "cms search innovasjon",
    "cms search '\"ny teknologi\" OR roboter' --collection posts --json",
    panel=READING,
)

register(
    "diff",
    diff,
    "cms diff draft:easter",
    "cms diff v1.0 published --stat",
    "cms diff main easter --json",
    panel=READING,
)

register("types", types, "cms types > types.schema.json", "cms types --openapi > openapi.json", panel=READING)

DRAFTS = "Drafts"
register("drafts", drafts.list_drafts, "cms drafts", "cms drafts --json", panel=DRAFTS)
register("draft", drafts.show_draft, "cms draft easter", "cms draft easter --json", panel=DRAFTS)
register("start", drafts.start, "cms start easter", panel=DRAFTS)
register(
    "write",
    drafts.write,
    "cms write easter posts/paske --set title='God påske' --body paske.md",
    "cms write easter posts/paske --set 'tags=[\"helg\"]' --unset excerpt",
    panel=DRAFTS,
)
register("delete", drafts.delete, "cms delete easter posts/paske", panel=DRAFTS)
register("mv", drafts.move, "cms mv easter posts/paske god-paske", panel=DRAFTS)
register(
    "preview",
    preview,
    "cms preview easter",
    "cms preview easter --days 7",
    "cms preview easter --revoke 5tikdkn1pfo1",
    panel=DRAFTS,
)
register("close", drafts.close, "cms close easter --reason 'Next year'", panel=DRAFTS)
register("unpublish", verdicts.unpublish, "cms unpublish posts/paske --reason 'Easter is over'", panel=DRAFTS)
register("restore", verdicts.restore, "cms restore posts/paske", panel=DRAFTS)
register("revert", verdicts.revert, "cms revert 1f3dc0c101", "cms revert 1f3dc0c101 --draft wrong-date", panel=DRAFTS)
register("rollback", verdicts.rollback, "cms rollback 1f3dc0c101 --draft back", panel=DRAFTS)

REVIEW = "Review and publication"
register("request", verdicts.request, "cms request easter -m 'Please read the second paragraph'", panel=REVIEW)
register("approve", verdicts.approve, "cms approve easter -m 'Reads well' --head 1f3dc0c101", panel=REVIEW)
register(
    "changes", verdicts.changes, "cms changes easter -m 'Too long' --on content/posts/paske.md#title", panel=REVIEW
)
register("comment", verdicts.comment, "cms comment easter -m 'Nice' --on content/posts/paske.md:12", panel=REVIEW)
register("withdraw", verdicts.withdraw, "cms withdraw easter", panel=REVIEW)
register("lift", verdicts.lift, "cms lift easter kari --reason 'Kari is away, and it was done'", panel=REVIEW)
register(
    "schedule", verdicts.schedule, "cms schedule easter 2026-04-02T07:00", "cms schedule easter never", panel=REVIEW
)
register("publish", verdicts.publish, "cms publish easter", panel=REVIEW)
register("bypass", verdicts.bypass, "cms bypass easter --reason 'The water must be boiled until Friday'", panel=REVIEW)

PROOF = "Proof"
register(
    "log", show_log, "cms log", "cms log --ref easter", "cms log --person kari --since 2026-05-01 --json", panel=PROOF
)
register(
    "blame",
    show_blame,
    "cms blame posts/laer-av-feil",
    "cms blame posts/laer-av-feil --draft easter",
    "cms blame posts/laer-av-feil --json",
    panel=PROOF,
)
register(
    "history", show_history, "cms history posts/laer-av-feil", "cms history content/posts/om-oss.md -n 5", panel=PROOF
)
register(
    "verify", verify, "cms verify", "cms verify --allowed-signers ~/allowed_signers", "cms verify --json", panel=PROOF
)

MACHINE = "On the server's own machine"
register("maintain", maintain_repository, "cms maintain", "cms maintain /srv/site.git", panel=MACHINE)
register("stale", stale, "cms stale --follow", "cms stale /srv/site.git --follow", panel=MACHINE)
user = register_group("user", "Accounts: who may sign in.")
register("add", accounts.add_user, "cms user add kari", "cms user add importer --no-password", group=user)
register("passwd", accounts.change_password, "cms user passwd kari", "cms user passwd kari --generate", group=user)
register("disable", accounts.disable_user, "cms user disable kari", group=user)
register("enable", accounts.enable_user, "cms user enable kari", group=user)
register("erase", accounts.erase_user, "cms user erase kari", "cms user erase kari --yes", group=user)
register("list", accounts.list_users, "cms user list", "cms user list --json", group=user)
key = register_group("key", "The server's key, which its word rests on.")
register("show", show_key, "cms key show", "cms key show --json", group=key)
register("rotate", rotate_key, "cms key rotate --as kari --note 'once a year'", "cms key rotate --lost", group=key)
token = register_group("token", "Tokens: what programs and Git sign in with.")
register(
    "create",
    accounts.create_token,
    "cms token create kari laptop",
    "cms token create importer import --scope draft.create --scope draft.write --days 30",
    group=token,
)
register("list", accounts.list_tokens, "cms token list", "cms token list kari --json", group=token)
register("revoke", accounts.revoke_token, "cms token revoke 5tikdkn1pfo1", group=token)


def main() -> None:
    """Entry point of ``cms``: no error leaves it as a traceback, and no letter that the terminal cannot show is an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except Exception as error:
        if read_environment().log_level.casefold() == "debug":
            err().print_exception()
        print_error(
            f"something went wrong in cms itself: {type(error).__name__}: {error}",
            "run it again with CMS_LOG=debug for the details, and report them",
        )
        sys.exit(UNEXPECTED)
