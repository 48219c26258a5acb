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
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Any

import jsonschema_rs

from cms import yamltext
from cms.errors import InvalidFrontMatter, InvalidSchema
from cms.paths import PathMatch, PathPattern, compile_patterns
from cms.settings import nearest

ROOT_KEYWORDS = ("x-path", "x-title", "x-date", "x-sort", "x-url", "x-body", "x-label")
FIELD_KEYWORDS = ("x-label", "x-reference", "x-asset", "x-unique", "x-search")
COLLECTION_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}")
METASCHEMA = json.loads(files("cms.data").joinpath("metaschema.json").read_text("utf-8"))
SIZE_LIMIT_BYTES = 512 * 1024
DEPTH_LIMIT = 24
FIELDS_LIMIT = 2000
URL_PLACEHOLDERS = ("slug", "locale", "year", "month", "day")
#: What each of our keywords wants, for a person who wrote something else.
WANTED = {
    "x-path": "a path pattern such as content/posts/{slug}.md, or a list of them",
    "x-title": "the name of a field",
    "x-date": "the name of a field",
    "x-sort": "names of fields with commas between, such as -published_at,title",
    "x-url": "a URL pattern such as /blog/{slug}",
    "x-body": "markdown or none",
    "x-label": "a text for each locale, such as {nb: Innlegg, en: Posts}",
    "x-reference": "the name of a collection, or a list of them",
    "x-asset": "true or false",
    "x-unique": "true or false",
    "x-search": "{boost: a number over 0 and up to 100, facet: true or false}",
    "type": 'string, integer, number, boolean, array, object or "null" (in quotation marks), or a list of these',
}
_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LITERALS = ("default", "const", "enum", "examples", "x-label")


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a collection.

    Attributes:
        name: its key in the front matter; ``a.b`` for a field inside an object.
        kinds: the JSON types that the schema allows for a single value (not ``array``, not ``null``); empty: any.
        many: a list of such values.
        either: a list of such values, or one alone.
        nullable: an empty value is kept as ``null``.
        format: ``date``, ``date-time`` or another JSON Schema format; empty when none.
        references: collections that the value names an entry of.
        boost: weight in full-text search; 0: not searched.
        choices: the values that are allowed, where the schema lists them.
        value_labels: what some of them are called: a text, or one for each locale.
        properties: the fields inside an object (or inside each object of a list).
    """

    name: str
    kinds: frozenset[str]
    many: bool = False
    either: bool = False
    nullable: bool = False
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
    value_labels: Mapping[Any, Any] = field(default_factory=dict)
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


@lru_cache(maxsize=256)
def read_schema(name: str, source: bytes | str, *, path: str, locales: tuple[str, ...]) -> Collection:
    """Compile one schema file; the same text gives the same object.

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
    except RecursionError as error:
        raise InvalidSchema("the schema is nested too deeply", path=path, line=1, keyword="$ref") from error


def _load(source: bytes | str, path: str) -> tuple[str, dict[str, Any]]:
    if len(source) > SIZE_LIMIT_BYTES:
        raise InvalidSchema(
            f"the schema is larger than {SIZE_LIMIT_BYTES // 1024} KiB", path=path, line=1, keyword="size"
        )
    try:
        text = source.decode("utf-8-sig") if isinstance(source, bytes) else source
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InvalidSchema("the file is not UTF-8", path=path, line=line, keyword="encoding") from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        # By YAML 1.2, as front matter: "no" in an enum or as a locale is the text, and a date stays a date.
        schema = yamltext.load_exactly(text)
    except InvalidFrontMatter as error:
        reason = str(error).replace("the front matter", "the file").replace("front matter", "a schema")
        hint = error.facts.get("hint")
        line = error.facts.get("line", 1)
        raise InvalidSchema(f"not a schema: {reason}", path=path, line=line, keyword="yaml", hint=hint) from error
    if not schema:
        raise InvalidSchema("the file is empty: it must hold a JSON Schema", path=path, line=1, keyword="type")
    return text, dict(schema)


