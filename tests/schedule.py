"""The order of a run on several processes: the longest files begin first.

The file that starts last and takes longest is what everybody waits for. Files stay together (`--dist loadfile`): the
groups of xdist 3.8 do nothing with pytest 9.2, which keeps a test's name elsewhere.
"""

from __future__ import annotations

import pytest

LONGEST = (  # by what one run took; only the order matters
    "functional/test_nobody_holds_the_loop.py",
    "integration/budgets/test_redis_loses_a_part.py",
    "functional/test_postgres_slow.py",
    "functional/test_stores_fail.py",
    "functional/test_recovery.py",
    "functional/test_workers_die.py",
    "functional/test_workers.py",
    "functional/test_idempotency_kills.py",
    "functional/test_hostile_sign_ins.py",
    "functional/test_unknown_outcomes.py",
    "functional/test_clock_steps.py",
    "integration/metering/test_kill.py",
    "architecture/test_sizes.py",
    "functional/test_kill_torture.py",
    "functional/test_idempotency.py",
    "integration/budgets/test_redis_last_word.py",
    "functional/test_admin_addr.py",
    "functional/test_ledger_calls.py",
    "functional/test_read_on.py",
    "functional/test_hostile_strangers.py",
    "functional/test_ledger_survives.py",
    "functional/test_every_try_is_billed.py",
    "functional/test_sticky.py",
    "functional/test_budget_thousand.py",
    "functional/test_hostile_crowds.py",
    "integration/budgets/test_admission_redis_faults.py",
    "unit/metering/test_frames.py",
    "functional/test_keys_change.py",
    "functional/test_ledger_export.py",
    "integration/metering/test_rolling_budgets.py",
    "integration/gateway/test_lists_are_no_oracle.py",
    "integration/budgets/test_admission_redis_losses.py",
    "functional/test_jobs_die.py",
    "functional/test_bench_smoke.py",
    "functional/test_departures.py",
    "functional/test_explain.py",
    "functional/test_gateway_process.py",
    "functional/test_promise.py",
    "functional/test_shutdown.py",
    "integration/gateway/test_back_office_catalog.py",
    "functional/test_shadows.py",
    "integration/budgets/test_admission_redis_starved.py",
    "functional/test_stream_chaos.py",
    "functional/test_ends_of_workers.py",
)


def arrange(items: list[pytest.Item]) -> None:
    """Put the longest files first; the order within a file stays."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(_file(item), len(places)))


def _file(item: pytest.Item) -> str:
    """Return its path below tests/."""
    return item.nodeid.partition("::")[0].removeprefix("tests/")
