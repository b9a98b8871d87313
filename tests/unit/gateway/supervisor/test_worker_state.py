"""The combined state of all workers, and the answer for /readyz."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from catalog.pricing.prices import PriceSheet
from catalog.snapshot import CatalogProblem, Deployment, Model, Snapshot
from gateway import runtime
from gateway.server.process_state import state_of
from gateway.site.health import readiness
from gateway.supervisor.worker_state import State, combined
from providers.target import Secret, Target

WELL = State()


def deployment(alias: str, *, free: bool = False) -> Deployment:
    target = Target(
        id=1,
        alias=alias,
        name=alias,
        provider="openai",
        upstream_model="m",
        base_url="http://x",
        secret=Secret(""),
    )
    return Deployment(target=target, sheet=PriceSheet(free=free))


def snapshot(**models: Model) -> Snapshot:
    return Snapshot(models=models, problems=(CatalogProblem("x", "x-1", "no API key"),))


@pytest.fixture
def live(monkeypatch):
    """A process that serves, as far as its state is read."""
    found = SimpleNamespace(
        config=SimpleNamespace(embedded=False),
        is_leaving=False,
        is_draining=False,
        journal=SimpleNamespace(has_room=True, unshipped_records=3, oldest_unshipped_s=0.25),
        database_monitor=SimpleNamespace(is_late=False),
        shipper=SimpleNamespace(failures=0),
        admission=SimpleNamespace(fitness=lambda: ("", True)),
        rulebook=SimpleNamespace(tenant_budget=object()),
        snapshot=snapshot(a=Model(alias="a", deployments=(deployment("a"),))),
        supervisor=None,
        failed_probes=(),
        job_runs=(),
    )
    runtime.install(cast("Any", found))
    yield found
    runtime.install(None)


def test_state_of_all_workers_is_the_worst_one_with_the_capabilities_of_any():
    others = State(
        has_room=False,
        is_database_up=False,
        ships=False,
        redis_trouble="refused",
        can_admit=False,
        unshipped=7,
        oldest_s=2.5,
    )
    whole = combined([WELL, others, State(unshipped=2, oldest_s=1.0)])
    assert whole == msgspec.structs.replace(others, can_admit=True, unshipped=9)
    assert combined([]) == WELL
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(whole), type=State) == whole


@pytest.mark.parametrize(
    ("fitness", "default_budget", "is_free", "can_admit"),
    [
        (("", False), object(), False, True),
        (("gone", True), object(), False, True),
        (("gone", False), None, False, True),
        (("gone", False), object(), True, True),
        (("gone", False), object(), False, False),
    ],
)
def test_calls_are_admitted_by_redis_by_the_outage_allowance_or_without_budget(
    live, fitness, default_budget, is_free, can_admit
):
    live.admission.fitness = lambda: fitness
    live.rulebook.tenant_budget = default_budget
    live.snapshot = snapshot(a=Model(alias="a", deployments=(deployment("a", free=is_free),)))
    assert state_of(live).can_admit is can_admit
    status, body = readiness()
    assert (status, body["status"]) == ((200, "ready") if can_admit else (503, "unready"))
    assert body["checks"]["redis"] == (fitness[0] or "ok")


@pytest.mark.parametrize(
    ("models", "status", "count"),
    [
        ({}, "no_model", 0),
        ({"a": Model(alias="a")}, "no_model", 0),
        ({"a": Model(alias="a", model_type="image", deployments=(deployment("a"),))}, "no_model", 0),
        ({"a": Model(alias="a", shadows=(deployment("a"),))}, "no_model", 0),
        ({"a": Model(alias="a", deployments=(deployment("a"),)), "b": Model(alias="b")}, "ready", 1),
        (
            {
                "a": Model(alias="a", fallbacks={"unavailable": ("b",)}),
                "b": Model(alias="b", deployments=(deployment("b"),)),
            },
            "ready",
            2,
        ),
        (
            {
                "a": Model(alias="a", fallbacks={"context_window": ("b",)}),
                "b": Model(alias="b", deployments=(deployment("b"),)),
            },
            "ready",
            1,
        ),
    ],
)
def test_models_are_counted_that_can_answer(live, models, status, count):
    live.snapshot = snapshot(**models)
    code, body = readiness()
    assert (code, body["status"], body["checks"]["models"]) == (200, status, count)
    assert body["problems"] == [{"alias": "x", "deployment": "x-1", "reason": "no API key"}]
    live.failed_probes = (CatalogProblem("a", "a-1", "http://x failed its probe: Connection refused"),)
    assert len(readiness()[1]["problems"]) == 2


def test_state_from_the_supervisor_overrides_the_workers_own(live):
    live.supervisor = SimpleNamespace(state_of_all=lambda: State(has_room=False, unshipped=40, oldest_s=9.96))
    code, body = readiness()
    assert (code, body["checks"]["journal"], body["checks"]["unshipped_records"]) == (503, "full", 40)
    live.supervisor.state_of_all = lambda: None  # the supervisor has sent none for a while
    code, body = readiness()
    assert (code, body["checks"]["journal"], body["checks"]["unshipped_records"]) == (200, "ok", 3)


@pytest.mark.parametrize(
    ("late", "failures", "database", "ledger"),
    [
        (False, 0, "ok", "ok"),
        (True, 0, "away, or late", "the database is away"),
        (False, 2, "ok", "the database is away"),
    ],
)
def test_a_database_that_is_away_is_known_without_anything_to_ship(live, late, failures, database, ledger):
    live.database_monitor.is_late, live.shipper.failures = late, failures
    code, body = readiness()
    assert code == 200
    assert body["checks"]["database"] == database
    assert body["checks"]["ledger"].startswith(ledger)


def test_a_leaving_worker_reports_its_shutdown_itself(live):
    live.is_leaving = True
    live.supervisor = SimpleNamespace(state_of_all=lambda: WELL)
    code, body = readiness()
    assert (code, body["reasons"]) == (503, ["the gateway is shutting down"])
