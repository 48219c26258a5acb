"""``cms request|approve|changes|comment|withdraw|lift|schedule|publish|bypass|revert|rollback|unpublish|restore``."""

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from cms.cli.desk import (
    AsOption,
    DraftArgument,
    HeadOption,
    MessageOption,
    fetch_draft,
    fetch_published,
    open_desk,
    read_commit,
    read_head,
    require_pushed,
)
from cms.cli.drafting import print_publication, print_state
from cms.cli.drafts import JsonOption, read_entry_name
from cms.cli.exits import Refused
from cms.cli.sites import LocaleOption, SiteOption
from cms.workflow.publishing import bypass as bypass_rules
from cms.workflow.publishing import publish as publish_draft
from cms.workflow.undoing import restore as restore_entries
from cms.workflow.undoing import revert as revert_publication
from cms.workflow.undoing import roll_back
from cms.workflow.undoing import unpublish as withdraw_entries
from cms.workflow.verdicts import approve as approve_draft
from cms.workflow.verdicts import comment as comment_draft
from cms.workflow.verdicts import lift_changes, request_changes, request_review
from cms.workflow.verdicts import schedule as schedule_draft
from cms.workflow.verdicts import withdraw as withdraw_verdict

AnchorOption = Annotated[
    str,
    typer.Option("--on", metavar="PLACE", help="<path>#<field> or <path>:<line>.", show_default=False),
]
NameOption = Annotated[str, typer.Option("--draft", metavar="NAME", help="Name of the new draft.", show_default=False)]
ReasonOption = Annotated[str, typer.Option(metavar="TEXT", help="Why; everybody can read it.", show_default=False)]


def require_words(text: str, missing: str, hint: str = "-m TEXT") -> None:
    """Refuse to say nothing.

    Raises:
        Refused: *text* is empty.
    """
    if not text.strip():
        raise Refused(missing, hint=hint)


def request(
    draft: DraftArgument,
    message: MessageOption = "",
    head: HeadOption = "",
    site: SiteOption = None,
    person: AsOption = "",
    is_json: JsonOption = False,
) -> None:
    """Ask others to review a draft."""
    with open_desk(site, person) as desk:
        fetch_draft(desk, draft)
        state = request_review(
            desk.flow, desk.who, draft, message=message, expected=read_head(desk, draft, head), now=desk.now
        )
        print_state(desk, state, is_json=is_json, did=f"Asked for review of {draft}.")


def approve(
    draft: DraftArgument,
    message: MessageOption = "",
    head: HeadOption = "",
    site: SiteOption = None,
    person: AsOption = "",
    is_json: JsonOption = False,
) -> None:
    """Approve a draft as it is now; an entry that changes afterwards needs a new approval."""
    with open_desk(site, person) as desk:
        fetch_draft(desk, draft)
        state = approve_draft(
            desk.flow, desk.who, draft, message=message, expected=read_head(desk, draft, head), now=desk.now
        )
        print_state(desk, state, is_json=is_json, did=f"Approved {draft}.")


def changes(
    draft: DraftArgument,
    message: MessageOption = "",
    anchor: AnchorOption = "",
    head: HeadOption = "",
    site: SiteOption = None,
    person: AsOption = "",
    is_json: JsonOption = False,
) -> None:
    """Ask for changes; nothing is published until you approve or withdraw this."""
    require_words(message, "say what should change")
    with open_desk(site, person) as desk:
        fetch_draft(desk, draft)
        state = request_changes(
            desk.flow,
            desk.who,
            draft,
            message=message,
            anchor=anchor,
            expected=read_head(desk, draft, head),
            now=desk.now,
        )
        print_state(desk, state, is_json=is_json, did=f"Asked for changes of {draft}.")


