from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from metering.journal.journal import Journal, MeteringUnavailable
from metering.journal.reader import Call, JournalReader
from metering.journal.records import Mark
from metering.journal.segments import Directory, directories
from tests.support.books.calls import closed, opened
from tests.support.waiting import eventually

SEGMENT = 4096


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    journal = Journal(tmp_path, reserve_bytes=1 << 20, segment_bytes=SEGMENT, allow_volatile=True)
    yield journal
    await journal.close()


def read(journal: Journal) -> JournalReader:
    """Return a tail that has read the whole journal; `calls_of` gives what ended."""
    return JournalReader(Directory.for_reading(journal.directory.path))


def calls_of(journal: Journal) -> list[Call]:
    return read(journal).read(journal.written, 10**6)


async def test_a_closed_call_is_read_back_with_both_its_ends(journal: Journal) -> None:
    journal.open_call(opened("req_1"))
    await journal.close_call(closed("req_1"))

    assert calls_of(journal) == [(opened("req_1"), closed("req_1"))]


async def test_a_close_waits_for_a_sync_that_began_after_it(journal: Journal) -> None:
    journal.open_call(opened("req_1"))
    before = journal.syncs

    await journal.close_call(closed("req_1"))

    assert journal.syncs > before


async def test_64_calls_that_close_together_share_syncs(journal: Journal) -> None:
    ids = [f"req_{n}" for n in range(64)]
    for request_id in ids:
        journal.open_call(opened(request_id))
    before = journal.syncs

    await asyncio.gather(*(journal.close_call(closed(request_id)) for request_id in ids))

    assert journal.syncs - before < 32
    assert {call.open.id for call in calls_of(journal)} == set(ids)


async def test_ends_wanted_soon_are_written_together_while_a_sync_is_at_work(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = ["req_1", "req_2", "req_3", "req_4"]
    for request_id in ids:
        journal.open_call(opened(request_id))
    writes: list[int] = []
    write = os.write

    def counted(file: int, data: bytes) -> int:
        writes.append(file)
        return write(file, data)

    monkeypatch.setattr(os, "write", counted)
    endings = [journal.close_call(closed(each), soon=each != "req_2") for each in ids]

    for ending in endings:
        ending.send(None)  # up to where it waits: the first one has a sync of its own at once
    assert [call.open.id for call in calls_of(journal)] == ["req_1"]
    await asyncio.sleep(0)  # one turn of the loop

    assert [call.open.id for call in calls_of(journal)] == ids
    assert len(writes) == 2, "one for the first, one for all that ended in its turn"
    assert journal.unshipped_records == 4, "none is counted twice"
    for ending in endings:
        ending.close()


async def test_an_end_written_soon_is_durable_when_it_is_over(journal: Journal) -> None:
    for request_id in ("req_1", "req_2"):
        journal.open_call(opened(request_id))
    first = asyncio.ensure_future(journal.close_call(closed("req_1")))
    second = asyncio.ensure_future(journal.close_call(closed("req_2"), soon=True))
    await first
    before = journal.syncs

    await second

    assert journal.syncs >= before
    assert len(calls_of(journal)) == 2


async def test_with_durability_process_a_close_is_over_once_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "process", reserve_bytes=0, allow_volatile=True)
    journal.open_call(opened("req_1"))

    with pytest.raises(StopIteration):
        journal.close_call(closed("req_1")).send(None)  # it never suspends

    assert len(calls_of(journal)) == 1
    await journal.close()


async def test_open_records_without_a_waiter_are_synced_soon(journal: Journal) -> None:
    before = journal.syncs

    journal.open_call(opened("req_1"))

    await eventually(lambda: journal.syncs > before)


async def test_a_call_closes_once(journal: Journal) -> None:
    journal.open_call(opened("req_1"))
    await journal.close_call(closed("req_1"))

    await journal.close_call(closed("req_1", status="cancelled"))
    journal.void("req_1")

    assert [call.close.status for call in calls_of(journal)] == ["ok"]


async def test_a_voided_call_leaves_nothing(journal: Journal) -> None:
    journal.open_call(opened("req_1"))
    journal.void("req_1")
    tail = read(journal)

    assert tail.read(journal.written, 10) == []
    assert tail.running == {}


async def test_a_running_call_keeps_its_last_mark(journal: Journal) -> None:
    journal.open_call(opened("req_1"))
    journal.mark(Mark("req_1", 5))
    journal.mark(Mark("req_1", 9))
    tail = read(journal)

    tail.read(journal.written, 10)

    assert [call.output_tokens for call in tail.running.values()] == [9]


async def test_a_waiter_cancelled_during_the_sync_harms_no_record(
    journal: Journal,
) -> None:
    for request_id in ("req_1", "req_2"):
        journal.open_call(opened(request_id))
    leaver = asyncio.ensure_future(journal.close_call(closed("req_1")))
    stayer = asyncio.ensure_future(journal.close_call(closed("req_2")))
    await asyncio.sleep(0)

    leaver.cancel()
    await stayer

    assert [call.open.id for call in calls_of(journal)] == ["req_1", "req_2"]


