"""SIGTERM: the load balancer learns it first, running calls finish, the rest are cut and billed, the exit code is 0."""

from __future__ import annotations

import asyncio
import signal
import socket

import pytest

from tests import town
from tests.ledger import committed
from tests.raw_calls import ask, question
from tests.waiting import eventually

pytestmark = pytest.mark.both_modes

PATIENCE = {"first_byte": "60s", "idle": "60s", "total": "90s"}  # what holds does not end by itself


def stream(gateway, model):
    return asyncio.create_task(ask(gateway.url, town.ALICE, question(model, stream=True)))


def serving(fresh_gateway, upstream, model, grace):
    """Start a gateway with a model of its own: the upstream's counts are of all tests together."""
    row = town.row(model, f"up-{model}", upstream.base_url, timeouts=PATIENCE)
    return fresh_gateway({"server": {"graceful_shutdown_delay": grace}, "model_catalog": [row]})


async def test_running_calls_finish_within_the_grace(fresh_gateway, upstream):
    gateway = serving(fresh_gateway, upstream, "finishing", "60s")
    upstream.script("up-finishing", {"chunks": 10, "hold_after": 2})
    running = stream(gateway, "finishing")
    await upstream.wait("chunk", model="up-finishing", count=2)
    gateway.send(signal.SIGTERM)
    await eventually(lambda: cannot_connect(gateway.url))
    upstream.release(model="up-finishing")
    assert (await running).saw_the_end
    assert gateway.wait() == 0
    assert [row["status"] for row in committed(gateway)] == ["ok"]


async def test_what_takes_longer_is_cut_with_a_reason_and_billed(fresh_gateway, upstream):
    gateway = serving(fresh_gateway, upstream, "cut", "1s")
    upstream.script("up-cut", {"hold_after": 2})  # for ever: nothing but the end of the grace ends it
    running = stream(gateway, "cut")
    await upstream.wait("chunk", model="up-cut", count=2)
    gateway.send(signal.SIGTERM)
    answer = await running
    assert b'"server_shutdown"' in answer.body
    assert b"[DONE]" not in answer.body
    assert gateway.wait() == 0
    [row] = committed(gateway)
    assert (row["status"], row["error_code"]) == ("cancelled", "server_shutdown")
    assert row["cost_nanousd"] > 0


async def test_a_second_signal_cuts_at_once(fresh_gateway, upstream):
    gateway = serving(fresh_gateway, upstream, "hurried", "600s")
    upstream.script("up-hurried", {"hold_after": 2})  # for ever, and the grace is longer than a test
    running = stream(gateway, "hurried")
    await upstream.wait("chunk", model="up-hurried", count=2)
    gateway.send(signal.SIGTERM)
    await eventually(lambda: cannot_connect(gateway.url))
    gateway.send(signal.SIGTERM)
    assert b'"server_shutdown"' in (await running).body
    assert gateway.wait() == 0
    assert len(committed(gateway)) == 1


async def test_before_it_stops_accepting_it_tells_the_load_balancer_and_still_serves(fresh_gateway):
    gateway = fresh_gateway({"server": {"prestop_delay": "600s"}})
    gateway.send(signal.SIGTERM)
    async with gateway.client(town.ALICE) as client:
        await eventually(lambda: client.get("/readyz"), lambda ready: ready.status_code == 503)
        answer = await client.post("/v1/chat/completions", json=question("m1"))
    assert answer.status_code == 200
    gateway.send(signal.SIGTERM)  # it hurries
    assert gateway.wait() == 0


async def test_after_that_it_stops_by_itself(fresh_gateway):
    gateway = fresh_gateway({"server": {"prestop_delay": "200ms"}})
    gateway.send(signal.SIGTERM)
    assert gateway.wait() == 0


async def test_the_last_answer_of_a_kept_connection_says_that_it_is_the_last(fresh_gateway, upstream):
    gateway = fresh_gateway({"server": {"graceful_shutdown_delay": "10s"}})
    upstream.script("up-m10", {"hold_before_head": True})
    async with gateway.client(town.ALICE) as client:
        asking = asyncio.create_task(client.post("/v1/chat/completions", json=question("m10")))
        await upstream.wait("arrived", model="up-m10")
        gateway.send(signal.SIGTERM)
        await eventually(lambda: cannot_connect(gateway.url))
        upstream.release(model="up-m10")
        answer = await asking
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")
    assert gateway.wait() == 0


def cannot_connect(url: str) -> bool:
    host, _, port = url.removeprefix("http://").partition(":")
    try:
        socket.create_connection((host, int(port)), 1).close()
    except OSError:
        return True
    return False
