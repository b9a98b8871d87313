"""What it costs when the first deployment answers 500 and the second one answers: `python -m tests.bench --failover`.

One client. Calls that fail over and calls that need not take turns, so that both meet the same machine. Each alias is
used so seldom that its breaker stays closed: an open one would skip the failing try, and cost nothing.
"""

from __future__ import annotations

import http.client
import time
from typing import Any

import msgspec
from typing_extensions import override

from tests.bench.candidates import Service
from tests.bench.latencies import Latencies
from tests.bench.workloads import CHAT

ALIASES = 30
TIMES = 4  # of each alias: the fifth failure in a row would open its breaker
PLAIN = 5  # calls that need no failover for each that does: answers earn the retries
WARM_UP = 200
BAR_MS = 5.0


class Failover(msgspec.Struct, frozen=True):
    """Milliseconds a call."""

    healthy_p50: float
    failover_p50: float
    healthy_p99: float
    failover_p99: float
    samples: int

    @property
    def added_p50(self) -> float:
        return self.failover_p50 - self.healthy_p50

    @override
    def __str__(self) -> str:
        return (
            f"chat, 1 client, {self.samples} calls that failed over: first deployment healthy p50 "
            f"{self.healthy_p50:.2f} ms, p99 {self.healthy_p99:.2f} ms; first answers 500 p50 "
            f"{self.failover_p50:.2f} ms, p99 {self.failover_p99:.2f} ms; added p50 {self.added_p50:.2f} ms "
            f"(bar {BAR_MS:g} ms)"
        )


class WrongAnswer(Exception):
    """Raised when a call was not answered, or not by the deployment that was meant to."""


def rows(upstream: int) -> tuple[dict[str, Any], ...]:
    """Return the aliases: a healthy pair, and pairs whose first deployment answers 500."""
    pairs = [("whole", CHAT.model), *((f"broken-{number}", "up-broken") for number in range(ALIASES))]
    return tuple(
        {
            "alias": alias,
            "provider": "openai-compatible",
            "provider_model": model,
            "deployment": f"{alias}-{priority}",
            "priority": priority,
            "endpoint": f"http://127.0.0.1:{upstream}/v1",
            "api_key": "sk-upstream",
            "price_input": 0.00015,
            "price_output": 0.0006,
            "model_type": "llm",
            "context_window": 128_000,
            "max_output_tokens": 4096,
        }
        for alias, first in pairs
        for priority, model in enumerate((first, CHAT.model))
    )


def measure(service: Service) -> Failover:
    """Ask over one kept connection. Raises WrongAnswer."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    healthy, failed = Latencies(), Latencies()
    for _ in range(WARM_UP):
        _ask(connection, service, "whole", "1")
    for turn in range(ALIASES * TIMES):
        for _ in range(PLAIN):
            healthy.add_ns(_ask(connection, service, "whole", "1"))
        failed.add_ns(_ask(connection, service, f"broken-{turn % ALIASES}", "2"))
    connection.close()
    return Failover(
        healthy_p50=healthy.percentile_ms(50) or 0.0,
        failover_p50=failed.percentile_ms(50) or 0.0,
        healthy_p99=healthy.percentile_ms(99) or 0.0,
        failover_p99=failed.percentile_ms(99) or 0.0,
        samples=len(failed),
    )


def _ask(connection: http.client.HTTPConnection, service: Service, alias: str, attempts: str) -> int:
    headers = {"content-type": "application/json", **service.headers}
    began = time.perf_counter_ns()
    connection.request("POST", CHAT.path, CHAT.body(alias), headers)
    answer = connection.getresponse()
    body = answer.read()
    took = time.perf_counter_ns() - began
    if answer.status != 200 or answer.getheader("x-gateway-attempts") != attempts or CHAT.mark not in body:
        raise WrongAnswer(f"{alias}: {answer.status} {answer.getheaders()} {body[:200]!r}")
    return took
