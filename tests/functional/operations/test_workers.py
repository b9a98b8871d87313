"""Many workers on one socket, in production mode: they are replaced when they crash, renewed without a failed call, and
end together.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway.server.uvicorn_server import ACCEPTS_A_TURN
from tests.support import sample
from tests.support.books.ledger import committed
from tests.support.clients.concurrent_clients import word_of
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.gateway import Gateway, merged
from tests.support.stores import stores
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """Yield that of a gateway on its own PostgreSQL and Redis."""
    with stores.own() as own:
        yield own


def config(upstream):
    return {
        "server": {"graceful_shutdown_delay": "10s"},
        "database": {"max_conns": 4},
        "model_catalog": [
            sample.row(name, f"up-{name}", upstream.base_url)
            for name in ("left-behind", "counted", "long-call", "paced")
        ],
    }


@pytest.fixture(scope="module")
def shared(environment, upstream, closed_port, tmp_path_factory):
    """Yield the gateway of this file; its workers come and go."""
    upstream.script(
        "up-paced", {"delay": 0.15}
    )  # clients that ask on and on leave time for what they wait for
    whole = merged(sample.config(upstream.base_url, closed_port), config(upstream))
    server = Gateway(whole, tmp_path_factory.mktemp("workers") / "data", environment)
    with pytest.MonkeyPatch.context() as run:
        run.setenv(stores.WORKERS, "2")  # by the command line
        server.start()
    yield server
    server.stop()


@pytest.fixture
async def two_workers(shared):
    """Return the gateway of this file once both its workers serve."""
    await eventually(lambda: workers_of(shared), lambda living: len(living & serving(shared)) == 2)
    return shared


def workers_of(gateway) -> set[int]:
    """Return the process ids of the supervisor's living children."""
    children = Path(f"/proc/{gateway.pid}/task/{gateway.pid}/children").read_text()
    return {int(pid) for pid in children.split()}


def listening(pid: int) -> int:
    """Return how often a worker has the listening socket open."""
    files = [file.readlink().name for file in Path(f"/proc/{pid}/fd").iterdir() if file.is_symlink()]
    return max(Counter(name for name in files if name.startswith("socket:")).values())


async def call(gateway, model="m12"):
    return await ask(gateway.url, sample.ALICE, question(model))


async def until_ready_again(gateway, before: int, count: int) -> None:
    """Wait until so many more workers than before have logged that they serve."""
    await eventually(lambda: served(gateway) >= before + count, within_s=60)


def serving(gateway) -> set[int]:
    """Return the processes that have logged that they serve, also those that have ended."""
    return {record["pid"] for record in gateway.records() if record["event"] == "worker.serving"}


def served(gateway) -> int:
    return len(serving(gateway))


async def test_a_crashed_worker_is_replaced_while_the_other_serves_and_no_counter_falls(two_workers):
    served_calls = [(await call(two_workers, "counted")).status for _ in range(20)]
    assert served_calls == [200] * 20
    for _ in range(4):  # whichever worker is asked
        assert await counted(two_workers, REQUESTS) == 20
    before, ready = workers_of(two_workers), served(two_workers)
    os.kill(max(before), signal.SIGKILL)
    answers = [await call(two_workers) for _ in range(5)]
    assert [answer.status for answer in answers] == [200] * 5, two_workers.logs()
    while served(two_workers) == ready:  # the other one serves also while the new one starts
        assert (await call(two_workers, "paced")).status == 200  # 0: no worker answered
    assert len(workers_of(two_workers) - before) == 1
    assert await counted(two_workers, REQUESTS) == 20


