"""The bill of a call of several attempts: the cost of each, and that the charge is at most the hold."""

from __future__ import annotations

import pytest

from catalog.pricing.prices import PriceSheet, receipt
from metering.attempt_costs import add_attempt_costs, may_cost
from metering.disputed_usage import Charge, ChargeLimit
from providers.upstream import Attempt
from providers.usage import Usage

SHEETS = {
    name: PriceSheet(id=number, input=rate * 10**6, output=rate * 10**6)
    for number, (name, rate) in enumerate({"east": 3, "west": 5, "north": 7}.items(), start=1)
}
OWN = Usage(input_tokens=10, output_tokens=2)


def tried(name, outcome="ok", status=None, *, reached=True, usage=None):
    return Attempt("openai", name, outcome, status, 1.0, "chat", reached, usage)


def bill(*attempts, most=None, hold=None, own=OWN):
    charged = Charge(receipt(own, SHEETS[attempts[-1].deployment]))
    return add_attempt_costs(
        charged, own, attempts, lambda each: SHEETS[each.deployment], 100, ChargeLimit(nanousd=most), hold
    )


@pytest.mark.parametrize(
    ("attempt", "said"),
    [
        (tried("east", "upstream_timeout"), True),
        (tried("east", "upstream_error"), True),
        (tried("east", "upstream_error", 500), False),
        (tried("east", "upstream_rate_limited", 429), False),
        (tried("east", "upstream_error", reached=False), False),
        (tried("east", "upstream_error", 500, usage=OWN), True),
    ],
)
def test_a_provider_that_got_the_prompt_and_did_not_refuse_it_may_bill_it(attempt, said):
    assert may_cost(attempt) is said


def test_each_attempt_costs_the_price_of_its_own_deployment():
    tries = bill(
        tried("east", "upstream_timeout"), tried("west", "upstream_error", usage=OWN), tried("north")
    )
    assert [each.cost_nanousd for each in tries.attempts] == [300, 60, 84]
    assert tries.charged.bill.total_nanousd == 444
    assert tries.is_estimated


def test_receipt_lines_name_their_attempt():
    tries = bill(tried("east", "upstream_timeout"), tried("north"))
    lines = tries.charged.bill.lines
    assert [line.note for line in lines] == ["", "", "of try 1"]
    assert sum(int(line.amount_nanousd) for line in lines) == tries.charged.bill.total_nanousd


@pytest.mark.parametrize("most", [0, 84, 90, 383, 384, 10**9, None])
def test_no_more_is_charged_than_was_held(most):
    charged = bill(
        tried("east", "upstream_error", usage=Usage(input_tokens=100)), tried("north"), hold=most
    ).charged
    assert charged.bill.total_nanousd == (384 if most is None else min(384, most))
    assert charged.bill.total_nanousd + charged.disputed_nanousd == 384
    assert sum(int(line.amount_nanousd) for line in charged.bill.lines) == charged.bill.total_nanousd


@pytest.mark.parametrize("most", [1, 299, 300, 301, None])
def test_each_attempt_is_charged_no_more_than_its_hold(most):
    said = bill(tried("east", "upstream_error", usage=Usage(input_tokens=100)), tried("north"), most=most)
    cost = 300 if most is None else min(300, most)
    assert (said.attempts[0].cost_nanousd, said.charged.disputed_nanousd) == (cost, 300 - cost)
    guessed = bill(tried("east", "upstream_timeout"), tried("north"), most=most)
    assert (guessed.attempts[0].cost_nanousd, guessed.charged.disputed_nanousd) == (
        cost,
        0,
    )  # it was claimed by no attempt


def test_known_and_unknown_usage_are_distinguished():
    tries = bill(
        tried("east", "upstream_timeout"),
        tried("west", "upstream_error", usage=OWN),
        tried("west", "upstream_error", 500),
        tried("east", "upstream_error", reached=False),
        tried("north", status=200),
    )
    assert (tries.known_nanousd, tries.unknown, tries.billed) == (60 + 84, 1, 3)
    assert tries.sheet is SHEETS["east"]


def test_bill_is_of_the_last_attempt_that_reached_a_provider():
    own = Usage(requests=0)
    attempts = [tried("east", "upstream_timeout"), tried("west", "upstream_error", reached=False)]
    charged = Charge(receipt(own, SHEETS["east"]))
    tries = add_attempt_costs(
        charged, own, attempts, lambda each: SHEETS[each.deployment], 100, ChargeLimit()
    )
    assert (tries.charged.bill.total_nanousd, tries.is_estimated) == (0, False)
