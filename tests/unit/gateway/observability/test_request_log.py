"""The request log in memory: no call waits for it, a flood costs a count, and what is not kept is counted."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from django.db import OperationalError

from gateway.observability.request_log import (
    ANSWERED,
    BATCH,
    KEPT,
    MOST_KINDS,
    MOST_ROLLED,
    MOST_WAITING,
    STRANGERS,
    Kind,
    RequestLog,
)
from gateway.observability.request_log_writer import AWAY_S, RequestLogWriter
from metering.request_log.entry import Logged


class StoppedClock:
    """A clock that moves only when the test moves it."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class LogAndDatabase:
    """A request log with its clock, its counts of dropped rows, and a database that can be made unavailable."""

    def __init__(self):
        self.dropped: Counter[str] = Counter()
        self.clock = StoppedClock()
        self.log = RequestLog(self._drop, self.clock)
        self.made, self.written, self.is_away = 0, [], False
        self.writer = RequestLogWriter(self.log, self.in_database, self.clock)

    def _drop(self, reason, count):
        self.dropped[reason] += count

    async def in_database(self, _, rows):
        await asyncio.sleep(0)
        if self.is_away:
            raise OperationalError("away")
        self.written += rows
        return 0

    def note(self, kind, times=1):
        for _ in range(times):
            self.log.note(kind, self._make)

    def _make(self):
        self.made += 1
        return Logged(id=f"req_{self.made}", at=0.0, method="POST", path="/", status=429)

    @property
    def accounted(self):
        """How many calls have a row, are counted in the row of another call, or were dropped for good."""
        return sum(1 + row.alike for row in self.written) + self.dropped["full"] + self.dropped["unwritable"]


@pytest.fixture
def logged():
    return LogAndDatabase()


BUSY = Kind(3, 7, 429, "rate_limit_exceeded")


@pytest.mark.parametrize(
    ("kind", "pace"),
    [
        (BUSY, KEPT),
        (Kind(3, 7, 401, "invalid_api_key"), KEPT),
        (Kind(0, 0, 401, "invalid_api_key"), STRANGERS),
        (Kind(0, 0, 404, "not_found"), STRANGERS),
        (Kind(3, 7, 200, "", "models"), ANSWERED),
    ],
)
async def test_of_a_flood_the_first_are_kept_and_one_row_stands_for_the_rest(logged, kind, pace):
    logged.note(kind, 10_000)
    first = int(pace.burst)
    assert logged.made == first + 1
    assert logged.dropped == {"rolled_up": 10_000 - first - 1}
    await logged.writer.flush()
    assert [row.alike for row in logged.written if row.alike] == [10_000 - first - 1]
    assert logged.accounted == 10_000
    logged.clock.now += 2.5 / pace.per_s
    logged.note(kind, 3)
    assert logged.made == first + 1 + 3  # two at its pace, and the first of those that are counted


async def test_a_flood_of_one_kind_leaves_capacity_for_another(logged):
    logged.note(BUSY, 50_000)
    logged.note(Kind(4, 8, 403, "model_not_allowed"))
    await logged.writer.flush()
    assert len(logged.written) == KEPT.burst + 2


async def test_many_kinds_at_once_are_bounded(logged):
    for key in range(MOST_KINDS):
        logged.note(Kind(key + 1, key + 1, 429, "rate_limit_exceeded"))
    assert len(logged.log) == MOST_WAITING + MOST_ROLLED
    assert logged.dropped["full"] == MOST_KINDS - MOST_WAITING - MOST_ROLLED
    await logged.writer.flush()
    assert logged.accounted == MOST_KINDS


async def test_the_request_log_is_bounded_during_an_outage_and_written_afterwards(logged, fallbacks):
    logged.is_away = True
    for turn in range(200):
        logged.note(Kind(1 + turn % 20, 1, 429, "rate_limit_exceeded"), 50)
        await logged.writer.write_request_log()
        logged.clock.now += AWAY_S
        assert len(logged.log) <= MOST_WAITING + MOST_ROLLED
    assert fallbacks()["request_log"] == 200
    assert logged.written == []
    logged.is_away = False
    await logged.writer.write_request_log()
    assert len(logged.log) == 0
    assert logged.accounted == 10_000


async def test_a_database_that_is_away_is_asked_again_after_a_while(logged, fallbacks):
    logged.is_away = True
    logged.note(BUSY)
    await logged.writer.write_request_log()
    logged.is_away = False
    await logged.writer.write_request_log()
    assert logged.written == []
    logged.clock.now += AWAY_S
    await logged.writer.write_request_log()
    assert [row.id for row in logged.written] == ["req_1"]
    assert fallbacks() == {"request_log": 1}


async def test_rows_whose_writer_is_cancelled_are_written_by_the_next(logged):
    for key in range(BATCH + 1):
        logged.note(Kind(1, key, 429, "x"))
    began = asyncio.Event()

    async def hangs(_, rows):
        began.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(RequestLogWriter(logged.log, hangs).flush())
    await began.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await logged.writer.flush()
    assert [row.id for row in logged.written] == [f"req_{number}" for number in range(1, BATCH + 2)]


def test_a_disabled_request_log_keeps_nothing():
    log = RequestLog(lambda *_: None, is_off=True)
    log.note(BUSY, lambda: pytest.fail("nothing is made"))
    assert len(log) == 0
