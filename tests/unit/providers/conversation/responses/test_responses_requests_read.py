"""A Responses body becomes a conversation: thinking is unsealed, and what has no translation is stated by name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.conversation.content import Document, Image, Text, Thinking, ToolCall, ToolResult
from providers.conversation.parameters import PARAMETERS, UNKNOWN
from providers.conversation.request import Choosing
from providers.conversation.responses.reasoning_items import PURPOSE, sealed
from providers.conversation.responses.request_reader import read
from providers.isolation.ownership import Ownership
from providers.requests.money_classes import Unacceptable

ANNA, BOB = Ownership(b"a" * 32), Ownership(b"b" * 32)


def conversation(ownership=ANNA, **members):
    return read(json.dumps({"model": "m", "input": "hi", **members}).encode(), ownership)


def stated(**members):
    return {each.name: each.member for each in conversation(**members).stated}


def test_items_become_turns():
    found = conversation(
        instructions="Be brief.",
        input=[
            {"role": "developer", "content": "Think."},
            {"role": "user", "content": [{"type": "input_text", "text": "Look."}]},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "x"},
            {"type": "function_call_output", "call_id": "c1", "output": "1"},
            {
                "type": "custom_tool_call_output",
                "call_id": "c2",
                "output": [{"type": "input_text", "text": "2"}],
            },
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Done."}]},
            {"role": "system", "content": "Later."},
            {"role": "user", "content": "Thanks."},
        ],
    )
    assert [part.text for part in found.system] == ["Be brief.", "Think."]
    assert [(turn.role, turn.parts) for turn in found.turns] == [
        ("user", (Text("Look."),)),
        ("assistant", (ToolCall("c1", "f", "{}"), ToolCall("c2", "g", "x", is_custom=True))),
        ("user", (ToolResult("c1", (Text("1"),)), ToolResult("c2", (Text("2"),), is_custom=True))),
        ("assistant", (Text("Done."),)),
        ("system", (Text("Later."),)),
        ("user", (Text("Thanks."),)),
    ]


def test_media_are_read():
    parts = [
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
        {"type": "input_image", "image_url": "https://example.com/a.png"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"},
        {"type": "input_file", "file_url": "https://example.com/a.pdf"},
    ]
    [turn] = conversation(input=[{"role": "user", "content": parts}]).turns
    assert turn.parts == (
        Image(data="AAAA", media_type="image/png"),
        Image(url="https://example.com/a.png"),
        Document(data="JVBERi0=", media_type="application/pdf", name="a.pdf"),
        Document(url="https://example.com/a.pdf"),
    )


def test_tools_choices_and_formats_are_read():
    schema = {"type": "object", "properties": {"b": {}, "a": {}}}
    found = conversation(
        tools=[
            {"type": "function", "name": "f", "parameters": schema, "strict": True},
            {
                "type": "custom",
                "name": "g",
                "format": {"type": "grammar", "syntax": "regex", "definition": "a+"},
            },
        ],
        tool_choice={
            "type": "allowed_tools",
            "mode": "required",
            "tools": [{"type": "function", "name": "f"}],
        },
        text={"format": {"type": "json_schema", "name": "n", "schema": schema}, "verbosity": "low"},
        reasoning={"effort": "low", "summary": "auto"},
    )
    assert json.loads(found.tools[0].schema) == schema
    assert found.tools[1].grammar == "regex\na+"
    assert (found.tool_choice.mode, found.tool_choice.allowed) == (Choosing.REQUIRED, ("f",))
    assert list(json.loads(found.response_format.schema)["properties"]) == ["b", "a"]
    assert (found.reasoning.effort, found.reasoning.wants_text) == ("low", True)


@pytest.mark.parametrize(
    ("members", "name", "member"),
    [
        ({"previous_response_id": "resp_1"}, UNKNOWN, "previous_response_id"),
        ({"conversation": "conv_1"}, UNKNOWN, "conversation"),
        ({"background": True}, UNKNOWN, "background"),
        ({"prompt": {"id": "p"}}, UNKNOWN, "prompt"),
        ({"truncation": "auto"}, UNKNOWN, "truncation"),
        ({"store": True}, "store", "store"),
        ({"tools": [{"type": "web_search"}]}, "hosted_tools", "tools[0].web_search"),
        ({"new_member": 1}, UNKNOWN, "new_member"),
        ({"temperature": 0}, "temperature", "temperature"),
        ({"max_output_tokens": 0}, "max_tokens", "max_output_tokens"),
        ({"include": ["message.output_text.logprobs"]}, "logprobs", "include"),
        ({"moderation": {"model": "m"}}, "moderation", "moderation"),
    ],
)
def test_what_changes_the_answer_is_stated_by_its_own_name(members, name, member):
    found = stated(**members)
    assert found[name] == member
    assert set(found) <= set(PARAMETERS)


@pytest.mark.parametrize(
    "members",
    [
        {
            "temperature": 1,
            "top_p": 1.0,
            "parallel_tool_calls": True,
            "store": False,
            "truncation": "disabled",
        },
        {
            "include": ["reasoning.encrypted_content"],
            "max_tool_calls": 3,
            "stream_options": {"include_obfuscation": True},
        },
        {
            "background": False,
            "previous_response_id": None,
            "metadata": {},
            "tool_choice": "auto",
            "service_tier": "auto",
        },
        {"text": {"format": {"type": "text"}}, "reasoning": {"effort": None}},
    ],
)
def test_defaults_and_hints_are_not_stated(members):
    assert stated(**members) == {}


@given(st.text(), st.text(), st.text(), st.sampled_from(["", "text", "call_1"]), st.integers(1, 2**40))
def test_thinking_returns_as_it_was_to_its_own_tenant_only(text, signature, redacted, place, owner):
    thinking = Thinking(text, signature, redacted, owner, place)
    try:
        content = sealed(thinking, owner, ANNA)
    except UnicodeEncodeError:
        return  # half a surrogate pair is no JSON of a provider
    assert content is not None
    item: dict[str, Any] = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": content}
    found = conversation(input=[item, {"role": "user", "content": "?"}])
    assert found.turns[0].parts == (thinking,)
    assert found.owners == {owner}
    assert len(conversation(BOB, input=[item, {"role": "user", "content": "?"}]).turns) == 1
    item["encrypted_content"] = content[:10] + ("A" if content[10] != "A" else "B") + content[11:]
    assert len(conversation(input=[item, {"role": "user", "content": "?"}]).turns) == 1


def test_what_openai_encrypted_is_known_by_its_mark():
    marked = ANNA.mark("gAAA", 7, PURPOSE)
    item: dict[str, Any] = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": marked}
    assert conversation(input=[item]).turns[0].parts == (Thinking(signature="gAAA", owner=7),)
    assert conversation(BOB, input=[item]).turns == ()
    item["encrypted_content"] = "gAAA"
    assert conversation(input=[item]).turns == ()


@pytest.mark.parametrize(
    "members",
    [
        {"input": 5},
        {"input": [5]},
        {"input": [{"role": "nobody", "content": ""}]},
        {"input": [{"type": "function_call", "name": "f"}]},
        {"input": [{"role": "user", "content": [5]}]},
        {"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
        {"tools": 5},
        {"tools": [{"type": "function"}]},
        {"tool_choice": "sometimes"},
        {"text": {"format": {"type": "xml"}}},
        {"reasoning": {"effort": "gigantic"}},
        {"temperature": "hot"},
        {"max_output_tokens": True},
    ],
)
def test_a_body_that_is_no_request_is_refused_with_the_member(members):
    with pytest.raises(Unacceptable) as refused:
        conversation(**members)
    assert refused.value.param
