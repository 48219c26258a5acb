"""What a reader typed, as a small tree. Never an error: what has no meaning is left out.

    word word          both words (``match="any"`` in a search loosens this)
    "two words"        the words side by side
    -word, NOT word    without it
    one OR another     either; binds weaker than words side by side
    AND ( )            tolerated, as elsewhere
    title:word         only in that field: title, summary or body; any other name is simply a word

There is no wildcard, range, regular expression or edit distance: a reader's ``*`` or ``~2`` is left out, and the search itself
looks for other endings of a word. Only the first 256 characters and 16 words count.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from cms.search import analysis

MAX_LENGTH = 256
MAX_WORDS = 16
MAX_DEPTH = 8
FIELDS = ("title", "summary", "body")

_TOKEN = re.compile(
    r'\s+|(?P<sign>-(?=[\w"(]))|(?P<field>[A-Za-z]+):(?=[\w"(])|"(?P<phrase>[^"]*)"?|(?P<mark>[()])|(?P<word>[^\s"()]+)'
)
_SUFFIX = re.compile(r"[~^][\d.]*\Z|\*+\Z")
_QUOTES = str.maketrans("“”„«»", '"""""')


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Chunks that stand side by side: one word, or a phrase. ``field`` limits where."""

    chunks: tuple[analysis.Chunk, ...]
    quoted: bool = False
    field: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    node: "Node"


@dataclass(frozen=True, slots=True, kw_only=True)
class All:
    """Every one of them. ``typed`` says that the reader wrote AND, so that it is never loosened."""

    nodes: tuple["Node", ...]
    typed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Either:
    nodes: tuple["Node", ...]


Node = Words | Not | All | Either


def parse(text: str) -> Node | None:
    """The meaning of a query, or ``None`` when there is nothing in it to look for."""
    text = analysis.normalise(text[: MAX_LENGTH * 4].strip())[:MAX_LENGTH].translate(_QUOTES)
    return _Parser(tokens=list(_tokens(text))).either(depth=0)


def positive_words(node: Node | None) -> Iterator[Words]:
    """The words whose presence makes an entry a hit, in the order typed; what a snippet should mark."""
    if isinstance(node, Words):
        yield node
    elif isinstance(node, All | Either):
        for child in node.nodes:
            yield from positive_words(child)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def _tokens(text: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind is None:
            continue
        value = match[kind]
        if kind == "word" and value in {"AND", "OR", "NOT"}:
            yield _Token(value, value)
        elif kind == "field" and value.lower() not in FIELDS:
            yield _Token("word", value)
        else:
            yield _Token(value if kind == "mark" else "NOT" if kind == "sign" else kind, value)


@dataclass(slots=True)
class _Parser:
    """Recursive descent over the tokens; anything out of place is stepped over."""

    tokens: list[_Token]
    at: int = 0
    words: int = 0
    _scope: list[str] = field(default_factory=list)

    def _peek(self) -> str:
        return self.tokens[self.at].kind if self.at < len(self.tokens) else "end"

    def either(self, *, depth: int) -> Node | None:
        nodes = []
        while True:
            node = self._every(depth=depth)
            if node is not None:
                nodes.append(node)
            if self._peek() == "OR" or (self._peek() == ")" and depth == 0):
                self.at += 1
            elif self._peek() in {"end", ")"}:
                return nodes[0] if len(nodes) == 1 else Either(nodes=tuple(nodes)) if nodes else None

    def _every(self, *, depth: int) -> Node | None:
        nodes: list[Node] = []
        typed = False
        while self._peek() not in {"end", "OR", ")"}:
            if self._peek() == "AND":
                self.at += 1
                typed = True
                continue
            node = self._one(depth=depth)
            if node is not None:
                nodes.append(node)
        return nodes[0] if len(nodes) == 1 else All(nodes=tuple(nodes), typed=typed) if nodes else None

    def _one(self, *, depth: int) -> Node | None:
        token = self.tokens[self.at]
        self.at += 1
        if token.kind == "NOT":
            negative = self._one(depth=depth) if self._peek() not in {"end", "OR", "AND", ")"} else None
            return negative.node if isinstance(negative, Not) else Not(node=negative) if negative else None
        if token.kind == "field":
            self._scope.append(token.text.lower())
            node = self._one(depth=depth) if self._peek() not in {"end", "OR", "AND", ")"} else None
            self._scope.pop()
            return node
        if token.kind == "(":
            return self._group(depth=depth)
        return self._leaf(token)

    def _group(self, *, depth: int) -> Node | None:
        if depth >= MAX_DEPTH:
            return None  # the words inside are read as if the parenthesis were not there
        node = self.either(depth=depth + 1)
        if self._peek() == ")":
            self.at += 1
        return node

    def _leaf(self, token: _Token) -> Node | None:
        text = token.text if token.kind == "phrase" else _SUFFIX.sub("", token.text)
        chunks = tuple(analysis.chunks(text))[: MAX_WORDS - self.words]
        self.words += len(chunks)
        if not chunks:
            return None
        scope = self._scope[-1] if self._scope else None
        return Words(chunks=chunks, quoted=token.kind == "phrase", field=scope)
