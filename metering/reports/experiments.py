"""Results of an experiment: what each arm of an alias cost, how long it took and how often it failed.

One query over the calls of the alias in the period, found by an index that holds only calls of experiments. An arm
is the one its callers were assigned to, whichever answered. Blocking; about 10 us a call: a second for 100,000.
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec
from django.db import connections

SHARES = (0.5, 0.95)
_WAITS = ("latency_ms", "ttft_ms")


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """One arm of an alias in a period. Latencies are of successful calls, by nearest rank."""

    name: str
    calls: int
    failed: int  # error and incomplete; a client that leaves is no failure of the arm
    input_tokens: int
    output_tokens: int
    cost_nanousd: int
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    ttft_p50_ms: float | None  # of streams
    ttft_p95_ms: float | None


def results(alias: str, since: datetime, until: datetime, using: str = "default") -> list[Arm]:
    """Return the arms that have calls, by name."""
    connection = connections[using]
    adapt = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        cursor.execute(_query(), [alias, adapt(since), adapt(until)])
        return [_arm(row) for row in cursor.fetchall()]


def _arm(row: tuple[Any, ...]) -> Arm:
    name, *sums, latency_p50, latency_p95, ttft_p50, ttft_p95 = row
    calls, failed, tokens_in, tokens_out, cost = (int(value or 0) for value in sums)
    return Arm(
        name=name,
        calls=calls,
        failed=failed,
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        cost_nanousd=cost,
        latency_p50_ms=latency_p50,
        latency_p95_ms=latency_p95,
        ttft_p50_ms=ttft_p50,
        ttft_p95_ms=ttft_p95,
    )


@lru_cache(maxsize=1)
def _query() -> str:
    """Return SQL for both SQLite and PostgreSQL: a rank for each latency, then the first value beyond a share."""
    good = "status = 'ok'"
    ranks = ", ".join(
        f"CUME_DIST() OVER (PARTITION BY arm, {good} AND {wait} IS NOT NULL ORDER BY {wait}) AS {wait}_rank"
        for wait in _WAITS
    )
    shares = ", ".join(
        f"MIN(CASE WHEN {good} AND {wait}_rank >= {share} THEN {wait} END)"
        for wait in _WAITS
        for share in SHARES
    )
    return (
        "WITH met AS ("  # noqa: S608 - names are our own, values are parameters
        f"SELECT arm, status, input_tokens, output_tokens, cost_nanousd, {', '.join(_WAITS)}, {ranks} "
        "FROM metering_usageevent "
        "WHERE model = %s AND NOT (arm = '') AND started_at >= %s AND started_at < %s) "
        "SELECT arm, COUNT(*), SUM(CASE WHEN status IN ('error', 'incomplete') THEN 1 ELSE 0 END), "
        f"SUM(input_tokens), SUM(output_tokens), SUM(cost_nanousd), {shares} "
        "FROM met GROUP BY arm ORDER BY arm"
    )
