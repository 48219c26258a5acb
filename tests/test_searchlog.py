"""Counting searches without knowing who searches."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from cms import searchlog
from cms.searchlog import SearchLog


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def make_log() -> tuple[SearchLog, Clock]:
    clock = Clock()
    return SearchLog(clock), clock


def asked(log: SearchLog, query: str, times: int = 3, *, seconds: float = 0.0) -> None:
    """Ask so often, each time a while after the last one."""
    assert isinstance(log._clock, Clock)
    for _ in range(times):
        log._clock.now += searchlog.APART_SECONDS
        log.count("none", query)
        log.time(seconds, query)


def test_a_query_is_told_only_after_it_was_asked_for_three_times() -> None:
    log, _ = make_log()
    asked(log, "Kantine!", 2)
    assert log.in_vain() == {}
    asked(log, " kantine", 1)
    asked(log, "meny", 5)
    assert list(log.in_vain().items()) == [("meny", 5), ("kantine", 3)]


@pytest.mark.parametrize(
    "query", ["kari@example.org", "12345", "tlf 22 22 22 22", "01019912345", "a" * 65, "?!", "1.2.3.4-5"]
)
def test_what_may_belong_to_a_person_is_not_even_remembered(query: str) -> None:
    log, _ = make_log()
    asked(log, query)
    assert log.in_vain() == {}
    assert log.results["none"] == 3


def test_what_found_something_is_not_listed() -> None:
    log, _ = make_log()
    for result in ("some", "corrected", "unavailable"):
        for _ in range(3):
            log.count(result, "fisk")
    assert log.in_vain() == {}
    assert log.results == {"some": 3, "none": 0, "corrected": 3, "unavailable": 3}


def test_the_list_is_bounded_and_keeps_what_is_asked_for_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searchlog, "QUERIES_MOST", 10)
    log, _ = make_log()
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
    log, clock = make_log()
    asked(log, "kantine")
    assert told(log) == []
    clock.now = 3600.0
    assert told(log) == [{"kantine": 3}]
    clock.now = 7200.0
    assert told(log) == []
    asked(log, "kantine", 1)
    clock.now = 10800.0
    assert told(log) == [{"kantine": 4}]


def test_who_tries_again_and_again_is_counted_once() -> None:
    log, clock = make_log()
    for _ in range(50):
        clock.now += 5
        log.count("none", "kari nordmann")
    assert (log.in_vain(), log.results["none"]) == ({}, 50)


def test_what_often_takes_long_is_listed_with_the_longest_time() -> None:
    log, _ = make_log()
    asked(log, "hele kommunen", 2, seconds=0.3)
    asked(log, "hele kommunen", 1, seconds=0.9)
    asked(log, "kommune", 5, seconds=0.1)
    asked(log, "kari@example.org", 5, seconds=0.9)
    assert log.slow() == {"hele kommunen": (3, 0.9)}


def test_times_fall_into_buckets() -> None:
    log, _ = make_log()
    for seconds in (0.0, 0.001, 0.0011, 0.3, 9.0):
        log.time(seconds)
    assert (log.times[0], log.times[1], log.times[8], log.times[-1]) == (2, 1, 1, 1)
    assert sum(log.times) == 5
    assert log.seconds == pytest.approx(9.3021)
