from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from budgets.admission.budget_windows import (
    UnknownSchedule,
    day_starts,
    window,
    window_from,
)
from tests.support.examples import examples

PERIODS = (
    *("daily", "weekly", "calendar_month", "calendar_quarter", "calendar_year"),
    *("every_1d", "every_7d", "every_30d", "every_366d"),
)
ROLLING = ("rolling_1d", "rolling_2d", "rolling_7d", "rolling_30d", "rolling_366d")
ZONES = sorted(zone for zone in available_timezones() if zone not in ("localtime", "posixrules"))
HOUR_S = 3600.0


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def local(instant: float, zone: str) -> str:
    return datetime.fromtimestamp(instant, ZoneInfo(zone)).isoformat(" ", "minutes")[:16]


INSTANTS = st.integers(int(at("1971-01-01")), int(at("2099-12-31"))).map(float)


@examples(500, 1500)
@given(
    schedule=st.sampled_from(PERIODS),
    zone=st.sampled_from(ZONES),
    instant=INSTANTS,
)
@example(
    schedule="daily", zone="Pacific/Apia", instant=at("2011-12-30T09:59:59")
)  # a day that does not exist
@example(schedule="daily", zone="Pacific/Kwajalein", instant=at("1993-08-21T11:00"))
@example(schedule="weekly", zone="Africa/Cairo", instant=at("2010-09-09T22:30"))
def test_windows_partition_time_in_every_zone(schedule: str, zone: str, instant: float) -> None:
    found = window(schedule, zone, instant)
    assert found.start <= instant < found.end
    following = window(schedule, zone, found.end)
    assert following.start == found.end
    assert window(schedule, zone, following.end - 1) == following
    assert window(schedule, zone, found.start) == window(schedule, zone, found.end - 0.001) == found
    assert window(schedule, zone, found.start - 0.001).end == found.start


@pytest.mark.parametrize(
    "zone", ["America/Sao_Paulo", "Africa/Cairo", "Asia/Beirut", "America/Havana", "Europe/Berlin"]
)
def test_ten_years_of_days_leave_no_gap_and_no_overlap(zone: str) -> None:
    instant, days = at("2009-01-01", zone), []
    while instant < at("2019-01-01", zone):
        day = window("daily", zone, instant)
        assert day.start == instant
        days.append((day.end - day.start) / HOUR_S)
        instant = day.end
    assert len(days) == 3652
    assert set(days) <= {23.0, 24.0, 25.0}
    assert {23.0, 25.0} <= set(days)


@pytest.mark.parametrize(
    ("zone", "instant", "start", "hours"),
    [
        ("Europe/Berlin", "2024-03-31 12:00", "2024-03-31 00:00", 23),
        ("Europe/Berlin", "2024-10-27 12:00", "2024-10-27 00:00", 25),
        ("America/Sao_Paulo", "2018-11-04 12:00", "2018-11-04 01:00", 23),  # midnight did not exist
        ("Africa/Cairo", "2024-04-26 12:00", "2024-04-26 01:00", 23),
        ("Africa/Cairo", "2024-10-31 23:30", "2024-10-31 00:00", 25),
        (
            "America/Havana",
            "2024-11-03 12:00",
            "2024-11-03 00:00",
            25,
        ),  # midnight came twice: the first one counts
        ("Australia/Lord_Howe", "2024-04-07 12:00", "2024-04-07 00:00", 24.5),
        ("Asia/Kathmandu", "2024-02-29 12:00", "2024-02-29 00:00", 24),
    ],
)
def test_a_day_is_as_long_as_its_clock_changes_make_it(
    zone: str, instant: str, start: str, hours: float
) -> None:
    day = window("daily", zone, at(instant, zone))
    assert local(day.start, zone) == start
    assert (day.end - day.start) / HOUR_S == hours


