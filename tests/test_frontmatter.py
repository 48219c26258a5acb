"""Front matter: what is read, how exactly, and what is refused with which words."""

import json
import math
import subprocess
import sys
from typing import Any

import pytest
import yaml_rs
from hypothesis import example, given
from hypothesis import strategies as st

from cms import yamltext
from cms.errors import InvalidFrontMatter
from cms.frontmatter import Document, Mark, read


def yaml(block: str, body: str = "Text\n") -> Document:
    return read(f"---\n{block}\n---\n{body}".encode())


def toml(block: str) -> Document:
    return read(f"+++\n{block}\n+++\nText\n".encode())


def refusal(source: bytes | str) -> InvalidFrontMatter:
    with pytest.raises(InvalidFrontMatter) as refused:
        read(source.encode() if isinstance(source, str) else source)
    return refused.value


def yaml_refusal(block: str) -> InvalidFrontMatter:
    return refusal(f"---\n{block}\n---\nText\n")


# Where front matter begins and ends


@pytest.mark.parametrize(
    "source",
    [
        "---\ntitle: A\n---\nText\n",
        "\ufeff---\ntitle: A\n---\nText\n",
        "---  \ntitle: A\n---\t\nText\n",
        "---\n\ntitle: A\n\n---\nText\n",
        "---\ntitle: A\n...\nText\n",
        '+++\ntitle = "A"\n+++\nText\n',
        '{"title": "A"}\nText\n',
        '{\n  "title": "A"\n}\nText\n',
    ],
)
def test_every_format_is_read(source: str) -> None:
    document = read(source.encode())
    assert document.values == {"title": "A"}
    assert document.body == "Text\n"
    assert source.lstrip("\ufeff").splitlines()[document.body_line - 1] == "Text"


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("block", ["---\na: |\n  x\n  y\n---", "+++\na = '''x\ny\n'''\n+++", '{\n"a":\n"x\\ny\\n"}'])
def test_line_ends_do_not_change_the_values_and_stay_in_the_body(newline: str, block: str) -> None:
    document = read(f"{block}\nOne\nTwo\n".replace("\n", newline).encode())
    assert document.values == {"a": "x\ny\n"}
    assert document.body == f"One{newline}Two{newline}"
    assert document.body_line == block.count("\n") + 2


def test_the_body_is_exactly_what_follows_the_closing_fence() -> None:
    assert yaml("a: 1", "\n\n  Text  \n\n").body == "\n\n  Text  \n\n"
    assert read(b"---\na: 1\n---").body == ""


@pytest.mark.parametrize(
    "source", ["---\n---\nText\n", "---\n\n---\nText\n", "---\n# nothing\n---\nText\n", "{}\nText\n"]
)
def test_empty_front_matter_has_no_fields(source: str) -> None:
    document = read(source.encode())
    assert document.values == {}
    assert document.body == "Text\n"


@pytest.mark.parametrize(
    "source",
    [
        "",
        "\n\n",
        "# Title\n\nText\n",
        "Title\n---\n\nText\n",
        "Note: a heading\n---\n\nText\n",
        "First\n\n---\n\nSecond\n",
        "----\n\nText under a rule\n",
        "- - -\nText\n",
        "***\nNote: text\n",
        "{{< shortcode >}}\nText\n",
        "{% include nav.html %}\n",
        "{: .lead}\nText\n",
        "{\n",
        "<!-- note -->\n# Title\n\n---\n\nText\n",
        "Name: A\nAge: 5\n\nText without any rule\n",
        "```\n---\ntitle: an example\n---\n```\n",
        "```yaml\n---\ntitle: x\ndraft: true\n---\n```\n",
        "--\nText\n",
        "+ one\n+ two\n",
        "+++\u00a0\nText\n",
        "Text\n---\ntitle: A\n\nMore text\n",
    ],
)
def test_plain_markdown_has_no_front_matter(source: str) -> None:
    document = read(source.encode())
    assert (document.format, document.values, document.body, document.body_line) == ("none", {}, source, 1)


