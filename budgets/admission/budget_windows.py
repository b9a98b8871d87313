"""Which window of a budget counts at an instant. Pure; under a microsecond while the window does not change.

A window is half-open, [start, end), in epoch seconds. Its borders are local midnights: where a clock change
skips midnight the day starts at the change, where it repeats midnight the day starts at the first one. So the
days of one zone partition time exactly, whatever the zone does, and so do the windows of every schedule of fixed
periods. The windows of `rolling_<n>d` overlap: each is n days, and counts while its last day lasts
(docs/decisions/0015-rolling-budgets.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec
from typing_extensions import override

LONGEST_DAYS = 366
DAILY = "daily"
SCHEDULES = (
    "daily, weekly (from Monday), calendar_month, calendar_quarter, calendar_year, every_<n>d (fixed periods) or "
    f"rolling_<n>d (the last n days), with n from 1 to {LONGEST_DAYS}"
)
ROLLING = "rolling_"
_EPOCH = date(1970, 1, 1).toordinal()
_DAYS = re.compile(r"(?:every|rolling)_([1-9][0-9]{0,2})d")
_MONTHS = {"calendar_month": 1, "calendar_quarter": 3, "calendar_year": 12}


class Window(msgspec.Struct, frozen=True):
    """Adds up the instants in [`start`, `end`); it is the window that counts from `since` on.

    What is spent in it from `since` on comes back at `returns`: for fixed periods that is the end. In a rolling window
    what was spent before `since` comes back sooner.
    """

    start: float
    end: float
    since: float
    returns: float


class UnknownSchedule(ValueError):
    """Not one of SCHEDULES."""

    def __init__(self, schedule: str) -> None:
        self.schedule = schedule
        super().__init__(f"{schedule!r} is not a budget schedule: use {SCHEDULES}")


def window(schedule: str, timezone: str, instant: float) -> Window:
    """Return the window that counts at the instant. Raises UnknownSchedule, ZoneInfoNotFoundError."""
    calendar = _calendar(schedule, timezone)
    current = calendar.current
    if current.since <= instant < current.end:
        return current
    return calendar.turn_to(instant)


@lru_cache(maxsize=4096)
def window_from(schedule: str, timezone: str, start: float) -> Window:
    """Return the window that begins at `start`, whenever it counts. Raises as `window` does."""
    return _calendar(schedule, timezone).starting(start)


def day_starts(timezone: str, start: float, end: float) -> list[float]:
    """Return when each local day begins, from the one at `start` until before `end`."""
    calendar, starts = _calendar(DAILY, timezone), []
    while start < end:
        starts.append(start)
        start = calendar.find(start).end
    return starts


def is_rolling(schedule: str) -> bool:
    return schedule.startswith(ROLLING)


class _Calendar:
    """The windows of one schedule of fixed periods in one zone; caches the one that was used last.

    Thread-safe: `current` is one reference to a frozen value, and every thread checks what it got.
    """

    __slots__ = ("_first_day", "_next_day", "_zone", "current")

    def __init__(self, schedule: str, timezone: str) -> None:
        self._first_day, self._next_day = _first_day_of(schedule)
        self._zone = ZoneInfo(timezone)
        self.current = Window(0.0, 0.0, 0.0, 0.0)

    def turn_to(self, instant: float) -> Window:
        """Find the window that counts now, and cache it."""
        self.current = found = self.find(instant)
        return found

    def starting(self, start: float) -> Window:
        return self.find(start)

    def find(self, instant: float) -> Window:
        """Find the window by the local date, then correct it: around clock changes the date may mislead."""
        first = self._first_day(datetime.fromtimestamp(instant, UTC).astimezone(self._zone).date())
        while instant < self._midnight(first):
            first = self._first_day(first - timedelta(days=1))
        following = self._next_day(first)
        while instant >= self._midnight(following):
            first, following = following, self._next_day(following)
        start, end = self._midnight(first), self._midnight(following)
        return Window(start, end, start, end)

    def _midnight(self, day: date) -> float:
        """When the day starts. fold=0 is the first of two midnights, or the change that skipped midnight."""
        return datetime(day.year, day.month, day.day, tzinfo=self._zone).timestamp()


class _Rolling(_Calendar):
    """The windows of n days that end with each day; a day that a zone skipped is not one. 4 us a day, once a day."""

    __slots__ = ("_days",)

    def __init__(self, schedule: str, timezone: str) -> None:
        self._days = _days(schedule)
        super().__init__(DAILY, timezone)

    @override
    def starting(self, start: float) -> Window:
        return self._until(super().find(self._ahead(start, self._days - 1)), start)

    @override
    def find(self, instant: float) -> Window:
        last = super().find(instant)
        start = last.start
        for _ in range(self._days - 1):
            start = super().find(start - 1).start
        return self._until(last, start)

    def _until(self, last: Window, start: float) -> Window:
        return Window(start, last.end, last.start, self._ahead(last.start, self._days))

    def _ahead(self, start: float, days: int) -> float:
        for _ in range(days):
            start = super().find(start).end
        return start


@lru_cache(maxsize=1024)
def _calendar(schedule: str, timezone: str) -> _Calendar:
    return _Rolling(schedule, timezone) if is_rolling(schedule) else _Calendar(schedule, timezone)


_Step = Callable[[date], date]


def _first_day_of(schedule: str) -> tuple[_Step, _Step]:
    """Return two functions of a date: the first day of its window, and of the window after that first day."""
    if months := _MONTHS.get(schedule):
        return lambda day: _first_of(months, day), lambda first: _months_after(first, months)
    if schedule == "weekly":
        return _monday, lambda first: first + timedelta(days=7)
    days = 1 if schedule == DAILY else _days(schedule)
    return (
        lambda day: day - timedelta(days=(day.toordinal() - _EPOCH) % days),
        lambda first: first + timedelta(days=days),
    )


def _first_of(months: int, day: date) -> date:
    """Return the first day of its month, quarter or year."""
    return date(day.year, (day.month - 1) // months * months + 1, 1)


def _months_after(first: date, months: int) -> date:
    years, month = divmod(first.month - 1 + months, 12)
    return date(first.year + years, month + 1, 1)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _days(schedule: str) -> int:
    match = _DAYS.fullmatch(schedule)
    if match is None or int(match[1]) > LONGEST_DAYS:
        raise UnknownSchedule(schedule)
    return int(match[1])
