"""``cms verify``: who wrote and who approved what is live, from a clone, without a server."""

from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.text import Text

from cms.cli.exits import CONTENT, UNREADABLE, Refused
from cms.cli.output import out, print_bytes, print_json, print_note, progress
from cms.cli.sites import SiteOption, find_repository
from cms.errors import InvalidSettings
from cms.finding import printable
from cms.proof import AllowedSigners, Prover, Report, read_allowed_signers
from cms.proof.telling import ordered, report_json, tell_entry, tell_summary, tell_verdict
from cms.pushlog import PushLog
from cms.refs import CommitId, short_name
from cms.settings import SETTINGS_FILE, read_environment, read_settings
from cms.site import published_ref, resolve_name
from cms.store import Store

CommitArgument = Annotated[
    str,
    typer.Argument(
        metavar="COMMIT",
        help="Branch, tag or full commit id. Default: the published branch.",
        show_default=False,
    ),
]


def verify(
    commit: CommitArgument = "",
    allowed_signers: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Whose key is whose, as for Git (ssh-keygen(1), ALLOWED SIGNERS). Default: the keys in cms.toml.",
            show_default=False,
        ),
    ] = None,
    site: SiteOption = None,
    is_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Prove who wrote and who approved what is live.

    Needs a clone and no server. For every live file: the publication that
    brought these bytes, who wrote them, whose approval saw exactly them, and
    whether that is known by their own signature or by the server's word.
    """
    store = Store.open(find_repository(site))
    ref = published_ref(store, read_environment().branch)
    chosen = resolve_name(store, commit) if commit else None
    signers = read_signers(allowed_signers) if allowed_signers is not None else None
    prover = Prover(store, ref, PushLog(store), signers=signers)
    try:
        with progress("Proving") as step:
            report = prover.prove(chosen, progress=step)
    finally:
        prover.close()
    zone = find_zone(store, report.commit)
    if is_json:
        print_json(report_json(report, zone))
    else:
        print_report(report, zone)
    if not report.is_proven:
        raise typer.Exit(CONTENT)


def read_signers(path: Path) -> AllowedSigners:
    """Read the file that was named.

    Raises:
        Refused: it cannot be read.
        InvalidSettings: it is wrong.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}", code=UNREADABLE) from error
    except UnicodeDecodeError as error:
        raise Refused(f"{path} is not UTF-8 text", code=UNREADABLE) from error
    return read_allowed_signers(text, path=str(path))


def find_zone(store: Store, commit: CommitId) -> ZoneInfo:
    """The time zone of the site at *commit*; UTC where that cannot be read."""
    blob = store.find_blob(commit, SETTINGS_FILE)
    try:
        return read_settings(store.read_blob(blob).decode("utf-8-sig")).zone if blob is not None else ZoneInfo("UTC")
    except (InvalidSettings, UnicodeDecodeError):
        return ZoneInfo("UTC")


def print_report(report: Report, zone: ZoneInfo) -> None:
    """The summary first, then what it rests on, then file by file what somebody should look at, and the rest."""
    console = out()
    style = "bold" if report.is_proven else "bold red"
    console.print(Text(printable(f"{short_name(report.ref)} at {report.commit[:10]}: {tell_verdict(report)}"), style))
    for line in tell_summary(report):
        console.print(Text(f"  {line}"))
    for problem in report.problems:
        console.print(Text(printable(f"! {problem}"), "red"))
    entries = ordered(report.entries)
    for entry in entries:
        if entry.standing.is_fault:
            head, *lines = tell_entry(entry, zone)
            console.print(Text(printable(head), "red"))
            for line in lines:
                console.print(Text(printable(line)))
    # Thousands of lines without a colour, which need not go through the console one by one.
    plain = (line for entry in entries if not entry.standing.is_fault for line in tell_entry(entry, zone))
    print_bytes("".join(f"{printable(line)}\n" for line in plain).encode())
    for note in report.notes:
        print_note(f"Note: {note}")
