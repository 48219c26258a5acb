"""Read a content file: its front matter as fields, its body as text.

Loading goes through python-frontmatter, but with handlers of our own on a block that :mod:`cms.fences` cut out, because
the library fails open: a byte order mark or a missing fence gives it empty metadata and no error. Here, a file is read
whole and exactly, or refused with one :class:`InvalidFrontMatter` that says where and why.

Not here: what the fields mean (``schema``), and which of them an entry has (``entry``).
"""

import json
import math
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any, NamedTuple, NoReturn
from unicodedata import normalize

import frontmatter
from frontmatter.default_handlers import BaseHandler, JSONHandler, YAMLHandler

from cms import fences, yamlhints, yamltext
from cms.errors import InvalidFrontMatter
from cms.yamltext import JSONObject, JSONValue, field_name

__all__ = ["Document", "JSONObject", "JSONValue", "Mark", "field_name", "read"]

Path = Sequence[str | int]
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_DECODER_POSITION = re.compile(r" ?\(at line (\d+), column (\d+)\)| ?\(at end of document\)")
_TOML_KEY = re.compile(r"\s*([\w.\"'-]+)\s*=")
# Each part of a dotted key is a level, and tomllib takes quadratic time for them.
_TOML_DEEP = re.compile(rf"(?:\.[ \t]*[\w\"'-]+[ \t]*){{{yamltext.MAX_DEPTH + 1}}}")
_MANY_DIGITS = re.compile(r"[0-9_]{4000}")
_FIRST_LINE = {"yaml": 2, "toml": 2, "json": 1, "none": 1}


class Mark(NamedTuple):
    """A place in the file, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A content file, read. ``values`` follow YAML 1.2's core rules; ``text`` and ``mark`` look closer, on demand."""

    format: str
    values: JSONObject
    body: str
    body_line: int
    block: str = field(default="", repr=False)
    _exact: list[Any] = field(default_factory=list, repr=False, compare=False)

    def text(self, path: Path) -> str | None:
        """The scalar at *path* as it was written (``3.10``, ``0123``, ``no``); ``None`` if there is no scalar."""
        exact = self._exactly()
        if self.format == "yaml":
            node = _find_node(exact, path)
            return node.text if node else None
        try:
            for step in path:
                exact = exact[step]
        except (KeyError, IndexError, TypeError):
            return None
        return None if isinstance(exact, dict | list) else _written(exact)

    def mark(self, path: Path) -> Mark:
        """Where the value at *path* begins; for a missing one its nearest parent, at last the opening fence."""
        offset = _FIRST_LINE[self.format] - 1
        for length in range(len(path), 0, -1):
            if self.format == "yaml":
                node = _find_node(self._exactly(), path[:length])
                found = Mark(node.line, node.column) if node else None
            else:
                found = _search(self.block, self.format, path[:length])
            if found:
                return Mark(found.line + offset, found.column)
        return Mark(1, 1)

    def _exactly(self) -> Any:
        """The slow, exact reading of the block, kept once made."""
        if not self._exact:
            self._exact.append(_EXACTLY[self.format](self.block))
        return self._exact[0]


def read(source: bytes) -> Document:
    """Read a whole content file.

    Args:
        source: the bytes of the file: UTF-8, with or without byte order mark, with any line ends.

    Raises:
        InvalidFrontMatter: with ``line``, ``column``, ``field``, ``rule`` and ``hint`` as far as they are known.
    """
    try:
        text = source.decode()
    except UnicodeDecodeError as error:
        raise _not_utf8(source, error) from None
    if "\0" in text:
        raise _not_text(text)
    if text.startswith("\ufeff"):
        text = text.lstrip("\ufeff")
    cut = fences.cut(text)
    if cut.format == "none":
        return Document(format="none", values={}, body=text, body_line=1, block="")
    block = text[cut.start : cut.end]
    if "\r" in block:
        block = block.replace("\r\n", "\n").replace("\r", "\n")
    handler = _HANDLERS[cut.format]
    values: Any
    try:
        values, _ = frontmatter.parse(handler.enclose(block), handler=handler)
    except InvalidFrontMatter as error:
        if cut.format == "yaml":
            fences.refuse_early_closer(block, error.facts.get("line", 1))
        raise _moved(error, _FIRST_LINE[cut.format] - 1) from None
    return Document(format=cut.format, values=values, body=text[cut.body :], body_line=cut.body_line, block=block)


