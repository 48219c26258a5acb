"""The parameters of every operation, as OpenAPI: what may be filtered, sorted, counted and included in this very site, with examples
from its content."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from cms.api.openapi_counts import CountedFields, search_count_parameters, shared_count_parameters
from cms.catalog import Catalog
from cms.entry import META_KINDS, Entry
from cms.errors import InvalidQuery
from cms.fieldpath import REFERENCED_BY, FieldPath, paths_of, resolve_path, shown_fields
from cms.params import (
    FACET_LIMIT_DEFAULT,
    FACET_LIMIT_MOST,
    LIMIT_DEFAULT,
    LIMIT_MOST,
    OFFSET_MOST,
)
from cms.present import BODY_FORMATS, DEPTH_LIMIT, FORMATS, known_names
from cms.query import default_sort
from cms.schema import Collection

Json = dict[str, Any]
EXAMPLE_LENGTH = 80
LOOKED_AT = 50
WHEN: Json = {
    "type": "string",
    "anyOf": [{"format": "date"}, {"format": "date-time"}, {"pattern": "^[12][0-9]{3}(-(0[1-9]|1[0-2]))?$"}],
}
SCALARS: dict[str, Json] = {
    "integer": {"type": "integer", "minimum": -(10**18) + 1, "maximum": 10**18 - 1},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date": WHEN,
    "date-time": WHEN,
}
SEARCHED = {
    "sort": "As in lists, and instead of by relevance; works within one collection.",
    "fields": "As in lists; names that at least one of the collections has.",
    "include": "As in lists, where a collection has the reference.",
    "filter": "As in lists; a condition leaves out the collections that do not have the field.",
}
MEANINGS = {
    "eq": "`{0}` is this value; given several times: one of them.",
    "gte": "`{0}` is this or more.",
    "lte": "`{0}` is this or less.",
    "contains": "`{0}` has this text in it, upper and lower case told apart.",
    "all": "`{0}` has all of these values.",
    "exists": "`{0}` has a value, or with `false` has none.",
}
FILTER = """The filter, one parameter for each condition; all must hold.