FIELDS = "title: A\ndraft: true\n"


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (f"----\n{FIELDS}----\nText\n", 1),
        (f"–--\n{FIELDS}---\nText\n", 1),
        (f"-- -\n{FIELDS}---\nText\n", 1),
        (f"--\n{FIELDS}--\nText\n", 1),
        (f"—\n{FIELDS}\nText\n", 1),
        (f" ---\n{FIELDS}---\nText\n", 1),
        (f"---\u200b\n{FIELDS}---\nText\n", 1),
        ("--- title: A\n---\nText\n", 1),
        (f"--- # fields\n{FIELDS}---\nText\n", 1),
        (f"---yaml\n{FIELDS}---\nText\n", 1),
        ('---json\n{"title": "A"}\n---\nText\n', 1),
        ("---js\n{\n  title: 'A'\n}\n---\nText\n", 1),
        (f"\n---\n{FIELDS}---\nText\n", 2),
        (f"<!-- a\nb -->\n\n---\n{FIELDS}---\nText\n", 4),
        (f"# A comment\n---\n{FIELDS}---\nText\n", 2),
        (f"Draft for review:\n---\n{FIELDS}---\nText\n", 2),
        (f"{FIELDS}---\nText\n", 1),
        ("draft: true\n---\nText\n", 1),
        ("Title: A\nAuthors:\n- B\n\nDate: today\n---\nText\n", 1),
        (f"{FIELDS}\nText\n", 1),
        ('title = "A"\n+++\nText\n', 1),
        ('++++\ntitle = "A"\n++++\nText\n', 1),
        ('\n+++\ntitle = "A"\n+++\nText\n', 2),
    ],
)
def test_a_near_miss_at_the_top_is_refused_so_that_no_draft_flag_vanishes(source: str, line: int) -> None:
    refused = refusal(source)
    assert (refused.facts["rule"], refused.facts["line"]) == ("opening-fence", line)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("---\ntitle: A\n\nText\n", 1),
        ("---\ntitle: A", 1),
        ("---\n", 1),
        ("---\ntitle: A\n----\nText\n", 3),
        ("---\ntitle: A\n—-\nText\n", 3),
        ("---\ntitle: A\n --- \nText\n", 3),
        ("---\ntitle: A\n--- end\nText\n", 3),
        ("---\ntitle: A\n-----\nText: and, more\n\n---\n\nText\n", 3),
        ('+++\ntitle = "A"\n++++\nText\n', 3),
        ('+++\ntitle = "A"\n---\nText\n', 1),
        ('{"title": "A"\n\nText\n', 1),
        ('{"title": "A"} Text\n', 1),
    ],
)
def test_a_missing_or_misspelt_closing_fence_is_refused_where_it_should_be(source: str, line: int) -> None:
    refused = refusal(source)
    assert (refused.facts["rule"], refused.facts["line"]) == ("closing-fence", line)


@pytest.mark.parametrize(
    "source",
    [f"---\n---\n{FIELDS}---\n", f"---\na: 1\n...\n{FIELDS}---\n", f"---\na: 1\n---\n---\n{FIELDS}---\nText\n"],
)
def test_a_second_block_is_refused(source: str) -> None:
    assert refusal(source).facts["rule"] == "second-block"


def test_a_rule_right_below_the_front_matter_is_text() -> None:
    for body in ("\n---\n* list\n{:toc}\n\n---\n", "----\ntitle: A\n---\n", "---\n", "---"):
        assert yaml("a: 1", body).body == body


# Bytes


@pytest.mark.parametrize(
    ("source", "line", "column", "offset"),
    [
        (b"---\ntitle: bl\xe5b\xe6r\n---\n", 2, 10, 13),
        (b"---\na: \xc3\xa5\xc3\xa5\x80\n---\n", 2, 6, 11),
        (b"\xc0\x80", 1, 1, 0),
        (b"a\n\xed\xa0\x80", 2, 1, 2),
    ],
)
def test_bytes_that_are_not_utf8_are_shown_with_their_place(source: bytes, line: int, column: int, offset: int) -> None:
    facts = refusal(source).facts
    assert (facts["rule"], facts["line"], facts["column"], facts["offset"]) == ("not-utf-8", line, column, offset)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_is_recognised(encoding: str) -> None:
    refused = refusal("---\ntitle: A\n---\nText\n".encode(encoding))
    assert "UTF-16" in str(refused)
    assert refused.facts["rule"] == "not-utf-8"


