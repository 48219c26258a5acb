"""Which entries show something of others that changed: those that refer to them, and those that refer to these.

A page that includes its author is another page when the author changes, though the entry itself is the same.
"""

from collections.abc import Iterable, Mapping

from cms.catalog import Catalog, LocaleChain, pick
from cms.entry import Entry
from cms.postings import REFERENCES, is_reference, postings_of, walk_values
from cms.present import DEPTH_LIMIT

Slug = tuple[str, str]


def find_referrers(catalog: Catalog, slugs: Iterable[Slug]) -> set[Slug]:
    """(collection, slug) of all visible entries with a reference that could mean one of *slugs*."""
    postings = postings_of(catalog.snapshot, REFERENCES)
    files = catalog.snapshot.files
    found: set[Slug] = set()
    for key in slugs:
        for path in postings.get(key):
            entry = files.get(path)
            if entry is not None and entry.is_public(catalog.valid_from):
                found.add((entry.collection, entry.slug))
    return found


def find_affected(
    catalog: Catalog, changed: Mapping[str, Entry], chain: LocaleChain, *, hops: int = DEPTH_LIMIT
) -> dict[str, tuple[Entry, set[str]]]:
    """The entries for *chain* that show a changed one by way of at most *hops* references: as many as ``depth`` can follow.

    Args:
        changed: entries of *catalog* by id.

    Returns:
        Id to (the entry, the ids of the changed entries that it shows). Changed entries themselves are not among them.
    """
    reached: dict[str, tuple[Entry, set[str]]] = {id: (entry, {id}) for id, entry in changed.items()}
    found: dict[str, tuple[Entry, set[str]]] = {}
    for _ in range(hops):
        sources = find_referrers(catalog, {(entry.collection, entry.slug) for entry, _ in reached.values()})
        next_reached: dict[str, tuple[Entry, set[str]]] = {}
        for collection, slug in sources:
            # What is shown of a reference is in the locale of the entry that refers, so each is looked at.
            for entry in pick(catalog.shelves[collection].slugs.get(slug, ()), ("*",)):
                shown = _shown_by(catalog, entry, reached)
                known = found.get(entry.id, (entry, set()))[1]
                if shown - known:
                    next_reached[entry.id] = (entry, shown - known)
                    if entry.id not in changed:
                        found[entry.id] = (entry, known | shown)
        reached = next_reached
    return {id: item for id, item in found.items() if _is_picked(catalog, item[0], chain)}


def _is_picked(catalog: Catalog, entry: Entry, chain: LocaleChain) -> bool:
    return entry in pick(catalog.shelves[entry.collection].slugs.get(entry.slug, ()), chain)


def _shown_by(catalog: Catalog, entry: Entry, reached: Mapping[str, tuple[Entry, set[str]]]) -> set[str]:
    shown: set[str] = set()
    collection = catalog.shelves[entry.collection].collection
    for item, _, value in walk_values(entry, collection, is_reference):
        target = catalog.find_reference(value, item.references, entry.locale)
        if target is not None and target.id in reached:
            shown |= reached[target.id][1]
    return shown
