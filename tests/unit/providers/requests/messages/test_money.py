"""Every member of a Messages body is bounded, priced, or refused."""

from __future__ import annotations

import pytest

from budgets.admission.unbounded_requests import (
    AgainstCap,
    FeatureUnpriced,
    check_bounded,
    check_cap,
)
from budgets.admission.worst_case import worst_case
from gateway.http.exceptions import BadRequest
from gateway.parsing.messages import peek_messages
from providers.requests.messages import table
from providers.requests.money_classes import Money, Unacceptable
from tests.unit.providers.requests.messages.demands import (
    SHEET,
    demand,
    raw,
)


def test_a_plain_body_is_its_bytes():
    found = demand(system="Be kind")
    assert found.body_bytes == len(raw(system="Be kind"))
    assert found.output_cap == 9
    assert not found.needs_window
    assert not found.against_cap


def test_the_cap_is_required():
    with pytest.raises(BadRequest) as refusal:
        peek_messages(b'{"model":"m","messages":[{"role":"user","content":"hi"}]}')
    assert (refusal.value.param, refusal.value.code) == ("max_tokens", "missing_required_parameter")


def test_a_cap_of_nothing_is_a_cap():
    assert demand(max_tokens=0).output_cap == 0


@pytest.mark.parametrize("cap", [-1, 1.5, "9", 2**31])
def test_a_cap_is_a_number(cap):
    with pytest.raises(BadRequest):
        demand(max_tokens=cap)


@pytest.mark.parametrize(
    "members",
    [
        {"fallbacks": [{"model": "dear"}]},
        {"container": "container_of_another_tenant"},
        {"container": {"skills": [{"type": "custom", "skill_id": "s"}]}},
        {"thread": {"id": "t"}},
        {"workspace_id": "w"},
        {"user_profile_id": "p"},
        {"diagnostics": {"previous_message_id": "msg_1"}},
        {"billing_policy": {"type": "x"}},
        {"api_base": "http://elsewhere"},
        {"some_new_member": {"file_id": "f"}},
    ],
)
def test_where_a_call_goes_and_whose_objects_it_reads_only_the_gateway_decides(members):
    with pytest.raises(Unacceptable) as refusal:
        demand(**members)
    assert refusal.value.param in members


@pytest.mark.parametrize(
    ("kind", "feature"),
    [
        ("web_search_20250305", "web_search"),
        ("web_fetch_20260318", "web_fetch"),
        ("code_execution_20250825", "code_execution"),
        ("brand_new_tool", "brand_new_tool"),
    ],
)
def test_a_tool_that_the_provider_runs_needs_a_price(kind, feature):
    found = demand(tools=[{"type": kind, "name": "x"}])
    assert found.features == (feature,)
    assert found.inputs == table.SERVER_TURNS
    with pytest.raises(FeatureUnpriced):
        check_bounded(found, [SHEET], 100_000)


def test_each_turn_of_such_a_tool_may_read_the_window_again():
    found = demand(tools=[{"type": "web_search_20250305", "name": "x"}])
    assert worst_case(found, [SHEET], 9, 1_000).input.tokens == 1_000 * table.SERVER_TURNS


def test_more_searches_hold_more():
    found = demand(tools=[{"type": "web_search_20250305", "name": "x", "max_uses": 25}])
    assert found.features == ("web_search",) * 3


@pytest.mark.parametrize("kind", ["bash_20250124", "text_editor_20250728", "computer_20250124"])
def test_a_tool_of_unknown_length_is_bounded_by_the_window(kind):
    found = demand(tools=[{"type": kind, "name": "x"}])
    assert found.references == ("tools[0]",)
    assert not found.features


def test_servers_of_tools_are_bounded_by_windows():
    found = demand(mcp_servers=[{"type": "url", "url": "https://x", "name": "x"}])
    assert found.references == ("mcp_servers",)
    assert found.inputs == table.SERVER_TURNS


def test_own_tools_are_text():
    tool = {"name": "f", "description": "d", "input_schema": {"type": "object"}, "strict": True}
    found = demand(tools=[tool], tool_choice={"type": "tool", "name": "f"})
    assert found.tools
    assert found.growth > 0
    assert not found.needs_window


@pytest.mark.parametrize(
    "members",
    [
        {"compaction": {"type": "auto"}},
        {"context_management": {"edits": [{"type": "compact_20260112"}]}},
        {"num_return_sequences": 2},
        {"max_completion_tokens": 999},
        {"n": 2},
        {"odd": {"max_tokens": 999}},
    ],
)
def test_what_could_exceed_the_cap_is_refused_where_a_limit_needs_it(members):
    with pytest.raises(AgainstCap):
        check_cap(demand(**members))


@pytest.mark.parametrize(
    "members",
    [
        {"context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}},
        {"thinking": {"type": "enabled", "budget_tokens": 4000}},
        {"thinking": {"type": "adaptive", "display": "omitted"}},
        {"output_config": {"effort": "high"}},
        {"metadata": {"user_id": "u"}},
        {"service_tier": "standard_only"},
        {"speed": "standard"},
        {"diagnostics": {"previous_message_id": None}},
    ],
)
def test_what_costs_nothing_of_its_own(members):
    found = demand(**members)
    assert not found.needs_window
    assert not found.against_cap
    assert not found.tier


@pytest.mark.parametrize(("stated", "place"), [("us", "us"), ("global", ""), (None, ""), ("", "")])
def test_a_geography_is_what_the_price_may_depend_on(stated, place):
    assert demand(inference_geo=stated).place == place


def test_a_geography_is_a_string():
    with pytest.raises(Unacceptable):
        demand(inference_geo={"a": 1})


def test_fast_mode_needs_a_price():
    assert demand(speed="fast").features == ("speed",)


@pytest.mark.parametrize("members", [{"odd": 1}, {"output_config": {"odd": 1}}])
def test_an_unknown_member_is_bounded_by_the_window(members):
    assert demand(**members).unknown


@pytest.mark.parametrize("name", ["maxTokens", "MAX_TOKENS", "mcpServers"])
def test_another_spelling_is_refused(name):
    with pytest.raises(Unacceptable, match="spell it"):
        demand(**{name: 5})


def test_a_duplicate_at_the_top_is_sent_once():
    parsed = peek_messages(raw()[:-1] + b',"max_tokens":5}')
    assert parsed.demand.output_cap == 5
    assert not parsed.shape.exact


def test_the_cap_bounds_the_output():
    assert worst_case(demand(), [SHEET], 100, 1_000).output.tokens == 9


def test_a_name_of_a_user_is_sticky():
    names = peek_messages(raw(metadata={"user_id": "u"})).names
    assert names is not None
    assert names.user == "u"


def test_every_row_has_a_class():
    assert {row.money for row in table.MEMBERS.values()} <= set(Money)