def _moved(error: InvalidFrontMatter, lines: int) -> InvalidFrontMatter:
    """The same error, its lines counted from the top of the file instead of the block."""
    facts = dict(error.facts)
    detail = str(error)
    if "first_line" in facts and lines:
        first, second = facts["first_line"], facts["line"]
        detail = detail.replace(
            f"on line {first} and on line {second}", f"on line {first + lines} and on line {second + lines}"
        )
        facts["first_line"] = first + lines
    facts["line"] = facts.get("line", 1) + lines
    return InvalidFrontMatter(detail, **facts)


def _not_text(text: str) -> InvalidFrontMatter:
    position = text.index("\0")
    line = 1 + fences.count_lines(text, 0, position)
    is_wide = text[:400].count("\0") > len(text[:400]) // 4
    return InvalidFrontMatter(
        "the file looks like UTF-16, not UTF-8" if is_wide else "the file holds a NUL character, which no text has",
        line=line,
        column=position - text.rfind("\n", 0, position),
        offset=len(text[:position].encode()),
        rule="not-utf-8" if is_wide else "control-character",
        hint="save the file as UTF-8" if is_wide else "delete the character",
    )


def _not_utf8(source: bytes, error: UnicodeDecodeError) -> InvalidFrontMatter:
    before = source[: error.start]
    line_start = before.rfind(b"\n") + 1
    if source.startswith((b"\xff\xfe", b"\xfe\xff")) or source[:400].count(0) > len(source[:400]) // 4:
        guess = "UTF-16"
    else:
        guess = "Latin-1 (Windows)"
    return InvalidFrontMatter(
        f"the file is not UTF-8: byte 0x{source[error.start]:02x} at offset {error.start}; it looks like {guess}",
        line=before.count(b"\n") + 1,
        column=len(before[line_start:].decode(errors="replace")) + 1,
        offset=error.start,
        rule="not-utf-8",
        hint="save the file as UTF-8",
    )


class _StrictYAML(YAMLHandler):
    """YAML by our own rules, on a block between the two fences that :meth:`enclose` put there."""

    def enclose(self, block: str) -> str:
        return f"---\n{block}---"

    def split(self, text: str) -> tuple[str, str]:
        return text[4:-3], ""

    def load(self, fm: str, **_: object) -> JSONObject:
        return yamltext.load(fm)


class _StrictTOML(BaseHandler):
    """TOML whose dates are RFC 3339 text, as JSON has no dates; the library's own handler needs one more package."""

    FM_BOUNDARY = re.compile(r"^\+{3}$", re.MULTILINE)
    START_DELIMITER = END_DELIMITER = "+++"

    def enclose(self, block: str) -> str:
        return f"+++\n{block}+++"

    def split(self, text: str) -> tuple[str, str]:
        return text[4:-3], ""

    def load(self, fm: str, **_: object) -> JSONObject:
        return _checked(_load_toml(fm, _float), fm, "toml")


class _StrictJSON(JSONHandler):
    """JSON as the standard has it: no NaN, no key twice."""

    def enclose(self, block: str) -> str:
        return block

    def split(self, text: str) -> tuple[str, str]:
        return text, ""

    def load(self, fm: str, **_: object) -> JSONObject:
        return _checked(_load_json(fm, int=_integer, float=_float), fm, "json")


_HANDLERS: Mapping[str, _StrictYAML | _StrictTOML | _StrictJSON] = {
    "yaml": _StrictYAML(),
    "toml": _StrictTOML(),
    "json": _StrictJSON(),
}


def _too_deep() -> InvalidFrontMatter:
    return InvalidFrontMatter(
        f"values are nested more than {yamltext.MAX_DEPTH} levels deep",
        line=1,
        column=1,
        rule="too-deep",
        hint="use fewer lists within lists",
    )