@pytest.mark.parametrize(
    ("schedule", "instant", "start", "end"),
    [
        ("calendar_month", "2024-02-29 23:59", "2024-02-01 00:00", "2024-03-01 00:00"),
        ("calendar_month", "2023-12-31 23:59", "2023-12-01 00:00", "2024-01-01 00:00"),
        ("calendar_month", "2024-01-31 00:00", "2024-01-01 00:00", "2024-02-01 00:00"),
        ("weekly", "2024-12-31 12:00", "2024-12-30 00:00", "2025-01-06 00:00"),
        ("weekly", "2024-01-01 00:00", "2024-01-01 00:00", "2024-01-08 00:00"),
        ("daily", "2024-02-29 00:00", "2024-02-29 00:00", "2024-03-01 00:00"),
        ("calendar_quarter", "2024-02-29 23:59", "2024-01-01 00:00", "2024-04-01 00:00"),
        ("calendar_quarter", "2023-12-31 23:59", "2023-10-01 00:00", "2024-01-01 00:00"),
        ("calendar_year", "2024-02-29 12:00", "2024-01-01 00:00", "2025-01-01 00:00"),
        ("every_7d", "1970-01-08 00:00", "1970-01-08 00:00", "1970-01-15 00:00"),
        ("every_7d", "1970-01-07 23:59", "1970-01-01 00:00", "1970-01-08 00:00"),
        ("every_30d", "1970-02-01 00:00", "1970-01-31 00:00", "1970-03-02 00:00"),
        ("rolling_7d", "2024-03-01 12:00", "2024-02-24 00:00", "2024-03-02 00:00"),
        ("rolling_7d", "2024-11-03 23:59", "2024-10-28 00:00", "2024-11-04 00:00"),
        ("rolling_30d", "2024-03-31 00:00", "2024-03-02 00:00", "2024-04-01 00:00"),
        ("rolling_366d", "2024-12-31 12:00", "2024-01-01 00:00", "2025-01-01 00:00"),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_windows_begin_and_end_at_local_midnights(
    schedule: str, instant: str, start: str, end: str, zone: str
) -> None:
    found = window(schedule, zone, at(instant, zone))
    assert (local(found.start, zone), local(found.end, zone)) == (start, end)


def test_zones_do_not_share_a_window() -> None:
    instant = at("2024-01-31T23:30")
    assert window("calendar_month", "UTC", instant).end == at("2024-02-01")
    assert window("calendar_month", "Asia/Kolkata", instant).start == at("2024-01-31T18:30")


def test_going_back_in_time_finds_the_earlier_window_again() -> None:
    noon = datetime(2024, 5, 1, 12, tzinfo=UTC)
    today = window("daily", "UTC", noon.timestamp())
    yesterday = window("daily", "UTC", (noon - timedelta(days=1)).timestamp())
    assert yesterday.end == today.start
    assert window("daily", "UTC", noon.timestamp()) == today


@pytest.mark.parametrize(
    "text",
    [
        *("", "monthly", "rolling_d", "rolling_0d", "rolling_367d", "rolling_-7d", "rolling_7d ", "Daily"),
        *(
            "every_0d",
            "every_367d",
            "every_d",
            "every_7",
            "calendar_week",
            "quarterly",
            "rolling_1_0d",
            "rolling_٣d",
        ),
    ],
)
def test_unknown_schedules_are_refused(text: str) -> None:
    with pytest.raises(UnknownSchedule) as refused:
        window(text, "UTC", 0.0)
    assert refused.value.schedule == text


@examples(120, 400)
@given(schedule=st.sampled_from(ROLLING), zone=st.sampled_from(ZONES), instant=INSTANTS)
@example(schedule="rolling_7d", zone="Pacific/Apia", instant=at("2011-12-31T12:00"))
@example(schedule="rolling_7d", zone="Pacific/Apia", instant=at("2012-01-05T12:00"))
@example(schedule="rolling_30d", zone="Europe/Berlin", instant=at("2024-04-10T12:00"))
@example(schedule="rolling_2d", zone="America/Havana", instant=at("2024-11-03T04:30"))
def test_a_rolling_window_is_its_last_day_and_those_before(schedule: str, zone: str, instant: float) -> None:
    n = int(schedule[len("rolling_") : -1])
    found, today = window(schedule, zone, instant), window("daily", zone, instant)
    assert (found.since, found.end) == (today.start, today.end)
    starts = day_starts(zone, found.start, found.end)
    assert (len(starts), starts[0], starts[-1]) == (n, found.start, today.start)
    assert all(window("daily", zone, start).start == start for start in starts)
    assert window_from(schedule, zone, found.start) == found
    last = window_from(schedule, zone, found.since)
    assert (found.returns, last.start) == (last.end, today.start)
    assert window(schedule, zone, found.end).start == window("daily", zone, found.start).end


@pytest.mark.parametrize(
    "zone", ["UTC", "America/Sao_Paulo", "Africa/Cairo", "Europe/Berlin", "Pacific/Apia"]
)
def test_no_two_rolling_windows_begin_together(zone: str) -> None:
    instant, starts = at("2010-06-01", zone), []
    while instant < at("2012-06-01", zone):
        found = window("rolling_5d", zone, instant)
        starts.append(found.start)
        instant = found.end
    assert starts == sorted(set(starts))