async def test_workers_know_how_many_the_command_line_asked_for(two_workers):
    assert [listening(pid) for pid in workers_of(two_workers)] == [ACCEPTS_A_TURN // 2] * 2


async def renewed(two_workers) -> Counter[str]:
    """Renew the workers while clients call; return their answers."""
    before, ready = workers_of(two_workers), served(two_workers)
    heard: Counter[str] = Counter()
    done = asyncio.Event()

    async def keep_calling() -> None:
        async with two_workers.client(
            sample.ALICE
        ) as client:  # keeps its connection until `Connection: close`
            while not done.is_set():
                answer = await client.post("/v1/chat/completions", json=question("paced"))
                heard["200" if answer.status_code == 200 else answer.json()["error"]["code"]] += 1

    async def connect_anew() -> None:
        while not done.is_set():
            heard[word_of(await call(two_workers, "paced"))] += 1

    callers = [
        asyncio.create_task(work()) for work in (keep_calling, keep_calling, connect_anew, connect_anew)
    ]
    two_workers.send(signal.SIGHUP)
    await until_ready_again(two_workers, ready, 2)
    await eventually(
        lambda: len(workers_of(two_workers)) == 2 and not workers_of(two_workers) & before, within_s=60
    )
    done.set()
    await asyncio.gather(*callers)
    return heard


async def test_calls_of_a_dead_worker_are_billed_by_another_worker(two_workers, upstream):
    upstream.script("up-left-behind", {"hold_before_head": True})
    before = workers_of(two_workers)
    calls = [asyncio.create_task(call(two_workers, "left-behind")) for _ in range(4)]
    await upstream.wait("arrived", model="up-left-behind", count=4)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    answers = await asyncio.gather(*calls)
    assert {answer.status for answer in answers} == {0}

    def adopted() -> bool:
        return len([row for row in committed(two_workers) if row["model"] == "left-behind"]) == 4

    await eventually(adopted, within_s=40)
    upstream.release(model="up-left-behind")


async def test_a_change_reaches_every_worker_within_two_seconds(two_workers):
    urls = [two_workers.url] * 20
    for url in urls:
        assert (await ask(url, sample.BOB, question("m12"))).status == 200
    two_workers.manage("shell", "-c", REVOKE_BOB)

    async def heard() -> set[int]:
        answers = await asyncio.gather(*(ask(url, sample.BOB, question("m12")) for url in urls))
        return {answer.status for answer in answers}

    await eventually(heard, lambda statuses: statuses == {401})


REVOKE_BOB = """
from datetime import UTC, datetime
from tenants.audit import Actor
from tenants.models import ApiKey
from tenants.services import revoke_key
revoke_key(ApiKey.objects.get(prefix="bob").pk, actor=Actor("shell"), now=datetime.now(UTC))
"""


async def counted(gateway, name: str) -> float:
    """Return a counter's value as Prometheus would see it."""
    async with gateway.client() as client:
        text = (await client.get("/metrics")).text
    values = [line.rpartition(" ")[2] for line in text.splitlines() if line.startswith(name)]
    return sum(float(value) for value in values)


REQUESTS = 'gateway_requests_total{endpoint="chat.completions",model="counted"'


async def test_worker_renewal_fails_no_call_and_lowers_no_counter(two_workers):
    before, counts = workers_of(two_workers), await counted(two_workers, REQUESTS)
    assert (await call(two_workers, "counted")).status == 200
    heard = await renewed(two_workers)
    assert set(heard) <= {"200", "limiter_unavailable"}, heard  # Redis may be late on a busy machine
    assert heard["200"] > 20
    assert not workers_of(two_workers) & before
    assert await counted(two_workers, REQUESTS) == counts + 1
    assert await counted(two_workers, "gateway_capacity_requests ") > 1


async def test_two_signals_end_a_long_call_at_once(two_workers, upstream):
    """The last one: it ends the gateway of this file."""
    upstream.script("up-long-call", {"chunks": 200, "pause": 0.1})
    running = asyncio.create_task(ask(two_workers.url, sample.ALICE, question("long-call", stream=True)))
    await upstream.wait("chunk", model="up-long-call", count=2)
    two_workers.send(signal.SIGTERM)
    with httpx.Client(trust_env=False) as client:
        await eventually(lambda: refuses(client, two_workers.url))
    assert not running.done()  # it may run for ten seconds more, and is not waited for
    two_workers.send(signal.SIGTERM)
    answer = await running
    assert b"server_shutdown" in answer.body
    [seen] = upstream.seen(model="up-long-call")
    assert seen["chunks"] < 100
    assert two_workers.wait() == 0


def refuses(client: httpx.Client, url: str) -> bool:
    try:
        return client.get(f"{url}/readyz").status_code == 503
    except httpx.TransportError:
        return True
