"""The stores of production mode, started for one command: `python -m tests.stores python -m pytest tests/functional`.

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

from tests.postgres import Postgres
from tests.processes import clean_environment
from tests.redis_server import RedisServer
from tests.sources import ROOT
from tests.templates import JWT_SECRET

POSTGRES = "OMG_TEST_POSTGRES"  # the URL of the server the tests may make databases in
REDIS = "OMG_TEST_REDIS"  # the port of a Redis with many logical databases
WORKERS = "OMG_TEST_WORKERS"  # how many workers every gateway has that the tests start
DATABASES = 1024
TEMPLATE = "town"  # has every table already: making them takes longer than most tests


def environment() -> dict[str, str]:
    """Return what gives a gateway stores of its own; nothing when the tests run embedded."""
    server = os.environ.get(POSTGRES, "")
    if not server:
        return {}
    with psycopg.connect(server, autocommit=True) as connection:
        row = connection.execute("SELECT nextval('town')").fetchone()
        number = row[0] if row else 0
        connection.execute(f"CREATE DATABASE town_{number} TEMPLATE {TEMPLATE}".encode())
    return {
        "ROUTER_DB_URL": urlunsplit(urlsplit(server)._replace(path=f"/town_{number}")),
        "ROUTER_REDIS_URL": f"redis://127.0.0.1:{os.environ[REDIS]}/{number % DATABASES}",
    }


def workers() -> str:
    """Return how many workers a gateway in production mode has in this run; nothing where it is left to the test."""
    return os.environ.get(WORKERS, "")


@contextmanager
def own() -> Iterator[dict[str, str]]:
    """Give a gateway a PostgreSQL and a Redis of its own, which go when the test does: they may be broken."""
    postgres, redis = Postgres(), RedisServer()
    try:
        postgres.start()
        redis.start()
        yield {"ROUTER_DB_URL": postgres.migrated_database(), "ROUTER_REDIS_URL": redis.url}
    finally:
        redis.kill()
        postgres.close()


def are_shared() -> bool:
    """Tell whether this run is about production mode."""
    return POSTGRES in os.environ


def main(command: list[str]) -> int:
    """Run the command with the stores up; return its exit code."""
    postgres, redis = Postgres(), RedisServer("--databases", str(DATABASES))
    data_dir = TemporaryDirectory()  # not the one of a run beside this
    try:
        postgres.start()
        redis.start()
        _lay_out(postgres.url, redis.url)
        stores = {
            POSTGRES: postgres.url,
            REDIS: str(redis.port),
            "ROUTER_DB_URL": postgres.url,
            "ROUTER_REDIS_URL": redis.url,
            "ROUTER_DATA_DIR": data_dir.name,
            "ROUTER_ADMIN_SESSION_JWT_SECRET": JWT_SECRET,
            "PYTEST_ADDOPTS": f"{os.environ.get('PYTEST_ADDOPTS', '')} --reuse-db",  # it goes with its server
        }
        return subprocess.run(command, env={**os.environ, **stores}, check=False).returncode
    finally:
        redis.kill()
        postgres.close()
        data_dir.cleanup()


def _lay_out(postgres: str, redis: str) -> None:
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("CREATE SEQUENCE town")
        connection.execute(f"CREATE DATABASE {TEMPLATE}".encode())
    with TemporaryDirectory() as data_dir:
        found = clean_environment(
            ROUTER_DB_URL=urlunsplit(urlsplit(postgres)._replace(path=f"/{TEMPLATE}")),
            ROUTER_REDIS_URL=redis,
            ROUTER_DATA_DIR=data_dir,
            ROUTER_ADMIN_SESSION_JWT_SECRET=JWT_SECRET,
        )
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=found, check=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the servers end with the run
    sys.exit(main(sys.argv[1:]))
