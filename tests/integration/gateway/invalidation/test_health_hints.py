"""Two processes with a Redis between them: each receives the hints of the other about a deployment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from gateway.invalidation.health_hints import HealthHintBus, HealthHintMessage
from gateway.invalidation.pubsub import ConfigSubscriber
from providers.errors.exceptions import UpstreamFailed, UpstreamStatus
from providers.resilience.circuit_breaker import Phase
from providers.resilience.health import DeploymentHealth, Watch
from providers.resilience.health_hint import HealthHint
from providers.target import Secret, Target
from tests.support.clients.signing import SIGNER
from tests.support.stores.redis_server import RedisServer

TARGET = Target(
    id=1,
    alias="chat",
    name="d",
    provider="openai",
    upstream_model="m",
    base_url="http://u",
    secret=Secret(""),
)
HEARD_S = 30.0  # a bound: a hint arrives because it was sent; it is never polled


class Process:
    """What one gateway process has of this: breakers, and the way to the others."""

    def __init__(self, url: str, version: int = 7) -> None:
        self.hints = HealthHintBus(url, lambda: version, SIGNER)
        self.health = DeploymentHealth(watch=Watch(on_hint=self.hints.publish))
        self.health.update_targets([TARGET])
        self.listens, self.heard = asyncio.Event(), asyncio.Event()
        self.is_deaf = asyncio.Event()
        self._listener = ConfigSubscriber(
            url,
            SIGNER,
            handlers={self.hints.channel: self._hear},
            on_disconnect=self.is_deaf.set,
            on_reconnect=self.listens.set,
            silence_s=0.2,
        )

    async def run(self) -> None:
        await asyncio.gather(self.hints.run(), self._listener.run())

    def _hear(self, message: bytes) -> None:
        hint = self.hints.parse(message)
        if hint is not None:
            self.health.apply_hint(hint)
            self.heard.set()

    def fail(self, failure: UpstreamFailed, times: int = 1) -> None:
        for _ in range(times):
            turn = self.health.start(TARGET)
            assert turn is not None
            turn.record_failure(failure)
            turn.release()

    @property
    def rests(self) -> bool:
        entry = self.health.get(TARGET.id)
        return entry is not None and entry.breaker.is_blocked(time.monotonic())


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.kill()


@asynccontextmanager
async def running(*processes: Process) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(process.run()) for process in processes]
    try:
        await asyncio.wait_for(asyncio.gather(*(process.listens.wait() for process in processes)), 30)
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize(
    ("failure", "times"),
    [
        (UpstreamFailed("status 500"), 5),
        (UpstreamStatus(401, b""), 1),
        (UpstreamStatus(429, b"", retry_after_s=30.0), 1),
    ],
    ids=["failures", "credential", "retry-after"],
)
async def test_hint_of_a_failure_rests_the_deployment_in_other_processes(redis, failure, times):
    one, other = Process(redis.url), Process(redis.url)
    async with running(one, other):
        one.fail(failure, times)
        await asyncio.wait_for(other.heard.wait(), HEARD_S)
        assert other.rests


async def test_hint_of_a_success_ends_the_rest_in_other_processes(redis):
    one, other = Process(redis.url), Process(redis.url)
    async with running(one, other):
        one.fail(UpstreamFailed("status 500"), 5)
        await asyncio.wait_for(other.heard.wait(), HEARD_S)
        other.heard.clear()
        for _ in range(3):  # although it is open: as calls do when all deployments are
            turn = one.health.start(TARGET)
            assert turn is not None
            turn.record_success()
            turn.finish()
        await asyncio.wait_for(other.heard.wait(), HEARD_S)
        assert not other.rests


async def test_without_redis_only_hints_are_lost(redis):
    one, other = Process(redis.url), Process(redis.url)
    async with running(one, other):
        redis.kill()
        one.fail(UpstreamFailed("status 500"), 5)
        await asyncio.wait_for(other.is_deaf.wait(), 30)
        assert (one.rests, other.rests) == (True, False)
        other.listens.clear()
        redis.start()
        await asyncio.wait_for(other.listens.wait(), 30)
        one.hints.publish(HealthHint(TARGET.id, "open", 5.0))
        await asyncio.wait_for(other.heard.wait(), 30)
        assert other.rests


async def test_databases_of_one_redis_do_not_receive_each_others_hints(redis):
    one, same, elsewhere = (
        Process(redis.url),
        Process(redis.url),
        Process(redis.url.removesuffix("0") + "1"),
    )
    assert one.hints.channel != elsewhere.hints.channel
    async with running(one, same, elsewhere):
        one.fail(UpstreamFailed("status 500"), 5)
        await asyncio.wait_for(same.heard.wait(), HEARD_S)
        assert not elsewhere.rests


async def test_a_hint_about_another_catalog_and_what_is_no_hint_are_passed_over(redis):
    process = Process(redis.url, version=7)
    hint = HealthHint(TARGET.id, "open", 5.0)
    assert process.hints.parse(msgspec.json.encode(HealthHintMessage("them", 7, hint, time.time()))) == hint
    assert process.hints.parse(msgspec.json.encode(HealthHintMessage("them", 8, hint, time.time()))) is None
    for nonsense in (b"", b"{}", b'{"sender":"x","version":7,"hint":{"deployment":1,"what":"explode"}}'):
        assert process.hints.parse(nonsense) is None


async def test_a_hint_that_waited_is_shorter_by_the_wait(redis):
    now = 0.0
    late = HealthHintBus(redis.url, lambda: 7, SIGNER, clock=lambda: now)
    other = Process(redis.url)
    async with running(other):
        late.publish(HealthHint(TARGET.id, "open", 5.0))
        now = 6.0
        task = asyncio.create_task(late.run())
        await asyncio.wait_for(other.heard.wait(), HEARD_S)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        entry = other.health.get(TARGET.id)
        assert entry is not None
        assert entry.breaker.phase is Phase.CLOSED
