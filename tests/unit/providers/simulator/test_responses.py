from __future__ import annotations

import pytest

from providers.simulator.core.errors import SimulatorError
from providers.simulator.openai.response_store import ResponseStore
from tests.support.vendors.simulated import ask, error_in, refused, sse, streamed, whole

PATH = "/v1/responses"
MODEL = "gpt-5.6"
TOOL = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
CUSTOM = {"type": "custom", "name": "patch"}
SEALED = {"include": ["reasoning.encrypted_content"], "store": False}
LONG = "A rule that must be kept. " * 300


def said(text, **more):
    return {"model": MODEL, "input": text, **more}


def outputs(answer):
    return [
        {"type": f"{item['type']}_output", "call_id": item["call_id"], "output": "21 degrees"}
        for item in answer["output"]
        if "call_id" in item
    ]


def folded(events):
    """Return output items built from the deltas, in the order that the events must have."""
    items, kinds = {}, [event["type"] for event in events]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert kinds[:2] == ["response.created", "response.in_progress"]
    for event in events:
        kind, index = event["type"], event.get("output_index")
        if kind == "response.output_item.added":
            items[index] = event["item"]
        elif kind in {"response.content_part.added", "response.reasoning_summary_part.added"}:
            items[index]["content" if "content" in kind else "summary"].append(event["part"])
        elif kind in {"response.output_text.delta", "response.refusal.delta"}:
            part = items[index]["content"][event["content_index"]]
            part["refusal" if "refusal" in kind else "text"] += event["delta"]
        elif kind == "response.reasoning_summary_text.delta":
            items[index]["summary"][event["summary_index"]]["text"] += event["delta"]
        elif kind.endswith(("arguments.delta", "input.delta")):
            items[index]["arguments" if "arguments" in kind else "input"] += event["delta"]
        elif kind == "response.output_item.done":
            assert {**items[index], "status": ""} == {**event["item"], "status": ""} or "status" not in items[
                index
            ]
    return items


@pytest.mark.parametrize(
    ("body", "terminal"),
    [
        (said("Hello"), "completed"),
        (said("Hello", reasoning={"summary": "auto"}), "completed"),
        (said("[parallel tools with text] weather", tools=[TOOL, CUSTOM]), "completed"),
        (said("[refuse]"), "completed"),
        (said("Hello", max_output_tokens=20), "incomplete"),
        (said("[filter]"), "incomplete"),
    ],
)
def test_a_stream_builds_up_the_response(body, terminal):
    events = sse(streamed(ask(PATH, {**body, "stream": True})))
    items = folded(events)
    assert events[-1]["type"] == f"response.{terminal}"
    final = events[-1]["response"]
    assert len(items) == len(final["output"])
    document = whole(ask(PATH, body))
    for name in ("output", "usage", "status", "incomplete_details"):
        assert final[name] == document[name]


def test_a_response_continues_a_stored_one():
    first = whole(ask(PATH, said("[parallel tools] weather", tools=[TOOL, CUSTOM])))
    assert [item["type"] for item in first["output"]] == ["reasoning", "function_call", "custom_tool_call"]
    second = whole(ask(PATH, {"model": MODEL, "previous_response_id": first["id"], "input": outputs(first)}))
    assert "21 degrees" in second["output"][-1]["content"][0]["text"]
    assert second["usage"]["input_tokens"] > first["usage"]["input_tokens"]


def test_a_stored_response_belongs_to_its_account():
    first = whole(ask(PATH, said("Hi")))
    again = {"model": MODEL, "previous_response_id": first["id"], "input": "So?"}
    assert "not found" in refused(ask(PATH, again, account="two"))
    assert "not found" in refused(ask(f"{PATH}/{first['id']}", method="GET", account="two"), 404)
    assert whole(ask(f"{PATH}/{first['id']}", method="GET")) == first


def test_a_response_can_be_deleted_and_one_that_is_not_stored_is_not_there():
    first, loose = whole(ask(PATH, said("Hi"))), whole(ask(PATH, said("Hi", store=False)))
    assert whole(ask(f"{PATH}/{first['id']}", method="DELETE"))["deleted"]
    for made in (first, loose):
        assert "not found" in refused(ask(f"{PATH}/{made['id']}", method="GET"), 404)


