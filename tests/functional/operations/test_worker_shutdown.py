"""How a worker ends, in production mode: a replaced one finishes its calls, one that gets SIGTERM has a grace, and the
calls of a crashed one are billed at once.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import sample
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.gateway import Gateway, merged
from tests.support.stores import stores
from tests.support.waiting import eventually

GRACE = "300ms"


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    with stores.own() as own:
        yield own


@pytest.fixture(scope="module")
def shared(upstream, closed_port, environment, tmp_path_factory):
    """Yield two workers with a grace that is far shorter than the calls of these tests."""
    row = sample.row("lasting", "up-lasting", upstream.base_url)
    row["timeouts"] = {"connect": "2s", "first_byte": "30s", "idle": "30s", "total": "30s"}
    more = {"server": {"workers": 2, "graceful_shutdown_delay": GRACE}, "model_catalog": [row]}
    plan = merged(sample.config(upstream.base_url, closed_port), more)
    server = Gateway(plan, tmp_path_factory.mktemp("ends") / "data", environment)
    yield server.start()
    server.kill()


@pytest.fixture
async def gateway(shared):
    """Return it once both its workers serve."""

    def serving():
        found = {line["pid"] for line in shared.records() if line["event"] == "worker.serving"}
        return found & workers_of(shared)

    await eventually(serving, lambda found: len(found) == 2)
    return shared


def workers_of(gateway) -> set[int]:
    children = Path(f"/proc/{gateway.pid}/task/{gateway.pid}/children").read_text()
    return {int(pid) for pid in children.split()}


async def begun(gateway, upstream, count, *, stream):
    """Begin calls that hold after a chunk, or before their answer; return their tasks."""
    upstream.script("up-lasting", {"hold_after": 1} if stream else {"kind": "hold"})
    before = len(upstream.seen(model="up-lasting"))
    body = question("lasting", stream=stream)
    calls = [asyncio.create_task(ask(gateway.url, sample.ALICE, body)) for _ in range(count)]
    await upstream.wait("arrived", model="up-lasting", count=before + count)
    return calls


async def test_a_renewal_cuts_no_stream_however_short_the_grace_is(gateway, upstream):
    calls = await begun(gateway, upstream, 6, stream=True)
    old = workers_of(gateway)
    gateway.send(signal.SIGHUP)
    await eventually(lambda: len(workers_of(gateway) - old) >= 1)
    await asyncio.sleep(0)
    assert not any(call.done() for call in calls)
    renewing = asyncio.create_task(release_until_renewed(gateway, upstream, old))
    answers = await asyncio.gather(*calls)
    assert [answer.saw_the_end for answer in answers] == [True] * 6
    await renewing


async def release_until_renewed(gateway, upstream, old):
    """An old worker ends when its calls do; only then the next one is replaced."""
    async with asyncio.timeout(60):
        while workers_of(gateway) & old:
            upstream.release(model="up-lasting")
            await asyncio.sleep(0.1)


async def test_the_journal_of_a_dead_worker_is_adopted_without_a_query_for_its_calls(gateway, upstream):
    calls = await begun(gateway, upstream, 6, stream=True)
    killed, said = min(workers_of(gateway)), len(gateway.logs())
    os.kill(killed, signal.SIGKILL)
    await eventually(lambda: any("journal.recovered" in line for line in gateway.logs()[said:]))
    upstream.release(model="up-lasting")
    await asyncio.gather(*calls)


async def test_a_draining_worker_still_obeys_a_stop_signal(gateway, upstream):
    """The last one: it ends the gateway of this file."""
    calls = await begun(gateway, upstream, 6, stream=True)
    old = workers_of(gateway)
    gateway.send(signal.SIGHUP)
    await eventually(lambda: len(workers_of(gateway) - old) >= 1)
    gateway.stop()
    answers = await asyncio.gather(*calls)
    assert not any(answer.saw_the_end for answer in answers)