def comment(
    draft: DraftArgument,
    message: MessageOption = "",
    anchor: AnchorOption = "",
    head: HeadOption = "",
    site: SiteOption = None,
    person: AsOption = "",
    is_json: JsonOption = False,
) -> None:
    """Remark on a draft, or on one field or line of it."""
    require_words(message, "a comment needs words")
    with open_desk(site, person) as desk:
        fetch_draft(desk, draft)
        state = comment_draft(
            desk.flow,
            desk.who,
            draft,
            message=message,
            anchor=anchor,
            expected=read_head(desk, draft, head),
            now=desk.now,
        )
        print_state(desk, state, is_json=is_json, did=f"Commented on {draft}.")


def withdraw(
    draft: DraftArgument,
    message: MessageOption = "",
    head: HeadOption = "",
    site: SiteOption = None,
    person: AsOption = "",
    is_json: JsonOption = False,
) -> None:
    """Take back your approval, your request for changes, or (as its owner) the request for review."""
    with open_desk(site, person) as desk:
        fetch_draft(desk, draft)
        state = withdraw_verdict(
            desk.flow, desk.who, draft, message=message, expected=read_head(desk, draft, head), now=desk.now
        )
        print_state(desk, state, is_json=is_json, did=f"Withdrew what you said on {draft}.")


def lift(
    draft: DraftArgument,
    of: Annotated[str, typer.Argument(metavar="PERSON", help="Whose request for changes.", show_default=False)],
    reason: ReasonOption = "",
    head: HeadOption = "",
    site: SiteOption = None,
    person: AsOption = "",
    is_json: JsonOption = False,
) -> None:
    """Lift somebody else's request for changes; maintainers only, with a reason."""
    require_words(reason, "say why the request for changes is lifted", "--reason TEXT")
    with open_desk(site, person) as desk:
        fetch_draft(desk, draft)
        expected = read_head(desk, draft, head)
        state = lift_changes(desk.flow, desk.who, draft, of, reason=reason, expected=expected, now=desk.now)
        print_state(desk, state, is_json=is_json, did=f"Lifted the request of {of} on {draft}.")


def schedule(
    draft: DraftArgument,
    when: Annotated[
        str,
        typer.Argument(metavar="WHEN", help="2026-05-17T07:00 in the site's zone, or with an offset; never: cancel."),
    ],
    head: HeadOption = "",
    site: SiteOption = None,
    person: AsOption = "",
    is_json: JsonOption = False,
) -> None:
    """Say when a draft goes public by itself; the rules are looked at again then."""
    with open_desk(site, person) as desk:
        fetch_draft(desk, draft)
        at = read_when(when, desk.site.catalog.model.zone)
        state = schedule_draft(desk.flow, desk.who, draft, at, expected=read_head(desk, draft, head), now=desk.now)
        did = f"{draft} does not go public by itself any more." if at is None else f"Scheduled {draft}."
        print_state(desk, state, is_json=is_json, did=did)


def read_when(text: str, zone: ZoneInfo) -> datetime | None:
    """The moment that somebody typed, in the site's *zone* where no other is said; None for ``never``.

    Raises:
        Refused: it is none.
    """
    if text == "never":
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused(f"{text!r} is no time", hint="write it as 2026-05-17T07:00, or never") from error
    if "T" not in text.upper() and " " not in text:
        raise Refused(f"{text!r} is a day without a time", hint=f"write it as {text}T07:00")
    return moment if moment.tzinfo is not None else _in_zone(moment, zone)


def _in_zone(moment: datetime, zone: ZoneInfo) -> datetime:
    """*moment* by the clocks of *zone*.

    Raises:
        Refused: the clocks skip it, or show it twice.
    """
    first, second = (moment.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    offsets = [each.utcoffset() for each in (first, second)]
    if offsets[0] != offsets[1]:
        names = " or ".join(each.isoformat() for each in (first, second))
        raise Refused(
            f"the clocks of {zone.key} are changed at {moment.isoformat()}", hint=f"say which is meant: {names}"
        )
    return first


def publish(
    draft: DraftArgument,
    message: MessageOption = "",
    head: HeadOption = "",
    site: SiteOption = None,
    person: AsOption = "",
    is_json: JsonOption = False,
) -> None:
    """Publish an approved draft: one merge, all of it or nothing."""
    with open_desk(site, person) as desk:
        fetch_published(desk)
        fetch_draft(desk, draft)
        require_pushed(desk, draft)
        publication = publish_draft(
            desk.flow, desk.who, draft, message=message, expected=read_head(desk, draft, head), now=desk.now
        )
        print_publication(desk, publication, is_json=is_json)


def bypass(
    draft: DraftArgument,
    reason: ReasonOption = "",
    head: HeadOption = "",
    site: SiteOption = None,
    person: AsOption = "",
    is_json: JsonOption = False,
) -> None:
    """Publish in an emergency without the approvals; only those whom cms.toml names, with a reason that stays."""
    require_words(reason, "say why this cannot wait; everybody will read it", "--reason TEXT")
    with open_desk(site, person) as desk:
        fetch_published(desk)
        fetch_draft(desk, draft)
        require_pushed(desk, draft)
        publication = bypass_rules(
            desk.flow, desk.who, draft, reason=reason, expected=read_head(desk, draft, head), now=desk.now
        )
        print_publication(desk, publication, is_json=is_json)


CommitArgument = Annotated[str, typer.Argument(metavar="COMMIT", help="Id of a commit, or a tag.", show_default=False)]


def revert(
    commit: CommitArgument,
    name: NameOption = "",
    reason: ReasonOption = "",
    site: SiteOption = None,
    person: AsOption = "",
    is_json: JsonOption = False,
) -> None:
    """Begin a draft that takes back what one publication brought."""
    with open_desk(site, person) as desk:
        found = read_commit(desk, commit)
        state = revert_publication(desk.flow, desk.who, found, name=name, reason=reason, now=desk.now)
        print_state(desk, state, is_json=is_json, did=f"Began the draft {state.name}.")


def rollback(
    commit: CommitArgument,
    name: NameOption = "",
    reason: ReasonOption = "",
    site: SiteOption = None,
    person: AsOption = "",
    is_json: JsonOption = False,
) -> None:
    """Begin a draft that makes all content what it was at a commit."""
    with open_desk(site, person) as desk:
        found = read_commit(desk, commit)
        state = roll_back(desk.flow, desk.who, found, name=name, reason=reason, now=desk.now)
        print_state(desk, state, is_json=is_json, did=f"Began the draft {state.name}.")


EntriesArgument = Annotated[
    list[str], typer.Argument(metavar="COLLECTION/SLUG...", help="One or several entries.", show_default=False)
]


def unpublish(
    entries: EntriesArgument,
    locale: LocaleOption = "",
    name: NameOption = "",
    reason: ReasonOption = "",
    site: SiteOption = None,
    person: AsOption = "",
    is_json: JsonOption = False,
) -> None:
    """Begin a draft that withdraws entries; once published, their addresses answer 410."""
    with open_desk(site, person) as desk:
        wanted = [read_entry_name(entry, locale) for entry in entries]
        state = withdraw_entries(desk.flow, desk.who, wanted, name=name, reason=reason, now=desk.now)
        print_state(desk, state, is_json=is_json, did=f"Began the draft {state.name}.")


def restore(
    entries: EntriesArgument,
    locale: LocaleOption = "",
    name: NameOption = "",
    site: SiteOption = None,
    person: AsOption = "",
    is_json: JsonOption = False,
) -> None:
    """Begin a draft that brings back withdrawn entries as they were last."""
    with open_desk(site, person) as desk:
        wanted = [read_entry_name(entry, locale) for entry in entries]
        state = restore_entries(desk.flow, desk.who, wanted, name=name, now=desk.now)
        print_state(desk, state, is_json=is_json, did=f"Began the draft {state.name}.")
