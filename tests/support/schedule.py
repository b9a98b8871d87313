"""The order of a run on several processes: the longest files begin first.

The file that starts last and takes longest is what everybody waits for. Files stay together (`--dist loadfile`): the
groups of xdist 3.8 do nothing with pytest 9.2, which keeps a test's name elsewhere.
"""

from __future__ import annotations

import pytest

LONGEST = (  # by what one run took; only the order matters
    "functional/test_postgres_slow.py",
    "functional/test_stores_fail.py",
    "functional/test_nobody_holds_the_loop.py",
    "functional/test_hostile_sign_ins.py",
    "functional/test_store_health.py",
    "functional/test_workers.py",
    "functional/test_workers_die.py",
    "functional/test_recovery.py",
    "integration/budgets/redis/test_partial_loss.py",
    "integration/budgets/redis/test_admission_outage.py",
    "integration/metering/reports/test_usage_plans.py",
    "integration/metering/test_kill.py",
    "integration/budgets/redis/workers/test_final_report.py",
    "functional/test_sticky.py",
    "functional/test_unknown_outcomes.py",
    "functional/test_idempotency_kills.py",
    "functional/test_clock_steps.py",
    "functional/test_hostile_crowds.py",
    "functional/test_health_shared.py",
    "functional/test_jobs_die.py",
    "functional/test_departures.py",
    "functional/test_ends_of_workers.py",
    "functional/test_admin_addr.py",
    "functional/test_ledger_calls.py",
    "functional/test_postgres_outage.py",
    "functional/test_bench_smoke.py",
    "functional/test_answer_chaos.py",
    "functional/test_every_try_is_billed.py",
    "functional/test_kill_torture.py",
    "functional/test_stream_chaos.py",
    "functional/test_reconcile.py",
    "functional/test_simulator_speaks_openai.py",
    "functional/test_streams_of_servers.py",
    "functional/test_mistakes.py",
    "functional/test_request_log.py",
    "functional/test_times_of_calls.py",
    "functional/test_interrupted.py",
    "functional/test_upstream_fails.py",
    "functional/test_read_on.py",
    "integration/gateway/protocol/test_stalled_client_answers.py",
    "functional/test_ledger_survives.py",
    "integration/gateway/test_back_office_catalog.py",
    "functional/test_celery.py",
    "functional/test_starting_up.py",
    "functional/test_first_steps.py",
    "contract/test_other_clients.py",
    "integration/gateway/test_back_office_everywhere.py",
    "integration/providers/test_secrets_in_providers_words.py",
    "functional/test_behind_a_proxy.py",
    "functional/test_explain.py",
    "unit/providers/dialects/lenient/test_large_events.py",
    "unit/providers/processes/test_heavy_work.py",
    "functional/test_stream_heartbeats.py",
    "functional/test_broken_streams.py",
    "unit/gateway/parsing/test_large_reading.py",
    "functional/test_idempotency.py",
    "functional/test_fallbacks.py",
    "integration/gateway/test_back_office_lists.py",
    "integration/gateway/test_lists_are_no_oracle.py",
    "unit/budgets/admission/test_budget_windows.py",
    "functional/test_workers_exact.py",
    "functional/test_revoke.py",
    "functional/test_hostile_strangers.py",
    "integration/gateway/invalidation/test_pubsub.py",
    "integration/providers/transport/test_client_waits.py",
    "functional/test_ledger_export.py",
    "functional/test_failover.py",
    "functional/test_budget_thousand.py",
    "integration/providers/transport/test_client_readers.py",
    "functional/test_unbounded_requests.py",
    "integration/gateway/supervisor/test_supervisor.py",
    "functional/test_hostile_guesses.py",
    "functional/test_shutdown.py",
)


def arrange(items: list[pytest.Item]) -> None:
    """Put the longest files first; the order within a file stays."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(_file(item), len(places)))


def _file(item: pytest.Item) -> str:
    """Return its path below tests/."""
    return item.nodeid.partition("::")[0].removeprefix("tests/")