def test_a_background_response_is_queued_and_can_be_cancelled():
    queued = whole(ask(PATH, said("Hi", background=True)))
    assert queued["status"] == "queued"
    assert whole(ask(f"{PATH}/{queued['id']}", method="GET"))["status"] == "completed"
    assert whole(ask(f"{PATH}/{queued['id']}/cancel"))["status"] == "cancelled"
    plain = whole(ask(PATH, said("Hi")))
    assert "synchronous" in refused(ask(f"{PATH}/{plain['id']}/cancel"))


def test_input_items_and_input_tokens_are_those_of_the_call():
    made = whole(ask(PATH, said("Hi")))
    assert whole(ask(f"{PATH}/{made['id']}/input_items", method="GET"))["data"][0]["content"] == "Hi"
    assert whole(ask(f"{PATH}/input_tokens", said("Hi")))["input_tokens"] == made["usage"]["input_tokens"]


def test_encrypted_reasoning_comes_back_to_its_own_account_and_model_only():
    body = said("[tools] weather", tools=[TOOL], **SEALED)
    first = whole(ask(PATH, body))
    history = [{"role": "user", "content": "[tools] weather"}, *first["output"], *outputs(first)]
    again = {**body, "input": history}
    assert ask(PATH, again).status == 200
    for response in (ask(PATH, again, account="two"), ask(PATH, {**again, "model": "gpt-6"})):
        assert "could not be verified" in refused(response)
    history[1]["encrypted_content"] = "AAAA" + history[1]["encrypted_content"][4:]
    response = ask(PATH, again)
    assert error_in(response)["code"] == "invalid_encrypted_content"


def test_a_compacted_conversation_can_be_continued():
    compact = whole(ask(f"{PATH}/compact", said("Hi")))
    body = {"model": MODEL, "input": [*compact["output"], {"role": "user", "content": "So?"}]}
    assert ask(PATH, body).status == 200
    assert "could not be verified" in refused(ask(PATH, body, account="two"))


def test_prefixes_are_cached_without_a_mark():
    first = whole(ask(PATH, said("one", instructions=f"responses {LONG}")))["usage"]["input_tokens_details"]
    second = whole(ask(PATH, said("two", instructions=f"responses {LONG}")))["usage"]["input_tokens_details"]
    assert first["cache_write_tokens_details"]["ttl_30m_tokens"] > 1024
    assert second["cached_tokens"] % 128 == 0 < second["cached_tokens"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nonsense": 1}, "Unknown parameter: 'nonsense'"),
        ({"max_output_tokens": 1}, "max_output_tokens"),
        ({"temperature": 0.5}, "'temperature' is not supported"),
        ({"tools": [{"type": "function", "function": {"name": "a"}}]}, "tools[0].name"),
        ({"tool_choice": {"type": "function", "name": "a"}}, "not found"),
        ({"input": [{"type": "function_call_output", "call_id": "a", "output": ""}]}, "No tool call found"),
        (
            {"input": [{"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}]},
            "No tool output found",
        ),
        ({"input": [{"type": "reasoning", "id": "rs_1", "summary": []}]}, "required following item"),
        ({"previous_response_id": "resp_no"}, "not found"),
        ({"background": True, "store": False}, "Background"),
        ({"model": ""}, "'model'"),
    ],
)
def test_what_openai_refuses_is_refused(change, message):
    assert message in refused(ask(PATH, {**said("Hi"), **change}))


def test_an_error_in_the_stream_is_an_event():
    events = sse(streamed(ask(PATH, said("[error in stream]", stream=True))))
    assert events[-1]["type"] == "error"


def test_the_store_is_bounded_by_number_and_bytes():
    store = ResponseStore(most=2, most_bytes=10_000)
    for number in range(3):
        store.keep("a", {"id": str(number), "output": []}, [], "")
    with pytest.raises(SimulatorError, match="not found"):
        store.get("a", "0")
    store.keep("a", {"id": "large", "output": ["x" * 9_990]}, [], "2")
    assert store.get("a", "large").previous == "2"
    with pytest.raises(SimulatorError, match="not found"):
        store.context("a", "large")