def _compile(name: str, schema: dict[str, Any], path: str, locales: Sequence[str]) -> Collection:
    _check_keywords(schema, ROOT_KEYWORDS, [])
    _check_meta(schema)
    validator = _validator(schema)
    fields = _FieldReader(schema).read()
    patterns = schema["x-path"]
    collection = Collection(
        name=name,
        path=path,
        title=schema.get("title") or name.replace("_", " ").replace("-", " ").capitalize(),
        description=schema.get("description") or "",
        label=schema.get("x-label") or {},
        schema=schema,
        patterns=compile_patterns([patterns] if isinstance(patterns, str) else patterns, locales),
        fields=fields,
        title_field=schema.get("x-title") or ("title" if "title" in fields else None),
        date_field=schema.get("x-date") or next((key for key in ("published_at", "date") if key in fields), None),
        sort=schema.get("x-sort") or "",
        url=schema.get("x-url"),
        has_body=schema.get("x-body", "markdown") == "markdown",
        validator=validator,
        fingerprint=hashlib.sha256(json.dumps([name, schema, sorted(locales)], sort_keys=True).encode()).hexdigest()[
            :16
        ],
    )
    for keyword in ("x-title", "x-date"):
        named = schema.get(keyword)
        if named is not None and collection.find_field(named) is None:
            hint = nearest(named, fields)
            raise InvalidSchema(f"{keyword} names {named!r}, which is no field of this schema{hint}", keyword=keyword)
    _check_url(collection.url or "")
    return collection


def _check_url(pattern: str) -> None:
    """Refuse an ``x-url`` that would show a brace to readers."""
    for name in re.findall(r"\{([^{}]*)\}", pattern):
        if name not in URL_PLACEHOLDERS:
            known = ", ".join(f"{{{part}}}" for part in URL_PLACEHOLDERS)
            raise InvalidSchema(f"x-url {pattern!r}: {{{name}}} is not known; there are {known}", keyword="x-url")
    if re.search(r"[{}]", re.sub(r"\{[^{}]*\}", "", pattern)):
        raise InvalidSchema(f"x-url {pattern!r} has a brace without a partner", keyword="x-url")
    if pattern and not pattern.startswith(("/", "https://", "http://")):
        raise InvalidSchema(f"x-url {pattern!r} must begin with '/', 'https://' or 'http://'", keyword="x-url")


