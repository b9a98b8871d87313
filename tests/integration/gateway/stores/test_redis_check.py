"""At the start Redis is checked for what calls need: scripts that write, and messages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from budgets.redis.client.connection import RedisConnection
from gateway.stores.redis_check import redis_trouble
from tests.support.stores.redis_server import RedisServer
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def first() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def replica(first: RedisServer) -> Iterator[RedisServer]:
    server = RedisServer("--replicaof", "127.0.0.1", str(first.port))
    server.start()
    yield server
    server.kill()


@pytest.mark.parametrize(
    ("rights", "why"),
    [
        ("~* &* +@all -@scripting", "'eval'"),
        ("~other:* &* +@all", "key"),
        ("~gateway:* &* +@all", "key"),
        ("~* &gateway:* +@all", "channel"),
        ("~* resetchannels +@all", "channel"),
        ("~* &* +@all -publish", "'publish'"),
        ("~* &* +@all -subscribe", "'subscribe'"),
        ("~* &* +@read +@connection +@scripting +@pubsub +info", "script"),
        ("~* &* +@all -info", "'info'"),
    ],
)
def test_redis_user_without_the_rights_that_calls_need_is_reported(
    first: RedisServer, rights: str, why: str
) -> None:
    first.run("ACL", "SETUSER", "limited", "reset", "on", ">pw", *rights.split())
    said = redis_trouble(first.url.replace("//", "//limited:pw@"))
    assert why in said  # Redis and Valkey have other words around it
    assert "permission" in said or "can't run" in said


def test_redis_user_with_the_rights_that_calls_need_passes(first: RedisServer) -> None:
    first.run("ACL", "SETUSER", "limited", "reset", "on", ">pw", "~*", "&*", "+@all", "-@admin", "+info")
    assert redis_trouble(first.url.replace("//", "//limited:pw@")) == ""


async def test_replica_is_reported_as_a_replica(replica: RedisServer) -> None:
    assert "read only replica" in redis_trouble(replica.url)
    link = RedisConnection(replica.url, "test")
    await link.open()
    await eventually(lambda: link.trouble, lambda trouble: "read only replica" in trouble)
    await link.aclose()


def test_full_redis_is_reported(first: RedisServer) -> None:
    first.run("CONFIG", "SET", "maxmemory", "1")
    try:
        assert "maxmemory" in redis_trouble(first.url)
    finally:
        first.run("CONFIG", "SET", "maxmemory", "0")
    assert redis_trouble(first.url) == ""


def test_missing_redis_password_is_reported(first: RedisServer) -> None:
    first.run("CONFIG", "SET", "requirepass", "pw")
    try:
        assert redis_trouble(first.url).startswith("it asks for a password, and the address has none")
    finally:
        assert redis_trouble(first.url.replace("//", "//:pw@")) == ""
