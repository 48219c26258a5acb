"""Front matter as people write it, for property tests: values, and files in which they stand in every style there is."""

import json
import re
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from cms import yamltext
from cms.frontmatter import Document

Draw = Callable[[st.SearchStrategy[Any]], Any]

#: Texts that some reader takes for something else, or that cannot stand everywhere as they are.
TRICKY = (
    *("no", "Yes", "on", "y", "~", "null", "true", "False", "", " ", " a", "a ", "a: b", "a #b", "#a", "- a", "-", "?", ":a", "a:", "<<", "="),
    *("1", "0123", "0x1F", "0o7", "0b1", "1_000", "1,000", "1e3", "1.", ".5", "+1", "-1", ".inf", ".NaN", "1:30", "190:20:30", "3.10", "+.5"),
    *("2019-01-01", "2019-1-1 10:00:00", "2019-01-01T10:00:00Z", "10:00:00", "---", "...", "--- a", "{{ x }}", "[a]", "{a}", "a, b", "%a", "@a", "`a`"),
    *("it's", '"a" b', "a\\b", "'", '"', "*a", "&a", "!a", "|", ">", "a\nb", "a\nb\n", "\n", "a\n\n\nb\n\n", " a\n  b\n", "a \nb", "a\n \nb", "\ta", "a\r\nb"),
    *("å", "a\u0308", "\u2028", "a\u00a0b", "😀", "https://x.y/?a=b#c", "'''", '"""', 'a"""b', "a'''b", "\\n", "a" * 200, "word " * 40 + "end"),
)  # fmt: skip
WORDS = st.text(st.sampled_from("abcæø Z09:#-,[]{}'\"\\|>&*!?%@`=~.\n\t_/"), max_size=30)
TEXTS = st.one_of(st.sampled_from(TRICKY), WORDS)
NUMBERS = st.one_of(st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False, width=32))
NAMES = st.one_of(
    st.sampled_from(("title", "tags", "a", "b-c", "d_e", "x y", "no", "404", "3.10", "on", "ø", "a.b", "2019-01-01", "k: v", "#k", "q'k", 'q"k')),
    st.text(st.sampled_from("abcdefgh"), min_size=1, max_size=5),
)  # fmt: skip


def values(*, nothing: bool = True) -> st.SearchStrategy[Any]:
    """Values of every kind."""
    scalars = st.one_of(TEXTS, NUMBERS, st.booleans(), *([st.none()] if nothing else []))
    return st.recursive(
        scalars,
        lambda below: st.one_of(st.lists(below, max_size=4), st.dictionaries(NAMES, below, max_size=3)),
        max_leaves=8,
    )


def fields(*, nothing: bool = True) -> st.SearchStrategy[dict[str, Any]]:
    """The fields of an entry."""
    return st.dictionaries(NAMES, values(nothing=nothing), max_size=6)


@st.composite
def yaml_blocks(draw: Draw) -> str:
    """YAML in a mixture of styles; not all of it is front matter that is read."""
    written = "".join(
        draw(st.sampled_from(("", "", "", "# about\n", "\n", "  # deep\n")))
        + f"{name_yaml(draw, name)}:{_yaml(draw, value, 0)}"
        for name, value in draw(fields()).items()
    )
    return written + str(draw(st.sampled_from(("", "", "# end\n", "\n", "# a: 1\n\n"))))


def name_yaml(draw: Draw, name: str) -> str:
    """A key, quoted if it has to be."""
    return name if name.isalpha() and name.isascii() else json.dumps(name, ensure_ascii=False)


def _yaml(draw: Draw, value: Any, indent: int) -> str:
    """*value* as it stands behind its colon at *indent*, in a style of its own, to the end of its last line."""
    comment = str(draw(st.sampled_from(("", "", "", " # why", "   #"))))
    inner = indent + int(draw(st.sampled_from((2, 2, 4))))
    if isinstance(value, dict) and value and draw(st.booleans()):
        lines = "".join(
            " " * inner + name_yaml(draw, name) + ":" + _yaml(draw, item, inner) for name, item in value.items()
        )
        return f"{comment}\n{lines}"
    if isinstance(value, list) and value and draw(st.booleans()):
        dash = int(draw(st.sampled_from((indent, inner)))) if indent >= 0 else inner
        return f"{comment}\n" + "".join(" " * dash + _item(draw, item, dash) for item in value)
    if isinstance(value, str) and value.strip() and "\r" not in value and draw(st.booleans()):
        style = draw(st.sampled_from(("|", ">")))
        chomping = "-" if not value.endswith("\n") else "+" if value.endswith("\n\n") else ""
        text = value.rstrip("\n")
        if style == ">":
            text = text.replace("\n", "\n\n")
        return f" {style}{inner - indent}{chomping}{comment}\n" + "".join(
            f"{' ' * inner}{line}\n" if line else "\n"
            for line in [*text.split("\n"), *[""] * (len(value) - len(value.rstrip("\n")) - 1)]
        )
    if value is None and draw(st.booleans()):
        return f"{comment}\n"
    if isinstance(value, str) and value.isalpha() and draw(st.booleans()):
        return f" {value}{comment}\n"
    if isinstance(value, str) and " " in value.strip() and "\n" not in value and draw(st.booleans()):
        quoted = json.dumps(value.strip(), ensure_ascii=False)
        first, rest = quoted.split(" ", 1)
        return f" {first}\n{' ' * (indent + 1)}{rest}{comment}\n"
    return f" {_flow(draw, value)}{comment}\n"


