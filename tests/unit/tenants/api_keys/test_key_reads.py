"""Reads of keys: few at a time, and none without a waiter."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tenants.api_keys import key_reads
from tenants.api_keys.key_reads import MOST, KeyReads
from tenants.errors import KeysUnavailable


class Database:
    """A thread that hangs until the test releases it, and its queries."""

    def __init__(self):
        self.queued, self.asked = 0, []
        self.began, self.may_go_on = threading.Event(), threading.Event()
        self.thread = ThreadPoolExecutor(1)

    async def load(self, prefix):
        self.queued += 1
        return await asyncio.get_running_loop().run_in_executor(self.thread, self._read, prefix)

    def _read(self, prefix):
        self.asked.append(prefix)
        self.began.set()
        self.may_go_on.wait()
        return prefix

    def close(self):
        self.may_go_on.set()
        self.thread.shutdown()


@pytest.fixture
def database():
    database = Database()
    yield database
    database.close()


@pytest.fixture
def reads(database):
    return KeyReads(database.load)


async def crowd_of(reads, count):
    """Return that many callers, each of another key, when they all wait."""
    crowd = [asyncio.create_task(reads.read(f"k{number}")) for number in range(count)]
    for _ in range(10):
        await asyncio.sleep(0)
    return crowd


async def test_few_reads_wait_for_a_thread_and_the_others_are_made_in_turn(reads, database):
    crowd = await crowd_of(reads, MOST * 3)
    assert database.queued == MOST
    database.may_go_on.set()
    assert await asyncio.gather(*crowd) == [f"k{number}" for number in range(MOST * 3)]


async def test_a_read_without_waiters_is_not_started(reads, database):
    crowd = await crowd_of(reads, 10)
    await asyncio.to_thread(database.began.wait)
    for each in crowd:
        each.cancel()
    await asyncio.gather(*crowd, return_exceptions=True)
    again = (await crowd_of(reads, 1))[0]
    database.may_go_on.set()
    assert await again == "k0"
    assert database.asked == ["k0", "k0"]


async def test_a_read_goes_on_while_it_has_a_waiter(reads, database):
    first, second = asyncio.create_task(reads.read("a")), asyncio.create_task(reads.read("a"))
    await asyncio.to_thread(database.began.wait)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    database.may_go_on.set()
    assert await second == "a"
    assert database.asked == ["a"]


async def test_waiter_times_out(reads, database, monkeypatch):
    monkeypatch.setattr(key_reads, "LOAD_S", 0.01)
    with pytest.raises(KeysUnavailable):
        await reads.read("a")
    assert len(reads) == 0


async def test_waiters_that_time_out_leave_the_database_queue(reads, database, monkeypatch):
    monkeypatch.setattr(key_reads, "TURN_S", 0.01)
    monkeypatch.setattr(key_reads, "LOAD_S", 0.1)
    answers = await asyncio.gather(*await crowd_of(reads, MOST * 3), return_exceptions=True)
    assert {type(answer) for answer in answers} == {KeysUnavailable}
    assert database.queued == MOST


async def test_invalidated_read_does_not_end_its_successor(reads, database):
    before = (await crowd_of(reads, 1))[0]
    reads.forget()
    after = (await crowd_of(reads, 1))[0]
    before.cancel()
    await asyncio.gather(before, return_exceptions=True)
    assert "k0" in reads
    database.may_go_on.set()
    assert await after == "k0"
