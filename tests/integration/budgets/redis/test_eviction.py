"""A Redis that evicts keys would lose money and limits: it is not used, and the log has the reason."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial

import pytest

from budgets.redis.client.connection import RedisConnection
from tests.support.at_once import at_once
from tests.support.logged import logged
from tests.support.stores.redis_server import RedisServer
from tests.support.waiting import eventually

EVICTING = ("allkeys-lru", "volatile-ttl", "allkeys-random", "volatile-lru")


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.kill()


async def opened(redis: RedisServer, user: str = "") -> RedisConnection:
    connection = RedisConnection(redis.url.replace("//", f"//{user}"), "test")
    await connection.open()
    return connection


async def test_a_redis_that_evicts_is_not_used(caplog: pytest.LogCaptureFixture) -> None:
    """Each policy on a server of its own, at the same time: half a second passes before one counts as away."""
    with caplog.at_level(logging.ERROR, "budgets"):
        await at_once(partial(is_not_used, caplog), EVICTING)


async def is_not_used(caplog: pytest.LogCaptureFixture, policy: str) -> None:
    server = RedisServer()
    server.start()
    try:
        server.run("CONFIG", "SET", "maxmemory-policy", policy)
        connection = await opened(server)  # it is used anyway when the check takes too long
        why = f"maxmemory-policy is {policy}: set it to noeviction"
        await eventually(
            lambda: [each["error"] for each in logged(caplog, "redis.command.invalid")],
            lambda errors: any(why in error for error in errors),
        )
        assert not connection.is_up
        await connection.aclose()
    finally:
        server.kill()


async def test_redis_is_used_once_its_eviction_policy_is_corrected(redis: RedisServer) -> None:
    redis.run("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    connection = await opened(redis)
    redis.run("CONFIG", "SET", "maxmemory-policy", "noeviction")

    await connection.open()

    assert connection.is_up
    await connection.aclose()


@pytest.mark.parametrize("policy", ["allkeys-lru", "noeviction"])
async def test_eviction_policy_is_known_also_where_config_is_forbidden(
    redis: RedisServer, policy: str
) -> None:
    redis.run("CONFIG", "SET", "maxmemory-policy", policy)
    redis.run("ACL", "SETUSER", "omg", "on", ">pw", "~*", "&*", "+@all", "-config")

    connection = await opened(redis, "omg:pw@")

    assert connection.is_up is (policy == "noeviction")
    await connection.aclose()


async def test_redis_with_an_unknown_eviction_policy_is_used_with_a_warning(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    connection = RedisConnection(redis.url, "test")
    for _ in range(2):
        connection._check_eviction("")  # noqa: SLF001 - no Redis of ours keeps it to itself

    assert logged(caplog, "redis.eviction.unknown") == [{"wanted": "noeviction"}]
