"""The files of a journal: a directory per process, held by flock while it lives; numbered segments; a cursor.

Whoever can take the lock of a directory knows that its process is dead. Costs: one directory, one descriptor.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import struct
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self

from crc32c import crc32c

_LOCK, _CURSOR, _SUFFIX, _UNBORN = "lock", "cursor", ".log", "new-"
_POSITION = struct.Struct("<QQ")
_CHECKED = struct.Struct("<QQI")


class Position(NamedTuple):
    """A place between two frames."""

    segment: int
    offset: int


START = Position(0, 0)


def new_name() -> str:
    """Return a name that no process had before: of this boot, this process, and chance, for ids come again."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}-{os.getpid()}-{secrets.token_hex(4)}"


class Directory:
    """A directory whose lock this process holds. `create` makes one, `take` inherits one from the dead."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def create(cls, root: Path, name: str = "") -> Self:
        """Make this process's own directory; it appears under its name only when its lock is already held."""
        root.mkdir(parents=True, exist_ok=True)
        path = root / (name or new_name())
        unborn = root / f"{_UNBORN}{path.name}"
        unborn.mkdir(exist_ok=True)
        lock = os.open(unborn / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        unborn.rename(path)
        sync_directory(root)
        return cls(path, lock)

    @classmethod
    def take(cls, path: Path) -> Self | None:
        """Return the directory if its process is dead; None if it lives, or if someone else was quicker."""
        try:
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            with suppress(OSError):
                path.rmdir()  # whoever removed it died before its last step
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        if not (path / _LOCK).exists():  # removed between opening and locking
            os.close(lock)
            return None
        return cls(path, lock)

    @classmethod
    def look(cls, path: Path) -> Self:
        """Return a directory to read only, whoever holds it."""
        return cls(path, -1)

    def segment(self, number: int) -> Path:
        return self.path / f"{number:08d}{_SUFFIX}"

    def segments(self) -> list[int]:
        """Return the numbers of the segments that exist, in order."""
        return sorted(int(path.stem) for path in self.path.glob(f"*{_SUFFIX}"))

    def cursor(self) -> Position:
        """Return the position up to which every CLOSE is in the ledger; START if that was never noted."""
        try:
            raw = (self.path / _CURSOR).read_bytes()
        except FileNotFoundError:
            return START
        if len(raw) != _CHECKED.size:
            return START
        segment, offset, checksum = _CHECKED.unpack(raw)
        sound = crc32c(_POSITION.pack(segment, offset)) == checksum
        return Position(segment, offset) if sound else START

    def note_cursor(self, position: Position, *, durable: bool) -> None:
        """Remember how far the ledger is. Losing the note costs work, not truth."""
        raw = _CHECKED.pack(*position, crc32c(_POSITION.pack(*position)))
        file = os.open(self.path / _CURSOR, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(file, raw, 0)
            if durable:
                os.fdatasync(file)
        finally:
            os.close(file)

    def remove_segment(self, number: int, *, keep_as_corrupt: bool = False) -> None:
        """Unlink a segment; a damaged one is kept beside the journals for the operator."""
        if keep_as_corrupt:
            self.segment(number).rename(self.path.parent / f"{self.path.name}-{number:08d}.corrupt")
        else:
            self.segment(number).unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete the directory and everything in it. The lock goes last."""
        for path in self.path.iterdir():
            if path.name != _LOCK:
                path.unlink()
        (self.path / _LOCK).unlink()
        self.path.rmdir()
        self.release()

    def release(self) -> None:
        """Let go of the lock: whoever takes it now adopts the directory."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def directories(root: Path) -> list[Path]:
    """Return every journal directory under `root`, alive or dead."""
    if not root.is_dir():
        return []
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith(_UNBORN))


def is_alive(path: Path) -> bool:
    """Say whether a process holds this directory, without touching its lock."""
    try:
        inode = (path / _LOCK).stat().st_ino
    except FileNotFoundError:
        return False
    held = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    return any("FLOCK" in line and line.split()[5].endswith(f":{inode}") for line in held)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    file = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
