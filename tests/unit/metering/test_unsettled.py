"""What is charged, and what is unsettled, of a call whose tries were not all answered."""

from __future__ import annotations

import pytest

from catalog.prices import PriceSheet, cost
from metering.dispute import Charge, charge
from metering.unsettled import Bounds, is_unknown, lost_tries, with_lost
from providers.upstream import Attempt
from providers.usage import Usage
from tests.calls import SHEET

BOUNDS = Bounds(bound_nanousd=1_000_000_000, is_bound=True, most_output=1_000, sheet=SHEET)
PROMPT = Usage(input_tokens=100)


def tried(outcome: str, status: int | None = None, *, reached: bool = True) -> Attempt:
    return Attempt("openai", "one", outcome, status, 1.0, reached=reached)


@pytest.mark.parametrize(
    ("attempt", "unknown"),
    [
        (tried("upstream_timeout"), True),
        (tried("upstream_error"), True),  # a reset, a broken answer
        (tried("deadline_exceeded"), True),
        (tried("cancelled"), True),
        (tried("upstream_timeout", reached=False), False),
        (tried("cancelled", reached=False), False),
        (tried("upstream_error", 500), False),
        (tried("upstream_rate_limited", 429), False),
        (tried("ok", 200), False),
    ],
)
def test_a_try_is_unknown_if_it_arrived_and_nothing_came_back(attempt: Attempt, *, unknown: bool) -> None:
    assert is_unknown(attempt) is unknown
    assert lost_tries([attempt, attempt]) == 2 * unknown


@pytest.mark.parametrize("output", [0, 10, 1_000, 50_000])
def test_an_estimate_is_within_the_bound_and_nobody_disputes_it(output: int) -> None:
    usage = Usage(input_tokens=100, output_tokens=output, estimated=True)
    charged = Charge(charge(usage, SHEET, BOUNDS.most).bill)
    assert charged.bill.total_nanousd <= BOUNDS.bound_nanousd
    assert charged == BOUNDS.estimated(usage)
    assert charged.disputed_nanousd == 0
    assert charged.bill.total_nanousd + BOUNDS.rest(charged.bill.total_nanousd) == BOUNDS.bound_nanousd


@pytest.mark.parametrize(("tries", "added"), [(1, 15_000_000), (2, 30_000_000), (1_000, 985_000_000)])
def test_lost_tries_cost_their_prompts_within_the_bound(tries: int, added: int) -> None:
    first = BOUNDS.estimated(PROMPT)
    charged = with_lost(first, tries, BOUNDS, 100)
    assert charged.bill.total_nanousd == cost(PROMPT, SHEET) + added
    assert sum(int(line.amount_nanousd) for line in charged.bill.lines) == charged.bill.total_nanousd


def test_a_part_that_is_known_leaves_less_unknown() -> None:
    assert BOUNDS.within(400_000_000).rest(100_000_000) == 300_000_000
    assert BOUNDS.within(4_000_000_000).rest(100_000_000) == 900_000_000
    assert BOUNDS.rest(2_000_000_000) == 0


def test_what_is_free_is_never_unsettled() -> None:
    free = Bounds(bound_nanousd=1_000_000_000, sheet=PriceSheet(free=True))
    assert free.rest(0) == 0
