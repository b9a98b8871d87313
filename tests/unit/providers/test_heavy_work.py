"""Work on large bodies goes forward in turns: others run between its steps, and no tenant has more than one place."""

from __future__ import annotations

import asyncio
from collections.abc import Generator

import pytest

from providers.heavy_work import HeavyWork


@pytest.fixture
def heavy():
    room = HeavyWork(at_once=2)
    yield room
    room.close()


def steps(log: list[str], name: str, count: int) -> Generator[None, None, str]:
    for number in range(count):
        log.append(f"{name}{number}")
        yield
    return name


async def test_others_run_between_two_steps(heavy):
    log: list[str] = []

    async def other():
        for number in range(3):
            log.append(f"call{number}")
            await asyncio.sleep(0)

    done, _ = await asyncio.gather(heavy.share(1).run(steps(log, "scan", 3)), other())
    assert done == "scan"
    assert log == ["scan0", "call0", "scan1", "call1", "scan2", "call2"]


async def test_of_one_tenant_one_piece_of_work_is_done_at_a_time(heavy):
    log: list[str] = []
    many = [heavy.share(1).run(steps(log, name, 3)) for name in "abc"]
    await asyncio.gather(*many, heavy.share(2).run(steps(log, "other", 1)))
    assert [line for line in log if line != "other0"] == [
        f"{name}{number}" for name in "abc" for number in range(3)
    ]
    assert log.index("other0") < log.index("b0")  # the neighbour does not wait for all of them
    assert heavy.waiting == 0


async def test_who_leaves_while_waiting_leaves_no_trace(heavy):
    log: list[str] = []
    first = asyncio.create_task(heavy.share(1).run(steps(log, "first", 5)))
    second = asyncio.create_task(heavy.share(1).run(steps(log, "second", 5)))
    await asyncio.sleep(0)
    second.cancel()
    first.cancel()
    await asyncio.wait([first, second])
    assert heavy.waiting == 0
    assert await heavy.share(1).run(steps(log, "third", 1)) == "third"
    assert "second0" not in log


async def test_what_a_step_raises_reaches_who_asked(heavy):
    def broken() -> Generator[None, None, None]:
        yield
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await heavy.share(1).run(broken())
    assert heavy.waiting == 0


async def test_threads_keep_to_the_shares_too(heavy):
    assert await heavy.share(1).in_thread(sum, [1, 2]) == 3
    assert heavy.waiting == 0
