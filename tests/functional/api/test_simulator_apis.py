"""The built-in simulator's other APIs, over its socket: paths as they are sent, streams, accounts by their key."""

from __future__ import annotations

import httpx
import openai
import pytest

from providers.simulator.server import Simulator
from tests.support.vendors.simulated import frames, sse

HI = {"role": "user", "content": "Hi"}
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0"
VERSION = {"anthropic-version": "2023-06-01"}


@pytest.fixture
async def url():
    simulator = Simulator()
    port = await simulator.start()
    yield f"http://127.0.0.1:{port}"
    await simulator.aclose()


@pytest.fixture
async def client(url):
    async with httpx.AsyncClient(base_url=url) as client:
        yield client


async def test_messages_are_streamed_as_server_sent_events(client):
    body = {"model": "claude-sonnet-4-5", "max_tokens": 100, "messages": [HI], "stream": True}
    async with client.stream("POST", "/v1/messages", json=body, headers=VERSION) as answer:
        raw = b"".join([part async for part in answer.aiter_raw()])
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["request-id"]
    assert sse(raw)[-1]["type"] == "message_stop"


async def test_a_model_is_one_encoded_segment_of_the_path(client):
    body = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
    answer = await client.post(f"/model/{CLAUDE}/converse-stream", json=body)
    assert answer.headers["content-type"] == "application/vnd.amazon.eventstream"
    assert frames(answer.content)[-1][0] == "metadata"
    arn = "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fclaude"
    assert (await client.post(f"/model/{arn}/converse", json=body)).status_code == 200


async def test_gemini_is_asked_for_events_by_the_query(client):
    body = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
    path = "/v1beta/models/gemini-3-pro:streamGenerateContent"
    events = sse((await client.post(f"{path}?alt=sse", json=body)).content)
    assert events[-1]["candidates"][0]["finishReason"] == "STOP"
    assert isinstance((await client.post(path, json=body)).json(), list)


async def test_a_list_of_models_is_anthropics_for_its_clients(client):
    plain, claude = await client.get("/v1/models"), await client.get("/v1/models", headers=VERSION)
    assert plain.json()["object"] == "list"
    assert claude.json()["has_more"] is False


async def test_responses_belong_to_the_key_that_made_them(url):
    made = [openai.AsyncOpenAI(api_key=key, base_url=f"{url}/v1", max_retries=0) for key in ("one", "two")]
    one, two = made
    first = await one.responses.create(model="gpt-5.6", input="Hi")
    assert (
        await one.responses.create(model="gpt-5.6", input="So?", previous_response_id=first.id)
    ).output_text
    with pytest.raises(openai.NotFoundError):
        await two.responses.retrieve(first.id)
    for client in made:
        await client.close()


async def test_a_slow_stream_is_whole(client):
    body = {
        "model": "demo",
        "messages": [{"role": "user", "content": "[slow] Hi"}],
        "stream": True,
        "max_tokens": 3,
    }
    answer = await client.post("/v1/chat/completions", json=body)
    assert sse(answer.content)[-1] == "[DONE]"


@pytest.mark.parametrize(
    "path", ["/v1/messages", f"/model/{CLAUDE}/converse", "/v1beta/models/g:generateContent", "/v1/responses"]
)
@pytest.mark.parametrize(
    "body", [b"{", b"\xff", b"[" * 100_000, b"[]", b"1", b'{"messages": 1, "contents": 1}']
)
async def test_a_body_that_is_no_request_is_refused(client, path, body):
    answer = await client.post(path, content=body, headers=VERSION)
    assert answer.status_code == 400, answer.text
