"""A disk fills up: new calls are refused, running ones end into the reserve, and it recovers by itself."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from metering.journal.journal import Journal, MeteringUnavailable
from metering.journal.reader import JournalReader
from metering.journal.segments import Directory
from tests.support.books.calls import closed, opened
from tests.support.waiting import eventually

KIB = 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a file system of one MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid():
        pytest.skip(
            "only root can mount a small disk; tests/unit/metering/journal/test_failing_disk.py runs for everybody"
        )
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def fill(disk: Path) -> None:
    """Leave not one block free."""
    file = os.open(disk / "ballast", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    try:
        while os.write(file, bytes(64 * KIB)) == 64 * KIB:
            pass
    except OSError:
        pass
    finally:
        os.close(file)


async def test_a_full_disk_refuses_new_calls_and_ends_the_running_ones_into_the_reserve(
    small_disk: Path,
) -> None:
    journal = Journal(small_disk, reserve_bytes=256 * KIB, segment_bytes=64 * KIB, allow_volatile=True)
    ids = [f"req_{n}" for n in range(100)]
    for request_id in ids:
        journal.open_call(opened(request_id))
    fill(small_disk)
    await eventually(lambda: not journal.has_room)

    with pytest.raises(MeteringUnavailable):
        journal.open_call(opened("req_new"))
    async with asyncio.timeout(30):
        await asyncio.gather(*(journal.close_call(closed(request_id)) for request_id in ids))

    tail = JournalReader(Directory.for_reading(journal.directory.path))
    assert {call.open.id for call in tail.read(journal.written, 1000)} == set(ids)
    assert tail.damages == []
    await journal.close()


async def test_journal_recovers_by_itself_when_there_is_space_again(small_disk: Path) -> None:
    journal = Journal(small_disk, reserve_bytes=256 * KIB, segment_bytes=64 * KIB, allow_volatile=True)
    fill(small_disk)
    await eventually(lambda: not journal.has_room)

    (small_disk / "ballast").unlink()
    await eventually(lambda: journal.has_room)

    journal.open_call(opened("req_1"))
    await journal.close_call(closed("req_1"))
    assert (journal.directory.path / "reserve").stat().st_size == 256 * KIB
    await journal.close()


async def test_an_end_that_not_even_the_reserve_can_take_waits_in_memory(small_disk: Path) -> None:
    journal = Journal(small_disk, reserve_bytes=4 * KIB, segment_bytes=64 * KIB, allow_volatile=True)
    ids = [f"req_{n}" for n in range(200)]
    for request_id in ids:
        journal.open_call(opened(request_id))
    fill(small_disk)

    closing = asyncio.gather(*(journal.close_call(closed(request_id)) for request_id in ids))
    await eventually(lambda: not journal.has_room)
    fill(small_disk)
    waited = not closing.done()
    (small_disk / "ballast").unlink()
    async with asyncio.timeout(30):
        await closing

    tail = JournalReader(Directory.for_reading(journal.directory.path))
    assert waited
    assert {call.open.id for call in tail.read(journal.written, 1000)} == set(ids)
    await journal.close()
