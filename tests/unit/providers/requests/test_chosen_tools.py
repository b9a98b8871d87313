"""K1: a tool that the provider runs needs its price, whichever member names it."""

from __future__ import annotations

import json

import pytest

from budgets.admission.unbounded_requests import FeatureUnpriced, check_bounded
from catalog.pricing.prices import PriceSheet
from gateway.parsing.schemas import peek_chat
from providers.requests.money_classes import Unacceptable

SHEET = PriceSheet(input=10**9, output=2 * 10**9)
OWN = [{"type": "function", "function": {"name": "code_runner"}}, {"type": "custom", "custom": {"name": "g"}}]
ALLOWED = {"type": "allowed_tools", "mode": "auto"}


def demand(**members):
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **members}
    return peek_chat(json.dumps(body).encode()).demand


@pytest.mark.parametrize(
    ("members", "feature"),
    [
        ({"functions": [{"type": "web_search"}]}, "web_search"),
        ({"functions": [{"name": "f"}, {"type": "code_interpreter"}]}, "code_interpreter"),
        ({"functions": [{"google_search": {}}]}, "google_search"),
        ({"tools": OWN, "functions": [{"type": "web_search_preview"}]}, "web_search"),
        ({"tool_choice": {"type": "web_search_preview"}}, "web_search"),
        ({"tool_choice": {"type": "mcp", "server_label": "x"}, "tools": OWN}, "mcp"),
        ({"tool_choice": {"type": "image_generation"}, "max_tokens": 9}, "image_generation"),
        ({"tool_choice": {"url_context": {}}}, "url_context"),
        ({"tool_choice": "web_search_preview", "tools": OWN}, "web_search"),
        ({"tool_choice": "code_interpreter", "tools": OWN}, "code_interpreter"),
        ({"tool_choice": ALLOWED | {"allowed_tools": {"tools": [*OWN, {"type": "web_search"}]}}}, "web_search"),
        ({"tool_choice": ALLOWED | {"tools": [{"type": "code_interpreter"}]}}, "code_interpreter"),
        ({"function_call": {"type": "web_search"}, "functions": [{"name": "f"}]}, "web_search"),
    ],
)  # fmt: skip
def test_a_tool_of_the_providers_is_a_feature_wherever_it_is_asked_for(members, feature):
    assert demand(**members).features == (feature,)
    with pytest.raises(FeatureUnpriced):
        check_bounded(demand(**members), [SHEET], 100_000)


@pytest.mark.parametrize(
    "members",
    [
        {"functions": [{"name": "f", "description": "d", "parameters": {"type": "object"}}]},
        {"functions": [{"name": "f"}], "function_call": {"name": "f"}},
        {"tools": OWN, "tool_choice": {"type": "function", "function": {"name": "code_runner"}}},
        {"tools": OWN, "tool_choice": {"type": "custom", "custom": {"name": "g"}}},
        {"tools": OWN, "tool_choice": {"type": "tool", "name": "g", "disable_parallel_tool_use": True}},
        {"tools": OWN, "tool_choice": {"type": "auto"}},
        {"tools": OWN, "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": OWN}}},
        {"tools": OWN, "tool_choice": "code_runner"},  # as Text Generation Inference takes it
        *[{"tools": OWN, "tool_choice": choice} for choice in ("auto", "none", "required", "any", None)],
    ],
)  # fmt: skip
def test_a_choice_among_the_clients_own_is_none(members):
    found = demand(**members)
    assert (found.features, found.unknown, found.needs_window) == ((), (), False)


@pytest.mark.parametrize(
    "choice", [7, [{"type": "web_search"}], {"type": "auto", "web_search": {"deep": True}}]
)
def test_an_unknown_tool_choice_is_bounded_by_the_window(choice):
    assert demand(tool_choice=choice).needs_window


@pytest.mark.parametrize("member", ["functions", "tools", "tool_choice"])
def test_none_of_them_names_an_object_of_the_shared_account(member):
    tool = {"type": "file_search", "vector_store_ids": ["vs_1"]}
    with pytest.raises(Unacceptable, match="whose owner") as refused:
        demand(**{member: tool if member == "tool_choice" else [tool]})
    assert refused.value.param == member


def test_a_long_name_in_a_function_is_no_fault_of_ours():
    """It was answered 500."""
    assert demand(tools=[{"type": "function", "function": {"name": "f"}, "x" * 65: 1}]).needs_window
