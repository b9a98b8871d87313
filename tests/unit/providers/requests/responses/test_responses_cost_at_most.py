"""Every member, item and part of a Responses request is in the table, or bounded by the window, or refused."""

from __future__ import annotations

import json

import pytest

from budgets.admission.worst_case import worst_case
from catalog.pricing.prices import PriceSheet
from gateway.parsing.responses_body import peek_compaction, peek_responses
from providers.requests.money_classes import Unacceptable
from providers.requests.responses.members import MEMBERS

SHEET = PriceSheet(input=10**9, output=2 * 10**9)
WINDOW = 100_000


def parsed(**members):
    return peek_responses(json.dumps({"model": "m", "input": "hi", **members}).encode())


def demand(**members):
    return parsed(**members).demand


def items(*several):
    return demand(input=[{"role": "user", "content": "hi"}, *several])


@pytest.mark.parametrize(
    "members",
    [
        {"background": True},
        {"background_options": {"completion_window": "8h"}},
        {"prompt": {"id": "pmpt_1"}},
        {"models": ["dear"]},
        {"api_base": "http://elsewhere/v1"},
        {"vector_store_ids": ["vs_1"]},
    ],
)
def test_what_only_the_gateway_decides_is_refused(members):
    with pytest.raises(Unacceptable) as refused:
        demand(**members)
    assert refused.value.param in members


@pytest.mark.parametrize(
    "members",
    [
        {"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]},
        {"tools": [{"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["file-1"]}}]},
        {"tools": [{"type": "image_generation", "input_image_mask": {"file_id": "file-1"}}]},
        {"tools": [{"type": "shell", "environment": {"type": "container_reference", "container_id": "c"}}]},
        {"tools": [{"type": "mcp", "connector_id": "connector_gmail"}]},
        {"tools": [{"type": "function", "name": "f", "new": {"file_id": "file-1"}}]},
        {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "file-1"}]}]},
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]}]},
        {
            "input": [
                {
                    "type": "function_call_output",
                    "call_id": "c",
                    "output": [{"type": "input_file", "file_id": "f"}],
                }
            ]
        },
        {"input": [{"type": "function_call_output", "call_id": "c", "output": "", "file_ids": ["f"]}]},
        {"new_member": {"file_id": "file-1"}},
    ],
)
def test_objects_of_the_shared_account_are_refused(members):
    with pytest.raises(Unacceptable, match="whose owner"):
        demand(**members)


def test_plain_requests_are_bounded_by_their_bytes():
    found = demand(instructions="Be brief.", metadata={"a": "b"}, reasoning={"effort": "low"}, store=False)
    assert not found.needs_window
    assert (found.against_cap, found.keeps, found.output_cap) == ((), "", None)
    assert found.body_bytes >= len("Be brief.hi")
    assert worst_case(found, [SHEET], 1000, WINDOW).input.tokens < 300


@pytest.mark.parametrize(
    "members",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"input": [{"type": "item_reference", "id": "msg_1"}]},
        {"input": [{"type": "reasoning", "id": "rs_1", "summary": []}]},
        {"input": [{"type": "reasoning", "id": "rs_1", "encrypted_content": ""}]},
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_url": "https://x"}]}]},
        {"input": [{"type": "telepathy"}]},
        {"input": [{"role": "user", "content": [{"type": "hologram"}]}]},
        {"input": [5]},
        {"new_member": 1},
        {"tools": 5},
        {"tools": [{"type": "function", "name": "f", "telepathy": True}]},
    ],
)
def test_what_is_not_in_the_request_or_not_known_is_bounded_by_the_window(members):
    found = demand(**members)
    assert found.needs_window
    assert worst_case(found, [SHEET], 1000, WINDOW).input.tokens == WINDOW


