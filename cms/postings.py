"""Postings: which files have a slug, hold a unique value, refer to an entry, or name an asset.

Worked out from all entries of a snapshot when first asked for, kept with it, and advanced with it. So what a change does elsewhere is looked
up, not searched for. Paths are shared with the entries, and a key that one file has needs no list: 100,000 slugs take some 8 MB.
"""

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from cms.entry import RESERVED, Entry
from cms.layers import Layers
from cms.model import ContentModel
from cms.schema import Collection, Field
from cms.snapshot import Snapshot

FieldPlace = tuple[str | int, ...]
#: (section, key): sections keep keys apart that would otherwise need a longer text each.
Key = tuple[str, str]


def walk_values(
    entry: Entry, collection: Collection, wanted: Callable[[Field], bool]
) -> Iterator[tuple[Field, FieldPlace, Any]]:
    """(field, place in the front matter, scalar) of every value of a field that is *wanted*."""
    for name, item in collection.fields.items():
        shown = f"{name}_" if name in RESERVED else name
        if shown in entry.parsed.fields:
            yield from _walk(item, entry.parsed.fields[shown], (name,), wanted)


def _walk(
    item: Field, value: Any, place: FieldPlace, wanted: Callable[[Field], bool]
) -> Iterator[tuple[Field, FieldPlace, Any]]:
    if isinstance(value, list):
        for number, part in enumerate(value):
            yield from _walk(item, part, (*place, number), wanted)
    elif isinstance(value, dict):
        for key, inner in item.properties.items():
            if key in value:
                yield from _walk(inner, value[key], (*place, key), wanted)
    elif value is not None and wanted(item):
        yield item, place, value


def is_reference(item: Field) -> bool:
    """Whether values of the field name entries."""
    return bool(item.references)


def is_asset(item: Field) -> bool:
    """Whether values of the field name files."""
    return item.asset


def is_unique(item: Field) -> bool:
    """Whether no two entries of a collection and locale may have the same value."""
    return item.unique


def fold(slug: str) -> str:
    """*slug* as file systems compare that tell neither case nor forms of Unicode apart."""
    folded = slug.lower() if slug.isascii() else unicodedata.normalize("NFC", slug).casefold()
    return slug if folded == slug else folded


def meanings(value: object, collections: Iterable[str]) -> Iterator[Key]:
    """(collection, slug) of everything that the reference *value* to one of *collections* could mean."""
    slug = str(value)
    for name in collections:
        yield name, slug
        if slug.startswith(f"{name}/"):
            yield name, slug[len(name) + 1 :]


def unique_key(entry: Entry, item: Field, value: object) -> Key:
    """What no other entry may have."""
    return entry.collection, f"{entry.locale}\0{item.name}\0{value!r}"


def asset_path(value: object) -> str | None:
    """The path in the repository that the value of an asset field names; None when what it names is elsewhere."""
    if not isinstance(value, str) or not value or "://" in value or value.startswith(("//", "data:")):
        return None
    return value.lstrip("/")


def _names(entry: Entry, _: Collection) -> Iterator[Key]:
    yield entry.collection, fold(entry.slug)


def _values(entry: Entry, collection: Collection) -> Iterator[Key]:
    for item, _, value in walk_values(entry, collection, is_unique):
        yield unique_key(entry, item, value)


def _references(entry: Entry, collection: Collection) -> Iterator[Key]:
    for item, _, value in walk_values(entry, collection, is_reference):
        yield from meanings(value, item.references)


def _assets(entry: Entry, collection: Collection) -> Iterator[Key]:
    for _, _, value in walk_values(entry, collection, is_asset):
        path = asset_path(value)
        if path is not None:
            yield "", path


@dataclass(frozen=True, slots=True)
class Kind:
    """What is listed: the keys of an entry, and the fields that a collection must have for there to be any."""

    name: str
    keys: Callable[[Entry, Collection], Iterator[Key]]
    wanted: Callable[[Field], bool] | None = None

    def collections(self, model: ContentModel) -> dict[str, Collection]:
        """The collections whose entries have keys."""
        wanted = self.wanted
        return {
            name: collection
            for name, collection in model.collections.items()
            if wanted is None or any(map(wanted, collection.walk_fields()))
        }


