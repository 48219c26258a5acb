"""YAML front matter as values and as written text, in two tiers with one result.

The *exact* tier reads the events of PyYAML's C parser into a small tree. It is the authority: it knows where every value
stands and how it was written, and refuses what front matter must not hold (anchors, aliases, tags, duplicate keys, bombs).
It stops at the first event too many, so hostile nesting costs nothing and never reaches code that would crash on it.

The *fast* tier asks ``yaml-rs``, but only for text in which the two cannot differ. On the slightest doubt, and for every
error, the exact tier decides.

Plain scalars follow YAML 1.2's core rules (``no``, ``on`` and dates are text). A number that JSON readers would not keep
exactly, such as an integer beyond 2**53 or ``1e999``, stays text; ``.nan`` and ``.inf`` are refused.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, Union
from unicodedata import is_normalized, normalize

import yaml
import yaml_rs

from cms import yamlhints
from cms.errors import InvalidFrontMatter

JSONValue: TypeAlias = Union[bool, int, float, str, list["JSONValue"], dict[str, "JSONValue"], None]  # noqa: UP007
JSONObject: TypeAlias = dict[str, JSONValue]

MAX_DEPTH = 32
MAX_VALUES = 10_000
MAX_SAFE_INTEGER = 2**53

# The screen for the fast tier: what the tiers treat differently, or only the exact one can refuse. One pass for single
# characters first, as most front matter holds none of them; then only the patterns that could match.
_SUSPECT = re.compile(r"[&*!%?|>_\\\[]")
_ALWAYS_EXACT = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f{]")
_PROPERTY = re.compile(r"[-:,\[? \n](?:[&*][^ \n]|[!%?])")  # tags, anchors, aliases, directives, complex keys
_BRACKETS = re.compile(r"\[[^\]\n]*[:\[|>\n]|\][ ]*[^ \n]")  # nested, over several lines, or with pairs in them
_EMPTY_TEXT = re.compile(r"[ \n][|>][-+0-9 ]*(?:#[^\n]*)?\n[ \n]*\Z")
_NUMBER_WITH_UNDERSCORE = re.compile(r"[ \[,\n][-+.0-9eE]*_[-+._0-9eE]*[ \n,\]:]")
_UNUSUAL_ESCAPE = re.compile(r"\\[^\"\\/n]")
_RADIX = re.compile(r"0[bBoOxX](?<=[-+ \[,\n]0.)")
# A long row of compact nested lists overflows yaml-rs' stack and ends the process.
_COMPACT_LIST = re.compile(r"-[ \n]+-[ \n]")
_ODD_START = frozenset("&*!%?- ")
_INVISIBLE = re.compile("[\u00a0\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffe\uffff]")
_FAST_LIMIT = 16_384

_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WORDS: dict[str, JSONValue] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_HIDDEN_IN_KEY = re.compile("[\u00a0\u00ad\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
# libyaml breaks lines at these, YAML 1.2 does not: they travel through it as private characters of the same width.
_SEPARATORS = "\u2028\u2029"


@dataclass(slots=True)
class Node:
    """One value where it stands: ``line`` and ``column`` are 1-based within the block."""

    line: int
    column: int
    text: str | None = None
    plain: bool = False
    items: "list[Node] | None" = None
    members: "dict[str, tuple[Node, Node]] | None" = None

    def child(self, step: str | int) -> "Node | None":
        """The item or the member at *step*, or ``None``."""
        if isinstance(step, str):
            member = (self.members or {}).get(normalize("NFC", step))
            return member[1] if member else None
        items = self.items or []
        return items[step] if -len(items) <= step < len(items) else None


def load(block: str) -> JSONObject:
    """The fields of a YAML *block* (line ends already ``\\n``), or :class:`InvalidFrontMatter`; lines count from 1."""
    if len(block) <= _FAST_LIMIT and not _is_unsure(block):
        try:
            values = yaml_rs.loads(block, parse_datetime=False)
        except ValueError:
            pass
        else:
            if type(values) is dict and _is_plain(values, 0):
                return values
    return load_exactly(block)


def load_exactly(block: str) -> JSONObject:
    """As :func:`load`, through the exact tier alone."""
    root = compose(block)
    if root is None:
        return {}
    if root.members is None:
        raise yamlhints.not_a_mapping(block, root.line, is_list=root.items is not None)
    return {key: _value(node, (key,)) for key, (_, node) in root.members.items()}


def compose(block: str) -> Node | None:
    """The exact tree of a *block*; ``None`` when there is nothing in it but blanks and comments."""
    yamlhints.refuse_control_characters(block)
    return _Composer(block).compose()


def _is_unsure(block: str) -> bool:
    """Whether the tiers might differ about *block*."""
    if block[:1] in _ODD_START or "<<" in block or _ALWAYS_EXACT.search(block) or _COMPACT_LIST.search(block):
        return True
    if "0" in block and _RADIX.search(block):
        return True
    if _SUSPECT.search(block) and (
        (any(map(block.__contains__, "&*!%?")) and _PROPERTY.search(block))
        or ("[" in block and _BRACKETS.search(block))
        or ("_" in block and _NUMBER_WITH_UNDERSCORE.search(block))
        or ("\\" in block and _UNUSUAL_ESCAPE.search(block))
        or (("|" in block or ">" in block) and _EMPTY_TEXT.search(block))
    ):
        return True
    return not block.isascii() and (_INVISIBLE.search(block) is not None or not is_normalized("NFC", block))


def _is_plain(value: object, depth: int) -> bool:
    """Whether the fast tier's *value* is JSON that a reader keeps exactly, and not too deep."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is int:
        return -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER  # type: ignore[operator]
    if kind is float:
        return math.isfinite(value)  # type: ignore[arg-type]
    if depth >= MAX_DEPTH:
        return False
    if isinstance(value, list):
        return all(type(item) is str or _is_plain(item, depth + 1) for item in value)
    if isinstance(value, dict):
        return all(
            type(key) is str and key and (type(item) is str or _is_plain(item, depth + 1))
            for key, item in value.items()
        )
    return False


