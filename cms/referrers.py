"""Referrers: the entries that refer to another one, as a reader sees them.

Which files could refer to an entry is looked up in the postings of the snapshot; whether they do is decided as when a reference is shown, so
nothing hidden can be told from the answer. Of each slug the reader sees one locale: that of the entry asked about, else as if nothing were asked.
"""

from collections.abc import Collection as Container
from collections.abc import Iterator, Sequence
from typing import Protocol

from cms.entry import Entry
from cms.model import ContentModel
from cms.postings import REFERENCES, is_reference, meanings, postings_of, walk_values
from cms.schema import Field
from cms.snapshot import Snapshot


class Visible(Protocol):
    """What is asked of a catalog here."""

    snapshot: Snapshot
    model: ContentModel
    default_chain: tuple[str, ...]

    def find(self, collection: str, slug: str, chain: tuple[str, ...]) -> Entry | None:
        """The visible entry of that slug that *chain* prefers."""

    def find_reference(self, value: object, targets: Sequence[str], locale: str) -> Entry | None:
        """The visible entry that a reference names."""


def find_referrers(visible: Visible, entry: Entry, collections: Container[str], field: str = "") -> list[Entry]:
    """The entries of *collections* that refer to the slug of *entry*, by collection and slug.

    Args:
        field: the field by which they do, or one that holds it; empty: any.
    """
    files = visible.snapshot.files
    named = {
        (source.collection, source.slug)
        for path in postings_of(visible.snapshot, REFERENCES).get((entry.collection, entry.slug))
        if (source := files.get(path)) is not None and source.collection in collections
    }
    chain = (entry.locale, *visible.default_chain)
    seen = (visible.find(collection, slug, chain) for collection, slug in sorted(named))
    return [source for source in seen if source is not None and _refers(visible, source, entry, field)]


def _refers(visible: Visible, source: Entry, entry: Entry, field: str) -> bool:
    wanted = (entry.collection, entry.slug)
    return any(
        wanted in meanings(value, item.references)
        and (target := visible.find_reference(value, item.references, source.locale)) is not None
        and (target.collection, target.slug) == wanted
        for item, value in _references(visible.model, source)
        if not field or item.name == field or item.name.startswith(f"{field}.")
    )


def find_referred(visible: Visible, entry: Entry) -> list[Entry]:
    """The entries that *entry* refers to, each once, in the order of its fields."""
    found = {
        target.id: target
        for item, value in _references(visible.model, entry)
        if (target := visible.find_reference(value, item.references, entry.locale)) is not None
    }
    return list(found.values())


def _references(model: ContentModel, entry: Entry) -> Iterator[tuple[Field, object]]:
    return ((item, value) for item, _, value in walk_values(entry, model.collections[entry.collection], is_reference))


def referring_fields(model: ContentModel, target: str) -> dict[str, list[Field]]:
    """For each collection that can refer to the collection *target*, the fields by which it can."""
    found: dict[str, list[Field]] | None = model.memo.get(("referring", target))
    if found is None:
        found = {}
        for name, collection in model.collections.items():
            fields = [item for item in collection.walk_fields() if target in item.references]
            if fields:
                found[name] = fields
        model.memo["referring", target] = found
    return found
