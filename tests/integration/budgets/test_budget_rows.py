"""What the database refuses of limits and budgets, and the verbs that write them."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from budgets.models import Budget, RateLimit
from budgets.services import delete_rule, save_rule, save_rule_of_file, set_budget, set_limits
from gateway.values.money import LARGEST_NANOUSD
from tenants.audit import Actor
from tenants.models import ApiKey, AuditEvent, Tenant

ALICE = Actor("alice@example.com")
pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Tenant:
    return Tenant.objects.create(name="acme")


@pytest.fixture
def key(acme) -> ApiKey:
    return ApiKey.objects.create(tenant=acme, name="app", prefix="app", secret_hmac="x")


def refuses(model, **columns):
    with pytest.raises(IntegrityError), transaction.atomic():
        model.objects.create(**columns)


@pytest.mark.parametrize(
    "columns",
    [
        {"limit_nanousd": 0},
        {"limit_nanousd": -1},
        {"limit_nanousd": LARGEST_NANOUSD + 1},
        {"schedule": "hourly"},
        {"warning_ratio": 0.0},
        {"warning_ratio": 1.1},
        {"on_insufficient": "pray"},
        {"alert_cooldown_s": -1},
        {"origin": "moon"},
    ],
)
def test_the_database_refuses_an_impossible_budget(acme, columns):
    refuses(Budget, **({"tenant": acme, "limit_nanousd": 1} | columns))


@pytest.mark.parametrize(
    "columns", [{"requests_per_minute": 0}, {"tokens_per_minute": -2}, {"parallel_requests": 0}]
)
def test_the_database_refuses_an_impossible_limit(acme, columns):
    refuses(RateLimit, tenant=acme, **columns)


@pytest.mark.parametrize(("model", "columns"), [(Budget, {"limit_nanousd": 1}), (RateLimit, {})])
def test_a_rule_belongs_to_exactly_one_scope(acme, key, model, columns):
    refuses(model, **columns)
    refuses(model, tenant=acme, key=key, **columns)


def test_a_scope_has_one_row_of_limits_and_one_budget_a_schedule(acme):
    RateLimit.objects.create(tenant=acme)
    Budget.objects.create(tenant=acme, limit_nanousd=1, schedule="weekly")
    Budget.objects.create(tenant=acme, limit_nanousd=1, schedule="daily")

    refuses(RateLimit, tenant=acme)
    refuses(Budget, tenant=acme, limit_nanousd=2, schedule="weekly")


def test_setting_a_budget_again_replaces_it(key):
    set_budget(key, 5, "weekly", actor=ALICE)
    set_budget(key, 7, "weekly", actor=ALICE, warning_ratio=0.5)

    budget = Budget.objects.get()
    assert (budget.scope, budget.limit_nanousd, budget.warning_ratio) == (f"key:{key.pk}", 7, 0.5)
    assert list(AuditEvent.objects.order_by("pk").values_list("action", flat=True)) == ["create", "update"]


def test_setting_one_rate_leaves_the_others(acme):
    set_limits(acme, {"requests_per_minute": 5, "parallel_requests": -1}, actor=ALICE)
    set_limits(acme, {"requests_per_minute": None}, actor=ALICE)

    limits = RateLimit.objects.get()
    assert (limits.scope, limits.requests_per_minute, limits.parallel_requests) == (
        f"tenant:{acme.pk}",
        None,
        -1,
    )


def test_the_file_no_longer_decides_what_an_administrator_wrote(acme):
    row = Budget(tenant=acme, limit_nanousd=5, schedule="weekly")

    save_rule_of_file(row, actor=ALICE)
    assert (row.origin, row.edited) == ("file", False)
    save_rule(row, actor=ALICE)
    assert (row.origin, row.edited) == ("file", True)
    save_rule_of_file(row, actor=ALICE)  # bootstrap --update
    assert (row.origin, row.edited) == ("file", False)
    delete_rule(row, actor=ALICE)

    actions = AuditEvent.objects.order_by("pk").values_list("action", flat=True)
    assert (list(actions), Budget.objects.count()) == (["create", "update", "update", "delete"], 0)
