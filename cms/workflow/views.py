"""What a draft holds, as the reading side sees it: a snapshot of its head, from that of the published branch."""

from cms.errors import Conflict, InvalidSettings
from cms.finding import finding_of
from cms.refs import CommitId
from cms.snapshot import Snapshot, follow_snapshot
from cms.workflow.flow import Workflow


def draft_snapshot(flow: Workflow, head: CommitId) -> Snapshot:
    """The snapshot of a draft's head; costs what differs from the published branch.

    Raises:
        Conflict: the draft's own ``cms.toml`` cannot be read (facts: findings), or what is published now cannot.
    """
    before = flow.snapshot()
    try:
        return follow_snapshot(before, flow.store, head)
    except InvalidSettings as error:
        findings = error.facts.get("findings") or (finding_of(error),)
        raise Conflict(
            f"the draft cannot be read, because its cms.toml is wrong: {error}", findings=findings
        ) from error