def scalar(text: str) -> JSONValue:
    """A plain scalar by YAML 1.2's core rules; numbers that JSON cannot keep exactly stay text.

    Raises:
        ValueError: it is ``.nan`` or ``.inf``, which no JSON holds.
    """
    if text in _WORDS:
        return _WORDS[text]
    if not (text[0] in "+-." or "0" <= text[0] <= "9"):
        return text
    if _INTEGER.fullmatch(text):
        if len(text) > 40:  # also keeps int() away from its limit of 4,300 digits
            return text
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        number = int(text[2:] if base != 10 else text, base)
        return number if -MAX_SAFE_INTEGER <= number <= MAX_SAFE_INTEGER else text
    if _FLOAT.fullmatch(text):
        decimal = float(text)
        return decimal if math.isfinite(decimal) else text
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"{text} is not a number that can be published")
    return text


def _value(node: Node, path: Sequence[str | int]) -> JSONValue:
    if node.members is not None:
        return {key: _value(item, (*path, key)) for key, (_, item) in node.members.items()}
    if node.items is not None:
        return [_value(item, (*path, number)) for number, item in enumerate(node.items)]
    text = node.text or ""
    if not node.plain:
        return text
    try:
        return scalar(text)
    except ValueError as problem:
        raise InvalidFrontMatter(
            str(problem),
            line=node.line,
            column=node.column,
            field=field_name(path),
            rule="not-finite",
            hint=f'put it in quotes if it is text: "{text}"',
        ) from None


