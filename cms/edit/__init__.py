"""Edits of content files that change only the bytes they must.

Comments, the order of keys, quotes, indentation, line ends and a byte order mark stay as they are. After each step the result is
read again: it must hold exactly what was wanted, and everything else as before. What fails that is written in a plainer way, and
when none of the ways holds, the edit is refused. Nothing is ever wrong without a word.

A new field goes behind the last one, before comments at the end of the block: a comment speaks of what is below it.

Not here: whether the fields fit a schema (``coerce``), what two people changed at once (``merge``).
"""

import difflib
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias
from unicodedata import normalize

import msgspec

from cms import fences, frontmatter
from cms.edit.jsonedit import JSONEditor
from cms.edit.tomledit import TOMLEditor
from cms.edit.tree import REMOVED, Change, Editor, Path, Removed, Spelled, Splice, plain, splice
from cms.edit.yamledit import YAMLEditor, write_yaml
from cms.errors import CMSError, InvalidEntry
from cms.frontmatter import Document
from cms.yamltext import MAX_DEPTH, MAX_SAFE_INTEGER, JSONObject, field_name

__all__ = ["REMOVED", "Changes", "Removed", "Spelled", "new_entry", "set_fields", "spelled"]

_CANONICAL: Mapping[Any, str] = {True: "true", False: "false", None: "null"}
#: New values by the name of the field, or by the names that lead to it; :data:`REMOVED` takes it away.
Changes: TypeAlias = Mapping[str, Any] | Mapping[tuple[str, ...], Any] | Mapping[str | tuple[str, ...], Any]
_LINE_END = re.compile(r"\r\n?|\n")
_LINE = re.compile(r"([^\r\n]*)(\r\n?|\n)")
STEPS_LIMIT = 40
LIST_LIMIT = 400
_EDITORS: Mapping[str, Callable[[str], Editor]] = {"yaml": YAMLEditor, "toml": TOMLEditor, "json": JSONEditor}


def set_fields(source: bytes, changes: Changes, *, body: str | None = None) -> bytes:
    """Return *source* with other values in some of its fields.

    Args:
        source: a whole content file.
        changes: the new values by field: its name as one text (a dot in it is part of the name), or the names that lead to
            it through objects. :data:`REMOVED` takes the field away. A :class:`Spelled` value is written as it says.
        body: the new text below the front matter, with any line ends: lines that were there keep theirs, others get those
            of the file.

    Raises:
        InvalidFrontMatter: the file cannot be read as it is.
        InvalidEntry: a value cannot be written in this file; with ``field``, ``rule`` and ``hint``.
    """
    document = frontmatter.read(source)
    text = source.decode()
    start = len(text) - len(text.lstrip("\ufeff"))
    mark, text = text[:start], text[start:]
    wanted = {_path(name): value for name, value in changes.items()}
    for path, value in wanted.items():
        _require_exact(value, path)
    if document.format == "none":
        fields = _assembled(wanted)
        if fields:
            document, text = _with_front_matter(text, fields)
    else:
        for path, value in wanted.items():
            document, text = _set_field(document, text, path, value)
    if body is not None:
        text = _with_body(document, text, body)
    return _encode(mark + text)


def new_entry(fields: Mapping[str, Any], body: str) -> bytes:
    """Make a content file with YAML front matter; without fields it is the *body* alone.

    Raises:
        InvalidEntry: the fields or the body cannot be written so that they are read again.
    """
    for name, value in fields.items():
        _require_exact(value, (name,))
    document, text = _with_front_matter("", fields) if fields else (frontmatter.read(b""), "")
    return _encode(_with_body(document, text, body))


def spelled(document: Document, path: Sequence[str | int]) -> Any:
    """The value at *path* of *document* as it is spelled there, to be set in another file.

    Numbers and other plain values that are not spelled as we would become :class:`Spelled`; the rest is as in
    ``document.values``. :data:`REMOVED` when there is none.
    """
    value: Any = document.values
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return REMOVED
    return _spelled(document, value, tuple(path))


