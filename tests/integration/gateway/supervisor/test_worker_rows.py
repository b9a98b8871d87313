"""The workers are known from the database, also to one that has just started and has no message yet."""

from __future__ import annotations

import asyncio

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError

from budgets.redis.workers.worker_registry import SILENT_S, WorkerRegistry
from gateway.supervisor.worker_rows import WorkerRows, delete_rows, enroll, read

pytestmark = pytest.mark.django_db(transaction=True)

LIFE, EARLIER = "this-life", "an-earlier-life"


async def in_database(work, *arguments):
    """Run what is blocking as a gateway does: beside the loop."""
    return await sync_to_async(work)(*arguments)


async def asked(peers: WorkerRegistry) -> set[str]:
    """Return the workers that the recovery of a tenant waits for in this data epoch."""
    await peers.learn()
    peers.start_roll_call("token")
    return peers.missing("token", LIFE)


async def test_a_new_worker_waits_for_workers_it_has_no_message_from():
    for name, life in (("old", EARLIER), ("young", LIFE)):
        await WorkerRows(name, in_database).insert_own(life)
    newcomer = WorkerRows("new", in_database)
    await newcomer.insert_own(LIFE)
    peers = WorkerRegistry("new", newcomer.members)
    assert await asked(peers) == {"old", "new"}  # the young one was never granted what is lost
    assert peers.workers == 1  # no other worker sends

    peers.remove("old")
    assert await asked(peers) == {"new"}  # although its row is still there


async def test_worker_row_is_deleted_when_the_worker_leaves():
    mine = WorkerRows("mine", in_database)
    await mine.insert_own(LIFE)
    assert await in_database(read) == {"mine": LIFE}
    await mine.delete_own()
    assert await in_database(read) == {}


async def test_rows_of_dead_and_silent_workers_are_deleted_once_not_waited_for():
    for name in ("dead", "silent", "living"):
        await in_database(enroll, name, EARLIER)
    mine = WorkerRows("mine", in_database)
    await mine.insert_own(LIFE)
    peers = WorkerRegistry("mine", mine.members)
    await mine.delete_lost(peers)
    peers.remove("dead")
    later = asyncio.get_running_loop().time() + SILENT_S
    peers._last_seen["living"] = later  # noqa: SLF001 - it keeps sending heartbeats
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("budgets.redis.workers.worker_registry.SILENT_S", 0.0)
        peers.refresh()
    await mine.delete_lost(peers)
    assert await in_database(read) == {"living": EARLIER, "mine": LIFE}


async def test_a_worker_taken_for_silent_inserts_its_row_again():
    mine = WorkerRows("mine", in_database)
    await mine.insert_own(LIFE)
    await in_database(delete_rows, "mine")  # by another worker
    await mine.delete_lost(WorkerRegistry("mine", mine.members))
    assert await in_database(read) == {"mine": ""}  # waited for in any life


async def test_what_a_worker_holds_is_noted_and_taken_back():
    mine, other = WorkerRows("mine", in_database), WorkerRows("other", in_database)
    assert not await mine.write("early", 1)  # it has no row: no worker would ask for it
    await mine.insert_own(LIFE)
    assert await mine.write("ten calls", 2)
    assert await other.read(["mine", "nobody"]) == {"mine": "ten calls"}
    await mine.clear(3)
    assert await other.read(["mine"]) == {}


async def test_a_note_that_the_database_writes_late_undoes_nothing():
    mine = WorkerRows("mine", in_database)
    await mine.insert_own(LIFE)
    await mine.clear(2)
    assert not await mine.write("of before", 1)
    assert await mine.read(["mine"]) == {}


async def test_a_database_that_cannot_be_reached_surely_has_no_note(monkeypatch):
    def away(*_, **__):
        raise OperationalError

    mine = WorkerRows("mine", in_database)
    await mine.insert_own(LIFE)
    monkeypatch.setattr("django.db.models.query.QuerySet.exists", away)
    assert not await mine.write("ten calls", 1)
