"""Typing by the schema: from the text of a content file to a :class:`~cms.entry.Parsed`.

YAML guesses types from spelling; here the schema decides. ``lang: no`` is the text "no" where the schema says string, and false where
it says boolean. Dates become RFC 3339 in the site's time zone.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
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
from cms.markdown import heading
from cms.schema import Collection, Field
from cms.settings import nearest

#: The fields that decide who sees a file, without case and separators: generators take Draft and publishDate for the same,
#: and a file must not become public by its spelling.
DECIDING: Mapping[str, str] = {
    "draft": "draft",
    "published": "published",
    "status": "status",
    "publishat": "publish_at",
    "publishdate": "publish_at",
    "expireat": "expire_at",
    "expirydate": "expire_at",
}
TRUE_WORDS = frozenset({"true", "yes", "on", "y"})
FALSE_WORDS = frozenset({"false", "no", "off", "n"})
#: What WordPress says of a post that the public must not see, and of one that waits for its date.
NOT_PUBLIC = frozenset({"draft", "auto-draft", "private", "trash"})
SCHEDULED = "future"
#: Fields that hold a date only by accident: nobody is told that there is none.
ADDRESSES = frozenset({"path", "permalink", "url", "slug", "link"})
SLUG_LIMIT = 300
# Zola and others write the day into the address: path = "2024/02/19/a-title".
DAY_IN_PATH = re.compile(r"(?:^|/)(\d{4})/(\d{2})/(\d{2})/")
#: A permalink of Jekyll's that begins in the root of the site without saying so; "pretty" and its like name a pattern.
PAGE = re.compile(r"[\w.-]+(?:/[\w.-]+)*(?:/|\.html?)")
DATE_HINT = "write it as 2019-06-27 or 2019-06-27T10:00"
URL = re.compile(
    r"(?:https?://[^/\s:@]+(?::\d+)?)?/(?!/)(?!:\w)(?:(?!/:\w|[\s\\<>\"\x00-\x1f]).)*|https?://[^/\s:@]+(?::\d+)?"
)
UNSAFE = re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff?#%\\]")
Path = tuple[str | int, ...]


def parse_entry(source: bytes, collection: Collection, zone: ZoneInfo, locales: frozenset[str]) -> Parsed:
    """Read the bytes of a content file by the schema of its collection. Never raises for bad content: it is in ``findings``."""
    try:
        document = frontmatter.read(source)
    except CMSError as error:
        return Parsed(fields={}, findings=(finding_of(error),))
    typing = _Typing(document, zone)
    fields = typing.type_fields(collection)
    findings = [*typing.findings, *_validate(fields, document, collection, typing.refused)]
    _add_title(fields, document, collection)
    details = _details(fields, document, collection, zone, locales, findings)
    shown = fields if RESERVED.isdisjoint(fields) else _rename_reserved(fields, document, findings)
    return Parsed(fields=shown, findings=tuple(findings), **details)


class _Typing:
    """Gives the values of one document the types that a schema asks for; what cannot be is in ``findings``."""

    def __init__(self, document: frontmatter.Document, zone: ZoneInfo) -> None:
        self._document = document
        self._zone = zone
        self.findings: list[Finding] = []
        #: Paths of values that are left out because of a finding: they are not missing.
        self.refused: set[Path] = set()

    def type_fields(self, collection: Collection) -> dict[str, Any]:
        """The front matter as the schema wants it. An empty value is as good as none, unless the schema allows null."""
        fields: dict[str, Any] = {}
        known = collection.fields
        for name, value in self._document.values.items():
            item = known.get(name)
            if item is None:
                if value is not None:
                    fields[name] = value
            elif type(value) is str and not item.is_converted:
                fields[name] = value
            else:
                self._put(fields, name, item, value, (name,))
        return fields

    def _put(self, fields: dict[str, Any], name: str, item: Field, value: Any, path: Path) -> None:
        if value is not None:
            value = self._value(item, value, path)
            if path not in self.refused:
                fields[name] = value
        elif item.nullable:
            fields[name] = None

    def _value(self, item: Field, value: Any, path: Path) -> Any:
        """*value* as *item* wants it.

        A value that cannot be turned into the wanted type is returned as it is, for the validator to name; only dates, and booleans
        written as words, are judged here.
        """
        if isinstance(value, list):
            if item.many:
                return [self._value(item.one, part, (*path, number)) for number, part in enumerate(value)]
            return value
        if isinstance(value, dict):
            return self._object(item, value, path)
        if value is None or (item.many and not item.either):
            return value
        kinds = item.kinds
        if item.format in ("date", "date-time") and isinstance(value, str | int):
            return self._date(item, value, path)
        if isinstance(value, str):
            word = value.casefold() if kinds == {"boolean"} else ""
            return True if word in TRUE_WORDS else False if word in FALSE_WORDS else value
        if not kinds or _fits(value, kinds) or "string" not in kinds:
            return value
        return self._text(value, path)

    def _object(self, item: Field, value: dict[str, Any], path: Path) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for name, part in value.items():
            inner = item.properties.get(name)
            if inner is None:
                fields[name] = part
            else:
                self._put(fields, name, inner, part, (*path, name))
        return fields

    def _text(self, value: object, path: Path) -> str:
        """How a value that is no text to YAML was written."""
        text = self._document.text(path)
        return str(value) if text is None else text

    def _date(self, item: Field, value: str | int, path: Path) -> str:
        text = value if isinstance(value, str) else self._text(value, path)
        try:
            return _day_text(text, self._zone) if item.format == "date" else _moment_text(text, self._zone)
        except ValueError as error:
            if item.either:
                return text
            mark = self._document.mark(path)
            self.refused.add(path)
            self.findings.append(
                Finding(
                    message=_not_a_date(text, error),
                    line=mark.line,
                    column=mark.column,
                    field=dotted(path),
                    rule="type",
                    hint=DATE_HINT,
                )
            )
            return text


def _not_a_date(value: object, error: Exception) -> str:
    reason = str(error).partition("; write it as")[0]
    return reason if "is not a date" in reason else f"{_short(value)} is not a date: {reason}"


def _fits(value: object, kinds: frozenset[str]) -> bool:
    if isinstance(value, bool):
        return "boolean" in kinds
    if isinstance(value, int):
        return "integer" in kinds or "number" in kinds
    return isinstance(value, float) and "number" in kinds


@lru_cache(maxsize=10_000)
def _day_text(text: str, zone: ZoneInfo) -> str:
    return (parse_day(text) if is_date_only(text) else parse_date(text, zone).astimezone(zone).date()).isoformat()


@lru_cache(maxsize=10_000)
def _moment_text(text: str, zone: ZoneInfo) -> str:
    return format_rfc3339(parse_date(text, zone), zone)


@lru_cache(maxsize=10_000)
def _seconds(text: str, zone: ZoneInfo) -> float:
    return parse_date(text, zone).timestamp()


def _validate(
    fields: dict[str, Any], document: frontmatter.Document, collection: Collection, refused: AbstractSet[Path]
) -> list[Finding]:
    if collection.validator.is_valid(fields):
        return []
    findings = []
    for error in collection.validator.iter_errors(fields):
        for message, hint, where in describe(error, collection):
            if where in refused:
                continue
            mark = document.mark(where)
            findings.append(
                Finding(
                    message=message,
                    line=mark.line,
                    column=mark.column,
                    field=dotted(where),
                    rule=error.kind.name,
                    hint=hint,
                )
            )
    return findings


def describe(error: jsonschema_rs.ValidationError, collection: Collection) -> Iterator[tuple[str, str, Path]]:
    """(what is wrong, what to do, where) of a validation error; several where it is about several keys."""
    kind, path = error.kind, tuple(error.instance_path)
    if kind.name == "required":
        missing = str(getattr(kind, "property", "")).strip('"')
        yield f"the field {missing!r} is required", f"add '{missing}:' to the front matter", (*path, missing)
    elif kind.name == "additionalProperties":
        known = list(_inside(collection, path))
        for name in getattr(kind, "unexpected", []):
            close = nearest(name, known).removeprefix("; ")
            hint = close or (f"the fields are {', '.join(known)}" if known else "")
            yield f"the schema has no field {name!r}", hint, (*path, name)
    elif kind.name == "enum":
        choices = ", ".join(str(choice) for choice in getattr(kind, "options", []))
        yield f"{_short(error.instance)} is not one of the allowed values", f"one of {choices}" if choices else "", path
    elif kind.name == "type":
        wanted = " or ".join(sorted(map(str, getattr(kind, "types", []))))
        yield f"{_short(error.instance)} is not of type {wanted}", _type_hint(wanted), path
    elif kind.name in ("anyOf", "oneOfNotValid"):
        yield f"{_short(error.instance)} is nothing that the schema allows here", _alternatives(collection, path), path
    else:
        yield error.message, "", path


def _at(collection: Collection, path: Path) -> Field | None:
    return collection.find_field(dotted(tuple(part for part in path if isinstance(part, str))))


def _inside(collection: Collection, path: Path) -> Mapping[str, Field]:
    item = _at(collection, path) if path else None
    return collection.fields if not path else item.properties if item is not None else {}


def _alternatives(collection: Collection, path: Path) -> str:
    item = _at(collection, path)
    if item is None or isinstance(path[-1], int):
        return ""
    kinds = sorted(item.kinds)
    lists = [f"list of {kind}s" for kind in kinds or ["value"]] if item.many else []
    return f"allowed: {' or '.join([*(kinds if item.either or not item.many else []), *lists])}"


def _type_hint(wanted: str) -> str:
    return {
        "array": "write a list: [a, b], or one '- a' a line",
        "string": "put it between quotation marks",
        "boolean": "write true or false",
        "integer": "write a whole number without quotation marks",
        "number": "write a number without quotation marks",
    }.get(wanted, "")


def _short(value: object) -> str:
    """*value* as a writer knows it, not as Python does."""
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "…"


def dotted(path: Path) -> str:
    """``("images", 0, "alt")`` as ``images.0.alt``."""
    return ".".join(map(str, path))


def _add_title(fields: dict[str, Any], document: frontmatter.Document, collection: Collection) -> None:
    """An entry that leaves its title out is called what the heading says that its text begins with, as in most generators."""
    name = collection.title_field
    if name is None or not collection.has_body or fields.get(name) not in (None, ""):
        return
    item = collection.fields.get(name)
    if item is not None and "string" in item.kinds and not (item.many or item.references or item.choices):
        text = heading(document.body)
        if text is not None:
            fields[name] = text


def _details(
    fields: Mapping[str, Any],
    document: frontmatter.Document,
    collection: Collection,
    zone: ZoneInfo,
    locales: frozenset[str],
    findings: list[Finding],
) -> dict[str, Any]:
    wrong = _reporter(document, findings)
    title = _find(fields, collection.title_field) if collection.title_field else None
    locale = fields.get("locale")
    if isinstance(locale, str) and locale not in locales:
        locale = locale.replace("_", "-")
    if locale is not None and not (isinstance(locale, str) and locale in locales):
        wrong("locale", f"{_short(locale)} is not one of the site's locales", f"one of {', '.join(sorted(locales))}")
        locale = None
    published_at = _published_at(fields, collection, zone, wrong)
    publish_at = _moment(fields, "publish_at", zone, wrong)
    if publish_at is None and _status(fields) == SCHEDULED:
        publish_at = published_at
    return {
        "title": str(title) if isinstance(title, str | int | float) else None,
        "slug": _slug(fields.get("slug"), document, wrong),
        "url": _url(fields, wrong),
        "locale": locale,
        "published_at": published_at,
        "publish_at": publish_at,
        "expire_at": _moment(fields, "expire_at", zone, wrong),
        "hidden": _is_hidden(fields) or (_status(fields) == SCHEDULED and publish_at is None),
    }


def is_public_at(fields: Mapping[str, Any], zone: ZoneInfo, now: float) -> bool:
    """Whether front matter lets the public see its entry at *now* (seconds since 1970), whatever schema it has."""
    unclear: list[str] = []

    def wrong(name: str, *_: str) -> None:
        unclear.append(name)

    publish_at, expire_at = _moment(fields, "publish_at", zone, wrong), _moment(fields, "expire_at", zone, wrong)
    if _is_hidden(fields) or unclear or (publish_at is None and _status(fields) == SCHEDULED):
        return False
    return (publish_at is None or publish_at <= now) and (expire_at is None or now < expire_at)


def _reporter(document: frontmatter.Document, findings: list[Finding]) -> Callable[..., None]:
    def wrong(name: str, message: str, hint: str = "", severity: str = "error") -> None:
        mark = document.mark((name,))
        findings.append(
            Finding(
                message=message,
                line=mark.line,
                column=mark.column,
                field=name,
                rule=name,
                hint=hint,
                severity=severity,
            )
        )

    return wrong


def _moment(fields: Mapping[str, Any], meaning: str, zone: ZoneInfo, wrong: Callable[..., None]) -> float | None:
    """The first moment that *fields* name for *meaning*. One that is no moment is an error: a file never goes public by mistake."""
    for name, value in _deciding(fields, meaning):
        if isinstance(value, str | int) and not isinstance(value, bool):
            try:
                return _seconds(str(value), zone)
            except (ValueError, OverflowError) as error:
                wrong(name, _not_a_date(value, error), DATE_HINT)
        else:
            wrong(name, f"{_short(value)} is not a date", DATE_HINT)
    return None


def _deciding(fields: Mapping[str, Any], meaning: str) -> list[tuple[str, Any]]:
    """The fields that stand for *meaning*, the one of exactly that name first."""
    found = [(name, value) for name, value in fields.items() if value is not None and _meaning(name) == meaning]
    return found if len(found) < 2 else sorted(found, key=lambda pair: pair[0] != meaning)


@lru_cache(maxsize=10_000)
def _meaning(name: str) -> str | None:
    return DECIDING.get(name.casefold().replace("_", "").replace("-", ""))


def _published_at(
    fields: Mapping[str, Any], collection: Collection, zone: ZoneInfo, wrong: Callable[..., None]
) -> float | None:
    for name in (collection.date_field, "published_at"):
        value = _find(fields, name) if name else None
        if isinstance(value, str) and value.strip():
            inside = DAY_IN_PATH.search(value)
            try:
                return _seconds("-".join(inside.groups()) if inside else value, zone)
            except (ValueError, OverflowError) as error:
                if name not in ADDRESSES:
                    wrong(name, f"{_not_a_date(value, error)}, so the entry has none", DATE_HINT, "warning")
    return None


def _find(fields: Mapping[str, Any], name: str) -> Any:
    value: Any = fields
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _url(fields: Mapping[str, Any], wrong: Callable[..., None]) -> str | None:
    """The URL that the front matter gives the entry. A pattern, such as Jekyll's ``/:year/:title/``, is none."""
    for name in ("url", "permalink"):
        value = fields.get(name)
        if isinstance(value, str) and URL.fullmatch(value):
            return value
        if name == "permalink" and isinstance(value, str) and PAGE.fullmatch(value):
            return f"/{value}"
        if value is not None:
            wrong(name, f"{_short(value)} is not used: it is no URL", "begin with '/' or 'https://'", "warning")
    return None


