"""Changes of a JSON block, as splices."""

import json
import re
from collections.abc import Iterator
from typing import Any
from unicodedata import normalize

from cms.edit import flow
from cms.edit.tree import Change, Node, Part, Spelled, Splice, line_start, trail

_BLANK = re.compile(r"\s*")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_ATOM = re.compile(r"[^\s,\]}\[{\"]+")
_INDENT = re.compile(r"\n([ \t]+)\"")


class JSONEditor:
    """Edits one JSON block, which is one object."""

    def __init__(self, block: str) -> None:
        """Read *block*.

        Raises:
            ValueError: it is not understood.
        """
        self._block = block
        self._root = _Reader(block).read(0)
        found = _INDENT.search(block)
        self._step = found[1] if found else "  "
        self._blank = "" if self._colon(self._root) == ":" else " "
        self._is_ascii = block.isascii() and "\\u" in block

    def attempts(self, change: Change) -> Iterator[list[Splice]]:
        """Ways to make *change*, those that touch least first."""
        way = trail(self._root, change.path[:-1])
        if way is None:
            return
        holder = way[-1].node if way else self._root
        step = change.path[-1]
        part = holder.find(step)
        for value in _ways(change.value):
            if change.verb == "insert":
                index = step if isinstance(step, int) else len(holder.parts)
                blank = flow.separator(self._block, holder, self._blank) if holder.parts else self._inside(holder)
                text = self.write(value, blank.rpartition("\n")[2] if "\n" in blank else None)
                if isinstance(step, str):
                    text = f"{self._text(step)}{self._colon(holder)}{text}"
                yield flow.insertion(self._block, holder, index, text, self._step, self._blank)
            elif part is not None and change.verb == "replace":
                yield [Splice(part.node.start, part.node.end, self.write(value, self._indent(part)))]
        if part is not None and change.verb == "remove":
            yield flow.removal(holder, holder.parts.index(part))

    def write(self, value: Any, indent: str | None) -> str:
        """*value* as JSON; lists and objects on lines of their own under *indent* unless that is ``None``."""
        if isinstance(value, dict):
            items = [
                f"{self._text(name)}{': ' if indent is not None else self._colon(self._root)}{self.write(item, self._deeper(indent))}"
                for name, item in value.items()
            ]
            return self._brackets("{", items, "}", indent)
        if isinstance(value, list):
            if not any(isinstance(item, list | dict) for item in value) and self._has_short_lists():
                return self._brackets("[", [self.write(item, None) for item in value], "]", None)
            return self._brackets("[", [self.write(item, self._deeper(indent)) for item in value], "]", indent)
        if isinstance(value, Spelled):
            return value.text
        return self._text(value) if isinstance(value, str) else json.dumps(value)

    def _brackets(self, opening: str, items: list[str], closing: str, indent: str | None) -> str:
        if not items or indent is None:
            return opening + f",{self._blank}".join(items) + closing
        inner = f"\n{indent}{self._step}"
        return f"{opening}{inner}{f',{inner}'.join(items)}\n{indent}{closing}"

    def _text(self, text: str) -> str:
        written = json.dumps(text, ensure_ascii=self._is_ascii)
        return written.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")

    def _deeper(self, indent: str | None) -> str | None:
        return None if indent is None else indent + self._step

    def _indent(self, part: Part) -> str | None:
        """The indentation of the line that *part* begins on, when it is alone there."""
        start = line_start(self._block, part.start)
        before = self._block[start : part.start]
        return before if start and not before.strip() else None

    def _inside(self, holder: Node) -> str:
        inside = self._block[holder.start + 1 : holder.end - 1]
        return inside + self._step if "\n" in inside else inside

    def _colon(self, holder: Node) -> str:
        parts = holder.parts or self._root.parts
        return self._block[parts[-1].key_end : parts[-1].node.start] if parts else ": "

    def _has_short_lists(self) -> bool:
        return _has_short_lists(self._root, self._block)


def _has_short_lists(node: Node, block: str) -> bool:
    if node.kind == "list" and node.parts and "\n" not in block[node.start : node.end]:
        return True
    return any(_has_short_lists(part.node, block) for part in node.parts)


def _ways(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, Spelled):
        yield value.value


class _Reader:
    """Reads JSON that is known to be right."""

    def __init__(self, block: str) -> None:
        self._block = block

    def read(self, position: int) -> Node:
        """The value that begins at or behind *position*."""
        start = self._skip(position)
        opening = self._block[start : start + 1]
        if opening in ("{", "["):
            return self._collection(start, "object" if opening == "{" else "list")
        found = (_STRING if opening == '"' else _ATOM).match(self._block, start)
        if found is None:
            raise ValueError("a value is missing")
        text = json.loads(found[0], strict=False) if opening == '"' else found[0]
        return Node(start, found.end(), style=opening if opening == '"' else "", text=text)

    def _collection(self, start: int, kind: str) -> Node:
        node = Node(start, 0, kind="list" if kind == "list" else "object", style="flow")
        position = self._skip(start + 1)
        while self._block[position] not in "]}":
            key_start = key_end = position
            name = ""
            if kind == "object":
                key = _STRING.match(self._block, position)
                if key is None:
                    raise ValueError("a key is missing")
                name, key_end = normalize("NFC", json.loads(key[0], strict=False)), key.end()
                position = self._skip(key_end) + 1
            value = self.read(position)
            mark = position if kind == "object" else value.start
            node.parts.append(Part(key_start, key_end, mark, value, name))
            position = self._skip(value.end)
            if self._block[position] == ",":
                position = self._skip(position + 1)
        node.end = position + 1
        return node

    def _skip(self, position: int) -> int:
        found = _BLANK.match(self._block, position)
        assert found is not None
        return found.end()
