"""Typing by the schema: from the text of a content file to a :class:`~cms.entry.Parsed`.

YAML guesses types from spelling; here the schema decides. ``lang: no`` is the text "no" where the schema says string, and false where
it says boolean. Dates become RFC 3339 in the site's time zone.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema_rs

from cms import frontmatter
from cms.dates import format_rfc3339, is_date_only, parse_date, parse_day
from cms.entry import RESERVED, Parsed
from cms.errors import CMSError
from cms.finding import Finding, finding_of
from cms.schema import Collection, Field

PUBLISH_NAMES = ("publish_at", "publishDate", "publishdate")
EXPIRE_NAMES = ("expire_at", "expiryDate", "expirydate")
TRUE_WORDS = frozenset({"true", "yes", "on", "y"})
FALSE_WORDS = frozenset({"false", "no", "off", "n"})
SLUG_LIMIT = 300
UNSAFE = re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff?#%\\]")
Path = tuple[str | int, ...]
TextOf = Callable[[Path], str | None]


class Mistyped(ValueError):
    """A value that cannot be what the schema says; ``path`` leads to it inside the front matter."""

    def __init__(self, reason: str, path: Path, hint: str = "") -> None:
        super().__init__(reason)
        self.path = path
        self.hint = hint


def parse_entry(source: bytes, collection: Collection, zone: ZoneInfo, locales: frozenset[str]) -> Parsed:
    """Read the bytes of a content file by the schema of its collection. Never raises for bad content: it is in ``findings``."""
    try:
        document = frontmatter.read(source)
    except CMSError as error:
        return Parsed(fields={}, findings=(finding_of(error),))
    findings: list[Finding] = []
    fields = _type_fields(document, collection, zone, findings)
    findings += _validate(fields, document, collection)
    details = _details(fields, document, collection, zone, locales, findings)
    shown = fields if RESERVED.isdisjoint(fields) else _rename_reserved(fields, document, findings)
    return Parsed(fields=shown, findings=tuple(findings), **details)


def _type_fields(
    document: frontmatter.Document, collection: Collection, zone: ZoneInfo, findings: list[Finding]
) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    known = collection.fields
    for name, value in document.values.items():
        item = known.get(name)
        if item is None or value is None:
            if value is not None or (item is not None and _allows_null(collection, name)):
                fields[name] = value
            continue
        try:
            fields[name] = coerce_value(item, value, (name,), document.text, zone)
        except Mistyped as error:
            mark = document.mark(error.path)
            findings.append(
                Finding(
                    message=str(error),
                    line=mark.line,
                    column=mark.column,
                    field=dotted(error.path),
                    rule="type",
                    hint=error.hint,
                )
            )
    return fields


def _allows_null(collection: Collection, name: str) -> bool:
    node = collection.schema.get("properties", {}).get(name)
    kind = node.get("type") if isinstance(node, dict) else None
    return isinstance(kind, list) and "null" in kind


def coerce_value(item: Field, value: Any, path: Path, text_of: TextOf, zone: ZoneInfo) -> Any:
    """*value* as the schema's field *item* wants it.

    Values that cannot be turned into the wanted type are returned as they are, for the validator to name; only dates, and booleans
    written as words, are judged here.

    Raises:
        Mistyped: a date that is no date.
    """
    if type(value) is str and not item.is_converted:
        return value
    if isinstance(value, list):
        if item.many:
            return [coerce_value(item.one, part, (*path, i), text_of, zone) for i, part in enumerate(value)]
        return value
    if isinstance(value, dict):
        inside = item.properties
        return {
            key: coerce_value(inside[key], part, (*path, key), text_of, zone)
            if key in inside and part is not None
            else part
            for key, part in value.items()
        }
    if item.many and not item.either:
        return value
    kinds = item.kinds
    if item.format in ("date", "date-time") and isinstance(value, str | int):
        return _coerce_date(item, value, path, text_of, zone)
    if isinstance(value, str):
        if kinds == {"boolean"}:
            word = value.casefold()
            return True if word in TRUE_WORDS else False if word in FALSE_WORDS else value
        return value
    if value is None or not kinds or _fits(value, kinds) or "string" not in kinds:
        return value
    text = text_of(path)
    return text if text is not None else str(value)


def _fits(value: object, kinds: frozenset[str]) -> bool:
    if isinstance(value, bool):
        return "boolean" in kinds
    if isinstance(value, int):
        return "integer" in kinds or "number" in kinds
    return isinstance(value, float) and "number" in kinds


def _coerce_date(item: Field, value: str | int, path: Path, text_of: TextOf, zone: ZoneInfo) -> str:
    text = value if isinstance(value, str) else (text_of(path) or str(value))
    try:
        return _day_text(text, zone) if item.format == "date" else _moment_text(text, zone)
    except ValueError as error:
        if "string" in item.kinds and item.either:
            return text
        raise Mistyped(
            f"{text[:60]!r} is not a date: {error}", path, "write it as 2019-06-27 or 2019-06-27T10:00"
        ) from error


@lru_cache(maxsize=10_000)
def _day_text(text: str, zone: ZoneInfo) -> str:
    return (parse_day(text) if is_date_only(text) else parse_date(text, zone).astimezone(zone).date()).isoformat()


@lru_cache(maxsize=10_000)
def _moment_text(text: str, zone: ZoneInfo) -> str:
    return format_rfc3339(parse_date(text, zone), zone)


@lru_cache(maxsize=10_000)
def _seconds(text: str, zone: ZoneInfo) -> float:
    return parse_date(text, zone).timestamp()


def _validate(fields: dict[str, Any], document: frontmatter.Document, collection: Collection) -> list[Finding]:
    if collection.validator.is_valid(fields):
        return []
    findings = []
    for error in collection.validator.iter_errors(fields):
        path: Path = tuple(error.instance_path)
        rule = error.kind.name
        message, hint, missing = describe(error, collection)
        where = (*path, missing) if missing else path
        mark = document.mark(where)
        findings.append(
            Finding(message=message, line=mark.line, column=mark.column, field=dotted(where), rule=rule, hint=hint)
        )
    return findings


def describe(error: jsonschema_rs.ValidationError, collection: Collection) -> tuple[str, str, str | None]:
    """(what is wrong, what to do, the field it is about when the path does not lead to it) of a validation error."""
    kind = error.kind
    if kind.name == "required":
        missing = str(getattr(kind, "property", "")).strip('"')
        return f"the field {missing!r} is required", f"add '{missing}:' to the front matter", missing
    if kind.name == "additionalProperties":
        unexpected = list(getattr(kind, "unexpected", []))
        known = ", ".join(collection.fields) if not error.instance_path else ""
        hint = f"the fields are {known}" if known else ""
        return f"the schema has no field {unexpected[0]!r}", hint, unexpected[0]
    if kind.name == "enum":
        choices = ", ".join(str(choice) for choice in getattr(kind, "options", []))
        return (
            f"{_short(error.instance)} is not one of the allowed values",
            f"one of {choices}" if choices else "",
            None,
        )
    if kind.name == "type":
        wanted = getattr(kind, "types", [])
        names = " or ".join(sorted(map(str, wanted)))
        return f"{_short(error.instance)} is not of type {names}", _type_hint(names), None
    return error.message, "", None


def _type_hint(wanted: str) -> str:
    return {
        "array": "write a list: [a, b], or one '- a' a line",
        "string": "put it between quotation marks",
        "boolean": "write true or false",
        "integer": "write a whole number without quotation marks",
        "number": "write a number without quotation marks",
    }.get(wanted, "")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def dotted(path: Path) -> str:
    """``("images", 0, "alt")`` as ``images.0.alt``."""
    return ".".join(map(str, path))


def _details(
    fields: Mapping[str, Any],
    document: frontmatter.Document,
    collection: Collection,
    zone: ZoneInfo,
    locales: frozenset[str],
    findings: list[Finding],
) -> dict[str, Any]:
    def wrong(name: str, message: str, hint: str = "") -> None:
        mark = document.mark((name,))
        findings.append(Finding(message=message, line=mark.line, column=mark.column, field=name, rule=name, hint=hint))

    def moment(names: tuple[str, ...]) -> float | None:
        for name in names:
            value = fields.get(name)
            if isinstance(value, str | int) and not isinstance(value, bool):
                try:
                    return _seconds(str(value), zone)
                except (ValueError, OverflowError) as error:
                    wrong(name, f"{value!r} is not a date: {error}", "write it as 2019-06-27 or 2019-06-27T10:00")
            elif value is not None:
                wrong(name, f"{_short(value)} is not a date", "write it as 2019-06-27 or 2019-06-27T10:00")
        return None

    title = _find(fields, collection.title_field) if collection.title_field else None
    locale = fields.get("locale")
    if isinstance(locale, str) and locale not in locales:
        locale = locale.replace("_", "-")
    if locale is not None and locale not in locales:
        wrong("locale", f"{_short(locale)} is not one of the site's locales", f"one of {', '.join(sorted(locales))}")
        locale = None
    return {
        "title": title if isinstance(title, str) else None,
        "slug": _slug(fields.get("slug"), wrong),
        "url": next((fields[name] for name in ("url", "permalink") if _is_url(fields.get(name))), None),
        "locale": locale,
        "published_at": _published_at(fields, collection, zone),
        "publish_at": moment(PUBLISH_NAMES),
        "expire_at": moment(EXPIRE_NAMES),
        "hidden": _is_hidden(fields),
    }


def _published_at(fields: Mapping[str, Any], collection: Collection, zone: ZoneInfo) -> float | None:
    for name in (collection.date_field, "published_at"):
        value = _find(fields, name) if name else None
        if isinstance(value, str):
            try:
                return _seconds(value, zone)
            except (ValueError, OverflowError):
                continue
    return None


def _find(fields: Mapping[str, Any], name: str) -> Any:
    value: Any = fields
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _is_url(value: object) -> bool:
    return (
        isinstance(value, str)
        and value.startswith(("/", "https://", "http://"))
        and ":" not in value.partition("://")[2]
    )


def _is_hidden(fields: Mapping[str, Any]) -> bool:
    """``draft`` with anything but a clear no hides; so does ``published`` with a clear no."""
    draft, published = fields.get("draft"), fields.get("published")
    clear_no = draft in (None, False, 0, "") or (isinstance(draft, str) and draft.casefold() in FALSE_WORDS)
    unpublished = published is False or (isinstance(published, str) and published.casefold() in FALSE_WORDS)
    return not clear_no or unpublished


def _slug(value: object, wrong: Callable[..., None]) -> str | None:
    if value is None:
        return None
    slug = str(value).strip("/ ") or ("index" if value == "/" else "")
    if (
        not slug
        or len(slug) > SLUG_LIMIT
        or UNSAFE.search(slug)
        or any(part in ("", ".", "..") for part in slug.split("/"))
    ):
        wrong("slug", f"{_short(value)} cannot be a slug", "letters, digits and hyphens, such as 'laer-av-feil'")
        return None
    return slug


def _rename_reserved(fields: dict[str, Any], document: frontmatter.Document, findings: list[Finding]) -> dict[str, Any]:
    shown = {}
    for name, value in fields.items():
        if name in RESERVED:
            mark = document.mark((name,))
            findings.append(
                Finding(
                    message=f"the API has a field of its own by that name, so it is shown as '{name}_'",
                    line=mark.line,
                    column=mark.column,
                    field=name,
                    rule="reserved",
                    severity="warning",
                )
            )
            shown[f"{name}_"] = value
        else:
            shown[name] = value
    return shown


def timestamp_text(seconds: float | None, zone: ZoneInfo) -> str | None:
    """Seconds since 1970 as RFC 3339 in *zone*."""
    return None if seconds is None else format_rfc3339(datetime.fromtimestamp(seconds, zone), zone)
