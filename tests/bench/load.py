"""The load: N keep-alive connections; each sends a request, waits for the whole answer, checks it, and repeats.

Its own process: `python -m tests.bench.load SPEC` takes a LoadSpec and prints a LoadResult, both JSON.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import cast

import msgspec
import uvloop
from typing_extensions import override

from tests.bench.answer_reader import Answer, AnswerReader, MalformedAnswer
from tests.bench.latencies import Latencies
from tests.bench.processes import cpu_seconds
from tests.bench.workloads import WORKLOADS, is_whole

_CHECK_EVERY = 32
_ENOUGH_ERRORS = 100
_DRAIN_S = 20.0


class LoadSpec(msgspec.Struct, frozen=True):
    port: int
    workload: str
    model: str
    headers: dict[str, str]
    clients: int
    seconds: float
    warmup_s: float = 1.0
    watch: tuple[int, ...] = ()


class LoadResult(msgspec.Struct, frozen=True):
    """`answers` are those finished inside the window; `sent` counts all; `cut` may have been left midway besides."""

    answers: int
    sent: int
    seconds: float
    cpu_s: float
    p50_ms: float | None
    p99_ms: float | None
    errors: dict[str, int]
    cut: int = 0


class Load:
    """What all connections of one load share."""

    def __init__(self, spec: LoadSpec) -> None:
        self.spec = spec
        self.workload = WORKLOADS[spec.workload]
        self.request = request_bytes(spec)
        self.latencies = Latencies()
        self.errors: dict[str, int] = {}
        self.counting = False
        self.open = True
        self.sent = 0
        self.busy = 0
        self.idle = asyncio.Event()
        self.failed = asyncio.Event()

    def error(self, what: str) -> None:
        self.errors[what] = self.errors.get(what, 0) + 1
        if sum(self.errors.values()) >= _ENOUGH_ERRORS:
            self.open = False
            self.failed.set()

    def check(self, answer: Answer) -> None:
        workload = self.workload
        if answer.status != 200:
            self.error(f"HTTP {answer.status}: {answer.body[:200].decode(errors='replace')}")
        elif (
            not answer.body.rstrip(b" \r\n").endswith(workload.ending.rstrip(b"\n"))
            or workload.mark not in answer.body
        ):
            self.error(f"malformed answer: ...{answer.body[-120:].decode(errors='replace')}")
        elif self.sent % _CHECK_EVERY == 0 and not is_whole(workload, answer.body):
            self.error(f"wrong answer: {answer.body[:200].decode(errors='replace')}")


def request_bytes(spec: LoadSpec) -> bytes:
    """Return the one request that every connection repeats."""
    workload = WORKLOADS[spec.workload]
    body = workload.body(spec.model)
    headers = {"Host": f"127.0.0.1:{spec.port}", "Content-Type": "application/json", **spec.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {workload.path} HTTP/1.1\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Client(asyncio.Protocol):
    """One connection; opens another in its place when the server closes it between answers."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._reader = AnswerReader()
        self._asked_ns = 0

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._load.busy += 1
        self._ask()

    def _ask(self) -> None:
        load = self._load
        if not load.open:
            self._leave()
            return
        load.sent += 1
        self._asked_ns = time.perf_counter_ns()
        self._transport.write(load.request)

    def _leave(self) -> None:
        self._asked_ns = 0
        self._transport.close()
        self._load.busy -= 1
        if not self._load.busy:
            self._load.idle.set()

    @override
    def data_received(self, data: bytes) -> None:
        try:
            answer = self._reader.feed(data)
        except MalformedAnswer as error:
            self._load.error(f"not HTTP: {error}")
            self._transport.abort()
            return
        if answer is None:
            return
        load = self._load
        if load.counting:
            load.latencies.add_ns(time.perf_counter_ns() - self._asked_ns)
        load.check(answer)
        if answer.keep_alive:
            self._ask()
        else:
            self._leave()
            self._replace()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if not self._asked_ns:
            return
        self._load.error(f"connection lost before the end of the answer: {exc}")
        self._leave()
        self._replace()

    def _replace(self) -> None:
        if self._load.open:
            task = asyncio.ensure_future(connect(self._load))
            task.add_done_callback(self._replaced)

    def _replaced(self, task: asyncio.Future[None]) -> None:
        if problem := task.exception():
            self._load.error(f"cannot connect: {problem}")


async def connect(load: Load) -> None:
    await asyncio.get_running_loop().create_connection(lambda: Client(load), "127.0.0.1", load.spec.port)


async def run(spec: LoadSpec) -> LoadResult:
    """Warm up, measure for `seconds`, let what is under way finish."""
    load = Load(spec)
    for _ in range(spec.clients):
        await connect(load)
    await _pause(load, spec.warmup_s)
    load.counting = True
    began, cpu = time.perf_counter(), cpu_seconds(spec.watch)
    await _pause(load, spec.seconds)
    load.counting = False
    seconds, cpu = time.perf_counter() - began, cpu_seconds(spec.watch) - cpu
    load.open = False
    await _drain(load)
    return LoadResult(
        answers=len(load.latencies),
        sent=load.sent,
        seconds=seconds,
        cpu_s=cpu,
        p50_ms=load.latencies.percentile_ms(50),
        p99_ms=load.latencies.percentile_ms(99),
        errors=load.errors,
    )


async def _pause(load: Load, seconds: float) -> None:
    """Let the load run for this long, or until it has failed for good."""
    try:
        async with asyncio.timeout(seconds):
            await load.failed.wait()
    except TimeoutError:
        return


async def _drain(load: Load) -> None:
    try:
        async with asyncio.timeout(_DRAIN_S):
            while load.busy:
                await load.idle.wait()
                load.idle.clear()
    except TimeoutError:
        load.error(f"{load.busy} answers still missing after {_DRAIN_S:.0f} s")


if __name__ == "__main__":
    outcome = uvloop.run(run(msgspec.json.decode(sys.argv[1], type=LoadSpec)))
    sys.stdout.write(msgspec.json.encode(outcome).decode() + "\n")
