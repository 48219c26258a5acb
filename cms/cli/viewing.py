"""``--ref``, ``--at`` and ``--draft``: what commands that read content read it from. Who has the repository at hand may read all of it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from cms.cli.exits import Refused
from cms.refs import draft_ref
from cms.site import Site
from cms.store import Store
from cms.view import read_moment, read_view
from cms.views import EVERYTHING, View
from cms.workflow.combined import Part
from cms.workflow.flow import no_draft

RefOption = Annotated[
    str, typer.Option("--ref", metavar="REF", help="Read a branch, a tag or a full commit id.", show_default=False)
]
AtOption = Annotated[
    str,
    typer.Option("--at", metavar="MOMENT", help="Read what was public at a day or a time.", show_default=False),
]
DraftOption = Annotated[
    list[str] | None,
    typer.Option(
        "--draft",
        metavar="DRAFT",
        help="Read it with a draft merged in; several: one after another.",
        show_default=False,
    ),
]


def open_view(site: Site, ref: str, at: str, drafts: Sequence[str]) -> View | None:
    """The view that the options name; None when they name none.

    Raises:
        Refused, CMSError: there is no such thing, or it cannot be meant.
    """
    given = {"ref": ref, "at": at, "draft" if len(drafts) == 1 else "with": ",".join(drafts)}
    spec = read_view([(name, value) for name, value in given.items() if value])
    now = datetime.now(UTC)
    if drafts:
        return site.views.open_heads([find_draft(site.store, name) for name in (spec.draft, *spec.drafts) if name], now)
    if not spec.query:
        return None
    if at and not ref and read_moment(at, site.catalog.zone) > now.timestamp():
        raise Refused(
            "what will be public then depends on drafts that only the server knows to be approved",
            hint="ask it: GET /api/v1/entries/…?at=…",
        )
    return site.views.open_state(spec, EVERYTHING, None, now)


def find_draft(store: Store, name: str) -> Part:
    """A draft, here or as it was fetched.

    Raises:
        DraftNotFound: there is none of that name.
    """
    ref = draft_ref(name)
    head = store.resolve(ref) or store.resolve(ref.replace("refs/heads/", "refs/remotes/origin/", 1))
    if head is None:
        raise no_draft(name)
    return Part(name=name, head=head)
