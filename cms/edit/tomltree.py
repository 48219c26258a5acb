"""A TOML block as its tables and lines, with exact places. The block is known to be right: ``tomllib`` has read it."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from unicodedata import normalize

from cms.edit.tree import Node, Part, Path, line_end, line_start

_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_KEY_PART = re.compile(r"[A-Za-z0-9_-]+|\"(?:[^\"\\]|\\.)*\"|'[^']*'")
_SCALAR = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\]|\\.)*"|\'[^\'\n]*\''
    r"|\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d[^\s,\]}#]*)?|[^\s,\]}#\[{\"']+",
    re.DOTALL,
)
_STYLES = ('"""', "'''", '"', "'")


@dataclass(slots=True)
class Pair:
    """``key = value`` on a line of its own; *path* is counted from the root."""

    start: int
    key_end: int
    keys: tuple[str, ...]
    path: Path
    node: Node


@dataclass(slots=True)
class Section:
    """A table with its header, or the lines before the first one."""

    path: Path
    start: int
    end: int
    is_item: bool = False
    pairs: list[Pair] = field(default_factory=list)


class TOMLTree:
    """The tables of one block, in their order; the first one is the root."""

    def __init__(self, block: str) -> None:
        """Read *block*.

        Raises:
            ValueError: it is not TOML as we know it.
        """
        self.block = block
        self.sections = [Section((), 0, 0)]
        self._lists: dict[Path, int] = {}
        position = self._skip(0)
        while position < len(block):
            position = self._header(position) if block[position] == "[" else self._pair(position)
            position = self._skip(position)

    def pairs(self) -> Iterator[Pair]:
        """Every line with a value."""
        for section in self.sections:
            yield from section.pairs

    def _header(self, start: int) -> int:
        is_item = self.block.startswith("[[", start)
        keys, position = self._keys(start + 1 + is_item)
        path: Path = ()
        for number, key in enumerate(keys):
            path = (*path, key)
            is_last = number == len(keys) - 1
            if is_last and is_item:
                self._lists[path] = self._lists.get(path, -1) + 1
            if path in self._lists:
                path = (*path, self._lists[path])
        end = line_end(self.block, position)
        self.sections.append(Section(path, line_start(self.block, start), end, is_item))
        return end

    def _pair(self, start: int) -> int:
        keys, position = self._keys(start)
        key_end = position
        position = self._past_space(position)
        if self.block[position : position + 1] != "=":
            raise ValueError("there is no '=' behind a key")
        node = self._value(self._past_space(position + 1))
        section = self.sections[-1]
        section.pairs.append(Pair(start, _trimmed(self.block, key_end), keys, (*section.path, *keys), node))
        section.end = line_end(self.block, node.end)
        return section.end

    def _keys(self, position: int) -> tuple[tuple[str, ...], int]:
        keys: list[str] = []
        while True:
            position = self._past_space(position)
            found = _KEY_PART.match(self.block, position)
            if found is None:
                raise ValueError("a key is missing")
            text = found[0]
            if text[0] in "\"'":
                text = tomllib.loads(f"k = {text}")["k"]
            keys.append(normalize("NFC", text))
            position = self._past_space(found.end())
            if self.block[position : position + 1] != ".":
                return tuple(keys), found.end()
            position += 1

    def _value(self, start: int) -> Node:
        opening = self.block[start : start + 1]
        if opening in ("[", "{"):
            return self._collection(start, is_list=opening == "[")
        found = _SCALAR.match(self.block, start)
        if found is None:
            raise ValueError("a value is missing")
        style = next((style for style in _STYLES if found[0].startswith(style)), "")
        return Node(start, found.end(), style=style, text=found[0])

    def _collection(self, start: int, *, is_list: bool) -> Node:
        node = Node(start, 0, kind="list" if is_list else "object", style="flow")
        position = self._skip(start + 1)
        while self.block[position] not in "]}":
            part_start = key_end = mark = position
            keys: tuple[str, ...] = ()
            if not is_list:
                keys, key_end = self._keys(position)
                mark = self._past_space(key_end) + 1
                position = self._past_space(mark)
            value = self._value(position)
            name = keys[0] if keys else ""
            for key in reversed(keys[1:]):
                value = Node(
                    value.start, value.end, kind="object", style="dotted", parts=[Part(mark, mark, mark, value, key)]
                )
            node.parts.append(Part(part_start, key_end, mark, value, name))
            position = self._skip(value.end)
            if self.block[position] == ",":
                position = self._skip(position + 1)
        node.end = position + 1
        return node

    def _skip(self, position: int) -> int:
        found = _BLANK.match(self.block, position)
        assert found is not None
        return found.end()

    def _past_space(self, position: int) -> int:
        found = _SPACE.match(self.block, position)
        assert found is not None
        return found.end()


def _trimmed(block: str, end: int) -> int:
    return len(block[:end].rstrip(" \t"))
