"""A provider that repeats the credential it was sent does not expose it: not to the tenant, nor in logs and pages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest

from providers.call import Call
from providers.dialects.base import Shape
from providers.dialects.choice import Dialects
from providers.errors import redaction
from providers.errors.exceptions import UpstreamFailed
from providers.outgoing import Outgoing, ResponseKind
from providers.resilience.health import DeploymentHealth
from providers.resilience.plan import Plan
from providers.target import Secret, Target, Timeouts
from providers.upstream import open_call
from tests.integration.providers.raw_server import Peer, RawServer, Script

if TYPE_CHECKING:
    from providers.transport.client import Transport

CANARY = "upstream-secret-canary-123456"
ECHO = f"bad header authorization: Bearer {CANARY} from 10.0.0.7 /srv/app"
BODY = b'{"model":"chat","messages":[]}'
LIMITS = Timeouts(connect=2, first_byte=5, idle=5, total=10)
CHUNK = b'data: {"model":"up","choices":[{"index":0,"delta":{"content":"see /etc/passwd"}}]}\n\n'
ANSWER = b'{"model":"chat","choices":[{"message":{"content":"see /etc/passwd"}}],"usage":{"prompt_tokens":1}}'


async def opened(
    transport: Transport, server: RawServer, health: DeploymentHealth, *, streams: bool = False
) -> Call:
    target = Target(
        id=1,
        alias="chat",
        name="echo",
        provider="openai-compatible",
        upstream_model="chat",
        base_url=server.url.removesuffix("/chat/completions"),
        secret=Secret(CANARY),
        timeouts=LIMITS,
    )
    shape = Shape(alias="chat", path="chat/completions", stream=streams, include_usage=True)
    outgoing = Outgoing(request_id="req-1", raw=BODY, answer=ResponseKind.of(streams=streams))
    health.update_targets([target], [])
    return await open_call(transport, Dialects(shape), outgoing, Plan(targets=[target]), [], health)


def says(head: str, body: str) -> Script:
    async def script(peer: Peer) -> None:
        await peer.request()
        raw = body.encode()
        await peer.send(f"HTTP/1.1 {head}\r\ncontent-length: {len(raw)}\r\n\r\n".encode(), raw)
        await peer.until_gone()

    return script


def streams(*events: str) -> Script:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.start_stream()
        for event in events:
            await peer.chunk(event.encode())
        await peer.send(b"0\r\n\r\n")
        await peer.until_gone()

    return script


SHAPES = {
    "the envelope of OpenAI": {"error": {"message": ECHO, "type": "bad", "param": "x", "code": "c"}},
    "a flat message": {"message": ECHO},
    "a detail": {"detail": ECHO},
    "an error that is a text": {"error": ECHO},
    "in param": {"error": {"message": "refused", "param": f"Bearer {CANARY}"}},
    "in code": {"error": {"message": "refused", "code": CANARY}},
    "in type": {"error": {"message": "refused", "type": f"type {CANARY}"}},
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("spelling", ["plain", "escaped"])
async def test_a_refusal_that_repeats_the_key_is_passed_on_without_it(
    transport: Transport, shape: str, status: int, spelling: str
) -> None:
    body = json.dumps(SHAPES[shape])
    if spelling == "escaped":
        body = body.replace(CANARY, "".join(f"\\u{ord(letter):04x}" for letter in CANARY))
    async with RawServer(says(f"{status} No", body)) as server:
        with pytest.raises(UpstreamFailed) as caught:
            await opened(transport, server, DeploymentHealth())

    theirs = caught.value.passthrough
    assert theirs is not None
    told = json.dumps(msgspec.to_builtins(theirs))
    assert CANARY not in told
    assert "10.0.0.7" not in told
    assert "/srv/app" not in told
    assert "***" in told


async def test_the_rest_of_the_message_is_passed_on(transport: Transport) -> None:
    async with RawServer(says("400 No", json.dumps({"message": ECHO}))) as server:
        with pytest.raises(UpstreamFailed) as caught:
            await opened(transport, server, DeploymentHealth())

    theirs = caught.value.passthrough
    assert theirs is not None
    assert theirs.message == "bad header authorization: Bearer *** from (address) (path)"


@pytest.mark.parametrize(
    "script",
    [
        says(f"200 OK\r\ncontent-type: text/{CANARY}", "x"),
        streams(f'data: {{"error": {{"message": "{ECHO}"}}}}\n\n'),
        streams(f"data: {CANARY}\n\n"),
    ],
    ids=["a content type", "an error event", "no JSON"],
)
async def test_the_reason_that_operators_read_has_no_key(transport: Transport, script: Script) -> None:
    health = DeploymentHealth()
    async with RawServer(script) as server:
        with pytest.raises(UpstreamFailed) as caught:
            await opened(transport, server, health, streams=True)

    assert CANARY not in caught.value.reason
    assert CANARY not in str(health.snapshots())


@pytest.mark.parametrize(
    "event",
    [
        {"choices": [], "warning": ECHO},
        {"choices": [], "info": [{"msg": ECHO}]},
        {"choices": "none", "hint": f"Bearer {CANARY}"},
    ],
)
async def test_an_event_that_is_no_content_has_no_key(transport: Transport, event: dict[str, object]) -> None:
    script = streams(CHUNK.decode(), f"data: {json.dumps(event)}\n\n", "data: [DONE]\n\n")
    async with RawServer(script) as server:
        call = await opened(transport, server, DeploymentHealth(), streams=True)
        told = call.first + b"".join([out async for out in call.rest()])
        await call.aclose()

    assert CANARY.encode() not in told
    assert b"***" in told


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "message": ECHO},
        {"object": "error", "detail": [{"msg": ECHO}]},
        {"choices": "none", "message": f"Bearer {CANARY}"},
    ],
)
async def test_an_error_behind_content_is_not_passed_on(
    transport: Transport, event: dict[str, object]
) -> None:
    script = streams(CHUNK.decode(), f"data: {json.dumps(event)}\n\n", "data: [DONE]\n\n")
    async with RawServer(script) as server:
        call = await opened(transport, server, DeploymentHealth(), streams=True)
        told = call.first + b"".join([out async for out in call.rest()])
        await call.aclose()

    assert (told, call.stream is not None and call.stream.failure is not None) == (
        CHUNK.replace(b"up", b"chat"),
        True,
    )
    assert b"see /etc/passwd" in told, "what the model says is its own"


async def test_good_answers_are_not_searched(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[object] = []
    for name in ("redact", "redact_for_client", "without_values", "_each_text"):
        monkeypatch.setattr(redaction, name, lambda *given: searched.append(given))

    async with RawServer(says("200 OK", ANSWER.decode())) as server:
        call = await opened(transport, server, DeploymentHealth())
        assert call.answered is not None
        assert call.answered.body == ANSWER
        await call.aclose()
    async with RawServer(streams(CHUNK.decode(), "data: [DONE]\n\n")) as server:
        call = await opened(transport, server, DeploymentHealth(), streams=True)
        assert b"see /etc/passwd" in call.first
        await call.aclose()

    assert searched == []
