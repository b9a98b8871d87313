from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from tests.support.vendors.simulated import ask, error_in, refused, sse, streamed, whole

PATH = "/v1/messages"
TOOL = {
    "name": "get_weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
OLD, NEW, PRESERVED = "claude-sonnet-4-5", "claude-opus-4-8", "claude-opus-5-5"
LONG = "A rule that must be kept. " * 300


def said(text, **more):
    return {"model": OLD, "max_tokens": 500, "messages": [{"role": "user", "content": text}], **more}


def folded(events):
    """Return the message that the events build up, as Anthropic's SDKs do."""
    message: dict[str, Any] = {}
    pieces: dict[int, str] = {}
    for event in events:
        kind = event["type"]
        if kind == "message_start":
            message = event["message"]
        elif kind == "content_block_start":
            message["content"].append(event["content_block"])
        elif kind == "content_block_delta":
            block, delta = message["content"][event["index"]], event["delta"]
            name = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}.get(
                delta["type"]
            )
            if name is None:
                pieces[event["index"]] = pieces.get(event["index"], "") + delta["partial_json"]
            else:
                block[name] += delta[name]
        elif kind == "message_delta":
            message |= event["delta"]
            message["usage"] |= event["usage"]
    for index, text in pieces.items():
        message["content"][index]["input"] = json.loads(text or "{}")
    assert [event["type"] for event in events][-1] == "message_stop"
    return message


def turn_after(body, answer, **more):
    """Return the request that follows an answer with tool calls."""
    results = [
        {"type": "tool_result", "tool_use_id": block["id"], "content": "21 degrees"}
        for block in answer["content"]
        if block["type"] == "tool_use"
    ]
    turns = [{"role": "assistant", "content": answer["content"]}, {"role": "user", "content": results}]
    return {**body, "messages": [*body["messages"], *turns], **more}


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("Hello", {}),
        ("[parallel tools with text] weather in Paris", {"tools": [TOOL]}),
        ("[think] Hello", {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4096}),
        ("[refuse]", {}),
        ("[long]", {}),
        ("Hello", {"stop_sequences": ["."]}),
    ],
)
def test_a_stream_folds_into_the_document(text, more):
    body = said(text, **more)
    assert folded(sse(streamed(ask(PATH, {**body, "stream": True})))) == whole(ask(PATH, body))


def test_parallel_calls_are_made_where_the_prompt_asks_for_them_and_then_answered_in_text():
    body = said("[parallel tools] weather in Paris", tools=[TOOL])
    asked = whole(ask(PATH, body))
    calls = [block for block in asked["content"] if block["type"] == "tool_use"]
    assert [call["name"] for call in calls] == ["get_weather"] * 2
    assert asked["stop_reason"] == "tool_use"
    done = whole(ask(PATH, turn_after(body, asked)))
    assert done["stop_reason"] == "end_turn"
    assert "21 degrees" in done["content"][0]["text"]


def test_calls_are_repeated_for_as_many_rounds_as_the_prompt_names():
    body, reasons = said("[tools 3] weather", tools=[TOOL]), []
    for _ in range(4):
        answer = whole(ask(PATH, body))
        reasons.append(answer["stop_reason"])
        body = turn_after(body, answer)
    assert reasons == ["tool_use"] * 3 + ["end_turn"]


def test_a_refusal_has_no_content_and_says_why():
    answer = whole(ask(PATH, said("[refuse] please")))
    assert (answer["stop_reason"], answer["content"]) == ("refusal", [])
    assert answer["stop_details"]["explanation"]


def test_a_cap_cuts_the_message_to_exactly_its_tokens():
    answer = whole(ask(PATH, said("Hello", max_tokens=5)))
    assert (answer["stop_reason"], answer["usage"]["output_tokens"]) == ("max_tokens", 5)


def test_output_follows_a_schema():
    shape = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    answer = whole(ask(PATH, said("Hi", output_config={"format": {"type": "json_schema", "schema": shape}})))
    assert isinstance(json.loads(answer["content"][0]["text"])["n"], int)


