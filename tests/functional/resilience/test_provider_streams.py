"""Whole calls: streams as many servers send them, with errors of every shape, and with unusual valid shapes."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from tests.support import sample
from tests.support.books.ledger import row_of
from tests.support.clients.direct_client import view
from tests.support.clients.raw_calls import question
from tests.support.provider.mutated_streams import ERRORS
from tests.support.provider.server_streams_more import EVERY
from tests.support.servers.gateway import Gateway, merged

PAIRS = 60
TIMEOUTS = {"connect": "2s", "first_byte": "20s", "idle": "20s", "total": "60s"}
WORD = b'data: {"id":"x","model":"up","choices":[{"index":0,"delta":{"content":"first"}}]}\n\n'
STOP = b'data: {"id":"x","model":"up","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
USED = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
STUBBORN = '{"error":{"message":"too long","code":"context_length_exceeded"}}'


@pytest.fixture(scope="module")
def gateway(upstream, closed_port, tmp_path_factory):
    rows = [sample.row("odd", "up-odd", upstream.base_url, timeouts=TIMEOUTS)]
    room = {"max_output_tokens": 1_000_000, "context_window": 2_000_000}
    rows.append(sample.row("shared", "up-shared", upstream.base_url, timeouts=TIMEOUTS, **room))
    rows += [
        sample.row(
            f"twice-{number}", f"up-{name}-{number}", upstream.base_url, timeouts=TIMEOUTS, priority=priority
        )
        for number in range(PAIRS)
        for priority, name in enumerate(("bad", "good"), start=1)
    ]
    config = merged(
        sample.config(upstream.base_url, closed_port),
        {
            "model_catalog": rows,
            "server": {"bodies_in_flight_mb": 32},  # 20 of one tenant, as for its largest body
        },
    )
    with Gateway(config, tmp_path_factory.mktemp("servers") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def numbers():
    return iter(range(PAIRS))


@pytest.fixture
def pair(upstream, numbers):
    """Return an alias that is tried here for the first time: of its two deployments the second one is good."""
    number = next(numbers)
    upstream.script(f"up-good-{number}", raw(WORD + STOP + DONE))

    def of(behavior: dict[str, Any]) -> str:
        upstream.script(f"up-bad-{number}", behavior)
        return f"twice-{number}"

    return of


def raw(stream: bytes, **more: Any) -> dict[str, Any]:
    return {"kind": "raw", "raw": stream.decode("latin-1"), **more}


async def asked(gateway: Gateway, model: str, *, n: int = 1, **body: Any) -> tuple[Any, bytes]:
    async with gateway.client(sample.ALICE) as client:
        answer = await client.post("/v1/chat/completions", json=question(model, stream=True, n=n, **body))
    return answer, answer.content


@pytest.mark.parametrize("name", EVERY)
async def test_stream_of_each_server_is_delivered_and_billed(gateway, upstream, name):
    server = EVERY[name]
    upstream.script("up-odd", raw(server.raw))
    answer, body = await asked(gateway, "odd", n=server.choices)
    seen = view([body])
    assert (answer.status_code, seen.end, seen.text) == (200, "done", server.text)
    row = await row_of(gateway, answer.headers["x-request-id"])
    assert (row["status"], row["attempts"]) == ("ok", 1)
    if server.tokens is None:
        assert row["estimated"]
        return
    names = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens")
    assert tuple(row[name] for name in names) == server.tokens


async def test_the_official_client_reads_an_emoji_in_two_halves(gateway, upstream):
    upstream.script("up-odd", raw(EVERY["an emoji in two halves"].raw))
    async with gateway.openai(sample.ALICE) as client:
        stream: Any = await client.chat.completions.create(**question("odd", stream=True))
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])
    assert text.encode("utf-16", "surrogatepass").decode("utf-16") == "\U0001f600"


@pytest.mark.parametrize("error", ERRORS)
async def test_error_before_content_fails_over_whatever_its_shape(gateway, pair, error):
    answer, body = await asked(gateway, pair(raw(error.encode() + b"\n\n" + DONE)))
    assert (answer.headers["x-gateway-attempts"], view([body]).text) == ("2", "first")
    row = await row_of(gateway, answer.headers["x-request-id"])
    assert (row["status"], row["attempts"]) == ("ok", 2)


@pytest.mark.parametrize("error", ERRORS)
async def test_error_after_content_ends_the_stream_with_an_error_event(gateway, pair, error):
    answer, body = await asked(gateway, pair(raw(WORD + error.encode() + b"\n\n" + DONE)))
    seen = view([body])
    assert (answer.headers["x-gateway-attempts"], seen.text, seen.end) == ("1", "first", "error")
    assert b"[DONE]" not in body
    assert b"boom" not in body
    row = await row_of(gateway, answer.headers["x-request-id"])
    assert (row["status"], row["error_code"]) == ("incomplete", "upstream_error")


@pytest.mark.parametrize(
    "stream", [DONE, STOP[:20], WORD.replace(b"first", b""), b"data: {}\n\n" + DONE, b": ping\n\n", b"\n"]
)
async def test_a_stream_without_an_answer_goes_to_the_next_deployment(gateway, pair, stream):
    answer, body = await asked(gateway, pair(raw(stream)))
    assert (answer.headers["x-gateway-attempts"], view([body]).text) == ("2", "first")


async def test_error_caused_by_the_request_is_passed_to_the_client(gateway, pair):
    """Another deployment of the same model would give the same error."""
    answer, body = await asked(gateway, pair(raw(b"data: " + STUBBORN.encode() + b"\n\n")))
    assert (answer.status_code, json.loads(body)["error"]["code"]) == (400, "context_length_exceeded")


TYPES = ["Text/Event-Stream", "TEXT/EVENT-STREAM; charset=UTF-8", "text/plain", "application/x-ndjson",
         "application/octet-stream", "application/json", ""]  # fmt: skip


@pytest.mark.parametrize("declared", TYPES)
@pytest.mark.parametrize(
    "first", [b"", b": hello\n\n", b"event: message\n", b"\xef\xbb\xbf", b"\r\n\r\n", b"id:1\n"]
)
async def test_stream_is_recognised_whatever_its_content_type(gateway, upstream, declared, first):
    upstream.script("up-odd", raw(first + WORD + STOP + DONE, headers={"content-type": declared}, drip=True))
    answer, body = await asked(gateway, "odd")
    assert (answer.headers["content-type"].partition(";")[0], view([body]).text) == (
        "text/event-stream",
        "first",
    )


WHOLE = {
    "id": "x",
    "model": "up",
    "object": "chat.completion",
    "choices": [
        {
            "index": 0,
            "message": {"content": "first", "tool_calls": [{"id": "c", "function": {"name": "f"}}]},
            "finish_reason": "stop",
        }
    ],
    "usage": USED,
}  # fmt: skip


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("declared", ["application/json", "text/event-stream", "text/plain"])
async def test_an_answer_in_one_piece_where_a_stream_was_asked_for_is_delivered(
    gateway, upstream, declared, indent
):
    document = json.dumps(WHOLE, indent=indent).encode()
    upstream.script("up-odd", raw(document, headers={"content-type": declared}))
    answer, body = await asked(gateway, "odd")
    [chunk] = view([body]).documents
    [choice] = chunk["choices"]
    assert (chunk["object"], chunk["model"], choice["finish_reason"]) == (
        "chat.completion.chunk",
        "odd",
        "stop",
    )
    assert choice["delta"]["tool_calls"] == [{"index": 0, "id": "c", "function": {"name": "f"}}]
    assert (choice["delta"]["content"], body.endswith(DONE)) == ("first", True)
    row = await row_of(gateway, answer.headers["x-request-id"])
    assert (row["status"], row["input_tokens"], row["output_tokens"], row["estimated"]) == ("ok", 9, 5, False)


@pytest.mark.parametrize(
    "document",
    [
        '{"error":{"message":"boom"}}',
        '[{"error":{"code":503}}]',
        '{"choices":[]}',
        "{",
        "<html></html>",
        "null",
    ],
)
@pytest.mark.parametrize("declared", ["application/json", "text/event-stream", "text/plain"])
async def test_body_that_is_neither_stream_nor_answer_fails_over(gateway, pair, document, declared):
    bad = raw(document.encode(), headers={"content-type": declared})
    answer, body = await asked(gateway, pair(bad))
    assert (answer.headers["x-gateway-attempts"], view([body]).text) == ("2", "first")


ODD_ANSWERS = {
    "content in parts": {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
    "arguments as an object": {"tool_calls": [{"function": {"name": "f", "arguments": {"model": "T"}}}]},
    "half of an emoji": {"content": "\ud83d"},
    "reasoning as an object": {"content": "a", "reasoning": {}},
}


@pytest.mark.parametrize("kind", ODD_ANSWERS)
async def test_answer_of_another_shape_is_delivered_and_billed(gateway, upstream, kind):
    document = {"model": "up", "choices": [{"index": None, "message": ODD_ANSWERS[kind], "finish_reason": 1}]}
    upstream.script(
        "up-odd", {"kind": "status", "status": 200, "body": json.dumps({**document, "usage": USED})}
    )
    async with gateway.client(sample.ALICE) as client:
        answer = await client.post("/v1/chat/completions", json=question("odd"))
    assert answer.status_code == 200
    assert json.loads(answer.content) == {**document, "model": "odd", "usage": USED}
    row = await row_of(gateway, answer.headers["x-request-id"])
    assert (row["input_tokens"], row["output_tokens"], row["estimated"], row["attempts"]) == (9, 5, False, 1)


async def test_picture_in_one_event_is_delivered_and_billed(gateway, upstream):
    picture = "data:image/png;base64," + "iVBORw0KGgo" * 140_000
    event = {
        "id": "x",
        "model": "up",
        "choices": [{"index": 0, "delta": {"images": [{"image_url": {"url": picture}}]}}],
    }
    last = {"id": "x", "choices": [], "usage": USED}
    events = [json.dumps(event), STOP[6:-2].decode(), json.dumps(last), "[DONE]"]
    upstream.script("up-odd", {"kind": "events", "events": events})
    answer, body = await asked(gateway, "odd")
    seen = view([body])
    assert seen.end == "done"
    assert seen.documents[0] == {**event, "model": "odd"}
    row = await row_of(gateway, answer.headers["x-request-id"])
    assert (row["status"], row["output_tokens"], row["estimated"]) == ("ok", 5, False)


async def test_event_beyond_the_memory_for_bodies_is_refused(gateway, upstream):
    upstream.script("up-shared", {"huge": 8_000_000})
    answer, body = await asked(gateway, "shared")
    assert (answer.status_code, json.loads(body)["error"]["code"]) == (503, "overloaded")
    upstream.script("up-shared", {"huge": 4_000_000})
    answer, body = await asked(gateway, "shared")
    assert (answer.status_code, view([body]).end) == (200, "done")


async def test_usage_after_the_end_is_billed(gateway, upstream):
    late = b"data: " + json.dumps({"choices": [], "usage": USED}).encode() + b"\n\n"
    upstream.script("up-odd", raw(WORD + STOP + DONE + late))
    answer, body = await asked(gateway, "odd")
    assert body.endswith(DONE)
    row = await row_of(gateway, answer.headers["x-request-id"])
    assert (row["input_tokens"], row["output_tokens"], row["estimated"]) == (9, 5, False)


async def test_the_official_client_raises_where_a_choice_has_not_ended(gateway, upstream):
    """B13: "" with every event, and the connection ends."""
    cut = WORD.replace(b'"first"}', b'"first"},"finish_reason":""')
    upstream.script("up-odd", raw(cut))
    async with gateway.openai(sample.ALICE) as client:
        stream: Any = await client.chat.completions.create(**question("odd", stream=True))
        assert (await anext(stream)).choices[0].delta.content == "first"
        with pytest.raises(openai.APIError):
            await anext(stream)
