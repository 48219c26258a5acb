"""Field paths: ``title``, ``image.alt``, ``author.name``, ``published_at``: how a query names a value of an entry.

A path is resolved once against the content model, which decides its type, and then read from many entries. It may lead through references;
what it reads there is what the same catalog shows, so that nothing unpublished can be told from the answer. References are also read backwards:
``referenced_by.posts.category`` on a collection that posts refer to.
"""

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from cms.entry import META_KINDS, RESERVED, Entry
from cms.errors import InvalidQuery, helpful
from cms.history import FileHistory
from cms.model import ContentModel
from cms.referrers import referring_fields
from cms.schema import Collection, Field
from cms.settings import find_nearest, nearest

HOPS_LIMIT = 3
PARTS_LIMIT = 16  # each is a step on the stack when the path is read
MEMO_LIMIT = 5000
#: What refers to an entry, and what it refers to, where the collection has no field of that name.
REFERENCED_BY, REFERENCES = "referenced_by", "references"
COUNT = "count"


class Lookup(Protocol):
    """What reading a path needs to know beyond the entry itself."""

    def find_reference(self, value: object, targets: Sequence[str], locale: str) -> Entry | None:
        """The visible entry that a reference names."""
        ...

    def find_referrers(self, entry: Entry, collections: Sequence[str], field: str = "") -> Sequence[Entry]:
        """The visible entries of *collections* that refer to *entry*."""
        ...

    def find_referred(self, entry: Entry) -> Sequence[Entry]:
        """The visible entries that *entry* refers to."""
        ...

    def find_history(self, path: str) -> FileHistory | None:
        """What Git says of the file."""
        ...

    def meta(self, name: str, entry: Entry) -> Any:
        """A field that the API adds, as a comparable value."""
        ...


