from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from metering.end import End, EndNotKept, Waiter
from metering.group import Group
from tests.waiting import eventually


class Disk:
    """Takes ends when it is well; syncs them when it is told to."""

    def __init__(self) -> None:
        self.is_well = True
        self.tries = 0
        self.written: list[str] = []
        self.unsynced: list[Waiter] = []

    def write(self, ends: Sequence[End]) -> list[Waiter]:
        self.tries += 1
        if not self.is_well:
            raise RuntimeError("a defect")
        self.written += [end.id for end in ends]
        return []

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
async def group(disk: Disk) -> Group:
    return Group(asyncio.get_running_loop(), disk.write, disk.take)


def join(group: Group, request_id: str) -> asyncio.Task[None]:
    return asyncio.create_task(group.join(request_id, b""))


async def test_ends_that_write_chokes_on_are_tried_again_in_order(disk: Disk, group: Group) -> None:
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


async def test_draining_writes_what_has_gathered_behind_a_slow_sync(disk: Disk, group: Group) -> None:
    ends = [join(group, "a"), join(group, "b")]
    draining = asyncio.create_task(group.drain())
    await eventually(lambda: disk.written == ["a", "b"])
    assert not draining.done()

    disk.sync()
    async with asyncio.timeout(30):
        await asyncio.gather(draining, *ends)


async def test_giving_up_tells_everyone_who_waits(disk: Disk, group: Group) -> None:
    in_flight, gathered = join(group, "a"), join(group, "b")
    await eventually(lambda: disk.written == ["a"])

    group.give_up()

    for end in (in_flight, gathered):
        with pytest.raises(EndNotKept):
            await end
    disk.sync()
    assert disk.written == ["a"]
