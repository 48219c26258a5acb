"""``cms check``: everything that is wrong with the content at a ref, with what a branch would make of it, or with a push."""

from typing import Annotated

import msgspec
import typer

from cms.cache import DerivedCache
from cms.check import check_commit
from cms.cli.against import check_against
from cms.cli.exits import CONTENT, Refused
from cms.cli.findings import Format, print_findings
from cms.cli.output import counted, err, print_json, progress
from cms.cli.pushcheck import check_leaving, check_received, read_asked, read_input
from cms.cli.sites import SiteArgument, find_commit, find_repository
from cms.errors import InvalidSettings
from cms.finding import Finding, printable
from cms.inferred import infer_model
from cms.refs import HEAD, CommitId, short_name
from cms.site import cache_folder
from cms.store import Store

_MERGE, _HOOK = "A branch as a merge", "Pushes, as a hook of Git's"
RefOption = Annotated[
    str,
    typer.Option(
        metavar="REF",
        help="Branch, tag or full commit id. Default: what is checked out; of a bare repository the published branch.",
        show_default=False,
    ),
]
FormatOption = Annotated[
    Format, typer.Option(help="text for people, json for programs, github and gitlab for their pipelines.")
]
AgainstOption = Annotated[
    str,
    typer.Option(
        metavar="REF",
        help="Check what merging into this branch would publish, and say what is still missing for it.",
        show_default=False,
        rich_help_panel=_MERGE,
    ),
]
DraftOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="The draft that it is, where no branch here tells it.",
        show_default=False,
        rich_help_panel=_MERGE,
    ),
]
ApprovedOption = Annotated[
    bool, typer.Option("--approved", help="Fail also while approvals are missing.", rich_help_panel=_MERGE)
]
PushOption = Annotated[
    bool, typer.Option("--push", help="Be the hook pre-receive of a repository.", rich_help_panel=_HOOK)
]
UpdateOption = Annotated[
    tuple[str, str, str],
    typer.Option(metavar="REF OLD NEW", help="Be the hook update.", show_default=False, rich_help_panel=_HOOK),
]
PrePushOption = Annotated[
    tuple[str, str],
    typer.Option(
        metavar="REMOTE URL", help="Be the hook pre-push of a clone.", show_default=False, rich_help_panel=_HOOK
    ),
]
PusherOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Who pushes: their id or address in cms.toml, or what --map knows.",
        show_default=False,
        rich_help_panel=_HOOK,
    ),
]
MapOption = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="NAME=PERSON",
        help="What the host calls somebody, and their id in cms.toml. May be repeated; then only these are known.",
        show_default=False,
        rich_help_panel=_HOOK,
    ),
]
LeaveOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PREFIX",
        help="Refs that begin with this are the host's own, and not judged, such as refs/pull/. May be repeated.",
        show_default=False,
        rich_help_panel=_HOOK,
    ),
]


def check(
    site: SiteArgument = None,
    ref: RefOption = "",
    format: FormatOption = Format.TEXT,
    is_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    against: AgainstOption = "",
    draft: DraftOption = "",
    approved: ApprovedOption = False,
    push: PushOption = False,
    update: UpdateOption = ("", "", ""),
    pre_push: PrePushOption = ("", ""),
    pusher: PusherOption = "",
    pairs: MapOption = None,
    leave: LeaveOption = None,
) -> None:
    """Validate all content at a branch, tag or commit; what a branch would publish; or a push.

    Front matter, schemas, references, assets, unique fields, keys and file
    names. Prints every finding as path:line:column: field: what is wrong (hint).
    Warnings do not fail. What is not committed is not looked at.
    """
    format = Format.JSON if is_json else format
    if sum((bool(against), push, any(update), any(pre_push))) > 1:
        raise Refused("only one of --against, --push, --update and --pre-push can be meant")
    asked = read_asked(pusher, pairs or (), leave or ())
    if any(update):
        return check_received(site, [" ".join((*update[1:], update[0]))], asked)
    if push:
        return check_received(site, read_input(), asked)
    if any(pre_push):
        return check_leaving(site, *pre_push, read_input(), asked)
    store = Store.open(find_repository(site))
    if against:
        name = draft.removeprefix("drafts/")
        return check_against(store, ref, against, draft=name, format=format, must_be_ready=approved)
    return check_ref(store, ref, format)


def check_ref(store: Store, ref: str, format: Format) -> None:
    """Check everything at *ref*, and print what was found.

    Raises:
        typer.Exit: there are errors.
    """
    name, commit = find_commit(store, ref)
    findings = run_check(store, commit, name)
    errors = sum(finding.severity == "error" for finding in findings)
    if format is Format.JSON:
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
