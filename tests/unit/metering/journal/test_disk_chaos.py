"""A disk that refuses different operations: every call ends, and a concurrent reader finds each of them."""

from __future__ import annotations

import asyncio
import errno
import os
import random
from pathlib import Path

import pytest

from metering.journal.journal import Journal, MeteringUnavailable
from metering.journal.reader import JournalReader
from metering.journal.segments import Directory
from tests.support.books.calls import closed, opened
from tests.support.faults.failing_fs import FaultyOs

ROUNDS = 25
FAULTS = [
    ("metering.journal.journal", "write"),
    ("metering.journal.journal", "open"),
    ("metering.journal.journal", "ftruncate"),
    ("metering.journal.fsync_thread", "fdatasync"),
    ("metering.journal.disk_reserve", "statvfs"),
    ("metering.journal.disk_reserve", "open"),
    ("metering.journal.disk_reserve", "posix_fallocate"),
]


class Reader:
    """Reads as the shipper does: only durable frames, while the journal is written. Calls may come twice."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._tail = JournalReader(Directory.for_reading(journal.directory.path))
        self.ids: set[str] = set()

    async def read(self) -> None:
        until = self._journal.written
        await self._journal.sync()
        self.ids |= {call.open.id for call in self._tail.read(until, 10**6)}
        assert [damage for damage in self._tail.damages if not damage.gap.torn] == []


async def one(journal: Journal, request_id: str) -> str:
    """Make a call, if the journal takes it."""
    try:
        journal.open_call(opened(request_id))
    except MeteringUnavailable:
        return ""
    await asyncio.sleep(0)
    await journal.close_call(closed(request_id))
    return request_id


def flaky(name: str, dice: random.Random):
    """Return a function that works now and then; `write` may write half."""

    def fault(*args):
        if name == "write" and dice.random() < 0.5:
            return os.write(args[0], args[1][: len(args[1]) // 2])
        if dice.random() < 0.7:
            raise OSError(errno.EIO, name)
        return getattr(os, name)(*args)

    return fault


@pytest.mark.parametrize("seed", range(4))
async def test_no_mix_of_faults_loses_a_call_or_keeps_one_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    for module in ("retry_queue", "group_commit", "journal"):
        monkeypatch.setattr(f"metering.journal.{module}.RETRY_S", 0.001)
    monkeypatch.setattr("metering.journal.fsync_thread.FLUSH_S", 0.002)
    dice = random.Random(seed)
    faulty = {module: FaultyOs(monkeypatch, module) for module, _ in FAULTS}
    journal = Journal(tmp_path, reserve_bytes=1 << 16, segment_bytes=8192, allow_volatile=True)
    reader = Reader(journal)
    calls: list[asyncio.Task[str]] = []
    reads: list[asyncio.Task[None]] = []

    async with asyncio.timeout(30):
        for turn in range(ROUNDS):
            for module, name in dice.sample(FAULTS, dice.randint(0, 3)):
                faulty[module].break_(name, flaky(name, dice))
            calls += [asyncio.create_task(one(journal, f"req_{turn}_{n}")) for n in range(10)]
            if not reads or reads[-1].done():
                reads.append(asyncio.create_task(reader.read()))
            await asyncio.sleep(dice.random() * 0.02)  # the disk is as it is for a moment
            for module, name in FAULTS:
                faulty[module].heal(name)
            await asyncio.sleep(dice.random() * 0.01)
        ended = {request_id for request_id in await asyncio.gather(*calls) if request_id}
        await asyncio.gather(*reads)
        await reader.read()
        await journal.close()

    assert len(ended) > ROUNDS
    assert reader.ids == ended
