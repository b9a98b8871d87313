"""Installs the locks as a newcomer would: `python -m tests.support.servers.installs`, in a copy of the repository
and venvs of its own.

With the oldest pip that a supported Python brings and with the newest, on every supported Python that is at hand. Each
time `make setup` and `make setup-dev`, `pip check`, and the locks once more by pip's own resolver. What is in .venv is
not made again: of that one only the last two are left.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.sources import ROOT

PYTHONS = ("3.11", "3.12", "3.13")
OLDEST_PIP, NEWEST_PIP = "pip==23.2.1", "pip"
LOCKS = ("base", "production", "dev")
LIMIT_S = 600
OURS = ROOT / ".venv/bin/python"


def interpreter(version: str) -> str | None:
    """Return a Python of this minor version: one that starts, from the path or from pyenv."""
    homes = sorted((Path.home() / ".pyenv/versions").glob(f"{version}.*/bin/python"))
    for candidate in (*map(str, homes), shutil.which(f"python{version}")):
        if candidate and subprocess.run([candidate, "-V"], capture_output=True, check=False).returncode == 0:
            return candidate
    return None


def cases(*, whole: bool) -> Iterator[tuple[str, str, str]]:
    """Yield (version, interpreter, pip): all of them, or the two ends."""
    found = [(version, python) for version in PYTHONS if (python := interpreter(version)) is not None]
    for version, python in found:
        for pip in (OLDEST_PIP, NEWEST_PIP):
            is_an_end = (version, pip) in {(found[0][0], OLDEST_PIP), (found[-1][0], NEWEST_PIP)}
            if whole or is_an_end:
                yield version, python, pip


def install(copy: Path, python: str, pip: str) -> None:
    """Set up everything in this copy. Raises CalledProcessError."""
    venv = copy / ".venv"
    shutil.rmtree(venv, ignore_errors=True)
    run(copy, python, "-m", "venv", str(venv))
    inside = str(venv / "bin/python")
    run(copy, inside, "-m", "pip", "install", "-q", "-U", pip)
    resolved = [word for name in LOCKS for word in ("-r", f"requirements/{name}.txt")]
    run(copy, inside, "-m", "pip", "install", "-q", "--dry-run", "--require-hashes", *resolved)
    run(copy, "make", ".venv/base.stamp", f"PYTHON={python}")
    refuses_production(copy, inside)
    run(copy, "make", "setup", f"PYTHON={python}")
    run(copy, inside, "-m", "pip", "check")
    run(copy, "make", "setup-dev", f"PYTHON={python}")
    run(copy, inside, "-m", "pip", "check")


def is_ours(python: str, pip: str) -> bool:
    """Say whether .venv here was made with this interpreter, and has this pip."""
    if not OURS.exists() or os.path.realpath(OURS) != os.path.realpath(python):
        return False
    found = subprocess.run([str(OURS), "-m", "pip", "--version"], capture_output=True, text=True, check=True)
    return found.stdout.split()[1] == pip.partition("==")[2]


def is_whole() -> None:
    """Insist that what is installed here is what the locks ask for. Raises CalledProcessError."""
    resolved = [word for name in LOCKS for word in ("-r", f"requirements/{name}.txt")]
    run(ROOT, str(OURS), "-m", "pip", "install", "-q", "--dry-run", "--require-hashes", *resolved)
    run(ROOT, str(OURS), "-m", "pip", "check")


def refuses_production(copy: Path, python: str) -> None:
    """Insist that what `make run` installs says in words what PostgreSQL and Redis need."""
    stores = {"ROUTER_DB_URL": "postgres://127.0.0.1/none", "ROUTER_REDIS_URL": "redis://127.0.0.1/0"}
    done = subprocess.run(
        [python, "manage.py", "check"],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
        env=environment() | stores,
    )
    assert done.returncode == 2, done.stderr
    assert "requirements/production.txt" in done.stderr, done.stderr


def run(place: Path, *command: str) -> None:
    done = subprocess.run(
        command, cwd=place, capture_output=True, text=True, check=False, timeout=LIMIT_S, env=environment()
    )
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        done.check_returncode()


def environment() -> dict[str, str]:
    """Return this environment without what makes another Python of it."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in {"VIRTUAL_ENV", "PYTHONPATH", "MAKEFLAGS"}
    }


def main(*, whole: bool) -> int:
    with tempfile.TemporaryDirectory(prefix="gateway-installs-") as place:
        copy = Path(place) / "copy"
        run(ROOT, "git", "clone", "-q", str(ROOT), str(copy))
        for version, python, pip in cases(whole=whole):
            if is_ours(python, pip) and not whole:
                is_whole()
            else:
                install(copy, python, pip)
            print(f"Python {version} with {pip}: installed", flush=True)  # noqa: T201 - the result
    return 0


if __name__ == "__main__":
    sys.exit(main(whole="--all" in sys.argv))
