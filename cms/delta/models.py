"""What differs between two content models, as callers of the API meet it: collections, and the fields that entries can have. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from cms.fieldpath import path_kind, shown_fields
from cms.model import ContentModel
from cms.schema import Collection, Field
from cms.workflow.differences import FieldChange


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionDiff:
    """What differs of one collection.

    Attributes:
        change: ``created``, ``updated`` or ``deleted``.
        fields: those whose type differs, with the type in words; None for no such field.
    """

    collection: str
    change: str
    fields: tuple[FieldChange, ...] = ()


def compare_models(old: ContentModel, new: ContentModel) -> tuple[CollectionDiff, ...]:
    """The collections that differ, by name."""
    names = sorted(old.collections.keys() | new.collections.keys())
    found = (_compared(name, old.collections.get(name), new.collections.get(name)) for name in names)
    return tuple(each for each in found if each is not None)


def _compared(name: str, old: Collection | None, new: Collection | None) -> CollectionDiff | None:
    if old is None or new is None:
        return CollectionDiff(collection=name, change="created" if old is None else "deleted")
    before, after = dict(_types(old)), dict(_types(new))
    fields = tuple(
        FieldChange(field=field, before=before.get(field), after=after.get(field))
        for field in dict.fromkeys([*before, *after])
        if before.get(field) != after.get(field)
    )
    return CollectionDiff(collection=name, change="updated", fields=fields) if fields else None


def _types(collection: Collection) -> Iterator[tuple[str, str]]:
    for name, item in shown_fields(collection).items():
        yield name, type_of(item)
        for inner, part in item.properties.items():
            yield f"{name}.{inner}", type_of(part)


def type_of(item: Field) -> str:
    """The type of a field in words: ``date``, ``list of string``, ``reference to people, required``."""
    kind = (
        f"reference to {' or '.join(item.references)}" if item.references else "file" if item.asset else path_kind(item)
    )
    listed = f"list of {kind}" if item.many else kind
    return f"{listed}, required" if item.required else listed
