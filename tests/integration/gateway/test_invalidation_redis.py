"""A change is heard at once, and a worker knows when it can no longer hear."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator

import pytest

from gateway import stopping
from gateway.invalidation_redis import CHANNEL, Announcer, Listener
from gateway.stopping import ended
from tests.redis_server import RedisServer
from tests.signing import SIGNER


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def heard(redis):
    """Yield the queue of what a listener says."""
    said: asyncio.Queue[str] = asyncio.Queue()
    listener = Listener(
        redis.url,
        SIGNER,
        heard={CHANNEL: lambda message: said.put_nowait(message.decode())},
        lost=lambda: said.put_nowait("lost"),
        found=lambda: said.put_nowait("found"),
        silence_s=0.3,
    )
    task = asyncio.create_task(listener.run())
    yield said
    await ended([task])


async def next_of(said) -> str:
    return await asyncio.wait_for(said.get(), 30)


async def test_an_announced_change_is_heard(redis, heard):
    assert await next_of(heard) == "found"
    await asyncio.to_thread(Announcer(redis.url, SIGNER).announce)
    assert await next_of(heard) == "changed"


async def test_a_dead_redis_is_noticed_and_found_again(redis, heard):
    assert await next_of(heard) == "found"
    redis.kill()
    assert await next_of(heard) == "lost"
    redis.start()
    assert await next_of(heard) == "found"
    await asyncio.to_thread(Announcer(redis.url, SIGNER).announce)
    assert await next_of(heard) == "changed"


async def test_a_redis_that_hangs_counts_as_lost(redis, heard):
    assert await next_of(heard) == "found"
    redis.hang()
    assert await next_of(heard) == "lost"
    redis.go_on()
    assert await next_of(heard) == "found"


async def test_a_change_is_made_although_nobody_can_be_told(redis, fallbacks):
    await asyncio.to_thread(Announcer(redis.url, SIGNER).announce)
    assert fallbacks() == {}
    redis.kill()
    await asyncio.to_thread(Announcer(redis.url, SIGNER).announce)
    assert fallbacks() == {"change_unannounced": 1}


@pytest.mark.parametrize("others", [0, 3], ids=["an idle loop", "a busy loop"])
async def test_whenever_a_listener_is_told_to_end_it_does(redis, monkeypatch, others):
    """A worker waits for that when it ends. Cancelled once, every ninth listened on: redis-py lost it."""
    monkeypatch.setattr(stopping, "CANCEL_AGAIN_S", 0.01)
    beside = [asyncio.create_task(beat()) for _ in range(others)]
    for turns in range(48):
        listener = Listener(redis.url, SIGNER, heard={CHANNEL: print}, lost=print, found=lambda: None)
        listening = asyncio.create_task(listener.run())
        for _ in range(turns):
            await asyncio.sleep(0)
        await asyncio.wait_for(ended([listening]), 30)
    await ended(beside)


async def beat():
    for _ in itertools.count():
        await asyncio.sleep(0)
