"""Reports stay fast as the ledger grows, because each uses an index. On a PostgreSQL of its own."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.servers.processes import clean_environment
from tests.support.stores.postgres import Postgres
from tests.support.stores.templates import prepared_postgres

if TYPE_CHECKING:
    from metering.reports.usage import UsageQuery

ROOT = Path(__file__).parents[4]
MOST_BLOCKS = 5_000  # of 8 kB; they were 2,000 of the rolled-up hours, and the calls themselves fill 100,000


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    server = prepared_postgres("shared_buffers=256MB")
    yield server.start()
    server.close()


def measured(postgres: Postgres, calls: int, times: int) -> dict[str, dict[str, object]]:
    """Fill a new ledger, add it up and ask it everything so often, in a process whose Django is on PostgreSQL."""
    env = clean_environment(
        ROUTER_DB_URL=postgres.new_database(),
        ROUTER_REDIS_URL="redis://127.0.0.1:1/0",  # never asked
        ROUTER_ADMIN_SESSION_JWT_SECRET="for-tests-only-0123456789-0123456789-0123456789",
        DJANGO_SETTINGS_MODULE="gateway.settings",
    )
    done = subprocess.run(
        [sys.executable, __file__, str(calls), str(times)],
        cwd=ROOT,
        env={**env, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, object]] = json.loads(done.stdout)
    return found


def test_every_report_finds_its_index(postgres: Postgres) -> None:
    found = measured(postgres, 30_000, times=2)

    for name, report in found.items():
        assert "Seq Scan on metering_usageevent" not in str(report["plan"]), name
    for name in ("one tenant's models", "one key's days"):
        assert "Seq Scan" not in str(found[name]["plan"]), name


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_two_million_calls_are_reported_within_the_promise(postgres: Postgres) -> None:
    found = measured(postgres, 2_000_000, times=20)

    for name, report in found.items():
        print(f"{name}: p95 {report['p95_ms']} ms, {report['blocks']} blocks of 2,000,000 calls")  # noqa: T201
    assert {name: r["blocks"] for name, r in found.items() if int(str(r["blocks"])) > MOST_BLOCKS} == {}


def _main(calls: int, times: int) -> None:
    import django  # noqa: PLC0415 - this half runs in a process of its own

    django.setup()
    from metering.reports.rollup import roll_up  # noqa: PLC0415

    _fill(calls)
    roll_up(datetime(2026, 8, 1, tzinfo=UTC))
    sys.stdout.write(json.dumps(_ask_everything(times)))


def _fill(calls: int) -> None:
    """Spread calls evenly over July: 20 tenants, 100 keys, 5 models; the last hour has not been added up."""
    from django.db import connection  # noqa: PLC0415

    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(
            """
            INSERT INTO metering_usageevent
            SELECT 'req_' || lpad(to_hex(n), 32, '0'), ts, ts, n %% 20, 'tenant-' || n %% 20, n %% 100, 'key',
              'chat', 'model-' || n %% 5, 'openai', 'd', 'u', CASE WHEN n %% 50 = 0 THEN 'error' ELSE 'ok' END,
              200, '', false, 1, 100, 0, 0, 50, 0, 0, 0, 0, false, n %% 1000000, 1, 500, null, 1, '', '', '',
              '{}', '[]', '[]'
            FROM (SELECT n, timestamptz '2026-07-01Z' + n * (interval '31 days' / %s) AS ts
                  FROM generate_series(0, %s) n) s
            """,
            [calls, calls - 1],
        )
        cursor.execute(
            "INSERT INTO metering_changedhour (hour, generation) "
            "SELECT DISTINCT date_trunc('hour', started_at, 'UTC'), 0 FROM metering_usageevent"
        )
        cursor.execute("ANALYZE metering_usageevent")
        cursor.execute("SET statement_timeout = '5s'")


def _ask_everything(rounds: int) -> dict[str, dict[str, object]]:
    from django.db import connection  # noqa: PLC0415

    from metering.ledger.changed_hours import mark_changed_hours  # noqa: PLC0415
    from metering.reports.usage import UsageQuery, run  # noqa: PLC0415

    july = (datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 8, 1, tzinfo=UTC))
    mark_changed_hours(connection, [july[1].timestamp() - 1])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE metering_hourlyusage")
    questions = {
        "all days": UsageQuery(since=july[0], until=july[1], by=("day",)),
        "tenants by day": UsageQuery(since=july[0], until=july[1], by=("day", "tenant")),
        "models": UsageQuery(since=july[0], until=july[1], by=("model",)),
        "one tenant's models": UsageQuery(since=july[0], until=july[1], by=("model",), tenant_ids=(3,)),
        "one key's days": UsageQuery(since=july[0], until=july[1], by=("day",), key_ids=(17,)),
        "everything": UsageQuery(since=july[0], until=july[1]),
    }
    found: dict[str, dict[str, object]] = {}
    for name, question in questions.items():
        times = []
        for _ in range(rounds):
            begin = time.perf_counter()
            lines = run(question)
            times.append((time.perf_counter() - begin) * 1000)
        assert lines
        plan, blocks = _explained(question)
        p95_ms = round(statistics.quantiles(times, n=20)[-1], 1)
        found[name] = {"p95_ms": p95_ms, "plan": plan, "blocks": blocks}
    return found


def _explained(question: UsageQuery) -> tuple[list[str], int]:
    """Return the plans of a report's queries, and how many blocks they read."""
    from django.db import connection  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    from metering.reports.usage import run  # noqa: PLC0415

    with CaptureQueriesContext(connection) as captured:
        run(question)
    plan, blocks = [], 0
    with connection.cursor() as cursor:
        for query in captured.captured_queries:
            if query["sql"].startswith("SELECT") and "metering_rollupstate" not in query["sql"]:
                cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {query['sql']}".replace("%", "%%"), [])
                lines = [row[0] for row in cursor.fetchall()]
                plan += lines
                blocks += _blocks(lines)
    return plan, blocks


def _blocks(plan: list[str]) -> int:
    """Return how many blocks the whole plan read: the first such line is its root's."""
    of_root = next((line for line in plan if "Buffers: shared" in line), "")
    return sum(int(count) for count in re.findall(r"(?:hit|read)=(\d+)", of_root))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
    _main(int(sys.argv[1]), int(sys.argv[2]))
