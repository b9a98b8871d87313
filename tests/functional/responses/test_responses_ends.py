"""How calls of Responses end: every end of a stream is billed, and what cannot be served is refused by its name."""

from __future__ import annotations

import json
import socket

import openai
import pytest

from tests.support.books.ledger import row_of

ALICE = "sk-anna.anna-secret"


@pytest.mark.parametrize("ending", ["incomplete", "completed"])
async def test_every_end_of_a_stream_is_billed_as_the_provider_says(gateway, vendors, ending):
    vendors[0].ending = ending
    async with gateway.client(ALICE) as client:
        answer = await client.post("/v1/responses", json={"model": "gpt", "input": "hi", "stream": True})
    assert answer.text.count("event: response.incomplete") == (ending == "incomplete")
    assert answer.text.count("event: response.completed") == (ending == "completed")
    row = await row_of(gateway, answer.headers["x-request-id"])
    assert (row["status"], row["input_tokens"], row["output_tokens"]) == ("ok", 40, 12)


@pytest.mark.parametrize("ending", ["error", "failed", "cut"])
async def test_a_stream_that_fails_ends_with_an_error_and_response_failed(gateway, vendors, ending):
    vendors[0].ending = ending
    async with gateway.client(ALICE) as client:
        answer = await client.post("/v1/responses", json={"model": "gpt", "input": "hi", "stream": True})
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert [event["type"] for event in events][-2:] == ["error", "response.failed"]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["response"]["status"] == "failed"
    assert events[-1]["response"]["id"].startswith("resp_gw1")
    assert events[-2]["message"] == events[-2]["error"]["message"] != ""
    row = await row_of(gateway, answer.headers["x-request-id"])
    assert row["status"] == "incomplete"
    if ending != "cut":
        assert (row["input_tokens"], row["output_tokens"]) == (40, 12)


def test_what_cannot_be_served_is_refused_by_name(client):
    for members, param in (
        ({"background": True}, "background"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}, "tools[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]}]}, None),
    ):
        with pytest.raises(openai.BadRequestError) as refused:
            client.post("/responses", cast_to=object, body={"model": "gpt", "input": "hi"} | members)
        assert param is None or refused.value.param == param


def test_a_hosted_tool_needs_a_price(client):
    with pytest.raises(openai.PermissionDeniedError) as refused:
        client.responses.create(model="gpt", input="hi", tools=[{"type": "web_search"}])
    assert refused.value.code == "feature_unpriced"


def test_a_websocket_is_answered_426_at_once(gateway):
    host, _, port = gateway.url.removeprefix("http://").partition(":")
    head = (
        f"GET /v1/responses HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 426 ")


async def test_other_methods_are_405(gateway):
    async with gateway.client(ALICE) as client:
        answer = await client.get("/v1/responses")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