`filter[field]=value` or `filter[field][operator]=value`. Operators: `eq ne lt lte gt gte in nin between` (lists of values separated by
commas), `contains icontains starts ends` (texts), `any all none` (lists), `exists` (true or false). A field may lead through
references: `filter[author.name]=…`. Conditions are joined by `filter[or][0][field]=…&filter[or][1][field]=…` and turned around by
`filter[not][field]=…`, nested up to 8 levels."""


def query_parameter(name: str, description: str, schema: Json, *, example: Any = None, listed: bool = False) -> Json:
    """One parameter; *listed*: values separated by commas."""
    built: Json = {"name": name, "in": "query", "description": description, "schema": schema}
    if listed:
        built |= {"style": "form", "explode": False}
    return built if example is None else {**built, "example": example}


def shared_parameters(locales: Sequence[str]) -> dict[str, Json]:
    """The parameters that are the same for every collection, by the name of their component."""
    filters = {
        f"filter.{name}.{operator}": filter_parameter(name, kind, operator)
        for name, kind in META_KINDS.items()
        for operator in operators(kind, many=False)
    }
    return _page_parameters() | _shape_parameters(locales) | shared_count_parameters() | filters


def _page_parameters() -> dict[str, Json]:
    return {
        "search": query_parameter("search", "Words to search for, as in `/search`. Alias: `q`.", {"type": "string"}),
        "limit": query_parameter(
            "limit",
            "Entries on a page. Aliases: `per_page`, `pageSize`.",
            {"type": "integer", "minimum": 0, "maximum": LIMIT_MOST, "default": LIMIT_DEFAULT},
        ),
        "page": query_parameter(
            "page",
            "Number of the page. Not together with `offset`.",
            {"type": "integer", "minimum": 1, "maximum": OFFSET_MOST, "default": 1},
        ),
        "offset": query_parameter(
            "offset", "Entries to skip. Alias: `skip`.", {"type": "integer", "minimum": 0, "maximum": OFFSET_MOST}
        ),
        "cursor": query_parameter(
            "cursor",
            "Pages of one state, whatever is published meanwhile: begin with `*`, then send what each page gives as `meta.cursor`. Not together with "
            "`page`, `offset` or `search`.",
            {"type": "string", "maxLength": 100},
            example="*",
        ),
        "depth": query_parameter(
            "depth",
            "Include every reference, this many steps deep. Has no effect with `include`.",
            {"type": "integer", "minimum": 0, "maximum": DEPTH_LIMIT, "default": 0},
        ),
        "facetLimit": query_parameter(
            "facet.limit",
            "Values of each facet, the most frequent first.",
            {"type": "integer", "minimum": 1, "maximum": FACET_LIMIT_MOST, "default": FACET_LIMIT_DEFAULT},
        ),
    }


def _shape_parameters(locales: Sequence[str]) -> dict[str, Json]:
    known = {"type": "string", "enum": list(locales)}
    about_locale = "Locale of the entries; without one the site's default locale, then whatever there is."
    return {
        "format": query_parameter(
            "format",
            f"Formats of the body ({', '.join(BODY_FORMATS)}) and the table of contents. Single entries come with `html`, lists without body.",
            {"type": "array", "items": {"type": "string", "enum": list(FORMATS)}},
            example=["html", "toc"],
            listed=True,
        ),
        "locale": query_parameter(
            "locale",
            f"{about_locale} `*`: every locale, each as an entry of its own.",
            {"type": "string", "enum": [*locales, "*"]},
            example=locales[0],
        ),
        "oneLocale": query_parameter("locale", about_locale, known, example=locales[0]),
        "fallback": query_parameter(
            "fallback",
            "Locales to take where the wanted one is missing, in this order.",
            {"type": "array", "items": known},
            example=[locales[-1]],
            listed=True,
        ),
        "highlight": query_parameter(
            "highlight",
            "Whether hits show where the words were found; lists only with `true`, `/search` unless `false`.",
            {"type": "boolean"},
        ),
    }


def operators(kind: str, *, many: bool) -> tuple[str, ...]:
    """The operators worth a parameter of their own; the others are in the description of ``filter``."""
    if many:
        return ("eq", "all")
    return {"string": ("eq", "contains"), "integer": ("eq", "gte", "lte"), "number": ("eq", "gte", "lte")}.get(
        kind, ("eq", "gte", "lte") if kind.startswith("date") else ("eq",)
    )


def filter_parameter(name: str, kind: str, operator: str, example: Any = None) -> Json:
    """``filter[name]`` or ``filter[name][operator]``."""
    spelled = f"filter[{name}]" if operator == "eq" else f"filter[{name}][{operator}]"
    meaning = MEANINGS[operator].format(name)
    if kind.startswith("date"):
        meaning += " A year, a month, a day or a time."
    scalar: Json = {"type": "boolean"} if operator == "exists" else SCALARS.get(kind, {"type": "string"})
    if operator == "all":
        return query_parameter(
            spelled,
            meaning,
            {"type": "array", "items": scalar, "minItems": 1},
            example=[example] if example is not None else None,
            listed=True,
        )
    schema = {"anyOf": [scalar, {"type": "array", "items": scalar, "minItems": 1}]} if operator == "eq" else scalar
    return query_parameter(spelled, meaning, schema, example=example)


class CollectionParameters:
    """The parameters that depend on the fields of one collection."""

    def __init__(self, catalog: Catalog, collection: Collection, word: str) -> None:
        """*word* is what the components of the collection are named with."""
        self.counted = CountedFields(catalog.model, collection, word)
        self._word = word
        self._catalog = catalog
        self._collection = collection
        chain = catalog.default_chain
        self.entries: Sequence[Entry] = catalog.order(collection.name, chain, default_sort(catalog.model, collection))[
            :LOOKED_AT
        ]
        self._paths = list(self._own_paths())

    def of_list(self) -> list[Json]:
        """What ``GET /entries/{collection}`` takes."""
        references = [*self._include()]
        return [
            *(
                _shared(name)
                for name in ("search", "limit", "page", "offset", "cursor", "locale", "fallback", "format")
            ),
            self._sort(),
            self._fields(),
            *([self._included(references), _shared("depth")] if references else []),
            *self.counted.parameters(),
            _shared("highlight"),
            self._filter(),
            *self._filters(),
        ]

    def of_search(self) -> dict[str, Json]:
        """What ``GET /search`` takes of this collection, by name: to be joined with what it takes of the others."""
        return {item["name"]: item for item in self.of_list() if item.get("name") in SEARCHED}

    def of_entry(self) -> list[Json]:
        """What ``GET /entries/{collection}/{slug}`` takes."""
        references = [*self._include()]
        slug: Json = {
            "name": "slug",
            "in": "path",
            "required": True,
            "description": "Slug of the entry; slashes in it may be sent as they are.",
            "schema": {"type": "string", "minLength": 1},
        }
        if self.entries:
            slug["example"] = self.entries[0].slug
        return [
            slug,
            *(_shared(name) for name in ("oneLocale", "fallback", "format")),
            self._fields(),
            *([self._included(references), _shared("depth")] if references else []),
        ]

    def _own_paths(self) -> Iterator[FieldPath]:
        for name in dict.fromkeys(paths_of(self._collection)):
            if name not in META_KINDS:
                try:
                    path = resolve_path(self._catalog.model, self._collection, name)
                except InvalidQuery:
                    continue
                if path.kind != "object":
                    yield path

    def _sort(self) -> Json:
        names = self.counted.names
        spec = default_sort(self._catalog.model, self._collection)
        written = [f"-{name}" if descending else name for name, descending in spec]
        usual = f" Usually by `{','.join(written)}`." if written else ""
        return query_parameter(
            "sort",
            f"Order of the entries by up to 5 fields, `-` in front for descending; entries without a value come last.{usual} Alias: `order`.",
            _words([sign + name for name in names for sign in ("", "-")]),
            example=written or None,
            listed=True,
        )

    def _fields(self) -> Json:
        names = known_names(self._collection)
        names += [REFERENCED_BY] * (REFERENCED_BY in self.counted.names)
        title = self._collection.title_field
        return query_parameter(
            "fields",
            "What to show of an entry; with `-` in front, what to leave out. A name may go on into objects and references: `author.name`. Alias: `select`.",
            _words([*names, *(f"-{name}" for name in names)]),
            example=["slug", *([title] if title in names else [])],
            listed=True,
        )

    def _include(self) -> Iterator[str]:
        collections = self._catalog.model.collections
        for name, item in shown_fields(self._collection).items():
            targets = [collections[target] for target in item.references if target in collections]
            if targets:
                yield name
                for inner in dict.fromkeys(
                    key for target in targets for key, value in shown_fields(target).items() if value.references
                ):
                    yield f"{name}.{inner}"
        if REFERENCED_BY in self.counted.names:
            yield REFERENCED_BY

    def _included(self, references: Sequence[str]) -> Json:
        return query_parameter(
            "include",
            f"References to replace by the entries they name, up to {DEPTH_LIMIT} steps deep (`related.author`). Alias: `populate`.",
            _words(references),
            example=[references[0]],
            listed=True,
        )

    def _filter(self) -> Json:
        properties = {
            path.text: {
                "anyOf": [
                    scalar := SCALARS.get(path.kind, {"type": "string"}),
                    {"type": "array", "items": scalar, "minItems": 1},
                ]
            }
            for path in self._paths
        }
        return deep_object(FILTER, properties)

    def _filters(self) -> list[Json]:
        built: list[Json] = []
        for path in self._paths:
            item = path.field
            many = item is not None and item.many
            wanted = ("eq",) if item is not None and item.references and not many else operators(path.kind, many=many)
            example = self.example(path)
            built += [filter_parameter(path.text, path.kind, operator, example) for operator in wanted]
            if item is not None and not item.required:
                built.append(filter_parameter(path.text, path.kind, "exists", True))
        built += self._further()
        own = {parameter["name"] for parameter in built}
        for name, kind in META_KINDS.items():
            built += [
                _shared(f"filter.{name}.{operator}")
                for operator in operators(kind, many=False)
                if f"filter[{name}]" not in own
            ]
        return built

    def _further(self) -> Iterator[Json]:
        """Filters by what is one reference away, in either direction."""
        own = {*META_KINDS, *(path.text for path in self._paths)}
        for path in self.counted.paths:
            if path.text not in own:
                wanted = operators(path.kind, many=False) if path.text.endswith(".count") else ("eq",)
                example = self.example(path)
                yield from (filter_parameter(path.text, path.kind, operator, example) for operator in wanted)
                if path.text.startswith(REFERENCED_BY) and path.kind == "string":
                    yield filter_parameter(path.text, path.kind, "exists", True)

    def example(self, path: FieldPath) -> Any:
        """A value of *path* in the newest entries, as a query spells it."""
        spelled: Callable[[Any], Any] = lambda value: value  # noqa: E731
        if path.kind == "date-time":
            spelled = lambda value: datetime.fromtimestamp(value, self._catalog.zone).date().isoformat()  # noqa: E731
        for entry in self.entries:
            for value in path.read(entry, self._catalog):
                if isinstance(value, bool | int | float) or (
                    isinstance(value, str) and 0 < len(value) <= EXAMPLE_LENGTH and "\n" not in value
                ):
                    return spelled(value)
        return None


def _shared(name: str) -> Json:
    return {"$ref": f"#/components/parameters/{name}"}


def _words(names: Sequence[str]) -> Json:
    return {"type": "array", "items": {"type": "string", "enum": list(names)}}


def search_parameters(collections: Sequence[CollectionParameters]) -> list[Json]:
    """What depends on the fields in ``GET /search``: everything that one of *collections* takes."""
    found: list[Json] = []
    for name, description in SEARCHED.items():
        schemas = [taken[name]["schema"] for taken in (one.of_search() for one in collections) if name in taken]
        if name == "filter":
            properties = {key: True for schema in schemas for key in schema["properties"]}
            found.append(deep_object(description, properties))
        elif schemas:
            names = dict.fromkeys(word for schema in schemas for word in schema["items"]["enum"])
            found.append(query_parameter(name, description, _words([*names]), listed=True))
    return [*found, *search_count_parameters([one.counted for one in collections])]


def deep_object(description: str, properties: Json) -> Json:
    """The parameter ``filter``."""
    schema = {"type": "object", "properties": properties}
    return {
        "name": "filter",
        "in": "query",
        "description": description,
        "style": "deepObject",
        "explode": True,
        "schema": schema,
    }
