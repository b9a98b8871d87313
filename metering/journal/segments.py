"""The files of a journal: a directory per process, locked by flock while it runs; numbered segments; a cursor.

A process that can take the lock of a directory knows that its owner has ended. Costs: one directory, one descriptor.
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
    """A position between two frames."""

    segment: int
    offset: int


START = Position(0, 0)


def new_name() -> str:
    """Return a name that no process had before: the boot, the process id and a random part, as ids are reused."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}-{os.getpid()}-{secrets.token_hex(4)}"


class Directory:
    """A directory whose lock this process holds. `create` makes one, `take_over` adopts that of an ended process."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def create(cls, root: Path, name: str = "") -> Self:
        """Create this process's own directory; it appears under its name only when its lock is already held."""
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
    def take_over(cls, path: Path) -> Self | None:
        """Return the directory if its process has ended; None if it is live, or if another process took it first."""
        try:
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            with suppress(OSError):
                path.rmdir()  # the process that removed it ended before its last step
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
    def for_reading(cls, path: Path) -> Self:
        """Return a directory for reading only, whichever process holds it."""
        return cls(path, -1)

    def segment(self, number: int) -> Path:
        return self.path / f"{number:08d}{_SUFFIX}"

    def segments(self) -> list[int]:
        """Return the numbers of the segments that exist, in order."""
        return sorted(int(path.stem) for path in self.path.glob(f"*{_SUFFIX}"))

    def cursor(self) -> Position:
        """Return the position up to which every CLOSE is in the ledger; START if that was never stored."""
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
        """Store how far the ledger is. Losing the cursor costs work, not correctness."""
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
        """Delete the directory and everything in it, the lock file last."""
        for path in self.path.iterdir():
            if path.name != _LOCK:
                path.unlink()
        (self.path / _LOCK).unlink()
        self.path.rmdir()
        self.release()

    def release(self) -> None:
        """Release the lock: a process that takes it now adopts the directory."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def directories(root: Path) -> list[Path]:
    """Return every journal directory under `root`, of live and of ended workers."""
    if not root.is_dir():
        return []
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith(_UNBORN))


def is_alive(path: Path) -> bool:
    """Return whether a process holds this directory, without touching its lock."""
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
