"""A block of front matter as a tree that knows where everything stands, and the splices that change it.

The three formats share these shapes; each has its own reader (``yamltree``, ``tomltree``, ``jsonedit``).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol
from unicodedata import normalize

from cms.yamltext import JSONValue

Step = str | int
Path = tuple[Step, ...]


class Removed:
    """The type of :data:`REMOVED`, which stands for a field that goes away."""

    def __repr__(self) -> str:
        return "REMOVED"


REMOVED = Removed()


@dataclass(frozen=True, slots=True)
class Spelled:
    """A value together with how it is written without quotes, where that says more: ``3.10``, ``0123``, ``2019-06-27``.

    May stand wherever a value may, also inside of lists and objects.
    """

    text: str
    value: JSONValue


class Splice(NamedTuple):
    """``block[start:end]`` becomes ``text``; lines end with ``\\n`` here, whatever the file has."""

    start: int
    end: int
    text: str


@dataclass(slots=True)
class Node:
    """A value at ``block[start:end]``.

    Attributes:
        style: of a scalar its quotes or its ``|`` or ``>``, empty when plain; of others ``flow`` (in brackets) or ``block``.
        text: what a scalar says.
    """

    start: int
    end: int
    kind: Literal["scalar", "list", "object"] = "scalar"
    style: str = ""
    text: str = ""
    parts: "list[Part]" = field(default_factory=list)

    def find(self, step: Step) -> "Part | None":
        """The member or the item at *step*."""
        if isinstance(step, int):
            return self.parts[step] if self.kind == "list" and 0 <= step < len(self.parts) else None
        if self.kind != "object":
            return None
        return next((part for part in self.parts if part.key == step), None)


@dataclass(slots=True)
class Part:
    """A member of an object or an item of a list.

    Attributes:
        start: where its key, its dash or its item begins.
        key_end: where its key ends; the same as ``start`` for an item.
        mark: behind its colon, equals sign or dash.
    """

    start: int
    key_end: int
    mark: int
    node: Node
    key: str = ""

    @property
    def end(self) -> int:
        """Where it ends, also when its value is not written at all."""
        return max(self.mark, self.node.end)


@dataclass(frozen=True, slots=True)
class Change:
    """One step of an edit. ``insert`` puts a new member last, or a new item before the one at that place."""

    verb: Literal["replace", "insert", "remove"]
    path: Path
    value: Any = None


class Editor(Protocol):
    """Makes the splices for one change of one block, those that touch least first; none of them is known to be right."""

    def attempts(self, change: Change) -> Iterator[list[Splice]]:
        """Ways to make *change*."""


def trail(root: Node, path: Path) -> list[Part] | None:
    """The parts on the way from *root* to *path*; ``None`` when it leads nowhere."""
    found: list[Part] = []
    node = root
    for step in path:
        part = node.find(step)
        if part is None:
            return None
        found.append(part)
        node = part.node
    return found


def plain(value: Any) -> Any:
    """*value* without spellings."""
    if isinstance(value, Spelled):
        return value.value
    if isinstance(value, dict):
        return {normalize("NFC", key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def line_start(block: str, position: int) -> int:
    """Where the line of *position* begins."""
    return block.rfind("\n", 0, position) + 1


def line_end(block: str, position: int) -> int:
    """Where the line of *position* ends, before its line feed."""
    found = block.find("\n", position)
    return len(block) if found < 0 else found


def next_line(block: str, position: int) -> int:
    """Where the line after that of *position* begins."""
    return min(line_end(block, position) + 1, len(block))


def column(block: str, position: int) -> int:
    """How many characters stand before *position* on its line."""
    return position - line_start(block, position)


def leads_its_line(block: str, position: int) -> bool:
    """Whether only blanks stand before *position* on its line."""
    return not block[line_start(block, position) : position].strip(" \t")


def splice(block: str, splices: Sequence[Splice]) -> str:
    """*block* with *splices*, none of which overlap."""
    parts: list[str] = []
    position = 0
    for start, end, text in sorted(splices):
        parts += (block[position:start], text)
        position = end
    return "".join(parts) + block[position:]
