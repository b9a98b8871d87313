"""Steps, tiers, places, tools and long cache writes: the same in the bill and in the bound."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgets.admission.demand import Demand
from budgets.admission.unbounded_requests import FeatureUnpriced, Unbounded, check_bounded
from budgets.admission.worst_case import MOST_TOOL_CALLS, affordable_output, worst_case
from catalog.pricing.config_prices import sheet_of
from catalog.pricing.price_terms import Factor, Step, Terms, ToolRate
from catalog.pricing.prices import PriceSheet, cost, receipt
from gateway.config.sections.model_catalog import ModelEntry
from providers.dialects.base import Shape
from providers.dialects.openai.passthrough import OpenAIToOpenAI
from providers.reported_usage.reading import UsageJson, usage_of
from providers.usage import ToolCount, Usage

M = 1_000_000  # nano-USD a million tokens: so many are 1 nano-USD a token
STEPS = Terms(
    above=(Step(prompt_tokens=1_000, input=3 * M), Step(prompt_tokens=2_000, input=5 * M, output=9 * M))
)
SHEET = PriceSheet(input=2 * M, output=4 * M, cached_input=M, terms=STEPS)
TIERED = PriceSheet(
    input=2 * M,
    output=4 * M,
    terms=Terms(
        tiers=(Factor("flex", 500_000), Factor("priority", 2 * M)), geography=(Factor("us", 1_100_000),)
    ),
)


@pytest.mark.parametrize(
    ("reads", "nanousd"),
    [
        (1_000, 1_000 * 2 + 10 * 4),
        (1_001, 1_001 * 3 + 10 * 4),  # output keeps its price
        (2_000, 2_000 * 3 + 10 * 4),
        (2_001, 2_001 * 5 + 10 * 9),
    ],
)
def test_the_whole_call_costs_what_its_prompts_step_says(reads: int, nanousd: int):
    usage = Usage(input_tokens=reads, output_tokens=10)
    assert cost(usage, SHEET) == receipt(usage, SHEET).total_nanousd == nanousd


def test_what_was_read_from_the_cache_counts_for_the_step_and_keeps_its_own_price():
    assert cost(Usage(input_tokens=1, cached_input_tokens=2_000), SHEET) == 5 + 2_000


@pytest.mark.parametrize(
    ("tier", "place", "nanousd"),
    [("", "", 240), ("flex", "", 120), ("priority", "", 480), ("unheard", "", 240), ("priority", "us", 528)],
)
def test_tier_and_place_are_those_that_the_answer_reports(tier: str, place: str, nanousd: int):
    usage = Usage(input_tokens=100, output_tokens=10, service_tier=tier, place=place)
    assert cost(usage, TIERED) == receipt(usage, TIERED).total_nanousd == nanousd


def test_the_service_tier_is_read_from_the_answer():
    raw = (
        b'{"model":"m","choices":[{"message":{"content":"x"}}],"service_tier":"%s",'
        b'"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}'
    )
    dialect = OpenAIToOpenAI(Shape(alias="m", path="chat/completions"))
    for said, noted in ((b"priority", "priority"), (b"default", ""), (b"flex", "flex")):
        usage = dialect.response(raw % said).usage
        assert usage is not None
        assert usage.service_tier == noted
    stream = dialect.stream()
    stream.feed(b'data: {"choices":[{"delta":{"content":"x"}}],"service_tier":"priority"}\n\n')
    stream.feed(b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\n')
    assert stream.usage is not None
    assert stream.usage.service_tier == "priority"


def test_writes_of_two_lifetimes_have_two_prices():
    given = UsageJson(
        prompt_tokens=100,
        completion_tokens=1,
        prompt_tokens_details={"cache_creation_tokens": 60},
        cache_creation={"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 40},
    )
    usage = usage_of(given)
    assert usage is not None
    assert (usage.cache_write_tokens, usage.cache_write_1h_tokens, usage.total_input_tokens) == (20, 40, 100)
    assert (
        cost(usage, PriceSheet(input=M, output=M, cache_write=2 * M, cache_write_1h=3 * M))
        == 40 + 40 + 120 + 1
    )
    assert cost(usage, PriceSheet(input=M, output=M, cache_write=2 * M)) == 40 + 40 + 80 + 1


def test_tools_cost_for_each_call():
    sheet = PriceSheet(input=M, output=M, terms=Terms(tool_calls=(ToolRate("web_search", 10**13),)))
    usage = usage_of(
        UsageJson(
            prompt_tokens=1,
            completion_tokens=1,
            server_tool_use={"web_search_requests": 3, "other_requests": 9},
        )
    )
    assert usage is not None
    assert ToolCount("web_search", 3) in usage.tool_calls
    assert cost(usage, sheet) == receipt(usage, sheet).total_nanousd == 3 * 10**7 + 2
    held = worst_case(Demand(features=("web_search",), output_cap=1), [sheet], None, 1_000)
    assert held.nanousd >= MOST_TOOL_CALLS * 10**7


def test_a_feature_and_a_tier_need_a_price_of_their_own():
    sheet = PriceSheet(
        input=M, output=M, terms=Terms(tiers=(Factor("flex", 500_000),), tool_calls=(ToolRate("x", 1),))
    )
    check_bounded(Demand(tier="flex", features=("x",)), [sheet], 1_000)
    for demand in (Demand(tier="priority"), Demand(features=("y",))):
        with pytest.raises(FeatureUnpriced):
            check_bounded(demand, [sheet], 1_000)
    with pytest.raises(FeatureUnpriced):
        check_bounded(Demand(tier="flex"), [sheet, PriceSheet(input=1, output=1)], 1_000)


@given(
    reads=st.integers(0, 3_000),
    writes=st.integers(0, 500),
    tier=st.sampled_from(["", "flex", "priority"]),
    place=st.sampled_from(["", "us", "eu"]),
    kept=st.booleans(),
)
def test_the_bound_covers_every_step_tier_and_place(
    reads: int, writes: int, tier: str, place: str, *, kept: bool
):
    terms = msgspec.structs.replace(TIERED.terms, above=STEPS.above)
    sheet = msgspec.structs.replace(SHEET, terms=terms, cache_write_1h=7 * M)
    demand = Demand(body_bytes=reads, output_cap=500, tier=tier)
    usage = Usage(
        input_tokens=0 if kept else reads,
        cache_write_1h_tokens=reads if kept else 0,
        output_tokens=writes,
        service_tier=tier,
        place=place,
    )
    bound = worst_case(demand, [sheet])
    assert cost(usage, sheet) <= bound.nanousd
    assert affordable_output(bound.nanousd, demand, None, [sheet]) == 500


def test_a_row_of_the_file_states_them_in_its_own_unit():
    entry = ModelEntry.model_validate(
        {
            "alias": "m",
            "provider": "openai",
            "provider_model": "x",
            "price_input": 0.0025,
            "price_output": 0.01,
            "pricing": {
                "cache_write_1h": 0.005,
                "tool_calls": {"web_search": 0.01},
                "above": [{"prompt_tokens": 272_000, "input": 0.005, "output": 0.015}],
                "tiers": {"flex": 0.5, "priority": 2.0},
                "geography": {"us": 1.1},
            },
        }
    )
    sheet = sheet_of(entry)
    assert sheet is not None
    assert sheet.cache_write_1h == 5 * 10**9
    assert sheet.terms == Terms(
        tool_calls=(ToolRate("web_search", 10**13),),
        above=(Step(prompt_tokens=272_000, input=5 * 10**9, output=15 * 10**9),),
        tiers=(Factor("flex", 500_000), Factor("priority", 2 * M)),
        geography=(Factor("us", int(Decimal("1.1") * M)),),
    )
    kept = msgspec.json.decode(msgspec.json.encode(sheet), type=PriceSheet)
    assert kept == sheet
    assert msgspec.json.decode(msgspec.json.encode(PriceSheet(input=1)), type=PriceSheet) == PriceSheet(
        input=1
    )


@pytest.mark.parametrize("demand", [Demand(unknown=("x",)), Demand(output_cap=0)], ids=["unknown", "no cap"])
def test_how_many_tokens_there_are_matters_where_one_of_any_kind_can_cost_something(demand):
    nothing = PriceSheet(input=0, output=0, request=5)
    check_bounded(demand, [nothing], None)
    for sheet in (
        PriceSheet(input=0, output=0, audio_output=1),
        PriceSheet(input=0, output=0, terms=Terms(above=(Step(prompt_tokens=9, cached_input=1),))),
    ):
        with pytest.raises(Unbounded):
            check_bounded(demand, [nothing, sheet], None)


def test_a_geography_without_a_price_is_refused_where_a_budget_binds():
    priced = PriceSheet(input=1, output=1, terms=Terms(geography=(Factor("us", 1_100_000),)))
    check_bounded(Demand(place="us"), [priced], 1_000)
    check_bounded(Demand(place="us"), [PriceSheet(free=True)], 1_000)
    with pytest.raises(FeatureUnpriced, match="inference_geo eu"):
        check_bounded(Demand(place="eu"), [priced], 1_000)
    with pytest.raises(FeatureUnpriced, match="inference_geo us"):
        check_bounded(Demand(place="us"), [priced, PriceSheet(input=1, output=1)], 1_000)