def field_name(path: Sequence[str | int]) -> str:
    """A path as people write it: ``menu.main[0].weight``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _place(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


@dataclass(slots=True)
class _Composer:
    """Events of one block into one tree, refusing on the way."""

    block: str
    events: Iterator[yaml.Event] = field(init=False)
    restore: dict[int, str] = field(init=False, default_factory=dict)
    values: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        text = self.block
        for separator in _SEPARATORS:
            if separator in text:
                stand_in = next(c for c in map(chr, range(0x100000, 0x10FFFE)) if c not in text)
                text = text.replace(separator, stand_in)
                self.restore[ord(stand_in)] = separator
        self.events = yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))

    def compose(self) -> Node | None:
        try:
            next(self.events)  # the stream begins
            event = next(self.events)
            if isinstance(event, yaml.StreamEndEvent):
                return None
            node = self._node(next(self.events), ())
            next(self.events)  # the document ends
            event = next(self.events)
        except yaml.YAMLError as error:
            raise yamlhints.explain(self.block, error) from None
        if not isinstance(event, yaml.StreamEndEvent):
            raise yamlhints.second_document(self.block, _place(event)[0])
        return node

    def _node(self, event: yaml.Event, path: tuple[str | int, ...]) -> Node:
        line, column = _place(event)
        self._check(event, line, column, path)
        if isinstance(event, yaml.ScalarEvent):
            text = event.value.translate(self.restore) if self.restore else event.value
            if control := _CONTROL.search(text):
                raise yamlhints.control_character(control.group(), line, column, field_name(path))
            return Node(line, column, text=text, plain=not event.style and event.tag is None)
        if isinstance(event, yaml.SequenceStartEvent):
            node = Node(line, column, items=[])
            while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
                node.items.append(self._node(event, (*path, len(node.items))))  # type: ignore[union-attr,arg-type]
            return node
        return self._mapping(Node(line, column, members={}), path)

    def _mapping(self, node: Node, path: tuple[str | int, ...]) -> Node:
        members = node.members
        assert members is not None
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self._key(event, path)
            first = members.get(key.text or "")
            if first:
                raise yamlhints.duplicate_key(field_name((*path, key.text or "")), first[0].line, key.line, key.column)
            members[key.text or ""] = key, self._node(next(self.events), (*path, key.text or ""))
        return node

    def _key(self, event: yaml.Event, path: tuple[str | int, ...]) -> Node:
        line, column = _place(event)
        self._check(event, line, column, path)
        if not isinstance(event, yaml.ScalarEvent):
            raise yamlhints.complex_key(self.block, line, column, field_name(path))
        key = self._node(event, path)
        text = normalize("NFC", key.text or "")
        if not text or (key.plain and text == "<<"):
            raise yamlhints.bad_key(text, line, column, field_name(path))
        if hidden := _HIDDEN_IN_KEY.search(text):
            raise yamlhints.hidden_in_key(text, hidden.group(), line, column)
        key.text = text
        return key

    def _check(self, event: yaml.Event, line: int, column: int, path: tuple[str | int, ...]) -> None:
        """Refuse what is YAML, but not front matter: references between values, types by tag, and bombs."""
        self.values += 1
        where = {"line": line, "column": column, "field": field_name(path) or None}
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise yamlhints.reference(self.block, isinstance(event, yaml.AliasEvent), event.anchor, where)  # type: ignore[attr-defined]
        tag = getattr(
            event, "tag", None
        )  # "!" alone, which old Jekyll sites write, says "this is text" and is harmless
        if tag is not None and not (tag == "!" and isinstance(event, yaml.ScalarEvent)):
            raise yamlhints.tagged(self.block, tag, where)
        if len(path) > MAX_DEPTH or (len(path) == MAX_DEPTH and isinstance(event, yaml.CollectionStartEvent)):
            raise InvalidFrontMatter(
                f"values are nested more than {MAX_DEPTH} levels deep",
                **where,
                rule="too-deep",
                hint="use fewer lists within lists",
            )
        if self.values > MAX_VALUES:
            raise InvalidFrontMatter(
                f"the front matter holds more than {MAX_VALUES:,} values",
                **where,
                rule="too-many-values",
                hint="move the data to a file of its own",
            )
