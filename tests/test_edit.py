"""Edits of content files: what changes, what stays as it was, and what is refused."""

from collections.abc import Callable
from typing import Any
from unicodedata import normalize

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cms.edit import REMOVED, Spelled, new_entry, set_fields, spelled
from cms.edit.references import rewrite_references
from cms.errors import InvalidEntry, InvalidFrontMatter
from cms.frontmatter import read
from cms.schema import read_schema
from tests.frontmatters import (
    NAMES,
    TEXTS,
    TRICKY,
    fields,
    json_blocks,
    lines_of,
    toml_blocks,
    unlike,
    values,
    yaml_blocks,
)

Draw = Callable[[st.SearchStrategy[Any]], Any]
MANY = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))

POST = """---
title: Foo # the title
date: 2019-01-02
tags:
- a   # first
- b
list: [x, 'y']   # short
summary: >-  # folded
  A long text that
  is folded here
  at some width
lines: |
  one
  two

quoted: 'it''s'
nested:
    a: 1   # one
    b: "two"
    deep: {x: 1, y: [1, 2]}
people:
  - name: Kari
    url: /kari
  - name: Ola
empty:
none: ~
version: 3.10
draft: true
wrapped: some text
  that goes on
# the end
---
Body
"""
TOML = """+++
# head
title = "Foo"   # c
date = 2019-01-02T10:00:00Z
day = 2019-01-02
tags = ["a", 'b']
multi = [
  "x", # one
  "y",
]
long = \"\"\"
one
two
\"\"\"
a.b = 1
a.c = "x"
inline = {x = 1, y.z = 2}

# about params
[params]
k = 'lit'  # c
  [params.sub]
  z=1

[[files]]
src = "1"
[[files]]
src = "2"
name = "n"
+++
Body
"""
JSON = """{
  "title": "Foo",
  "tags": ["a", "b"],
  "o": {
    "x": 1
  },
  "n": null, "u": "\\u00e9"
}
Body
"""


def changed(source: str, name: str | tuple[str, ...], value: Any) -> str:
    """What differs after an edit: lines that went away with ``-`` before them, new ones with ``+``."""
    before, after = source.split("\n"), set_fields(source.encode(), {name: value}).decode().split("\n")
    start, end, count = unlike(before, after)
    return "\n".join(
        [*(f"-{line}" for line in before[start:end]), *(f"+{line}" for line in after[start : start + count])]
    )


