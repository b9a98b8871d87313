"""Schedules in plain words, and their two form fields: the period, and for some periods a number of days. Pure."""

from __future__ import annotations

EVERY, ROLLING = "every", "rolling"
PERIODS = {  # what a form offers; the last two need a number of days
    "daily": "Every day",
    "weekly": "Every week, from Monday",
    "calendar_month": "Every calendar month",
    "calendar_quarter": "Every calendar quarter",
    "calendar_year": "Every calendar year",
    EVERY: "Every number of days",
    ROLLING: "The last number of days (rolling)",
}
_NAMES = {
    "daily": "Daily budget",
    "weekly": "Weekly budget",
    "calendar_month": "Monthly budget",
    "calendar_quarter": "Quarterly budget",
    "calendar_year": "Yearly budget",
}
_CURRENT = {
    "daily": "today's budget",
    "weekly": "this week's budget",
    "calendar_month": "this month's budget",
    "calendar_quarter": "this quarter's budget",
    "calendar_year": "this year's budget",
}


def parts_of(schedule: str) -> tuple[str, int | None]:
    """Return a key of PERIODS and the days: "rolling_30d" -> ("rolling", 30), "weekly" -> ("weekly", None)."""
    for kind in (EVERY, ROLLING):
        days = schedule.removeprefix(f"{kind}_").removesuffix("d")
        if schedule.startswith(f"{kind}_") and days.isdecimal():
            return kind, int(days)
    return schedule, None


def schedule_of(period: str, days: int | None) -> str:
    """Return the schedule of both parts."""
    return f"{period}_{days}d" if period in (EVERY, ROLLING) else period


def period_of(schedule: str) -> str:
    """Return the name of a budget with this schedule: "Monthly budget", "Budget of the last 30 days"."""
    period, days = parts_of(schedule)
    if period == EVERY:
        return "Daily budget" if days == 1 else f"Budget of every {days} days"
    if period == ROLLING:
        return "Budget of today" if days == 1 else f"Budget of the last {days} days"
    return _NAMES.get(period, f"{schedule} budget")


def current(schedule: str) -> str:
    """Return its name for a caller during the window: "this month's budget", "the budget of the last 30 days"."""
    period, days = parts_of(schedule)
    if days == 1:
        return _CURRENT["daily"]
    if period == EVERY:
        return f"the present budget of {days} days"
    if period == ROLLING:
        return f"the budget of the last {days} days"
    return _CURRENT.get(period, "the budget")


def named(schedule: str) -> str:
    """Return period_of for the middle of a sentence: "monthly budget", "budget of the last 30 days"."""
    words = period_of(schedule)
    return f"{words[:1].lower()}{words[1:]}"


def in_words(schedule: str) -> str:
    """Return when it begins again: "every week, from Monday", "the last 30 days"."""
    period, days = parts_of(schedule)
    if period == EVERY:
        return "every day" if days == 1 else f"every {days} days"
    if period == ROLLING:
        return "today" if days == 1 else f"the last {days} days"
    words = PERIODS.get(period, schedule)
    return f"{words[:1].lower()}{words[1:]}"
