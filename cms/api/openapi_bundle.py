"""The shapes of the API as one JSON Schema, for programs that know no OpenAPI: the schema components of the document, and nothing else. Pure."""

from typing import Any

Json = dict[str, Any]
COMPONENTS = "#/components/schemas/"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_bundle(document: Json) -> Json:
    """A JSON Schema (2020-12) with a definition for each shape of *document*, OpenAPI 3.1; itself it holds for everything."""
    return {
        "$schema": DIALECT,
        "title": document["info"]["title"],
        "description": "What the content API of this site answers and takes. Validate against one of the definitions, such as "
        '{"$ref": "#/$defs/Problem"}.',
        "$defs": {name: _moved(schema) for name, schema in document["components"]["schemas"].items()},
    }


def _moved(node: Any) -> Any:
    """*node*, its references leading into the definitions."""
    if isinstance(node, list):
        return [_moved(part) for part in node]
    if not isinstance(node, dict):
        return node
    return {
        key: f"#/$defs/{value.removeprefix(COMPONENTS)}"
        if key == "$ref" and isinstance(value, str) and value.startswith(COMPONENTS)
        else _moved(value)
        for key, value in node.items()
    }
