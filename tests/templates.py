"""A migrated SQLite file, made once a run and copied for each gateway: making the tables takes longer than most tests.

xdist's workers share it: the first one makes it while the others wait for its lock.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.processes import clean_environment
from tests.sources import ROOT

RUN = "OMG_TEST_RUN"  # the directory of this run, shared by its processes
JWT_SECRET = "for-tests-only-0123456789-0123456789-0123456789"  # long enough not to be called weak
DATABASE = "gateway.sqlite3"


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


def lay_out(data_dir: Path) -> None:
    """Give an empty data_dir a database that has every table and no row. One that exists is left as it is."""
    if data_dir.exists():
        return
    data_dir.mkdir(parents=True)
    shutil.copyfile(_migrated(), data_dir / DATABASE)


def _migrated() -> Path:
    home = Path(os.environ[RUN]) / "migrated"
    home.mkdir(exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "done").exists():
            _migrate(home)
            (home / "done").touch()
    return home / DATABASE


def _migrate(home: Path) -> None:
    found = clean_environment(ROUTER_DATA_DIR=str(home), ROUTER_ADMIN_SESSION_JWT_SECRET=JWT_SECRET)
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=found, check=True)
    leftovers = sorted(path.name for path in home.glob(f"{DATABASE}-*"))
    assert not leftovers, (
        f"the database is not closed: {leftovers}"
    )  # a copy of the file alone would be half of it
