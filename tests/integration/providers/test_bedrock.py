"""Calls to a strict Amazon Bedrock on a real socket: signatures, Converse, embeddings, and what a failure has used."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from typing_extensions import override

from providers.auth.aws import AwsAuth
from providers.auth.aws_credentials import CredentialChain
from providers.auth.sigv4 import AwsCredentials
from providers.call import Call
from providers.conversation import registry
from providers.conversation.apis import ClientSide, StreamWriter, WriterContext
from providers.conversation.content import Text
from providers.conversation.events import BlockDelta, Ended, Event
from providers.conversation.folding import Message
from providers.conversation.request import Conversation, Turn
from providers.dialects.base import Shape
from providers.dialects.choice import Dialects
from providers.errors.exceptions import UpstreamFailed, UpstreamStatus
from providers.outgoing import Outgoing, ResponseKind
from providers.probe import probe
from providers.registry import PROVIDERS
from providers.resilience.health import DeploymentHealth
from providers.resilience.plan import Plan
from providers.target import Secret
from providers.upstream import Attempt, open_call
from providers.usage import Usage
from tests.integration.providers.raw_server import Peer, RawServer
from tests.support.vendors.bedrock import ARN, Bedrock, Reply, refusal, target
from tests.support.vendors.event_stream import event, exception

USAGE = {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}
STREAM = [
    event("messageStart", {"role": "assistant"}),
    event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hel"}}),
    event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "lo"}}),
    event("contentBlockStop", {"contentBlockIndex": 0}),
    event("messageStop", {"stopReason": "end_turn"}),
    event("metadata", {"usage": USAGE, "metrics": {"latencyMs": 1}}),
]


class _Writer(StreamWriter):
    def __init__(self, _context: WriterContext) -> None:
        self.final = b""

    @override
    def write(self, event: Event) -> bytes:
        if isinstance(event, Ended):
            self.final = b"[end]"
        return event.text.encode() if isinstance(event, BlockDelta) else b""

    @override
    def failed(self, body: bytes) -> bytes:
        return body


def _document(message: Message, _context: WriterContext) -> bytes:
    return "".join(block.text for block in message.choice().blocks).encode()


@pytest.fixture(autouse=True)
def client_api(monkeypatch):
    talk = Conversation(turns=(Turn("user", (Text("Hi"),)),), stream=True)
    side = ClientSide(
        "chat", lambda raw, _: msgspec.structs.replace(talk, stream=raw == b"stream"), _Writer, _document
    )
    monkeypatch.setitem(registry.CLIENTS, "chat", side)


async def chat(transport, targets, attempts, *, streams: bool) -> Call:
    shape = Shape(alias="a", path="chat/completions", stream=streams)
    raw, answer = b"stream" if streams else b"json", ResponseKind.of(streams=streams)
    outgoing = Outgoing(request_id="r", raw=raw, answer=answer)
    return await open_call(
        transport, Dialects(shape), outgoing, Plan(targets=targets), attempts, DeploymentHealth()
    )


def converses(_model: str, operation: str, _body: Any) -> Reply:
    if operation == "converse-stream":
        return 200, {"content-type": "application/vnd.amazon.eventstream"}, b"".join(STREAM)
    document = {
        "output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}},
        "stopReason": "end_turn",
        "usage": USAGE,
    }
    return 200, {"content-type": "application/json"}, json.dumps(document).encode()


async def test_a_stream_is_signed_sent_and_read(transport):
    bedrock = Bedrock(converses)
    async with RawServer(bedrock.script) as server:
        call = await chat(transport, [target(server)], [], streams=True)
        out = call.first + b"".join([block async for block in call.rest()])
        assert call.stream is not None
        assert (out, call.stream.final, call.stream.done) == (b"Hello", b"[end]", True)
        assert call.stream.usage == Usage(input_tokens=3, output_tokens=2)
        await call.aclose()
    ((model, operation, body),) = bedrock.seen
    assert (model, operation) == (ARN, "converse-stream")
    assert body["inferenceConfig"] == {"maxTokens": 100}
    assert b"POST /model/arn%3Aaws%3Abedrock%3A" in server.requests[0]


async def test_a_document_is_read(transport):
    async with RawServer(Bedrock(converses).script) as server:
        call = await chat(transport, [target(server)], [], streams=False)
        assert call.answered is not None
        assert (call.answered.body, call.answered.usage) == (b"Hello", Usage(input_tokens=3, output_tokens=2))


async def test_a_wrong_secret_is_noticed(transport):
    async with RawServer(Bedrock(converses).script) as server:
        wrong = target(server, aws_secret_access_key="another")
        with pytest.raises(UpstreamFailed) as failed:
            await chat(transport, [wrong], [], streams=False)
    assert failed.value.fault == "credential"


async def test_an_api_key_is_sent_as_a_bearer_token(transport):
    bedrock = Bedrock(converses)
    bedrock.bearer = "ABSK-1"
    async with RawServer(bedrock.script) as server:
        keyed = msgspec.structs.replace(target(server), secret=Secret("ABSK-1"), metadata={})
        assert (await chat(transport, [keyed], [], streams=False)).answered is not None


async def test_an_expired_token_is_renewed_within_the_attempt(transport, monkeypatch):
    bedrock = Bedrock(converses)
    bedrock.expired.add("old")
    tokens, now = ["old", "new"], [1_000.0]
    chain = CredentialChain(
        lambda _: AwsCredentials("AKIDEXAMPLE", "wJalr/secret", tokens.pop(0)), lambda: now[0]
    )
    auth = AwsAuth(chain, environment={})
    monkeypatch.setitem(PROVIDERS, "bedrock", msgspec.structs.replace(PROVIDERS["bedrock"], auth=auth))
    async with RawServer(bedrock.script) as server:
        await chain.get()
        now[0] += 60
        attempts: list[Attempt] = []
        roaming = msgspec.structs.replace(target(server), metadata={})
        call = await chat(transport, [roaming], attempts, streams=False)
    assert call.answered is not None
    assert [each.outcome for each in attempts] == ["ok"]
    assert len(server.requests) == 2


async def test_an_error_is_judged_by_the_name_in_its_header(transport):
    limited = Bedrock(lambda *_: refusal(400, "ServiceQuotaExceededException", "no more"))
    async with RawServer(limited.script) as first, RawServer(Bedrock(converses).script) as second:
        attempts: list[Attempt] = []
        await chat(transport, [target(first, name="one"), target(second)], attempts, streams=True)
    assert [each.outcome for each in attempts] == ["upstream_rate_limited", "ok"]
    refused = Bedrock(lambda *_: refusal(400, "ValidationException", "The value is wrong"))
    async with RawServer(refused.script) as server:
        with pytest.raises(UpstreamStatus) as failed:
            await chat(transport, [target(server)], [], streams=True)
    passed = failed.value.passthrough
    assert passed is not None
    assert (passed.status, passed.message) == (400, "The value is wrong")


async def test_an_exception_before_the_first_content_fails_over(transport):
    async def breaks(peer: Peer) -> None:
        await peer.request()
        await peer.start_stream(b"application/vnd.amazon.eventstream")
        await peer.chunk(STREAM[0] + exception("modelStreamErrorException", {"message": "broke"}))
        await peer.until_gone()

    async with RawServer(breaks) as first, RawServer(Bedrock(converses).script) as second:
        attempts: list[Attempt] = []
        call = await chat(transport, [target(first, name="one"), target(second)], attempts, streams=True)
        await call.aclose()
    assert [each.outcome for each in attempts] == ["upstream_error", "ok"]


@pytest.mark.parametrize(("missing", "is_ok"), [(0, True), (1, True), (2, True), (3, False)])
async def test_a_probe_asks_for_what_is_free(transport, missing: int, is_ok: bool):  # noqa: FBT001
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            head = b"404 Not Found" if len(server.requests) <= missing else b"200 OK"
            await peer.send(b"HTTP/1.1 %b\r\ncontent-length: 2\r\n\r\n{}" % head)

    async with RawServer(script) as server:
        found = await probe(transport, target(server), 5.0, can_chat=True)
    assert found.is_ok == is_ok
    paths = [raw.split(b" ")[1].rsplit(b"/", 2)[-2:] for raw in server.requests]
    assert [each[0] for each in paths[:2]] == [b"foundation-models", b"inference-profiles"][: len(paths)]
    assert all(b"AWS4-HMAC-SHA256" in raw for raw in server.requests)


CLAUDE = [
    {"type": "message_start", "message": {"id": "msg_1", "usage": {"input_tokens": 3, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 3}},
]  # fmt: skip


async def test_clients_of_claudes_api_get_its_events_out_of_invoke_model(transport):
    def invokes(_model: str, _operation: str, _body: Any) -> Reply:
        frames = [
            event("chunk", {"bytes": base64.b64encode(json.dumps(each).encode()).decode()}) for each in CLAUDE
        ]
        return 200, {"content-type": "application/vnd.amazon.eventstream"}, b"".join(frames)

    bedrock = Bedrock(invokes)
    asked = {
        "model": "a",
        "max_tokens": 9,
        "stream": True,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    shape = Shape(alias="a", path="messages", stream=True, stated_cap=9, cap_names=("max_tokens",))
    outgoing = Outgoing(request_id="r", raw=json.dumps(asked).encode(), answer=ResponseKind.EVENTS)
    async with RawServer(bedrock.script) as server:
        dialects = Dialects(shape, client_api="messages")
        call = await open_call(
            transport, dialects, outgoing, Plan(targets=[target(server)]), [], DeploymentHealth()
        )
        out = call.first + b"".join([block async for block in call.rest()])
        assert call.stream is not None
        assert call.stream.usage == Usage(input_tokens=3, output_tokens=2)
        await call.aclose()
    ((_, operation, body),) = bedrock.seen
    assert operation == "invoke-with-response-stream"
    assert body["anthropic_version"] == "bedrock-2023-05-31"
    assert not body.keys() & {"model", "stream"}
    assert b'"text":"Hello"' in out.replace(b": ", b":")
    assert out.count(b"event: ") == len(CLAUDE) - 1  # the last one is sent once the call is recorded
    assert b"message_stop" in call.stream.final
