"""Changes of a TOML block, as splices."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from cms.edit import flow
from cms.edit.tomltree import Pair, Section, TOMLTree
from cms.edit.tree import Change, Node, Path, Spelled, Splice, line_start, next_line, trail
from cms.errors import InvalidEntry
from cms.yamltext import field_name

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f]")
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)?)?|\d\d:\d\d:\d\d(?:\.\d+)?"
)
_COMMENTS_ABOVE = re.compile(r"(?:^[ \t]*#[^\n]*\n)+\Z", re.MULTILINE)
_BLANK_LINES = re.compile(r"(?:[ \t]*\n)*")


class TOMLEditor:
    """Edits one TOML block."""

    def __init__(self, block: str) -> None:
        """Read *block*.

        Raises:
            ValueError: it is not understood.
        """
        self._block = block
        self._tree = TOMLTree(block)
        texts = [pair.node.style for pair in self._tree.pairs()]
        self._quote = "'" if texts.count("'") > texts.count('"') else '"'

    def attempts(self, change: Change) -> Iterator[list[Splice]]:
        """Ways to make *change*, those that touch least first.

        Raises:
            InvalidEntry: it holds an empty value, which TOML cannot say.
        """
        if change.verb == "remove":
            yield from self._remove(change.path)
            return
        _refuse_nothing(change.value, change.path)
        if change.verb == "insert":
            yield from self._insert(change)
        else:
            yield from self._replace(change)

    def _locate(self, path: Path) -> tuple[Pair, Path] | None:
        """The line that holds *path*, and the way from its value on."""
        for pair in self._tree.pairs():
            if path[: len(pair.path)] == pair.path:
                return pair, path[len(pair.path) :]
        return None

    def _node(self, path: Path) -> Node | None:
        located = self._locate(path)
        if located is None:
            return None
        pair, rest = located
        way = trail(pair.node, rest)
        if way is None:
            return None
        return way[-1].node if way else pair.node

    def _replace(self, change: Change) -> Iterator[list[Splice]]:
        node = self._node(change.path)
        if node is not None:
            for written in self._writings(change.value, node):
                yield [Splice(node.start, node.end, written)]
            return
        for taken in self._remove(change.path):  # a table becomes something else
            for put in self._insert(Change("insert", change.path, change.value)):
                if all(splice.start not in range(old.start + 1, old.end) for splice in put for old in taken):
                    yield [*taken, *put]

    def _writings(self, value: Any, node: Node) -> Iterator[str]:
        if isinstance(value, Spelled):
            yield value.text
            value = value.value
        if isinstance(value, str) and not node.style and node.kind == "scalar" and _MOMENT.fullmatch(value):
            yield value
        if isinstance(value, str) and node.style in ('"""', "'''"):
            yield _long(value, node.style, starts_below=self._block.startswith("\n", node.start + 3))
        if isinstance(value, str) and "\n" in value and node.style not in ('"""', "'''"):
            yield _long(value, '"""', starts_below=True)
        style = node.style if len(node.style) == 1 else self._quote
        yield self.write(value, style)
        yield self.write(value, '"')

    def write(self, value: Any, style: str) -> str:
        """*value* on one line."""
        if isinstance(value, Spelled):
            return value.text
        if isinstance(value, dict):
            return (
                "{" + ", ".join(f"{write_key(name)} = {self.write(item, style)}" for name, item in value.items()) + "}"
            )
        if isinstance(value, list):
            return "[" + ", ".join(self.write(item, style) for item in value) + "]"
        if isinstance(value, str):
            return write_text(value, style)
        return json.dumps(value)

    def _remove(self, path: Path) -> Iterator[list[Splice]]:
        located = self._locate(path)
        if located is not None:
            pair, rest = located
            if rest:
                way = trail(pair.node, rest)
                holder = way[-2].node if way and len(way) > 1 else pair.node
                if way:
                    yield flow.removal(holder, holder.parts.index(way[-1]))
                return
            yield [self._line(pair)]
            prefix = ".".join(map(write_key, pair.keys[:-1]))
            if prefix:  # the last one of an object that is only made of dotted keys
                yield [Splice(pair.start, pair.node.end, f"{prefix} = {{}}")]
            return
        taken = []
        for section in self._tree.sections:
            if section.path[: len(path)] == path and section.path:
                end = next_line(self._block, section.end)
                blank = _BLANK_LINES.match(self._block, end)
                taken.append(Splice(section.start, blank.end() if blank else end, ""))
            else:
                taken += [self._line(pair) for pair in section.pairs if pair.path[: len(path)] == path]
        if taken:
            yield taken

    def _line(self, pair: Pair) -> Splice:
        return Splice(line_start(self._block, pair.start), next_line(self._block, pair.node.end), "")

    def _insert(self, change: Change) -> Iterator[list[Splice]]:
        *holder_path, step = change.path
        path = tuple(holder_path)
        node = self._node(path) if path else None
        if node is not None:
            for value in _ways(change.value):
                yield from self._insert_flow(node, step, value)
            return
        if isinstance(step, int):
            yield from self._new_item(path, step, change.value)
            return
        section = self._section(path)
        if section is None:
            yield from self._beside_dotted(path, step, change.value)
            section, rest = self._nearest(path)
            keys = (*map(str, rest), step)
        else:
            keys = (step,)
        value = change.value
        if not path and isinstance(value, dict) and value and len(self._tree.sections) > 1:
            yield self._new_table(step, value)
        for text in self._texts(value):
            yield self._new_line(section, keys, text)

    def _texts(self, value: Any) -> Iterator[str]:
        for each in _ways(value):
            if isinstance(each, str) and _MOMENT.fullmatch(each):
                yield each
            if isinstance(each, str) and "\n" in each:
                yield _long(each, '"""', starts_below=True)
            yield self.write(each, self._quote)
            yield self.write(each, '"')

    def _insert_flow(self, node: Node, step: str | int, value: Any) -> Iterator[list[Splice]]:
        styles = {part.node.style for part in node.parts}
        style = next(iter(styles)) if len(styles) == 1 and styles <= {"'", '"'} else self._quote
        texts = [self.write(value, style)]
        if isinstance(value, str) and _MOMENT.fullmatch(value) and styles == {""}:
            texts.insert(0, value)
        for text in texts:
            if isinstance(step, str):
                text = f"{write_key(step)} = {text}"
            index = step if isinstance(step, int) else len(node.parts)
            yield flow.insertion(self._block, node, index, text)

    def _section(self, path: Path) -> Section | None:
        return next((section for section in self._tree.sections if section.path == path), None)

    def _nearest(self, path: Path) -> tuple[Section, Path]:
        for length in range(len(path), 0, -1):
            found = self._section(path[:length])
            if found is not None:
                return found, path[length:]
        return self._tree.sections[0], path

    def _beside_dotted(self, path: Path, step: str, value: Any) -> Iterator[list[Splice]]:
        """Put the field behind others of the same object, which is made of dotted keys."""
        beside = [pair for pair in self._tree.pairs() if pair.path[: len(path)] == path]
        if beside:
            pair = beside[-1]
            keys = (*pair.keys[: len(pair.keys) - (len(pair.path) - len(path))], step)
            place = next_line(self._block, pair.node.end)
            for text in self._texts(value):
                yield [Splice(place, place, self._lead(place) + self._written(pair, keys, text))]

    def _lead(self, place: int) -> str:
        return "" if self._block[place - 1 : place] in ("", "\n") else "\n"

    def _written(self, like: Pair | None, keys: tuple[str, ...], text: str) -> str:
        indent, equals = "", " = "
        if like is not None:
            indent = self._block[line_start(self._block, like.start) : like.start]
            equals = self._block[like.key_end : like.node.start].strip("\t") or " = "
            equals = " = " if len(equals) > 3 else equals  # aligned in columns
        return f"{indent}{'.'.join(map(write_key, keys))}{equals}{text}\n"

    def _new_line(self, section: Section, keys: tuple[str, ...], text: str) -> list[Splice]:
        like = section.pairs[-1] if section.pairs else None
        if like is not None:
            place = next_line(self._block, like.node.end)
        elif section.path:
            place = next_line(self._block, section.end)
        elif len(self._tree.sections) > 1:
            header = self._tree.sections[1].start
            comments = _COMMENTS_ABOVE.search(self._block[:header])
            place = comments.start() if comments else header
        else:
            place = len(self._block)
        return [Splice(place, place, self._lead(place) + self._written(like, keys, text))]

    def _new_table(self, name: str, value: Mapping[str, Any]) -> list[Splice]:
        place = len(self._block)
        lines = [f"{write_key(key)} = {self.write(item, self._quote)}\n" for key, item in value.items()]
        return [Splice(place, place, f"{self._lead(place)}\n[{write_key(name)}]\n{''.join(lines)}")]

    def _new_item(self, path: Path, index: int, value: Any) -> Iterator[list[Splice]]:
        """Put a new ``[[table]]`` among those of a list."""
        if not isinstance(value, dict):
            return
        place = len(self._block)
        for section in self._tree.sections:
            if section.path[: len(path) + 1] == (*path, index):
                place = section.start
                break
            if section.path[: len(path) + 1] == (*path, index - 1):
                place = next_line(self._block, section.end)
        header = f"[[{'.'.join(write_key(str(step)) for step in path if isinstance(step, str))}]]\n"
        lines = [f"{write_key(key)} = {self.write(item, self._quote)}\n" for key, item in value.items()]
        yield [Splice(place, place, f"{self._lead(place)}{header}{''.join(lines)}")]


