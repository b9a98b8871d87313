"""What the journal requires of its disk: it survives a restart, and its last bytes are reserved for the journal.

The reserve is a preallocated file. New calls stop while free space is below it; running calls may use it.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

RETRY_S = 0.1  # until a disk that refused a write is tried again
_VOLATILE = frozenset({"tmpfs", "ramfs"})


class VolatileDisk(Exception):
    """Raised for a directory whose content does not survive a reboot."""

    def __init__(self, directory: Path, filesystem: str) -> None:
        self.directory, self.filesystem = directory, filesystem
        super().__init__(
            f"{directory} is on {filesystem}, which a reboot empties: finished calls would be lost; "
            "choose another data_dir, or allow it with metering.allow_volatile"
        )


class Reserve:
    """Bytes of disk kept for the ends of running calls. Call `refresh` in a thread that may block.

    Nothing here raises OSError: a disk that cannot be queried has no room.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path, self._size = path, size
        self._is_allocated = self._is_closed = False
        self._lock = threading.Lock()  # refresh runs in the sync thread, release in the event loop
        self.free_bytes = 0
        self.has_room = False
        self.refresh()

    @property
    def size(self) -> int:
        return self._size

    def refresh(self) -> None:
        """Check the disk; take the reserve again when free space is at least twice its size."""
        with self._lock:
            if self._is_closed:
                return
            try:
                self._measure()
            except OSError:
                self.has_room = False

    def release(self) -> None:
        """Free the bytes for the running calls."""
        with self._lock:
            self.has_room = self._is_allocated = False
            self._free()

    def close(self) -> None:
        """Free the bytes for the last calls; from now on there is no room for new ones."""
        self._is_closed = True
        self.release()

    def _measure(self) -> None:
        if not self._is_allocated:
            self._free()  # the last attempt may have failed
        self.free_bytes = _free_bytes(self._path.parent)
        if not self._is_allocated and self.free_bytes >= 2 * self._size:
            self._allocate()
        self.has_room = self._is_allocated and self.free_bytes >= self._size

    def _allocate(self) -> None:
        file = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            if self._size:
                os.posix_fallocate(file, 0, self._size)
            self.free_bytes = _free_bytes(self._path.parent)
            self._is_allocated = True
        except OSError:  # another writer took the space first
            self._free()
        finally:
            os.close(file)

    def _free(self) -> None:
        with suppress(OSError):  # if the file stays, the disk is read-only or failing and has no room anyway
            self._path.unlink(missing_ok=True)


def refuse_volatile(directory: Path, mounts: str | None = None) -> None:
    """Raise VolatileDisk if the directory is on a file system in memory."""
    if mounts is None:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    filesystem = _filesystem_of(directory.resolve(), mounts)
    if filesystem in _VOLATILE:
        raise VolatileDisk(directory, filesystem)


def _filesystem_of(directory: Path, mounts: str) -> str:
    """Return the type of the innermost mount that holds the directory; the last one mounted there wins."""
    best, filesystem = -1, ""
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        point = Path(fields.split(" ")[4].replace("\\040", " "))
        if (point == directory or point in directory.parents) and len(point.parts) >= best:
            best, filesystem = len(point.parts), rest.split(" ")[0]
    return filesystem


def _free_bytes(directory: Path) -> int:
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize
