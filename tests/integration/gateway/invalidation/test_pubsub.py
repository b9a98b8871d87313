"""A change is received at once, and a worker knows when it can no longer receive any."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator

import pytest

from gateway.invalidation.pubsub import CHANNEL, ConfigPublisher, ConfigSubscriber
from gateway.supervisor import shutdown
from gateway.supervisor.shutdown import ended
from tests.support.clients.signing import SIGNER
from tests.support.stores.redis_server import RedisServer
from tests.support.waiting import eventually


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def heard(redis):
    """Yield the queue of a listener's calls."""
    said: asyncio.Queue[str] = asyncio.Queue()
    listener = ConfigSubscriber(
        redis.url,
        SIGNER,
        handlers={CHANNEL: lambda message: said.put_nowait(message.decode())},
        on_disconnect=lambda: said.put_nowait("lost"),
        on_reconnect=lambda: said.put_nowait("found"),
        silence_s=0.3,
    )
    task = asyncio.create_task(listener.run())
    yield said
    await ended([task])


async def next_of(said) -> str:
    return await asyncio.wait_for(said.get(), 30)


async def test_a_published_change_is_received(redis, heard):
    assert await next_of(heard) == "found"
    await asyncio.to_thread(ConfigPublisher(redis.url, SIGNER).publish)
    assert await next_of(heard) == "changed"


async def test_a_lost_redis_connection_is_noticed_and_restored(redis, heard, fallbacks):
    assert await next_of(heard) == "found"
    assert fallbacks() == {}
    redis.kill()
    assert await next_of(heard) == "lost"
    assert fallbacks() == {"changes_unheard": 1}
    redis.start()
    assert await next_of(heard) == "found"
    await asyncio.to_thread(ConfigPublisher(redis.url, SIGNER).publish)
    assert await next_of(heard) == "changed"


async def test_a_message_that_cannot_be_handled_ends_no_listening(redis, fallbacks):
    said: asyncio.Queue[str] = asyncio.Queue()

    def handle(message: bytes) -> None:
        said.put_nowait(message.decode())
        raise ZeroDivisionError

    listener = ConfigSubscriber(
        redis.url,
        SIGNER,
        handlers={CHANNEL: handle},
        on_disconnect=print,
        on_reconnect=lambda: said.put_nowait("found"),
    )
    task = asyncio.create_task(listener.run())
    for number in range(1, 4):
        assert await next_of(said) == "found"
        await asyncio.to_thread(ConfigPublisher(redis.url, SIGNER).publish)
        assert await next_of(said) == "changed"
        await eventually(fallbacks, {"changes_unheard": number}.__eq__)
    await ended([task])


async def test_a_redis_that_hangs_counts_as_lost(redis, heard):
    assert await next_of(heard) == "found"
    redis.hang()
    assert await next_of(heard) == "lost"
    redis.go_on()
    assert await next_of(heard) == "found"


async def test_config_change_commits_when_publish_fails(redis, fallbacks):
    await asyncio.to_thread(ConfigPublisher(redis.url, SIGNER).publish)
    assert fallbacks() == {}
    redis.kill()
    await asyncio.to_thread(ConfigPublisher(redis.url, SIGNER).publish)
    assert fallbacks() == {"change_unannounced": 1}


@pytest.mark.parametrize("others", [0, 3], ids=["an idle loop", "a busy loop"])
async def test_a_listener_ends_whenever_it_is_stopped(redis, monkeypatch, others):
    """A worker waits for that when it ends. Cancelled once, every ninth listened on: redis-py lost it."""
    monkeypatch.setattr(shutdown, "CANCEL_AGAIN_S", 0.01)
    beside = [asyncio.create_task(beat()) for _ in range(others)]
    for turns in range(48):
        listener = ConfigSubscriber(
            redis.url, SIGNER, handlers={CHANNEL: print}, on_disconnect=print, on_reconnect=lambda: None
        )
        listening = asyncio.create_task(listener.run())
        for _ in range(turns):
            await asyncio.sleep(0)
        await asyncio.wait_for(ended([listening]), 30)
    await ended(beside)


async def beat():
    for _ in itertools.count():
        await asyncio.sleep(0)