# YAML: what a change looks like


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("title", "Bar", "-title: Foo # the title\n+title: Bar # the title"),
        ("title", "a: b", "-title: Foo # the title\n+title: 'a: b' # the title"),
        ("title", "One\nTwo\n", "-title: Foo # the title\n+title: | # the title\n+    One\n+    Two"),
        ("title", ["a"], "-title: Foo # the title\n+title: # the title\n+- a"),
        ("title", None, "-title: Foo # the title\n+title: ~ # the title"),
        ("date", "2020-02-03", "-date: 2019-01-02\n+date: 2020-02-03"),
        ("tags", ["a", "b", "c"], "+- c"),
        ("tags", ["b"], "-- a   # first"),
        ("tags", ["A", "b"], "-- a   # first\n+- A   # first"),
        ("tags", [], "-tags:\n-- a   # first\n-- b\n+tags: []"),
        ("list", ["x", "y", "z"], "-list: [x, 'y']   # short\n+list: [x, 'y', z]   # short"),
        ("list", ["y"], "-list: [x, 'y']   # short\n+list: ['y']   # short"),
        ("summary", "A long text that is folded now at some width", "-  is folded here\n+  is folded now"),
        ("summary", "Short", "-  A long text that\n-  is folded here\n-  at some width\n+  Short"),
        ("lines", "one\n2\n", "-  two\n+  2"),
        ("lines", "one\ntwo", "-lines: |\n+lines: |-"),
        ("lines", "two\nthree\n", "-  one\n-  two\n+  two\n+  three"),
        ("quoted", "isn't", "-quoted: 'it''s'\n+quoted: 'isn''t'"),
        ("quoted", True, "-quoted: 'it''s'\n+quoted: true"),
        (("nested", "a"), 2, "-    a: 1   # one\n+    a: 2   # one"),
        (("nested", "b"), "2", '-    b: "two"\n+    b: "2"'),
        (("nested", "c"), "new", "+    c: new"),
        (("nested", "deep", "y"), [2], "-    deep: {x: 1, y: [1, 2]}\n+    deep: {x: 1, y: [2]}"),
        ("people", [{"name": "Kari", "url": "/k"}, {"name": "Ola"}], "-    url: /kari\n+    url: /k"),
        ("people", [{"name": "Kari", "url": "/kari"}], "-  - name: Ola"),
        ("people", [{"url": "/kari"}, {"name": "Ola"}], "-  - name: Kari\n-    url: /kari\n+  - url: /kari"),
        ("empty", "no", "-empty:\n+empty: 'no'"),
        ("none", 5, "-none: ~\n+none: 5"),
        ("version", "3.10", "-version: 3.10\n+version: '3.10'"),
        ("version", Spelled("3.20", 3.2), "-version: 3.10\n+version: 3.20"),
        ("draft", False, "-draft: true\n+draft: false"),
        ("draft", REMOVED, "-draft: true"),
        ("summary", REMOVED, "-summary: >-  # folded\n-  A long text that\n-  is folded here\n-  at some width"),
        ("wrapped", "some text that went on", "-  that goes on\n+  that went on"),
        ("new", "x", "+new: x"),
        ("new", {"a": ["b"]}, "+new:\n+    a:\n+    - b"),
        ("nothing", REMOVED, ""),
    ],
)  # fmt: skip
def test_an_edit_of_yaml_touches_what_it_must(name: str, value: Any, expected: str) -> None:
    assert changed(POST, name, value) == expected


def test_a_new_field_stands_behind_the_last_one_and_before_comments() -> None:
    assert set_fields(POST.encode(), {"new": 1}).decode() == POST.replace("# the end", "new: 1\n# the end")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("title", 'a "b"', '-title = "Foo"   # c\n+title = "a \\"b\\""   # c'),
        ("date", "2020-02-03", "-date = 2019-01-02T10:00:00Z\n+date = 2020-02-03"),
        ("day", "some day", '-day = 2019-01-02\n+day = "some day"'),
        ("tags", ["a", "z", "b"], '-tags = ["a", \'b\']\n+tags = ["a", "z", \'b\']'),
        ("multi", ["x", "y", "z"], '+  "z",'),
        ("multi", ["y"], '-  "x", # one'),
        ("long", "one\n2\n", "-two\n+2"),
        (("a", "b"), 2, "-a.b = 1\n+a.b = 2"),
        (("a", "d"), 3, "+a.d = 3"),
        ("a", REMOVED, '-a.b = 1\n-a.c = "x"'),
        (("inline", "y", "z"), 3, "-inline = {x = 1, y.z = 2}\n+inline = {x = 1, y.z = 3}"),
        (("inline", "w"), [1], "-inline = {x = 1, y.z = 2}\n+inline = {x = 1, y.z = 2, w = [1]}"),
        (("params", "k"), "it's", "-k = 'lit'  # c\n+k = \"it's\"  # c"),
        (("params", "sub", "y"), "t", '+  y="t"'),
        (("params", "sub"), REMOVED, "-  [params.sub]\n-  z=1\n-"),
        ("files", [{"src": "1"}, {"src": "2", "name": "m"}], '-name = "n"\n+name = "m"'),
        ("files", [{"src": "2", "name": "n"}], '-src = "1"\n-[[files]]'),
        ("files", [{"src": "1"}, {"src": "2", "name": "n"}, {"src": "3"}], '+[[files]]\n+src = "3"'),
        ("new", "2020-01-01", "+new = 2020-01-01"),
        ("new", {"a": 1}, "+\n+[new]\n+a = 1"),
        ("two words", True, '+"two words" = true'),
    ],
)
def test_an_edit_of_toml_touches_what_it_must(name: str, value: Any, expected: str) -> None:
    assert changed(TOML, name, value) == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("title", "Bar", '-  "title": "Foo",\n+  "title": "Bar",'),
        ("u", "\u00e5", '-  "n": null, "u": "\\u00e9"\n+  "n": null, "u": "\\u00e5"'),
        ("tags", ["a", "b", "c"], '-  "tags": ["a", "b"],\n+  "tags": ["a", "b", "c"],'),
        ("tags", REMOVED, '-  "tags": ["a", "b"],'),
        (("o", "y"), {"z": 1}, '-    "x": 1\n+    "x": 1,\n+    "y": {\n+      "z": 1\n+    }'),
        ("n", 1.5, '-  "n": null, "u": "\\u00e9"\n+  "n": 1.5, "u": "\\u00e9"'),
    ],
)
def test_an_edit_of_json_touches_what_it_must(name: str, value: Any, expected: str) -> None:
    assert changed(JSON, name, value) == expected


