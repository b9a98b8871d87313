"""What wrk is asked to send, and what is read from its output."""

from __future__ import annotations

import pytest

from tests.bench.load import LoadSpec
from tests.bench.workloads import WORKLOADS
from tests.bench.wrk import Summary, script, summary_of

SPEC = LoadSpec(
    port=1, workload="chat", model="m", headers={"Authorization": 'Bearer "s"\\'}, clients=4, seconds=1.0
)
ANSWER = '{"answers":7,"micros":9,"p50":1.5,"p99":2.5,"connect":0,"read":0,"write":0,"status":3,"timeout":0}'


def test_wrk_script_sends_the_bundled_generators_request() -> None:
    lua = script(SPEC)

    assert f'wrk.path = "{WORKLOADS["chat"].path}"' in lua
    assert 'wrk.headers["Authorization"] = "Bearer \\034s\\034\\092"' in lua


def test_its_last_line_is_read() -> None:
    said = Summary(answers=7, micros=9, p50=1.5, p99=2.5, connect=0, read=0, write=0, status=3, timeout=0)

    assert summary_of(f"Running 1s test\n{{}}\n{ANSWER}\n") == said


def test_a_run_that_did_not_end_is_no_result() -> None:
    with pytest.raises(ValueError, match="unable to connect"):
        summary_of("unable to connect to 127.0.0.1:1 Connection refused")