def write_key(name: str) -> str:
    """A key, bare where it may be."""
    return name if _BARE.fullmatch(name) else write_text(name, '"')


def write_text(text: str, style: str) -> str:
    """*text* on one line; in double quotes when single ones cannot hold it."""
    if style == "'" and "'" not in text and not _CONTROL.search(text):
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _long(text: str, style: str, *, starts_below: bool) -> str:
    """*text* over several lines."""
    begin = "\n" if starts_below or text.startswith("\n") else ""
    if style == "'''" and "'''" not in text and not text.endswith("'"):
        return f"'''{begin}{text}'''"
    escaped = json.dumps(text, ensure_ascii=False)[1:-1].replace("\x7f", "\\u007f")
    parts = re.split(r"(\\.)", escaped)
    shown = "".join({"\\n": "\n", '\\"': '"'}.get(part, part) for part in parts)
    shown = shown.replace('"""', '""\\"')
    if shown.endswith('"'):
        shown = shown[:-1] + '\\"'
    return f'"""{begin}{shown}"""'


def _ways(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, Spelled):
        yield value.value


def _refuse_nothing(value: Any, path: Path) -> None:
    if value is None or (isinstance(value, Spelled) and value.value is None):
        name = field_name(path)
        raise InvalidEntry(
            f"'{name}' cannot be empty in TOML front matter, which has no empty value",
            field=name,
            rule="toml-null",
            hint="remove the field instead",
        )
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in items:
        _refuse_nothing(item, (*path, step))
