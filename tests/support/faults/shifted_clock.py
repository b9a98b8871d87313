"""A wall clock that a test can set while processes run: CPython's own functions are replaced before anything else runs.

No compiler and no privilege: a `sitecustomize` on PYTHONPATH calls install(), so every process of a gateway has it. The
monotonic clock, and those of PostgreSQL and Redis, are left alone, as they are when a machine's clock is set.
"""

from __future__ import annotations

import ctypes
import datetime as dt
import gc
import mmap
import os
import struct
import time
from pathlib import Path

from tests.support.sources import ROOT

FILE = "SHIFTED_CLOCK_FILE"
_SECONDS = struct.Struct("<q")


class ShiftedClock:
    """The clock of the processes that are started with `environment`; `step` sets it, for all of them at once."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "sitecustomize.py").write_text(
            "from tests.support.faults.shifted_clock import install\n\ninstall()\n"
        )
        self._file = directory / "seconds"
        self._file.write_bytes(_SECONDS.pack(0))
        self.environment = {FILE: str(self._file), "PYTHONPATH": f"{directory}{os.pathsep}{ROOT}"}

    def step(self, seconds: int) -> None:
        """Set the offset of the clock from the true one."""
        with self._file.open("r+b") as file:
            file.write(_SECONDS.pack(seconds))


def install() -> None:
    """Replace every function by which Python code reads the time of day."""
    with Path(os.environ[FILE]).open("rb") as file:
        place = mmap.mmap(file.fileno(), _SECONDS.size, access=mmap.ACCESS_READ)
    true, true_ns = time.time, time.time_ns

    def shift() -> int:
        seconds: int = _SECONDS.unpack_from(place)[0]
        return seconds

    def shifted() -> float:
        return true() + shift()

    def shifted_ns() -> int:
        return true_ns() + shift() * 1_000_000_000

    def now(cls: type[dt.datetime], tz: dt.tzinfo | None = None) -> dt.datetime:
        return cls.fromtimestamp(shifted(), tz)

    time.time, time.time_ns = shifted, shifted_ns
    [members] = gc.get_referents(dt.datetime.__dict__)  # a type of C has no other door
    members["now"] = classmethod(now)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(dt.datetime))
