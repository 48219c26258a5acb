"""What changed from one catalog to another, by entry: created, updated, renamed, deleted, and affected by a reference.

Found in two steps. What can differ at all is looked up: files that differ, moments that passed, histories that went on, the translations of
these, and whoever refers to something that appeared or disappeared. Then each of these is compared as the API shows it, so that nothing is
told that nobody can see, and nothing is kept back that somebody can. Of a collection whose schema differs every entry is compared.
"""

from collections.abc import Collection as Names
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from cms.bodies import Bodies, read_body
from cms.catalog import EVERY_LOCALE, Catalog, LocaleChain, pick
from cms.delta.affected import Slug, find_affected, find_referrers
from cms.delta.renames import find_renames
from cms.entry import Entry
from cms.errors import RepositoryProblem
from cms.fieldpath import REFERENCED_BY
from cms.model import ContentModel
from cms.overlay import Reader
from cms.present import DEPTH_LIMIT, PLAIN, Presenter, Shape, Tree
from cms.refs import BlobId

BODY = "body"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What became of one entry.

    Attributes:
        change: ``created``, ``updated``, ``renamed``, ``deleted`` or ``affected``.
        entry: as it is now; what was deleted, as it was.
        before: as it was; None when it was not there.
        fields: names of what an answer shows differently; ``body`` when the text differs.
        by: ids of the changed entries that an affected one shows.
    """

    change: str
    entry: Entry
    before: Entry | None = None
    fields: tuple[str, ...] = ()
    by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which entries a caller holds, and what of each.

    Attributes:
        chain: the locales that one entry for each slug is chosen by.
        collections: names; empty: all.
    """

    shape: Shape = PLAIN
    chain: LocaleChain = EVERY_LOCALE
    collections: Names[str] = ()


EVERYTHING = Wanted()


class Source(NamedTuple):
    """What has the bytes of a catalog's files, and what renders them."""

    reader: Reader
    bodies: Bodies


def find_changes(
    old: Catalog | None,
    new: Catalog,
    *,
    reader: Reader,
    bodies: Bodies,
    old_source: Source | None = None,
    wanted: Wanted = EVERYTHING,
) -> list[Change]:
    """All that a caller who holds what *wanted* is in *old* must do to hold what it is in *new*, in the order of the entries' keys.

    Args:
        old: None: the caller holds nothing.
        reader: where the files are; those of both, unless there is an *old_source*.

    Raises:
        RepositoryProblem: a file cannot be read.
    """
    source = Source(reader, bodies)
    if old is None:
        shown = (_picked(new, wanted.chain, (name, slug)) for name in new.shelves for slug in new.shelves[name].slugs)
        changes = [Change(change="created", entry=entry) for entries in shown for entry in entries.values()]
    else:
        changes = _Comparison(old, new, old_source or source, source).changes(wanted)
    changes = [change for change in map(_Within(wanted.collections), changes) if change is not None]
    return sorted(changes, key=lambda change: change.entry.key)


def _picked(catalog: Catalog, chain: LocaleChain, slug: Slug) -> dict[str, Entry]:
    """The entries of a slug that a request for *chain* gets, by id."""
    shelf = catalog.shelves.get(slug[0])
    return {entry.id: entry for entry in pick(shelf.slugs.get(slug[1], ()), chain)} if shelf is not None else {}


class _Within:
    """What a change is for somebody who holds only some collections."""

    def __init__(self, collections: Names[str]) -> None:
        self._collections = frozenset(collections)

    def __call__(self, change: Change) -> Change | None:
        if not self._collections:
            return change
        is_in = change.entry.collection in self._collections
        was_in = change.before is not None and change.before.collection in self._collections
        if is_in and change.change == "renamed" and not was_in:
            return Change(change="created", entry=change.entry)
        if not is_in and change.before is not None and was_in:
            return Change(change="deleted", entry=change.before, before=change.before)
        return change if is_in else None


