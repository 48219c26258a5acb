"""What a publication makes invalid: the keys of all that is different between two catalogs, however the server came from one to the other.

A catalog that was advanced from its neighbour knows this already (``Catalog.news``); here it is found for any two, as after a force-push, in another
process, or for who was not listening for a while.
"""

from collections.abc import Iterable
from dataclasses import replace

from cms.catalog import Catalog
from cms.dependencies import Keys, surrogate_keys
from cms.entry import Entry
from cms.model import ContentModel
from cms.settings import SETTINGS_FILE, Settings


def find_invalid(old: Catalog, new: Catalog, paths: Iterable[str] = ()) -> Keys:
    """The keys of what anybody may see differently in *new* than in *old*.

    Nothing in them tells of what is hidden in both. The end of an embargo is between two catalogs of one commit.

    Args:
        paths: files that differ between the two commits, for those that are served by their path.
    """
    if not _shows_like(old.model, new.model):
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


def _shows_like(old: ContentModel, new: ContentModel) -> bool:
    """Whether two models differ in nothing that an answer depends on: of people, rules and folders of the machine nobody is told."""
    return old is new or (
        old.reads_like(new) and _schemas(old) == _schemas(new) and _shown_settings(old) == _shown_settings(new)
    )


def _schemas(model: ContentModel) -> dict[str, str]:
    return {path: blob for path, blob in model.sources.items() if path != SETTINGS_FILE}


def _shown_settings(model: ContentModel) -> Settings:
    return replace(model.settings, server=replace(model.settings.server, state="", cache=""))


def _visible(catalog: Catalog, path: str) -> Entry | None:
    entry = catalog.snapshot.files.get(path)
    return entry if entry is not None and entry.is_public(catalog.valid_from) else None
