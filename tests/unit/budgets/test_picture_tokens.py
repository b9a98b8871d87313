"""Tokens of pictures have their own prices, for input and output, in the bound and in the bill (K1)."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgets.admission.demand import Demand
from budgets.admission.worst_case import affordable_output, worst_case
from catalog.pricing.config_prices import sheet_of
from catalog.pricing.price_terms import Step, Terms
from catalog.pricing.prices import PriceSheet, cost, receipt
from gateway.config.sections.model_catalog import ModelEntry
from providers.media.image_tokens import MediaLimits
from providers.media.images import Picture, most_tokens
from providers.reported_usage.reading import UsageJson, usage_of
from providers.usage import Usage

rates = st.none() | st.integers(0, 100_000_000_000)
sheets = st.builds(
    PriceSheet,
    **dict.fromkeys(
        ("input", "output", "cached_input", "audio_input", "reasoning", "image_input", "image_output"), rates
    ),
)
pictures = st.lists(st.builds(Picture, st.integers(0, 4_000), st.integers(0, 4_000)), max_size=3).map(tuple)


@given(
    sheets,
    pictures,
    st.integers(0, 2_000),
    st.integers(1, 2_000),
    st.none() | st.integers(1, 9_000),
    st.data(),
)
def test_no_honest_provider_bills_more_than_is_held(sheet, seen, text, cap, window, data):
    demand = Demand(body_bytes=text, pictures=seen, output_cap=cap)
    most = sum(most_tokens(picture, ("gpt-4o",)) for picture in seen)
    if window is not None and text + most > window:
        text, most = (
            (0, window) if seen else (window, 0)
        )  # an honest provider bills no picture that was not there
    drawn = data.draw(st.integers(0, cap))
    usage = Usage(
        input_tokens=text,
        image_input_tokens=data.draw(st.integers(0, most)),
        output_tokens=cap - drawn,
        image_output_tokens=drawn,
    )
    held = worst_case(demand, (sheet,), None, window, (MediaLimits("gpt-4o"),))
    if window is None or cap <= window:
        assert cost(usage, sheet) <= held.nanousd
        assert cost(usage, sheet) == receipt(usage, sheet).total_nanousd
    room = affordable_output(held.nanousd, demand, None, (sheet,), window, (MediaLimits("gpt-4o"),))
    assert room >= min(cap, held.output_cap)


@pytest.mark.parametrize(
    ("said", "reads", "writes"),
    [
        # gpt-image-1, "Create image": input_tokens_details and output_tokens
        ({"input_tokens": 50, "output_tokens": 40, "input_tokens_details": {"text_tokens": 10, "image_tokens": 40}},
         (10, 0, 40), (40, 0)),
        ({"prompt_tokens": 90, "completion_tokens": 30, "prompt_tokens_details": {"image_tokens": 70},
          "completion_tokens_details": {"image_tokens": 20, "reasoning_tokens": 4}}, (20, 0, 70), (6, 20)),
        # xAI counts a cached picture in both
        ({"prompt_tokens": 90, "completion_tokens": 3,
          "prompt_tokens_details": {"image_tokens": 70, "cached_tokens": 60}}, (0, 60, 30), (3, 0)),
        ({"prompt_tokens": 90, "completion_tokens": 3,
          "prompt_tokens_details": {"image_tokens": 700, "cached_tokens": 90}}, (0, 90, 0), (3, 0)),
        ({"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"image_tokens": -7}},
         (9, 0, 0), (3, 0)),
    ],
)  # fmt: skip
def test_what_providers_say_of_pictures_is_read_once(said, reads, writes):
    usage = usage_of(msgspec.convert(said, UsageJson))
    assert usage is not None
    assert (usage.input_tokens, usage.cached_input_tokens, usage.image_input_tokens) == reads
    assert (usage.output_tokens, usage.image_output_tokens) == writes
    assert usage.total_tokens == sum(said.get(name, 0) for name in said if name.endswith("_tokens"))


@pytest.mark.parametrize("dearer", ["image_input", "image_output"])
def test_a_picture_without_a_price_of_its_own_costs_as_its_side(dearer):
    usage = Usage(input_tokens=1, image_input_tokens=1_000, output_tokens=1, image_output_tokens=1_000)
    plain = PriceSheet(input=10**9, output=2 * 10**9)
    assert cost(usage, plain) == 1_001 * 1_000 + 1_001 * 2_000
    priced = msgspec.structs.replace(plain, **{dearer: 10**10})
    assert cost(usage, priced) > cost(usage, plain)
    stepped = msgspec.structs.replace(
        plain, terms=Terms(above=(Step(prompt_tokens=500, **{dearer: 10**11}),))
    )
    assert cost(usage, stepped) > cost(usage, priced)


def test_the_configuration_states_them_in_its_own_unit():
    row = {
        "alias": "gpt-image-1",
        "provider": "openai",
        "provider_model": "gpt-image-1",
        "price_per": "1m",
        "price_input": 5,
        "price_output": 40,
        "pricing": {"image_input": 10, "image_output": 40},
    }
    sheet = sheet_of(ModelEntry.model_validate(row))
    assert sheet is not None
    assert (sheet.image_input, sheet.image_output) == (10 * 10**9, 40 * 10**9)
