"""Pricing: exact lines, one rounding, no float, and real usage payloads with costs worked out by hand."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.pricing.prices import ImageRate, PriceSheet, cost, missing_price, receipt
from providers.reported_usage.reading import UsageJson, usage_of
from providers.usage import ImageCount, Usage

counts = st.integers(0, 2_000_000)
rates = st.none() | st.integers(0, 200_000_000_000)
sizes = st.sampled_from(["", "1024x1024", "1792x1024"])
qualities = st.sampled_from(["", "standard", "hd"])
TOKEN_FIELDS = (
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "audio_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "audio_output_tokens",
    "image_input_tokens",
    "image_output_tokens",
)
RATE_FIELDS = (
    *("input", "output", "cached_input", "cache_write", "reasoning", "audio_input", "audio_output"),
    *("image_input", "image_output", "image", "second", "character", "request"),
)

usages = st.builds(
    Usage,
    **dict.fromkeys(TOKEN_FIELDS, counts),
    images=st.lists(st.builds(ImageCount, st.integers(0, 10), sizes, qualities), max_size=3).map(tuple),
    audio_ms=counts,
    characters=counts,
    requests=st.integers(0, 2),
)
sheets = st.builds(
    PriceSheet,
    **dict.fromkeys(RATE_FIELDS, rates),
    images=st.lists(st.builds(ImageRate, st.integers(0, 10**15), sizes, qualities), max_size=4).map(tuple),
    id=st.integers(0, 99),
)


@given(usages, sheets)
def test_the_lines_sum_to_the_total_before_it_is_rounded_up_once(usage: Usage, sheet: PriceSheet):
    bill = receipt(usage, sheet)

    exact = sum((Decimal(line.amount_nanousd) for line in bill.lines), Decimal(0))
    assert 0 <= bill.total_nanousd - exact < 1
    assert bill.total_nanousd == cost(usage, sheet)


@given(usages, sheets)
def test_every_line_can_be_recomputed_from_its_own_numbers(usage: Usage, sheet: PriceSheet):
    for line in receipt(usage, sheet).lines:
        assert Decimal(line.unit_price_nanousd) * line.quantity == Decimal(line.amount_nanousd)
        assert line.price_id == sheet.id


@given(usages, sheets)
def test_no_token_is_on_two_lines_and_none_is_forgotten(usage: Usage, sheet: PriceSheet):
    tokens = [
        line
        for line in receipt(usage, sheet).lines
        if line.kind.endswith(("input", "output", "write", "reasoning"))
    ]

    assert sum(line.quantity for line in tokens) == usage.total_tokens
    assert len({line.kind for line in tokens}) == len(tokens)


@given(
    usages,
    sheets,
    st.sampled_from((*TOKEN_FIELDS, "audio_ms", "characters", "requests")),
    st.integers(0, 10**6),
)
def test_using_more_never_costs_less(usage: Usage, sheet: PriceSheet, field: str, more: int):
    larger = msgspec.structs.replace(usage, **{field: getattr(usage, field) + more})

    assert cost(larger, sheet) >= cost(usage, sheet)


@given(usages, sheets)
def test_every_number_is_an_integer_or_an_exact_decimal(usage: Usage, sheet: PriceSheet):
    bill = receipt(usage, sheet)

    assert type(bill.total_nanousd) is int
    assert all(type(line.quantity) is int for line in bill.lines)
    assert all("E" not in line.amount_nanousd and "e" not in line.unit_price_nanousd for line in bill.lines)


GPT_4O = PriceSheet(id=7, input=2_500_000_000, output=10_000_000_000, cached_input=1_250_000_000)
O3 = PriceSheet(input=2_000_000_000, output=8_000_000_000, cached_input=500_000_000)
AUDIO = PriceSheet(
    input=2_500_000_000, output=10_000_000_000, audio_input=40_000_000_000, audio_output=80_000_000_000
)
EMBED = PriceSheet(input=20_000_000)
WRITES = PriceSheet(
    input=3_000_000_000, output=15_000_000_000, cached_input=300_000_000, cache_write=3_750_000_000
)

# Payloads in the shape that the OpenAI API documents; the costs in nano-USD are worked out by hand.
GOLDEN = [
    # 1920 cached of 2006: 86 x 2500 + 1920 x 1250 + 300 x 10000
    (
        (
            b'{"prompt_tokens":2006,"completion_tokens":300,"total_tokens":2306,"prompt_tokens_details":'
            b'{"cached_tokens":1920},"completion_tokens_details":{"reasoning_tokens":0}}'
        ),
        GPT_4O,
        215_000 + 2_400_000 + 3_000_000,
    ),
    # reasoning is part of the 1200 completion tokens: 75 x 2000 + 1200 x 8000
    (
        (
            b'{"prompt_tokens":75,"completion_tokens":1200,"total_tokens":1275,"completion_tokens_details":'
            b'{"reasoning_tokens":1024,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}'
        ),
        O3,
        150_000 + 9_600_000,
    ),
    # 100 of 120 in and 50 of 70 out are sound: 20 x 2500 + 100 x 40000 + 20 x 10000 + 50 x 80000
    (
        (
            b'{"prompt_tokens":120,"completion_tokens":70,"total_tokens":190,"prompt_tokens_details":'
            b'{"audio_tokens":100,"cached_tokens":0},"completion_tokens_details":{"audio_tokens":50}}'
        ),
        AUDIO,
        50_000 + 4_000_000 + 200_000 + 4_000_000,
    ),
    # 8 x 20
    (b'{"prompt_tokens":8,"total_tokens":8}', EMBED, 160),
    # writing the cache: 100 x 3000 + 2000 x 300 + 1000 x 3750 + 10 x 15000
    (
        (
            b'{"prompt_tokens":3100,"completion_tokens":10,"total_tokens":3110,"prompt_tokens_details":'
            b'{"cached_tokens":2000,"cache_write_tokens":1000}}'
        ),
        WRITES,
        300_000 + 600_000 + 3_750_000 + 150_000,
    ),
    # responses: 36 x 2500 + 87 x 10000
    (
        (
            b'{"input_tokens":36,"input_tokens_details":{"cached_tokens":0},"output_tokens":87,'
            b'"output_tokens_details":{"reasoning_tokens":0},"total_tokens":123}'
        ),
        GPT_4O,
        90_000 + 870_000,
    ),
]


@pytest.mark.parametrize(("payload", "sheet", "nanousd"), GOLDEN)
def test_a_real_payload_costs_what_the_provider_charges(payload: bytes, sheet: PriceSheet, nanousd: int):
    usage = usage_of(msgspec.json.decode(payload, type=UsageJson))

    assert usage is not None
    assert not usage.estimated
    assert cost(usage, sheet) == nanousd
    assert receipt(usage, sheet).total_nanousd == nanousd


def test_a_fraction_of_a_nano_is_rounded_up_once_for_the_whole_call():
    sheet = PriceSheet(input=100_000, output=100_000)

    bill = receipt(Usage(input_tokens=1, output_tokens=1), sheet)

    assert [line.amount_nanousd for line in bill.lines] == ["0.1", "0.1"]
    assert bill.total_nanousd == 1


def test_parts_without_a_rate_of_their_own_cost_what_their_side_costs():
    usage = Usage(cached_input_tokens=10, cache_write_tokens=10, reasoning_tokens=10, audio_output_tokens=10)
    sheet = PriceSheet(input=1_000_000, output=2_000_000)

    assert cost(usage, sheet) == 20 + 40


def test_audio_is_priced_by_the_millisecond():
    bill = receipt(Usage(audio_ms=1_500), PriceSheet(second=100_000_000_000))

    assert bill.total_nanousd == 150_000
    assert bill.lines[0].unit_price_nanousd == "100"


def test_an_image_takes_the_closest_rate_and_never_less_than_one_that_fits_nothing():
    listed = (
        ImageRate(40 * 10**12),
        ImageRate(80 * 10**12, "1024x1024", "hd"),
        ImageRate(60 * 10**12, "1792x1024"),
    )
    sheet = PriceSheet(images=listed)
    only_large = PriceSheet(images=listed[1:])

    assert cost(Usage(images=(ImageCount(2, "1024x1024", "hd"),)), sheet) == 160_000_000
    assert cost(Usage(images=(ImageCount(1, "512x512", "low"),)), sheet) == 40_000_000
    assert cost(Usage(images=(ImageCount(1, "512x512", "low"),)), only_large) == 80_000_000


def test_a_price_per_request_is_charged_beside_the_tokens():
    assert cost(Usage(input_tokens=10**6), PriceSheet(request=10**13)) == 10**7


def test_a_free_model_costs_nothing_whatever_its_sheet_says():
    sheet = PriceSheet(free=True, input=10**9, request=10**13)

    assert cost(Usage(input_tokens=5), sheet) == 0
    assert receipt(Usage(input_tokens=5), sheet).lines == ()


@pytest.mark.parametrize(
    ("sheet", "model_type", "verdict"),
    [
        (PriceSheet(), "llm", True),
        (PriceSheet(free=True), "llm", False),
        (PriceSheet(input=1), "llm", True),  # M8: one side is not free by omission
        (PriceSheet(output=1), "llm", True),
        (PriceSheet(output=1, cached_input=1), "llm", True),
        (PriceSheet(input=1, request=1), "llm", True),
        (PriceSheet(input=0, output=1), "llm", False),
        (PriceSheet(request=1), "llm", False),
        (PriceSheet(input=1), "embedding", False),
        (PriceSheet(request=1), "embedding", False),
        (PriceSheet(second=1), "llm", True),
        (PriceSheet(second=1), "audio", False),
        (PriceSheet(images=(ImageRate(1),)), "image", False),
        (PriceSheet(character=1), "image", True),
    ],
)
def test_a_model_is_unpriced_when_no_rate_applies_to_its_type(
    sheet: PriceSheet, model_type: str, *, verdict: bool
):
    assert bool(missing_price(sheet, model_type)) is verdict
