"""The counts of Redis are compared with the ledger; each kind of difference has its sentence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import pytest
from django.db import connections
from msgspec import structs

from budgets.admission.interface import (
    AdmissionRequest,
    BudgetRule,
    Limits,
    ScopeRules,
    WindowKey,
    WindowTotal,
)
from budgets.redis.admission import RedisAdmission
from budgets.redis.snapshot import SnapshotUnavailable
from metering import tasks
from metering.journal.reader import Call
from metering.ledger import write as ledger
from metering.ledger.spend_windows import load_windows
from metering.reconciliation.redis import SharedCounts, shared_counts
from tests.support.books.calls import CLOSED_COST, NOON, closed, opened
from tests.support.clients.signing import SIGNER
from tests.support.logged import logged
from tests.support.stores.redis_server import RedisServer

pytestmark = pytest.mark.django_db(transaction=True)

HOLD = 5 * CLOSED_COST
SCOPES = (
    ScopeRules("key:7", Limits(), (BudgetRule(10**12, "daily"),)),
    ScopeRules("tenant:3", Limits(), (BudgetRule(10**12),)),
)


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def worker(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RedisAdmission]:
    monkeypatch.setattr("metering.reconciliation.redis.AGAIN_S", 0.0)
    server.run("FLUSHALL")
    worker = RedisAdmission(server.url, load, signer=SIGNER, timeout_s=2.0, clock=lambda: (1000.0, NOON))
    await worker.open()
    yield worker
    await worker.aclose()


async def load(keys: Sequence[WindowKey]) -> list[WindowTotal]:
    posts: list[WindowTotal] = await beside(lambda: load_windows(keys))
    return posts


async def beside(work: Callable[[], Any]) -> Any:
    """Run it in a thread, as every query of the database is."""

    def do() -> Any:
        try:
            return work()
        finally:
            connections.close_all()

    return await asyncio.to_thread(do)


async def look(server: RedisServer) -> SharedCounts:
    counts: SharedCounts = await beside(lambda: shared_counts(server.url))
    return counts


async def sentences(server: RedisServer) -> list[str]:
    return [fault.sentence for fault in (await look(server)).faults]


async def begin(worker: RedisAdmission, *names: str) -> None:
    for name in names:
        await worker.admit(AdmissionRequest(name, SCOPES, 1, HOLD))


async def end(worker: RedisAdmission, *names: str) -> None:
    await begin(worker, *names)
    for name in names:
        await worker.settle(name, 1, CLOSED_COST)


async def write(*names: str) -> list[WindowTotal]:
    """Put these calls into the ledger; return what there is to post."""
    calls = [Call(opened(name), closed(name)) for name in names]
    posts: list[WindowTotal] = await beside(lambda: ledger.write(calls).posts)
    return posts


async def test_every_state_of_a_call_agrees(server: RedisServer, worker: RedisAdmission) -> None:
    await begin(worker, "runs")
    await end(worker, "ended", "in-the-ledger", "posted")
    await worker.publish_totals(await write("posted"), ["posted"])
    await write("in-the-ledger")

    assert await look(server) == SharedCounts(1, 1, HOLD, 2, 0, ())


async def test_a_batch_that_another_worker_posted_ahead_agrees(
    server: RedisServer, worker: RedisAdmission
) -> None:
    await end(worker, "first", "second")
    await write("first")
    await worker.publish_totals(await write("second"), ["second"])

    assert await look(server) == SharedCounts(1, 0, 0, 1, 0, ())


async def test_without_budgets_there_is_nothing_to_compare(
    server: RedisServer, worker: RedisAdmission
) -> None:
    await worker.admit(AdmissionRequest("free", (ScopeRules("tenant:4", Limits(10, None, None), ()),), 1, 0))

    assert await look(server) == SharedCounts(0, 0, 0, 0, 0, ())


async def test_calls_in_the_ledger_but_not_in_redis_are_reported(
    server: RedisServer, worker: RedisAdmission
) -> None:
    await end(worker, "known")
    await write("known", "unheard-of")

    tenant = "tenant:3 calendar_month from 2026-07-01: counted in Redis 0.045 USD in all"
    assert f"{tenant}, but the ledger has 0.09 USD" in await sentences(server)
    assert len(await sentences(server)) == len(SCOPES)


async def test_differences_are_logged_every_night(
    server: RedisServer, worker: RedisAdmission, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    redis = settings.GATEWAY.redis.model_copy(update={"url": server.url})
    settings.GATEWAY = settings.GATEWAY.model_copy(update={"redis": redis})
    await begin(worker, "known")
    await beside(tasks.reconcile)
    assert not caplog.records

    await write(*(f"unheard-of-{n}" for n in range(6)))
    await beside(tasks.reconcile)
    reasons = [each["reason"] for each in logged(caplog, "reconciliation.redis.mismatch")]
    assert len([reason for reason in reasons if reason.startswith("tenant:3")]) == 1


async def test_a_call_left_beside_its_total_is_reported(server: RedisServer, worker: RedisAdmission) -> None:
    await end(worker, "twice")
    await worker.publish_totals(await write("twice"), [])

    assert await sentences(server) == [
        "call twice is in the ledger, and Redis counts it beside the ledger too"
    ]


async def test_another_total_for_the_same_batches_is_reported(
    server: RedisServer, worker: RedisAdmission
) -> None:
    await end(worker, "one")
    posts = await write("one")
    await worker.publish_totals(
        [structs.replace(post, added_nanousd=CLOSED_COST + 1) for post in posts], ["one"]
    )

    found = await sentences(server)
    assert len(found) == len(SCOPES)
    assert all("spent in Redis" in sentence for sentence in found)


async def test_a_ledger_restored_from_backup_is_reported(server: RedisServer, worker: RedisAdmission) -> None:
    await end(worker, "one")
    posts = await write("one")
    await worker.publish_totals([structs.replace(post, version=post.version + 7) for post in posts], ["one"])
    await worker.publish_totals(
        [structs.replace(post, version=post.version + 6, added_nanousd=None) for post in posts], []
    )

    found = await sentences(server)
    assert len(found) == len(SCOPES)
    assert all("Redis knows of more batches than the ledger has: 9, not 2" in sentence for sentence in found)


async def test_sums_that_differ_from_the_calls_are_reported(
    server: RedisServer, worker: RedisAdmission
) -> None:
    await begin(worker, "lost")
    server.run("HDEL", "omg:{t3}:calls", "lost")

    found = await sentences(server)
    assert len(found) == len(SCOPES)
    assert all("held in Redis 0.225 USD, but its calls there come to 0.00 USD" in one for one in found)


async def test_a_difference_gone_at_the_second_look_is_not_reported(
    server: RedisServer, worker: RedisAdmission, monkeypatch: pytest.MonkeyPatch
) -> None:
    await end(worker, "late")
    posts, loop = await write("late"), asyncio.get_running_loop()
    await worker.publish_totals(posts, [])
    assert await sentences(server)

    def meanwhile(_: float) -> None:
        asyncio.run_coroutine_threadsafe(worker.publish_totals(posts, ["late"]), loop).result(10)

    monkeypatch.setattr("metering.reconciliation.redis.time.sleep", meanwhile)
    assert not await sentences(server)


async def test_a_tenant_with_too_many_calls_is_only_counted(
    server: RedisServer, worker: RedisAdmission, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("budgets.redis.snapshot.MOST_CALLS", 1)
    await begin(worker, "a", "b")

    assert await look(server) == SharedCounts(1, 0, 0, 0, 2, ())


async def test_a_tenant_that_is_started_over_is_not_looked_at(
    server: RedisServer, worker: RedisAdmission
) -> None:
    await begin(worker, "a")
    server.run("HSET", "omg:{t3}:meta", "run", "another-life")

    assert await look(server) == SharedCounts(1, 0, 0, 0, 0, ())


async def test_without_redis_nothing_is_compared() -> None:
    gone = RedisServer()

    with pytest.raises(SnapshotUnavailable):
        await look(gone)
