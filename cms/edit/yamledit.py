"""Changes of a YAML block, as splices."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from cms.edit import flow
from cms.edit.tree import (
    Change,
    Node,
    Part,
    Spelled,
    Splice,
    Step,
    column,
    leads_its_line,
    line_end,
    line_start,
    next_line,
    trail,
)
from cms.edit.yamltree import read_tree
from cms.edit.yamlwrite import Lines, Manner, block_text, fold, item, key, lines, observe, quoted, rewrap, scalar
from cms.edit.yamlwrite import flow as flow_text

_HEADER = re.compile(r"[|>][-+0-9]*")
_COMMENT_LINE = re.compile(r"([ \t]*)#[^\n]*(?:\n|\Z)")
_BLANKS_AND_COMMENTS = re.compile(r"(?:[ \t]*\n|[ \t]+#[^\n]*\n)*")
_GAP = re.compile(r"-([ \t]+)\S")
_QUOTES = ("'", '"')


class YAMLEditor:
    """Edits one YAML block."""

    def __init__(self, block: str) -> None:
        """Read *block*.

        Raises:
            ValueError: it is not understood.
        """
        self._block = block
        self._root = read_tree(block)
        self._manner = observe(block, self._root)

    def attempts(self, change: Change) -> Iterator[list[Splice]]:
        """Ways to make *change*, those that touch least first."""
        way = self._trail(change.path[:-1])
        if way is None:
            return
        holder = way[-1].node if way else self._root
        is_flow = any(part.node.style in ("flow", "pair") for part in way) or (holder or Node(0, 0)).style == "flow"
        if change.verb == "insert":
            yield from self._insert(change, holder, is_flow=is_flow)
            return
        part = holder.find(change.path[-1]) if holder is not None else None
        if holder is None or part is None:
            return
        if change.verb == "remove":
            yield from self._remove(holder, part, is_flow=is_flow)
        elif is_flow:
            yield from self._replace_flow(holder, part, change)
        else:
            yield from self._replace(holder, part, change)

    def _trail(self, path: Sequence[Step]) -> list[Part] | None:
        if not path:
            return []
        return trail(self._root, tuple(path)) if self._root is not None else None

    # -- in brackets -----------------------------------------------------------------------------------------------

    def _replace_flow(self, holder: Node, part: Part, change: Change) -> Iterator[list[Splice]]:
        node = part.node
        style = node.style if node.style in _QUOTES else ""
        space = " " if node.start == node.end and part.key else ""
        for quotes in dict.fromkeys((style, style or self._siblings(holder), '"')):
            text = flow_text(change.value, self._manner, quotes, self._key_style(node) or self._key_style(holder))
            yield [Splice(node.start, node.end, space + text)]

    def _insert_flow(self, holder: Node, change: Change) -> Iterator[list[Splice]]:
        step = change.path[-1]
        for quotes in dict.fromkeys((self._siblings(holder) or self._key_style(holder), '"')):
            text = flow_text(change.value, self._manner, quotes, self._key_style(holder))
            if isinstance(step, str):
                text = f"{key(step, self._manner, self._key_style(holder))}: {text}"
            index = step if isinstance(step, int) else len(holder.parts)
            yield flow.insertion(self._block, holder, index, text, " " * self._manner.step)

    def _siblings(self, holder: Node) -> str:
        """The quotes that all texts of *holder* have."""
        styles = {part.node.style for part in holder.parts if part.node.kind == "scalar"}
        return next(iter(styles)) if len(styles) == 1 and styles <= set(_QUOTES) else ""

    def _key_style(self, holder: Node) -> str:
        if holder.kind != "object" or not holder.parts:
            return ""
        opening = {self._block[part.start] for part in holder.parts}
        return next(iter(opening)) if len(opening) == 1 and opening <= set(_QUOTES) else ""

    # -- on lines of their own -------------------------------------------------------------------------------------

    def _end_of(self, node: Node) -> int:
        """Where the last line with something of *node* ends; blank lines behind a block scalar are not counted."""
        while node.parts:
            part = node.parts[-1]
            if part.node.end <= part.mark:
                return part.mark
            if node.style != "block":
                return node.end
            node = part.node
        if node.style not in ("|", ">"):
            return node.end
        header = _HEADER.match(self._block, node.start)
        assert header is not None
        if "+" in header[0]:
            return max(node.end - 1, header.end())
        text = self._block[: node.end].rstrip()
        return max(len(text), header.end())

    def _replace(self, holder: Node, part: Part, change: Change) -> Iterator[list[Splice]]:
        indent = self._indent(part)
        for written in self._writings(part.node, change.value, indent):
            yield self._put(part, written)
            if part.start != part.mark:
                yield self._put_whole(holder, part, written)

    def _indent(self, part: Part) -> int:
        return column(self._block, part.start)

    def _writings(self, node: Node, value: object, indent: int) -> Iterator[Lines]:
        """Ways to write *value* where *node* stood, the most similar first."""
        style = node.style if node.style in _QUOTES else ""
        if isinstance(value, list | dict):
            if node.kind != "scalar":
                flow_lists = node.style == "flow" and bool(node.parts)
                is_list = isinstance(value, list) and bool(node.parts)
                yield lines(value, indent, replace(self._manner, flow_lists=flow_lists) if is_list else self._manner)
            yield lines(value, indent, self._manner)
            yield Lines(" " + flow_text(value, self._manner, '"', '"'))
            return
        if isinstance(value, Spelled):
            yield Lines(" " + value.text)
            value = value.value
        if isinstance(value, str):
            yield from self._similar(node, value, indent)
            if "\n" not in value:
                yield Lines(" " + scalar(value, self._manner, style))
            yield lines(value, indent, self._manner, style)
            yield Lines(" " + quoted(value, '"'))
        else:
            yield Lines(" " + scalar(value, self._manner))

    def _similar(self, node: Node, value: str, indent: int) -> Iterator[Lines]:
        """*value* folded or indented as the text of several lines at *node*."""
        source = self._block[node.start : node.end]
        if node.kind != "scalar" or "\n" not in source:
            return
        first, *rest = source.split("\n")
        content = [line for line in rest if line.strip()]
        if not content:
            return
        inner = min(len(line) - len(line.lstrip(" ")) for line in content)
        if node.style in ("|", ">"):
            old = [line[inner:] for line in rest]
            fresh = value.rstrip("\n").split("\n") if node.style == "|" else fold([line.strip() for line in old], value)
            found = block_text(value, node.style, indent, inner, fresh)
            if found is not None:
                header = _HEADER.match(first)
                assert header is not None
                yield Lines(" " + header[0], found.below)
                yield found
        elif "\n" not in value and len(content) == len(rest):
            pad = " " * inner
            text = scalar(value, self._manner, node.style)
            old = [first, *(line.strip() for line in rest)]
            head, *below = rewrap([line.rstrip() for line in old], text)
            yield Lines(" " + "\n".join([head, *(pad + line for line in below)]))

    def _put(self, part: Part, written: Lines) -> list[Splice]:
        """Splices that put *written* behind the colon or dash of *part*, and keep the comment there."""
        block, node = self._block, part.node
        below = "".join(f"{line}\n" for line in written.below)
        end = self._end_of(node)
        on_its_line = node.end > part.mark and line_end(block, part.mark) >= node.start
        if not on_its_line:  # nothing, or lists and objects below
            splices = [Splice(part.mark, part.mark, written.head)]
            place = next_line(block, part.mark)
            last = next_line(block, end) if node.end > part.mark else place
            if not below and node.end <= part.mark:
                return splices
            return [*splices, Splice(place, last, below)]
        head = written.head[1:] if written.head else ""
        start = node.start if head else part.mark
        if node.style in ("|", ">"):
            header = _HEADER.match(block, node.start)
            assert header is not None
            place = next_line(block, header.end())
            return [Splice(start, header.end(), head), Splice(place, max(place, next_line(block, end)), below)]
        splices = [Splice(start, end, head)]
        if below:
            place = next_line(block, end)
            splices.append(Splice(place, place, below))
        return splices

    def _put_whole(self, holder: Node, part: Part, written: Lines) -> list[Splice]:
        """Splices that write the whole member anew."""
        indent = self._indent(part)
        name = key(part.key, self._manner, self._key_style(holder))
        text = "\n".join([f"{name}:{written.head}", *written.below])
        end = line_end(self._block, self._end_of(part.node) if part.node.end > part.mark else part.mark)
        return [Splice(line_start(self._block, part.start) + indent, end, text)]

    def _remove(self, holder: Node, part: Part, *, is_flow: bool) -> Iterator[list[Splice]]:
        index = next(number for number, other in enumerate(holder.parts) if other is part)
        if is_flow:
            yield flow.removal(holder, index)
            return
        is_last = index == len(holder.parts) - 1
        end = next_line(self._block, self._end_of(part.node) if part.node.end > part.mark else part.mark)
        if leads_its_line(self._block, part.start):
            start = line_start(self._block, part.start)
            yield [Splice(start, end, "")]
            # A block scalar above may take blank lines and indented comments below for its own.
            below = _BLANKS_AND_COMMENTS.match(self._block, end)
            yield [Splice(start, below.end() if below else end, "")]
        elif not is_last:
            yield [Splice(part.start, holder.parts[index + 1].start, "")]

    def _insert(self, change: Change, holder: Node | None, *, is_flow: bool) -> Iterator[list[Splice]]:
        step = change.path[-1]
        if holder is None:
            place = len(self._block)
            yield from self._new_members(str(step), change.value, 0, place, "")
        elif is_flow:
            yield from self._insert_flow(holder, change)
        elif isinstance(step, int):
            yield from self._new_items(holder, step, change.value)
        elif holder.parts:
            place = self._behind(holder)
            yield from self._new_members(
                step, change.value, self._indent(holder.parts[0]), place, self._key_style(holder)
            )

    def _behind(self, holder: Node) -> int:
        """The line behind the last member, and behind comments that are indented deeper than its key."""
        last = holder.parts[-1]
        place = next_line(self._block, self._end_of(last.node) if last.node.end > last.mark else last.mark)
        while (comment := _COMMENT_LINE.match(self._block, place)) and len(comment[1]) > self._indent(holder.parts[0]):
            place = comment.end()
        return place

    def _new_members(self, name: str, value: object, indent: int, place: int, style: str) -> Iterator[list[Splice]]:
        start = "" if not place or self._block[place - 1] == "\n" else "\n"
        written = key(name, self._manner, style)
        for head, below in self._new(value, indent):
            text = "".join(f"{line}\n" for line in [f"{' ' * indent}{written}:{head}", *below])
            yield [Splice(place, place, start + text)]

    def _new(self, value: object, indent: int) -> Iterator[Lines]:
        if isinstance(value, Spelled):
            yield Lines(" " + value.text)
            value = value.value
        yield lines(value, indent, self._manner)
        yield Lines(" " + flow_text(value, self._manner, '"', '"'))

    def _new_items(self, holder: Node, index: int, value: object) -> Iterator[list[Splice]]:
        parts = holder.parts
        if not parts:
            return
        if index < len(parts):
            if not leads_its_line(self._block, parts[index].start):
                return
            place = line_start(self._block, parts[index].start)
        else:
            last = parts[-1]
            place = next_line(self._block, self._end_of(last.node) if last.node.end > last.mark else last.mark)
        start = "" if self._block[place - 1 : place] in ("", "\n") else "\n"
        indent = column(self._block, parts[0].start)
        gap = _GAP.match(self._block, parts[-1].start)
        spelled = value.value if isinstance(value, Spelled) else value
        for each, style in ((value, self._siblings(holder)), (spelled, self._siblings(holder)), (spelled, '"')):
            written = item(each, indent, self._manner, style, gap[1] if gap else " ")
            yield [Splice(place, place, start + "".join(f"{line}\n" for line in written))]


def write_yaml(fields: dict[str, object], manner: Manner | None = None) -> str:
    """A whole block."""
    manner = manner or Manner()
    found: list[str] = []
    for name, value in fields.items():
        head, below = lines(value, 0, manner)
        found += [f"{key(name, manner)}:{head}", *below]
    return "".join(f"{line}\n" for line in found)
