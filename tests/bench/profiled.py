"""Runs a Python program whose main thread can be profiled for a while: SIGUSR1 starts, SIGUSR2 stops and writes.

`python -m tests.bench.profiled FILE program.py ARGUMENTS`. Start-up and other threads stay out of the picture.
"""

from __future__ import annotations

import cProfile
import runpy
import signal
import sys
from pathlib import Path


def main() -> None:
    target, program, *arguments = sys.argv[1:]
    profile = cProfile.Profile()

    def start(*_: object) -> None:
        profile.enable()

    def stop(*_: object) -> None:
        profile.disable()
        profile.dump_stats(target)

    signal.signal(signal.SIGUSR1, start)
    signal.signal(signal.SIGUSR2, stop)
    sys.argv = [program, *arguments]
    sys.path[0] = str(Path(program).parent)
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
