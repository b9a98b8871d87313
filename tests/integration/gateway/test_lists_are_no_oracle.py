"""The address of a list compares only what the list shows: a stored secret cannot be found letter by letter."""

from __future__ import annotations

from itertools import product

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from tenants.audit import SECRET_FIELDS, SECRET_MAPS
from tenants.models import ApiKey, User

pytestmark = pytest.mark.django_db

HOW = ("", "__exact", "__startswith", "__istartswith", "__regex", "__gt", "__contains", "__isnull", "__in")
COLUMNS = [
    ("tenants_apikey", "secret_hmac"),
    ("tenants_apikey", "previous_hmac"),
    ("tenants_apikey", "created_by__password"),
    ("tenants_apikey", "pepper_id"),
    ("tenants_user", "password"),
    ("tenants_user", "api_keys__secret_hmac"),
    ("tenants_tenant", "api_keys__secret_hmac"),
    ("tenants_tenant", "memberships__user__password"),
    ("catalog_deployment", "credential__ciphertext"),
    ("catalog_deployment", "credential__hint"),
    ("catalog_deployment", "metadata"),
    ("catalog_deployment", "metadata__aws_secret_access_key"),
    ("catalog_model", "deployments__credential__ciphertext"),
    ("catalog_price", "deployment__credential__ciphertext"),
    ("budgets_budget", "key__secret_hmac"),
    ("budgets_ratelimit", "key__secret_hmac"),
    ("auth_group", "user__password"),
]


@pytest.fixture
def reader(acme) -> Client:
    """A user that may look at everything and change nothing."""
    ApiKey.objects.create(tenant=acme, name="App", prefix="app", secret_hmac="ab" * 32)
    person = User.objects.create_user("reader@example.com", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client = Client()
    client.force_login(person)
    return client


@pytest.mark.parametrize(("page", "column"), COLUMNS)
def test_a_secret_column_cannot_be_compared(reader, page, column):
    for how in HOW:
        answer = reader.get(reverse(f"admin:{page}_changelist"), {f"{column}{how}": "ab"})
        assert answer.status_code == 400, f"{column}{how}"


def test_no_list_of_the_site_compares_a_secret_column():
    for model, page in admin.site._registry.items():  # noqa: SLF001 - every list there is
        columns = {field.name for field in model._meta.get_fields()} & (SECRET_FIELDS | SECRET_MAPS)  # noqa: SLF001
        for column, how in product(columns, HOW):
            assert not page.lookup_allowed(f"{column}{how}", "a", None), (model, column, how)  # type: ignore[arg-type]


DOORS = [
    ("tenants_apikey", "secret_hmac", "ab" * 32),
    ("tenants_apikey", "previous_hmac", "cd" * 32),
    ("tenants_user", "password", "argon2"),
    ("catalog_deployment", "credential__ciphertext", "v1"),
    ("catalog_deployment", "seal_id", "ab"),
]


@pytest.mark.parametrize(("page", "column", "value"), DOORS)
def test_no_other_door_compares_a_secret(reader, page, column, value):
    """Neither the parameters of pop-ups, nor a page's address, nor the search, nor an order that is not offered."""
    ApiKey.objects.update(previous_hmac="cd" * 32)
    by_column = {"_to_field": column, "_popup": "1"}
    answers = [
        reader.get(reverse(f"admin:{page}_changelist"), by_column),
        reader.get(reverse(f"admin:{page}_change", args=[value]), by_column),
        reader.get(reverse(f"admin:{page}_delete", args=[value]), by_column),
    ]
    assert [answer.status_code for answer in answers if answer.status_code not in {400, 403}] == []
    found = reader.get(reverse(f"admin:{page}_changelist"), {"q": value})
    assert (found.status_code, found.context["cl"].result_count) == (200, 0)
    for order in ("99", "-99", column, f"-{column}", f"0.{column}"):
        listed = reader.get(reverse(f"admin:{page}_changelist"), {"o": order})
        assert column not in str(listed.context["cl"].queryset.query.order_by)


@pytest.mark.parametrize(
    ("page", "pattern"),
    [
        ("tenants_apikey", "name__regex"),
        ("tenants_apikey", "tenant__name__iregex"),
        ("tenants_user", "email__regex"),
        ("metering_usageevent", "model__regex"),
    ],
)
def test_patterns_do_not_run_in_the_database(reader, page, pattern):
    answer = reader.get(reverse(f"admin:{page}_changelist"), {pattern: "(a+)+$"})

    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("page", "filters"),
    [
        ("tenants_apikey", {"priority__exact": "batch", "revoked_at__isempty": "1"}),
        ("tenants_apikey", {"expires_at__gte": "2026-01-01 00:00:00+00:00"}),
        ("tenants_apikey", {"tenant__exact": "1"}),
        ("tenants_user", {"is_staff__exact": "1"}),
        ("catalog_deployment", {"provider__exact": "openai", "enabled__exact": "1"}),
        ("catalog_price", {"active_to__isempty": "1"}),
        ("metering_usageevent", {"status__exact": "ok", "started_at__year": "2026"}),
        ("budgets_budget", {"schedule__exact": "weekly"}),
    ],
)
def test_filters_offered_by_a_list_still_work(reader, page, filters):
    answer = reader.get(reverse(f"admin:{page}_changelist"), filters)

    assert (answer.status_code, answer.context["cl"].has_filters) == (200, True)
