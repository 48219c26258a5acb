"""What commands print of a draft: its state, what is missing, and what to do next."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.text import Text

from cms.api.drafting import describe_publication, describe_state
from cms.cli.desk import Desk
from cms.cli.output import counted, finding_text, out, print_json, print_note
from cms.finding import printable
from cms.permissions import Principal
from cms.policy import Policy
from cms.refs import draft_ref, short_name
from cms.workflow.actions import Action
from cms.workflow.outcome import DraftState, EntryState, Remark, Status
from cms.workflow.possible import find_able, possible_actions
from cms.workflow.publishing import Publication
from cms.workflow.verdicts import SUBJECTS
from cms.workflow.wording import list_names

ENTRIES_SHOWN = 20
COLOURS = {
    Status.APPROVED: "green",
    Status.SCHEDULED: "green",
    Status.PUBLISHED: "green",
    Status.CHANGES_REQUESTED: "yellow",
    Status.INVALID: "red",
    Status.CONFLICTING: "red",
}
WORDS = {
    "request": "asks for a review",
    "approve": "approves",
    "changes": "asks for changes",
    "comment": "remarks",
    "withdraw": "takes back what they said",
    "lift": "lifts a request for changes",
    "schedule": "sets a time",
    "unschedule": "takes the time off",
}
UNKNOWN = "who pushed it is not known here"
LOG_HINT = "git fetch {0} refs/cms/log:refs/cms/log"


def print_state(desk: Desk, state: DraftState, *, is_json: bool = False, did: str = "") -> None:
    """Print the state of a draft after something was *did*, and how it goes on."""
    zone, who = desk.site.catalog.model.zone, desk.known
    if is_json:
        actions = possible_actions(desk.flow, who, state) if who is not None else ()
        print_json(describe_state(state, desk.flow.policy(), zone, actions))
        return
    console = out()
    if did:
        console.print(printable(did))
    console.print(Text.assemble((state.name, "bold"), "  ", (state.status.words, COLOURS.get(state.status, ""))))
    print_rows(console, desk, state, zone)
    for sentence in state.missing:
        console.print(printable(f"  missing: {sentence}"))
    for finding in state.findings:
        console.print(finding_text(finding))
    for clash in state.clashes:
        console.print(finding_text(clash.finding()))
    print_next(console, desk, state, who)
    if desk.lacks_log and any(remark.person is None for remark in state.remarks):
        hint = LOG_HINT.format(desk.remote)
        print_note(f"Who pushed what stands in the server's log, which is not in this clone; to have it: {hint}")


def print_rows(console: Console, desk: Desk, state: DraftState, zone: ZoneInfo) -> None:
    """Who, which entries, what was said."""
    policy = desk.flow.policy()
    by = f", by {policy.name(state.owner)}" if state.owner else ""
    console.print(printable(f"  at {state.head[:10]}{by}"))
    if state.publish_at is not None:
        by = f", says {policy.name(state.scheduled_by)}" if state.scheduled_by else ""
        console.print(printable(f"  goes public at {moment(state.publish_at, zone)} ({zone.key}){by}"))
    for entry in state.entries[:ENTRIES_SHOWN]:
        console.print(printable(f"  {entry.change:8} {entry.path}: {tell_approvals(entry, policy)}"))
    if len(state.entries) > ENTRIES_SHOWN:
        console.print(f"  and {counted(len(state.entries) - ENTRIES_SHOWN, 'more entry', 'more entries')}")
    theirs, store = desk.find_theirs(draft_ref(state.name)), desk.site.store
    for remark in state.remarks:
        is_pushed = not desk.remote or (theirs is not None and store.is_ancestor(remark.commit, theirs))
        unknown = "counts once it is pushed" if not is_pushed else UNKNOWN if desk.lacks_log else ""
        text = tell_remark(remark, policy, unknown=unknown)
        console.print(printable(f"  {moment(remark.at, zone)}  {text}"))


def tell_approvals(entry: EntryState, policy: Policy) -> str:
    """Who approved an entry, and how many it takes when that is more than one."""
    if entry.needed == 0:
        return "needs no approval"
    approved = f"approved by {_names(entry.approvals, policy)}" if entry.approvals else "not approved"
    count = f" ({len(entry.approvals)} of {entry.needed})" if entry.needed > 1 else ""
    lapsed = f" (before it changed: {_names(entry.lapsed, policy)})" if entry.lapsed else ""
    return f"{approved}{count}{lapsed}"


def _names(people: Sequence[str], policy: Policy, word: str = "and") -> str:
    return list_names([policy.name(person) for person in people], word)


def tell_remark(remark: Remark, policy: Policy, *, unknown: str = "") -> str:
    """Something that was said, on one line, and whether it counts.

    Args:
        unknown: why it cannot be told here whose it is.
    """
    who = policy.name(remark.person) if remark.person is not None else remark.claimed
    place = f" on {remark.anchor}" if remark.anchor else ""
    said = remark.message.strip().partition("\n")[0]
    text = "" if said in SUBJECTS.values() else f": {said}"
    note = "" if remark.counts else f" [does not count: {remark.why_not}]"
    if remark.person is None and unknown:
        note = f" [{unknown}]"
    return f"{who} {WORDS.get(remark.verdict, remark.verdict)}{place}{text}{note}"


def print_next(console: Console, desk: Desk, state: DraftState, who: Principal | None) -> None:
    """What to type next, for who looks; or who else's turn it is."""
    name = state.name
    ours = desk.site.store.resolve(draft_ref(name))
    if desk.remote and ours == state.head and desk.find_theirs(draft_ref(name)) != ours and state.entries:
        console.print(f"  next: git push {desk.remote} drafts/{name}")
        return
    actions = possible_actions(desk.flow, who, state) if who is not None else ()
    as_who = f" --as {desk.named}" if desk.named else ""
    if Action.WRITE in actions and not state.entries:
        console.print(f"  next: cms write {name} COLLECTION/SLUG --set FIELD=VALUE{as_who}")
    elif Action.PUBLISH in actions and state.status is Status.APPROVED:
        console.print(f"  next: cms publish {name}{as_who}")
    elif state.status is Status.APPROVED:
        able = find_able(desk.flow, "publish", state)
        names = _names(able, desk.flow.policy(), "or")
        console.print(printable(f"  next: {names} can publish it" if able else "  nobody may publish all of it"))
    elif Action.REQUEST in actions and not (desk.lacks_log and _was_requested(state)):
        console.print(f"  next: cms request {name}{as_who}")
    elif Action.APPROVE in actions and who is not None and _is_wanted(state, who.person):
        console.print(f"  next: cms approve {name}{as_who}, or cms changes {name}{as_who} -m TEXT")


