"""``cms blame`` and ``cms history``: where an entry comes from, part by part and commit by commit."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from cms.blame.attribution import blame
from cms.blame.record import Record
from cms.blame.telling import blame_json, history_json, named_versions, tell_blame, tell_change
from cms.catalog import Catalog
from cms.cli.exits import Refused
from cms.cli.log import draft_name, find_policy
from cms.cli.output import out, print_json
from cms.cli.sites import BranchOption, LocaleOption, SiteOption, open_site
from cms.entry import Entry
from cms.errors import EntryNotFound
from cms.finding import printable
from cms.overlay import Reader
from cms.refs import BRANCHES, draft_ref
from cms.site import Site, resolve_name
from cms.view import ViewSpec
from cms.views import EVERYTHING
from cms.workflow.combined import Part

EntryArgument = Annotated[
    str,
    typer.Argument(metavar="COLLECTION/SLUG", help="Which entry, or the path of its file.", show_default=False),
]
RefOption = Annotated[
    str,
    typer.Option("--ref", metavar="REF", help="As it is at this branch, tag or full commit id.", show_default=False),
]
DraftOption = Annotated[
    str, typer.Option("--draft", metavar="NAME", help="As it would be with this draft.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """An entry, and where to look up what was before."""

    entry: Entry
    catalog: Catalog
    reader: Reader
    record: Record


def show_blame(
    entry: EntryArgument,
    ref: RefOption = "",
    draft: DraftOption = "",
    locale: LocaleOption = "",
    site: SiteOption = None,
    branch: BranchOption = "",
    is_json: JsonOption = False,
) -> None:
    """Show where each field, list item and paragraph of an entry comes from.

    Since when it is as it is, and who wrote it; below, for each of these
    commits, who approved it and which publication brought it live.
    """
    with _look(entry, ref, draft, locale, site, branch) as found:
        result = blame(found.reader, found.record.versions(found.catalog, found.entry))
        changes = found.record.changes(result.versions, named_versions(result))
        if is_json:
            print_json(blame_json(result, found.entry, changes, found.record.policy, found.catalog.zone))
            return
        _print(tell_blame(result, changes, found.catalog.zone))


def show_history(
    entry: EntryArgument,
    ref: RefOption = "",
    draft: DraftOption = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="How many commits at most; 0 is all.")] = 0,
    locale: LocaleOption = "",
    site: SiteOption = None,
    branch: BranchOption = "",
    is_json: JsonOption = False,
) -> None:
    """Show the commits that made an entry what it is, newest first.

    Also those from before it was renamed: who, when, why, who approved it, and
    which publication brought it live.
    """
    with _look(entry, ref, draft, locale, site, branch) as found:
        versions = found.record.versions(found.catalog, found.entry)
        committed = [version for version in versions.all if version.stamp is not None][: limit or None]
        changes = found.record.changes(versions, [versions.newest, *committed])
        shown = [changes[version] for version in committed]
        if is_json:
            newest = changes.get(versions.newest)
            print_json(history_json(newest, found.entry, shown, found.record.policy, found.catalog.zone))
            return
        for change in shown:
            _print(tell_change(change, found.catalog.zone))


def _print(lines: Iterator[str]) -> None:
    console = out()
    for line in lines:
        console.print(Text(printable(line)))


@contextmanager
def _look(entry: str, ref: str, draft: str, locale: str, site: Path | None, branch: str) -> Iterator[_Found]:
    """Open the site, and find the entry in the view that is asked for.

    Raises:
        Refused: both a ref and a draft.
        EntryNotFound: there is no such entry.
        RefNotFound, DraftNotFound: there is no such thing.
    """
    opened, _ = open_site(site, branch)
    try:
        catalog, reader = _open_view(opened, ref, draft)
        published = opened.catalog.snapshot.commit.id
        record = Record(
            store=opened.store,
            chronicle=opened.chronicle,
            prover=opened.prover,
            policy=find_policy(opened.store, published),
            published=published,
        )
        yield _Found(entry=_find(catalog, entry, locale), catalog=catalog, reader=reader, record=record)
    finally:
        opened.prover.close()
        opened.close()


def _open_view(site: Site, ref: str, draft: str) -> tuple[Catalog, Reader]:
    if ref and draft:
        raise Refused("--ref and --draft name different states", hint="use one of them")
    now = datetime.now(UTC)
    if draft:
        name = draft_name(draft)
        head = resolve_name(site.store, draft_ref(name).removeprefix(BRANCHES))
        view = site.views.open_heads([Part(name=name, head=head)], now)
        return view.catalog, view.reader
    if ref:
        view = site.views.open_state(ViewSpec(ref=resolve_name(site.store, ref)), EVERYTHING, None, now)
        return view.catalog, view.reader
    return site.catalog, site.store


def _find(catalog: Catalog, name: str, locale: str) -> Entry:
    collection, _, slug = name.strip("/").partition("/")
    found = catalog.find(collection, slug, (locale,) if locale else catalog.default_chain)
    found = found or catalog.snapshot.find(name)
    if found is None:
        raise EntryNotFound(
            f"there is no entry {printable(name)!r}, and no content file of that path", collection=collection, slug=slug
        )
    return found
