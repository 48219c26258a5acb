"""Lists and objects in brackets, as all three formats have them: how an item goes in and out in the manner of its neighbours."""

import re

from cms.edit.tree import Node, Splice

_BETWEEN = re.compile(r"\s*,(?:[ \t]*#[^\n]*)?(\s*)")
_OPENING = re.compile(r"[\[{](?:[ \t]*#[^\n]*)?(\s*)")
_COMMA_AND_COMMENT = re.compile(r"\s*,[ \t]*#[^\n]*")


def insertion(block: str, node: Node, index: int, text: str, step: str = "  ", blank: str = " ") -> list[Splice]:
    """Put *text* before the item at *index* of *node*, or behind the last one.

    Args:
        step: how far items on lines of their own are indented.
        blank: what stands behind a comma where no neighbour shows it.
    """
    if not node.parts:
        inside = block[node.start + 1 : node.end - 1]
        if "\n" in inside:
            indent = inside.rpartition("\n")[2]
            return [Splice(node.start + 1, node.start + 1, f"\n{indent}{step}{text}")]
        return [Splice(node.start + 1, node.end - 1, text)]
    blank = separator(block, node, blank)
    if index < len(node.parts):
        place = node.parts[index].start
        return [Splice(place, place, f"{text},{blank}")]
    last = node.parts[-1].end
    behind = _COMMA_AND_COMMENT.match(block, last, node.end)
    if behind and "\n" in blank:  # the comment belongs to the item before
        return [Splice(behind.end(), behind.end(), f"{blank}{text},")]
    return [Splice(last, last, f",{blank}{text}")]


def separator(block: str, node: Node, blank: str = " ") -> str:
    """What stands behind the commas of *node*."""
    parts = node.parts
    if len(parts) > 1:
        found = _BETWEEN.fullmatch(block, parts[-2].end, parts[-1].start)
        if found:
            return found[1]
    opening = _OPENING.match(block, node.start)
    return opening[1] if opening and "\n" in opening[1] else blank


def removal(node: Node, index: int) -> list[Splice]:
    """Take out the item at *index* of *node*."""
    parts = node.parts
    if len(parts) == 1:
        return [Splice(node.start + 1, node.end - 1, "")]
    if index == len(parts) - 1:
        return [Splice(parts[index - 1].end, parts[index].end, "")]
    return [Splice(parts[index].start, parts[index + 1].start, "")]
