"""What commands print of a draft: its state, what is missing, and what to do next."""

from datetime import datetime
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.text import Text

from cms.api.drafting import describe_publication, describe_state
from cms.cli.desk import Desk
from cms.cli.output import counted, finding_text, out, print_json
from cms.finding import printable
from cms.refs import short_name
from cms.workflow.outcome import DraftState, Status
from cms.workflow.publishing import Publication

ENTRIES_SHOWN = 20
COLOURS = {
    Status.APPROVED: "green",
    Status.SCHEDULED: "green",
    Status.PUBLISHED: "green",
    Status.CHANGES_REQUESTED: "yellow",
    Status.INVALID: "red",
    Status.CONFLICTING: "red",
}


def print_state(desk: Desk, state: DraftState, *, is_json: bool = False, did: str = "") -> None:
    """Print the state of a draft after something was *did*, and how it goes on."""
    zone = desk.site.catalog.model.zone
    if is_json:
        print_json(describe_state(state, desk.flow.policy(), zone))
        return
    console = out()
    if did:
        console.print(did)
    status = state.status.value.replace("_", " ")
    console.print(Text.assemble((state.name, "bold"), "  ", (status, COLOURS.get(state.status, ""))))
    print_rows(console, state, zone)
    for sentence in state.missing:
        console.print(printable(f"  missing: {sentence}"))
    for finding in state.findings:
        console.print(finding_text(finding))
    for clash in state.clashes:
        console.print(finding_text(clash.finding()))
    print_next(console, desk, state)


def print_rows(console: Console, state: DraftState, zone: ZoneInfo) -> None:
    """Who, since when, which entries, what was said."""
    if state.owner:
        console.print(f"  by {state.owner}, at {state.head[:10]}")
    if state.publish_at is not None:
        console.print(f"  goes public at {moment(state.publish_at, zone)}, says {state.scheduled_by}")
    for entry in state.entries[:ENTRIES_SHOWN]:
        approved = f"approved by {', '.join(entry.approvals)}" if entry.approvals else "not approved"
        lapsed = f" (approved before it changed: {', '.join(entry.lapsed)})" if entry.lapsed else ""
        wanted = f" of {entry.needed}" if entry.needed > 1 else ""
        count = f"{len(entry.approvals)}{wanted}, " if entry.needed > 1 else ""
        console.print(printable(f"  {entry.change:8} {entry.path}: {count}{approved}{lapsed}"))
    if len(state.entries) > ENTRIES_SHOWN:
        console.print(f"  and {counted(len(state.entries) - ENTRIES_SHOWN, 'more entry', 'more entries')}")
    for remark in state.remarks:
        who = remark.person or remark.claimed
        text = printable(remark.message.strip().partition("\n")[0])
        place = f" on {remark.anchor}" if remark.anchor else ""
        note = "" if remark.counts else f" [does not count: {remark.why_not}]"
        console.print(printable(f"  {moment(remark.at, zone)}  {who} {remark.verdict}{place}: {text}{note}"))


def print_next(console: Console, desk: Desk, state: DraftState) -> None:
    """What to type next."""
    if desk.is_clone and desk.remote:
        theirs = desk.site.store.resolve(f"refs/remotes/{desk.remote}/drafts/{state.name}")
        if theirs != state.head:
            console.print(f"  next: git push {desk.remote} drafts/{state.name}")
    elif state.status is Status.APPROVED:
        console.print(f"  next: cms publish {state.name}")


def print_publication(desk: Desk, publication: Publication, *, is_json: bool = False) -> None:
    """Print what was published."""
    if is_json:
        print_json(describe_publication(publication))
        return
    console = out()
    branch = short_name(desk.flow.ref)
    if publication.commit is None:
        console.print(f"{publication.draft} holds nothing that is not published already.")
        return
    if publication.is_repeated:
        console.print(f"{publication.draft} was published before, as {publication.commit[:10]}; nothing was done.")
        return
    files = counted(len(publication.paths), "file")
    console.print(f"Published {publication.draft}: {files}, {branch} is at {publication.commit[:10]}.")
    for path in publication.paths[:ENTRIES_SHOWN]:
        console.print(printable(f"  {path}"))
    if publication.bypass:
        console.print("  without the approvals that the rules ask for; the reason is in the log for everybody to read")
    if desk.is_clone and desk.remote:
        console.print(f"  next: git push {desk.remote} {branch}")


def moment(value: datetime, zone: ZoneInfo) -> str:
    """A time for a person, in the site's zone."""
    return value.astimezone(zone).strftime("%Y-%m-%d %H:%M")
