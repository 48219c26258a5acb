"""Finding lines in TOML."""

import re
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms.errors import InvalidSettings
from cms.tomltext import Keys, Places, parse_toml

TEXT = '''# [people.kari]
[people.kari]
name = "Kari" # owner = 1
keys = ["""
[people.ola]
name = "no"
""", 'x', """y""""]
"e.mail" = 'a'

[people."ola.n"]
contact = { name = "Ola", keys = [1, 2] } # ]
[[roles]]
role = "writer"
who = [
  "kari",
  # "ida",
  "ida",
]
[[roles]]
role = 'bot'
[roles.inner]
a.b = 1
[bypass]
who = ["kari"]
'''


@pytest.mark.parametrize(
    ("keys", "value", "line"),
    [
        (("people",), "", 2),
        (("people", "kari"), "", 2),
        (("people", "kari", "name"), "", 3),
        (("people", "kari", "keys"), "", 4),
        (("people", "kari", "keys"), "y", 7),
        (("people", "kari", "e.mail"), "", 8),
        (("people", "kari", "owner"), "", 2),
        (("people", "ola.n"), "", 10),
        (("people", "ola.n", "contact", "name"), "", 11),
        (("people", "ola"), "", 2),
        (("roles", 0), "", 12),
        (("roles", 0, "who"), "", 14),
        (("roles", 0, "who"), '"kari"', 15),
        (("roles", 0, "who"), "nobody", 14),
        (("roles", 1, "role"), "", 20),
        (("roles", 1, "inner", "a", "b"), "", 22),
        (("roles", 1, "inner", "a"), "", 22),
        (("roles", 2), "", 12),
        (("bypass", "who"), "kari", 24),
        (("nothing",), "", None),
    ],
)
def test_a_setting_is_found_where_it_stands(keys: Keys, value: str, line: int | None) -> None:
    tomllib.loads(TEXT)
    assert Places(TEXT).find(*keys, value=value) == line


def test_lines_are_counted_with_either_kind_of_line_end() -> None:
    assert Places("a = 1\r\n\r\n[b]\r\nc = 2\r\n").find("b", "c") == 4


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("\n" + "a." * 40_000 + "b = 1\n", "more than 32 dots", 2),
        ('[x]\ny = { "a"' + ' . "a"' * 40 + " = 1 }\n", "more than 32 dots", 2),
        ("[" + "a." * 40 + "b]\n", "more than 32 dots", 1),
        ("a = \n", "not valid TOML", 1),
        ("[a]\nb = 1\nb = 2\n", "not valid TOML", 3),
        ("x = '", "not valid TOML", 1),
    ],
)
def test_what_is_no_toml_is_refused_with_its_line(text: str, message: str, line: int) -> None:
    with pytest.raises(InvalidSettings, match=message) as caught:
        parse_toml(text, path="cms.toml")
    assert caught.value.facts == {"path": "cms.toml", "line": line}


@pytest.mark.parametrize(
    "text", ["a." * 31 + "b = 1", 'x = "1. 2. 3."', "a" * 500_000 + " = 1", "x = '" + '"' * 500_000 + "'"]
)
def test_long_lines_that_are_no_long_keys_are_read(text: str) -> None:
    assert parse_toml(text, path="cms.toml")


@given(st.text(alphabet="ab=[]{}.,\"'#\\\n 1_", max_size=60), st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1))
def test_looking_for_a_line_never_fails(text: str, keys: list[str]) -> None:
    line = Places(text).find(*keys)
    assert line is None or 1 <= line <= text.count("\n") + 1


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 9)), min_size=1, max_size=6, unique_by=lambda item: item[0]
    )
)
def test_every_key_of_a_table_is_found_on_its_own_line(settings: list[tuple[str, int]]) -> None:
    text = "[t]\n" + "".join(f"{name} = [\n{value}]\n" for name, value in settings)
    for number, (name, value) in enumerate(settings):
        line = Places(text).find("t", name)
        assert line == 2 + 2 * number
        assert re.match(rf"{name} = ", text.splitlines()[line - 1])
        assert Places(text).find("t", name, value=f"{value}]") == line + 1
