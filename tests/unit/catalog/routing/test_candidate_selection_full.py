"""Routing skips deployments whose bulkhead is full. Pure."""

from __future__ import annotations

import pytest

from catalog.pricing.prices import PriceSheet
from catalog.routing import resolve as routing
from catalog.snapshot import Deployment, Model, Snapshot
from providers.errors.exceptions import Unavailable, UpstreamFailed, UpstreamStatus
from providers.resilience.bulkhead import Bulkheads
from providers.resilience.health import DeploymentHealth
from providers.target import Secret, Target
from tenants.caller import Caller

ALICE = Caller(key_id=1, key_prefix="alice", key_name="Alice", tenant_id=1, tenant="alice-co")


def deployment(number, *, alias="chat", priority=0):
    target = Target(
        id=number,
        alias=alias,
        name=f"d{number}",
        provider="openai",
        upstream_model="m",
        base_url=f"http://{number}",
        secret=Secret(""),
    )
    return Deployment(target=target, sheet=PriceSheet(input=1), priority=priority)


def resolve(health, *deployments, others=(), **facts):
    models = {"chat": Model(alias="chat", deployments=deployments, **facts)}
    models |= {other.target.alias: Model(alias=other.target.alias, deployments=(other,)) for other in others}
    snapshot = Snapshot(models=models)
    return routing.resolve(snapshot, "chat", ALICE, model_type="llm", health=health, dice=lambda: 0.5)


def names(route):
    return [d.target.name for d in route.deployments]


def health_of(*deployments):
    """Return the health of these deployments; one call fills the bulkhead of each."""
    health = DeploymentHealth(bulkheads=Bulkheads(100, 1), clock=lambda: 1000.0)
    health.update_targets([each.target for each in deployments])
    return health


def started(health, deployment):
    attempt = health.start(deployment.target)
    assert attempt is not None
    return attempt


def fail(health, deployment, failure, times):
    for _ in range(times):
        attempt = started(health, deployment)
        attempt.record_failure(failure)
        attempt.release()


def test_a_full_deployment_is_passed_over_and_said_to_be_full():
    a, b = deployment(1), deployment(2, priority=1)
    health = health_of(a, b)
    assert names(resolve(health, a, b)) == ["d1", "d2"]
    started(health, a)
    route = resolve(health, a, b)
    assert (names(route), route.is_panic) == (["d2"], False)
    assert route.skipped[0].why.startswith("full")


def test_when_all_deployments_are_full_no_call_waits():
    a, b = deployment(1), deployment(2)
    health = health_of(a, b)
    started(health, a)
    started(health, b)
    for several in ((a, b), (a,)):
        with pytest.raises(Unavailable) as refusal:
            resolve(health, *several)
        assert (refusal.value.answer_status, refusal.value.reached) == (503, False)
        assert refusal.value.retry_after_s is not None


def test_a_full_alias_falls_back_and_broken_ones_are_not_called_in_its_stead():
    a, broken, other = deployment(1), deployment(2), deployment(3, alias="other")
    health = health_of(a, broken, other)
    fail(health, broken, UpstreamFailed("status 500"), 5)
    started(health, a)
    with pytest.raises(Unavailable):
        resolve(health, a, broken)
    route = resolve(health, a, broken, others=[other], fallbacks={"unavailable": ("other",)})
    assert names(route) == ["d3"]


def test_deployment_that_is_full_and_cooling_reports_the_cooldown():
    a = deployment(1)
    health = health_of(a)
    attempt = started(health, a)
    attempt.record_failure(UpstreamStatus(429, b"", retry_after_s=40.0))
    attempt.release()
    with pytest.raises(Unavailable) as refusal:
        resolve(health, a)
    assert refusal.value.answer_status == 429


def test_the_tiers_are_deployments_that_stand_in_for_each_other():
    deployments = (deployment(1), deployment(2), deployment(3, priority=1), deployment(4, priority=1))
    lone = deployment(5, alias="lone")
    models = {
        "chat": Model(alias="chat", deployments=deployments),
        "lone": Model(alias="lone", deployments=(lone,)),
    }
    snapshot = Snapshot(models=models)
    assert snapshot.tiers() == [[1, 2], [3, 4]]
    assert [target.id for target in snapshot.targets] == [1, 2, 3, 4, 5]
