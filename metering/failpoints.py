"""Places where a test may kill this process as a power cut would. Inert unless OMG_FAILPOINT names one, or a file that
names one: `@FILE` arms and disarms a process that runs. Of several names the last one kills, after the others were
reached: `after_commit before_cursor` is the first cursor behind a batch with calls.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

_ARMED = os.environ.get("OMG_FAILPOINT", "")
_REACHED: set[str] = set()


def reach(name: str) -> None:
    """Die here, without any clean-up, if the environment said so. Costs one comparison otherwise."""
    if _ARMED and name in (armed := _armed()):
        _REACHED.add(name)
        if name == armed[-1] and _REACHED.issuperset(armed):
            os.kill(os.getpid(), signal.SIGKILL)


def _armed() -> list[str]:
    return (Path(_ARMED[1:]).read_text(encoding="utf-8") if _ARMED.startswith("@") else _ARMED).split()