NAMES = Kind("names", _names)
VALUES = Kind("unique values", _values, is_unique)
REFERENCES = Kind("references", _references, is_reference)
ASSETS = Kind("assets", _assets, is_asset)

#: The only path, or several.
_Paths = str | tuple[str, ...]


class Postings:
    """The paths of the entries that have a key. Immutable."""

    def __init__(
        self, kind: Kind, collections: Mapping[str, Collection], sections: Mapping[str, Layers[_Paths]]
    ) -> None:
        """Use :meth:`build` or :func:`postings_of`."""
        self._kind = kind
        self._collections = collections
        self._sections = sections

    @classmethod
    def build(cls, kind: Kind, model: ContentModel, entries: Iterable[Entry]) -> "Postings":
        """List all *entries*; costs in proportion to the site."""
        collections = kind.collections(model)
        found: dict[str, dict[str, _Paths]] = {}
        several: dict[Key, list[str]] = {}
        for entry in entries if collections else ():
            for key in _keys(kind, collections, entry):
                section, name = key
                paths = found.setdefault(section, {})
                first = paths.setdefault(name, entry.path)
                if first is not entry.path:
                    several.setdefault(key, [str(first)]).append(entry.path)
        for (section, name), paths_of in several.items():
            found[section][name] = tuple(paths_of)
        return cls(kind, collections, {section: Layers(paths) for section, paths in found.items()})

    def advance(self, removed: Sequence[Entry], added: Sequence[Entry]) -> "Postings":
        """The same for the next snapshot by the same model."""
        gone, come = self._by_key(removed), self._by_key(added)
        changes: dict[str, dict[str, _Paths | None]] = {}
        for key in gone.keys() | come.keys():
            left = gone.get(key, {})
            paths = (*[path for path in self._paths(key) if path not in left], *come.get(key, {}))
            changes.setdefault(key[0], {})[key[1]] = (paths if len(paths) > 1 else paths[0]) if paths else None
        sections = dict(self._sections)
        for section, paths_by_name in changes.items():
            sections[section] = sections.get(section, Layers[_Paths]({})).changed(paths_by_name)
        return Postings(self._kind, self._collections, sections)

    def get(self, key: Key) -> list[str]:
        """The paths of those that have *key*, in order."""
        return sorted(self._paths(key))

    def keys_of(self, entries: Iterable[Entry]) -> set[Key]:
        """The keys of *entries*."""
        return {key for entry in entries for key in _keys(self._kind, self._collections, entry)}

    def shared(self) -> Iterator[Key]:
        """The keys that several have."""
        for section, paths in self._sections.items():
            for name, value in paths.flat().items():
                if not isinstance(value, str):
                    yield section, name

    def names(self, section: str) -> Iterator[str]:
        """The keys of one section."""
        yield from self._sections.get(section, ())

    def _paths(self, key: Key) -> Sequence[str]:
        section = self._sections.get(key[0])
        found = section.get(key[1], ()) if section is not None else ()
        return (found,) if isinstance(found, str) else found

    def _by_key(self, entries: Iterable[Entry]) -> dict[Key, dict[str, None]]:
        """The keys of *entries*, each with the paths that have it."""
        found: dict[Key, dict[str, None]] = {}
        for entry in entries:
            for key in _keys(self._kind, self._collections, entry):
                found.setdefault(key, {})[entry.path] = None
        return found


def _keys(kind: Kind, collections: Mapping[str, Collection], entry: Entry) -> Iterator[Key]:
    collection = collections.get(entry.collection)
    if collection is not None:
        yield from dict.fromkeys(kind.keys(entry, collection))


def all_entries(snapshot: Snapshot) -> Iterator[Entry]:
    """The entries of *snapshot*, those that cannot be served too: they have references, and others refer to them."""
    return chain(snapshot.files.flat().values(), snapshot.refused.flat().values())


def postings_of(snapshot: Snapshot, kind: Kind) -> Postings:
    """The postings of *snapshot*, kept with it from the first time on."""
    found = snapshot.derived.get(kind.name)
    if not isinstance(found, Postings):
        found = snapshot.derived[kind.name] = Postings.build(kind, snapshot.model, all_entries(snapshot))
    return found
