"""Dates and times as people write them in front matter, and as RFC 3339 for everybody else.

Accepted: ISO 8601 and what looks like it (``2019-6-7``, ``2019/06/27 9:30``, ``... -4``, ``... +0200``, ``... EDT``),
``27.06.2019``, ``27. juni 2019``, ``June 27, 2019``, ``27 June 2019``, and RFC 2822. What can be read in two ways, such
as ``06/07/2019``, is refused, never guessed.

A day without a time begins at midnight in the site's time zone, and a time without a zone is in it. A local time that a
clock change skips is read with the offset before the change, one that occurs twice is the first: the same each time.
"""

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

_LONGEST = 80
_MONTH_NAMES = (
    "january jan januar",
    "february feb februar",
    "march mar mars",
    "april apr",
    "may mai",
    "june jun juni",
    "july jul juli",
    "august aug",
    "september sep sept",
    "october oct oktober okt",
    "november nov",
    "december dec desember des",
)
_MONTHS = {name: number for number, names in enumerate(_MONTH_NAMES, 1) for name in names.split()}
_WEEKDAY = re.compile(
    r"(?:mon|tue|tues|wed|wednes|thu|thur|thurs|fri|sat|satur|sun)(?:day)?"
    r"|(?:man|mån|tirs|tys|ons|tors|fre|lør|laur|søn|sun)(?:dag)?|(?:tir|tor)",
    re.IGNORECASE,
)
_EUROPE = {"z": 0, "utc": 0, "gmt": 0, "wet": 0, "west": 1, "cet": 1, "cest": 2, "eet": 2, "eest": 3}
_AMERICA = {"est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7}
_ZONES = _EUROPE | _AMERICA
_UTC_NAMES = frozenset({"UTC", "Etc/UTC", "Zulu", "Etc/Zulu", "UCT", "Etc/UCT", "Universal", "Etc/Universal"})

_PLAIN_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_YEAR_FIRST = re.compile(r"(?P<y>[0-9]{4})(?P<sep>[-/.])(?P<m>[0-9]{1,2})(?P=sep)(?P<d>[0-9]{1,2})(?![0-9])")
_COMPACT = re.compile(r"(?P<y>[0-9]{4})(?P<m>[0-9]{2})(?P<d>[0-9]{2})(?![0-9])")
_YEAR_LAST = re.compile(r"(?P<a>[0-9]{1,2})(?P<sep>[-/.])[ ]?(?P<b>[0-9]{1,2})(?P=sep)[ ]?(?P<y>[0-9]{4})(?![0-9])")
_DAY_MONTH = re.compile(
    r"(?P<d>[0-9]{1,2})(?:st|nd|rd|th|\.)?[ -]*(?:of )?(?P<m>[^\W\d_]+)\.?,?[ -]+(?P<y>[0-9]{4})(?![0-9])"
)
_MONTH_DAY = re.compile(r"(?P<m>[^\W\d_]+)\.?[ -]+(?P<d>[0-9]{1,2})(?:st|nd|rd|th|\.)?,?[ -]+(?P<y>[0-9]{4})(?![0-9])")
_TIME = re.compile(
    r"(?:[Tt]|[ ]*,[ ]*|[ ]+)(?:kl\.?[ ]*|at[ ]+)?"
    r"(?P<hour>[0-9]{1,2})(?:[:.](?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]+))?)?)?"
    r"[ ]*(?P<half>[AaPp]\.?[Mm]\.?)?[ ]*(?P<zone>\S.*)?\Z"
)
_OFFSET = re.compile(r"(?:UTC|GMT)?(?P<sign>[-+\u2212])(?P<hours>[0-9]{1,2})(?::?(?P<minutes>[0-9]{2}))?\Z")
_REMARK = re.compile(r"[ ]*\([^()]*\)\Z")


def parse_date(text: str, zone: ZoneInfo) -> datetime:
    """The moment that *text* names, aware; what it leaves open is taken from the site's *zone*.

    Raises:
        ValueError: it is no date, an impossible or an ambiguous one; the message says so in plain words.
    """
    if _PLAIN_DAY.match(text):
        return _midnight(_date(int(text[:4]), int(text[5:7]), int(text[8:])), zone)
    day, rest = _split(text)
    if not rest:
        return _midnight(day, zone)
    found = _TIME.match(rest)
    if found is None or (found["minute"] is None and found["half"] is None):
        return _mail_date(text, zone)
    moment = datetime(
        day.year,
        day.month,
        day.day,
        _hour(found["hour"], found["half"]),
        _below(found["minute"], 60, "minute"),
        _below(found["second"], 60, "second"),
        int((found["fraction"] or "0")[:6].ljust(6, "0")),
        tzinfo=_zone(found["zone"]) if found["zone"] else zone,
    )
    return _settled(moment)


def parse_day(text: str) -> date:
    """The calendar day that *text* names, as written: a time and a zone behind it do not move it."""
    parse_date(text, ZoneInfo("UTC"))
    return _split(text)[0]


def is_date_only(text: str) -> bool:
    """Whether *text* is a day without a time."""
    try:
        return not _split(text)[1]
    except ValueError:
        return False


def format_rfc3339(value: datetime, zone: ZoneInfo) -> str:
    """An aware *value* in the site's *zone*: ``2019-06-27T12:30:00+02:00``, with ``Z`` only where the zone is UTC."""
    if value.tzinfo is None:
        raise ValueError("the time has no zone")
    local = value.astimezone(UTC).astimezone(zone)
    offset = local.utcoffset() or timedelta()
    if offset.total_seconds() % 60:  # local mean times of old: RFC 3339 has no seconds there
        local = value.astimezone(timezone(timedelta(minutes=round(offset.total_seconds() / 60))))
    text = local.isoformat(timespec="microseconds" if local.microsecond else "seconds")
    return text.removesuffix("+00:00") + "Z" if zone.key in _UTC_NAMES else text


def _split(text: str) -> tuple[date, str]:
    """The day at the beginning of *text*, and what follows it."""
    if len(text) > _LONGEST:
        raise ValueError("this is too long for a date")
    text = _REMARK.sub("", text.strip()).strip()
    word, _, rest = text.partition(" ")
    if _WEEKDAY.fullmatch(word.rstrip(".,")):
        text = rest.strip()
    if found := _YEAR_FIRST.match(text) or _COMPACT.match(text):
        return _date(int(found["y"]), int(found["m"]), int(found["d"])), text[found.end() :]
    if found := _YEAR_LAST.match(text):
        return _day_and_month(found), text[found.end() :]
    if found := _DAY_MONTH.match(text) or _MONTH_DAY.match(text):
        month = _MONTHS.get(found["m"].lower())
        if month is None:
            raise ValueError(f"'{found['m']}' is not the name of a month")
        return _date(int(found["y"]), month, int(found["d"])), text[found.end() :]
    moment = _mail_date(text, UTC)
    return moment.date(), " "


def _mail_date(text: str, zone: tzinfo) -> datetime:
    """What other programs write, such as ``Thu Jun 27 12:00:00 2019``."""
    try:
        if not re.search(r"[0-9]{4}", text):
            raise ValueError
        moment = parsedate_to_datetime(text)
        return _settled(moment if moment.tzinfo else moment.replace(tzinfo=zone))
    except (ValueError, TypeError, IndexError, OverflowError):
        shown = text if len(text) <= 40 else f"{text[:40]}..."
        raise ValueError(f"'{shown}' is not a date; write it as 2019-06-27 or 2019-06-27T12:30:00+02:00") from None


def _day_and_month(found: re.Match[str]) -> date:
    first, second, year = int(found["a"]), int(found["b"]), int(found["y"])
    if found["sep"] == "." or first > 12 or first == second:
        return _date(year, second, first)
    if second > 12:
        return _date(year, first, second)
    iso = f"{year:04}-{second:02}-{first:02}", f"{year:04}-{first:02}-{second:02}"
    raise ValueError(f"'{found.group()}' can mean two days; write {iso[0]} or {iso[1]}")


def _date(year: int, month: int, day: int) -> date:
    try:
        return date(year, month, day)
    except ValueError:
        pass
    if year == 0:
        raise ValueError("there is no year 0")
    if not 1 <= month <= 12:
        raise ValueError(f"there is no month {month}")
    raise ValueError(f"there is no day {day} in {year:04}-{month:02}")


def _midnight(day: date, zone: tzinfo) -> datetime:
    return _settled(datetime(day.year, day.month, day.day, tzinfo=zone))


def _hour(digits: str, half: str | None) -> int:
    hour = _below(digits, 24, "hour")
    if half is None:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError(f"there is no hour {hour} before or after noon")
    return hour % 12 + (12 if half[0] in "pP" else 0)


def _below(digits: str | None, limit: int, unit: str) -> int:
    number = int(digits or 0)
    if number < limit:
        return number
    if unit == "second" and number == 60:
        raise ValueError("leap seconds (:60) cannot be used; write :59")
    raise ValueError(f"there is no {unit} {number}")


def _zone(text: str) -> tzinfo:
    text = text.strip()
    if (hours := _ZONES.get(text.lower())) is not None:
        return timezone(timedelta(hours=hours)) if hours else UTC
    found = _OFFSET.match(text)
    if found is None:
        raise ValueError(f"'{text[:20]}' is not a time zone; write an offset such as +02:00, or Z")
    hours, minutes = int(found["hours"]), int(found["minutes"] or 0)
    if hours > 15 or minutes > 59:
        raise ValueError(f"no place has the time offset {text}")
    offset = timedelta(hours=hours, minutes=minutes)
    return timezone(offset if found["sign"] == "+" else -offset)


def _settled(moment: datetime) -> datetime:
    """The aware *moment*, moved out of the gap of a clock change; it must also exist in UTC."""
    try:
        return moment.astimezone(UTC).astimezone(moment.tzinfo)
    except OverflowError:
        raise ValueError("the date is outside of the years 1 to 9999") from None