def _spelled(document: Document, value: Any, path: Path) -> Any:
    if isinstance(value, dict):
        return {name: _spelled(document, item, (*path, name)) for name, item in value.items()}
    if isinstance(value, list):
        return [_spelled(document, item, (*path, number)) for number, item in enumerate(value)]
    if isinstance(value, str):
        return value
    written = document.text(path)
    return Spelled(written, value) if written and written != _CANONICAL.get(value, str(value)) else value


def _path(name: str | tuple[str, ...]) -> Path:
    path = tuple(normalize("NFC", step) for step in ((name,) if isinstance(name, str) else name))
    if not path or not all(path):
        raise InvalidEntry("a field has no name", rule="empty-key", hint="name the field that is to change")
    return path


def _set_field(document: Document, text: str, path: Path, value: Any) -> tuple[Document, str]:
    """*text* with *value* at *path*: step by step, else as a whole, else with the objects around it."""
    changes = list(_steps_to(document, path, value))
    if not changes:
        return document, text
    refusal: InvalidEntry | None = None
    if len(changes) <= STEPS_LIMIT:
        try:
            return _make_all(document, text, changes)
        except InvalidEntry as error:
            refusal = error
    target = _applied_all(_spelled(document, document.values, ()), changes)
    for length in range(len(path), 0, -1):
        found, whole = _look(target, path[:length])
        if found and _look(document.values, path[:length])[0]:
            try:
                return _make(document, text, Change("replace", path[:length], whole))
            except InvalidEntry as error:
                refusal = refusal or error
    raise refusal or _unwritable(path, "")


def _steps_to(document: Document, path: Path, value: Any) -> Iterator[Change]:
    """What must change for *path* to hold *value*."""
    old: Any = document.values
    for number, step in enumerate(path):
        if not isinstance(old, dict):
            if value is REMOVED:
                return
            if old is not None:
                name = field_name(path[:number])
                raise InvalidEntry(
                    f"'{name}' holds {_kind(old)}, so there can be no '{field_name(path)}' in it",
                    field=name,
                    rule="not-an-object",
                    hint=f"set '{name}' as a whole",
                )
            yield Change("replace", path[:number], _nested(path[number:], value))
            return
        if step not in old:
            if value is not REMOVED:
                yield Change("insert", path[: number + 1], _nested(path[number + 1 :], value))
            return
        old = old[step]
    if value is REMOVED:
        yield Change("remove", path)
    else:
        yield from _difference(document, old, value, path)


def _kind(value: object) -> str:
    return "a list" if isinstance(value, list) else "text" if isinstance(value, str) else "a single value"


def _nested(path: Path, value: Any) -> Any:
    for step in reversed(path):
        value = {step: value}
    return value


def _difference(document: Document, old: Any, new: Any, path: Path) -> Iterator[Change]:
    """The steps from *old* to *new*; places of lists are those of the moment, so they are to be taken in order."""
    if _is_same(document, old, new, path):
        return
    if isinstance(old, dict) and isinstance(new, dict) and old and new:
        for name in old:
            if name not in new:
                yield Change("remove", (*path, name))
        for name, value in new.items():
            if name in old:
                yield from _difference(document, old[name], value, (*path, name))
            else:
                yield Change("insert", (*path, name), value)
    elif isinstance(old, list) and isinstance(new, list) and old and new and max(len(old), len(new)) <= LIST_LIMIT:
        yield from _list_difference(document, old, new, path)
    else:
        yield Change("replace", path, new)


def _list_difference(document: Document, old: list[Any], new: list[Any], path: Path) -> Iterator[Change]:
    before = [_label(_spelled(document, item, (*path, number))) for number, item in enumerate(old)]
    matcher = difflib.SequenceMatcher(None, before, list(map(_label, new)), autojunk=False)
    # From the end, so that the places before stay what they are.
    for _, start, end, first, last in reversed([code for code in matcher.get_opcodes() if code[0] != "equal"]):
        common = min(end - start, last - first)
        for number in reversed(range(start + common, end)):
            yield Change("remove", (*path, number))
        for number in range(first + common, last):
            yield Change("insert", (*path, start + number - first), new[number])
        for number in range(common):
            yield from _difference(document, old[start + number], new[first + number], (*path, start + number))