# The file around it


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_byte_order_mark_stay(newline: str, mark: str) -> None:
    source = f"{mark}---\ntitle: A\nlines: |\n  one\n...\nText\nmore\n".replace("\n", newline).encode()
    after = set_fields(source, {"title": "B", "lines": "one\ntwo\n", "new": ["x"]}, body="Other\r\nbody\n")
    expected = f"{mark}---\ntitle: B\nlines: |\n  one\n  two\nnew:\n  - x\n...\nOther\nbody\n"
    assert after == expected.replace("\n", newline).encode()


def test_lines_that_are_not_touched_keep_their_own_ends() -> None:
    source = b"---\r\na: 1\nb: 2\r\nc: 3\r\n---\r\nText\n"
    assert set_fields(source, {"b": 5, "d": 6}) == b"---\r\na: 1\nb: 5\r\nc: 3\r\nd: 6\r\n---\r\nText\n"


def test_lines_of_a_body_that_stay_keep_their_own_ends() -> None:
    source = b"---\r\na: 1\r\n---\r\none\r\ntwo\nthree\r\n"
    assert (
        set_fields(source, {}, body="one\ntwo\nmore\nthree\n") == b"---\r\na: 1\r\n---\r\none\r\ntwo\nmore\r\nthree\r\n"
    )
    assert set_fields(source, {}, body=read(source).body.replace("\r", "")) == source


def test_a_body_gets_the_line_break_that_its_fence_lacked() -> None:
    assert set_fields(b"---\na: 1\n---", {}, body="Text") == b"---\na: 1\n---\nText"
    assert set_fields(b'{"a": 1}', {"a": 2}, body="Text") == b'{"a": 2}\nText'
    assert set_fields(b"---\na: 1\n---\nText", {}, body="") == b"---\na: 1\n---\n"


def test_a_file_without_front_matter_gets_some_only_for_a_field() -> None:
    assert set_fields(b"Text\r\n", {}, body="Other\n") == b"Other\r\n"
    assert set_fields(b"Text\r\n", {"a": REMOVED}) == b"Text\r\n"
    assert (
        set_fields("\ufeffText\r\n".encode(), {("a",): 1, ("b", "c"): [2]})
        == "\ufeff---\r\na: 1\r\nb:\r\n  c:\r\n    - 2\r\n---\r\nText\r\n".encode()
    )


def test_empty_front_matter_is_filled() -> None:
    assert set_fields(b"---\n---\nText", {"a": 1}) == b"---\na: 1\n---\nText"
    assert set_fields(b"---\n# none\n---\nText", {"a": 1}) == b"---\n# none\na: 1\n---\nText"
    assert set_fields(b"+++\n+++\nText", {"a": 1}) == b"+++\na = 1\n+++\nText"
    assert set_fields(b"{}\nText", {"a": 1}) == b'{"a": 1}\nText'
    assert set_fields(b"---\na: 1\n---\nText", {"a": REMOVED}) == b"---\n---\nText"


