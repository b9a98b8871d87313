"""The unsettled part of a call: the hold of each attempt whose outcome is unknown."""

from __future__ import annotations

import msgspec
import pytest

from catalog.pricing.prices import PriceSheet, Receipt
from metering.attempt_costs import AttemptCosts, is_unknown
from metering.disputed_usage import Charge
from metering.unknown_usage import Bounds
from providers.upstream import Attempt
from providers.usage import Usage
from tests.support.books.calls import SHEET, opened

HOLD = 1_000_000_000
FREE = PriceSheet(free=True)


def tried(
    outcome: str, status: int | None = None, *, reached: bool = True, usage: Usage | None = None
) -> Attempt:
    return Attempt("openai", "one", outcome, status, 1.0, reached=reached, usage=usage)


def bounds_of(
    cost: int,
    known: int,
    unknown: int,
    *,
    tries: int = 1,
    sheet: PriceSheet = SHEET,
    lost: PriceSheet | None = None,
) -> Bounds | None:
    begun = msgspec.structs.replace(
        opened("a"), hold_nanousd=HOLD * tries, tries=tries, is_bound=True, most_output=1_000
    )
    found = AttemptCosts(Charge(Receipt((), cost)), [], known, unknown, unknown + bool(known), sheet=lost)
    return Bounds.for_call(begun, sheet, found)


@pytest.mark.parametrize(
    ("attempt", "unknown"),
    [
        (tried("upstream_timeout"), True),
        (tried("upstream_error"), True),  # a reset, a broken answer
        (tried("deadline_exceeded"), True),
        (tried("internal_error"), True),
        (tried("cancelled"), True),
        (tried("upstream_error", usage=Usage(input_tokens=1)), False),
        (tried("upstream_timeout", reached=False), False),
        (tried("cancelled", reached=False), False),
        (tried("upstream_error", 500), False),
        (tried("upstream_rate_limited", 429), False),
        (tried("ok", 200), False),
    ],
)
def test_attempt_that_arrived_without_an_answer_is_unknown(attempt: Attempt, *, unknown: bool) -> None:
    assert is_unknown(attempt) is unknown


@pytest.mark.parametrize(
    ("known", "unknown", "tries", "bound"),
    [
        (0, 1, 1, HOLD),
        (7, 1, 2, HOLD + 7),  # the answer came, and one try before it was lost
        (0, 2, 2, 2 * HOLD),
        (7, 2, 3, 2 * HOLD + 7),
        (HOLD, 1, 1, HOLD),  # never beyond what was held
    ],
)
def test_each_unknown_attempt_may_cost_its_own_hold(known: int, unknown: int, tries: int, bound: int) -> None:
    bounds = bounds_of(known + 5, known, unknown, tries=tries)
    assert bounds is not None
    assert bounds.bound_nanousd == bound
    assert bounds.rest(known + 5) == max(0, bound - known - 5)
    assert bounds.rest(2 * bound) == 0
    assert bounds.most_output == 1_000 * (unknown + bool(known))


def test_known_usage_has_no_bounds() -> None:
    assert bounds_of(84, 84, 0) is None


def test_free_attempts_are_never_unsettled() -> None:
    free = bounds_of(0, 0, 1, sheet=FREE)
    assert free is not None
    assert free.rest(0) == 0


def test_lost_priced_attempt_is_unsettled_behind_a_free_answer() -> None:
    bounds = bounds_of(0, 0, 1, tries=2, sheet=FREE, lost=SHEET)
    assert bounds is not None
    assert (bounds.sheet, bounds.rest(0)) == (SHEET, HOLD)
