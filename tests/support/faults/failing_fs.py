"""`os` as one module sees it, some functions of which fail for a while."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest


class FaultyOs:
    """Put in the place of a module's `os`. `calls` counts the calls of functions that fail or failed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
        self.calls: Counter[str] = Counter()
        self._faults: dict[str, Callable[..., Any]] = {}
        monkeypatch.setattr(f"{module}.os", self)

    def __getattr__(self, name: str) -> Any:
        return self._faults.get(name, getattr(os, name))

    def break_(self, name: str, fault: Callable[..., Any] | int = errno.EIO) -> None:
        """Replace a function from now on; a number lets it fail with this error."""

        def broken(*args: Any) -> Any:
            self.calls[name] += 1
            if callable(fault):
                return fault(*args)
            raise OSError(fault, os.strerror(fault))

        self._faults[name] = broken

    def heal(self, *names: str) -> None:
        """Let functions work again, and continue to count their calls."""
        for name in names:
            self.break_(name, getattr(os, name))
