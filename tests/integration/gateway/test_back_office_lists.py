"""Filters of the lists of Django admin, and lists that are empty; the ledger can only be read.

That every page opens and stays cheap: test_back_office_everywhere.py.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from budgets.models import Budget
from catalog.models import HealthProbe
from metering.models import LoggedRequest, UsageEvent
from tenants.models import AuditEvent
from tests.support.clients.forms import NOW

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


def test_calls_with_unknown_outcome_are_found_by_a_filter(client):
    UsageEvent.objects.bulk_create(ledger_row(number) for number in range(3))
    UsageEvent.objects.filter(pk=ledger_row(1).pk).update(unsettled_nanousd=5)
    page = client.get(reverse("admin:metering_usageevent_changelist"), {"unsettled": "yes"})
    assert [event.pk for event in page.context["cl"].result_list] == [ledger_row(1).pk]


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
