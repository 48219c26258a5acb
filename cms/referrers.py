"""Referrers: the entries that refer to another one, as a reader sees them.

Which files could refer to an entry is looked up in the postings of the snapshot; whether they do is decided as when a reference is shown, so
nothing hidden can be told from the answer. Of each slug the reader sees one locale: that of the entry asked about, else as if nothing were asked.
"""

from collections.abc import Collection as Container
from collections.abc import Iterator, Sequence
from typing import Protocol

from cms.entry import RESERVED, Entry
from cms.model import ContentModel
from cms.postings import REFERENCES, postings_of
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
        field: the field by which they do, at the top of an entry; empty: any.
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
    slug, named = entry.slug, f"{entry.collection}/{entry.slug}"
    for value, targets in _references(visible.model, source, field):
        if value == slug and targets[0] == entry.collection:
            return True  # it is there, so nothing else can be meant
        if value in (slug, named):
            target = visible.find_reference(value, targets, source.locale)
            if target is not None and (target.collection, target.slug) == (entry.collection, slug):
                return True
    return False


def find_referred(visible: Visible, entry: Entry) -> list[Entry]:
    """The entries that *entry* refers to, each once, in the order of its fields."""
    found = {
        target.id: target
        for value, targets in _references(visible.model, entry, "")
        if (target := visible.find_reference(value, targets, entry.locale)) is not None
    }
    return list(found.values())


def _references(model: ContentModel, entry: Entry, field: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(what stands there, the collections that it may name) of each reference of *entry*, or of those in one *field*."""
    fields = entry.parsed.fields
    for shown, item in _leading(model, entry.collection):
        if not field or item.name == field:
            value = fields.get(shown)
            if item.references and type(value) is str:
                yield value, item.references
            elif value is not None:
                yield from _inside(item, value)


def _inside(item: Field, value: object) -> Iterator[tuple[str, tuple[str, ...]]]:
    if isinstance(value, list):
        for part in value:
            yield from _inside(item, part)
    elif isinstance(value, dict):
        for key, inner in item.properties.items():
            yield from _inside(inner, value.get(key))
    elif item.references and isinstance(value, str | int):
        yield str(value), item.references


def _leading(model: ContentModel, name: str) -> list[tuple[str, Field]]:
    """The fields of a collection that refer to something, or hold one that does, under the names that they have in entries."""
    found: list[tuple[str, Field]] | None = model.memo.get(("leading", name))
    if found is None:
        found = [
            (f"{key}_" if key in RESERVED else key, item)
            for key, item in model.collections[name].fields.items()
            if _leads(item)
        ]
        model.memo["leading", name] = found
    return found


def _leads(item: Field) -> bool:
    return bool(item.references) or any(map(_leads, item.properties.values()))


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
