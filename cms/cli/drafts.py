"""``cms drafts|draft|start|write|delete|mv|close``: what drafts there are, and what they hold."""

import sys
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import orjson
import typer

from cms.api.drafting import listed
from cms.cli.desk import (
    AsOption,
    Desk,
    DraftArgument,
    HeadOption,
    MessageOption,
    fetch_draft,
    find_drafts,
    find_head,
    look_at,
    open_desk,
    read_head,
)
from cms.cli.drafting import moment, print_state
from cms.cli.exits import Refused
from cms.cli.output import counted, out, print_json, print_note
from cms.cli.sites import LocaleOption, SiteOption
from cms.edit import REMOVED
from cms.errors import Conflict, InvalidContent, RepositoryProblem
from cms.finding import printable
from cms.refs import draft_ref
from cms.workflow.outcome import DraftState
from cms.workflow.writing import (
    EntryName,
    check_name,
    close_draft,
    delete_entry,
    rename_entry,
    start_draft,
    write_entry,
)

NAME_WIDTH = 24
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
    """List all drafts, with their state and what they wait for.

    In a clone as they were when they were fetched last.
    """
    with open_desk(site, person) as desk:
        states: list[DraftState] = []
        for name, head in find_drafts(desk).items():
            try:
                states.append(desk.flow.state_at(name, head, desk.now))
            except (InvalidContent, RepositoryProblem) as error:
                print_note(f"{name}: {error}")
        zone = desk.site.catalog.model.zone
        if is_json:
            print_json([listed(state, zone) for state in states])
            return
        if not states:
            fetch = f" (last fetched ones; git fetch {desk.remote} asks anew)" if desk.remote else ""
            print_note(f"There are no drafts{fetch}. To begin one: cms start NAME")
        for state in states:
            print_draft(desk, state, zone)


def print_draft(desk: Desk, state: DraftState, zone: ZoneInfo) -> None:
    """One draft in a list."""
    when = f" at {moment(state.publish_at, zone)}" if state.publish_at is not None else ""
    what = counted(len(state.entries), "entry", "entries")
    by = f", by {desk.flow.policy().name(state.owner)}" if state.owner is not None else ""
    out().print(printable(f"{state.name:{NAME_WIDTH}}  {state.status.words}{when}, {what}{by}"))
    for sentence in state.missing[:1]:
        more = f" (and {len(state.missing) - 1} more)" if len(state.missing) > 1 else ""
        out().print(printable(f"{'':{NAME_WIDTH}}  {sentence}{more}"))


def show_draft(
    draft: DraftArgument, site: SiteOption = None, person: AsOption = "", is_json: JsonOption = False
) -> None:
    """Show one draft: its entries, approvals and remarks, and what it still needs."""
    with open_desk(site, person) as desk:
        print_state(desk, look_at(desk, draft), is_json=is_json)


def start(draft: DraftArgument, site: SiteOption = None, person: AsOption = "", is_json: JsonOption = False) -> None:
    """Begin a draft where the published branch is now."""
    with open_desk(site, person) as desk:
        check_name(draft)
        if find_head(desk, draft) is not None:
            raise Conflict(f"there is a draft {draft!r} already; choose another name", draft=draft)
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
            expected=read_head(desk, draft, head),
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
        Refused: it cannot be read, or is not UTF-8.
    """
    try:
        raw = sys.stdin.buffer.read() if place == "-" else Path(place).read_bytes()
    except OSError as error:
        raise Refused(
            f"{place} cannot be read: {error.strerror}", hint="--body FILE, or --body - for standard input"
        ) from error
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
        name, expected = read_entry_name(entry, locale), read_head(desk, draft, head)
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
        name, expected = read_entry_name(entry, locale), read_head(desk, draft, head)
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
        fetch_draft(desk, draft)
        last = close_draft(
            desk.flow, desk.who, draft, reason=reason, expected=read_head(desk, draft, head), now=desk.now
        )
        out().print(f"Closed {draft}. To take it up again: git branch drafts/{draft} {last}")
        if desk.find_theirs(draft_ref(draft)) is not None:
            out().print(f"  next: git push {desk.remote} --delete drafts/{draft}")
