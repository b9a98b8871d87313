"""Work that fails, in a process like gateway/parsing/heavy_process.py; run with `python -m`."""

from __future__ import annotations

import itertools
import os
import signal
import sys
from pathlib import Path

from gateway.parsing import heavy_process


def length(raw: bytes) -> int:
    return len(raw)


def burn(_raw: bytes) -> None:
    for _ in itertools.count():
        pass


def burn_in_c(_raw: bytes) -> int:
    """Use CPU time in C, so that the interpreter handles no signal meanwhile."""
    return sum(itertools.repeat(1))


def hoard(raw: bytes) -> int:
    return len([raw + bytes([number % 256]) for number in range(100_000)])


def blunder(_raw: bytes) -> None:
    raise ZeroDivisionError("by nobody")


def die(raw: bytes) -> str:
    """End the process, once for each file."""
    path = Path(raw.decode())
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "lived"


def wait(raw: bytes) -> str:
    """Read a pipe to its end."""
    return Path(raw.decode()).read_text()


if __name__ == "__main__":
    heavy_process.WORK.update(
        length=length, burn=burn, burn_in_c=burn_in_c, hoard=hoard, die=die, blunder=blunder, wait=wait
    )
    heavy_process.serve(sys.stdin.buffer, sys.stdout.buffer)