@pytest.mark.parametrize(
    ("tool", "feature"),
    [
        ({"type": "web_search"}, "web_search"),
        ({"type": "web_search_preview_2025_03_11"}, "web_search"),
        ({"type": "code_interpreter", "container": {"type": "auto"}}, "code_interpreter"),
        ({"type": "image_generation"}, "image_generation"),
        ({"type": "shell", "environment": {"type": "container_auto"}}, "shell"),
        ({"type": "tool_search"}, "tool_search"),
        ({"type": "mcp", "server_label": "x", "server_url": "https://x"}, "mcp"),
        ({"type": "telepathy"}, "telepathy"),
        ({"type": "namespace", "name": "n", "tools": [{"type": "web_search"}]}, "web_search"),
    ],
)
def test_hosted_tools_are_features_and_read_the_prompt_again(tool, feature):
    found = demand(tools=[tool])
    assert found.features == (feature,)
    assert worst_case(found, [SHEET], 1000, WINDOW).input.tokens == 11 * WINDOW
    assert demand(tools=[tool], max_tool_calls=2).inputs == 3
    assert demand(tools=[tool], max_tool_calls=50).against_cap == ("max_tool_calls",)
    assert demand(tool_choice={"type": feature}).features or feature == "shell"  # it chooses among the tools
    assert items({"type": "additional_tools", "role": "developer", "tools": [tool]}).features == (feature,)


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "function", "name": "f", "parameters": {"properties": {"file_id": {"type": "string"}}}},
        {"type": "custom", "name": "g", "format": {"type": "text"}},
        {"type": "local_shell"},
        {"type": "apply_patch"},
        {"type": "shell"},
        {"type": "tool_search", "execution": "client"},
        {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "f"}]},
    ],
)
def test_tools_that_the_client_runs_cost_nothing_extra(tool):
    found = demand(tools=[tool])
    assert (found.features, found.unknown, found.tools) == ((), (), True)


@pytest.mark.parametrize(
    "name", ["max_tokens", "max_completion_tokens", "n", "context_management", "num_predict", "extra_body"]
)
def test_members_that_could_exceed_the_cap_are_known(name):
    assert demand(**{name: 5}).against_cap == (name,)


def test_a_trigger_of_a_compaction_and_a_cap_inside_are_against_the_cap():
    assert items({"type": "compaction_trigger"}).against_cap
    assert demand(reasoning={"max_tokens": 5}).against_cap == ("reasoning.max_tokens",)


def test_the_cap_is_that_of_responses():
    found = parsed(max_output_tokens=70)
    assert (found.demand.output_cap, found.shape.stated_cap, found.shape.cap_names) == (
        70,
        70,
        ("max_output_tokens",),
    )
    assert demand(max_output_tokens=0).output_cap == 0


@pytest.mark.parametrize(
    ("members", "keeps"),
    [
        ({}, "store"),  # OpenAI's default
        ({"store": True}, "store"),
        ({"store": None}, "store"),
        ({"store": False}, ""),
        ({"store": False, "previous_response_id": "resp_1"}, "previous_response_id"),
    ],
)
def test_what_the_provider_keeps_is_known(members, keeps):
    assert demand(**members).keeps == keeps


def test_a_compaction_may_write_as_much_as_the_window():
    found = peek_compaction(b'{"model":"m","input":"hi"}')
    assert worst_case(found.demand, [SHEET], 1000, WINDOW).output.tokens == WINDOW
    assert found.shape.path == "responses/compact"


def test_pictures_are_measured():
    png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    part = {"type": "input_image", "image_url": f"data:image/png;base64,{png}"}
    found = items({"role": "user", "content": [part]})
    assert (len(found.pictures), found.modalities, found.needs_window) == (1, ("image",), False)


def test_another_spelling_and_duplicates_are_refused():
    with pytest.raises(Unacceptable):
        demand(MaxOutputTokens=5)
    for raw in (
        b'{"model":"m","input":[{"role":"user","role":"user","content":"x"}]}',
        b'{"model":"m","input":[{"role":"user","content":[{"type":"input_text","type":"x"}]}]}',
        b'{"model":"m","input":"x","tools":[{"type":"function","type":"web_search"}]}',
    ):
        with pytest.raises(Unacceptable):
            peek_responses(raw)


def test_every_member_of_the_sdk_is_in_the_table():
    from openai.types.responses.response_create_params import ResponseCreateParamsBase  # noqa: PLC0415 - slow

    assert set(ResponseCreateParamsBase.__annotations__) <= set(MEMBERS) | {"context_management"}