def _validator(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    try:
        return jsonschema_rs.Draft202012Validator(
            schema, validate_formats=True, pattern_options=jsonschema_rs.RegexOptions(), offline=True
        )
    except jsonschema_rs.ValidationError as error:
        pointer = [str(part) for part in error.instance_path]
        keyword = next((part for part in reversed(pointer) if not part.isdigit()), "type")
        if 'is not a "regex"' in error.message:
            reason = f"{error.message} (a pattern must be linear-time: no look-around, no back-references)"
        elif error.message.startswith(("Pointer ", "Anchor ")):
            keyword, reason = "$ref", f"$ref: {error.message}"
            pointer = _find_reference(schema, error.message.split("'")[1])
        elif keyword in WANTED:
            reason = f"{'/'.join(pointer)} must be {WANTED[keyword]}"
        else:
            reason = f"{'/'.join(pointer) or 'schema'}: {error.message}"
        raise InvalidSchema(f"not a valid JSON Schema 2020-12: {reason}", keyword=keyword, pointer=pointer) from error
    except (jsonschema_rs.ReferencingError, ValueError) as error:
        raise InvalidSchema(f"not a valid JSON Schema 2020-12: {error}", keyword="$ref") from error


def _find_reference(node: Any, target: str) -> list[str]:
    """Where the ``$ref`` to *target* stands."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        if key == "$ref" and value == f"#{target}":
            return ["$ref"]
        below = _find_reference(value, target)
        if below:
            return [str(key), *below]
    return []


def _check_meta(schema: dict[str, Any]) -> None:
    for error in jsonschema_rs.Draft202012Validator(METASCHEMA).iter_errors(schema):
        pointer = [str(part) for part in error.instance_path]
        keyword = next((part for part in reversed(pointer) if part.startswith("x-")), None)
        if error.kind.name == "required":
            missing = next(key for key in ("type", "x-path") if key not in schema)
            raise InvalidSchema(f"the schema must have {missing!r}", keyword=missing)
        keyword = keyword or (pointer[-1] if pointer else "type")
        where = "/".join(pointer) or "schema"
        reason = f"must be {WANTED[keyword]}" if keyword in WANTED and keyword != "type" else error.message
        raise InvalidSchema(f"{where}: {reason}", keyword=keyword, pointer=pointer)


def _check_keywords(
    node: Any, known: Sequence[str], pointer: list[str], depth: int = 0, *, is_map: bool = False
) -> None:
    """Refuse an ``x-`` keyword that we do not know, a ``$ref`` that leaves the file, and a schema nested without end.

    Args:
        is_map: the keys of *node* are names that the author chose, such as those of fields.
    """
    if depth > DEPTH_LIMIT:
        raise InvalidSchema("the schema is nested too deeply", keyword=pointer[-1], pointer=pointer)
    if isinstance(node, list):
        for index, item in enumerate(node):
            _check_keywords(item, FIELD_KEYWORDS, [*pointer, str(index)], depth + 1)
    for key, value in node.items() if isinstance(node, dict) else ():
        here = [*pointer, key]
        if is_map:
            _check_keywords(value, FIELD_KEYWORDS, here, depth + 1)
            continue
        if key.startswith("x-") and key not in known:
            hint = nearest(key, list({*ROOT_KEYWORDS, *FIELD_KEYWORDS}))
            place = "at the top of a schema" if known is ROOT_KEYWORDS else "on a field"
            raise InvalidSchema(f"the keyword {key!r} is not known {place}{hint}", keyword=key, pointer=here)
        if key in ("$ref", "$dynamicRef") and not str(value).startswith("#"):
            raise InvalidSchema(
                f"{key} may only point into the same file ('#/…'), not to {value!r}", keyword=key, pointer=here
            )
        if key not in _LITERALS:
            _check_keywords(value, FIELD_KEYWORDS, here, depth + 1, is_map=key in _MAPS)


class _FieldReader:
    """Makes the fields of one schema. A field is described by its own node, by what its ``$ref`` names, and by every
    branch of its ``anyOf``, ``oneOf`` and ``allOf``; a keyword counts wherever in these it stands, the nearest first."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._count = 0

    def read(self) -> dict[str, Field]:
        """The fields at the top."""
        return self._inside(*self._branches(self._root), prefix="", above=frozenset())

    def _inside(
        self, branches: list[dict[str, Any]], followed: set[str], *, prefix: str, above: frozenset[str]
    ) -> dict[str, Field]:
        """The fields of an object; a schema that leads back to itself is read once."""
        if followed & above:
            return {}
        required = {name for node in branches for name in node.get("required", ())}
        found: dict[str, Field] = {}
        for node in branches:
            for name, value in node.get("properties", {}).items():
                if name not in found:
                    found[name] = self._field(prefix + name, value, name in required, above | followed)
        return found

    def _field(self, name: str, node: Any, required: bool, above: frozenset[str]) -> Field:
        self._count += 1
        if self._count > FIELDS_LIMIT:
            raise InvalidSchema(f"the schema has more than {FIELDS_LIMIT} fields", keyword="properties")
        own, followed = self._branches(node)
        items: list[dict[str, Any]] = []
        for branch in own:
            more, through = self._branches(branch.get("items"))
            items += more
            followed |= through
        kinds, item_kinds = _kinds(own), _kinds(items)
        many = "array" in kinds
        either = many and bool(kinds - {"array", "null"})
        inner = items if many and not either else [*own, *items]
        search = _first([*own, *items], "x-search", {})
        references = _first([*own, *items], "x-reference", ())
        # What describes one value of several: its name is not that of the field.
        values = [branch for branch in inner if "const" in branch and branch is not node]
        return Field(
            name=name,
            kinds=frozenset((kinds | item_kinds if many else kinds) - {"array", "null"}),
            many=many,
            either=either,
            nullable="null" in kinds,
            format=_first(inner, "format", ""),
            label=_first([branch for branch in own if branch not in values], "x-label", {}),
            description=_first(own, "description", ""),
            required=required,
            references=(references,) if isinstance(references, str) else tuple(references),
            asset=_first([*own, *items], "x-asset", False),
            unique=_first(own, "x-unique", False),
            boost=float(search.get("boost", 0)),
            facet=bool(search.get("facet")),
            choices=tuple(_first(inner, "enum", [branch["const"] for branch in values])),
            value_labels=dict(_value_labels(values)),
            properties=self._inside(inner, followed, prefix=f"{name}.", above=above),
        )

    def _branches(self, node: Any) -> tuple[list[dict[str, Any]], set[str]]:
        """Every schema that describes the value at *node*, and the references that were followed to find them."""
        found: list[dict[str, Any]] = []
        followed: set[str] = set()
        waiting = [node]
        while waiting:
            node = waiting.pop(0)
            if not isinstance(node, dict):
                continue
            found.append(node)
            reference = node.get("$ref")
            if isinstance(reference, str) and reference not in followed:
                followed.add(reference)
                waiting.insert(0, self._target(reference))
            for key in ("anyOf", "oneOf", "allOf"):
                waiting += node.get(key, ())
        return found, followed

    def _target(self, reference: str) -> Any:
        """What a local ``$ref`` names; ``None`` where it cannot be told, which is the validator's business."""
        found: Any = self._root if reference.startswith("#/") else None
        for part in reference[2:].split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list):
                found = found[int(key)] if key.isdigit() and int(key) < len(found) else None
            else:
                found = found.get(key) if isinstance(found, dict) else None
        return self._root if reference == "#" else found


