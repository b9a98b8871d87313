"""Bytes that would run a command if they were unpickled, and other values that should never be stored."""

from __future__ import annotations

import pickle
import subprocess
from pathlib import Path

from typing_extensions import override


class Runs:
    def __init__(self, mark: Path) -> None:
        self._mark = mark

    @override
    def __reduce__(self):
        return subprocess.call, (["touch", str(self._mark)],)


def pickled(mark: Path, protocol: int = pickle.DEFAULT_PROTOCOL) -> bytes:
    """Return a pickle that makes the file `mark` when it is read."""
    return pickle.dumps(Runs(mark), protocol)


def values(mark: Path) -> dict[str, bytes]:
    """Return stored values that another program may write, by name."""
    return {
        **{f"pickle-{protocol}": pickled(mark, protocol) for protocol in range(6)},
        "cut-off": pickled(mark)[:-3],
        "no-text": b"\xff\xfe\x00",
        "empty": b"",
        "deep": b"[" * 100_000,
        "object": b'{"__reduce__": 1}',
        "negative": b"-5",
        "float": b"1e400",
        "many-digits": b"9" * 5000 + b"x",
    }
