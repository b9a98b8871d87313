"""A provider with Anthropic's API counts a prompt itself; where it does not answer, the next one is asked."""

from __future__ import annotations

import json

import msgspec
import pytest

from gateway.parsing.messages import peek_count
from providers.isolation.tenant_salt import Salt
from providers.native_count.asking import Prompt, first_count
from providers.transport.client import Transport
from tests.integration.providers.raw_server import Peer, RawServer
from tests.support.vendors.anthropic import KEY
from tests.support.vendors.claude_calls import deployment

RAW = b'{"model":"claude","messages":[{"role":"user","content":"Hi"}],"system":"Be kind"}'
SHAPE = msgspec.structs.replace(
    peek_count(RAW).shape, salt=Salt(b"tenant"), client_headers={"anthropic-beta": "context-1m-2025-08-07"}
)

PROMPT = Prompt(RAW, SHAPE, "messages")


def answers(*several: bytes):
    left = list(several)

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(left.pop(0))

    return script


def ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


FAILED = b"HTTP/1.1 529 Overloaded\r\ncontent-length: 0\r\n\r\n"


def at(server: RawServer):
    return deployment(base_url=server.url.removesuffix("/v1/chat/completions"))


async def test_the_provider_counts(transport: Transport) -> None:
    async with RawServer(answers(ok(b'{"input_tokens": 17}'))) as server:
        assert await first_count(transport, PROMPT, [at(server)]) == 17
        [asked] = server.requests
    head, _, body = asked.partition(b"\r\n\r\n")
    lines = head.decode().lower()
    assert lines.startswith("post /v1/messages/count_tokens http/1.1")
    assert f"x-api-key: {KEY}" in lines
    assert "anthropic-beta: context-1m-2025-08-07" in lines
    if body:
        assert json.loads(body) == json.loads(RAW) | {"model": "claude-up"}


async def test_the_next_one_is_asked(transport: Transport) -> None:
    async with (
        RawServer(answers(FAILED)) as broken,
        RawServer(answers(ok(b'{"input_tokens": 5}'))) as server,
    ):
        assert await first_count(transport, PROMPT, [at(broken), at(server)]) == 5


@pytest.mark.parametrize(
    "answer",
    [FAILED, ok(b"{}"), ok(b'{"input_tokens":"x"}'), ok(b'{"input_tokens":0}'), ok(b"nonsense"), b""],
)
async def test_nothing_is_known_where_none_answers(transport: Transport, answer: bytes) -> None:
    async with RawServer(answers(answer)) as server:
        assert await first_count(transport, PROMPT, [at(server)]) is None


async def test_other_providers_are_not_asked(transport: Transport) -> None:
    async with RawServer(answers()) as server:
        other = msgspec.structs.replace(at(server), provider="openai-compatible", api="openai")
        assert PROMPT.count_at(other) is None
        assert await first_count(transport, PROMPT, [other]) is None
        assert server.requests == []
