"""Makes data_dir private to its owner: a reader of the database, the journal or the secret there has staff rights.

UMASK, which `manage.py` sets, makes new files private; `serve` makes old ones so at startup. Where that is impossible
the start is refused: an open directory would not be noticed later.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from gateway.config import Config
from gateway.config.errors import ConfigError, ConfigProblem
from metering.journal.disk_reserve import VolatileDisk, refuse_volatile

UMASK = 0o077
PRIVATE_DIR = 0o700
OTHERS = stat.S_IRWXG | stat.S_IRWXO
# Any one of these shows that the directory is the gateway's.
OURS = frozenset({"secret", "lock", "gateway.sqlite3", "journal", "beat.json"})


def make_private(data_dir: Path) -> None:
    """Create data_dir if needed and remove all other users' rights on it and its files. Raises ConfigError."""
    try:
        data_dir.mkdir(PRIVATE_DIR, parents=True, exist_ok=True)
        if data_dir.stat().st_mode & OTHERS:
            _make_directory_private(data_dir)
        for each in (*data_dir.iterdir(), *(data_dir / "journal").glob("*")):
            _make_file_private(each)
    except OSError as error:
        raise _refusal(data_dir, error.strerror or str(error)) from None
    if data_dir.stat().st_mode & OTHERS:
        raise _refusal(data_dir, "its file system keeps no permissions")


def refuse_ram_disk(config: Config) -> None:
    """Raise ConfigError where a restart of the machine would empty data_dir, unless that is allowed."""
    if config.metering.allow_volatile:
        return
    try:
        refuse_volatile(next(p for p in (config.data_dir, *config.data_dir.parents) if p.exists()))
    except VolatileDisk as error:
        what = (
            f"{config.data_dir.absolute()} is on {error.filesystem}, which a restart of the machine empties"
        )
        hint = (
            "name a directory on a disk, or set metering.allow_volatile: true and lose finished calls with it"
        )
        raise ConfigError(ConfigProblem("data_dir", what, hint)) from None


def _make_directory_private(data_dir: Path) -> None:
    """Make a directory private that is certainly ours: doing that to /tmp would break the machine."""
    found = data_dir.stat()
    if found.st_uid != os.geteuid():
        raise _refusal(data_dir, f"it belongs to user {found.st_uid}")
    if found.st_mode & stat.S_ISVTX:
        raise _refusal(data_dir, "every user may write to it")
    entries = list(data_dir.iterdir())
    is_ours = not OURS.isdisjoint(each.name for each in entries)
    if not is_ours and any(each.is_dir() and not each.is_symlink() for each in entries):
        raise _refusal(data_dir, "it holds directories of something else")
    data_dir.chmod(PRIVATE_DIR)


def _make_file_private(path: Path) -> None:
    """Make a file of ours private. Other users' files are left alone: they are inside a private directory."""
    found = path.lstat()
    is_plain = stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)
    if is_plain and found.st_mode & OTHERS and found.st_uid == os.geteuid():
        path.chmod(stat.S_IMODE(found.st_mode) & ~OTHERS)


def _refusal(data_dir: Path, why: str) -> ConfigError:
    what = f"{data_dir.absolute()} can be read by others, or not be used, and that cannot be put right: {why}"
    return ConfigError(
        ConfigProblem(
            "data_dir", what, "`chmod 700` it, or name a directory that only the gateway's user has"
        )
    )
