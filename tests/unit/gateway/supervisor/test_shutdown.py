"""A replaced worker has time, one SIGTERM leaves the grace, two leave none. A part that hangs or fails does not stop
the shutdown.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from gateway.config import load
from gateway.supervisor import shutdown
from gateway.supervisor.shutdown import EXIT_S, KILL_S, ShutdownSignal, ended, in_time
from tests.support.logged import logged
from tests.support.sources import ROOT

LONG_S = 1000.0


async def never() -> None:
    await asyncio.Event().wait()


async def done() -> None:
    return


def test_the_grace_is_long_enough_for_usual_calls(tmp_path):
    """It was 5 s, and calls of a model take 10 to 60 s."""
    assert load({}, tmp_path).server.graceful_shutdown_delay >= 30


async def test_the_first_order_leaves_the_grace_and_the_second_none():
    stop = ShutdownSignal()
    stop.request()
    assert (stop.requested.is_set(), stop.ordered.is_set(), stop.forced.is_set()) == (True, True, False)
    pausing = asyncio.create_task(stop.wait(LONG_S, never()))
    await asyncio.sleep(0)
    assert not pausing.done()
    stop.request()
    await pausing


async def test_a_replaced_worker_waits_until_it_is_idle():
    stop = ShutdownSignal()
    stop.requested.set()
    await stop.pause_unless_ordered(LONG_S, done())


async def test_a_replaced_worker_that_is_then_stopped_still_has_the_grace_period():
    stop = ShutdownSignal()
    stop.requested.set()
    waiting = asyncio.create_task(stop.pause_unless_ordered(LONG_S, never()))
    await asyncio.sleep(0)
    stop.request()
    await waiting
    assert not stop.forced.is_set()
    grace = asyncio.create_task(stop.wait(LONG_S, never()))
    await asyncio.sleep(0)
    assert not grace.done()
    stop.request()
    await grace


async def test_a_stopped_worker_does_not_wait_for_the_longest_call():
    stop = ShutdownSignal()
    stop.request()
    await stop.pause_unless_ordered(LONG_S, never())


async def test_each_order_bounds_the_end_of_the_process_and_more_of_them_do_not_put_it_off():
    bounds: list[float] = []
    stop = ShutdownSignal(bounds.append)
    stop.grace_s = 30.0
    for _ in range(4):
        stop.request()
    assert bounds == [30.0 + EXIT_S + KILL_S, EXIT_S + KILL_S]


async def test_a_replaced_worker_has_no_deadline_before_it_is_stopped():
    bounds: list[float] = []
    stop = ShutdownSignal(bounds.append)
    stop.requested.set()
    assert bounds == []


async def deaf():
    """Swallow every cancellation."""
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if is_over.is_set():
                raise


async def failing():
    raise ZeroDivisionError


is_over = threading.Event()


def in_a_thread():
    return asyncio.get_running_loop().run_in_executor(None, is_over.wait)


@pytest.mark.parametrize("hanging", [never, deaf, in_a_thread])
async def test_a_part_of_the_end_that_hangs_is_left_behind(hanging, caplog):
    is_over.clear()
    left = asyncio.ensure_future(hanging())
    try:
        assert not await in_time(0.01, "hanging", left)
        assert logged(caplog, "shutdown.part.left_behind") == [{"part": "hanging", "seconds": 0.01}]
    finally:
        is_over.set()
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)


async def test_a_failed_shutdown_step_is_logged_and_the_next_one_runs(caplog):
    assert not await in_time(LONG_S, "failing", failing())
    assert logged(caplog, "shutdown.part.failed") == [{"part": "failing"}]
    assert len(caplog.records) == 1
    assert await in_time(LONG_S, "next", done())


async def test_a_task_that_lost_its_cancellation_is_cancelled_again(monkeypatch):
    """As redis-py does at any of its commands: wait_for of Python 3.11 returns what is there instead."""
    monkeypatch.setattr(shutdown, "CANCEL_AGAIN_S", 0.01)
    written = asyncio.get_running_loop().create_future()

    async def listen():
        await asyncio.wait_for(written, LONG_S)
        await never()

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0)
    written.set_result(None)
    await ended({listening, asyncio.create_task(never()), asyncio.create_task(done())})
    assert listening.cancelled()


async def test_there_may_be_nothing_to_cancel():
    await ended([])


ENDS = {
    "a thread that the interpreter waits for": "threading.Thread(target=threading.Event().wait).start()",
    "a loop that stands": "time.sleep(1000)",
    "a loop that waits": "asyncio.run(asyncio.Event().wait())",
    "a call that keeps the interpreter's lock": "sum(itertools.repeat(0))",
}


@pytest.mark.parametrize("holds", ENDS.values(), ids=ENDS)
def test_a_blocked_process_ends_and_logs_its_stack(holds):
    script = (
        "import asyncio, itertools, threading, time\n"
        f"from gateway.supervisor.shutdown import end_within\nend_within(0.05)\n{holds}"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert "Timeout" in ended.stderr
    assert "most recent call first" in ended.stderr
