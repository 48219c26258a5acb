"""Room for drafts: how many there may be, and that no two are called alike where capital letters make no difference."""

from collections.abc import Iterator, Sequence

from cms.errors import Conflict
from cms.refs import draft_ref
from cms.workflow.flow import Workflow

DRAFTS_MOST, OWN_DRAFTS_MOST = 2_000, 200


def why_no_room(flow: Workflow, person: str, begun: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Say of drafts that *person* wants to begin why there is no room for them: name and reason; of a limit only once."""
    names = set(flow.names())
    if len(names) + len(begun) > DRAFTS_MOST:
        yield (
            begun[0],
            f"there are {len(names):,} drafts, and {DRAFTS_MOST:,} are possible; close some first: cms close NAME",
        )
    lives = (flow.log.life(draft_ref(name)) for name in names)
    own = sum(life[0].person == person for life in lives if life)
    if own + len(begun) > OWN_DRAFTS_MOST:
        yield (
            begun[0],
            f"you have {own:,} drafts, and {OWN_DRAFTS_MOST:,} are possible; close some first: cms close NAME",
        )
    folded = {name.casefold(): name for name in names}
    for name in begun:
        same = folded.setdefault(name.casefold(), name)
        if same != name:
            yield name, f"there is a draft {same} already, which differs only in case; choose another name"


def require_room(flow: Workflow, person: str, name: str) -> None:
    """Refuse to begin the draft *name* where there is one already, or no room for it.

    Raises:
        Conflict: says why.
    """
    if flow.store.resolve(draft_ref(name)) is not None:
        raise Conflict(f"there is a draft {name!r} already; choose another name", draft=name)
    for _, reason in why_no_room(flow, person, [name]):
        raise Conflict(reason, draft=name)
