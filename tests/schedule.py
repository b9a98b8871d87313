"""The order of a run on several processes: a file is a group that stays together, and the longest begin first.

A file that starts last and takes longest is what everybody waits for. Files whose tests share nothing are dealt test
by test.
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
SHARE_NOTHING = (
    "functional/test_stores_fail.py",
    "functional/test_postgres_slow.py",
    "functional/test_workers_die.py",
    "functional/test_jobs_die.py",
    "functional/test_clock_steps.py",
    "functional/test_starting_up.py",
    "functional/test_ledger_survives.py",
    "functional/test_gateway_process.py",
)


def arrange(items: list[pytest.Item]) -> None:
    """Group the tests for `--dist loadgroup` and put the longest first; the order within a file stays."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(_file(item), len(places)))
    for item in items:
        if _file(item) not in SHARE_NOTHING and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(_file(item)))


def _file(item: pytest.Item) -> str:
    """Return its path below tests/."""
    return item.nodeid.partition("::")[0].removeprefix("tests/")
