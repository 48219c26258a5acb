"""What lists can be asked to count, as OpenAPI: facets, aggregates, groups, and what is listed once, for the fields of this very site.

The names of fields are components of their own, since several parameters take the same. They list what is one step away; a path may go further.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cms.aggregate import FUNCTIONS, GROUP_LIMIT_DEFAULT, GROUP_LIMIT_MOST, GROUPED_MOST
from cms.api.openapi_parts import COUNT, TEXT, schema_of, thing
from cms.buckets import DATE_BUCKETS
from cms.counts import FACETS_MOST
from cms.entry import META_KINDS
from cms.errors import InvalidQuery
from cms.fieldpath import REFERENCED_BY, REFERENCES, FieldPath, paths_of, resolve_path, shown_fields
from cms.model import ContentModel
from cms.referrers import referring_fields
from cms.schema import Collection

Json = dict[str, Any]
#: Widths of ranges that are offered; any other can be asked for as well.
WIDTHS = (1, 5, 10, 50, 100, 1000)
MEANINGS = {
    "count": "Entries that have a value of these fields; `*`: all entries.",
    "distinct": "How many different values these fields have.",
    "min": "The least value of each of these fields: of numbers, dates or texts, as these sort.",
    "max": "The greatest value of each of these fields.",
    "sum": "The values of each of these fields, added up.",
    "avg": "The average of the values of each of these fields.",
}
RANGES = "Dates by `.year`, `.month` or `.day`; numbers by ranges of one width (`price.100`) or between edges that ascend (`price.0..50..500`)."


class CountedFields:
    """The fields of one collection that can be counted."""

    def __init__(self, model: ContentModel, collection: Collection, word: str) -> None:
        """*word* is what the components of the collection are named with."""
        self._word = word
        self._collection = collection
        self.paths = list(_paths(model, collection))
        self.offered = [name for name, item in shown_fields(collection).items() if item.facet]

    @property
    def names(self) -> list[str]:
        """Everything that has values."""
        return [path.text for path in self.paths]

    @property
    def ranged(self) -> list[str]:
        """The same, and the ranges of dates and numbers."""
        found: list[str] = []
        for path in self.paths:
            ranges: Iterable[object] = ()
            if path.kind.startswith("date"):
                ranges = DATE_BUCKETS
            elif path.kind in ("integer", "number"):
                ranges = WIDTHS
            found += [path.text, *(f"{path.text}.{part}" for part in ranges)]
        return found

    def measured(self, function: str) -> list[str]:
        """What *function* takes."""
        if function in ("sum", "avg"):
            return [path.text for path in self.paths if path.kind in ("integer", "number")]
        if function in ("min", "max"):
            return [path.text for path in self.paths if path.kind != "boolean"]
        return ["*", *self.names] if function == "count" else self.names

    def schemas(self) -> dict[str, Json]:
        """The components."""
        return {
            f"{self._word}Path": _enum(
                self.names, f"{self._collection.title}: a field, or one that is one reference away."
            ),
            f"{self._word}Facet": _enum(self.ranged, f"{self._collection.title}: a field, or ranges of its values."),
        }

    def parameters(self) -> list[Json]:
        """What a list takes."""
        facet = schema_of(f"{self._word}Facet")
        return [
            _facet(facet, self.offered),
            {"$ref": "#/components/parameters/facetLimit"},
            *(_measure(function, self.measured(function)) for function in FUNCTIONS if self.measured(function)),
            _groups(facet, self.offered),
            {"$ref": "#/components/parameters/groupLimit"},
            _distinct(facet, self.offered),
        ]


def _paths(model: ContentModel, collection: Collection) -> Iterator[FieldPath]:
    """Everything with values, up to one reference away in either direction."""
    names = [*META_KINDS, *paths_of(collection)]
    for name, item in shown_fields(collection).items():
        targets = [model.collections[target] for target in item.references if target in model.collections]
        names += [f"{name}.{inner}" for target in targets for inner in shown_fields(target)]
    own = shown_fields(collection)
    referring = referring_fields(model, collection.name)
    if referring and REFERENCED_BY not in own:
        names += [REFERENCED_BY, f"{REFERENCED_BY}.count"]
        names += [f"{REFERENCED_BY}.{name}{end}" for name in referring for end in ("", ".count")]
    if REFERENCES not in own:
        names.append(REFERENCES)
    for name in dict.fromkeys(names):
        try:
            path = resolve_path(model, collection, name)
        except InvalidQuery:
            continue
        if path.kind != "object":
            yield path


def shared_count_parameters() -> dict[str, Json]:
    """The parameters that are the same for every collection, by the name of their component."""
    limit = {"type": "integer", "minimum": 1, "maximum": GROUP_LIMIT_MOST, "default": GROUP_LIMIT_DEFAULT}
    return {"groupLimit": _parameter("group.limit", "Groups to tell of, the first by their order.", limit)}


def search_count_parameters(collections: Sequence[CountedFields]) -> list[Json]:
    """What ``GET /search`` takes: everything that one of *collections* takes."""
    known = {name: True for one in collections for name in one.ranged}
    if not known:
        return []
    ranged = {"type": "string", "enum": list(known)}
    measured = {
        function: list(dict.fromkeys(name for one in collections for name in one.measured(function)))
        for function in FUNCTIONS
    }
    return [
        _facet(ranged, ()),
        {"$ref": "#/components/parameters/facetLimit"},
        *(_measure(function, names) for function, names in measured.items() if names),
        _groups(ranged, ()),
        {"$ref": "#/components/parameters/groupLimit"},
        _distinct(ranged, ()),
    ]


def count_schemas() -> dict[str, Json]:
    """The components of what is told of counts."""
    value = {"type": ["string", "number", "boolean", "null"]}
    group = thing(
        {
            "values": {
                "type": "object",
                "additionalProperties": value,
                "description": "By field; null: the entries that have none.",
            },
            "labels": {"type": "object", "additionalProperties": TEXT, "description": "What values are called."},
            "count": {**COUNT, "description": "Entries in the group."},
            "aggregate": schema_of("Aggregates"),
        },
        optional=("labels", "aggregate"),
    )
    aggregates: Mapping[str, Json] = {
        function: {
            "type": "object",
            "additionalProperties": COUNT if function in ("count", "distinct") else _results(function),
            "description": MEANINGS[function],
        }
        for function in FUNCTIONS
    }
    return {
        "Aggregates": thing(aggregates, optional=FUNCTIONS, description="Results by function and field."),
        "Group": group,
    }


def _results(function: str) -> Json:
    return {"type": ["number", "null"]} if function in ("sum", "avg") else {"type": ["string", "number", "null"]}


def _enum(names: Sequence[str], description: str) -> Json:
    return {"type": "string", "enum": list(names), "description": description}


def _parameter(name: str, description: str, schema: Json, *, example: Any = None, listed: bool = False) -> Json:
    built: Json = {"name": name, "in": "query", "description": description, "schema": schema}
    if listed:
        built |= {"style": "form", "explode": False}
    return built if example is None else {**built, "example": example}


def _facet(item: Json, offered: Sequence[str]) -> Json:
    made = f" Made for it: {', '.join(f'`{name}`' for name in offered)}." if offered else ""
    return _parameter(
        "facet",
        f"Up to {FACETS_MOST} fields whose values to count over everything that fits; a facet's own filter does not narrow its counts. "
        f"{RANGES}{made}",
        {"type": "array", "items": item},
        example=list(offered[:2]) or None,
        listed=True,
    )


def _groups(item: Json, offered: Sequence[str]) -> Json:
    return _parameter(
        "group_by",
        "Fields, each combination of whose values makes a group, with its number of entries and its aggregates; ranges as for `facet`. Alias: "
        "`groupBy`.",
        {"type": "array", "items": item, "maxItems": GROUPED_MOST},
        example=list(offered[:1]) or None,
        listed=True,
    )


def _distinct(item: Json, offered: Sequence[str]) -> Json:
    return _parameter(
        "distinct",
        "List the first entry with each value of this field only, and all that have none; ranges as for `facet`.",
        item,
        example=next(iter(offered), None),
    )


def _measure(function: str, names: Sequence[str]) -> Json:
    return _parameter(
        f"aggregate[{function}]",
        MEANINGS[function],
        {"type": "array", "items": {"type": "string", "enum": list(names)}},
        example=[names[0]],
        listed=True,
    )
