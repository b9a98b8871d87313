"""The stores of production mode, started for one command: `python -m tests.support.stores.stores python -m pytest
tests/functional`.

One switch: under it the tests' own database is PostgreSQL, and every gateway they start gets a database of its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.support.stores.postgres import TEMPLATE
from tests.support.stores.redis_server import RedisServer
from tests.support.stores.templates import HAS_ITS_TABLES, JWT_SECRET, close_run, open_run, prepared_postgres

POSTGRES = "OMG_TEST_POSTGRES"  # the URL of the server the tests may make databases in
REDIS = "OMG_TEST_REDIS"  # the port of a Redis with many logical databases
WORKERS = "OMG_TEST_WORKERS"  # how many workers every gateway has that the tests start
DATABASES = 1024


def environment() -> dict[str, str]:
    """Return what gives a gateway stores of its own; nothing when the tests run embedded."""
    server = os.environ.get(POSTGRES, "")
    if not server:
        return {}
    with psycopg.connect(server, autocommit=True) as connection:
        row = connection.execute("SELECT nextval('town')").fetchone()
        number = row[0] if row else 0
        connection.execute(f"CREATE DATABASE town_{number} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY".encode())
    return {
        "ROUTER_DB_URL": urlunsplit(urlsplit(server)._replace(path=f"/town_{number}")),
        "ROUTER_REDIS_URL": f"redis://127.0.0.1:{os.environ[REDIS]}/{number % DATABASES}",
        **HAS_ITS_TABLES,
    }


def workers() -> str:
    """Return how many workers a gateway in production mode has in this run; nothing where it is left to the test."""
    return os.environ.get(WORKERS, "")


@contextmanager
def own() -> Iterator[dict[str, str]]:
    """Start a PostgreSQL and a Redis for one gateway, which end with the test and which it may break."""
    server, redis = prepared_postgres(), RedisServer()
    try:
        server.start()
        redis.start()
        yield {"ROUTER_DB_URL": server.new_database(), "ROUTER_REDIS_URL": redis.url, **HAS_ITS_TABLES}
    finally:
        redis.kill()
        server.close()


def are_shared() -> bool:
    """Say whether this run tests production mode."""
    return POSTGRES in os.environ


def main(command: list[str]) -> int:
    """Run the command with the stores up; return its exit code."""
    run = open_run()
    server, redis = prepared_postgres(), RedisServer("--databases", str(DATABASES))
    data_dir = TemporaryDirectory()  # not the one of a run beside this
    try:
        server.start()
        redis.start()
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE SEQUENCE town")
        stores = {
            POSTGRES: server.url,
            REDIS: str(redis.port),
            "ROUTER_DB_URL": server.url,
            "ROUTER_REDIS_URL": redis.url,
            "ROUTER_DATA_DIR": data_dir.name,
            "ROUTER_ADMIN_SESSION_JWT_SECRET": JWT_SECRET,
            "PYTEST_ADDOPTS": f"{os.environ.get('PYTEST_ADDOPTS', '')} --reuse-db",  # it goes with its server
        }
        process = subprocess.Popen(command, env={**os.environ, **stores})
        try:
            return process.wait()
        except KeyboardInterrupt:  # the command gets the signal too, and ends what it has started
            return process.wait()
    finally:
        redis.kill()
        server.close()
        data_dir.cleanup()
        if run is not None:
            close_run(run)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the servers end with the run
    sys.exit(main(sys.argv[1:]))