def _was_requested(state: DraftState) -> bool:
    return any(remark.verdict == "request" for remark in state.remarks)


def _is_wanted(state: DraftState, person: str) -> bool:
    return any(person in entry.may_approve for entry in state.entries)


def print_publication(desk: Desk, publication: Publication, *, is_json: bool = False) -> None:
    """Print what was published."""
    if is_json:
        print_json(describe_publication(publication))
        return
    console, name = out(), publication.draft
    branch = short_name(desk.flow.ref)
    if publication.commit is None:
        console.print(f"{name} holds nothing that is not published already.")
        return
    if publication.is_repeated:
        console.print(f"{name} was published before, as {publication.commit[:10]}; nothing was done.")
        return
    files = counted(len(publication.paths), "file")
    if desk.remote:
        console.print(
            f"Merged {name} into {branch} here: {files}, {publication.commit[:10]}. It is public once that is pushed."
        )
    else:
        console.print(f"Published {name}: {files}, {branch} is at {publication.commit[:10]}.")
    for path in publication.paths[:ENTRIES_SHOWN]:
        console.print(printable(f"  {path}"))
    if len(publication.paths) > ENTRIES_SHOWN:
        console.print(f"  and {counted(len(publication.paths) - ENTRIES_SHOWN, 'more file', 'more files')}")
    if publication.bypass:
        console.print("  without the approvals that the rules ask for; the reason is in the log for everybody to read")
    if desk.remote:
        console.print(f"  next: git push {desk.remote} {branch}")
    if desk.site.store.resolve(draft_ref(name)) is not None:
        console.print(
            f"  drafts/{name} is checked out, so its branch stays: git switch {branch} && git branch -D drafts/{name}"
        )


def moment(value: datetime, zone: ZoneInfo) -> str:
    """A time for a person, in the site's zone."""
    return value.astimezone(zone).strftime("%Y-%m-%d %H:%M")
