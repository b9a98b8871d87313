"""POST /v1/completions: bytes pass to a server that has it, one prompt becomes a chat elsewhere, others are refused."""

from __future__ import annotations

import json

import pytest

from tests.integration.providers.raw_server import Peer, RawServer
from tests.support import sample
from tests.support.books.ledger import row_of
from tests.support.clients.raw_calls import ask
from tests.support.sample import ALICE, row

PATH = "/v1/completions"
USAGE = {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}
CHUNK = {"id": "cmpl-up", "object": "text_completion", "created": 5, "model": "up-native", "odd": 1}


def choice(text: str, reason: str | None = None) -> dict[str, object]:
    return {"text": text, "index": 0, "logprobs": None, "finish_reason": reason}


async def native(peer: Peer) -> None:
    """Answer as a server of the completions API does, which has no usage in a stream unless it is asked for."""
    asked = json.loads((await peer.request()).partition(b"\r\n\r\n")[2])
    if not asked.get("stream"):
        whole = CHUNK | {"choices": [choice(" time", "stop")], "usage": USAGE}
        await peer.answer(json.dumps(whole).encode(), b"content-type: application/json\r\n")
        return
    await peer.start_stream()
    events = [CHUNK | {"choices": [each]} for each in (choice(" ti"), choice("me"), choice("", "stop"))]
    if asked.get("stream_options", {}).get("include_usage"):
        events.append(CHUNK | {"choices": [], "usage": USAGE})
    lines = [f"data: {json.dumps(event)}\n\n" for event in events]
    await peer.chunk("".join([*lines, "data: [DONE]\n\n"]).encode())
    await peer.chunk(b"")


@pytest.fixture
async def server():
    async with RawServer(native) as running:
        yield running


@pytest.fixture
def gateway(server, upstream, gateway_factory):
    models = [
        row("native", "up-native", f"http://127.0.0.1:{server.port}/v1"),
        row("translated", "up-chat", upstream.base_url, metadata={"completions": "chat"}),
        row("mixed", "up-chat", upstream.base_url, metadata={"completions": "chat"}, priority=0),
        row("mixed", "up-native", f"http://127.0.0.1:{server.port}/v1", deployment="has-it", priority=1),
    ]
    return gateway_factory({"model_catalog": models})


def sent(server: RawServer) -> tuple[str, bytes]:
    """Return the path and the body of the last request."""
    head, _, body = server.requests[-1].partition(b"\r\n\r\n")
    return head.split(b" ")[1].decode(), body


async def test_a_server_that_has_completions_gets_the_bytes(gateway, server):
    asked = {
        "model": "native",
        "prompt": ["a", "b"],
        "suffix": "c",
        "echo": True,
        "odd": 1.0,
        "max_tokens": 5,
    }
    answer = await ask(gateway.url, ALICE, asked, path=PATH)
    assert (answer.status, answer.json["model"], answer.json["odd"]) == (200, "native", 1)
    assert answer.json["choices"] == [choice(" time", "stop")]
    path, body = sent(server)
    assert path == PATH
    assert json.loads(body) == asked | {"model": "up-native"}
    billed = await row_of(gateway, answer.id)
    assert (billed["endpoint"], billed["input_tokens"], billed["output_tokens"]) == ("completions", 4, 2)
    assert not billed["estimated"]


async def test_the_only_cap_of_a_native_call_is_max_tokens(gateway, server):
    """The budget of the key needs a cap: it is this API's own default."""
    answer = await ask(gateway.url, ALICE, {"model": "native", "prompt": "Once"}, path=PATH)
    assert answer.headers["x-gateway-set"] == "max_tokens=16"
    assert json.loads(sent(server)[1]) == {"model": "up-native", "prompt": "Once", "max_tokens": 16}


@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": True}}])
async def test_a_native_stream_passes_and_is_billed(gateway, options):
    asked = {"model": "native", "prompt": "Once", "stream": True, "max_tokens": 9, **options}
    answer = await ask(gateway.url, ALICE, asked, path=PATH)
    assert answer.saw_the_end
    chunks = [json.loads(line[6:]) for line in answer.body.decode().split("\n\n") if line[6:7] == "{"]
    assert "".join(each["text"] for chunk in chunks for each in chunk["choices"]) == " time"
    assert {chunk["model"] for chunk in chunks} == {"native"}
    assert [chunk["usage"] for chunk in chunks if chunk.get("usage")] == ([USAGE] if options else [])
    billed = await row_of(gateway, answer.id)
    assert (billed["input_tokens"], billed["output_tokens"], billed["estimated"]) == (4, 2, False)