Reader = Callable[[Entry, Lookup], Sequence[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPath:
    """A resolved path.

    Attributes:
        kind: ``string``, ``integer``, ``number``, ``boolean``, ``date``, ``date-time``, ``object`` or ``any``.
        many: an entry may have several values.
        depends: collections whose entries decide the values too.
        read: the values an entry has, comparable with one another; none when the field is missing.
        meta: a field the API adds.
    """

    text: str
    kind: str
    many: bool
    read: Reader
    field: Field | None = None
    depends: frozenset[str] = frozenset()
    meta: bool = False


def shown_fields(collection: Collection) -> dict[str, Field]:
    """The fields of a collection under the names that the API shows."""
    return {f"{name}_" if name in RESERVED else name: item for name, item in collection.fields.items()}


def resolve_path(model: ContentModel, collection: Collection, text: str, *, parameter: str = "") -> FieldPath:
    """Find what *text* names in *collection*.

    Raises:
        InvalidQuery: no such field; names the nearest one.
    """
    key = ("path", collection.name, text)
    found: FieldPath | None = model.memo.get(key)
    if found is None:
        if text.count(".") >= PARTS_LIMIT:
            raise InvalidQuery(f"{text[:80]!r} has more than {PARTS_LIMIT} parts", parameter=parameter or None)
        found = _resolve(model, collection, text.split("."), text, parameter, 0)
        if len(model.memo) < MEMO_LIMIT:
            model.memo[key] = found
    return found


def _resolve(
    model: ContentModel, collection: Collection, parts: list[str], text: str, parameter: str, hops: int
) -> FieldPath:
    head, rest = parts[0], parts[1:]
    fields = shown_fields(collection)
    item = fields.get(head)
    if item is None or (head in META_KINDS and not rest and not item.references):
        if head in META_KINDS and not rest:
            return _meta_path(head, text)
        if item is None and head in REVERSED:
            return REVERSED[head](model, collection, rest, text, parameter, hops)
        if item is None:
            raise _unknown(head, [*fields, *META_KINDS, *REVERSED], collection, text, parameter)
    if rest and item.references:
        return _through(model, item, rest, text, parameter, hops)
    read: Reader = _own(head)
    for index, part in enumerate(rest):
        inside = item.properties.get(part)
        if inside is None:
            if item.properties or item.kind not in ("object", "any"):
                raise _unknown(part, list(item.properties), collection, text, parameter)
            inside = Field(name=part, kinds=frozenset())
        if inside.references and rest[index + 1 :]:
            raise InvalidQuery(f"{text!r}: a reference inside an object cannot be followed", parameter=parameter)
        read, item = _inside(read, part), inside
    if item.references:
        return _reference_path(item, read, text)
    return FieldPath(text=text, kind=path_kind(item), many=True, read=_comparable(read, path_kind(item)), field=item)


def path_kind(item: Field) -> str:
    """The type of the values of *item*, dates apart from other texts."""
    return item.format if item.format in ("date", "date-time") and item.kind == "string" else item.kind


def _unknown(name: str, known: list[str], collection: Collection, text: str, parameter: str) -> InvalidQuery:
    hint = nearest(name, known)
    place = f" ({text!r})" if text != name else ""
    return InvalidQuery(
        f"{collection.name} has no field {name!r}{place}{hint}",
        parameter=parameter or None,
        nearest=find_nearest(name, known),
    )


def _own(name: str) -> Reader:
    def read(entry: Entry, lookup: Lookup) -> Sequence[Any]:
        del lookup
        value = entry.parsed.fields.get(name)
        if value is None:
            return ()
        if type(value) is not list:
            return (value,)
        return value if None not in value else [part for part in value if part is not None]

    return read


def _inside(outer: Reader, name: str) -> Reader:
    def read(entry: Entry, lookup: Lookup) -> Sequence[Any]:
        found: list[Any] = []
        for value in outer(entry, lookup):
            inner = value.get(name) if isinstance(value, dict) else None
            if isinstance(inner, list):
                found += [part for part in inner if part is not None]
            elif inner is not None:
                found.append(inner)
        return found

    return read


def _meta_path(name: str, text: str) -> FieldPath:
    def read(entry: Entry, lookup: Lookup) -> Sequence[Any]:
        value = lookup.meta(name, entry)
        return () if value is None else (value,)

    return FieldPath(text=text, kind=META_KINDS[name], many=False, read=read, meta=True)


def _reference_path(item: Field, outer: Reader, text: str) -> FieldPath:
    targets = item.references

    def read(entry: Entry, lookup: Lookup) -> Sequence[Any]:
        found = []
        for value in outer(entry, lookup):
            target = lookup.find_reference(value, targets, entry.locale)
            if target is not None:
                found.append(target.slug)
        return found

    return FieldPath(text=text, kind="string", many=True, read=read, field=item, depends=frozenset(targets))


def _through(model: ContentModel, item: Field, rest: list[str], text: str, parameter: str, hops: int) -> FieldPath:
    if hops >= HOPS_LIMIT:
        raise InvalidQuery(f"{text!r} follows more than {HOPS_LIMIT} references", parameter=parameter)
    inner: dict[str, FieldPath] = {}
    problem: InvalidQuery | None = None
    for target in item.references:
        if target in model.collections:
            try:
                inner[target] = _resolve(model, model.collections[target], rest, text, parameter, hops + 1)
            except InvalidQuery as error:
                problem = helpful(problem, error)
    if not inner:
        raise problem or InvalidQuery(f"{text!r} leads to no collection", parameter=parameter)
    first = next(iter(inner.values()))
    kinds = {path.kind for path in inner.values()}
    kind = first.kind if len(kinds) == 1 else "number" if kinds == {"integer", "number"} else "any"
    name = f"{item.name}_" if item.name in RESERVED else item.name
    targets = item.references

    def read(entry: Entry, lookup: Lookup) -> Sequence[Any]:
        value = entry.parsed.fields.get(name)
        found: list[Any] = []
        for part in value if isinstance(value, list) else () if value is None else (value,):
            target = lookup.find_reference(part, targets, entry.locale)
            if target is not None and target.collection in inner:
                found += inner[target.collection].read(target, lookup)
        return found

    depends = frozenset(targets).union(*(path.depends for path in inner.values()))
    return FieldPath(text=text, kind=kind, many=True, read=read, field=first.field, depends=depends)


def _referred(
    model: ContentModel, collection: Collection, rest: list[str], text: str, parameter: str, hops: int
) -> FieldPath:
    """``references``: ``collection/slug`` of everything that an entry refers to, by whichever field."""
    del hops
    targets = dict.fromkeys(
        target for item in collection.walk_fields() for target in item.references if target in model.collections
    )
    if rest or not targets:
        raise InvalidQuery(
            f"{text!r}: {REFERENCES} has no fields; follow the field that refers, as author.name"
            if targets
            else f"entries of {collection.name} refer to nothing",
            parameter=parameter or None,
        )

    def read(entry: Entry, lookup: Lookup) -> Sequence[Any]:
        return list(dict.fromkeys(_named(target) for target in lookup.find_referred(entry)))

    return FieldPath(
        text=text, kind="string", many=True, read=read, field=_pointer(REFERENCES, targets), depends=frozenset(targets)
    )


def _backwards(
    model: ContentModel, collection: Collection, rest: list[str], text: str, parameter: str, hops: int
) -> FieldPath:
    """``referenced_by``, ``referenced_by.posts``, ``referenced_by.posts:author.title``, and ``.count`` behind the first two."""
    referring = referring_fields(model, collection.name)
    if not referring:
        raise InvalidQuery(
            f"no field of any collection refers to entries of {collection.name}", parameter=parameter or None
        )
    if hops >= HOPS_LIMIT:
        raise InvalidQuery(f"{text!r} follows more than {HOPS_LIMIT} references", parameter=parameter)
    sources, by, name = tuple(referring), "", _named
    if rest and rest[0] != COUNT:
        source, by = _source(model, referring, rest[0], text, parameter)
        sources, rest, name = (source,), rest[1:], _slug
    others = {target for source in sources for item in referring[source] for target in item.references}
    depends = frozenset((others - {collection.name}) | set(sources))
    if rest and (rest != [COUNT] or (len(sources) == 1 and COUNT in shown_fields(model.collections[sources[0]]))):
        inner = _resolve(model, model.collections[sources[0]], rest, text, parameter, hops + 1)

        def read_further(entry: Entry, lookup: Lookup) -> Sequence[Any]:
            return [
                value for source in lookup.find_referrers(entry, sources, by) for value in inner.read(source, lookup)
            ]

        return replace(inner, text=text, many=True, read=read_further, depends=depends | inner.depends, meta=False)
    if rest:
        return FieldPath(
            text=text,
            kind="integer",
            many=False,
            read=lambda entry, lookup: (len(lookup.find_referrers(entry, sources, by)),),
            depends=depends,
        )
    return FieldPath(
        text=text,
        kind="string",
        many=True,
        read=lambda entry, lookup: [name(source) for source in lookup.find_referrers(entry, sources, by)],
        field=_pointer(REFERENCED_BY, sources),
        depends=depends,
    )


def _source(
    model: ContentModel, referring: Mapping[str, Sequence[Field]], part: str, text: str, parameter: str
) -> tuple[str, str]:
    """(collection, field) that ``posts`` or ``posts:author`` names; the field is empty for any."""
    name, colon, shown = part.partition(":")
    if name not in referring:
        known = [*referring, COUNT]
        raise InvalidQuery(
            f"{text!r}: what refers here are entries of {', '.join(referring)}{nearest(name, known)}",
            parameter=parameter or None,
            nearest=find_nearest(name, known),
        )
    if not colon:
        return name, ""
    heads = {item.name.partition(".")[0] for item in referring[name]}
    fields = [key for key, item in shown_fields(model.collections[name]).items() if item.name in heads]
    if shown not in fields:
        raise InvalidQuery(
            f"{text!r}: {name} refer here by {', '.join(fields)}{nearest(shown, fields)}",
            parameter=parameter or None,
            nearest=find_nearest(shown, fields),
        )
    return name, shown_fields(model.collections[name])[shown].name


def _pointer(name: str, targets: Iterable[str]) -> Field:
    """A field as it would be if it stood in the file."""
    return Field(name=name, kinds=frozenset({"string"}), many=True, references=tuple(targets))


def _slug(entry: Entry) -> str:
    return entry.slug


def _named(entry: Entry) -> str:
    return f"{entry.collection}/{entry.slug}"


REVERSED = {REFERENCED_BY: _backwards, REFERENCES: _referred}


def _comparable(read: Reader, kind: str) -> Reader:
    """Turn texts that are moments into seconds, which compare as the moments do."""
    if kind != "date-time":
        return read

    def read_moments(entry: Entry, lookup: Lookup) -> Sequence[Any]:
        return [moment for value in read(entry, lookup) if (moment := _seconds(value)) is not None]

    return read_moments


def _seconds(value: object) -> float | None:
    """A moment as seconds; where a schema allows a moment or something else there may be something else."""
    try:
        return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else None
    except ValueError:
        return None


SCANDINAVIAN = str.maketrans({"æ": "{", "ø": "|", "å": "}", "ä": "{", "ö": "|"})


def collate(text: str) -> str:
    """A sort key for *text*: case and accents aside, æ ø å behind z, as Norwegian readers expect."""
    folded = text.casefold()
    if folded.isascii():
        return folded
    folded = unicodedata.normalize("NFC", folded).translate(SCANDINAVIAN)
    if folded.isascii():
        return folded
    return "".join(
        character for character in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(character)
    )


def paths_of(collection: Collection) -> Iterator[str]:
    """Every field name that a query may use on *collection*, without following references."""
    for name, item in shown_fields(collection).items():
        yield name
        for inner in item.properties:
            yield f"{name}.{inner}"
    yield from META_KINDS
