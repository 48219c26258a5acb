"""A YAML block as a tree with exact places, from the tokens of PyYAML's C scanner.

Not here: what front matter must not hold (``yamltext`` refuses it when the file is read).
"""

from collections.abc import Sequence
from unicodedata import normalize

import yaml

from cms.edit.tree import Node, Part

# libyaml breaks lines at these, YAML 1.2 does not; a private character of the same width takes their place.
_SEPARATORS = ("\u2028", "\u2029")
_ENDS = (yaml.KeyToken, yaml.ValueToken, yaml.BlockEndToken, yaml.FlowEntryToken)
_FLOW_ENDS = (*_ENDS, yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken)


def read_tree(block: str) -> Node | None:
    """The tree of *block*; ``None`` when there is nothing in it but blanks and comments.

    Raises:
        ValueError: it is not YAML, or of a kind that no front matter has.
    """
    text = block
    for separator in _SEPARATORS:
        text = text.replace(separator, "\U00100000")
    try:
        tokens = list(yaml.scan(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    reader = _Reader(block, [token for token in tokens if not isinstance(token, yaml.StreamStartToken)])
    if isinstance(reader.peek(), yaml.StreamEndToken):
        return None
    node = reader.read_node(0)
    if not isinstance(reader.peek(), yaml.StreamEndToken):
        raise ValueError("there is more than one document")
    return node


class _Reader:
    """Reads tokens as the grammar of YAML has them."""

    def __init__(self, block: str, tokens: Sequence[yaml.Token]) -> None:
        self._block = block
        self._tokens = tokens
        self._position = 0

    def peek(self) -> yaml.Token:
        return self._tokens[self._position]

    def _next(self) -> yaml.Token:
        self._position += 1
        return self._tokens[self._position - 1]

    def read_node(self, place: int, *, is_value: bool = False) -> Node:
        """The value that begins here; one that is not written stands at *place*."""
        start = None
        while isinstance(self.peek(), yaml.TagToken):
            start = _start(self._next()) if start is None else start
        token = self.peek()
        if isinstance(token, yaml.ScalarToken):
            self._next()
            style = "" if token.plain else token.style
            first = _start(token) if start is None else start
            return Node(first, _end(token), style=style, text=self._content(token))
        if isinstance(token, yaml.FlowSequenceStartToken):
            return self._flow("list", yaml.FlowSequenceEndToken)
        if isinstance(token, yaml.FlowMappingStartToken):
            return self._flow("object", yaml.FlowMappingEndToken)
        if isinstance(token, yaml.BlockMappingStartToken):
            return self._block_mapping()
        if isinstance(token, yaml.BlockSequenceStartToken):
            self._next()
            node = self._items()
            self._expect(yaml.BlockEndToken)
            return node
        if isinstance(token, yaml.BlockEntryToken) and is_value:
            return self._items()  # a list that is not indented under its key
        if isinstance(token, (*_FLOW_ENDS, yaml.BlockEntryToken)):
            return Node(place, place)
        raise ValueError(f"{type(token).__name__} is not for front matter")

    def _content(self, token: yaml.ScalarToken) -> str:
        text: str = token.value
        for separator in _SEPARATORS:
            if separator in self._block:
                text = text.replace("\U00100000", separator)
        return text

    def _expect(self, kind: type[yaml.Token]) -> yaml.Token:
        token = self._next()
        if not isinstance(token, kind):
            raise ValueError(f"{type(token).__name__} stands where {kind.__name__} should")
        return token

    def _items(self) -> Node:
        node = Node(_start(self.peek()), 0, kind="list", style="block")
        while isinstance(self.peek(), yaml.BlockEntryToken):
            dash = self._next()
            value = self.read_node(_end(dash))
            node.parts.append(Part(_start(dash), _start(dash), _end(dash), value))
        node.end = node.parts[-1].end
        return node

    def _block_mapping(self) -> Node:
        node = Node(_start(self._next()), 0, kind="object", style="block")
        while isinstance(self.peek(), yaml.KeyToken | yaml.ValueToken):
            node.parts.append(self._member())
        self._expect(yaml.BlockEndToken)
        node.end = node.parts[-1].end
        return node

    def _member(self) -> Part:
        if isinstance(self.peek(), yaml.ValueToken):
            raise ValueError("a key is missing")
        token = self._next()
        key = self.read_node(_end(token))
        mark = key.end
        if isinstance(self.peek(), yaml.ValueToken):
            mark = _end(self._next())
            value = self.read_node(mark, is_value=True)
        else:
            value = Node(mark, mark)
        return Part(_start(token), key.end, mark, value, normalize("NFC", key.text))

    def _flow(self, kind: str, end: type[yaml.Token]) -> Node:
        node = Node(_start(self._next()), 0, kind="list" if kind == "list" else "object", style="flow")
        while not isinstance(self.peek(), end):
            if isinstance(self.peek(), yaml.FlowEntryToken):
                self._next()
                continue
            if isinstance(self.peek(), yaml.KeyToken):
                part = self._member()
                if kind == "list":  # a single pair, as in [a: b]
                    pair = Node(part.start, part.end, kind="object", style="pair", parts=[part])
                    part = Part(part.start, part.start, part.start, pair)
            else:
                value = self.read_node(_start(self.peek()))
                part = Part(value.start, value.start if kind == "list" else value.end, value.end, value)
                if kind == "object":  # a key without a value, as in {a, b}
                    part.key, part.node = normalize("NFC", value.text), Node(value.end, value.end)
                if value.end == value.start:
                    raise ValueError("an item is missing")
            node.parts.append(part)
        node.end = _end(self._next())
        return node


def _start(token: yaml.Token) -> int:
    return int(token.start_mark.index)


def _end(token: yaml.Token) -> int:
    return int(token.end_mark.index)