def _item(draw: Draw, value: Any, dash: int) -> str:
    if isinstance(value, dict) and value and draw(st.booleans()):
        members = [f"{name_yaml(draw, name)}:{_yaml(draw, item, dash + 2)}" for name, item in value.items()]
        return "- " + (" " * (dash + 2)).join(members)
    return "-" + _yaml(draw, value, dash)


def _flow(draw: Draw, value: Any) -> str:
    comma = str(draw(st.sampled_from((", ", ",", ",  "))))
    if isinstance(value, list):
        return "[" + comma.join(_flow(draw, item) for item in value) + "]"
    if isinstance(value, dict):
        return (
            "{"
            + comma.join(f"{json.dumps(name, ensure_ascii=False)}: {_flow(draw, item)}" for name, item in value.items())
            + "}"
        )
    if isinstance(value, str) and "\n" not in value and "\t" not in value and "\r" not in value and draw(st.booleans()):
        return "'" + value.replace("'", "''") + "'"
    return json.dumps(value, ensure_ascii=False)


@st.composite
def toml_blocks(draw: Draw) -> str:
    """TOML with dotted keys, inline tables, tables and lists of tables."""
    found = draw(fields(nothing=False))
    top = {name: value for name, value in found.items() if not isinstance(value, dict) or not value}
    tables = {name: value for name, value in found.items() if name not in top}
    written = ""
    for name, value in list(tables.items()):
        if draw(st.booleans()):
            way = draw(st.sampled_from(("dotted", "inline")))
            if way == "inline":
                written += f"{_key(name)} = {_toml(draw, value)}{draw(_COMMENTS)}\n"
            else:
                written += "".join(
                    f"{_key(name)}.{_key(key)} = {_toml(draw, item)}{draw(_COMMENTS)}\n" for key, item in value.items()
                )
            del tables[name]
    written += "".join(
        f"{draw(_ABOVE)}{_key(name)}{draw(_EQUALS)}{_toml(draw, value)}{draw(_COMMENTS)}\n"
        for name, value in top.items()
        if not _is_tables(value)
    )
    for name, value in top.items():
        if _is_tables(value):
            written += "".join(f"[[{_key(name)}]]\n{_table(draw, item)}" for item in value)
    return written + "".join(f"{draw(_ABOVE)}[{_key(name)}]\n{_table(draw, value)}" for name, value in tables.items())


_COMMENTS = st.sampled_from(("", "", "", "  # why"))
_ABOVE = st.sampled_from(("", "", "", "# about\n", "\n", "  "))
_EQUALS = st.sampled_from((" = ", "=", "   = "))


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _table(draw: Draw, value: dict[str, Any]) -> str:
    return "".join(f"{_key(name)} = {_toml(draw, item)}{draw(_COMMENTS)}\n" for name, item in value.items())


def _key(name: str) -> str:
    return name if name.isalpha() and name.isascii() else json.dumps(name, ensure_ascii=False)


def _toml(draw: Draw, value: Any) -> str:
    if isinstance(value, list):
        comma = str(draw(st.sampled_from((", ", ",", ",\n  ", ", # x\n  "))))
        return "[" + comma.join(_toml(draw, item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(name)} = {_toml(draw, item)}" for name, item in value.items()) + "}"
    if isinstance(value, str):
        if value == "2019-01-01" and draw(st.booleans()):
            return value
        if value.isprintable() and "'" not in value and draw(st.booleans()):
            return f"'{value}'"
        if (
            "\n" in value
            and "'''" not in value
            and not value.endswith("'")
            and "\r" not in value
            and draw(st.booleans())
        ):
            return f"'''\n{value}'''"
    return json.dumps(value, ensure_ascii=False)


@st.composite
def json_blocks(draw: Draw) -> str:
    """JSON, in one line or in many."""
    step = draw(st.sampled_from((None, 1, 2, "\t")))
    separators = (",", ":") if step is None and draw(st.booleans()) else None
    return json.dumps(draw(fields()), ensure_ascii=draw(st.booleans()), indent=step, separators=separators) + "\n"


def unlike(before: list[str], after: list[str]) -> tuple[int, int, int]:
    """Which of the lines *before*, from and to, are within what differs, and how many lines are there *after*."""
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    end = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        end += 1
    return start, len(before) - end, len(after) - end - start


def lines_of(document: Document, name: str) -> tuple[int, int]:
    """The lines of a file, from and to, counted from 0, that belong to a field of YAML or TOML; where a new one goes if it has none."""
    block = document.block
    end = 1 + block.count("\n")
    if document.format == "yaml":
        tree = yamltext.compose(block)
        places = {key: node.line for key, (node, _) in ((tree and tree.members) or {}).items()}
    else:
        places = {}
        tables = re.search(r"^[ \t]*\[", block, re.MULTILINE)
        border = tables.start() if tables else len(block)
        for match in re.finditer(r"^[ \t]*(?:([\w-]+)[ \t]*=|\[+([\w-]+))", block, re.MULTILINE):
            if (match[1] is None) is (match.start() >= border):  # keys below a header are those of its table
                places.setdefault(match[1] or match[2], 1 + block.count("\n", 0, match.start()))
    if name not in places:
        return 1, end
    start = places[name]
    return start, min([line for line in places.values() if line > start], default=end)
