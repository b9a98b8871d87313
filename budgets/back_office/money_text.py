"""Money of budgets as pages show it: amounts in USD, what is left, when it comes back, and a bar. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.html import format_html

from budgets.admission.budget_windows import is_rolling
from budgets.schedule_labels import in_words
from gateway.values.money import in_usd

if TYPE_CHECKING:
    from datetime import datetime

    from django.utils.safestring import SafeString

    from budgets.back_office.spending import Spending

UNKNOWN = "not known yet"


def amount(nanousd: int | None) -> str:
    """Return "1,234.5" USD, at least to the cent; None is unknown."""
    if nanousd is None:
        return UNKNOWN
    value = in_usd(nanousd)
    return f"{value:,.2f}" if value == round(value, 2) else f"{value:,f}"


def resets(spending: Spending, schedule: str) -> str:
    """Return in words when money comes back."""
    if spending.resets_at is None:
        return UNKNOWN
    at = instant(spending.resets_at)
    return f"in part from {at}" if is_rolling(schedule) else at


def instant(at: datetime) -> str:
    """Return "2026-11-29 20:41:05 UTC"."""
    return f"{at:%Y-%m-%d %H:%M:%S} {at.tzname() or ''}".strip()


def line(spending: Spending, schedule: str) -> SafeString:
    """Return "0.12 of 10.00 USD, every week, from Monday" with a bar; under it: held, left, when it resets."""
    words = f"{amount(spending.spent)} of {amount(spending.limit)} USD, {in_words(schedule)}"
    more = f"held {amount(spending.held)}, left {amount(spending.left)}, resets {resets(spending, schedule)}"
    return format_html('{}<div class="aside">{}</div>', words_with_bar(spending, words), more)


def details(spending: Spending, schedule: str) -> SafeString:
    """Return all that is known of a budget, in one paragraph."""
    held = UNKNOWN if spending.held is None else f"{amount(spending.held)} USD"
    unsettled = f", {amount(spending.unsettled)} USD unsettled" if spending.unsettled else ""
    words = (
        f"{amount(spending.spent)} of {amount(spending.limit)} USD spent{unsettled}, held by running calls: {held}, "
        f"left for new calls: {amount(spending.left)}{'' if spending.left is None else ' USD'}; "
        f"resets {resets(spending, schedule)}"
    )
    return words_with_bar(spending, words)


def words_with_bar(spending: Spending, words: str) -> SafeString:
    """Return the words with a bar of how much of the limit is used, if that is known."""
    if spending.share is None:
        return format_html("{}", words)
    share = min(1.0, spending.share)
    return format_html(
        '<progress class="spent" max="1" value="{}" aria-label="{}"></progress> {}',
        f"{share:.4f}",
        f"{share:.0%} used",
        words,
    )
