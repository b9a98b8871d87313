"""Starts, pins, watches and stops the processes of a bench. Linux only: reads /proc."""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import msgspec

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Iterable

ROOT = Path(__file__).resolve().parents[2]
_TICKS = os.sysconf("SC_CLK_TCK")


class DidNotStart(Exception):
    """Raised when a process ended or stayed silent; carries the end of what it said."""


class Cores(msgspec.Struct, frozen=True):
    """Which process runs on which core: the gateway alone on its core, upstream and load on the others."""

    gateway: int
    upstream: int
    load: int


def spread() -> Cores:
    """Return the cores to use: on two, upstream and load share one."""
    available = sorted(os.sched_getaffinity(0))
    return Cores(
        available[0],
        available[1 % len(available)],
        available[2 % len(available)] if available[2:] else available[-1],
    )


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return user + system time of all threads of these processes so far, exact to 10 ms each."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS


def memory_mib(pids: Iterable[int], field: str = "VmRSS") -> float:
    """Return the resident memory of these processes; VmHWM is its high-water mark."""
    kib = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                kib += int(line.split()[1])
    return kib / 1024


def family(pid: int) -> tuple[int, ...]:
    """Return the process and all its descendants."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents.setdefault(int(stat.read_text().rpartition(")")[2].split()[1]), []).append(
                int(stat.parent.name)
            )
    found = [pid]
    for member in found:
        found.extend(parents.get(member, ()))
    return tuple(found)


@contextlib.asynccontextmanager
async def running(
    argv: list[str], *, core: int, log: Path, env: dict[str, str] | None = None
) -> AsyncIterator[Process]:
    """Run a server pinned to a core, its output in `log`; SIGTERM at the end, SIGKILL 20 s later."""
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    os.sched_setaffinity(process.pid, {core})
    try:
        yield process
    finally:
        await _stop(process)


async def _stop(process: Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(20):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def until_answering(url: str, process: Process, log: Path, seconds: float = 90) -> None:
    """Return when `url` answers 200; raise DidNotStart when the process ends or time is up."""
    async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while process.returncode is None:
                    with contextlib.suppress(httpx.HTTPError):
                        if (await client.get(url)).status_code == httpx.codes.OK:
                            return
                    await asyncio.sleep(0.1)
    raise DidNotStart(f"{url} never answered; the end of {log}:\n{_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


@contextlib.asynccontextmanager
async def upstream(python: str, core: int) -> AsyncIterator[int]:
    """Run the bench upstream; yields its port. It ends by itself when our end of its stdin closes."""
    process = await asyncio.create_subprocess_exec(
        python,
        "-m",
        "tests.bench.upstream",
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    os.sched_setaffinity(process.pid, {core})
    try:
        if process.stdout is None:
            raise DidNotStart("no stdout")
        async with asyncio.timeout(20):
            line = await process.stdout.readline()
        yield int(msgspec.json.decode(line)["port"])
    finally:
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()
