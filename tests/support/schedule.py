"""The order of a run on several processes: the longest files begin first.

The file that starts last and takes longest is what the run waits for. Files stay together (`--dist loadfile`): the
groups of xdist 3.8 do nothing with pytest 9.2, which keeps a test's name elsewhere.
"""

from __future__ import annotations

import pytest

LONGEST = (  # by what one run took; only the order matters
    "functional/operations/test_postgres_slow.py",
    "functional/operations/test_store_outages.py",
    "functional/hostile/test_event_loop_is_free.py",
    "functional/hostile/test_sign_in_abuse.py",
    "functional/operations/test_store_health.py",
    "functional/operations/test_workers.py",
    "functional/operations/test_worker_crash.py",
    "functional/resilience/test_recovery.py",
    "integration/budgets/redis/test_partial_loss.py",
    "integration/budgets/redis/test_admission_outage.py",
    "integration/metering/reports/test_usage_plans.py",
    "integration/metering/test_kill.py",
    "integration/budgets/redis/workers/test_final_report.py",
    "functional/resilience/test_sticky.py",
    "functional/money/test_unknown_outcomes.py",
    "functional/money/test_idempotency_crash.py",
    "functional/money/test_clock_steps.py",
    "functional/hostile/test_hostile_crowds.py",
    "functional/resilience/test_shared_breakers.py",
    "functional/operations/test_job_crash.py",
    "functional/resilience/test_disconnect_detection.py",
    "functional/operations/test_worker_shutdown.py",
    "functional/operations/test_admin_addr.py",
    "functional/money/test_ledger_calls.py",
    "functional/operations/test_postgres_outage.py",
    "functional/operations/test_bench_smoke.py",
    "functional/resilience/test_answer_chaos.py",
    "functional/money/test_every_attempt_is_billed.py",
    "functional/money/test_crash_soak.py",
    "functional/resilience/test_stream_chaos.py",
    "functional/money/test_reconcile.py",
    "functional/api/test_simulator.py",
    "functional/resilience/test_provider_streams.py",
    "functional/operations/test_configuration_mistakes.py",
    "functional/api/test_request_log.py",
    "functional/api/test_call_times.py",
    "functional/money/test_client_interrupts.py",
    "functional/resilience/test_upstream_fails.py",
    "functional/money/test_read_on.py",
    "integration/gateway/protocol/test_stalled_client_answers.py",
    "functional/money/test_ledger_durability.py",
    "integration/gateway/test_back_office_catalog.py",
    "functional/operations/test_celery.py",
    "functional/operations/test_startup.py",
    "functional/operations/test_first_steps.py",
    "contract/test_other_clients.py",
    "integration/gateway/test_back_office_everywhere.py",
    "integration/providers/test_secrets_in_providers_words.py",
    "functional/operations/test_behind_a_proxy.py",
    "functional/api/test_explain.py",
    "unit/providers/dialects/lenient/test_large_events.py",
    "unit/providers/processes/test_heavy_work.py",
    "functional/resilience/test_stream_heartbeats.py",
    "functional/resilience/test_broken_streams.py",
    "unit/gateway/parsing/test_large_reading.py",
    "functional/api/test_idempotency.py",
    "functional/resilience/test_fallbacks.py",
    "integration/gateway/test_back_office_lists.py",
    "integration/gateway/test_lists_are_no_oracle.py",
    "unit/budgets/admission/test_budget_windows.py",
    "functional/money/test_workers_exact.py",
    "functional/operations/test_revoke.py",
    "functional/hostile/test_unauthenticated_abuse.py",
    "integration/gateway/invalidation/test_pubsub.py",
    "integration/providers/transport/test_client_waits.py",
    "functional/money/test_ledger_export.py",
    "functional/resilience/test_failover.py",
    "functional/money/test_budget_thousand.py",
    "integration/providers/transport/test_client_readers.py",
    "functional/money/test_unbounded_requests.py",
    "integration/gateway/supervisor/test_supervisor.py",
    "functional/hostile/test_key_guessing.py",
    "functional/operations/test_shutdown.py",
)


def arrange(items: list[pytest.Item]) -> None:
    """Put the longest files first; the order within a file stays."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(_file(item), len(places)))


def _file(item: pytest.Item) -> str:
    """Return its path below tests/."""
    return item.nodeid.partition("::")[0].removeprefix("tests/")
