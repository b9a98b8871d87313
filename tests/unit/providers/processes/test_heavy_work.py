"""Work on large bodies is done by processes: bounded in CPU and memory, one at a time for each tenant."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from gateway.values.fallback_log import FALLBACKS
from providers.processes import heavy_work
from providers.processes.heavy_work import HeavyWork
from providers.processes.work_process import WorkerLost, WorkTooExpensive
from tests.support.waiting import eventually

MB = 1024 * 1024


@pytest.fixture
def heavy():
    room = HeavyWork("tests.support.faults.failing_work", at_once=2)
    yield room
    room.close()


@pytest.fixture
def frugal(monkeypatch):
    """So that what takes too much takes little in a test."""
    monkeypatch.setattr(heavy_work, "CPU_S", 0.2)
    monkeypatch.setattr(heavy_work, "MEMORY", 256 * MB)


class Held:
    """Pieces of work that wait in their process until they are let go."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def begin(self, heavy: HeavyWork, tenant_id: int, name: str) -> asyncio.Task[str]:
        path = self._directory / name
        os.mkfifo(path)
        return asyncio.create_task(heavy.share(tenant_id).run(str, "wait", str(path).encode()))

    async def release(self, name: str) -> None:
        await asyncio.to_thread((self._directory / name).write_text, name)  # waits for its reader


async def test_bytes_of_any_size_reach_the_process(heavy):
    for size in (0, 1, 256 * 1024, 3 * MB + 1, 20 * MB):
        assert await heavy.share(1).run(int, "length", b"x" * size) == size


@pytest.mark.parametrize("work", ["burn", "burn_in_c", "hoard"])
async def test_what_takes_too_much_is_ended_and_the_next_is_done(heavy, frugal, work):
    with pytest.raises(WorkTooExpensive):
        await heavy.share(1).run(int, work, b"x" * MB)
    assert await heavy.share(1).run(int, "length", b"abc") == 3
    assert heavy.waiting == 0


async def test_a_process_that_is_killed_is_replaced_once(heavy, tmp_path):
    before = FALLBACKS.happened["heavy_process"]
    assert await heavy.share(1).run(str, "die", str(tmp_path / "once").encode()) == "lived"
    assert FALLBACKS.happened["heavy_process"] == before + 1
    [pid] = heavy.pids
    os.kill(pid, signal.SIGKILL)
    assert await heavy.share(1).run(int, "length", b"abc") == 3


async def test_what_kills_its_process_again_is_lost(heavy, tmp_path):
    with pytest.raises(WorkerLost):
        await heavy.share(1).run(str, "die", str(tmp_path / "no such directory" / "x").encode())
    assert heavy.waiting == 0


async def test_a_defect_is_reported_and_the_process_stays(heavy):
    with pytest.raises(WorkerLost, match="ZeroDivisionError: by nobody"):
        await heavy.share(1).run(int, "blunder", b"")
    before = heavy.pids
    assert await heavy.share(1).run(int, "length", b"abc") == 3
    assert heavy.pids == before


async def test_of_one_tenant_one_piece_of_work_is_done_at_a_time(heavy, tmp_path):
    held = Held(tmp_path)
    first, second = held.begin(heavy, 1, "first"), held.begin(heavy, 1, "second")
    assert await heavy.share(2).run(int, "length", b"abc") == 3  # the neighbour does not wait for them
    assert heavy.waiting == 2
    await held.release("first")
    assert await first == "first"
    await held.release("second")
    assert await second == "second"
    assert (heavy.waiting, len(heavy.pids)) == (0, 2)


async def test_a_cancelled_caller_keeps_its_slot_until_the_work_is_over(heavy, tmp_path):
    held = Held(tmp_path)
    first = held.begin(heavy, 1, "first")
    await eventually(lambda: len(heavy.pids), lambda count: count == 1)
    second = asyncio.create_task(heavy.share(1).run(int, "length", b"abc"))
    first.cancel()
    first.cancel()
    await asyncio.sleep(0)
    assert not first.done()
    assert not second.done()
    await held.release("first")
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await second == 3


async def test_a_caller_cancelled_while_queued_leaves_no_trace(heavy, tmp_path):
    held = Held(tmp_path)
    first = held.begin(heavy, 1, "first")
    second = asyncio.create_task(heavy.share(1).run(int, "length", b"abc"))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert heavy.waiting == 1
    await held.release("first")
    assert await first == "first"
    assert heavy.waiting == 0


async def test_closing_ends_what_runs(tmp_path):
    heavy = HeavyWork("tests.support.faults.failing_work")
    running = Held(tmp_path).begin(heavy, 1, "first")
    await eventually(lambda: len(heavy.pids), lambda count: count == 1)
    heavy.close()
    with pytest.raises(WorkerLost):
        await running
    assert heavy.pids == set()


async def test_a_process_that_cannot_be_started_is_lost(heavy, monkeypatch):
    monkeypatch.setattr("providers.processes.work_process.sys.executable", "/no/such/python")
    with pytest.raises(WorkerLost):
        await heavy.share(1).run(int, "length", b"abc")
