"""Every list of Django admin opens, searches and stays cheap; the ledger can only be read."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from budgets.models import Budget, RateLimit, SpendWindow
from catalog.models import Deployment, HealthProbe, Model, Price
from catalog.sync import sync_catalog
from gateway.config import Config
from metering.models import LoggedRequest, UsageEvent
from tenants.models import ApiKey, AuditEvent, Tenant, User
from tests.back_office import NOW, ROW

pytestmark = pytest.mark.django_db


def ledger_row(number: int) -> UsageEvent:
    return UsageEvent(
        id=f"req_{number}",
        started_at=NOW + timedelta(seconds=number),
        finished_at=NOW,
        tenant_id=1,
        tenant="acme",
        key_id=1,
        api_key_prefix="app",
        endpoint="chat",
        model="gpt-4o",
        provider="openai",
        deployment="east",
        upstream_model="gpt-4o",
        status="ok",
        http_status=200,
        cost_nanousd=1_500_000,
    )


def test_the_ledger_can_be_read_and_not_touched(client):
    event = ledger_row(1)
    event.save()
    change = reverse("admin:metering_usageevent_change", args=[event.pk])

    assert "0.0015" in client.get(change).content.decode()
    assert client.post(change, {"cost_nanousd": 0}).status_code == 403
    assert client.get(reverse("admin:metering_usageevent_add")).status_code == 403
    assert (
        client.post(reverse("admin:metering_usageevent_delete", args=[event.pk]), {"post": "yes"}).status_code
        == 403
    )


def fill(numbers):
    tenants = Tenant.objects.bulk_create(Tenant(name=f"t{n}") for n in numbers)
    members = User.objects.bulk_create(User(email=f"p{n}@example.com") for n in numbers)
    owned = ApiKey.objects.bulk_create(
        ApiKey(tenant=tenant, name="k", prefix=f"k{tenant.name}", secret_hmac="x") for tenant in tenants
    )
    RateLimit.objects.bulk_create(RateLimit(key=key, requests_per_minute=1) for key in owned)
    Budget.objects.bulk_create(Budget(tenant=tenant, limit_nanousd=1) for tenant in tenants)
    rows = [{**ROW, "alias": f"m{n}", "api_key": "sk-upstream-1234567"} for n in range(max(numbers) + 1)]
    sync_catalog(Config.model_validate({"model_catalog": rows}), now=NOW)
    UsageEvent.objects.bulk_create(ledger_row(n) for n in numbers)
    LoggedRequest.objects.bulk_create(
        LoggedRequest(id=f"req_{n}", at=NOW, method="GET", path="/v1/x", http_status=404) for n in numbers
    )
    return members


PAGES = {
    "auth_group": Group,
    "tenants_user": User,
    "tenants_tenant": Tenant,
    "tenants_apikey": ApiKey,
    "tenants_auditevent": AuditEvent,
    "catalog_model": Model,
    "catalog_deployment": Deployment,
    "catalog_price": Price,
    "budgets_ratelimit": RateLimit,
    "budgets_budget": Budget,
    "budgets_spendwindow": SpendWindow,
    "metering_usageevent": UsageEvent,
    "metering_loggedrequest": LoggedRequest,
}


def test_a_list_costs_the_same_number_of_queries_however_long(client):
    fill(range(2))
    for page in PAGES:
        queries_of(client, page)

    few = {page: queries_of(client, page) for page in PAGES}
    fill(range(2, 12))
    many = {page: queries_of(client, page) for page in PAGES}

    assert {page: (few[page], count) for page, count in many.items() if count > few[page]} == {}


def queries_of(client, page):
    with CaptureQueriesContext(connection) as queries:
        assert client.get(reverse(f"admin:{page}_changelist")).status_code == 200
    return len(queries)


@pytest.mark.parametrize(
    ("page", "parameter"),
    [
        ("tenants_auditevent", "action"),
        ("tenants_auditevent", "resource"),
        ("metering_usageevent", "status"),
        ("metering_usageevent", "unsettled"),
        ("metering_loggedrequest", "http_status"),
        ("catalog_healthprobe", "state"),
    ],
)
@pytest.mark.parametrize("value", ["nonsense", "9999999999999999999999"])
def test_a_filter_takes_no_value_but_those_that_it_offers(client, page, parameter, value):
    ledger_row(1).save()
    LoggedRequest(id="req_2", at=NOW, method="GET", path="/v1", http_status=404).save()
    HealthProbe(place="p", provider="openai", endpoint="e", at=NOW, since=NOW, state="online").save()
    AuditEvent(actor="a", action="create", resource="tenant", resource_id="1").save()
    shown = client.get(reverse(f"admin:{page}_changelist"), {parameter: value})
    assert shown.context["cl"].result_count > 0


def test_calls_whose_outcome_nobody_knows_are_found_by_a_filter(client):
    fill(range(3))
    UsageEvent.objects.filter(pk=ledger_row(1).pk).update(unsettled_nanousd=5)
    page = client.get(reverse("admin:metering_usageevent_changelist"), {"unsettled": "yes"})
    assert [event.pk for event in page.context["cl"].result_list] == [ledger_row(1).pk]


def test_each_page_opens_and_searches(client):
    fill(range(2))
    for page, model in PAGES.items():
        url = reverse(f"admin:{page}_changelist")
        assert client.get(url, {"q": "k"}).status_code == 200, page
        first = model.objects.first()  # type: ignore[attr-defined]  # every model here has it
        if first is not None:
            change = reverse(f"admin:{page}_change", args=[first.pk])
            assert client.get(change).status_code == 200, page
        assert client.get(reverse(f"admin:{page}_add")).status_code in {200, 403}, page


def test_an_empty_list_says_whether_filters_are_why_and_offers_only_what_one_may_do(client):
    here, matches = "There is nothing here yet.", "Nothing matches the search and the filters."
    for model, name, may_add in (
        (LoggedRequest, "metering_loggedrequest", False),
        (Budget, "budgets_budget", True),
    ):
        model.objects.all().delete()
        address = reverse(f"admin:{name}_changelist")
        plain, searched = (client.get(address + query).content.decode() for query in ("", "?q=nothing"))
        assert (here in plain, matches in plain) == (True, False)
        assert (here in searched, matches in searched) == (False, True)
        assert "Create a new item" not in plain + searched
        assert ("Add budget" in searched) is may_add
