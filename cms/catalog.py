"""The catalog: what the public may see at one moment, in the orders that queries ask for.

A :class:`Catalog` belongs to one snapshot and to the interval of time in which the same entries are visible: between two moments at which
an embargo ends or an entry expires nothing changes. Both a new commit and such a moment make the next catalog from this one, at the cost
of what differs. Lists, details, relations, facets, counts and search all read the catalog, so none of them can tell more than another.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from email.utils import formatdate
from functools import partial
from typing import Any, NamedTuple, Protocol

from cms.dependencies import Keys, next_moments, surrogate_keys
from cms.entry import Entry
from cms.fieldpath import FieldPath, Lookup
from cms.history import FileHistory
from cms.layers import Layers
from cms.orders import Order, SortSpec, put_in, sort_key, take_out
from cms.referrers import find_referred, find_referrers
from cms.schema import Collection
from cms.snapshot import Snapshot
from cms.view import Label

LocaleChain = tuple[str, ...]
EVERY_LOCALE: LocaleChain = ("*",)
SELECTIONS_LIMIT = 64
ORDERS_LIMIT = 32
POSTINGS_LIMIT = 64
#: Where a file may list its earlier slugs: our name and Hugo's, and that of Jekyll.
ALIASES = ("aliases", "redirect_from")


DATED = re.compile(r"\{(?:year|month|day)\}")


class Derived(Protocol):
    """Something that was worked out from a whole catalog, is kept with it, and can follow it to the next one."""

    def advance(self, removed: Sequence[Entry], added: Sequence[Entry]) -> "Derived":
        """The same for the next catalog; costs in proportion to what differs."""


class Fragment(NamedTuple):
    """The plain form of an entry as JSON, and a digest of it."""

    body: bytes
    digest: bytes


class Selection:
    """The entries of one collection, one for each slug by a chain of locales (or each locale for itself), in several orders."""

    __slots__ = ("documents", "orders", "postings")

    def __init__(self) -> None:
        self.documents: Layers[list[Entry]] | None = None
        self.orders: dict[SortSpec, Order] = {}
        self.postings: dict[tuple[str, SortSpec], tuple[FieldPath, dict[Any, list[Entry]]]] = {}


class Shelf:
    """The visible entries of one collection, by slug; the entries of a slug by (locale, path)."""

    def __init__(self, collection: Collection, slugs: Layers[tuple[Entry, ...]], count: int) -> None:
        self.collection = collection
        self.slugs = slugs
        self.count = count
        self.selections: dict[LocaleChain, Selection] = {}
        self.aliases: dict[str, str] | None = None


def pick(entries: Sequence[Entry], chain: LocaleChain) -> list[Entry]:
    """Of the entries of one slug those that a request for *chain* gets; ``""`` in a chain stands for whatever there is.

    Where two files claim the same key the first by path is served; ``cms check`` names the other.
    """
    if chain == EVERY_LOCALE:
        return list({entry.locale: entry for entry in reversed(entries)}.values())[::-1]
    for locale in chain:
        for entry in entries:
            if entry.locale == locale or not locale:
                return [entry]
    return []


class Catalog:
    """Everything visible from ``valid_from`` until just before ``valid_until`` (seconds since 1970), at one commit."""

    def __init__(self, snapshot: Snapshot, now: float) -> None:
        """Make a catalog from nothing; costs in proportion to the site. See :meth:`advance`."""
        self._prepare(snapshot, now)
        grouped: dict[str, dict[str, list[Entry]]] = {name: {} for name in snapshot.model.collections}
        for entry in snapshot.files.values():
            if entry.is_public(now):
                grouped[entry.collection].setdefault(entry.slug, []).append(entry)
        self.shelves: dict[str, Shelf] = {
            name: Shelf(
                snapshot.model.collections[name],
                Layers({slug: _in_place(entries) for slug, entries in slugs.items()}),
                sum(map(len, slugs.values())),
            )
            for name, slugs in grouped.items()
        }

    def _prepare(self, snapshot: Snapshot, now: float) -> None:
        self.snapshot = snapshot
        self.model = snapshot.model
        self.zone = snapshot.model.zone
        self.valid_from = now
        self.valid_until = next_moment(snapshot.timed.values(), now)
        growing = snapshot.refused.values() if snapshot.model.is_inferred else ()
        self.moments = next_moments(snapshot.timed.values(), growing, now)
        #: Itself, for the next one to name; and the one that this was advanced from, with the keys of what is different in it.
        self.mark = object()
        self.news: tuple[object, Keys] | None = None
        #: Seconds since 1970 of the last change: the commit, or the last moment at which something appeared or disappeared.
        self.changed_at: float = max(
            min(snapshot.commit.committed_at.timestamp(), now), last_moment(snapshot.timed.values(), now)
        )
        self.last_modified = formatdate(self.changed_at, usegmt=True)
        site = snapshot.model.settings.site
        rest = tuple(locale for locale in site.locales if locale != site.default_locale)
        self.default_chain: LocaleChain = (site.default_locale, *rest, "")
        self.fragments: Layers[Fragment] = Layers({})
        self.answers: dict[tuple[str, bytes], Any] = {}
        self.derived: dict[str, Derived] = {}
        self.referrers: dict[tuple[str, str], set[str]] = {}
        #: What answers say of the view; None: it is what everybody sees now.
        self.label: Label | None = None

    def advance(self, snapshot: Snapshot, now: float) -> "Catalog":
        """The catalog of *snapshot* at *now*, from this one where they are neighbours."""
        if snapshot is not self.snapshot and (snapshot.changed is None or snapshot.model is not self.model):
            return Catalog(snapshot, now)
        paths = set(snapshot.changed or ()) if snapshot is not self.snapshot else set()
        paths |= {
            path
            for path, entry in self.snapshot.timed.items()
            if entry.is_public(now) != entry.is_public(self.valid_from)
        }
        removed, added = [], []
        for path in paths:
            before, after = self.snapshot.files.get(path), snapshot.files.get(path)
            if before is not None and before.is_public(self.valid_from):
                removed.append(before)
            if after is not None and after.is_public(now):
                added.append(after)
        new = Catalog.__new__(Catalog)
        new._prepare(snapshot, now)
        new.shelves = {}
        changed: dict[str, dict[str, tuple[Entry, ...]]] = {}
        for name, shelf in self.shelves.items():
            gone = [entry for entry in removed if entry.collection == name]
            come = [entry for entry in added if entry.collection == name]
            new.shelves[name], changed[name] = _advance_shelf(shelf, gone, come)
        # Only now: an order of one collection may ask for entries of every other one.
        touched = {entry.collection for entry in (*removed, *added)}
        for name in new.shelves:
            new._advance_selections(self, name, changed[name].keys(), touched)
        new._advance_fragments(self, paths, removed, added)
        new.derived = {name: item.advance(removed, added) for name, item in self.derived.copy().items()}
        new.news = (self.mark, surrogate_keys(removed, added))
        return new

    def forget_rendered(self) -> None:
        """Let go of what was rendered, in a copy that is to be rendered otherwise."""
        self.fragments, self.answers, self.referrers = Layers({}), {}, {}

    def _advance_selections(self, old: "Catalog", name: str, slugs: Iterable[str], touched: set[str]) -> None:
        before, after = old.shelves[name].slugs, self.shelves[name].slugs
        # A copy, here and below: requests that still read the old catalog may add to it meanwhile.
        for chain, selection in old.shelves[name].selections.copy().items():
            removed = [entry for slug in slugs for entry in pick(before.get(slug, ()), chain)]
            added = [entry for slug in slugs for entry in pick(after.get(slug, ()), chain)]
            self.shelves[name].selections[chain] = self._advance_selection(old, selection, removed, added, touched)

    def _advance_selection(
        self, catalog: "Catalog", old: Selection, removed: list[Entry], added: list[Entry], touched: set[str]
    ) -> Selection:
        new = Selection()
        if old.documents is not None:
            texts: dict[str, list[Entry]] = {}
            for entry in removed:
                same = texts.get(entry.document_id, old.documents.get(entry.document_id, []))
                texts[entry.document_id] = [other for other in same if other is not entry]
            for entry in added:
                same = texts.get(entry.document_id, old.documents.get(entry.document_id, []))
                texts[entry.document_id] = sorted([*same, entry], key=_slug_and_locale)
            new.documents = old.documents.changed({id: entries or None for id, entries in texts.items()})
        for spec, order in old.orders.copy().items():
            if all(touched.isdisjoint(path.depends) for path in order.paths):
                new.orders[spec] = order.advance(catalog, self, removed, added)
        for (name, spec), (path, lists) in old.postings.copy().items():
            after = new.orders.get(spec)
            if after is not None and touched.isdisjoint(path.depends):
                lists = lists.copy()
                for entry in removed:
                    _unlist(lists, entry, path.read(entry, catalog), partial(after.key, catalog))
                for entry in added:
                    for value in set(path.read(entry, self)):
                        fitting = lists.get(value, []).copy()
                        put_in(fitting, entry, partial(after.key, self))
                        lists[value] = fitting
                new.postings[name, spec] = (path, lists)
        return new

    def _advance_fragments(
        self, old: "Catalog", paths: set[str], removed: Sequence[Entry], added: Sequence[Entry]
    ) -> None:
        """Keep rendered fragments that cannot have changed: neither their file nor the existence of what they name."""
        before = {(entry.collection, entry.slug, entry.locale) for entry in removed}
        after = {(entry.collection, entry.slug, entry.locale) for entry in added}
        # What is kept is taken first: who renders meanwhile registers what it refers to before it keeps the result.
        kept = old.fragments.changed({})
        self.referrers = old.referrers
        stale = set(paths)
        for collection, slug, _ in before ^ after:
            stale |= old.referrers.get((collection, slug), set())
        self.fragments = kept.changed(dict.fromkeys(stale))

    # -- reading ---------------------------------------------------------------------------------------------------

    def find(self, collection: str, slug: str, chain: LocaleChain) -> Entry | None:
        """The visible entry of that slug that *chain* prefers."""
        shelf = self.shelves.get(collection)
        found = pick(shelf.slugs.get(slug, ()), chain) if shelf is not None else []
        return found[0] if found else None

    def find_alias(self, collection: str, alias: str) -> str | None:
        """The slug of the visible entry that has *alias* among its earlier ones; the first slug when several have."""
        shelf = self.shelves[collection]
        if shelf.aliases is None:
            found: dict[str, str] = {}
            for slug, entries in shelf.slugs.items():
                for entry in entries:
                    for names in map(entry.parsed.fields.get, ALIASES):
                        for name in names if isinstance(names, list) else [names] if names else ():
                            known = str(name).strip("/")
                            found[known] = min(slug, found.get(known, slug))
            shelf.aliases = found
        return shelf.aliases.get(alias.strip("/"))

    def translations(self, entry: Entry) -> list[Entry]:
        """The visible entries of the same slug in other locales."""
        same = pick(self.shelves[entry.collection].slugs.get(entry.slug, ()), EVERY_LOCALE)
        return [other for other in same if other.locale != entry.locale]

    def find_reference(self, value: object, targets: Sequence[str], locale: str) -> Entry | None:
        """The visible entry that a reference names: ``slug``, or ``collection/slug`` where several are allowed."""
        if not isinstance(value, str | int):
            return None
        slug = str(value)
        chain = (locale, *self.default_chain)
        for target in targets:
            found = self.find(target, slug, chain)
            if found is None and slug.startswith(f"{target}/"):
                found = self.find(target, slug[len(target) + 1 :], chain)
            if found is not None:
                return found
        return None

    def find_referrers(self, entry: Entry, collections: Sequence[str], field: str = "") -> list[Entry]:
        """See :func:`cms.referrers.find_referrers`."""
        return find_referrers(self, entry, collections, field)

    def find_referred(self, entry: Entry) -> list[Entry]:
        """See :func:`cms.referrers.find_referred`."""
        return find_referred(self, entry)

    def find_history(self, path: str) -> FileHistory | None:
        """What Git says of the file."""
        return self.snapshot.history.get(path)

    def url_of(self, entry: Entry) -> str | None:
        """Where the site shows the entry: its own ``url``, or the collection's ``x-url`` filled in."""
        if entry.parsed.url is not None:
            return entry.parsed.url
        pattern = self.model.collections[entry.collection].url
        if pattern is None or (entry.published_at is None and DATED.search(pattern)):
            return None
        moment = _local(entry.published_at, self)
        return (
            pattern.replace("{slug}", entry.slug)
            .replace("{locale}", entry.locale)
            .replace("{year}", moment[:4])
            .replace("{month}", moment[5:7])
            .replace("{day}", moment[8:10])
        )

    def meta(self, name: str, entry: Entry) -> Any:
        """A field that the API adds, as a comparable value: moments in seconds since 1970."""
        if name in ("slug", "locale", "path", "collection", "id", "published_at"):
            return getattr(entry, name)
        if name in ("created_at", "updated_at", "first_author", "last_author"):
            history = self.snapshot.history.get(entry.path)
            if history is None:
                return None
            value = getattr(history, name)
            return value.timestamp() if name.endswith("_at") else value
        if name == "url":
            return self.url_of(entry)
        return "published"

    # -- orders ----------------------------------------------------------------------------------------------------

    def selection(self, collection: str, chain: LocaleChain) -> Selection:
        """The entries of *collection* for *chain*, picked once."""
        shelf = self.shelves[collection]
        found = shelf.selections.get(chain)
        if found is None:
            found = Selection()
            picked = [entry for entries in shelf.slugs.values() for entry in pick(entries, chain)]
            found.orders[()] = self._sorted(shelf.collection, picked, ())
            _make_room(shelf.selections, SELECTIONS_LIMIT)
            shelf.selections[chain] = found
        return found

    def order(self, collection: str, chain: LocaleChain, spec: SortSpec, lookup: Lookup | None = None) -> list[Entry]:
        """All entries of a selection in the order *spec*, made once; *lookup* reads in this catalog's place."""
        selection = self.selection(collection, chain)
        found = selection.orders.get(spec)
        if found is None:
            everything = selection.orders[()].entries
            found = self._sorted(self.shelves[collection].collection, everything, spec, lookup)
            _make_room(selection.orders, ORDERS_LIMIT, keep=())
            selection.orders[spec] = found
        return found.entries

    def _sorted(
        self, collection: Collection, entries: Iterable[Entry], spec: SortSpec, lookup: Lookup | None = None
    ) -> Order:
        key, paths = sort_key(self.model, collection, spec)
        return Order(sorted(entries, key=partial(key, lookup or self)), key, paths)

    def posting(
        self, collection: str, chain: LocaleChain, spec: SortSpec, path: FieldPath, lookup: Lookup | None = None
    ) -> Mapping[Any, list[Entry]]:
        """For each value of *path*, whose values must be scalars, the entries that have it in the order *spec*; made once."""
        selection = self.selection(collection, chain)
        found = selection.postings.get((path.text, spec))
        if found is None:
            lists: dict[Any, list[Entry]] = {}
            for entry in self.order(collection, chain, spec, lookup):
                values = path.read(entry, lookup or self)
                for value in values if len(values) < 2 else dict.fromkeys(values):
                    lists.setdefault(value, []).append(entry)
            _make_room(selection.postings, POSTINGS_LIMIT)
            found = selection.postings[path.text, spec] = (path, lists)
        return found[1]

    def documents(self, collection: str, chain: LocaleChain) -> Mapping[str, list[Entry]]:
        """The entries of a selection by the id that full-text search knows their text by; made once."""
        selection = self.selection(collection, chain)
        if selection.documents is None:
            selection.documents = Layers(group_documents(selection.orders[()].entries))
        return selection.documents