class _Comparison:
    """Two catalogs side by side."""

    def __init__(self, old: Catalog, new: Catalog, old_source: Source, new_source: Source) -> None:
        self._old, self._new = old, new
        self._sources = {old: old_source, new: new_source}

    def changes(self, wanted: Wanted) -> list[Change]:
        changes, renames = self._compare(self._candidates(), Wanted(), None)
        changed = {change.entry.id: change.entry for change in changes if change.change != "deleted"}
        # Somebody who holds one locale only is shown references to entries of others all the same.
        affected = find_affected(self._new, changed, wanted.chain)
        if wanted.chain != EVERY_LOCALE or not wanted.shape.is_plain:
            entries = [entry for change in changes for entry in (change.entry, change.before) if entry is not None]
            # Names in ``fields`` can lead further than ``include`` and ``depth``.
            hops = max(DEPTH_LIMIT, _height(wanted.shape.only))
            shown = find_affected(self._new, changed, wanted.chain, hops=hops) if hops > DEPTH_LIMIT else affected
            entries += [entry for entry, _ in shown.values()]
            slugs = {(entry.collection, entry.slug) for entry in entries}
            if _names_referrers(wanted.shape.only) or _names_referrers(wanted.shape.include):
                # Who refers to an entry can be any other one that changed, or that shows one that did.
                slugs = self._all({*self._old.shelves, *self._new.shelves})
            changes, _ = self._compare(slugs, wanted, renames)
            told = {change.entry.id for change in changes}
            affected = {id: item for id, item in affected.items() if id not in told}
        changes += [
            Change(change="affected", entry=entry, before=entry, by=tuple(sorted(by)))
            for entry, by in affected.values()
        ]
        return changes

    def _candidates(self) -> set[Slug]:
        """(collection, slug) of all entries that may look different."""
        old, new = self._old, self._new
        whole = self._all(_read_otherwise(old.model, new.model))
        before, after = old.snapshot, new.snapshot
        paths = before.files.differing(after.files) | before.history.differing(after.history)
        for path, entry in (*before.timed.items(), *after.timed.items()):
            if entry.is_public(old.valid_from) != entry.is_public(new.valid_from):
                paths.add(path)
        entries = [entry for path in paths for entry in (before.files.get(path), after.files.get(path)) if entry]
        slugs = whole | {(entry.collection, entry.slug) for entry in entries}
        appeared = {slug for slug in slugs if self._locales(old, slug) != self._locales(new, slug)}
        return slugs | find_referrers(new, appeared)

    def _all(self, collections: set[str]) -> set[Slug]:
        return {
            (name, slug)
            for each in (self._old, self._new)
            for name in collections & each.shelves.keys()
            for slug in each.shelves[name].slugs
        }

    @staticmethod
    def _locales(catalog: Catalog, slug: Slug) -> set[str]:
        return {entry.locale for entry in _picked(catalog, EVERY_LOCALE, slug).values()}

    def _compare(
        self, slugs: Iterable[Slug], wanted: Wanted, renames: Mapping[str, str] | None
    ) -> tuple[list[Change], Mapping[str, str]]:
        """(what changed under *slugs*, ids after renames to those before).

        Args:
            renames: those that are known; None: find them.
        """
        found: list[Change] = []
        gone: dict[str, Entry] = {}
        come: dict[str, Entry] = {}
        for slug in slugs:
            before, after = (_picked(catalog, wanted.chain, slug) for catalog in (self._old, self._new))
            gone |= {id: entry for id, entry in before.items() if id not in after}
            come |= {id: entry for id, entry in after.items() if id not in before}
            for id in before.keys() & after.keys():
                fields = tuple(self._differing(before[id], after[id], wanted.shape))
                if fields:
                    found.append(Change(change="updated", entry=after[id], before=before[id], fields=fields))
        if renames is None:
            pairs = find_renames(gone.values(), come.values(), self._read_blob)
            renames = {new.id: old.id for old, new in pairs}
        for id, name in renames.items():
            if id in come and name in gone:
                after_one, before_one = come.pop(id), gone.pop(name)
                fields = tuple(self._differing(before_one, after_one, wanted.shape))
                found.append(Change(change="renamed", entry=after_one, before=before_one, fields=fields))
        found += [Change(change="deleted", entry=entry, before=entry) for entry in gone.values()]
        found += [Change(change="created", entry=entry) for entry in come.values()]
        return found, renames

    def _differing(self, before: Entry, after: Entry, shape: Shape) -> Iterator[str]:
        """The names of what the two are shown with differently."""
        if shape.is_plain and self._fragment(self._old, before) == self._fragment(self._new, after):
            one: Mapping[str, Any] = {}
            other: Mapping[str, Any] = {}
        else:
            one, other = self._shown(self._old, before, shape), self._shown(self._new, after, shape)
        for name in dict.fromkeys([*other, *one]):
            if _json(one.get(name)) != _json(other.get(name)) or (name in one) != (name in other):
                yield name
        if _wants_body(shape) and self._has_other_body(before, after):
            yield BODY

    def _fragment(self, catalog: Catalog, entry: Entry) -> bytes:
        return Presenter(catalog, self._sources[catalog].bodies).fragment(entry)

    def _shown(self, catalog: Catalog, entry: Entry, shape: Shape) -> Mapping[str, Any]:
        if shape.is_plain:
            shown: Mapping[str, Any] = orjson.loads(self._fragment(catalog, entry))
            return shown
        # Bodies are compared as they are written: rendering is the same for both.
        plain = Shape(only=shape.only, without=shape.without, include=shape.include, depth=shape.depth)
        return Presenter(catalog, self._sources[catalog].bodies).entry(entry, plain)

    def _has_other_body(self, before: Entry, after: Entry) -> bool:
        had, has = (
            catalog.shelves[entry.collection].collection.has_body
            for catalog, entry in ((self._old, before), (self._new, after))
        )
        if not (had and has):
            return had != has
        return before.blob != after.blob and self._body(self._old, before) != self._body(self._new, after)

    def _body(self, catalog: Catalog, entry: Entry) -> str:
        return read_body(self._sources[catalog].reader.read_blob(BlobId(entry.blob))).lstrip("\r\n")

    def _read_blob(self, blob: BlobId) -> bytes:
        """The bytes of a file of either side."""
        try:
            return self._sources[self._new].reader.read_blob(blob)
        except RepositoryProblem:
            return self._sources[self._old].reader.read_blob(blob)


def _read_otherwise(one: ContentModel, other: ContentModel) -> set[str]:
    """The collections whose entries two models may show differently, though their files are the same."""
    sites = [(each.settings.site.time_zone, each.locales, each.settings.site.default_locale) for each in (one, other)]
    if sites[0] != sites[1]:
        return {*one.collections, *other.collections}
    schemas = [{name: item.fingerprint for name, item in each.collections.items()} for each in (one, other)]
    return {name for name in schemas[0].keys() | schemas[1].keys() if schemas[0].get(name) != schemas[1].get(name)}


def _wants_body(shape: Shape) -> bool:
    return BODY not in shape.without and (not shape.only or not shape.only.keys().isdisjoint((BODY, "toc")))


def _height(tree: Tree) -> int:
    return 1 + max(map(_height, tree.values())) if tree else 0


def _names_referrers(tree: Tree) -> bool:
    return any(name == REFERENCED_BY or _names_referrers(rest) for name, rest in tree.items())


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
