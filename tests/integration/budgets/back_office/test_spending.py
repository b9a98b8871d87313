"""Pages show budgets without counters from the ledger, in one query; and they show what is not known."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from budgets.admission.budget_windows import window
from budgets.back_office.money_text import amount, details, line
from budgets.back_office.spending import Spending, default_budget, spending_of
from budgets.models import Budget, SpendWindow
from gateway.config import Config
from tenants.models import ApiKey, Tenant

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 5, 13, 12, tzinfo=UTC).timestamp()


def spent_in(budget, timezone, spent, unsettled=0):
    span = window(budget.schedule, timezone, NOON)
    return SpendWindow.objects.create(
        scope=budget.scope,
        schedule=budget.schedule,
        timezone=timezone,
        start=datetime.fromtimestamp(span.start, UTC),
        end=datetime.fromtimestamp(span.end, UTC),
        spent_nanousd=spent,
        unsettled_nanousd=unsettled,
    )


@pytest.mark.parametrize("schedule", ["daily", "weekly", "calendar_month", "every_10d", "rolling_30d"])
@pytest.mark.parametrize("timezone", ["", "Asia/Tokyo"])
def test_the_window_that_counts_now_is_read_in_the_owners_zone(schedule, timezone):
    tenant = Tenant.objects.create(name="acme", timezone=timezone)
    key = ApiKey.objects.create(tenant=tenant, name="App", prefix="app", secret_hmac="x")
    rows = [
        Budget.objects.create(**owner, limit_nanousd=100, schedule=schedule)
        for owner in ({"tenant": tenant}, {"key": key})
    ]
    for row in rows:
        spent_in(row, timezone or "UTC", 30, unsettled=10)
        spent_in(row, "Europe/Berlin", 99)
    for told in spending_of(rows, NOON):
        assert (told.spent, told.unsettled, told.held, told.left, told.share) == (20, 10, None, 70, 0.3)
        assert told.resets_at is not None
        assert told.resets_at.timestamp() > NOON


def test_an_uncounted_window_is_shown_as_unknown():
    row = Budget.objects.create(tenant=Tenant.objects.create(name="acme"), limit_nanousd=100)
    [told] = spending_of([row], NOON)
    assert (told.spent, told.left, told.share) == (None, None, None)
    assert "not known yet of 0.0000001 USD" in line(told, row.schedule)
    assert "<progress" not in details(told, row.schedule)


def test_any_number_of_budgets_is_one_query():
    tenants = Tenant.objects.bulk_create(Tenant(name=f"t{n}") for n in range(50))
    rows = Budget.objects.bulk_create(Budget(tenant=tenant, limit_nanousd=1) for tenant in tenants)
    with CaptureQueriesContext(connection) as queries:
        assert len(spending_of(rows, NOON)) == 50
        assert spending_of([], NOON) == []
    assert len(queries) == 1


def test_a_tenant_without_a_budget_has_the_configurations(monkeypatch):
    tenant = Tenant.objects.create(name="acme")
    config = Config.model_validate({"budgets": {"default_usd": 7, "refresh_schedule": "weekly"}})
    monkeypatch.setattr(settings, "GATEWAY", config)
    usual = default_budget(tenant)
    assert usual is not None
    assert usual._state.adding  # noqa: SLF001 - Django's way to ask
    assert (usual.limit_nanousd, str(usual)) == (7 * 10**9, "Weekly budget of acme")
    assert spending_of([usual], NOON)[0].spent is None


@pytest.mark.parametrize(
    ("nanousd", "words"),
    [
        (0, "0.00"),
        (10**9, "1.00"),
        (1_500_000_000, "1.50"),
        (2_541_490, "0.00254149"),
        (12_345_678 * 10**9, "12,345,678.00"),
        (1_234_567_891_234, "1,234.567891234"),
        (None, "not known yet"),
    ],
)
def test_an_amount_is_exact_and_has_cents(nanousd, words):
    assert amount(nanousd) == words


def test_overspent_budget_is_a_full_bar_with_nothing_left():
    over = Spending(limit=100, spent=150, held=5)
    assert (over.left, over.share) == (0, 1.5)
    assert 'value="1.0000"' in line(over, "weekly")
