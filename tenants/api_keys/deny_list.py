"""Keys that the processes of one data_dir refuse whatever the database returns, or while it is away: a file of
prefixes, one per line. Written by `manage.py revoke PREFIX --here`, read by every worker each second.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

NAME: Final = "denied_keys"


class DenyList:
    """The file in this data_dir; it may be missing."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / NAME
        self._seen: tuple[int, int, int] | None = None
        self.prefixes: frozenset[str] = frozenset()

    def add(self, prefix: str) -> None:
        """Deny a key; returns when the entry is on disk. Raises OSError."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        file = os.open(self._path, flags, 0o600)
        try:
            os.write(file, f"\n{prefix}\n".encode())  # a manual edit may lack its line end
            os.fsync(file)
        finally:
            os.close(file)

    def refresh(self) -> bool:
        """Read the file if it has changed; return whether it had. Raises OSError; the previous content is kept then."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            is_news = self._seen is not None
            self._seen, self.prefixes = None, frozenset()
            return is_news
        seen = (found.st_ino, found.st_mtime_ns, found.st_size)
        if seen == self._seen:
            return False
        lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        self.prefixes = frozenset(line.strip() for line in lines if line.strip())
        self._seen = seen
        return True
