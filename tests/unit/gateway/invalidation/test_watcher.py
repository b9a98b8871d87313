"""After a change that was announced and cannot be read, cached keys are valid for a shorter time."""

from __future__ import annotations

import asyncio

import pytest

from gateway.invalidation import watcher
from gateway.invalidation.watcher import ConfigWatcher

NEVER_S = 3600.0
POLL_S = watcher.POLL_S


class Site:
    """A database that may be away, and what it led to."""

    def __init__(self):
        self.version, self.is_away, self.is_due = 1, False, False
        self.said: asyncio.Queue[str] = asyncio.Queue()

    async def read(self):
        if self.is_away:
            self.said.put_nowait("away")
            raise OSError
        return self.version

    async def reload(self, version):
        self.said.put_nowait(f"reloaded {version}")

    def doubt(self):
        self.said.put_nowait("doubted")


@pytest.fixture
def site():
    return Site()


@pytest.fixture
def quick(monkeypatch):
    """Let what is started after this poll often."""
    monkeypatch.setattr(watcher, "POLL_S", 0.01)


@pytest.fixture
async def checks(site):
    """Yield what checks already."""
    checks = ConfigWatcher(site.read, site, site.doubt)
    task = asyncio.create_task(checks.run())
    checks.notify()
    assert await next_of(site) == "reloaded 1"
    yield checks
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def next_of(site):
    return await asyncio.wait_for(site.said.get(), 30)


async def test_scheduled_change_is_read_without_a_new_version(site, checks):
    checks.notify()
    site.is_due = True
    assert await next_of(site) == "reloaded 1"


async def test_announced_change_that_cannot_be_read_calls_on_unreadable_once(site, quick, checks, fallbacks):
    assert fallbacks() == {}
    site.is_away = True
    checks.notify()
    said = [await next_of(site) for _ in range(6)]
    assert "doubted" in said
    assert said.count("doubted") == 1
    assert fallbacks()["configuration_of_before"] >= 3


async def test_unavailable_database_alone_does_not_call_on_unreadable(site, quick, checks):
    site.is_away = True
    assert [await next_of(site) for _ in range(3)] == ["away"] * 3


async def test_an_announced_change_is_read_without_waiting_for_the_next_poll(site, checks, monkeypatch):
    monkeypatch.setattr(watcher, "POLL_S", NEVER_S)
    site.version = 2
    checks.notify()
    assert await next_of(site) == "reloaded 2"  # what waited for the poll that was under way
    site.version = 3
    checks.notify()
    assert await next_of(site) == "reloaded 3"


async def test_an_unpublished_change_is_found_by_polling_once_a_second(site, quick, checks):
    assert POLL_S == 1.0  # of the two seconds that the documentation promises
    site.version = 2
    assert await next_of(site) == "reloaded 2"


async def test_announced_change_that_can_be_read_does_not_call_on_unreadable(site, checks):
    site.version = 2
    checks.notify()
    assert await next_of(site) == "reloaded 2"
    assert site.said.empty()
