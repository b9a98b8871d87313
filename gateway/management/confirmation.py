"""Asks for confirmation at the terminal; without one, the arguments of the script count as confirmation."""

from __future__ import annotations

import sys


def confirmed(question: str) -> bool:
    """Return whether the answer is yes; True without a terminal."""
    if not sys.stdin.isatty():
        return True
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
