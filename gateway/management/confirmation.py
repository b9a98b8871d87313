"""Asks the person at the terminal; where there is none, a script has said what it wants by its arguments."""

from __future__ import annotations

import sys


def confirmed(question: str) -> bool:
    """Return whether the answer is yes; True where nobody can be asked."""
    if not sys.stdin.isatty():
        return True
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
