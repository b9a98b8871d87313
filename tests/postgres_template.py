"""A cluster of PostgreSQL with a migrated database, made once a run and copied for each server.

To make a cluster and the tables takes longer than most tests. xdist's workers share it, as tests/templates.py says.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.processes import clean_environment
from tests.sources import ROOT
from tests.templates import JWT_SECRET, RUN

NOBODY = "redis://127.0.0.1:1/0"  # production mode names one; migrations do not ask it


def lay_out(data: Path, make: Callable[[Path], None]) -> bool:
    """Copy this run's cluster to `data`; `make` is asked once for its files. False where there is no run."""
    run = os.environ.get(RUN)
    if run is None:
        return False
    home = Path(run) / "postgres"
    home.mkdir(exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "done").exists():
            make(home / "data")
            (home / "done").touch()
    copy(home / "data", data)
    return True


def migrate(url: str) -> None:
    """Make the tables of the product in this database."""
    with TemporaryDirectory() as data_dir:
        found = clean_environment(
            ROUTER_DB_URL=url,
            ROUTER_REDIS_URL=NOBODY,
            ROUTER_DATA_DIR=data_dir,
            ROUTER_ADMIN_SESSION_JWT_SECRET=JWT_SECRET,
        )
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=found, check=True)


def copy(files: Path, to: Path) -> None:
    """With their owner: a server refuses the files of others."""
    subprocess.run(["cp", "-a", str(files), str(to)], check=True)