async def test_journal_goes_on_in_the_next_segment_when_one_is_full(journal: Journal) -> None:
    ids = [f"req_{n}" for n in range(40)]
    for request_id in ids:
        journal.open_call(opened(request_id))
        await journal.close_call(closed(request_id))

    sizes = [journal.directory.segment(n).stat().st_size for n in journal.directory.segments()]
    assert len(sizes) > 3
    assert max(sizes) <= SEGMENT
    assert [call.open.id for call in calls_of(journal)] == ids


async def test_calls_that_run_for_long_can_be_carried_to_the_end(journal: Journal) -> None:
    journal.open_call(opened("req_long"))
    journal.open_call(opened("req_over"))
    await journal.close_call(closed("req_over"))

    journal.rewrite_open([(opened("req_long"), [Mark("req_long", 70)]), (opened("req_over"), [])])
    tail = read(journal)
    tail.read(journal.written, 10)

    assert [(call.record.id, call.output_tokens) for call in tail.running.values()] == [("req_long", 70)]


async def test_journal_counts_unshipped_calls(journal: Journal) -> None:
    journal.open_call(opened("req_1"))
    await journal.close_call(closed("req_1"))
    waiting = journal.unshipped_records

    journal.shipped(journal.written)

    assert waiting == 1
    assert (journal.unshipped_records, journal.oldest_unshipped_s) == (0, 0.0)


async def test_a_journal_that_was_shipped_leaves_no_directory(tmp_path: Path) -> None:
    journal = Journal(tmp_path, reserve_bytes=0, allow_volatile=True)
    journal.open_call(opened("req_1"))
    await journal.close_call(closed("req_1"))
    journal.shipped(journal.written)

    await journal.close()

    assert directories(tmp_path) == []


async def test_a_journal_with_unshipped_calls_is_left_to_be_adopted(tmp_path: Path) -> None:
    journal = Journal(tmp_path, reserve_bytes=0, allow_volatile=True)
    journal.open_call(opened("req_1"))
    await journal.close_call(closed("req_1"))

    await journal.close()

    assert Directory.take_over(journal.directory.path) is not None
    assert len(calls_of(journal)) == 1


async def test_a_disk_below_the_reserve_refuses_new_calls(tmp_path: Path) -> None:
    journal = Journal(tmp_path, reserve_bytes=1 << 60, allow_volatile=True)

    with pytest.raises(MeteringUnavailable) as refusal:
        journal.open_call(opened("req_1"))

    assert refusal.value.reserve_bytes == 1 << 60
    assert journal.written.offset == 0
    await journal.close()


async def test_after_a_failed_sync_everything_is_written_again_elsewhere(journal: Journal) -> None:
    journal.open_call(opened("req_1"))
    await journal.sync()
    reader, writer = os.pipe()  # takes writes, and fails every fdatasync
    os.dup2(writer, _descriptor_of(journal.directory.segment(1)))

    journal.open_call(opened("req_2"))
    await journal.close_call(closed("req_2"))
    await journal.close_call(closed("req_1"))

    os.close(reader)
    os.close(writer)
    assert journal.written.segment > 1
    assert [call.open.id for call in calls_of(journal)] == ["req_2", "req_1"]


def _descriptor_of(path: Path) -> int:
    """Return this process's descriptor of a file."""
    own = Path("/proc/self/fd")
    return next(int(entry.name) for entry in own.iterdir() if entry.exists() and entry.readlink() == path)


async def test_a_call_whose_end_is_not_written_yet_is_carried_too(journal: Journal) -> None:
    journal.open_call(opened("req_1"))
    journal.open_call(opened("req_2"))
    first = asyncio.ensure_future(journal.close_call(closed("req_1")))
    second = asyncio.ensure_future(journal.close_call(closed("req_2")))
    await asyncio.sleep(0)  # the first is being synced, the second gathers
    assert [call.open.id for call in calls_of(journal)] == ["req_1"]

    journal.rewrite_open([(opened("req_1"), []), (opened("req_2"), [Mark("req_2", 7)])])

    await asyncio.gather(first, second)
    tail = read(journal)
    assert [call.open.id for call in tail.read(journal.written, 10)] == ["req_1", "req_2"]
    assert tail.running == {}


async def test_what_has_gathered_is_written_when_the_journal_closes(tmp_path: Path) -> None:
    journal = Journal(tmp_path, reserve_bytes=0, allow_volatile=True)
    ids = ["req_1", "req_2", "req_3"]
    for request_id in ids:
        journal.open_call(opened(request_id))
    leaving = [asyncio.ensure_future(journal.close_call(closed(request_id))) for request_id in ids]
    await asyncio.sleep(0)
    for one in leaving:
        one.cancel()

    await journal.close()

    assert [call.open.id for call in calls_of(journal)] == ids