@pytest.mark.parametrize(
    "text", ["a: b\x00", "a: \x07", "a: \x85", "a: \x7f", "\ufeffdraft: true", r'a: "\0"', r'a: "\x9b"']
)
def test_control_characters_are_refused_raw_and_escaped(text: str) -> None:
    assert yaml_refusal(text).facts["rule"] == "control-character"


@pytest.mark.parametrize("character", ["\u200b", "\u202e", "\u00a0", "\u2060"])
def test_a_key_that_is_not_what_it_looks_like_is_refused(character: str) -> None:
    refused = yaml_refusal(f"draft{character}: true")
    assert (refused.facts["rule"], refused.facts["field"]) == ("invisible-character", "draft")


def test_line_separators_that_only_old_yaml_breaks_at_are_text() -> None:
    assert yaml("a: one\u2028two\nb: 'x\u2029y'").values == {"a": "one\u2028two", "b": "x\u2029y"}


# Values

SCALARS: list[tuple[str, Any]] = [
    ("", None),
    ("~", None),
    ("Null", None),
    ("true", True),
    ("FALSE", False),
    ("tRUE", "tRUE"),
    ("yes", "yes"),
    ("no", "no"),
    ("on", "on"),
    ("Y", "Y"),
    ("2019", 2019),
    ("-0", 0),
    ("+7", 7),
    ("0123", 123),
    ("0o17", 15),
    ("0x1F", 31),
    ("0b11", "0b11"),
    ("1_000", "1_000"),
    ("3.10", 3.1),
    ("1e3", 1000.0),
    (".5", 0.5),
    ("5.", 5.0),
    ("12:30", "12:30"),
    ("2019-06-27", "2019-06-27"),
    ("2026-13-45", "2026-13-45"),
    ("'1'", "1"),
    ('"true"', "true"),
    ("! 1", "1"),
    ("1e999", "1e999"),
    ("71e4432", "71e4432"),
    ("9007199254740992", 2**53),
    ("9007199254740993", "9007199254740993"),
    ("-9007199254740993", "-9007199254740993"),
    ("9" * 5000, "9" * 5000),
    ("0x" + "f" * 5000, "0x" + "f" * 5000),
    ("nan", "nan"),
    ("inf", "inf"),
    ("Rock & Roll", "Rock & Roll"),
    ("Hei!", "Hei!"),
]


@pytest.mark.parametrize(("written", "value"), SCALARS)
def test_plain_scalars_follow_yaml_1_2_and_keep_their_text(written: str, value: Any) -> None:
    document = yaml(f"a: {written}\nb:\n- {written}\nz: end")
    read_back = document.values["a"]
    assert read_back == value
    assert type(read_back) is type(value)
    assert document.values["b"] == [value]
    assert document.text(("a",)) == document.text(("b", 0)) == written.removeprefix("! ").strip("'\"")


@pytest.mark.parametrize(("written", "value"), SCALARS)
def test_the_exact_tier_reads_scalars_alike(written: str, value: Any) -> None:
    assert yamltext.load_exactly(f"a: {written}\n") == {"a": value}


@pytest.mark.parametrize("number", [".nan", ".inf", "-.INF", "+.inf", "[1, .NaN]"])
def test_numbers_that_are_none_are_refused_with_their_field(number: str) -> None:
    refused = yaml_refusal(f"a: 1\nb: {number}")
    assert refused.facts["rule"] == "not-finite"
    assert refused.facts["line"] == 3
    assert refused.facts["field"].startswith("b")


def test_keys_are_text_as_written() -> None:
    assert yaml("on: 1\n2019: 2\ntrue: 3\n~: 4\n1.0: 5").values == {"on": 1, "2019": 2, "true": 3, "~": 4, "1.0": 5}


