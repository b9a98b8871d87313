"""A disk that refuses, writes half or does not answer: no call hangs, none is lost, files stay readable."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from metering.journal.journal import Journal, MeteringUnavailable
from metering.journal.pending_close import CloseNotPersisted
from metering.journal.reader import JournalReader
from metering.journal.records import Mark
from metering.journal.segments import Directory, Position
from tests.support.books.calls import closed, opened
from tests.support.faults.failing_fs import FaultyOs
from tests.support.waiting import eventually

IDS = ["req_1", "req_2", "req_3"]


@pytest.fixture
def written_by(monkeypatch: pytest.MonkeyPatch) -> FaultyOs:
    """Return what the journal writes with."""
    return FaultyOs(monkeypatch, "metering.journal.journal")


@pytest.fixture
def synced_by(monkeypatch: pytest.MonkeyPatch) -> FaultyOs:
    """Return what the journal syncs with."""
    return FaultyOs(monkeypatch, "metering.journal.fsync_thread")


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    journal = Journal(tmp_path, reserve_bytes=1 << 20, allow_volatile=True)
    for request_id in IDS:
        journal.open_call(opened(request_id))
    await journal.sync()
    yield journal
    await journal.close()


def half(file: int, data: bytes) -> int:
    """Write what fits: half of it."""
    return os.write(file, data[: len(data) // 2])


def read(journal: Journal) -> tuple[list[str], JournalReader]:
    """Return the ids of the calls that ended, by the files, and by the reader."""
    tail = JournalReader(Directory.for_reading(journal.directory.path))
    return [call.open.id for call in tail.read(journal.written, 100)], tail


def end_of_files(journal: Journal) -> Position:
    return JournalReader(Directory.for_reading(journal.directory.path)).end()


async def end_all(journal: Journal) -> None:
    async with asyncio.timeout(30):
        await asyncio.gather(*(journal.close_call(closed(request_id)) for request_id in IDS))


async def test_ends_wait_for_a_disk_that_is_read_only_for_a_moment(
    journal: Journal, written_by: FaultyOs
) -> None:
    reserve = journal.directory.path / "reserve"
    reserve.unlink()
    reserve.mkdir()  # which no unlink takes away
    written_by.break_("write", errno.EROFS)

    closing = asyncio.ensure_future(end_all(journal))
    await eventually(lambda: written_by.calls["write"] > 3)
    had_room = journal.has_room
    reserve.rmdir()
    written_by.heal("write")
    await closing

    assert not had_room
    assert sorted(read(journal)[0]) == IDS
    await eventually(lambda: journal.has_room)


async def test_calls_end_on_a_disk_that_cannot_be_asked_for_a_moment(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = FaultyOs(monkeypatch, "metering.journal.disk_reserve")
    asked.break_("statvfs")
    await eventually(lambda: not journal.has_room)

    with pytest.raises(MeteringUnavailable):
        journal.open_call(opened("req_new"))
    await end_all(journal)
    asked.heal("statvfs")

    await eventually(lambda: journal.has_room)


async def test_no_frame_follows_half_a_frame(journal: Journal, written_by: FaultyOs) -> None:
    written_by.break_("write", half)
    written_by.break_("ftruncate")
    with pytest.raises(MeteringUnavailable):
        journal.open_call(opened("req_new"))
    before = journal.written
    written_by.heal("write")

    await end_all(journal)

    ids, tail = read(journal)
    assert (sorted(ids), [damage.gap.torn for damage in tail.damages]) == (IDS, [True])
    assert journal.written.segment == before.segment + 1
    assert journal.written == end_of_files(journal)


async def test_half_a_frame_that_goes_away_costs_no_segment(journal: Journal, written_by: FaultyOs) -> None:
    before = journal.written
    written_by.break_("write", half)
    with pytest.raises(MeteringUnavailable):
        journal.open_call(opened("req_new"))
    written_by.heal("write")

    assert journal.written == before == end_of_files(journal)


async def test_a_mark_that_is_not_written_is_counted(
    journal: Journal, written_by: FaultyOs, fallbacks: Callable[[], dict[str, int]]
) -> None:
    journal.mark(Mark(IDS[0], 1))
    assert fallbacks() == {}
    written_by.break_("write", errno.ENOSPC)
    journal.mark(Mark(IDS[0], 2))
    written_by.heal("write")
    assert fallbacks() == {"journal_mark": 1}


@pytest.mark.parametrize("refused", [errno.EIO, half], ids=["refused", "half written"])
async def test_repeated_write_retries_leave_one_file(
    journal: Journal, written_by: FaultyOs, synced_by: FaultyOs, refused
) -> None:
    def fail_once(_file: int) -> None:
        written_by.break_("write", refused)
        synced_by.heal("fdatasync")
        raise OSError(errno.EIO, "once")

    synced_by.break_("fdatasync", fail_once)
    closing = asyncio.ensure_future(end_all(journal))
    await eventually(lambda: written_by.calls["write"] > 2)
    meanwhile = (journal.written, journal.directory.segments(), journal.has_room)
    written_by.heal("write")
    await closing

    assert meanwhile == (end_of_files_of(journal, 1), [1], False)
    assert len(journal.directory.segments()) == 2
    assert journal.written == end_of_files(journal)
    assert sorted(read(journal)[0]) == IDS


def end_of_files_of(journal: Journal, number: int) -> Position:
    return Position(number, journal.directory.segment(number).stat().st_size)


async def test_a_disk_that_goes_on_failing_its_syncs_gets_no_new_calls_and_not_ever_more_files(
    journal: Journal, synced_by: FaultyOs
) -> None:
    synced_by.break_("fdatasync")
    closing = asyncio.ensure_future(end_all(journal))
    await eventually(lambda: synced_by.calls["fdatasync"] > 4)
    meanwhile = (journal.has_room, len(journal.directory.segments()), closing.done())
    synced_by.heal("fdatasync")
    await closing

    assert meanwhile == (False, 2, False)
    assert sorted(read(journal)[0]) == IDS
    await eventually(lambda: journal.has_room)


async def test_a_journal_that_closes_on_a_full_disk_says_so_and_leaves_no_timer(
    tmp_path: Path, written_by: FaultyOs, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    timers: list[asyncio.TimerHandle] = []
    journal = Journal(tmp_path, reserve_bytes=1 << 20, allow_volatile=True)
    journal.open_call(opened("req_1"))
    journal.open_call(opened("req_void"))
    call_later = loop.call_later

    def noted(*args: Any) -> asyncio.TimerHandle:
        timers.append(call_later(*args))
        return timers[-1]

    monkeypatch.setattr(loop, "call_later", noted)
    written_by.break_("write", errno.ENOSPC)

    ending = asyncio.ensure_future(journal.close_call(closed("req_1")))
    await eventually(lambda: written_by.calls["write"] > 0)
    journal.void("req_void")
    await journal.close(timeout_s=0.01)

    with pytest.raises(CloseNotPersisted):
        await ending
    assert [timer for timer in timers if timer.when() > loop.time() and not timer.cancelled()] == []
    tail = read(journal)[1]
    assert list(tail.running) == ["req_1", "req_void"]
    assert Directory.take_over(journal.directory.path) is not None


async def test_a_call_that_ends_after_the_journal_is_not_taken_for_recorded(tmp_path: Path) -> None:
    journal = Journal(tmp_path, reserve_bytes=0, allow_volatile=True)
    journal.open_call(opened("req_1"))
    await journal.close()

    with pytest.raises(CloseNotPersisted):
        await journal.close_call(closed("req_1"))
    with pytest.raises(MeteringUnavailable):
        journal.open_call(opened("req_2"))

    assert list(read(journal)[1].running) == ["req_1"]


async def test_after_a_failed_sync_no_later_sync_of_that_file_is_believed(
    tmp_path: Path, written_by: FaultyOs, synced_by: FaultyOs
) -> None:
    journal = Journal(tmp_path, reserve_bytes=0, allow_volatile=True)
    journal.open_call(opened("req_1"))
    await journal.sync()
    written_by.break_("open", errno.EMFILE)

    def fail_once(_file: int) -> None:
        synced_by.heal("fdatasync")
        raise OSError(errno.EIO, "once")

    synced_by.break_("fdatasync", fail_once)
    ending = asyncio.ensure_future(journal.close_call(closed("req_1")))
    await eventually(lambda: written_by.calls["open"] > 0)
    async with asyncio.timeout(30):
        await journal.close(timeout_s=0.01)

    with pytest.raises(CloseNotPersisted):
        await ending
    assert synced_by.calls["fdatasync"] == 1
    assert Directory.take_over(journal.directory.path) is not None


async def test_a_journal_closes_while_its_last_sync_fails(
    tmp_path: Path, written_by: FaultyOs, synced_by: FaultyOs
) -> None:
    journal = Journal(tmp_path, reserve_bytes=0, allow_volatile=True)
    written_by.break_("open", errno.EMFILE)
    stopping = journal._syncer._is_replaced  # noqa: SLF001 - the bell that a failing sync and the end both ring

    def fail_late(_file: int) -> None:
        stopping.wait(10)
        raise OSError(errno.EIO, "late")

    synced_by.break_("fdatasync", fail_late)
    journal.open_call(opened("req_1"))
    await eventually(lambda: synced_by.calls["fdatasync"] > 0)

    async with asyncio.timeout(30):
        await journal.close(timeout_s=0.01)


async def test_a_waiter_cancelled_on_a_full_disk_does_not_block_journal_close(
    tmp_path: Path, written_by: FaultyOs
) -> None:
    journal = Journal(tmp_path, "process", reserve_bytes=0, allow_volatile=True)
    journal.open_call(opened("req_1"))
    written_by.break_("write", errno.ENOSPC)
    leaver = asyncio.ensure_future(journal.close_call(closed("req_1")))
    await eventually(lambda: written_by.calls["write"] > 0)
    leaver.cancel()
    await asyncio.wait([leaver])
    written_by.heal("write")

    await journal.close()

    assert read(journal)[0] == ["req_1"]


async def test_an_end_wanted_soon_waits_like_any_other_where_the_disk_refuses_it(
    journal: Journal, written_by: FaultyOs
) -> None:
    written_by.break_("write", errno.ENOSPC)

    endings = [asyncio.ensure_future(journal.close_call(closed(each), soon=True)) for each in IDS]
    await eventually(lambda: written_by.calls["write"] > len(IDS))
    assert not journal.has_room
    written_by.heal("write")
    await asyncio.gather(*endings)

    assert sorted(read(journal)[0]) == IDS
    assert read(journal)[1].damages == []
