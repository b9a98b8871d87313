"""How long a call waits for Redis: as usual, longer while answers still come, not again once it is silent.

The only clock is the test's own (`Clock`): the wire takes its time and its timers from it, and it moves when `ask`
moves it. So what is asserted of `took_s` is exact on any machine.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from budgets.redis.client.protocol import PATIENT_S, RedisProtocol, Unreachable

TIMEOUT_S = 0.03
TICK_S = 0.001


class Clock:
    """A loop whose time is set by the test."""

    def __init__(self) -> None:
        self.now = 100.0
        self._timers: list[tuple[float, Any]] = []

    def time(self) -> float:
        return self.now

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().create_future()

    def call_soon(self, *_: object) -> None:
        """Nothing is written here."""

    def call_later(self, seconds: float, work: Any) -> None:
        self._timers.append((self.now + seconds, work))

    def tick(self) -> None:
        self.now += TICK_S
        due = [work for at, work in self._timers if at <= self.now]
        self._timers = [timer for timer in self._timers if timer[0] > self.now]
        for work in due:
            work()


class Link:
    """A wire whose answers take `late_s`; None: they never come."""

    def __init__(self, wire: RedisProtocol, clock: Clock) -> None:
        self._wire, self._clock, self.late_s = wire, clock, 0.001
        self.late = 0

    def pause(self, seconds: float) -> None:
        """Let time pass without a command."""
        self._clock.now += seconds

    def ask(self) -> str:
        """Send a command, let time pass until it is answered or refused; return which, and after how long."""
        sent, future = self._clock.now, self._wire.send("PING")
        while not future.done():
            self._clock.tick()
            if self.late_s is not None and self._clock.now >= sent + self.late_s and not future.done():
                self._wire.data_received(b":1\r\n")
        self.took_s = self._clock.now - sent
        try:
            future.result()
        except Unreachable:
            return "refused"
        return "answered"


@pytest.fixture
async def link(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("budgets.redis.client.protocol.asyncio.get_running_loop", lambda: clock)
    wire = RedisProtocol(TIMEOUT_S, lambda _: None, lambda: None, lambda _: None)
    monkeypatch.undo()
    return Link(wire, clock)


@pytest.mark.parametrize("late_s", [0.001, 0.02, 0.04, 0.06, 0.1, 0.2])
async def test_a_distant_redis_causes_no_refusal_from_the_first_command_on(link, late_s):
    link.late_s = late_s
    assert [link.ask() for _ in range(50)] == ["answered"] * 50


@pytest.mark.parametrize("late_s", [0.035, 0.04, 0.08, 0.15, 0.22])
async def test_a_network_that_becomes_slow_causes_no_refusal(link, late_s):
    assert [link.ask() for _ in range(20)] == ["answered"] * 20
    link.late_s = late_s
    assert [link.ask() for _ in range(50)] == ["answered"] * 50


async def test_a_redis_that_is_gone_is_waited_for_once(link):
    for _ in range(20):
        link.ask()
    link.late_s = None
    assert link.ask() == "refused"
    assert link.took_s <= PATIENT_S + 0.01


async def test_wait_after_an_outage_is_the_usual_one(link):
    for _ in range(20):
        link.ask()
    link.pause(10)
    link.late_s = None
    assert link.ask() == "refused"
    assert link.took_s <= TIMEOUT_S + 0.01


async def test_the_usual_wait_is_four_times_the_usual_way(link):
    link.late_s = 0.02
    for _ in range(50):
        link.ask()
    link.pause(10)
    link.late_s = None
    assert link.ask() == "refused"
    assert 0.07 <= link.took_s <= 0.1
