from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from metering.journal.disk_reserve import Reserve, VolatileDisk, refuse_volatile

MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:25 / /dev/shm rw,nosuid shared:3 - tmpfs tmpfs rw
31 22 0:26 / /srv/with\\040space rw - ramfs none rw
32 30 254:1 / /dev/shm/disk rw - xfs /dev/vdb rw
"""


@pytest.mark.parametrize("path", ["/dev/shm/journal", "/srv/with space/x"])  # noqa: S108 - names in a text
def test_a_memory_file_system_is_refused(path: str) -> None:
    with pytest.raises(VolatileDisk) as refusal:
        refuse_volatile(Path(path), MOUNTS)

    assert refusal.value.filesystem in {"tmpfs", "ramfs"}
    assert "allow_volatile" in str(refusal.value)


@pytest.mark.parametrize("path", ["/var/lib/gateway", "/dev/shm/disk/journal", "/dev/shmoo"])  # noqa: S108
def test_a_disk_is_accepted(path: str) -> None:
    refuse_volatile(Path(path), MOUNTS)


def test_the_mounts_of_this_machine_are_read(tmp_path: Path) -> None:
    with pytest.raises(VolatileDisk):
        refuse_volatile(Path("/dev/shm"))  # noqa: S108 - the one tmpfs every Linux has


def test_a_reserve_takes_its_bytes_from_the_disk_and_gives_them_back(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve", 1 << 20)

    held = (tmp_path / "reserve").stat().st_blocks * 512
    reserve.release()

    assert held >= 1 << 20
    assert not (tmp_path / "reserve").exists()
    assert not reserve.has_room


def test_a_reserve_is_created_again_when_there_is_space(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve", 1 << 20)
    reserve.release()

    reserve.refresh()

    assert reserve.has_room
    assert (tmp_path / "reserve").exists()


def test_a_disk_smaller_than_the_reserve_has_no_free_space(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve", shutil.disk_usage(tmp_path).total)

    assert not reserve.has_room
    assert not (tmp_path / "reserve").exists()


def test_a_reserve_that_cannot_be_given_back_raises_nothing_and_comes_back(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve", 1 << 20)
    (tmp_path / "reserve").unlink()
    (tmp_path / "reserve").mkdir()  # neither unlink nor open takes it

    reserve.release()
    reserve.refresh()
    stuck = reserve.has_room
    (tmp_path / "reserve").rmdir()
    reserve.refresh()

    assert not stuck
    assert reserve.has_room


def test_a_disk_that_cannot_be_queried_counts_as_full(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    reserve = Reserve(disk / "reserve", 1 << 20)

    away = disk.rename(tmp_path / "away")
    reserve.refresh()
    had_room = reserve.has_room
    away.rename(disk)
    reserve.refresh()

    assert not had_room
    assert reserve.has_room


def test_a_closed_reserve_does_not_come_back(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve", 1 << 20)
    reserve.close()

    reserve.refresh()

    assert not reserve.has_room
    assert not (tmp_path / "reserve").exists()
