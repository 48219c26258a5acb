"""What a draft holds, as the reading side sees it: a snapshot of its head, from that of the published branch."""

from cms.refs import CommitId
from cms.snapshot import Snapshot, follow_snapshot
from cms.workflow.flow import Workflow


def draft_snapshot(flow: Workflow, head: CommitId) -> Snapshot:
    """The snapshot of a draft's head; costs what differs from the published branch.

    Raises:
        InvalidSettings: the draft's own ``cms.toml`` cannot be read.
        Conflict: what is published now cannot be read.
    """
    return follow_snapshot(flow.snapshot(), flow.store, head)
