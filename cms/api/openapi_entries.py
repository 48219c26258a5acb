"""What entries look like, as JSON Schema for OpenAPI: the schema of a collection turned into the schema of what the API shows of it.

Two components for each collection: ``<Name>Entry``, an entry in full, and ``<Name>Part``, what is left of one when ``fields`` asks for less.
Both follow :mod:`cms.present`, and a test renders every entry of the demo against them.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cms.api.openapi_parts import schema_of
from cms.api.openapi_searches import explanation_schema
from cms.entry import DEFINING
from cms.fieldpath import REFERENCED_BY, shown_fields
from cms.model import ContentModel
from cms.referrers import referring_fields
from cms.schema import Collection, Field

Json = dict[str, Any]
KEPT = (
    "type", "format", "title", "description", "enum", "const", "default", "examples", "deprecated", "pattern", "minLength", "maxLength",
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "maxItems",
)  # fmt: skip
NODES_LIMIT = 2000
MOMENT: Json = {"type": ["string", "null"], "format": "date-time"}
META_PROPERTIES: Mapping[str, Json] = {
    "id": {"type": "string", "description": "Collection, slug and locale as one text."},
    "collection": {"type": "string"},
    "slug": {"type": "string", "description": "Stable and unique in the collection; may hold slashes."},
    "locale": {"type": "string", "description": "BCP 47 tag."},
    "path": {"type": "string", "description": "The file in the repository."},
    "url": {"type": ["string", "null"], "description": "Where the site shows the entry."},
    "status": {"type": "string", "enum": ["published"]},
    "created_at": {**MOMENT, "description": "When the file was first committed."},
    "updated_at": {**MOMENT, "description": "When the file was last changed."},
    "published_at": {**MOMENT, "description": "The date that the entry gives itself."},
    "first_author": {"type": ["string", "null"], "description": "Who first committed the file."},
    "last_author": {"type": ["string", "null"], "description": "Who last changed the file."},
}
TRANSLATIONS: Json = {
    "type": "array",
    "items": schema_of("Translation"),
    "description": "The same slug in other locales.",
}
BODY_PROPERTIES: Mapping[str, Json] = {
    "word_count": {"type": "integer", "minimum": 0},
    "reading_minutes": {"type": "integer", "minimum": 0},
    "body": {
        "description": "In the one format asked for, or each of several by its name.",
        "anyOf": [
            {"type": "string"},
            {
                "type": "object",
                "properties": {name: {"type": "string"} for name in ("html", "markdown", "text")},
                "additionalProperties": False,
            },
        ],
    },
    "toc": {
        "type": "array",
        "items": schema_of("Heading"),
        "description": "The headings of the body, with `format=toc`.",
    },
}
SEARCH_PROPERTIES: Mapping[str, Json] = {
    "score": {"type": "number", "description": "How well the entry fits the words; in answers to a text search only."},
    "pinned": {"const": True, "description": "Editors put the entry first for these words; else it is not there."},
    "highlights": {
        "type": "array",
        "items": schema_of("Highlight"),
        "description": "Where the words were found; in answers to a text search only.",
    },
    "explain": explanation_schema(),
}


def component_names(model: ContentModel) -> dict[str, str]:
    """For each collection the word that its components and operations are named with: ``need_areas`` gives ``NeedAreas``."""
    words: dict[str, list[str]] = {}
    for name in model.collections:
        word = "".join(part[:1].upper() + part[1:] for part in re.split(r"[_-]+", name) if part) or name
        words.setdefault(word, []).append(name)
    return {name: word if len(names) == 1 else name for word, names in words.items() for name in names}


def entry_components(model: ContentModel, names: Mapping[str, str]) -> Iterator[tuple[str, Json]]:
    """The components of every collection."""
    for collection in model.collections.values():
        part, more = _Shown(model, collection, names).schemas()
        yield f"{names[collection.name]}Part", part
        yield f"{names[collection.name]}Entry", more


class _Shown:
    """Turns the schema of one collection into the schema of its entries as they are shown."""

    def __init__(self, model: ContentModel, collection: Collection, names: Mapping[str, str]) -> None:
        self._model = model
        self._collection = collection
        self._names = names
        self._count = 0

    def schemas(self) -> tuple[Json, Json]:
        """(what may be shown of an entry, an entry in full)."""
        collection = self._collection
        nodes: Mapping[str, Any] = collection.schema.get("properties") or {}
        own: dict[str, Json] = {}
        required: dict[str, Json] = {}
        for shown, item in shown_fields(collection).items():
            if shown not in DEFINING:
                node = nodes.get(item.name, {})
                own[shown] = self._node(node, item, frozenset())
                required[shown] = self._required(node, item, 0)
        properties = {**META_PROPERTIES, "collection": {"type": "string", "const": collection.name}, **own}
        properties["excerpt"] = {"type": "string", "description": "Written by hand, or the first words of the body."}
        properties["translations"] = TRANSLATIONS
        if REFERENCED_BY not in own and (sources := referring_fields(self._model, collection.name)):
            properties[REFERENCED_BY] = self._referrers(list(sources))
        if collection.has_body:
            properties |= BODY_PROPERTIES
        properties |= SEARCH_PROPERTIES
        part: Json = {
            "type": "object",
            "description": f"{collection.title}: what `fields` leaves of an entry.",
            "properties": properties,
        }
        if (
            collection.schema.get("additionalProperties", True) is False
            and "patternProperties" not in collection.schema
        ):
            part["additionalProperties"] = False
        always = [
            shown
            for shown, item in shown_fields(collection).items()
            if item.required and shown in own and not item.references
        ]
        extras = ["excerpt", "word_count", "reading_minutes"] if collection.has_body else []
        inside = {name: found for name, found in required.items() if found}
        full: Json = {
            "description": f"{collection.title}: an entry in full."
            + (f" {collection.description}" if collection.description else ""),
            "allOf": [schema_of(f"{self._names[collection.name]}Part")],
            "required": [*META_PROPERTIES, *always, *extras, "translations"],
        }
        return part, {**full, "properties": inside} if inside else full

    def _node(self, raw: Any, item: Field | None, seen: frozenset[str]) -> Json:
        self._count += 1
        node, seen = self._resolved(raw, seen)
        if node is None or self._count > NODES_LIMIT:
            return {}
        described = {"description": node["description"]} if "description" in node else {}
        if item is not None and item.references:
            return {**described, **self._reference(item)}
        if item is not None and item.asset and node.get("type") == "string":
            return {**described, "$ref": "#/components/schemas/AssetUrl"}
        shown = {key: node[key] for key in KEPT if key in node}
        if isinstance(node.get("properties"), Mapping):
            inside = item.properties if item is not None else {}
            shown["properties"] = {
                key: self._node(value, inside.get(key), seen) for key, value in node["properties"].items()
            }
        if isinstance(node.get("items"), Mapping) and "prefixItems" not in node:
            shown["items"] = self._node(node["items"], item, seen)
        options = [self._node(part, item, seen) for key in ("anyOf", "oneOf") for part in node.get(key) or ()]
        if options:
            shown["anyOf"] = options
        if node.get("allOf"):
            shown["allOf"] = [self._node(part, item, seen) for part in node["allOf"]]
        if node.get("additionalProperties") is False and "patternProperties" not in node and "properties" in shown:
            shown["additionalProperties"] = False
        return shown

    def _reference(self, item: Field) -> Json:
        """A reference or a list of them; one that names nothing public is null, or not in the list."""
        names = [self._names[name] for name in item.references if name in self._names]
        options = [schema_of("Reference"), *(schema_of(f"{name}Part") for name in names)]
        nothing: Json = {"type": "null"}
        if not item.many:
            return {"anyOf": [*options, nothing]}
        listed: Json = {"type": "array", "items": {"anyOf": options}}
        if item.either:
            return {"anyOf": [listed, *options, nothing]}
        return {"anyOf": [listed, nothing]} if item.nullable else listed

    def _referrers(self, sources: list[str]) -> Json:
        options = [schema_of("Reference"), *(schema_of(f"{self._names[name]}Part") for name in sources)]
        return {
            "type": "array",
            "items": {"anyOf": options},
            "description": "What refers to the entry, when `include` or `fields` names it.",
        }

    def _required(self, raw: Any, item: Field, depth: int) -> Json:
        """What an object must have in an entry in full, and may lack when ``fields`` asks for less."""
        node, _ = self._resolved(raw, frozenset())
        if node is None or depth > 4 or item.references or item.asset:
            return {}
        if isinstance(node.get("items"), Mapping) and "prefixItems" not in node:
            inner = self._required(node["items"], item, depth + 1)
            return {"items": inner} if inner else {}
        if not isinstance(node.get("properties"), Mapping):
            return {}
        found: Json = {}
        names = [name for name in node.get("required") or () if name in item.properties]
        if names:
            found["required"] = names
        inside = {
            name: inner
            for name, child in item.properties.items()
            if (inner := self._required(node["properties"].get(name), child, depth + 1))
        }
        return {**found, "properties": inside} if inside else found

    def _resolved(self, node: Any, seen: frozenset[str]) -> tuple[Json | None, frozenset[str]]:
        """*node* with its local ``$ref`` followed; ``None`` where it leads in a circle or nowhere."""
        while isinstance(node, dict) and isinstance(node.get("$ref"), str):
            reference: str = node["$ref"]
            if reference in seen or not reference.startswith("#/"):
                return None, seen
            seen |= {reference}
            found: Any = self._collection.schema
            for part in reference[2:].split("/"):
                found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
            if not isinstance(found, dict):
                return None, seen
            node = {**found, **{key: value for key, value in node.items() if key != "$ref"}}
        return (node if isinstance(node, dict) else None), seen