def test_what_is_already_so_stays_byte_for_byte() -> None:
    for source in (POST, TOML, JSON):
        assert set_fields(source.encode(), read(source.encode()).values).decode() == source


def test_a_value_taken_from_another_file_keeps_its_spelling() -> None:
    other = read(b"---\nversion: 3.20\ncode: 0123\nlist: [1.10, x]\nword: a\n---\n")
    taken = {name: spelled(other, [name]) for name in ("version", "code", "list", "word", "missing")}
    assert taken["word"] == "a"
    assert taken["missing"] is REMOVED
    result = set_fields(b"---\nversion: 3.10\nmissing: 1\n---\n", taken)
    assert result == b"---\nversion: 3.20\ncode: 0123\nlist:\n  - 1.10\n  - x\nword: a\n---\n"


# Refusals


@pytest.mark.parametrize(
    ("source", "changes", "sentence"),
    [
        ("---\na: b\n---\n", {("a", "c"): 1}, "'a' holds text, so there can be no 'a.c' in it"),
        ("---\na: [b]\n---\n", {("a", "c"): 1}, "'a' holds a list, so there can be no 'a.c' in it"),
        ("---\na: b\n---\n", {"a": "x\x07"}, "'a' cannot hold this"),
        ("---\na: b\n---\n", {"a": float("nan")}, "'a' cannot hold this"),
        ("---\na: b\n---\n", {"a": 2**60}, "'a' cannot hold this"),
        ("---\na: b\n---\n", {"a": "\ud800"}, "lone surrogate"),
        ("---\na: b\n---\n", {"": 1}, "a field has no name"),
        ("---\na: b\n---\n", {(): 1}, "a field has no name"),
        ("---\na: b\n---\n", {"a": "x" * 70_000}, "larger than 64 KiB"),
        ("+++\na = 1\n+++\n", {"a": [1, None]}, "'a[1]' cannot be empty in TOML front matter"),
        ("---\na: b\n---\n", {"a\u200b": 1}, "invisible character"),
        ("Text\n", {"a": "\x07"}, "'a' cannot hold this"),
        ("Text\n", {"a": 1, ("a", "b"): 2}, "'a.b' cannot hold this"),
    ],
)
def test_what_cannot_be_written_is_refused_in_a_sentence(source: str, changes: Any, sentence: str) -> None:
    with pytest.raises(InvalidEntry, match="^[^\n]*" + sentence.replace("[", r"\[")) as refused:
        set_fields(source.encode(), changes)
    assert refused.value.facts["rule"]
    assert refused.value.facts["hint"]


@pytest.mark.parametrize(
    ("source", "body"),
    [(b"Text", "---\na: 1\n---\n"), (b"---\n---\nText", "a: 1\n---\n"), (b"Text", "\0"), (b"Text", "\ud800")],
)
def test_a_body_that_would_not_be_read_as_one_is_refused(source: bytes, body: str) -> None:
    with pytest.raises(InvalidEntry):
        set_fields(source, {}, body=body)


def test_what_is_nested_without_end_is_refused() -> None:
    value: Any = 1
    for _ in range(5_000):
        value = [value]
    with pytest.raises(InvalidEntry, match="nested more than 32 levels deep"):
        set_fields(b"---\na: 1\n---\n", {"a": value})
    with pytest.raises(InvalidEntry, match="nested more than 32 levels deep"):
        new_entry({"a": value}, "")


def test_a_file_that_cannot_be_read_is_not_edited() -> None:
    with pytest.raises(InvalidFrontMatter):
        set_fields(b"---\na: [\n---\n", {"a": 1})


# Properties: whatever the file looks like, it is read afterwards as it should


def mutated(draw: Draw, value: Any, *, nothing: bool) -> Any:
    """A value not unlike *value*."""
    if isinstance(value, list):
        new = [mutated(draw, item, nothing=nothing) if draw(st.integers(0, 3)) == 0 else item for item in value]
        new.insert(draw(st.integers(0, len(new))), draw(values(nothing=nothing)))
        return new[draw(st.integers(0, 2)) :]
    if isinstance(value, dict):
        kept = {name: item for name, item in value.items() if draw(st.integers(0, 4))}
        kept |= {name: mutated(draw, item, nothing=nothing) for name, item in kept.items() if draw(st.booleans())}
        return {**kept, draw(NAMES): draw(values(nothing=nothing))}
    if isinstance(value, str) and draw(st.booleans()):
        place = draw(st.integers(0, len(value)))
        return value[:place] + draw(TEXTS) + value[place:]
    return draw(values(nothing=nothing))