def _load_toml(block: str, parse_float: Callable[[str], object]) -> dict[str, Any]:
    if _TOML_DEEP.search(block):
        raise _too_deep()
    try:
        return tomllib.loads(block, parse_float=parse_float)
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise _toml_error(block, str(error)) from None


# What tomllib says, and what it means to a writer: the reason and the hint.
_TOML_ADVICE: Mapping[str, tuple[str, str]] = {
    "Invalid value": ("this value is neither text in quotes, a number, a date nor a list", 'text needs quotes: "..."'),
    "Expected newline or end of document": ("there is something behind the value", "quote the value, and check dates"),
    "Expected '=' after a key": ("this line is no 'key = value'", "write 'key = value', and quote the value"),
    "Invalid statement": ("this line is no 'key = value'", "write 'key = value', and quote the value"),
    "Invalid initial character": ("this line is no 'key = value'", "write 'key = value', and quote the value"),
    "Invalid date": ("there is no such day or time", "write a date as 2019-06-27"),
    "Unclosed array": ("a list is never closed", "separate the items with commas, and close with ']'"),
    "Unclosed inline table": ("a group in { } is broken", "separate with commas on one line, and close with '}'"),
    "Unescaped": ("a backslash in double quotes must be written twice", "use single quotes, or write \\\\"),
    "Illegal character": ("a character cannot stand here", 'delete it; text over several lines needs """ around it'),
    "Exceeds the limit": ("a number has too many digits", "put it in quotes"),
    "Unterminated string": ("a quote is opened and never closed", "add the missing quote"),
    'Expected "': ("a quote is opened and never closed", "add the missing quote"),
}


def _toml_error(block: str, message: str) -> InvalidFrontMatter:
    lines = block.rstrip("\n").split("\n")
    found = _DECODER_POSITION.search(message)
    line, column = (int(found[1]), int(found[2])) if found and found[1] else (len(lines), 1)
    if "Exceeds the limit" in message:
        line = next((n for n, text in enumerate(lines, 1) if _MANY_DIGITS.search(text)), line)
    written = lines[line - 1] if line <= len(lines) else ""
    key = _TOML_KEY.match(written)
    reason, hint = next(
        (advice for text, advice in _TOML_ADVICE.items() if text in message),
        (_DECODER_POSITION.sub("", message), "check quotes, commas and brackets on this line"),
    )
    first = None
    if conflict := yamlhints.merge_conflict(block):
        return conflict
    if "Illegal character '\\n'" in message and written.count('"') % 2:
        reason, hint = "a quote is opened on this line and never closed", 'add the missing " at the end of the text'
    elif "overwrite" in message or "declare" in message or "more than once" in message:
        reason, hint = f"'{key[1] if key else written.strip()}' is there twice", "keep one of them"
        first = next((n for n, text in enumerate(lines[: line - 1], 1) if key and text.startswith(key[0])), None)
        reason += f", on line {first} and on line {line}" if first else ""
    return InvalidFrontMatter(
        reason,
        line=line,
        column=column,
        field=key[1].strip("\"'") if key else None,
        rule="duplicate-key" if "twice" in reason else "toml",
        first_line=first,
        hint=hint,
    )


def _load_json(block: str, **numbers: Callable[[str], object]) -> dict[str, Any]:
    try:
        values = json.loads(
            block,
            object_pairs_hook=_members(block),
            parse_constant=_refuse_constant(block),
            parse_int=numbers["int"],
            parse_float=numbers["float"],
        )
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        raise InvalidFrontMatter(
            f"the JSON front matter is broken: {error.msg[:1].lower()}{error.msg[1:]}",
            line=error.lineno,
            column=error.colno,
            rule="json",
            hint='write {"key": "value", "key": "value"}: double quotes, commas between, none after the last',
        ) from None
    assert isinstance(values, dict)
    return values


