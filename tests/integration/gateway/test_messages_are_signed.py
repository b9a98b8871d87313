"""A message over Redis is accepted only from the gateway's own processes, and only once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator

import msgspec
import pytest
from redis import asyncio as redis_async

from gateway.invalidation.health_hints import YOUNG_S, HealthHintBus, HealthHintMessage
from gateway.invalidation.pubsub import CHANNEL, ConfigSubscriber
from gateway.values.fallback_log import FALLBACKS, Fallbacks
from gateway.values.signed_messages import STALE, UNSIGNED, Signer
from providers.resilience.health_hint import HealthHint
from tests.support.clients.signing import SIGNER, STRANGER
from tests.support.logged import logged
from tests.support.stores.redis_server import RedisServer

CHANGED = b"changed"
NOW = 1_000_000.0
HINT = HealthHint(1, "open", 30.0)


def forgeries(channel: str, body: bytes) -> list[bytes]:
    genuine = SIGNER.sign(channel, body)
    return [
        body,
        b"",
        b"\xff" * 80,
        genuine[:-1],
        genuine[1:],
        genuine[:64],
        genuine + b"!",
        genuine.upper(),
        b" " * 64 + b" " + body,
        STRANGER.sign(channel, body),
        Signer(b"").sign(channel, body),
        SIGNER.sign(channel + "x", body),
        SIGNER.sign(channel, body + b"x")[:64] + b" " + body,
    ]


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def neighbor(redis) -> AsyncIterator[redis_async.Redis]:
    client = redis_async.Redis.from_url(redis.url)
    yield client
    await client.aclose()


@pytest.mark.parametrize("channel", [CHANNEL, "gateway:health:0"])
async def test_forged_announcements_are_ignored_counted_and_logged_once(
    redis, neighbor, caplog, monkeypatch, channel
):
    said: asyncio.Queue[bytes] = asyncio.Queue()
    is_found = asyncio.Event()
    listener = ConfigSubscriber(
        redis.url,
        SIGNER,
        handlers={channel: said.put_nowait},
        on_disconnect=lambda: None,
        on_reconnect=is_found.set,
    )
    counts = Fallbacks()
    monkeypatch.setattr("gateway.values.signed_messages.FALLBACKS", counts)
    task = asyncio.create_task(listener.run())
    await asyncio.wait_for(is_found.wait(), 30)
    with caplog.at_level(logging.ERROR):
        forged = forgeries(channel, CHANGED)
        for message in [*forged, SIGNER.sign(channel, b"genuine")]:
            await neighbor.publish(channel, message)
        assert await asyncio.wait_for(said.get(), 30) == b"genuine"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert said.empty()
    assert counts.happened[UNSIGNED] == len(forged)
    [fallback] = logged(caplog, "fallback.taken")
    assert (fallback["where"], "without a valid signature" in fallback["error"]) == (UNSIGNED, True)


class Hears:
    """A process that receives hints at the date NOW, and how many it found stale."""

    def __init__(self) -> None:
        self.now = NOW
        self.hints = HealthHintBus("redis://h:6379/0", lambda: 7, SIGNER, date=lambda: self.now)
        self._before = FALLBACKS.happened[STALE]

    def hear(self, hint: HealthHint = HINT, at: float = NOW, sender: str = "them") -> HealthHint | None:
        return self.hints.parse(msgspec.json.encode(HealthHintMessage(sender, 7, hint, at)))

    @property
    def stale(self) -> int:
        return FALLBACKS.happened[STALE] - self._before


@pytest.mark.parametrize("hint", [HINT, HealthHint(1, "cool", 60.0), HealthHint(1, "closed")])
def test_a_replayed_hint_is_applied_once(hint):
    process = Hears()
    assert process.hear(hint) == hint
    for _ in range(3):
        assert process.hear(hint) is None
    assert process.hear(hint, NOW - 0.001) is None
    assert process.stale == 4
    assert process.hear(hint, NOW + 0.001) == hint


def test_hint_from_before_a_recovery_does_not_rest_the_deployment_again():
    process = Hears()
    assert process.hear(HINT, NOW) == HINT
    assert process.hear(HealthHint(1, "closed"), NOW + 2) is not None
    process.now += 3
    assert process.hear(HINT, NOW) is None


@pytest.mark.parametrize("late_s", [YOUNG_S + 1, 3600.0, -YOUNG_S - 1, -3600.0])
@pytest.mark.parametrize("hint", [HINT, HealthHint(1, "closed")])
def test_an_old_hint_of_an_unknown_sender_is_ignored(late_s: float, hint: HealthHint):
    process = Hears()
    process.now += late_s
    assert process.hear(hint) is None
    assert process.stale == 1


def test_each_sender_has_an_order_of_its_own():
    process = Hears()
    assert process.hear(at=NOW + 1) == HINT
    assert process.hear(at=NOW, sender="others") == HINT
    assert process.hear(at=NOW, sender="them") is None


async def test_two_hints_in_one_moment_are_both_applied(redis):
    said: list[bytes] = []
    one, other = (HealthHintBus(redis.url, lambda: 7, SIGNER, date=lambda: NOW) for _ in range(2))
    is_found, all_heard = asyncio.Event(), asyncio.Event()

    def take(body: bytes) -> None:
        said.append(body)
        if len(said) == 3:
            all_heard.set()

    listener = ConfigSubscriber(
        redis.url, SIGNER, handlers={one.channel: take}, on_disconnect=lambda: None, on_reconnect=is_found.set
    )
    tasks: list[asyncio.Task[None]] = [asyncio.create_task(listener.run())]
    await asyncio.wait_for(is_found.wait(), 30)
    for number in range(3):
        one.publish(HealthHint(number, "open", 30.0))
    tasks.append(asyncio.create_task(one.run()))
    await asyncio.wait_for(all_heard.wait(), 30)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    heard: Callable[[bytes], HealthHint | None] = other.parse
    assert [hint.deployment for body in said if (hint := heard(body)) is not None] == [0, 1, 2]


def test_celery_workers_take_no_orders_over_redis():
    from gateway.celery import app  # noqa: PLC0415 - needs settings

    assert app.conf.worker_enable_remote_control is False
    assert app.conf.accept_content == ["json"]


def test_the_websocket_of_the_status_page_has_no_channel_layer():
    from channels.layers import get_channel_layer  # noqa: PLC0415 - needs settings

    from gateway.site.status_socket import StatusSocket  # noqa: PLC0415

    assert get_channel_layer(StatusSocket.channel_layer_alias) is None
