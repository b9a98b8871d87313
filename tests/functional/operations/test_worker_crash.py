"""Workers of one gateway are killed under load, one after the other: no call is lost or doubled, no money stays held.
And a whole gateway is killed at each step between a call's end and the ledger.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import signal
import socket
import time
from pathlib import Path

import pytest

from metering.ledger.crash_recovery import DIED
from tests.support.books.ledger import whole_ledger
from tests.support.clients import concurrent_clients
from tests.support.clients.concurrent_clients import Crowd, agree, exhaust
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.gateway import Gateway
from tests.support.servers.ports import free_port

pytestmark = pytest.mark.both_modes

SHORT = 3  # deaths in an ordinary run, always at the same points of the load
LONG = [pytest.mark.soak, pytest.mark.timeout(900)]
FAILPOINTS = (
    "after_close_write",
    "before_insert",
    "before_commit",
    "after_commit",
    "before_cursor",
    "before_unlink",
)


def workers_of(gateway):
    children = Path(f"/proc/{gateway.pid}/task/{gateway.pid}/children").read_text()
    return [int(pid) for pid in children.split()]


@pytest.mark.runs_once  # brings its stores with it
@pytest.mark.timeout(240)
@pytest.mark.parametrize("deaths", [pytest.param(SHORT, id="short"), pytest.param(20, id="long", marks=LONG)])
async def test_workers_killed_under_load_lose_no_call_and_hold_no_money(
    gateway_factory, isolated_stores, upstream, deaths
):
    seed = deaths if deaths == SHORT else secrets.randbits(32)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    dice = random.Random(seed)
    limit = 700 if deaths == SHORT else 600 + 400 * deaths
    upstream.script("up-cents", {"delay": 0.05, "chunks": 5, "pause": 0.02})
    plan = concurrent_clients.config(
        upstream.base_url, limit, server={"workers": 2}, database={"max_conns": 4}
    )
    gateway = gateway_factory(plan, bare=True, env=isolated_stores)
    async with Crowd(gateway, 8) as calls, Crowd(gateway, 8, question("cent", stream=True)) as streams:
        lived_since = 0.0
        for _ in range(deaths):
            await calls.hears(dice.randrange(20, 80), "200", since=lived_since)  # the moment is the point
            lived_since = time.monotonic()
            living = workers_of(gateway)
            if living:
                os.kill(dice.choice(living), signal.SIGKILL)
        await calls.hears(50, "200", since=lived_since)
    said = [*calls.said, *streams.said]
    words = calls.words() + streams.words()
    print(dict(words))  # noqa: T201 - the figures
    assert set(words) <= {"200", "broken", "limiter_unavailable"}
    assert words["broken"] < 200
    rest = await exhaust(gateway)
    await agree(gateway, upstream, [one.answer for one in said if one.word == "200"] + rest, limit)


async def test_a_call_killed_before_a_byte_was_sent_is_billed_as_if_it_had_been(gateway_factory):
    with socket.create_server(("127.0.0.1", free_port())) as mute:  # it never shakes hands
        mute.setblocking(False)
        host, port = mute.getsockname()
        gateway = gateway_factory(concurrent_clients.config(f"https://{host}:{port}/v1", 10), bare=True)
        running = asyncio.create_task(ask(gateway.url, concurrent_clients.KEY, question("cent")))
        async with asyncio.timeout(30):
            knocked, _ = await asyncio.get_running_loop().sock_accept(mute)
        with knocked:
            gateway.kill()
            await running
    gateway.start()
    [row] = await whole_ledger(gateway)
    said = (row["status"], row["error_code"], row["output_tokens"], row["cost_nanousd"])
    assert said == ("incomplete", DIED, 0, concurrent_clients.CENT)
    gateway.manage("reconcile")


async def asks_until_it_dies(doomed):
    """Return the calls whose end a client saw. It may die while it starts: it adopts what the one before left."""
    try:
        doomed.start()
    except AssertionError:
        return set()
    finished = set()
    async with asyncio.timeout(30):
        while doomed.is_running:
            answers = await asyncio.gather(
                *(ask(doomed.url, concurrent_clients.KEY, question("cent")) for _ in range(8))
            )
            finished |= {answer.id for answer in answers if answer.saw_the_end}
    assert doomed.wait() == -signal.SIGKILL
    return finished


@pytest.mark.timeout(240)
async def test_gateway_killed_at_each_step_after_a_call_loses_no_call(gateway_factory, upstream):
    upstream.script("up-cents", {})
    plan = concurrent_clients.config(upstream.base_url, 10_000, server={"workers": 1})
    gateway = gateway_factory(plan, bare=True, start=False)
    stores = ("ROUTER_DB_URL", "ROUTER_REDIS_URL")  # of this run, if it has any
    own = {name: value for name, value in gateway.environment.items() if name in stores}
    finished: set[str] = set()
    for failpoint in FAILPOINTS:
        doomed = Gateway(plan, gateway.data_dir, own | {"OMG_FAILPOINT": failpoint})
        finished |= await asks_until_it_dies(doomed)
    gateway.start()
    last = await ask(gateway.url, concurrent_clients.KEY, question("cent"))
    rows = await whole_ledger(gateway)
    ids = [row["id"] for row in rows]
    assert len(ids) == len(set(ids))
    assert finished | {last.id} <= set(ids)
    bills = {call for call, tries in upstream.bills().items() if tries[0]["model"] == "up-cents"}
    assert {row["id"] for row in rows if row["status"] == "ok"} <= bills
    gateway.manage("reconcile")