@pytest.mark.parametrize(
    ("first", "second"), [("a", "a"), ("a", '"a"'), ("1", "'1'"), ("true", "'true'"), ("\u00e9", "e\u0301")]
)
def test_a_key_that_is_there_twice_is_refused_with_both_lines(first: str, second: str) -> None:
    refused = yaml_refusal(f"{first}: 1\nother: 2\n{second}: 3")
    facts = refused.facts
    assert (facts["rule"], facts["first_line"], facts["line"]) == ("duplicate-key", 2, 4)
    assert "line 2" in str(refused)
    assert "line 4" in str(refused)


def test_decomposed_keys_are_read_composed() -> None:
    document = yaml("e\u0301: e\u0301")
    assert document.values == {"\u00e9": "e\u0301"}
    assert document.text(("e\u0301",)) == "e\u0301"


@pytest.mark.parametrize(
    ("block", "rule"),
    [
        ("a: &x 1", "anchor"),
        ("a: *x", "alias"),
        ("a: &x [*x]", "anchor"),
        ("&x a: 1", "anchor"),
        ("<<: {a: 1}", "merge-key"),
        ("a: !!python/object:os.system x", "tag"),
        ("a: !!binary aGk=", "tag"),
        ("a: !env HOME", "tag"),
        ("? [a]\n: b", "complex-key"),
        ('"": a', "empty-key"),
        (": a", "unexpected-text"),
        ("- a\n- b", "not-a-mapping"),
        ("text", "not-a-mapping"),
        ("title:text", "not-a-mapping"),
        ("draft\uff1atrue", "not-a-mapping"),
        ("a: 1\ndraft\uff1atrue\nb: 1", "missing-colon"),
        ("title: {{ x }}", "template"),
        ("title: {% x %}", "template"),
        ("title: One: two", "unquoted-colon"),
        ("title: A\ncategory:B\ntags: []", "missing-colon"),
        ('title: "a" b', "quotes"),
        ('title: "a', "unclosed-quote"),
        ("title: [a, b", "broken-list"),
        ("title: {a: 1", "broken-map"),
        ("title: @a", "unquoted-symbol"),
        ("title: `a`", "unquoted-symbol"),
        ("title: **bold**", "unquoted-symbol"),
        ("title: [a](b)", "unquoted-symbol"),
        ('title: "C:\\Users"', "bad-escape"),
        ('title: "a\\d"', "bad-escape"),
        ("a:\n\tb: 1", "tab"),
        ("a: - b", "list-on-key-line"),
        ("a:\n - b\n c: d", "list-indentation"),
        ("a: | b\n  c", "block-text"),
        ("a: 1\n  b: 2", "unquoted-colon"),
        ("<<<<<<< HEAD\n=======\n>>>>>>> b", "merge-conflict"),
        ("<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> b", "merge-conflict"),
        ("%a: 1", "unquoted-symbol"),
        ("a: 1\n--- b\nc: 1", "second-document"),
    ],
)
def test_what_front_matter_must_not_hold_is_refused_by_name(block: str, rule: str) -> None:
    facts = yaml_refusal(block).facts
    assert facts["rule"] == rule
    assert facts["line"] >= 2
    assert facts["hint"]


def test_an_error_names_line_column_and_field_of_the_file() -> None:
    refused = yaml_refusal("date: 2019-06-27\ntitle: One: two")
    assert str(refused) == "a value that contains ': ' must be quoted"
    assert (refused.facts["line"], refused.facts["column"], refused.facts["field"]) == (3, 11, "title")


@pytest.mark.parametrize("depth", [yamltext.MAX_DEPTH - 1, yamltext.MAX_DEPTH])
def test_depth_is_bounded_alike_in_every_format(depth: int) -> None:
    nested = "[" * depth + "]" * depth
    sources = [f"---\na: {nested}\n---\n", f"+++\na = {nested}\n+++\n", f'{{"a": {nested}}}\n']
    if depth < yamltext.MAX_DEPTH:
        assert len({json.dumps(read(source.encode()).values) for source in sources}) == 1
    else:
        assert {refusal(source).facts["rule"] for source in sources} == {"too-deep"}


def test_deep_indentation_is_refused_though_the_fast_tier_could_read_it() -> None:
    assert yaml_refusal("".join(" " * n + "a:\n" for n in range(40))).facts["rule"] == "too-deep"


