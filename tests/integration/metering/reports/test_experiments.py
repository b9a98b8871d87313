"""The ledger's figures for the arms of an experiment: counts, money, and waits by nearest rank."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from metering.decision import DecisionTrace, document
from metering.journal.reader import Call
from metering.ledger import write
from metering.models import UsageEvent
from metering.reports.experiments import results
from tests.support.books.calls import CLOSED_COST, NOON, closed, opened

pytestmark = pytest.mark.django_db(transaction=True)

START = datetime.fromtimestamp(NOON, UTC)
HOUR = timedelta(hours=1)


def call(name: str, arm: str, *, at: float = NOON, ms: float = 10.0, status: str = "ok") -> Call:
    decision = document(DecisionTrace(order=("a", "b"), arm=arm), ())
    end = msgspec.structs.replace(
        closed(name, at=at + 1, status=status), latency_ms=ms, ttft_ms=ms / 2, decision=decision
    )
    return Call(opened(name, at=at), end)


def test_each_arm_has_its_calls_its_money_and_its_waits() -> None:
    write.write([call(f"a{n}", "a", ms=float(n)) for n in range(1, 101)])
    write.write([call("b1", "b", ms=7.0), call("b2", "b", ms=1.0, status="error")])
    write.write([call("b3", "b", ms=1.0, status="cancelled"), call("plain", "")])

    a, b = results("gpt-4o", START, START + HOUR)

    assert (a.name, a.calls, a.failed, a.cost_nanousd) == ("a", 100, 0, 100 * CLOSED_COST)
    assert (a.input_tokens, a.output_tokens) == (10_000, 5_000)
    assert (a.latency_p50_ms, a.latency_p95_ms, a.ttft_p50_ms, a.ttft_p95_ms) == (50.0, 95.0, 25.0, 47.5)
    assert (b.name, b.calls, b.failed) == ("b", 3, 1), "a client that leaves says nothing about an arm"
    assert (b.latency_p50_ms, b.latency_p95_ms) == (7.0, 7.0), "a failure is not a fast answer"


def test_an_arm_that_only_failed_has_no_waits() -> None:
    write.write([call("x", "a", status="incomplete")])

    [arm] = results("gpt-4o", START, START + HOUR)

    assert (arm.calls, arm.failed, arm.latency_p50_ms, arm.ttft_p95_ms) == (1, 1, None, None)


def test_only_the_alias_and_the_period_count() -> None:
    write.write([call("before", "a", at=NOON - 1), call("in", "a"), call("after", "a", at=NOON + 3600)])

    assert [arm.calls for arm in results("gpt-4o", START, START + HOUR)] == [1]
    assert results("other", START, START + HOUR) == []


def test_report_is_one_query_that_uses_the_experiments_index() -> None:
    write.write([call(f"x{n}", "a" if n % 50 == 0 else "") for n in range(2_000)])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    with CaptureQueriesContext(connection) as asked:
        results("gpt-4o", START, START + HOUR)

    [query] = asked.captured_queries
    explain = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
    with connection.cursor() as cursor:
        cursor.execute(explain + query["sql"].replace("%", "%%"), [])
        plan = str(cursor.fetchall())
    assert "usage_event_experiment" in plan


def test_the_arm_is_a_column_of_its_own() -> None:
    write.write([call("x", "a"), call("y", "")])

    assert dict(UsageEvent.objects.values_list("pk", "arm")) == {"x": "a", "y": ""}
