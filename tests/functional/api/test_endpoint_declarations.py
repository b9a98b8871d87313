"""An endpoint declares its body, its response and its client API; all else is the same for it as for chat."""

from __future__ import annotations

import json

import httpx
import pytest

from providers.simulator.server import Simulator, answer
from tests.integration.providers.raw_server import Peer, RawServer
from tests.support import sample
from tests.support.books.ledger import row_of
from tests.support.clients.raw_calls import ask, question
from tests.support.sample import ALICE, row
from tests.support.servers.gateway import Gateway, merged
from tests.support.sources import ROOT
from tests.support.waiting import eventually

TOY = ("-m", "tests.support.servers.toy_manage")
SPEECH, LINES = "/v1/toy/speech", "/v1/toy/lines"
ASKED = {"model": "speaker", "input": "Hello there.", "voice": "alloy", "response_format": "mp3"}
SOUND = answer("POST", "/v1/audio/speech", json.dumps(ASKED).encode())
WHOLE = b"0123456789" * 5_000


async def cut_speaker(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: 90000\r\n\r\n", WHOLE)
    peer.close()


async def json_speaker(peer: Peer) -> None:
    await peer.request()
    await peer.answer(b'{"error":{"message":"no voice"}}', b"content-type: application/json\r\n")


@pytest.fixture
async def speakers():
    """Yield the addresses of the simulator, of a provider that is cut in the middle, and of one that only errs."""
    simulator = Simulator()
    port = await simulator.start()
    async with RawServer(cut_speaker) as cut, RawServer(json_speaker) as erring:
        yield f"http://127.0.0.1:{port}/v1", f"{cut.url}/v1", f"{erring.url}/v1"
    await simulator.aclose()


def start(data_dir, *parts) -> Gateway:
    return Gateway(merged(*parts), data_dir, {"PYTHONPATH": str(ROOT)}, manage=TOY)


@pytest.fixture
def speaking(speakers, tmp_path):
    """Yield a gateway whose models are the speakers."""
    spoken, cut, erring = speakers
    models = [
        row("speaker", "up-speaker", spoken),
        row("cut", "up-cut-speaker", cut),
        row("second", "up-erring", erring, deployment="erring", priority=0),
        row("second", "up-speaker", spoken, deployment="spoken", priority=1),
    ]
    with start(tmp_path / "data", sample.config(spoken, 9), {"model_catalog": models}) as server:
        yield server


@pytest.fixture(scope="module")
def gateway(upstream, closed_port, tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("lines") / "data"
    config = sample.config(upstream.base_url, closed_port)
    with start(data_dir, config, {"streams": {"heartbeat": "0.05s"}}) as server:
        yield server


async def post(gateway, path, body, key=ALICE, **headers) -> httpx.Response:
    async with gateway.client(key) as client:
        response: httpx.Response = await client.post(path, content=body, headers=headers)
        return response


async def test_a_binary_response_passes_with_its_type_and_is_billed(speaking):
    spoken = await ask(speaking.url, ALICE, ASKED, path=SPEECH)
    assert (spoken.status, spoken.headers["content-type"], spoken.body) == (200, "audio/mpeg", SOUND.body)
    assert spoken.headers["x-gateway-deployment"]
    billed = await row_of(speaking, spoken.id)
    assert (billed["endpoint"], billed["status"], billed["estimated"]) == ("toy.speech", "ok", False)
    assert (billed["input_tokens"], billed["cost_nanousd"]) == (
        len(ASKED["input"]),
        len(ASKED["input"]) * 1_000,
    )


async def test_an_error_in_the_place_of_a_binary_response_fails_over(speaking):
    spoken = await ask(speaking.url, ALICE, ASKED | {"model": "second"}, path=SPEECH)
    assert (spoken.status, spoken.body) == (200, SOUND.body)
    assert spoken.headers["x-gateway-attempts"] == "2"


async def test_a_binary_response_that_breaks_is_cut_and_never_looks_whole(speaking):
    broken = await ask(speaking.url, ALICE, ASKED | {"model": "cut"}, path=SPEECH)
    assert (broken.status, broken.is_whole) == (200, False)
    assert WHOLE.startswith(broken.body)
    billed = await row_of(speaking, broken.id)
    assert (billed["status"], billed["http_status"]) == ("incomplete", 200)


async def test_a_binary_endpoint_refuses_in_the_envelope_of_its_api(speaking):
    refused = await ask(speaking.url, ALICE, {"model": "speaker"}, path=SPEECH)
    assert (refused.status, refused.error["code"]) == (400, "invalid_request")


async def test_a_text_body_becomes_a_chat_and_its_events_become_lines(gateway, upstream):
    said = await post(gateway, LINES, "chat\nHello", **{"content-type": "text/plain"})
    assert (said.status_code, said.headers["content-type"]) == (200, "text/x-lines")
    *lines, last = said.text.splitlines()
    assert last == "END"
    assert {line.partition(" ")[0] for line in lines} <= {"SAY", "#"}
    assert any(line.startswith("SAY") for line in lines)
    billed = await row_of(gateway, said.headers["x-request-id"])
    assert (billed["endpoint"], billed["status"], billed["stream"]) == ("toy.lines", "ok", True)
    [seen] = upstream.seen(model="up-chat", call=said.headers["x-request-id"])
    assert json.loads(seen["body"])["messages"] == [{"role": "user", "content": "Hello"}]


async def test_a_stream_that_breaks_ends_in_the_framing_of_its_api(gateway, upstream):
    upstream.script("up-chat", {"end": "cut", "after": 2})
    broken = await post(gateway, LINES, "chat\nHello")
    *_, last = broken.text.splitlines()
    word, _, body = last.partition(" ")
    assert (word, json.loads(body)["wrong"]) == ("WRONG", "upstream_error")
    assert "END" not in broken.text.splitlines()


async def test_a_heartbeat_is_written_in_the_framing_of_its_api(gateway, upstream):
    upstream.script("up-chat", {"hold_before_head": True})
    async with (
        gateway.client(ALICE) as client,
        client.stream("POST", LINES, content="chat\nHello") as waiting,
    ):
        lines = waiting.aiter_lines()
        assert await anext(lines) == "# wait"
        await eventually(lambda: upstream.release(model="up-chat"), lambda count: count > 0)
        assert [line async for line in lines][-1] == "END"


@pytest.mark.parametrize(
    ("key", "body", "status", "code"),
    [
        ("sk-none.wrong", "chat\nHello", 401, "invalid_api_key"),
        (ALICE, "nothing\nHello", 404, "model_not_found"),
    ],
)
async def test_a_refusal_is_written_in_the_envelope_of_its_api(gateway, key, body, status, code):
    refused = await post(gateway, LINES, body, key)
    assert (refused.status_code, refused.json()["wrong"]) == (status, code)
    assert refused.json().keys() == {"wrong", "words"}


async def test_an_idempotency_key_is_of_one_endpoint(gateway):
    """Both send `chat/completions` to a provider."""
    once = {"idempotency-key": "of-two-endpoints"}
    chat = await ask(gateway.url, ALICE, question("m1"), headers=once)
    lines = await post(gateway, LINES, "m1\nHello", **once)
    assert (chat.status, lines.status_code) == (200, 200)
    assert "idempotency-replayed" not in lines.headers
