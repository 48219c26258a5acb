"""Files: ``cms.toml`` and schemas as text that a person likes to read, with comments where something was guessed."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

WIDTH = 118


class BlockList(list[str]):
    """A list that is written one item a line."""


class _Dumper(yaml.SafeDumper):
    """YAML that means the same under 1.1 and 1.2: what either would take for something else than text is quoted."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        del indentless
        super().increase_indent(flow, False)


_Dumper.add_implicit_resolver(
    "tag:branchpress,2024:number",
    re.compile(r"[-+]?(?:0o[0-7]+|(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?)\Z"),
    list("-+.0123456789"),
)
_Dumper.add_implicit_resolver("tag:branchpress,2024:word", re.compile(r"[yYnN]\Z"), list("yYnN"))


_Dumper.add_representer(
    BlockList, lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", list(value), flow_style=False)
)


def write_schema(
    root: Mapping[str, Any],
    properties: Mapping[str, Mapping[str, Any]],
    *,
    head: Sequence[str],
    comments: Mapping[str, Sequence[str]],
) -> str:
    """The text of a schema file.

    Args:
        root: every keyword of the schema but ``properties``, in order.
        properties: the fields, in order.
        head: lines of comment at the top.
        comments: lines of comment over a field.
    """
    parts = [*(f"# {line}" for line in head), _dump(root).rstrip("\n")]
    if properties:
        parts.append("properties:")
        for name, schema in properties.items():
            parts += [f"  # {_one_line(line)}" for line in comments.get(name, ())]
            parts += [f"  {line}" if line else "" for line in _dump({name: dict(schema)}).rstrip("\n").split("\n")]
    else:
        parts.append("properties: {}")
    return "\n".join(parts) + "\n"


def write_settings(site: Mapping[str, str | Sequence[str]], *, comments: Mapping[str, str]) -> str:
    """The text of ``cms.toml``; a key in *comments* gets a comment behind its value."""
    lines = ["[site]"]
    for key, value in site.items():
        text = quote_toml(value) if isinstance(value, str) else f"[{', '.join(map(quote_toml, value))}]"
        remark = comments.get(key)
        lines.append(f"{key} = {text}" + (f"  # {_one_line(remark)}" if remark else ""))
    return "\n".join([*lines, "", "[server]", 'cache = "search_index"  # derived data, may be deleted at any time', ""])


def _dump(value: Mapping[str, Any]) -> str:
    return str(
        yaml.dump(
            _shorten(value), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH, default_flow_style=None
        )
    )


def _shorten(value: Any) -> Any:
    """A copy without shared parts, because YAML would write those as anchors and aliases."""
    if isinstance(value, Mapping):
        return {key: _shorten(inner) for key, inner in value.items()}
    if isinstance(value, BlockList):
        return value
    return [_shorten(inner) for inner in value] if isinstance(value, list | tuple) else value


def quote_toml(text: str) -> str:
    """*text* as a TOML string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
