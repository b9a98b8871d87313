"""The socket to Redis: calls wait for a busy Redis, not for a silent one; no reply reaches another caller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import cast

import pytest

from budgets.redis.client.protocol import PATIENT_S, SILENCES, RedisProtocol, Unreachable

TIMEOUT_S = (
    PATIENT_S  # of a store that answered until now; unit/budgets/redis/client/test_patience.py has the others
)


class Slow:
    """A server that answers each command with its number, when the test allows it."""

    def __init__(self) -> None:
        self.commands = self.port = 0
        self.arrived = asyncio.Condition()
        self._writer: asyncio.StreamWriter | None = None
        self._answered = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        while (line := await reader.readline()).startswith(b"*"):
            for _ in range(2 * int(line[1:])):
                await reader.readline()
            async with self.arrived:
                self.commands += 1
                self.arrived.notify_all()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()

    def answer(self) -> None:
        assert self._writer is not None
        self._answered += 1
        self._writer.write(b":%d\r\n" % self._answered)

    async def has(self, commands: int) -> None:
        async with self.arrived:
            await self.arrived.wait_for(lambda: self.commands >= commands)


@pytest.fixture
async def slow() -> AsyncIterator[Slow]:
    slow = Slow()
    server = await asyncio.start_server(slow.serve, "127.0.0.1", 0)
    slow.port = server.sockets[0].getsockname()[1]
    yield slow
    slow.close()
    server.close()
    await asyncio.sleep(0)  # the aborted socket closes in the next turn


class Timer:
    """What call_later returns."""

    def __init__(self, at: float, callback: Callable[[], None]) -> None:
        self.at, self.callback, self.is_cancelled = at, callback, False

    def cancel(self) -> None:
        self.is_cancelled = True


class HandClock:
    """The loop of a wire, whose time moves only when the test moves it."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.create_future, self.call_soon = loop.create_future, loop.call_soon
        self._now, self._timers = 1000.0, list[Timer]()

    def time(self) -> float:
        return self._now

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        self._timers.append(Timer(self._now + seconds, callback))
        return self._timers[-1]

    def pass_by(self, seconds: float) -> None:
        end = self._now + seconds
        while due := [each for each in self._timers if not each.is_cancelled and each.at <= end]:
            first = min(due, key=lambda each: each.at)
            self._timers.remove(first)
            self._now = first.at
            first.callback()
        self._now = end


@pytest.fixture
async def clock() -> HandClock:
    return HandClock()


async def connected(
    slow: Slow, clock: HandClock, on_late: Callable[[], None], on_lost: Callable[[RedisProtocol], None]
) -> RedisProtocol:
    wire = RedisProtocol(TIMEOUT_S, lambda _: None, on_late, on_lost)
    wire._loop = cast("asyncio.AbstractEventLoop", clock)  # noqa: SLF001
    await asyncio.get_running_loop().create_connection(lambda: wire, "127.0.0.1", slow.port)
    return wire


async def test_a_long_queue_is_waited_for_as_long_as_it_moves(slow: Slow, clock: HandClock) -> None:
    late: list[str] = []
    wire = await connected(slow, clock, lambda: late.append("late"), lambda _: late.append("lost"))
    replies = [wire.send("PING") for _ in range(6)]
    await slow.has(6)
    for number, reply in enumerate(replies, start=1):
        clock.pass_by(TIMEOUT_S * 0.6)  # how fast this store is
        slow.answer()
        assert await reply == number
    assert late == []
    wire.drop()


async def test_a_late_command_is_abandoned_and_its_reply_is_dropped(slow: Slow, clock: HandClock) -> None:
    late: list[str] = []
    wire = await connected(slow, clock, lambda: late.append("late"), lambda _: late.append("lost"))
    first = wire.send("PING")
    clock.pass_by(TIMEOUT_S * 0.9)
    assert not first.done()
    clock.pass_by(TIMEOUT_S * 0.2)
    with pytest.raises(Unreachable):
        await first
    second = wire.send("PING")
    await slow.has(2)
    slow.answer()
    slow.answer()
    assert await second == 2
    assert late == ["late"]
    wire.drop()


async def test_connection_to_a_silent_redis_is_closed(slow: Slow, clock: HandClock) -> None:
    lost = asyncio.Event()
    wire = await connected(slow, clock, lambda: None, lambda _: lost.set())
    replies = [wire.send("PING") for _ in range(3)]
    clock.pass_by(TIMEOUT_S * 1.1)
    assert {type(each) for each in await asyncio.gather(*replies, return_exceptions=True)} == {Unreachable}
    clock.pass_by(TIMEOUT_S * (SILENCES - 2))
    assert not wire.is_lost
    clock.pass_by(TIMEOUT_S * 2)
    assert lost.is_set()
    with pytest.raises(Unreachable):
        await wire.send("PING")
