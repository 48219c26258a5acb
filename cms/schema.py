"""Schemas: what the entries of a collection look like.

A *collection* is one file ``schemas/<collection>.yaml``: a JSON Schema 2020-12 of the front matter, with ``x-`` keywords for what JSON
Schema does not know (``docs/schemas.md``). The same file drives validation, typing, filters, facets, search fields and OpenAPI.

Not here: applying a schema to a file (``coerce``), reading files from Git (``store``).
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.resources import files
from typing import Any

import jsonschema_rs
import yaml

from cms.errors import InvalidSchema
from cms.paths import PathMatch, PathPattern, compile_pattern
from cms.settings import nearest

ROOT_KEYWORDS = ("x-path", "x-title", "x-date", "x-sort", "x-url", "x-body", "x-label")
FIELD_KEYWORDS = ("x-label", "x-reference", "x-asset", "x-unique", "x-search")
COLLECTION_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}")
METASCHEMA = json.loads(files("cms.data").joinpath("metaschema.json").read_text("utf-8"))
SIZE_LIMIT_BYTES = 512 * 1024
DEPTH_LIMIT = 24


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a collection.

    Attributes:
        name: its key in the front matter; ``a.b`` for a field inside an object.
        kinds: the JSON types that the schema allows for a single value (not ``array``, not ``null``); empty: any.
        many: a list of such values.
        format: ``date``, ``date-time`` or another JSON Schema format; empty when none.
        references: collections that the value names an entry of.
        boost: weight in full-text search; 0: not searched.
        properties: the fields inside an object (or inside each object of a list).
    """

    name: str
    kinds: frozenset[str]
    many: bool = False
    either: bool = False
    format: str = ""
    label: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    required: bool = False
    references: tuple[str, ...] = ()
    asset: bool = False
    unique: bool = False
    boost: float = 0.0
    facet: bool = False
    choices: tuple[Any, ...] = ()
    properties: Mapping[str, "Field"] = field(default_factory=dict)

    @cached_property
    def one(self) -> "Field":
        """The field that each item of a list is."""
        return replace(self, many=False, either=False)

    @cached_property
    def is_converted(self) -> bool:
        """Whether a text may have to become something else."""
        return bool(self.format in ("date", "date-time") or "boolean" in self.kinds)

    @property
    def kind(self) -> str:
        """The one type of a value: ``string``, ``integer``, ``number``, ``boolean``, ``object``, or ``any``."""
        if len(self.kinds) == 1:
            return next(iter(self.kinds))
        return "number" if self.kinds == {"integer", "number"} else "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A compiled schema; ``fingerprint`` changes whenever reading a file by it could give something else."""

    name: str
    path: str
    title: str
    description: str
    label: Mapping[str, str]
    schema: Mapping[str, Any]
    patterns: tuple[PathPattern, ...]
    fields: Mapping[str, Field]
    title_field: str | None
    date_field: str | None
    sort: str
    url: str | None
    has_body: bool
    validator: jsonschema_rs.Draft202012Validator
    fingerprint: str

    def match(self, path: str) -> PathMatch | None:
        """What *path* says of its entry when it belongs to this collection."""
        for pattern in self.patterns:
            found = pattern.match(path)
            if found is not None:
                return found
        return None

    def find_field(self, name: str) -> Field | None:
        """The field of that dotted name."""
        head, _, rest = name.partition(".")
        found = self.fields.get(head)
        while found is not None and rest:
            head, _, rest = rest.partition(".")
            found = found.properties.get(head)
        return found

    def walk_fields(self) -> Iterator[Field]:
        """Every field, those inside objects too, in the order of the schema."""
        yield from _walk(self.fields)


def _walk(fields: Mapping[str, Field]) -> Iterator[Field]:
    for item in fields.values():
        yield item
        yield from _walk(item.properties)


def read_schema(name: str, source: bytes | str, *, path: str, locales: Sequence[str]) -> Collection:
    """Compile one schema file.

    Args:
        name: the collection, from the file's name.
        source: YAML text.
        path: where the file is, for messages.
        locales: the site's locales, which ``x-path`` may name.

    Raises:
        InvalidSchema: with ``path``, ``line`` and ``keyword`` of the first thing that is wrong.
    """
    if not COLLECTION_NAME.fullmatch(name):
        raise InvalidSchema(
            f"the collection name {name!r} may only hold letters, digits, '_' and '-'",
            path=path,
            line=1,
            keyword="name",
        )
    text, schema = _load(source, path)
    try:
        return _compile(name, schema, path, locales)
    except InvalidSchema as error:
        keyword = error.facts.get("keyword")
        pointer = error.facts.get("pointer") or ([keyword] if keyword else [])
        raise InvalidSchema(str(error), path=path, line=find_line(text, pointer), keyword=keyword) from error