async def test_elsewhere_the_prompt_is_what_a_user_says(gateway, upstream):
    asked = {"model": "translated", "prompt": ["Once"], "max_tokens": 3, "temperature": 0, "stop": "x"}
    answer = await ask(gateway.url, ALICE, asked, path=PATH)
    assert (answer.status, answer.json["object"], answer.json["model"]) == (
        200,
        "text_completion",
        "translated",
    )
    assert answer.json["choices"] == [choice(" word" * 3, "length")]
    assert answer.json["id"].startswith("cmpl-")
    [seen] = upstream.seen(call=answer.id)
    assert seen["path"] == "/v1/chat/completions"
    body = json.loads(seen["body"])
    assert body.pop("model") == "up-chat"
    assert body.pop("messages") == [{"role": "user", "content": "Once"}]
    assert body == {"max_tokens": 3, "temperature": 0, "stop": ["x"]}
    billed = await row_of(gateway, answer.id)
    assert billed["output_tokens"] == answer.json["usage"]["completion_tokens"] == 3


@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": True}}])
async def test_a_translated_stream_is_one_of_text_completions(gateway, options):
    asked = {"model": "translated", "prompt": "Once", "stream": True, "max_tokens": 3, **options}
    answer = await ask(gateway.url, ALICE, asked, path=PATH)
    assert answer.saw_the_end
    *events, last, end = answer.body.decode().split("\n\n")
    assert (last, end) == ("data: [DONE]", "")
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    assert {chunk["object"] for chunk in chunks} == {"text_completion"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    shown = [each for chunk in chunks for each in chunk["choices"]]
    assert "".join(each["text"] for each in shown) == " word" * 3
    assert [each["finish_reason"] for each in shown][-1] == "length"
    usage = [chunk["usage"] for chunk in chunks if chunk.get("usage")]
    assert [each["completion_tokens"] for each in usage] == ([3] if options else [])


async def test_what_a_chat_cannot_do_is_refused_by_name_or_goes_to_a_server_that_can(gateway, server):
    odd = {"suffix": "x", "echo": True, "best_of": 2, "logprobs": 0}
    for member, value in [("prompt", ["a", "b"]), ("prompt", [1, 2]), *odd.items()]:
        asked = {"prompt": "Once", "max_tokens": 3} | {member: value}
        refused = await ask(gateway.url, ALICE, {"model": "translated", **asked}, path=PATH)
        assert (refused.status, refused.error["param"]) == (400, member)
        answered = await ask(gateway.url, ALICE, {"model": "mixed", **asked}, path=PATH)
        assert answered.status == 200, answered.json
        assert sent(server)[0] == PATH


@pytest.mark.parametrize("prompt", [None, 5, [], {"a": 1}])
async def test_an_invalid_prompt_is_refused(shared_gateway, prompt):
    async with shared_gateway.client(sample.ALICE) as client:
        answer = await client.post(PATH, json={"model": "chat", "prompt": prompt})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "prompt")


async def test_more_prompts_than_inputs_are_allowed_are_refused(shared_gateway):
    asked = {"model": "chat", "prompt": ["x"] * 2049, "max_tokens": 1}
    refused = await ask(shared_gateway.url, ALICE, asked, path=PATH)
    assert (refused.status, refused.error["code"], refused.error["param"]) == (
        400,
        "too_many_inputs",
        "prompt",
    )


async def test_every_prompt_and_every_try_is_held_for(shared_gateway):
    """3 prompts, the best of 4 each: 12 times the cap, which is more than the budget of 1,000 USD allows."""
    body = {"model": "chat", "prompt": ["a", "b", "c"], "best_of": 4, "max_tokens": 100}
    async with shared_gateway.client(sample.ALICE) as client:
        report = (
            await client.post("/v1/gateway/simulate", json={"endpoint": "completions", "body": body})
        ).json()
    most = report["cost"]["worst_case_nanousd"]
    assert 12 * 100 * sample.OUTPUT_NANOUSD <= most <= 12 * 100 * sample.OUTPUT_NANOUSD + 1_000_000
