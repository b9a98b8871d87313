"""Helper processes end with their server, however it ends and whatever they are doing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.sources import ROOT
from tests.support.waiting import wait_until

SERVER = """
import asyncio, sys, uvloop
from gateway.inference.token_counter import TokenCounter
from providers.processes.heavy_work import HeavyWork

BODY = b'{"model": "m", "messages": [{"role": "user", "content": "hello"}]}'

async def serve():
    heavy, counter = HeavyWork("tests.support.faults.failing_work"), TokenCounter()
    working = [
        asyncio.create_task(heavy.share(1).run(str, "wait", sys.argv[1].encode())),
        asyncio.create_task(counter.count(1, BODY, ("gpt-4o",))),
    ]
    while not heavy.pids or counter._process is None:
        await asyncio.sleep(0.01)
    print(*heavy.pids, counter._process.pid, flush=True)
    await asyncio.gather(*working)

uvloop.run(serve())
"""


def runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"  # ended, and its exit status was not read


def test_helpers_end_with_a_server_that_is_killed_while_they_work(tmp_path):
    path = tmp_path / "held"
    os.mkfifo(path)
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        helpers = [int(pid) for pid in server.stdout.readline().split()]
        holding = wait_until(
            lambda: os.open(path, os.O_WRONLY | os.O_NONBLOCK), lambda _: True, despite=(OSError,)
        )  # the work has begun: the pipe is read
        try:
            assert [runs(pid) for pid in helpers] == [True, True]
            server.kill()
            wait_until(lambda: not any(runs(pid) for pid in helpers))
        finally:
            os.close(holding)
