"""Whole calls whose answer has the other form than the request, or is JSON that most readers refuse: it was paid for,
so it is delivered, and its usage is in the ledger in any case.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support import sample
from tests.support.clients.direct_client import view
from tests.support.clients.raw_calls import question
from tests.support.provider.other_forms import (
    FAILED,
    LAST,
    MESSAGE,
    OK,
    PICTURE,
    SSE,
    STREAM,
    USED,
    WHOLE,
    asked,
    booked,
    chunk,
    document,
    events,
)
from tests.support.servers.gateway import Gateway, merged


@pytest.fixture(scope="module")
def gateway(upstream, closed_port, tmp_path_factory):
    rows = [
        sample.row("other", "up-other", upstream.base_url, max_output_tokens=200_000, context_window=300_000),
        sample.row("vector", "up-vector", upstream.base_url, model_type="embedding"),
    ]
    config = merged(
        sample.config(upstream.base_url, closed_port),
        {"model_catalog": rows, "server": {"bodies_in_flight_mb": 32}},
    )
    with Gateway(config, tmp_path_factory.mktemp("forms") / "data") as server:
        yield server


LARGE: dict[str, dict[str, Any]] = {
    "a picture": {"message": {**MESSAGE, "images": [{"image_url": {"url": PICTURE}}]}},
    "a long text": {"message": {**MESSAGE, "content": "word " * 60_000}},
    "calls of tools": {
        "message": {
            **MESSAGE,
            "tool_calls": [{"id": f"c{at}", "function": {"name": "f"}} for at in range(6_500)],
        }
    },
    "many values": {"message": MESSAGE, "logprobs": {"content": [[1, {"a": 2}]] * 24_000}},
}


@pytest.mark.parametrize("kind", LARGE)
@pytest.mark.parametrize("indent", [None, 1])
async def test_a_large_answer_in_the_place_of_a_stream_is_its_only_event(gateway, upstream, kind, indent):
    choice = {"index": 0, **LARGE[kind], "finish_reason": "stop"}
    said = json.dumps({**WHOLE, "choices": [choice], "usage": USED}, indent=indent)
    assert len(said) > 256 * 1024
    answer, row = await asked(gateway, upstream, said, stream=True)
    assert booked(row) == OK
    seen = view([answer.content])
    [event] = seen.documents
    delta = dict(choice.pop("message"))
    if "tool_calls" in delta:
        delta["tool_calls"] = [{"index": at, **call} for at, call in enumerate(delta["tool_calls"])]
    assert seen.end == "done"
    assert event == {
        **WHOLE, "object": "chat.completion.chunk", "model": "other", "choices": [{**choice, "delta": delta}],
        "usage": USED,
    }  # fmt: skip


async def test_a_large_answer_counts_against_the_memory_for_bodies(gateway, upstream):
    """As a large event does: three times its size, of 32 MB which all share."""
    answer, row = await asked(gateway, upstream, document(f',"x":"{"x" * 12_000_000}"'), stream=True)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "overloaded")
    assert row["status"] == "error"


@pytest.mark.parametrize("size", [10, 400_000])
async def test_unusable_answer_in_place_of_a_stream_is_billed(gateway, upstream, size):
    said = json.dumps({"x": "x" * size, "usage": USED})
    answer, row = await asked(gateway, upstream, said, stream=True)
    assert (answer.status_code, booked(row)) == (502, FAILED)


FOLDED: dict[str, tuple[str, dict[str, Any]]] = {
    "a stream": (events(*STREAM, LAST), MESSAGE),
    "without an end mark": (events(*STREAM, LAST, end=""), MESSAGE),
    "usage behind the end": (events(*STREAM) + events(LAST, end=""), MESSAGE),
    "comments and blanks first": (": ping\n\n\n" + events(*STREAM, LAST), MESSAGE),
    "a mark first": ("\n\n" + events(*STREAM, LAST).replace("data: ", "data:"), MESSAGE),
    "thoughts and a refusal": (
        events(chunk({"reasoning_content": "hm"}), chunk({"refusal": "no"}), chunk({}, "stop"), LAST),
        {"role": "assistant", "content": None, "reasoning_content": "hm", "refusal": "no"},
    ),
    "a call of a tool": (
        events(
            chunk({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{"}}]}),
            chunk({"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}, "tool_calls"),
            LAST,
        ),
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}],
        },
    ),
    "a picture in one event": (
        events(chunk({"images": [PICTURE]}), chunk({"content": "a"}, "stop"), LAST),
        {"role": "assistant", "content": "a", "images": [PICTURE]},
    ),
    "very many events": (
        events(*[chunk({"content": "word "})] * 3_000, chunk({}, "stop"), LAST),
        {"role": "assistant", "content": "word " * 3_000},
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FOLDED)
@pytest.mark.parametrize("headers", [SSE, {}])
async def test_a_stream_in_the_place_of_an_answer_becomes_one(gateway, upstream, kind, headers):
    said, message = FOLDED[kind]
    answer, row = await asked(gateway, upstream, said, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    found = answer.json()
    found.pop("usage", None)
    assert [each.pop("finish_reason") in {"stop", "tool_calls"} for each in found["choices"]] == [True]
    assert found == {**WHOLE, "model": "other", "choices": [{"index": 0, "message": message}]}
    assert booked(row) == OK


async def test_several_choices_are_folded_and_all_must_end(gateway, upstream):
    first, second = chunk({"content": "a"}), chunk({"content": "b"}, "length", 1)
    answer, row = await asked(
        gateway, upstream, events(first, second, chunk({}, "stop"), LAST), headers=SSE, n=2
    )
    told = [(each["message"]["content"], each["finish_reason"]) for each in answer.json()["choices"]]
    assert (told, booked(row)) == ([("a", "stop"), ("b", "length")], OK)
    answer, row = await asked(gateway, upstream, events(first, second, LAST, end=""), headers=SSE, n=2)
    assert (answer.status_code, booked(row)[:4]) == (502, ("error", 9, 5, True))


async def test_the_official_client_reads_a_folded_stream(gateway, upstream):
    upstream.script(
        "up-other", {"kind": "status", "status": 200, "body": events(*STREAM, LAST), "headers": SSE}
    )
    async with gateway.openai(sample.ALICE) as client:
        found: Any = await client.chat.completions.create(**question("other"))
    assert (found.choices[0].message.content, found.usage.completion_tokens) == ("hello", 5)


async def test_a_folded_stream_without_usage_is_estimated(gateway, upstream):
    answer, row = await asked(gateway, upstream, events(*STREAM), headers=SSE)
    assert (answer.json()["choices"][0]["message"], row["status"], row["estimated"]) == (MESSAGE, "ok", True)
    assert row["output_tokens"] == 1


BROKEN = {  # and what is known of the usage: all, at least so much, nothing
    "an error behind content": (events(*STREAM[:3], LAST, {"error": {"message": "boom"}}), FAILED),
    "an error first": (events({"error": {"message": "boom"}, "usage": USED}), FAILED),
    "cut behind its usage": (events(*STREAM[:3], LAST, end=""), ("error", 9, 5, True)),
    "cut with usage in its events": (
        events(chunk({"content": "a"}, usage=USED), end=""),
        ("error", 9, 5, True),
    ),
    "no content": (events(LAST), ("error", 9, 5, False)),
    "nothing but an end": (events(), ("error", 8, 0, True)),
    "no JSON": (events(*STREAM[:3], "<html>"), ("error", 8, 0, True)),
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_incomplete_folded_stream_is_no_answer_and_its_usage_is_billed(gateway, upstream, kind):
    said, known = BROKEN[kind]
    answer, row = await asked(gateway, upstream, said, headers=SSE)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_error")
    assert booked(row)[: len(known)] == known


@pytest.mark.parametrize("first", [{"data": [{"embedding": [1]}]}, {"error": {"message": "boom"}}, {"x": 1}])
async def test_embeddings_as_a_stream_are_an_unusable_answer(gateway, upstream, first):
    said = events(first, {"usage": {"prompt_tokens": 9, "total_tokens": 9}})
    answer, row = await asked(gateway, upstream, said, headers=SSE, input="hi")
    assert (answer.status_code, booked(row)) == (502, ("error", 9, 0, False, 0))