def _load(source: bytes | str, path: str) -> tuple[str, dict[str, Any]]:
    if len(source) > SIZE_LIMIT_BYTES:
        raise InvalidSchema(
            f"the schema is larger than {SIZE_LIMIT_BYTES // 1024} KiB", path=path, line=1, keyword="size"
        )
    try:
        text = source.decode("utf-8-sig") if isinstance(source, bytes) else source
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                line = event.start_mark.line + 1
                raise InvalidSchema("anchors and aliases are not allowed", path=path, line=line, keyword="yaml")
        schema = yaml.safe_load(text)
    except UnicodeDecodeError as error:
        raise InvalidSchema("the file is not UTF-8", path=path, line=1, keyword="encoding") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error) or "nested too deeply"
        raise InvalidSchema(
            f"the file is not valid YAML: {reason}", path=path, line=mark.line + 1 if mark else 1, keyword="yaml"
        ) from error
    if not isinstance(schema, dict):
        raise InvalidSchema("the file must hold a mapping, a JSON Schema object", path=path, line=1, keyword="type")
    try:
        return text, json.loads(json.dumps(schema, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidSchema(
            f"the schema holds a value that JSON cannot: {error}", path=path, line=1, keyword="yaml"
        ) from error


def _compile(name: str, schema: dict[str, Any], path: str, locales: Sequence[str]) -> Collection:
    _check_keywords(schema, ROOT_KEYWORDS, [])
    _check_meta(schema)
    fields = {key: _field(key, value, schema) for key, value in (schema.get("properties") or {}).items()}
    patterns = schema["x-path"]
    collection = Collection(
        name=name,
        path=path,
        title=schema.get("title") or name.replace("_", " ").replace("-", " ").capitalize(),
        description=schema.get("description") or "",
        label=schema.get("x-label") or {},
        schema=schema,
        patterns=tuple(
            compile_pattern(text, locales) for text in ([patterns] if isinstance(patterns, str) else patterns)
        ),
        fields=fields,
        title_field=schema.get("x-title") or ("title" if "title" in fields else None),
        date_field=schema.get("x-date") or next((key for key in ("published_at", "date") if key in fields), None),
        sort=schema.get("x-sort") or "",
        url=schema.get("x-url"),
        has_body=schema.get("x-body", "markdown") == "markdown",
        validator=_validator(schema),
        fingerprint=hashlib.sha256(json.dumps([name, schema, sorted(locales)], sort_keys=True).encode()).hexdigest()[
            :16
        ],
    )
    for keyword in ("x-title", "x-date"):
        named = schema.get(keyword)
        if named is not None and collection.find_field(named) is None:
            hint = nearest(named, fields)
            raise InvalidSchema(f"{keyword} names {named!r}, which is no field of this schema{hint}", keyword=keyword)
    return collection


def _validator(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    try:
        return jsonschema_rs.Draft202012Validator(
            schema, validate_formats=True, pattern_options=jsonschema_rs.RegexOptions(), offline=True
        )
    except jsonschema_rs.ValidationError as error:
        pointer = [str(part) for part in error.instance_path]
        raise InvalidSchema(
            f"not a valid JSON Schema 2020-12: {error.message} (a pattern must be linear-time: no look-around, no back-references)"
            if "pattern" in pointer
            else f"not a valid JSON Schema 2020-12: {error.message}",
            keyword=pointer[-1] if pointer else "type",
            pointer=pointer,
        ) from error
    except (jsonschema_rs.ReferencingError, ValueError) as error:
        raise InvalidSchema(f"not a valid JSON Schema 2020-12: {error}", keyword="$ref") from error


def _check_meta(schema: dict[str, Any]) -> None:
    for error in jsonschema_rs.Draft202012Validator(METASCHEMA).iter_errors(schema):
        pointer = [str(part) for part in error.instance_path]
        keyword = next((part for part in reversed(pointer) if part.startswith("x-")), None)
        if error.kind.name == "required":
            missing = next(key for key in ("type", "x-path") if key not in schema)
            raise InvalidSchema(f"the schema must have {missing!r}", keyword=missing)
        where = "/".join(pointer) or "schema"
        raise InvalidSchema(
            f"{where}: {error.message}", keyword=keyword or (pointer[-1] if pointer else "type"), pointer=pointer
        )


def _check_keywords(node: Any, known: Sequence[str], pointer: list[str], depth: int = 0) -> None:
    """Refuse an ``x-`` keyword that we do not know, a ``$ref`` that leaves the file, and a schema nested without end."""
    if depth > DEPTH_LIMIT:
        raise InvalidSchema("the schema is nested too deeply", keyword=pointer[-1], pointer=pointer)
    if isinstance(node, list):
        for index, item in enumerate(node):
            _check_keywords(item, FIELD_KEYWORDS, [*pointer, str(index)], depth + 1)
    if not isinstance(node, dict):
        return
    literal = bool(pointer) and pointer[-1] in ("default", "const", "enum", "examples", "x-label")
    for key, value in node.items():
        here = [*pointer, key]
        if literal:
            continue
        in_map = bool(pointer) and pointer[-1] in ("properties", "patternProperties", "$defs", "dependentSchemas")
        if not in_map and key.startswith("x-") and key not in known:
            hint = nearest(key, list({*ROOT_KEYWORDS, *FIELD_KEYWORDS}))
            place = "at the top of a schema" if known is ROOT_KEYWORDS else "on a field"
            raise InvalidSchema(f"the keyword {key!r} is not known {place}{hint}", keyword=key, pointer=here)
        if not in_map and key in ("$ref", "$dynamicRef") and not str(value).startswith("#"):
            raise InvalidSchema(
                f"{key} may only point into the same file ('#/…'), not to {value!r}", keyword=key, pointer=here
            )
        _check_keywords(value, FIELD_KEYWORDS, here, depth + 1)


def _field(name: str, node: Any, parent: Mapping[str, Any]) -> Field:
    node = _resolve(node, parent.get("$root", parent)) if isinstance(node, dict) else {}
    root = parent.get("$root", parent)
    kinds, item = _kinds(node, root)
    many = "array" in kinds
    either = many and len(kinds - {"array", "null"}) > 0
    inner = item if many and not either else node
    search = node.get("x-search") or {}
    references = node.get("x-reference") or inner.get("x-reference") or ()
    item_kinds = _kinds(item, root)[0] if many else frozenset()
    required = name.rpartition(".")[2] in (parent.get("required") or ())
    return Field(
        name=name,
        kinds=frozenset((kinds | item_kinds) - {"array", "null"}),
        many=many,
        either=either,
        format=inner.get("format") or next((part["format"] for part in _options(inner) if "format" in part), ""),
        label=node.get("x-label") or {},
        description=node.get("description") or "",
        required=required,
        references=(references,) if isinstance(references, str) else tuple(references),
        asset=bool(node.get("x-asset") or inner.get("x-asset")),
        unique=bool(node.get("x-unique")),
        boost=float(search.get("boost", 0)),
        facet=bool(search.get("facet")),
        choices=tuple(inner.get("enum") or ()),
        properties={
            key: _field(f"{name}.{key}", value, {**inner, "$root": root})
            for key, value in (inner.get("properties") or {}).items()
            if name.count(".") < DEPTH_LIMIT
        },
    )


def _options(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [part for key in ("anyOf", "oneOf", "allOf") for part in node.get(key) or () if isinstance(part, dict)]


def _kinds(node: Mapping[str, Any], root: Mapping[str, Any]) -> tuple[frozenset[str], Mapping[str, Any]]:
    """The JSON types *node* allows, and the schema of the items where it allows a list."""
    declared = node.get("type")
    kinds = {declared} if isinstance(declared, str) else set(declared or ())
    item = node.get("items")
    items: Mapping[str, Any] = _resolve(item, root) if isinstance(item, dict) else {}
    for part in _options(node):
        more, inner = _kinds(_resolve(part, root), root)
        kinds |= more
        items = items or inner
    if not kinds and "enum" in node:
        kinds = {_json_type(value) for value in node["enum"]}
    if not kinds and "properties" in node:
        kinds = {"object"}
    return frozenset(kinds), items


def _json_type(value: object) -> str:
    names = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _resolve(node: dict[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    """Follow a local ``$ref``, a bounded number of times; what cannot be followed is left to the validator."""
    for _ in range(8):
        reference = node.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        found: Any = root
        for part in reference[2:].split("/"):
            found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
        if not isinstance(found, dict):
            break
        node = {**found, **{key: value for key, value in node.items() if key != "$ref"}}
    return node


def find_line(text: str, pointer: Sequence[str]) -> int:
    """The 1-based line of the deepest key along *pointer* in a YAML text; 1 when even the first is not there."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return 1
    line = 1
    for part in pointer:
        if isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line + 1
            continue
        if not isinstance(node, yaml.MappingNode):
            break
        pair = next((pair for pair in node.value if pair[0].value == part), None)
        if pair is None:
            break
        line, node = pair[0].start_mark.line + 1, pair[1]
    return line


def check_references(collections: Mapping[str, Collection]) -> list[InvalidSchema]:
    """Every ``x-reference`` that names a collection that does not exist."""
    wrong = []
    for collection in collections.values():
        for item in collection.walk_fields():
            for target in item.references:
                if target not in collections:
                    wrong.append(
                        InvalidSchema(
                            f"{item.name}: x-reference names {target!r}, which is no collection{nearest(target, collections)}",
                            path=collection.path,
                            line=1,
                            keyword="x-reference",
                        )
                    )
    return wrong
