"""The same load by wrk, where it is installed: `python -m tests.bench.wrk SPEC` prints a LoadResult.

wrk looks at no answer's content, so the bundled generator warms up and checks every one of those. wrk leaves its last
calls unfinished; `cut` says how many that may be.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time

import msgspec
import uvloop

from tests.bench import load
from tests.bench.load import LoadResult, LoadSpec
from tests.bench.processes import cpu_seconds
from tests.bench.workloads import WORKLOADS

WORKLOADS_OF_WRK = frozenset({"chat", "embed", "translated"})  # it cannot tell the end of a stream from a cut
_SCRIPT = """
wrk.method = "POST"
wrk.path = %(path)s
wrk.body = %(body)s
%(headers)s
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\\n{"answers":%%d,"micros":%%d,"p50":%%f,"p99":%%f,"connect":%%d,"read":%%d,"write":%%d,"status":%%d,"timeout":%%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect, e.read, e.write, e.status, e.timeout))
end
"""


class Summary(msgspec.Struct, frozen=True):
    """What the script says at the end; times in microseconds."""

    answers: int
    micros: int
    p50: float
    p99: float
    connect: int
    read: int
    write: int
    status: int
    timeout: int


def path() -> str | None:
    """Return where wrk is, if it is."""
    return shutil.which("wrk")


def script(spec: LoadSpec) -> str:
    """Return the Lua that asks what the bundled generator asks."""
    workload = WORKLOADS[spec.workload]
    headers = {"Content-Type": "application/json", **spec.headers}
    return _SCRIPT % {
        "path": _lua(workload.path),
        "body": _lua(workload.body(spec.model).decode()),
        "headers": "\n".join(f"wrk.headers[{_lua(name)}] = {_lua(value)}" for name, value in headers.items()),
    }


def summary_of(output: str) -> Summary:
    """Raises ValueError if wrk did not get to its end."""
    last = next((line for line in reversed(output.splitlines()) if line.startswith("{")), "")
    try:
        return msgspec.json.decode(last, type=Summary)
    except msgspec.DecodeError:
        raise ValueError(f"wrk said: {output[-500:]}") from None


def run(spec: LoadSpec) -> LoadResult:
    """Warm up with the bundled generator, then measure with wrk."""
    warm = uvloop.run(load.run(msgspec.structs.replace(spec, seconds=spec.warmup_s, warmup_s=0.0)))
    if warm.errors:
        return warm
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script(spec))
        file.flush()
        cpu, began = cpu_seconds(spec.watch), time.perf_counter()
        command = ["wrk", "-t1", f"-c{spec.clients}", f"-d{max(1, round(spec.seconds))}s", "--latency", "-s"]
        address = f"http://127.0.0.1:{spec.port}"
        done = subprocess.run([*command, file.name, address], capture_output=True, text=True, check=True)
        seconds, cpu = time.perf_counter() - began, cpu_seconds(spec.watch) - cpu
    said = summary_of(done.stdout)
    errors = {
        kind: count
        for kind in ("connect", "read", "write", "status", "timeout")
        if (count := getattr(said, kind))
    }
    return LoadResult(
        answers=said.answers,
        sent=warm.sent + said.answers,
        cut=spec.clients,
        seconds=seconds,
        cpu_s=cpu,
        p50_ms=said.p50 / 1000,
        p99_ms=said.p99 / 1000,
        errors=errors,
    )


def _lua(text: str) -> str:
    """Return a Lua string literal: every byte that could end or change it is written as a decimal escape."""
    return (
        '"'
        + "".join(chr(c) if 32 <= c < 127 and chr(c) not in '"\\' else f"\\{c:03d}" for c in text.encode())
        + '"'
    )


if __name__ == "__main__":
    outcome = run(msgspec.json.decode(sys.argv[1], type=LoadSpec))
    sys.stdout.write(msgspec.json.encode(outcome).decode() + "\n")
