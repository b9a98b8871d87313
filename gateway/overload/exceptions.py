"""Why a process refuses more calls."""

from __future__ import annotations


class Overloaded(Exception):
    """This process has more calls than it can serve well; `reason` is counted (gateway/overload/load_shedder.py)."""

    def __init__(self, reason: str = "full") -> None:
        self.reason = reason
        super().__init__(reason)