def edited(draw: Draw, source: bytes, *, nothing: bool) -> tuple[str, bytes]:
    """*source* after a random edit of one field, which is checked; and the name of that field."""
    try:
        before = read(source)
    except InvalidFrontMatter:
        assume(False)
    name = draw(st.one_of(NAMES, *([st.sampled_from(list(before.values))] * 3 if before.values else [])))
    value = draw(st.one_of(values(nothing=nothing), st.just(REMOVED)))
    if name in before.values and draw(st.booleans()):
        value = mutated(draw, before.values[name], nothing=nothing)
    result = set_fields(source, {name: value})
    after = read(result)
    wanted = {**before.values, name: value}
    assert exact(after.values) == exact({key: item for key, item in wanted.items() if item is not REMOVED})
    assert after.body == before.body
    return name, result


def exact(value: Any) -> Any:
    """Equal only for values of the same types; the order of keys does not count."""
    if isinstance(value, dict):
        return {name: exact(item) for name, item in value.items()}
    return [exact(item) for item in value] if isinstance(value, list) else (type(value), value)


@MANY
@given(st.data(), yaml_blocks(), st.sampled_from(("\n", "\r\n", "\r")), st.sampled_from(("---\n", "---", "...\n")))
def test_any_edit_of_yaml_is_right_and_stays_within_its_field(data: Any, block: str, newline: str, end: str) -> None:
    source = f"---\n{block}{end}".replace("\n", newline).encode()
    name, result = edited(data.draw, source, nothing=True)
    before, after = (text.decode().replace(newline, "\n").split("\n") for text in (source, result))
    first, last, _ = unlike(before, after)
    start, following = lines_of(read(source), name)
    assert first >= last or (start <= first and last <= following)
    assert first == last or name in read(source).values


@MANY
@given(st.data(), toml_blocks(), st.sampled_from(("\n", "\r\n")))
def test_any_edit_of_toml_is_right_and_keeps_comments(data: Any, block: str, newline: str) -> None:
    source = f"+++\n{block}+++\nText\n".replace("\n", newline).encode()
    name, result = edited(data.draw, source, nothing=False)
    if name not in read(source).values:
        assert [line for line in source.split(b"\n") if line not in result.split(b"\n")] == []


@MANY
@given(st.data(), json_blocks())
def test_any_edit_of_json_is_right(data: Any, block: str) -> None:
    edited(data.draw, f"{block}Text\n".encode(), nothing=True)


@MANY
@given(fields(), st.sampled_from(("", "Text\n", "\nText", "a\r\nb")))
def test_a_new_entry_says_what_it_was_given(given_fields: dict[str, Any], body: str) -> None:
    document = read(new_entry(given_fields, body))
    assert exact(document.values) == exact(given_fields)
    assert document.body == body.replace("\r\n", "\n")


@pytest.mark.parametrize("text", [text for text in TRICKY if not text.startswith("2019-")])
def test_text_is_text_to_readers_of_old_yaml_too(text: str) -> None:
    for source in (
        new_entry({"a": text, "b": [text], "c": {"d": text}}, ""),
        set_fields(b"---\na: [x]\nc: {d: x}\n---\n", {"a": [text], "c": {"d": text}}),
    ):
        found = yaml.safe_load(read(source).block)
        for value in (found["a"] if isinstance(found["a"], str) else found["a"][0], found["c"]["d"]):
            assert value == text


