"""The stores of production mode, started for one command: `python -m tests.stores python -m pytest tests/functional`.

One switch: under it the tests' own database is PostgreSQL, and every gateway they start gets a database of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.postgres import Postgres

POSTGRES = "OMG_TEST_POSTGRES"  # the URL of the server the tests may make databases in
JWT_SECRET = "for-tests-only-0123456789-0123456789-0123456789"


def new_database() -> str:
    """Return the URL of a new, empty database; an empty text when the tests run embedded."""
    server = os.environ.get(POSTGRES, "")
    if not server:
        return ""
    with psycopg.connect(server, autocommit=True) as connection:
        row = connection.execute("SELECT count(*) FROM pg_database").fetchone()
        name = f"town_{os.getpid()}_{row[0] if row else 0}"
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


def main(command: list[str]) -> int:
    """Run the command with the stores up; return its exit code."""
    postgres = Postgres()
    try:
        postgres.start()
        environment = {
            **os.environ,
            POSTGRES: postgres.url,
            "ROUTER_DB_URL": postgres.url_of("postgres"),
            "ROUTER_REDIS_URL": os.environ.get("ROUTER_REDIS_URL", "redis://127.0.0.1:1/0"),
            "ROUTER_ADMIN_SESSION_JWT_SECRET": JWT_SECRET,
            "PYTEST_ADDOPTS": f"{os.environ.get('PYTEST_ADDOPTS', '')} --reuse-db",  # it goes with its server
        }
        return subprocess.run(command, env=environment, check=False).returncode
    finally:
        postgres.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
