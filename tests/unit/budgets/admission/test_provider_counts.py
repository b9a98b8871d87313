"""A hold by a provider's count: the whole prompt with its media, once, at the dearest rate that its media may have."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from budgets.admission.demand import Demand
from budgets.admission.interface import BudgetRefused, BudgetRule, Limits, ScopeRules
from budgets.admission.prompt_counts import ReservationRequest
from budgets.admission.reserve import Reservation, reserve
from budgets.admission.worst_case import counted, worst_case
from catalog.pricing.prices import PriceSheet
from catalog.routing.resolve import Route
from gateway.parsing.schemas import peek_chat
from providers.media.images import Picture
from providers.target import Target
from providers.tokens.amounts import Bound, PromptCount
from tests.unit.budgets.admission.test_holds_cover_bills import route_of
from tests.unit.budgets.admission.test_reserve_steps import Counter, Gate

SHEET = PriceSheet(input=10**9, output=10**9, image_input=5 * 10**9, audio_input=20 * 10**9)
PICTURES = (Picture(1_000, 1_000), Picture(10, 10))
RULES = (ScopeRules("key:1", Limits(), (BudgetRule(500_000),)),)
WORDS = "word " * 400


def bound(demand: Demand, text: int | None = None, whole: int | None = None, window: int | None = None):
    count = PromptCount(*[None if each is None else Bound(each) for each in (text, whole)])
    return counted(demand, count, [SHEET], 10, window)


def test_media_are_counted_once_and_at_their_own_rate() -> None:
    demand = Demand(body_bytes=50_000, pictures=PICTURES, output_cap=0)
    found = bound(demand, whole=1_000)
    assert found.input == Bound(1_100 + 16)
    assert found.nanousd == 1_116 * 5_000
    assert bound(demand, text=1_000).input.tokens > found.input.tokens  # its pictures are beside the text


def test_text_has_the_rate_of_text_and_sound_the_highest() -> None:
    assert bound(Demand(body_bytes=50_000, output_cap=0), whole=1_000).nanousd == 1_116 * 1_000
    heard = Demand(body_bytes=50_000, sounds=1, audio_ms=1_000, pictures=PICTURES, output_cap=0)
    assert bound(heard, whole=1_000).nanousd == 1_116 * 20_000


def test_a_document_that_only_the_window_bounds_is_in_the_count() -> None:
    demand = Demand(body_bytes=900_000, documents=("messages[0]",), document_bytes=890_000, output_cap=0)
    assert bound(demand, text=100, window=200_000).input == Bound(200_000)
    assert bound(demand, whole=1_000, window=200_000).input == Bound(1_116)
    assert bound(demand, text=100, whole=1_000, window=200_000).input == Bound(200_000)


@pytest.mark.parametrize(("text", "whole"), [(2_000, 1_000), (1_000, 2_000)])
def test_of_two_kinds_of_counts_the_larger_one_holds(text: int, whole: int) -> None:
    demand = Demand(body_bytes=50_000, output_cap=0)
    assert bound(demand, text=text, whole=whole).input == Bound(2_200 + 16)


def test_the_count_never_raises_a_bound() -> None:
    demand = Demand(body_bytes=100, messages=3, tools=True, pictures=PICTURES, output_cap=0)
    cheap = worst_case(demand, [SHEET], 10)
    assert bound(demand, whole=100_000) == cheap
    assert bound(Demand(body_bytes=90_000, output_cap=0), whole=80_000, window=5_000).input == Bound(5_000)


class Providers:
    def __init__(self, tokens: int | None) -> None:
        self.asked: list[list[str]] = []
        self._tokens = tokens

    async def __call__(self, targets: Sequence[Target]) -> Bound | None:
        self.asked.append([target.upstream_model for target in targets])
        return None if self._tokens is None else Bound(self._tokens)


def route(*models: str) -> Route:
    made: Route = route_of(SHEET, 100_000)[0]
    [first] = made.deployments
    several = tuple(
        [
            msgspec.structs.replace(first, target=msgspec.structs.replace(first.target, upstream_model=model))
            for model in models
        ]
    )
    return msgspec.structs.replace(made, deployments=several)


async def held(
    gate: Gate, providers: Providers, *models: str, counter: Counter | None = None, content: Any = WORDS
) -> Reservation:
    raw = json.dumps(
        {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": content}]}
    ).encode()
    ask = ReservationRequest(
        "r", RULES, route(*models), peek_chat(raw).demand, raw, 1, counter, provider_count=providers
    )
    return await reserve(gate, ask)


async def test_providers_are_asked_only_if_the_bytes_do_not_fit() -> None:
    gate, providers = Gate(0), Providers(50)
    made = await held(gate, providers, "claude")
    assert (providers.asked, made.is_counted, made.is_providers_count) == ([], False, False)
    gate = Gate(1)
    made = await held(gate, providers, "claude")
    assert (providers.asked, made.is_counted, made.is_providers_count) == ([["claude"]], True, True)
    assert made.hold_nanousd == gate.asked[1] == (55 + 16 + 100) * 1_000 < gate.asked[0]


async def test_each_deployment_is_counted_where_it_can_be() -> None:
    counter, providers = Counter(400), Providers(100)
    made = await held(Gate(1), providers, "gpt-4o", "claude", "other", counter=counter)
    assert (counter.counts, providers.asked) == (1, [["claude", "other"]])
    assert made.hold_nanousd == (440 + 16 + 100) * 1_000


@pytest.mark.parametrize(("text", "whole"), [(None, 100), (400, None)])
async def test_one_that_is_not_counted_leaves_the_bytes(text: int | None, whole: int | None) -> None:
    gate = Gate(1)
    with pytest.raises(BudgetRefused) as refused:
        await held(gate, Providers(whole), "gpt-4o", "claude", counter=Counter(text))
    assert (refused.value.is_counted, len(gate.asked)) == (False, 1)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
        {"type": "video_url", "video_url": {"url": "https://x/y"}},
    ],
)
async def test_what_the_provider_would_fetch_is_not_counted(part: dict[str, Any]) -> None:
    providers = Providers(10)
    with pytest.raises(BudgetRefused):
        await held(Gate(1), providers, "claude", content=[part])
    assert providers.asked == []
