"""Edits of front matter that is written in unusual ways: each is made in the manner of what stands there."""

from typing import Any

import pytest

from cms.edit import REMOVED, Spelled, set_fields
from cms.frontmatter import read

YAML: dict[str, tuple[str, dict[Any, Any], str]] = {
    "an explicit key": ("? a\n: 1\nb: 2\n", {"a": 5}, "? a\n: 5\nb: 2\n"),
    "an explicit key that goes": ("? a\n: 1\nb: 2\n", {"a": REMOVED}, "b: 2\n"),
    "an explicit key that gets a list": ("? a\n: 1\n", {"a": ["x"]}, "? a\n:\n  - x\n"),
    "a tag of old Jekyll": ("a: ! 'x'\nb: ! 'y'\n", {"a": "z", "b": 1}, "a: 'z'\nb: 1\n"),
    "all fields in brackets": ("{a: 1, 'b': [x]}\n", {"c": "d, e"}, "{a: 1, 'b': [x], c: \"d, e\"}\n"),
    "JSON": ('{"a": 1, "b": "x"}\n', {"c": ["d"], "b": REMOVED}, '{"a": 1, "c": ["d"]}\n'),
    "a key without a value in brackets": ("a: {x, y: 1}\n", {("a", "y"): 2}, "a: {x, y: 2}\n"),
    "a pair in a list": ("a: [b: 1, c]\n", {"a": [{"b": 2}, "c"]}, "a: [b: 2, c]\n"),
    "objects in brackets": ("a: [{b: 1}]\n", {"a": [{"b": 1, "c": 2}, {"d": 3}]}, "a: [{b: 1, c: 2}, {d: 3}]\n"),
    "an empty list": ("a: []\n", {"a": ["x"]}, "a:\n  - x\n"),
    "an empty object": ("a: {}\n", {("a", "b"): 1}, "a: {b: 1}\n"),
    "brackets over several lines": (
        "a: [\n  x, # one\n  y, # two\n]\n",
        {"a": ["x", "y", "z"]},
        "a: [\n  x, # one\n  y, # two\n  z,\n]\n",
    ),
    "one item in brackets on a line of its own": ("a: [\n  x\n]\n", {"a": ["x", "z"]}, "a: [\n  x,\n  z\n]\n"),
    "a list within a list": ("a:\n- - x\n  - y\n- z\n", {"a": [["x"], "z"]}, "a:\n- - x\n- z\n"),
    "a list within a list that grows": ("a:\n- - x\n", {"a": [["x", "z"]]}, "a:\n- - x\n  - z\n"),
    "a list within a list that begins anew": ("a:\n- - x\n", {"a": [["z", "x"]]}, "a:\n-\n  - z\n  - x\n"),
    "the first field of an item that goes": ("a:\n- b: 1 # x\n  c: 2\n", {"a": [{"c": 2}]}, "a:\n- c: 2\n"),
    "the only field of an item that goes": ("a:\n- b: 1\n- c\n", {"a": [{}, "c"]}, "a:\n- {}\n- c\n"),
    "the only field of an object that goes": ("a:\n  b: 1\nc: 2\n", {("a", "b"): REMOVED}, "a: {}\nc: 2\n"),
    "wide dashes": ("a:\n  -   x\n", {"a": ["x", {"w": 1, "z": 2}]}, "a:\n  -   x\n  -   w: 1\n      z: 2\n"),
    "nothing that becomes an object": ("a: # why\nb: 1\n", {("a", "c"): 1}, "a: # why\n  c: 1\nb: 1\n"),
    "nothing that stays so": ("a:\nb: ~\n", {"a": None, "b": None}, "a:\nb: ~\n"),
    "a block scalar of one line": ("a: |-\n    x\nb: 1\n", {"a": "y"}, "a: |-\n    y\nb: 1\n"),
    "a block scalar that keeps line ends": ("a: |+\n  x\n\nb: 1\n", {"a": "y\n\n"}, "a: |+\n  y\n\nb: 1\n"),
    "an empty block scalar": ("a: |\nb: 1\n", {"a": "x\ny\n"}, "a: |\n  x\n  y\nb: 1\n"),
    "a block scalar that becomes a list": ("a: |\n  x\n  y\nb: 1\n", {"a": ["x"]}, "a:\n  - x\nb: 1\n"),
    "a list that becomes a block scalar": ("a: # c\n- x\nb: 1\n", {"a": "x\ny"}, "a: |- # c\n  x\n  y\nb: 1\n"),
    "paragraphs that are folded": (
        "a: >\n  one\n  two\n\n  three\n",
        {"a": "one two\nthree four\nfive\n"},
        "a: >\n  one\n  two\n\n  three four\n\n  five\n",
    ),
    "text in quotes over two lines": ('a: "one\n  two" # c\n', {"a": "one three"}, 'a: "one\n  three" # c\n'),
    "text that one kind of quotes cannot hold": ("a: 'x'\n", {"a": "b\u200bc"}, 'a: "b\u200bc"\n'),
    "what stands behind a block scalar": ("a: |+\n  x\nb: 1\n\nc: 2\n", {"b": REMOVED}, "a: |+\n  x\nc: 2\n"),
    "indented fields": ("  a: 1\n  b: 2\n", {"c": 3}, "  a: 1\n  b: 2\n  c: 3\n"),
    "comments of the last field": (
        "a:\n  b: 1\n  # more\n# end\n",
        {"c": 3},
        "a:\n  b: 1\n  # more\nc: 3\n# end\n",
    ),
    "numbers that YAML 1.1 must know": ("a: 1\n", {"a": 1e16, "b": 1.5e-9}, "a: 1.0e+16\nb: 1.5e-09\n"),
    "a spelling in a list": ("a:\n- 1.0\n", {"a": [1.0, Spelled("2.50", 2.5)]}, "a:\n- 1.0\n- 2.50\n"),
    "a spelling that cannot be": ("a: [x]\n", {"a": Spelled("[", 2)}, "a: 2\n"),
    "separators of lines that are none to YAML": ('a: "x\u2028y"\nb: 1\n', {"b": 2}, 'a: "x\u2028y"\nb: 2\n'),
}
TOML: dict[str, tuple[str, dict[Any, Any], str]] = {
    "a field before the first table": (
        "# top\n[t]\na = 1\n",
        {"b": 2, ("u", "c"): 3},
        "b = 2\n# top\n[t]\na = 1\n\n[u]\nc = 3\n",
    ),
    "a table that becomes text": ("[a]\nb = 1\n\n[c]\nd = 1\n", {"a": "x"}, 'a = "x"\n[c]\nd = 1\n'),
    "an empty table": ("[a]\n[b]\nc = 1\n", {("a", "d"): 1}, "[a]\nd = 1\n[b]\nc = 1\n"),
    "a table whose parent is not written": ("[a.b]\nc = 1\n", {("a", "b", "d"): 2}, "[a.b]\nc = 1\nd = 2\n"),
    "a field beside tables of a table": ("[a.b]\nc = 1\n", {("a", "d"): 2}, "a.d = 2\n[a.b]\nc = 1\n"),
    "the last dotted key": ("a.b = 1\n", {("a", "b"): REMOVED}, "a = {}\n"),
    "keys within inline tables": (
        "a = {b = {c = 1}, d = [{e = 1}]}\n",
        {("a", "b", "c"): 2, ("a", "d"): [{"e": 3}]},
        "a = {b = {c = 2}, d = [{e = 3}]}\n",
    ),
    "a key of an inline table that goes": ("a = {b = {c = 1}, d = 2}\n", {("a", "b"): REMOVED}, "a = {d = 2}\n"),
    "tables in a list": (
        "[[a]]\nb = 1\n",
        {"a": [{"b": 0}, {"b": 1}, {"c": [1]}]},
        "[[a]]\nb = 0\n[[a]]\nb = 1\n[[a]]\nc = [1]\n",
    ),
    "a list of tables that gets something else": ("[[a]]\nb = 1\n", {"a": [{"b": 1}, "x"]}, 'a = [{b = 1}, "x"]\n'),
    "tables below tables of a list": ("[[a]]\n[a.b]\nc = 1\n", {"a": [{"b": {"c": 2}}]}, "[[a]]\n[a.b]\nc = 2\n"),
    "moments": (
        "a = [2019-01-01]\n",
        {"a": ["2019-01-01", "2020-01-01"], "b": "10:30:00"},
        "a = [2019-01-01, 2020-01-01]\nb = 10:30:00\n",
    ),
    "literal text": (
        "a = '''\nx'''\nb = 'c'\n",
        {"a": "y\nz", "b": "d\\e"},
        "a = '''\ny\nz'''\nb = 'd\\e'\n",
    ),
    "text that ends with quotes": ('a = """x"""\n', {"a": 'y\n"""z"'}, 'a = """y\n""\\"z\\""""\n'),
    "quoted keys": (
        "\"a b\".'c' = 1\n",
        {("a b", "c"): 2, ("a b", "d e"): 3},
        '"a b".\'c\' = 2\n"a b"."d e" = 3\n',
    ),
    "aligned values": ("a      = 1\nbcdefg = 2\n", {"h": 3}, "a      = 1\nbcdefg = 2\nh = 3\n"),
    "spellings": ("a = 1\n", {"a": Spelled("1_000", 1000), "b": Spelled("007", 7)}, "a = 1_000\nb = 7\n"),
}
JSON: dict[str, tuple[str, dict[Any, Any], str]] = {
    "an empty object": (
        '{\n  "a": {\n  }\n}\n',
        {("a", "b"): {"c": 1}},
        '{\n  "a": {\n    "b": {\n      "c": 1\n    }\n  }\n}\n',
    ),
    "the last field": ('{\n  "a": 1,\n  "b": 2\n}\n', {"b": REMOVED}, '{\n  "a": 1\n}\n'),
    "all that is there": ('{"a": 1}\n', {"a": REMOVED}, "{}\n"),
    "no blanks": ('{"a":{"b":1}}\n', {("a", "c"): [1, 2], "d": {"e": "f"}}, '{"a":{"b":1,"c":[1,2]},"d":{"e":"f"}}\n'),
    "tabs": ('{\n\t"a": [\n\t\t1\n\t]\n}\n', {"a": [1, 2]}, '{\n\t"a": [\n\t\t1,\n\t\t2\n\t]\n}\n'),
    "an object that becomes a list": ('{\n  "a": {"b": 1}\n}\n', {"a": ["x"]}, '{\n  "a": [\n    "x"\n  ]\n}\n'),
    "spellings": ('{"a": 1.5}\n', {"a": Spelled("1.50", 1.5), "b": Spelled("0x1", 1)}, '{"a": 1.50, "b": 1}\n'),
}


