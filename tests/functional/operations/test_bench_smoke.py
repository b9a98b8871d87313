from __future__ import annotations

import asyncio
import os
import sys

import msgspec
import pytest

from tests.bench.load import LoadResult, LoadSpec
from tests.bench.processes import ROOT, spread, upstream
from tests.bench.slow_streams import SlowResult
from tests.bench.workloads import SLOW, WORKLOADS
from tests.support.servers.processes import clean_environment

PYTHON = sys.executable


async def ask(module: str, spec: LoadSpec) -> bytes:
    argument = msgspec.json.encode(spec).decode()
    process = await asyncio.create_subprocess_exec(
        PYTHON, "-m", module, argument, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output


@pytest.mark.parametrize("name", ["chat", "stream", "framed", "embed"])
async def test_the_load_gets_whole_answers_from_the_bench_upstream(name: str):
    async with upstream(PYTHON, spread().upstream) as port:
        spec = LoadSpec(
            port, name, WORKLOADS[name].model, {}, clients=4, seconds=0.3, warmup_s=0.1, watch=(os.getpid(),)
        )
        result = msgspec.json.decode(await ask("tests.bench.load", spec), type=LoadResult)
    assert result.errors == {}
    assert 0 < result.answers < result.sent
    assert 0 < (result.p50_ms or 0) <= (result.p99_ms or 0)


async def test_the_load_counts_every_answer_that_is_not_what_was_asked_for():
    async with upstream(PYTHON, spread().upstream) as port:
        spec = LoadSpec(
            port, "embed", "up-embed", {"Transfer-Encoding": "chunked"}, clients=2, seconds=0.3, warmup_s=0.1
        )
        result = msgspec.json.decode(await ask("tests.bench.load", spec), type=LoadResult)
    assert result.answers == 0
    assert result.errors, "a request the upstream cannot read is answered by a closed connection"


async def test_what_a_failover_adds_can_be_measured():
    process = await asyncio.create_subprocess_exec(
        PYTHON,
        "-m",
        "tests.bench",
        "--failover",
        cwd=ROOT,
        env=clean_environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    assert b"120 calls that failed over" in output


async def test_slow_streams_arrive_whole_and_in_their_own_time():
    async with upstream(PYTHON, spread().upstream) as port:
        spec = LoadSpec(port, "slow", SLOW.model, {}, clients=10, seconds=0.1, watch=(os.getpid(),))
        result = msgspec.json.decode(await ask("tests.bench.slow_streams", spec), type=SlowResult)
    assert (result.errors, result.streams) == ({}, 10)
    assert result.wall_s >= 0.98 * result.ideal_s  # the two ends are timed by two clocks
    assert result.memory_before_mib > 0
    assert result.memory_peak_mib > 0  # not more than before: a process may give memory back meanwhile
