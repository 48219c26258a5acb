"""YAML errors in words that a writer understands.

Everything here builds an :class:`InvalidFrontMatter`: what is wrong, where (line and column within the block), in which
field, a stable ``rule`` and a ``hint`` what to do. The parser's own jargon never reaches anybody.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml

from cms.errors import InvalidFrontMatter

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff\ufffe\uffff]")
_CONFLICT = re.compile(r"^(?:<{7}|>{7}|={7})(?: |$)", re.MULTILINE)
_KEY = re.compile(r"""\s*(?:-\s+)*["']?(?P<key>[^\s:#"'\[\]{},&*!|>%@`-][^:"']*?)["']?\s*:(?:\s|$)""")
_TEMPLATE = re.compile(r"\{\{|\{%")
_QUOTE_IT = "put the whole value in quotes"


class _Advice(NamedTuple):
    rule: str
    detail: str
    hint: str
    at_context: bool = False


# What libyaml says, and what it means to a writer. The first entry whose text occurs in the message wins.
_ADVICE: Mapping[str, _Advice] = {
    "mapping values are not allowed": _Advice(
        "unquoted-colon", "a value that contains ': ' must be quoted", f"{_QUOTE_IT}, or check the indentation"
    ),
    "could not find expected ':'": _Advice(
        "missing-colon",
        "this line is no 'key: value'",
        "write 'key: value' with a space after the colon; text that goes on over several lines must be indented or quoted",
        at_context=True,
    ),
    "did not find expected key": _Advice(
        "unexpected-text",
        "this does not fit where it stands",
        "check quotes, brackets and the indentation of this line and the one before",
    ),
    "did not find expected '-' indicator": _Advice(
        "list-indentation",
        "a list ends in the middle",
        "indent the items with '-' alike, and start the next key at the left",
    ),
    "did not find expected ',' or ']'": _Advice(
        "broken-list",
        "a list in [ ] is broken",
        "separate the items with commas, quote each one in full, and close with ']'",
    ),
    "did not find expected ',' or '}'": _Advice(
        "broken-map", "a group in { } is broken", "write {key: value, key: value} and close with '}'"
    ),
    "unexpected end of stream": _Advice(
        "unclosed-quote", "a quote is opened here and never closed", "add the missing quote", at_context=True
    ),
    "unexpected document indicator": _Advice(
        "unclosed-quote", "a quote is opened here and never closed", "add the missing quote", at_context=True
    ),
    "escape character": _Advice(
        "bad-escape",
        "a backslash in double quotes must be written twice",
        "use single quotes, or write \\\\ for each backslash",
    ),
    "expected hexdecimal number": _Advice(
        "bad-escape",
        "a backslash in double quotes must be written twice",
        "use single quotes, or write \\\\ for each backslash",
    ),
    "tab character": _Advice("tab", "a tab cannot be used to indent", "replace the tab by spaces"),
    "sequence entries are not allowed": _Advice(
        "list-on-key-line",
        "a list cannot begin on the line of its key",
        "start the list on the next line, or quote the value",
    ),
    "mapping keys are not allowed": _Advice("complex-key", "a '?' cannot stand here", _QUOTE_IT),
    "did not find expected alphabetic or numeric": _Advice(
        "unquoted-symbol", "a value that begins with '*' or '&' must be quoted", _QUOTE_IT
    ),
    "undefined tag handle": _Advice("tag", "a value that begins with '!' must be quoted", _QUOTE_IT),
    "tag": _Advice("tag", "a value that begins with '!' must be quoted", _QUOTE_IT),
    "comment or line break": _Advice(
        "block-text", "text cannot begin on the same line as '|' or '>'", "start the text on the next line, indented"
    ),
    "indentation indicator": _Advice("block-text", "the number after '|' or '>' is wrong", "leave the number out"),
    "did not find expected <document start>": _Advice(
        "unexpected-text",
        "there is text outside the fields",
        "every line must be 'key: value' or be indented under one",
    ),
    "did not find expected node content": _Advice(
        "broken-list", "a value is missing here", "remove the extra comma or bracket"
    ),
    "while scanning a directive": _Advice("unquoted-symbol", "a line cannot begin with '%'", _QUOTE_IT),
    "found an incompatible YAML": _Advice("unquoted-symbol", "a line cannot begin with '%'", _QUOTE_IT),
}
_OTHER = _Advice("yaml", "this cannot be read as YAML", "check quotes, colons and indentation around this line")
_STARTERS = {
    "@": "a value that begins with '@' must be quoted",
    "`": "a value that begins with '`' must be quoted",
    "%": "a value that begins with '%' must be quoted",
}


