"""Points where a test can kill this process as a power cut would. Inactive unless OMG_FAILPOINT names one, or a file
that names one: `@FILE` arms and disarms a running process. Of several names the last one kills, after the others were
reached: `after_commit before_cursor` is the first cursor written after a batch with calls.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

_ARMED = os.environ.get("OMG_FAILPOINT", "")
_REACHED: set[str] = set()


def reach(name: str) -> None:
    """Kill the process here, without clean-up, if the environment names this point. Else costs one comparison."""
    if _ARMED and name in (armed := _armed()):
        _REACHED.add(name)
        if name == armed[-1] and _REACHED.issuperset(armed):
            os.kill(os.getpid(), signal.SIGKILL)


def _armed() -> list[str]:
    return (Path(_ARMED[1:]).read_text(encoding="utf-8") if _ARMED.startswith("@") else _ARMED).split()
