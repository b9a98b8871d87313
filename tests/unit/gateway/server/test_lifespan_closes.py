"""The end of a serving process: in order, and to its end, whatever part of it hangs or fails."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest
from typing_extensions import override

from gateway import runtime
from gateway.server import lifespan
from gateway.server.lifespan import Lifespan
from gateway.stores.database_threads import DatabaseThreads

ORDER = ["watchdog", "flush", "shipper", "journal", "requests", "admission", "transport", "database"]
ORDER += ["simulator", "log", "heavy"]


class Threads(DatabaseThreads):
    def __init__(self, closed: list[str]) -> None:
        super().__init__()
        self._closed = closed

    @override
    async def close(self) -> None:
        self._closed.append("database")
        await super().close()


class Site:
    """What a process has open; each part notes that it was closed, after it hung or failed if it is to."""

    def __init__(self) -> None:
        self.closed: list[str] = []
        self.hangs, self.fails = set[str](), set[str]()
        self.held = threading.Event()  # what a database thread waits for
        live = self.live = cast("Any", SimpleNamespace())
        live.shipper = SimpleNamespace(flush=self.part("flush"), stop=self.part("shipper"))
        live.journal = SimpleNamespace(close=self.part("journal"))
        live.request_log = SimpleNamespace(take=lambda: self.closed.append("requests"))
        live.transport = SimpleNamespace(aclose=self.part("transport"))
        live.simulator = SimpleNamespace(aclose=self.part("simulator"))
        live.access_log = SimpleNamespace(close=lambda: self.closed.append("log"))
        live.heavy_work = SimpleNamespace(close=lambda: self.closed.append("heavy"))
        one = self.lifespan = Lifespan.__new__(Lifespan)
        one._database = Threads(self.closed)  # noqa: SLF001
        one._tasks = set()  # noqa: SLF001
        one._closing = [self.part("admission")]  # noqa: SLF001
        one._watchdog = cast("Any", SimpleNamespace(stop=lambda: self.closed.append("watchdog")))  # noqa: SLF001

    def part(self, name: str) -> Any:
        async def close() -> None:
            self.closed.append(name)
            if name in self.hangs:
                await asyncio.Event().wait()
            if name in self.fails:
                raise ZeroDivisionError(name)

        return close


@pytest.fixture
def site(monkeypatch):
    for name in ("PART_S", "JOURNAL_S", "SHIP_AT_CLOSE_S", "DATABASE_S"):
        monkeypatch.setattr(lifespan, name, 0.02)
    site = Site()
    runtime.install(site.live)
    yield site
    site.held.set()
    runtime.install(None)


async def test_everything_is_closed_in_order(site):
    await site.lifespan.close()
    assert site.closed == ORDER
    assert not runtime.is_open()


@pytest.mark.parametrize("name", ["flush", "shipper", "journal", "admission", "transport", "simulator"])
@pytest.mark.parametrize("how", ["hangs", "fails"])
async def test_a_hung_or_failing_close_does_not_block_later_ones(site, name, how):
    getattr(site, how).add(name)
    await site.lifespan.close()
    assert site.closed == ORDER
    assert not runtime.is_open()


async def test_a_hung_database_does_not_block_shutdown(site):
    held = asyncio.create_task(site.lifespan._database.run(site.held.wait))  # noqa: SLF001
    await asyncio.sleep(0)
    await site.lifespan.close()
    assert site.closed == ORDER
    assert not held.done()
    site.held.set()
    await held


async def test_a_task_that_does_not_end_does_not_block_shutdown(site):
    async def deaf():
        while not site.held.is_set():
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                continue

    task = asyncio.create_task(deaf())
    site.lifespan._tasks.add(task)  # noqa: SLF001
    await asyncio.sleep(0)
    await site.lifespan.close()
    assert site.closed == ORDER
    site.held.set()
    task.cancel()
    await asyncio.wait({task})