def test_a_date_is_written_as_it_comes() -> None:
    assert (
        new_entry({"a": "2019-01-01", "b": ["2019-01-01T10:00:00+01:00"]}, "")
        == b"---\na: 2019-01-01\nb:\n  - 2019-01-01T10:00:00+01:00\n---\n"
    )
    assert set_fields(b"---\na: '2018-01-01'\n---\n", {"a": "2019-01-01"}) == b"---\na: '2019-01-01'\n---\n"


def test_many_changes_in_one_list_are_made_at_once() -> None:
    source = new_entry({"a": [str(number) for number in range(500)]}, "")
    assert read(set_fields(source, {"a": [f"x{number}" for number in range(500)]})).values["a"] == [
        f"x{number}" for number in range(500)
    ]


@pytest.mark.parametrize("text", [text for text in TRICKY if text.isprintable() and text])
def test_any_name_of_a_field_is_written(text: str) -> None:
    changes: dict[str | tuple[str, ...], Any] = {text: 1, ("o", text): {text: text}}
    after = read(set_fields(b"---\na: 1\n---\n", changes)).values
    assert exact(after[normalize("NFC", text)]) == exact(1)
    assert after["o"] == {normalize("NFC", text): {normalize("NFC", text): text}}


# References

SCHEMA = """
type: object
x-path: posts/{slug}.md
properties:
  author: {type: string, x-reference: people}
  related: {type: array, items: {type: string}, x-reference: [posts, people]}
  code: {type: string, x-reference: people}
  credits: {type: array, items: {type: object, properties: {who: {type: string, x-reference: people}, as: {type: string}}}}
"""
POSTS = read_schema("posts", SCHEMA, path="schemas/posts.yaml", locales=("en",))


def renamed(source: str, **options: Any) -> str:
    """*source* after people/kari became kari-n and posts/old became new."""
    renames = {("people", "kari"): "kari-n", ("posts", "old"): "new", ("people", "0123"): "4"}
    return rewrite_references(source.encode(), renames, POSTS, **options).decode()


def test_references_follow_a_rename_wherever_they_stand() -> None:
    source = """---
author: kari  # who
related: [old, people/kari, posts/old, kari, other]
code: 0123
credits:
- who: "kari"
  as: kari
title: kari
---
kari
"""
    expected = (
        source.replace("author: kari", "author: kari-n")
        .replace('"kari"', '"kari-n"')
        .replace("code: 0123", 'code: "4"')
    )
    expected = expected.replace("[old, people/kari, posts/old, kari,", "[new, people/kari-n, posts/new, kari-n,")
    assert renamed(source) == expected


def test_a_reference_to_something_else_of_that_name_stays() -> None:
    there = {("posts", "kari"), ("posts", "new")}
    assert renamed("---\nrelated: [kari]\n---\n", exists=lambda *key: key in there) == "---\nrelated: [kari]\n---\n"


def test_a_new_name_that_means_another_entry_gets_its_collection() -> None:
    there = {("posts", "kari-n")}
    assert (
        renamed("---\nrelated: [kari]\n---\n", exists=lambda *key: key in there)
        == "---\nrelated: [people/kari-n]\n---\n"
    )


def test_links_in_a_body_follow_when_they_lead_to_the_very_file() -> None:
    moves = {"posts/old.md": "posts/new.md", "people/kari n.md": "people/kari-n.md"}
    body = """[a](old.md) [b](./old.md#part) [c](../people/kari%20n.md "Kari") ![d](<../posts/old.md>) [e](older.md) [f](/posts/old.md)
`[g](old.md)` [h](https://x/old.md) old.md [i]\r
```
[j](old.md)
```
[i]: old.md
"""
    expected = body.replace("[a](old", "[a](new").replace("(./old", "(./new").replace("kari%20n.md", "kari-n.md")
    expected = expected.replace("<../posts/old", "<new").replace("[i]: old", "[i]: new")
    assert renamed(f"---\na: 1\n---\n{body}", path="posts/here.md", moves=moves) == f"---\na: 1\n---\n{expected}"


def test_nothing_changes_where_nothing_was_renamed() -> None:
    assert renamed(POST) == POST
    assert renamed(POST, path="a.md", moves={"b.md": "c.md"}) == POST
