"""Reading TOML so that what is wrong can be told with its line: Python's reader keeps no places."""

import re
import tomllib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from cms.errors import InvalidSettings

LARGEST_BYTES = 1_048_576
MOST_PARTS = 32
_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_KEY = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_SPACE = re.compile(r"(?:\s|#[^\n]*)*")
_HEADER = re.compile(rf"(\[\[?)[ \t]*({_KEY})[ \t]*\]\]?")
_SETTING = re.compile(rf"({_KEY})[ \t]*=")
_PARTS = re.compile(_PART)
_TOKEN = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*"
    r"|[\[{]|[\]}]|\n"
    r"""|[^\[\]{}\n#'"]+""",
    re.DOTALL,
)
_LONG_KEY = re.compile(rf"(?<![A-Za-z0-9_.-])(?:{_PART}[ \t]*\.[ \t]*){{{MOST_PARTS},}}")
_INDEXED = 6
Keys = tuple[str | int, ...]


class _Statement(NamedTuple):
    """A table header or a setting: what it names, where it stands, and from where to where its value."""

    keys: Keys
    start: int
    value: int
    end: int


def parse_toml(text: str, *, path: str) -> dict[str, Any]:
    """The tables of a file.

    Raises:
        InvalidSettings: no TOML; names the line where it can.
    """
    if len(text) > LARGEST_BYTES:
        raise InvalidSettings(f"{path} is larger than {LARGEST_BYTES // 1024} KiB", path=path, line=1)
    long = find_long_key(text)
    if long is not None:
        raise InvalidSettings(f"{path} has a key with more than {MOST_PARTS} dots in it", path=path, line=long)
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise InvalidSettings(f"{path} is nested too deep", path=path) from error
    except ValueError as error:
        line = re.search(r"at line (\d+)", str(error))
        raise InvalidSettings(
            f"{path} is not valid TOML: {error}",
            path=path,
            line=int(line[1]) if line else max(1, len(text.splitlines())),
        ) from error


def find_long_key(text: str) -> int | None:
    """The line of a key with very many dots: Python's reader takes minutes for 100 KB of them."""
    found = _LONG_KEY.search(text)
    return text.count("\n", 0, found.start()) + 1 if found else None


class Places:
    """Where everything stands in TOML that can be read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._exact: dict[Keys, _Statement] = {}
        self._first: dict[Keys, _Statement] = {}
        for item in _statements(text):
            self._exact.setdefault(item.keys, item)
            for length in range(1, min(len(item.keys), _INDEXED) + 1):
                self._first.setdefault(item.keys[:length], item)

    def find(self, *keys: str | int, value: str = "") -> int | None:
        """The line that sets what *keys* lead to (``"roles", 1, "who"``), or opens that table, or the nearest one around it.

        Args:
            value: a text in the value: when it stands there, its own line counts.
        """
        for length in range(len(keys), 0, -1):
            found = self._exact.get(keys[:length]) or self._first.get(keys[:length])
            if found is not None:
                forms = (f'"{value}"', f"'{value}'", value) if value else ()
                places = (self._text.find(form, found.value, found.end) for form in forms)
                place = next((place for place in places if place >= 0), found.start)
                return self._text.count("\n", 0, place) + 1
        return None


def _statements(text: str) -> Iterator[_Statement]:
    table: Keys = ()
    arrays: dict[Keys, int] = {}
    place = _skip_space(text, 0)
    while place < len(text):
        header = _HEADER.match(text, place)
        setting = None if header else _SETTING.match(text, place)
        if header is not None:
            table = _placed(_names(header[2]), arrays, is_array=header[1] == "[[")
            yield _Statement(table, place, header.end(), header.end())
            place = header.end()
        elif setting is not None:
            end = _skip_value(text, setting.end())
            yield _Statement((*table, *_names(setting[1])), place, setting.end(), end)
            place = end
        else:
            return
        place = _skip_space(text, place)


def _placed(names: Sequence[str], arrays: dict[Keys, int], *, is_array: bool) -> Keys:
    """Where a header leads, with the number of the element in each array of tables on the way."""
    keys: Keys = ()
    for number, name in enumerate(names, 1):
        keys = (*keys, name)
        if is_array and number == len(names):
            arrays[keys] = arrays.get(keys, -1) + 1
        if keys in arrays:
            keys = (*keys, arrays[keys])
    return keys


def _names(key: str) -> list[str]:
    return [part[1:-1] if part[0] in "\"'" else part for part in _PARTS.findall(key)]


def _skip_space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place


def _skip_value(text: str, place: int) -> int:
    """The end of the value that begins at *place*: the end of its line, unless a bracket is open."""
    depth = 0
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None:
            return len(text)
        if token[0] == "\n" and depth <= 0:
            return place
        depth += (token[0] in "[{") - (token[0] in "]}")
        place = token.end()
    return place