def test_a_marked_prefix_is_written_once_and_then_read():
    system = [{"type": "text", "text": f"writes once {LONG}", "cache_control": {"type": "ephemeral"}}]
    first = whole(ask(PATH, said("one", system=system)))["usage"]
    second = whole(ask(PATH, said("two", system=system)))["usage"]
    assert first["cache_creation_input_tokens"] == second["cache_read_input_tokens"] > 1024
    assert first["cache_read_input_tokens"] == second["cache_creation_input_tokens"] == 0
    assert first["input_tokens"] == second["input_tokens"]


def test_writes_are_split_by_how_long_they_are_kept():
    system = [
        {"type": "text", "text": f"for an hour {LONG}", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"type": "text", "text": f"for minutes {LONG}", "cache_control": {"type": "ephemeral"}},
    ]
    split = whole(ask(PATH, said("one", system=system)))["usage"]["cache_creation"]
    assert split["ephemeral_1h_input_tokens"] > 1024
    assert split["ephemeral_5m_input_tokens"] > 1024


def test_caches_belong_to_an_account_and_short_prefixes_are_not_cached():
    system = [{"type": "text", "text": f"of an account {LONG}", "cache_control": {"type": "ephemeral"}}]
    whole(ask(PATH, said("one", system=system)))
    other = whole(ask(PATH, said("one", system=system), account="two"))["usage"]
    short = [{"type": "text", "text": "Short.", "cache_control": {"type": "ephemeral"}}]
    few = whole(ask(PATH, said("one", system=short)))["usage"]
    assert other["cache_read_input_tokens"] == few["cache_creation_input_tokens"] == 0


def test_a_count_of_tokens_is_what_the_call_uses():
    body = said("How many?", tools=[TOOL], system="Be brief.")
    counted = whole(ask(f"{PATH}/count_tokens", {name: body[name] for name in body if name != "max_tokens"}))
    assert counted["input_tokens"] == whole(ask(PATH, body))["usage"]["input_tokens"]


def thoughtful(model, text="[redact][tools] weather"):
    body = said(text, model=model, tools=[TOOL], max_tokens=4096)
    if model == OLD:
        body["thinking"] = {"type": "enabled", "budget_tokens": 1024}
    elif model == NEW:
        body["thinking"] = {"type": "adaptive"}
    return body, whole(ask(PATH, body))


@pytest.mark.parametrize("model", [OLD, NEW, PRESERVED])
def test_thinking_may_come_back_as_it_was(model):
    body, answer = thoughtful(model)
    assert [block["type"] for block in answer["content"]] == ["redacted_thinking", "thinking", "tool_use"]
    assert bool(answer["content"][1]["thinking"]) == (model == OLD)  # newer models omit the text
    done = ask(PATH, turn_after(body, answer))
    assert done.bill is not None
    assert (done.status, done.bill.notes) == (200, ())


@pytest.mark.parametrize("model", [OLD, PRESERVED])
def test_thinking_that_is_altered_or_moved_is_refused(model):
    body, answer = thoughtful(model)
    altered, swapped = copy.deepcopy(answer), copy.deepcopy(answer)
    altered["content"][1]["thinking"] += "!"
    swapped["content"][:2] = swapped["content"][1::-1]
    assert "Invalid `signature`" in refused(ask(PATH, turn_after(body, altered)))
    assert "thinking" in refused(ask(PATH, turn_after(body, swapped)))


def test_a_changed_prefix_is_refused_by_models_that_preserve_thinking_only():
    for model in (NEW, PRESERVED):
        body, answer = thoughtful(model)
        response = ask(PATH, turn_after(body, answer, system="Another one."))
        if model == NEW:
            whole(response)
        else:
            assert "bound to a different conversation" in refused(response)


def test_marks_of_the_cache_may_move_where_thinking_is_preserved():
    body, answer = thoughtful(PRESERVED)
    after = turn_after(body, answer)
    after["messages"][-1]["content"][-1]["cache_control"] = {"type": "ephemeral"}
    assert ask(PATH, after).status == 200


def test_thinking_of_another_account_or_model_is_dropped_and_noted():
    body, answer = thoughtful(OLD)
    after = turn_after(body, answer, thinking={"type": "disabled"})
    for response in (ask(PATH, after, account="two"), ask(PATH, {**after, "model": "claude-opus-4-5"})):
        assert response.bill is not None
        assert [note.split(" at ")[0] for note in response.bill.notes] == ["dropped foreign thinking"] * 2


CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "get_weather", "input": {}}]}
RESULT = {"type": "tool_result", "tool_use_id": "a", "content": "x"}
HI = {"role": "user", "content": "Hi"}
OPEN = {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"max_tokens": 10**6}, "maximum allowed"),
        ({"messages": [{"role": "assistant", "content": "Hi"}]}, "first message"),
        ({"messages": [{"role": "user", "content": ""}]}, "non-empty"),
        ({"messages": [HI, {"role": "assistant", "content": "So "}]}, "trailing whitespace"),
        ({"messages": [HI, {"role": "system", "content": "Now"}, HI]}, "Unexpected role"),
        ({"messages": [HI, CALL, HI], "tools": [TOOL]}, "without `tool_result`"),
        ({"messages": [{"role": "user", "content": [RESULT]}], "tools": [TOOL]}, "unexpected `tool_use_id`"),
        ({"messages": [HI, CALL, {"role": "user", "content": [RESULT]}]}, "must define tools"),
        (
            {
                "messages": [HI, CALL, {"role": "user", "content": [{"type": "text", "text": "a"}, RESULT]}],
                "tools": [TOOL],
            },
            "must come first",
        ),
        ({"nonsense": 1}, "nonsense: Extra inputs are not permitted"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "x": 1}]}]},
            "content.0.x: Extra",
        ),
        ({"context_management": {}}, "context_management: Extra inputs are not permitted"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"tools": [{"name": "a", "input_schema": {"type": "string"}}]}, "Input should be 'object'"),
        ({"tools": [TOOL, TOOL]}, "unique"),
        ({"tools": [{**TOOL, "strict": True}]}, "additionalProperties"),
        ({"temperature": 0.5, "top_p": 0.5}, "cannot both"),
        ({"temperature": 2}, "temperature"),
        ({"model": NEW, "temperature": 1}, "not supported"),
        ({"model": NEW, "messages": [HI, {"role": "assistant", "content": "So"}]}, "prefill"),
        ({"model": NEW, "thinking": {"type": "enabled", "budget_tokens": 1024}}, "not supported"),
        ({"model": PRESERVED, "thinking": {"type": "disabled"}}, "not supported"),
        ({"model": PRESERVED, "tools": [TOOL], "tool_choice": {"type": "any"}}, "forced tool use"),
        ({"thinking": {"type": "enabled", "budget_tokens": 100}}, "1024"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "greater than"),
        ({"output_config": {"format": {"type": "json_schema", "schema": OPEN}}}, "additionalProperties"),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]
                        * 5,
                    }
                ]
            },
            "maximum of 4",
        ),
        ({"stop_sequences": ["\n"]}, "non-whitespace"),
    ],
)
def test_what_anthropic_refuses_is_refused(change, message):
    body = {name: value for name, value in {**said("Hi"), **change}.items() if value is not None}
    response = ask(PATH, body)
    assert message in refused(response)
    assert error_in(response)["type"] == "invalid_request_error"


def test_beta_members_are_accepted_with_their_flag():
    assert ask(PATH, said("Hi", context_management={}), beta="context-management-2025-06-27").status == 200


def test_errors_come_before_and_in_the_stream_where_the_prompt_asks_for_them():
    assert error_in(ask(PATH, said("[error 529]")))["type"] == "overloaded_error"
    events = sse(streamed(ask(PATH, said("[error in stream]", stream=True))))
    assert events[0]["type"] == "message_start"
    assert events[-1]["error"]["type"] == "overloaded_error"
    cut = sse(streamed(ask(PATH, said("[cut]", stream=True))))
    assert "message_stop" not in [event["type"] for event in cut]


def test_models_say_what_they_can_do():
    model = whole(ask(f"/v1/models/{PRESERVED}", method="GET"))
    assert model["capabilities"]["thinking"]["types"]["disabled"] == {"supported": False}
    assert PRESERVED in [each["id"] for each in whole(ask("/v1/models", method="GET"))["data"]]
