from __future__ import annotations

from typing import Any

import pytest

from tests.support.vendors.simulated import ask, error_in, refused, sse, streamed, whole

PATH = "/v1/chat/completions"
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
LONG = "A rule that must be kept. " * 300


def said(text, **more):
    return {"model": "demo", "messages": [{"role": "user", "content": text}], **more}


def chunks(body):
    return sse(streamed(ask(PATH, {**body, "stream": True, "stream_options": {"include_usage": True}})))


@pytest.mark.parametrize("text", ["Hello", "[parallel tools with text] weather", "[refuse]", "[think] Hello"])
def test_a_stream_folds_into_the_document(text):
    events, document = chunks(said(text, tools=[TOOL])), whole(ask(PATH, said(text, tools=[TOOL])))
    message = document["choices"][0]["message"]
    calls: dict[int, Any] = {}
    assert events.pop() == "[DONE]"
    assert events[-1]["usage"] == document["usage"]
    texts = {"content": "", "refusal": "", "reasoning_content": ""}
    for event in events[:-1]:
        delta = event["choices"][0]["delta"]
        for name in texts:
            texts[name] += delta.get(name) or ""
        for call in delta.get("tool_calls", []):
            known = calls.setdefault(
                call["index"], {**call, "function": {**call["function"], "arguments": ""}}
            )
            known["function"]["arguments"] += call["function"]["arguments"]
    assert texts == {name: message.get(name) or "" for name in texts}
    assert [{**call, "index": None} for call in calls.values()] == [
        {**call, "index": None} for call in message.get("tool_calls", [])
    ]
    assert events[-2]["choices"][0]["finish_reason"] == document["choices"][0]["finish_reason"]


def test_calls_of_one_turn_can_be_forbidden_to_be_several():
    body = said("[parallel tools] weather", tools=[TOOL])
    assert len(whole(ask(PATH, body))["choices"][0]["message"]["tool_calls"]) == 2
    one = whole(ask(PATH, {**body, "parallel_tool_calls": False}))
    assert len(one["choices"][0]["message"]["tool_calls"]) == 1


def test_results_must_answer_the_calls_before_them():
    body = said("[tools] weather", tools=[TOOL])
    message = whole(ask(PATH, body))["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "21 degrees"}
    turns = [*body["messages"], message]
    done = whole(ask(PATH, {**body, "messages": [*turns, result]}))
    assert "21 degrees" in done["choices"][0]["message"]["content"]
    assert "must be followed" in refused(ask(PATH, {**body, "messages": turns}))
    assert "must be a response" in refused(ask(PATH, {**body, "messages": [*turns, result, result]}))


def test_prefixes_are_cached_without_a_mark():
    def used(text):
        system = {"role": "system", "content": f"chat {LONG}"}
        return whole(ask(PATH, {**said(text), "messages": [system, *said(text)["messages"]]}))["usage"]

    first, second = used("one"), used("two")
    assert first["prompt_tokens_details"]["cached_tokens"] == 0
    assert 1024 <= second["prompt_tokens_details"]["cached_tokens"] < second["prompt_tokens"]


def test_a_cache_key_has_a_cache_of_its_own():
    def read(key):
        body = {**said(f"keys {LONG}"), "prompt_cache_key": key}
        return whole(ask(PATH, body))["usage"]["prompt_tokens_details"]["cached_tokens"]

    assert [read("a"), read("b")] == [0, 0]
    assert read("a") > 1024


def test_thinking_is_counted_and_hidden_by_openais_models():
    shown = whole(ask(PATH, said("[think] Hello")))
    hidden = whole(ask(PATH, {**said("[think] Hello"), "model": "gpt-5.6"}))
    assert shown["choices"][0]["message"]["reasoning_content"]
    assert "reasoning_content" not in hidden["choices"][0]["message"]
    assert hidden["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_tokens": 10}, "max_completion_tokens"),
        ({"temperature": 0.5}, "'temperature' is not supported"),
        ({"tools": [TOOL]}, "/v1/responses"),
    ],
)
def test_reasoning_models_refuse_what_openais_do(change, message):
    body = {**said("Hi"), "model": "gpt-5.6", **change}
    assert message in refused(ask(PATH, body))
    assert "max_tokens" in change or ask(PATH, {**body, "reasoning_effort": "none"}).status == 200


def test_errors_come_before_and_in_the_stream_where_the_prompt_asks_for_them():
    assert refused(ask(PATH, said("[error 503]")), 503)
    assert chunks(said("[error in stream]"))[-1]["error"]["type"] == "server_error"
    assert "[DONE]" not in chunks(said("[cut]"))
    assert error_in(ask(PATH, said("[cut]")))
