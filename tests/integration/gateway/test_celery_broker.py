"""Celery finds the same Redis as the gateway, also at a socket."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.celery import make
from gateway.config import Config
from tests.support.stores.redis_server import RedisServer


@pytest.mark.parametrize("query", ["", "?db=3"])
def test_a_socket_is_a_broker_too(tmp_path: Path, query: str) -> None:
    server = RedisServer("--unixsocket", str(tmp_path / "redis.sock"))
    server.start()
    try:
        url = f"unix://{tmp_path}/redis.sock{query}"
        app = make(Config.model_validate({"redis": {"url": url}, "data_dir": str(tmp_path)}))
        with app.connection_for_write() as broker:
            broker.ensure_connection(max_retries=1)
            broker.default_channel.client.set("here", "1")
        spaces = server.run("INFO", "keyspace").decode()
        assert f"db{query.removeprefix('?db=') or 0}:" in spaces
    finally:
        server.kill()
