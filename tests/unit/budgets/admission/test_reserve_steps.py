"""Each step of a hold follows only after a refusal of the step before: bytes, a count, a smaller cap."""

from __future__ import annotations

import json

import pytest

from budgets.admission.interface import (
    AdmissionRequest,
    BudgetRefused,
    BudgetRule,
    BudgetStatus,
    Grant,
    Limits,
    LimitStatus,
    ScopeRules,
)
from budgets.admission.prompt_counts import ReservationRequest
from budgets.admission.reserve import Reservation, reserve
from catalog.pricing.prices import PriceSheet
from gateway.parsing.schemas import peek_chat
from providers.tokens.amounts import Bound
from tests.unit.budgets.admission.test_holds_cover_bills import route_of

BODY = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "word " * 400}]}
SHEET = PriceSheet(input=10**9, output=10**9)  # 1,000 nano-USD a token
COUNTED = 420


class Gate:
    """Refuses the first asks."""

    def __init__(self, refusals: int) -> None:
        self.left, self.asked = refusals, list[int]()

    async def admit(self, ask: AdmissionRequest) -> Grant:
        self.asked.append(ask.hold_nanousd)
        if self.left:
            self.left -= 1
            raise BudgetRefused(BudgetStatus("key:1", "daily", 500_000, 0, 0, 0.0), ask.hold_nanousd)
        return Grant(ask.request_id, 0.0, LimitStatus())


class Counter:
    def __init__(self, tokens: int | None) -> None:
        self.counts, self._tokens = 0, tokens

    async def count(self, *_: object) -> Bound | None:
        self.counts += 1
        return None if self._tokens is None else Bound(self._tokens)

    async def documents(self, *_: object) -> None:
        raise AssertionError("there are none")


async def asked(gate: Gate, counter: Counter, *, clamps: bool, **changes: object) -> Reservation:
    raw = json.dumps(BODY | changes).encode()
    rules = (ScopeRules("key:1", Limits(), (BudgetRule(500_000, clamp=clamps),)),)
    route, _ = route_of(SHEET, 100_000)
    return await reserve(gate, ReservationRequest("r", rules, route, peek_chat(raw).demand, raw, 1, counter))


async def test_what_fits_by_its_bytes_is_not_counted() -> None:
    gate, counter = Gate(0), Counter(COUNTED)
    held = await asked(gate, counter, clamps=True)
    assert (counter.counts, held.is_counted, held.is_clamped) == (0, False, False)
    assert gate.asked == [held.hold_nanousd]


async def test_what_fits_once_it_is_counted_is_not_clamped() -> None:
    gate, counter = Gate(1), Counter(COUNTED)
    held = await asked(gate, counter, clamps=True)
    assert (counter.counts, held.is_counted, held.is_clamped) == (1, True, False)
    assert gate.asked[1] == held.hold_nanousd < gate.asked[0]


async def test_what_is_counted_and_does_not_fit_is_clamped_where_that_is_allowed() -> None:
    gate, counter = Gate(2), Counter(COUNTED)
    held = await asked(gate, counter, clamps=True)
    assert (held.is_counted, held.is_clamped, counter.counts) == (True, True, 1)
    assert held.sent_cap is not None
    assert 1 <= held.sent_cap <= 500 - COUNTED
    assert gate.asked[2] == 500_000  # to the last nano-USD


async def test_what_is_counted_and_does_not_fit_is_refused_elsewhere() -> None:
    gate, counter = Gate(2), Counter(COUNTED)
    with pytest.raises(BudgetRefused) as refused:
        await asked(gate, counter, clamps=False)
    assert (counter.counts, len(gate.asked), refused.value.is_counted) == (1, 2, True)


async def test_a_prompt_that_cannot_be_counted_is_refused_by_its_bytes() -> None:
    gate, counter = Gate(1), Counter(None)
    with pytest.raises(BudgetRefused) as refused:
        await asked(gate, counter, clamps=True)
    assert (counter.counts, len(gate.asked), refused.value.is_counted) == (1, 1, False)


async def test_cap_of_zero_is_sent_unchanged_and_held_as_no_cap() -> None:
    """Servers that compute `max_completion_tokens or max_tokens` read 0 as no cap, and fill the window."""
    gate = Gate(0)
    held = await asked(gate, Counter(COUNTED), clamps=True, max_tokens=0)
    assert (held.sent_cap, held.output_cap, held.is_lowered, held.most_output) == (0, None, False, 100_000)
    assert gate.asked[0] >= 100_000 * 1_000


async def test_cap_of_zero_that_does_not_fit_is_refused_and_not_clamped() -> None:
    with pytest.raises(BudgetRefused):
        await asked(Gate(2), Counter(COUNTED), clamps=True, max_tokens=0)


@pytest.mark.parametrize(
    ("stated", "is_lowered"), [(100, False), (500, False), (501, True), (2**31 - 1, True)]
)
async def test_a_cap_above_the_models_is_lowered_and_that_is_known(stated: int, *, is_lowered: bool) -> None:
    held = await asked(Gate(0), Counter(COUNTED), clamps=False, max_tokens=stated)
    assert (held.sent_cap, held.is_lowered) == (min(stated, 500), is_lowered)
    assert held.output_cap == (500 if is_lowered else None)
