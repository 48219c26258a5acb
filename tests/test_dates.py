"""Dates: every way that repositories write them, and every way that is refused."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms.dates import format_rfc3339, is_date_only, parse_date, parse_day

OSLO = ZoneInfo("Europe/Oslo")


def written(text: str, zone: ZoneInfo = OSLO) -> str:
    return format_rfc3339(parse_date(text, zone), zone)


@pytest.mark.parametrize(
    "text",
    [
        "2019-06-27",
        "2019-6-27",
        "2019/06/27",
        "2019.06.27",
        "20190627",
        "27.06.2019",
        "27.6.2019",
        "27. 6. 2019",
        "27/06/2019",
        "06/27/2019",
        "27-06-2019",
        "27-Jun-2019",
        "27. juni 2019",
        "27 juni 2019",
        "torsdag 27. juni 2019",
        "June 27, 2019",
        "JUNE 27, 2019",
        "Jun. 27th, 2019",
        "27 June 2019",
        "27th of June, 2019",
        "Thursday, June 27, 2019",
        "2019-06-27 (optional)",
        " 2019-06-27 ",
    ],
)
def test_a_day_in_any_common_form_is_midnight_in_the_zone_of_the_site(text: str) -> None:
    assert written(text) == "2019-06-27T00:00:00+02:00"
    assert parse_day(text) == date(2019, 6, 27)
    assert is_date_only(text)


@pytest.mark.parametrize(
    "text",
    [
        "2019-06-27T12:30:00+02:00",
        "2019-06-27 12:30:00 +0200",
        "2019-06-27 12:30:00 +2",
        "2019-06-27 06:30-400",
        "2019-06-27 06:30 EDT",
        "2019-06-27T10:30:00Z",
        "2019-06-27t10:30:00.000z",
        "2019-06-27 10:30 UTC",
        "2019-06-27 12:30 UTC+02:00",
        "2019-06-27 12:30",
        "2019-06-27, 12:30",
        "2019-6-27 12:30:00",
        "2019-06-27 12:30 PM",
        "27. juni 2019 kl. 12.30",
        "Thu, 27 Jun 2019 12:30:00 +0200",
        "Thu Jun 27 12:30:00 2019",
    ],
)
def test_a_time_in_any_common_form_is_one_moment(text: str) -> None:
    assert written(text) == "2019-06-27T12:30:00+02:00"
    assert parse_day(text) == date(2019, 6, 27)
    assert not is_date_only(text)


MONTHS = [
    ("januar", 1),
    ("februar", 2),
    ("mars", 3),
    ("april", 4),
    ("mai", 5),
    ("juni", 6),
    ("juli", 7),
    ("august", 8),
    ("september", 9),
    ("oktober", 10),
    ("november", 11),
    ("desember", 12),
    ("des", 12),
    ("okt", 10),
]


@pytest.mark.parametrize(("name", "month"), MONTHS)
def test_norwegian_months_are_known(name: str, month: int) -> None:
    assert parse_day(f"1. {name} 2020") == date(2020, month, 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("06/07/2019", "can mean two days; write 2019-07-06 or 2019-06-07"),
        ("06-07-2019", "can mean two days"),
        ("2019-13-45", "no month 13"),
        ("2026-02-30", "no day 30 in 2026-02"),
        ("2019-00-10", "no month 0"),
        ("31. juni 2019", "no day 31"),
        ("0000-01-01", "no year 0"),
        ("0001-01-01", "outside of the years"),
        ("9999-12-31T23:59:59-05:00", "outside of the years"),
        ("2016-12-31T23:59:60Z", "leap second"),
        ("2019-06-27T25:00", "no hour 25"),
        ("2019-06-27T24:00", "no hour 24"),
        ("2019-06-27T12:61", "no minute 61"),
        ("2019-06-27T12:00:61", "no second 61"),
        ("2019-06-27 13:00 pm", "no hour 13"),
        ("2019-06-27T12:00:00+25:00", "no place has the time offset"),
        ("2019-06-27T12:00 Mars/Base", "not a time zone"),
        ("27. juno 2019", "not the name of a month"),
        ("2019-06-27 12", "is not a date"),
        ("2019-06", "is not a date"),
        ("2019", "is not a date"),
        ("12:30", "is not a date"),
        ("27.06.19", "is not a date"),
        ("tomorrow", "is not a date"),
        ("", "is not a date"),
        ("١٢٠١-٠١-٠١", "is not a date"),
        ("2019-06-27" * 10, "too long"),
    ],
)
def test_what_is_no_date_or_two_is_refused_in_plain_words(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_date(text, OSLO)


def test_a_refused_date_is_not_a_date_without_time_either() -> None:
    assert not is_date_only("06/07/2019")


def test_a_local_time_that_the_clock_change_skips_moves_forward() -> None:
    assert written("2021-03-28 02:30") == "2021-03-28T03:30:00+02:00"


def test_a_local_time_that_occurs_twice_is_the_first() -> None:
    assert written("2021-10-31 02:30") == "2021-10-31T02:30:00+02:00"


def test_a_day_keeps_its_name_whatever_time_and_zone_follow_it() -> None:
    assert parse_day("2019-06-27T23:30:00-11:00") == date(2019, 6, 27)


def test_utc_sites_get_z_and_others_an_offset_even_when_it_is_zero() -> None:
    moment = datetime(2019, 1, 1, 12, tzinfo=UTC)
    assert format_rfc3339(moment, ZoneInfo("UTC")) == "2019-01-01T12:00:00Z"
    assert format_rfc3339(moment, ZoneInfo("Europe/London")) == "2019-01-01T12:00:00+00:00"


def test_microseconds_are_written_only_when_there_are_some() -> None:
    assert written("2019-06-27T12:30:00.123456789Z", ZoneInfo("UTC")) == "2019-06-27T12:30:00.123456Z"


def test_a_time_without_zone_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="no zone"):
        format_rfc3339(datetime(2019, 1, 1), OSLO)  # noqa: DTZ001


def test_offsets_with_seconds_from_before_standard_time_are_rounded_to_minutes() -> None:
    amsterdam = ZoneInfo("Europe/Amsterdam")
    text = written("1800-01-01", amsterdam)
    assert len(text) == len("1800-01-01T00:00:00+00:00")
    assert datetime.fromisoformat(text) == parse_date("1800-01-01", amsterdam)


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)), st.integers(-15 * 60, 15 * 60))  # noqa: DTZ001
def test_what_is_written_is_read_as_the_same_moment(moment: datetime, minutes: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert parse_date(format_rfc3339(aware, OSLO), OSLO) == aware


@given(st.text(max_size=40) | st.from_regex(r"\A[0-9]{1,4}[-/. ][0-9a-z]{1,4}[-/. ][0-9]{1,4}[ T0-9:+-]{0,12}\Z"))
def test_any_text_is_a_date_or_a_value_error(text: str) -> None:
    try:
        moment = parse_date(text, OSLO)
    except ValueError:
        return
    assert moment.tzinfo is not None
