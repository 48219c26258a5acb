"""What a publication makes invalid: the keys of all that is different between two catalogs, however the server came from one to the other.

A catalog that was advanced from its neighbour knows this already (``Catalog.news``); here it is found for any two, as after a force-push, in another
process, or for who was not listening for a while.
"""

from collections.abc import Iterable

from cms.catalog import Catalog
from cms.dependencies import Keys, surrogate_keys
from cms.entry import Entry


def find_invalid(old: Catalog, new: Catalog, paths: Iterable[str] = ()) -> Keys:
    """The keys of what anybody may see differently in *new* than in *old*.

    Nothing in them tells of what is hidden in both. The end of an embargo is between two catalogs of one commit.

    Args:
        paths: files that differ between the two commits, for those that are served by their path.
    """
    if old.model.sources != new.model.sources or not old.model.reads_like(new.model):
        return surrogate_keys((), (), is_model_changed=True)
    before, after = old.snapshot, new.snapshot
    candidates = before.files.differing(after.files) | before.history.differing(after.history)
    candidates |= before.timed.keys() | after.timed.keys()
    removed: list[Entry] = []
    added: list[Entry] = []
    for path in candidates:
        was, now = _visible(old, path), _visible(new, path)
        if was is not None and now is not None and was == now and before.history.get(path) == after.history.get(path):
            continue
        removed += [was] if was is not None else []
        added += [now] if now is not None else []
    return surrogate_keys(removed, added, paths=paths)


def _visible(catalog: Catalog, path: str) -> Entry | None:
    entry = catalog.snapshot.files.get(path)
    return entry if entry is not None and entry.is_public(catalog.valid_from) else None
