"""One bench run: each candidate in turn on the same core, with the same upstream and the same load."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec

from tests.bench import candidates, peers, wrk
from tests.bench.candidates import Service, Site
from tests.bench.load import LoadResult, LoadSpec
from tests.bench.processes import ROOT, DidNotStart, memory_mib
from tests.bench.report import Ledger, Report, Row, SlowRow
from tests.bench.slow_streams import SlowResult
from tests.bench.workloads import SLOW, WORKLOADS, Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractAsyncContextManager

_RAMP_S = 2.0


class Plan(msgspec.Struct, frozen=True):
    """What to run."""

    seconds: float
    workloads: tuple[str, ...]
    clients: tuple[int, ...]
    services: tuple[str, ...]
    slow_streams: int = 0
    uses_wrk: bool = False


class BenchFailed(Exception):
    """Raised when direct or the gateway answered anything but what was right."""


def contenders(names: tuple[str, ...]) -> list[Callable[[Site], AbstractAsyncContextManager[Service]]]:
    """Return those of `names` that can run here, in the order of the table."""
    known = {"direct": candidates.direct, "gateway": candidates.gateway}
    if peers.litellm_installed():
        known["litellm"] = peers.litellm
    if peers.portkey_installed():
        known["portkey"] = peers.portkey
    return [start for name, start in known.items() if name in names]


class Session:
    """Fills a report, row by row."""

    def __init__(self, plan: Plan, site: Site, report: Report, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._site = site
        self._report = report
        self._say = say
        self._sent_to_gateway = self._cut = 0

    async def run(self) -> None:
        for start in contenders(self._plan.services):
            try:
                async with start(self._site) as service:
                    self._say(f"{service.name}: answering on port {service.port}")
                    await self._measure_all(service)
            except DidNotStart as error:
                if start is candidates.gateway:
                    raise
                self._report.notes.append(f"did not start: {error}")
        if self._sent_to_gateway:
            self._report.ledger = Ledger(self._sent_to_gateway, await recorded(self._site), self._cut)

    async def _measure_all(self, service: Service) -> None:
        for name in self._plan.workloads:
            for clients in self._plan.clients:
                row = await self._measure(service, WORKLOADS[name], clients)
                self._report.rows.append(row)
                self._say(f"  {name} c={clients}: {row.per_second:,.0f} req/s")
                self._note_errors(service, name, row.errors)
        if self._plan.slow_streams:
            result = await self._slow(service)
            self._report.slow.append(SlowRow(service.name, result))
            self._note_errors(service, "slow streams", result.errors)

    async def _measure(self, service: Service, workload: Workload, clients: int) -> Row:
        before = memory_mib(service.watch) if service.watch else None
        spec = self._spec(service, workload, clients, self._plan.seconds)
        with self._profiling(service):
            result = msgspec.json.decode(await self._load(self._generator(workload), spec), type=LoadResult)
        self._count(service, result.sent, result.cut)
        base = next((row for row in self._report.rows if _twin(row, workload.name, clients)), None)
        return Row(
            service=service.name,
            workload=workload.name,
            clients=clients,
            answers=result.answers,
            per_second=result.answers / result.seconds,
            per_core=result.answers / result.cpu_s if result.cpu_s else None,
            busy=result.cpu_s / result.seconds if service.watch else None,
            p50_ms=result.p50_ms,
            p99_ms=result.p99_ms,
            added_p50_ms=_difference(result.p50_ms, base.p50_ms if base else None) if service.watch else None,
            added_p99_ms=_difference(result.p99_ms, base.p99_ms if base else None) if service.watch else None,
            memory_before_mib=before,
            memory_after_mib=memory_mib(service.watch) if service.watch else None,
            errors=result.errors,
        )

    def _generator(self, workload: Workload) -> str:
        by_wrk = self._plan.uses_wrk and workload.name in wrk.WORKLOADS_OF_WRK
        return "tests.bench.wrk" if by_wrk else "tests.bench.load"

    async def _slow(self, service: Service) -> SlowResult:
        few = self._spec(
            service, SLOW, 20, 0.2
        )  # opens the pools and warms the code, as in a running service
        await self._load("tests.bench.slow_streams", few)
        spec = self._spec(service, SLOW, self._plan.slow_streams, _RAMP_S)
        self._count(service, few.clients + spec.clients)
        return msgspec.json.decode(await self._load("tests.bench.slow_streams", spec), type=SlowResult)

    def _spec(self, service: Service, workload: Workload, clients: int, seconds: float) -> LoadSpec:
        return LoadSpec(
            port=service.port,
            workload=workload.name,
            model=service.model(workload),
            headers=service.headers,
            clients=clients,
            seconds=seconds,
            watch=service.watch,
        )

    async def _load(self, module: str, spec: LoadSpec) -> bytes:
        argument = msgspec.json.encode(spec).decode()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, argument, cwd=ROOT, stdout=subprocess.PIPE
        )
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(process.pid, {self._site.cores.load})
        output, _ = await process.communicate()
        if process.returncode:
            raise BenchFailed(f"{module} ended with {process.returncode}")
        return output

    @contextlib.contextmanager
    def _profiling(self, service: Service) -> Iterator[None]:
        if not self._site.profile or service.name != "gateway":
            yield
            return
        os.kill(service.watch[0], signal.SIGUSR1)
        yield
        os.kill(service.watch[0], signal.SIGUSR2)

    def _count(self, service: Service, sent: int, cut: int = 0) -> None:
        if service.name == "gateway":
            self._sent_to_gateway += sent
            self._cut += cut

    def _note_errors(self, service: Service, what: str, errors: dict[str, int]) -> None:
        self._report.notes += [
            f"{service.name}, {what}: {count} x {text}" for text, count in list(errors.items())[:3]
        ]


def _twin(row: Row, workload: str, clients: int) -> bool:
    return (row.service, row.workload, row.clients) == ("direct", workload, clients)


def _difference(measured: float | None, base: float | None) -> float | None:
    return None if measured is None or base is None else measured - base


async def recorded(site: Site) -> int | None:
    """Return how many calls the stopped gateway's ledger holds by its own export; None when that fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "manage.py"),
        "export_usage",
        cwd=ROOT,
        env={**os.environ, **candidates.gateway_environment(site)},
        stdout=subprocess.PIPE,
        limit=1 << 20,
    )
    if process.stdout is None:
        raise BenchFailed("export_usage has no output")
    lines = 0
    while block := await process.stdout.read(1 << 18):
        lines += block.count(b"\n")
    return None if await process.wait() else lines


def faults(report: Report) -> list[str]:
    """Return why this run may not be quoted; peers may fail, the gateway may not."""
    ours = ("direct", "gateway")
    found = [
        f"{row.service} {row.workload} c={row.clients}"
        for row in report.rows
        if row.service in ours and row.errors
    ]
    found += [
        f"{row.service} {row.workload}: no answers"
        for row in report.rows
        if row.service in ours and not row.answers
    ]
    found += [
        f"{row.service} slow streams" for row in report.slow if row.service in ours and row.result.errors
    ]
    if report.ledger and not report.ledger.is_right:
        found.append("the ledger does not hold exactly the calls that were sent")
    return found