def _label(value: Any) -> bytes:
    """Equal for values that are the same, told apart by type."""
    try:
        return msgspec.json.encode(value, order="sorted")
    except UnicodeEncodeError:
        raise _half_character() from None


def _is_same(document: Document, old: Any, new: Any, path: Path) -> bool:
    if _label(old) != _label(plain(new)):
        return False
    return _spells(document, new, path)


def _spells(document: Document, value: Any, path: Path) -> bool:
    """Whether every spelling in *value* is that of *document*."""
    if isinstance(value, Spelled):
        return document.text(path) == value.text
    if isinstance(value, dict):
        return all(_spells(document, item, (*path, name)) for name, item in value.items())
    if isinstance(value, list):
        return all(_spells(document, item, (*path, number)) for number, item in enumerate(value))
    return True


def _make_all(document: Document, text: str, changes: Sequence[Change]) -> tuple[Document, str]:
    for change in changes:
        document, text = _make(document, text, change)
    return document, text


def _make(document: Document, text: str, change: Change) -> tuple[Document, str]:
    """Make one change in the first way that reads as it should."""
    change = replace(change, value=_normalised(change.value))
    wanted = _label(plain(_applied(document.values, change)))
    cut = fences.cut(text)
    block, places, newline = _normal_block(text, cut)
    reason = ""
    try:
        for splices in _EDITORS[document.format](block).attempts(change):
            moved = [Splice(places[a], places[b], new.replace("\n", newline)) for a, b, new in splices]
            changed = splice(text, moved)
            try:
                result = frontmatter.read(_encode(changed))
            except CMSError as error:
                reason = str(error)
                continue
            if _label(result.values) == wanted and result.body == document.body and result.format == document.format:
                return result, changed
    except (ValueError, IndexError) as error:  # a block that the reader takes and the editor does not understand
        reason = reason or str(error)
    raise _unwritable(change.path, reason)


def _unwritable(path: Path, reason: str) -> InvalidEntry:
    name = field_name(path)
    return InvalidEntry(
        f"'{name}' cannot hold this: {reason}"
        if reason
        else f"'{name}' cannot be changed without changing more than it",
        field=name,
        rule="cannot-write",
        hint="use another value" if reason else "change it by hand, in the file",
    )


def _require_exact(value: Any, path: Path) -> None:
    """Refuse numbers that readers of JSON would not keep, and what is nested without end."""
    if len(path) > MAX_DEPTH:
        raise InvalidEntry(
            f"'{field_name(path[:3])}' cannot hold this: values are nested more than {MAX_DEPTH} levels deep",
            field=field_name(path[:1]),
            rule="too-deep",
            hint="use fewer lists within lists",
        )
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in items:
        _require_exact(item, (*path, step))
    if isinstance(value, int | float) and (
        not math.isfinite(value) or (isinstance(value, int) and abs(value) > MAX_SAFE_INTEGER)
    ):
        raise InvalidEntry(
            f"'{field_name(path)}' cannot hold this: {value} is no number that every reader keeps exactly",
            field=field_name(path),
            rule="not-finite",
            hint="give it as text",
        )


def _normalised(value: Any) -> Any:
    """Keys as the reader takes them."""
    if isinstance(value, dict):
        return {normalize("NFC", name): _normalised(item) for name, item in value.items()}
    return [_normalised(item) for item in value] if isinstance(value, list) else value


def _normal_block(text: str, cut: fences.Cut) -> tuple[str, Sequence[int], str]:
    """The block with ``\\n`` for line ends, where each of its characters stands in *text*, and the file's line end."""
    block = text[cut.start : cut.end]
    if "\r" not in block:
        return block, range(cut.start, cut.end + 1), _newline(text)
    places: list[int] = []
    characters: list[str] = []
    for number, character in enumerate(block):
        if character == "\n" and number and block[number - 1] == "\r":
            continue
        characters.append("\n" if character == "\r" else character)
        places.append(cut.start + number)
    return "".join(characters), [*places, cut.end], _newline(text)


def _newline(text: str) -> str:
    """The line end that *text* has most of."""
    windows = text.count("\r\n")
    counts = {"\n": text.count("\n") - windows, "\r\n": windows, "\r": text.count("\r") - windows}
    return max(counts, key=lambda newline: counts[newline])


