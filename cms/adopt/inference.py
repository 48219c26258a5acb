"""Inference: the schema of a collection from the front matter of its files.

Three rules: what is there is accepted (a field with two kinds of values gets both types), what is rare is said in a note, and a
guess that would refuse tomorrow's file (an ``enum``, a required field) needs much evidence.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from cms.adopt.tally import Tally
from cms.adopt.words import (
    AUTHORS,
    DATES,
    NOT_BOOLEAN,
    ORDERS,
    SUMMARIES,
    TAXONOMIES,
    TECHNICAL,
    TEXTUAL,
    TITLES,
    are_related,
    label_of,
)
from cms.dates import is_date_only, parse_date

ENOUGH_FILES, REQUIRED_FILES = 5, 20
NAME_LENGTH = 60
ENUM_FILES, ENUM_CHOICES, ENUM_REPEATS, ENUM_LENGTH = 20, 8, 6, 40
FACET_LENGTH, FACET_CHOICES = 40, 300
REFERENCE_VALUES = 5
OPEN_OBJECT = 60
MANY_DATES = 0.6
WORDS = frozenset({"yes", "no", "on", "off", "true", "false"})
DATE_LIKE = re.compile(r"(?=.*\d).{6,64}", re.DOTALL)
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}")
URI = re.compile(r"https?://[^\s/]+\S*")
DAY_IN_PATH = re.compile(r"/?(?:[\w-]+/)*\d{4}/\d{1,2}/\d{1,2}/.+")
UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What else is known when the fields of one collection are judged.

    Attributes:
        collection: its name.
        files: how many of its files could be read.
        locales: the site's locales, for labels.
        slugs: the slugs of every collection.
        assets: every file of the repository that is not Markdown.
    """

    collection: str
    files: int
    locales: Sequence[str]
    slugs: Mapping[str, Collection[str]] = field(default_factory=dict)
    assets: Collection[str] = frozenset()


@dataclass(slots=True)
class Guess:
    """The schema of one field, what a reader of the schema should know, and what goes into the report."""

    schema: dict[str, Any]
    comments: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def infer_field(name: str, tally: Tally, around: Surroundings) -> Guess:
    """The schema of the field *name*."""
    guess = Guess(_shape(name, tally))
    _say_dates(name, tally, guess)
    _say_mixture(name, tally, guess)
    values = _values(tally)
    is_reference = _add_reference(name, values, guess, around)
    if not is_reference:
        _add_asset(values, guess, around)
        _add_choices(name, tally, guess)
    search = _search(name, values, guess.schema, is_reference=is_reference)
    guess.schema["x-label"] = label_of(name, around.locales)
    if search:
        guess.schema["x-search"] = search
    if tally.seen * 10 < around.files:
        guess.comments.append(f"in {tally.seen} of {around.files} files")
    return guess


def is_name(key: str) -> bool:
    """Whether *key* can be meant as the name of a field; a sentence with a colon in it is an accident."""
    return 0 < len(key) <= NAME_LENGTH and "\n" not in key and "<" not in key


def required_fields(fields: Mapping[str, Tally], files: int) -> list[str]:
    """The fields that every file fills; of few files only the title is believed, so that tomorrow's file is not refused for a habit."""
    return [
        name
        for name, tally in fields.items()
        if tally.filled == files and files and (files >= REQUIRED_FILES or name in TITLES[:2])
    ]


def find_title(fields: Mapping[str, Tally], files: int, slugs: Collection[str]) -> str | None:
    """The field that names an entry: one that most files fill, and that says more than their slug."""
    known = [name for name in TITLES if name in fields and _is_text(fields[name])]
    telling = [name for name in known if name != "name" or not set(fields[name].texts) <= set(slugs)]
    return next((name for name in telling if fields[name].filled * 2 >= files), known[0] if known else None)


def heading_as_title(around: Surroundings) -> Guess:
    """The schema of a title that no file has, because each begins with a heading."""
    schema = {"type": "string", "x-label": label_of("title", around.locales), "x-search": {"boost": 3.0}}
    return Guess(schema, ["no file has it: it is filled with the heading that the text begins with"])


def find_date(fields: Mapping[str, Tally], schemas: Mapping[str, Mapping[str, Any]], files: int) -> str | None:
    """The field that says when an entry was published; an address such as ``2019/06/27/title`` will do if nothing else does."""
    known = [name for name in DATES if name in fields and _date_share(fields[name]) >= MANY_DATES]
    known += [
        name
        for name, schema in schemas.items()
        if "publi" in name.casefold() and "format" in schema and name not in known
    ]
    if known:
        return known[0]
    for name in ("path", "permalink", "url", "slug"):
        texts = fields[name].texts if name in fields else {}
        if sum(DAY_IN_PATH.fullmatch(text) is not None for text in texts) * 2 > files:
            return name
    return None


