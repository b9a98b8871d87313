"""SIGTERM: /readyz reports it first, running calls finish, the rest is stopped, the exit code is 0.

That those are billed: test_ledger_survives.py.
"""

from __future__ import annotations

import asyncio
import signal
import socket

import httpx
import pytest

from tests.support import sample
from tests.support.books.ledger import committed
from tests.support.books.why import stories_of
from tests.support.clients.raw_calls import ask, question
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_modes

PATIENCE = {"first_byte": "60s", "idle": "60s", "total": "90s"}  # what holds does not end by itself


def stream(gateway, model):
    return asyncio.create_task(ask(gateway.url, sample.ALICE, question(model, stream=True)))


def serving(gateway_factory, upstream, model, **server):
    """Start a gateway with a model of its own: the upstream's counts are of all tests together."""
    row = sample.row(model, f"up-{model}", upstream.base_url, timeouts=PATIENCE)
    return gateway_factory({"server": server, "model_catalog": [row]})


async def test_running_calls_finish_within_the_grace_and_no_new_one_is_taken(gateway_factory, upstream):
    """What runs ends within the grace, as one answer and as a stream; kept connections are closed, and it exits 0."""
    delays = {"prestop_delay": "200ms", "graceful_shutdown_delay": "60s"}
    gateway = serving(gateway_factory, upstream, "finishing", **delays)
    upstream.script("up-finishing", {"chunks": 10, "hold_after": 2})
    upstream.script("up-m10", {"hold_before_head": True})
    running = stream(gateway, "finishing")
    await upstream.wait("chunk", model="up-finishing", count=2)
    async with gateway.client(sample.ALICE) as client, gateway.client(sample.ALICE) as kept:
        asking = asyncio.create_task(client.post("/v1/chat/completions", json=question("m10")))
        await upstream.wait("arrived", model="up-m10")
        assert (await kept.get("/v1/models")).status_code == 200  # its connection is open and is kept
        gateway.send(signal.SIGTERM)
        refused = await until_draining(kept)
        await eventually(lambda: cannot_connect(gateway.url))
        upstream.release(model="up-m10")
        upstream.release(model="up-finishing")
        answer = await asking
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")  # and it says so
    streamed = await running
    assert streamed.saw_the_end
    assert streamed.body.count(b" word") == 10
    if refused is not None:
        assert refused.json()["error"]["code"] == "server_shutdown"
        assert refused.headers["retry-after"]
    assert gateway.wait() == 0
    rows = {row["id"]: row["status"] for row in committed(gateway) if row["model"] != "chat"}
    assert rows == {streamed.id: "ok", answer.headers["x-request-id"]: "ok"}


async def until_draining(client):
    """Ask on one kept connection until it refuses; every answer takes its time, so nothing here sleeps.

    None: the last answer before had closed the connection, and the listener takes no new one.
    """

    async def ask_again():
        try:
            return await client.post("/v1/chat/completions", json=question("chat"))
        except httpx.TransportError:
            return None

    return await eventually(ask_again, lambda answer: answer is None or answer.status_code == 503)


async def test_a_second_signal_cuts_at_once(gateway_factory, upstream):
    gateway = serving(gateway_factory, upstream, "hurried", graceful_shutdown_delay="600s")
    upstream.script("up-hurried", {"hold_after": 2})  # for ever, and the grace is longer than a test
    running = stream(gateway, "hurried")
    await upstream.wait("chunk", model="up-hurried", count=2)
    gateway.send(signal.SIGTERM)
    await eventually(lambda: cannot_connect(gateway.url))
    gateway.send(signal.SIGTERM)
    cut = await running
    assert b'"server_shutdown"' in cut.body
    assert gateway.wait() == 0
    assert len(committed(gateway)) == 1
    [why] = await stories_of(gateway, [cut.id])
    assert "The process that took it was shutting down." in why


async def test_readiness_fails_before_the_listener_closes_while_calls_are_served(gateway_factory):
    gateway = gateway_factory({"server": {"prestop_delay": "600s"}})
    gateway.send(signal.SIGTERM)
    async with gateway.client(sample.ALICE) as client:
        await eventually(lambda: client.get("/readyz"), lambda ready: ready.status_code == 503)
        answer = await client.post("/v1/chat/completions", json=question("m1"))
    assert answer.status_code == 200
    gateway.send(signal.SIGTERM)  # it hurries
    assert gateway.wait() == 0


def cannot_connect(url: str) -> bool:
    host, _, port = url.removeprefix("http://").partition(":")
    try:
        socket.create_connection((host, int(port)), 1).close()
    except OSError:
        return True
    return False
