"""A play is played in every API: one turn after the other, by the results of tools so far."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.simulator.core import play
from providers.simulator.core.errors import SimulatorError
from tests.support.vendors.simulated import ask, refused, whole

SCHEMA = {"type": "object", "properties": {"to": {"type": "string"}}}
STEPS = [
    {"tool": "send", "input": {"to": "[long] Anna"}},
    [{"tool": "send", "input": {"to": "Bob"}}, {"tool": "send"}],
    {"text": "Sent."},
]
PROMPT = f"Please [play: {json.dumps(STEPS)}] now"
PLAYED = [[{"to": "[long] Anna"}], [{"to": "Bob"}, {}], "Sent."]
PLAY = f"[play: {json.dumps(STEPS)}]"


def of_messages():
    turns: list[dict[str, Any]] = [{"role": "user", "content": PROMPT}]
    tools = [{"name": "send", "input_schema": SCHEMA}]
    while True:
        body = {"model": "claude-sonnet-4-5", "max_tokens": 500, "messages": turns, "tools": tools}
        content = whole(ask("/v1/messages", body))["content"]
        calls = [block for block in content if block["type"] == "tool_use"]
        yield [call["input"] for call in calls] or content[0]["text"]
        results = [{"type": "tool_result", "tool_use_id": call["id"], "content": "ok"} for call in calls]
        turns += [
            {"role": "assistant", "content": content},
            {"role": "user", "content": [*results, {"type": "text", "text": "A reminder."}]},
        ]


def of_chat():
    turns = [{"role": "user", "content": PROMPT}]
    tools = [{"type": "function", "function": {"name": "send", "parameters": SCHEMA}}]
    while True:
        answer = whole(ask("/v1/chat/completions", {"model": "demo", "messages": turns, "tools": tools}))
        message = answer["choices"][0]["message"]
        calls = message.get("tool_calls") or []
        yield [json.loads(call["function"]["arguments"]) for call in calls] or message["content"]
        turns += [message, *[{"role": "tool", "tool_call_id": call["id"], "content": "ok"} for call in calls]]


def of_responses():
    items = [{"role": "user", "content": "Rules."}, {"role": "user", "content": PROMPT}]
    tools = [{"type": "function", "name": "send", "parameters": SCHEMA}]
    while True:
        answer = whole(ask("/v1/responses", {"model": "gpt-4.1", "input": items, "tools": tools}))
        calls = [item for item in answer["output"] if item["type"] == "function_call"]
        yield (
            [json.loads(call["arguments"]) for call in calls] or answer["output"][-1]["content"][0]["text"]
        )
        items += answer["output"]
        items += [
            {"type": "function_call_output", "call_id": call["call_id"], "output": "ok"} for call in calls
        ]


def of_converse():
    turns = [{"role": "user", "content": [{"text": PROMPT}]}]
    tools = {"tools": [{"toolSpec": {"name": "send", "inputSchema": {"json": SCHEMA}}}]}
    while True:
        model = "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0"
        body = {"messages": turns, "toolConfig": tools, "inferenceConfig": {"maxTokens": 500}}
        message = whole(ask(f"/model/{model}/converse", body))["output"]["message"]
        calls = [block["toolUse"] for block in message["content"] if "toolUse" in block]
        yield [call["input"] for call in calls] or message["content"][0]["text"]
        results = [
            {"toolResult": {"toolUseId": call["toolUseId"], "content": [{"text": "ok"}]}} for call in calls
        ]
        turns += [message, {"role": "user", "content": results}]


def of_gemini():
    turns = [{"role": "user", "parts": [{"text": PROMPT}]}]
    tools = [{"functionDeclarations": [{"name": "send", "parametersJsonSchema": SCHEMA}]}]
    while True:
        body = {"contents": turns, "tools": tools}
        content = whole(ask("/v1beta/models/gemini-2.0-flash:generateContent", body))["candidates"][0][
            "content"
        ]
        calls = [part["functionCall"] for part in content["parts"] if "functionCall" in part]
        yield [call["args"] for call in calls] or content["parts"][0]["text"]
        results = [
            {"functionResponse": {"name": call["name"], "response": {"output": "ok"}}} for call in calls
        ]
        turns += [content, {"role": "user", "parts": results}]


@pytest.mark.parametrize("api", [of_messages, of_chat, of_responses, of_converse, of_gemini])
def test_each_turn_is_the_next_step(api):
    assert [turn for _, turn in zip(PLAYED, api(), strict=False)] == PLAYED


def test_behind_its_end_there_is_a_usual_reply():
    assert play.step([PLAY], 3) == play.Step(text="Sent.")
    assert play.step(['[play: [{"tool": "send"}]]'], 1) is None
    assert play.step(["no play"], 0) is None


def test_the_input_of_a_custom_tool_is_a_text():
    tools = [{"type": "custom", "name": "patch"}]

    def made(given):
        prompt = f"[play: {json.dumps([{'tool': 'patch', 'input': given}])}]"
        return ask("/v1/responses", {"model": "gpt-4.1", "input": prompt, "tools": tools})

    [item] = whole(made("a\nb"))["output"]
    assert (item["type"], item["input"]) == ("custom_tool_call", "a\nb")
    assert "is a text" in refused(made({}))


def test_a_call_without_tools_is_a_usual_one():
    body = {"model": "demo", "messages": [{"role": "user", "content": PROMPT}]}
    assert "Please" in whole(ask("/v1/chat/completions", body))["choices"][0]["message"]["content"]


def test_a_tool_that_is_not_offered_is_refused_by_name():
    tools = [{"type": "function", "function": {"name": "other"}}]
    body = {"model": "demo", "messages": [{"role": "user", "content": PROMPT}], "tools": tools}
    assert refused(ask("/v1/chat/completions", body)) == "The play calls 'send', but the tools are other."


@pytest.mark.parametrize(
    "text", ["[play: ]", "[play: {}]", '[play: [{"tool": 1}]]', "[play: [] x", "[play: " + "[" * 9999]
)
def test_what_is_no_play_is_refused(text):
    with pytest.raises(SimulatorError, match="Invalid play"):
        play.step([text], 0)
