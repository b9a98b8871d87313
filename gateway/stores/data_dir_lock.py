"""One process per data_dir: an exclusive lock that the kernel frees when the process ends, however it ends."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


class DataDirInUse(Exception):
    """Another gateway serves from this data_dir."""


@contextmanager
def lock_data_dir(data_dir: Path) -> Iterator[IO[str]]:
    """Lock data_dir for this process; a fork that is to outlive it closes the file. Raises DataDirInUse."""
    with (data_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataDirInUse(
                f"data_dir {data_dir} is in use by another gateway. Hint: stop it, or set ROUTER_DATA_DIR."
            ) from error
        yield lock
