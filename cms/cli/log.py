"""``cms log``: who did what, when, and what it led to."""

from datetime import datetime
from itertools import islice
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.text import Text

from cms.cli.exits import Refused
from cms.cli.output import out, print_json, print_note
from cms.cli.proof import find_zone
from cms.cli.sites import SiteOption, find_repository
from cms.dates import parse_date
from cms.errors import InvalidSettings, RefNotFound
from cms.finding import printable
from cms.people import read_policy
from cms.policy import Policy
from cms.proof.newsroom import Newsroom
from cms.proof.telling import deed_json, tell_deed
from cms.proof.trust import no_log
from cms.pushlog import PushLog
from cms.refs import BRANCHES, DRAFTS, CommitId, short_name
from cms.settings import SETTINGS_FILE, nearest, read_environment
from cms.site import published_ref
from cms.store import Store


def show_log(
    ref: Annotated[
        str,
        typer.Option("--ref", metavar="DRAFT", help="Only what was done to this draft.", show_default=False),
    ] = "",
    person: Annotated[
        str,
        typer.Option(metavar="PERSON", help="Only what this person did: id, name or e-mail.", show_default=False),
    ] = "",
    since: Annotated[
        str,
        typer.Option(
            metavar="DATE", help="Only from this day or moment on, in the site's time zone.", show_default=False
        ),
    ] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="How many acts at most; 0 is all.")] = 0,
    site: SiteOption = None,
    is_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show who did what, newest first: drafts, verdicts, publications.

    From the push log of the repository, which the server signs; in a clone
    without it from the merges of the published branch.
    """
    store = Store.open(find_repository(site))
    published = published_ref(store, read_environment().branch)
    commit = store.resolve(published)
    if commit is None:
        raise RefNotFound(f"the published branch {short_name(published)} has no commit", ref=published)
    zone, policy, log = find_zone(store, commit), find_policy(store, commit), PushLog(store)
    deeds = Newsroom(store, published, log, policy).deeds(
        draft=draft_name(ref) if ref else None,
        person=find_person(policy, person) if person else None,
        since=read_since(since, zone) if since else None,
    )
    chosen = islice(deeds, limit or None)
    has_log = bool(log.entries())
    if is_json:
        print_json([deed_json(deed, zone) for deed in chosen])
        return
    console = out()
    for deed in chosen:
        for line in tell_deed(deed, zone, has_log=has_log):
            console.print(Text(printable(line)))
    if not has_log:
        print_note(f"Note: {no_log(store)}")


def find_policy(store: Store, commit: CommitId) -> Policy:
    """Who people are; nobody where that cannot be read."""
    blob = store.find_blob(commit, SETTINGS_FILE)
    try:
        return read_policy(store.read_blob(blob) if blob is not None else None)
    except InvalidSettings:
        return Policy()


def draft_name(text: str) -> str:
    """The name of a draft, however much of its ref was typed."""
    return text.removeprefix(DRAFTS).removeprefix(DRAFTS.removeprefix(BRANCHES))


def find_person(policy: Policy, text: str) -> str:
    """The id of a person.

    Raises:
        Refused: several people are called that, or nobody ever was.
    """
    wanted = text.casefold()
    named = [id for id, person in policy.people.items() if person.name.casefold() == wanted]
    if text in policy.people or not (named or policy.find_by_email(text)):
        if text not in policy.people and "@" in text:
            raise Refused(f"nobody in cms.toml has the e-mail address {text!r}{nearest(text, policy.people)}")
        return text  # perhaps of somebody who has left
    if len(named) > 1:
        raise Refused(f"{len(named)} people are called {text!r}", hint=f"use an id: {', '.join(named)}")
    return named[0] if named else policy.find_by_email(text) or text


def read_since(text: str, zone: ZoneInfo) -> datetime:
    """The moment of ``--since``.

    Raises:
        Refused: it is none.
    """
    try:
        return parse_date(text, zone)
    except ValueError as error:
        raise Refused(
            f"--since {text!r} is no date: {error}", hint="write it as 2026-05-17 or 2026-05-17T09:00"
        ) from error
