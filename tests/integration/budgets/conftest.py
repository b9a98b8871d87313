from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.stores.redis_server import RedisServer


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    """Yield a Redis of this file's own; a test that stops it starts it again."""
    server = RedisServer()
    server.start()
    yield server
    server.kill()


@pytest.fixture
def frequent_upkeep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers tend ten times a second, where a test waits for turns of periodic work and not for their interval."""
    monkeypatch.setattr("budgets.redis.workers.maintenance.TEND_S", 0.1)