def _members(block: str) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = {normalize("NFC", key): value for key, value in pairs}
        if len(members) != len(pairs):
            names = [normalize("NFC", key) for key, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            found = _search(block, "json", (twice,)) or Mark(1, 1)
            raise InvalidFrontMatter(
                f"'{twice}' is there twice",
                line=found.line,
                column=found.column,
                field=twice,
                rule="duplicate-key",
                hint="keep one of them",
            )
        return members

    return build


def _refuse_constant(block: str) -> Callable[[str], NoReturn]:
    def refuse(name: str) -> NoReturn:
        line = block.count("\n", 0, max(block.find(name), 0)) + 1
        raise InvalidFrontMatter(
            f"{name} is not a number that can be published", line=line, column=1, rule="not-finite", hint="use a number"
        )

    return refuse


def _integer(text: str) -> int | str:
    number = int(text) if len(text) < 40 else None
    return text if number is None or abs(number) > yamltext.MAX_SAFE_INTEGER else number


def _float(text: str) -> float | str:
    number = float(text)  # "nan" and "inf", which TOML allows, are refused later; 1e999 stays text
    return text if math.isinf(number) and "i" not in text else number


def _checked(values: dict[str, Any], block: str, kind: str) -> JSONObject:
    """TOML or JSON *values* as JSON that every reader keeps exactly."""

    def clean(value: Any, path: tuple[str | int, ...]) -> JSONValue:
        if len(path) >= yamltext.MAX_DEPTH and isinstance(value, dict | list):
            raise _too_deep()
        if isinstance(value, dict):
            members: dict[str, JSONValue] = {}
            for key, item in value.items():
                name = normalize("NFC", key)
                problem = "a key is empty" if not name else f"'{name}' is there twice" if name in members else None
                if problem or _CONTROL.search(name):
                    raise refused(problem or "an invisible character hides in a key", path or (key,), "key")
                members[name] = clean(item, (*path, name))
            return members
        if isinstance(value, list):
            return [clean(item, (*path, number)) for number, item in enumerate(value)]
        if isinstance(value, str) and _CONTROL.search(value):
            raise refused("an invisible control character stands in the text", path, "control-character")
        if isinstance(value, float) and not math.isfinite(value):
            raise refused(f"{value} is not a number that can be published", path, "not-finite")
        if isinstance(value, int) and abs(value) > yamltext.MAX_SAFE_INTEGER:
            return _digits(value)
        return value.isoformat() if isinstance(value, date | time) else value

    def refused(reason: str, path: tuple[str | int, ...], rule: str) -> InvalidFrontMatter:
        found = _search(block, kind, path) or Mark(1, 1)
        return InvalidFrontMatter(
            reason, line=found.line, column=found.column, field=field_name(path), rule=rule, hint="correct this value"
        )

    checked = clean(values, ())
    assert isinstance(checked, dict)
    return checked


def _digits(value: int) -> str:
    return str(value) if abs(value) < 10**4000 else hex(value)


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, int):
        return _digits(value)
    return "" if value is None else str(value)


def _find_node(root: yamltext.Node | None, path: Path) -> yamltext.Node | None:
    for step in path:
        root = root.child(step) if root else None
    return root


def _search(block: str, kind: str, path: Path) -> Mark | None:
    """Find the value at *path* of TOML or JSON by looking for its keys one after the other."""
    position = 0
    for step in path:
        if isinstance(step, int):
            continue
        key = re.escape(step)
        pattern = (
            rf"^[ \t]*(?:[\w.-]+\.)?[\"']?{key}[\"']?[ \t]*=[ \t]*|^[ \t]*\[+(?:[\w.\"'-]+\.)?[\"']?{key}[\"']?\]+"
            if kind == "toml"
            else rf'"{key}"\s*:\s*'
        )
        found = re.compile(pattern, re.MULTILINE).search(block, position)
        if found is None:
            return None
        position = found.end()
    before = block[:position]
    return Mark(before.count("\n") + 1, position - before.rfind("\n"))


_EXACTLY: Mapping[str, Callable[[str], Any]] = {
    "yaml": yamltext.compose,
    "toml": lambda block: _load_toml(block, str),
    "json": lambda block: _load_json(block, int=str, float=str),
    "none": lambda _: {},
}