def find_order(fields: Mapping[str, Tally], files: int) -> str | None:
    """The field that sorts entries by hand."""
    return next(
        (
            name
            for name in (*ORDERS, *sorted(other for other in fields if other.endswith("_weight")))
            if name in fields and fields[name].filled * 2 > files and _kinds(fields[name]) <= {"integer", "number"}
        ),
        None,
    )


def is_dated(values: Mapping[str, Any]) -> bool:
    """Whether the front matter of one file says when it was published."""
    return any(isinstance(values.get(name), str | int) and not isinstance(values[name], bool) for name in DATES) or any(
        isinstance(text := values.get(name), str) and DAY_IN_PATH.fullmatch(text)
        for name in ("path", "permalink", "url")
    )


def _shape(name: str, tally: Tally) -> dict[str, Any]:
    """Type, format, items and properties, wide enough for every value there is."""
    kinds = _kinds(tally)
    schema: dict[str, Any] = {}
    if kinds:
        types = _types(name, tally, kinds)
        if tally.kinds["null"]:
            types.append("null")
        schema["type"] = types[0] if len(types) == 1 else types
        if types == ["string"] or types == ["string", "null"]:
            text_format = _format(name, tally)
            if text_format:
                schema["format"] = text_format
    if "array" in kinds and tally.items is not None and tally.items.seen:
        is_alone = not kinds - {"array"}
        if is_alone or not _kinds(tally.items) & {"object", "array"}:
            schema["items"] = _shape(name, tally.items)
    if "object" in kinds and "array" not in kinds and len(tally.fields) <= OPEN_OBJECT:
        schema["properties"] = {key: _shape(key, inner) for key, inner in sorted(tally.fields.items())}
        objects = tally.kinds["object"]
        required = [key for key, inner in sorted(tally.fields.items()) if inner.filled == objects]
        if required and objects >= ENOUGH_FILES:
            schema["required"] = required
        schema["additionalProperties"] = True
    return schema


def _kinds(tally: Tally) -> set[str]:
    return {kind for kind, count in tally.kinds.items() if count and kind != "null"}


def _types(name: str, tally: Tally, kinds: set[str]) -> list[str]:
    """The JSON types for *kinds*; scalars of several kinds, or that lose their spelling as numbers, are text."""
    scalars = kinds - {"array", "object"}
    types: list[str] = []
    if scalars and scalars <= {"string", "boolean"} and _are_words(name, tally.texts):
        types = ["boolean"]
    elif scalars <= {"integer", "number"} and scalars:
        is_text = name in TITLES or name.rpartition("_")[2].casefold() in TEXTUAL or tally.respelled
        is_day = name in DATES and _date_share(tally) == 1
        types = ["string"] if is_text or is_day else ["integer"] if scalars == {"integer"} else ["number"]
    elif scalars:
        types = ["boolean"] if scalars == {"boolean"} else ["string"]
        if scalars == {"boolean", "string"} and name.casefold() not in TEXTUAL:
            types.append("boolean")  # `permalink: false` means something else than the text "false"
    return [*types, *sorted(kinds & {"array", "object"})]


def _are_words(name: str, texts: Mapping[str, int]) -> bool:
    return name.casefold() not in NOT_BOOLEAN and all(text.casefold() in WORDS for text in texts)


def _format(name: str, tally: Tally) -> str:
    texts = tally.texts
    if not texts and not tally.numbers:
        return ""
    if name not in TITLES and name.rpartition("_")[2].casefold() not in TEXTUAL and _date_share(tally) == 1:
        return "date" if all(map(is_date_only, (*texts, *tally.numbers))) else "date-time"
    if texts and not tally.numbers and all(map(EMAIL.fullmatch, texts)):
        return "email"
    if texts and not tally.numbers and all(URI.fullmatch(text) and text.isascii() for text in texts):
        return "uri"
    return ""


def _date_share(tally: Tally) -> float:
    values = [*tally.texts, *(text for text in tally.numbers if re.fullmatch(r"(?:19|20)\d{6}", text))]
    count = len(tally.texts) + len(tally.numbers)
    return sum(map(_is_date, values)) / count if count else 0.0


def _is_date(text: str) -> bool:
    if not (text.isdigit() or DATE_LIKE.fullmatch(text)):
        return False
    try:
        parse_date(text, UTC)
    except (ValueError, OverflowError):
        return False
    return True


def _is_text(tally: Tally) -> bool:
    return bool(_kinds(tally)) and _kinds(tally) <= {"string", "integer", "number"}


def _values(tally: Tally) -> dict[str, int]:
    """Every text of the field, alone or in a list, except empty ones."""
    texts = tally.texts + (tally.items.texts if tally.items is not None else type(tally.texts)())
    return {text: count for text, count in texts.items() if text.strip()}


def _say_dates(name: str, tally: Tally, guess: Guess) -> None:
    share = _date_share(tally)
    if name not in TITLES and MANY_DATES <= share < 1 and "format" not in guess.schema:
        wrong = sorted(text for text in tally.texts if not _is_date(text))
        guess.comments.append(f"add 'format: date' once {_quote(wrong)} is corrected")
        guess.notes.append(f"'{name}' is a date except for {_quote(wrong)}, so it is taken as text")