@pytest.mark.parametrize("key", ["__proto__", "constructor", "_id", "sha", "status", "a b", "æøå"])
def test_no_key_has_a_meaning_of_its_own(key: str) -> None:
    assert yaml(f"{key}: 1").values == {key: 1}


# TOML and JSON


def test_toml_dates_become_text_and_numbers_keep_theirs() -> None:
    document = toml("a = 2019-06-27T10:00:00+02:00\nb = 2019-06-27\nc = 12:30:00\nd = 3.10\ne = 99999999999999999999")
    assert list(document.values.values()) == [
        "2019-06-27T10:00:00+02:00",
        "2019-06-27",
        "12:30:00",
        3.1,
        "99999999999999999999",
    ]
    assert document.text(("d",)) == "3.10"
    assert document.text(("b",)) == "2019-06-27"
    assert document.text(("e",)) == "99999999999999999999"


def test_json_numbers_keep_their_text() -> None:
    document = read(b'{"a": 3.10, "b": [1, true, null], "c": 12345678901234567890, "d": 1e999}\n')
    assert document.values == {"a": 3.1, "b": [1, True, None], "c": "12345678901234567890", "d": "1e999"}
    assert [document.text(("a",)), document.text(("b", 1)), document.text(("b", 2))] == ["3.10", "true", ""]
    assert document.text(("b",)) is None


@pytest.mark.parametrize(
    ("source", "line", "field", "rule"),
    [
        ('+++\ntitle = "A\nb = 1\n+++\n', 2, "title", "toml"),
        ("+++\na = 1\nb = x\n+++\n", 3, "b", "toml"),
        ("+++\na = 1\na = 2\n+++\n", 3, "a", "duplicate-key"),
        ("+++\na = nan\n+++\n", 2, "a", "not-finite"),
        ("+++\na = -inf\n+++\n", 2, "a", "not-finite"),
        (f"+++\nb = 1\na = {'9' * 5000}\n+++\n", 3, "a", "toml"),
        ("+++\na = 2019-02-30\n+++\n", 2, "a", "toml"),
        ('+++\n[b]\na = "\\u0000"\n+++\n', 3, "b.a", "control-character"),
        ("+++\n<<<<<<< HEAD\na = 1\n=======\na = 2\n>>>>>>> b\n+++\n", 2, None, "merge-conflict"),
        ("+++\na = [1\n+++\n", 2, "a", "toml"),
        ('{"a": 1,\n "a": 2}\n', 1, "a", "duplicate-key"),
        ('{"a":\n NaN}\n', 2, None, "not-finite"),
        ('{"a": 1,\n "b": "\\ud800"}\n', 2, "b", "control-character"),
        ('{"a": 1,\n}\n', 2, None, "json"),
        ("{ title: 'A' }\n", 1, None, "json"),
        ('{"": 1}\n', 1, None, "key"),
    ],
)
def test_toml_and_json_errors_name_line_and_field(source: str, line: int, field: str | None, rule: str) -> None:
    facts = refusal(source).facts
    assert (facts["line"], facts.get("field") or None, facts["rule"]) == (line, field, rule)


# Where values stand


def test_marks_are_places_in_the_file() -> None:
    document = read("\ufeff---\r\ntitle: A\r\nmenu:\r\n  main:\r\n  - weight: 10\r\n---\r\n".encode())
    assert document.mark(("title",)) == Mark(2, 8)
    assert document.mark(("menu", "main", 0, "weight")) == Mark(5, 13)
    assert document.mark(("menu", "main", 7, "weight")) == Mark(5, 3)
    assert document.mark(("missing",)) == document.mark(()) == Mark(1, 1)


def test_marks_of_toml_and_json_are_found_by_key() -> None:
    assert toml('title = "A"\n\n[extra]\nteam = "B"').mark(("extra", "team")) == Mark(5, 8)
    assert read(b'{\n "a": 1,\n "b": {"c": 2}\n}\n').mark(("b", "c")) == Mark(3, 13)
    assert toml("a = 1").mark(("missing",)) == Mark(1, 1)
    assert toml("a = [1, 2]").mark(("a", 1)) == Mark(2, 5)