def refuse_control_characters(block: str) -> None:
    """Raise for the first character that no editor shows, so that nothing hides behind it."""
    if found := _CONTROL.search(block):
        before = block[: found.start()]
        line = before.count("\n") + 1
        column = found.start() - (before.rfind("\n") + 1) + 1
        raise control_character(found.group(), line, column, nearest_field(block, line))


def control_character(character: str, line: int, column: int, field: str | None) -> InvalidFrontMatter:
    """An invisible character that must not be published."""
    return InvalidFrontMatter(
        f"an invisible character ({_name(character)}) stands in the front matter",
        line=line,
        column=column,
        field=field or None,
        rule="control-character",
        hint="delete it; it often comes along when text is pasted",
    )


def explain(block: str, error: yaml.YAMLError) -> InvalidFrontMatter:
    """The parser's *error* about *block*, in plain words."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return InvalidFrontMatter(_OTHER.detail, rule=_OTHER.rule, hint=_OTHER.hint)
    problem = error.problem or error.context or ""
    message = f"{problem} {error.context}" if "directive" in (error.context or "") else problem
    advice = next((advice for text, advice in _ADVICE.items() if text in message), _OTHER)
    mark = (error.context_mark if advice.at_context else None) or error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    lines = block.split("\n")
    line = min(line, len(lines))
    if conflict := merge_conflict(block):
        return conflict
    text = lines[line - 1]
    field = nearest_field(block, line)
    if _TEMPLATE.search(text):
        advice = _Advice("template", "a value with {{ }} or {% %} must be quoted", _QUOTE_IT)
    elif "cannot start any token" in problem:
        advice = _starter(text[column - 1 : column])
    else:
        advice = _closer(advice, text)
        if "after the colon" in advice.detail:
            field = text.partition(":")[0].strip()
    return InvalidFrontMatter(
        advice.detail,
        line=line,
        column=column,
        field=field,
        rule=advice.rule,
        hint=advice.hint,
    )


def _starter(character: str) -> _Advice:
    if character == "\t":
        return _Advice("tab", "a tab cannot be used to indent", "replace the tab by spaces")
    detail = _STARTERS.get(character, f"a value cannot begin with {character!r}")
    return _Advice("unquoted-symbol", detail, _QUOTE_IT)


def _closer(advice: _Advice, text: str) -> _Advice:
    """A better hint where the *text* of the line shows what was meant."""
    value = text.partition(":")[2].strip()
    if advice.rule == "missing-colon" and "\uff1a" in text:
        return advice._replace(detail="there must be ':' and a space after the colon", hint=f"write {_spaced(text)!r}")
    if advice.rule == "missing-colon" and re.match(r"\s*[\w-]+:\S", text) and "://" not in text:
        return advice._replace(detail="there must be a space after the colon", hint=f"write {_spaced(text)!r}")
    if advice.rule == "unexpected-text" and value[:1] in {'"', "'"}:
        return advice._replace(
            rule="quotes", detail="there is text after the closing quote", hint=f"{_quotes(value[0])} inside the text"
        )
    if advice.rule == "unexpected-text" and value[:1] in {"[", "{"}:
        return advice._replace(
            rule="unquoted-symbol", detail=f"a value that begins with '{value[0]}' must be quoted", hint=_QUOTE_IT
        )
    return advice


def _quotes(quote: str) -> str:
    return (
        'use single quotes around the value, or write \\" for quotes' if quote == '"' else "write '' for an apostrophe"
    )


def _spaced(text: str) -> str:
    key, _, value = text.strip().replace("\uff1a", ":").partition(":")
    return f"{key}: {value.strip()}"[:60]


def merge_conflict(block: str) -> InvalidFrontMatter | None:
    """The markers that Git leaves where two versions could not be merged, if they are there."""
    found = _CONFLICT.search(block)
    if found is None:
        return None
    return InvalidFrontMatter(
        "a merge conflict was committed here",
        line=block.count("\n", 0, found.start()) + 1,
        column=1,
        rule="merge-conflict",
        hint="keep one of the two versions and delete the lines with <<<<<<<, ======= and >>>>>>>",
    )


def nearest_field(block: str, line: int) -> str | None:
    """The key on *line* of *block*, or the nearest one above."""
    lines = block.split("\n")[:line]
    for text in reversed(lines[-200:]):
        if found := _KEY.match(text[:200]):
            return found["key"]
    return None


def not_a_mapping(block: str, line: int, *, is_list: bool) -> InvalidFrontMatter:
    """Front matter that is a list or mere text."""
    if conflict := merge_conflict(block):
        return conflict
    what = "a list" if is_list else "text"
    text = block.split("\n")[line - 1]
    hint = "write one 'key: value' a line"
    if not is_list and re.match(r"[^\s:\uff1a]+[:\uff1a][^ ]", text):
        hint = f"after the key there must be ':' and an ordinary space: {_spaced(text)!r}"
    return InvalidFrontMatter(
        f"the front matter is {what}, not fields", line=line, column=1, rule="not-a-mapping", hint=hint
    )


def second_document(block: str, line: int) -> InvalidFrontMatter:
    """``---`` with something behind it in the midst of the block."""
    text = block.split("\n")[line - 1].strip()[:40]
    return InvalidFrontMatter(
        f"the front matter is cut in two at '{text}'",
        line=line,
        column=1,
        rule="second-document",
        hint="the closing fence is a line with '---' and nothing else",
    )


def duplicate_key(field: str, first: int, second: int, column: int) -> InvalidFrontMatter:
    """The same key twice; ``first_line`` keeps the other place."""
    return InvalidFrontMatter(
        f"'{field}' is there twice, on line {first} and on line {second}",
        line=second,
        column=column,
        field=field,
        rule="duplicate-key",
        first_line=first,
        hint="keep one of them",
    )


def complex_key(block: str, line: int, column: int, field: str) -> InvalidFrontMatter:
    """A list or a mapping where a key should be: nearly always an unquoted template expression."""
    if _TEMPLATE.search(block.split("\n")[line - 1]):
        detail, rule, hint = "a value with {{ }} must be quoted", "template", _QUOTE_IT
    else:
        detail, rule, hint = "a key must be a word, not a list or a group", "complex-key", "quote the value"
    return InvalidFrontMatter(
        detail, line=line, column=column, field=field or nearest_field(block, line), rule=rule, hint=hint
    )


def bad_key(key: str, line: int, column: int, field: str) -> InvalidFrontMatter:
    """An empty key, or the merge key."""
    if key:
        detail, rule, hint = "merging with '<<' is not allowed in front matter", "merge-key", "write the fields out"
    else:
        detail, rule, hint = "a key is empty", "empty-key", "write the name of the field before the colon"
    return InvalidFrontMatter(detail, line=line, column=column, field=field or None, rule=rule, hint=hint)


def hidden_in_key(key: str, character: str, line: int, column: int) -> InvalidFrontMatter:
    """A key that is not the one it looks like."""
    return InvalidFrontMatter(
        f"an invisible character ({_name(character)}) hides in the key '{key.replace(character, '')}'",
        line=line,
        column=column,
        field=key.replace(character, ""),
        rule="invisible-character",
        hint="type the key anew; the character often comes along when text is pasted",
    )


def reference(block: str, is_alias: bool, name: str, where: Mapping[str, Any]) -> InvalidFrontMatter:
    """An anchor or an alias; or bold text and such that was meant as text."""
    sign, word = ("*", "alias") if is_alias else ("&", "anchor")
    facts = {**where, "field": where["field"] or nearest_field(block, where["line"])}
    return InvalidFrontMatter(
        f"'{sign}{name}' is a YAML {word}, which is not allowed in front matter",
        **facts,
        rule=word,
        hint="if it is text, put it in quotes; else write the value out where it is used",
    )


def tagged(block: str, tag: str, where: Mapping[str, Any]) -> InvalidFrontMatter:
    """A value with a YAML type tag."""
    shown = tag.replace("tag:yaml.org,2002:", "!!")
    facts = {**where, "field": where["field"] or nearest_field(block, where["line"])}
    return InvalidFrontMatter(
        f"'{shown}' is a YAML tag, which is not allowed in front matter",
        **facts,
        rule="tag",
        hint="leave it out; put a value that begins with '!' in quotes",
    )


def _name(character: str) -> str:
    return f"U+{ord(character):04X} {unicodedata.name(character, '')}".strip()
