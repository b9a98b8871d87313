from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.redis_server import RedisServer


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    """Yield a Redis of this file's own; a test that stops it starts it again."""
    server = RedisServer()
    server.start()
    yield server
    server.kill()
