"""How an entry looks in JSON: flat, with references resolved inside the same catalog.

The plain form of an entry is rendered once and kept as bytes with the catalog; lists join these. ``fields``, ``include`` and ``format`` make
other forms from the same parts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from cms.bodies import Bodies
from cms.catalog import Catalog, Fragment
from cms.coerce import timestamp_text
from cms.dates import format_rfc3339
from cms.dependencies import MODEL, Keys, collection_key, entry_key, members_key
from cms.entry import RESERVED, Entry
from cms.errors import InvalidQuery, helpful
from cms.fieldpath import REFERENCED_BY, shown_fields
from cms.layers import Layers
from cms.markdown import reading_minutes
from cms.referrers import referring_fields
from cms.refs import BlobId
from cms.schema import Collection, Field
from cms.settings import find_nearest, nearest

BODY_FORMATS = ("html", "markdown", "text")
FORMATS = (*BODY_FORMATS, "toc")
DEPTH_LIMIT = 3
INCLUDED_LIMIT = 1000
FRAGMENTS_LIMIT = 50_000
NAMED_MOST = 100
BODY_EXTRAS = ("excerpt", "word_count", "reading_minutes")
EXTRAS = (*BODY_EXTRAS, "translations", "body", "toc")
META = (
    "id",
    "collection",
    "slug",
    "locale",
    "path",
    "url",
    "status",
    "created_at",
    "updated_at",
    "published_at",
    "first_author",
    "last_author",
)

Tree = dict[str, "Tree"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What of an entry is wanted.

    Attributes:
        only: names to show, with the names wanted inside references; empty: all.
        without: names to leave out.
        include: references to replace by the entries they name, and the same inside those.
        formats: body formats; empty: no body.
    """

    only: Tree = field(default_factory=dict)
    without: frozenset[str] = frozenset()
    include: Tree = field(default_factory=dict)
    depth: int = 0
    formats: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether the kept fragments are this shape."""
        return not (self.only or self.without or self.include or self.depth or self.formats)


PLAIN = Shape()


class Presenter:
    """Renders entries of one catalog."""

    def __init__(self, catalog: Catalog, bodies: Bodies, asset_url: str = "/api/v1/assets/") -> None:
        self._catalog = catalog
        self._bodies = bodies
        self._asset_url = asset_url
        self._included = 0
        # What was shown, which references were followed, and where one led to nothing: collection and slug, or collection.
        self._shown: set[tuple[str, str]] = set()
        self._named: set[tuple[str, str]] = set()
        self._missed: set[str] = set()
        self._searched: set[str] = set()  # collections in which it was looked for what refers to an entry

    @property
    def keys(self) -> Keys:
        """What the entries depend on that were rendered so far, but for kept fragments.

        A reference that names nothing visible is not told by its name, which may be that of something hidden. Where there would be more than a
        header can hold, collections stand for their entries.
        """
        names = self._shown | self._named
        if len(names) > NAMED_MOST:
            return self.list_keys | {MODEL}
        entries = {entry_key(*name) for name in names}
        return frozenset({MODEL, *entries, *map(members_key, self._missed), *map(collection_key, self._searched)})

    @property
    def list_keys(self) -> Keys:
        """The same collection by collection, for lists."""
        shown = {collection_key(collection) for collection in (*self._searched, *(name for name, _ in self._shown))}
        named = {members_key(collection) for collection, _ in self._named}
        return frozenset(shown | named | {members_key(collection) for collection in self._missed})

    def fragment(self, entry: Entry) -> bytes:
        """The plain form of *entry* as JSON, rendered once for this catalog and its neighbours."""
        return self.piece(entry).body

    def piece(self, entry: Entry) -> Fragment:
        """As :meth:`fragment`, with its digest."""
        catalog = self._catalog
        found: Fragment | None = catalog.fragments.get(entry.path)
        if found is None:
            # A result of orjson keeps its over-sized buffer: a copy takes a tenth of the memory.
            body = bytes(bytearray(orjson.dumps(self.entry(entry, PLAIN, register=True))))
            found = make_fragment(body)
            if catalog.fragments.weight() >= FRAGMENTS_LIMIT:
                catalog.fragments = Layers({})
            catalog.fragments.put(entry.path, found)
        return found

    def render(self, entry: Entry, shape: Shape) -> Fragment:
        """*entry* in *shape* as JSON."""
        return self.piece(entry) if shape.is_plain else make_fragment(orjson.dumps(self.entry(entry, shape)))

    def entry(self, entry: Entry, shape: Shape, *, register: bool = False) -> dict[str, Any]:
        """*entry* in *shape*, ready for JSON."""
        catalog, collection = self._catalog, self._catalog.shelves[entry.collection].collection
        shown = self._meta(entry)
        fields = collection.fields
        for name, value in entry.parsed.fields.items():
            if name in ("slug", "url", "permalink", "locale", "published_at", "excerpt"):
                continue
            item = fields.get(name[:-1] if name.endswith("_") and name[:-1] in RESERVED else name)
            if item is None or not (item.references or item.asset or item.properties):
                shown[name] = value
            else:
                shown[name] = self._value(item, value, entry, name, shape, register)
        excerpt = entry.parsed.fields.get("excerpt")
        if collection.has_body and (not shape.only or not shape.only.keys().isdisjoint(BODY_EXTRAS)):
            digest = self._bodies.digest(BlobId(entry.blob))
            excerpt = excerpt or digest.excerpt
            shown["word_count"] = digest.words
            shown["reading_minutes"] = reading_minutes(digest.words)
        if collection.has_body or excerpt:
            shown["excerpt"] = excerpt
        shown["translations"] = [
            {"id": other.id, "locale": other.locale, "slug": other.slug} for other in catalog.translations(entry)
        ]
        if register:
            catalog.referrers.setdefault((entry.collection, entry.slug), set()).add(entry.path)
        self._shown.add((entry.collection, entry.slug))
        if shape.formats and collection.has_body:
            self._add_body(shown, entry, shape.formats)
        if REFERENCED_BY not in shown and (REFERENCED_BY in shape.include or REFERENCED_BY in shape.only):
            shown[REFERENCED_BY] = self._referrers(entry, shape)
        return _selected(shown, shape)

    def _meta(self, entry: Entry) -> dict[str, Any]:
        catalog = self._catalog
        history = catalog.find_history(entry.path)
        zone = catalog.zone
        return {
            "id": entry.id,
            "collection": entry.collection,
            "slug": entry.slug,
            "locale": entry.locale,
            "path": entry.path,
            "url": catalog.url_of(entry),
            "status": "published",
            "created_at": None if history is None else _written(history.created_at, zone),
            "updated_at": None if history is None else _written(history.updated_at, zone),
            "published_at": timestamp_text(entry.published_at, zone),
            "first_author": None if history is None else history.first_author,
            "last_author": None if history is None else history.last_author,
        }

    def _add_body(self, shown: dict[str, Any], entry: Entry, formats: Sequence[str]) -> None:
        body = self._bodies.get(BlobId(entry.blob))
        wanted = [name for name in formats if name in BODY_FORMATS]
        if len(wanted) == 1:
            shown["body"] = getattr(body, wanted[0])
        elif wanted:
            shown["body"] = {name: getattr(body, name) for name in wanted}
        if "toc" in formats:
            shown["toc"] = [{"level": item.level, "id": item.id, "text": item.text} for item in body.toc]

    def _value(self, item: Field, value: Any, entry: Entry, name: str, shape: Shape, register: bool) -> Any:
        """*value* with references and assets in it resolved; a reference that names nothing visible is null, or not in the list."""
        if isinstance(value, list):
            shown = [self._value(item, part, entry, name, shape, register) for part in value]
            return [part for part in shown if part is not None] if item.references else shown
        if item.references:
            return self._reference(item, value, entry, name, shape, register)
        if item.asset and isinstance(value, str):
            return value if "://" in value or value.startswith("//") else self._asset(value.lstrip("/"))
        if isinstance(value, dict):
            inside = item.properties
            return {
                key: self._value(inside[key], part, entry, f"{name}.{key}", shape, register) if key in inside else part
                for key, part in value.items()
            }
        return value

    def _asset(self, path: str) -> str:
        label = self._catalog.label
        url = self._asset_url + path
        return url if label is None else label.link(url)

    def _reference(self, item: Field, value: Any, entry: Entry, name: str, shape: Shape, register: bool) -> Any:
        catalog = self._catalog
        target = catalog.find_reference(value, item.references, entry.locale)
        names = _names(value, item.references)
        if register:
            for known in names:
                catalog.referrers.setdefault(known, set()).add(entry.path)
        if target is None:
            self._missed.update(item.references)
            return None
        self._named.update(names)
        return self._target(target, name, shape)

    def _referrers(self, entry: Entry, shape: Shape) -> list[dict[str, Any]]:
        """What refers to *entry*, as references are shown."""
        sources = referring_fields(self._catalog.model, entry.collection)
        self._searched.update(sources)
        self._missed.update(name for fields in sources.values() for item in fields for name in item.references)
        return [
            self._target(source, REFERENCED_BY, shape) for source in self._catalog.find_referrers(entry, tuple(sources))
        ]

    def _target(self, target: Entry, name: str, shape: Shape) -> dict[str, Any]:
        """The entry that the field *name* leads to: what identifies it, or all that is wanted of it."""
        nested = shape.include.get(name)
        inside = shape.only.get(name) or {}
        is_key = nested is None and not shape.depth and not inside
        self._included += not is_key or name == REFERENCED_BY
        if self._included > INCLUDED_LIMIT:
            raise InvalidQuery(
                f"the answer would include more than {INCLUDED_LIMIT} entries; ask for fewer with limit, include or depth",
                parameter="include",
            )
        if is_key:
            return {"id": target.id, "collection": target.collection, "slug": target.slug}
        depth = max(0, shape.depth - 1)
        return self.entry(target, Shape(only=inside, include=nested or {}, depth=depth))


def make_fragment(body: bytes) -> Fragment:
    """*body* with its digest."""
    return Fragment(body, blake2b(body, digest_size=12).digest())


def _names(value: object, targets: Sequence[str]) -> set[tuple[str, str]]:
    """The names by which a reference may find something: ``slug``, or ``collection/slug``."""
    if not isinstance(value, str | int):
        return set()
    slug = str(value)
    return {(target, name) for target in targets for name in (slug, slug.removeprefix(f"{target}/"))}


@lru_cache(maxsize=50_000)
def _written(moment: datetime, zone: ZoneInfo) -> str:
    """Many files were changed by one commit."""
    return format_rfc3339(moment, zone)


def _selected(shown: dict[str, Any], shape: Shape) -> dict[str, Any]:
    if shape.only:
        return {name: _inside(shown[name], rest) for name, rest in shape.only.items() if name in shown}
    if shape.without:
        return {name: value for name, value in shown.items() if name not in shape.without}
    return shown


def _inside(value: Any, rest: Tree) -> Any:
    """Of an object, or of each in a list, only the names in *rest*; anything else whole."""
    if not rest:
        return value
    if isinstance(value, list):
        return [_inside(part, rest) for part in value]
    if isinstance(value, dict):
        return {name: _inside(value[name], inner) for name, inner in rest.items() if name in value}
    return value


def known_names(collection: Collection) -> list[str]:
    """The names that ``fields=`` may ask for on *collection*."""
    own = [f"{name}_" if name in RESERVED else name for name in collection.fields]
    return list(dict.fromkeys((*META, *own, *EXTRAS)))


def read_tree(texts: Sequence[str]) -> Tree:
    """``["author.name", "title"]`` as ``{"author": {"name": {}}, "title": {}}``."""
    tree: Tree = {}
    for text in texts:
        level = tree
        for part in text.split("."):
            level = level.setdefault(part, {})
    return tree


def check_tree(tree: Tree, collection: Collection, collections: Mapping[str, Collection], parameter: str) -> None:
    """Refuse a name that an entry of *collection* cannot have, also behind references and inside objects.

    Raises:
        InvalidQuery: names the nearest known one.
    """
    names = known_names(collection)
    fields = shown_fields(collection)
    sources = [other for other in collections.values() if _refers(other, collection)]
    if sources and REFERENCED_BY not in fields:
        names.append(REFERENCED_BY)
    open_ended = collection.schema.get("additionalProperties", True) is not False
    for name, rest in tree.items():
        item = fields.get(name)
        if name == REFERENCED_BY and item is None and sources:
            check_trees(rest, sources, collections, parameter)
            continue
        if parameter == "include" and (item is None or not _leads_on(item)):
            known = [key for key, value in fields.items() if _leads_on(value)] + [REFERENCED_BY] * bool(sources)
            raise _unknown(name, collection, known, parameter, "reference")
        if name not in names and not (open_ended and parameter == "fields"):
            raise _unknown(name, collection, names, parameter, "field")
        if rest and item is None and name in names and name not in ("translations", "toc"):
            raise _unknown(f"{name}.{next(iter(rest))}", collection, names, parameter, "field")
        if rest and item is not None:
            targets = [collections[target] for target in item.references if target in collections]
            if targets:
                check_trees(rest, targets, collections, parameter)
            elif item.properties or item.kind not in ("object", "any"):
                _check_inside(item, rest, parameter)


def check_trees(
    tree: Tree, any_of: Sequence[Collection], collections: Mapping[str, Collection], parameter: str
) -> None:
    """Refuse a name that an entry of none of *any_of* can have.

    Raises:
        InvalidQuery: names the nearest known one.
    """
    for name, rest in tree.items():
        problem: InvalidQuery | None = None
        for target in any_of:
            try:
                check_tree({name: rest}, target, collections, parameter)
                break
            except InvalidQuery as error:
                problem = helpful(problem, error)
        else:
            if problem is not None:
                raise problem


def _refers(source: Collection, target: Collection) -> bool:
    return any(target.name in item.references for item in source.walk_fields())


def _leads_on(item: Field) -> bool:
    return bool(item.references)


def _check_inside(item: Field, tree: Tree, parameter: str) -> None:
    for name in tree:
        if name not in item.properties:
            hint = nearest(name, list(item.properties))
            raise InvalidQuery(
                f"{item.name} has no field {name!r}{hint}",
                parameter=parameter,
                nearest=find_nearest(name, item.properties),
            )


def _unknown(name: str, collection: Collection, known: list[str], parameter: str, kind: str) -> InvalidQuery:
    hint = nearest(name, known)
    return InvalidQuery(
        f"{collection.name} has no {kind} {name!r}{hint}",
        parameter=parameter,
        nearest=find_nearest(name, known),
    )
