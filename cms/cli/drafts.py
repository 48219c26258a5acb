"""``cms drafts|draft|start|write|delete|mv|close``: what drafts there are, and what they hold."""

import sys
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from cms.api.drafting import listed
from cms.cli.desk import AsOption, DraftArgument, HeadOption, MessageOption, fetch_draft, open_desk, read_head
from cms.cli.drafting import moment, print_state
from cms.cli.exits import Refused
from cms.cli.output import counted, out, print_json
from cms.cli.sites import LocaleOption, SiteOption
from cms.edit import REMOVED
from cms.errors import CMSError
from cms.finding import printable
from cms.refs import BRANCHES
from cms.workflow.writing import EntryName, close_draft, delete_entry, rename_entry, start_draft, write_entry

EntryArgument = Annotated[
    str, typer.Argument(metavar="COLLECTION/SLUG", help="The entry, such as posts/laer-av-feil.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def read_entry_name(text: str, locale: str, path: str = "") -> EntryName:
    """The entry that somebody typed as ``collection/slug``.

    Raises:
        Refused: it is none.
    """
    collection, _, slug = text.partition("/")
    if not collection or not slug:
        raise Refused(f"{text!r} is no entry", hint="write it as collection/slug, such as posts/laer-av-feil")
    return EntryName(collection=collection, slug=slug, locale=locale, path=path)


def list_drafts(site: SiteOption = None, person: AsOption = "", is_json: JsonOption = False) -> None:
    """List all drafts, with their state and what they wait for."""
    with open_desk(site, person) as desk:
        if desk.is_clone and desk.remote:
            prefix = f"refs/remotes/{desk.remote}/drafts/"
            for ref in desk.site.store.refs(prefix):
                fetch_draft(desk, ref.removeprefix(prefix))
        states = []
        for name in desk.flow.names():
            try:
                states.append(desk.flow.state(name, desk.now))
            except CMSError as error:
                out().print(printable(f"{name}: {error}"))
        zone = desk.site.catalog.model.zone
        if is_json:
            print_json([listed(state, zone) for state in states])
            return
        if not states:
            out().print("There are no drafts. Begin one: cms start NAME, or git push origin HEAD:drafts/NAME")
        for state in states:
            when = f", at {moment(state.publish_at, zone)}" if state.publish_at else ""
            what = counted(len(state.entries), "entry", "entries")
            status = state.status.value.replace("_", " ")
            out().print(printable(f"{state.name:30} {status}{when}, {what}, {state.owner or 'nobody'}"))
            for sentence in state.missing[:1]:
                out().print(printable(f"{'':30} {sentence}"))


def show_draft(
    draft: DraftArgument, site: SiteOption = None, person: AsOption = "", is_json: JsonOption = False
) -> None:
    """Show one draft: its entries, approvals and remarks, and what it still needs."""
    with open_desk(site, person) as desk:
        fetch_draft(desk, draft)
        found = desk.flow.find(desk.who, "draft.read", draft, expected=None, now=desk.now)
        print_state(desk, found.state, is_json=is_json)


def start(draft: DraftArgument, site: SiteOption = None, person: AsOption = "", is_json: JsonOption = False) -> None:
    """Begin a draft where the published branch is now."""
    with open_desk(site, person) as desk:
        state = start_draft(desk.flow, desk.who, draft, now=desk.now)
        print_state(desk, state, is_json=is_json, did=f"Began the draft {draft}.")


def write(
    draft: DraftArgument,
    entry: EntryArgument,
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="FIELD=VALUE", help="A field; JSON, or else text. Repeatable.", show_default=False
        ),
    ] = None,
    removed: Annotated[
        list[str] | None, typer.Option("--unset", metavar="FIELD", help="Take a field away.", show_default=False)
    ] = None,
    body: Annotated[
        str, typer.Option(metavar="FILE", help="The new text from a file; - is standard input.", show_default=False)
    ] = "",
    path: Annotated[str, typer.Option(metavar="PATH", help="Where a new file goes.", show_default=False)] = "",
    locale: LocaleOption = "",
    message: MessageOption = "",
    head: HeadOption = "",
    site: SiteOption = None,
    person: AsOption = "",
    is_json: JsonOption = False,
) -> None:
    """Write fields and text of an entry of a draft; makes the entry when there is none."""
    fields: dict[str, Any] = dict.fromkeys(removed or [], REMOVED)
    for pair in values or []:
        name, found, value = pair.partition("=")
        if not found or not name:
            raise Refused(f"--set {pair!r} has no value", hint="write --set title='A title'")
        fields[name] = read_value(value)
    if not fields and not body:
        raise Refused("nothing to write", hint="use --set, --unset or --body")
    text = read_body(body) if body else None
    with open_desk(site, person) as desk:
        fetch_draft(desk, draft)
        state = write_entry(
            desk.flow,
            desk.who,
            draft,
            read_entry_name(entry, locale, path),
            fields,
            body=text,
            expected=read_head(head),
            message=message,
            now=desk.now,
        )
        print_state(desk, state, is_json=is_json, did=f"Wrote {entry}.")


def read_value(text: str) -> Any:
    """JSON where it is JSON of more than a bare word or number's spelling, otherwise the text itself."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def read_body(place: str) -> str:
    """The text of a file, or of standard input.

    Raises:
        Refused: it is not UTF-8.
    """
    raw = sys.stdin.buffer.read() if place == "-" else Path(place).read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(f"{place} is not UTF-8 text", hint="save it as UTF-8") from error


def delete(
    draft: DraftArgument,
    entry: EntryArgument,
    locale: LocaleOption = "",
    message: MessageOption = "",
    head: HeadOption = "",
    site: SiteOption = None,
    person: AsOption = "",
    is_json: JsonOption = False,
) -> None:
    """Take an entry out of a draft; publishing the draft withdraws it."""
    with open_desk(site, person) as desk:
        fetch_draft(desk, draft)
        name, expected = read_entry_name(entry, locale), read_head(head)
        state = delete_entry(desk.flow, desk.who, draft, name, expected=expected, message=message, now=desk.now)
        print_state(desk, state, is_json=is_json, did=f"Deleted {entry} in the draft.")


def move(
    draft: DraftArgument,
    entry: EntryArgument,
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="The new slug.", show_default=False)],
    locale: LocaleOption = "",
    message: MessageOption = "",
    head: HeadOption = "",
    site: SiteOption = None,
    person: AsOption = "",
    is_json: JsonOption = False,
) -> None:
    """Give an entry another slug, and rewrite the references to it. The old address leads to the new one."""
    with open_desk(site, person) as desk:
        fetch_draft(desk, draft)
        name, expected = read_entry_name(entry, locale), read_head(head)
        state = rename_entry(desk.flow, desk.who, draft, name, slug, expected=expected, message=message, now=desk.now)
        print_state(desk, state, is_json=is_json, did=f"Renamed {entry} to {slug} in the draft.")


def close(
    draft: DraftArgument,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; goes into the log.", show_default=False)] = "",
    head: HeadOption = "",
    site: SiteOption = None,
    person: AsOption = "",
) -> None:
    """Give a draft up. Its commits are kept, and can be taken up again."""
    with open_desk(site, person) as desk:
        last = close_draft(desk.flow, desk.who, draft, reason=reason, expected=read_head(head), now=desk.now)
        out().print(f"Closed {draft}. To take it up again: git branch drafts/{draft} {last}")
        if desk.is_clone and desk.remote:
            out().print(f"  next: git push {desk.remote} --delete {BRANCHES}drafts/{draft}")
