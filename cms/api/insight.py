"""What those who run a site are told of its content, and what anybody is told who asks the same.

Of a file that nobody is shown a stranger does not even learn that there is something wrong with it: how often an editor fails to
save a draft is no business of theirs. Who may read drafts is told everything.
"""

from datetime import UTC, datetime

from starlette.requests import Request

from cms.errors import Forbidden, InvalidSettings, NotFound
from cms.finding import Finding
from cms.permissions import allows_everywhere
from cms.site import Site


def sees_all(request: Request, site: Site) -> bool:
    """Whether who sent *request* may read drafts. Looks into the accounts, so not for an event loop.

    Raises:
        Unauthorised: the secret is wrong, expired or revoked.
        TooMany: too many wrong passwords before.
        AccountsUnavailable: it cannot be known.
    """
    header = request.headers.get("authorization")
    if header is None or site.is_empty:
        return False
    address = request.client.host if request.client is not None else ""
    try:
        office = site.office()
        who = office.sign_in(header, datetime.now(UTC), address)
        return who is not None and allows_everywhere("draft.read", who, office.policy())
    except (NotFound, Forbidden, InvalidSettings):  # nobody may change this site, or nobody can now
        return False


def findings_for(site: Site, *, is_all: bool) -> list[Finding]:
    """What is wrong or odd in the content: *is_all* of it, or what is about files that anybody is shown."""
    findings = site.findings()
    if is_all or site.is_empty:
        return findings
    catalog = site.catalog
    snapshot = catalog.snapshot

    def is_told(finding: Finding) -> bool:
        if finding.path not in snapshot.findings or finding.path in snapshot.guide.sources:
            return True
        entry = snapshot.files.get(finding.path)
        return entry is not None and entry.is_public(catalog.valid_from)

    return [finding for finding in findings if is_told(finding)]