@pytest.mark.parametrize(("block", "changes", "expected"), YAML.values(), ids=YAML)
def test_yaml(block: str, changes: dict[Any, Any], expected: str) -> None:
    assert set_fields(f"---\n{block}---\nText".encode(), changes).decode() == f"---\n{expected}---\nText"


@pytest.mark.parametrize(("block", "changes", "expected"), TOML.values(), ids=TOML)
def test_toml(block: str, changes: dict[Any, Any], expected: str) -> None:
    assert set_fields(f"+++\n{block}+++\nText".encode(), changes).decode() == f"+++\n{expected}+++\nText"


@pytest.mark.parametrize(("block", "changes", "expected"), JSON.values(), ids=JSON)
def test_json(block: str, changes: dict[Any, Any], expected: str) -> None:
    assert set_fields(f"{block}Text".encode(), changes).decode() == f"{expected}Text"


def test_what_must_be_written_anew_around_a_change_keeps_its_spelling() -> None:
    source = "---\na: [" + ", ".join(["True", "0123", "~", "1.10", *["x"] * 90]) + "]\n---\n"
    value = [True, 123, None, 1.1, *(str(number) for number in range(90))]
    result = set_fields(source.encode(), {"a": value})
    assert result.startswith(b'---\na: [True, 0123, ~, 1.10, "0", "1",')
    assert read(result).values["a"] == value
