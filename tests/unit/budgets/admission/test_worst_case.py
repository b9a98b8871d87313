"""The worst case is never below a right bill, and exact where nothing is uncertain."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from budgets.admission.demand import Demand
from budgets.admission.worst_case import UNKNOWN_OUTPUT_TOKENS, affordable_output, counted, worst_case
from catalog.pricing.prices import ImageRate, PriceSheet, cost
from providers.media.image_tokens import MediaLimits
from providers.media.images import Picture
from providers.tokens.amounts import Bound, PromptCount
from providers.tokens.count import count_messages
from providers.usage import ImageCount, Usage

rates = st.none() | st.integers(0, 100_000_000_000)
sheets = st.builds(
    PriceSheet,
    **dict.fromkeys(
        (
            "input",
            "output",
            "cached_input",
            "cache_write",
            "reasoning",
            "audio_input",
            "audio_output",
            "request",
        ),
        rates,
    ),
    free=st.booleans(),
)
GPT_4O = PriceSheet(input=2_500_000_000, output=10_000_000_000, cached_input=1_250_000_000)


def split(total: int, data: st.DataObject, parts: int) -> list[int]:
    """Cut a number into parts at random."""
    cuts = sorted(data.draw(st.lists(st.integers(0, total), min_size=parts - 1, max_size=parts - 1)))
    return [after - before for before, after in zip([0, *cuts], [*cuts, total], strict=True)]


@given(st.data(), st.lists(sheets, min_size=1, max_size=3), st.text(max_size=200), st.integers(1, 4))
def test_an_honest_provider_never_charges_more_than_the_bound(
    data: st.DataObject, route: list[PriceSheet], text: str, n: int
):
    body = json.dumps([{"role": "user", "content": text}], ensure_ascii=False).encode()
    demand = Demand(
        body_bytes=len(body),
        output_cap=data.draw(st.integers(1, 5_000)),
        n=n,
        audio_ms=data.draw(st.integers(0, 60_000)),
        has_audio_output=True,
    )
    prompt = count_messages(body, "gpt-4o")
    reads = [*split(prompt, data, 3), data.draw(st.integers(0, demand.audio_ms * 32 // 1000))]
    writes = split(data.draw(st.integers(0, (demand.output_cap or 0) * n)), data, 3)
    usage = Usage(
        input_tokens=reads[0],
        cached_input_tokens=reads[1],
        cache_write_tokens=reads[2],
        audio_input_tokens=reads[3],
        output_tokens=writes[0],
        reasoning_tokens=writes[1],
        audio_output_tokens=writes[2],
    )
    dearest = max(cost(usage, sheet) for sheet in route)

    assert worst_case(demand, route).nanousd >= dearest
    assert counted(demand, PromptCount(Bound(prompt)), route, None, None).nanousd >= dearest
    assert (
        counted(demand, PromptCount(Bound(prompt)), route, None, None).nanousd
        <= worst_case(demand, route).nanousd
    )


@given(
    st.lists(sheets, min_size=1, max_size=3),
    st.integers(0, 10**12),
    st.integers(1, 100_000),
    st.integers(1, 4),
)
def test_the_affordable_output_is_the_largest_that_fits(
    route: list[PriceSheet], money: int, cap: int, n: int
):
    demand = Demand(body_bytes=4_000, output_cap=cap, n=n)

    output = affordable_output(money, demand, PromptCount(Bound(500)), route)

    def hold(tokens: int) -> int:
        smaller = msgspec.structs.replace(demand, output_cap=tokens)
        return counted(smaller, PromptCount(Bound(500)), route, None, None).nanousd

    assert 0 <= output <= cap
    if output:
        assert hold(output) <= money
    if output < cap:
        assert hold(output + 1) > money


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), sizes := st.sampled_from(["", "auto", "1024x1024", "1792x1024"]), sizes)
def test_a_picture_never_costs_more_than_its_bound(quantity: int, asked: str, got: str):
    sheet = PriceSheet(
        image=5 * 10**12, images=(ImageRate(8 * 10**12, "1792x1024"), ImageRate(3 * 10**12, "1024x1024"))
    )
    demand = Demand(kind="images", image_quantity=quantity, image_size=asked, image_quality="hd")
    got = got if asked in ("", "auto") else asked

    assert worst_case(demand, [sheet]).nanousd >= cost(
        Usage(images=(ImageCount(quantity, got, "hd"),)), sheet
    )


def test_a_price_per_request_alone_is_held_exactly():
    bound = worst_case(Demand(body_bytes=10_000, output_cap=500), [PriceSheet(request=10**13)])

    assert bound.nanousd == 10**7


def test_the_dearest_deployment_of_the_route_decides():
    demand = Demand(body_bytes=1_000, output_cap=100)
    dear = PriceSheet(input=10_000_000_000, output=30_000_000_000)

    assert worst_case(demand, [GPT_4O, dear]) == worst_case(demand, [dear])


def test_a_byte_is_taken_for_a_token_and_the_cap_for_the_output():
    bound = worst_case(Demand(body_bytes=1_000, output_cap=100, n=2), [GPT_4O])

    assert (bound.input, bound.output, bound.output_cap) == (Bound(1_024), Bound(200), 100)
    assert bound.nanousd == 1_024 * 2_500 + 200 * 10_000


def test_limits_of_the_model_tighten_the_bound():
    huge = Demand(body_bytes=10_000_000, output_cap=10**9)

    bound = worst_case(huge, [GPT_4O], 16_384, 128_000)

    assert (bound.input, bound.output) == (Bound(128_000), Bound(16_384))


def test_a_call_without_any_known_cap_gets_one():
    assert worst_case(Demand(body_bytes=10), [GPT_4O]).output_cap == UNKNOWN_OUTPUT_TOKENS
    assert worst_case(Demand(body_bytes=10), [GPT_4O], None, 2_048).output_cap == 2_048


def test_pictures_in_the_prompt_are_held_by_their_size():
    demand = Demand(body_bytes=200, output_cap=1, pictures=(Picture(1024, 1024),))
    unseen = Demand(body_bytes=200, output_cap=1, pictures=(Picture(),))

    anything = worst_case(unseen, [GPT_4O]).input.tokens
    known = worst_case(demand, [GPT_4O], models=[MediaLimits("gpt-4o-2024-08-06")]).input.tokens
    inflated = worst_case(demand, [GPT_4O], models=[MediaLimits("gpt-4o-mini")]).input.tokens

    assert anything > 48_169
    assert 765 < known < 765 + 300
    assert 25_501 < inflated < 25_501 + 300


def test_embeddings_have_no_output_and_may_exceed_one_window():
    bound = worst_case(
        Demand(kind="embeddings", body_bytes=100_000), [PriceSheet(input=20_000_000)], None, 8_191
    )

    assert bound.output == Bound(0)
    assert bound.input.tokens >= 100_000


@pytest.mark.parametrize(
    ("demand", "sheet", "usage"),
    [
        (
            Demand(kind="speech", characters=1_000, body_bytes=1_100),
            PriceSheet(character=15_000_000_000),
            Usage(characters=1_000),
        ),
        (
            Demand(kind="transcription", audio_ms=61_500),
            PriceSheet(second=100_000_000_000),
            Usage(audio_ms=61_500),
        ),
    ],
)
def test_characters_and_seconds_are_held_exactly(demand: Demand, sheet: PriceSheet, usage: Usage):
    assert worst_case(demand, [sheet]).nanousd == cost(usage, sheet) > 0


def test_a_free_model_holds_nothing():
    assert (
        worst_case(Demand(body_bytes=10**6, output_cap=10**6), [PriceSheet(free=True, input=10**9)]).nanousd
        == 0
    )


def test_tool_definitions_reserve_tokens_for_the_providers_framing():
    with_tools = worst_case(Demand(body_bytes=100, tools=True), [GPT_4O])

    assert with_tools.input == worst_case(Demand(body_bytes=100), [GPT_4O]).input + Bound(768)
    hundred = counted(Demand(body_bytes=9_000, tools=True), PromptCount(Bound(100)), [GPT_4O], None, None)
    assert hundred.input == Bound(110 + 16 + 768)
