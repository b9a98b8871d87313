"""A probe of Claude asks for the model itself, which costs nothing."""

from __future__ import annotations

import pytest

from providers.probe import probe
from providers.transport.client import Transport
from tests.integration.providers.raw_server import Peer, RawServer
from tests.support.vendors.anthropic import KEY
from tests.support.vendors.claude_calls import deployment


@pytest.mark.parametrize(
    ("status", "is_ok", "is_final"),
    [(b"200 OK", True, False), (b"401 No", False, True), (b"404 No", False, True)],
)
async def test_a_probe_asks_for_the_model_without_cost(
    transport: Transport,
    status: bytes,
    is_ok: bool,  # noqa: FBT001
    is_final: bool,  # noqa: FBT001
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        answer = b'{"type":"model","id":"claude-up"}'
        await peer.send(b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n" % (status, len(answer)), answer)

    async with RawServer(script) as server:
        found = await probe(
            transport, deployment(base_url=server.url.removesuffix("/v1/chat/completions")), 5, can_chat=True
        )
        asked = server.requests
    assert (found.is_ok, found.is_final, len(asked)) == (is_ok, is_final, 1)
    head = asked[0].decode().lower()
    assert head.startswith("get /v1/models/claude-up http/1.1")
    assert "anthropic-version: 2023-06-01" in head
    assert f"x-api-key: {KEY}" in head