def _value_labels(values: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Any, Any]]:
    for node in values:
        label = node.get("x-label") or node.get("title")
        if label and isinstance(node["const"], str | int | float):
            yield node["const"], label


def _first(nodes: Sequence[Mapping[str, Any]], keyword: str, default: Any) -> Any:
    return next((node[keyword] for node in nodes if keyword in node), default)


def _kinds(nodes: Sequence[Mapping[str, Any]]) -> set[str]:
    """The JSON types that *nodes*, each an alternative, allow; empty: any."""
    kinds: set[str] = set()
    for node in nodes:
        declared = node.get("type", ())
        kinds |= {declared} if isinstance(declared, str) else set(declared)
    if not kinds:
        kinds = {_json_type(value) for node in nodes for value in node.get("enum", ())}
        kinds |= {_json_type(node["const"]) for node in nodes if "const" in node}
    if not kinds and any("properties" in node for node in nodes):
        kinds = {"object"}
    if not kinds and any("items" in node for node in nodes):
        kinds = {"array"}
    return kinds


def _json_type(value: object) -> str:
    names = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
    return names.get(type(value), "null")


def find_line(text: str, pointer: Sequence[str]) -> int:
    """The 1-based line of the deepest key along *pointer* in a YAML text; 1 when even the first is not there."""
    try:
        node = yamltext.compose(text)
    except InvalidFrontMatter:
        return 1
    line = 1
    for part in pointer:
        if node is None:
            break
        if node.members is not None and part in node.members:
            key, node = node.members[part]
            line = key.line
        elif node.items is not None and part.isdigit() and int(part) < len(node.items):
            node = node.items[int(part)]
            line = node.line
        else:
            break
    return line
