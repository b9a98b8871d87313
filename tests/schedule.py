"""The order of a run on several processes: the longest files begin first.

The file that starts last and takes longest is what everybody waits for. Files stay together (`--dist loadfile`): the
groups of xdist 3.8 do nothing with pytest 9.2, which keeps a test's name elsewhere.
"""

from __future__ import annotations

import pytest

LONGEST = (  # by what one run took; only the order matters
    "functional/test_workers.py",
    "functional/test_stores_fail.py",
    "functional/test_postgres_slow.py",
    "functional/test_workers_die.py",
    "functional/test_kill_torture.py",
    "integration/metering/test_kill.py",
    "functional/test_jobs_die.py",
    "functional/test_clock_steps.py",
    "functional/test_starting_up.py",
    "functional/test_hostile_strangers.py",
    "functional/test_ledger_survives.py",
    "functional/test_postgres_outage.py",
    "functional/test_gateway_process.py",
    "functional/test_explain.py",
    "functional/test_promise.py",
    "functional/test_stream_chaos.py",
    "functional/test_sticky.py",
    "functional/test_failover.py",
    "functional/test_amplification.py",
    "functional/test_recovery.py",
    "functional/test_keys_change.py",
    "functional/test_idempotency.py",
    "functional/test_shadows.py",
    "functional/test_reconcile.py",
    "functional/test_bench_smoke.py",
)


def arrange(items: list[pytest.Item]) -> None:
    """Put the longest files first; the order within a file stays."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(_file(item), len(places)))


def _file(item: pytest.Item) -> str:
    """Return its path below tests/."""
    return item.nodeid.partition("::")[0].removeprefix("tests/")
