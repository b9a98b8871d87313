"""Measures how long a gateway's event loop is blocked, by the CPU clock of its process, and how much memory it uses.

A `sitecustomize` on PYTHONPATH calls install(), so every worker has it. Its timer goes off each millisecond; of what
passes in between, the shorter of wall time and CPU time of the whole process counts. A thread that keeps the
interpreter's lock holds the loop, too; a machine that is busy with something else does not.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import struct
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import uvloop

from tests.support.sources import ROOT

FILE = "HELD_LOOP_FILE"
YARDSTICK = 100_000  # turns of a loop of Python
YARDSTICK_S = 0.008  # what they take of a core of 2024
SLOWEST = 4.0
BEAT_S = 0.001
_SECONDS = struct.Struct("<d")


class HeldLoop:
    """The loop of the one process that is started with `environment`."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "sitecustomize.py").write_text(
            "from tests.support.faults.loop_time import install\n\ninstall()\n"
        )
        file = directory / "longest"
        file.write_bytes(_SECONDS.pack(0.0))
        with file.open("r+b") as opened:
            self._place = mmap.mmap(opened.fileno(), _SECONDS.size)
        self.environment = {FILE: str(file), "PYTHONPATH": f"{directory}{os.pathsep}{ROOT}"}

    def forget(self) -> None:
        _SECONDS.pack_into(self._place, 0, 0.0)

    @property
    def longest_s(self) -> float:
        """Seconds of CPU since the last reset."""
        longest: float = _SECONDS.unpack_from(self._place)[0]
        return longest


def slowness() -> float:
    """Return how many times longer this machine takes now than a core of 2024, from 1 to SLOWEST.

    By a fixed piece of work and the CPU clock, which runs on while two threads share a core.
    """
    taken = []
    for _ in range(5):
        began, total = time.process_time(), 0
        for number in range(YARDSTICK):
            total += number * number
        taken.append(time.process_time() - began)
    return min(max(min(taken) / YARDSTICK_S, 1.0), SLOWEST)


class Memory:
    """The resident memory of a process."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.before = 0

    def forget(self) -> None:
        """Begin anew: proc(5), clear_refs."""
        Path(f"/proc/{self._pid}/clear_refs").write_text("5")
        self.before = self._field("VmRSS")

    @property
    def grown(self) -> int:
        """The highest number of bytes above that at the last reset."""
        return self._field("VmHWM") - self.before

    def _field(self, name: str) -> int:
        lines = Path(f"/proc/{self._pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def install() -> None:
    """Let every loop that uvloop runs be measured."""
    with Path(os.environ[FILE]).open("r+b") as file:
        place = mmap.mmap(file.fileno(), _SECONDS.size)
    run = uvloop.run

    def measured(main: Coroutine[Any, Any, Any], **options: Any) -> Any:
        async def with_beat() -> Any:
            beat(asyncio.get_running_loop(), time.perf_counter(), time.process_time())
            return await main

        return run(with_beat(), **options)

    def beat(loop: asyncio.AbstractEventLoop, wall: float, cpu: float) -> None:
        now, used = time.perf_counter(), time.process_time()
        held = min(now - wall - BEAT_S, used - cpu)
        if held > _SECONDS.unpack_from(place)[0]:
            _SECONDS.pack_into(place, 0, held)
        loop.call_later(BEAT_S, beat, loop, now, used)

    uvloop.run = measured
