"""``cms preview``: a token with which others can see a draft, on the server's own machine."""

from datetime import timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from cms.api.previewing import describe_preview
from cms.auth import PreviewInfo
from cms.auth.previews import LASTS, LASTS_MOST, Previews
from cms.cli.desk import AsOption, Desk, DraftArgument, open_desk
from cms.cli.drafting import moment
from cms.cli.exits import REFUSED, Refused
from cms.cli.output import out, print_json, print_note
from cms.cli.sites import SiteOption
from cms.finding import printable
from cms.workflow.sharing import list_previews, revoke_preview, share_draft

ID_LENGTH = 12


def preview(
    draft: DraftArgument,
    site: SiteOption = None,
    person: AsOption = "",
    days: Annotated[
        int, typer.Option(metavar="DAYS", min=1, max=LASTS_MOST.days, help="How long it can be used.")
    ] = LASTS.days,
    revoke: Annotated[
        str,
        typer.Option(metavar="PREVIEW", help="End this one instead, by its id or its token.", show_default=False),
    ] = "",
    is_list: Annotated[bool, typer.Option("--list", help="List those there are instead.")] = False,
    is_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make a token with which whoever has it can see a draft, and print it once.

    It shows what readers would get if the draft were published, and no other
    draft, until it ends, is revoked, or the draft is published or closed.
    """
    if revoke and is_list:
        raise Refused("--revoke and --list exclude each other", hint="use one of them")
    with open_desk(site, person) as desk:
        previews = _require_previews(desk)
        zone = desk.site.catalog.model.zone
        if revoke:
            id = revoke.removeprefix("cmsp_")[:ID_LENGTH]  # who pastes a whole token means the one with its id
            ended = revoke_preview(desk.flow, previews, desk.who, draft, id, now=desk.now)
            print_note(f"The preview {ended.id} of {draft} shows nothing any more.")
        elif is_list:
            _print_all(list_previews(desk.flow, previews, desk.who, draft, now=desk.now), desk, zone, is_json=is_json)
        else:
            end = desk.now + timedelta(days=days)
            made, token = share_draft(desk.flow, previews, desk.who, draft, expires_at=end, now=desk.now)
            if is_json:
                print_json({"token": token, **describe_preview(made, desk.now, zone)})
                return
            print_note(
                f"Whoever has this can see the draft {draft} until {moment(made.expires_at, zone)}. It is not shown again; "
                f"to end it: cms preview {draft} --revoke {made.id}"
            )
            print_note(f"Send it as Authorization: Bearer, or in the address: {desk.flow.address}/api/v1/?preview=…")
            out().print(token)


def _require_previews(desk: Desk) -> Previews:
    if desk.accounts is None:
        raise Refused(
            "a preview is shown by the server, and this is a clone",
            hint="run it on the server's own machine, or ask its API: POST /api/v1/drafts/NAME/previews",
            code=REFUSED,
        )
    return desk.accounts.previews


def _print_all(found: list[PreviewInfo], desk: Desk, zone: ZoneInfo, *, is_json: bool) -> None:
    if is_json:
        print_json([describe_preview(preview, desk.now, zone) for preview in found])
        return
    for preview in found:
        if preview.revoked_at is not None:
            state = f"revoked {moment(preview.revoked_at, zone)}"
        else:
            state = f"{'until' if preview.is_live(desk.now) else 'ended'} {moment(preview.expires_at, zone)}"
        out().print(printable(f"{preview.id}  {state:28} by {desk.flow.policy().name(preview.person)}"))
    if not found:
        print_note("There are no previews of it.")
