"""Work that must be complete is not interrupted by a cancellation."""

from __future__ import annotations

import asyncio

import pytest

from providers.shielding import to_its_end


@pytest.mark.parametrize("cancellations", [1, 2, 5])
async def test_a_cancellation_is_raised_when_the_work_is_over(cancellations):
    begun, may_end = asyncio.Event(), asyncio.Event()
    ended = []

    async def work():
        begun.set()
        await may_end.wait()
        ended.append(True)

    waiting = asyncio.create_task(to_its_end(work()))
    await begun.wait()
    for _ in range(cancellations):
        waiting.cancel()
        await asyncio.sleep(0)
    assert not waiting.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended == [True]


async def test_a_shielded_error_reaches_the_waiter_and_is_dropped_after_cancellation():
    async def fails():
        await asyncio.sleep(0)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await to_its_end(fails())
    waiting = asyncio.create_task(to_its_end(fails()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_work_that_cancels_itself_is_a_cancellation():
    async def gives_up():
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await to_its_end(gives_up())