def test_what_is_no_scalar_has_no_text() -> None:
    document = yaml("a: [1]\nb: {c: 1}")
    assert [document.text(path) for path in [("a",), ("b",), ("x",), ("a", 5), ("a", "x"), ()]] == [None] * 6
    assert read(b"Text").text(("a",)) is None


# Hostile input

HOSTILE = [
    "[",
    "{",
    "- ",
    "? ",
    "a: {",
    "-\n",
    "[[a,",
    '"',
    "!",
    "&a ",
    "{a: [",
    "\t",
    "- a: ",
    "%",
    "|\n",
    "\\",
    "?- ",
]


HOSTILE_RUN = """
import sys
from cms.errors import InvalidFrontMatter
from cms.frontmatter import read
for unit in sys.argv[1:]:
    print(unit, flush=True)
    for size in (300, 15_000, 60_000, 1_000_000):
        for start in ("", "a: "):
            try:
                read(f"---\\n{start}{unit * (size // len(unit))}\\n---\\n".encode())
            except InvalidFrontMatter:
                pass
"""


def test_nesting_never_ends_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", HOSTILE_RUN, *HOSTILE], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b""), done.stdout[-20:]


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("---\na: [" + "a," * 500_000 + "]\n---\n", "too-large"),
        ("---\n" + "".join(f"k{n}: v\n" for n in range(100_000)) + "---\n", "too-large"),
        ("---\na: [" + "a," * 32_000 + "]\n---\n", "too-many-values"),
        ("---\n" + "".join(" " * n + "a:\n" for n in range(340)) + "---\n", "too-deep"),
        ("---\na: &a [x]\nb: [" + "*a," * 20_000 + "]\n---\n", "anchor"),
        ("+++\n" + "a." * 30_000 + "a = 1\n+++\n", "too-deep"),
        ("+++\na = " + "[" * 30_000 + "\n+++\n", "too-deep"),
        ('{"a": ' + "[" * 30_000 + "]" * 30_000 + "}\n", "too-deep"),
        ('{"a": "' + "x" * 100_000, "too-large"),
        ('{"a": [' + "1," * 100_000 + "1]}", "too-large"),
    ],
)
def test_bombs_are_refused(source: str, rule: str) -> None:
    assert refusal(source).facts["rule"] == rule


PIECES = st.sampled_from(
    [
        *"[]{}\"'x1| \t&*!=,\\\n\r\x00\ufeff\u00e9",
        "---",
        "+++",
        "...",
        "\r\n",
        "a: ",
        "b: ",
        "- ",
        ": ",
        "# ",
        "e\u0301",
        "a = 1",
        "<<: ",
        "0x1",
        "_1",
        ".nan",
    ]
)


@given(st.binary(max_size=200) | st.lists(PIECES, max_size=40).map(lambda pieces: "".join(pieces).encode()))
@example(b"---\n\n--- ")
@example(b"\xef\xbb\xbf")
def test_any_bytes_are_a_document_or_one_refusal(source: bytes) -> None:
    try:
        document = read(source)
    except InvalidFrontMatter as refused:
        assert 1 <= refused.facts["line"] <= source.count(b"\n") + source.count(b"\r") + 2  # noqa: PT017
        return
    json.dumps(document.values, allow_nan=False).encode()
    assert source.decode().endswith(document.body)
    for key in document.values:
        document.text((key,))
        assert document.mark((key,)) >= (1, 1)


@given(st.lists(PIECES, max_size=30).map("".join))
def test_the_fast_tier_answers_only_what_the_exact_tier_answers(block: str) -> None:
    block = f"k: {block}\nz: 1\n".replace("\r", "").replace("\n...", "\n")
    try:
        values = yamltext.load(block)
    except InvalidFrontMatter:
        return
    assert yamltext.load_exactly(block) == values


def test_the_fast_tier_is_asked_for_ordinary_front_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(block: str, **_: object) -> dict[str, float]:
        asked.append(block)
        return {"a": math.pi}

    monkeypatch.setattr(yaml_rs, "loads", answer)
    assert yaml('title: "A"\ndate: 2019-06-27\ntags: [a, b]\nauthors:\n  - x').values == {"a": math.pi}
    assert len(asked) == 1
