from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from metering.journal.group_commit import GroupCommit
from metering.journal.pending_close import CloseNotPersisted, PendingClose, Waiter
from tests.support.waiting import eventually


class Disk:
    """Accepts ends unless it fails; syncs them when the test allows it."""

    def __init__(self) -> None:
        self.is_well = True
        self.tries = 0
        self.has_room = True
        self.early: list[list[str]] = []
        self.written: list[str] = []
        self.unsynced: list[Waiter] = []

    def write(self, ends: Sequence[PendingClose]) -> list[Waiter]:
        self.tries += 1
        if not self.is_well:
            raise RuntimeError("a defect")
        self.written += [end.id for end in ends]
        return []

    def write_early(self, ends: Sequence[PendingClose]) -> bool:
        self.early.append([end.id for end in ends])
        return self.has_room

    def take(self, waiters: Sequence[Waiter]) -> None:
        self.unsynced += waiters

    def sync(self) -> None:
        waiters, self.unsynced = self.unsynced, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
async def group(disk: Disk) -> GroupCommit:
    return GroupCommit(asyncio.get_running_loop(), disk.write, disk.take, disk.write_early)


def join(group: GroupCommit, request_id: str, *, soon: bool = False) -> asyncio.Task[None]:
    return asyncio.create_task(group.add(request_id, b"", soon=soon))


async def test_ends_that_write_chokes_on_are_tried_again_in_order(disk: Disk, group: GroupCommit) -> None:
    disk.is_well = False
    first, second = join(group, "a"), join(group, "b")
    await eventually(lambda: disk.tries > 1)
    was_stuck = group.is_stuck

    disk.is_well = True
    await eventually(lambda: len(disk.unsynced) > 0)
    disk.sync()
    async with asyncio.timeout(30):
        await asyncio.gather(first, second)

    assert was_stuck
    assert not group.is_stuck
    assert disk.written == ["a", "b"]


async def test_draining_writes_what_has_gathered_behind_a_slow_sync(disk: Disk, group: GroupCommit) -> None:
    ends = [join(group, "a"), join(group, "b")]
    draining = asyncio.create_task(group.drain())
    await eventually(lambda: disk.written == ["a", "b"])
    assert not draining.done()

    disk.sync()
    async with asyncio.timeout(30):
        await asyncio.gather(draining, *ends)


async def test_giving_up_fails_all_waiters(disk: Disk, group: GroupCommit) -> None:
    in_flight, gathered = join(group, "a"), join(group, "b")
    await eventually(lambda: disk.written == ["a"])

    group.abandon()

    for end in (in_flight, gathered):
        with pytest.raises(CloseNotPersisted):
            await end
    disk.sync()
    assert disk.written == ["a"]


async def test_what_is_wanted_soon_is_written_once_and_waits_for_a_sync_behind_it(
    disk: Disk, group: GroupCommit
) -> None:
    alone, early = join(group, "a"), [join(group, each, soon=True) for each in "bc"]
    await eventually(lambda: disk.early == [["b", "c"]])

    disk.sync()  # which began before they were written
    await eventually(alone.done)
    assert not any(each.done() for each in early)
    await eventually(lambda: len(disk.unsynced) > 0)
    disk.sync()
    async with asyncio.timeout(30):
        await asyncio.gather(*early)

    assert disk.written == ["a"], "the others were written before"


async def test_an_early_write_without_space_is_written_with_its_group(disk: Disk, group: GroupCommit) -> None:
    disk.has_room = False
    ends = [join(group, "a"), join(group, "b", soon=True), join(group, "c")]
    await eventually(lambda: disk.early == [["b", "c"]])

    while not all(end.done() for end in ends):
        disk.sync()
        await asyncio.sleep(0)

    assert disk.written == ["a", "b", "c"]


async def test_waiters_for_an_early_write_fail_when_it_is_given_up(disk: Disk, group: GroupCommit) -> None:
    ends = [join(group, "a"), join(group, "b", soon=True)]
    await eventually(lambda: disk.early == [["b"]])

    group.abandon()

    for end in ends:
        with pytest.raises(CloseNotPersisted):
            await end
