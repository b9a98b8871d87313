"""Being replaced leaves time, being told to end leaves the grace, being told twice leaves none."""

from __future__ import annotations

import asyncio

from gateway.config import load
from gateway.stopping import Stop

LONG_S = 1000.0


async def never() -> None:
    await asyncio.Event().wait()


async def done() -> None:
    return


def test_the_grace_is_long_enough_for_usual_calls(tmp_path):
    """It was 5 s, and calls of a model take 10 to 60 s."""
    assert load({}, tmp_path).server.graceful_shutdown_delay >= 30


async def test_the_first_order_leaves_the_grace_and_the_second_none():
    stop = Stop()
    stop.ask()
    assert (stop.asked.is_set(), stop.ordered.is_set(), stop.hurried.is_set()) == (True, True, False)
    pausing = asyncio.create_task(stop.pause(LONG_S, never()))
    await asyncio.sleep(0)
    assert not pausing.done()
    stop.ask()
    await pausing


async def test_who_is_replaced_waits_until_it_is_idle():
    stop = Stop()
    stop.asked.set()
    await stop.pause_unless_ordered(LONG_S, done())


async def test_who_is_replaced_and_then_told_to_end_still_has_the_grace():
    stop = Stop()
    stop.asked.set()
    waiting = asyncio.create_task(stop.pause_unless_ordered(LONG_S, never()))
    await asyncio.sleep(0)
    stop.ask()
    await waiting
    assert not stop.hurried.is_set()
    grace = asyncio.create_task(stop.pause(LONG_S, never()))
    await asyncio.sleep(0)
    assert not grace.done()
    stop.ask()
    await grace


async def test_who_is_told_to_end_does_not_wait_for_the_longest_call():
    stop = Stop()
    stop.ask()
    await stop.pause_unless_ordered(LONG_S, never())
