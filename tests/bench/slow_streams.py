"""Many slow streams at once: does each get its first word soon, and every word when it was sent?

Its own process: `python -m tests.bench.slow_streams SPEC` starts `clients` streams spread over `seconds` and
prints a SlowResult as JSON.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from typing import cast

import msgspec
import uvloop
from typing_extensions import override

from tests.bench.answer_reader import AnswerReader, MalformedAnswer
from tests.bench.latencies import Latencies
from tests.bench.load import LoadSpec, request_bytes
from tests.bench.processes import cpu_seconds, memory_mib
from tests.bench.workloads import SLOW, SLOW_EVENTS, SLOW_EVERY_S, is_whole

_SENT_AT = re.compile(rb"t(\d{9,})")
_MAXIMUM_S = 120.0


class SlowResult(msgspec.Struct, frozen=True):
    streams: int
    wall_s: float
    ideal_s: float
    ttfb_p50_ms: float | None
    ttfb_p99_ms: float | None
    delay_p50_ms: float | None
    delay_p99_ms: float | None
    cpu_s: float
    memory_before_mib: float
    memory_peak_mib: float
    errors: dict[str, int]


class Tally:
    """What all streams of one run share."""

    def __init__(self, spec: LoadSpec) -> None:
        self.request = request_bytes(spec)
        self.first = Latencies()
        self.delay = Latencies()
        self.errors: dict[str, int] = {}
        self.whole = 0
        self.left = spec.clients
        self.done = asyncio.Event()

    def finish(self, problem: str | None) -> None:
        if problem:
            self.errors[problem] = self.errors.get(problem, 0) + 1
        else:
            self.whole += 1
        self.left -= 1
        if not self.left:
            self.done.set()


class Gauge:
    """Looks at the memory of the watched processes ten times a second and keeps the highest."""

    def __init__(self, pids: tuple[int, ...]) -> None:
        self._pids = pids
        self._loop = asyncio.get_running_loop()
        self.peak = 0.0
        self._look()

    def _look(self) -> None:
        self.peak = max(self.peak, memory_mib(self._pids))
        self._next = self._loop.call_later(0.1, self._look)

    def stop(self) -> None:
        self._next.cancel()
        self.peak = max(self.peak, memory_mib(self._pids))


class Listener(asyncio.Protocol):
    """One stream: asks once, notes when the first and every later read arrived, checks the whole."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._reader = AnswerReader()
        self._asked_ns = 0
        self._heard = False
        self._finished = False

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._asked_ns = time.monotonic_ns()
        self._transport.write(self._tally.request)

    @override
    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        for sent_at in _SENT_AT.findall(data):
            self._tally.delay.add_ns(now - int(sent_at))
            if not self._heard:
                self._heard = True
                self._tally.first.add_ns(now - self._asked_ns)
        try:
            answer = self._reader.feed(data)
        except MalformedAnswer as error:
            self._finish(f"not HTTP: {error}")
            return
        if answer is None:
            return
        if answer.status != 200:
            self._finish(f"HTTP {answer.status}: {answer.body[:200].decode(errors='replace')}")
        elif not is_whole(SLOW, answer.body) or not answer.body.endswith(SLOW.ending):
            self._finish(f"malformed answer: ...{answer.body[-120:].decode(errors='replace')}")
        else:
            self._finish(None)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(f"connection lost before the end of the stream: {exc}")

    def _finish(self, problem: str | None) -> None:
        if not self._finished:
            self._finished = True
            self._tally.finish(problem)
            self._transport.close()


async def run(spec: LoadSpec) -> SlowResult:
    tally = Tally(spec)
    loop = asyncio.get_running_loop()
    before, cpu, began = memory_mib(spec.watch), cpu_seconds(spec.watch), time.perf_counter()
    gauge = Gauge(spec.watch)
    for number in range(spec.clients):
        await asyncio.sleep(began + spec.seconds * number / spec.clients - time.perf_counter())
        await loop.create_connection(lambda: Listener(tally), "127.0.0.1", spec.port)
    try:
        async with asyncio.timeout(_MAXIMUM_S):
            await tally.done.wait()
    except TimeoutError:
        tally.errors[f"not finished after {_MAXIMUM_S:.0f} s"] = tally.left
    wall = time.perf_counter() - began
    gauge.stop()
    return SlowResult(
        streams=tally.whole,
        wall_s=wall,
        ideal_s=spec.seconds * (spec.clients - 1) / spec.clients + SLOW_EVENTS * SLOW_EVERY_S,
        ttfb_p50_ms=tally.first.percentile_ms(50),
        ttfb_p99_ms=tally.first.percentile_ms(99),
        delay_p50_ms=tally.delay.percentile_ms(50),
        delay_p99_ms=tally.delay.percentile_ms(99),
        cpu_s=cpu_seconds(spec.watch) - cpu,
        memory_before_mib=before,
        memory_peak_mib=gauge.peak,
        errors=tally.errors,
    )


if __name__ == "__main__":
    outcome = uvloop.run(run(msgspec.json.decode(sys.argv[1], type=LoadSpec)))
    sys.stdout.write(msgspec.json.encode(outcome).decode() + "\n")
