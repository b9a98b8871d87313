from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.stores.redis_server import RedisServer


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """Yield a Redis of this test's own."""
    server = RedisServer()
    server.start()
    yield server
    server.kill()
