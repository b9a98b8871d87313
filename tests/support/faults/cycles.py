"""Finds the reference cycles that a gateway's calls leave behind for the garbage collector.

A `sitecustomize` on PYTHONPATH calls install(). SIGUSR2 makes the process collect, and write down what was found.
"""

from __future__ import annotations

import gc
import json
import os
import signal
from collections import Counter
from pathlib import Path

from tests.support.sources import ROOT
from tests.support.waiting import eventually

FILE = "CYCLES_FILE"
OURS = ("gateway.", "providers.", "metering.", "budgets.", "catalog.", "tenants.")


class Cycles:
    """Of the one process that is started with `environment`."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True)
        (directory / "sitecustomize.py").write_text(
            "from tests.support.faults.cycles import install\n\ninstall()\n"
        )
        self._file = directory / "found"
        self.environment = {FILE: str(self._file), "PYTHONPATH": f"{directory}{os.pathsep}{ROOT}"}

    async def found(self, pid: int) -> dict[str, int]:
        """Return the names of our types in the cycles since the last call, and how many there are of each."""
        self._file.unlink(missing_ok=True)
        os.kill(pid, signal.SIGUSR2)
        await eventually(self._file.exists)
        names: dict[str, int] = json.loads(self._file.read_text())
        return names


def install() -> None:
    file = os.environ.get(FILE)
    if file:
        signal.signal(signal.SIGUSR2, lambda *_: _collect(Path(file)))


def _collect(file: Path) -> None:
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    gc.set_debug(0)
    types = [type(found) for found in gc.garbage]
    names = Counter(
        f"{each.__module__}.{each.__qualname__}" for each in types if each.__module__.startswith(OURS)
    )
    gc.garbage.clear()
    gc.collect()
    part = file.with_suffix(".part")
    part.write_text(json.dumps(names))
    part.rename(file)
