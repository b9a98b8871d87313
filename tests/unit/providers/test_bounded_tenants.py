"""The state of tenants at one deployment is bounded, and tenants beyond the bound are not penalized. Pure."""

from __future__ import annotations

from providers.resilience.health_hint import HealthHint
from tests.unit.providers.resilience.test_health import health
from tests.unit.providers.resilience.test_tenant_isolation import ALICE, POISON, WHERE, call


def test_only_so_many_tenants_have_a_breaker_of_their_own():
    subject = health()
    entry = None
    for who in range(1, 1_000):
        call(subject, who, POISON["silence"]())
        call(subject, 5_000, None)
        entry = subject.get(WHERE.id)
    assert entry is not None
    assert len(entry.tenant_breakers) <= 64


def test_only_so_many_limited_tenants_are_remembered():
    subject = health()
    subject.update_targets([WHERE])
    for who in range(1, 1_000):
        subject.apply_hint(HealthHint(WHERE.id, "cool", 60.0, tenant_id=who))
    entry = subject.get(WHERE.id)
    assert entry is not None
    assert len(entry.limited_tenants) <= 64
    assert entry.is_limited_for_others(ALICE, subject.clock())


def test_tenants_beyond_the_tracked_number_are_no_suspects():
    subject = health()
    for who in range(1, 1_000):
        call(subject, who, POISON["silence"]())
        call(subject, 5_000, None)
        call(subject, 5_000, None)
    entry = subject.get(WHERE.id)
    assert entry is not None
    assert entry.suspect_tenants(subject.clock()) <= {*range(1, 1_000), 5_000}
