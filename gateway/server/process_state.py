"""The state of this process: for /readyz, the front page, and the gauges that are read when metrics are scraped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.supervisor.worker_state import State

if TYPE_CHECKING:
    from gateway.runtime import Runtime


def show_gauges(live: Runtime) -> None:
    """Connect the gauges of this process to its counts of open work."""
    live.metrics.watch_gauges(
        lambda: len(live.in_flight),
        lambda: live.journal.unshipped_records,
        lambda: live.journal.oldest_unshipped_s,
        lambda: live.reading_on.in_use,
    )
    live.metrics.watch_store("database", lambda: not live.database_monitor.is_late)
    live.metrics.watch_store("journal", lambda: live.journal.has_room)
    if not live.config.embedded:
        live.metrics.watch_store("redis", lambda: not live.admission.fitness()[0])
    live.metrics.watch_load(lambda: live.load_shedder.cap, lambda: live.load_shedder.lag_s)


def state_of(live: Runtime) -> State:
    """Return the current state of this process."""
    trouble, has_reserve = live.admission.fitness()
    return State(
        has_room=live.journal.has_room,
        is_database_up=not live.database_monitor.is_late,
        ships=not live.shipper.failures,
        redis_trouble=trouble,
        can_admit=not trouble or has_reserve or not _all_need_money(live),
        unshipped=live.journal.unshipped_records,
        oldest_s=live.journal.oldest_unshipped_s,
    )


def _all_need_money(live: Runtime) -> bool:
    """Whether every call needs a budget: each tenant has one, and no model is free."""
    if live.rulebook.tenant_budget is None:
        return False
    return not any(
        deployment.sheet.free for model in live.snapshot.models.values() for deployment in model.deployments
    )
