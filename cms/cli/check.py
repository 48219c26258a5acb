"""``cms check``: everything that is wrong with the content at a ref, for a person, a program or a GitHub workflow."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import msgspec
import typer

from cms.cache import DerivedCache
from cms.check import check_commit
from cms.cli.exits import CONTENT
from cms.cli.output import counted, err, finding_text, out, print_json, progress
from cms.cli.sites import SiteArgument, find_commit, find_repository
from cms.errors import InvalidSettings
from cms.finding import Finding, printable
from cms.inferred import infer_model
from cms.refs import HEAD, CommitId, short_name
from cms.site import cache_folder
from cms.store import Store


class Format(StrEnum):
    """How findings are printed."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


def check(
    site: SiteArgument = None,
    ref: Annotated[
        str,
        typer.Option(
            metavar="REF",
            help="Branch, tag or full commit id. Default: what is checked out; of a bare repository the published branch.",
            show_default=False,
        ),
    ] = "",
    format: Annotated[
        Format, typer.Option(help="text for people, json for programs, github for a workflow.")
    ] = Format.TEXT,
    is_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Validate all content at a branch, tag or commit.

    Front matter, schemas, references, assets, unique fields, keys and file
    names. Prints every finding as path:line:column: field: what is wrong (hint).
    Warnings do not fail. What is not committed is not looked at.
    """
    store = Store.open(find_repository(site))
    name, commit = find_commit(store, ref)
    findings = run_check(store, commit, name)
    errors = sum(finding.severity == "error" for finding in findings)
    if is_json or format is Format.JSON:
        print_json(
            {
                "ref": name,
                "commit": commit,
                "errors": errors,
                "warnings": len(findings) - errors,
                "findings": [msgspec.to_builtins(finding) for finding in findings],
            }
        )
    else:
        print_findings(findings, format)
        summary = f"{counted(errors, 'error')} and {counted(len(findings) - errors, 'warning')}"
        err().print(f"{printable(short_name(name))} at {commit[:7]}: {summary if findings else 'no errors'}")
    if errors:
        raise typer.Exit(CONTENT)


def run_check(store: Store, commit: CommitId, name: str) -> list[Finding]:
    """All findings at *commit*, with a bar while files are read."""
    try:
        cache = DerivedCache(cache_folder(store, name if name.startswith("refs/") else HEAD))
    except InvalidSettings:
        cache = DerivedCache(store.git_dir / "branchpress")
    with progress("Checking the content") as step:
        return check_commit(store, commit, name=name, infer=infer_model, cache=cache, progress=step)


def print_findings(findings: Sequence[Finding], format: Format) -> None:
    """One finding a line."""
    console = out()
    for finding in findings:
        console.print(github_command(finding) if format is Format.GITHUB else finding_text(finding))


def github_command(finding: Finding) -> str:
    """A finding as a GitHub workflow command, which shows it at its line in a pull request."""
    place = {"file": finding.path, "line": finding.line, "col": finding.column, "title": finding.field or finding.rule}
    properties = ",".join(f"{key}={_escape_property(str(value))}" for key, value in place.items() if value)
    message = f"{finding.message} ({finding.hint})" if finding.hint else finding.message
    return f"::{finding.severity}{f' {properties}' if properties else ''}::{_escape_data(message)}"


def _escape_data(text: str) -> str:
    return printable(text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def _escape_property(text: str) -> str:
    return _escape_data(text).replace(":", "%3A").replace(",", "%2C")