def _say_mixture(name: str, tally: Tally, guess: Guess) -> None:
    kinds = _kinds(tally) - ({"integer"} if tally.kinds["number"] else set())
    if not kinds:
        guess.comments.append("always empty, so its type is unknown")
    elif len(kinds) > 1:
        counts = ", ".join(
            f"{kind} {tally.kinds[kind]} times" for kind in sorted(kinds, key=lambda kind: (-tally.kinds[kind], kind))
        )
        guess.comments.append(f"has several types: {counts}")
        if kinds & {"array", "object"}:
            guess.notes.append(f"'{name}' has several types: {counts}")


def _quote(values: Sequence[str], limit: int = 3) -> str:
    shown = ", ".join(repr(" ".join(value.split())[:40]) for value in values[:limit])
    return shown if len(values) <= limit else f"{shown} and {len(values) - limit} more"


def _add_reference(name: str, values: Mapping[str, int], guess: Guess, around: Surroundings) -> bool:
    """Mark a field whose every value is the slug of an entry."""
    kinds = guess.schema.get("type")
    is_plain = "string" in kinds or ("array" in kinds and "object" not in kinds) if kinds else False
    if (
        not values
        or not is_plain
        or "format" in guess.schema
        or name in TITLES
        or name.casefold() in ("slug", "id", "path")
    ):
        return False
    best: tuple[float, str] = (0.0, "")
    for collection, slugs in sorted(around.slugs.items()):
        share = sum(value in slugs for value in values) / len(values)
        named = are_related(name, collection)
        enough = named or (
            len(values) >= REFERENCE_VALUES and name.casefold() not in TECHNICAL and collection != around.collection
        )
        if enough and (share == 1 or named) and share > best[0]:
            best = (share, collection)
    share, target = best
    if share == 1:
        guess.schema["x-reference"] = target
        guess.comments.append(f"every value is the slug of an entry in {target}")
        return True
    if share >= 0.5:
        missing = sorted(value for value in values if value not in around.slugs[target])
        guess.comments.append(f"would refer to {target} if it had {_quote(missing)}: then add 'x-reference: {target}'")
        guess.notes.append(
            f"'{name}' seems to name entries of {target}, but there is none for {_quote(missing)}; so it is taken as text"
        )
    return False


def _add_asset(values: Mapping[str, int], guess: Guess, around: Surroundings) -> None:
    is_text = guess.schema.get("type") in ("string", ["string", "null"])
    if is_text and values and all("." in value and value in around.assets for value in values):
        guess.schema["x-asset"] = True


def _add_choices(name: str, tally: Tally, guess: Guess) -> None:
    """An ``enum`` for a text that is one of a few words in many files."""
    types = guess.schema.get("type")
    texts = tally.texts
    if (
        types not in ("string", ["string", "null"])
        or "format" in guess.schema
        or tally.numbers
        or tally.kinds["boolean"]
    ):
        return
    if name in TITLES or name.casefold() in SUMMARIES | AUTHORS | TECHNICAL or "x-asset" in guess.schema:
        return
    total = sum(texts.values())
    if not 2 <= len(texts) <= ENUM_CHOICES or total < max(ENUM_FILES, ENUM_REPEATS * len(texts)):
        return
    if min(texts.values()) < 2 or any(len(text) > ENUM_LENGTH or "\n" in text or "/" in text for text in texts):
        return
    guess.schema["enum"] = [*sorted(texts), *([None] if "null" in types else [])]
    guess.comments.append("only these values are used; add more here before a file uses them")


def _search(name: str, values: Mapping[str, int], schema: Mapping[str, Any], *, is_reference: bool) -> dict[str, Any]:
    """How the field takes part in search: a weight for prose, a facet for words that come again and again."""
    if is_reference:
        return {"facet": True}
    plain = name.casefold()
    if name in TITLES[:2]:
        return {"boost": 3.0}
    types = schema.get("type") or ()
    if not values or "format" in schema or "x-asset" in schema or "object" in types or plain in TECHNICAL:
        return {}
    if plain in SUMMARIES:
        return {"boost": 1.5}
    total = sum(values.values())
    length = sum(len(value) * count for value, count in values.items()) / total
    repeats = total / len(values)
    is_word = length <= FACET_LENGTH and len(values) <= FACET_CHOICES and not any("/" in value for value in values)
    if is_word and ("enum" in schema or plain in TAXONOMIES or (repeats >= 3 and total >= ENUM_FILES)):
        return {"boost": 1.0, "facet": True} if "enum" not in schema else {"facet": True}
    if plain in TAXONOMIES:
        return {"boost": 1.0, "facet": True}
    has_words = sum(" " in value.strip() for value in values) * 2 > len(values)
    return {"boost": 1.0} if has_words else {}