def _advance_shelf(old: Shelf, removed: list[Entry], added: list[Entry]) -> tuple[Shelf, dict[str, tuple[Entry, ...]]]:
    """The shelf with other entries and no selections yet, and what stands under the slugs that changed."""
    slugs = old.slugs
    changed: dict[str, tuple[Entry, ...]] = {}
    for entry in removed:
        left = tuple(other for other in changed.get(entry.slug, slugs.get(entry.slug, ())) if other is not entry)
        changed[entry.slug] = left
    for entry in added:
        changed[entry.slug] = _in_place([*changed.get(entry.slug, slugs.get(entry.slug, ())), entry])
    slugs = slugs.changed({slug: entries or None for slug, entries in changed.items()})
    return Shelf(old.collection, slugs, old.count - len(removed) + len(added)), changed


def _unlist(lists: dict[Any, list[Entry]], entry: Entry, values: Iterable[Any], key: Callable[[Entry], Any]) -> None:
    for value in set(values) & lists.keys():
        fitting = lists[value].copy()
        take_out(fitting, entry, key)
        if fitting:
            lists[value] = fitting
        else:
            del lists[value]


def _make_room(kept: dict[Any, Any], limit: int, keep: Any = None) -> None:
    """Forget the oldest of *kept* when it is full, so that odd questions cannot fill the memory."""
    while len(kept) >= limit:
        oldest = next((key for key in list(kept) if key != keep), None)
        if oldest is None:
            break
        kept.pop(oldest, None)


def _slug_and_locale(entry: Entry) -> tuple[str, str]:
    return entry.slug, entry.locale


def group_documents(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """*entries* by document id; several when the same bytes stand at several paths."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.document_id, []).append(entry)
    return found


def _in_place(entries: list[Entry]) -> tuple[Entry, ...]:
    if len(entries) > 1:
        entries.sort(key=lambda entry: (entry.locale, entry.path))
    return tuple(entries)


def _local(seconds: float | None, catalog: Catalog) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, catalog.zone).isoformat()


def last_moment(timed: Iterable[Entry], now: float) -> float:
    """The last moment up to *now* at which an embargo ended or an entry expired; 0 when there was none."""
    return max((moment for entry in timed for moment in entry.moments if moment <= now), default=0.0)


def next_moment(timed: Iterable[Entry], now: float) -> float:
    """The first moment after *now* at which an embargo ends or an entry expires; infinity when there is none."""
    moments = (moment for entry in timed for moment in entry.moments if moment > now)
    return min(moments, default=math.inf)
