"""The audit trail names its objects and shows changes; refused pages and long lists say what they are."""

from __future__ import annotations

import html
import io
import logging
import re

import pytest
from django.test import Client
from django.urls import reverse

from budgets.models import Budget
from gateway.observability.log_format import JsonFormatter, configure, without_blame
from tenants.back_office.paging import MOST_COUNTED
from tenants.models import ApiKey, AuditEvent, Tenant, User
from tests.support.clients.forms import post

pytestmark = pytest.mark.django_db

BUDGET = {"limit_nanousd": "5", "schedule": "weekly", "warning_ratio": "0.8", "on_insufficient": "refuse"}
KEY = {"name": "App", "priority": "interactive"}


@pytest.fixture
def key(acme):
    return ApiKey.objects.create(tenant=acme, name="App", prefix="app", secret_hmac="x" * 64)


def test_the_trail_names_its_objects_and_shows_what_changed(client, acme, key):
    post(client, "tenants_apikey_change", KEY | {"name": "Renamed", "allowed_ips": "10.0.0.0/8"}, key.pk)
    post(client, "budgets_budget_add", BUDGET | {"tenant": acme.pk})
    post(
        client,
        "budgets_budget_change",
        BUDGET | {"tenant": acme.pk, "limit_nanousd": "20"},
        Budget.objects.get().pk,
    )

    page = html.unescape(client.get(reverse("admin:tenants_auditevent_changelist")).content.decode())

    assert ">Renamed (sk-app)</a>" in page
    assert reverse("admin:tenants_apikey_change", args=[key.pk]) in page
    assert "Name: App → Renamed" in page
    assert ">Weekly budget of acme</a>" in page
    assert "Limit in USD: 5 → 20" in page


@pytest.mark.parametrize("text", ["root@example.com", "Renamed (sk-app)", "sk-app", "app", "Renamed"])
def test_the_trail_is_searched_by_whole_words(client, key, text):
    post(client, "tenants_apikey_change", KEY | {"name": "Renamed"}, key.pk)
    found = client.get(reverse("admin:tenants_auditevent_changelist"), {"q": text}).context["cl"].result_list
    assert [event.resource_id for event in found] == [str(key.pk)]


def test_history_is_that_of_the_trail(client, acme, key):
    url = reverse("admin:tenants_apikey_history", args=[key.pk])
    assert "This has not been changed" in client.get(url).content.decode()
    AuditEvent.objects.create(
        actor="bootstrap", action="create", resource="apikey", resource_id=str(key.pk), after={"name": "App"}
    )
    AuditEvent.objects.create(actor="x", action="create", resource="apikey", resource_id="99", after={})
    post(client, "tenants_apikey_change", KEY | {"name": "Renamed"}, key.pk)

    page = client.get(url).content.decode()

    assert ("by bootstrap" in page, "by root@example.com" in page, "by x" in page) == (True, True, False)
    assert "<td>App</td><td>Renamed</td>" in page


def test_a_secret_is_in_no_history(client, key):
    client.post(
        reverse("admin:tenants_apikey_changelist"), {"action": "rotate", "_selected_action": [key.pk]}
    )
    key.refresh_from_db()
    page = client.get(reverse("admin:tenants_apikey_history", args=[key.pk])).content.decode()
    assert key.secret_hmac not in page
    assert "x" * 64 not in page


@pytest.mark.parametrize(
    "path",
    ["tenants_tenant_changelist", "catalog_model_add", "budgets_budget_changelist", "tenants_user_add"],
)
def test_a_forbidden_page_says_so_without_a_traceback(path):
    staff = Client()
    staff.force_login(User.objects.create_user("staff@example.com", is_staff=True))
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(without_blame)
    logger = logging.getLogger("django.request")
    logger.addHandler(handler)
    try:
        answer = staff.get(reverse(f"admin:{path}"))
    finally:
        logger.removeHandler(handler)
    page = answer.content.decode()
    assert answer.status_code == 403
    assert "You may not do this" in page
    assert reverse("admin:index") in page
    assert "Forbidden" in lines.getvalue()
    assert "raceback" not in lines.getvalue()


@pytest.mark.parametrize(("name", "shown"), [("Ada Lovelace", "Ada Lovelace"), ("", "ada@example.com")])
def test_people_are_called_by_their_name(name, shown):
    browser = Client()
    browser.force_login(User.objects.create_user("ada@example.com", is_staff=True, name=name))
    page = browser.get(reverse("admin:index")).content.decode()
    assert re.findall(r"Ada Lovelace|ada@example.com", page)[:2] == [shown, "ada@example.com"]


def test_a_defect_keeps_its_traceback():
    record = logging.LogRecord(
        "django.request", logging.ERROR, "", 0, "x", (), (ValueError, ValueError(), None)
    )
    record.status_code = 500
    assert without_blame(record)
    assert record.exc_info


def test_the_filter_is_in_force(monkeypatch):
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    level = root.level
    configure("json")
    root.setLevel(level)
    assert without_blame in root.handlers[0].filters


def test_a_long_list_shows_more_than_the_counted_number(client, monkeypatch):
    monkeypatch.setattr("tenants.back_office.paging.MOST_COUNTED", 60)
    Tenant.objects.bulk_create(Tenant(name=f"t{n:03}") for n in range(61))
    page = client.get(reverse("admin:tenants_tenant_changelist")).content.decode()
    assert "more than 60" in page
    assert "Show all" not in page
    Tenant.objects.filter(name="t060").delete()
    exact = client.get(reverse("admin:tenants_tenant_changelist")).content.decode()
    assert ("more than" in exact, "60" in exact) == (False, True)
    assert MOST_COUNTED == 10_000


def test_what_was_searched_can_be_cleared(client, acme):
    page = client.get(reverse("admin:tenants_tenant_changelist"), {"q": "acme"}).content.decode()
    assert "1 found" in page
    assert "Clear search and filters" in page
