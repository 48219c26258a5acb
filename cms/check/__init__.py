"""Checking: everything that is wrong, or odd, with the content at one commit, or with what a change makes of it.

What one file says for itself was judged when it was read (``coerce``) and is in the snapshot; here come the rules that need all files:
references, assets, unique fields, keys and places. Files are read again only to say at which line something is wrong.

There is one set of rules (``rules``). ``cms check`` asks it about everything; a push and a publication ask only about what is changed and
about what the change can do to the rest (``changes``).

Not here: printing (``cli``), and what else a push is told (``judge``).
"""

from collections.abc import Callable

from cms.cache import DerivedCache
from cms.check.changes import check_changes, find_all
from cms.check.found import tell
from cms.check.view import FindDraft, View
from cms.errors import InvalidSettings
from cms.finding import Finding, finding_of
from cms.model import ContentModel, read_model
from cms.overlay import Reader
from cms.refs import CommitId, short_name
from cms.snapshot import Progress, Snapshot, build_snapshot
from cms.store import Store

__all__ = ["FindDraft", "check_changes", "check_commit", "check_snapshot"]

InferModel = Callable[[Store, CommitId, str], ContentModel]


def check_commit(
    store: Store,
    commit: CommitId,
    *,
    name: str,
    infer: InferModel,
    cache: DerivedCache,
    progress: Progress | None = None,
) -> list[Finding]:
    """Everything wrong or odd at *commit*, settings and schemas included, ordered by path and line.

    Args:
        name: the ref that *commit* was found by.
        infer: makes a content model where none is written down.

    Raises:
        RepositoryProblem: the commit or its trees cannot be read.
    """
    try:
        model = read_model(store, commit) or infer(store, commit, short_name(name))
    except InvalidSettings as error:
        return [finding_of(error)]
    return check_snapshot(build_snapshot(store, commit, model, cache=cache, progress=progress), store)


def check_snapshot(snapshot: Snapshot, reader: Reader) -> list[Finding]:
    """Everything wrong or odd in *snapshot*, ordered by path and line.

    Raises:
        RepositoryProblem: the tree of the commit cannot be read.
    """
    return tell(find_all(View(snapshot, reader), reader), reader)
