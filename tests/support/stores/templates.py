"""A database with every table and no row, for SQLite and for PostgreSQL, made once a run and copied for each gateway:
making the tables takes longer than most tests.

xdist's workers share them: the first one makes it while the others wait for its lock.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import psycopg

from tests.support.servers.processes import clean_environment
from tests.support.sources import ROOT
from tests.support.stores.postgres import TEMPLATE, Postgres

RUN = "OMG_TEST_RUN"  # the directory of this run, shared by its processes
JWT_SECRET = "for-tests-only-0123456789-0123456789-0123456789"  # long enough not to be called weak
DATABASE = "gateway.sqlite3"
HAS_ITS_TABLES = {
    "ROUTER_DATABASE_RUN_MIGRATIONS": "false"
}  # looking what is missing takes a fifth of a start


def open_run() -> Path | None:
    """Make the directory of this run, if no parent process has. Returns what `close_run` removes."""
    if RUN in os.environ:
        return None
    made = Path(tempfile.mkdtemp(prefix="gateway-tests-"))
    os.environ[RUN] = str(made)
    return made


def close_run(made: Path) -> None:
    """Remove it."""
    os.environ.pop(RUN, None)
    shutil.rmtree(made, ignore_errors=True)


def lay_out(data_dir: Path) -> bool:
    """Give a new data_dir a database that has every table and no row. One that exists is left as it is.

    Returns whether there is a database in it.
    """
    if not data_dir.exists():
        data_dir.mkdir(parents=True)
        shutil.copyfile(_migrated(), data_dir / DATABASE)
    return (data_dir / DATABASE).exists()


def prepared_postgres(*settings: str) -> Postgres:
    """Return a server that is not started; its new databases have every table."""
    return Postgres(*settings, files=_made_once("postgres", _prepare_postgres))


def _migrated() -> Path:
    return _made_once("migrated", _migrate) / DATABASE


def _made_once(name: str, make: Callable[[Path], None]) -> Path:
    home = Path(os.environ[RUN]) / name
    home.mkdir(exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "done").exists():
            make(home / "made")
            (home / "done").touch()
    return home / "made"


def _migrate(home: Path) -> None:
    home.mkdir()
    _run_migrations(ROUTER_DATA_DIR=str(home))
    leftovers = sorted(path.name for path in home.glob(f"{DATABASE}-*"))
    assert not leftovers, (
        f"the database is not closed: {leftovers}"
    )  # a copy of the file alone would be half of it


def _prepare_postgres(files: Path) -> None:
    server = Postgres()
    try:
        server.start()
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {TEMPLATE}".encode())
        with tempfile.TemporaryDirectory() as data_dir:
            _run_migrations(
                ROUTER_DB_URL=server.url_of(TEMPLATE),
                ROUTER_REDIS_URL="redis://127.0.0.1:1/0",  # it is not used
                ROUTER_DATA_DIR=data_dir,
            )
        server.end()
        server.files.rename(files)
    finally:
        server.close()


def _run_migrations(**variables: str) -> None:
    found = clean_environment(ROUTER_ADMIN_SESSION_JWT_SECRET=JWT_SECRET, **variables)
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=found, check=True)
