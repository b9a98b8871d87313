"""The watchdog names what blocks the loop: counted each time, logged with the stack at most once a minute."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Iterator

import pytest

from gateway.server.loop_watchdog import BEAT_S, LOG_AGAIN_S, STALL_S, Watchdog
from tests.support.logged import logged


def work_of_a_stranger(until: threading.Event) -> None:
    """Block the loop until the watchdog has noticed it."""
    assert until.wait(20)


async def test_a_real_stall_is_counted_and_its_stack_is_logged(caplog):
    seen = threading.Event()
    watchdog = Watchdog(asyncio.get_running_loop(), seen.set)
    watchdog.start()
    with caplog.at_level(logging.WARNING, "gateway.server.loop_watchdog"):
        work_of_a_stranger(seen)
        watchdog.stop()
    [stall] = logged(caplog, "event_loop.stalled")
    assert "work_of_a_stranger" in stall["stack"]
    assert stall["seconds"] >= STALL_S


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def watched():
    clock, stalls = Clock(), []
    watchdog = Watchdog(asyncio.get_running_loop(), lambda: stalls.append(clock.now), clock)
    return watchdog, clock, stalls


def stall(watchdog, clock, seconds):
    watchdog.beat()
    clock.now += BEAT_S + seconds
    watchdog.check()


async def test_a_loop_that_turns_is_no_stall(watched):
    watchdog, clock, stalls = watched
    for _ in range(100):
        stall(watchdog, clock, STALL_S * 0.9)
    assert stalls == []


async def test_a_stall_counts_once_however_long_it_lasts(watched):
    watchdog, clock, stalls = watched
    stall(watchdog, clock, STALL_S)
    for _ in range(100):
        clock.now += BEAT_S
        watchdog.check()
    assert len(stalls) == 1


async def test_every_stall_counts_but_one_a_minute_is_logged(watched, caplog):
    watchdog, clock, stalls = watched
    with caplog.at_level(logging.WARNING, "gateway.server.loop_watchdog"):
        for _ in range(5):
            stall(watchdog, clock, 1.0)
        assert (len(stalls), len(caplog.records)) == (5, 1)
        clock.now += LOG_AGAIN_S
        stall(watchdog, clock, 1.0)
    assert (len(stalls), len(caplog.records)) == (6, 2)


@pytest.fixture
def busy_switching() -> Iterator[None]:
    """Let threads alternate a hundred times as often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(before / 100)
    yield
    sys.setswitchinterval(before)


async def test_the_stack_of_a_thread_that_goes_on_can_be_read_at_any_moment(watched, busy_switching):
    watchdog, clock, stalls = watched
    end = threading.Event()

    def look_often():
        for _ in range(300):
            clock.now += LOG_AGAIN_S
            watchdog.check()
            watchdog._counted_at = 0.0  # noqa: SLF001 - the same stall again
        end.set()

    def deeper(depth: int) -> int:
        return sum(deeper(depth - 1) for _ in range(2)) if depth else 1

    looking = threading.Thread(target=look_often)
    watchdog.beat()
    looking.start()
    while not end.is_set():
        deeper(8)
    looking.join()
    assert len(stalls) == 300  # and the thread did not raise, which pytest would report
