"""Values as YAML text that YAML 1.1 and 1.2 read alike, in the manner of the file they go into."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import yaml
import yaml.resolver

from cms import yamltext
from cms.edit.tree import Node, Spelled, column

#: Words and forms that some reader takes for something else than text, beyond what PyYAML and YAML 1.2 say:
#: one-letter booleans of YAML 1.1, symbols and numbers with commas of Ruby, merge keys.
_MISTAKEN = re.compile(r"[yYnN]|:.*|[-+]?[0-9][0-9,_]*|<<|=|[-+]?[0-9][0-9_]*(?::[0-9]{1,2})+(?:\.[0-9_]*)?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt \t].*)?")
_FORBIDDEN_START = frozenset("-?:,[]{}#&*!|>'\"%@`")
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\xa0\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\ufffe\uffff]"
)
_ESCAPED = re.compile("[\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff]")
_BREAKABLE = re.compile(r"(?<=\S) (?=\S)")
_RESOLVE: Callable[..., str] = yaml.resolver.Resolver().resolve
_TEXT, _TIME = "tag:yaml.org,2002:str", "tag:yaml.org,2002:timestamp"
WIDTH = 80


@dataclass(frozen=True, slots=True)
class Manner:
    """How a file is written, for what is new in it.

    Attributes:
        step: how far nested fields are indented.
        list_step: how far the dashes of a list stand right of its key.
        flow_lists: short lists stand in brackets.
        quote: the quotes of text that needs some.
        null: how nothing is written.
    """

    step: int = 2
    list_step: int = 2
    flow_lists: bool = False
    quote: str = '"'
    null: str = "null"


class Lines(NamedTuple):
    """A value as it stands behind its colon or dash: the rest of that line, and whole lines below."""

    head: str
    below: tuple[str, ...] = ()


def observe(block: str, root: Node | None) -> Manner:
    """The manner of the file that *root* was read from."""
    seen = _Observer(block)
    if root is not None:
        seen.visit(root)
    return Manner(
        step=seen.step or 2,
        list_step=2 if seen.list_step is None else seen.list_step,
        flow_lists=seen.flow > seen.block_lists,
        quote="'" if seen.quotes["'"] > seen.quotes['"'] else '"',
        null=seen.null or "null",
    )


class _Observer:
    def __init__(self, block: str) -> None:
        self.block = block
        self.step = 0
        self.list_step: int | None = None
        self.flow = self.block_lists = 0
        self.quotes = {"'": 0, '"': 0}
        self.null = ""

    def visit(self, node: Node) -> None:
        if node.kind == "scalar":
            if node.style in self.quotes:
                self.quotes[node.style] += 1
            elif not node.style and node.text in ("~", "null", "Null", "NULL"):
                self.null = self.null or node.text
        elif node.kind == "list" and node.parts:
            self.flow += node.style == "flow"
            self.block_lists += node.style == "block"
        for part in node.parts:
            below = part.node
            if node.kind == "object" and node.style == below.style == "block" and below.parts:
                distance = column(self.block, below.parts[0].start) - column(self.block, part.start)
                if below.kind == "object":
                    self.step = self.step or distance
                elif self.list_step is None:
                    self.list_step = distance
            self.visit(below)


def is_plain_text(text: str, *, is_flow: bool = False) -> bool:
    """Whether *text* without quotes is this text, or a date, to every reader."""
    if not text or (text[0] in _FORBIDDEN_START and not _may_lead(text)) or text != text.strip() or "\t" in text:
        return False
    if (
        ": " in text
        or " #" in text
        or text.endswith(":")
        or text.startswith(("---", "..."))
        or _UNPRINTABLE.search(text)
    ):
        return False
    if "\n" in text or (is_flow and (not set(text).isdisjoint("[]{},?") or ":" in text)):
        return False
    if _DAY.fullmatch(text):
        return True
    try:
        is_text = yamltext.scalar(text) == text
    except ValueError:
        return False
    return (
        is_text and not _MISTAKEN.fullmatch(text) and _RESOLVE(yaml.ScalarNode, text, (True, False)) in (_TEXT, _TIME)
    )


def _may_lead(text: str) -> bool:
    """A hyphen or a question mark begins text when another letter follows at once."""
    return text[0] in "-?" and len(text) > 1 and text[1].isalnum()


def quoted(text: str, quote: str) -> str:
    """*text* in quotes; in double ones when single ones cannot hold it."""
    if quote == "'" and "\n" not in text and not _UNPRINTABLE.search(text):
        return "'" + text.replace("'", "''") + "'"
    escaped = json.dumps(text, ensure_ascii=False)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", escaped)


def scalar(value: Any, manner: Manner, style: str = "", *, is_flow: bool = False) -> str:
    """One value on one line; *style* are the quotes that its place had."""
    if isinstance(value, Spelled):
        return value.text
    if value is None:
        return "null" if is_flow else manner.null
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        number = json.dumps(value)
        # YAML 1.1 takes 1e+16 for text.
        return number.replace("e", ".0e") if "e" in number and "." not in number else number
    if style in ("'", '"'):
        return quoted(value, style)
    if is_plain_text(value, is_flow=is_flow):
        return str(value)
    quote = manner.quote
    if quote == '"' and ('"' in value or "\\" in value) and "'" not in value:
        quote = "'"
    return quoted(value, quote)


def flow(value: Any, manner: Manner, style: str = "", key_style: str = "") -> str:
    """Any value on one line, lists and objects in brackets."""
    if isinstance(value, list):
        return "[" + ", ".join(flow(item, manner, style, key_style) for item in value) + "]"
    if isinstance(value, dict):
        members = (
            f"{key(name, manner, key_style)}: {flow(item, manner, style, key_style)}" for name, item in value.items()
        )
        return "{" + ", ".join(members) + "}"
    return scalar(value, manner, style, is_flow=True)


def key(name: str, manner: Manner, style: str = "") -> str:
    """The name of a field, quoted where it must be."""
    if style in ("'", '"') or not is_plain_text(name, is_flow=True) or _DAY.fullmatch(name):
        return quoted(name, style or manner.quote)
    return name


def lines(value: Any, indent: int, manner: Manner, style: str = "") -> Lines:
    """*value* behind a key that stands at *indent*, lists and objects on lines of their own."""
    if isinstance(value, dict) and value:
        return Lines("", tuple(members(value, indent + manner.step, manner)))
    if isinstance(value, list) and value:
        if manner.flow_lists and not any(isinstance(item, list | dict) or _is_long(item) for item in value):
            return Lines(" " + flow(value, manner, style))
        return Lines("", tuple(line for part in value for line in item(part, indent + manner.list_step, manner, style)))
    if isinstance(value, list | dict):
        return Lines(" []" if isinstance(value, list) else " {}")
    if _is_long(value) and (block := literal(value, indent, manner)):
        return block
    return Lines(" " + scalar(value, manner, style))


def members(value: dict[str, Any], indent: int, manner: Manner) -> Iterator[str]:
    """The lines of an object whose keys stand at *indent*."""
    for name, part in value.items():
        head, below = lines(part, indent, manner)
        yield f"{' ' * indent}{key(name, manner)}:{head}"
        yield from below


def item(value: Any, indent: int, manner: Manner, style: str = "", gap: str = " ") -> list[str]:
    """The lines of an item whose dash stands at *indent*."""
    dash = " " * indent + "-"
    inner = indent + 1 + len(gap)
    if isinstance(value, dict) and value:
        first, *rest = members(value, inner, manner)
        return [dash + gap + first.lstrip(" "), *rest]
    if isinstance(value, list) and value:
        return [dash, *(line for part in value for line in item(part, indent + 2, manner, style))]
    head, below = lines(value, indent, manner, style)
    return [dash + gap + head[1:], *below]


def _is_long(value: Any) -> bool:
    return isinstance(value, str) and "\n" in value


def literal(text: str, indent: int, manner: Manner) -> Lines | None:
    """*text* below a ``|``, where that can hold it."""
    return block_text(text, "|", indent, indent + max(manner.step, 1), text.split("\n"))


def block_text(text: str, style: str, indent: int, inner: int, source: Sequence[str]) -> Lines | None:
    """*text* as a block scalar whose lines *source* (of a text without trailing line ends) are indented by *inner*."""
    content = text.rstrip("\n")
    if not content or _UNPRINTABLE.search(content) or not content.split("\n")[0].strip():
        return None
    trailing = len(text) - len(content)
    chomping = "-+"[trailing > 1] if trailing != 1 else ""
    indicator = str(inner - indent) if source[0].startswith((" ", "\t")) else ""
    kept = list(source)
    while kept and not kept[-1]:
        kept.pop()
    below = [" " * inner + line if line else "" for line in kept] + [""] * (trailing - 1)
    return Lines(f" {style}{indicator}{chomping}", tuple(below))


def wrap(text: str, width: int) -> list[str]:
    """*text* in lines of about *width*, cut only where a fold reads as the one space that was there."""
    found: list[str] = []
    for word in _BREAKABLE.split(text):
        if found and len(found[-1]) + 1 + len(word) <= width:
            found[-1] += f" {word}"
        else:
            found.append(word)
    return found


def rewrap(old: Sequence[str], text: str) -> list[str]:
    """*text* folded into lines; those of *old* at its beginning and its end that say the same stay as they are."""
    rest, first, last = text, 0, len(old)
    while first < last - 1 and rest.startswith(f"{old[first]} ") and _BREAKABLE.match(rest, len(old[first])):
        rest = rest[len(old[first]) + 1 :]
        first += 1
    while last - 1 > first and rest.endswith(f" {old[last - 1]}"):
        rest = rest[: -len(old[last - 1]) - 1]
        last -= 1
    width = max(map(len, old)) if len(old) > 1 else len(text)
    return [*old[:first], *wrap(rest, width), *old[last:]]


def fold(old: Sequence[str], text: str) -> list[str]:
    """The lines of *text* below a ``>``: paragraphs wrapped like those of the lines *old*, with empty lines for line ends."""
    known: list[list[str]] = [[]]
    for line in old:
        if line:
            known[-1].append(line)
        elif known[-1]:
            known.append([])
    fitting = {" ".join(group): group for group in known if group}
    spare = [group for group in known if group and " ".join(group) not in text.split("\n")]
    paragraphs: list[list[str]] = []
    for paragraph in text.rstrip("\n").split("\n"):
        if not paragraph:
            paragraphs.append([])
        elif paragraph in fitting:
            paragraphs.append(fitting[paragraph])
        else:
            paragraphs.append(rewrap(spare.pop(0), paragraph) if spare else wrap(paragraph, WIDTH))
    result = list(paragraphs[0])
    for _, group in pairwise(paragraphs):
        result += ["", *group]
    return result