def _is_hidden(fields: Mapping[str, Any]) -> bool:
    """``draft`` with anything but a clear no hides, and with a clear no shows whatever ``status`` says; ``published: false`` hides too."""
    drafts = [value for _, value in _deciding(fields, "draft")]
    unpublished = any(_is_clear_no(value) for _, value in _deciding(fields, "published") if value != "")
    withdrawn = not drafts and _status(fields) in NOT_PUBLIC
    return not all(map(_is_clear_no, drafts)) or unpublished or withdrawn


def _is_clear_no(value: object) -> bool:
    return value in (False, "") or (isinstance(value, str) and value.casefold() in FALSE_WORDS)


def _status(fields: Mapping[str, Any]) -> str:
    status = next((value for _, value in _deciding(fields, "status")), "")
    return status.casefold() if isinstance(status, str) else ""


def _slug(value: object, document: frontmatter.Document, wrong: Callable[..., None]) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else document.text(("slug",)) or ""
    slug = text.strip("/ ") or ("index" if value == "/" else "")
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
            other = f"{name}_"
            while other in fields:
                other += "_"
            mark = document.mark((name,))
            findings.append(
                Finding(
                    message=f"the API has a field of its own by that name, so it is shown as '{other}'",
                    line=mark.line,
                    column=mark.column,
                    field=name,
                    rule="reserved",
                    severity="warning",
                )
            )
            shown[other] = value
        else:
            shown[name] = value
    return shown


@lru_cache(maxsize=50_000)
def timestamp_text(seconds: float | None, zone: ZoneInfo) -> str | None:
    """Seconds since 1970 as RFC 3339 in *zone*."""
    return None if seconds is None else format_rfc3339(datetime.fromtimestamp(seconds, zone), zone)
