"""Counting searches without knowing who searches."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from cms import searchlog
from cms.searchlog import SearchLog


def asked(log: SearchLog, query: str, times: int = 3) -> None:
    for _ in range(times):
        log.count("none", query)


def test_a_query_is_told_only_after_it_was_asked_for_three_times() -> None:
    log = SearchLog()
    asked(log, "Kantine!", 2)
    assert log.in_vain() == {}
    asked(log, " kantine", 1)
    asked(log, "meny", 5)
    assert list(log.in_vain().items()) == [("meny", 5), ("kantine", 3)]


@pytest.mark.parametrize(
    "query", ["kari@example.org", "12345", "tlf 22 22 22 22", "01019912345", "a" * 65, "?!", "1.2.3.4-5"]
)
def test_what_may_belong_to_a_person_is_not_even_remembered(query: str) -> None:
    log = SearchLog()
    asked(log, query)
    assert log.in_vain() == {}
    assert log.results["none"] == 3


def test_what_found_something_is_not_listed() -> None:
    log = SearchLog()
    for result in ("some", "corrected", "unavailable"):
        for _ in range(3):
            log.count(result, "fisk")
    assert log.in_vain() == {}
    assert log.results == {"some": 3, "none": 0, "corrected": 3, "unavailable": 3}


def test_the_list_is_bounded_and_keeps_what_is_asked_for_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searchlog, "QUERIES_MOST", 10)
    log = SearchLog()
    asked(log, "often", 4)
    for number in range(100):
        asked(log, f"rare {number}", 1)
    assert log.in_vain() == {"often": 4}
    assert len(log._in_vain) == 10


def told(log: SearchLog) -> list[Any]:
    with capture_logs() as lines:
        log.count("some", "x")
    return [line["queries"] for line in lines]


def test_it_is_logged_once_an_hour_and_only_when_there_is_news() -> None:
    now = [0.0]
    log = SearchLog(lambda: now[0])
    asked(log, "kantine")
    assert told(log) == []
    now[0] = 3600.0
    assert told(log) == [{"kantine": 3}]
    now[0] = 7200.0
    assert told(log) == []
    asked(log, "kantine", 1)
    now[0] = 10800.0
    assert told(log) == [{"kantine": 4}]


def test_times_fall_into_buckets() -> None:
    log = SearchLog()
    for seconds in (0.0, 0.001, 0.0011, 0.3, 9.0):
        log.time(seconds)
    assert (log.times[0], log.times[1], log.times[8], log.times[-1]) == (2, 1, 1, 1)
    assert sum(log.times) == 5
    assert log.seconds == pytest.approx(9.3021)