def _applied_all(values: JSONObject, changes: Sequence[Change]) -> JSONObject:
    for change in changes:
        values = _applied(values, change)
    return values


def _applied(values: Any, change: Change) -> Any:
    """*values* after *change*; what was given is left alone."""
    return _rebuilt(values, change.path, change)


def _rebuilt(node: Any, path: Path, change: Change) -> Any:
    step: Any
    step, *rest = path
    copy = node.copy()
    if rest:
        copy[step] = _rebuilt(copy[step], tuple(rest), change)
    elif change.verb == "remove":
        del copy[step]
    elif change.verb == "insert" and isinstance(copy, list):
        copy.insert(step, change.value)
    else:
        copy[step] = change.value
    return copy


def _look(values: Any, path: Path) -> tuple[bool, Any]:
    for step in path:
        if not isinstance(values, dict) or step not in values:
            return False, None
        values = values[step]
    return True, values


def _assembled(wanted: Mapping[Path, Any]) -> dict[str, Any]:
    """The fields that *wanted* makes when there were none."""
    fields: dict[str, Any] = {}
    for path, value in wanted.items():
        if value is not REMOVED:
            node: Any = fields
            for step in path[:-1]:
                node = node.setdefault(step, {})
                if not isinstance(node, dict):
                    raise _unwritable(path, f"'{step}' is set to something else at once")
            node[path[-1]] = value
    return fields


def _with_front_matter(text: str, fields: Mapping[str, Any]) -> tuple[Document, str]:
    """*text*, which has none, below front matter with *fields*."""
    normal = _normalised(dict(fields))
    newline = _newline(text) if text else "\n"
    changed = f"---\n{write_yaml(normal)}---\n".replace("\n", newline) + text
    try:
        document = frontmatter.read(_encode(changed))
        if _label(document.values) == _label(plain(normal)) and document.body == text:
            return document, changed
        reason = ""
    except CMSError as error:
        reason = str(error)
    # One after the other, with every way to write it; only what cannot be written is refused, by its name.
    changed = "---\n---\n".replace("\n", newline) + text
    try:
        document = frontmatter.read(_encode(changed))
    except CMSError as error:
        raise _unwritable(tuple(fields)[:1], reason or str(error)) from None
    for name, value in normal.items():
        document, changed = _make(document, changed, Change("insert", (name,), value))
    return document, changed


def _with_body(document: Document, text: str, body: str) -> str:
    """*text* with another body, in the line ends that the file has."""
    newline = _newline(text) if text else "\n"
    lines = _with_ends_of(document.body, body, newline)
    head = text[: fences.cut(text).body] if document.format != "none" else ""
    if head and lines and not head.endswith(("\n", "\r")):
        head += newline
    changed = head + lines
    try:
        result = frontmatter.read(_encode(changed))
        if (
            result.body == lines
            and _label(result.values) == _label(document.values)
            and result.format == document.format
        ):
            return changed
        reason = "it begins like front matter"
    except CMSError as error:
        reason = str(error)
    raise InvalidEntry(
        f"this text cannot stand as the body: {reason}",
        field="body",
        rule="cannot-write",
        hint="change the beginning of the text",
    )


def _with_ends_of(old: str, new: str, newline: str) -> str:
    """*new* with *newline* at the end of each line, or with what the same line of *old* ends with."""
    new = new.replace("\r\n", "\n").replace("\r", "\n")
    if len({newline, *_LINE_END.findall(old)}) == 1:
        return new.replace("\n", newline)
    ends: dict[str, list[str]] = {}
    for line in _LINE.finditer(old):
        ends.setdefault(line[1], []).append(line[2])
    *lines, last = new.split("\n")
    return "".join(line + (ends[line].pop(0) if ends.get(line) else newline) for line in lines) + last


def _encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise _half_character() from None


def _half_character() -> InvalidEntry:
    return InvalidEntry(
        "the text holds half of a character (a lone surrogate), which UTF-8 cannot hold",
        rule="not-utf-8",
        hint="type the character anew",
    )
