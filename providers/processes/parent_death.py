"""Ends a helper process with its parent, also in the middle of a job: between two jobs, the end of stdin does."""

from __future__ import annotations

import contextlib
import ctypes
import select
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1  # <sys/prctl.h>


def die_with_parent() -> None:
    """Let the kernel kill this process when the thread that started it ends: prctl(2), Linux only.

    Helpers are started by threads that live as long as their process: its main one, and those of a pool. Exits if the
    parent, which holds the other end of stdin, has ended already.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    poll = select.poll()
    poll.register(0, 0)  # reports that the other end is closed, and nothing else
    if poll.poll(0):
        sys.exit()
