"""The memory of an ended call is free at once and does not wait for the garbage collector, which runs rarely.

With thousands of streams between two looks, all that was known of each would stay in memory until then.
"""

from __future__ import annotations

import uuid
from typing import Any, NamedTuple

import pytest

from tests.support import sample
from tests.support.books.money import settled
from tests.support.clients.raw_calls import question
from tests.support.faults.cycles import Cycles
from tests.support.servers.gateway import Gateway

CALLS = 5
STREAM = {"stream": True}
ANY_KEY = ("idempotency-key",)
OF_A_CONNECTION = {  # that broke; as many as there were
    "providers.transport.connection.Connection",
    "providers.transport.tcp_acknowledgement.TcpState",
    "providers.errors.exceptions.UpstreamBroken",
}
OF_A_CALL = {
    "gateway.http.client_connection.ClientConnection",
    "gateway.http.request.V1Request",
    "gateway.inference.call_context.CallContext",
    "gateway.inference.relay.StreamRelay",
    "metering.meter.Meter",
    "providers.call.Call",
    "providers.dialects.openai.stream.OpenAIStream",
}


class Kind(NamedTuple):
    """What the provider does, the request, and the status that the client gets."""

    behavior: dict[str, Any]
    more: dict[str, Any]
    status: int = 200
    headers: tuple[str, ...] = ()


KINDS = {
    "whole": Kind({}, {}),
    "streams": Kind({}, STREAM),
    "streams with usage": Kind({}, STREAM | {"stream_options": {"include_usage": True}}),
    "streams with an Idempotency-Key": Kind({}, STREAM, headers=ANY_KEY),
    "whole with an Idempotency-Key": Kind({}, {}, headers=ANY_KEY),
    "streams that are cut": Kind({"end": "cut", "after": 2}, STREAM),
    "streams that are reset": Kind({"end": "reset", "after": 2}, STREAM),
    "streams of a provider that fails": Kind({"kind": "status", "status": 500}, STREAM, 502),
    "refused by the provider": Kind({"kind": "status", "status": 400}, {}, 400),
    "refused before it is called": Kind({}, {"messages": []}, 400),
    "of no model": Kind({}, {"model": "none"}, 404),
}


@pytest.fixture(scope="module")
def watched(upstream, tmp_path_factory):
    directory = tmp_path_factory.mktemp("cycles")
    cycles = Cycles(directory / "loop")
    config = {
        **sample.NO_LIMITS,
        "server": {"workers": 1},
        "model_catalog": [sample.row("m1", "up-m1", upstream.base_url)],
        "bootstrap": {"tenants": [{"name": "alice-co"}], "api_keys": [sample.key("alice-co", sample.ALICE)]},
    }
    gateway = Gateway(config, directory / "data", cycles.environment)
    with gateway:
        yield gateway, cycles


@pytest.mark.parametrize("what", KINDS)
async def test_a_call_leaves_no_cycle(watched, upstream, what):
    gateway, cycles = watched
    kind = KINDS[what]
    async with gateway.client(sample.ALICE) as client:

        async def ask(more, status, headers=()):
            own = dict.fromkeys(headers, uuid.uuid4().hex)
            answer = await client.post("/v1/chat/completions", json={**question("m1"), **more}, headers=own)
            assert answer.status_code == status, answer.text

        upstream.script("up-m1", {})
        await ask({}, 200)  # the connection, and what is made once
        upstream.script("up-m1", kind.behavior)
        await cycles.found(gateway.pid)
        for _ in range(CALLS):
            await ask(kind.more, kind.status, kind.headers)
        found = await cycles.found(gateway.pid)
    assert {name for name, count in found.items() if count >= CALLS} <= OF_A_CONNECTION


async def test_a_call_whose_client_disconnected_is_freed_too(watched, upstream):
    """What is left is of the connections that were cut."""
    gateway, cycles = watched
    upstream.script("up-m1", {"chunks": 6, "hold_after": 3})
    await cycles.found(gateway.pid)
    for _ in range(CALLS):
        async with gateway.client(sample.ALICE) as client:
            asking = client.stream("POST", "/v1/chat/completions", json=question("m1", stream=True))
            async with asking as answer:
                await anext(answer.aiter_raw())
    await settled(gateway)
    assert not OF_A_CALL & (await cycles.found(gateway.pid)).keys()
