"""Which window of a budget an instant belongs to. Pure; under a microsecond while the window does not change.

A window is half-open, [start, end), in epoch seconds. Its borders are local midnights: where a clock change
skips midnight the day starts at the change, where it repeats midnight the day starts at the first one. So the
windows of one schedule and zone partition time exactly, whatever the zone does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

LONGEST_ROLLING_DAYS = 366
_EPOCH = date(1970, 1, 1).toordinal()
_ROLLING = re.compile(r"rolling_([1-9][0-9]{0,2})d")


class Window(msgspec.Struct, frozen=True):
    """The instants from `start` until before `end`, which is when the budget resets."""

    start: float
    end: float


class UnknownSchedule(ValueError):
    """Not calendar_month, weekly, daily or rolling_<n>d."""

    def __init__(self, schedule: str) -> None:
        self.schedule = schedule
        super().__init__(
            f"{schedule!r} is not a budget schedule: use calendar_month, weekly, daily or rolling_<n>d "
            f"with n from 1 to {LONGEST_ROLLING_DAYS}"
        )


def window(schedule: str, timezone: str, instant: float) -> Window:
    """Return the window that contains the instant. Raises UnknownSchedule, ZoneInfoNotFoundError."""
    calendar = _calendar(schedule, timezone)
    current = calendar.current
    if current.start <= instant < current.end:
        return current
    return calendar.turn_to(instant)


def validate_schedule(text: str) -> str:
    """Return the text if it names a schedule, else raise UnknownSchedule."""
    _first_day_of(text)
    return text


class _Calendar:
    """The windows of one schedule in one zone; remembers the one that was asked for last.

    Safe between threads: `current` is one reference to a frozen value, and every thread checks what it got.
    """

    __slots__ = ("_first_day", "_next_day", "_zone", "current")

    def __init__(self, schedule: str, timezone: str) -> None:
        self._first_day, self._next_day = _first_day_of(schedule)
        self._zone = ZoneInfo(timezone)
        self.current = Window(0.0, 0.0)

    def turn_to(self, instant: float) -> Window:
        """Find the window by the local date, then correct it: around clock changes the date may mislead."""
        first = self._first_day(datetime.fromtimestamp(instant, UTC).astimezone(self._zone).date())
        while instant < self._midnight(first):
            first = self._first_day(first - timedelta(days=1))
        following = self._next_day(first)
        while instant >= self._midnight(following):
            first, following = following, self._next_day(following)
        self.current = found = Window(self._midnight(first), self._midnight(following))
        return found

    def _midnight(self, day: date) -> float:
        """When the day starts. fold=0 is the first of two midnights, or the change that skipped midnight."""
        return datetime(day.year, day.month, day.day, tzinfo=self._zone).timestamp()


@lru_cache(maxsize=1024)
def _calendar(schedule: str, timezone: str) -> _Calendar:
    return _Calendar(schedule, timezone)


_Step = Callable[[date], date]


def _first_day_of(schedule: str) -> tuple[_Step, _Step]:
    """Return two functions of a date: the first day of its window, and of the window after that first day."""
    if schedule == "calendar_month":
        return _first_of_month, lambda first: _first_of_month(first + timedelta(days=31))
    if schedule == "weekly":
        return _monday, lambda first: first + timedelta(days=7)
    days = 1 if schedule == "daily" else _rolling_days(schedule)
    return (
        lambda day: day - timedelta(days=(day.toordinal() - _EPOCH) % days),
        lambda first: first + timedelta(days=days),
    )


def _first_of_month(day: date) -> date:
    return day.replace(day=1)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _rolling_days(schedule: str) -> int:
    match = _ROLLING.fullmatch(schedule)
    if match is None or int(match[1]) > LONGEST_ROLLING_DAYS:
        raise UnknownSchedule(schedule)
    return int(match[1])
