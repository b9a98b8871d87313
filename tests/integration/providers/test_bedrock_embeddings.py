"""Embeddings at a strict Amazon Bedrock on a real socket: many requests of one call, and what a failure has used."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest

from providers.call import Call
from providers.dialects.base import Shape
from providers.dialects.choice import EMBEDDINGS, Dialects
from providers.embeddings.bedrock import TOKENS
from providers.errors.exceptions import UpstreamFailed
from providers.model_facts import ModelFacts
from providers.outgoing import Outgoing
from providers.resilience.health import DeploymentHealth
from providers.resilience.plan import CallProgress, Plan
from providers.sending.several_requests import AT_ONCE
from providers.upstream import Attempt, open_call
from providers.usage import Usage
from tests.integration.providers.raw_server import Peer, RawServer
from tests.support.vendors.bedrock import Bedrock, Reply, refusal, target


async def embed(transport, targets, attempts, count: int, **more: Any) -> Call:
    asked = {"model": "a", "input": [f"text {at}" for at in range(count)], **more}
    shape = Shape(alias="a", path="embeddings", content_key="data")
    outgoing = Outgoing(request_id="r", raw=json.dumps(asked).encode(), progress=CallProgress(1))
    return await open_call(
        transport,
        Dialects(shape, client_api=EMBEDDINGS),
        outgoing,
        Plan(targets=targets),
        attempts,
        DeploymentHealth(),
    )


def embeds(_model: str, _operation: str, body: Any) -> Reply:
    vector = [float(body["inputText"].split()[1]), 0.5]
    return 200, {TOKENS: "3"}, json.dumps({"embedding": vector, "inputTextTokenCount": 3}).encode()


async def test_many_texts_become_many_requests_and_one_response(transport):
    bedrock = Bedrock(embeds)
    async with RawServer(bedrock.script) as server:
        attempts: list[Attempt] = []
        call = await embed(transport, [target(server, "amazon")], attempts, 40)
        assert len(server.peers) <= AT_ONCE
    assert call.answered is not None
    body = json.loads(call.answered.body)
    assert [each["embedding"][0] for each in body["data"]] == [float(at) for at in range(40)]
    assert call.answered.usage == Usage(input_tokens=120)
    assert call.unrecorded == call.answered.body
    assert {operation for _, operation, _ in bedrock.seen} == {"invoke"}
    assert [each.outcome for each in attempts] == ["ok"]


class Limited:
    """Refuses one text, once as many others as are to be answered before it have been."""

    def __init__(self, status: int) -> None:
        self.status, self.count = status, 0
        self.others = asyncio.Event()

    async def script(self, peer: Peer) -> None:
        bedrock = Bedrock(embeds)
        while True:
            raw = await peer.request()
            if b"text 2" in raw:
                await self.others.wait()
                if not self.status:
                    peer.close()
                    return
                _, headers, body = refusal(self.status, "ThrottlingException", "slow down")
                head = f"HTTP/1.1 {self.status} X\r\ncontent-length: {len(body)}\r\n"
                await peer.send(head.encode(), b"x-amzn-errortype: ThrottlingException\r\n\r\n", body)
                continue
            self.count += 1
            status, headers, body = bedrock.reply(raw)
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            await peer.send(
                f"HTTP/1.1 {status} X\r\n{lines}content-length: {len(body)}\r\n\r\n".encode(), body
            )
            if self.count >= 3:
                self.others.set()


async def test_what_was_used_before_a_refusal_is_recorded_with_the_attempt(transport):
    limited = Limited(429)
    async with RawServer(limited.script) as first, RawServer(Bedrock(embeds).script) as second:
        attempts: list[Attempt] = []
        targets = [target(first, "amazon", "one"), target(second, "amazon")]
        call = await embed(transport, targets, attempts, 4)
    assert call.answered is not None
    assert [each.outcome for each in attempts] == ["upstream_rate_limited", "ok"]
    assert attempts[0].usage == Usage(input_tokens=9)
    assert attempts[0].reached


async def test_what_a_broken_request_used_is_unknown_so_the_whole_attempt_is(transport):
    limited = Limited(0)
    async with RawServer(limited.script) as server:
        attempts: list[Attempt] = []
        with pytest.raises(UpstreamFailed) as failed:
            await embed(transport, [target(server, "amazon")], attempts, 4)
    assert (attempts[0].usage, attempts[0].status, attempts[0].reached) == (None, None, True)
    assert failed.value.partial_usage == Usage(input_tokens=9)


async def test_dimensions_that_a_model_lacks_are_refused_or_served_elsewhere(transport):
    few = ModelFacts(vendor="amazon", embedding_dimensions=(256, 512))
    async with RawServer(Bedrock(embeds).script) as server:
        poor = msgspec.structs.replace(target(server, name="one"), facts=few)
        rich = msgspec.structs.replace(
            target(server), facts=msgspec.structs.replace(few, embedding_dimensions=(256, 1024))
        )
        attempts: list[Attempt] = []
        call = await embed(transport, [poor, rich], attempts, 1, dimensions=1024)
        assert call.target.name == "d"
        with pytest.raises(UpstreamFailed) as failed:
            await embed(transport, [poor], [], 1, dimensions=1024)
    passed = failed.value.passthrough
    assert passed is not None
    assert (passed.status, passed.param, passed.code) == (400, "dimensions", "unsupported_parameter")
    assert len(server.requests) == 1
